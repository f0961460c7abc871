"""Gemini CLI: one message is several lines of `tmp/<project>/chats/*.jsonl`, or stands in one document (`.json`).

Source: local-logs.md section 6 (gemini-cli 0.1 to 2026: ChatRecordingService).
Known from: the public source of gemini-cli and of trackers, made-up files; not seen live.
Units: `input` holds `cached`; `thoughts` and `tool` stand beside; times are UTC.

A resumed `.json` session goes on in a `.jsonl` beside it, and old project folders are copied to new names:
a message is known by its id, wherever it stands. What was taken back (`$rewindTo`) was paid for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import google, moment
from vibeusage.records.readers.jsonl import Instant, Tokens, below, decoded, hits
from vibeusage.records.readers.spec import Call, Document, Lines, Places, Reader, Source
from vibeusage.records.readers.values import served_by, sha256

_OWN_NAME = 12  # an id so long is nobody else's


class _Tokens(msgspec.Struct, gc=False):
    input: Tokens = 0
    output: Tokens = 0
    cached: Tokens = 0
    thoughts: Tokens = 0
    tool: Tokens = 0
    total: Tokens = 0


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    timestamp: Instant | None = None
    model: str | None = None
    tokens: _Tokens | None = None  # null until the answer is complete


class _Set(msgspec.Struct, gc=False):
    messages: list[_Message] | None = None  # a checkpoint: all of the conversation again


class _Line(_Message, rename="camel"):
    """A header, a message, a patch, or a whole legacy document."""

    session_id: str | None = None
    kind: str | None = None
    directories: list[str] | None = None
    messages: list[_Message] | None = None
    patch: _Set | None = msgspec.field(default=None, name="$set")


_DECODER = msgspec.json.Decoder(_Line)


def read_lines(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    if not state:
        header = next(hits(block, b'"sessionId"'), b"{}")
        state.update(_session(decoded(header, _DECODER, source) or _Line(), source))
    for text in hits(block, b'"tokens"'):
        line = decoded(text, _DECODER, source)
        if line:
            yield from _calls(line, source, state)


def read_document(data: bytes, source: Source) -> Iterator[Call]:
    line = decoded(data, _DECODER, source) if data.strip() else None
    if line:
        yield from _calls(line, source, _session(line, source))


def _session(header: _Line, source: Source) -> dict[str, Any]:
    """What is the same for all messages of a file; a subagent's file stands in a folder named by its parent."""
    own, folder = header.session_id or source.path.stem, source.path.parent
    is_below = folder.parent.name == "chats"
    return {
        "own": own,
        "session": folder.name if is_below else own,
        "side": is_below or header.kind == "subagent",
        "folder": _folder(source.path, header.directories or []),
    }


def _calls(line: _Line, source: Source, session: dict[str, Any]) -> Iterator[Call]:
    patch = line.patch.messages if line.patch else None
    for message in (line, *(line.messages or ()), *(patch or ())):
        tokens = message.tokens
        ts = moment(message.timestamp, source) if tokens and _any(tokens) else None
        if tokens and ts is not None:
            yield _call(message, tokens, ts, session)


def _any(tokens: _Tokens) -> bool:
    return any((tokens.input, tokens.output, tokens.cached, tokens.thoughts, tokens.tool, tokens.total))


def _call(message: _Message, tokens: _Tokens, ts: int, session: dict[str, Any]) -> Call:
    own, side = session["own"], session["side"]
    counts = (tokens.input, tokens.cached, tokens.output, tokens.thoughts, tokens.tool, tokens.total)
    fed, given, notes = google(*counts)
    name = message.id or f"{ts}:{counts}"
    return Call(
        uuid=name if len(message.id or "") >= _OWN_NAME else f"{own}:{name}",
        ts=ts,
        session=session["session"],
        model=message.model or "",
        folder=session["folder"],
        input=fed,
        output=given,
        read=tokens.cached,
        rank=1 if side else 0,
        kind="subagent" if side else "assistant",
        served_by=served_by(message.model or ""),
        notes=notes,
        data={"agent": own} if side else None,
    )


def _folder(path: Path, directories: list[str]) -> str:
    """The project's path: as its folder says, as the session says, as the register of all projects says."""
    chats = next((parent for parent in path.parents if parent.name == "chats"), path.parent)
    told = _text(chats.parent / ".project_root").strip() or next(iter(directories), "")
    return told or _registered(chats.parent)


def _registered(project: Path) -> str:
    """By the short name, or by the SHA-256 of the path, which named the folder before."""
    try:
        found = msgspec.json.decode(_text(project.parent.parent / "projects.json"), type=dict[str, dict[str, str]])
    except msgspec.MsgspecError:
        return ""
    names = found.get("projects", {}).items()
    return next((path for path, name in names if project.name in (name, sha256(path))), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def find(root: Path) -> Iterator[Path]:
    for pattern in ("tmp/*/chats", "*/chats"):
        for chats in root.glob(pattern):
            yield from (path for path in below(chats, "") if _is_chat(path))


def _is_chat(path: Path) -> bool:
    is_old = path.suffix == ".json" and path.name.startswith("session-")
    is_left = ".unreadable-" in path.name or ".tmp-" in path.name
    return (is_old or path.suffix == ".jsonl") and not is_left


def _roots(places: Places) -> list[Path]:
    """GEMINI_CLI_HOME stands for the home, not for the folder in it."""
    return [home / ".gemini" for home in places.variable("GEMINI_CLI_HOME") or [places.home]]


READER = Reader(
    id="gemini",
    name="Gemini CLI",
    parser=1,
    roots=_roots,
    find=find,
    form=Lines(read_lines),
    also={".json": Document(read_document)},
)
