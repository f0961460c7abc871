"""Whether what usage.db holds fits together: its pages, the names that rows point to, and sums with their calls."""

import sqlite3
from collections.abc import Iterator

from vibeusage.records import pruning
from vibeusage.records.schema import DAY_QUARTERS, SUMS, UNITS

MOST = 20
DAY_MS = 86_400_000
_OF_CALLS = """COUNT(*), SUM(1 - complete), SUM(message_type = :estimate), SUM(input_tokens), SUM(output_tokens),
    SUM(cache_creation_tokens - cache_creation_1h), SUM(cache_creation_1h), SUM(cache_read_tokens),
    SUM(web_searches), SUM(COALESCE(logged_cost, 0)), MIN(timestamp), MAX(timestamp)"""
_OF_SUMS = ", ".join([*(f"SUM({name})" for name in SUMS), "MIN(first_ms)", "MAX(last_ms)"])

Sums = dict[tuple[str, int], tuple[int, ...]]  # by provider and day of UTC, or a longer span


def problems(database: sqlite3.Connection) -> list[str]:
    """A sentence each; [] when all is well."""
    pages = [text for (text,) in database.execute(f"PRAGMA integrity_check({MOST})") if text != "ok"]
    return pages or [*_names(database), *sums(database), *_points(database)][:MOST]


def sums(database: sqlite3.Connection) -> Iterator[str]:
    """The days of which the sums are not those of the calls."""
    estimate, _, facts = pruning.kinds(database)
    sql = f"""SELECT provider, timestamp / {DAY_MS}, {_OF_CALLS} FROM usage_records
        WHERE message_type <> :facts GROUP BY 1, 2"""  # noqa: S608
    calls = _by_day(database.execute(sql, {"estimate": estimate, "facts": facts}))
    for table, (unit, quarters) in UNITS.items():
        days = max(1, quarters // DAY_QUARTERS)
        span = f"{unit} * {quarters} / {days * DAY_QUARTERS}"
        found = _by_day(database.execute(f"SELECT provider, {span}, {_OF_SUMS} FROM {table} GROUP BY 1, 2"))  # noqa: S608
        right = _by_spans(calls, days)
        wrong = sorted(key for key in right.keys() | found.keys() if right.get(key) != found.get(key))
        if wrong:
            name, what = wrong[0][0], "day" if days == 1 else f"span of {days} days"
            many = f"{len(wrong):,} {what}{'s' * (len(wrong) != 1)}"
            yield f"{table}: the sums of {many} are not those of the calls, of {name} first"


def _by_day(rows: sqlite3.Cursor) -> Sums:
    return {(provider, day): tuple(values) for provider, day, *values in rows}


def _by_spans(calls: Sums, days: int) -> Sums:
    found: dict[tuple[str, int], tuple[int, ...]] = {}
    for (provider, day), values in calls.items():
        key = provider, day // days
        found[key] = _added(found[key], values) if key in found else values
    return found


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    *sums, first, last = one
    *more, also_first, also_last = other
    return (*(a + b for a, b in zip(sums, more, strict=True)), min(first, also_first), max(last, also_last))


def _names(database: sqlite3.Connection) -> Iterator[str]:
    known = "(SELECT id FROM names)"
    wrong = " OR ".join(f"({name} <> 0 AND {name} NOT IN {known})" for name in pruning.NAMED)
    count = database.execute(f"SELECT COUNT(*) FROM usage_records WHERE {wrong}").fetchone()[0]  # noqa: S608
    if count:
        yield f"{count:,} call{'s' * (count != 1)} with a name that is not there"


def _points(database: sqlite3.Connection) -> Iterator[str]:
    sql = """SELECT COUNT(*) FROM quota_points
        WHERE window_id NOT IN (SELECT id FROM quota_windows) OR until < at OR used < 0"""
    count = database.execute(sql).fetchone()[0]
    if count:
        yield f"{count:,} point{'s' * (count != 1)} of the quotas' history make no sense"
