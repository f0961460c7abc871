"""What other trackers kept goes into usage.db, without doubling what the logs give.

A call whose identity is that of our own reader is stored once, whoever told of it first. Anything else (sums of
a day, calls that only a line's uuid names) is taken up to the oldest record that another source gave of its
provider, and what overlaps is left out and counted. Their files are only read.
"""

import contextlib
import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import cache, config, files, paths
from vibeusage.errors import ConfigError, StorageError
from vibeusage.records import background, days, import_databases, import_documents, place, readers, store, sync
from vibeusage.records.call_rows import Record
from vibeusage.records.import_items import Found, Item, Where
from vibeusage.records.readers.spec import FACTS
from vibeusage.records.readers.values import FIRST_MS
from vibeusage.records.store import Store
from vibeusage.records.stored import ANY_TIME
from vibeusage.toml_edit import split_key

WAIT_S = 10.0
SOURCES = {
    "ccusage": import_documents.ccusage,
    "claude-goblin": import_databases.claude_goblin,
    "claude-monitor": import_documents.claude_monitor,
    "cursor-csv": import_documents.cursor_csv,
    "database": import_databases.database,
}


class Setting(msgspec.Struct, frozen=True):
    """`was` is what our settings said already, which stays; None when the key was not set, and now is."""

    key: str
    value: str
    was: Any = None


class Provider(msgspec.Struct, kw_only=True):
    """Counts of calls; `left_out` are those at or after `before_ms`, from where on other records tell."""

    provider: str
    found: int = 0
    added: int = 0
    known: int = 0
    left_out: int = 0
    before_ms: int | None = None


class Result(msgspec.Struct, kw_only=True, frozen=True):
    source: str
    dry_run: bool
    files: tuple[str, ...]
    providers: tuple[Provider, ...]
    settings: tuple[Setting, ...]
    notes: tuple[str, ...]
    skipped: dict[str, int]


class _Undo(Exception):
    """Ends the transaction of a dry run."""


def run(
    source: str,
    file: Path | None = None,
    *,
    provider: str = "claude",
    zone: tzinfo | None = None,
    dry_run: bool = False,
) -> Result:
    """Import from one of `SOURCES`. `provider` is meant where the file names none, `zone` is that of its days.

    The logs of the same providers are read first, but not in a dry run, which changes nothing.
    Raises ConfigError for a file that is none of that source, StorageError.
    """
    known = readers.load_all()
    if provider not in known:
        raise ConfigError(f"no records are known of {provider!r}", hint=f"known are: {', '.join(sorted(known))}")
    found = SOURCES[source](
        Where(
            file=file,
            places=background.here(),
            provider=provider,
            known=known,
            zone=zone or days.zone(),
            copies=paths.data_dir(),
        )
    )
    if not found.files:
        raise ConfigError(
            f"nothing of {source} was found on this machine",
            hint=f"`vibeusage records import --from {source} FILE` names its file",
        )
    providers = _store(found, dry_run=dry_run) if found.items else []
    return Result(
        source=source,
        dry_run=dry_run,
        files=tuple(os.fspath(path) for path in found.files),
        providers=tuple(providers),
        settings=tuple(_set(found.settings, dry_run=dry_run)),
        notes=tuple(found.notes),
        skipped=found.source.skipped,
    )


def _store(found: Found, *, dry_run: bool) -> list[Provider]:
    by_provider: dict[str, list[Item]] = defaultdict(list)
    for item in found.items:
        by_provider[item.provider].append(item)
    if not dry_run:
        _sync(by_provider)
    path = place.usage_db()
    with files.lock(path.parent / sync.LOCK, wait_s=WAIT_S) as got:
        if not got:
            raise _busy()
        is_new = dry_run and not path.exists()
        with store.open(path, readonly=is_new) as opened, contextlib.suppress(_Undo), opened.transaction():
            told = [_put(opened, name, items, found.tag) for name, items in by_provider.items()]
            if dry_run:
                raise _Undo
    return told


def _sync(providers: Mapping[str, object]) -> None:
    settings = config.load()
    chosen = [reader for reader in readers.every() if reader.id in providers]
    machine, roots = settings.machines.name or "", background.roots(settings)
    if sync.run(chosen, background.here(), roots=roots, wait_s=WAIT_S, machine=machine) is None:
        raise _busy()


def _busy() -> StorageError:
    return StorageError("another program reads the logs just now", hint="try again when it is done")


def _put(opened: Store, provider: str, items: list[Item], tag: str) -> Provider:
    before = _oldest_other(opened, provider, tag)
    told = Provider(provider=provider, found=len(items), before_ms=before)
    fits = [item for item in items if item.is_same or before is None or item.end_ms <= before]
    told.left_out = len(items) - len(fits)
    here = config.load().machines.name or socket.gethostname()
    for (machine, is_same), calls in _grouped(fits, here).items():
        changed = opened.put(provider, calls, machine=machine, only_new=is_same)
        told.added += changed.added
        told.known += len(calls) - changed.added
    if not told.left_out:
        told.before_ms = None
    return told


def _grouped(items: Iterable[Item], here: str) -> dict[tuple[str, bool], list]:
    groups = defaultdict(list)
    for item in items:
        if item.call.ts >= FIRST_MS:
            groups[item.machine or here, item.is_same].append(item.call)
    return groups


def _oldest_other(opened: Store, provider: str, tag: str) -> int | None:
    """The time of the oldest call that may be told again by what is imported now; another machine's is not."""
    own = (record for record in opened.own_calls(0, ANY_TIME) if record.provider == provider)
    return next((record.call.ts for record in own if _is_other(record, tag)), None)


def _is_other(record: Record, tag: str) -> bool:
    """Calls of an earlier import know each other by their identity, and so do Cursor's exports, read or imported."""
    if record.call.kind == FACTS:
        return False
    if record.provider == "cursor" and tag == "cursor-csv":
        return record.call.kind == "estimate"
    return (record.call.data or {}).get("from") != tag


def _set(wanted: list[tuple[str, str]], *, dry_run: bool) -> list[Setting]:
    """Write what our settings do not say yet."""
    said, told = config.read(), []
    for key, value in wanted:
        was: Any = said
        for part in split_key(key):
            was = was.get(part) if isinstance(was, dict) else None
        told.append(Setting(key, value, was))
        if was is None and not dry_run:
            config.set_value(key, value)
    if not dry_run and any(setting.was is None for setting in told):
        cache.compile_line()
    return told
