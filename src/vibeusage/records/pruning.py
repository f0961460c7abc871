"""Cuts off what is old: calls of before an instant with their sums, names that nothing has any more, quotas' points."""

import contextlib
import sqlite3
from collections.abc import Generator

from vibeusage.records import quotas, rollup
from vibeusage.records.readers.spec import FACTS
from vibeusage.records.schema import DAY_QUARTERS, QUARTER_MS, UNITS

FREE_SHARE = 0.1  # of the pages: less is not worth writing the file anew
KINDS = ("estimate", "subagent", FACTS)
NAMED = (
    *("session_id", "message_type", "model", "model_provider", "folder", "git_branch"),
    *("provider_version", "machine_name", "speed"),
)


def prune(database: sqlite3.Connection, calls_before_ms: int, points_before: int) -> tuple[int, int]:
    """How many calls and points are gone; all of it or nothing."""
    with _whole(database):
        points = quotas.prune(database, points_before)
        calls = _calls(database, calls_before_ms // QUARTER_MS) if calls_before_ms else 0
        if calls or points:
            _names(database)
    return calls, points


def forget(database: sqlite3.Connection, account: str) -> int:
    """All of an account in the quotas' history, also in pages that are free by now; how many points are gone."""
    database.execute("PRAGMA secure_delete = ON")
    with _whole(database):
        row = database.execute("SELECT id FROM names WHERE text = ?", (account,)).fetchone()
        if row is None:
            return 0
        sql = "DELETE FROM quota_points WHERE window_id IN (SELECT id FROM quota_windows WHERE account = ?)"
        gone = database.execute(sql, row).rowcount
        database.execute("DELETE FROM quota_windows WHERE account = ?", row)
        is_used = " OR ".join(f"{name} = ?1" for name in NAMED)
        if not database.execute(f"SELECT 1 FROM usage_records WHERE {is_used} LIMIT 1", row).fetchone():  # noqa: S608
            database.execute("DELETE FROM names WHERE id = ?", row)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return gone


def shrink(database: sqlite3.Connection) -> None:
    """Give the disk back what is free; where that cannot be done now, later calls take its place."""
    free, pages = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
    if free > pages * FREE_SHARE:
        with contextlib.suppress(sqlite3.OperationalError):
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def _whole(database: sqlite3.Connection) -> Generator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def kinds(database: sqlite3.Connection) -> tuple[int, int, int]:
    """The ids of the names of the kinds that sums tell apart; 0 where there is no such call."""
    sql = "SELECT COALESCE((SELECT id FROM names WHERE text = ?), 0)"
    estimate, subagent, facts = (database.execute(sql, (kind,)).fetchone()[0] for kind in KINDS)
    return estimate, subagent, facts


def _calls(database: sqlite3.Connection, limit: int) -> int:
    """Of before this quarter; the hour and the day that it is within are summed anew."""
    before = limit * QUARTER_MS
    sql = "SELECT DISTINCT provider FROM usage_records WHERE timestamp < ?"
    providers = [provider for (provider,) in database.execute(sql, (before,))]
    gone = database.execute("DELETE FROM usage_records WHERE timestamp < ?", (before,)).rowcount
    for table, (name, quarters) in UNITS.items():
        database.execute(f"DELETE FROM {table} WHERE {name} < ?", (limit // quarters,))  # noqa: S608
    for provider in providers:
        of_the_day = set(range(limit // DAY_QUARTERS * DAY_QUARTERS, limit + 1))
        rollup.rebuild(database, provider, of_the_day, *kinds(database))
    return gone


def _names(database: sqlite3.Connection) -> None:
    """Folders and sessions of what is gone are gone too."""
    used = [f"SELECT {name} FROM usage_records" for name in NAMED]  # noqa: S608
    used += [f"SELECT {name} FROM quota_windows" for name in ("account", "name", "model")]  # noqa: S608
    database.execute(f"DELETE FROM names WHERE id NOT IN ({' UNION '.join(used)})")  # noqa: S608
