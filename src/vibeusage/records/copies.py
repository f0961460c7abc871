"""Copies of usage.db: made while others write, whole or not there at all, and put back in one transaction.

A copy is made under another name, read through once, and then renamed. It is put back into the file that is there:
who reads it meanwhile sees the old state or the new one, and a kill leaves the old.
"""

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from vibeusage import files
from vibeusage.errors import ConfigError, StorageError
from vibeusage.records import database, schema
from vibeusage.records.database import Damaged

FOLDER = "backups"
STEP = 2048  # pages between two looks at the clock and the keyboard
PATIENCE_S = 10.0
MAGIC = b"SQLite format 3\0"
_OURS = "name a file that `vibeusage db backup` has made"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def default(path: Path, now: datetime, why: str = "") -> Path:
    """A new name near the store in `path`; its folder is made."""
    folder = path.parent / FOLDER
    files.ensure_folder(folder)
    target = folder / f"{path.stem}-{now.astimezone(UTC):%Y%m%d-%H%M%S}{why and f'-{why}'}.db"
    while os.path.lexists(target):
        target = target.with_name(f"{target.stem}x.db")
    return target


def back_up(path: Path, target: Path) -> None:
    """A copy of the store in `path` as it is at one instant; another copy there is replaced.

    Raises StorageError, ConfigError for a target that is something else.
    """
    if not os.path.lexists(path):
        raise StorageError(f"there is no database in {path}", hint="`vibeusage records sync` makes one and fills it")
    _check_target(path, target)
    with database.told(path):
        source = database.readable(path)
    with closing(source), temporary(target) as made:
        _copy(source, path, made, lambda: database.damaged(path))
        with database.told(target):
            os.replace(made, target)
            _sync(target.parent)


def copy_in(path: Path, made: Path) -> None:
    """The copy in `path`, which a person has named, into the empty file `made`. Raises ConfigError, StorageError."""
    with _still(path) as source:
        _copy(source, path, made, lambda: _damaged_copy(path))


def put_back(source: sqlite3.Connection, path: Path) -> None:
    """All that is in `source` into the store in `path`, in one transaction."""
    with database.told(path), closing(database.opened(path, PATIENCE_S)) as live:
        database.tune(live, path)
        source.backup(live, pages=STEP, progress=_patient(path))
        live.execute("PRAGMA busy_timeout = 200")  # who reads just now is not waited for
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def alone(path: Path) -> sqlite3.Connection:
    """A file of ours that nobody else knows of."""
    found = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", isolation_level=None, uri=True)
    for setting in ("locking_mode = EXCLUSIVE", "synchronous = OFF", "temp_store = MEMORY"):
        found.execute(f"PRAGMA {setting}")
    return found


@contextlib.contextmanager
def temporary(path: Path) -> Generator[Path]:
    """A private empty file in the same folder, gone at the end with all that SQLite puts beside it."""
    files.sweep(path.parent, now=time.time())
    made = path.with_name(f"{path.name}{files.TEMP_MARK}{os.getpid()}.{time.monotonic_ns()}")
    with database.told(path):
        os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        yield made
    finally:
        for suffix in ("", "-journal", "-wal"):
            with contextlib.suppress(OSError):
                os.unlink(f"{made}{suffix}")


def check_schema(found: sqlite3.Connection, path: Path) -> int:
    """Which schema of ours it has. Raises StorageError for one of a newer program, ConfigError for none of ours."""
    known = schema.version(found)
    if known > len(schema.MIGRATIONS) and _has_calls(found):
        raise StorageError(
            f"{path} was written by a newer vibeusage (schema {known}, this one knows {len(schema.MIGRATIONS)})",
            hint="update vibeusage",
        )
    if not 1 <= known <= len(schema.MIGRATIONS) or _parts(found) != _parts_of(known):
        raise ConfigError(f"{path} is no database of vibeusage", hint=_OURS)
    return known


def _copy(source: sqlite3.Connection, path: Path, made: Path, damaged: Callable[[], Damaged]) -> None:
    """One state, whatever others write meanwhile; every page is read once more where it came to."""
    with _blamed(path, made, damaged):
        source.execute("BEGIN")
        schema.version(source)  # from here on it is one state
        with closing(alone(made)) as found:
            found.execute("PRAGMA journal_mode = OFF")
            source.backup(found, pages=STEP, progress=_patient(path))
        source.execute("COMMIT")
        with closing(alone(made)) as found:
            found.execute("PRAGMA journal_mode = DELETE")
            if found.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise damaged()
        _sync(made)


@contextlib.contextmanager
def _blamed(path: Path, made: Path, damaged: Callable[[], Damaged]) -> Generator[None]:
    """Of two files the one that an error is about: damage and other users are the source's, space is the target's."""
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGE:
            raise damaged() from exc
        with database.told(path if code in _BUSY else made.with_name(made.name.partition(files.TEMP_MARK)[0])):
            raise
    except OSError:
        with database.told(made):
            raise


def _patient(path: Path) -> Callable[[int, int, int], None]:
    """Gives up on a file that others keep busy: the copying itself would try for ever."""
    waits_since = None

    def look(status: int, left: int, pages: int) -> None:
        nonlocal waits_since
        if status not in _BUSY:
            waits_since = None
        elif waits_since is None:
            waits_since = time.monotonic()
        elif time.monotonic() - waits_since > PATIENCE_S:
            raise StorageError(f"{path} is in use by another program", hint="try again in a moment")

    return look


@contextlib.contextmanager
def _still(path: Path) -> Generator[sqlite3.Connection]:
    """A file that a person has named; where nothing lies beside it, nothing is put there by reading it."""
    try:
        os.stat(path)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}", hint=_OURS) from exc
    if not _begins_as_database(path):
        raise ConfigError(f"{path} is no database", hint=_OURS)
    with closing(_connected(path, is_alone=_is_alone(path))) as found:
        try:
            check_schema(found, path)
        except sqlite3.DatabaseError as exc:
            raise _damaged_copy(path) from exc
        yield found


def _is_alone(path: Path) -> bool:
    return not any(os.path.exists(f"{path}{suffix}") for suffix in ("-wal", "-journal"))


def _connected(path: Path, *, is_alone: bool) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if is_alone else ''}"
    return sqlite3.connect(address, timeout=PATIENCE_S, isolation_level=None, uri=True)


def _damaged_copy(path: Path) -> Damaged:
    return Damaged(f"{path} is damaged, and nothing was taken from it", hint="name another copy")


def _check_target(path: Path, target: Path) -> None:
    if not target.parent.is_dir():
        raise ConfigError(f"there is no folder {target.parent}", hint="make it first, or name another one")
    if not os.path.lexists(target):
        return
    if os.path.exists(target) and os.path.samefile(path, target):
        raise ConfigError(f"{target} is the database itself", hint="name another file")
    if not _is_copy(target):
        raise ConfigError(f"{target} is there, and is no copy of a database", hint="name another file")


def _is_copy(path: Path) -> bool:
    """Of ours and of any age; no other program's database, and none that is at work."""
    if not _begins_as_database(path) or not _is_alone(path):
        return False
    with closing(_connected(path, is_alone=True)) as found:
        try:
            return _has_calls(found)
        except sqlite3.DatabaseError:
            return False


def _has_calls(found: sqlite3.Connection) -> bool:
    return bool(found.execute("SELECT 1 FROM sqlite_master WHERE name = 'usage_records'").fetchone())


def _begins_as_database(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and os.read(fd, len(MAGIC)) == MAGIC
    except OSError:
        return False
    finally:
        os.close(fd)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _parts(found: sqlite3.Connection) -> set[tuple[str, str, str]]:
    return {*found.execute("SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'")}


def _parts_of(version: int) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        for statement in (statement for step in schema.MIGRATIONS[:version] for statement in step):
            made.execute(statement)
        return _parts(made)
