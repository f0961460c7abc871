"""The whole way without an account: a loopback server with sample answers, a real refresh, every target.

The home is thrown away afterwards; the login, the address and the limits are samples made up here.
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
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from vibeusage import files, samples
from vibeusage.line import ASSISTANTS, TARGETS

ORDER = ("claude-code", "tmux", "starship", "zsh", "bash", "fish", "waybar", "i3blocks", "polybar", "screen")
TIMEOUT_S = 30
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
        opened = samples.TOKEN in f"{self.headers['Authorization']} {self.headers['Cookie']}"
        found = samples.answers(datetime.now(UTC)).get((self.command, self.path)) if opened else None
        body = json.dumps(found or {"error": "not found"}).encode()
        self.send_response(200 if found else 404)
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
    """The environment of a throw-away home with sample logins for the server at `base_url`."""
    folder = Path(tempfile.gettempdir()) / f"vibeusage-demo-{secrets.token_hex(8)}"
    try:  # the name first, so that an interrupt finds no folder without its removal
        folder.mkdir(mode=0o700)
        (folder / "config").mkdir(mode=0o700)
        rows = [f'[providers.{name}]\nbase_url = "{base_url}/{name}"\n' for name in samples.LOGINS]
        (folder / "config" / "config.toml").write_text("".join(rows))
        for name, (kind, document) in samples.LOGINS.items():
            stored = folder / "config" / "credentials" / name / f"{kind}.json"
            files.write_private(stored, json.dumps(document).encode())
        yield _environment(folder, os.environ)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environ.items()
        if KEPT.fullmatch(name)
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
