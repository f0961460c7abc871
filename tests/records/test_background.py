"""When the logs are looked at by themselves, and what that leaves in the cache."""

import sqlite3
import time
from pathlib import Path

import pytest
from records.growing import grow

from vibeusage import cache, cli, config, providers, table
from vibeusage.config import Config
from vibeusage.errors import StorageError
from vibeusage.records import background, store
from vibeusage.records.store import NAME
from vibeusage.refresh import refresh
from vibeusage.settings import RecordOptions

NOW = int(time.time())


@pytest.fixture
def tree(home) -> Path:
    tree = home / ".claude"
    grow(tree, "1")
    return tree


@pytest.fixture
def data_dir(tmp_path) -> Path:
    return tmp_path / "data"


def calls() -> int:
    with store.open(readonly=True) as opened:
        return opened.counts()["claude"].calls if opened.counts() else 0


def contents(*folders: Path) -> dict[str, bytes]:
    """Of every file by its name, but SQLite's own for those who share a database."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in found if not path.name.endswith(("-shm", "-wal"))}


def today(cache_dir: Path) -> list[tuple]:
    """(provider, micro-dollars) of today's rows in line.tsv."""
    parsed = table.parse((cache_dir / "line.tsv").read_text(), table.LINE_MAGIC, NOW)
    return sorted((row[0], row[4]) for row in parsed.costs if row[1] == "today") if parsed else []


@pytest.mark.parametrize(
    ("options", "elapsed_s", "is_read"),
    [
        pytest.param(RecordOptions(), 299, False, id="not yet"),
        pytest.param(RecordOptions(), 300, True, id="five minutes"),
        pytest.param(RecordOptions(interval_s=60), 60, True, id="a shorter interval"),
        pytest.param(RecordOptions(interval_s=900), 899, False, id="a longer interval, not yet"),
        pytest.param(RecordOptions(interval_s=900), 900, True, id="a longer interval"),
        pytest.param(RecordOptions(mode="real-time"), 300, True, id="real-time is polled, too"),
        pytest.param(RecordOptions(mode="manual"), 86_400, False, id="manual never"),
        pytest.param(RecordOptions(interval_s=900), -86_400, True, id="the clock went back"),
    ],
)
def test_each_provider_is_read_by_its_own_mode_and_interval(tree, options, elapsed_s, is_read):
    settings = Config(records={"claude": options})
    background.run_if_due(settings, NOW)
    before = calls()
    for number in range(2, 5):
        grow(tree, str(number))
    if elapsed_s > 0:  # the others are read meanwhile
        background.run_if_due(settings, NOW + elapsed_s // 2)
    background.run_if_due(settings, NOW + elapsed_s)
    assert (before, calls()) == (0 if options.mode == "manual" else 1, 4 if is_read else before)


def test_where_nothing_is_due_nothing_is_written(tree, cache_dir, data_dir):
    assert background.run_if_due(Config(), NOW)
    before = contents(cache_dir, data_dir)
    assert not background.run_if_due(Config(), NOW + 1)
    assert contents(cache_dir, data_dir) == before


def test_where_nothing_is_new_only_the_due_time_is_written(tree, cache_dir, data_dir):
    refresh(if_due=True)  # nobody is logged in, so the logs are looked at next
    background.run_if_due(Config(), NOW)
    before = contents(cache_dir, data_dir)
    assert background.run_if_due(Config(), NOW + 300)
    after = contents(cache_dir, data_dir)
    assert {name for name in after if after[name] != before.get(name)} == {"costs.tsv", "line.tsv"}
    assert after["line.tsv"].splitlines()[1:] == before["line.tsv"].splitlines()[1:]
    assert cache.costs_due_at() == NOW + 600


def test_with_every_provider_read_on_command_nothing_is_due_ever(tree, cache_dir):
    ids = {reader.id for reader in background.readers.every()}
    settings = Config(records={name: RecordOptions(mode="manual") for name in ids})
    assert [background.run_if_due(settings, NOW + after) for after in (0, 10_000)] == [False, False]
    assert (calls(), cache.costs_due_at()) == (0, 9_999_999_999)


def test_a_sync_of_some_leaves_the_others_due(tree):
    assert cli.main(["records", "sync", "--provider", "codex", "--quiet"]) == 0
    assert calls() == 0
    assert background.run_if_due(config.load(), int(time.time()))
    assert calls() == 1


def test_a_locked_store_costs_neither_the_rows_nor_the_next_look(tree, cache_dir, data_dir, monkeypatch):
    background.run_if_due(Config(), NOW)
    grow(tree, "2")
    monkeypatch.setattr(store, "BUSY_S", 0)
    with sqlite3.connect(data_dir / NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="in use"):
            background.run_if_due(Config(), NOW + 300)
        assert not background.run_if_due(Config(), NOW + 301)
    other.close()
    assert today(cache_dir) == [("*", 450_000), ("claude", 450_000)]
    background.run_if_due(Config(), NOW + 600)
    assert today(cache_dir) == [("*", 900_000), ("claude", 900_000)]


def test_a_store_that_cannot_be_read_leaves_the_rows_of_before(tree, cache_dir, data_dir):
    background.run_if_due(Config(), NOW)
    (data_dir / NAME).write_bytes(b"no database at all" * 1_000)
    background.store_costs(Config(), NOW + 10)
    assert today(cache_dir) == [("*", 450_000), ("claude", 450_000)]


def test_without_a_store_there_is_nothing_to_show(home, cache_dir, data_dir):
    background.store_costs(Config(), NOW)
    assert (today(cache_dir), (data_dir / NAME).exists()) == ([], False)


def test_with_every_provider_off_the_logs_alone_say_when_to_start_a_refresh(tree, cache_dir, config_dir):
    config_dir.mkdir()
    off = [f"[providers.{name}]\nenabled = false\n" for name in providers.ids()]
    (config_dir / "config.toml").write_text("".join(off))
    background.run_if_due(config.load(), NOW)
    parsed = table.parse((cache_dir / "line.tsv").read_text(), table.LINE_MAGIC, NOW)
    assert parsed and parsed.refresh_due_at == NOW + 300


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"vibeusage-costs\t1\tsoon\n", id="no due time"),
        pytest.param(b"vibeusage-costs\t1\t9999999999\ndue\tclaude\tsoon\ndue\tclaude\n\xff\n", id="odd rows"),
    ],
)
def test_damaged_notes_mean_that_all_is_due(tree, cache_dir, damage):
    background.run_if_due(Config(), NOW)
    (cache_dir / "costs.tsv").write_bytes(damage)
    grow(tree, "2")
    assert background.run_if_due(Config(), NOW + 1)
    assert today(cache_dir) == [("*", 900_000), ("claude", 900_000)]
