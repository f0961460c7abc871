"""Droid (Factory): running totals of a session beside its transcript.

Source: `~/.factory/sessions/**/<id>.settings.json`, and the times and folder in `<id>.jsonl` (undocumented).
Known from: the public source of a tracker, read in August 2026; not seen live.
Units: counts are disjoint, `thinkingTokens` are part of the output.

One record per session, dated by the last line of its transcript: a long session moves from day to day.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vibeusage.records.readers.counts import moment
from vibeusage.records.readers.jsonl import Tokens, below, decoded
from vibeusage.records.readers.spec import Call, Document, Places, Reader, Source
from vibeusage.records.readers.values import millis, served_by

_STAMP = re.compile(rb'"timestamp"\s*:\s*"([^"\\]{1,40})"')
_ENDS = 1 << 18  # bytes at each end of the transcript that are looked at


class _Counts(msgspec.Struct, gc=False, rename="camel"):
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_creation_tokens: Tokens | None = None
    cache_read_tokens: Tokens | None = None


class _Settings(msgspec.Struct, gc=False, rename="camel"):
    model: str | None = None
    provider_lock: str | None = None
    provider_lock_timestamp: str | None = None
    token_usage: _Counts | None = None


class _Start(msgspec.Struct, gc=False):
    cwd: str | None = None


_SETTINGS = msgspec.json.Decoder(_Settings)
_START = msgspec.json.Decoder(_Start)


def read(body: bytes, source: Source) -> Iterator[Call]:
    settings = decoded(body, _SETTINGS, source)
    if settings is None or settings.token_usage is None:
        return
    usage, session = settings.token_usage, source.path.name.removesuffix(".settings.json")
    counts = [usage.input_tokens, usage.output_tokens, usage.cache_creation_tokens, usage.cache_read_tokens]
    fresh, output, write, read_ = (number or 0 for number in counts)
    total = fresh + output + write + read_
    first, last = _ends(source.path.with_name(f"{session}.jsonl"))
    at = moment(_time(last, settings), source) if total else None
    if at:
        model = plain(settings.model or "")
        yield Call(
            uuid=session,
            ts=at,
            session=session,
            model=model,
            folder=_folder(first, source),
            input=fresh,
            output=output,
            write=write,
            read=read_,
            order=total,
            kind="aggregate",
            served_by=settings.provider_lock or served_by(model.lower()),
        )


def plain(model: str) -> str:
    """`custom:GLM-4.6-[Z.AI]-0` is GLM-4.6: an own model carries who serves it and a number of its own."""
    if model.startswith("custom:"):
        model = re.sub(r"-\d+$", "", model.removeprefix("custom:"))
    return re.sub(r"-?\[[^\]]*\]", "", model)


def _folder(first: bytes, source: Source) -> str:
    """What the transcript's first line says; a damaged one is no matter of this file's."""
    start = decoded(first.partition(b"\n")[0], _START, Source(source.path, source.root))
    return start.cwd or "" if start else ""


def _ends(transcript: Path) -> tuple[bytes, bytes]:
    try:
        with transcript.open("rb") as file:
            first = file.read(_ENDS)
            file.seek(max(0, transcript.stat().st_size - _ENDS))
            return first, file.read(_ENDS)
    except OSError:
        return b"", b""


def _time(last: bytes, settings: _Settings) -> int | None:
    """The transcript's last time, never before the provider was chosen."""
    stamps = _STAMP.findall(last)
    told = [millis(stamps[-1].decode("ascii", "replace"))] if stamps else []
    return max(filter(None, (*told, millis(settings.provider_lock_timestamp))), default=None)


def _roots(places: Places) -> list[Path]:
    own = places.variable("DROID_SESSIONS_DIR") or [path / "sessions" for path in places.variable("FACTORY_DIR")]
    return own or [places.home / ".factory" / "sessions"]


def _find(root: Path) -> Iterator[Path]:
    return below(root, ".settings.json")


READER = Reader(id="droid", name="Droid", parser=1, roots=_roots, find=_find, form=Document(read))
