"""The whole way without an account: a loopback server with sample answers, a real refresh, every target.

The home is thrown away afterwards; the login, the address and the limits are samples made up here.
"""

import contextlib
import json
import os
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

from vibeusage.line import ASSISTANTS, TARGETS

TOKEN = "demo-token-of-no-account"  # noqa: S105  (a sample, good for nothing)
ORDER = ("claude-code", "tmux", "starship", "zsh", "bash", "fish", "waybar", "i3blocks", "polybar", "screen")
TIMEOUT_S = 30


def claude_answer(now: datetime) -> dict:
    """An answer of the Claude usage endpoint in its true shape, with resets after `now`."""
    session = (now + timedelta(hours=2, minutes=13)).isoformat()
    weekly = (now + timedelta(days=4, hours=12)).isoformat()
    fable = {
        "kind": "weekly_scoped",
        "group": "weekly",
        "percent": 64,
        "resets_at": weekly,
        "scope": {"model": {"id": None, "display_name": "Fable"}, "surface": None},
        "is_active": True,
    }
    return {
        "five_hour": {"utilization": 42.0, "resets_at": session},
        "seven_day": {"utilization": 17.3, "resets_at": weekly},
        "seven_day_opus": None,
        "limits": [fable],
        "spend": {
            "enabled": True,
            "used": {"amount_minor": 655, "currency": "USD", "exponent": 2},
            "limit": {"amount_minor": 4000, "currency": "USD", "exponent": 2},
        },
    }


def claude_document(now: datetime) -> dict:
    """What Claude Code would pipe to its status line right now."""
    return {
        "session_id": "00000000-0000-4000-8000-00000000d3e0",
        "model": {"id": "claude-opus-5-5", "display_name": "Opus 5.5"},
        "workspace": {"current_dir": "/home/you/project"},
        "cost": {"total_cost_usd": 0.83, "total_api_duration_ms": 60100},
        "context_window": {"used_percentage": 31, "current_usage": {"input_tokens": 3210}},
        "rate_limits": {
            "five_hour": {"used_percentage": 43, "resets_at": int((now + timedelta(hours=2, minutes=13)).timestamp())},
            "seven_day": {"used_percentage": 17.4, "resets_at": int((now + timedelta(days=4, hours=12)).timestamp())},
        },
    }


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path == "/api/oauth/usage" and self.headers["Authorization"] == f"Bearer {TOKEN}"
        body = json.dumps(claude_answer(datetime.now(UTC)) if known else {"error": "not found"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the screen to the demo."""


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
    """The environment of a throw-away home with a sample login for the server at `base_url`."""
    folder = Path(tempfile.gettempdir()) / f"vibeusage-demo-{secrets.token_hex(8)}"
    try:  # the name first, so that an interrupt finds no folder without its removal
        folder.mkdir(mode=0o700)
        login = folder / "config" / "credentials" / "claude"
        login.mkdir(parents=True, mode=0o700)
        (login / "oauth.json").touch(mode=0o600)
        (login / "oauth.json").write_text(json.dumps({"access_token": TOKEN}))
        (folder / "config" / "config.toml").write_text(f'[providers.claude]\nbase_url = "{base_url}"\n')
        yield _environment(folder, os.environ)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("VIBEUSAGE_", "CLAUDE_", "XDG_")) and not name.lower().endswith("_proxy")
    }
    ours = {f"VIBEUSAGE_{name.upper()}_DIR": str(folder / name) for name in ("config", "cache", "data")}
    return {**kept, **ours, "HOME": str(folder), "COLUMNS": "100", "PYTHONSAFEPATH": "1"}


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
