"""The whole way without an account: a loopback server with sample answers, a real refresh, every target.

The home is thrown away afterwards; its logins, addresses and limits are the made-up ones of `samples`.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w

from vibeusage import files, samples
from vibeusage.line import ASSISTANTS, TARGETS
from vibeusage.view import OWN_PROVIDER

ORDER = ("claude-code", "tmux", "starship", "zsh", "bash", "fish", "waybar", "i3blocks", "polybar", "screen")
IN_LINE = ("claude", "codex", "copilot", "cursor", "gemini")  # all of them would be a line of many screens
TIMEOUT_S = 30
GRACE = timedelta(seconds=30)  # a countdown reads as its sample says to the end of the demo
# nothing of the user's accounts: no login, no folder of another tool, no proxy
KEPT = re.compile(r"PATH|USER|LOGNAME|LANG|LC_\w+|TERM|TZ|TMPDIR|(VIBEUSAGE_)?NO_COLOR|CLICOLOR\w*|PYTHON\w+")


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self) -> None:
        """The sample, but only for the sample login, wherever the provider sends it."""
        opened = any(samples.TOKEN in value for value in self.headers.values())
        found = answer_to(self.command, urlsplit(self.path).path) if opened else None
        body = json.dumps(found or {"error": "not found"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the screen to the demo."""


def answer_to(method: str, path: str) -> Any:
    """None for what has no sample; a provider's address begins with its id."""
    name, _, rest = path.removeprefix("/").partition("/")
    answers = samples.load(name).answers if name in samples.ids() else {}
    return filled(answers.get(f"{method} /{rest}"))


def filled(sample: Any) -> Any:
    """A part of a sample with its instants, from now on."""
    return samples.filled(sample, datetime.now(UTC) + GRACE)


@contextlib.contextmanager
def server() -> Generator[str]:
    """The address of a loopback server with the sample answers."""
    answers = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=answers.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{answers.server_port}"
    finally:
        answers.shutdown()
        answers.server_close()
        thread.join()


@contextlib.contextmanager
def home(base_url: str) -> Generator[dict[str, str]]:
    """The environment of a throw-away home with sample logins for the server at `base_url`."""
    folder = Path(tempfile.gettempdir()) / f"vibeusage-demo-{secrets.token_hex(8)}"
    try:  # the name first, so that an interrupt finds no folder without its removal
        folder.mkdir(mode=0o700)
        files.write_private(folder / "config" / "config.toml", tomli_w.dumps(_settings(base_url)).encode())
        for name in samples.ids():
            _settle(folder, name, samples.load(name))
        yield _environment(folder, os.environ)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(base_url: str) -> dict[str, Any]:
    """Every provider at its own sample address, asked in the one way that has answers; a line of the better known."""
    lines = {target: {"provider": list(dict.fromkeys([own, *IN_LINE]))} for target, own in OWN_PROVIDER.items()}
    lines["claude-code"] = {"provider": ["claude"]}
    return {
        "provider_order": IN_LINE,
        "line": {"provider": IN_LINE, **lines},
        "providers": {name: _options(samples.load(name), f"{base_url}/{name}") for name in samples.ids()},
    }


def _options(sample: samples.Sample, base_url: str) -> dict[str, Any]:
    return {**sample.settings, "base_url": base_url} if sample.answers else sample.settings


def _settle(folder: Path, name: str, sample: samples.Sample) -> None:
    """Its logins and files in the home."""
    for kind, document in sample.logins.items():
        files.write_private(folder / "config" / "credentials" / name / f"{kind}.json", json.dumps(document).encode())
    for place, content in sample.files.items():
        text = json.dumps(filled(content)) if isinstance(content, dict) else "\n".join(filled(content)) + "\n"
        files.write_private(folder / place, text.encode())
        if text.startswith("#!"):
            (folder / place).chmod(0o700)


def _environment(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the user's but what a program needs; the stand-ins come before the programs of this machine."""
    kept = {name: value for name, value in environ.items() if KEPT.fullmatch(name)}
    ours = {f"VIBEUSAGE_{name.upper()}_DIR": str(folder / name) for name in ("config", "cache", "data")}
    logins = {variable: value for name in samples.ids() for variable, value in samples.load(name).environ.items()}
    path = os.pathsep.join([str(folder / "bin"), environ.get("PATH", os.defpath)])
    return {**kept, **ours, **logins, "HOME": str(folder), "PATH": path, "COLUMNS": "100", "PYTHONSAFEPATH": "1"}


def run(environ: Mapping[str, str], *args: str, stdin: str = "") -> str:
    """What one vibeusage command prints in the demo's home; a command that fails ends the demo."""
    done = subprocess.run(  # noqa: S603  (our own program, in the demo's own home)
        [sys.executable, "-m", "vibeusage", *args],
        input=stdin,
        capture_output=True,
        text=True,
        env=dict(environ),
        timeout=TIMEOUT_S,
        check=True,
    )
    return done.stdout


def segments(environ: Mapping[str, str], document: str) -> Generator[tuple[str, str]]:
    """(target, segment) of every target, the better known ones first."""
    for target in (*ORDER, *sorted(TARGETS - set(ORDER) - {"json"}), "json"):
        yield target, run(environ, "line", target, stdin=document if target in ASSISTANTS else "")
