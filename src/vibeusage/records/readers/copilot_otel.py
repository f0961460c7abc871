"""Copilot's OpenTelemetry files: one JSON object per span or log record, bare or in OTLP's wrapping.

A request appears as a span, as a log record, and summed in the spans above it. Of a file only the finest level
counts: a child is written before its parent, so what is finer has been seen by then.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.jsonl import Tokens, decoded, hits
from vibeusage.records.readers.spec import Call, Places, Source

FILE = "COPILOT_OTEL_FILE_EXPORTER_PATH"
NEEDLE = b'"gen_ai.usage.input_tokens"'
NAMES = {
    "operation": "gen_ai.operation.name",
    "event": "event.name",
    "asked": "gen_ai.request.model",
    "answered": "gen_ai.response.model",
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "read": "gen_ai.usage.cache_read.input_tokens",
    "created": "gen_ai.usage.cache_creation.input_tokens",
    "written": "gen_ai.usage.cache_write.input_tokens",
    "conversation": "gen_ai.conversation.id",
    "chat": "copilot_chat.session_id",
    "turn": "turn.index",
}
CHAT, INFERENCE, TURN, AGENT = 1, 2, 3, 4
_EVENTS = {"gen_ai.client.inference.operation.details": INFERENCE, "copilot_chat.agent.turn": TURN}
_OPERATIONS = {"chat": CHAT, "invoke_agent": AGENT}
_BODIES = (("GenAI inference:", INFERENCE), ("copilot_chat.agent.turn", TURN))
_SERVED_BY = "github"


class Attributes(msgspec.Struct, gc=False, rename=NAMES):
    operation: str | None = None
    event: str | None = None
    asked: str | None = None
    answered: str | None = None
    input: Tokens = 0
    output: Tokens = 0
    read: Tokens = 0
    created: Tokens = 0
    written: Tokens = 0
    conversation: str | None = None
    chat: str | None = None
    turn: Tokens | None = None


class _Value(msgspec.Struct, gc=False, rename="camel"):
    string_value: str | None = None
    int_value: int | str | None = None


class _Pair(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _Context(msgspec.Struct, gc=False, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None


class Record(_Context, rename="camel"):
    type: str | None = None
    name: str | None = None
    span_context: _Context | None = None
    start_time: list[int] | str | float | None = None
    start_time_unix_nano: str | int | None = None
    hr_time: list[int] | None = None
    time_unix_nano: str | int | None = None
    timestamp: str | float | None = None
    body: msgspec.Raw | None = None
    old_body: msgspec.Raw | None = msgspec.field(default=None, name="_body")
    attributes: Attributes | list[_Pair] | None = None


class _Scope(msgspec.Struct, gc=False, rename="camel"):
    spans: list[Record] | None = None
    log_records: list[Record] | None = None


class _Resource(msgspec.Struct, gc=False, rename="camel"):
    scope_spans: list[_Scope] | None = None
    scope_logs: list[_Scope] | None = None


class _Line(Record, rename="camel"):
    resource_spans: list[_Resource] | None = None
    resource_logs: list[_Resource] | None = None


_DECODER = msgspec.json.Decoder(_Line)


def read(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """Every request of a block, at the finest level seen in the file; `state["level"]` keeps it."""
    found = [(level, record, told) for record, told in _records(block, source) if (level := _level(record, told))]
    state["level"] = min([state.get("level", AGENT), *(level for level, _, _ in found)])
    for level, record, told in found:
        ts = moment(_at(record), source) if level == state["level"] else None
        if ts is not None and any((told.input, told.output, told.read)):
            yield _call(level, record, told, ts)


def _records(block: bytes, source: Source) -> Iterator[tuple[Record, Attributes]]:
    for text in hits(block, NEEDLE):
        line = decoded(text, _DECODER, source)
        for record in _unwrapped(line) if line else ():
            yield record, _attributes(record.attributes)


def _unwrapped(line: _Line) -> Iterator[Record]:
    yield line
    for resource in (*(line.resource_spans or ()), *(line.resource_logs or ())):
        for scope in (*(resource.scope_spans or ()), *(resource.scope_logs or ())):
            yield from (*(scope.spans or ()), *(scope.log_records or ()))


def _attributes(found: Attributes | list[_Pair] | None) -> Attributes:
    """Attributes as an object, whether they came as one or as OTLP's list of pairs."""
    if not isinstance(found, list):
        return found or Attributes()
    plain = {pair.key: _plain(pair.value) for pair in found if pair.value and pair.key in NAMES.values()}
    try:
        return msgspec.convert(plain, Attributes, strict=False)
    except msgspec.ValidationError:
        return Attributes()


def _plain(value: _Value) -> int | str | None:
    return value.string_value if value.string_value is not None else value.int_value


def _level(record: Record, told: Attributes) -> int:
    """Which of the levels a record is, 0 for none; a log record of an inference is of the operation `chat` too."""
    event = _EVENTS.get(told.event or "") or _of_body(record)
    if event or told.event:
        return event
    name = (record.name or "").partition(" ")[0]
    return _OPERATIONS.get(told.operation or "") or _OPERATIONS.get(name, 0)


def _of_body(record: Record) -> int:
    """The level of a log record that says so only in its text."""
    body = bytes(record.body or record.old_body or b"")
    return next((level for start, level in _BODIES if body.startswith(b'"' + start.encode())), 0)


def _at(record: Record) -> list[int] | str | float | None:
    nano = str(record.start_time_unix_nano or record.time_unix_nano)
    return record.start_time or (int(nano) // 1_000_000 if nano.isdecimal() else record.hr_time or record.timestamp)


def _call(level: int, record: Record, told: Attributes, ts: int) -> Call:
    context = record.span_context or record
    trace = record.trace_id or context.trace_id or ""
    span = record.span_id or context.span_id
    session = told.conversation or told.chat or trace
    write = told.created or told.written
    fed, notes = fresh(told.input, told.read)
    return Call(
        uuid=f"{trace}:turn:{told.turn}" if level == TURN and told.turn is not None else f"{trace}:{span or ts}",
        ts=ts,
        session=session,
        model=told.answered or told.asked or "",
        input=fed,
        output=told.output,
        write=write,
        read=told.read,
        kind="aggregate" if level >= TURN else "assistant",
        served_by=_SERVED_BY,
        notes=notes,
    )


def home(path: Path) -> Path:
    """Copilot's folder that a file belongs to; a file that the user put elsewhere belongs to the usual one."""
    for parent in path.parents:
        if parent.name in ("session-state", "otel"):
            return parent.parent
    return next(iter(_named("COPILOT_HOME")), Path.home() / ".copilot")


def files(folder: Path) -> list[Path]:
    return [path for path in (*folder.glob("otel/*.jsonl"), *_named(FILE)) if path.is_file()]


def _named(variable: str) -> list[Path]:
    return Places(environ=os.environ, home=Path.home(), platform=sys.platform).variable(variable)
