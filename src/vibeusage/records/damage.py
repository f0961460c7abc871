"""A damaged usage.db: moved aside under a dated name, and what can still be read there is carried over.

The logs come first, and fill the new store; of the old rows only those are taken that the logs do not have any
more. The name tells how far this got: `.damaged-DATE` is still to be carried over, `.kept-DATE` is done with.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import msgspec

from vibeusage.errors import StorageError
from vibeusage.records.quotas import Point
from vibeusage.records.readers.spec import MOST_TOKENS, Call
from vibeusage.records.readers.values import FIRST_MS
from vibeusage.records.store import Store

STEP = 500
GIVE_UP_AFTER = 200  # steps without a row, where the last row's number cannot be read
MARK, DONE = ".damaged-", ".kept-"
_COLUMNS = """id, provider, message_uuid, timestamp, session_id, message_type, model, model_provider, folder,
    git_branch, provider_version, machine_name, speed, input_tokens, output_tokens, cache_creation_tokens,
    cache_creation_1h, cache_read_tokens, web_searches, logged_cost, rank, ord, complete, notes, metadata"""
_IS_TRUE = """SELECT 1 FROM usage_records INDEXED BY sqlite_autoindex_usage_records_1
    WHERE provider = ? AND message_uuid = ? AND id = ?"""


def move_aside(path: Path, now: datetime) -> Path:
    """Rename the store and what belongs to it; the new name."""
    aside = path.with_name(f"{path.name}{MARK}{now.astimezone(UTC):%Y%m%d-%H%M%S}")
    while os.path.lexists(aside):
        aside = aside.with_name(f"{aside.name}x")
    _rename(path, aside)
    return aside


def pending(path: Path) -> list[Path]:
    """Stores that were moved aside, and not carried over yet."""
    found = path.parent.glob(f"{path.name}{MARK}*")
    return sorted(each for each in found if not each.name.endswith(("-wal", "-shm", "-journal")))


def carry_over(aside: Path, into: Store) -> tuple[Path, int]:
    """Take what only `aside` has; its new name, and how many calls it gave."""
    carried = 0
    with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(_opened(aside)) as old:
        for (provider, machine), calls in groupby(_calls(old), key=lambda found: found[:2]):
            batch = [call for _, _, call in calls]
            carried += into.put(provider, batch, machine=machine, only_new=True).added
        into.take_points(_points(old))
    return finish(aside), carried


def finish(aside: Path) -> Path:
    """It is done with; its new name."""
    kept = aside.with_name(aside.name.replace(MARK, DONE))
    _rename(aside, kept)
    return kept


def _rename(old: Path, new: Path) -> None:
    try:
        for suffix in ("-wal", "-shm", "-journal", ""):  # the store last: what has its name is still whole
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{old}{suffix}", f"{new}{suffix}")
    except OSError as exc:
        raise StorageError(
            f"{old} is damaged and cannot be moved aside: {exc.strerror}", hint="check the rights of its folder"
        ) from exc


def _opened(aside: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"{aside.as_uri()}?mode=ro", uri=True, isolation_level=None)
    database.text_factory = lambda text: text.decode("utf-8", "replace")
    return database


def _calls(old: sqlite3.Connection) -> Iterator[tuple[str, str, Call]]:
    """(provider, machine, call) of each row that makes sense and that the index knows too."""
    names = {id: text for id, text in _rows(old, "id, text", "names") if isinstance(text, str)}
    for id, provider, uuid, *rest in _rows(old, _COLUMNS, "usage_records"):
        with contextlib.suppress(sqlite3.Error, TypeError, ValueError, msgspec.MsgspecError):
            if old.execute(_IS_TRUE, (provider, uuid, id)).fetchone():
                machine, call = _call(uuid, rest, names)
                yield provider, machine, call


def _call(uuid: str, row: list, names: dict[int, str]) -> tuple[str, Call]:
    ts, *texts = row[:10]
    session, kind, model, served_by, folder, branch, version, machine, speed = (names.get(id, "") for id in texts)
    fresh, output, write, write_1h, read, searches, cost, rank, order, complete, notes, data = row[10:]
    counts = (fresh, output, write, write_1h, read, searches, cost or 0)
    if ts < FIRST_MS or not all(isinstance(count, int) and 0 <= count <= 1 << 60 for count in counts):
        raise ValueError("no call")
    if max(counts[:-1]) > MOST_TOKENS:
        raise ValueError("no call")
    fields = {
        "uuid": uuid,
        "ts": ts,
        "session": session,
        "model": model,
        "folder": folder,
        "branch": branch,
        "version": version,
        "input": fresh,
        "output": output,
        "write": write,
        "write_1h": write_1h,
        "read": read,
        "rank": rank,
        "order": order,
        "complete": bool(complete),
        "kind": kind or "assistant",
        "served_by": served_by,
        "speed": speed,
        "searches": searches,
        "cost": cost,
        "notes": tuple(notes.split(" ")) if notes else (),
        "data": msgspec.json.decode(data) if data else None,
    }
    return machine, msgspec.convert(fields, Call)


def _points(old: sqlite3.Connection) -> Iterator[Point]:
    """Of the quotas' history, each window as far as it can be read."""
    names = {id: text for id, text in _rows(old, "id, text", "names") if isinstance(text, str)}
    sql = "SELECT at, until, used, resets_at FROM quota_points WHERE window_id = ? ORDER BY at"
    for id, account, name, model, window_s in _rows(old, "id, account, name, model, window_s", "quota_windows"):
        with contextlib.suppress(sqlite3.Error):
            for numbers in old.execute(sql, (id,)):
                is_true = all(isinstance(number, int) and number >= 0 for number in (window_s, *numbers))
                if is_true and account in names and name in names:
                    at, until, used, resets_at = numbers
                    of = (names[account], names[name], names.get(model, ""), window_s)
                    yield Point(*of, at, until, used / 100, resets_at)


def _rows(old: sqlite3.Connection, columns: str, table: str) -> Iterator[tuple]:
    """Every row that can be read, by its number; steps over the rest."""
    sql = f"SELECT {columns} FROM {table} WHERE id > ? AND id <= ? ORDER BY id"  # noqa: S608
    last, misses, at = _last(old, table), 0, 0
    while (at < last) if last is not None else misses < GIVE_UP_AFTER:
        found = _between(old, sql, at, at + STEP)
        yield from found
        misses = 0 if found else misses + 1
        at += STEP


def _last(old: sqlite3.Connection, table: str) -> int | None:
    """The number of the last row, None when it cannot be read, 0 when nothing can."""
    try:
        old.execute(f"SELECT id FROM {table} LIMIT 0")  # noqa: S608
    except sqlite3.Error:
        return 0
    try:
        return old.execute(f"SELECT MAX(id) FROM {table}").fetchone()[0] or 0  # noqa: S608
    except sqlite3.Error:
        return None


def _between(old: sqlite3.Connection, sql: str, after: int, until: int) -> list[tuple]:
    """The rows numbered in (after, until]; what cannot be read is halved until it is one row."""
    try:
        return old.execute(sql, (after, until)).fetchall()
    except sqlite3.Error:
        if until - after == 1:
            return []
    middle = (after + until) // 2
    return _between(old, sql, after, middle) + _between(old, sql, middle, until)
