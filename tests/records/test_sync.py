"""How far each log file was read, and what is done with files that grow, move, vanish, or are none."""

import json
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.errors import StorageError
from vibeusage.records import database, logfiles, provider_sync, store, sync
from vibeusage.records.provider_sync import FileError, ProviderSync
from vibeusage.records.readers.spec import Call, Database, Document, Lines, Places, Reader, Source
from vibeusage.records.store import Store

T = 1_750_000_500_000


class Row(msgspec.Struct):
    id: str
    n: int
    ts: int = T
    rank: int = 0


def read_lines(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """`{"id", "n"}` a line; the state counts the lines since the file's start and goes into `order`'s stead, `read`."""
    for line in block.splitlines():
        state["lines"] = state.get("lines", 0) + 1
        try:
            row = msgspec.json.decode(line, type=Row)
        except msgspec.MsgspecError:
            source.skip("not JSON")
            continue
        yield Call(uuid=row.id, ts=row.ts, session=source.path.stem, output=row.n, read=state["lines"], rank=row.rank)


def read_document(data: bytes, source: Source) -> Iterator[Call]:
    for row in msgspec.json.decode(data, type=list[Row]):
        yield Call(uuid=row.id, ts=row.ts, session=source.path.stem, output=row.n)


def read_database(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterable[Call], dict[str, Any]]:
    rows = connection.execute("SELECT rowid, id, n FROM t WHERE rowid > ?", (mark.get("row", 0),)).fetchall()
    calls = [Call(uuid=id, ts=T, output=n, read=mark.get("row", 0)) for _, id, n in rows]
    return calls, {"row": rows[-1][0]} if rows else mark


def reader(form: Lines | Document | Database | None = None, *, ending: str = ".jsonl", **changes: Any) -> Reader:
    fields: dict[str, Any] = {
        "id": "tool",
        "name": "Tool",
        "parser": 1,
        "roots": lambda places: [places.home / "logs"],
        "find": lambda root: iter([root] if root.is_file() else sorted(root.rglob(f"*{ending}"))),
        "form": form or Lines(read_lines),
    }
    return Reader(**{**fields, **changes})


LINES = reader()
DOCUMENTS = reader(Document(read_document), ending=".json")
DATABASES = reader(Database(read_database), ending=".db")


@pytest.fixture
def logs(home) -> Path:
    folder = home / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def db(tmp_path) -> Iterator[Store]:
    with store.open(tmp_path / "data" / "usage.db") as opened:
        yield opened


@pytest.fixture
def synced(db, home) -> Callable[..., ProviderSync]:
    """Run a sync of one reader's logs; what it says of them."""

    def run(*readers: Reader, **options: Any) -> ProviderSync:
        places = Places(environ={}, home=home, platform="linux")
        return sync.sync(readers or [LINES], places, db, machine="here", **options).providers[0]

    return run


def line(id: str, n: int = 1, **fields: Any) -> bytes:
    return json.dumps({"id": id, "n": n, **fields}).encode() + b"\n"


def totals(db: Store) -> dict[str, int]:
    return {record.call.uuid: record.call.output for record in db.calls()}


def written(path: Path, data: bytes, *, at: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if at is not None:
        os.utime(path, ns=(at, at))
    return path


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def test_a_first_sync_reads_everything(logs, db, synced):
    written(logs / "a.jsonl", line("1") + line("2", 5))
    written(logs / "deep" / "b.jsonl", line("3"))
    assert synced() == ProviderSync(provider="tool", files=2, read=2, bytes=3 * len(line("1")), added=3)
    assert totals(db) == {"1": 1, "2": 5, "3": 1}
    assert {record.machine for record in db.calls()} == {"here"}


def changes_of(db: Store) -> tuple[int, list[tuple[str, int, int]]]:
    """SQLite's count of rows written, and the store's files as they are."""
    found = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(db.path.parent.iterdir())]
    return db._db.total_changes, found


def test_g10_nothing_is_written_when_nothing_changed(logs, db, synced):
    written(logs / "a.jsonl", line("1"))
    written(logs / "torn.jsonl", line("2") + line("3").rstrip())
    written(logs / "bad.jsonl", b"\xff\n")
    synced()
    before = changes_of(db)
    assert synced() == ProviderSync(provider="tool", files=3, unchanged=3)
    assert changes_of(db) == before


def test_only_what_was_appended_is_read_and_the_state_goes_on(logs, db, synced):
    path = written(logs / "a.jsonl", line("1") + line("2"))
    synced()
    append(path, line("3"))
    assert synced() == ProviderSync(provider="tool", files=1, read=1, bytes=len(line("3")), added=1)
    assert [record.call.read for record in db.calls()] == [1, 2, 3]


@pytest.mark.parametrize("cut", [1, 5, len(line("2")) - 1])
def test_g8_a_torn_last_line_is_read_when_it_is_whole(logs, db, synced, cut):
    path = written(logs / "a.jsonl", line("1") + line("2")[:cut])
    first = synced()
    assert first.skipped == {}
    append(path, line("2")[cut:])
    synced()
    assert totals(db) == {"1": 1, "2": 1}
    assert [record.call.read for record in db.calls()] == [1, 2]


def test_a_complete_last_line_without_its_newline_counts_at_once(logs, db, synced):
    path = written(logs / "a.jsonl", line("1") + line("2", 7).rstrip())
    synced()
    assert totals(db) == {"1": 1, "2": 7}
    append(path, b"\n" + line("3"))
    assert synced().added == 1
    assert totals(db) == {"1": 1, "2": 7, "3": 1}
    assert db.sources("tool")[str(path)].skipped == {}


def _truncated(path: Path) -> None:
    path.write_bytes(line("1"))


def _rotated(path: Path) -> None:
    path.rename(path.with_name("old.jsonl"))
    path.write_bytes(line("4"))


def _replaced(path: Path) -> None:
    path.with_name("new").write_bytes(line("4") + line("5") * 5)
    path.with_name("new").rename(path)


def _rewritten_in_place(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.write(line("4") + line("5") + line("6"))


def _renamed(path: Path) -> None:
    path.rename(path.with_name("other.jsonl"))


def _copied(path: Path) -> None:
    path.with_name("copy.jsonl").write_bytes(path.read_bytes())


def _linked_hard(path: Path) -> None:
    os.link(path, path.with_name("hard.jsonl"))


@pytest.mark.parametrize(
    ("change", "more"),
    [
        (_truncated, {}),
        (_rotated, {"4": 1}),
        (_replaced, {"4": 1, "5": 1}),
        (_rewritten_in_place, {"4": 1, "5": 1, "6": 1}),
        (_renamed, {}),
        (_copied, {}),
        (_linked_hard, {}),
        (Path.unlink, {}),
    ],
)
def test_g7_totals_stand_whatever_happens_to_a_file(logs, db, synced, change, more):
    path = written(logs / "a.jsonl", line("1") + line("2") + line("3"), at=10**18)
    synced()
    change(path)
    synced()
    assert totals(db) == {"1": 1, "2": 1, "3": 1, **more}
    assert synced(full=True).added == 0


def test_g7_an_inode_that_is_used_again_is_another_file(logs, db, synced):
    path = written(logs / "a.jsonl", line("1"))
    synced()
    state = db.sources("tool")[str(path)]
    path.unlink()
    written(path, line("2") + line("3"))
    info = path.stat()
    db.save_source("tool", msgspec.structs.replace(state, inode=info.st_ino, dev=info.st_dev), now_ms=1)
    synced()
    assert totals(db) == {"1": 1, "2": 1, "3": 1}


def test_a_file_that_vanished_is_noted_once_and_welcomed_back(logs, db, synced):
    path = written(logs / "a.jsonl", line("1"))
    synced()
    data = path.read_bytes()
    path.unlink()
    assert synced() == ProviderSync(provider="tool", gone=1)
    assert db.sources("tool")[str(path)].gone
    before = changes_of(db)
    synced()
    assert changes_of(db) == before
    written(path, data + line("2"))
    assert synced().added == 1
    assert not db.sources("tool")[str(path)].gone


def test_a_new_parser_reads_everything_again(logs, db, synced):
    written(logs / "a.jsonl", line("1"))
    synced()

    def louder(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
        for call in read_lines(block, source, state):
            call.output *= 10
            yield call

    assert synced(reader(Lines(louder))).read == 0
    assert synced(reader(Lines(louder), parser=2)).changed == 1
    assert totals(db) == {"1": 10}


def test_the_older_file_owns_a_call_that_a_fork_copied(logs, db, synced):
    written(logs / "a-fork.jsonl", line("1") + line("2"), at=2 * 10**18)
    written(logs / "original.jsonl", line("1"), at=10**18)
    synced()
    assert {record.call.uuid: record.call.session for record in db.calls()} == {"1": "original", "2": "a-fork"}


def test_g9_a_side_chain_replay_in_another_file_changes_nothing(logs, db, synced):
    written(logs / "side.jsonl", line("1", 50, rank=1, ts=T + 5), at=10**18)
    synced()
    written(logs / "main.jsonl", line("1", 9))
    synced()
    written(logs / "side2.jsonl", line("1", 60, rank=1))
    synced()
    (record,) = db.calls()
    assert (record.call.output, record.call.ts, record.call.session) == (9, T, "main")


def test_g8_what_is_no_line_is_skipped_and_counted(logs, db, synced):
    deep = b"[" * 5000 + b"]" * 5000 + b"\n"
    data = line("1") + b"\0" * 4096 + b"\n" + b'\xff\xfe{"id"\n' + line("2").replace(b"\n", b"\r\n") + deep + line("3")
    written(logs / "a.jsonl", data)
    (logs / "empty.jsonl").touch()
    (logs / "folder.jsonl").mkdir()
    assert synced().skipped == {"no regular file": 1, "not JSON": 3}
    assert totals(db) == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("tail", [b"", line("2")], ids=["unfinished", "with a line behind it"])
@pytest.mark.parametrize("size", [300, 1000, 5000])
def test_g8_a_line_longer_than_the_limit_is_skipped(logs, db, synced, monkeypatch, size, tail):
    monkeypatch.setattr(logfiles, "BLOCK", 64)
    monkeypatch.setattr(logfiles, "LINE_MOST", 256)
    long = b"x" * size + (b"\n" if tail else b"")
    path = written(logs / "a.jsonl", line("1") + long + tail)
    assert synced().skipped == {"line too long": 1}
    append(path, b"\n" + line("3"))
    synced()
    assert totals(db) == {"1": 1, "3": 1, **({"2": 1} if tail else {})}


@pytest.mark.parametrize("size", range(1, 130, 9))
def test_blocks_give_every_whole_line_once_wherever_they_are_cut(tmp_path, monkeypatch, size):
    monkeypatch.setattr(logfiles, "BLOCK", size)
    lines = [b"%d" % number * (number % 40) + b"\n" for number in range(60)]
    path = written(tmp_path / "file", b"".join(lines) + b"torn")
    with logfiles.opened(str(path)) as fd:
        found = list(logfiles.blocks(fd, 0, path.stat().st_size, Source(path, tmp_path)))
    assert b"".join(block for block, _ in found) == b"".join(lines)
    assert all(block.endswith(b"\n") for block, _ in found)
    assert found[-1][1] == len(b"".join(lines))


def test_what_is_appended_while_a_file_is_read_is_left_for_the_next_time(logs, db, synced):
    path = written(logs / "a.jsonl", line("1"))

    def growing(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
        if b'"1"' in block:
            append(path, line("2"))
        return read_lines(block, source, state)

    assert synced(reader(Lines(growing))).added == 1
    assert synced(reader(Lines(growing))).added == 1
    assert totals(db) == {"1": 1, "2": 1}


def test_g10_a_large_file_is_stored_piece_by_piece_and_goes_on_from_there(logs, db, synced, monkeypatch):
    monkeypatch.setattr(logfiles, "BLOCK", 256)
    monkeypatch.setattr(provider_sync, "BATCH", 10)
    path = written(logs / "a.jsonl", b"".join(line(f"{number:04}") for number in range(500)))
    put = Store.put
    largest = []

    def counting(self, provider, calls, **options):
        largest.append(len(calls))
        if len(largest) == 20:
            raise KeyboardInterrupt
        return put(self, provider, calls, **options)

    monkeypatch.setattr(Store, "put", counting)
    with pytest.raises(KeyboardInterrupt):
        synced()
    stored = len(totals(db))
    assert 150 < stored < 500 and max(largest) <= 10 + 256 // len(line("0000")) + 1
    assert db.sources("tool")[str(path)].offset == stored * len(line("0000"))
    monkeypatch.setattr(Store, "put", put)
    assert synced().added == 500 - stored
    assert [record.call.read for record in db.calls()] == list(range(1, 501))


def test_a_call_without_sense_is_skipped(logs, db, synced):
    ahead = int(time.time() * 1000) + 2 * 86_400_000
    written(logs / "a.jsonl", line("1", ts=ahead) + line("2", ts=5) + line("") + line("3", 1 << 50) + line("4"))
    assert synced().skipped == {"future": 1, "too old": 1, "no call": 2}
    assert totals(db) == {"4": 1}


def test_what_was_skipped_is_kept_with_the_file_and_told_once(logs, db, synced):
    path = written(logs / "a.jsonl", b"?\n")
    assert synced().skipped == {"not JSON": 1}
    append(path, b"?\n" + line("1"))
    assert synced().skipped == {"not JSON": 1}
    assert db.sources("tool")[str(path)].skipped == {"not JSON": 2}


def _mistaken(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    for call in read_lines(block, source, state):
        if call.uuid == "2":
            raise KeyError("the secret plan")
        yield call


def test_a_mistake_of_a_reader_costs_one_file_and_quotes_nothing(logs, db, synced):
    written(logs / "a.jsonl", line("1") + line("2"))
    written(logs / "b.jsonl", line("3"))
    found = synced(reader(Lines(_mistaken)))
    (error,) = found.errors
    assert error.path == str(logs / "a.jsonl")
    assert error.error.startswith("KeyError at test_sync.py:")
    assert (found.read, totals(db)) == (1, {"1": 1, "3": 1})
    before = changes_of(db)
    assert synced(reader(Lines(_mistaken))).unchanged == 2
    assert changes_of(db) == before
    synced(reader(parser=2))
    assert totals(db) == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("what", ["roots", "find"])
def test_a_mistake_in_the_search_costs_one_reader(logs, db, synced, what):
    def mistaken(_: Any) -> Any:
        raise KeyError("the secret plan")

    written(logs / "a.jsonl", line("1"))
    broken = reader(roots=mistaken) if what == "roots" else reader(find=mistaken)
    found = synced(broken, LINES)
    (error,) = found.errors
    assert (error.path, error.error.partition(":")[0]) == ("", "KeyError at test_sync.py")
    assert totals(db) == {"1": 1}


def test_a_file_that_cannot_be_opened_is_tried_again(logs, db, synced, monkeypatch):
    path = written(logs / "a.jsonl", line("1"))
    real = os.open

    def refusing(name, *args, **options):
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", str(name))
        return real(name, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        assert synced().errors == [FileError(str(path), "Permission denied")]
        before = changes_of(db)
        assert synced().errors == [FileError(str(path), "Permission denied")]
        assert changes_of(db) == before
    assert synced().added == 1
    assert db.sources("tool")[str(path)].error == ""


def test_a_store_that_cannot_be_written_is_no_file_s_fault(logs, db, synced, monkeypatch):
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    written(logs / "a.jsonl", line("1"))
    with store.open(db.path) as other, other.transaction():
        db._db.execute("PRAGMA busy_timeout = 50")
        with pytest.raises(StorageError, match="in use"):
            synced()
    assert synced().added == 1


def test_g11_only_regular_files_below_the_root_are_read(logs, db, synced, tmp_path):
    outside = written(tmp_path / "outside" / "x.jsonl", line("outside"))
    (logs / "link.jsonl").symlink_to(outside)
    (logs / "folder").symlink_to(outside.parent)
    (logs / "loop").symlink_to(logs)
    (logs / "zero.jsonl").symlink_to("/dev/zero")
    os.mkfifo(logs / "fifo.jsonl")
    written(logs / "a.jsonl", line("1"))
    names = ["a.jsonl", "link.jsonl", "zero.jsonl", "fifo.jsonl", "folder/x.jsonl", "loop/a.jsonl", "missing.jsonl"]
    paths = [logs / name for name in (*names, "../../outside/x.jsonl")]
    found = synced(reader(find=lambda root: iter([*paths, outside])))
    assert found.skipped == {"a link": 2, "behind a link": 4, "no regular file": 1}
    assert (found.files, totals(db)) == (1, {"1": 1})


def test_a_file_that_becomes_a_fifo_does_not_stop_anything(logs, db, synced):
    path = written(logs / "a.jsonl", line("1"))

    def swapped(root: Path) -> Iterator[Path]:
        yield path
        path.unlink()
        os.mkfifo(path)

    assert synced(reader(find=swapped)).errors == [FileError(str(path), "no regular file")]


def test_one_root_may_be_a_link_and_the_same_root_is_read_once(logs, db, synced, home):
    written(logs / "a.jsonl", line("1"))
    (home / "link").symlink_to(logs)
    roots = {"tool": [home / "link", logs, logs / ".." / "logs", home / "missing"]}
    assert synced(roots=roots) == ProviderSync(provider="tool", files=1, read=1, bytes=len(line("1")), added=1)


def test_roots_of_the_settings_replace_those_of_the_reader(logs, db, synced, tmp_path):
    written(logs / "a.jsonl", line("1"))
    written(tmp_path / "other" / "b.jsonl", line("2"))
    synced(roots={"tool": [tmp_path / "other"]})
    assert totals(db) == {"2": 1}


def test_several_readers_of_one_provider_keep_their_files_apart(logs, db, synced):
    written(logs / "a.jsonl", line("1"))
    written(logs / "b.json", b'[{"id": "2", "n": 4}]')
    both = (LINES, DOCUMENTS)
    assert (synced(*both).read, synced(*both).unchanged, synced(*both).gone) == (2, 2, 0)
    assert totals(db) == {"1": 1, "2": 4}


def test_a_suffix_may_have_a_form_of_its_own(logs, db, synced):
    written(logs / "a.jsonl", line("1"))
    written(logs / "b.json", b'[{"id": "2", "n": 4}]')
    synced(reader(ending=".json*", also={".json": Document(read_document)}))
    assert totals(db) == {"1": 1, "2": 4}


def test_only_the_providers_asked_for_are_read(logs, db, home):
    written(logs / "a.jsonl", line("1"))
    places = Places(environ={}, home=home, platform="linux")
    result = sync.sync([LINES, reader(id="other")], places, db, providers=["other"])
    assert [each.provider for each in result.providers] == ["other"]


def test_a_document_is_read_anew_when_it_changes(logs, db, synced):
    path = written(logs / "a.json", b'[{"id": "1", "n": 1}]', at=10**18)
    synced(DOCUMENTS)
    assert synced(DOCUMENTS).unchanged == 1
    written(path, b'[{"id": "1", "n": 3}, {"id": "2", "n": 1}]')
    assert synced(DOCUMENTS) == ProviderSync(provider="tool", files=1, read=1, bytes=42, added=1, changed=1)
    assert totals(db) == {"1": 3, "2": 1}


def test_a_document_that_is_too_large_is_counted(logs, db, synced, monkeypatch):
    monkeypatch.setattr(logfiles, "DOCUMENT_MOST", 10)
    written(logs / "a.json", b'[{"id": "1", "n": 1}]')
    assert synced(DOCUMENTS).skipped == {"file too large": 1}


def test_a_document_that_changes_while_it_is_read_is_left_for_the_next_time(logs, db, synced, monkeypatch):
    path = written(logs / "a.json", b'[{"id": "1", "n": 1}]', at=10**18)
    found = reader(Document(read_document), find=lambda root: iter([path]))
    listed = logfiles.listed

    def late(*args):
        seen = listed(*args)
        written(path, b'[{"id": "1", "n": 2}]')
        return seen

    with monkeypatch.context() as patch:
        patch.setattr(logfiles, "listed", late)
        assert synced(found).skipped == {"changed while it was read": 1}
    assert totals(db) == {}
    synced(found)
    assert totals(db) == {"1": 2}


@pytest.fixture
def tool_db(logs) -> Iterator[sqlite3.Connection]:
    """A tool's open database with one row."""
    connection = sqlite3.connect(logs / "state #1?%.db", isolation_level=None)
    connection.execute("CREATE TABLE t (id TEXT, n INTEGER)")
    connection.execute("INSERT INTO t VALUES ('1', 1)")
    yield connection
    connection.close()


def beside(logs: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(logs.iterdir())}


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_is_read_since_its_mark_and_left_as_it_is(logs, db, synced, tool_db, mode):
    tool_db.execute(f"PRAGMA journal_mode = {mode}")
    tool_db.execute("INSERT INTO t VALUES ('2', 2)")
    before = beside(logs)
    assert synced(DATABASES).added == 2
    assert beside(logs) == before
    assert synced(DATABASES).unchanged == 1
    tool_db.execute("INSERT INTO t VALUES ('3', 3)")
    assert synced(DATABASES).added == 1
    assert totals(db) == {"1": 1, "2": 2, "3": 3}
    assert {record.call.uuid: record.call.read for record in db.calls()} == {"1": 0, "2": 0, "3": 2}
    assert [path.name for path in db.path.parent.iterdir() if not path.name.startswith("usage.db")] == []


def test_a_database_is_copied_only_when_its_file_or_its_log_is_another(logs, db, synced, tool_db, monkeypatch):
    tool_db.execute("PRAGMA journal_mode = WAL")
    tool_db.execute("INSERT INTO t VALUES ('2', 2)")
    tool_db.execute("PRAGMA wal_checkpoint")
    path = next(logs.glob("*.db"))
    os.utime(path, (4e9, 4e9))  # by a clock that was ahead
    copied = []
    monkeypatch.setattr(logfiles, "_copy", lambda *paths, copy=logfiles._copy: copied.append(copy(*paths)))
    assert (synced(DATABASES).added, synced(DATABASES).unchanged, len(copied)) == (2, 1, 2)
    size = path.with_name(f"{path.name}-wal").stat().st_size
    tool_db.execute("INSERT INTO t VALUES ('3', 3)")
    assert path.with_name(f"{path.name}-wal").stat().st_size == size
    assert (synced(DATABASES).added, synced(DATABASES).unchanged, len(copied)) == (1, 1, 4)


def test_a_database_that_is_locked_is_read_all_the_same(logs, db, synced, tool_db):
    tool_db.execute("PRAGMA journal_mode = WAL")
    tool_db.execute("INSERT INTO t VALUES ('2', 2)")
    tool_db.execute("BEGIN EXCLUSIVE")
    tool_db.execute("INSERT INTO t VALUES ('3', 3)")
    synced(DATABASES)
    assert totals(db) == {"1": 1, "2": 2}
    tool_db.execute("COMMIT")
    synced(DATABASES)
    assert totals(db) == {"1": 1, "2": 2, "3": 3}


def test_a_database_of_an_unknown_schema_is_an_error_and_costs_nothing_else(logs, db, synced, tool_db):
    tool_db.execute("ALTER TABLE t RENAME TO u")
    (error,) = synced(DATABASES).errors
    assert error.error.startswith("OperationalError at test_sync.py:")
    assert totals(db) == {}
    tool_db.execute("ALTER TABLE u RENAME TO t")
    synced(DATABASES)
    assert totals(db) == {"1": 1}


@pytest.mark.parametrize("content", [b"no database " * 99, b"SQLite format 3\0" + b"x" * 5000], ids=["text", "head"])
def test_a_database_that_is_none_is_told_in_words(logs, db, synced, content):
    (logs / "tool.db").write_bytes(content)
    (error,) = synced(DATABASES).errors
    assert error.error == "no database, or a damaged one; it is read again when it has changed"
    assert synced(DATABASES).errors == []


def test_a_database_that_is_replaced_is_read_from_its_beginning(logs, db, synced, tool_db):
    synced(DATABASES)
    path = next(logs.iterdir())
    with sqlite3.connect(logs / "new") as new:
        new.execute("CREATE TABLE t (id TEXT, n INTEGER)")
        new.execute("INSERT INTO t VALUES ('9', 9)")
    new.close()
    (logs / "new").rename(path)
    synced(DATABASES)
    assert totals(db) == {"1": 1, "9": 9}


def test_progress_tells_the_bytes_read_and_those_to_read(logs, db, synced):
    path = written(logs / "a.jsonl", line("1") + line("2"))
    told = []
    synced(on_progress=lambda *step: told.append(step))
    append(path, line("3"))
    synced(on_progress=lambda *step: told.append(step))
    size = len(line("1"))
    assert told == [("tool", 2 * size, 2 * size), ("tool", size, size)]


def test_a_run_makes_the_store_and_waits_for_no_other_run(logs, home, tmp_path):
    written(logs / "a.jsonl", line("1"))
    places, path = Places(environ={}, home=home, platform="linux"), tmp_path / "data" / "usage.db"
    result = sync.run([LINES], places, path=path)
    assert result and (result.providers[0].added, result.moved) == (1, "")
    from vibeusage import files

    with files.lock(path.parent / sync.LOCK, wait_s=0):
        assert sync.run([LINES], places, path=path, wait_s=0.05) is None
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


def test_a_run_sweeps_the_copies_that_a_killed_one_left(logs, home, tmp_path):
    left = tmp_path / "data" / f"{logfiles.COPY_PREFIX}abc"
    left.mkdir(parents=True)
    (left / "copy").touch()
    sync.run([LINES], Places(environ={}, home=home, platform="linux"), path=tmp_path / "data" / "usage.db")
    assert not left.exists()
