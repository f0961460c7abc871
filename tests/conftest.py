"""A home of its own for every test, no way out of this machine, real programs by name."""

import functools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from quick import FIRST_ONLY, ROW
from real import unavailable

FIXTURES = Path(__file__).parent / "fixtures"
OURS = ("VIBEUSAGE_", "XDG_", "CLAUDE_", "ANTHROPIC_", "COPILOT_", "STARSHIP_", "ZDOTDIR", "TMUX", "CLICOLOR")
FOREIGN = ("NO_COLOR", "TZ", "COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE")  # readline of pytest sets two of them
LOOPBACK = ("127.", "::1", "localhost")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    seen = set()
    for item in items:
        name = getattr(item, "originalname", item.name)
        row = ROW.match(name) if "test_rows" in item.path.name else None
        kept = (item.path, row[0] if row else name)
        if (row or name in FIRST_ONLY) and kept in seen:
            item.add_marker("slow")
        if not item.get_closest_marker("slow"):
            seen.add(kept)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """No test begins so late in a day, here or in UTC, that it may end in the next one."""
    clocks = time.localtime(), time.gmtime()
    left = min(86_400 - clock.tm_hour * 3600 - clock.tm_min * 60 - clock.tm_sec for clock in clocks)
    if left <= (120 if item.get_closest_marker("slow") else 20):
        time.sleep(left)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """HOME and our three folders under tmp_path; nothing of the real user shows through."""
    for name in list(os.environ):
        if name.startswith(OURS) or name in FOREIGN:
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("config", "cache", "data"):
        monkeypatch.setenv(f"VIBEUSAGE_{name.upper()}_DIR", str(tmp_path / name))
    return folder


@pytest.fixture(autouse=True, scope="session")
def certificates_are_read_once():
    """Those of this machine: that takes longer than most tests."""
    made = httpx.create_ssl_context
    usual = functools.cache(made)

    def kept():
        return made() if {"SSL_CERT_FILE", "SSL_CERT_DIR"} & {*os.environ} else usual()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", kept)
        yield


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch):
    """Every connection but to this machine fails at once, in this process."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def cache_dir() -> Path:
    return Path(os.environ["VIBEUSAGE_CACHE_DIR"])


@pytest.fixture
def config_dir() -> Path:
    return Path(os.environ["VIBEUSAGE_CONFIG_DIR"])


@pytest.fixture
def fixture_bytes() -> Callable[[str], bytes]:
    return lambda name: (FIXTURES / name).read_bytes()


@pytest.fixture
def require() -> Callable[[str], str]:
    """The path of a real program; skips with the reason where it is absent, fails where CI installs it."""

    def find(program: str) -> str:
        found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
        return found or unavailable(f"{program} is not installed")

    return find


@pytest.fixture
def vibeusage() -> Callable[..., subprocess.CompletedProcess]:
    """Run the real program in a child: `vibeusage("line", "tmux", stdin=b"…", env={…})`; bytes in and out."""

    def run(
        *args: str, stdin: bytes = b"", env: dict[str, str] | None = None, **options
    ) -> subprocess.CompletedProcess:
        command = [sys.executable, "-P", "-m", "vibeusage", *args]
        environ = {**os.environ, **(env or {})}
        return subprocess.run(
            command, input=stdin, capture_output=True, env=environ, timeout=60, check=False, **options
        )

    return run


@pytest.fixture
def line_tsv(cache_dir) -> Callable[..., None]:
    """Write `line.tsv` and a generation: rows are tuples of fields, instants already absolute."""

    def write(*rows: tuple, refresh_due_at: int = 9_999_999_999, stamp: str = "-") -> None:
        cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = [("vibeusage-line", "1", stamp, refresh_due_at), *rows]
        text = "".join("\t".join(map(str, line)) + "\n" for line in lines)
        (cache_dir / "line.tsv").write_text(text)
        (cache_dir / "generation").write_text(f"{time.time_ns():x}\n")

    return write


def period(
    name="Session (5h)",
    short="5h",
    window_s=18_000,
    used=42.0,
    resets_in=7_300,
    age=0,
    *,
    account="claude",
    source="oauth",
    kind="window",
) -> tuple:
    """One period row of `line.tsv`, relative to now."""
    now = int(time.time())
    return (
        "period",
        account,
        name,
        short,
        window_s,
        used,
        now + resets_in if resets_in else 0,
        now - age,
        source,
        kind,
    )
