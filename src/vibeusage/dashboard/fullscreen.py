"""The whole terminal without Textual: its other screen, keys as they are typed, and everything as it was afterwards.

Contracts: xterm's control sequences (1049 the other screen, 25 the cursor, 2026 one drawing), termios(3).
"""

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Generator, Sequence
from types import FrameType

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J", "\x1b[?25h\x1b[?1049l"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
KEYS = {b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down", b"\x1b": "escape"}
WATCHED = (signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)


class Screen:
    """While it is `opened`: draws lines and waits for keys."""

    def __init__(self) -> None:
        self._out, self._in = sys.stdout, sys.stdin.fileno()
        self._drawn: list[str] = []
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before: list | None = None

    @contextlib.contextmanager
    def opened(self) -> Generator[None]:
        handlers = {number: signal.signal(number, _heard) for number in WATCHED}
        waker = signal.set_wakeup_fd(self._waker)
        self._enter()
        try:
            yield
        finally:
            self._leave()
            signal.set_wakeup_fd(waker)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.close(self._woken), os.close(self._waker)

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        found = os.get_terminal_size(self._out.fileno())
        return max(1, found.columns), max(1, found.lines)

    def draw(self, lines: Sequence[str]) -> None:
        """The rows that have changed; `lines` fill the screen."""
        old = self._drawn if len(self._drawn) == len(lines) else [None] * len(lines)
        rows = [(at, new) for at, (before, new) in enumerate(zip(old, lines, strict=True), 1) if before != new]
        if rows:
            self._write(BEGIN + "".join(f"\x1b[{at};1H\x1b[2K{text}" for at, text in rows) + END)
        self._drawn = list(lines)

    def key(self, timeout_s: float) -> str | None:
        """A key, "resize", "quit" when the terminal or somebody wants that, None after the time."""
        readable, _, _ = select.select([self._in, self._woken], [], [], timeout_s)
        if self._woken in readable:
            return self._signalled(os.read(self._woken, 100))
        if self._in not in readable:
            return None
        typed = os.read(self._in, 100)
        return KEYS.get(typed, typed[:1].decode("ascii", "replace")) if typed else "quit"

    def _signalled(self, numbers: bytes) -> str | None:
        if {signal.SIGTERM, signal.SIGHUP} & {*numbers}:
            return "quit"
        if signal.SIGTSTP in numbers:
            self._leave()
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)  # stops here, until somebody continues it
            signal.signal(signal.SIGTSTP, _heard)
            self._enter()
        elif signal.SIGWINCH in numbers:
            self._drawn = []
            self._write("\x1b[2J")
        return "resize"

    def _enter(self) -> None:
        self._drawn = []
        if os.isatty(self._in):
            self._before = termios.tcgetattr(self._in)
            tty.setcbreak(self._in)
        self._write(ENTER)

    def _leave(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone
            self._write(LEAVE)
        if self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._in, termios.TCSADRAIN, self._before)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _heard(number: int, frame: FrameType | None) -> None:
    """The number comes through the pipe."""
