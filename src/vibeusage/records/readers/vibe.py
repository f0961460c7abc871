"""Mistral Vibe: running totals of a session in its description.

Source: `~/.vibe/logs/session/*/meta.json`, before version 2 `session_*.json` with a `metadata` part (undocumented).
Known from: the public source of a tracker, read in October 2026; not seen live.
Units: prompt tokens include the cached ones, `session_cost` is in dollars, times ISO 8601.

One record per session, dated by its end so far: a long session moves from day to day.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.jsonl import Tokens, decoded
from vibeusage.records.readers.spec import Call, Document, Places, Reader, Source
from vibeusage.records.readers.values import millis, pico, served_by


class _Stats(msgspec.Struct, gc=False):
    session_prompt_tokens: Tokens | None = None
    session_completion_tokens: Tokens | None = None
    session_cached_tokens: Tokens | None = None
    session_cost: float | None = None


class _Config(msgspec.Struct, gc=False):
    active_model: str | None = None


class _Environment(msgspec.Struct, gc=False):
    working_directory: str | None = None


class _Meta(msgspec.Struct, gc=False):
    session_id: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    git_branch: str | None = None
    active_model: str | None = None
    config: _Config = msgspec.field(default_factory=_Config)
    environment: _Environment = msgspec.field(default_factory=_Environment)
    stats: _Stats = msgspec.field(default_factory=_Stats)


class _Session(_Meta, gc=False):
    metadata: _Meta | None = None


_SESSION = msgspec.json.Decoder(_Session)


def read(body: bytes, source: Source) -> Iterator[Call]:
    found = decoded(body, _SESSION, source)
    if found is None:
        return
    call = _call(found.metadata or found, source.path)
    if call.order and moment(call.ts or None, source):
        yield call


def _call(meta: _Meta, path: Path) -> Call:
    stats = meta.stats
    prompt, output = stats.session_prompt_tokens or 0, stats.session_completion_tokens or 0
    cached = stats.session_cached_tokens or 0
    rest, notes = fresh(prompt, cached)
    session = meta.session_id or (path.parent.name if path.name == "meta.json" else path.stem)
    model = meta.config.active_model or meta.active_model or ""
    return Call(
        uuid=session,
        ts=millis(meta.end_time) or millis(meta.start_time) or 0,
        session=session,
        model=model,
        folder=meta.environment.working_directory or "",
        branch=meta.git_branch or "",
        input=rest,
        output=output,
        read=cached,
        order=rest + cached + output,
        kind="aggregate",
        served_by=served_by(model),
        cost=pico(stats.session_cost),
        notes=notes,
    )


def _roots(places: Places) -> list[Path]:
    return [home / "logs" / "session" for home in places.variable("VIBE_HOME") or [places.home / ".vibe"]]


def _find(root: Path) -> Iterator[Path]:
    for pattern in ("*/meta.json", "session_*.json"):
        yield from (path for path in root.glob(pattern) if path.is_file())


READER = Reader(id="vibe", name="Mistral Vibe", parser=1, roots=_roots, find=_find, form=Document(read))
