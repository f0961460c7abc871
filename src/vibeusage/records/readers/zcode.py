"""ZCode: one row per call in its database.

Source: `~/.zcode/cli/db/db.sqlite`, tables `model_usage` and `session` (undocumented).
Known from: the public source of a tracker, read in August 2026; not seen live.
Units: input includes what was read from and written to a cache, output includes reasoning, unless the row's own total
says that they stand beside; times epoch milliseconds.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vibeusage.records.readers.counts import DISJOINT, moment
from vibeusage.records.readers.spec import Call, Database, Places, Reader, Source
from vibeusage.records.readers.values import count, millis, served_by, soon

_DAY = 86_400_000  # a row may get its counts a while after it was written: this much is read again


def read(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    """`mark["at"]`: the newest `started_at` that was seen."""
    try:
        last = "SELECT max(started_at) FROM model_usage WHERE started_at <= ?"
        newest = connection.execute(last, (soon(),)).fetchone()[0]
        since = mark.get("at", _DAY) - _DAY
        rows = connection.execute("SELECT * FROM model_usage WHERE started_at >= ? ORDER BY rowid", (since,))
    except sqlite3.OperationalError:
        source.skip("unknown schema")
        return iter(()), mark
    return _calls(rows, _folders(connection), source), {"at": newest} if isinstance(newest, int) else mark


def _folders(connection: sqlite3.Connection) -> dict[Any, Any]:
    try:
        return dict(connection.execute("SELECT id, directory FROM session"))
    except sqlite3.OperationalError:
        return {}


def _calls(rows: sqlite3.Cursor, folders: dict[Any, Any], source: Source) -> Iterator[Call]:
    names = [column[0] for column in rows.description]
    for row in rows:
        call = _call(dict(zip(names, row, strict=True)), folders)
        told = call.input or call.output or call.read or call.write
        if told and moment(call.ts or None, source):
            yield call


def _call(row: dict[str, Any], folders: dict[Any, Any]) -> Call:
    whole, output, reasoning, read_, write = (
        count(row.get(f"{name}_tokens")) or 0
        for name in ("input", "output", "reasoning", "cache_read_input", "cache_creation_input")
    )
    apart, beyond = _apart(count(row.get("computed_total_tokens")) or 0, whole, output, read_ + write, reasoning)
    model = str(row.get("model_id") or "")
    return Call(
        uuid=str(row.get("id")),
        ts=millis(row.get("started_at")) or millis(row.get("completed_at")) or 0,
        session=str(row.get("session_id") or ""),
        model=model,
        folder=str(folders.get(row.get("session_id")) or ""),
        input=whole if apart else whole - read_ - write,
        output=output + reasoning if beyond else output,
        read=read_,
        write=write,
        served_by=served_by(model),
        notes=(DISJOINT,) if apart else (),
    )


def _apart(total: int, whole: int, output: int, cached: int, reasoning: int) -> tuple[bool, bool]:
    """Whether the cache stands beside the input, and reasoning beside the output: the row's own total tells."""
    rest = total - whole - output
    if rest > 0 and rest == cached + reasoning:
        return True, True
    return whole < cached or 0 < rest == cached, False


def _roots(places: Places) -> list[Path]:
    return [places.home / ".zcode" / "cli" / "db"]


def _find(root: Path) -> Iterator[Path]:
    return (path for path in (root / "db.sqlite",) if path.is_file())


READER = Reader(id="zcode", name="ZCode", parser=1, roots=_roots, find=_find, form=Database(read))
