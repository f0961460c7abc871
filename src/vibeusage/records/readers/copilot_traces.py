"""Copilot's traces in VS Code, `agent-traces.db`, written where `dbSpanExporter` is switched on.

Of the spans only those of the operation `chat` are requests. Old ones are deleted and row ids come again, so all
that is there is read each time.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers import copilot_store
from vibeusage.records.readers.copilot_otel import NAMES, Attributes
from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.spec import Call, Source

PLACE = "globalStorage/github.copilot-chat/agent-traces.db"
_SPANS = """
SELECT s.trace_id, s.span_id, s.start_time_ms, a.key, a.value
FROM spans AS s JOIN span_attributes AS a ON a.span_id = s.span_id
WHERE s.operation_name = 'chat' ORDER BY s.trace_id, s.span_id
"""
_TIMES = """
SELECT s.start_time_ms FROM spans AS s JOIN span_attributes AS a ON a.span_id = s.span_id
WHERE s.operation_name = 'chat' AND a.key IN (?, ?) AND a.value = ? ORDER BY s.start_time_ms
"""


def read(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    try:
        rows = connection.execute(_SPANS).fetchall()
    except sqlite3.OperationalError as exc:
        if "no such" not in str(exc):
            raise
        source.skip("unknown schema")
        return iter(()), mark
    return _calls(rows, source), mark


def _calls(rows: list[tuple[Any, ...]], source: Source) -> Iterator[Call]:
    for (trace, span, at), parts in groupby(rows, key=lambda row: row[:3]):
        values = {key: value for *_, key, value in parts if key in NAMES.values()}
        try:
            told = msgspec.convert(values, Attributes, strict=False)
        except msgspec.ValidationError:
            source.skip("odd attributes")
            continue
        ts = moment(at, source) if told.input or told.output else None
        if ts is not None:
            yield _call(f"{trace}:{span}", str(trace), ts, told)


def _call(uuid: str, trace: str, ts: int, told: Attributes) -> Call:
    fed, notes = fresh(told.input, told.read)
    return Call(
        uuid=uuid,
        ts=ts,
        session=told.conversation or told.chat or trace,
        model=told.answered or told.asked or "",
        input=fed,
        output=told.output,
        write=told.created or told.written,
        read=told.read,
        served_by=copilot_store.SERVED_BY,
        notes=notes,
    )


def times(path: Path, session: str) -> list[int]:
    """When the spans of a session began, sorted, by the traces of the VS Code that `path` belongs to."""
    traces = next((parent / PLACE for parent in path.parents if (parent / PLACE).is_file()), None)
    if traces is None:
        return []
    rows = copilot_store.ask(traces, _TIMES, NAMES["conversation"], NAMES["chat"], session)
    return [at for (at,) in rows if isinstance(at, int)]
