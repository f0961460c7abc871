"""Mux: one line of `sessions/<workspace>/chat.jsonl` per message; an assistant's says what it used.

Source: local-logs.md section 14 (Mux 2026: `metadata.usage` as the AI SDK gives it).
Known from: public sources of trackers, made-up files; not seen live.
Units: input holds what the cache gave and took, output holds reasoning; times are epoch milliseconds.

A subagent's lines move from its own workspace to its parent's `subagent-transcripts`: the message's id is the
identity. `session-usage.json` and the analytics database repeat the same calls and are not read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.jsonl import Tokens, below, decoded, hits
from vibeusage.records.readers.spec import Call, Lines, Places, Reader, Source
from vibeusage.records.readers.values import served_by

_OWN_NAME = 12  # an id so long is nobody else's


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cached_input_tokens: Tokens = 0


class _Anthropic(msgspec.Struct, gc=False, rename="camel"):
    cache_creation_input_tokens: Tokens = 0


class _Vendor(msgspec.Struct, gc=False):
    anthropic: _Anthropic | None = None


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    model: str | None = None  # "anthropic:claude-opus-4-6"
    timestamp: Any = None
    usage: _Usage | None = None
    provider_metadata: _Vendor | None = None


class _Line(msgspec.Struct, gc=False):
    id: str | None = None
    role: str | None = None
    metadata: _Metadata | None = None


_DECODER = msgspec.json.Decoder(_Line)


def read(block: bytes, source: Source, _state: dict[str, Any]) -> Iterator[Call]:
    for text in hits(block, b'"usage"'):
        line = decoded(text, _DECODER, source)
        told = line.metadata if line and line.role == "assistant" else None
        if line and told and told.usage and any(msgspec.structs.astuple(told.usage)):
            ts = moment(told.timestamp, source)
            if ts is not None:
                yield _call(line, told, told.usage, ts, source.path)


def _call(line: _Line, told: _Metadata, usage: _Usage, ts: int, path: Path) -> Call:
    vendor, found, model = (told.model or "").partition(":")
    if not found:
        vendor, model = "", vendor
    anthropic = told.provider_metadata.anthropic if told.provider_metadata else None
    write = anthropic.cache_creation_input_tokens if anthropic else 0
    fed, notes = fresh(usage.input_tokens, usage.cached_input_tokens, write)
    is_side = path.parent.parent.name == "subagent-transcripts"
    session = path.parents[2].name if is_side else path.parent.name
    name = line.id or str(ts)
    return Call(
        uuid=name if len(line.id or "") >= _OWN_NAME else f"{session}:{name}",
        ts=ts,
        session=session,
        model=model,
        input=fed,
        output=usage.output_tokens,
        write=write,
        read=usage.cached_input_tokens,
        kind="subagent" if is_side else "assistant",
        served_by=vendor or served_by(model),
        notes=notes,
        data={"agent": path.parent.name} if is_side else None,
    )


def find(root: Path) -> Iterator[Path]:
    return below(root, "chat.jsonl")


def _roots(places: Places) -> list[Path]:
    return [base / "sessions" for base in places.variable("MUX_ROOT") or [places.home / ".mux"]]


READER = Reader(id="mux", name="Mux", parser=1, roots=_roots, find=find, form=Lines(read))
