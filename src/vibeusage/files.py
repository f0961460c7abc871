"""Private files: verified atomic writes, one lock, no symlinks followed, leftovers swept.

Everything we keep is 0600 in folders of 0700, from the first instant. A reader sees the old file or
the new one, never a mixture; an error leaves the old one in place.
"""

import contextlib
import os
import stat
import time
from collections.abc import Generator
from pathlib import Path

from vibeusage.errors import StorageError

LEFTOVER_AGE_S = 3600
TEMP_MARK = ".vibeusage-tmp."
CLAIM_S = 150  # longer than any deadline


def ensure_folder(folder: Path) -> None:
    """Make `folder` and its missing parents, each 0700 whatever the umask; a symlink is refused."""
    if os.path.islink(folder):
        raise StorageError(f"{folder} is a symbolic link", hint="replace it by a real folder, or name another one")
    if os.path.isdir(folder):
        return
    if not os.path.isdir(folder.parent):
        ensure_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        try:
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)
        except FileExistsError:
            raise
        except OSError as exc:
            raise StorageError(
                f"{folder} cannot be made: {exc.strerror}",
                hint="check the rights of the parent folder and the free space",
            ) from exc


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically: all bytes out, size compared, synced, then renamed."""
    ensure_folder(path.parent)
    _replace(path, data, mode=0o600)


def write_through(path: Path, data: bytes) -> None:
    """Like `write_private` for a file that is the user's: a symlink stays one, and so do the rights."""
    target = Path(os.path.realpath(path))
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        mode = 0o600
        target.parent.mkdir(parents=True, exist_ok=True)
    _replace(target, data, mode=mode)


def read_private(path: Path, *, limit: int = 16 << 20) -> bytes | None:
    """Like `read_regular` for a file of ours: None also when somebody else owns it or may write to it."""
    return read_regular(path, limit=limit, ours=True)


def read_regular(path: Path, *, limit: int = 16 << 20, ours: bool = False) -> bytes | None:
    """The content of a regular file of at most `limit` bytes, or None; never blocks on a FIFO."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
            return None
        if ours and (info.st_uid != os.geteuid() or info.st_mode & 0o022):
            return None
        with open(fd, "rb", closefd=False) as stream:
            return stream.read(limit + 1)
    except OSError:
        return None
    finally:
        os.close(fd)


def read_linked(path: Path, *, limit: int = 16 << 20) -> bytes | None:
    """Like `read_regular` for a file that is the user's, which symlinks may lead to; None when they go in a circle."""
    return read_regular(Path(os.path.realpath(path)), limit=limit)


@contextlib.contextmanager
def lock(path: Path, *, wait_s: float) -> Generator[bool]:
    """Hold `path` as an exclusive flock; yields whether it was got within `wait_s` seconds.

    The file is never unlinked: unlink and recreate would give two locks. On a disk that knows no locks, or gives
    one to everybody (some network disks), the holder's number in the file does what it can.
    """
    ensure_folder(path.parent)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    try:
        got, deadline = False, time.monotonic() + wait_s
        while not got:
            got = _is_locked(fd, path)
            if not got:
                if time.monotonic() >= deadline:
                    break
                time.sleep(0.05)
        yield got
    finally:
        with contextlib.suppress(OSError):
            if got and _claimant(fd) == os.getpid():
                os.ftruncate(fd, 0)
        os.close(fd)


def _is_locked(fd: int, path: Path) -> bool:
    """Whether the lock is ours now; where a second descriptor would get it too, it is none."""
    if not _flock(fd):
        return False
    try:
        second = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        return not _flock(second) or _is_claimed(fd)
    finally:
        os.close(second)


def _flock(fd: int) -> bool:
    """Whether it was granted, or there are no locks here at all."""
    import fcntl  # not on Windows, and only the engine locks

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_claimed(fd: int) -> bool:
    """Put our number into the file, unless that of another process is there that lives and came a moment ago."""
    claimant = _claimant(fd)
    if claimant not in (0, os.getpid()) and abs(time.time() - os.fstat(fd).st_mtime) < CLAIM_S:
        with contextlib.suppress(OSError, OverflowError):
            os.kill(claimant, 0)
            return False
    with contextlib.suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d" % os.getpid(), 0)
    return True


def _claimant(fd: int) -> int:
    text = os.pread(fd, 20, 0)
    return int(text) if text.isdigit() else 0


def sweep(folder: Path, *, now: float) -> None:
    """Remove what killed writers left in `folder`: our name pattern, our user, over an hour old."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if TEMP_MARK not in entry.name:
            continue
        with contextlib.suppress(OSError):
            info = entry.stat(follow_symlinks=False)
            if info.st_uid == os.geteuid() and now - info.st_mtime > LEFTOVER_AGE_S:
                os.unlink(entry.path)


def _replace(path: Path, data: bytes, *, mode: int) -> None:
    """By a descriptor of the folder, which may not be a symlink: what was checked is what is written to."""
    temporary = f"{path.name}{TEMP_MARK}{os.getpid()}.{time.monotonic_ns()}"
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            with open(fd, "wb", closefd=False) as stream:
                stream.write(data)
            if os.fstat(fd).st_size != len(data):
                raise OSError(28, "the disk took only a part of it")
            os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise _unwritable(path, exc) from exc
    finally:
        os.close(folder)


def _unwritable(path: Path, exc: OSError) -> StorageError:
    return StorageError(
        f"{path} cannot be written: {exc.strerror or exc}",
        hint="check the free space and the rights of its folder",
    )
