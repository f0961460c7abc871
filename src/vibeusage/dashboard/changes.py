"""Whether what a page shows may have changed: tokens that are compared for equality, from a few `stat` calls."""

import os
import time
from datetime import date
from pathlib import Path

from vibeusage import config, files, paths
from vibeusage.config import Config
from vibeusage.records import place

SERVER_S = 60
Token = tuple


def numbers() -> Token:
    """Of the quotas: the generation that every change of the cache renews, the last errors, the settings."""
    folder = paths.cache_dir()
    return config.stamp(), files.read_private(folder / "generation"), _stamp(folder / "gates.json")


def records(settings: Config, today: date) -> Token:
    """Of what is summed by day of the records: the store, the prices, the settings, and which day it is.

    Of a server nobody hears: it is asked again every minute.
    """
    usage_db = place.named(settings)
    log = _stamp(usage_db.with_name(f"{usage_db.name}-wal"))
    written = log if log and log[1] else None  # one that is empty comes and goes with its readers
    prices = _stamp(paths.data_dir() / "prices.json")
    return config.stamp(), _stamp(usage_db), written, prices, today, *server(settings)


def server(settings: Config) -> Token:
    """Which one it is, and which minute, when there is one."""
    return (settings.storage.url, int(time.monotonic() // SERVER_S)) if settings.storage.url else ()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size, info.st_ino
