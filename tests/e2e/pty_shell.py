"""A real shell in a pseudo-terminal, with pyte as the terminal it draws on."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from pathlib import Path

import pyte

SHELL = Path(__file__).resolve().parents[2] / "shell"
CTRL_A, CTRL_C, CTRL_D, CTRL_E, CTRL_U = "\x01", "\x03", "\x04", "\x05", "\x15"
LEFT, UP, BACKSPACE, ENTER = "\x1b[D", "\x1b[A", "\x7f", "\r"
DEADLINE_S = 10.0


class Terminal:
    """The child's screen. Everything waits for what is on it, never for a fixed time."""

    def __init__(self, argv: list[str], *, env: dict[str, str], cwd: Path, columns: int = 80, lines: int = 24):
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.chdir(cwd)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execvpe(argv[0], argv, env)
        self.screen.write_process_input = lambda data: self.send(
            data
        )  # answers the terminal's identity, which fish 4 asks for

    def send(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def run(self, command: str) -> None:
        self.send(command + ENTER)

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def cursor(self) -> tuple[int, int]:
        return self.screen.cursor.y, self.screen.cursor.x

    def pump(self, seconds: float) -> bool:
        """Draw what arrives; False once nothing came for `seconds`."""
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # the child is gone
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def settle(self, quiet_s: float = 0.1) -> str:
        while self.pump(quiet_s):
            pass
        return self.text()

    def wait(self, pattern: str, *, seconds: float = DEADLINE_S) -> str:
        """The screen's text once `pattern` (a regular expression over its lines) is found there."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text(), re.MULTILINE):
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} never appeared on:\n{self.text()}")
            self.pump(0.05)
        return self.text()

    def ended(self, *, seconds: float = DEADLINE_S) -> int:
        """The exit status, once the child is gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.pump(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"still running:\n{self.text()}")

    def close(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def colours(self, word: str) -> set[str]:
        """The foreground colours in which `word` is drawn, wherever it is on the screen."""
        found = set()
        for y, line in enumerate(self.screen.display):
            start = line.find(word)
            if start >= 0:
                found |= {self.screen.buffer[y][x].fg for x in range(start, start + len(word))}
        return found


EDITING = (
    ("a line that wraps", "echo abcdefghij klmnopqrst uvwxyz 0123456789 abcdefghij klmnopq"),
    ("to its start", CTRL_A),
    ("inserting there", "X"),
    ("to its end and back", CTRL_E + LEFT * 12),
    ("inserting in the second row", "YYY"),
    ("deleting across the wrap", BACKSPACE * 30),
    ("running it", CTRL_A + "echo " + ENTER),
    ("recalling it", UP),
    ("editing what was recalled", LEFT * 5 + BACKSPACE * 3 + "Z"),
    ("clearing the line", CTRL_E + CTRL_U),
    ("a short line", "true" + ENTER),
)


def differences(seen: Terminal, expected: Terminal) -> list[str]:
    """Types `EDITING` into both; the steps after which screens or cursors are not the same."""
    different = []
    for name, keys in EDITING:
        for one in (seen, expected):
            one.send(keys)
        for one in (seen, expected):
            one.settle(0.03)
        end = time.monotonic() + 3
        while (same := (seen.text(), seen.cursor()) == (expected.text(), expected.cursor())) is False:
            if time.monotonic() > end:
                break
            seen.pump(0.05), expected.pump(0.05)
        if not same:
            different.append(
                f"{name}: {seen.cursor()} for {expected.cursor()}\n{seen.text()}\n--- for ---\n{expected.text()}"
            )
    return different


def traced(require, log: Path) -> list[str]:
    """The words that put a shell under strace, which logs every process it starts."""
    return [require("strace"), "-f", "-e", "trace=clone,clone3,fork,vfork,execve", "-o", str(log)]


def started(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if re.search(r"\b(clone3?|v?fork|execve)\(", line)]
