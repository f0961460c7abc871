"""Cline and its forks Roo Code, Kilo Code and IBM Bob: one folder per task, and Cline's newer sessions.

Source: `<editor's user>/globalStorage/<extension>/tasks/<task>/ui_messages.json` with the files beside it;
Cline's `~/.cline/data/tasks` of the same form, and `~/.cline/data/sessions/<id>/<id>.messages.json` (undocumented).
Known from: the public source of the extensions and of trackers, read in August 2026; not seen live.
Units: times epoch milliseconds, cost in dollars. `tokensIn` of Cline is uncached only; of the forks it is the whole
prompt once they say `apiProtocol`; `inputTokens` of the sessions is always the whole prompt.

A task may lie in several folders; a request is its task and time wherever it lies. What a checkpoint removed
comes back as one sum, `deleted_api_reqs`: a request that was read before its removal counts there again.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.cline_files import (
    beside,
    bob,
    cline,
    extension,
    file_bytes,
    listed,
    tasks,
    tasks_and_sessions,
)
from vibeusage.records.readers.cline_sessions import read_session, served
from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.jsonl import Tokens, decoded
from vibeusage.records.readers.spec import Call, Document, Places, Reader, Source
from vibeusage.records.readers.values import millis, pico

_KINDS = {"api_req_started": "assistant", "subagent_usage": "subagent", "deleted_api_reqs": "aggregate"}
_MODEL = re.compile(rb"<model>([^<\\\"]{1,200})</model>")


class _Entry(msgspec.Struct, gc=False, rename="camel"):
    """One message of a task. What may be long stays raw: only requests are looked into."""

    ts: Any = None
    say: Any = None
    text: msgspec.Raw = msgspec.Raw(b"null")
    context_condense: msgspec.Raw = msgspec.Raw(b"null")
    model_info: msgspec.Raw = msgspec.Raw(b"null")


class _Request(msgspec.Struct, gc=False, rename="camel"):
    tokens_in: Tokens | None = None
    tokens_out: Tokens | None = None
    cache_writes: Tokens | None = None
    cache_reads: Tokens | None = None
    cost: float | None = None
    api_protocol: str | None = None


class _Condense(msgspec.Struct, gc=False):
    cost: float | None = None


class _Use(msgspec.Struct, gc=False):
    """Which model a task used from `ts` on."""

    ts: Any = None
    model_id: str | None = None
    model_provider_id: str | None = None


class _Metadata(msgspec.Struct, gc=False):
    model_usage: list[_Use] = []


class _Info(msgspec.Struct, gc=False, rename="camel"):
    model_id: str | None = None
    provider_id: str | None = None


class _Item(msgspec.Struct, gc=False, rename="camel"):
    """A task in the history: Cline names the folder one way, the forks another."""

    id: str | None = None
    model_id: str | None = None
    cwd_on_task_initialization: str | None = None
    workspace: str | None = None


class _Index(msgspec.Struct, gc=False):
    entries: list[_Item] = []


class _Turn(msgspec.Struct, gc=False):
    ts: Any = None
    role: Any = None
    content: msgspec.Raw = msgspec.Raw(b"null")


_ENTRIES = msgspec.json.Decoder(list[_Entry])
_REQUEST = msgspec.json.Decoder(_Request)
_CONDENSE = msgspec.json.Decoder(_Condense)
_INFO = msgspec.json.Decoder(_Info | None)
_METADATA = msgspec.json.Decoder(_Metadata)
_ITEM = msgspec.json.Decoder(_Item)
_ITEMS = msgspec.json.Decoder(list[_Item])
_INDEX = msgspec.json.Decoder(_Index)
_TURNS = msgspec.json.Decoder(list[_Turn])


def read(body: bytes, source: Source, *, fork: bool) -> Iterator[Call]:
    """The requests of `ui_messages.json`."""
    task = source.path.parent
    item = _item(task, source, fork)
    used = (_tagged if fork else _recorded)(task, source)
    folder = (item.workspace if fork else item.cwd_on_task_initialization) or ""
    seen: Counter[str] = Counter()
    for entry, say, request in _requests(listed(body, _ENTRIES, source), source):
        at = moment(entry.ts, source)
        if at is None:
            continue
        model, provider = _said(entry) or used(at) or (item.model_id or "", "")
        key = f"{task.name}:{at}" if say == "api_req_started" else f"{task.name}:{at}:{say}"
        call = _call(request, fork=fork, uuid=f"{key}:{seen[key]}" if seen[key] else key, ts=at)
        call.session, call.folder, call.model = task.name, folder, model
        call.served_by = served(provider, model)
        call.kind = _KINDS.get(say, "assistant")
        seen[key] += 1
        if call.input or call.output or call.write or call.read or call.cost:
            yield call


def _requests(entries: list[_Entry], source: Source) -> Iterator[tuple[_Entry, str, _Request]]:
    """What was billed, with what it was; `api_req_finished` has the numbers of the request before it."""
    waiting = None
    for entry in entries:
        match entry.say:
            case "api_req_started":
                if waiting:
                    source.skip("running")
                request = _request(entry, source)
                waiting = None if request else entry
            case "api_req_finished" if waiting:
                request, entry = _request(entry, source), waiting
                waiting = None if request else waiting
            case "subagent_usage" | "deleted_api_reqs":
                request = _request(entry, source)
            case "condense_context":
                request = _condensed(entry)
            case _:
                continue
        if request:
            yield entry, str(entry.say), request
    if waiting:
        source.skip("running")


def _condensed(entry: _Entry) -> _Request | None:
    """A summary of what was said so far tells its cost, and no tokens."""
    try:
        cost = _CONDENSE.decode(entry.context_condense).cost
    except msgspec.MsgspecError:
        return None
    return _Request(cost=cost) if cost else None


def _request(entry: _Entry, source: Source) -> _Request | None:
    """None without counts: the request is running, or was cancelled."""
    try:
        text = msgspec.json.decode(entry.text, type=str)
    except msgspec.MsgspecError:
        source.skip("not JSON")
        return None
    found = decoded(text.encode(), _REQUEST, source)
    if found is None:
        return None
    counts = (found.tokens_in, found.tokens_out, found.cache_writes, found.cache_reads)
    return None if all(count is None for count in counts) else found


def _call(request: _Request, *, fork: bool, uuid: str, ts: int) -> Call:
    whole, read_, write = request.tokens_in or 0, request.cache_reads or 0, request.cache_writes or 0
    rest, notes = fresh(whole, read_, write) if fork and request.api_protocol else (whole, ())
    return Call(
        uuid=uuid,
        ts=ts,
        input=rest,
        output=request.tokens_out or 0,
        write=write,
        read=read_,
        cost=pico(request.cost),
        notes=notes,
    )


def _said(entry: _Entry) -> tuple[str, str] | None:
    try:
        info = _INFO.decode(entry.model_info)
    except msgspec.MsgspecError:
        return None
    return (info.model_id, info.provider_id or "") if info and info.model_id else None


def _recorded(task: Path, source: Source) -> Callable[[int], tuple[str, str] | None]:
    """Cline's own list: the last model that was in use at a time."""
    found = beside(task / "task_metadata.json", _METADATA, source)
    listed_ = found.model_usage if found else []
    uses = [(millis(use.ts) or 0, use.model_id, use.model_provider_id or "") for use in listed_]

    def used(at: int) -> tuple[str, str] | None:
        earlier = [(since, model, provider) for since, model, provider in uses if model and since <= at]
        return max(earlier)[1:] if earlier else None

    return used


def _tagged(task: Path, source: Source) -> Callable[[int], tuple[str, str] | None]:
    """The forks tell each prompt which model it goes to; the prompt of a request is the last before its answer."""
    path = task / "api_conversation_history.json"
    turns = listed(file_bytes(path) or b"[]", _TURNS, Source(path, source.root))
    prompts, answers, model = [], [], ""
    for turn in turns:
        at = millis(turn.ts) or 0
        if turn.role == "assistant":
            answers.append((at, model))
        elif tags := _MODEL.findall(bytes(turn.content)):
            model = tags[-1].decode(errors="replace").strip()
            prompts.append((at, model))

    def used(at: int) -> tuple[str, str] | None:
        answer = next((model for when, model in answers if when > at and model), "")
        said = answer or next((model for when, model in reversed(prompts) if when <= at), "")
        return (said, "") if said else None

    return used


def _item(task: Path, source: Source, fork: bool) -> _Item:
    """What the history knows of a task."""
    if not fork:
        items = beside(source.root.parent / "state" / "taskHistory.json", _ITEMS, source) or []
    elif found := beside(task / "history_item.json", _ITEM, source):
        return found
    else:
        index = beside(source.root / "_index.json", _INDEX, source)
        items = index.entries if index else []
    return next((item for item in items if item.id == task.name), _Item())


def _read_cline(body: bytes, source: Source) -> Iterator[Call]:
    return read(body, source, fork=False) if source.path.name == "ui_messages.json" else read_session(body, source)


def _fork(id: str, name: str, roots: Callable[[Places], list[Path]]) -> Reader:
    form = Document(partial(read, fork=True))
    return Reader(id=id, name=name, parser=1, roots=roots, find=tasks, form=form, prices="auto")


READERS = (
    Reader(
        id="cline",
        name="Cline",
        parser=1,
        roots=cline,
        find=tasks_and_sessions,
        form=Document(_read_cline),
        prices="auto",
    ),
    _fork("roo", "Roo Code", extension("rooveterinaryinc.roo-cline", "roo-cline.customStoragePath")),
    _fork("kilo", "Kilo Code", extension("kilocode.kilo-code", "kilo-code.customStoragePath")),
    _fork("bob", "IBM Bob", bob),
)
