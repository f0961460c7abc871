"""The part of the records that nobody waits for: what is new in the logs, and what the line shows of it.

`<cache>/costs.tsv` holds the rows that `line.tsv` takes over. Its first row says when to look again, and rows of
`due` say when at each provider's logs.
"""

import contextlib
import os
import sys
from collections.abc import Collection
from pathlib import Path

from vibeusage import accounts, cache, cachefiles, files, paths, table
from vibeusage.config import Config
from vibeusage.errors import ConfigError, StorageError
from vibeusage.records import prepared, readers, sync
from vibeusage.records.readers.spec import Places
from vibeusage.settings import RecordOptions

LOCK_WAIT_S = 5.0


def run_if_due(settings: Config, now: int) -> bool:
    """Read what is new of the providers whose time it is, and prepare the line's rows; whether there were any.

    Raises StorageError; the next look is noted all the same. Another sync at work is left to it.
    """
    due_at = cache.costs_due_at()
    if due_at is not None and now < due_at <= now + _shortest_s(settings):  # later than that, a clock has jumped
        return False
    known, noted = readers.every(), _stored()[0]
    due = {reader.id for reader in known if _is_due(options(settings, reader.id), noted.get(reader.id, 0), now)}
    try:
        if due:
            sync.run(known, here(), providers=due, roots=roots(settings), wait_s=0)
    except StorageError:
        store_costs(settings, now, due)
        raise
    store_costs(settings, now, due)
    return bool(due)


def store_costs(settings: Config, now: int, synced: Collection[str] | None = None) -> None:
    """The rows of today, the month and the block, as a sync of these providers (all) has left them, into the line.

    They stay as they were while the store cannot be read; what has not changed is not written. Raises StorageError.
    """
    path = paths.cache_dir() / "costs.tsv"
    with files.lock(paths.cache_dir() / "costs.lock", wait_s=LOCK_WAIT_S):  # older rows must not come last
        noted, rows = _stored()
        with contextlib.suppress(StorageError):
            rows = prepared.cost_rows(settings, now)
        due = _next_looks(settings, now, noted, synced)
        head = table.row(table.COSTS_MAGIC, table.VERSION, min(due.values(), default=cachefiles.NEVER))
        looks = [table.row("due", *each) for each in sorted(due.items())]
        data = "".join([head, *looks, *rows]).encode()
        if files.read_private(path) != data:
            files.write_private(path, data)
    cache.compile_line(nobody_to_ask=_nobody_to_ask(settings))


def _next_looks(
    settings: Config, now: int, noted: dict[str, int], synced: Collection[str] | None
) -> dict[str, int]:
    """{provider: when its logs are to be looked at next}; what was never looked at is due."""
    found = {}
    for name in {reader.id for reader in readers.every()}:
        known = options(settings, name)
        if known.mode == "manual":
            continue
        latest = now + known.interval_s
        is_synced = synced is None or name in synced or noted.get(name, now) > latest
        found[name] = latest if is_synced else noted.get(name, now)
    return found


def _is_due(known: RecordOptions, due_at: int, now: int) -> bool:
    return known.mode != "manual" and not now < due_at <= now + known.interval_s


def _stored() -> tuple[dict[str, int], list[str]]:
    """{provider: when to look at its logs} and the line's rows, of the last time."""
    if cache.costs_due_at() is None:
        return {}, []
    text = (files.read_private(paths.cache_dir() / "costs.tsv") or b"").decode("utf-8", "replace")
    rows = [row.split("\t") for row in text.splitlines()]
    due = {row[1]: int(row[2][:12]) for row in rows if row[0] == "due" and len(row) == 3 and row[2].isdecimal()}
    return due, ["\t".join(row) + "\n" for row in rows if row[0] == "cost"]


def _nobody_to_ask(settings: Config) -> bool:
    """As a refresh sees it: with every provider off, only the logs are a reason to start one."""
    with contextlib.suppress(ConfigError):
        return not accounts.enabled(settings, os.environ)
    return False


def here() -> Places:
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
    return min([RecordOptions().interval_s, *waits])
