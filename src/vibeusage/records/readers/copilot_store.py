"""Copilot's session store, `session-store.db`: one row per request, and when it knew of which session.

Columns come and go between versions: what is not there is not asked for. Row ids start again when the file is
made anew, so time and counts are part of a call's identity.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.spec import Call, Source
from vibeusage.records.readers.values import count, millis, sha256

NAME = "session-store.db"
SERVED_BY = "github"
_TABLE = "assistant_usage_events"
_NEEDED = {"id", "session_id", "created_at"}
_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_WANTED = (*_COUNTS, "model", "total_nano_aiu", "initiator")
_PICO_PER_NANO_UNIT = 10  # 1e-9 units of 0.01 USD are 10 picodollars


def read(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    columns = _columns(connection, _TABLE)
    if not columns >= _NEEDED:
        source.skip("unknown schema")
        return iter(()), mark
    last = connection.execute(f"SELECT rowid, created_at FROM {_TABLE} ORDER BY rowid DESC LIMIT 1").fetchone()  # noqa: S608
    since = mark.get("row", 0) if _is_same(connection, mark) else 0
    found = {"row": last[0], "at": last[1]} if last else {}
    return _calls(connection, source, since, columns), found


def _is_same(connection: sqlite3.Connection, mark: dict[str, Any]) -> bool:
    """Whether the row read last is still that row."""
    row = connection.execute(f"SELECT created_at FROM {_TABLE} WHERE rowid = ?", (mark.get("row", 0),)).fetchone()  # noqa: S608
    return row is not None and row[0] == mark.get("at")


def _calls(connection: sqlite3.Connection, source: Source, since: int, columns: set[str]) -> Iterator[Call]:
    wanted = [name if name in columns else f"NULL AS {name}" for name in _WANTED]
    sql = f"SELECT id, session_id, created_at, {', '.join(wanted)} FROM {_TABLE} WHERE rowid > ? ORDER BY rowid"  # noqa: S608
    sessions = _sessions(connection)
    for name, session, at, *rest in connection.execute(sql, (since,)):
        row = dict(zip(_WANTED, rest, strict=True))
        ts = moment(at, source)
        counts = [count(row[column]) or 0 for column in _COUNTS]
        if ts is not None and any(counts):
            call = _call(str(session), ts, counts, row)
            call.uuid = f"{session}:{name}:{_hash(at, counts, call.model)}"
            call.folder, call.branch = sessions.get(session, ("", ""))
            yield call


def _call(session: str, ts: int, counts: list[int], row: dict[str, Any]) -> Call:
    prompt, output, read_, write = counts
    fed, notes = fresh(prompt, read_, write)
    nano, initiator = count(row["total_nano_aiu"]), row["initiator"]
    return Call(
        uuid="",
        ts=ts,
        session=session,
        model=str(row["model"] or ""),
        input=fed,
        output=output,
        write=write,
        read=read_,
        served_by=SERVED_BY,
        cost=nano * _PICO_PER_NANO_UNIT if nano else None,
        notes=notes,
        data={"initiator": initiator} if isinstance(initiator, str) and 0 < len(initiator) <= 24 else None,
    )


def _hash(at: Any, counts: list[int], model: str) -> str:
    return sha256(repr((at, counts, model)))[:16]


def _sessions(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """{session: (folder, branch)}."""
    columns = _columns(connection, "sessions")
    if "id" not in columns:
        return {}
    wanted = [name if name in columns else "NULL" for name in ("cwd", "branch")]
    rows = connection.execute(f"SELECT id, {', '.join(wanted)} FROM sessions")  # noqa: S608
    return {name: (str(folder or ""), str(branch or "")) for name, folder, branch in rows}


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def times(home: Path, session: str) -> list[int]:
    """When the store got requests of a session, oldest first; raises OSError when it cannot be asked."""
    sql = f"SELECT created_at FROM {_TABLE} WHERE session_id = ? ORDER BY created_at"  # noqa: S608
    return [ts for (at,) in ask(home / NAME, sql, session) if (ts := millis(at)) is not None]


def oldest(home: Path) -> int | None:
    """When the store got its first request of all; None when it has none."""
    rows = ask(home / NAME, f"SELECT min(created_at) FROM {_TABLE}")  # noqa: S608
    return millis(rows[0][0]) if rows else None


def ask(path: Path, sql: str, *args: str) -> list[tuple[Any, ...]]:
    """[] where there is no such file or table; raises OSError when it cannot be read.

    A database without a log is read as a file: opening it as a database would leave a log and its index there.
    """
    problem: sqlite3.Error | None = None
    for mode in _modes(path) if path.is_file() else ():
        try:
            address = f"{path.absolute().as_uri()}?mode=ro{mode}"
            with contextlib.closing(sqlite3.connect(address, uri=True, timeout=2.0)) as connection:
                return connection.execute(sql, args).fetchall()
        except sqlite3.DatabaseError as exc:
            if "no such" in str(exc) or "not a database" in str(exc):
                return []
            problem = exc
    if problem:
        raise OSError(f"{path} cannot be read: {problem}") from problem
    return []


def _modes(path: Path) -> tuple[str, ...]:
    """How to open it, in this order; the second where a writer came between, or no lock can be had."""
    log = path.with_name(f"{path.name}-wal")
    has_log = log.is_file() and log.stat().st_size > 0
    return ("", "&immutable=1") if has_log else ("&immutable=1", "")
