"""Codex CLI: `rollout-*.jsonl` with running totals of a session, repeated at will and copied into forks.

Source: local-logs.md section 5 (Codex 0.2x to 0.14x), and public readers of `ordinal`, read 2026-11-26.
Known from: made-up rollouts of the public shape; not seen live.
Units: `input_tokens` includes cached and written ones (subtracted here), `output_tokens` includes reasoning.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers import codex_counters
from vibeusage.records.readers.codex_counters import Counters, Vector
from vibeusage.records.readers.codex_files import blocks, find, parents, roots, unpacker
from vibeusage.records.readers.codex_shapes import DECODER, Info, Line, Payload, born_at, ms, name_of, spawner, vector
from vibeusage.records.readers.jsonl import decoded, hits
from vibeusage.records.readers.spec import Call, Document, Lines, Reader, ReadLater, Source
from vibeusage.records.readers.values import FIRST_MS, served_by

_KINDS = rb"token_count|turn_context|session_meta|token_usage_record|task_started|thread_settings_applied"
_NEEDLE = re.compile(rb'"type"\s*:\s*"(?:' + _KINDS + rb')"')
_COUNTS = re.compile(rb'"type"\s*:\s*"token_count"')
_TIERS = ("fast", "priority", "flex")
_NO_ZSTD = "compressed rollouts (.zst) wait for Python 3.14 or the package zstandard: install it beside vibeusage"
_ASIDE = ("subagent", "guardian_review")  # threads that a session starts for itself


class _Session(msgspec.Struct):
    """What the lines before have told; it is what `state` holds between two reads.

    `own` is False while a child's file repeats its parent's history. `by` says which of the two kinds of lines is
    counted, the one that came first. `bordered`: turn ids or ordinals tell where own history begins. `begins`:
    ordinal of a subagent's own first line. `parent_known`: the totals of the parent's file are in `counters.seen`.
    """

    id: str = ""
    met: bool = False
    start: int = 0
    parent: str = ""
    aside: bool = False
    foreign: bool = False
    folder: str = ""
    branch: str = ""
    version: str = ""
    provider: str = ""
    model: str = ""
    effort: str = ""
    tier: str = ""
    turn: str = ""
    own: bool = True
    by: str = ""
    bordered: bool = False
    begins: int | None = None
    parent_sought: bool = False
    parent_known: bool = False
    lone: int = 0  # calls so far that came without a total
    counters: Counters = msgspec.field(default_factory=Counters)


def read(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    session = msgspec.convert(state, _Session)
    session.id = session.id or name_of(source.path)
    for text in hits(block, _NEEDLE):
        line = decoded(text, DECODER, source)
        if line and line.payload and not session.foreign:
            call = _heard(line, line.payload, session, source)
            if call and _timely(call, source):
                yield call
    state.update(msgspec.to_builtins(session))


def _timely(call: Call, source: Source) -> bool:
    if call.ts < FIRST_MS:
        source.skip("too old" if call.ts else "no time")
    return call.ts >= FIRST_MS


def _heard(line: Line, payload: Payload, session: _Session, source: Source) -> Call | None:
    if session.begins is not None and line.ordinal is not None:
        session.bordered = True
        session.own = line.ordinal >= session.begins
    match line.type, payload.type:
        case "session_meta", _:
            _meet(line, payload, session, source)
        case "turn_context", _:
            _turn(payload, session)
            session.model = payload.model or session.model
            session.effort = payload.effort or ""
            session.folder = payload.cwd or session.folder
        case "token_usage_record", _:
            return _recorded(line, payload, session)
        case "event_msg", "task_started":
            _turn(payload, session)
        case "event_msg", "thread_settings_applied" if payload.thread_settings:
            session.tier = payload.thread_settings.service_tier or ""
        case "event_msg", "token_count" if payload.info:
            return _counted(line, payload, session, source)
    return None


def _meet(line: Line, meta: Payload, session: _Session, source: Source) -> None:
    """The file's first `session_meta` is its own; later ones are copies of a parent's."""
    if session.met:
        return
    session.met = True
    session.id = meta.id or session.id
    session.start = ms(meta) or born_at(session.id) or ms(line)
    session.foreign = meta.originator == "openclaw"
    spawn = meta.source.get("subagent") if isinstance(meta.source, dict) else None
    session.aside = bool(spawn) or meta.source == "subagent" or meta.thread_source in _ASIDE
    session.parent = meta.parent_thread_id or spawner(spawn) or meta.forked_from_id or ""
    session.own = not (session.parent or session.aside)
    session.begins = None if session.own else meta.subagent_history_start_ordinal
    session.folder = meta.cwd or ""
    session.branch = (meta.git.branch if meta.git else "") or ""
    session.version = meta.cli_version or ""
    session.provider = meta.model_provider or ""
    if session.foreign:
        source.skip("another tool's session")


def _turn(payload: Payload, session: _Session) -> None:
    """Copied turns carry ids older than the session, even where their lines were stamped anew."""
    session.turn = payload.turn_id or session.turn
    born = born_at(payload.turn_id or "")
    session.bordered = session.bordered or born > 0
    session.own = session.own or born >= max(session.start - 1000, 1)


def _recorded(line: Line, payload: Payload, session: _Session) -> Call | None:
    session.by = session.by or "records"
    used = vector(payload.usage)
    own = payload.thread_id == session.id if payload.thread_id else session.own
    if session.by != "records" or not own or not used or not any(used):
        return None
    told = f"{payload.turn_id or session.turn or session.id}:{ms(line)}:{codex_counters.key(used)}"
    return _call(session, used, uuid=payload.response_id or told, ts=ms(line))


def _counted(line: Line, payload: Payload, session: _Session, source: Source) -> Call | None:
    info = payload.info or Info()
    total, last = vector(info.total_token_usage), vector(info.last_token_usage)
    session.by = session.by or ("counts" if total or last else "")
    if session.by != "counts" or not (total or last) or not _is_own(session, source, total, last):
        return None
    used, word = codex_counters.advance(session.counters, total, last)
    if not used:
        source.skip("stale counter")
        return None
    call = _call(session, used, uuid=_identity(session, total), ts=ms(line))
    call.model = call.model or info.model or payload.model or ""
    call.served_by = session.provider or served_by(call.model)
    call.notes += (word,) if word else ()
    return call


def _is_own(session: _Session, source: Source, total: Vector | None, last: Vector | None) -> bool:
    """Steps 1 to 4 of the rule: no repeat, no refresh, no window fill, and nothing of a parent's."""
    if not (session.own or session.bordered or session.parent_sought):
        _seek_parent(session, source)
    is_new = total is None or codex_counters.key(total) not in session.counters.seen
    if last and not any(last):
        return False
    session.own = session.own or (is_new and session.parent_known)
    if total and not session.own:
        codex_counters.inherit(session.counters, total, last)
    return is_new and session.own


def _identity(session: _Session, total: Vector | None) -> str:
    """No time in it: what a fork copies is stamped anew."""
    if total:
        return f"{session.turn or session.id}:{codex_counters.key(total)}"
    session.lone += 1
    return f"{session.id}:lone:{session.lone}"


def _call(session: _Session, used: Vector, *, uuid: str, ts: int) -> Call:
    whole, read_, write, output, _ = used
    fresh = whole - read_ - write
    told = {"effort": session.effort, "agent": session.id if session.aside else ""}
    return Call(
        uuid=uuid,
        ts=ts,
        session=session.parent if session.aside and session.parent else session.id,
        model=session.model,
        folder=session.folder,
        branch=session.branch,
        version=session.version,
        input=fresh if fresh >= 0 else whole,
        output=output,
        write=write,
        read=read_,
        rank=1 if session.aside else 0,
        kind="subagent" if session.aside else "assistant",
        served_by=session.provider or served_by(session.model),
        speed=session.tier if session.tier in _TIERS else "",
        notes=() if fresh >= 0 else ("disjoint",),
        data={name: word for name, word in told.items() if 0 < len(word) <= 64} or None,
    )


def _seek_parent(session: _Session, source: Source) -> None:
    """Without times in the turn ids only the parent's own file tells which totals are copies."""
    session.parent_sought = True
    path = next(parents(session.parent, source), None)
    if path is None:
        source.skip("fork with unknown start")
        source.awaits = session.parent
        return
    session.parent_known = True
    last = None
    for last in _totals(path, source):
        session.counters.seen.add(codex_counters.key(last))
    if last:
        session.counters.heads.append(last)


def _totals(path: Path, source: Source) -> Iterator[Vector]:
    for block in _opened(path, source):
        for text in hits(block, _COUNTS):
            line = decoded(text, DECODER, Source(path, source.root))
            info = line.payload.info if line and line.payload else None
            total = vector(info.total_token_usage) if info else None
            if total:
                yield total


def _opened(path: Path, source: Source) -> Iterator[bytes]:
    if path.suffix == ".zst":
        yield from _unpacked(path.read_bytes(), source)
        return
    with path.open("rb") as stream:
        yield from blocks(stream)


def _unpacked(data: bytes, source: Source) -> Iterator[bytes]:
    zstd = unpacker()
    if zstd is None:
        raise ReadLater(_NO_ZSTD)
    try:
        with zstd.open(io.BytesIO(data), "rb") as stream:
            yield from blocks(stream)
    except (zstd.ZstdError, EOFError, OSError):
        source.skip("damaged zstd")


def read_packed(data: bytes, source: Source) -> Iterator[Call]:
    state: dict[str, Any] = {}
    for block in _unpacked(data, source):
        yield from read(block, source, state)


READER = Reader(
    id="codex",
    name="Codex CLI",
    parser=1,
    roots=roots,
    find=find,
    form=Lines(read),
    also={".zst": Document(read_packed)},
)
