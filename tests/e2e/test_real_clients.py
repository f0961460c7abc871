"""Claude Code and Codex themselves, against a model's API on loopback: their logs hold what that server sent.

Known from: Claude Code 2.1.197 and Codex 0.171.0 of npm, run by these tests in a network of their own without a way
out (model_server.py); their logs are counted by a sync into an empty store.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from npm import offline, program

from vibeusage.records import readers, store, sync
from vibeusage.records.readers.spec import Places

SERVER = Path(__file__).with_name("model_server.py")
COUNTS = ("input", "output", "write_5m", "write_1h", "read")
CODEX = """
model = "gpt-5.4"
model_provider = "here"
approval_policy = "never"
sandbox_mode = "danger-full-access"

[model_providers.here]
name = "here"
wire_api = "responses"
env_key = "MADE_UP_KEY"
request_max_retries = 0
"""
BASE_URL = 'model_providers.here.base_url="http://127.0.0.1:@PORT/v1"'

pytestmark = pytest.mark.slow


@pytest.fixture
def talk(home, tmp_path, monkeypatch) -> Callable[..., list[dict[str, int]]]:
    """Run a client in a folder with a note; the counts of every answer it got."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "note.txt").write_text("a note\n")

    def run(*command: str, **environ: str) -> list[dict[str, int]]:
        report = tmp_path / "sent.json"
        inside = offline([sys.executable, "-P", str(SERVER), str(report), *command])
        env = {"PATH": os.environ["PATH"], "HOME": str(home), **environ}
        done = subprocess.run(inside, cwd=folder, env=env, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
        return json.loads(report.read_text())

    return run


@pytest.fixture
def counted(home, tmp_path) -> Callable[[str], tuple[int, dict[str, int]]]:
    """(calls, sums of their counts) of one provider's logs below HOME."""

    def run(provider: str) -> tuple[int, dict[str, int]]:
        places = Places(environ={}, home=home, platform=sys.platform)
        with store.open(tmp_path / "usage.db") as opened:
            sync.sync(readers.load_all().values(), places, opened)
            rows = list(opened.rollup())
        assert {row.provider for row in rows} == {provider}
        return sum(row.calls for row in rows), {name: sum(getattr(row, name) for row in rows) for name in COUNTS}

    return run


def test_claude_codes_log_of_a_session_and_its_fork_holds_what_was_sent_once(talk, counted, home):
    client = [program("claude"), "--allowedTools", "Read", "-p", "What does note.txt say?"]
    environ = {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:@PORT",
        "ANTHROPIC_API_KEY": "made-up-key",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    first = talk(*client, **environ)
    assert len(first) == 2  # the tool, the end
    assert counted("claude") == (2, _summed(first))
    forked = talk(*client, "--continue", "--fork-session", **environ)
    assert len(list(home.glob(".claude/projects/*/*.jsonl"))) == 2
    assert counted("claude") == (4, _summed(first + forked))


def test_codexs_rollout_of_a_session_gone_on_with_holds_what_was_sent_once(talk, counted, home):
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(CODEX)
    client = [program("codex"), "exec", "--skip-git-repo-check", "-c", BASE_URL]
    first = talk(*client, "What does note.txt say?", MADE_UP_KEY="made-up-key")
    assert len(first) == 2
    assert counted("codex") == (2, _summed(first))
    more = talk(*client, "resume", "--last", "And now?", MADE_UP_KEY="made-up-key")
    assert counted("codex") == (4, _summed(first + more))


def _summed(sent: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(counts[name] for counts in sent) for name in COUNTS}
