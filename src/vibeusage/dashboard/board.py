"""What the person looks at: the page, how far back, which tool; what a key changes, and what it asks to be done."""

from datetime import datetime, tzinfo
from typing import Any

from msgspec.structs import replace

from vibeusage.dashboard import breakdowns, facts, heat, manage, options, spans, usage
from vibeusage.dashboard.loading import Ask, Past, Recent, Settings, States
from vibeusage.dashboard.options import Item
from vibeusage.dashboard.page import Page, Room, instead
from vibeusage.dashboard.typing import Typing
from vibeusage.dashboard.wishes import AskNow, Change, Failure, Operate, Question, Quit, Say, Switch, Wish
from vibeusage.provider_states import Row
from vibeusage.terminal import Line, Style, cut, wrapped

MODES = {
    "u": "usage",
    "w": "weekly",
    "m": "monthly",
    "y": "yearly",
    "h": "heatmap",
    "d": "devices",
    "p": "providers",
    "s": "settings",
}
BEHIND = {"manage": "providers", "configure": "manage"}  # where ESC leads; elsewhere to the first page
BACK_IN = ("weekly", "monthly", "yearly", "heatmap", "providers")
PLOTTED = ("weekly", "monthly", "yearly", "heatmap")
OF_TOOL = ("weekly", "monthly", "yearly", "heatmap", "providers")
FURTHEST = 200
TO_PROVIDERS = (("P", "providers"),)
YES = (("y", "yes"), ("any other key", "no"))
RESTORE = "restore from"
KEPT = "A copy of what is there now is kept in its folder backups."
LOST = f"{KEPT} What the logs still hold comes back at the next sync."
PAGE = 10  # rows that the cursor goes by a page key


class Board:
    """`got` has what was read, also while newer is being read."""

    def __init__(self, measure: str, *, is_fixed: bool = False) -> None:
        self.is_fixed = is_fixed  # nothing can be changed
        self.mode = "usage"
        self.measure = measure
        self.provider = ""
        self.configured = ""
        self.back: dict[str, int] = {}
        self.picked: dict[str, int] = {}
        self.typing: Typing | None = None
        self.question: Question | None = None
        self.shows_all = False
        self.tools: tuple[str, ...] = ()
        self.got: dict[Ask, Any] = {}

    def asks(self) -> list[Ask]:
        """What the page is made of, the most wanted first."""
        return self._of(self.mode)

    def ahead(self) -> list[Ask]:
        """What the other pages are made of, so that a key finds it read."""
        return [ask for mode in (*MODES.values(), "manage") for ask in self._of(mode)]

    def _of(self, mode: str) -> list[Ask]:
        back = self.back.get(mode, 0)
        provider = self.provider if mode in OF_TOOL else ""
        match mode:
            case "usage":
                return [Ask("quotas"), Ask("recent"), Ask("past")]
            case "manage":
                return [Ask("states")]
            case "configure":
                return [Ask("configure", provider=self.configured)]
        return [Ask(mode, back, provider)]

    def arrived(self, ask: Ask, found: object) -> None:
        self.got[ask] = found
        if isinstance(found, Failure) and ask in self.asks():
            self.typing = self.question = None  # what is not seen is not answered
        self.tools = getattr(found, "tools", self.tools)

    def page(self, style: Style, room: Room, now: datetime, zone: tzinfo) -> Page:
        found = self.got.get(self.asks()[0])
        if found is None:
            return Page([("strong", self.mode.title())], [[("dim", f"reading {style.glyphs.ellipsis}")]])
        if isinstance(found, Failure):
            return Page([("strong", self.mode.title())], _told(found, style, room.columns))
        page = self._made(found, style, room, now, zone)
        return replace(page, lines=[*instead(getattr(found, "source", ""), style), *page.lines])

    def _made(self, found: Any, style: Style, room: Room, now: datetime, zone: tzinfo) -> Page:
        match self.mode:
            case "usage":
                recent, past = (self.got.get(Ask(kind)) for kind in ("recent", "past"))
                return usage.page(
                    found,
                    recent if isinstance(recent, Recent) else None,
                    style,
                    room,
                    now,
                    past=past if isinstance(past, Past) else None,
                )
            case "heatmap":
                return heat.page(found, style, room, measure=self.measure, provider=self.provider)
            case "devices":
                return breakdowns.devices(found, style, room, zone)
            case "providers":
                return breakdowns.providers(found, style, room, provider=self.provider)
            case "manage":
                return manage.page(self._rows(), self._picked(len(self._rows())), style, room, now, zone)
            case "settings":
                above = facts.lines(found.about, style)
                page = options.page("Settings", found.items, self._at(found), style, above=above, keys=TO_PROVIDERS)
                return self._typed_on(page, style)
            case "configure":
                title = f"Configure {style.text(self.configured)}"
                return self._typed_on(options.page(title, found.items, self._at(found), style), style)
        return spans.page(found, style, room, measure=self.measure, provider=self.provider)

    def _typed_on(self, page: Page, style: Style) -> Page:
        """With what is typed, or asked, above what may be answered."""
        rule = page.below[0]
        if self.question:
            asked = (("yellow", self.question.text), ("", self.question.about))
            told = [[(color, part)] for color, text in asked for part in wrapped(style.text(text, 500), style.columns)]
            return replace(page, below=[rule, *told], keys=YES)
        if self.typing is None:
            return page
        hint = cut([("dim", style.text(self.typing.hint, 300))], style.columns, style)
        return replace(page, below=[rule, self.typing.line(style), hint], keys=(("enter", "go on"),))

    def pasted(self, text: str) -> None:
        if self.typing:
            self.typing.insert(text)

    def key(self, key: str, character: str = "") -> Wish | None:
        """What is to be done about a key, besides what it changes here. `character` is what it prints, if any."""
        if self.question:
            wish, self.question = self.question.wish, None
            return wish if key == "y" else None
        if self.typing:
            return self._type(self.typing, key, character)
        if key in MODES:
            self._turn_to(MODES[key])
            return None
        match key:
            case "q":
                return Quit()
            case "escape":
                return self._leave()
            case "r":
                return AskNow()
            case "t" if self.mode in PLOTTED:
                self.measure = "tokens" if self.measure == "cost" else "cost"
            case "f" if self.mode in OF_TOOL:
                every = ("", *self.tools)
                at = every.index(self.provider) if self.provider in every else 0
                self.provider = every[(at + 1) % len(every)]
            case "left" | "right" if self.mode in BACK_IN:
                further = self.back.get(self.mode, 0) + (1 if key == "left" else -1)
                self.back[self.mode] = max(0, min(FURTHEST, further))
            case "up" | "down" | "pageup" | "pagedown" | "home" | "end" | "j" | "k" if self.has_cursor():
                self._move(key)
            case _:
                return self._done_here(key)
        return None

    def has_cursor(self) -> bool:
        return self.mode in ("manage", "settings", "configure")

    def _done_here(self, key: str) -> Wish | None:
        """The keys of one page only."""
        match self.mode, key:
            case (
                ("settings" | "configure", "enter" | "space" | "backspace" | "delete")
                | ("settings", "I" | "B" | "R" | "D")
                | ("manage", "space")
            ) if self.is_fixed:
                return Say("nothing is changed while names are hidden")
            case "providers", "enter":
                self._turn_to("manage")
            case "settings", "P":
                self._turn_to("manage")
            case "settings", "I" | "B" | "R" | "D":
                return self._operated(key)
            case "manage", "a":
                self.shows_all = not self.shows_all
            case "manage", "space" | "enter" | "c" if self._rows():
                row = self._rows()[self._picked(len(self._rows()))]
                if key == "space":
                    return self._switched(row)
                self.configured = row.id
                self._turn_to("configure")
            case "settings" | "configure", "enter" | "space":
                return self._edited()
            case "settings" | "configure", "backspace" | "delete" if self._items():
                return Change(self._items()[self._picked(len(self._items()))].key, "")
        return None

    def _switched(self, row: Row) -> Wish:
        """Seen at once, and looked at again when it is done."""
        is_on = row.state == "off"
        rows = self.got[Ask("states")].rows
        state = "not asked yet" if is_on else "off"
        self.got[Ask("states")] = States([replace(one, state=state) if one is row else one for one in rows])
        return Switch(row.id, is_on)

    def _edited(self) -> Wish | None:
        items = self._items()
        if not items:
            return None
        item = items[self._picked(len(items))]
        if item.choices:
            return Change(item.key, item.following())
        self.typing = Typing(item.key, item.value or "", f"{item.allowed}; empty: the default")
        return None

    def _operated(self, key: str) -> Wish | None:
        """What can be lost is asked for first."""
        found = self.got.get(Ask("settings"))
        if not isinstance(found, Settings) or found.about is None:
            return None
        match key:
            case "I":
                return Operate("initialise")
            case "B":
                return Operate("back up")
            case "R":
                self.typing = Typing(RESTORE, found.about.newest_copy, "a copy that [B] or `vibeusage db backup` made")
            case "D":
                self.question = Question(f"Delete {found.about.database}?", LOST, Operate("delete"))
        return None

    def _type(self, typing: Typing, key: str, character: str) -> Wish | None:
        if key == "enter":
            self.typing = None
            if typing.label == RESTORE and not typing.text.strip():
                return Say("no copy was named; B makes one")
            if typing.label == RESTORE:
                asked = f"Put {typing.text.strip()} in the place of the database?"
                self.question = Question(asked, KEPT, Operate("restore", typing.text.strip()))
                return None
            return Change(typing.label, typing.text.strip())
        if key == "escape":
            self.typing = None
        elif character.isprintable() and character:
            typing.insert(character)
        else:
            typing.key(key)
        return None

    def _turn_to(self, mode: str) -> None:
        self.mode = mode
        self.back.pop(mode, None)

    def _leave(self) -> Wish | None:
        if self.mode == "usage":
            return Quit()
        self._turn_to(BEHIND.get(self.mode, "usage"))
        return None

    def _rows(self) -> list:
        found = self.got.get(Ask("states"))
        return manage.shown(found.rows, shows_all=self.shows_all) if isinstance(found, States) else []

    def _items(self) -> list[Item]:
        found = self.got.get(self.asks()[0])
        return found.items if isinstance(found, Settings) else []

    def _at(self, found: Settings) -> int:
        return self._picked(len(found.items))

    def _picked(self, count: int) -> int:
        return max(0, min(self.picked.get(self.mode, 0), count - 1))

    def _move(self, key: str) -> None:
        count = len(self._rows() if self.mode == "manage" else self._items())
        at = self._picked(count)
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -PAGE, "pagedown": PAGE, "home": -count, "end": count}
        to = at + moves[key]
        self.picked[self.mode] = max(0, min(to, count - 1))


def _told(found: Failure, style: Style, cells: int) -> list[Line]:
    lines: list[Line] = [[("red", text)] for text in wrapped(style.text(found.message, 500), cells)]
    hints = [style.text(text, 500) for text in found.hint.split("\n")]
    return [*lines, *([("", text)] for hint in hints for text in wrapped(hint, cells))]
