"""ENGINE: reads what is new in the logs of one provider, and puts its calls and how far it got into the store.

A file's calls and its new state go into one transaction, so that a kill at any point costs work, never a number.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from vibeusage.records import logfiles, merge
from vibeusage.records.logfiles import ChangedMeanwhile, Seen
from vibeusage.records.readers.spec import Call, Database, Document, Lines, Misread, Places, Reader, ReadLater, Source
from vibeusage.records.readers.values import FIRST_MS
from vibeusage.records.source_files import SourceFile
from vibeusage.records.store import Store

BATCH = 20_000
FUTURE_MS = 86_400_000
MOST_OF_ONE = 1 << 43  # tokens of one call; sums of these stay within 64 bits
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
UNREAD = 0  # an mtime that no file has: to be looked at again
_AWAITS = "awaits"  # in the state of a file, beside what the reader keeps there

OnProgress = Callable[[str, int, int], None]  # provider, bytes read, bytes to read


class FileError(msgspec.Struct, frozen=True):
    path: str
    error: str


class ProviderSync(msgspec.Struct, kw_only=True):
    """What one provider's logs gave: `read`, `unchanged` and `gone` count files, `added` and `changed` calls."""

    provider: str
    files: int = 0
    read: int = 0
    unchanged: int = 0
    gone: int = 0
    bytes: int = 0
    added: int = 0
    changed: int = 0
    skipped: dict[str, int] = {}
    errors: list[FileError] = []

    def skip(self, reason: str, count: int = 1) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + count


class _File(NamedTuple):
    seen: Seen
    form: Lines | Document | Database
    parser: int

    def state(self) -> SourceFile:
        """What is known of it before it is read."""
        seen = self.seen
        return SourceFile(
            path=seen.path,
            dev=seen.dev,
            inode=seen.inode,
            size=seen.size,
            mtime_ns=seen.mtime_ns,
            parser=self.parser,
            tail=seen.log,
        )


class _ReaderFailed(Exception):
    """A reader met what it does not expect; the text names kind and place only, no content."""


class Job:
    """One provider's run: calls and file states that wait for their transaction, and the figures."""

    def __init__(self, provider: str, into: Store, machine: str, on_progress: OnProgress | None) -> None:
        self.provider = provider
        self.store = into
        self.machine = machine
        self.on_progress = on_progress
        self.now_ms = time.time_ns() // 1_000_000
        self.result = ProviderSync(provider=provider)
        self.calls: dict[str, Call] = {}
        self.states: list[SourceFile] = []
        self.total = 0
        self.roots: dict[str, None] = {}
        self.found: dict[str, _File] = {}

    def run(self, readers: Iterable[Reader], places: Places, roots: Sequence[Path], *, full: bool) -> None:
        known = self.store.sources(self.provider)
        found = self.found = self._found(readers, places, roots)
        kept = {} if full else _kept(known, found)
        new = [file for path, file in found.items() if not _is_known(file, kept.get(path))]
        self.result.files = len(found)
        self.result.unchanged = len(found) - len(new)
        self.total = sum(_to_read(file.seen, kept.get(file.seen.path)) for file in new)
        for file in sorted(new, key=lambda file: file.seen):
            self._file(file, kept.get(file.seen.path))
        self._mark_gone(known, found)
        self._flush()

    def _found(self, readers: Iterable[Reader], places: Places, named: Sequence[Path]) -> dict[str, _File]:
        """Every file by its path; the first of several readers that claim one has it."""
        found: dict[str, _File] = {}
        for reader in readers:
            try:
                roots = named or _guarded(lambda reader=reader: reader.roots(places))
                listed = _guarded(lambda reader=reader, roots=roots: logfiles.listed(reader, roots, self._refuse))
            except _ReaderFailed as exc:
                self.result.errors.append(FileError("", str(exc)))
                continue
            self.roots |= {os.fspath(root): None for root in roots if os.path.exists(root)}
            for seen in listed:
                found.setdefault(seen.path, _File(seen, reader.form_of(seen.path), reader.parser))
        return found

    def _refuse(self, path: str, reason: str) -> None:
        self.result.skip(reason)

    def _file(self, file: _File, known: SourceFile | None) -> None:
        source = Source(Path(file.seen.path), Path(file.seen.root), self.found)
        before: dict[str, int] = {}
        try:
            start = file.state() if known is None else _start(file, known)
            before = dict(start.skipped)
            source.skipped.update(before)
            self._read(file, start, source)
            self.result.read += 1
        except ChangedMeanwhile:
            self.result.skip("changed while it was read")
        except ReadLater as exc:
            self._later(str(exc))
        except FileNotFoundError:
            self.result.files -= 1
        except OSError as exc:
            again = msgspec.structs.replace(known or file.state(), mtime_ns=UNREAD)
            self._fail(again, known, exc.strerror or type(exc).__name__)
        except (_ReaderFailed, sqlite3.Error) as exc:
            self._fail(file.state(), known, str(exc if isinstance(exc, _ReaderFailed) else _told(exc)))
        for reason, count in source.skipped.items():
            if count > before.get(reason, 0):
                self.result.skip(reason, count - before.get(reason, 0))
        if len(self.calls) >= BATCH:
            self._flush()

    def _read(self, file: _File, start: SourceFile, source: Source) -> None:
        match file.form:
            case Lines() as form:
                self._lines(form, file.seen, start, source)
            case Document() as form:
                self._document(form, file.seen, start, source)
            case Database() as form:
                self._database(form, file.seen, start, source)

    def _lines(self, form: Lines, seen: Seen, start: SourceFile, source: Source) -> None:
        state: dict[str, Any] = msgspec.msgpack.decode(start.state)
        offset = start.offset
        with logfiles.opened(seen.path) as fd:
            for block, offset in logfiles.blocks(fd, start.offset, seen.size, source):
                self._take(lambda block=block: form.read(block, source, state), source)
                self._progress(len(block))
                if len(self.calls) >= BATCH:
                    self.states.append(_at(fd, start, offset, state, source, mtime_ns=UNREAD))
                    self._flush()
            if offset < seen.size:
                self._rest(form, fd, offset, seen, state, source)
            self.states.append(_at(fd, start, offset, state, source, mtime_ns=seen.mtime_ns))

    def _rest(self, form: Lines, fd: int, offset: int, seen: Seen, state: dict[str, Any], source: Source) -> None:
        """Count a last line without its newline if it is a call, as if it were not read."""
        scratch = Source(source.path, source.root, source.others)
        line = logfiles.rest(fd, offset, seen.size, scratch)
        if scratch.skipped:
            self.result.skip("line too long")
        copy = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
        if line:
            self._take(lambda: form.read(line, scratch, copy), scratch)
        source.awaits = source.awaits or scratch.awaits

    def _document(self, form: Document, seen: Seen, start: SourceFile, source: Source) -> None:
        with logfiles.opened(seen.path) as fd:
            data = logfiles.document(fd, seen, source)
        if data:
            self._take(lambda: form.read(data, source), source)
        self._progress(len(data))
        self.states.append(msgspec.structs.replace(start, state=_packed({}, source), skipped=dict(source.skipped)))

    def _database(self, form: Database, seen: Seen, start: SourceFile, source: Source) -> None:
        mark: dict[str, Any] = msgspec.msgpack.decode(start.state)
        with logfiles.database(seen.path, self.store.path.parent) as (connection, is_true):
            calls, mark = _guarded(lambda: form.read(connection, source, mark))
            found = _each(calls)
            while some := list(islice(found, BATCH // 4)):
                if not is_true():
                    raise ChangedMeanwhile
                self._take(lambda some=some: some, source)
                if len(self.calls) >= BATCH:
                    self._flush()
            if not is_true():
                raise ChangedMeanwhile
        self._progress(seen.size)
        self.states.append(msgspec.structs.replace(start, state=_packed(mark, source), skipped=dict(source.skipped)))

    def _take(self, read: Callable[[], Iterable[Call]], source: Source) -> None:
        latest = self.now_ms + FUTURE_MS
        for call in _each(_guarded(read)):
            if not FIRST_MS <= call.ts <= latest:
                source.skip("future" if call.ts > latest else "too old")
            elif max(call.input, call.output, call.write, call.read) > MOST_OF_ONE or not call.uuid:
                source.skip("no call")
            else:
                merge.fold(self.calls, call)

    def _fail(self, state: SourceFile, known: SourceFile | None, error: str) -> None:
        """Tell, and remember: what failed for its content is not tried again until that changes."""
        self.result.errors.append(FileError(state.path, error))
        failed = msgspec.structs.replace(state, error=error)
        if failed != known:
            self.states.append(failed)

    def _later(self, why: str) -> None:
        self.result.skip("left for later")
        if all(each.error != why for each in self.result.errors):
            self.result.errors.append(FileError("", why))

    def _mark_gone(self, known: Mapping[str, SourceFile], found: Mapping[str, _File]) -> None:
        """Files vanish, their calls stay."""
        for path, state in known.items():
            if path not in found:
                self.result.gone += 1
                if not state.gone and not os.path.lexists(path):
                    self.states.append(msgspec.structs.replace(state, gone=True))

    def _flush(self) -> None:
        if not self.calls and not self.states:
            return
        with self.store.transaction():
            changed = self.store.put(self.provider, self.calls.values(), machine=self.machine or _hostname())
            for state in self.states:
                self.store.save_source(self.provider, state, now_ms=self.now_ms)
            self.store.synced(self.provider, os.pathsep.join(self.roots), now_ms=self.now_ms)
        self.result.added += changed.added
        self.result.changed += changed.changed
        self.calls.clear()
        self.states.clear()

    def _progress(self, size: int) -> None:
        self.result.bytes += size
        if self.on_progress:
            self.on_progress(self.provider, self.result.bytes, self.total)


def _hostname() -> str:
    import socket  # most syncs find nothing new

    return socket.gethostname()


def _start(file: _File, known: SourceFile) -> SourceFile:
    """Where reading begins: where it ended, or at the beginning."""
    anew, seen = file.state(), file.seen
    match file.form:
        case Database() if (known.dev, known.inode, known.parser) == (seen.dev, seen.inode, file.parser):
            return msgspec.structs.replace(anew, state=known.state)
        case Lines():
            with logfiles.opened(seen.path) as fd:
                if logfiles.has_grown_only(fd, known, seen, file.parser):
                    return msgspec.structs.replace(anew, offset=known.offset, state=known.state, skipped=known.skipped)
    return anew


def _is_known(file: _File, known: SourceFile | None) -> bool:
    return logfiles.is_same(known, file.seen, file.parser)


def _kept(known: Mapping[str, SourceFile], found: Mapping[str, _File]) -> Mapping[str, SourceFile]:
    """Without the files that were read while another one was missing which is there now."""
    come = [path for path in found if path not in known or known[path].gone]
    return {path: state for path, state in known.items() if not _awaited(state, come)} if come else known


def _awaited(state: SourceFile, come: Iterable[str]) -> bool:
    name = msgspec.msgpack.decode(state.state).get(_AWAITS) if _AWAITS.encode() in state.state else ""
    return bool(name) and any(name in one for one in come)


def _to_read(seen: Seen, known: SourceFile | None) -> int:
    return max(0, seen.size - known.offset) if known else seen.size


def _at(fd: int, start: SourceFile, offset: int, state: dict[str, Any], source: Source, *, mtime_ns: int) -> SourceFile:
    """What is known of a file of lines that was read as far as `offset`."""
    head, tail = logfiles.marks(fd, offset)
    return msgspec.structs.replace(
        start,
        mtime_ns=mtime_ns,
        offset=offset,
        head=head,
        tail=tail,
        state=_packed(state, source),
        skipped=dict(source.skipped),
    )


def _packed(state: dict[str, Any], source: Source) -> bytes:
    return msgspec.msgpack.encode(state | {_AWAITS: source.awaits} if source.awaits else state)


def _guarded(read: Callable[[], Any]) -> Any:
    """What a reader returns; a mistake of it is told by kind and place, since its text may quote a conversation."""
    try:
        return read()
    except ReadLater:
        raise
    except Exception as exc:
        raise _told(exc) from None


def _each(calls: Iterable[Call]) -> Iterator[Call]:
    """The same for a reader that makes its calls one by one."""
    try:
        yield from calls
    except ReadLater:
        raise
    except Exception as exc:
        raise _told(exc) from None


def _told(exc: Exception) -> _ReaderFailed:
    if isinstance(exc, Misread):
        return _ReaderFailed(str(exc))
    if getattr(exc, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        return _ReaderFailed("no database, or a damaged one; it is read again when it has changed")
    import traceback

    frame = traceback.extract_tb(exc.__traceback__)[-1]
    return _ReaderFailed(f"{type(exc).__name__} at {os.path.basename(frame.filename)}:{frame.lineno}")
