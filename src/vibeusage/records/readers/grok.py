"""Grok Build: `turn_completed` in `sessions/<cwd>/<session>/updates.jsonl` says what a turn used.

Source: local-logs.md section 14 (Grok Build 2026: updates of the Agent Client Protocol).
Known from: public sources of trackers, made-up files; not seen live.
Units: input holds what the cache gave and took, output holds reasoning; times are epoch seconds or milliseconds.

A turn is several model calls: `aggregate`. The running context size on the other lines is no usage.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from vibeusage.records.readers.counts import DISJOINT, fresh, moment
from vibeusage.records.readers.jsonl import Tokens, below, decoded, hits
from vibeusage.records.readers.spec import Call, Lines, Places, Reader, Source
from vibeusage.records.readers.values import served_by


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cached_read_tokens: Tokens = 0
    cached_write_tokens: Tokens = 0
    total_tokens: Tokens = 0
    model_usage: dict[str, Any] | None = None


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    event_id: str | None = None
    model_id: str | None = None
    agent_timestamp_ms: Any = None


class _Update(msgspec.Struct, gc=False, rename="camel"):
    session_update: str | None = None
    usage: _Usage | None = None
    meta: _Meta | None = msgspec.field(default=None, name="_meta")


class _Params(msgspec.Struct, gc=False):
    update: _Update | None = None
    meta: _Meta | None = msgspec.field(default=None, name="_meta")


class _Line(msgspec.Struct, gc=False):
    timestamp: Any = None
    params: _Params | None = None


class _Summary(msgspec.Struct, gc=False):
    current_model_id: str | None = None
    model_id: str | None = None


_DECODER = msgspec.json.Decoder(_Line)


def read(block: bytes, source: Source, _state: dict[str, Any]) -> Iterator[Call]:
    for text in hits(block, b'"turn_completed"'):
        line = decoded(text, _DECODER, source)
        update = line.params.update if line and line.params else None
        if not line or not line.params or not update or update.session_update != "turn_completed":
            continue
        usage, metas = update.usage or _Usage(), (line.params.meta or _Meta(), update.meta or _Meta())
        if usage.input_tokens or usage.output_tokens or usage.cached_read_tokens:
            ts = moment(metas[0].agent_timestamp_ms or metas[1].agent_timestamp_ms or line.timestamp, source)
            if ts is not None:
                yield _call(usage, metas, ts, source.path)


def _call(usage: _Usage, metas: tuple[_Meta, _Meta], ts: int, path: Path) -> Call:
    session = path.parent.name
    model = metas[1].model_id or metas[0].model_id or _only(usage.model_usage) or _model(path)
    fed, notes = _fed(usage)
    return Call(
        uuid=f"{session}:{metas[0].event_id or metas[1].event_id or ts}",
        ts=ts,
        session=session,
        model=model,
        folder=unquote(path.parent.parent.name),
        input=fed,
        output=usage.output_tokens,
        write=usage.cached_write_tokens,
        read=usage.cached_read_tokens,
        kind="aggregate",
        served_by=served_by(model) or "xai",
        notes=notes,
    )


def _fed(usage: _Usage) -> tuple[int, tuple[str, ...]]:
    """What was outside the cache; a total that reaches beyond input and output says the cache was counted apart."""
    cached = usage.cached_read_tokens + usage.cached_write_tokens
    if cached and usage.total_tokens == usage.input_tokens + usage.output_tokens + cached:
        return usage.input_tokens, (DISJOINT,)
    return fresh(usage.input_tokens, usage.cached_read_tokens, usage.cached_write_tokens)


def _only(models: dict[str, Any] | None) -> str:
    return next(iter(models)) if models and len(models) == 1 else ""


def _model(path: Path) -> str:
    """The session's model, as its summary says now."""
    try:
        summary = msgspec.json.decode((path.parent / "summary.json").read_bytes(), type=_Summary)
    except (OSError, msgspec.MsgspecError):
        return ""
    return summary.current_model_id or summary.model_id or ""


def find(root: Path) -> Iterator[Path]:
    return below(root, "updates.jsonl")


def _roots(places: Places) -> list[Path]:
    return [base / "sessions" for base in places.variable("GROK_HOME") or [places.home / ".grok"]]


READER = Reader(id="grok", name="Grok Build", parser=1, roots=_roots, find=find, form=Lines(read))
