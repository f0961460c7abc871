"""What reports read, of usage.db or of a server: sums by quarter hour, names, and the calls themselves.

The statements are SQLite's, see `rollup`. What asks for many spans of time asks for all of them at once, and for blocks
there are `chain` and `pause`: a server may be far away, and has ways of its own for them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Self

import msgspec

from vibeusage.records import call_rows, rollup
from vibeusage.records.call_rows import Record
from vibeusage.records.readers.spec import FACTS
from vibeusage.records.rollup import Database, Only, Query, RollupRow
from vibeusage.records.schema import QUARTER_MS, STRETCH_QUARTERS

LOCAL = "local"
PASSWORD_ACCOUNT, PASSWORD_KIND = "storage", "apikey"  # of a server's password in the vault
ANY_TIME = STRETCH_QUARTERS * QUARTER_MS << 28  # a span of time that all calls are in
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
Span = tuple[int, int]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of one provider."""

    calls: int
    first_ms: int
    last_ms: int
    files: int = 0
    gone: int = 0
    skipped: dict[str, int] = {}
    errors: int = 0
    last_sync_ms: int = 0


class Stored(ABC):
    """`source` says where it is: `LOCAL`, or the server's name."""

    source = LOCAL
    _id_of_text = "SELECT id FROM names WHERE text = ?"

    def __init__(self, database: Database) -> None:
        self._db = database
        self._names = rollup.Names(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def synced_at(self) -> datetime | None:
        """When a sync last ended, of whichever tools."""

    @abstractmethod
    def counts(self) -> dict[str, Counts]: ...

    @abstractmethod
    def _told(self) -> AbstractContextManager[None]:
        """The database's errors as ours."""

    def _rows(self, sql: str, values: Sequence[Any], named: Sequence[int], *, is_long: bool = False) -> Iterable[tuple]:
        """What is found; the columns `named` are ids, whose names are asked for next.

        `is_long`: perhaps more rows than memory should hold.
        """
        return self._db.execute(sql, values)

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
        of time. `only`: these sessions (of `newest_sessions` or `ids`), models or folders (of `named`) and no others.
        """
        limits, grain = rollup.within(since_ms, until_ms, QUARTER_MS), max(1, grain_ms // QUARTER_MS)
        query = Query(tuple(providers), frozenset(by), only or {})
        with self._told():
            for row in self._rows(*rollup.statement(query, limits, grain), rollup.NAMED):
                yield rollup.row_of(row, self._names)

    def rollups(
        self, spans: Sequence[Span], *, providers: Iterable[str] = (), by: Iterable[str] = (), only: Only | None = None
    ) -> Iterator[tuple[int, RollupRow]]:
        """Sums of each of `spans` as of `rollup`, with its number; the spans come in their order."""
        providers, by = tuple(providers), tuple(by)
        for number, span in enumerate(spans):
            for row in self.rollup(*span, providers=providers, by=by, grain_ms=ANY_TIME, only=only):
                yield number, row

    def newest_sessions(
        self, limit: int, since_ms: int, until_ms: int, *, providers: Iterable[str], only: Only
    ) -> tuple[dict[tuple[str, str], int], int]:
        """{(provider, session): its id} of those with the last calls within the quarters, and how many there are."""
        with self._told():
            limits = rollup.within(since_ms, until_ms, QUARTER_MS)
            found, count = rollup.newest(self._db, limits, list(providers), limit, only)
            return {(provider, name): id for provider, name, id in found}, count

    def quarters(self, since_ms: int, until_ms: int, providers: Iterable[str], *, only: Only) -> dict[str, list[int]]:
        """The starts of the quarters of each provider within [since, until) with calls, in the order of time."""
        with self._told():
            limits = rollup.within(since_ms, until_ms, QUARTER_MS)
            found = rollup.quarters(self._db, limits, list(providers), only)
            return {provider: [quarter * QUARTER_MS for quarter in its] for provider, its in found.items()}

    def models(self) -> set[tuple[str, str]]:
        """The providers and models of all calls."""
        with self._told():
            rows = self._rows("SELECT DISTINCT provider, model FROM rollup_model_days", (), (1,))
            return {(provider, self._names[model]) for provider, model in rows}

    def named(self, kind: str) -> dict[int, str]:
        """{id: name} of the models or folders of all calls."""
        table = "rollup_model_days" if kind == "model" else "rollup_places"
        with self._told():
            ids = self._rows(f"SELECT DISTINCT {rollup.ONLY[kind]} FROM {table}", (), (0,))  # noqa: S608
            return {id: self._names[id] for (id,) in ids}

    def ids(self, names: Iterable[str]) -> list[int]:
        """Those of these names that are known, to ask for with `only`."""
        with self._told():
            found = [self._db.execute(self._id_of_text, (name,)).fetchone() for name in names]
        return [row[0] for row in found if row]

    def edge(self, since_ms: int, until_ms: int, provider: str, *, last: bool = False) -> int | None:
        """The time of the first, or the last, call of a provider within [since, until), which should be short."""
        sql = f"""SELECT timestamp FROM usage_records INDEXED BY usage_records_timestamp
            WHERE timestamp >= ? AND timestamp < ? AND provider = ?
            AND message_type <> COALESCE(({self._id_of_text}), 0)
            ORDER BY timestamp {"DESC" if last else "ASC"} LIMIT 1"""  # noqa: S608
        with self._told():
            row = self._db.execute(sql, (since_ms, until_ms, provider, FACTS)).fetchone()
        return row[0] if row else None

    def chain(self, since_ms: int, until_ms: int, provider: str, *, length_ms: int, round_ms: int) -> Iterator[Span]:
        """The first and the last call of each link within [since, until).

        A link is all calls up to `length_ms` after its first call, whose time is rounded down to a multiple of
        `round_ms`; the next one begins with the first call after it.
        """
        first = self._first(since_ms, until_ms, provider)
        while first is not None:
            end = first // round_ms * round_ms + length_ms + 1
            yield first, self.edge(first, min(end, until_ms), provider, last=True) or first
            first = self._first(end, until_ms, provider)

    def pause(self, ms: int, provider: str, *, length_ms: int) -> int:
        """The latest instant up to `ms` before which there were no calls for `length_ms`."""
        while (first := self.edge(ms - length_ms, ms, provider)) is not None:
            ms = first
        return ms

    def _first(self, since_ms: int, until_ms: int, provider: str) -> int | None:
        """The first call within [since, until), however long that is."""
        begin = (since_ms // QUARTER_MS + 1) * QUARTER_MS
        first, length = self.edge(since_ms, begin, provider), 2 * HOUR_MS
        while first is None and begin < until_ms:
            rows = self.rollup(begin, begin + length, providers=[provider], grain_ms=DAY_MS)
            first = min((row.first_ms for row in rows), default=None)
            begin, length = begin + length, length * 4
        return first if first is not None and first < until_ms else None

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
        sql = f"{call_rows.SELECT} WHERE {where} ORDER BY timestamp, provider, message_uuid"
        with self._told():
            for row in self._rows(sql, values, call_rows.NAMED, is_long=True):
                yield call_rows.of_row(row, self._names)

    def calls_within(
        self, spans: Sequence[Span], provider: str, *, only: Only | None = None
    ) -> Iterator[tuple[int, Record]]:
        """The calls within each of `spans`, which are short, with its number."""
        for number, span in enumerate(spans):
            for record in self.calls(*span, only=only):  # with a provider, SQLite would sort all of its calls
                if record.provider == provider:
                    yield number, record

    def span(self) -> Span | None:
        """The times of the first and the last call, None when there are none."""
        with self._told():
            first = self._db.execute("SELECT MIN(timestamp) FROM usage_records").fetchone()[0]
            last = self._db.execute("SELECT MAX(timestamp) FROM usage_records").fetchone()[0]
        return None if first is None else (first, last)
