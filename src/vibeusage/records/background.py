"""The part of the records that nobody waits for: what is new in the logs, and what the line shows of it.

`<cache>/costs.tsv` holds the rows that `line.tsv` takes over. Its first row says when to look again and what the rows
were worked out from, and rows of `due` say when to look at each provider's logs.

Every refresh asks whether something is due: what a sync takes is imported where one begins.
"""

import contextlib
import os
import sys
import time
from binascii import crc32
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vibeusage import cache, cachefiles, config, files, paths, table
from vibeusage.config import Config
from vibeusage.errors import ConfigError, StorageError, VibeusageError
from vibeusage.settings import RecordOptions

if TYPE_CHECKING:
    from vibeusage.records.readers.spec import Places

LOCK_WAIT_S = 5.0
FOLDER = "@folder"  # beside the names of providers: the exchange with other machines
EXCHANGE_S = 20.0
MOVING = ("block", "burn")  # change by the minute, and with the provider's own windows


class _Noted(NamedTuple):
    """{provider: when to look at its logs}, the line's rows and what they were worked out from, of the last time."""

    due: dict[str, int]
    rows: list[str]
    basis: str


def run_if_due(settings: Config, now: int) -> bool:
    """Read what is new of the providers whose time it is, and prepare the line's rows; whether there were any.

    Raises StorageError; the next look is noted all the same. Another sync at work is left to it.
    """
    due_at = cache.costs_due_at()
    if due_at is not None and now < due_at <= now + _shortest_s(settings):  # later than that, a clock has jumped
        return False
    noted = _noted().due
    due = {name for name, wait_s in _waits(settings).items() if not now < noted.get(name, 0) <= now + wait_s}
    try:
        _read(settings, due)
    except StorageError:
        store_costs(settings, now, due)
        raise
    store_costs(settings, now, due)
    if due and settings.storage.url:
        _send(settings)
    return bool(due)


def _send(settings: Config) -> None:
    """What a server does not get now it gets the next time; `records push` tells what is wrong."""
    with contextlib.suppress(VibeusageError):
        from vibeusage.records import push  # psycopg

        push.run_if_new(settings)


def _read(settings: Config, due: set[str]) -> None:
    from vibeusage.records import readers, sync

    if providers := due - {FOLDER}:
        machine = settings.machines.name or ""
        sync.run(readers.every(), here(), providers=providers, roots=roots(settings), wait_s=0, machine=machine)
    if FOLDER in due:
        from vibeusage.records import shared  # few have one

        shared.exchange(shared.folder(settings), budget_s=EXCHANGE_S, wait_s=0, is_asked=False)


def store_costs(settings: Config, now: int, synced: Collection[str] | None = None) -> None:
    """The rows of today, the month and the block, as a sync of these providers (all) has left them, into the line.

    What has not changed is not written. Raises StorageError.
    """
    path = paths.cache_dir() / "costs.tsv"
    with files.lock(paths.cache_dir() / "costs.lock", wait_s=LOCK_WAIT_S):  # older rows must not come last
        noted = _noted()
        rows, basis = _rows(settings, now, noted)
        due = _next_looks(settings, now, noted.due, synced)
        head = table.row(table.COSTS_MAGIC, table.VERSION, min(due.values(), default=cachefiles.NEVER), basis)
        looks = [table.row("due", *each) for each in sorted(due.items())]
        data = "".join([head, *looks, *rows]).encode()
        if files.read_private(path) != data:
            files.write_private(path, data)
    cache.compile_line(nobody_to_ask=_nobody_to_ask(settings))


def _rows(settings: Config, now: int, noted: _Noted) -> tuple[list[str], str]:
    """With their basis: those of before while nothing has changed, and while the store cannot be read."""
    basis = _basis(settings, now)
    if basis == noted.basis and not any(row.split("\t")[2] in MOVING for row in noted.rows):
        return noted.rows, basis
    from vibeusage.records import prepared  # with prices and reports, as long as a sync that finds nothing

    try:
        return prepared.cost_rows(settings, now), basis
    except StorageError:
        return noted.rows, noted.basis


def _basis(settings: Config, now: int) -> str:
    """What tells whether rows that do not move may be others: the local day, the settings, the store and the prices."""
    from vibeusage.records import place

    path, data = place.named(settings), paths.data_dir()
    watched = [path, Path(f"{path}-wal"), data / "prices.json", Path(__file__).with_name("prices.json")]
    said = (time.strftime("%F %z", time.localtime(now)), config.stamp(), [_stamp(path) for path in watched])
    return f"{crc32(repr(said).encode()):08x}"


def _stamp(path: Path) -> tuple[int, ...]:
    """() also of an empty file: reading a store leaves an empty log beside it, and the next sync takes it away."""
    try:
        info = path.stat()
    except OSError:
        return ()
    return (info.st_mtime_ns, info.st_size, info.st_ino) if info.st_size else ()


def _next_looks(
    settings: Config, now: int, noted: dict[str, int], synced: Collection[str] | None
) -> dict[str, int]:
    """{provider: when its logs are to be looked at next}; what was never looked at is due."""
    found = {}
    for name, wait_s in _waits(settings).items():
        is_looked_at = name != FOLDER if synced is None else name in synced
        due_at = noted.get(name, now)
        found[name] = now + wait_s if is_looked_at or due_at > now + wait_s else due_at
    return found


def _waits(settings: Config) -> dict[str, int]:
    """{provider: seconds between two looks} of those that are read by themselves, and of the folder of machines."""
    from vibeusage.records import readers

    known = {reader.id: options(settings, reader.id) for reader in readers.every()}
    waits = {name: each.interval_s for name, each in known.items() if each.mode != "manual"}
    return waits | {FOLDER: settings.machines.interval_s} if settings.machines.folder else waits


def _noted() -> _Noted:
    if cache.costs_due_at() is None:
        return _Noted({}, [], "")
    text = (files.read_private(paths.cache_dir() / "costs.tsv") or b"").decode("utf-8", "replace")
    rows = [row.split("\t") for row in text.splitlines()]
    due = {row[1]: int(row[2][:12]) for row in rows if row[0] == "due" and len(row) == 3 and row[2].isdecimal()}
    cost_rows = ["\t".join(row) + "\n" for row in rows if row[0] == "cost" and len(row) > 2]
    return _Noted(due, cost_rows, rows[0][3] if len(rows[0]) > 3 else "")


def _nobody_to_ask(settings: Config) -> bool:
    """As a refresh sees it: with every provider off, only the logs are a reason to start one."""
    from vibeusage import accounts

    with contextlib.suppress(ConfigError):
        return not accounts.enabled(settings, os.environ)
    return False


def here() -> "Places":
    from vibeusage.records.readers.spec import Places

    return Places(environ=os.environ, home=Path.home(), platform=sys.platform)


def roots(settings: Config) -> dict[str, list[Path]]:
    """The folders that the settings name in the place of the usual ones, by provider."""
    named = {name: known.roots for name, known in settings.records.items() if known.roots}
    return {name: [Path(text).expanduser() for text in texts] for name, texts in named.items()}


def options(settings: Config, provider: str) -> RecordOptions:
    return settings.records.get(provider, RecordOptions())


def _shortest_s(settings: Config) -> int:
    """The shortest wait of those that are read by themselves; a real-time one is also looked at in between."""
    waits = [known.interval_s for known in settings.records.values() if known.mode != "manual"]
    if settings.machines.folder:
        waits.append(settings.machines.interval_s)
    return min([RecordOptions().interval_s, *waits])
