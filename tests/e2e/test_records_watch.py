"""From a log that grows to the line that shows it: by `records watch`, and by the refresher that the line starts."""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e.faults import settled, snapshot_of
from e2e.pty_shell import CTRL_C, Terminal
from records.growing import grow, log_of, move_aside

from vibeusage.records.store import NAME

PROGRAM = [sys.executable, "-P", "-m", "vibeusage"]
WATCH = [*PROGRAM, "records", "watch"]


@pytest.fixture
def tree(home) -> Path:
    tree = home / ".claude"
    grow(tree, "1")
    return tree


@pytest.fixture
def watch(tmp_path) -> Iterator[Callable[..., Terminal]]:
    """Start a watcher on a terminal of its own."""
    opened: list[Terminal] = []

    def start(*args: str) -> Terminal:
        opened.append(Terminal([*WATCH, *args], env=dict(os.environ), cwd=tmp_path))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def until(condition: Callable[[], bool], terminal: Terminal | None = None) -> None:
    """Wait for what must come; half a minute is for a machine with much else to do."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, terminal.settle() if terminal else "it never came"
        if terminal:
            terminal.pump(0.05)
        else:
            time.sleep(0.05)


@pytest.mark.slow
def test_each_growth_is_told_once_and_in_the_line(tree, watch, vibeusage):
    terminal = watch()
    terminal.wait(r"^\d\d:\d\d:\d\d  claude: 1 file, 1 read, 1 new call$", seconds=30)
    assert vibeusage("line", "plain").stdout == b"today $0.45\n"
    grow(tree, "2", "3")
    terminal.wait(r"claude: 1 file, 1 read, 2 new calls$", seconds=30)
    assert vibeusage("line", "plain").stdout == b"today $1.35\n"
    assert terminal.settle(1.5).count("claude:") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param(lambda terminal: terminal.send(CTRL_C), 130, id="Ctrl-C"),
        pytest.param(lambda terminal: os.kill(terminal.pid, signal.SIGTERM), 0, id="SIGTERM"),
    ],
)
def test_it_ends_cleanly_and_the_next_one_starts(tree, watch, vibeusage, end, code):
    terminal = watch()
    terminal.wait("1 new call", seconds=30)
    assert vibeusage("records", "watch").stderr == b"another `vibeusage records watch` is at work, and will do\n"
    end(terminal)
    assert terminal.ended() == code
    assert "Traceback" not in terminal.text() and "vibeusage:" not in terminal.text()
    grow(tree, "2")
    watch().wait("1 new call$", seconds=30)


@pytest.mark.slow
def test_a_quiet_one_says_nothing_and_does_the_same(tree, watch, cache_dir, vibeusage):
    terminal = watch("-q", "--provider", "claude")
    until((cache_dir / "line.tsv").exists, terminal)
    grow(tree, "2")
    until(lambda: b"900000" in (cache_dir / "line.tsv").read_bytes(), terminal)
    assert (vibeusage("line", "plain").stdout, terminal.settle()) == (b"today $0.90\n", "")


@pytest.mark.slow
def test_a_store_that_is_busy_and_a_log_that_goes_end_nothing(tree, watch, tmp_path):
    terminal = watch()
    terminal.wait("1 new call", seconds=30)
    with sqlite3.connect(tmp_path / "data" / NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        grow(tree, "2")
        terminal.wait("in use by another program", seconds=30)
    other.close()
    terminal.wait("claude: 1 file, 1 read, 1 new call\n(.*\n)*.*claude: 1 file, 1 read, 1 new call", seconds=30)
    move_aside(tree)
    terminal.settle(2.0)
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.ended() == 0


def test_a_refresh_without_any_login_leads_to_todays_cost(tree, vibeusage):
    refreshed = vibeusage("refresh", "--if-due")
    assert (refreshed.returncode, refreshed.stdout, refreshed.stderr) == (0, b"", b"")
    assert vibeusage("line", "plain").stdout == b"today $0.45\n"


def test_the_line_itself_starts_the_refresher_that_reads_the_logs(tree, cache_dir, vibeusage):
    assert vibeusage("line", "plain").stdout == b""
    until(lambda: (cache_dir / "costs.tsv").exists())
    assert settled(cache_dir) == []
    assert vibeusage("line", "plain").stdout == b"today $0.45\n"


@pytest.mark.slow
def test_the_line_starts_it_again_when_the_logs_are_due(tree, cache_dir, vibeusage):
    vibeusage("refresh", "--if-due")
    grow(tree, "2")
    assert vibeusage("line", "plain").stdout == b"today $0.45\n"
    assert not list(cache_dir.glob("attempt-*"))
    rows = [row.split("\t") for row in (cache_dir / "costs.tsv").read_text().splitlines()]
    for row in rows:
        if row[0] in ("vibeusage-costs", "due"):  # whose third field is when to look again
            row[2] = str(int(time.time()) - 1)
    (cache_dir / "costs.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    vibeusage("config", "set", "line.costs", '["today"]')  # the line's table is compiled anew
    vibeusage("line", "plain")
    assert list(cache_dir.glob("attempt-*"))
    until(lambda: b"900000" in (cache_dir / "line.tsv").read_bytes())
    assert settled(cache_dir) == []
    assert vibeusage("line", "plain").stdout == b"today $0.90\n"


@pytest.mark.slow
def test_a_second_refresh_writes_nothing_of_the_records(tree, cache_dir, tmp_path, vibeusage):
    def stored() -> dict[str, bytes]:
        """The first row of line.tsv says when accounts without a login were last looked at, so it is left out.

        So are SQLite's index and its log while that is empty: whoever reads the store last takes them away.
        """
        rows = (cache_dir / "line.tsv").read_bytes().partition(b"\n")[2]
        costs = (cache_dir / "costs.tsv").read_bytes()
        found = snapshot_of(tmp_path / "data").items()
        data = {name: told for name, told in found if not name.endswith("-shm") and (told or not name.endswith("-wal"))}
        return data | {"costs.tsv": costs, "line.tsv": rows}

    vibeusage("refresh", "--if-due")
    before = stored()
    assert vibeusage("refresh", "--if-due").returncode == 0
    assert stored() == before


def test_a_log_that_cannot_be_stored_is_no_failure_of_the_quotas(tree, tmp_path, vibeusage):
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / NAME).mkdir()
    (tmp_path / "data" / "records.lock").symlink_to(tmp_path / "nowhere" / "at all")
    refreshed = vibeusage("refresh", "--if-due")
    assert (refreshed.returncode, refreshed.stderr) == (0, b"")
    assert log_of(tree).exists()
