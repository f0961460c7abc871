"""A reader that is a plugin: given the content of its logs, one after the other, by the sync, which opens them.

Its process lives as long as the reader object, or until it has had nothing to do for as long as it may work on one.
"""

import contextlib
import fnmatch
import os
import re
import subprocess
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from vibeusage.errors import ShapeError, VibeusageError
from vibeusage.plugins import manifest, process, sources, watch, wire
from vibeusage.plugins.approvals import Approval
from vibeusage.plugins.process import OUTPUT_MOST
from vibeusage.records.readers import spec
from vibeusage.records.readers.spec import MOST_TOKENS, Call, Misread, Places, Reader, ReadLater, Source

SECONDS = 15.0
GRACE_S = 2.0
ENDS_MOST = 3
TEXT_MOST = 300
KINDS = ("assistant", "subagent", "aggregate", "estimate")
NOTES = {"approximate", "disjoint", "long"}
SECRETS = re.compile(r"credential|oauth|^auth\.|secret|cookie|\.(key|pem)$", re.I)


def reader(known: Approval) -> Reader:
    said = known.manifest
    talk = _Talk(known)
    lines = spec.Lines(lambda block, source, state: talk.calls(block, source))
    return Reader(
        id=said.id,
        name=said.name,
        parser=int(known.sha256[:7], 16),
        roots=lambda places: [_expanded(root, places) for root in said.roots],
        find=lambda root: _found(root, said.files),
        form=lines if said.form == "lines" else spec.Document(talk.calls),
        prices="auto",
    )


def _expanded(root: str, places: Places) -> Path:
    return places.home / root[2:] if root.startswith("~/") else Path(root)


def _found(root: Path, pattern: str) -> Iterator[Path]:
    """Its files, but none that may hold a login."""
    closed = tuple(f"{path}/" for path in manifest.closed())
    for path in [root] if root.is_file() else sorted(root.rglob(pattern)):
        is_closed = f"{os.path.realpath(path)}/".startswith(closed) or SECRETS.search(path.name)
        if path.is_file() and fnmatch.fnmatch(path.name, os.path.basename(pattern)) and not is_closed:
            yield path


class _Talk:
    """The process, started for the first log; one that has failed ENDS_MOST times is not started again."""

    def __init__(self, known: Approval) -> None:
        self.known = known
        self.ends = 0
        self.is_hopeless = False
        self.why = ""
        self.running: _Running | None = None

    def calls(self, body: bytes, source: Source) -> Iterator[Call]:
        """Raises Misread for what is wrong with this log, ReadLater when the plugin itself does not do."""
        if self.why:
            raise ReadLater(self.why)
        try:
            for call in self._calls(body, source):
                yield _checked(call, self.known.id)
        except VibeusageError as exc:
            raise self._judged(exc) from None

    def _judged(self, error: VibeusageError) -> Exception:
        if isinstance(error, ShapeError):
            return Misread(str(error))
        self.ends += 1
        if self.ends == ENDS_MOST or self.is_hopeless:
            self.why = str(error)
        return ReadLater(str(error))

    def _calls(self, body: bytes, source: Source) -> Iterator[Call]:
        running, left, is_done = self._ready(), OUTPUT_MOST + 4 * len(body), False
        began = time.monotonic()
        try:
            running.send(wire.Log(str(source.path), body))
            while not is_done:
                message, size = running.heard(self.known.id, left)
                left -= size
                is_done = isinstance(message, wire.Crashed | wire.Raised) or (
                    isinstance(message, wire.Calls) and message.is_last
                )
                yield from self._said(message)
        except (EOFError, BrokenPipeError):
            code = running.code()
            # one that had nothing to do for as long is ended, too, perhaps at this very moment
            self.is_hopeless = code == watch.TOO_LATE and time.monotonic() - began >= SECONDS / 2
            raise process.ended(self.known.id, process.End(code, SECONDS)) from None
        finally:
            if not is_done:  # what it still has to say is of this log
                self.running = None
                running.end()

    def _said(self, message: wire.FromPlugin) -> Sequence[Call]:
        match message:
            case wire.Calls(calls, _):
                return calls
            case wire.Crashed() as crash:
                raise ShapeError(str(process.crashed(self.known.id, crash)))
            case wire.Raised() as raised:
                raise ShapeError(f"the plugin {self.known.id} does not understand it ({raised.category})")
            case wire.Caught(what):
                self.is_hopeless = True
                raise process.caught(self.known.id, what)
            case _:
                raise ShapeError(f"the plugin {self.known.id} gave something else than calls")

    def _ready(self) -> "_Running":
        if self.running is None or not self.running.has_more_time():
            found = sources.approved(self.known)
            self.running = _Running()
            self.running.send(process.start(found))
        return self.running


class _Running:
    """One process of a reader, which ends with this object."""

    def __init__(self) -> None:
        theirs, self.lifeline = os.pipe()
        try:
            self.process = subprocess.Popen(  # noqa: S603  (ourselves)
                process.command(theirs, SECONDS),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=process.environment(os.environ),
                cwd="/",
                pass_fds=(theirs,),
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self._finish = weakref.finalize(self, _end, self.process, self.lifeline)

    def has_more_time(self) -> bool:
        """Whether it lives, and has as much time again for what comes."""
        try:
            return self.process.poll() is None and bool(os.write(self.lifeline, b"."))
        except BrokenPipeError:
            return False

    def send(self, message: wire.ToPlugin) -> None:
        if self.process.stdin is None:
            raise AssertionError("it is a pipe")
        wire.write(self.process.stdin.fileno(), wire.frame(message))

    def heard(self, plugin_id: str, left: int) -> tuple[wire.FromPlugin, int]:
        """A message and its size. Raises EOFError; the process that watches keeps the time."""
        if self.process.stdout is None:
            raise AssertionError("it is a pipe")
        fd = self.process.stdout.fileno()
        (size,) = wire.LENGTH.unpack(wire.read(fd, wire.LENGTH.size))
        if size > left:
            raise process.flooded(plugin_id)
        return process.decoded(wire.read(fd, size), plugin_id), size

    def code(self) -> int | None:
        """Of one that has ended, or is about to."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(GRACE_S)
        return None

    def end(self) -> None:
        self._finish()


def _end(running: subprocess.Popen[bytes], lifeline: int) -> None:
    os.close(lifeline)  # which ends all that the plugin has started
    for stream in (running.stdin, running.stdout):
        if stream:
            stream.close()
    try:
        running.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def _checked(call: Call, plugin_id: str) -> Call:
    """Raises ShapeError for what our own readers would not give."""
    counts = (call.input, call.output, call.write, call.write_1h, call.read, call.rank, call.order, call.searches)
    texts = (call.uuid, call.session, call.model, call.folder, call.branch, call.version, call.served_by, call.speed)
    is_right = (
        all(0 <= count <= MOST_TOKENS for count in (*counts, call.cost or 0))
        and all(len(text) <= TEXT_MOST for text in texts)
        and call.write_1h <= call.write
        and call.kind in KINDS
        and NOTES.issuperset(call.notes)
        and call.data is None
    )
    if not is_right:
        raise ShapeError(f"the plugin {plugin_id} gave a call that cannot be one")
    return call
