"""Lines of pieces on a Textual screen. No text is ever markup here: each piece is one segment with one style."""

from collections.abc import Callable, Sequence
from functools import cache

from rich.ansi import SGR_STYLE_MAP
from rich.segment import Segment
from rich.style import Style as Look
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from vibeusage.terminal import Line

Codes = Callable[[str], str]  # a style's name -> the parameters of its escape sequence


@cache
def look(codes: str) -> Look:
    """`1;31` or `38;5;46` as Rich knows it."""
    if codes.startswith("38;5;"):
        return Look(color=f"color({codes.rpartition(';')[2]})")
    return Look.parse(" ".join(SGR_STYLE_MAP[int(code)] for code in codes.split(";")) if codes else "none")


def strip(line: Line, cells: int, codes: Codes) -> Strip:
    segments = [Segment(text, look(codes(style))) for style, text in line if text]
    return Strip(segments).adjust_cell_length(cells, look(""))


class Lines(Widget):
    """A few rows that do not scroll."""

    DEFAULT_CSS = "Lines { height: 1; padding: 0 1; background: ansi_default; }"

    def __init__(self, codes: Codes, name: str) -> None:
        super().__init__(id=name)
        self._codes = codes
        self._lines: list[Line] = []

    def show(self, lines: Sequence[Line]) -> None:
        if lines != self._lines:
            self._lines = list(lines)
            self.refresh()
        if self.size.height != len(lines):  # also when a layout asked for while the screen was made came to nothing
            self.styles.height = len(lines)
            self.refresh(layout=True)

    def render_line(self, y: int) -> Strip:
        return strip(self._lines[y] if y < len(self._lines) else [], self.size.width, self._codes)


class Scroll(ScrollView):
    """The rows of a page; it is told where to, and takes no key itself."""

    can_focus = False

    DEFAULT_CSS = """
    Scroll { height: 1fr; padding: 0 0 0 1; background: ansi_default; overflow-x: hidden; scrollbar-size: 1 1;
      scrollbar-background: ansi_default; scrollbar-color: ansi_bright_black; scrollbar-gutter: stable; }
    """

    def __init__(self, codes: Codes) -> None:
        super().__init__()
        self._codes = codes
        self._lines: list[Line] = []

    def show(self, lines: Sequence[Line], picked: int | None, *, from_top: bool) -> None:
        if lines != self._lines:
            self._lines = list(lines)
            self.virtual_size = Size(1, len(lines))
            self.refresh()
        if from_top:
            self.scroll_to(y=0, animate=False)
        if picked is not None:
            self.scroll_to_region(Region(0, picked, 1, 1), animate=False)

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        return strip(self._lines[at] if at < len(self._lines) else [], self.size.width, self._codes)
