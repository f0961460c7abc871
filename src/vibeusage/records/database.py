"""The file usage.db: made private, opened to write or to read, and what goes wrong with it as errors of ours."""

import contextlib
import errno
import os
import sqlite3
import stat
from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

from vibeusage import files
from vibeusage.errors import StorageError
from vibeusage.records import disk, schema

BUSY_S = 3.0
CACHE_KIB = 16 << 10


class Damaged(StorageError):
    """usage.db is no database of ours, or its pages contradict each other; waiting does not help."""


def kept(text: str) -> str:
    """As SQLite can keep it: without halves of characters."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def writable(path: Path, busy_s: float = BUSY_S) -> sqlite3.Connection:
    database = opened(path, busy_s)
    try:
        schema.check(database)
        tune(database, path)
        schema.migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def opened(path: Path, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """To write to, made if it is not there; whatever schema it has."""
    files.ensure_folder(path.parent)
    _make(path)
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", timeout=busy_s, isolation_level=None, uri=True)


def tune(database: sqlite3.Connection, path: Path) -> None:
    mode = "DELETE" if disk.is_network(path.parent) else "WAL"
    if database.execute("PRAGMA journal_mode").fetchone()[0].upper() != mode:
        database.execute(f"PRAGMA journal_mode = {mode}")
    database.execute("PRAGMA synchronous = NORMAL" if mode == "WAL" else "PRAGMA synchronous = FULL")
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")


def _make(path: Path) -> None:
    """The file, private before SQLite sees it: what SQLite puts beside it gets the same rights."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except IsADirectoryError as exc:
        raise damaged(path) from exc
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise damaged(path)
        if info.st_mode & 0o077:
            os.fchmod(fd, 0o600)
    finally:
        os.close(fd)


def readable(path: Path) -> sqlite3.Connection:
    """Read only; on a disk that lets nothing be written beside the file, as it stands."""
    if not path.is_file():
        raise damaged(path)
    address = f"file:{quote(str(path))}?mode=ro"
    database = sqlite3.connect(address, timeout=BUSY_S, isolation_level=None, uri=True)
    try:
        schema.version(database)
    except sqlite3.OperationalError as exc:
        database.close()
        if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or os.path.exists(f"{path}-wal"):
            raise
        database = sqlite3.connect(f"{address}&immutable=1", isolation_level=None, uri=True)
    return database


def empty() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(database)
    return database


@contextlib.contextmanager
def told(path: Path) -> Generator[None]:
    """SQLite's and the system's errors as ours."""
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise damaged(path) from exc
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StorageError(f"{path} is in use by another program", hint="try again in a moment") from exc
        is_full = code == sqlite3.SQLITE_FULL or getattr(exc, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE
        what = "the disk is full" if is_full else str(exc)
        raise StorageError(
            f"{path} cannot be used: {what}", hint="check the free space and the rights of its folder"
        ) from exc
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            hint = "put the file itself there, or name its folder: `vibeusage config set storage.folder PATH`"
            raise StorageError(f"{path} cannot be used: it is a symbolic link", hint=hint) from exc
        raise StorageError(
            f"{path} cannot be used: {exc.strerror or exc}", hint="check the free space and the rights of its folder"
        ) from exc


def damaged(path: Path) -> Damaged:
    return Damaged(
        f"{path} is damaged", hint="`vibeusage records sync --full` moves it aside and builds it anew from the logs"
    )
