"""The quotas' history in usage.db: a row when a window's percentage or reset is another than it was last.

`until` is when the same was last seen, give or take half an hour: a row is not written anew at each look. What was
not seen for a day has a new row, so that no single look at it says what was in between.
"""

import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

SEEN_S = 1800
FUTURE_S = 300
BELIEVED_S = 86_400  # a clock that is far ahead is right once something has been seen by it for so long
WANDER_S = 60  # how far vendors' resets move by themselves, at least
WANDER_SHARE = 200  # and as a part of the window
MOST_AT_ONCE = 1000
LONGEST_S = 35 * 86_400  # for windows whose length nobody says
ALL = 1 << 40


class Sample(NamedTuple):
    """What an observation says of one window; `window_s` and `resets_at` are 0 where nobody knows."""

    account: str
    name: str
    model: str
    window_s: int
    at: int
    used: float
    resets_at: int


class Point(NamedTuple):
    """This much was used at `at`, and still at `until`."""

    account: str
    name: str
    model: str
    window_s: int
    at: int
    until: int
    used: float
    resets_at: int


def put(database: sqlite3.Connection, id_of: Callable[[str], int], samples: Iterable[Sample], now: int) -> int:
    """How many rows are new. What is from the future, or older than what is known, is no news."""
    new = 0
    for sample in list(samples)[:MOST_AT_ONCE]:
        if 0 < sample.at <= now + FUTURE_S:
            window = _window(database, id_of, sample)
            later = (window, now + FUTURE_S)
            sql = "SELECT 1 FROM quota_points WHERE window_id = ? AND at > ?"
            if _is_long_before(sample) and database.execute(sql, later).fetchone():
                continue  # it is this clock that is wrong
            # of a clock that was wrong: nothing would be news until then
            database.execute("DELETE FROM quota_points WHERE window_id = ? AND at > ?", later)
            new += _put(database, window, sample)
    return new


def _is_long_before(sample: Sample) -> bool:
    """Whether the window that it is of had not begun by the clock, give or take a window's length."""
    return bool(sample.resets_at and sample.window_s) and sample.at < sample.resets_at - 2 * sample.window_s


def take(database: sqlite3.Connection, id_of: Callable[[str], int], points: Iterable[Point]) -> None:
    """Those of another store."""
    for point in points:
        row = (_window(database, id_of, point), point.at, point.until, hundredths(point.used), point.resets_at)
        database.execute("INSERT OR IGNORE INTO quota_points VALUES (?, ?, ?, ?, ?)", row)


def _window(database: sqlite3.Connection, id_of: Callable[[str], int], sample: Sample | Point) -> int:
    said = (id_of(sample.account), id_of(sample.name)), (id_of(sample.model), sample.window_s)
    sql = "SELECT id, model, window_s FROM quota_windows WHERE account = ? AND name = ?"
    known = database.execute(sql, said[0]).fetchone()
    if known is None:
        sql = "INSERT INTO quota_windows (account, name, model, window_s) VALUES (?, ?, ?, ?)"
        return database.execute(sql, (*said[0], *said[1])).lastrowid or 0
    if known[1:] != said[1]:
        database.execute("UPDATE quota_windows SET model = ?, window_s = ? WHERE id = ?", (*said[1], known[0]))
    return known[0]


def _put(database: sqlite3.Connection, window: int, sample: Sample) -> bool:
    sql = "SELECT at, until, used, resets_at FROM quota_points WHERE window_id = ? ORDER BY at DESC LIMIT 1"
    last, used = database.execute(sql, (window,)).fetchone(), hundredths(sample.used)
    if last and sample.at <= last[1]:
        return False
    is_same = last and used == last[2] and is_same_reset(sample.resets_at, last[3], sample.window_s)
    if is_same and sample.at - last[1] < BELIEVED_S:
        if sample.at - last[1] >= SEEN_S:
            sql = "UPDATE quota_points SET until = ? WHERE window_id = ? AND at = ?"
            database.execute(sql, (sample.at, window, last[0]))
        return False
    row = (window, sample.at, sample.at, used, sample.resets_at)
    database.execute("INSERT INTO quota_points VALUES (?, ?, ?, ?, ?)", row)
    return True


def hundredths(percent: float) -> int:
    """As it is kept: what is not nothing is not 0, and what is below 100 % is not 100 %."""
    rounded = round(percent * 100)
    if percent > 0 and rounded == 0:
        return 1
    return math.floor(percent * 100) if percent < 100 <= rounded / 100 else rounded


def is_same_reset(one: int, other: int, window_s: int) -> bool:
    if not (one and other):
        return one == other
    return abs(one - other) <= max(WANDER_S, window_s // WANDER_SHARE)


def points(
    database: sqlite3.Connection,
    names: Mapping[int, str],
    accounts: Iterable[str] | None,
    since: int,
    until: int,
) -> Iterator[Point]:
    """Of these accounts (all), by account, window and time, within [since, until) and a window's length before it."""
    wanted = None if accounts is None else {*accounts}
    found = database.execute("SELECT id, account, name, model, window_s FROM quota_windows").fetchall()
    windows = sorted((*(names[text] for text in texts), length, id) for id, *texts, length in found)
    sql = """SELECT at, until, used, resets_at FROM quota_points
        WHERE window_id = ? AND at >= ? AND at < ? ORDER BY at"""
    for account, name, model, length, id in windows:
        if wanted is None or account in wanted:
            for at, last, used, resets_at in database.execute(sql, (id, since - (length or LONGEST_S), until)):
                yield Point(account, name, model, length, at, last, used / 100, resets_at)


def seen_before(database: sqlite3.Connection, instant: int) -> int:
    """When anything was last seen, at `instant` at the latest; 0 for never."""
    windows = database.execute("SELECT id FROM quota_windows").fetchall()
    sql = "SELECT MIN(until, ?1) FROM quota_points WHERE window_id = ?2 AND at <= ?1 ORDER BY at DESC LIMIT 1"
    found = (database.execute(sql, (instant, *window)).fetchone() for window in windows)
    return max((row[0] for row in found if row), default=0)


def prune(database: sqlite3.Connection, before: int) -> int:
    """Forget what was last seen before; how many rows are gone."""
    windows = database.execute("SELECT id FROM quota_windows").fetchall()
    sql = "DELETE FROM quota_points WHERE window_id = ? AND at < ? AND until < ?"
    gone = sum(database.execute(sql, (*window, before, before)).rowcount for window in windows)
    if gone:
        database.execute("DELETE FROM quota_windows WHERE id NOT IN (SELECT window_id FROM quota_points)")
    return gone
