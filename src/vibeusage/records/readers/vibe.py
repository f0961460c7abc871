"""Mistral Vibe: running totals of a session in its description.

Source: `~/.vibe/logs/session/*/meta.json`, before version 2 `session_*.json` with a `metadata` part (undocumented).
Known from: the public source of Vibe and of a tracker, read in October and November 2026; not seen live.
Units: prompt tokens include the cached ones, `session_cost` is in dollars, times ISO 8601, before version 2 local ones
without a zone.

One record per session, dated by its end so far: a long session moves from day to day. Compaction goes on in a new
session with all of its parent's totals: only what it grew by is its own. A fork begins at 0 instead.
"""

import glob
from collections.abc import Iterator
from datetime import datetime
from operator import ge
from pathlib import Path

import msgspec

from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.jsonl import Tokens, decoded
from vibeusage.records.readers.spec import Call, Document, Places, Reader, Source
from vibeusage.records.readers.values import millis, pico, served_by

_SHORT = 8  # characters of a session's id end the name of its folder


class _Stats(msgspec.Struct, gc=False):
    session_prompt_tokens: Tokens | None = None
    session_completion_tokens: Tokens | None = None
    session_cached_tokens: Tokens | None = None
    session_cost: float | None = None
    steps: Tokens | None = None


class _Config(msgspec.Struct, gc=False):
    active_model: str | None = None


class _Environment(msgspec.Struct, gc=False):
    working_directory: str | None = None


class _Meta(msgspec.Struct, gc=False):
    session_id: str | None = None
    parent_session_id: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    git_branch: str | None = None
    active_model: str | None = None
    config: _Config = msgspec.field(default_factory=_Config)
    agent_config: _Config = msgspec.field(default_factory=_Config)  # before version 2
    environment: _Environment = msgspec.field(default_factory=_Environment)
    stats: _Stats = msgspec.field(default_factory=_Stats)


class _Session(_Meta, gc=False):
    metadata: _Meta | None = None


_SESSION = msgspec.json.Decoder(_Session)


def read(body: bytes, source: Source) -> Iterator[Call]:
    found = decoded(body, _SESSION, source)
    if found is None:
        return
    meta = found.metadata or found
    call = _call(meta, _parent(meta, source), source.path)
    if (call.input or call.output or call.read) and moment(call.ts or None, source):
        yield call


def _parent(meta: _Meta, source: Source) -> _Stats:
    """What the session before a compaction had used; nothing where there is none, or this one began at 0."""
    name, now = meta.parent_session_id, meta.stats
    paths = source.path.parent.parent.glob(f"*_{glob.escape(name[:_SHORT])}/meta.json") if name else ()
    for path in paths:
        parent = decoded(path.read_bytes(), _SESSION, Source(path, source.root))
        if parent and parent.session_id == name:
            return parent.stats if all(map(ge, _counts(now), _counts(parent.stats))) else _Stats()
    source.awaits = f"_{name[:_SHORT]}/" if name else ""
    return _Stats()


def _counts(stats: _Stats) -> tuple[int, int, int, int]:
    cached, steps = stats.session_cached_tokens or 0, stats.steps or 0
    return stats.session_prompt_tokens or 0, stats.session_completion_tokens or 0, cached, steps


def _call(meta: _Meta, before: _Stats, path: Path) -> Call:
    (prompt, output, cached, _), (old_prompt, old_output, old_cached, _) = _counts(meta.stats), _counts(before)
    rest, notes = fresh(prompt - old_prompt, cached - old_cached)
    session = meta.session_id or (path.parent.name if path.name == "meta.json" else path.stem)
    model = meta.config.active_model or meta.agent_config.active_model or meta.active_model or ""
    return Call(
        uuid=session,
        ts=_at(meta.end_time) or _at(meta.start_time) or 0,
        session=session,
        model=model,
        folder=meta.environment.working_directory or "",
        branch=meta.git_branch or "",
        input=rest,
        output=output - old_output,
        read=cached - old_cached,
        order=prompt + output + any(_counts(before)),  # with its parent's known it replaces the whole of both
        kind="aggregate",
        served_by=served_by(model),
        cost=pico((meta.stats.session_cost or 0) - (before.session_cost or 0)),
        notes=notes,
    )


def _at(text: str | None) -> int | None:
    """A time without a zone is one of this machine's."""
    try:
        return millis(text) or millis(datetime.fromisoformat(text or "").astimezone())
    except (ValueError, OverflowError):
        return None


def _roots(places: Places) -> list[Path]:
    return [home / "logs" / "session" for home in places.variable("VIBE_HOME") or [places.home / ".vibe"]]


def _find(root: Path) -> Iterator[Path]:
    for pattern in ("*/meta.json", "session_*.json"):
        yield from (path for path in root.glob(pattern) if path.is_file())


READER = Reader(id="vibe", name="Mistral Vibe", parser=2, roots=_roots, find=_find, form=Document(read))
