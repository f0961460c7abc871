"""usage.db: every call once, what is known of each log file, and sums by quarter hour that reports read.

One writer at a time (`sync` holds a lock), any number of readers. An error that may pass is a StorageError and
changes nothing; damage is `Damaged`, and what to do then is in `damage`.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from vibeusage import files, paths
from vibeusage.errors import StorageError
from vibeusage.records import disk, merge, rollup, schema
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.rollup import Only, RollupRow
from vibeusage.records.schema import QUARTER_MS, prompt_class

NAME = "usage.db"
SYNCED = "records.synced"
BUSY_S = 3.0
CACHE_KIB = 16 << 10
AT_ONCE = 500
_TEXTS = (
    *("session_id", "message_type", "model", "model_provider", "folder", "git_branch"),
    *("provider_version", "machine_name", "speed"),
)
_COLUMNS = (
    *("provider", "message_uuid", "timestamp", *_TEXTS, "input_tokens", "output_tokens", "cache_creation_tokens"),
    *("cache_creation_1h", "cache_read_tokens", "prompt_class", "web_searches", "logged_cost", "rank", "ord"),
    *("complete", "notes", "metadata"),
)
_KEPT = ("provider", "message_uuid", "machine_name")  # what an update leaves alone
_UPSERT = f"""INSERT INTO usage_records ({", ".join(_COLUMNS)}) VALUES ({", ".join("?" * len(_COLUMNS))})
    ON CONFLICT (provider, message_uuid) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEPT)}"""  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM usage_records"  # noqa: S608


class Damaged(StorageError):
    """usage.db is no database of ours, or its pages contradict each other; waiting does not help."""


class Changed(msgspec.Struct, frozen=True):
    added: int = 0
    changed: int = 0


class Record(msgspec.Struct, frozen=True):
    """A stored call, whose it is and where it was first read."""

    provider: str
    machine: str
    call: Call


class SourceFile(msgspec.Struct, kw_only=True):
    """What is known of one log file; `offset`, `head` and `tail` say how far it was read and how it looked there.

    `state` is the reader's, as msgpack; an unfinished or failed reading has the `mtime_ns` 0, which no file has.
    """

    path: str
    dev: int
    inode: int
    size: int
    mtime_ns: int
    parser: int
    offset: int = 0
    head: bytes = b""
    tail: bytes = b""
    state: bytes = b"\x80"
    gone: bool = False
    skipped: dict[str, int] = {}
    error: str = ""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of one provider."""

    calls: int
    first_ms: int
    last_ms: int
    files: int
    gone: int
    skipped: dict[str, int]
    errors: int
    last_sync_ms: int


def open(path: Path | None = None, *, readonly: bool = False) -> "Store":
    """The store in `path` (the data folder's usage.db), made and brought up to date unless `readonly`.

    A read-only store that is not there is an empty one. Raises StorageError, and Damaged for what needs a repair.
    """
    path = path or paths.data_dir() / NAME
    with _told(path):
        if not readonly:
            return Store(path, _writable(path))
        if not os.path.lexists(path):
            return Store(path, _empty())
        database = _readable(path)
        if not schema.check(database):
            database.close()
            _writable(path).close()
            database = _readable(path)
        return Store(path, database)


class Store:
    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._db = database
        self._ids: dict[str, int] = {}
        self._names = rollup.Names(database)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """All of it or nothing; one inside another is part of that one."""
        with _told(self.path):
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._ids.clear()  # ids that were given out and taken back
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def put(self, provider: str, calls: Iterable[Call], *, machine: str, only_new: bool = False) -> Changed:
        """Merge `calls` into what is stored; `only_new` leaves stored ones as they are."""
        found: dict[str, Call] = {}
        for call in calls:
            merge.fold(found, call)
        with self.transaction():
            stored = self._stored(provider, found)
            added = [call for uuid, call in found.items() if uuid not in stored]
            better: list[Call] = []
            quarters = {call.ts // QUARTER_MS for call in added}
            for uuid, old in {} if only_new else stored.items():
                before, new = msgspec.structs.astuple(old), merge.merged(old, found[uuid])
                if msgspec.structs.astuple(new) != before:
                    quarters |= {before[1] // QUARTER_MS, new.ts // QUARTER_MS}
                    better.append(new)
            if added or better:
                self._db.executemany(_UPSERT, (self._row(provider, call, machine) for call in (*added, *better)))
                kinds = self._id("estimate"), self._id("subagent"), self._id(FACTS)
                rollup.rebuild(self._db, provider, quarters, *kinds)
        return Changed(*(sum(call.kind != FACTS for call in some) for some in (added, better)))

    def sources(self, provider: str) -> dict[str, SourceFile]:
        """Every file known of a provider by its path."""
        sql = """SELECT path, dev, inode, size, mtime_ns, parser, offset, head, tail, state, gone, skipped, last_error
            FROM source_files WHERE provider = ?"""
        with _told(self.path):
            rows = self._db.execute(sql, (provider,)).fetchall()
        return {source.path: source for source in map(_source, rows)}

    def save_source(self, provider: str, source: SourceFile, *, now_ms: int) -> None:
        names = ("dev", "inode", "size", "mtime_ns", "parser", "offset", "head", "tail", "state", "gone")
        columns = ("provider", "path", *names, "skipped", "last_error", "first_seen")
        sql = f"""INSERT INTO source_files ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})
            ON CONFLICT (provider, path) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in columns[2:-1])}"""  # noqa: S608
        own = [_signed(getattr(source, name)) for name in names]
        skipped = msgspec.json.encode(source.skipped).decode()
        with self.transaction():
            self._db.execute(sql, (provider, os.fsencode(source.path), *own, skipped, _text(source.error), now_ms))

    def synced(self, provider: str, source: str, *, now_ms: int) -> None:
        """Note where a provider's records come from, and when they were last found to have changed."""
        sql = """INSERT INTO providers (name, source, last_sync) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET source = excluded.source, last_sync = excluded.last_sync"""
        with self.transaction():
            self._db.execute(sql, (provider, _text(source), now_ms))

    def note_prices(self, prices: Mapping[tuple[str, str, str], str], source: str, *, now_ms: int) -> int:
        """Keep {(provider, model, first day): price}; what was noted last is left as it is. How many are new."""
        with self.transaction():
            last = {(provider, model, since): price for provider, model, since, price, *_ in self.noted_prices()}
            new = [(*key, now_ms, price, source) for key, price in prices.items() if last.get(key) != price]
            self._db.executemany("INSERT OR REPLACE INTO provider_pricing VALUES (?, ?, ?, ?, ?, ?)", new)
        return len(new)

    def noted_prices(self) -> list[tuple[str, str, str, str, str, int]]:
        """(provider, model, first day, price, source, when it was noted), in that order."""
        sql = "SELECT provider, model, since, prices, source, noted FROM provider_pricing ORDER BY 1, 2, 3, noted"
        with _told(self.path):
            return self._db.execute(sql).fetchall()

    def mark_synced(self) -> None:
        """Note that a sync has ended, by the time of a file: where nothing is new, the store is not written."""
        path = self.path.parent / SYNCED
        with contextlib.suppress(OSError, StorageError):
            if path.exists():
                os.utime(path)
            else:
                files.write_private(path, b"")

    def synced_at(self) -> datetime | None:
        """When a sync last ended, of whichever tools."""
        try:
            return datetime.fromtimestamp(int(os.stat(self.path.parent / SYNCED).st_mtime), UTC)
        except OSError:
            return None

    def rollup(
        self,
        since_ms: int | None = None,
        until_ms: int | None = None,
        *,
        providers: Iterable[str] = (),
        by: Iterable[str] = (),
        grain_ms: int = QUARTER_MS,
        only: Only | None = None,
    ) -> Iterator[RollupRow]:
        """Sums of the quarters within [since, until), told apart by `by` (of `rollup.BY`) and by spans of `grain_ms`.

        A `grain_ms` of a day or more is one of whole days of UTC, and many times cheaper. Rows come in the order
        of time. `only`: these sessions (of `newest_sessions`), models or folders (of `named`) and no others.
        """
        wanted = rollup.within(since_ms, until_ms, QUARTER_MS), list(providers)
        with _told(self.path):
            yield from rollup.rows(
                self._db,
                self._names,
                *wanted,
                by=set(by),
                grain=max(1, grain_ms // QUARTER_MS),
                only=only or {},
            )

    def newest_sessions(
        self, limit: int, since_ms: int, until_ms: int, *, providers: Iterable[str], only: Only
    ) -> tuple[dict[tuple[str, str], int], int]:
        """{(provider, session): its id} of those with the last calls within the quarters, and how many there are."""
        with _told(self.path):
            limits = rollup.within(since_ms, until_ms, QUARTER_MS)
            found, count = rollup.newest(self._db, limits, list(providers), limit, only)
            return {(provider, self._names[id]): id for provider, id in found}, count

    def quarters(self, since_ms: int, until_ms: int, provider: str, *, only: Only) -> list[int]:
        """The starts of the quarters within [since, until) with calls, in the order of time."""
        with _told(self.path):
            limits = rollup.within(since_ms, until_ms, QUARTER_MS)
            return [quarter * QUARTER_MS for quarter in rollup.quarters(self._db, limits, [provider], only)]

    def models(self) -> set[tuple[str, str]]:
        """The providers and models of all calls."""
        with _told(self.path):
            rows = self._db.execute("SELECT DISTINCT provider, model FROM rollup_model_days").fetchall()
            return {(provider, self._names[model]) for provider, model in rows}

    def named(self, kind: str) -> dict[int, str]:
        """{id: name} of the models, folders or sessions (`rollup.ONLY`) of all calls."""
        table = "rollup_model_days" if kind == "model" else "rollup_days"
        with _told(self.path):
            ids = self._db.execute(f"SELECT DISTINCT {rollup.ONLY[kind]} FROM {table}").fetchall()  # noqa: S608
            return {id: self._names[id] for (id,) in ids}

    def edge(self, since_ms: int, until_ms: int, provider: str, *, last: bool = False) -> int | None:
        """The time of the first, or the last, call of a provider within [since, until), which should be short."""
        sql = f"""SELECT timestamp FROM usage_records INDEXED BY usage_records_timestamp
            WHERE timestamp >= ? AND timestamp < ? AND provider = ?
            AND message_type <> ifnull((SELECT id FROM names WHERE text = ?), 0)
            ORDER BY timestamp {"DESC" if last else "ASC"} LIMIT 1"""  # noqa: S608
        with _told(self.path):
            row = self._db.execute(sql, (since_ms, until_ms, provider, FACTS)).fetchone()
        return row[0] if row else None

    def calls(
        self,
        since_ms: int | None = None,
        until_ms: int | None = None,
        *,
        provider: str | None = None,
        only: Only | None = None,
    ) -> Iterator[Record]:
        """The calls within [since, until) in the order of time; `only` as of `rollup`."""
        providers = [provider] if provider else []
        where, values = rollup.condition("timestamp", rollup.within(since_ms, until_ms), providers, only)
        with _told(self.path):
            for row in self._db.execute(f"{_SELECT} WHERE {where} ORDER BY timestamp", values):
                yield self._record(row)

    def span(self) -> tuple[int, int] | None:
        """The times of the first and the last call, None when there are none."""
        with _told(self.path):
            first = self._db.execute("SELECT MIN(timestamp) FROM usage_records").fetchone()[0]
            last = self._db.execute("SELECT MAX(timestamp) FROM usage_records").fetchone()[0]
        return None if first is None else (first, last)

    def counts(self) -> dict[str, Counts]:
        sql = "SELECT provider, SUM(calls), MIN(first_ms), MAX(last_ms) FROM rollup_models GROUP BY provider"
        with _told(self.path):
            calls = {name: row for name, *row in self._db.execute(sql)}
            synced = dict(self._db.execute("SELECT name, last_sync FROM providers"))
            of_files = dict.fromkeys(row[0] for row in self._db.execute("SELECT DISTINCT provider FROM source_files"))
        names = sorted({*calls, *synced, *of_files})
        return {name: self._counts(name, calls.get(name, [0, 0, 0]), synced.get(name, 0)) for name in names}

    def check(self) -> None:
        """Read every page; raises Damaged when they do not fit together."""
        with _told(self.path):
            said = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise _damaged(self.path)

    def _counts(self, provider: str, calls: list[int], last_sync_ms: int) -> Counts:
        known = self.sources(provider).values()
        skipped: dict[str, int] = {}
        for source in known:
            for reason, count in source.skipped.items():
                skipped[reason] = skipped.get(reason, 0) + count
        return Counts(
            calls=calls[0],
            first_ms=calls[1],
            last_ms=calls[2],
            files=len(known),
            gone=sum(source.gone for source in known),
            skipped=skipped,
            errors=sum(bool(source.error) for source in known),
            last_sync_ms=last_sync_ms,
        )

    def _stored(self, provider: str, wanted: Mapping[str, Call]) -> dict[str, Call]:
        found, uuids = {}, iter(wanted)
        while some := {_text(uuid): uuid for uuid in islice(uuids, AT_ONCE)}:
            sql = f"{_SELECT} WHERE provider = ? AND message_uuid IN ({', '.join('?' * len(some))})"
            for row in self._db.execute(sql, (provider, *some)):
                found[some[row[1]]] = self._record(row).call
        return found

    def _row(self, provider: str, call: Call, machine: str) -> tuple:
        kept = (call.session, call.kind, call.model, call.served_by, call.folder, call.branch, call.version)
        return (
            *(provider, _text(call.uuid), call.ts, *map(self._id, (*kept, machine, call.speed))),
            *(call.input, call.output, call.write, min(call.write_1h, call.write), call.read),
            *(prompt_class(call.prompt), call.searches, call.cost, call.rank, call.order),
            call.complete,
            " ".join(call.notes) or None,
            msgspec.json.encode(call.data).decode() if call.data else None,
        )

    def _record(self, row: tuple) -> Record:
        provider, uuid, ts, *rest = row
        texts = [self._names[id] for id in rest[:9]]
        session, kind, model, served_by, folder, branch, version, machine, speed = texts
        fresh, output, write, write_1h, read, _, searches, cost, rank, order, complete, notes, data = rest[9:]
        call = Call(
            uuid=uuid,
            ts=ts,
            session=session,
            model=model,
            folder=folder,
            branch=branch,
            version=version,
            input=fresh,
            output=output,
            write=write,
            write_1h=write_1h,
            read=read,
            rank=rank,
            order=order,
            complete=bool(complete),
            kind=kind,
            served_by=served_by,
            speed=speed,
            searches=searches,
            cost=cost,
            notes=tuple(notes.split(" ")) if notes else (),
            data=msgspec.json.decode(data) if data else None,
        )
        return Record(provider, machine, call)

    def _id(self, text: str) -> int:
        known = self._ids.get(text)
        if known is not None:
            return known
        if len(self._ids) > rollup.NAMES_KEPT:
            self._ids.clear()
        row = self._db.execute("SELECT id FROM names WHERE text = ?", (_text(text),)).fetchone()
        found = row[0] if row else self._db.execute("INSERT INTO names (text) VALUES (?)", (_text(text),)).lastrowid
        self._ids[text] = found or 0
        return self._ids[text]


def _source(row: tuple) -> SourceFile:
    path, dev, inode, size, mtime_ns, parser, offset, head, tail, state, gone, skipped, error = row
    return SourceFile(
        path=os.fsdecode(path),
        dev=dev,
        inode=inode,
        size=size,
        mtime_ns=mtime_ns,
        parser=parser,
        offset=offset,
        head=head,
        tail=tail,
        state=state,
        gone=bool(gone),
        skipped=msgspec.json.decode(skipped),
        error=error,
    )


def _signed(value: Any) -> Any:
    """SQLite's integers are signed, device and inode numbers are not."""
    return value - (1 << 64) if isinstance(value, int) and value >= 1 << 63 else value


def _text(text: str) -> str:
    """As SQLite can keep it: without halves of characters."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _writable(path: Path) -> sqlite3.Connection:
    files.ensure_folder(path.parent)
    _make(path)
    database = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", timeout=BUSY_S, isolation_level=None, uri=True)
    try:
        schema.check(database)
        mode = "DELETE" if disk.is_network(path.parent) else "WAL"
        if database.execute("PRAGMA journal_mode").fetchone()[0].upper() != mode:
            database.execute(f"PRAGMA journal_mode = {mode}")
        database.execute("PRAGMA synchronous = NORMAL" if mode == "WAL" else "PRAGMA synchronous = FULL")
        database.execute("PRAGMA temp_store = MEMORY")
        database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        schema.migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def _make(path: Path) -> None:
    """The file, private before SQLite sees it: what SQLite puts beside it gets the same rights."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except IsADirectoryError as exc:
        raise _damaged(path) from exc
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise _damaged(path)
        if info.st_mode & 0o077:
            os.fchmod(fd, 0o600)
    finally:
        os.close(fd)


def _readable(path: Path) -> sqlite3.Connection:
    """Read only; on a disk that lets nothing be written beside the file, as it stands."""
    if not path.is_file():
        raise _damaged(path)
    address = f"file:{quote(str(path))}?mode=ro"
    database = sqlite3.connect(address, timeout=BUSY_S, isolation_level=None, uri=True)
    try:
        schema.version(database)
    except sqlite3.OperationalError as exc:
        database.close()
        if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or os.path.exists(f"{path}-wal"):
            raise
        database = sqlite3.connect(f"{address}&immutable=1", isolation_level=None, uri=True)
    return database


def _empty() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(database)
    return database


@contextlib.contextmanager
def _told(path: Path) -> Generator[None]:
    """SQLite's and the system's errors as ours."""
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(path) from exc
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StorageError(f"{path} is in use by another program", hint="try again in a moment") from exc
        what = "the disk is full" if code == sqlite3.SQLITE_FULL else str(exc)
        raise StorageError(
            f"{path} cannot be used: {what}", hint="check the free space and the rights of its folder"
        ) from exc
    except OSError as exc:
        raise StorageError(
            f"{path} cannot be used: {exc.strerror or exc}", hint="check the free space and the rights of its folder"
        ) from exc


def _damaged(path: Path) -> Damaged:
    return Damaged(
        f"{path} is damaged", hint="`vibeusage records sync --full` moves it aside and builds it anew from the logs"
    )
