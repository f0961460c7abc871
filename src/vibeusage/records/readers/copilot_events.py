"""Copilot's event logs: what the counters of a session had grown to when a run of it shut down.

Versions disagree whether a resumed session counts on or begins anew: a count that fell begins anew, all others
are differences. Compaction begins anew too. A run that crashed has only its messages: an estimate of its output.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers import copilot_otel, copilot_store
from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.jsonl import Instant, Tokens, decoded, hits, mended
from vibeusage.records.readers.spec import Call, Source

_NEVER = 1 << 60
_EVENTS = re.compile(
    rb'"(?:session\.(?:start|resume|shutdown|compaction_complete|model_change)|assistant\.message)"'
)


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0


class _Requests(msgspec.Struct, gc=False):
    count: Tokens = 0


class _Model(msgspec.Struct, gc=False):
    usage: _Usage | None = None
    requests: _Requests | None = None


class _Context(msgspec.Struct, gc=False):
    cwd: str | None = None
    branch: str | None = None


class _Data(msgspec.Struct, gc=False, rename="camel"):
    session_id: str | None = None
    copilot_version: str | None = None
    context: _Context | None = None
    selected_model: str | None = None
    new_model: str | None = None
    success: bool | None = None
    output_tokens: Tokens = 0
    model_metrics: dict[str, Any] | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    timestamp: Instant | None = None
    data: _Data | None = None


_DECODER = msgspec.json.Decoder(_Event)


def read(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """The roll-ups of a session's runs; of a run without one, what its messages say of their output."""
    if not state:
        name = source.path.parent.name if source.path.name == "events.jsonl" else source.path.stem
        state.update(session=name, run=0, since=0, output=0, totals={}, last=None)
    for text in hits(block, _EVENTS):
        event = decoded(text, _DECODER, source)
        step = _STEPS.get(event.type or "") if event else None
        if event and step:
            yield from step(event, event.data or _Data(), source, state)
    yield from _estimate(source, state)


def _start(event: _Event, data: _Data, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """A run begins. The one before may have crashed: then its messages are all there is of it."""
    if state["output"]:
        yield from _estimate(source, state)
        _next_run(event, state)
    context = data.context or _Context()
    told = {"session": data.session_id, "version": data.copilot_version, "model": data.selected_model}
    told |= {"folder": context.cwd, "branch": context.branch}
    state.update({key: value for key, value in told.items() if value})


def _change_model(_event: _Event, data: _Data, _source: Source, state: dict[str, Any]) -> Iterator[Call]:
    state["model"] = data.new_model or ""
    return iter(())


def _compact(_event: _Event, data: _Data, _source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """The counters begin again."""
    if data.success:
        state["totals"] = {}
    return iter(())


def _message(event: _Event, data: _Data, _source: Source, state: dict[str, Any]) -> Iterator[Call]:
    state["output"] += data.output_tokens
    if event.timestamp:
        state["last"] = int(event.timestamp.timestamp() * 1000)
    return iter(())


def _shut_down(event: _Event, data: _Data, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """What the counters grew by since the last shutdown; the first model's call replaces the run's estimate."""
    ts = moment(event.timestamp, source)
    grown = [(name, parts) for name, parts in _grown(data.model_metrics or {}, state["totals"]) if any(parts[:4])]
    if not grown:
        yield from _estimate(source, state)
    elif ts is not None and _is_told(source.path, state, ts):
        source.skip("in a better source")
    elif ts is not None:
        for index, (name, parts) in enumerate(grown):
            yield _roll_up(name, parts, ts, state, "" if index == 0 else f":{name}")
    _next_run(event, state)


def _next_run(event: _Event, state: dict[str, Any]) -> None:
    ended = event.timestamp.timestamp() * 1000 if event.timestamp else state["since"]
    state.update(run=state["run"] + 1, since=int(ended), output=0, last=None)


_STEPS = {
    "session.start": _start,
    "session.resume": _start,
    "session.model_change": _change_model,
    "session.compaction_complete": _compact,
    "assistant.message": _message,
    "session.shutdown": _shut_down,
}


def _grown(metrics: dict[str, Any], totals: dict[str, list[int]]) -> Iterator[tuple[str, list[int]]]:
    """Each model with its counts since the last shutdown; where any count fell, all of them began again."""
    for name, value in metrics.items():
        told = mended(value, _Model) or _Model()
        usage, requests = told.usage or _Usage(), told.requests or _Requests()
        now = [*msgspec.structs.astuple(usage), requests.count]
        before = totals.get(name) or [0] * len(now)
        is_on = all(new >= old for new, old in zip(now, before, strict=True))
        totals[name] = now
        yield name, [new - old for new, old in zip(now, before, strict=True)] if is_on else now


def _roll_up(model: str, parts: list[int], ts: int, state: dict[str, Any], more: str) -> Call:
    prompt, output, read, write, requests = parts
    fed, notes = fresh(prompt, read, write)
    call = _call(state, ts, model, output)
    call.uuid += more
    call.input, call.read, call.write, call.notes = fed, read, write, notes
    call.order, call.kind = 2, "aggregate"
    call.data = {"requests": requests} if requests else None
    return call


def _estimate(source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """A run's output so far, unless a better source was in use by then; a shutdown's roll-up replaces it."""
    ts, home = state["last"], copilot_otel.home(source.path)
    if state["output"] and ts and not copilot_otel.files(home) and ts < (copilot_store.oldest(home) or _NEVER):
        call = _call(state, ts, state.get("model", ""), state["output"])
        call.order, call.kind, call.complete = 1, "estimate", False
        yield call


def _call(state: dict[str, Any], ts: int, model: str, output: int) -> Call:
    return Call(
        uuid=f"{state['session']}:{state['run']}",
        ts=ts,
        session=state["session"],
        model=model,
        folder=state.get("folder", ""),
        branch=state.get("branch", ""),
        version=state.get("version", ""),
        output=output,
        served_by=copilot_store.SERVED_BY,
    )


def _is_told(path: Path, state: dict[str, Any], until: int) -> bool:
    """Whether the store or a span has a request of the run that ends at `until`."""
    home, session = copilot_otel.home(path), state["session"]
    known = copilot_store.times(home, session)
    return any(state["since"] < ts <= until for known in (known, _traced(home, session)) for ts in known)


def _traced(home: Path, session: str) -> Iterator[int]:
    """When the spans of a session began."""
    for path in copilot_otel.files(home):
        lines = b"\n".join(hits(path.read_bytes(), session.encode())) + b"\n"
        for call in copilot_otel.read(lines, Source(path, path), {}):
            if call.session == session:
                yield call.ts
