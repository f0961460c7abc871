"""What a terminal can show: colour, characters, columns; lines of styled pieces measured in cells; progress.

A line is a list of `(style, text)` until it is painted; a style is a key of `escape.SGR` or empty.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple, TextIO

from vibeusage import escape
from vibeusage.escape import width

MARKS = {"yellow": "+", "red": "++", "alarm": "!!"}
ERASE = "\r\x1b[K"

plain = escape.clean
Line = list[tuple[str, str]]


class Glyphs(NamedTuple):
    separator: str
    ellipsis: str
    corners: str
    across: str
    down: str


UNICODE = Glyphs(" · ", "…", "╭╮╰╯", "─", "│")
ASCII = Glyphs(" | ", "...", "++++", "-", "|")


def use_color(stream: TextIO, environ: Mapping[str, str], *, forbidden: bool = False) -> bool:
    """NO_COLOR and --no-color win, then CLICOLOR_FORCE, then whether a capable terminal is there."""
    if forbidden or environ.get("NO_COLOR") or environ.get("VIBEUSAGE_NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return stream.isatty() and environ.get("TERM", "dumb") != "dumb" and environ.get("CLICOLOR") != "0"


def glyphs(stream: TextIO) -> tuple[str, str]:
    """The full and the empty cell of a bar that `stream` can encode."""
    return ("█", "░") if (stream.encoding or "").lower().replace("-", "") == "utf8" else ("#", "-")


def columns(stream: TextIO, environ: Mapping[str, str]) -> int:
    """COLUMNS, else what the terminal behind `stream` says, else 80."""
    if environ.get("COLUMNS", "").isdecimal() and int(environ["COLUMNS"]):
        return int(environ["COLUMNS"])
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class Style:
    """How one print-out looks: colour or not, which cells, used or remaining, how old is stale, how wide."""

    def __init__(
        self, *, color: bool, cells: tuple[str, str], remaining: bool, stale_after: timedelta, columns: int = 80
    ) -> None:
        self.color = color
        self.full, self.empty = cells
        self.glyphs = ASCII if self.full.isascii() else UNICODE
        self.remaining = remaining
        self.stale_after = stale_after
        self.columns = columns

    def paint(self, style: str, text: str) -> str:
        return f"\x1b[{escape.SGR[style]}m{text}\x1b[0m" if self.color and style and text else text

    def bar(self, share: float, cells: int) -> str:
        """Any use shows, and only 100 % fills it."""
        filled = min(cells, int(max(0.0, share) * cells / 100 + 0.5))
        if 0 < share < 100:
            filled = min(max(filled, 1), cells - 1)
        return self.full * filled + self.empty * (cells - filled)

    def text(self, outside: str, limit: int = escape.TEXT_LIMIT) -> str:
        cleaned = plain(outside, limit)
        return cleaned.encode("ascii", "replace").decode() if self.glyphs is ASCII else cleaned

    def mark(self, level: str) -> str:
        """What tells the pace where colour does not."""
        return "" if self.color else MARKS.get(level, "")


def environment_style(stream: TextIO, *, remaining: bool, stale_after_s: int, no_color: bool) -> Style:
    return Style(
        color=use_color(stream, os.environ, forbidden=no_color),
        cells=glyphs(stream),
        remaining=remaining,
        stale_after=timedelta(seconds=stale_after_s),
        columns=columns(stream, os.environ),
    )


def painted(line: Line, style: Style) -> str:
    return "".join(style.paint(color, text) for color, text in line)


def cells_of(line: Line) -> int:
    return sum(width(text) for _, text in line)


def padded(line: Line, cells: int) -> Line:
    return [*line, ("", " " * (cells - cells_of(line)))]


def beginning(text: str, cells: int) -> str:
    """As much of `text` as has room in `cells`."""
    while text and width(text) > cells:
        text = text[:-1]
    return text


def cut(line: Line, cells: int, style: Style) -> Line:
    if cells_of(line) <= cells:
        return line
    ellipsis = style.glyphs.ellipsis[: max(0, cells)]
    kept, room = [], cells - len(ellipsis)
    for color, text in line:
        kept.append((color, beginning(text, room)))
        room -= width(kept[-1][1])
        if kept[-1][1] != text:
            break
    return [*kept, ("", ellipsis)]


def wrapped(text: str, cells: int) -> list[str]:
    """Lines broken between words, and within a word that is wider than a line."""
    lines: list[str] = []
    for word in text.split():
        if lines and width(f"{lines[-1]} {word}") <= cells:
            lines[-1] += f" {word}"
            continue
        while len(word) > 1 and width(word) > cells:
            lines.append(beginning(word, cells) or word[0])
            word = word[len(lines[-1]) :]
        lines += [word] if word else []
    return lines


class Progress:
    """`asking codex, gemini … 2 of 5` on the last line of a terminal, gone at the end; nothing anywhere else."""

    def __init__(self, names: Iterable[str], stream: TextIO, environ: Mapping[str, str], *, quiet: bool = False):
        self._waiting = [plain(name) for name in names]
        self._total = len(self._waiting)
        self._stream, self._environ = stream, environ
        self._is_shown = not quiet and stream.isatty() and environ.get("TERM", "dumb") != "dumb"

    def __enter__(self) -> "Progress":
        self._draw()
        return self

    def done(self, name: str) -> None:
        if plain(name) in self._waiting:
            self._waiting.remove(plain(name))
            self._draw()

    def __exit__(self, *_: object) -> None:
        self._write(ERASE)

    def _draw(self) -> None:
        if not self._waiting:
            return self._write(ERASE)
        dots, names = "…", ", ".join(self._waiting)
        if glyphs(self._stream)[0].isascii():
            dots, names = "...", names.encode("ascii", "replace").decode()
        tail = f" {dots} {self._total - len(self._waiting)} of {self._total}"
        room = columns(self._stream, self._environ) - 1  # a full line would wrap, and not be erased
        return self._write(ERASE + beginning(beginning(f"asking {names}", room - len(tail)) + tail, room))

    def _write(self, text: str) -> None:
        if self._is_shown:
            with contextlib.suppress(OSError, ValueError):  # a terminal that is gone stops no refresh
                self._stream.write(text)
                self._stream.flush()
