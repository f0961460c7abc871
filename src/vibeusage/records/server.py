"""A PostgreSQL server that several machines send their calls to: what `store` is for usage.db.

Whoever writes holds the lock of a provider until its end, so that what is stored is read, merged as usage.db merges,
and written back with its sums, and nobody comes in between. Names are given ids beforehand, for all to see.
"""

import hashlib
import time
from binascii import crc32
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from vibeusage.records import call_rows, merge, postgres, postgres_schema, rollup
from vibeusage.records.call_rows import Record
from vibeusage.records.postgres import Connection, translated
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.rollup import Only, Query, RollupRow
from vibeusage.records.schema import QUARTER_MS, UNITS
from vibeusage.records.stored import Counts, Span, Stored

AT_ONCE = 5_000
LARGE = ", ".join(("names", "usage_records", *UNITS))
LONGEST_KEY = 1_000  # bytes; an index takes no more than 2700
KINDS = {"estimate": "estimate", "subagent": "subagent", "facts": FACTS}  # what sums need the ids of
_SPANS = "unnest(?::bigint[], ?::bigint[], ?::bigint[]) AS part (span, since, until)"
_TOUCHED = "WITH touched AS (SELECT unnest(:quarters::bigint[]) AS quarter) "
_NAMES = """INSERT INTO names (digest, text) SELECT * FROM unnest(%s::bytea[], %s::text[]) AS one (digest, text)
    ORDER BY digest ON CONFLICT DO NOTHING"""
_COPY = f"COPY usage_records ({', '.join(call_rows.COLUMNS)}) FROM STDIN"
_CLIENT = """INSERT INTO clients VALUES (%s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET mark = excluded.mark, pushed_ms = excluded.pushed_ms"""
_PROVIDER = "INSERT INTO providers VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET pushed_ms = excluded.pushed_ms"


def reader(url: str, *, foreground: bool = True) -> "Server":
    """What is there at this moment, whatever comes meanwhile. Raises Unavailable, StorageError or ConfigError."""
    connection = postgres.connect(url, writing=False, foreground=foreground)
    return _opened(connection, url)


def writer(url: str, *, foreground: bool = True) -> "Server":
    """The same to write, with the tables of today."""
    connection = postgres.connect(url, writing=True, foreground=foreground)
    try:
        with postgres.told(postgres.name_of(url)):
            postgres_schema.migrate(connection)
    except BaseException:
        connection.raw.close()
        raise
    return _opened(connection, url)


def _opened(connection: Connection, url: str) -> "Server":
    name = postgres.name_of(url)
    try:
        with postgres.told(name):
            return Server(connection, name, postgres_schema.check(connection, name))
    except BaseException:
        connection.raw.close()
        raise


class Server(Stored):
    """`id` is that of its tables, another one where they were made anew.

    `client`: what this machine is known as, `as_of` when its logs were last read; None where not all of that is here.
    """

    _db: Connection
    _id_of_text = "SELECT id FROM names WHERE digest = sha256(convert_to(?, 'UTF8'))"

    def __init__(self, connection: Connection, name: str, id: str) -> None:
        super().__init__(connection)
        self.source, self.id = name, id
        self.client = ""
        self.as_of: datetime | None = None
        self._ids: dict[str, int] = {}

    def close(self) -> None:
        self._db.raw.close()

    def _told(self) -> AbstractContextManager[None]:
        return postgres.told(self.source)

    def _rows(self, sql: str, values: Sequence[Any], named: Sequence[int], *, is_long: bool = False) -> Iterator[tuple]:
        """With their names, many at a time."""
        cursor = self._db.stream(sql, values) if is_long else self._db.execute(sql, values)
        with cursor:
            while rows := cursor.fetchmany(AT_ONCE):
                self._learn({row[place] for row in rows for place in named})
                yield from rows

    def _learn(self, ids: set[int]) -> None:
        if missing := list(ids - self._names.keys()):
            if len(self._names) > rollup.NAMES_KEPT:
                self._names.clear()
                missing = list(ids)
            found = self._db.raw.execute("SELECT id, text FROM names WHERE id = ANY(%s)", (missing,)).fetchall()
            self._names.update({**dict.fromkeys(missing, ""), **dict(found)})
            self._ids.update((text, id) for id, text in found)

    def synced_at(self) -> datetime | None:
        """Where not all of this machine is here, when it was last sent; of a machine that sends nothing, any other."""
        if self.as_of:
            return self.as_of
        sql = """SELECT COALESCE((SELECT pushed_ms FROM clients WHERE id = ?), (SELECT MAX(pushed_ms) FROM clients))"""
        with self._told():
            row = self._db.execute(sql, (self.client,)).fetchone()
        return datetime.fromtimestamp(row[0] / 1000, UTC) if row and row[0] is not None else None

    def counts(self) -> dict[str, Counts]:
        """Of files nothing is known here."""
        sql = """SELECT provider, SUM(calls)::bigint, MIN(first_ms), MAX(last_ms) FROM rollup_model_days
            GROUP BY provider"""
        with self._told():
            calls = {name: row for name, *row in self._db.execute(sql)}
            pushed = dict(self._db.execute("SELECT name, pushed_ms FROM providers").fetchall())
        found = {}
        for name in sorted({*calls, *pushed}):
            count, first, last = calls.get(name, (0, 0, 0))
            found[name] = Counts(calls=count, first_ms=first, last_ms=last, last_sync_ms=pushed.get(name, 0))
        return found

    def rollups(
        self, spans: Sequence[Span], *, providers: Iterable[str] = (), by: Iterable[str] = (), only: Only | None = None
    ) -> Iterator[tuple[int, RollupRow]]:
        if not spans:
            return
        query = Query(tuple(providers), frozenset(by), only or {})
        with self._told():
            for number, *rest in self._rows(*_spanned(query, spans), rollup.NAMED):
                yield number, rollup.row_of((0, *rest), self._names)

    def chain(self, since_ms: int, until_ms: int, provider: str, *, length_ms: int, round_ms: int) -> Iterator[Span]:
        end = "first / :round * :round + :length"
        first = self._edge("timestamp >= :since AND timestamp < :until")
        following = self._edge(f"timestamp > {end} AND timestamp < :until")
        last = self._edge(f"timestamp >= first AND timestamp <= {end} AND timestamp < :until", "DESC")
        sql = f"""WITH RECURSIVE link (first) AS (
                SELECT {first} UNION ALL SELECT {following} FROM link WHERE first IS NOT NULL
            ) SELECT first, {last} FROM link WHERE first IS NOT NULL"""  # noqa: S608
        times = {"since": since_ms, "until": until_ms, "length": length_ms, "round": round_ms}
        with self._told():
            yield from self._db.execute(sql, {**times, "provider": provider, "text": FACTS}).fetchall()

    def pause(self, ms: int, provider: str, *, length_ms: int) -> int:
        before = self._edge("timestamp >= first - :length AND timestamp < first")
        sql = f"""WITH RECURSIVE link (first) AS (
                SELECT :ms::bigint UNION ALL SELECT {before} FROM link WHERE first IS NOT NULL
            ) SELECT MIN(first) FROM link"""  # noqa: S608
        with self._told():
            values = {"ms": ms, "length": length_ms, "provider": provider, "text": FACTS}
            return self._db.execute(sql, values).fetchall()[0][0]

    def _edge(self, condition: str, order: str = "ASC") -> str:
        """The first or last call of a provider.

        With MIN and MAX, or with a kind whose frequency is known, all of them would be looked at.
        """
        facts = self._id_of_text.replace("?", ":text")
        return f"""(SELECT timestamp FROM usage_records WHERE provider = :provider AND {condition}
            AND message_type + 0 <> COALESCE(({facts}), 0) ORDER BY timestamp {order} LIMIT 1)"""  # noqa: S608

    def calls_within(
        self, spans: Sequence[Span], provider: str, *, only: Only | None = None
    ) -> Iterator[tuple[int, Record]]:
        if not spans:
            return
        where, values = rollup.chosen([provider], only or {})
        each = _each(", ".join(call_rows.COLUMNS), "usage_records", "timestamp", where)
        sql = f"SELECT part.span, found.* FROM {each} ORDER BY part.span"  # noqa: S608
        numbered = [(number, *span) for number, span in enumerate(spans)]
        named = [place + 1 for place in call_rows.NAMED]
        with self._told():
            for number, *row in self._rows(sql, [*_columns(numbered), *values], named):
                yield number, call_rows.of_row(tuple(row), self._names)

    def span(self) -> Span | None:
        edge = "(SELECT timestamp FROM usage_records WHERE provider = name ORDER BY timestamp {} LIMIT 1)"
        sql = f"SELECT MIN({edge.format('ASC')}), MAX({edge.format('DESC')}) FROM providers"  # noqa: S608
        with self._told():
            first, last = self._db.execute(sql).fetchall()[0]
        return None if first is None else (first, last)

    def mark(self, client: str) -> int:
        """How far the changes of a machine's usage.db have come."""
        with self._told():
            row = self._db.execute("SELECT mark FROM clients WHERE id = ?", (client,)).fetchone()
        return row[0] if row else 0

    def take(self, client: str, records: Sequence[Record], mark: int) -> int:
        """Merge calls of usage.db and note how far they go, all or nothing; how many of them were new."""
        of_provider: dict[str, dict[str, Record]] = {}
        for record in records:
            of_provider.setdefault(_text(record.provider), {})[_key(record.call)] = record
        with self._told():
            self._give_ids(records)
            with self._db.raw.transaction():
                for number in sorted({crc32(provider.encode()) - (1 << 31) for provider in of_provider}):
                    self._db.execute("SELECT pg_advisory_xact_lock(?, ?)", (postgres_schema.PROVIDERS, number))
                added = sum(self._put(provider, found) for provider, found in of_provider.items())
                now_ms = time.time_ns() // 1_000_000
                self._db.raw.execute(_CLIENT, (client, mark, now_ms))
                for provider in sorted(of_provider):
                    self._db.raw.execute(_PROVIDER, (provider, now_ms))
        return added

    def analyse(self) -> None:
        """After very many calls at once: how statements are best carried out depends on how many there are."""
        with self._told():
            self._db.execute(f"ANALYZE {LARGE}")

    def _put(self, provider: str, found: dict[str, Record]) -> int:
        added, better, times = merge.compared_records(found, self._stored(provider, list(found)))
        rows = [self._row(record) for record in (*added, *better)]
        with self._db.raw.cursor() as cursor:
            with cursor.copy(_COPY.encode()) as copy:
                for row in rows[: len(added)]:
                    copy.write_row(row)
            if better:
                cursor.executemany(translated(call_rows.JOIN), rows[len(added) :])
        if rows:
            kinds = {name: self._ids[text] for name, text in KINDS.items()}
            values = {**kinds, "provider": provider, "quarters": sorted({ms // QUARTER_MS for ms in times})}
            for statement in rollup.REBUILD:
                self._db.execute(_TOUCHED + statement, values)
        return len(added)

    def _stored(self, provider: str, uuids: list[str]) -> dict[str, Record]:
        sql = f"{call_rows.SELECT} WHERE provider = ? AND message_uuid = ANY(?)"
        rows = self._rows(sql, (provider, uuids), call_rows.NAMED)
        return {row[1]: call_rows.of_row(row, self._names) for row in rows}

    def _row(self, record: Record) -> tuple:
        """NUL, which PostgreSQL does not keep, is in no text of it any more."""
        row = call_rows.of_call(record.provider, record.call, record.machine, lambda text: self._ids[_text(text)])
        return tuple([_text(value) if isinstance(value, str) else value for value in row])

    def _give_ids(self, records: Sequence[Record]) -> None:
        """In an order that all keep to, and done with at once: nobody waits for somebody who waits for them."""
        wanted = {*KINDS.values()}
        for record in records:
            wanted.update(map(_text, (*call_rows.texts(record.call), record.machine)))
        if len(self._ids) > rollup.NAMES_KEPT:
            self._ids.clear()
            self._names.clear()  # what is read of stored calls may be written again, by its text
        if new := sorted(wanted - self._ids.keys()):
            digests = [hashlib.sha256(text.encode()).digest() for text in new]
            with self._db.raw.transaction():
                self._db.raw.execute(_NAMES, (digests, new))
            known = self._db.raw.execute("SELECT text, id FROM names WHERE digest = ANY(%s)", (digests,))
            self._ids.update(known.fetchall())


def _spanned(query: Query, spans: Sequence[Span]) -> tuple[str, list[Any]]:
    """Sums of each of `spans`, one statement for all of them."""
    of_unit: dict[rollup.Unit, list[tuple[int, int, int]]] = {}
    for number, span in enumerate(spans):
        for unit, part in rollup.parts(rollup.within(*span, QUARTER_MS), query.units()):
            of_unit.setdefault(unit, []).append((number, *part))
    columns, (where, more) = query.columns(), rollup.chosen(query.providers, query.only)
    selects, values = [], []
    for unit, parts in of_unit.items():
        each = _each(rollup.summed(columns), unit.table, unit.name, where)
        selects.append(f"SELECT part.span, found.* FROM {each}")  # noqa: S608
        values += [*_columns(parts), *more]
    return rollup.grouped(selects, columns, "span"), values


def _each(columns: str, table: str, name: str, where: str) -> str:
    """The rows of `table` within each part. OFFSET 0 keeps PostgreSQL from comparing all rows with all parts."""
    within = f"{name} >= part.since AND {name} < part.until{where}"
    return f"{_SPANS} JOIN LATERAL (SELECT {columns} FROM {table} WHERE {within} OFFSET 0) AS found ON true"  # noqa: S608


def _columns(rows: Sequence[tuple[int, int, int]]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _text(text: str) -> str:
    """As PostgreSQL can keep it."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _key(call: Call) -> str:
    """The call's uuid as it is kept, which becomes its own; a very long one is known by its digest."""
    call.uuid = _text(call.uuid)
    data = call.uuid.encode()
    if len(data) > LONGEST_KEY:
        call.uuid = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return call.uuid
