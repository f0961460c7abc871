"""When the logs are looked at by themselves, and what that leaves in the cache."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from records.growing import grow

from vibeusage import cache, cli, config, providers, table
from vibeusage.config import Config
from vibeusage.errors import StorageError
from vibeusage.records import background, database, prepared, readers, store, sync
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
    ids = {reader.id for reader in readers.every()}
    settings = Config(records={name: RecordOptions(mode="manual") for name in ids})
    assert [background.run_if_due(settings, NOW + after) for after in (0, 10_000)] == [False, False]
    assert (calls(), cache.costs_due_at()) == (0, 9_999_999_999)


def test_a_sync_of_some_leaves_the_others_due(tree):
    assert cli.main(["records", "sync", "--provider", "codex", "--quiet"]) == 0
    assert calls() == 0
    assert background.run_if_due(config.load(), int(time.time()))
    assert calls() == 1


@pytest.mark.slow
def test_a_locked_store_costs_neither_the_rows_nor_the_next_look(tree, cache_dir, data_dir, monkeypatch):
    background.run_if_due(Config(), NOW)
    grow(tree, "2")
    monkeypatch.setattr(database, "BUSY_S", 0)
    with sqlite3.connect(data_dir / NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="in use"):
            background.run_if_due(Config(), NOW + 300)
        assert not background.run_if_due(Config(), NOW + 301)
    other.close()
    assert today(cache_dir) == [("*", 450_000), ("claude", 450_000)]
    background.run_if_due(Config(), NOW + 600)
    assert today(cache_dir) == [("*", 900_000), ("claude", 900_000)]


def _sync() -> None:
    sync.run(readers.every(), background.here())


def _write(name: str, data: bytes) -> None:
    path = Path(os.environ[name])
    path.mkdir(exist_ok=True)
    (path / ("prices.json" if "DATA" in name else "config.toml")).write_bytes(data)


@pytest.mark.parametrize(
    ("change", "later_s", "is_anew"),
    [
        pytest.param(lambda tree: None, 6 * 3600, False, id="nothing"),
        pytest.param(lambda tree: _sync(), 6 * 3600, False, id="a sync without news"),
        pytest.param(lambda tree: (grow(tree, "2"), _sync()), 6 * 3600, True, id="a call"),
        pytest.param(lambda tree: _write("VIBEUSAGE_CONFIG_DIR", b""), 6 * 3600, True, id="settings"),
        pytest.param(lambda tree: _write("VIBEUSAGE_DATA_DIR", b"{}"), 6 * 3600, True, id="prices"),
        pytest.param(lambda tree: None, 30 * 3600, True, id="another day"),
        pytest.param(lambda tree: None, 0, True, id="a block that is active"),
    ],
)
def test_rows_are_worked_out_anew_only_where_they_may_be_others(tree, cache_dir, monkeypatch, change, later_s, is_anew):
    background.run_if_due(Config(), NOW)
    background.store_costs(Config(), NOW + min(later_s, 6 * 3600))
    before = (cache_dir / "costs.tsv").read_text().splitlines()
    monkeypatch.setattr(prepared, "cost_rows", lambda settings, now: ["cost\tanew\n"])
    change(tree)
    background.store_costs(Config(), NOW + later_s)
    after = (cache_dir / "costs.tsv").read_text().splitlines()
    kept, rows = ([row for row in text if row.startswith("cost")] for text in (before, after))
    assert (bool(kept), rows) == (True, ["cost\tanew"] if is_anew else kept)


def test_rows_that_could_not_be_worked_out_are_tried_again(tree, cache_dir, data_dir):
    background.run_if_due(Config(), NOW - 86_400)
    known = (data_dir / NAME).read_bytes()
    (data_dir / NAME).write_bytes(b"no database at all" * 1_000)
    background.store_costs(Config(), NOW)
    assert ("claude", 450_000) not in today(cache_dir)
    (data_dir / NAME).write_bytes(known)
    background.store_costs(Config(), NOW)
    assert today(cache_dir) == [("*", 450_000), ("claude", 450_000)]


def test_where_nothing_is_due_nothing_of_a_sync_is_imported(home):
    background.run_if_due(Config(), NOW)
    code = "import sys, time; from vibeusage import config; from vibeusage.records import background; "
    code += f"assert not background.run_if_due(config.load(), {NOW} + 1); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlite3", "vibeusage.accounts", "vibeusage.records.sync", "vibeusage.records.prepared"}
    assert heavy & set(done.stdout.split()) == set()


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
