"""Plans for people: panels, bars, resets, money and notes.

No line is wider than `Style.columns` cells. One account stands free, several stand in boxes, two side by
side from 160 columns on; under 60 columns the boxes go. The bars of all accounts start in one column.
Every string from outside passes `plain` or `Style.text` here, at the boundary.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from vibeusage import pace
from vibeusage.escape import width
from vibeusage.models import (
    FetchAttempt,
    FetchError,
    OverageUsage,
    ProviderStatus,
    StatusLevel,
    UsagePeriod,
    UsageSnapshot,
)
from vibeusage.terminal import Line, Style, cells_of, cut, padded, painted, plain, wrapped

BOXES_FROM, PAIRS_FROM, WIDEST_BOX, BETWEEN = 60, 160, 110, 2
BARS = (40, 30, 20, 16, 12, 10, 8, 6, 0)
STATUS = {StatusLevel.DEGRADED: "yellow", StatusLevel.PARTIAL_OUTAGE: "red", StatusLevel.MAJOR_OUTAGE: "alarm"}
MESSAGE_LIMIT = 500
# currencies by how many digits stand behind their point, when not two (ISO 4217)
IN_WHOLE = ("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF")
IN_THOUSANDTHS = ("BHD", "JOD", "KWD", "OMR", "TND")
# how a reset is told; the shortest bar and, where a name has to be cut, the shortest name it is told with
FORMS = (("full", 8, 28), ("short", 10, 16), ("bare", 6, 8), ("bare", 0, 0))
LEAST_NAME = 5



class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one account: its numbers, and why there are none or no newer ones."""

    id: str
    name: str
    snapshot: UsageSnapshot | None = None
    error: FetchError | None = None
    attempts: tuple[FetchAttempt, ...] = ()


def money(amount: Decimal, currency: str) -> str:
    """`$1,206.55`, `6.55 EUR`, `655 JPY`, `12.5 credits`."""
    if currency == "USD":
        return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"
    if len(currency) != 3:
        return f"{amount.normalize():,f} {plain(currency)}"
    places = 0 if currency in IN_WHOLE else 3 if currency in IN_THOUSANDTHS else 2
    return f"{amount:,.{places}f} {plain(currency)}"


def usage(entries: Iterable[Entry], style: Style, now: datetime, *, verbose: bool = False) -> str:
    """All entries in their order; lines end without a newline."""
    panels = [_panel(entry, style, now, verbose=verbose) for entry in entries]
    boxed = len(panels) > 1 and style.columns >= BOXES_FROM
    beside = 2 if boxed and style.columns >= PAIRS_FROM else 1
    outer = (style.columns - BETWEEN * (beside - 1)) // beside
    outer = min(outer, WIDEST_BOX) if boxed else outer
    layout = _layout(panels, outer - (4 if boxed else 2))
    blocks = [_block(panel, layout, style) for panel in panels]
    if not boxed:
        return "\n\n".join(_free(block, style, outer) for block in blocks)
    pairs = [blocks[at : at + beside] for at in range(0, len(blocks), beside)]
    return "\n".join(line for pair in pairs for line in _boxes(pair, style, outer))


def open_blocks(entries: Iterable[Entry], style: Style, now: datetime, room: int) -> list[list[Line]]:
    """The lines of each entry without a box, in `room` cells: a title, and below it what is known."""
    panels = [_panel(entry, style, now, verbose=False) for entry in entries]
    layout = _layout(panels, room - BETWEEN)
    return [_opened(_block(panel, layout, style), style, room) for panel in panels]


class _Row(NamedTuple):
    """One window; `percent` is `reset` and `share` 0 once its reset has passed."""

    name: str
    level: str
    share: float
    percent: str
    word: str = ""
    mark: str = ""
    resets_in: str = ""
    resets_at: str = ""
    age: str = ""


class _Panel(NamedTuple):
    """One account before anything is measured; `facts` and `notes` are (label, style, text)."""

    title: list[str]
    age: str
    rows: list[_Row]
    facts: list[tuple[str, str, str]]
    notes: list[tuple[str, str, str]]


class _Layout(NamedTuple):
    """Cells of each column; `form` says how the resets are told."""

    form: str
    room: int
    name: int
    bar: int
    percent: int
    word: int


class _Block(NamedTuple):
    title: list[str]
    aside: Line
    body: list[Line]


def _panel(entry: Entry, style: Style, now: datetime, *, verbose: bool) -> _Panel:
    found, notes = entry.snapshot, _notes(entry, style, now)
    title = [style.text(entry.name) + (f" ({style.text(who)})" if (who := entry.id.partition("@")[2]) else "")]
    if not found:
        facts = [fact for attempt in entry.attempts if verbose for fact in _attempt(attempt, style)]
        return _Panel(title, "", [], facts, notes or [("", "dim", "nothing is known yet")])
    if identity := found.identity:
        title += [style.text(text) for text in (identity.plan, identity.organization, identity.email) if text]
    ordered = sorted(found.periods, key=lambda period: (period.model is not None, period.window))
    rows = [_row(period, found, style, now) for period in ordered]
    facts = _facts(found, style, now)
    if not rows and not facts:
        notes = [("", "dim", "no limits reported"), *notes]
    ages = {row.age for row in rows} or {_stale_age(found.observed_at, style, now)}
    age = ages.pop() if len(ages) == 1 else ""
    if age:  # said once for all
        rows = [row._replace(age="") for row in rows]
    if verbose:
        facts += _origin(entry, found, style, now)
    return _Panel(title, "" if entry.error else age, rows, facts, notes)


def _row(period: UsagePeriod, snapshot: UsageSnapshot, style: Style, now: datetime) -> _Row:
    name, instant = style.text(period.name), int(now.timestamp())
    resets_at = int(period.resets_at.timestamp()) if period.resets_at else 0
    seen = period.observed_at or snapshot.observed_at
    age = _stale_age(seen, style, now)
    if now >= (period.resets_at or seen + period.window):
        return _Row(name, "dim", 0, "reset", age=age)
    level, _ = pace.level(period.utilization, int(period.window.total_seconds()), resets_at, instant)
    used_up = period.utilization >= 100
    share = period.remaining() if style.remaining else period.utilization
    word = "used up" if used_up else "left" if style.remaining else "used"
    row = _Row(name, level, share, pace.percent(period.utilization if used_up else share), word, style.mark(level))
    if not resets_at:
        return row._replace(age=age)
    left, clock = pace.countdown(resets_at, instant)[0], pace.clock(resets_at, instant)[0]
    return row._replace(resets_in=left, resets_at=style.text(clock), age=age)


def _stale_age(seen: datetime, style: Style, now: datetime) -> str:
    return "" if now - style.stale_after < seen <= now else f"({_age(seen, now)})"


def _age(seen: datetime, now: datetime) -> str:
    return pace.age(int(seen.timestamp()), int(now.timestamp()))[0]


def _facts(found: UsageSnapshot, style: Style, now: datetime) -> list[tuple[str, str, str]]:
    facts = []
    if found.overage:
        facts.append(("extra usage", *_overage(found.overage, style, now)))
    if found.balance:
        facts.append(("balance", "", style.text(money(found.balance.amount, found.balance.currency))))
    if found.status and found.status.level in STATUS:
        facts.append(("status", STATUS[found.status.level], _status(found.status, style)))
    return facts


def _overage(overage: OverageUsage, style: Style, now: datetime) -> tuple[str, str]:
    """(colour, text), coloured by the amount used of a limit."""
    used = money(overage.used, overage.currency)
    if not overage.is_enabled:
        return "dim", style.text(f"off, {used} used" if overage.used else "off")
    if overage.resets_at and overage.resets_at <= now:
        return "dim", "reset"
    instant, share, level = int(now.timestamp()), overage.utilization(), ""
    text = used if overage.limit is not None else f"{used}, no limit"
    if overage.limit is not None:
        text += f" of {money(overage.limit, overage.currency)}"
    if share is not None:
        level, _ = pace.level(share, 0, 0, instant)
        rounded = pace.percent(round(share) if 1 <= share < 99 else share)
        text += f" ({rounded}{', used up' if share >= 100 else ''})"
    if overage.resets_at:
        text += f", resets in {pace.countdown(int(overage.resets_at.timestamp()), instant)[0]}"
    return level, style.text(f"{text} {style.mark(level)}")


def _status(status: ProviderStatus, style: Style) -> str:
    about = f": {style.text(status.description, MESSAGE_LIMIT)}" if status.description else ""
    return status.level.value.replace("_", " ") + about


def _origin(entry: Entry, found: UsageSnapshot, style: Style, now: datetime) -> list[tuple[str, str, str]]:
    account = style.text(found.account or "default")
    told = f"{style.text(found.source)}, account {account}, fetched {_age(found.fetched_at, now)}"
    return [("source", "dim", told), *[fact for attempt in entry.attempts for fact in _attempt(attempt, style)]]


def _attempt(attempt: FetchAttempt, style: Style) -> list[tuple[str, str, str]]:
    told = f"{style.text(attempt.strategy)} {'ok' if attempt.success else 'failed'} in {attempt.duration_ms} ms"
    why = f": {style.text(attempt.error, MESSAGE_LIMIT)}" if attempt.error else ""
    return [("tried", "dim", told + why)]


def _notes(entry: Entry, style: Style, now: datetime) -> list[tuple[str, str, str]]:
    """One sentence and its hint: a warning while older numbers are on screen, else an error."""
    if not entry.error:
        return []
    message = style.text(entry.error.message, MESSAGE_LIMIT).rstrip(".")
    if entry.snapshot:
        passed = int((now - entry.snapshot.observed_at).total_seconds())
        message += f"; numbers are {pace.span(passed)[0]} old" if passed >= 0 else "; numbers are of unknown age"
    notes = [("! ", "yellow" if entry.snapshot else "red", message)]
    return [*notes, ("  ", "dim", style.text(entry.error.hint, MESSAGE_LIMIT))] if entry.error.hint else notes


def _layout(panels: Sequence[_Panel], room: int) -> _Layout:
    """The most telling form that leaves bar and names their cells; a name is cut before the bar is lengthened."""
    rows = [row for panel in panels for row in panel.rows]
    names = [row.name for row in rows] + [label for panel in panels for label, _, _ in panel.facts]
    natural = max(map(width, names), default=0)
    for form, least_bar, least_name in FORMS:
        percent = max((len(_percent(row, form)) for row in rows), default=0)
        percent = percent if form == "bare" else 6
        word = max((len(_word(row, form)) for row in rows), default=0)
        told = max((cells_of(_told(row, form)) for row in rows), default=0)
        left = room - percent - word - told - 3 * len(_gap(form))
        if left - least_bar >= min(natural, least_name):
            break
    name = max(LEAST_NAME, min(natural, left - least_bar))
    bar = max((cells for cells in BARS if cells <= left - name), default=0)
    return _Layout(form, room, name, bar, percent, word)


def _gap(form: str) -> str:
    return " " if form == "bare" else "  "


def _percent(row: _Row, form: str) -> str:
    return row.word if form == "bare" and row.word == "used up" else row.percent


def _word(row: _Row, form: str) -> str:
    """With a space before each: what the percentage is of, and the mark of its pace."""
    parts = (row.mark,) if form == "bare" else (row.word, row.mark)
    return "".join(f" {part}" for part in parts if part)


def _told(row: _Row, form: str) -> Line:
    """The reset and the clock or the age; the barest form has room for one thing."""
    if form == "bare":
        return [("yellow", row.age) if row.age else ("", row.resets_in)]
    told = [("", f"resets in {row.resets_in}" if form == "full" else f"in {row.resets_in}")] if row.resets_in else []
    if row.age:
        return [*told, ("yellow", f"  {row.age}" if told else row.age)]
    return [*told, ("dim", f" ({row.resets_at})")] if row.resets_at and form == "full" else told


def _block(panel: _Panel, layout: _Layout, style: Style) -> _Block:
    body = [_period(row, layout, style) for row in panel.rows]
    for label, color, text in panel.facts:
        head = _column(label, layout, style)
        body += _hanging(head, color, text, layout.room)
    for head, color, text in panel.notes:
        body += _hanging([(color, head)], color, text, layout.room)
    aside = [("yellow", panel.age)] if panel.age else []
    if layout.form == "bare" and panel.rows:
        aside += [("dim", f"{' ' if aside else ''}% {'left' if style.remaining else 'used'}")]
    return _Block(panel.title, aside, [cut(line, layout.room, style) for line in body])


def _column(name: str, layout: _Layout, style: Style) -> Line:
    return [*padded([("", _shorter(name, layout.name, style))], layout.name), ("", _gap(layout.form))]


def _hanging(head: Line, color: str, text: str, room: int) -> list[Line]:
    """`text` behind `head`, its further lines below itself."""
    start = cells_of(head)
    first, *rest = wrapped(text, room - start) or [""]
    return [[*head, (color, first)], *[[("", " " * start), (color, part)] for part in rest]]


def _period(row: _Row, layout: _Layout, style: Style) -> Line:
    amount, word, gap = _percent(row, layout.form), _word(row, layout.form), ("", _gap(layout.form))
    return [
        *_column(row.name, layout, style),
        (row.level, style.bar(row.share, layout.bar)),
        gap,
        (row.level, amount.rjust(layout.percent) + word),
        ("", " " * (layout.word - len(word))),
        gap,
        *_told(row, layout.form),
    ]


def _heading(block: _Block, room: int, style: Style) -> tuple[Line, Line]:
    """The title, without its least telling parts where room is short, and what stands at the right."""
    parts, separator = block.title, style.glyphs.separator
    aside = cut(block.aside, max(0, room // 2), style)
    room -= cells_of(aside) + 1 if aside else 0
    while len(parts) > 1 and width(separator.join(parts)) > room:
        parts = parts[:-1]
    rest = separator + separator.join(parts[1:]) if parts[1:] else ""
    return cut([("", parts[0]), ("dim", rest)], room, style), aside


def _free(block: _Block, style: Style, outer: int) -> str:
    title, aside = _heading(block, outer, style)
    head = [*padded(title, outer - cells_of(aside)), *aside] if style.columns < BOXES_FROM else title
    if aside and style.columns >= BOXES_FROM:
        head = [*title, ("", "  "), *aside]
    lines = [head, *[[("", "  "), *line] for line in block.body]]
    return "\n".join(painted(cut(line, outer, style), style).rstrip() for line in lines)


def _opened(block: _Block, style: Style, room: int) -> list[Line]:
    title, aside = _heading(block, room, style)
    named = [("strong" if not place else color, text) for place, (color, text) in enumerate(title)]
    body = [cut([("", " " * BETWEEN), *line], room, style) for line in block.body]
    return [[*padded(named, room - cells_of(aside)), *aside], *body]


def _boxes(blocks: Sequence[_Block], style: Style, outer: int) -> list[str]:
    """Boxes side by side, of one height."""
    height = max(len(block.body) for block in blocks)
    boxes = [_box(block, style, outer, height) for block in blocks]
    return [(" " * BETWEEN).join(parts) for parts in zip(*boxes, strict=True)]


def _box(block: _Block, style: Style, outer: int, height: int) -> list[str]:
    _, _, (left, right, low_left, low_right), across, down = style.glyphs
    title, aside = _heading(block, outer - 7, style)
    if aside:
        aside = [("", " "), *aside, ("", " ")]
    fill = across * (outer - 6 - cells_of(title) - cells_of(aside))
    top: Line = [("dim", f"{left}{across} "), *title, ("dim", f" {fill}"), *aside, ("dim", across + right)]
    lines = [*block.body, *[[("", "")]] * (height - len(block.body))]
    inner = [[("dim", f"{down} "), *padded(line, outer - 4), ("dim", f" {down}")] for line in lines]
    low: Line = [("dim", low_left + across * (outer - 2) + low_right)]
    return [painted(line, style) for line in (top, *inner, low)]


def _shorter(name: str, cells: int, style: Style) -> str:
    """`Session (5h)` gives up its bracket before any letter."""
    short = name.partition(" (")[0] if width(name) > cells else name
    return "".join(text for _, text in cut([("", short)], cells, style))
