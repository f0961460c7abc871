"""The dashboard in Textual: draws the board's page, passes keys to it, and reads in the background what has changed."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.message import Message

from vibeusage import config, switching, terminal
from vibeusage.dashboard import changes, frame, options, palette, upkeep
from vibeusage.dashboard.asking import Refresher
from vibeusage.dashboard.board import Board
from vibeusage.dashboard.loader import Done, Loader
from vibeusage.dashboard.loading import Ask, Source
from vibeusage.dashboard.page import Room
from vibeusage.dashboard.widgets import Lines, Scroll
from vibeusage.dashboard.wishes import AskNow, Change, Failure, Operate, Quit, Say, Switch, Wish
from vibeusage.errors import ConfigError
from vibeusage.records import days
from vibeusage.settings import Config
from vibeusage.terminal import Style

Clock = Callable[[], datetime]
TICK_S = 1.0
NOTE_S = 5.0
READ_PER_S = 25  # characters
MANAGED = ("states", "settings", "configure")
OF_NUMBERS = ("quotas", *MANAGED)
NARROWEST = 8
SCROLLS = {
    "up": "up",
    "k": "up",
    "down": "down",
    "j": "down",
    "home": "home",
    "end": "end",
    "pageup": "page_up",
    "pagedown": "page_down",
    "space": "page_down",
}


def _now() -> datetime:
    return datetime.now(UTC)


class Arrived(Message):
    """From the loader's thread."""

    def __init__(self, done: Done) -> None:
        super().__init__()
        self.done = done


class Dashboard(App[int]):
    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: ansi_default; }"
    BINDINGS: ClassVar = [
        Binding("ctrl+c", "interrupted", show=False, priority=True),
        Binding("ctrl+q", "leave", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
    ]

    def __init__(
        self, settings: Config, *, color: bool, cells: tuple[str, str], redacted: bool = False, clock: Clock = _now
    ) -> None:
        super().__init__(ansi_color=True)
        self.settings, self.color, self.cells, self.clock, self.zone = settings, color, cells, clock, days.zone()
        self.board = Board(settings.dashboard.plots, is_fixed=redacted)
        self.loader = Loader(self._tell, clock, Source(redacted=redacted))
        self.refresher = Refresher()
        self.animation_level = "none"
        self._seen: dict[str, changes.Token] = {}
        self._old: set[Ask] = set()  # read before something changed
        self._note, self._note_until = "", 0.0
        self._drawn_at: tuple = ()

    def compose(self) -> ComposeResult:
        yield Lines(self._codes, "head")
        yield Scroll(self._codes)
        yield Lines(self._codes, "below")
        yield Lines(self._codes, "foot")

    def on_mount(self) -> None:
        self.theme = "ansi-dark"
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, 0)  # else the terminal stays as it is
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))  # after ctrl+z the screen is empty
        self._seen = self._tokens()
        self.loader.start()
        self.loader.want([*self.board.asks(), *self.board.ahead()])
        self.set_interval(TICK_S, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.draw)

    def on_arrived(self, arrived: Arrived) -> None:
        ask, found = arrived.done
        if isinstance(found, Exception):
            raise found
        if ask is not None:
            self.board.arrived(ask, found)
            self._old.discard(ask)
            if ask in self.board.asks():
                self.draw()
            return
        self._old |= {ask for ask in self.board.got if ask.kind in MANAGED}  # also when it failed, and all is as it was
        self._tick()
        self._read_missing()
        if isinstance(found, Failure):
            self.say(f"{found.message}; {found.hint}" if found.hint else found.message)
        elif isinstance(found, str):
            self.say(found)

    def on_key(self, event: events.Key) -> None:
        key = event.character if event.character and event.character.isalpha() else event.key
        if key in SCROLLS and not self.board.has_cursor():
            getattr(self.query_one(Scroll), f"scroll_{SCROLLS[key]}")(animate=False)
            return
        wish = self.board.key(key, event.character or "")
        if wish is not None:
            self._grant(wish)
        self._read_missing()
        self.draw()

    def on_paste(self, event: events.Paste) -> None:
        self.board.pasted(event.text)
        self.draw()

    def _tell(self, done: Done) -> None:
        self.post_message(Arrived(done))

    def action_interrupted(self) -> None:
        self.exit(130)

    def action_leave(self) -> None:
        self.exit(0)

    def say(self, note: str) -> None:
        """For a while: in the place of the keys of the page, or below it what has no room there."""
        self._note, self._note_until = note, time.monotonic() + NOTE_S + len(note) / READ_PER_S
        self.draw()

    def draw(self) -> None:
        if not self._is_made():
            return
        style = self._style(self.size.width - 2)
        head, below, foot = (self.query_one(f"#{name}", Lines) for name in ("head", "below", "foot"))
        scroll = self.query_one(Scroll)
        now, room = self.clock(), Room(style.columns, self.size.height - 2)
        page = self.board.page(style, room, now, self.zone)
        place = (self.board.mode, self.board.back.get(self.board.mode), self.board.provider, self.board.configured)
        is_asked = bool(self.board.typing or self.board.question)  # then that is what there has to be room for
        note = self._note if time.monotonic() < self._note_until and not is_asked else ""
        page, note = frame.noted(page, note, style)
        head.show([frame.heading(page, self.board.mode, style, note=note)])
        below.show(frame.below(page, room.rows, style))
        foot.show([frame.bar(self.board.mode, style.columns)])
        scroll.show(page.lines, page.picked, from_top=place != self._drawn_at)
        self._drawn_at = place

    def _is_made(self) -> bool:
        """A timer, or a first size, may come while the screen is made."""
        return bool(self.query("#foot"))

    def _style(self, columns: int) -> Style:
        return Style(
            color=self.color and self.settings.dashboard.colors != "none",
            cells=self.cells,
            remaining=self.settings.line.show == "remaining",
            stale_after=timedelta(seconds=self.settings.fetch.stale_after_s),
            columns=max(NARROWEST, columns),
        )

    def _codes(self, style: str) -> str:
        return palette.PALETTES[self.settings.dashboard.colors if self.color else "none"].get(style, "")

    def _tokens(self) -> dict[str, changes.Token]:
        today = self.clock().astimezone(self.zone).date()
        return {"numbers": changes.numbers(), "records": changes.records(self.settings, today)}

    def _tick(self) -> None:
        """What has changed is read again; countdowns go on."""
        self.refresher.start_if_due(time.time())
        if told := self.refresher.ended():
            self.say(told)
        seen, before = self._tokens(), self._seen
        if seen != before:
            self._seen = seen
            self._read_again({kind for kind in seen if seen[kind] != before[kind]})
        self.draw()

    def _read_again(self, kinds: Collection[str]) -> None:
        """What is on the screen at once, the rest when it is looked at."""
        with contextlib.suppress(ConfigError):  # a file with a mistake changes nothing; the page tells of it
            self.settings = config.load()
        of_numbers = {ask for ask in self.board.got if ask.kind in OF_NUMBERS}
        changed = {"numbers": of_numbers, "records": {*self.board.got} - of_numbers | {Ask("states"), Ask("settings")}}
        self._old |= {ask for kind in kinds for ask in changed[kind]}
        self._read_missing()

    def _read_missing(self) -> None:
        known = {*self.board.got} - self._old
        wanted = [ask for ask in self.board.asks() if ask not in known]
        if wanted:
            self.loader.want([*wanted, *(ask for ask in self.board.ahead() if ask not in self.board.got)])

    def _grant(self, wish: Wish) -> None:
        match wish:
            case Quit(code):
                self.exit(code)
            case Say(text):
                self.say(text)
            case AskNow():
                self.say("asking the providers" if self.refresher.start() else "they are being asked already")
            case Operate(name, file):
                self.say(f"{name}: at work")
                self.loader.do(lambda: OPERATIONS[name](file))
            case Change(key, text):
                self.loader.do(lambda: _changed(key, text))
            case Switch(name, on):
                self.loader.do(lambda: _switched(name, on))

    def _fatal_error(self) -> None:
        """Textual would print every local variable of every frame; `run` raises what it was instead."""
        self._close_messages_no_wait()


OPERATIONS: dict[str, Callable[[str], str]] = {
    "initialise": lambda file: upkeep.initialise(),
    "back up": lambda file: upkeep.back_up(),
    "restore": upkeep.restore,
    "delete": lambda file: upkeep.delete(),
}


def _changed(key: str, text: str) -> str:
    options.change(key, text)
    return f"{key} is {text}" if text else f"{key} is at its default"


def _switched(name: str, on: bool) -> str:
    switching.switch(name, on=on)
    return f"{name} is {'on' if on else 'off'}"


def run(settings: Config, mode: str, *, redacted: bool) -> int:
    """The exit code: 0, or 130 after Ctrl-C."""
    color, cells = terminal.use_color(sys.stdout, os.environ), terminal.glyphs(sys.stdout)
    app = Dashboard(settings, color=color, cells=cells, redacted=redacted)
    app.board.mode = mode
    code = app.run(mouse=False)
    if app._exception is not None:
        raise app._exception
    return code or 0
