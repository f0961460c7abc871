"""Programs from npm, run where there is no network.

`VIBEUSAGE_TEST_NPM` names the folder that `npm install --prefix` has filled; without it, or where no program can be
kept from the network, what needs them is skipped with the reason. Of what is measured only the native programs are
started, so that it is theirs and nothing of node.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from real import unavailable

# read before any test has an environment of its own
FOLDER = os.environ.get("VIBEUSAGE_TEST_NPM", "")
PLACES = {
    "ccusage": "@ccusage/ccusage-*/bin/ccusage",
    "tokscale": "@tokscale/cli-*/bin/tokscale",
    "claude": "@anthropic-ai/claude-code-*/claude",
    "codex": "@openai/codex-*/vendor/*/bin/codex",
    "html-validate": "html-validate/bin/html-validate.mjs",
    "axe-core": "axe-core/axe.min.js",
}


def installed(name: str) -> Path | None:
    """The native program of one of PLACES, made executable, which some packages leave to their wrapper."""
    found = sorted(Path(FOLDER, "node_modules").glob(PLACES[name])) if FOLDER else []
    if not found:
        return None
    found[0].chmod(0o755)
    return found[0]


def program(name: str) -> str:
    if not FOLDER:
        pytest.skip("VIBEUSAGE_TEST_NPM names no folder with programs of npm")
    return str(installed(name) or unavailable(f"{name} of npm is not in VIBEUSAGE_TEST_NPM"))


def offline(command: Sequence[str]) -> list[str]:
    """The command in a network of its own that has no way out, not even a loopback that is up."""
    alone = [shutil.which("unshare") or unavailable("unshare is not installed"), "--map-root-user", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network of its own is not allowed here")
    return [*alone, *command]
