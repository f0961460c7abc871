"""What is imported, on its way from another tracker's files: calls of ours, and what tells one from another."""

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from datetime import date, timedelta, tzinfo
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import files
from vibeusage.errors import ConfigError
from vibeusage.records import days, merge
from vibeusage.records.readers.counts import APPROXIMATE
from vibeusage.records.readers.spec import Call, Places, Source
from vibeusage.records.readers.values import count

DOCUMENT_MOST = 256 << 20
AFTER_OURS = -1  # the `order` of what is imported: whatever a log says of the same call is better
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_IDS = {"claude-code": "claude", "claude_code": "claude", "all": "", "unknown": ""}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A call, or a sum of several; all of it was before `end_ms`.

    `is_same`: our own reader gives the call the same identity.
    """

    provider: str
    call: Call
    end_ms: int
    machine: str = ""
    is_same: bool = False


class Found(msgspec.Struct, kw_only=True):
    """What a tool keeps. `tag` marks its calls in the store, `settings` are keys of ours and texts to set them to."""

    tag: str
    where: "Where"
    source: Source
    files: list[Path] = []
    items: list[Item] = []
    settings: list[tuple[str, str]] = []
    notes: list[str] = []


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """`provider` is meant where a file names none, `copies` a folder of ours for the copy of a database in use."""

    file: Path | None
    places: Places
    provider: str
    known: Collection[str]
    zone: tzinfo
    copies: Path


def begin(tag: str, where: Where, usual: Path) -> Found:
    """Nothing yet, of the file that the person named or the tool's usual one."""
    path = where.file or usual
    return Found(tag=tag, where=where, source=Source(path, path.parent))


def identity(message: str, request: str) -> str:
    """As `readers.claude_code` has it; "" where only the line is named, or nothing that the reader would know."""
    if not message or UUID.fullmatch(message):
        return ""
    if len(message) >= 12 and re.search(r"\d", message):
        return message
    return f"{message}|{request}" if request else ""


def of_lines(call: Call, line: str) -> str:
    """Lines of one call have all but the output in common, and uuids of their own."""
    vector = (call.session, call.model, call.input, call.write, call.read, line)
    return hashlib.sha256(repr(vector).encode(errors="replace")).hexdigest()[:24]


def told_once(items: list[Item], found: Found) -> list[Item]:
    """Lines of one call as one; none of those that only have a uuid, from when on messages are named too."""
    begun: dict[str, int] = {}
    for item in items:
        if item.is_same:
            begun[item.provider] = min(begun.get(item.provider, item.end_ms), item.end_ms)
    calls: dict[tuple[str, str], dict[str, Call]] = {}
    kept: dict[tuple[str, str], Item] = {}
    for item in items:
        if APPROXIMATE in item.call.notes and item.end_ms >= begun.get(item.provider, item.end_ms + 1):
            found.source.skip("told twice")
            continue
        merge.fold(calls.setdefault((item.provider, item.machine), {}), item.call)
        kept.setdefault((item.provider, item.call.uuid), item)
    return [
        msgspec.structs.replace(kept[provider, uuid], call=call, end_ms=call.ts + 1, machine=machine)
        for (provider, machine), folded in calls.items()
        for uuid, call in folded.items()
    ]


def counted(row: dict[str, Any], tag: str) -> Call | None:
    """A call with the row's counts and nothing else, None when all are 0."""
    names = ("input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens")
    fed, output, write, read = (count(row.get(name)) or 0 for name in names)
    if not fed + output + write + read:
        return None
    return Call(
        uuid="", ts=0, input=fed, output=output, write=write, read=read, order=AFTER_OURS, data={"from": tag}
    )


def of_day(provider: str, call: Call, when: str, names: tuple[str, ...], found: Found) -> Item | None:
    """A sum of the local day `when`, put at its noon so that no other zone makes it another day's.

    `names` tell it from other sums of that day.
    """
    try:
        day = date.fromisoformat(when)
    except ValueError:
        found.source.skip("no time")
        return None
    zone = found.where.zone
    start, end = days.start_ms(day, zone), days.start_ms(day + timedelta(days=1), zone)
    call.ts, call.kind = (start + end) // 2, "aggregate"
    call.uuid = ":".join([found.tag, when, *names])
    return Item(provider=provider, call=call, end_ms=end)


def provider_of(name: str, found: Found) -> str:
    """Our id of a tool, what the person said where none is named, "" for one that we do not know."""
    provider = _IDS.get(name, name) or found.where.provider
    if provider not in found.where.known:
        found.source.skip("unknown tool")
        return ""
    return provider


def roots(extra: dict[str, list[Path]], where: Where) -> Iterator[tuple[str, str]]:
    """(provider, list of folders): theirs come on top of the usual ones, ours stand in their place."""
    from vibeusage.records import readers  # it loads every format

    known = readers.load_all()
    for name, paths in extra.items():
        if name in known and paths:
            usual = [path for path in known[name].roots(where.places) if path.exists()]
            named = [where.places.home / str(path)[2:] if str(path).startswith("~/") else path for path in paths]
            whole = [path / "projects" if (path / "projects").is_dir() else path for path in named]
            every = list(dict.fromkeys(os.fspath(path) for path in (*usual, *whole)))
            yield name, msgspec.json.encode(every).decode()


def note_zone(name: Any, found: Found) -> None:
    if isinstance(name, str) and name not in ("", "auto", "local"):
        found.notes.append(f"its time zone is {name}: `vibeusage report daily --zone {name}`")


def settings(path: Path, found: Found) -> dict[str, Any]:
    """A tool's settings; one that is not JSON is noted, and sets nothing."""
    data = files.read_linked(path, limit=1 << 20)
    if data is None:
        return {}
    try:
        told = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found.notes.append(f"{path} is not JSON, so no settings were taken from it")
        return {}
    found.files.append(path)
    return told


def decoded(path: Path, kind: Any) -> Any:
    try:
        return msgspec.json.decode(read(path).removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ConfigError(f"{path} is not the JSON that was expected", hint="name another file") from exc


def read(path: Path) -> bytes:
    data = files.read_linked(path, limit=DOCUMENT_MOST)
    if data is None:
        raise ConfigError(f"{path} cannot be read", hint=f"it has to be a file of at most {DOCUMENT_MOST >> 20} MiB")
    return data


def named(where: Where, what: str) -> Path:
    if not where.file:
        raise ConfigError(f"{what} is not named", hint="`vibeusage records import --from SOURCE FILE`")
    return where.file


def is_there(found: Found) -> bool:
    """Whether to read its file: one that was named has to be there, its usual one need not."""
    return found.where.file is not None or found.source.path.is_file()


def text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) and value != "unknown" else ""
