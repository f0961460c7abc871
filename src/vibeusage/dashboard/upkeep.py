"""What the settings page does to the database: make it, copy it, put a copy back, delete it. Each tells what it did."""

import contextlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from vibeusage import config
from vibeusage.errors import StorageError
from vibeusage.records import admin_report, background, copies, place, upkeep


def newest_copy(path: Path) -> str:
    """The last backup of the database in `path`, "" where there is none."""
    found = (path.parent / copies.FOLDER).glob("*.db")
    return str(max(found, key=lambda path: path.name, default=""))


def initialise() -> str:
    path = place.usage_db()
    return f"{path} {'is made' if upkeep.init(path) else 'is there already'}"


def back_up() -> str:
    path = place.usage_db()
    target = copies.default(path, datetime.now(UTC))
    copies.back_up(path, target)
    return f"copied to {target}"


def restore(file: str) -> str:
    """With a copy of what was there. Raises ConfigError and StorageError, and then all is as it was."""
    kept = upkeep.restore(Path(file).expanduser().absolute(), place.usage_db(), datetime.now(UTC), keep_copy=True)
    _show_costs_anew()
    before = kept.copy or kept.moved
    return f"restored; what was there is in {before}" if before else "restored"


def delete() -> str:
    path = place.usage_db()
    if not os.path.lexists(path):
        return f"there is no database in {path}"
    kept = upkeep.delete(path, datetime.now(UTC), keep_copy=True)
    admin_report.forget_covered()
    _show_costs_anew()
    return f"deleted; what was there is in {kept.copy or kept.moved}"


def _show_costs_anew() -> None:
    """In the line; what cannot be stored there now is there after the next sync."""
    with contextlib.suppress(StorageError):
        background.store_costs(config.load(), int(time.time()))
