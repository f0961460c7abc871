"""`line.tsv` and the stored segments made from it: which change outdates them, and a later due time told to the rest.

A segment holds when a refresher is due. Where that is put off and nothing else has changed, it is put off in the
segments too, and they stay valid. An earlier one outdates them all: a line may be storing the old one this moment.
"""

import contextlib
import os
from binascii import crc32

from vibeusage import cachefiles, files, paths, table, view
from vibeusage.errors import StorageError


def store_line(text: str) -> bool:
    """Write `line.tsv`, if that changes it, then a new generation, if need be; False: a newer version's stays.

    Raises StorageError.
    """
    path = paths.cache_dir() / "line.tsv"
    old = (files.read_private(path) or b"").decode("utf-8", "replace")
    known = table.parse(old, table.LINE_MAGIC, cachefiles.NEVER)
    if known and known.version != table.VERSION:
        return False
    if old != text:
        files.write_private(path, text.encode())
    stands = (files.read_private(paths.cache_dir() / "generation") or b"").startswith(_mark(text))
    if not stands or not known or _due_at(text) < known.refresh_due_at:
        new(text)
    return True


def new(text: str) -> None:
    """Every stored segment is outdated from here on; without a token too, should it not fit on the disk."""
    path = paths.cache_dir() / "generation"
    try:
        files.write_private(path, _mark(text) + os.urandom(3).hex().encode() + b"\n")
    except StorageError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _mark(text: str) -> bytes:
    """What the token of these rows begins with, so that a kill between rows and token is seen afterwards."""
    return b"%06x" % (crc32(text.partition("\n")[2].encode()) >> 8)


def _due_at(text: str) -> int:
    """When a refresher is due as it stands there, whatever the clock says."""
    known = table.parse(text, table.LINE_MAGIC, cachefiles.NEVER)
    return known.refresh_due_at if known else 0


def put_off(now: int) -> None:
    """Tell the segments that are valid the due time of `line.tsv`, where it is later than theirs."""
    folder = str(paths.cache_dir())
    token, known = view.read(folder, now)
    if not token or known is None:
        return
    for key in _keys(folder):
        found = cachefiles.stored(folder, key, now)
        if found and found[1] < known.refresh_due_at:
            text, _, until = found
            shown = view.Shown(text.decode("utf-8", "replace"), until)
            _store_again(folder, key, shown, token, known.refresh_due_at, now)


def _keys(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder + "/segments") if files.TEMP_MARK not in name]
    except OSError:
        return []


def _store_again(folder: str, key: str, shown: view.Shown, token: str, due_at: int, now: int) -> None:
    """With the instant at which a caller last had it rendered: a week later nobody wants it any more."""
    path = f"{folder}/segments/{key}"
    with contextlib.suppress(OSError):
        written = os.lstat(path)
        cachefiles.store(folder, key, shown, token, due_at, now)
        os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns), follow_symlinks=False)
