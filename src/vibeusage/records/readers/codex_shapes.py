"""The lines of a Codex rollout: those fields that matter, and what their odd values mean."""

import re
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.codex_counters import Vector
from vibeusage.records.readers.jsonl import Instant, Tokens
from vibeusage.records.readers.values import millis

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Used(msgspec.Struct, gc=False):
    input_tokens: Tokens | None = None
    cached_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None  # the same in old versions
    cache_write_input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    reasoning_output_tokens: Tokens | None = None


class Info(msgspec.Struct, gc=False):
    total_token_usage: Used | None = None
    last_token_usage: Used | None = None  # absent early in 2025
    model: str | None = None


class Git(msgspec.Struct, gc=False):
    branch: str | None = None


class Settings(msgspec.Struct, gc=False):
    service_tier: str | None = None


class Payload(msgspec.Struct, gc=False):
    type: str | None = None
    id: str | None = None
    timestamp: Instant | None = None
    cwd: str | None = None
    originator: str | None = None
    cli_version: str | None = None
    source: Any = None  # "cli", or {"subagent": {"thread_spawn": {…}}}
    thread_source: str | None = None
    model_provider: str | None = None
    git: Git | None = None
    forked_from_id: str | None = None
    parent_thread_id: str | None = None
    subagent_history_start_ordinal: Tokens | None = None
    turn_id: str | None = None
    model: str | None = None
    effort: str | None = None
    info: Info | None = None  # null when only rate limits are told
    thread_settings: Settings | None = None
    thread_id: str | None = None
    response_id: str | None = None
    usage: Used | None = None


class Line(msgspec.Struct, gc=False):
    timestamp: Instant | None = None
    ordinal: Tokens | None = None
    type: str | None = None
    payload: Payload | None = None


DECODER = msgspec.json.Decoder(Line)


def vector(used: Used | None) -> Vector | None:
    if used is None:
        return None
    return (
        used.input_tokens or 0,
        used.cached_input_tokens or used.cache_read_input_tokens or 0,
        used.cache_write_input_tokens or 0,
        used.output_tokens or 0,
        used.reasoning_output_tokens or 0,
    )


def ms(told: Line | Payload) -> int:
    """Epoch milliseconds; 0 where none are told."""
    return (millis(told.timestamp) or 0) if told.timestamp else 0


def born_at(name: str) -> int:
    """The epoch milliseconds in a UUIDv7; 0 for any other id."""
    return int(name[:8] + name[9:13], 16) if _UUID.fullmatch(name) and name[14] == "7" else 0


def spawner(spawn: Any) -> str:
    """The parent by `{"thread_spawn": {"parent_thread_id": …}}`."""
    inner = spawn.get("thread_spawn") if isinstance(spawn, dict) else None
    parent = inner.get("parent_thread_id") if isinstance(inner, dict) else None
    return parent if isinstance(parent, str) else ""


def name_of(path: Path) -> str:
    """A session's id by its file's name, which stays when the file is compressed or archived."""
    stem = path.name.partition(".")[0]
    found = _UUID.search(stem)
    return found.group() if found else stem
