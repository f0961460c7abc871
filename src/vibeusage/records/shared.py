"""ENGINE: one exchange with the folder that several machines share, each with files of its own below its own number.

    FOLDER/0123…cdef/2026-11-26.calls     a day of the latest month
    FOLDER/0123…cdef/2026-10.calls        a month before it

A machine writes no files but its own, and those only when their content changes; what it reads of others it does not
tell again. What it finds in the place of its own that it did not write (a copy by a service, another machine with the
same number, its own past after the store was lost) is read like that of others before it is written over. No clock
has a say: what is new is told by digests.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import BinaryIO

from vibeusage import files
from vibeusage.config import Config
from vibeusage.errors import ConfigError, StorageError
from vibeusage.records import exports, joining, machine
from vibeusage.records.days import after
from vibeusage.records.joining import SUFFIX, Found, Joined
from vibeusage.records.store import Store

_OURS = re.compile(rf"(\d{{4}}-\d\d(?:-\d\d)?){re.escape(SUFFIX)}")
_EPOCH = date(1970, 1, 1)
DAY_MS = 86_400_000
MONTH = len("2026-11")


class Exchanged(Joined, kw_only=True):
    """`machines` are the others; `written` counts files of our own; not `is_done`: there was no time for the rest."""

    folder: str = ""
    machines: int = 0
    written: int = 0
    is_done: bool = True


def exchange(folder: Path, *, budget_s: float = float("inf"), wait_s: float = 10.0, is_asked: bool = True) -> Exchanged:
    """Read what is new in `folder` and write what is new here, for about `budget_s`; the rest is for the next time.

    Raises StorageError, also when the folder is not there. Unless a person asked for it, a folder in which nothing is
    left of what was there is not written to: its disk may not be mounted.
    """
    if not folder.is_dir():
        hint = "make it, or name another one: `vibeusage config set machines.folder PATH`"
        raise StorageError(f"the folder of several machines, {folder}, is not there", hint=hint)
    told = Exchanged(folder=os.path.realpath(folder))
    job = _Exchange(told, machine.id(), time.monotonic() + budget_s, is_asked)
    joining.run(job.run, told, wait_s=wait_s)
    return told


def folder(settings: Config) -> Path:
    """Raises ConfigError when the settings name none."""
    if not settings.machines.folder:
        hint = "`vibeusage config set machines.folder PATH`: a folder that your machines share"
        raise ConfigError("no folder of several machines is set", hint=hint)
    return Path(settings.machines.folder).expanduser()


class _Exchange:
    def __init__(self, told: Exchanged, number: str, until: float, is_asked: bool) -> None:
        self.told = told
        self.number = number
        self.until = until
        self.is_asked = is_asked
        self.own: dict[str, bytes] = {}  # our files as they are, {name: digest}
        self.unread: set[str] = set()  # ours that could not be read to the end

    def run(self, into: Store) -> None:
        try:
            found = list(joining.listed(Path(self.told.folder), self.told.skip))
        except OSError as exc:
            hint = "check its rights, and whether its disk is there"
            raise StorageError(f"{self.told.folder} cannot be read: {exc.strerror}", hint=hint) from exc
        if not found and not self.is_asked and into.shared().files():
            hint = "`vibeusage db merge` writes this machine's files anew"
            raise StorageError(f"{self.told.folder} is empty, which it was not: is its disk there?", hint=hint)
        self.told.machines = len({each.machine for each in found} - {self.number, ""})
        self._read(into, found)
        if self._has_time():
            self._write(into)

    def _has_time(self) -> bool:
        self.told.is_done = self.told.is_done and time.monotonic() < self.until
        return self.told.is_done

    def _read(self, into: Store, found: Iterable[Found]) -> None:
        known = into.shared().parts()
        met: set[bytes] = set()
        for each in sorted(found, key=lambda each: each.machine != self.number):
            try:
                with joining.opened(each.path) as stream:
                    self._file(into, each, stream, known, met)
            except FileNotFoundError:
                continue
            except OSError:
                self.told.skip("cannot be read")
            if not self.told.is_done:
                return
        into.shared().drop_parts(known - met)

    def _file(self, into: Store, each: Found, stream: BinaryIO, known: set[bytes], met: set[bytes]) -> None:
        is_own, name = each.machine == self.number, _name(each.name)
        if is_own and name:
            self.unread.add(name)
        self.told.files += 1
        for head, lines in exports.read(stream, self.told.skip, lambda digest: digest not in known | met):
            if lines:
                with into.transaction():
                    joining.take(into, lines, self.told, is_shared=not is_own)
                    into.shared().add_parts([head.digest])
                if not self._has_time():
                    return
            if head.size:
                met.add(head.digest)
            elif is_own and name:
                self.own[name] = head.digest
                self.unread.discard(name)

    def _write(self, into: Store) -> None:
        shared = into.shared()
        noted = shared.files()
        days = {_of_day(day) for day in shared.days(self.told.folder)}
        there = noted.keys() | self.own.keys()
        stale = {name for name in there if noted.get(name) != self.own.get(name)} | self.unread | days
        latest = max(there | stale, default="")[:MONTH]
        stale |= {name for name in there if len(name) > MONTH and name[:MONTH] < latest}
        for name in sorted({name if name[:MONTH] == latest else name[:MONTH] for name in stale}):
            if not self._has_time():
                return
            self._tell(into, name, [day for day in there if len(name) == MONTH and day.startswith(f"{name}-")])
        files.sweep(self._path("").parent, now=time.time())

    def _tell(self, into: Store, name: str, instead: list[str]) -> None:
        """Write a day or a month as it stands, in the place of the month's days."""
        days = _days(name)
        parts = list(exports.parts(into.own_calls(days.start * DAY_MS, days.stop * DAY_MS)))
        digests = [part.digest for part in parts]
        digest = exports.digest_of(digests) if parts else self.own.get(name)
        if parts and self.own.get(name) != digest:
            data = b"".join([*(part.data for part in parts), exports.end(digests)])
            files.write_private(self._path(name), data)
            self.told.written += 1
        with into.transaction():
            into.shared().add_parts(digests)
            into.shared().wrote(name, digest, days, instead)
        for day in instead:
            if day not in self.unread:
                with contextlib.suppress(OSError):
                    os.unlink(self._path(day))

    def _path(self, name: str) -> Path:
        return Path(self.told.folder, self.number, f"{name}{SUFFIX}")


def _name(file: str) -> str:
    """The day or month that a file of this name tells of; "" for one that we did not name."""
    found = _OURS.fullmatch(file)
    try:
        return found[1] if found and _days(found[1]) else ""
    except ValueError:
        return ""


def _of_day(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


def _days(name: str) -> range:
    """The days since 1970 of a day or month."""
    is_month = len(name) == MONTH
    first = date.fromisoformat(f"{name}-01" if is_month else name)
    return range((first - _EPOCH).days, (after("monthly" if is_month else "daily", first) - _EPOCH).days)
