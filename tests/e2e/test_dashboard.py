"""The dashboard and `watch` in a real tmux, driven by its send-keys and looked at by its capture-pane."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import made_up
import msgspec
import pytest
from bench import local_records
from e2e.screens import environment
from e2e.waiting import wait_until

from vibeusage.escape import width
from vibeusage.models import UsagePeriod

pytestmark = pytest.mark.slow
WAIT_S = 20.0
KEYS = {
    "u": "Usage .*resets in",
    "w": r"\d{4}-W\d\d, ",
    "m": f"{datetime.now(UTC):%B %Y}",
    "y": f"{datetime.now(UTC):%Y}  ",
    "h": "Heatmap, ",
    "d": "Devices ",
    "p": "Providers, ",
    "s": "Settings ",
}


class Pane:
    """A window of a tmux server of its own, without anybody attached."""

    def __init__(self, program: str, folder: Path, command: str, columns: int, lines: int, env: dict[str, str]):
        self._tmux = [program, "-S", str(folder / "socket"), "-f", "/dev/null"]
        self._env = environment(folder, **env)
        self._env.pop("TMUX", None)
        script = f"{command}; echo \"ended with $?\"; stty -a | grep -o '.icanon'; exec sh"
        size = ["-x", str(columns), "-y", str(lines)]
        self.run("new-session", "-d", *size, "sh", "-c", f"trap : INT; printf 'what was there\\n'; {script}")

    def run(self, *words: str) -> str:
        done = subprocess.run([*self._tmux, *words], env=self._env, capture_output=True, text=True, check=True)
        return done.stdout

    def keys(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def text(self) -> str:
        return self.run("capture-pane", "-p")

    def wait(self, pattern: str, *, seconds: float = WAIT_S) -> str:
        end = time.monotonic() + seconds
        while not re.search(pattern, text := self.text(), re.DOTALL):
            assert time.monotonic() < end, f"{pattern!r} never appeared on:\n{text}"
            time.sleep(0.02)
        return text

    def resize(self, columns: int, lines: int) -> None:
        self.run("resize-window", "-x", str(columns), "-y", str(lines))

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], env=self._env, capture_output=True, check=False)


@pytest.fixture
def pane(require, tmp_path):
    program, opened = require("tmux"), []

    def start(command: str = "vibeusage dashboard", columns: int = 80, lines: int = 24, **env: str) -> Pane:
        opened.append(Pane(program, tmp_path, command, columns, lines, env))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def some(home) -> None:
    """Four providers with numbers, and a year of records."""
    now = datetime.now(UTC)
    made_up.store_snapshots(made_up.snapshots(now))
    made_up.fill(Path(os.environ["VIBEUSAGE_DATA_DIR"]) / "usage.db", now)


def fits(text: str, columns: int, lines: int) -> bool:
    rows = text.rstrip("\n").split("\n")
    return len(rows) <= lines and all(width(row) <= columns for row in rows)


def left_as_it_was(pane: Pane) -> None:
    """The screen from before is there again, and the terminal reads by lines."""
    text = pane.wait("ended with")
    assert text.startswith("what was there\n")
    assert " icanon" in pane.wait("icanon\n[^\n]*[#$]")  # the shell that follows is there to read what is typed
    pane.keys("echo back", "Enter")
    pane.wait("\nback\n")


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 60)])
def test_every_key_opens_its_page(pane, some, columns, lines):
    window = pane(columns=columns, lines=lines)
    window.wait("resets in")
    for key, pattern in [*KEYS.items(), *reversed(KEYS.items())]:
        window.keys(key)
        text = window.wait(pattern)
        assert fits(text, columns, lines), text
        assert "[u]sage" in text.rstrip("\n").split("\n")[-1]
    window.keys("u", "Escape")
    left_as_it_was(window)


def test_the_keys_within_the_pages(pane, some, config_dir):
    window = pane(lines=40)
    window.wait("resets in")
    for keys, pattern in (
        (("m", "Left"), r"←→ month.*Total"),
        (("t",), "t cost"),
        (("f",), r"· claude"),
        (("p", "f", "f", "f", "Enter"), "Manage providers.*working"),
        (("Down", "Up", "Space"), "claude is off"),
        (("Space",), "claude is on"),
        (("c",), "Configure claude.*base_url"),
        (("Escape",), "Manage providers"),
        (("s",), "What a percentage counts"),
        (("Enter",), "line.show is remaining"),
        (("u",), "58% left"),
        (("s",), "What a percentage counts"),
        (("BSpace",), "line.show is at its default"),
        (("Down", "Down", "Enter"), "line.bar = 0"),
        (("BSpace", "7", "Enter"), "line.bar is 7"),
    ):
        window.keys(*keys)
        window.wait(pattern)
    window.keys("q")
    assert "ended with 0" in window.wait("ended with")
    assert "bar = 7" in (config_dir / "config.toml").read_text()


def test_it_follows_every_size_of_the_terminal(pane, some):
    window = pane(columns=120, lines=30)
    window.wait("resets in")
    for key in ("u", "m", "s"):
        window.keys(key)
        window.wait(KEYS[key])
        for columns, lines in ((80, 24), (200, 60), (40, 10), (20, 5), (80, 24)):
            window.resize(columns, lines)
            wait_drawn(window, columns, lines)
    window.keys("C-c")
    assert "ended with 130" in window.wait("ended with")


def wait_drawn(window: Pane, columns: int, lines: int) -> None:
    end = time.monotonic() + WAIT_S
    while not drawn_for(window, columns, lines):
        assert time.monotonic() < end, f"not drawn for {columns}x{lines}:\n{window.text()}"
        time.sleep(0.02)


def drawn_for(window: Pane, columns: int, lines: int) -> bool:
    """The keys of the pages stand in the last row, as many as there is room for."""
    rows = window.text().rstrip("\n").split("\n")
    wanted = "[s]ettings" if columns >= 80 else "u w m y h d p s"
    return len(rows) == lines and wanted in rows[-1] and fits("\n".join(rows), columns, lines)


def test_with_nothing_known_every_page_says_what_to_do(pane, home):
    window = pane()
    window.wait("No limits are known yet.*vibeusage auth")
    for key, head in {"d": "Devices", "p": "Providers, ", "h": "Heatmap", "w": r"\d-W\d"}.items():
        window.keys(key)
        window.wait(f"{head}.*no records yet: .*records sync")
    window.keys("p", "Enter", "a")
    window.wait("Manage providers.*not set up")
    window.keys("r")
    window.wait("asking the providers")
    window.wait("a login is missing or refused")
    window.keys("q")
    left_as_it_was(window)


def test_one_provider_stands_at_the_top(pane, home):
    made_up.store_snapshots(list(made_up.snapshots(datetime.now(UTC)))[:1])
    text = pane().wait(r"\A Usage [^\n]*\n Claude · Max 20x *\n   Session \(5h\) ")
    assert text.count("resets in") == 3


def test_twenty_providers_scroll(pane, home):
    now = datetime.now(UTC)
    made_up.declare(20)
    period = UsagePeriod(name="Weekly", utilization=12.0, period_type=made_up.WEEKLY, resets_at=now.replace(year=2099))
    made_up.store_snapshots(made_up.of_declared(20, (period,), now))
    window = pane()
    assert "Own 0" in window.wait("Own 0.*12% used")
    window.keys("End")
    assert "Own 9" in window.wait("Own 9.*12% used")
    window.keys("Home")
    window.wait("Own 0\n")
    window.resize(200, 60)
    text = window.wait("Own 0.*Own 9")
    assert text.count("12% used") == 20
    window.keys("p", "Enter", "End")
    window.wait("Own 9")
    window.keys("q")
    window.wait("ended with 0")


def test_a_change_of_the_cache_appears_by_itself(pane, some):
    window = pane()
    window.wait("42% used")
    period = UsagePeriod(name="Session (5h)", utilization=43.5, period_type=made_up.SESSION)
    first = next(made_up.snapshots(datetime.now(UTC)))
    made_up.store_snapshots([msgspec.structs.replace(first, periods=(period,))])
    window.wait("43.5% used", seconds=5)


def test_a_million_records_keep_no_key_waiting(pane, home, tmp_path, monkeypatch):
    """What the times are, the bench tells."""
    monkeypatch.setenv("VIBEUSAGE_DATA_DIR", str(tmp_path / "ours" / "data"))
    local_records.fill(local_records.Bench(tmp_path, {}), 1_000_000)
    made_up.store_snapshots(made_up.snapshots(datetime.now(UTC)))
    window = pane()
    window.wait("resets in")
    for key, pattern in KEYS.items():
        window.keys(key)
        window.wait(pattern, seconds=3)
    window.keys("d")
    window.wait("1,000,000")


def test_no_color_leaves_marks_and_no_colours(pane, some):
    window = pane(NO_COLOR="1")
    window.wait(r"81% used \+\+")
    assert not re.search(r"\x1b\[[\d;]*3[1-7]", window.run("capture-pane", "-p", "-e"))


def test_without_unicode_it_is_ascii(pane, some):
    window = pane(PYTHONIOENCODING="ascii")
    text = window.wait("resets in")
    assert text.isascii()


@pytest.mark.parametrize("command", ["vibeusage dashboard | cat", "vibeusage dashboard </dev/null"])
def test_without_a_terminal_it_says_what_prints(pane, some, command):
    window = pane(f"bash -o pipefail -c '{command}'", columns=120)
    text = window.wait("ended with 4")
    assert "the dashboard needs a terminal" in text


def test_without_the_extra_it_says_how_to_install_it_and_watch_works(pane, some, tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text("import sys\nsys.modules['textual'] = None\n")
    window = pane("vibeusage dashboard", columns=120, PYTHONPATH=str(tmp_path / "hidden"))
    text = window.wait("ended with 4")
    assert "pip install 'vibeusage[dashboard]'" in text
    window.keys("vibeusage watch", "Enter")
    window.wait("42% used.*q quits")


def test_watch_draws_follows_the_size_and_leaves_the_terminal_as_it_was(pane, some):
    window = pane("vibeusage watch")
    window.wait("42% used.*q quits")
    for columns, lines in ((200, 60), (40, 8), (80, 24)):
        window.resize(columns, lines)
        wait_until(lambda size=(columns, lines): "q quits" in window.text().rstrip("\n").split("\n")[-1])
        assert fits(window.text(), columns, lines)
    window.resize(80, 8)
    window.keys("j", "j", "j")
    window.wait("Opus")
    window.keys("q")
    left_as_it_was(window)


@pytest.mark.parametrize(("command", "there"), [("dashboard", "esc quit"), ("watch", "q quits")])
def test_ended_from_outside_they_leave_the_terminal_as_it_was(pane, some, command, there):
    window = pane(f"vibeusage {command}")
    window.wait(there)
    shell = window.run("display-message", "-p", "#{pane_pid}").strip()
    (running,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
    os.kill(int(running), signal.SIGTERM)
    left_as_it_was(window)


@pytest.mark.parametrize(("end", "code"), [("C-c", 130), ("Escape", 0)])
def test_watch_ends_by_key(pane, some, end, code):
    window = pane("vibeusage watch")
    window.wait("q quits")
    window.keys(end)
    assert f"ended with {code}" in window.wait("ended with")
    left_as_it_was(window)


@pytest.mark.parametrize(("command", "there"), [("watch", "42% used.*q quits"), ("dashboard", "esc quit.*42% used")])
def test_they_can_be_stopped_and_continued(command, there, pane, some):
    window = pane("bash --norc -i", PS1="$ ")
    window.keys(f"vibeusage {command}", "Enter")
    window.wait(there)
    window.keys("C-z")
    text = window.wait("Stopped")
    assert "quit" not in text
    window.keys("fg", "Enter")
    window.wait(there)
    window.keys("q")
    window.wait(r"\$\s*$")


def test_watch_into_a_pipe_prints_plain_text_when_it_changes(some, vibeusage):
    command = [sys.executable, "-P", "-m", "vibeusage", "watch", "claude"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        first = b"".join(iter(watching.stdout.readline, b"\n"))
        watching.terminate()
    assert b"\x1b" not in first
    assert b"42% used" in first
    assert b"Codex" not in first


