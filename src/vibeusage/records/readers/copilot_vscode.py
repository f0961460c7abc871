"""Copilot's chat sessions in VS Code: a log of patches to one document, or, before 2026, the document itself.

`state` keeps only what matters of the requests. Prompt tokens are those of a tool loop's last round in some
versions, and no cache is known: `approximate`. A request counts here where the traces have no span of its session
from its time up to the next request; its facts (the editor, languages of code, edits kept or undone) always do.
"""

import bisect
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from vibeusage.records.readers import copilot_traces
from vibeusage.records.readers.counts import APPROXIMATE, moment
from vibeusage.records.readers.jsonl import Tokens, decoded, hits
from vibeusage.records.readers.spec import FACTS, MOST_WORD, Call, Source
from vibeusage.records.readers.values import FIRST_MS, millis

PLACES = tuple(
    f"{folder}/*{suffix}"
    for folder in ("workspaceStorage/*/chatSessions", "globalStorage/emptyWindowChatSessions")
    for suffix in (".json", ".jsonl")
)
_SERVED_BY, _OURS = "github", "copilot/"
_EDITS = {1: "kept", 2: "undone", 3: "changed"}
_EDITORS = {
    "Code": "VS Code",
    "Code - Insiders": "VS Code Insiders",
    "VSCodium": "VSCodium",
    "Cursor": "Cursor",
    "Windsurf": "Windsurf",
    "Trae": "Trae",
    "Kiro": "Kiro",
    "Antigravity": "Antigravity",
    ".vscode-server": "VS Code",
    ".vscode-server-insiders": "VS Code Insiders",
    ".cursor-server": "Cursor",
    ".windsurf-server": "Windsurf",
}
_LANGUAGE = re.compile(rf"[\w+#.-]{{1,{MOST_WORD}}}")
MOST_LANGUAGES = 32  # of one request
_EARLY_MS = 1_000  # a span may begin so long before its request's own time


class _Block(msgspec.Struct, gc=False):
    language: str | None = None


class _Edit(msgspec.Struct, gc=False, rename="camel"):
    event_kind: int | None = None


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    prompt_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    resolved_model: str | None = None
    code_blocks: list[_Block] | None = None


class _Result(msgspec.Struct, gc=False):
    metadata: _Metadata | None = None


class _Request(msgspec.Struct, gc=False, rename="camel"):
    request_id: str | None = None
    timestamp: float | None = None
    model_id: str | None = None
    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    result: _Result | None = None
    edited_file_events: list[_Edit] | None = None


class _Session(msgspec.Struct, gc=False, rename="camel"):
    session_id: str | None = None
    requests: list[_Request] | None = None


class _Patch(msgspec.Struct, gc=False):
    """`kind` 0 replaces all, 1 sets `v` at the path `k`, 2 appends to it after a cut to length `i`, 3 deletes it."""

    kind: int | None = None
    k: list[str | int] | None = None
    v: msgspec.Raw = msgspec.Raw()
    i: int | None = None


_SESSION, _PATCH = msgspec.json.Decoder(_Session), msgspec.json.Decoder(_Patch)
_REQUEST, _REQUESTS = msgspec.json.Decoder(_Request), msgspec.json.Decoder(list[_Request])
_FIELDS = {"requestId", "timestamp", "modelId", "promptTokens", "completionTokens", "result", "editedFileEvents"}
_JUNK = b"\0\xef\xbb\xbf \t\r"


def read_log(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    if not state:
        state.update(session=source.path.stem, requests=[], told={}, folder=_folder(source.path))
    spans: list[int] | None = None
    for text in hits(block, b'"requests"'):
        patch = decoded(text.lstrip(_JUNK), _PATCH, source)
        for index in _apply(patch, source, state) if patch else ():
            yield from _facts(index, source, state)
            if _is_counted(state["requests"][index]):
                spans = copilot_traces.times(source.path, state["session"]) if spans is None else spans
                yield from _call(index, source, state, spans)


def read_document(data: bytes, source: Source) -> Iterator[Call]:
    """The one document that a session was before 2026."""
    found = decoded(data, _SESSION, source) if data.strip() else None
    requests = [_kept(request, {}) for request in (found.requests if found else None) or ()]
    session = (found.session_id if found else None) or source.path.stem
    state = {"session": session, "requests": requests, "told": {}, "folder": _folder(source.path)}
    spans = copilot_traces.times(source.path, session) if requests else []
    for index in range(len(requests)):
        yield from _facts(index, source, state)
        yield from _call(index, source, state, spans)


def _apply(patch: _Patch, source: Source, state: dict[str, Any]) -> Iterable[int]:
    """Change `state` as a patch says; which requests it may have given their counts."""
    path, requests = patch.k or [], state["requests"]
    if patch.kind == 0:
        session = decoded(bytes(patch.v), _SESSION, source) or _Session()
        requests[:] = [_kept(request, {}) for request in session.requests or ()]
        state["session"] = session.session_id or state["session"]
        return range(len(requests))
    if path[:1] != ["requests"] or patch.kind not in (1, 2, 3):
        return ()
    if len(path) == 1:
        return _set_list(patch, source, requests)
    index = path[1]
    if isinstance(index, int) and 0 <= index < len(requests):
        return _set_one(patch, path[2:], source, index, requests)
    return ()


def _set_list(patch: _Patch, source: Source, requests: list[dict[str, Any]]) -> Iterable[int]:
    keep = 0 if patch.kind != 2 else len(requests) if patch.i is None else max(patch.i, 0)
    del requests[keep:]
    start = len(requests)
    if patch.kind != 3:
        requests.extend(_kept(request, {}) for request in decoded(bytes(patch.v), _REQUESTS, source) or ())
    return range(start, len(requests))


def _set_one(
    patch: _Patch, path: list[str | int], source: Source, index: int, requests: list[dict[str, Any]]
) -> Iterable[int]:
    """A request, or a field of one; a deleted one keeps its place, and what was counted was used."""
    if patch.kind == 3 and not path:
        requests[index] = {}
    if patch.kind != 1 or (path and path[0] not in _FIELDS) or not all(isinstance(name, str) for name in path):
        return ()
    text = bytes(patch.v)
    for name in reversed(path):
        text = b"{%s:%s}" % (msgspec.json.encode(name), text)
    found = decoded(text, _REQUEST, source)
    if found:
        requests[index] = _kept(found, requests[index] if path else {})
    return (index,)


def _kept(request: _Request, kept: dict[str, Any]) -> dict[str, Any]:
    """What matters of a request, laid over what is `kept` of it."""
    metadata = (request.result.metadata if request.result else None) or _Metadata()
    told = {
        "id": request.request_id,
        "at": request.timestamp,
        "model": request.model_id,
        "resolved": metadata.resolved_model,
        "prompt": _larger(request.prompt_tokens, metadata.prompt_tokens),
        "output": _larger(request.completion_tokens, metadata.output_tokens),
        "languages": _counts(block.language for block in metadata.code_blocks or ()),
        "edits": _counts(_EDITS.get(edit.event_kind or 0) for edit in request.edited_file_events or ()),
    }
    kept.update({name: value for name, value in told.items() if value is not None})
    return kept


def _counts(names: Iterable[str | None]) -> dict[str, int] | None:
    known = Counter(name.lower() for name in names if name and _LANGUAGE.fullmatch(name))
    return dict(known.most_common(MOST_LANGUAGES)) or None


def _is_counted(request: dict[str, Any]) -> bool:
    return bool(request.get("prompt") or request.get("output"))


def _larger(one: int | None, other: int | None) -> int | None:
    return max(one or 0, other or 0) if one is not None or other is not None else None


def _call(index: int, source: Source, state: dict[str, Any], spans: list[int]) -> Iterator[Call]:
    request = state["requests"][index]
    named, resolved = request.get("model") or "", request.get("resolved") or ""
    is_ours = named.startswith(_OURS) if named else bool(resolved)
    ts = moment(request.get("at"), source) if is_ours and _is_counted(request) else None
    uuid = _uuid(index, state)
    if ts is None or _is_told(uuid, index, ts, state, spans):
        return
    yield Call(
        uuid=uuid,
        ts=ts,
        session=state["session"],
        model=resolved or named.removeprefix(_OURS),
        folder=state["folder"],
        input=request.get("prompt") or 0,
        output=request.get("output") or 0,
        served_by=_SERVED_BY,
        notes=(APPROXIMATE,),
    )


def _uuid(index: int, state: dict[str, Any]) -> str:
    return state["requests"][index].get("id") or f"{state['session']}:{index}"


def _facts(index: int, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    request = state["requests"][index]
    named, resolved, ts = request.get("model") or "", request.get("resolved") or "", millis(request.get("at"))
    if ts is None or ts < FIRST_MS or not (named.startswith(_OURS) if named else resolved):
        return
    told = {name: request[name] for name in ("languages", "edits") if name in request}
    editor = next((_EDITORS[name] for name in reversed(source.path.parts) if name in _EDITORS), None)
    yield Call(
        uuid=f"{FACTS}:{_uuid(index, state)}",
        ts=ts,
        session=state["session"],
        model=resolved or named.removeprefix(_OURS),
        folder=state["folder"],
        order=sum(sum(counts.values()) for counts in told.values()),
        kind=FACTS,
        data=told | ({"editor": editor} if editor else {}),
    )


def _is_told(uuid: str, index: int, ts: int, state: dict[str, Any], spans: list[int]) -> bool:
    """Whether the traces have the request; once they had, it stays so, for they forget."""
    end = next((later["at"] for later in state["requests"][index + 1 :] if later.get("at")), None)
    at = bisect.bisect_left(spans, ts - _EARLY_MS)
    if at < len(spans) and (end is None or spans[at] < end):
        state["told"][uuid] = True
    return uuid in state["told"]


class _Workspace(msgspec.Struct, gc=False):
    folder: str | None = None
    workspace: str | None = None  # of a `.code-workspace` file


def _folder(path: Path) -> str:
    """The workspace's folder; of a workspace file, the folder that it stands in."""
    try:
        told = msgspec.json.decode((path.parent.parent / "workspace.json").read_bytes(), type=_Workspace)
        folder = unquote(urlsplit(told.folder or told.workspace or "").path)
    except (OSError, ValueError):
        return ""
    folder = re.sub(r"\A/(?=[A-Za-z]:)", "", folder)
    return folder if told.folder else folder.rpartition("/")[0]
