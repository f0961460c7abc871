"""Which logs are followed, what makes a provider due, and what is survived."""

import _thread
import os
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from records.growing import grow, log_of, move_aside

from vibeusage import cli, files, paths, table
from vibeusage.config import Config
from vibeusage.errors import ConfigError
from vibeusage.records import database, store, sync, watching
from vibeusage.records.sync import SyncResult
from vibeusage.records.watching import Chosen, Watching
from vibeusage.settings import RecordOptions

LIVE, POLLED, MANUAL = (RecordOptions(mode=mode) for mode in ("real-time", "polling", "manual"))
MODIFIED, DELETED = 2, 3


@pytest.fixture
def tree(home) -> Path:
    tree = home / ".claude"
    grow(tree, "1")
    return tree


class Heard:
    """What a watcher says: providers of each sync with their new calls, and troubles."""

    def __init__(self) -> None:
        self.syncs: list[dict[str, int]] = []
        self.troubles: list[str] = []

    def on_sync(self, result: SyncResult) -> None:
        self.syncs.append({each.provider: each.added for each in result.providers})

    def added(self) -> list[int]:
        """New calls of Claude Code in each sync of it."""
        return [found["claude"] for found in self.syncs if "claude" in found]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def watcher(tree, heard) -> Watching:
    """One that has looked, and read what was there."""
    watcher = Watching(("claude", "codex"), heard.on_sync, heard.troubles.append)
    watcher.look()
    watcher.read_due(0.0)
    return watcher


def settings(config_dir: Path, text: str) -> None:
    config_dir.mkdir(exist_ok=True)
    (config_dir / "config.toml").write_text(text)


def today() -> int:
    """Today's micro-dollars of all providers in the line's table."""
    text = (paths.cache_dir() / "line.tsv").read_text()
    parsed = table.parse(text, table.LINE_MAGIC, int(time.time()))
    return next(row[4] for row in parsed.costs if row[:2] == ("*", "today")) if parsed else -1


@pytest.mark.parametrize(
    ("modes", "wanted", "found"),
    [
        pytest.param({}, (), Chosen(("a", "b", "c"), ()), id="all polled, so all are followed"),
        pytest.param({"b": MANUAL}, (), Chosen(("a", "c"), ()), id="not those read on command"),
        pytest.param({"b": LIVE}, (), Chosen(("b",), ("a", "c")), id="one real-time, the others polled"),
        pytest.param({"a": MANUAL, "b": LIVE}, (), Chosen(("b",), ("c",)), id="each mode"),
        pytest.param({"a": MANUAL, "b": LIVE}, ("a", "c"), Chosen(("a", "c"), ()), id="those that are named"),
    ],
)
def test_the_modes_say_who_is_followed(modes, wanted, found):
    assert watching.chosen(Config(records=modes), ("a", "b", "c"), wanted) == found


def test_with_all_read_on_command_there_is_nothing_to_follow():
    with pytest.raises(ConfigError, match="on command only"):
        watching.chosen(Config(records={"a": MANUAL}), ("a",), ())


def test_what_was_there_before_is_read_first(watcher, heard):
    assert (heard.syncs, today()) == ([{"claude": 1, "codex": 0}], 450_000)


def test_a_changed_file_makes_its_provider_due_alone(watcher, heard, tree):
    grow(tree, "2")
    watcher.note({(MODIFIED, str(log_of(tree)))}, 100.0)
    watcher.read_due(100.0)
    assert (heard.syncs[1:], today()) == ([{"claude": 1}], 900_000)


def test_what_changes_elsewhere_makes_nobody_due(watcher, heard, tree):
    grow(tree, "2")
    beside = [str(tree / "projects.old" / "a.jsonl"), str(tree), str(tree.parent / ".claudia"), ""]
    assert not watcher.note({(MODIFIED, path) for path in beside}, 100.0)
    watcher.read_due(100.0)
    assert len(heard.syncs) == 1


def test_our_own_files_below_a_root_make_nobody_due(tmp_path, config_dir, tree, heard):
    settings(config_dir, f'[records.claude]\nroots = ["{tmp_path}"]\n')
    watcher = Watching(("claude",), heard.on_sync, heard.troubles.append)
    watcher.look()
    watcher.read_due(0.0)
    assert not watcher.note({(MODIFIED, str(path)) for path in paths.data_dir().iterdir()}, 100.0)
    assert not watcher.note({(MODIFIED, str(paths.cache_dir() / "costs.tsv"))}, 100.0)
    watcher.read_due(100.0)
    assert len(heard.syncs) == 1


def test_a_burst_is_read_once_a_second(watcher, heard, tree):
    for number in range(20):
        grow(tree, f"2{number}")
        watcher.note({(MODIFIED, str(log_of(tree)))}, 100 + number / 20)
        watcher.read_due(100 + number / 20)
    watcher.read_due(200.0)
    assert heard.added() == [1, 1, 19]


def test_each_provider_is_looked_at_by_its_interval_too(tree, heard, config_dir):
    settings(config_dir, "[records.claude]\ninterval_s = 60\n[records.codex]\nmode = 'real-time'\n")
    watcher = Watching((), heard.on_sync, heard.troubles.append)
    watcher.look()
    for now in (0.0, 59.0, 61.0, 299.0, 301.0):
        watcher.read_due(now)
    others = {reader.id for reader in watcher.readers} - {"claude"}
    assert watcher.chosen == Chosen(("codex",), tuple(name for name in watcher._ids() if name != "codex"))
    assert [set(found) for found in heard.syncs] == [{"claude", *others}, {"claude"}, {"claude"}, others]


@pytest.mark.slow
def test_a_busy_store_is_told_once_and_read_when_it_is_free(watcher, heard, tree, monkeypatch):
    monkeypatch.setattr(database, "BUSY_S", 0)
    grow(tree, "2")
    watcher.note({(MODIFIED, str(log_of(tree)))}, 100.0)
    with sqlite3.connect(paths.data_dir() / store.NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for now in (100.0, 200.0, 300.0):
            watcher.read_due(now)
    other.close()
    told = f"{paths.data_dir() / store.NAME} is in use by another program\ntry again in a moment"
    assert (heard.troubles, heard.added()) == ([told], [1])
    watcher.read_due(400.0)
    assert (heard.added(), today()) == ([1, 1], 900_000)


def test_while_another_sync_runs_the_change_waits(watcher, heard, tree):
    grow(tree, "2")
    watcher.note({(MODIFIED, str(log_of(tree)))}, 100.0)
    with files.lock(paths.data_dir() / sync.LOCK, wait_s=0):
        watcher.read_due(100.0)
    assert (heard.added(), heard.troubles) == ([1], [])
    watcher.read_due(200.0)
    assert heard.added() == [1, 1]


def test_a_line_that_could_not_be_written_is_written_with_the_next_try(watcher, heard, tree, cache_dir):
    move_aside(cache_dir)
    cache_dir.symlink_to(cache_dir.parent / "nowhere" / "at all")
    grow(tree, "2")
    watcher.note({(MODIFIED, str(log_of(tree)))}, 100.0)
    watcher.read_due(100.0)
    cache_dir.unlink()
    watcher.read_due(200.0)
    assert (len(heard.troubles), heard.added(), today()) == (1, [1, 0], 900_000)


def test_a_root_that_went_is_told(watcher, tree):
    assert watcher.note({(DELETED, str(tree / "projects"))}, 100.0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda home, config: (home / ".codex" / "sessions").mkdir(parents=True), id="a root appeared"),
        pytest.param(lambda home, config: move_aside(home / ".claude"), id="a root went"),
        pytest.param(lambda home, config: settings(config, "[records.codex]\ninterval_s = 60\n"), id="settings"),
    ],
)
def test_folders_or_settings_of_another_kind_are_seen(watcher, home, config_dir, change):
    assert not watcher.is_other()
    change(home, config_dir)
    assert watcher.is_other()
    watcher.look()
    assert not watcher.is_other()


def test_a_mistake_in_the_settings_leaves_those_of_before(watcher, config_dir):
    settings(config_dir, "[records.claude\n")
    assert not watcher.is_other()


def test_folders_inside_others_are_followed_once():
    found = [watching.Folder(path, 1, 1) for path in ("/a/b", "/a", "/a-b", "/a/b/c", "/b/c")]
    assert watching._topmost(found) == ["/a-b", "/a", "/b/c"]
    assert watching._topmost([*found, watching.Folder("/", 1, 1)]) == ["/"]


class Done(Exception):
    """Ends a watcher that would go on for ever."""


@pytest.fixture
def following(home, monkeypatch) -> Iterator[Callable[..., Heard]]:
    """Follow with the real library while `meanwhile` runs beside it, until that many new calls were read.

    Each step of `meanwhile` waits until what was read before is there.
    """
    monkeypatch.setattr(watching, "LOOK_S", 1.0)
    guard = threading.Timer(60.0, _thread.interrupt_main)
    guard.start()

    def follow(until: int, *meanwhile: Callable[[], None], watch: watching.Watch | None = None) -> Heard:
        heard, steps = Heard(), list(meanwhile)

        def on_sync(result: SyncResult) -> None:
            heard.on_sync(result)
            if sum(heard.added()) >= until:
                raise Done
            if "claude" in heard.syncs[-1] and steps and (len(heard.syncs) == 1 or heard.added()[-1]):
                threading.Timer(0.2, steps.pop(0)).start()

        watcher = Watching(("claude",), on_sync, heard.troubles.append)
        with pytest.raises(Done):
            while True:
                watcher.follow(watch or watching._library())
        return heard

    yield follow
    guard.cancel()


@pytest.mark.slow
def test_what_is_appended_is_read_soon(tree, following):
    assert following(3, lambda: grow(tree, "2"), lambda: grow(tree, "3")).added() == [1, 1, 1]


@pytest.mark.slow
def test_a_folder_that_appears_later_is_followed(home, following):
    tree = home / ".claude"
    heard = following(2, lambda: grow(tree, "1"), lambda: grow(tree, "2"))
    assert (heard.added()[0], sum(heard.added()), heard.troubles) == (0, 2, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "vanish",
    [
        pytest.param(shutil.rmtree, id="removed"),
        pytest.param(move_aside, id="renamed", marks=pytest.mark.slow),
    ],
)
def test_a_folder_that_vanishes_and_comes_back_is_followed_again(tree, following, vanish):
    def replace() -> None:
        vanish(tree)
        threading.Timer(2.5, lambda: grow(tree, "2")).start()

    heard = following(3, replace, lambda: grow(tree, "3"))
    assert (sum(heard.added()), heard.troubles) == (3, [])


@pytest.mark.slow
def test_reading_is_no_change_that_leads_to_more_reading(home, tmp_path, config_dir, following):
    """The root holds our own store and cache, too: one sync each for what was there and for what came."""
    settings(config_dir, f'[records.claude]\nroots = ["{tmp_path}"]\n')
    grow(home, "1")
    watched = watching._library()

    def watch(*folders: str, **options) -> Iterator[watching.Changes]:
        for number, changes in enumerate(watched(*folders, **options)):
            yield changes
            if number == 3:
                grow(home, "2")

    assert following(2, watch=watch).added() == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OSError(28, "OS file watch limit reached"), id="too many folders"),
        pytest.param(PermissionError(13, "Permission denied"), id="no right"),
        pytest.param(RuntimeError("error in underlying watcher"), id="the library's own"),
    ],
)
def test_what_cannot_be_followed_is_looked_at(tree, following, error):
    def refuse(*folders: str, **options) -> Iterator[watching.Changes]:
        raise error
        yield ()

    heard = following(2, lambda: grow(tree, "2"), watch=refuse)
    assert sum(heard.added()) == 2
    assert heard.troubles == [f"the folders cannot be followed ({error}) and are looked at each minute instead"]


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    assert cli.main(["records", "watch"]) == 4
    said = capsys.readouterr().err
    assert "the package `watchfiles`, which is missing\n  pip install 'vibeusage[watch]'\n" in said


def test_one_watcher_does_for_a_machine(tree, capsys):
    with files.lock(paths.data_dir() / watching.LOCK, wait_s=0):
        assert cli.main(["records", "watch"]) == 0
        assert capsys.readouterr() == ("", "another `vibeusage records watch` is at work, and will do\n")
        assert cli.main(["records", "watch", "--quiet"]) == 0
        assert capsys.readouterr() == ("", "")
    assert not os.path.exists(paths.data_dir() / store.NAME)


def test_a_provider_that_nobody_knows_is_refused(capsys):
    assert cli.main(["records", "watch", "--provider", "clod"]) == 4
    assert "no logs are known of 'clod'" in capsys.readouterr().err
