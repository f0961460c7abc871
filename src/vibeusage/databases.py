"""SQLite databases of other programs, read so that nothing of theirs is locked, made or changed.

What stands in their journals is read from a private copy; a database too large for one is read without them.
"""

import contextlib
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibeusage import files
from vibeusage.errors import Unavailable

if TYPE_CHECKING:
    import sqlite3

COPY_LIMIT, COPY_TRIES = 64 << 20, 3


def pairs(path: Path, table: str, keys: Sequence[str], *, hint: str) -> Mapping[str, Any]:
    """Key to value of those rows of a table with the columns `key` and `value`; {} when there is no such file.

    Raises Unavailable when it cannot be read.
    """
    if not os.path.isfile(path):
        return {}
    import sqlite3  # not worth its start for those who have none

    marks = ", ".join("?" * len(keys))
    try:
        with opened(path) as database:
            query = f"SELECT key, value FROM {table} WHERE key IN ({marks})"  # noqa: S608  (our own words)
            return dict(database.execute(query, tuple(keys)).fetchall())
    except (sqlite3.Error, OSError) as exc:
        raise Unavailable(f"{path} cannot be read: {type(exc).__name__}", hint=hint) from exc


@contextlib.contextmanager
def opened(path: Path) -> "Generator[sqlite3.Connection]":
    """Raises sqlite3.Error and OSError, Unavailable when it is never at rest."""
    import sqlite3

    with (
        _unlocked(Path(os.path.realpath(path))) as address,
        contextlib.closing(sqlite3.connect(address, uri=True, timeout=1.0)) as database,
    ):
        yield database


@contextlib.contextmanager
def _unlocked(path: Path) -> Generator[str]:
    """An address under which SQLite writes nothing of the program's, and takes no lock."""
    if not _journals(path) or path.stat().st_size > COPY_LIMIT:
        yield f"{path.as_uri()}?mode=ro&immutable=1"
        return
    parts = _of_one_moment(path)
    with tempfile.TemporaryDirectory(prefix="vibeusage-") as folder:
        copy = Path(folder, "copy")
        for suffix, data in parts.items():  # not `files.write_private`: nothing of it is worth waiting for a disk
            with open(f"{copy}{suffix}", "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
                stream.write(data)
        yield copy.as_uri()


def _journals(path: Path) -> list[str]:
    return [suffix for suffix in ("-wal", "-journal") if os.path.isfile(f"{path}{suffix}")]


def _of_one_moment(path: Path) -> dict[str, bytes]:
    """The database and its journals, by suffix, unchanged from the first look to the last."""
    for _ in range(COPY_TRIES):
        before = _marks(path)
        parts = {suffix: files.read_regular(Path(f"{path}{suffix}"), limit=COPY_LIMIT) for suffix in before}
        if _marks(path) == before:
            return {suffix: data for suffix, data in parts.items() if data is not None}
    raise Unavailable(f"{path} was changed while it was read", hint="try again in a moment")


def _marks(path: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for suffix in ("", *_journals(path)):
        with contextlib.suppress(FileNotFoundError):
            info = os.stat(f"{path}{suffix}")
            found[suffix] = (info.st_ino, info.st_size, info.st_mtime_ns)
    return found
