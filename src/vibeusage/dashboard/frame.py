"""The first and the last row of the screen: what it shows, and the keys."""

from msgspec.structs import replace

from vibeusage.dashboard.board import BEHIND, MODES
from vibeusage.dashboard.page import Page
from vibeusage.escape import width
from vibeusage.terminal import ASCII, Line, Style, cells_of, cut, padded, wrapped

LEAST_TITLE = 20
NOTE_ROWS, NOTE_LIMIT = 6, 500
LEAST_LINES, LEAST_BELOW = 2, 3
CAPS = {"←→": "left right", "⌫": "del"}  # where there is no sign for a key


def noted(page: Page, note: str, style: Style) -> tuple[Page, str]:
    """The page, and the note where the heading has room for it; else the page with all of it below the lines."""
    text = style.text(note, NOTE_LIMIT)
    if not text or width(text) <= style.columns - min(cells_of(page.title[:1]), LEAST_TITLE) - 2:
        return page, note
    rule: Line = [("dim", style.glyphs.across * style.columns)]
    told: list[Line] = [[("yellow", part)] for part in wrapped(text, style.columns)[:NOTE_ROWS]]
    return replace(page, below=[rule, *told, *page.below]), ""


def below(page: Page, rows: int, style: Style) -> list[Line]:
    """What stands below the lines, which keep some of the `rows`; of what has no room the end goes, with a mark."""
    most = max(1, rows - LEAST_LINES, min(rows - 1, LEAST_BELOW))
    if len(page.below) <= most:
        return page.below
    _, *told = page.below  # the rule is missed least
    return told if len(told) <= most else [*told[: max(1, most - 1)], [("dim", style.glyphs.ellipsis)]][:most]


def heading(page: Page, mode: str, style: Style, *, note: str = "") -> Line:
    """The title, and at the right the keys of this page or, for a while, a note in their place."""
    leave = "quit" if mode == "usage" else "back"
    caps = CAPS if style.glyphs is ASCII else {}
    named = [(caps.get(key, key), what) for key, what in page.keys]
    keys = [piece for key, what in named for piece in (("strong", key), ("dim", f" {what}  "))]
    keys += [("strong", "esc"), ("dim", f" {leave}")]
    told: Line = [("yellow", style.text(note, NOTE_LIMIT))] if note else keys
    title, room = page.title, max(LEAST_TITLE, style.columns - cells_of(told) - 2)
    while len(title) > 1 and cells_of(title) > room:
        title = title[:-1]
    title = cut(title, min(room, style.columns), style)
    told = cut(told, max(0, style.columns - cells_of(title) - 2), style)
    return [*padded(title, style.columns - cells_of(told)), *told]


def bar(mode: str, columns: int) -> Line:
    """The keys of the pages; the one that is open stands out."""
    here = BEHIND.get(BEHIND.get(mode, mode), BEHIND.get(mode, mode))
    named = [(name, f"[{key}]{name[1:]}") for key, name in MODES.items()]
    if sum(len(text) + 1 for _, text in named) > columns + 1:
        named = [(name, key) for key, name in MODES.items()]
    gap = " " if 2 * len(named) <= columns + 1 else ""
    line: Line = []
    for name, text in named:
        line += [("strong" if name == here else "dim", text), ("", gap)]
    return line[:-1]
