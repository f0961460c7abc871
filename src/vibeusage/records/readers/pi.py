"""Pi and its family: one line per message, the session's folder in the first line.

Source: `~/.pi/agent/sessions/**/*.jsonl`; the same below `.omp`, `.senpi` and `.gjc`; OpenClaw's
`~/.openclaw/agents/*/sessions/*.jsonl`, also those it has put aside as `.deleted.` and `.reset.`, and
`~/.openclaw/agents/*/agent/openclaw-agent.sqlite` (undocumented).
Known from: the public source of the tools and of a tracker, read in August 2026; not seen live.
Units: counts are disjoint, output includes reasoning, cost in dollars, times epoch milliseconds or ISO 8601.

A branch copies the lines before it into a new file, so a call is its `responseId`, else its time and counts.
OpenClaw says the model once, in a line of its own; the others on each message.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import moment
from vibeusage.records.readers.jsonl import Tokens, below, decoded, hits
from vibeusage.records.readers.spec import Call, Database, Lines, Places, Reader, Source
from vibeusage.records.readers.values import millis, pico, served_by, soon, word

_USAGE = b'"usage"'
_USAGE_OR_MODEL = re.compile(rb'"usage"|"model_change"|"model-snapshot"')
_EVENTS = """
SELECT session_id, CAST(event_json AS BLOB) FROM transcript_events
WHERE created_at >= :since OR (
  session_id IN (SELECT session_id FROM transcript_events WHERE created_at >= :since)
  AND (instr(event_json, '"model_change"') OR instr(event_json, '"model-snapshot"'))
)
ORDER BY session_id, seq
"""  # what is new, and which model it goes to
_SERVED = {
    "amazon-bedrock": "bedrock",
    "google-vertex": "vertex",
    "github-copilot": "github",
    "openai-codex": "openai",
    "google-gemini-cli": "google",
    "google-antigravity": "google",
}


class _Cost(msgspec.Struct, gc=False):
    total: float | None = None


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    input: Tokens | None = None
    output: Tokens | None = None
    cache_read: Tokens | None = None
    cache_write: Tokens | None = None
    cost: _Cost | None = None


class _Message(msgspec.Struct, gc=False, rename="camel"):
    role: str = ""
    provider: str | None = None
    model: str | None = None
    response_id: str | None = None
    timestamp: Any = None
    usage: _Usage | None = None


class _Snapshot(msgspec.Struct, gc=False, rename="camel"):
    provider: str | None = None
    model_id: str | None = None


class _Line(msgspec.Struct, gc=False, rename="camel"):
    type: str = ""
    id: str | None = None
    timestamp: Any = None
    cwd: str | None = None
    message: _Message | None = None
    custom_type: str = ""
    data: _Snapshot | None = None
    provider: str | None = None
    model_id: str | None = None


_LINE = msgspec.json.Decoder(_Line)


def read(block: bytes, source: Source, state: dict[str, Any], *, needle: bytes | re.Pattern[bytes]) -> Iterator[Call]:
    """`state`: session and cwd of the first line, and the model and provider said last."""
    if "session" not in state:
        _begin(block.partition(b"\n")[0], source, state)
    for line in hits(block, needle):
        found = decoded(line, _LINE, source)
        if found is None:
            continue
        _follow(found, state)
        if found.message and found.message.role == "assistant" and found.message.usage:
            call = _call(found, found.message, found.message.usage, state)
            told = call.input or call.output or call.read or call.write or call.cost
            if told and moment(call.ts or None, source):
                yield call


def read_database(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    """OpenClaw's newer transcripts, an event per row; `mark["at"]`: the newest `created_at` that was seen."""
    try:
        last = "SELECT max(created_at) FROM transcript_events WHERE created_at <= ?"
        newest = connection.execute(last, (soon(),)).fetchone()[0]
        rows = connection.execute(_EVENTS, {"since": mark.get("at", 0)})
    except sqlite3.OperationalError:
        source.skip("unknown schema")
        return iter(()), mark
    return _events(rows, source), mark if newest is None else {"at": newest}


def _events(rows: Iterator[tuple[str, bytes]], source: Source) -> Iterator[Call]:
    state: dict[str, Any] = {}
    for session, event in rows:
        if state.get("session") != word(session):
            state = {"session": word(session)}
        yield from read(event or b"", source, state, needle=_USAGE_OR_MODEL)


def _begin(line: bytes, source: Source, state: dict[str, Any]) -> None:
    """The header, where the first line is one; a first line that is damaged is counted when it matters."""
    state["session"] = source.path.name.partition(".jsonl")[0]
    header = decoded(line, _LINE, Source(source.path, source.root))
    if header and header.type == "session":
        state["session"] = header.id or state["session"]
        state["cwd"] = header.cwd or ""


def _follow(line: _Line, state: dict[str, Any]) -> None:
    said: _Line | _Snapshot | None = None
    if line.type == "model_change":
        said = line
    elif line.type == "custom" and line.custom_type == "model-snapshot":
        said = line.data
    if said:
        state["model"], state["provider"] = said.model_id or "", said.provider or ""


def _call(line: _Line, message: _Message, usage: _Usage, state: dict[str, Any]) -> Call:
    model = message.model or state.get("model", "")
    provider = message.provider or state.get("provider", "")
    counts = (usage.input or 0, usage.output or 0, usage.cache_read or 0, usage.cache_write or 0)
    at = millis(message.timestamp) or millis(line.timestamp) or 0
    return Call(
        uuid=_identity(message.response_id or "", at, counts),
        ts=at,
        session=state["session"],
        model=model,
        folder=state.get("cwd", ""),
        input=counts[0],
        output=counts[1],
        read=counts[2],
        write=counts[3],
        served_by=_SERVED.get(provider, provider) or served_by(model, message.response_id or ""),
        cost=pico(usage.cost.total) if usage.cost else None,
    )


def _identity(response: str, at: int, counts: tuple[int, ...]) -> str:
    """Some gateways give every answer the same short id."""
    return response if len(response) >= 12 else ":".join(map(str, (at, *counts)))


def _at_home(folder: str, *variables: str) -> Callable[[Places], list[Path]]:
    def roots(places: Places) -> list[Path]:
        set_ = [path / "sessions" for name in variables for path in places.variable(name)]
        return set_ or [places.home / folder / "agent" / "sessions"]

    return roots


def _claws(places: Places) -> list[Path]:
    return [places.home / name / "agents" for name in (".openclaw", ".clawdbot", ".moltbot", ".moldbot")]


def _transcripts(root: Path) -> Iterator[Path]:
    names = re.compile(r".+\.jsonl(\.(deleted|reset)\..+)?")
    lines = (path for path in root.glob("*/sessions/*.jsonl*") if names.fullmatch(path.name))
    databases = root.glob("*/agent/openclaw-agent.sqlite")
    return (path for paths in (lines, databases) for path in paths if path.is_file())


def _reader(id: str, name: str, roots: Callable[[Places], list[Path]]) -> Reader:
    lines, find = Lines(partial(read, needle=_USAGE)), partial(below, ending=".jsonl")
    return Reader(id=id, name=name, parser=1, roots=roots, find=find, form=lines, prices="auto")


_ALSO: dict[str, Any] = {".sqlite": Database(read_database)}
READERS = (
    _reader("pi", "Pi", _at_home(".pi", "PI_CODING_AGENT_DIR", "PI_AGENT_DIR")),
    _reader("omp", "Oh My Pi", _at_home(".omp")),
    _reader("senpi", "senpi", _at_home(".senpi")),
    _reader("gjc", "gjc", _at_home(".gjc")),
    Reader(
        id="openclaw",
        name="OpenClaw",
        parser=1,
        roots=_claws,
        find=_transcripts,
        form=Lines(partial(read, needle=_USAGE_OR_MODEL)),
        also=_ALSO,
        prices="auto",
    ),
)
