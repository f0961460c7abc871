"""Qwen Code: one line of `projects/<project>/chats/*.jsonl` per call, counted as Google does.

Source: local-logs.md section 14 (Qwen Code 0.x, 2026: its ChatRecord); a subagent's lines are in
`projects/<project>/subagents/<session>/agent-<id>.jsonl`, and its model in the `.meta.json` beside it.
Known from: the public source of qwen-code and of trackers, made-up files; not seen live.
Units: `promptTokenCount` holds the cached tokens; thoughts stand beside, or within where the total says so.

Resumed and archived sessions repeat lines under the same uuid: it is the call's identity.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import google, moment
from vibeusage.records.readers.jsonl import Instant, Tokens, below, decoded, hits
from vibeusage.records.readers.spec import MOST_WORD, Call, Lines, Places, Reader, Source
from vibeusage.records.readers.values import served_by


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    prompt_token_count: Tokens = 0
    cached_content_token_count: Tokens = 0
    candidates_token_count: Tokens = 0
    thoughts_token_count: Tokens = 0
    tool_use_prompt_token_count: Tokens = 0
    total_token_count: Tokens = 0


class _Line(msgspec.Struct, gc=False, rename="camel"):
    uuid: str | None = None
    session_id: str | None = None
    timestamp: Instant | None = None
    type: str | None = None
    cwd: str | None = None
    version: str | None = None
    git_branch: str | None = None
    model: str | None = None
    agent_id: str | None = None
    usage_metadata: _Usage | None = None


class _Agent(msgspec.Struct, gc=False):
    model: str | None = None


_DECODER = msgspec.json.Decoder(_Line)


def read(block: bytes, source: Source, _state: dict[str, Any]) -> Iterator[Call]:
    for text in hits(block, b'"usageMetadata"'):
        line = decoded(text, _DECODER, source)
        usage = line.usage_metadata if line and line.type == "assistant" else None
        if line and usage and any(msgspec.structs.astuple(usage)):
            ts = moment(line.timestamp, source)
            if ts is not None:
                yield _call(line, usage, ts, source.path)


def _call(line: _Line, usage: _Usage, ts: int, path: Path) -> Call:
    counts = msgspec.structs.astuple(usage)
    fed, given, notes = google(*counts)
    agent = (line.agent_id or path.stem) if path.parent.parent.name == "subagents" else ""
    session = line.session_id or (path.parent.name if agent else path.stem)
    model = line.model or (_model(path) if agent else "")
    return Call(
        uuid=line.uuid or f"{session}:{ts}:{counts}",
        ts=ts,
        session=session,
        model=model,
        folder=line.cwd or "",
        branch=line.git_branch or "",
        version=line.version or "",
        input=fed,
        output=given,
        read=usage.cached_content_token_count,
        kind="subagent" if agent else "assistant",
        served_by=served_by(model),
        notes=notes,
        data={"agent": agent} if 0 < len(agent) <= MOST_WORD else None,
    )


def _model(path: Path) -> str:
    """A subagent's, as the file beside its lines says."""
    try:
        return msgspec.json.decode(path.with_suffix(".meta.json").read_bytes(), type=_Agent).model or ""
    except (OSError, msgspec.MsgspecError):
        return ""


def find(root: Path) -> Iterator[Path]:
    for pattern in ("*/chats", "*/subagents"):
        for folder in root.glob(pattern):
            yield from below(folder, ".jsonl")


def _roots(places: Places) -> list[Path]:
    named = places.variable("QWEN_RUNTIME_DIR") or places.variable("QWEN_HOME")
    return [home / "projects" for home in named or [places.home / ".qwen"]]


READER = Reader(id="qwen", name="Qwen Code", parser=2, roots=_roots, find=find, form=Lines(read))
