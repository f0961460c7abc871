"""The providers one by one: state and records of each, and of the picked one everything that is known."""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from vibeusage import pace
from vibeusage.dashboard.page import Cell, Column, Page, Room, labelled, marked, table
from vibeusage.provider_states import Row
from vibeusage.terminal import Line, Style, cut

STATES = {"working": "green", "waiting": "yellow", "failing": "red", "off": "dim", "not set up": "dim"}
PATH_LIMIT = 400
LABEL = 12
DETAIL_ROWS = 9
KEYS = (("space", "on/off"), ("c", "configure"), ("a", "all"))


def shown(rows: Sequence[Row], *, shows_all: bool) -> list[Row]:
    return [row for row in rows if shows_all or row.state != "not set up"]


def page(rows: Sequence[Row], picked: int, style: Style, room: Room, now: datetime, zone: tzinfo) -> Page:
    """`rows` as of `shown`."""
    columns = [
        *(Column("", is_name=True), Column("Provider", is_name=True), Column("State", is_name=True)),
        *(Column("Numbers", goes=3), Column("Records", goes=1), Column("Last sync", goes=2)),
    ]
    cells = [_cells(row, now, zone, style) for row in rows]
    head, *lines = table(columns, cells, style, room.columns)
    if not rows:
        lines = [[("dim", "no provider is set up yet: `a` shows all")]]
    else:
        lines[picked] = marked(lines[picked], room.columns)
    most = min(DETAIL_ROWS, max(1, room.rows // 2 - 1))
    below = _details(rows[picked], most, style, room.columns, zone) if rows else []
    return Page([("strong", "Manage providers")], [head, *lines], below, KEYS, picked + 1 if rows else None)


def _cells(row: Row, now: datetime, zone: tzinfo, style: Style) -> list[Cell]:
    seen = pace.age(int(row.observed_at.timestamp()), int(now.timestamp()))[0] if row.observed_at else ""
    return [
        *("" if style.full.isascii() else style.text(row.icon), style.text(row.name)),
        *((STATES.get(row.state, ""), row.state), seen),
        *(f"{row.records:,}" if row.records else "-", _when(row.synced_at, zone)),
    ]


def _details(row: Row, most: int, style: Style, cells: int, zone: tzinfo) -> list[Line]:
    rule: Line = [("dim", style.glyphs.across * cells)]
    title: Line = [("strong", style.text(row.name)), ("dim", f"  {style.text(row.id)}")]
    told = ((label, color, style.text(text, PATH_LIMIT)) for label, color, text in _facts(row, zone))
    lines = [title, *labelled(told, LABEL, style, cells)]
    if len(lines) > most:
        more = f"{style.glyphs.ellipsis} `vibeusage providers show {style.text(row.id)}` tells the rest"
        lines = [*lines[: most - 1], [("dim", more)]]
    lines = [cut(line, cells, style) for line in lines]
    return [rule, *lines, *[[]] * (most - len(lines))]


def _facts(row: Row, zone: tzinfo) -> Iterator[tuple[str, str, str]]:
    """(label, style, text), the most wanted first."""
    if row.error:
        yield "error", "red" if row.state in ("failing", "waiting") else "dim", row.error
    if row.todo:
        yield "to do", "", row.todo
    if row.source:
        yield "numbers", "", f"{row.source}, {_when(row.observed_at, zone)}"
    if row.records or row.synced_at:
        yield "records", "", f"{row.records:,}" + (f", last sync {_when(row.synced_at, zone)}" if row.synced_at else "")
    for place in row.logs:
        yield "logs", "", place
    for way in row.ways:
        yield way.strategy, "", ", ".join(way.places) or "nothing to log in with"
    if row.dashboard:
        yield "page", "", row.dashboard
    if row.file:
        yield "file", "", row.file


def _when(at: datetime | None, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else ""
