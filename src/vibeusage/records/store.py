"""usage.db: every call once, what is known of each log file, and sums by quarter hour that reports read.

One writer at a time (`sync` holds a lock), any number of readers. An error that may pass is a StorageError and
changes nothing; damage is `database.Damaged`, and what to do then is in `damage`.
"""

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from vibeusage import files
from vibeusage.errors import StorageError
from vibeusage.records import call_rows, merge, quotas, rollup, schema, shared_files, soundness, source_files
from vibeusage.records.call_rows import Record
from vibeusage.records.database import BUSY_S, damaged, empty, kept, readable, told, writable
from vibeusage.records.place import NAME as NAME
from vibeusage.records.place import usage_db
from vibeusage.records.quotas import Point, Sample
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.schema import QUARTER_MS
from vibeusage.records.source_files import SourceFile
from vibeusage.records.stored import Counts, Stored

SYNCED = "records.synced"
AT_ONCE = 500


class Changed(msgspec.Struct, frozen=True):
    added: int = 0
    changed: int = 0


def open(path: Path | None = None, *, readonly: bool = False, busy_s: float = BUSY_S) -> "Store":
    """The store in `path` (see `place`), made and brought up to date unless `readonly`.

    A read-only store that is not there is an empty one; `busy_s` is how long another writer is waited for. Raises
    StorageError, and Damaged for what needs a repair.
    """
    path = path or usage_db()
    with told(path):
        if not readonly:
            return Store(path, writable(path, busy_s))
        if not os.path.lexists(path):
            return Store(path, empty())
        database = readable(path)
        if not schema.check(database):
            database.close()
            writable(path).close()
            database = readable(path)
        return Store(path, database)


class Store(Stored):
    _db: sqlite3.Connection

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        super().__init__(database)
        self.path = path
        self._ids = _Ids(database)
        self._id = self._ids.__getitem__

    def _told(self) -> AbstractContextManager[None]:
        return told(self.path)

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """All of it or nothing; one inside another is part of that one."""
        with told(self.path):
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
            stored = {uuid: record.call for uuid, record in self._stored(provider, found).items()}
            added, better, times = merge.compared(found, stored, only_new=only_new)
            rows = (call_rows.of_call(provider, call, machine, self._id) for call in (*added, *better))
            self._write(provider, call_rows.UPSERT, rows, times)
        return _changed(added, better)

    def take(self, provider: str, records: Iterable[Record], *, is_shared: bool) -> Changed:
        """Join what another machine says of calls with what is stored; see `shared` for those that are shared."""
        found: dict[str, Record] = {}
        for record in records:
            known = found.get(record.call.uuid)
            found[record.call.uuid] = merge.joined(known, record) if known else record
        with self.transaction():
            added, better, times = merge.compared_records(found, self._stored(provider, found))
            both = (call_rows.of_call(provider, each.call, each.machine, self._id) for each in (*added, *better))
            self._write(provider, call_rows.TAKE, ((*row, int(is_shared)) for row in both), times)
        return _changed((each.call for each in added), (each.call for each in better))

    def own_calls(self, since_ms: int, until_ms: int) -> Iterator[Record]:
        """Those within [since, until) that did not come from the folder of several machines."""
        where = "timestamp >= ? AND timestamp < ? AND is_shared = 0 ORDER BY timestamp, provider, message_uuid"
        with told(self.path):
            for row in self._db.execute(f"{call_rows.SELECT} WHERE {where}", (since_ms, until_ms)):
                yield call_rows.of_row(row, self._names)

    def shared(self) -> shared_files.SharedFiles:
        return shared_files.SharedFiles(self._db, self.transaction)

    def _write(self, provider: str, sql: str, rows: Iterable[tuple], times: set[int]) -> None:
        if times:
            self._db.executemany(sql, rows)
            kinds = self._id("estimate"), self._id("subagent"), self._id(FACTS)
            rollup.rebuild(self._db, provider, {ms // QUARTER_MS for ms in times}, *kinds)

    def sources(self, provider: str) -> dict[str, SourceFile]:
        """Every file known of a provider by its path."""
        with told(self.path):
            return source_files.read(self._db, provider)

    def save_source(self, provider: str, source: SourceFile, *, now_ms: int) -> None:
        with self.transaction():
            source_files.save(self._db, provider, source, now_ms)

    def synced(self, provider: str, source: str, *, now_ms: int) -> None:
        """Note where a provider's records come from, and when they were last found to have changed."""
        sql = """INSERT INTO providers (name, source, last_sync) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET source = excluded.source, last_sync = excluded.last_sync"""
        with self.transaction():
            self._db.execute(sql, (provider, kept(source), now_ms))

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
        with told(self.path):
            return self._db.execute(sql).fetchall()

    def changed(self, after: int, limit: int) -> list[tuple[int, Record]]:
        """The calls with the next numbers above `after`; a call that changes gets a number above all others."""
        sql = f"SELECT id, {', '.join(call_rows.COLUMNS)} FROM usage_records WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
        with told(self.path):
            rows = self._db.execute(sql, (after, limit)).fetchall()
            return [(number, call_rows.of_row(tuple(row), self._names)) for number, *row in rows]

    def last_number(self) -> int:
        with told(self.path):
            return self._db.execute("SELECT COALESCE(MAX(id), 0) FROM usage_records").fetchone()[0]

    def sent(self, server: str) -> tuple[str, int]:
        """What a server knows us as, and up to which number it has our calls."""
        with told(self.path):
            row = self._db.execute("SELECT client, mark FROM sent WHERE server = ?", (server,)).fetchone()
        return row or (uuid.uuid4().hex, 0)

    def sent_to(self, url: str) -> int | None:
        """Up to which number the server at this address was sent our calls when it was last spoken to."""
        with told(self.path):
            row = self._db.execute("SELECT MAX(mark) FROM sent WHERE url = ?", (url,)).fetchone()
        return row[0]

    def note_sent(self, server: str, client: str, mark: int, url: str) -> None:
        """What was at this address before is no more."""
        with self.transaction():
            self._db.execute("DELETE FROM sent WHERE url = ? OR server = ?", (url, server))
            self._db.execute("INSERT INTO sent VALUES (?, ?, ?, ?)", (server, client, mark, url))

    def note_quotas(self, samples: Iterable[Sample], *, now: int, keep_from: int) -> int:
        """Keep what is new, and forget what was last seen before `keep_from`; how many rows are new."""
        with self.transaction():
            new = quotas.put(self._db, self._id, samples, now)
            quotas.prune(self._db, keep_from)
        return new

    def quotas_seen_before(self, instant: int) -> int:
        with told(self.path):
            return quotas.seen_before(self._db, instant)

    def take_points(self, points: Iterable[Point]) -> None:
        """Those of an older store; what is known here stays as it is."""
        with self.transaction():
            quotas.take(self._db, self._id, points)

    def quota_points(self, accounts: Iterable[str] | None, since: int, until: int) -> Iterator[Point]:
        """As `quotas.points` has them; instants are epoch seconds."""
        with told(self.path):
            yield from quotas.points(self._db, self._names, accounts, since, until)

    def mark_synced(self) -> None:
        """Note that a sync has ended, by the time of a file: where nothing is new, the store is not written."""
        path = self.path.parent / SYNCED
        with contextlib.suppress(OSError, StorageError):
            if path.exists():
                os.utime(path)
            else:
                files.write_private(path, b"")

    def synced_at(self) -> datetime | None:
        try:
            return datetime.fromtimestamp(int(os.stat(self.path.parent / SYNCED).st_mtime), UTC)
        except OSError:
            return None

    def counts(self) -> dict[str, Counts]:
        sql = "SELECT provider, SUM(calls), MIN(first_ms), MAX(last_ms) FROM rollup_model_days GROUP BY provider"
        with told(self.path):
            calls = {name: row for name, *row in self._db.execute(sql)}
            synced = dict(self._db.execute("SELECT name, last_sync FROM providers"))
            of_files = dict.fromkeys(row[0] for row in self._db.execute("SELECT DISTINCT provider FROM source_files"))
        names = sorted({*calls, *synced, *of_files})
        return {name: self._counts(name, calls.get(name, [0, 0, 0]), synced.get(name, 0)) for name in names}

    def check(self) -> None:
        """Read every page; raises Damaged when they, or the sums and their calls, do not fit together."""
        with told(self.path):
            said = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if said != "ok" or any(soundness.sums(self._db)):
                raise damaged(self.path)

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

    def _stored(self, provider: str, wanted: Iterable[str]) -> dict[str, Record]:
        found, uuids = {}, iter(wanted)
        while some := {kept(uuid): uuid for uuid in islice(uuids, AT_ONCE)}:
            sql = f"{call_rows.SELECT} WHERE provider = ? AND message_uuid IN ({', '.join('?' * len(some))})"
            for row in self._db.execute(sql, (provider, *some)):
                found[some[row[1]]] = call_rows.of_row(row, self._names)
        return found


class _Ids(dict[str, int]):
    """The ids of names, which are given one when they are asked for."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def __missing__(self, text: str) -> int:
        if len(self) > rollup.NAMES_KEPT:
            self.clear()
        row = self._db.execute("SELECT id FROM names WHERE text = ?", (kept(text),)).fetchone()
        found = row[0] if row else self._db.execute("INSERT INTO names (text) VALUES (?)", (kept(text),)).lastrowid
        self[text] = found or 0
        return self[text]


def _changed(added: Iterable[Call], better: Iterable[Call]) -> Changed:
    return Changed(*(sum(call.kind != FACTS for call in some) for some in (added, better)))
