"""The process in which a plugin's code runs: fenced in first, then it answers one piece of work after the other.

Its own way out is one pipe, which the plugin does not know of; what it prints goes nowhere.
"""

import importlib
import os
import resource
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from vibeusage import plugin
from vibeusage.errors import AuthError, Forbidden, RateLimited, ShapeError, StrategyError, Unavailable
from vibeusage.plugins import fence, landlock, seccomp, wire

MEMORY = 1 << 30
CPU_S = 600
LIMITS = {"AS": MEMORY, "CPU": CPU_S, "NOFILE": 64, "NPROC": 0, "FSIZE": 0, "CORE": 0}
CAUGHT = 97
TOGETHER = 200  # calls in a frame
MESSAGE_MOST = 200
RAISED = (AuthError, Forbidden, RateLimited, ShapeError, Unavailable)


class Channel:
    """Both ends of the way to us."""

    def __init__(self) -> None:
        self._in, self._out = os.dup(0), os.dup(1)
        self._decoder = msgspec.msgpack.Decoder(wire.ToPlugin)

    def get(self) -> wire.ToPlugin:
        """The next frame; the end of the process when there is none."""
        try:
            (size,) = wire.LENGTH.unpack(wire.read(self._in, wire.LENGTH.size))
            return self._decoder.decode(wire.read(self._in, size))
        except EOFError:
            os._exit(0)

    def put(self, message: wire.FromPlugin) -> None:
        wire.write(self._out, wire.frame(message))

    def ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> bytes:
        self.put(wire.Ask(method=method, url=url, headers=dict(headers), content=content))
        match self.get():
            case wire.Reply(body):
                return body
            case wire.Failure(category, message, number):
                raise _error(category, message, number)
        raise AssertionError("an Ask has a Reply or a Failure")


def main() -> None:
    channel = Channel()
    _silence()
    start = channel.get()
    if not isinstance(start, wire.Start):
        raise AssertionError("the first frame is a Start")
    _fence_in(start, channel)
    function = _done(lambda: _function(start), start, channel)
    while function:
        work = channel.get()
        _done(lambda work=work: _answer(function, work, channel), start, channel)


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _fence_in(start: wire.Start, channel: Channel) -> None:
    def refuse(what: str) -> NoReturn:
        channel.put(wire.Caught(what))
        os._exit(CAUGHT)

    for name, most in LIMITS.items():
        with suppress(AttributeError, ValueError, OSError):  # not every system has each
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    landlock.restrict(start.readable)
    seccomp.restrict()
    fence.put_up(start.readable, start.closed, refuse)


def _function(start: wire.Start) -> Callable[[Any], Any]:
    name = "fetch" if start.kind == "provider" else "read"
    if start.module:
        sys.dont_write_bytecode = True
        sys.pycache_prefix = os.devnull  # what was approved are the sources
        sys.path[:0] = start.folders  # before any other module of that name
        return getattr(importlib.import_module(start.module), name)
    module: dict[str, Any] = {"__name__": Path(start.file).stem, "__file__": start.file}
    exec(compile(start.source, start.file, "exec", dont_inherit=True), module)  # noqa: S102  (what a person approved)
    return module[name]


def _answer(function: Callable[[Any], Any], work: wire.ToPlugin, channel: Channel) -> None:
    match work:
        case wire.Fetch():
            now = work.now.astimezone(UTC)
            request = plugin.Request(login=work.login, variables=work.variables, now=now, ask=channel.ask)
            channel.put(wire.Answered(_of_type(function(request), plugin.Usage)))
        case wire.Log(path, body):
            found = iter(function(plugin.Log(Path(path), body)))
            while some := [_of_type(call, plugin.Call) for call in islice(found, TOGETHER)]:
                channel.put(wire.Calls(some, is_last=False))
            channel.put(wire.Calls([], is_last=True))


def _of_type(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ShapeError(f"it gave {type(value).__name__} where {kind.__name__} belongs")
    return value


def _done(step: Callable[[], Any], start: wire.Start, channel: Channel) -> Any:
    """What a step gives; None when it raises, of which the type and place are told."""
    try:
        return step()
    except RAISED as exc:
        channel.put(wire.Raised(exc.category, str(exc)[:MESSAGE_MOST], getattr(exc, "number", -1)))
    except BaseException as exc:
        channel.put(wire.Crashed(type(exc).__name__[:60], _place(exc, start)))


def _place(exc: BaseException, start: wire.Start) -> str:
    """File and line of the plugin's own code; no source is read for it."""
    if isinstance(exc, SyntaxError) and exc.lineno:
        return f"{os.path.basename(exc.filename or start.file)}:{exc.lineno}"
    last, step = "", exc.__traceback__
    while step:
        code = step.tb_frame.f_code
        if _is_own(code.co_filename, start):
            last = f"{os.path.basename(code.co_filename)}:{step.tb_lineno} {code.co_name}"
        step = step.tb_next
    return last


def _is_own(file: str, start: wire.Start) -> bool:
    return file == start.file or bool(start.module and file.startswith(os.path.dirname(start.file) + os.sep))


def _error(category: str, message: str, number: int) -> StrategyError:
    kinds = {kind.category: kind for kind in (AuthError, Forbidden, ShapeError, Unavailable)}
    error: StrategyError = (
        RateLimited(message, retry_at=datetime.now(UTC))
        if category == RateLimited.category
        else kinds.get(category, StrategyError)(message)
    )
    error.number = number  # ty: ignore[missing-attribute]
    return error
