"""usage.db: every call once, what is known of each log file, and sums by quarter hour that reports read.

One writer at a time (`sync` holds a lock), any number of readers. An error that may pass is a StorageError and
changes nothing; damage is `database.Damaged`, and what to do then is in `damage`.
"""

import contextlib
import os
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from vibeusage import files, paths
from vibeusage.errors import StorageError
from vibeusage.records import call_rows, merge, rollup, schema, source_files
from vibeusage.records.call_rows import Record
from vibeusage.records.database import damaged, empty, kept, readable, told, writable
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.rollup import Only, RollupRow
from vibeusage.records.schema import QUARTER_MS
from vibeusage.records.source_files import SourceFile

NAME = "usage.db"
SYNCED = "records.synced"
AT_ONCE = 500


class Changed(msgspec.Struct, frozen=True):
    added: int = 0
    changed: int = 0


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
    with told(path):
        if not readonly:
            return Store(path, writable(path))
        if not os.path.lexists(path):
            return Store(path, empty())
        database = readable(path)
        if not schema.check(database):
            database.close()
            writable(path).close()
            database = readable(path)
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
                rows = (call_rows.of_call(provider, call, machine, self._id) for call in (*added, *better))
                self._db.executemany(call_rows.UPSERT, rows)
                kinds = self._id("estimate"), self._id("subagent"), self._id(FACTS)
                rollup.rebuild(self._db, provider, quarters, *kinds)
        return Changed(*(sum(call.kind != FACTS for call in some) for some in (added, better)))

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
        with told(self.path):
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
        with told(self.path):
            limits = rollup.within(since_ms, until_ms, QUARTER_MS)
            found, count = rollup.newest(self._db, limits, list(providers), limit, only)
            return {(provider, self._names[id]): id for provider, id in found}, count

    def quarters(self, since_ms: int, until_ms: int, provider: str, *, only: Only) -> list[int]:
        """The starts of the quarters within [since, until) with calls, in the order of time."""
        with told(self.path):
            limits = rollup.within(since_ms, until_ms, QUARTER_MS)
            return [quarter * QUARTER_MS for quarter in rollup.quarters(self._db, limits, [provider], only)]

    def models(self) -> set[tuple[str, str]]:
        """The providers and models of all calls."""
        with told(self.path):
            rows = self._db.execute("SELECT DISTINCT provider, model FROM rollup_model_days").fetchall()
            return {(provider, self._names[model]) for provider, model in rows}

    def named(self, kind: str) -> dict[int, str]:
        """{id: name} of the models, folders or sessions (`rollup.ONLY`) of all calls."""
        table = "rollup_model_days" if kind == "model" else "rollup_days"
        with told(self.path):
            ids = self._db.execute(f"SELECT DISTINCT {rollup.ONLY[kind]} FROM {table}").fetchall()  # noqa: S608
            return {id: self._names[id] for (id,) in ids}

    def edge(self, since_ms: int, until_ms: int, provider: str, *, last: bool = False) -> int | None:
        """The time of the first, or the last, call of a provider within [since, until), which should be short."""
        sql = f"""SELECT timestamp FROM usage_records INDEXED BY usage_records_timestamp
            WHERE timestamp >= ? AND timestamp < ? AND provider = ?
            AND message_type <> ifnull((SELECT id FROM names WHERE text = ?), 0)
            ORDER BY timestamp {"DESC" if last else "ASC"} LIMIT 1"""  # noqa: S608
        with told(self.path):
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
        with told(self.path):
            for row in self._db.execute(f"{call_rows.SELECT} WHERE {where} ORDER BY timestamp", values):
                yield call_rows.of_row(row, self._names)

    def span(self) -> tuple[int, int] | None:
        """The times of the first and the last call, None when there are none."""
        with told(self.path):
            first = self._db.execute("SELECT MIN(timestamp) FROM usage_records").fetchone()[0]
            last = self._db.execute("SELECT MAX(timestamp) FROM usage_records").fetchone()[0]
        return None if first is None else (first, last)

    def counts(self) -> dict[str, Counts]:
        sql = "SELECT provider, SUM(calls), MIN(first_ms), MAX(last_ms) FROM rollup_models GROUP BY provider"
        with told(self.path):
            calls = {name: row for name, *row in self._db.execute(sql)}
            synced = dict(self._db.execute("SELECT name, last_sync FROM providers"))
            of_files = dict.fromkeys(row[0] for row in self._db.execute("SELECT DISTINCT provider FROM source_files"))
        names = sorted({*calls, *synced, *of_files})
        return {name: self._counts(name, calls.get(name, [0, 0, 0]), synced.get(name, 0)) for name in names}

    def check(self) -> None:
        """Read every page; raises Damaged when they do not fit together."""
        with told(self.path):
            said = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
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

    def _stored(self, provider: str, wanted: Mapping[str, Call]) -> dict[str, Call]:
        found, uuids = {}, iter(wanted)
        while some := {kept(uuid): uuid for uuid in islice(uuids, AT_ONCE)}:
            sql = f"{call_rows.SELECT} WHERE provider = ? AND message_uuid IN ({', '.join('?' * len(some))})"
            for row in self._db.execute(sql, (provider, *some)):
                found[some[row[1]]] = call_rows.of_row(row, self._names).call
        return found

    def _id(self, text: str) -> int:
        known = self._ids.get(text)
        if known is not None:
            return known
        if len(self._ids) > rollup.NAMES_KEPT:
            self._ids.clear()
        row = self._db.execute("SELECT id FROM names WHERE text = ?", (kept(text),)).fetchone()
        found = row[0] if row else self._db.execute("INSERT INTO names (text) VALUES (?)", (kept(text),)).lastrowid
        self._ids[text] = found or 0
        return self._ids[text]
