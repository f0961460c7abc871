"""What a person does to usage.db as a whole: make, put back, delete, bring up to date, cut off what is old.

Each is done as the only writer, with a copy of what was there kept first, and leaves all or nothing when it is killed.
"""

import contextlib
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec

from vibeusage import files
from vibeusage.errors import ConfigError, StorageError
from vibeusage.records import copies, damage, database, place, pruning, schema, store
from vibeusage.records.database import Damaged

WAIT_S = 10.0


class Kept(msgspec.Struct, frozen=True):
    """Where the copy of what was there is; `moved` is where a damaged store went instead; "" where there is none."""

    copy: str = ""
    moved: str = ""


class Migrated(msgspec.Struct, frozen=True):
    before: int
    after: int
    copy: str = ""


class Pruned(msgspec.Struct, frozen=True):
    calls: int
    points: int
    copy: str = ""


def init(path: Path) -> bool:
    """Whether it was made just now; one that is there is brought up to date."""
    with alone(path):
        is_new = not path.exists() or not path.stat().st_size
        store.open(path).close()
    return is_new


def restore(file: Path, path: Path, now: datetime, *, keep_copy: bool) -> Kept:
    """The copy in `file` takes the place of what is in the store; ConfigError and StorageError leave that as it was."""
    if os.path.exists(path) and os.path.exists(file) and os.path.samefile(file, path):
        raise ConfigError(f"{file} is the database itself", hint="name a copy of it")
    files.ensure_folder(path.parent)
    with copies.temporary(path) as made:
        copies.copy_in(file, made)
        with database.told(path), closing(copies.alone(made)) as found, alone(path):
            schema.migrate(found)
            kept = _kept(path, now, "before-restore", keep_copy=keep_copy)
            _fit(found, path)
            try:
                copies.put_back(found, path)
            except Damaged:
                kept = Kept(kept.copy, str(damage.move_aside(path, now)))
                copies.put_back(found, path)
    return kept


def delete(path: Path, now: datetime, *, keep_copy: bool) -> Kept:
    """The store and all that is in it; what was moved aside is not carried over to a later one either."""
    with alone(path):
        kept = _kept(path, now, "before-delete", keep_copy=keep_copy)
        _clear(path)
        for aside in damage.pending(path):
            kept = Kept(kept.copy, str(damage.finish(aside)))
        with contextlib.suppress(OSError):
            (path.parent / store.SYNCED).unlink()
    return kept


def migrate(path: Path, now: datetime) -> Migrated:
    """To the schema of this program. Raises StorageError for that of a later one."""
    with alone(path):
        if not path.exists():
            raise StorageError(f"there is no database in {path}", hint="`vibeusage db init` makes one")
        with database.told(path), closing(database.readable(path)) as found:
            schema.check(found)
            before = schema.version(found)
        if before in (0, len(schema.MIGRATIONS)):
            store.open(path).close()
            return Migrated(before, len(schema.MIGRATIONS))
        copy = copies.default(path, now, f"schema-{before}")
        copies.back_up(path, copy)
        store.open(path).close()
    return Migrated(before, len(schema.MIGRATIONS), str(copy))


def prune(path: Path, now: datetime, *, calls_before_ms: int, points_before: int, keep_copy: bool) -> Pruned:
    """Forget calls of before an instant (0 = none), and points of the quotas' history."""
    if not path.exists():
        return Pruned(0, 0)
    with alone(path):
        kept = _kept(path, now, "before-prune", keep_copy=keep_copy and calls_before_ms > 0)
        if kept.moved:
            raise database.damaged(path)
        with database.told(path), closing(database.writable(path)) as found:
            calls, points = pruning.prune(found, calls_before_ms, points_before)
            pruning.shrink(found)
    return Pruned(calls, points, kept.copy)


def forget(path: Path, account: str) -> int:
    """What the quotas' history has of an account; how many points are gone."""
    if not path.exists():
        return 0
    with alone(path), database.told(path), closing(database.writable(path)) as found:
        return pruning.forget(found, account)


@contextlib.contextmanager
def alone(path: Path) -> Generator[None]:
    """As the only writer. Raises StorageError when another one is still at work after a while."""
    files.ensure_folder(path.parent)
    with files.lock(path.parent / place.LOCK, wait_s=WAIT_S) as got:
        if not got:
            raise StorageError(f"another program writes to {path} just now", hint="try again when it is done")
        yield


def _kept(path: Path, now: datetime, why: str, *, keep_copy: bool) -> Kept:
    """A copy of what is there; what is too damaged for one is moved aside as it is."""
    if not os.path.lexists(path) or not keep_copy:
        return Kept()
    copy = copies.default(path, now, why)
    try:
        copies.back_up(path, copy)
    except Damaged:
        return Kept(moved=str(damage.move_aside(path, now)))
    return Kept(str(copy))


def _fit(found: sqlite3.Connection, path: Path) -> None:
    """What is put into another database has pages of its size."""
    with contextlib.suppress(sqlite3.Error, StorageError, OSError), closing(database.readable(path)) as live:
        size = live.execute("PRAGMA page_size").fetchone()[0]
        if size != found.execute("PRAGMA page_size").fetchone()[0]:
            found.execute(f"PRAGMA page_size = {size}")
            found.execute("VACUUM")


def _clear(path: Path) -> None:
    """First nothing is in it any more, then, unless others have it open, it is gone."""
    if not os.path.lexists(path):
        return
    with closing(database.empty()) as nothing:
        try:
            _fit(nothing, path)
            copies.put_back(nothing, path)
        except Damaged:
            for suffix in ("-wal", "-shm", "-journal", ""):
                with database.told(path), contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{path}{suffix}")
            return
    with contextlib.suppress(sqlite3.OperationalError), closing(database.opened(path, 0)) as live:
        live.execute("PRAGMA journal_mode = DELETE")
        live.execute("BEGIN EXCLUSIVE")
        os.unlink(path)
