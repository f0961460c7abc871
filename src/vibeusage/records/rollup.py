"""Sums of calls by quarter hour and by day of UTC: kept beside the calls, and read by every report.

The statements are SQLite's, and such that `postgres.translated` makes PostgreSQL's of them.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from vibeusage.records.schema import DAY_QUARTERS, PLACED, PLACES, PRICED, QUARTER_MS, SUMMED_AGAIN, SUMS, UNITS

NAMES_KEPT = 20_000
END = 1 << 62
RECENT = 32 * DAY_QUARTERS
BY = ("session", "folder", "branch", "machine")  # what a rollup can be told apart by, besides model and price
_BY_COLUMNS = {
    "session": ("session_id", "is_side"),
    "folder": ("folder",),
    "branch": ("git_branch",),
    "machine": ("machine_name",),
}
_SUMMED = """COUNT(*), SUM(1 - complete), SUM(CASE WHEN message_type = :estimate THEN 1 ELSE 0 END),
    SUM(input_tokens), SUM(output_tokens), SUM(cache_creation_tokens - cache_creation_1h), SUM(cache_creation_1h),
    SUM(cache_read_tokens), SUM(web_searches), SUM(COALESCE(logged_cost, 0)), MIN(timestamp), MAX(timestamp)"""
_KEYS = """timestamp / 900000, provider, model, model_provider, speed, prompt_class,
    CASE WHEN logged_cost IS NULL THEN 0 ELSE 1 END, session_id,
    CASE WHEN message_type = :subagent OR rank > 0 THEN 1 ELSE 0 END, folder, git_branch, machine_name"""
_PRICED_FIRST = ("provider", "is_logged", "model", "model_provider", "speed", "prompt_class")
_PRICED_LAST = ("model", "prompt_class", "is_logged", "speed", "model_provider", "provider")  # numbers sort faster
ONLY = {"session": "session_id", "model": "model", "folder": "folder"}  # of what only some can be asked for
Only = Mapping[str, Collection[int]]  # keys of ONLY -> ids of names
_SUMMED_TWICE = ", ".join((*SUMS, "first_ms", "last_ms"))
_READ = ", ".join([*(f"CAST(SUM({name}) AS BIGINT)" for name in SUMS), "MIN(first_ms)", "MAX(last_ms)"])
_WHERE, _PLACE = ", ".join((*PRICED, *PLACED)), ", ".join((*PRICED, *PLACES))
REBUILD = (
    "DELETE FROM rollup WHERE provider = :provider AND quarter IN (SELECT quarter FROM touched)",
    f"""INSERT INTO rollup SELECT {_KEYS}, {_SUMMED} FROM touched CROSS JOIN usage_records
        INDEXED BY usage_records_timestamp
        ON timestamp >= quarter * 900000 AND timestamp < (quarter + 1) * 900000 AND provider = :provider
        AND message_type <> :facts GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12""",  # noqa: S608
    "DELETE FROM rollup_models WHERE provider = :provider AND quarter IN (SELECT quarter FROM touched)",
    f"""INSERT INTO rollup_models SELECT quarter, {", ".join(PRICED)}, {SUMMED_AGAIN} FROM touched
        CROSS JOIN rollup USING (quarter) WHERE provider = :provider GROUP BY quarter, {", ".join(PRICED)}""",  # noqa: S608
    "DELETE FROM rollup_days WHERE provider = :provider AND day IN (SELECT quarter / 96 FROM touched)",
    f"""INSERT INTO rollup_days SELECT day, {_WHERE}, {SUMMED_AGAIN}
        FROM (SELECT DISTINCT quarter / 96 AS day FROM touched) AS days CROSS JOIN rollup
        ON quarter >= day * 96 AND quarter < (day + 1) * 96 AND provider = :provider GROUP BY day, {_WHERE}""",  # noqa: S608
    "DELETE FROM rollup_model_days WHERE provider = :provider AND day IN (SELECT quarter / 96 FROM touched)",
    f"""INSERT INTO rollup_model_days SELECT day, {", ".join(PRICED)}, {SUMMED_AGAIN}
        FROM (SELECT DISTINCT quarter / 96 AS day FROM touched) AS days CROSS JOIN rollup_days USING (day)
        WHERE provider = :provider GROUP BY day, {", ".join(PRICED)}""",  # noqa: S608
    "DELETE FROM rollup_places WHERE provider = :provider AND stretch IN (SELECT quarter / 3072 FROM touched)",
    f"""INSERT INTO rollup_places SELECT stretch, {_PLACE}, {SUMMED_AGAIN}
        FROM (SELECT DISTINCT quarter / 3072 AS stretch FROM touched) AS stretches CROSS JOIN rollup_days
        ON day >= stretch * 32 AND day < (stretch + 1) * 32 AND provider = :provider GROUP BY stretch, {_PLACE}""",  # noqa: S608
    "DELETE FROM rollup_model_hours WHERE provider = :provider AND hour IN (SELECT quarter / 4 FROM touched)",
    f"""INSERT INTO rollup_model_hours SELECT hour, {", ".join(PRICED)}, {SUMMED_AGAIN}
        FROM (SELECT DISTINCT quarter / 4 AS hour FROM touched) AS hours CROSS JOIN rollup_models
        ON quarter >= hour * 4 AND quarter < (hour + 1) * 4 AND provider = :provider
        GROUP BY hour, {", ".join(PRICED)}""",  # noqa: S608
)


class Unit(NamedTuple):
    table: str
    name: str
    quarters: int


def _units(*tables: str) -> tuple[Unit, ...]:
    return tuple(Unit(table, *UNITS[table]) for table in tables)


_PLACED_UNITS = _units("rollup_days", "rollup")
_PLACE_UNITS = _units("rollup_places", "rollup_days", "rollup")
_MODEL_UNITS = _units("rollup_model_days", "rollup_model_hours", "rollup_models")


class RollupRow(msgspec.Struct, frozen=True, gc=False):
    """Calls of one price and one quarter hour (or longer span) together; what was not asked for is "" or False.

    `logged_cost` is the sum of what the log states, in picodollars, for `logged_calls`: all of the row's or none.
    `estimates` and `lower_bounds` count calls. `first_ms` and `last_ms` are the times of the first and last call.
    """

    quarter_ms: int
    provider: str
    model: str
    model_provider: str
    speed: str
    prompt_class: int
    session_id: str
    session_is_side: bool
    folder: str
    branch: str
    machine: str
    calls: int
    lower_bounds: int
    estimates: int
    input: int
    output: int
    write_5m: int
    write_1h: int
    read: int
    searches: int
    logged_cost: int
    logged_calls: int
    first_ms: int
    last_ms: int


class Database(Protocol):
    """What SQLite's connection and ours to PostgreSQL have in common."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...


class Query(NamedTuple):
    """Which sums: of these providers (all), told apart by `by`, of what is in `only`."""

    providers: tuple[str, ...]
    by: frozenset[str]
    only: Only

    def columns(self) -> list[str]:
        return [column for name in BY if name in self.by for column in _BY_COLUMNS[name]]

    def units(self) -> tuple[Unit, ...]:
        if "session" in {*self.by, *self.only}:
            return _PLACED_UNITS
        return _PLACE_UNITS if self.by or "folder" in self.only else _MODEL_UNITS


def rebuild(
    database: sqlite3.Connection, provider: str, quarters: set[int], estimate: int, subagent: int, facts: int
) -> None:
    """Sum the touched quarters anew from the calls themselves, so that no sum can drift; the kinds are ids of names."""
    database.execute("CREATE TEMP TABLE IF NOT EXISTS touched (quarter INTEGER PRIMARY KEY)")
    database.execute("DELETE FROM touched")
    database.executemany("INSERT INTO touched VALUES (?)", ((quarter,) for quarter in sorted(quarters)))
    for statement in REBUILD:
        database.execute(statement, {"provider": provider, "estimate": estimate, "subagent": subagent, "facts": facts})


NAMED = (3, 4, 5, 7, 9, 10, 11)  # which columns of a row of `statement` are ids of names


def row_of(row: tuple, names: Mapping[int, str]) -> RollupRow:
    span, provider, is_logged, model, route, speed, prompt_class, session, is_side, folder, branch, machine = row[:12]
    calls, lower, estimates, input, output, write_5m, write_1h, read, searches, cost, first, last = row[12:]
    return RollupRow(  # by place: by name, or out of tuples, it takes twice as long
        span * QUARTER_MS,
        provider,
        names[model],
        names[route],
        names[speed],
        prompt_class,
        names[session],
        is_side != 0,
        names[folder],
        names[branch],
        names[machine],
        calls,
        lower,
        estimates,
        input,
        output,
        write_5m,
        write_1h,
        read,
        searches,
        cost,
        calls if is_logged else 0,
        first,
        last,
    )


def newest(
    database: Database, limits: tuple[int, int], providers: list[str], limit: int, only: Only
) -> tuple[list[tuple[str, str, int]], int]:
    """(provider, name, id of it) of the sessions with the last calls within `limits`, and how many there are in all."""
    rows, values = _chosen("provider, session_id", limits, _PLACED_UNITS, providers, only)
    sql = f"SELECT COUNT(DISTINCT session_id) FROM ({rows}) AS these GROUP BY provider"  # noqa: S608
    count = sum(number for (number,) in database.execute(sql, values))
    wanted, length = min(limit, count), RECENT if limit < count else limits[1] - limits[0]
    while True:  # backwards: to sort all sessions takes four times as long
        recent = max(limits[0], limits[1] - length), limits[1]
        rows, values = _chosen("provider, session_id, last_ms", recent, _PLACED_UNITS, providers, only)
        sql = f"""SELECT provider, (SELECT text FROM names WHERE id = session_id) AS name, session_id
            FROM ({rows}) AS part GROUP BY session_id, provider
            ORDER BY MAX(last_ms) DESC, provider, name LIMIT ?"""  # noqa: S608
        found = database.execute(sql, [*values, limit]).fetchall()
        if len(found) == wanted:
            return [(provider, name or "", id) for provider, name, id in found], count
        length *= 4


def quarters(database: Database, limits: tuple[int, int], providers: list[str], only: Only) -> dict[str, list[int]]:
    """Those of each provider within `limits` with calls, in the order of time."""
    units = _PLACED_UNITS if {*only} - {"model"} else _MODEL_UNITS
    rows, values = _chosen("quarter, provider", limits, units[-1:], providers, only)
    found: dict[str, list[int]] = {provider: [] for provider in providers}
    for quarter, provider in database.execute(f"SELECT DISTINCT * FROM ({rows}) AS part ORDER BY 1", values):  # noqa: S608
        found[provider].append(quarter)
    return found


def _chosen(
    columns: str, limits: tuple[int, int], units: Iterable[Unit], providers: list[str], only: Only
) -> tuple[str, list[Any]]:
    selects, values = [], []
    for unit, part in parts(limits, units):
        where, more = condition(unit.name, part, providers, only)
        selects.append(f"SELECT {columns} FROM {unit.table} WHERE {where}")  # noqa: S608
        values += more
    return " UNION ALL ".join(selects), values


def parts(limits: tuple[int, int], units: Iterable[Unit]) -> Iterator[tuple[Unit, tuple[int, int]]]:
    """Which units of which tables together are the quarters of `limits`, the longest units first."""
    unit, *smaller = units
    first, last = -(-limits[0] // unit.quarters), limits[1] // unit.quarters
    if smaller and first >= last:
        yield from parts(limits, smaller)
        return
    yield unit, (first, last)
    for end in ((limits[0], first * unit.quarters), (last * unit.quarters, limits[1])) if smaller else ():
        if end[0] < end[1]:
            yield from parts(end, smaller)


def statement(query: Query, limits: tuple[int, int], grain: int) -> tuple[str, list[Any]]:
    """Sums by spans of `grain` quarters, in the order of time, each a row of `row_of`.

    Whole days come from the days, what is left at both ends from shorter units.
    """
    if grain >= DAY_QUARTERS:
        grain -= grain % DAY_QUARTERS
    span, columns = limits[0] // grain * grain, query.columns()
    is_one = limits[1] <= span + grain  # then SQLite has less to sort
    selects, values = [], []
    found = list(parts(limits, [unit for unit in query.units() if grain % unit.quarters == 0]))
    if query.units() == _MODEL_UNITS and [last - first for _, (first, last) in found] == [1]:
        (unit, part), *_ = found  # summed already, such as a day of UTC
        where, values = condition(unit.name, part, query.providers, query.only)
        return f"SELECT {_shown((), str(span))}, {_SUMMED_TWICE} FROM {unit.table} WHERE {where}", values  # noqa: S608
    for unit, part in found:
        where, more = condition(unit.name, part, query.providers, query.only)
        start = () if is_one else (f"{unit.name} * {unit.quarters} / {grain} * {grain} AS span",)
        selects.append(f"SELECT {summed(columns, *start)} FROM {unit.table} WHERE {where}")  # noqa: S608
        values += more
    return grouped(selects, columns, str(span) if is_one else "span"), values


def summed(columns: Iterable[str], *more: str) -> str:
    """What is chosen of a table of sums to be `grouped`."""
    return ", ".join((*more, *_PRICED_FIRST, *columns, _SUMMED_TWICE))


def grouped(selects: Sequence[str], columns: Collection[str], span: str) -> str:
    """Sums of sums; `span` is a column, or a number where there is one only."""
    rows = selects[0] if len(selects) == 1 else f"SELECT * FROM ({' UNION ALL '.join(selects)}) AS these"  # noqa: S608
    keys = ", ".join((*(() if span.isdecimal() else (span,)), *columns, *_PRICED_LAST))
    order = "" if span.isdecimal() else f"ORDER BY {span}"
    return f"SELECT {_shown(columns, span)}, {_READ} FROM ({rows}) AS part GROUP BY {keys} {order}"  # noqa: S608


def _shown(columns: Collection[str], span: str) -> str:
    """The columns of a row before its sums; what is not told apart is 0."""
    return ", ".join((span, *_PRICED_FIRST, *(name if name in columns else f"0 AS {name}" for name in PLACED)))


def within(since: int | None, until: int | None, unit: int = 1) -> tuple[int, int]:
    """Whole units within [since, until)."""
    return -(-(since or 0) // unit), END if until is None else -(-until // unit)


def condition(
    column: str, limits: tuple[int, int], providers: Sequence[str], only: Only | None = None
) -> tuple[str, list[Any]]:
    """A condition and its values."""
    text, values = chosen(providers, only or {})
    return f"{column} >= ? AND {column} < ?{text}", [*limits, *values]


def chosen(providers: Sequence[str], only: Only) -> tuple[str, list[Any]]:
    """The part of a condition that is not about time, and its values."""
    text, values = "", [*providers]
    if providers:
        text += f" AND provider IN ({', '.join('?' * len(providers))})"
    for name, ids in only.items():
        text += f" AND {ONLY[name]} IN (SELECT value FROM json_each(?))"  # noqa: S608
        values.append(str(list(ids)))
    return text, values


class Names(dict[int, str]):
    """Texts by their id, read when they are asked for; 0 is none."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def __missing__(self, id: int) -> str:
        if len(self) > NAMES_KEPT:
            self.clear()
        row = self._db.execute("SELECT text FROM names WHERE id = ?", (id,)).fetchone()
        self[id] = row[0] if row else ""
        return self[id]
