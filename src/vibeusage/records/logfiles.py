"""Other tools' log files as they stand: which there are, how far they were read, whole lines, untouched databases.

Only regular files below a root are read, none behind a link; nothing is written beside them, nothing locked.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from vibeusage.records.readers.spec import Database, Reader, Source
from vibeusage.records.source_files import SourceFile

BLOCK = 4 << 20
LINE_MOST = 32 << 20  # a reader takes a copy of a line: two of these have to stay far below 120 MB
DOCUMENT_MOST = 64 << 20
HEAD, TAIL = 4096, 64
COPY_TRIES = 3
COPY_PREFIX = "vibeusage-copy-"


class ChangedMeanwhile(Exception):
    """The file was written to while it was read; next time is soon enough."""


class Seen(NamedTuple):
    """One file as a listing met it; `size` and `mtime_ns` of a database count its log too, `log` is how that looks."""

    mtime_ns: int
    path: str
    root: str
    dev: int
    inode: int
    size: int
    log: bytes = b""


def listed(reader: Reader, roots: Iterable[Path], refused: Callable[[str, str], None]) -> list[Seen]:
    """The reader's files below `roots`, the oldest change first; each once, however many ways lead to it.

    `refused(path, reason)` hears of what is not read, and of roots that cannot be listed.
    """
    found: dict[str, Seen | None] = {}
    for root in dict.fromkeys(os.path.realpath(root) for root in roots):
        is_real = _realness(root)
        try:
            for path in reader.find(Path(root)) if os.path.exists(root) else ():
                name = os.fspath(path)
                if name not in found:
                    found[name] = _seen(name, root, is_real, reader, refused)
        except OSError as exc:
            refused(root, exc.strerror or type(exc).__name__)
    return sorted(seen for seen in found.values() if seen)


def _realness(root: str) -> Callable[[str], bool]:
    """Whether a path stands below `root` and no link leads there; asked once for each folder."""
    folders: dict[str, bool] = {}

    def is_real(path: str) -> bool:
        folder = os.path.dirname(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder) == folder
        return folders[folder] and (path == root or path.startswith(root.rstrip(os.sep) + os.sep))

    return is_real


def _seen(
    path: str, root: str, is_real: Callable[[str], bool], reader: Reader, refused: Callable[[str, str], None]
) -> Seen | None:
    if not is_real(path):
        return refused(path, "behind a link")
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as exc:
        return refused(path, exc.strerror or type(exc).__name__)
    if not stat.S_ISREG(info.st_mode):
        return refused(path, "a link" if stat.S_ISLNK(info.st_mode) else "no regular file")
    size, mtime_ns, look = info.st_size, info.st_mtime_ns, b""
    if isinstance(reader.form_of(path), Database):
        with contextlib.suppress(OSError):
            log = os.lstat(f"{path}-wal")
            size, mtime_ns = size + log.st_size, max(mtime_ns, log.st_mtime_ns)
            look = b"%d %d %d" % (log.st_ino, log.st_size, log.st_mtime_ns)
    return Seen(mtime_ns, path, root, info.st_dev, info.st_ino, size, look)


@contextlib.contextmanager
def opened(path: str) -> Generator[int]:
    """A descriptor; raises OSError, also for what became a link or no regular file since it was listed."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "no regular file")
        yield fd
    finally:
        os.close(fd)


def is_same(known: SourceFile | None, seen: Seen, parser: int) -> bool:
    """Whether nothing happened to a file since it was read to its end."""
    if known is None or known.gone or known.parser != parser or _print(known) != _print(seen):
        return False
    return not seen.log or known.tail == seen.log


def _print(file: SourceFile | Seen) -> tuple[int, int, int, int]:
    return file.dev, file.inode, file.size, file.mtime_ns


def has_grown_only(fd: int, known: SourceFile, seen: Seen, parser: int) -> bool:
    """Whether what was read of it still stands there, so that reading may go on where it ended."""
    same = (known.dev, known.inode, known.parser) == (seen.dev, seen.inode, parser) and seen.size >= known.offset
    return same and marks(fd, known.offset) == (known.head, known.tail)


def marks(fd: int, offset: int) -> tuple[bytes, bytes]:
    """Hashes of a file's beginning and of the bytes before `offset`."""
    import hashlib  # for files that have grown; there most often are none

    start = max(0, offset - TAIL)
    parts = (os.pread(fd, min(HEAD, offset), 0), os.pread(fd, offset - start, start))
    head, tail = (hashlib.blake2b(part, digest_size=8).digest() for part in parts)
    return head, tail


def blocks(fd: int, start: int, end: int, source: Source) -> Iterator[tuple[bytes, int]]:
    """Whole lines between two offsets, some MB at a time, each with the offset behind it.

    A line of more than LINE_MOST is skipped: an empty block. What follows the last newline is left.
    """
    at, size = start, BLOCK
    while at < end:
        chunk = os.pread(fd, min(size, end - at), at)
        cut = (chunk.rfind if size == BLOCK else chunk.find)(b"\n") + 1
        is_whole, is_full = cut == len(chunk), len(chunk) == size
        block = chunk if is_whole else b""
        del chunk  # a long line is not held twice
        if cut:
            yield block if is_whole else os.pread(fd, cut, at), at + cut
            at, size = at + cut, BLOCK
        elif not is_full:
            return
        elif size < LINE_MOST:
            size = min(4 * size, LINE_MOST)
        else:
            after = _next_line(fd, at + size, end)
            if after is None:
                return
            source.skip("line too long")
            at, size = after, BLOCK
            yield b"", at


def _next_line(fd: int, at: int, end: int) -> int | None:
    while at < end and (chunk := os.pread(fd, min(BLOCK, end - at), at)):
        found = chunk.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(chunk)
    return None


def rest(fd: int, start: int, end: int, source: Source) -> bytes:
    """What stands behind the last newline, with one of ours: a call if it is complete, torn if not."""
    if end - start > LINE_MOST:
        source.skip("line too long")
        return b""
    data = os.pread(fd, end - start, start)
    return data + b"\n" if data.strip(b"\0 \t\r") else b""


def document(fd: int, seen: Seen, source: Source) -> bytes:
    """All of a file, b"" for one that is too large; raises ChangedMeanwhile when it is not as it was listed."""
    if seen.size > DOCUMENT_MOST:
        source.skip("file too large")
        return b""
    data = os.pread(fd, seen.size, 0)
    info = os.fstat(fd)
    if (info.st_size, info.st_mtime_ns) != (seen.size, seen.mtime_ns) or len(data) != seen.size:
        raise ChangedMeanwhile
    return data


@contextlib.contextmanager
def database(path: str, beside: Path) -> Generator[tuple[sqlite3.Connection, Callable[[], bool]]]:
    """Another program's database inside one transaction, and whether what was read so far can be trusted.

    Without a log it is read where it is, without a lock; else a private copy of both, in a folder of `beside`.
    """
    before = _moment(path)
    if set(before) == {""}:
        address = f"{Path(path).as_uri()}?mode=ro&immutable=1"
        with _connected(address) as connection:
            yield connection, lambda: _moment(path) == before
        return
    import tempfile  # only a database that is in use is copied

    with tempfile.TemporaryDirectory(prefix=COPY_PREFIX, dir=beside) as folder:
        copy = Path(folder, "copy")
        _copy_of_one_moment(path, copy)
        with _connected(copy.as_uri()) as connection:
            yield connection, lambda: True


@contextlib.contextmanager
def _connected(address: str) -> Generator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        # SQLite's own decoding error would quote the text
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        connection.execute("PRAGMA query_only = 1")
        connection.execute("BEGIN")
        yield connection


def _moment(path: str) -> dict[str, tuple[int, int, int]]:
    """Which of a database's files there are, and what they look like."""
    found = {}
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            info = os.lstat(path + suffix)
            if info.st_size or not suffix:
                found[suffix] = (info.st_ino, info.st_mtime_ns, info.st_size)
    return found


def _copy_of_one_moment(path: str, copy: Path) -> None:
    for _ in range(COPY_TRIES):
        before = _moment(path)
        for old in copy.parent.iterdir():
            old.unlink()
        for suffix in before:
            _copy(path + suffix, f"{copy}{suffix}")
        if _moment(path) == before:
            return
    raise ChangedMeanwhile


def _copy(path: str, copy: str) -> None:
    import shutil

    with opened(path) as fd, open(fd, "rb", closefd=False) as old, open(copy, "xb") as new:
        shutil.copyfileobj(old, new, 1 << 20)


def sweep(folder: Path) -> None:
    """Remove copies that a killed run left; only for whoever holds the lock."""
    if lefts := list(folder.glob(f"{COPY_PREFIX}*")):
        import shutil  # there most often are none

        for left in lefts:
            shutil.rmtree(left, ignore_errors=True)
