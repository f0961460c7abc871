"""The records of another machine, asked for through ssh: it runs `vibeusage db export -`, and we take what that prints.

The address is a person's, but no part of it can become an option or a command: it is checked, and ssh gets a list.
"""

import contextlib
import io
import os
import re
import selectors
import subprocess
import time
from collections.abc import Generator, Mapping
from typing import IO, BinaryIO, NamedTuple

from vibeusage import programs
from vibeusage.errors import ConfigError, ShapeError, Unavailable
from vibeusage.escape import clean
from vibeusage.records import exports

PREFIX = "ssh://"
BYTES_MOST = 4 << 30
NOISE_MOST = 64 << 10  # what a login script there prints before
SAID_MOST = 4096
TOTAL_S = 3600.0
SILENCE_S = 120.0
GRACE_S = 5.0
NOT_FOUND = 127
EXPORT = "vibeusage", "db", "export", "-"
# a shell that is no login shell often does not look where pip and uv put programs; every shell knows ~
ELSEWHERE = "~/.local/bin/vibeusage", "db", "export", "-"
_ADDRESS = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>\d{1,5}))?/?"
)
_START = re.compile(rb"(?:\A|\n)((?:%b|%b) )" % (exports.CALLS, exports.END))
_PASSED_ON = re.compile(r"SSH_\w+|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|KRB5CCNAME|TERM|GPG_TTY")


class Address(NamedTuple):
    host: str
    user: str = ""
    port: int | None = None


def address(text: str) -> Address:
    """Raises ConfigError for what is none."""
    found = _ADDRESS.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if not found or (port is not None and port not in range(1, 65_536)):
        hint = "such as ssh://desk, ssh://me@desk.example:2222, or a name of ~/.ssh/config"
        raise ConfigError(f"{clean(text, 200)!r} is not the address of a machine", hint=hint)
    return Address(found["host"].strip("[]"), found["user"] or "", port)


def argv(of: Address, command: tuple[str, ...] = EXPORT) -> list[str]:
    port = ["-p", str(of.port)] if of.port else []
    return ["ssh", "-T", *port, "--", f"{of.user}@{of.host}" if of.user else of.host, *command]


@contextlib.contextmanager
def export(of: Address, environ: Mapping[str, str]) -> Generator[BinaryIO]:
    """What the other machine prints, without what comes before its records.

    Raises Unavailable when ssh or the program there fails, says nothing for `SILENCE_S` or goes on for too long,
    ShapeError when it floods or prints something else; also at the end, when the records were taken.
    """
    until = time.monotonic() + TOTAL_S
    for command in (EXPORT, ELSEWHERE):
        with _Program(of, command, environ, until) as program:
            if program.has_begun():
                yield io.BufferedReader(program)
                program.finish()
                return
            if program.code() != NOT_FOUND or command is ELSEWHERE:
                program.finish()
                raise ShapeError(f"{of.host} printed no records", hint=program.hint)


class _Program(io.RawIOBase):
    """ssh with a command: its output to be read once, and the end of its complaints."""

    def __init__(self, of: Address, command: tuple[str, ...], environ: Mapping[str, str], until: float) -> None:
        super().__init__()
        self._host = of.host
        self.hint = f"try `ssh {of.host} vibeusage db export - | wc -c`"
        self._until = until
        self._held, self._said = b"", b""
        self._bytes = 0
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(  # noqa: S603
                argv(of, command), env=_passed_on(environ), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
            )
        except OSError as exc:
            hint = "install ssh, or carry a file: `vibeusage db export FILE` there, `vibeusage db merge FILE` here"
            raise Unavailable(f"ssh cannot be run: {exc.strerror}", hint=hint) from exc
        self._out, self._err = _there(self._process.stdout), _there(self._process.stderr)
        self._selector = selectors.DefaultSelector()
        for each in (self._out, self._err):
            self._selector.register(each, selectors.EVENT_READ)

    def has_begun(self) -> bool:
        """Whether it prints records, before which a login script may have said something."""
        held = b""
        while not (found := _START.search(held)):
            if len(held) > NOISE_MOST:
                raise ShapeError(f"{self._host} prints something else than records", hint=self.hint)
            chunk = self._next(1 << 16)
            if not chunk:
                return False
            held += chunk
        self._held = held[found.start(1) :]
        return True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._held or self._next(len(buffer))
        taken, self._held = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _next(self, size: int) -> bytes:
        """Some of what it prints, b"" at its end; what it complains of meanwhile is kept."""
        while self._selector.get_map():
            ready = self._selector.select(max(0.0, min(SILENCE_S, self._until - time.monotonic())))
            if not ready:
                raise Unavailable(f"{self._host} said nothing for too long", hint=self.hint)
            for key, _ in ready:
                chunk = self._counted(os.read(key.fd, min(size, 1 << 16)))
                if not chunk:
                    self._selector.unregister(key.fileobj)
                elif key.fileobj is self._err:
                    self._said = (self._said + chunk)[-SAID_MOST:]
                else:
                    return chunk
        return b""

    def _counted(self, chunk: bytes) -> bytes:
        self._bytes += len(chunk)
        if self._bytes > BYTES_MOST:
            raise ShapeError(f"{self._host} prints more than {BYTES_MOST:,} bytes", hint=self.hint)
        return chunk

    def code(self) -> int:
        """How it ended, after its output did."""
        try:
            return self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired as exc:
            raise Unavailable(f"ssh {self._host} does not end", hint=self.hint) from exc

    def finish(self) -> None:
        """Raises Unavailable when it does not end well."""
        while self._next(1 << 16):
            pass
        if code := self.code():
            said = self._said.decode("utf-8", "replace").strip().rpartition("\n")[2] or "it says nothing"
            raise Unavailable(f"ssh {self._host} ended with {code}: {clean(said, 300)}", hint=self.hint)

    def close(self) -> None:
        if not self.closed and hasattr(self, "_process"):
            self._process.kill()
            self._process.wait()
            for each in (self._out, self._err, self._selector):
                each.close()
        super().close()


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("both are pipes")
    return pipe


def _passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """What ssh needs, and no variable that may hold a secret."""
    passed = (programs.PASSED_ON, _PASSED_ON)
    return {name: value for name, value in environ.items() if any(each.fullmatch(name) for each in passed)}
