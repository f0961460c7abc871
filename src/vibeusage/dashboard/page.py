"""A page: a heading, lines that scroll, lines that stay below them; and tables whose columns stand in line.

Every string from outside passes `Style.text` before it is in a line.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from vibeusage.escape import width
from vibeusage.records.reading import INSTEAD
from vibeusage.records.stored import LOCAL
from vibeusage.terminal import Line, Style, cut, padded, wrapped

GAP = 2
LEAST_NAME = 10
Cell = str | tuple[str, str]  # a text, or (style, text)


class Room(NamedTuple):
    """Cells and rows for the lines of a page."""

    columns: int
    rows: int


class Page(msgspec.Struct, frozen=True):
    """Of `title` the last pieces go where there is no room. `keys` are (key, what it does) besides those of the modes;
    `picked` is the line that the cursor is on.
    """

    title: Line
    lines: list[Line]
    below: list[Line] = []
    keys: tuple[tuple[str, str], ...] = ()
    picked: int | None = None


class Column(NamedTuple):
    """A column of numbers stands right. `goes`: the higher, the earlier it is left out; 0 stays."""

    title: str
    is_name: bool = False
    goes: int = 0


def cell(value: Cell) -> tuple[str, str]:
    return ("", value) if isinstance(value, str) else value


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], style: Style, cells: int, *, total: Sequence[Cell] = ()
) -> list[Line]:
    """Titles, rows, and a rule before the total; what has no room goes, then names are cut."""
    grid = [list(map(cell, row)) for row in (*rows, *([total] if total else []))]
    columns = list(columns)
    while _least(columns, grid) > cells and any(column.goes for column in columns):
        place = max(range(len(columns)), key=lambda at: columns[at].goes)
        del columns[place]
        for row in grid:
            del row[place]
    widths = _shared(columns, grid, cells)
    head = _row([("dim", column.title) for column in columns], columns, widths, style)
    lines = [_row(row, columns, widths, style) for row in grid]
    if total:
        rule: Line = [("dim", style.glyphs.across * (sum(widths) + GAP * (len(widths) - 1)))]
        lines = [*lines[:-1], rule, [(color or "strong", text) for color, text in lines[-1]]]
    return [cut(line, cells, style) for line in (head, *lines)]


def _natural(columns: Sequence[Column], grid: Sequence[Sequence[tuple[str, str]]]) -> list[int]:
    return [
        max([width(column.title), *(width(row[place][1]) for row in grid)]) for place, column in enumerate(columns)
    ]


def _least(columns: Sequence[Column], grid: Sequence[Sequence[tuple[str, str]]]) -> int:
    natural = zip(columns, _natural(columns, grid), strict=True)
    return sum(min(cells, LEAST_NAME) if column.is_name else cells for column, cells in natural) + GAP * (
        len(columns) - 1
    )


def _shared(columns: Sequence[Column], grid: Sequence[Sequence[tuple[str, str]]], cells: int) -> list[int]:
    """What is too much is taken from the widest column of names, again and again."""
    widths = _natural(columns, grid)
    names = [place for place, column in enumerate(columns) if column.is_name]
    while names and sum(widths) + GAP * (len(widths) - 1) > cells:
        widest = max(names, key=lambda place: widths[place])
        if widths[widest] <= 1:
            break
        widths[widest] -= 1
    return widths


def _row(
    row: Sequence[tuple[str, str]], columns: Sequence[Column], widths: Sequence[int], style: Style
) -> Line:
    line: Line = []
    for place, ((color, text), column, room) in enumerate(zip(row, columns, widths, strict=True)):
        pieces = cut([(color, text)], room, style)
        blank = ("", " " * (room - sum(width(piece) for _, piece in pieces)))
        line += [("", " " * GAP)] if place else []
        line += [*pieces, blank] if column.is_name else [blank, *pieces]
    return line


def beside(left: Sequence[Line], right: Sequence[Line], cells: int) -> list[Line]:
    """Two blocks side by side, the right one from `cells` on."""
    height = max(len(left), len(right))
    lefts, rights = ([*block, *[[]] * (height - len(block))] for block in (left, right))
    return [[*padded(one, cells), *other] if other else one for one, other in zip(lefts, rights, strict=True)]


def marked(line: Line, cells: int) -> Line:
    """The one that the cursor is on, over the whole width."""
    return [("picked", "".join(text for _, text in padded(line, cells)))]


def instead(source: str, style: Style) -> list[Line]:
    """Above the records of this machine, where they are shown in the place of a server's."""
    return [[("yellow", part)] for part in wrapped(source, style.columns)] if source == INSTEAD else []


def of_source(source: str, style: Style) -> Line:
    """Whose records these are, where they are not this machine's own."""
    return [] if source in (LOCAL, INSTEAD) else [("dim", f"{style.glyphs.separator}{style.text(source)}")]


def labelled(told: Iterable[tuple[str, str, str]], label_cells: int, style: Style, cells: int) -> list[Line]:
    """A row, or several, of each (label, style, text)."""
    rows: list[Line] = []
    for label, color, text in told:
        parts = wrapped(text, max(1, cells - label_cells)) or [""]
        heads = [style.text(label)[: label_cells - 1], *[""] * (len(parts) - 1)]
        rows += [[("dim", head.ljust(label_cells)), (color, part)] for head, part in zip(heads, parts, strict=True)]
    return rows


def nothing(style: Style) -> list[Line]:
    """In the place of records that are not there yet."""
    text = "no records yet: `vibeusage records sync` reads the assistants' logs"
    return [[("dim", line)] for line in wrapped(text, style.columns)]


def heading(text: str) -> Line:
    return [("strong", text)]
