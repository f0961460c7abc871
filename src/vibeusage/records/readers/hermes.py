"""Hermes: running totals of each session in its database.

Source: `~/.hermes/state.db` and `~/.hermes/profiles/*/state.db`, tables `sessions` and `messages` (undocumented).
Known from: the public source of Hermes and of a tracker, read in August 2026; not seen live.
Units: counts are disjoint, output includes reasoning, costs in dollars, times epoch seconds.

One record per session, dated by its last message: a long session moves from day to day. The table with a row per
model begins in the middle of older sessions, so the whole of a session counts, by the model it names.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vibeusage.records.readers.counts import moment
from vibeusage.records.readers.spec import Call, Database, Places, Reader, Source
from vibeusage.records.readers.values import count, millis, pico, served_by

_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_COLUMNS = {
    *("id", "model", "billing_provider", "started_at", "ended_at", "cwd", "actual_cost_usd", "estimated_cost_usd"),
    *_COUNTS,
}


def read(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    """All sessions, whatever the mark: there is one row each."""
    have = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('sessions')")}
    names = sorted(_COLUMNS & have)
    if not {"id", "input_tokens"} <= have:
        source.skip("unknown schema")
        return iter(()), mark
    rows = connection.execute(f"SELECT {', '.join(names)} FROM sessions ORDER BY rowid")  # noqa: S608 — names of ours
    return _calls((dict(zip(names, row, strict=True)) for row in rows), _last(connection), source), mark


def _last(connection: sqlite3.Connection) -> dict[Any, Any]:
    """{session: time of its last message}, where the messages have times."""
    try:
        return dict(connection.execute("SELECT session_id, max(timestamp) FROM messages GROUP BY session_id"))
    except sqlite3.OperationalError:
        return {}


def _calls(rows: Iterator[dict[str, Any]], last: dict[Any, Any], source: Source) -> Iterator[Call]:
    for row in rows:
        call = _call(row, last.get(row["id"]))
        if call.order and moment(call.ts or None, source):
            yield call


def _call(row: dict[str, Any], last: Any) -> Call:
    fresh, output, read_, write = (count(row.get(name)) or 0 for name in _COUNTS)
    model, provider = str(row.get("model") or ""), str(row.get("billing_provider") or "")
    times = (millis(row.get("started_at")), millis(row.get("ended_at")), millis(last))
    return Call(
        uuid=str(row["id"]),
        ts=max(filter(None, times), default=0),
        session=str(row["id"]),
        model=model,
        folder=str(row.get("cwd") or ""),
        input=fresh,
        output=output,
        read=read_,
        write=write,
        order=fresh + output + read_ + write,
        kind="aggregate",
        served_by=provider or served_by(model),
        cost=pico(row.get("actual_cost_usd")) or pico(row.get("estimated_cost_usd")),
    )


def _roots(places: Places) -> list[Path]:
    return places.variable("HERMES_HOME") or [places.home / ".hermes"]


def _find(root: Path) -> Iterator[Path]:
    return (path for path in (root / "state.db", *root.glob("profiles/*/state.db")) if path.is_file())


READER = Reader(id="hermes", name="Hermes", parser=1, roots=_roots, find=_find, form=Database(read))
