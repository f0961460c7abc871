"""Takes what other machines tell of calls into the store, part by part: each whole, or not at all."""

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from vibeusage import files
from vibeusage.errors import StorageError
from vibeusage.records import exports, store, sync
from vibeusage.records.place import usage_db
from vibeusage.records.store import Changed, Store

SUFFIX = ".calls"


class Joined(msgspec.Struct, kw_only=True):
    """Counts of files, of calls that were `added` or `changed`, and of what was left out, by reason."""

    files: int = 0
    added: int = 0
    changed: int = 0
    skipped: dict[str, int] = {}

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def count(self, changed: Changed) -> None:
        self.added += changed.added
        self.changed += changed.changed


class Found(NamedTuple):
    """A file below a folder of exports: `machine` is the folder it is in, "" at the top."""

    machine: str
    name: str
    path: str


def take(into: Store, lines: bytes, joined: Joined, *, is_shared: bool = False) -> None:
    """One part, in one transaction."""
    by_provider = defaultdict(list)
    for record in exports.records(lines, joined.skip):
        by_provider[record.provider].append(record)
    with into.transaction():
        for provider, some in by_provider.items():
            joined.count(into.take(provider, some, is_shared=is_shared))


def stream(into: Store, source: BinaryIO, joined: Joined) -> None:
    """All that another machine tells."""
    for _, lines in exports.read(source, joined.skip, lambda digest: True):
        if lines:
            take(into, lines, joined)


def listed(folder: Path, skip: Callable[[str], None]) -> Iterator[Found]:
    """The exports in a folder and in the folders of machines in it, by name. Raises OSError for the folder itself."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir(follow_symlinks=False):
            if _is_export(entry.name):
                yield Found("", entry.name, entry.path)
            continue
        try:
            names = sorted(os.listdir(entry.path))
        except OSError:
            skip("cannot be read")
            continue
        yield from (Found(entry.name, name, os.path.join(entry.path, name)) for name in names if _is_export(name))


def _is_export(name: str) -> bool:
    """Also copies with another name, which the services make of files that two have changed."""
    return SUFFIX in name and not name.startswith(".") and files.TEMP_MARK not in name


def opened(path: str) -> BinaryIO:
    """Raises OSError, also for what is behind a link and for what is no regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "no regular file")
    return os.fdopen(fd, "rb")


def run(join: Callable[[Store], None], joined: Joined, *, wait_s: float = 10.0) -> None:
    """With the store's lock; the prices of models that are new here are noted. Raises StorageError."""
    path = usage_db()
    with files.lock(path.parent / sync.LOCK, wait_s=wait_s) as got:
        if not got:
            raise StorageError("another program writes the records just now", hint="try again when it is done")
        with store.open(path) as into:
            join(into)
            if joined.added:
                from vibeusage.records import price_history  # most exchanges find nothing new

                price_history.note(into)
