"""Real programs against a cache folder written by hand and a `vibeusage` that only keeps a log."""

import contextlib
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e.pty_shell import Terminal
from e2e.waiting import wait_until

BASE_PATH = "/usr/local/bin:/usr/bin:/bin"

FAKE = """#!/bin/sh
# Stands in for vibeusage: logs the call, takes its time, stores the next segment.
cd {home} || exit
for fd in 0 1 2; do set -- "$@" "$(readlink /proc/$$/fd/$fd)"; done
echo "start $*" >>log
echo "told NO_COLOR=$NO_COLOR VIBEUSAGE_CACHE_DIR=$VIBEUSAGE_CACHE_DIR" >>log
sleep "$(cat delay)"
cd "{cache}/segments" && [ -s {home}/next ] && cp {home}/next .new && mv .new "$2${{NO_COLOR:++mono}}"
cd {home} || exit
echo "end $*" >>log
"""

# no folder of services: nothing of this machine is started by name
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={folder}</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""


@dataclasses.dataclass(frozen=True)
class Fake:
    """The `vibeusage` on PATH: `delay_s` it takes, the segment file it will store, what it was asked."""

    home: Path
    program: Path

    def takes(self, delay_s: float) -> None:
        (self.home / "delay").write_text(str(delay_s))

    def will_store(self, segment: str) -> None:
        (self.home / "next").write_text(segment)

    def log(self, kind: str) -> list[str]:
        lines = (self.home / "log").read_text().splitlines() if (self.home / "log").exists() else []
        return [line.removeprefix(kind + " ") for line in lines if line.startswith(kind + " ")]

    def wait(self, kind: str, count: int = 1, *, seconds: float = 10) -> list[str]:
        end = time.monotonic() + seconds
        while len(self.log(kind)) < count and time.monotonic() < end:
            time.sleep(0.02)
        return self.log(kind)


@dataclasses.dataclass(frozen=True)
class Cache:
    """The cache folder, as the scripts see it."""

    folder: Path
    token: str = "g1"

    def segment(
        self, text: str, *, valid_s: int = 3600, due_s: int = 1800, token: str = "", age_s: int = 5, **head
    ) -> str:
        """A whole segment file; `head` replaces fields of its first line by name."""
        now, up = int(time.time()), int(float(Path("/proc/uptime").read_text().split()[0]))
        fields = {
            "magic": "vibeusage-segment",
            "version": 1,
            "valid_until": now + valid_s,
            "generation": token or self.token,
            "refresh_due_at": now + due_s,
            "rendered_at": now - age_s,
            "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text()[:8],
            "valid_until_up": up + valid_s,
            "refresh_due_up": up + due_s,
        } | head
        return " ".join(str(value) for value in fields.values()) + "\n" + text

    def store(self, key: str, text: str, **fields) -> Path:
        path = self.folder / "segments" / key
        (self.folder / "generation").write_text(self.token + "\n")
        path.write_text(self.segment(text, **fields))
        return path


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    folder = tmp_path / "cache"
    (folder / "segments").mkdir(parents=True)
    return Cache(folder)


@pytest.fixture
def fake(tmp_path: Path, cache: Cache) -> Fake:
    home = tmp_path / "fake"
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "vibeusage"
    program.write_text(FAKE.format(home=home, cache=cache.folder))
    program.chmod(0o755)
    fake = Fake(home, program)
    fake.takes(0)
    fake.will_store("")
    return fake


@pytest.fixture
def real(fake: Fake, line_tsv) -> None:
    """The real program in the place of the fake one, with one window, 42 % used, in its cache."""
    fake.program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m vibeusage "$@"\n')
    now = int(time.time())
    line_tsv(("period", "claude", "Session (5h)", "5h", 18_000, 42.0, now + 7_300, now, "oauth", "window"))


@pytest.fixture
def env(tmp_path: Path, cache: Cache, fake: Fake) -> dict[str, str]:
    home = tmp_path / "user"
    home.mkdir()
    return {
        "HOME": str(home),
        "PATH": f"{fake.program.parent}:{BASE_PATH}",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "VIBEUSAGE_CACHE_DIR": str(cache.folder),
    }


@pytest.fixture
def terminal(tmp_path: Path, env: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(argv: list[str], *, columns: int = 80, lines: int = 24, **extra: str) -> Terminal:
        opened.append(Terminal(argv, env=env | extra, cwd=tmp_path, columns=columns, lines=lines))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a program and end it after the test."""
    with contextlib.ExitStack() as ends:

        def run(*command: str, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) -> subprocess.Popen:
            process = subprocess.Popen(command, text=True, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL)
            ends.enter_context(process)
            ends.callback(process.kill)
            return process

        yield run


@pytest.fixture
def bus(require, start, monkeypatch) -> Iterator[Path]:
    """A session bus with nobody on it, in force for this test; the runtime folder, short enough for sockets."""
    program = require("dbus-daemon")
    with tempfile.TemporaryDirectory(prefix="vu-") as folder:
        config = Path(folder, "bus.conf")
        config.write_text(BUS.format(folder=folder))
        daemon = start(program, f"--config-file={config}", "--nofork", "--print-address=1", stdout=subprocess.PIPE)
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", daemon.stdout.readline().strip())
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.fixture
def gnome_keyring(bus, require, start) -> Callable[..., None]:
    """Start a real keyring in the test's home; with `password` it has a default collection, and that is open."""

    def run(password: str = "") -> None:
        program, tool = require("gnome-keyring-daemon"), require("secret-tool")
        unlock = ["--unlock"] if password else []
        daemon = start(program, "--foreground", "--components=secrets", *unlock, stdin=subprocess.PIPE)
        daemon.stdin.write(password)
        daemon.stdin.close()
        search = [tool, "search", "service", "none"]  # complains as long as nobody answers
        wait_until(lambda: not subprocess.run(search, capture_output=True, timeout=20, check=False).stderr)

    return run


@pytest.fixture
def lock_keyring(gnome_keyring) -> Callable[[], None]:
    """Lock its default collection as the desktop does it."""
    import secretstorage  # only on Linux; `secret-tool lock --collection` of libsecret 0.20.5 crashes

    def lock() -> None:
        with contextlib.closing(secretstorage.dbus_init()) as connection:
            secretstorage.get_default_collection(connection).lock()

    return lock
