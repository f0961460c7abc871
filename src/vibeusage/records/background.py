"""The part of the records that nobody waits for: what is new in the logs, and what the line shows of it.

`<cache>/costs.tsv` holds the rows that `line.tsv` takes over; its first row says when to look again.
"""

import os
import sys
from pathlib import Path

from vibeusage import cache, files, paths, table
from vibeusage.config import Config
from vibeusage.records import prepared, readers, sync
from vibeusage.records.readers.spec import Places
from vibeusage.settings import RecordOptions


def run_if_due(settings: Config, now: int) -> bool:
    """Read what is new where it is time, and prepare the line's rows; whether it was time.

    Raises StorageError. Another sync at work is left to it.
    """
    due_at = cache.costs_due_at()
    if due_at is not None and now < due_at <= now + _interval_s(settings):  # later than that, a clock has jumped
        return False
    chosen = [reader for reader in readers.every() if options(settings, reader.id).mode != "manual"]
    sync.run(chosen, here(), roots=roots(settings), wait_s=0)
    store_costs(settings, now)
    return True


def store_costs(settings: Config, now: int) -> None:
    """The rows of today, the month and the block, as a sync has left them, into the line."""
    rows = prepared.cost_rows(settings, now)
    head = table.row(table.COSTS_MAGIC, table.VERSION, now + _interval_s(settings))
    files.write_private(paths.cache_dir() / "costs.tsv", (head + "".join(rows)).encode())
    cache.compile_line()


def here() -> Places:
    return Places(environ=os.environ, home=Path.home(), platform=sys.platform)


def roots(settings: Config) -> dict[str, list[Path]]:
    """The folders that the settings name in the place of the usual ones, by provider."""
    named = {name: known.roots for name, known in settings.records.items() if known.roots}
    return {name: [Path(text).expanduser() for text in texts] for name, texts in named.items()}


def options(settings: Config, provider: str) -> RecordOptions:
    return settings.records.get(provider, RecordOptions())


def _interval_s(settings: Config) -> int:
    """The shortest wait of those that are read by themselves; a real-time one is also looked at in between."""
    waits = [known.interval_s for known in settings.records.values() if known.mode != "manual"]
    return min([RecordOptions().interval_s, *waits])
