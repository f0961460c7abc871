"""The sessions of Cline's command line and SDK: a manifest, and messages with counts.

Source: `~/.cline/data/sessions/<id>/<id>.messages.json` and `<id>.json` (undocumented).
Known from: the public source of Cline, read in August 2026; not seen live.
Units: `inputTokens` is the whole prompt, cache included; cost in dollars; times epoch milliseconds.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from vibeusage.records.readers.cline_files import beside
from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.jsonl import Tokens, decoded
from vibeusage.records.readers.spec import FACTS, MOST_TOKENS, Call, Source
from vibeusage.records.readers.values import millis, pico, served_by

_SERVED = {"gemini": "google", "github-copilot": "github", "vscode-lm": "github", "openai-native": "openai"}


class _Metrics(msgspec.Struct, gc=False, rename="camel"):
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_read_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    cost: float | None = None
    total_cost: float | None = None


class _Which(msgspec.Struct, gc=False):
    id: str | None = None
    provider: str | None = None


class _Message(msgspec.Struct, gc=False, rename="camel"):
    id: str | None = None
    role: str | None = None
    ts: Any = None
    model_info: _Which | None = None
    metrics: _Metrics | None = None


class _Session(msgspec.Struct, gc=False, rename="camel"):
    session_id: str | None = None
    agent: str | None = None
    messages: list[_Message] = []


class _Usages(msgspec.Struct, gc=False):
    usage: _Metrics | None = None  # beside it `aggregateUsage`, which has the sessions of the agents too


class _Manifest(msgspec.Struct, gc=False):
    session_id: str | None = None
    provider: str | None = None
    model: str | None = None
    cwd: str | None = None
    workspace_root: str | None = None
    started_at: Any = None
    metadata: _Usages = msgspec.field(default_factory=_Usages)


_SESSION = msgspec.json.Decoder(_Session)
_MANIFEST = msgspec.json.Decoder(_Manifest)


def read_session(body: bytes, source: Source) -> Iterator[Call]:
    """A session's messages; where none has counts, or there are no messages, the manifest's own total."""
    name = source.path.parent.name
    alone = not source.path.name.endswith(".messages.json")
    manifest = beside(source.path.with_name(f"{name}.json"), _MANIFEST, source) or _Manifest()
    session = None if alone else decoded(body, _SESSION, source)
    answers = [message for message in session.messages if message.role == "assistant"] if session else []
    name = (session.session_id if session else None) or manifest.session_id or name
    kind = "assistant" if session is None or session.agent in (None, "main") else "subagent"
    calls = [_answer(message, message.metrics, manifest, name) for message in answers if message.metrics]
    if calls and manifest.metadata.usage and moment(calls[0].ts or None, source):
        yield Call(uuid=name, ts=calls[0].ts, session=name, order=MOST_TOKENS, kind=FACTS)  # where a total was counted
    if not calls and manifest.metadata.usage and (alone or answers):
        last = max((millis(message.ts) or 0 for message in answers), default=0)
        calls, kind = [_total(manifest.metadata.usage, manifest, name, last)], "aggregate"
    for call in calls:
        call.kind = kind
        told = call.input or call.output or call.read or call.write or call.cost
        if told and moment(call.ts or None, source):
            yield call


def _answer(message: _Message, metrics: _Metrics, manifest: _Manifest, session: str) -> Call:
    which, at = message.model_info or _Which(), millis(message.ts) or 0
    return _counted(metrics, manifest, which, uuid=f"{session}:{message.id or at}", session=session, ts=at)


def _total(usage: _Metrics, manifest: _Manifest, session: str, last: int) -> Call:
    at = last or millis(manifest.started_at) or 0
    call = _counted(usage, manifest, _Which(), uuid=session, session=session, ts=at)
    call.order = call.input + call.output + call.read + call.write
    return call


def _counted(metrics: _Metrics, manifest: _Manifest, which: _Which, **named: Any) -> Call:
    """`named`: identity, session and time."""
    read_, write = metrics.cache_read_tokens or 0, metrics.cache_write_tokens or 0
    rest, notes = fresh(metrics.input_tokens or 0, read_, write)
    model, provider = which.id or manifest.model or "", which.provider or manifest.provider or ""
    return Call(
        model=model,
        folder=manifest.cwd or manifest.workspace_root or "",
        input=rest,
        output=metrics.output_tokens or 0,
        read=read_,
        write=write,
        served_by=served(provider, model),
        cost=pico(metrics.total_cost if metrics.cost is None else metrics.cost),
        notes=notes,
        **named,
    )


def served(provider: str, model: str) -> str:
    """Who serves, as the tool tells it, else by the model's name."""
    return _SERVED.get(provider, provider) or served_by(model)
