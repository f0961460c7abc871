"""Amp: one document per thread, with a ledger of what was billed beside the messages.

Source: `<data>/amp/threads/T-<uuid>.json`, rewritten as a whole (undocumented).
Known from: the public source of two trackers, read in August 2026; not seen live.
Units: counts are disjoint, times ISO 8601; `credits` are Amp's own unit, no dollars.

The ledger counts: it has calls that are on no message. Cache counts stand on the message that an event
names, where the two agree on the output; a message that no event names counts by itself. Since April 2026
Amp keeps new threads on its server, so records end there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from vibeusage.records.readers.counts import APPROXIMATE, moment
from vibeusage.records.readers.jsonl import Tokens, decoded
from vibeusage.records.readers.spec import Call, Document, Places, Reader, Source
from vibeusage.records.readers.values import millis, served_by


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    model: str = ""
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    credits: float | None = None
    timestamp: Any = None


class _Message(msgspec.Struct, gc=False, rename="camel"):
    role: str = ""
    message_id: Any = None
    usage: _Usage | None = None


class _Counts(msgspec.Struct, gc=False, rename="camel"):
    input: Tokens | None = None
    output: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    id: str = ""
    timestamp: Any = None
    model: str = ""
    credits: float | None = None
    operation_type: str = ""
    tokens: _Counts | None = None
    to_message_id: Any = None


class _Ledger(msgspec.Struct, gc=False):
    events: list[_Event] = []


class _Repository(msgspec.Struct, gc=False):
    ref: str = ""


class _Tree(msgspec.Struct, gc=False):
    uri: str = ""
    repository: _Repository = msgspec.field(default_factory=_Repository)


class _Initial(msgspec.Struct, gc=False):
    trees: list[_Tree] = []


class _Env(msgspec.Struct, gc=False):
    initial: _Initial = msgspec.field(default_factory=_Initial)


class _Thread(msgspec.Struct, gc=False, rename="camel"):
    id: str = ""
    created: Any = None
    env: _Env = msgspec.field(default_factory=_Env)
    messages: list[_Message] = []
    usage_ledger: _Ledger = msgspec.field(default_factory=_Ledger)


_THREAD = msgspec.json.Decoder(_Thread)


def read(body: bytes, source: Source) -> Iterator[Call]:
    thread = decoded(body, _THREAD, source)
    if thread is None:
        return
    thread.id = thread.id or source.path.stem
    events = thread.usage_ledger.events
    messages = _usages(thread)
    named = {str(event.to_message_id) for event in events}
    found = [_billed(event, number, _own(event, events, messages), thread) for number, event in enumerate(events)]
    found += [_said(key, usage, thread) for key, usage in messages.items() if key not in named]
    for call in found:
        told = call.input or call.output or call.write or call.read or call.data
        if told and moment(call.ts or None, source):
            yield call


def _usages(thread: _Thread) -> dict[str, _Usage]:
    """{message id: usage}; a message without an id goes by its place."""
    found = {}
    for number, message in enumerate(thread.messages):
        if message.role == "assistant" and message.usage:
            found[f"#{number}" if message.message_id is None else str(message.message_id)] = message.usage
    return found


def _own(event: _Event, events: list[_Event], messages: dict[str, _Usage]) -> _Usage | None:
    """The usage on the message that the event names; after an edit that message can be another call's."""
    usage = messages.get(str(event.to_message_id))
    if usage is None or event.tokens is None or usage.output_tokens == event.tokens.output:
        return usage
    return usage if sum(other.to_message_id == event.to_message_id for other in events) == 1 else None


def _billed(event: _Event, number: int, own: _Usage | None, thread: _Thread) -> Call:
    own, counts = own or _Usage(), event.tokens or _Counts()
    usage = _Usage(
        model=event.model or own.model,
        input_tokens=own.input_tokens if counts.input is None else counts.input,
        output_tokens=own.output_tokens if counts.output is None else counts.output,
        cache_creation_input_tokens=counts.cache_creation_input_tokens or own.cache_creation_input_tokens,
        cache_read_input_tokens=counts.cache_read_input_tokens or own.cache_read_input_tokens,
        credits=own.credits if event.credits is None else event.credits,
        timestamp=event.timestamp or own.timestamp,
    )
    return _call(usage, event.id or f"{thread.id}:{number}", thread)


def _said(key: str, usage: _Usage, thread: _Thread) -> Call:
    return _call(usage, f"{thread.id}:m{key}", thread)


def _call(usage: _Usage, uuid: str, thread: _Thread) -> Call:
    at = millis(usage.timestamp)
    folder, branch = _place(thread)
    return Call(
        uuid=uuid,
        ts=at or millis(thread.created) or 0,
        session=thread.id,
        model=usage.model,
        folder=folder,
        branch=branch,
        input=usage.input_tokens or 0,
        output=usage.output_tokens or 0,
        write=usage.cache_creation_input_tokens or 0,
        read=usage.cache_read_input_tokens or 0,
        served_by=served_by(usage.model),
        notes=() if at else (APPROXIMATE,),
        data={"credits": usage.credits} if usage.credits else None,
    )


def _place(thread: _Thread) -> tuple[str, str]:
    """Folder and branch of the thread's first tree."""
    tree = next(iter(thread.env.initial.trees), _Tree())
    scheme, _, path = tree.uri.partition("://")
    return unquote(path) if scheme == "file" else "", tree.repository.ref.removeprefix("refs/heads/")


def _roots(places: Places) -> list[Path]:
    return [places.data() / "amp" / "threads"]


def _find(root: Path) -> Iterator[Path]:
    return (path for path in root.glob("T-*.json") if path.is_file())


READER = Reader(id="amp", name="Amp", parser=1, roots=_roots, find=_find, form=Document(read))
