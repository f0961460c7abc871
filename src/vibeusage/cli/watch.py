"""The quotas and what the last days took, redrawn as they change; keys: q leaves, r asks the providers, j and k scroll.

Where the output is no terminal, what has changed is printed anew, until Ctrl-C.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from vibeusage import accounts, config, terminal
from vibeusage.dashboard import changes, palette, usage
from vibeusage.dashboard.asking import Refresher
from vibeusage.dashboard.fullscreen import Screen
from vibeusage.dashboard.loading import Ask, Quotas, Recent, Source, quotas
from vibeusage.dashboard.page import Page, Room
from vibeusage.errors import StorageError
from vibeusage.records import days
from vibeusage.settings import Config
from vibeusage.terminal import Line, Style, cut

TICK_S = 1.0
PRINTED_ROWS = 1000
KEYS = "q quits, r asks now"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("provider", nargs="*", metavar="PROVIDER", help="a provider or account; default: all with data")
    parser.add_argument("--redact", action="store_true", help="labels for accounts and organisations")
    parser.add_argument("--no-color", action="store_true", help="print without colours")


def run(args: argparse.Namespace) -> int:
    """0; Ctrl-C ends it as it ends every command."""
    view = View(args.provider, no_color=args.no_color, redacted=args.redact)
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        _full(view)
    else:
        _printed(view)
    return 0


class View:
    """What is shown, read again when it has changed."""

    def __init__(self, names: Sequence[str], *, no_color: bool, redacted: bool) -> None:
        self.names, self.no_color, self.redacted = names, no_color, redacted
        self.refresher, self.source = Refresher(), Source()
        self.settings: Config = config.load()
        self.quotas, self.recent, self.seen = Quotas([]), None, ()

    def page(self, room: Room) -> Page:
        now = datetime.now(UTC)
        seen = changes.numbers(), changes.records(self.settings, now.astimezone(days.zone()).date())
        if seen != self.seen:
            self.settings = accounts.in_force(config.load(), os.environ)
            self.quotas = quotas(self.names, self.settings, now, redacted=self.redacted)
            self.recent, self.seen = self._recent(now), seen
        return usage.page(self.quotas, self.recent, self.style(room.columns), room, now)

    def style(self, columns: int) -> Style:
        chosen = self.settings.dashboard.colors
        return Style(
            color=chosen != "none" and terminal.use_color(sys.stdout, os.environ, forbidden=self.no_color),
            cells=terminal.glyphs(sys.stdout),
            remaining=self.settings.line.show == "remaining",
            stale_after=timedelta(seconds=self.settings.fetch.stale_after_s),
            columns=columns,
        )

    def _recent(self, now: datetime) -> Recent | None:
        """Of the one that was named; None of several, and where the store cannot be read: `doctor` tells of that."""
        if len(self.names) > 1:
            return None
        try:
            found = self.source.load(Ask("recent", provider="".join(self.names).partition("@")[0]), now)
        except StorageError:
            return None
        return found if isinstance(found, Recent) else None

    def text(self, line: Line, style: Style) -> str:
        chosen = palette.PALETTES[self.settings.dashboard.colors if style.color else "none"]
        is_plain = not style.color and not sys.stdout.isatty()
        return "".join(
            text if is_plain or not chosen.get(name) or not text.strip() else f"\x1b[{chosen[name]}m{text}\x1b[0m"
            for name, text in line
        )


def _full(view: View) -> None:
    screen, scrolled, note, key = Screen(), 0, "", None
    with screen.opened():
        while key not in ("q", "quit", "escape"):
            if key == "r" and view.refresher.start():
                note = "asking the providers"
            columns, rows = screen.size()
            page, style = view.page(Room(columns, rows - 1)), view.style(columns)
            room = max(0, rows - 1 - len(page.below))
            steps = {"j": 1, "down": 1, "k": -1, "up": -1}.get(key or "", 0)
            scrolled = max(0, min(scrolled + steps, len(page.lines) - room))
            body = page.lines[scrolled : scrolled + room]
            lines = [*body, *[[]] * (room - len(body)), *page.below, [("dim", note or KEYS)]][-rows:]
            screen.draw([view.text(cut(line, columns, style), style) for line in lines])
            key = screen.key(TICK_S)
            view.refresher.start_if_due(time.time())
            note = view.refresher.ended() or note


def _printed(view: View) -> None:
    """For a pipe or a file: all of it, whenever it is another text."""
    before = ""
    while True:
        columns = terminal.columns(sys.stdout, os.environ)
        page, style = view.page(Room(columns, PRINTED_ROWS)), view.style(columns)
        lines = [view.text(cut(line, columns, style), style).rstrip() for line in (*page.lines, *page.below)]
        if (text := "\n".join(lines)) != before:
            print(text, end="\n\n", flush=True)
            before = text
        time.sleep(TICK_S)
        view.refresher.start_if_due(time.time())
