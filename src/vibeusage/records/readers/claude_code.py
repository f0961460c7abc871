"""Claude Code, and the tools that write its format: one API call is 1 to 10 lines of `*.jsonl` below `projects`.

Source: local-logs.md section 4 (Claude Code 0.2 to 2.1, gateways, Bedrock, Vertex).
Known from: public sources of trackers and made-up trees; written here without a look at a real home.
Units: token counts are disjoint already; `costUSD` is in dollars; times are UTC.

Nothing is merged here: each line gives what it knows, and the merge rule of the store decides.
"""

import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.jsonl import Instant, Tokens, below, decoded, hits
from vibeusage.records.readers.spec import Call, Lines, Places, Reader, Source
from vibeusage.records.readers.values import FIRST_MS, millis, pico, served_by

_DESKTOP = ("local-agent-mode-sessions", "claude-code-sessions")
_DEPTH = 8  # of `.claude` below a folder of the desktop application
_DIGIT = re.compile(r"\d").search


class _Split(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: Tokens | None = None
    ephemeral_1h_input_tokens: Tokens | None = None


class _Tools(msgspec.Struct, gc=False):
    web_search_requests: Tokens | None = None


class _Iteration(msgspec.Struct, gc=False):
    type: str | None = None
    model: str | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: _Split | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None  # 1 to 10 until the call's last line
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: _Split | None = None  # absent before 1.0.9x; 0 and 0 beside a true whole in some versions
    speed: str | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    server_tool_use: _Tools | None = None
    iterations: list[_Iteration] | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Inner(msgspec.Struct, gc=False, rename="camel"):
    timestamp: Instant | None = None
    uuid: str | None = None
    request_id: str | None = None
    is_sidechain: bool | None = None
    message: _Message | None = None


class _Data(msgspec.Struct, gc=False):
    message: _Inner | None = None


class _Line(msgspec.Struct, gc=False, rename="camel"):
    timestamp: Instant | None = None
    uuid: str | None = None
    request_id: str | None = None  # null behind gateways
    is_sidechain: bool | None = None
    message: _Message | None = None
    session_id: str | None = None
    agent_id: str | None = None
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    cost: float | None = msgspec.field(default=None, name="costUSD")
    data: _Data | None = None  # of `progress`: a mirror of a subagent's line


_DECODER = msgspec.json.Decoder(_Line)
_served_by = lru_cache(maxsize=256)(served_by)


def read(block: bytes, source: Source, _state: dict[str, Any]) -> Iterator[Call]:
    for text in hits(block, b'"usage"'):
        line = decoded(text, _DECODER, source)
        if line is None:
            continue
        inner = line.data.message if line.message is None and line.data else line
        message = inner.message if inner else None
        if inner and message and message.usage and message.model != "<synthetic>":
            yield from _calls(line, inner, message, source)


def _calls(line: _Line, inner: _Line | _Inner, message: _Message, source: Source) -> Iterator[Call]:
    usage, at = message.usage, inner.timestamp or line.timestamp
    ts = millis(at) if at else None
    if not usage or not message.model or ts is None or ts < FIRST_MS:
        source.skip("no model" if not message.model else "no time" if ts is None else "too old")
        return
    call = _call(line, inner, message, ts)
    call.session = line.session_id or _session(source.path)
    call.uuid = _identity(inner, message) or f"{call.session}@{ts}"
    _count(call, usage)
    yield call
    for index, part in enumerate(usage.iterations or ()):
        if part.type == "advisor_message":
            yield _advisor(call, part, index)


def _call(line: _Line, inner: _Line | _Inner, message: _Message, ts: int) -> Call:
    """The call without its identity and its counts; a mirror that does not tell is on a side chain."""
    model, usage = message.model or "", message.usage or _Usage()
    tools = usage.server_tool_use or _Tools()
    side = inner.is_sidechain if inner is line or inner.is_sidechain is not None else True
    return Call(
        uuid="",
        ts=ts,
        model=model,
        folder=line.cwd or "",
        branch=line.git_branch or "",
        version=line.version or "",
        rank=1 if side else 0,
        kind="subagent" if side else "assistant",
        complete=message.stop_reason is not None,
        served_by=_served_by(model, message.id if message.id and not message.id.startswith("msg_01") else ""),
        speed=_speed(usage),
        searches=tools.web_search_requests or 0,
        cost=pico(line.cost) if line.cost else None,
        data={"agent": line.agent_id} if line.agent_id and len(line.agent_id) <= 64 else None,
    )


def _speed(usage: _Usage) -> str:
    """How it was served, as far as that has a price of its own."""
    speed = usage.speed if usage.speed and usage.speed != "standard" else ""
    if usage.service_tier != "batch" and usage.inference_geo != "us":  # of nearly all
        return speed
    told = (speed, usage.service_tier, usage.inference_geo)
    return " ".join(word for word in told if word in (speed, "batch", "us") and word)


def _identity(inner: _Line | _Inner, message: _Message) -> str:
    """A gateway of one's own may give every message the same short id: then the request tells them apart."""
    name = message.id
    if not name:
        return inner.uuid or ""
    if len(name) >= 12 and _DIGIT(name):
        return name
    more = inner.request_id or inner.uuid
    return f"{name}|{more}" if more else ""


def _count(call: Call, usage: _Usage | _Iteration) -> None:
    """The whole of the writes is the larger of what both places say; what is not told to live an hour lives 5 min."""
    split = usage.cache_creation
    hour = (split.ephemeral_1h_input_tokens or 0) if split else 0
    parts = hour + ((split.ephemeral_5m_input_tokens or 0) if split else 0)
    call.input = usage.input_tokens or 0
    call.output = usage.output_tokens or 0
    call.write = max(usage.cache_creation_input_tokens or 0, parts)
    call.write_1h = hour
    call.read = usage.cache_read_input_tokens or 0


def _advisor(call: Call, part: _Iteration, index: int) -> Call:
    """Another model's answer within a call: its tokens are in no other count."""
    model = part.model or ""
    found = msgspec.structs.replace(
        call, uuid=f"{call.uuid}:advisor:{index}", model=model, served_by=_served_by(model), searches=0, cost=None
    )
    _count(found, part)
    return found


def _session(path: Path) -> str:
    """The session by a file's path; a subagent's is its parent."""
    parts = path.parts
    if "subagents" in parts:
        return parts[parts.index("subagents") - 1]
    return path.parent.name if path.stem == "chat" else path.stem


def find(root: Path) -> Iterator[Path]:
    for folder in _desktop(root) if root.name in _DESKTOP else (root,):
        yield from (path for path in below(folder, ".jsonl") if path.name != "journal.jsonl")


def _desktop(root: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(root):
        here = Path(folder)
        if ".claude" in names:
            names.remove(".claude")
            yield here / ".claude" / "projects"
        if len(here.relative_to(root).parts) >= _DEPTH - 1:
            names.clear()


def _roots(places: Places) -> list[Path]:
    named = places.variable("CLAUDE_CONFIG_DIR")
    bases = named or [places.config() / "claude", places.home / ".claude"]
    own = [root for base in bases for root in _of_config(base)]
    desktop = [app / "Claude" / name for app in (places.support(), places.config()) for name in _DESKTOP]
    return list(dict.fromkeys(own + desktop))


def _of_config(base: Path) -> list[Path]:
    """A person may name the folder of the settings, or the one of the projects in it."""
    if base.name == "projects" and not (base / "projects").is_dir():
        return [base]
    return [base / "projects", base / "transcripts"]


def _cherry(places: Places) -> list[Path]:
    app = places.support() / "CherryStudio"
    return [app / ".claude" / "projects", app / "Data" / "Agents" / ".claude" / "projects"]


def _mirrors(places: Places) -> list[Path]:
    return sorted((places.home / ".cc-mirror").glob("*/config/projects"))


def _reader(name: str, title: str, roots: Callable[[Places], list[Path]]) -> Reader:
    return Reader(id=name, name=title, parser=2, roots=roots, find=find, form=Lines(read))


READERS = (
    _reader("claude", "Claude Code", _roots),
    _reader("cherry-studio", "Cherry Studio", _cherry),
    _reader("cc-mirror", "cc-mirror", _mirrors),
    _reader("openclaude", "OpenClaude", lambda places: [places.home / ".openclaude" / "projects"]),
    _reader("codebuddy", "CodeBuddy", lambda places: [places.home / ".codebuddy" / "projects"]),
    _reader("command-code", "Command Code", lambda places: [places.home / ".commandcode" / "projects"]),
)
