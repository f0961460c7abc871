"""What was consumed by provider, by model and by machine, as tables."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from decimal import Decimal

from vibeusage.dashboard import plots
from vibeusage.dashboard.loading import Breakdown, Devices
from vibeusage.dashboard.page import Cell, Column, Page, Room, heading, nothing, of_source, table
from vibeusage.dashboard.sums import added
from vibeusage.figures import amount, left_out, price, uncertain
from vibeusage.records.reports import Report
from vibeusage.records.tally import Row
from vibeusage.terminal import Line, Style, cut, wrapped

SHARE_CELLS, IDLE_ROWS = 12, 5
COUNTS = (
    *(Column("Messages", goes=2), Column("Tokens", goes=1)),
    *(Column("Cost"), Column("Share of cost", is_name=True, goes=3)),
)
UNKNOWN = "not recorded"
KEYS = (("←→", "month"), ("enter", "manage"), ("f", "tool"))


def notes(report: Report, style: Style, cells: int) -> list[Line]:
    """What a reader of the numbers has to know, below them."""
    absent = [left_out(style.text(name)) for name in report.left_out]
    told = [part for text in (*absent, *uncertain(report.total)) for part in wrapped(text, cells)]
    return [[], *([("dim", part)] for part in told)] if told else []


def models_table(report: Report, style: Style, cells: int) -> list[Line]:
    rows = [
        [" ".join(filter(None, (style.text(row.model) or UNKNOWN, row.speed))), *counts(row, report.total, style)]
        for row in report.rows
    ]
    return table([Column("Model", is_name=True), *COUNTS], rows, style, cells, total=_total(report, style))


def tools_table(report: Report, idle: Sequence[str], style: Style, cells: int) -> list[Line]:
    """A row for each tool, whatever routes it took; `idle` ones have nothing in it."""
    names = dict.fromkeys(row.provider for row in report.rows)
    by_tool = [(name, added([row for row in report.rows if row.provider == name])) for name in names]
    rows: list[list[Cell]] = [[style.text(name), *counts(row, report.total, style)] for name, row in by_tool]
    names_of_idle = [style.text(name) for name in idle[:IDLE_ROWS]]
    if len(idle) > IDLE_ROWS:
        names_of_idle[-1] = f"{len(idle) - IDLE_ROWS + 1} others"
    rows += [[("dim", name), *[("dim", "-")] * 3, ""] for name in names_of_idle]
    return table([Column("Provider", is_name=True), *COUNTS], rows, style, cells, total=_total(report, style))


def counts(row: Row, total: Row, style: Style) -> list[Cell]:
    mine, whole = (float(Decimal(one.cost or 0)) for one in (row, total))
    share = plots.bar(mine, whole, SHARE_CELLS, style).ljust(SHARE_CELLS)
    return [f"{row.messages:,}", amount(row.total_tokens, short=True), price(row, style), ("accent", share)]


def _total(report: Report, style: Style) -> list[Cell]:
    return ["Total", *counts(report.total, report.total, style)[:3], ""] if report.rows else []


def providers(found: Breakdown, style: Style, room: Room, *, provider: str) -> Page:
    named = f"{style.glyphs.separator}{style.text(provider)}" if provider else ""
    title: Line = [("strong", f"Providers, {found.first:%B %Y}{named}"), *of_source(found.providers.source, style)]
    if not (found.providers.rows or found.idle):
        return Page(title, nothing(style), keys=(("enter", "manage"),))
    lines = tools_table(found.providers, found.idle, style, room.columns)
    if not found.models.rows:
        none = [[("dim", "no calls in this month")]] if found.models.records_since else nothing(style)
        return Page(title, [*lines, [], *none], keys=KEYS)
    lines += [
        [],
        cut(heading("Models, of all providers" if not provider else "Models"), room.columns, style),
        *models_table(found.models, style, room.columns),
        *notes(found.models, style, room.columns),
    ]
    return Page(title, lines, keys=KEYS)


def devices(found: Devices, style: Style, room: Room, zone: tzinfo) -> Page:
    title: Line = [("strong", "Devices"), *of_source(found.every.source, style)]
    if not found.every.rows:
        return Page(title, nothing(style))
    month = {row.machine: row for row in found.month.rows}
    columns = [
        *(Column("Machine", is_name=True), Column("This month"), Column("Tokens", goes=4), Column("In all", goes=1)),
        *(Column("Tokens", goes=2), Column("Messages", goes=5), Column("Share of cost", is_name=True, goes=6)),
        Column("Last call", goes=3),
    ]
    rows = [_device(row, month.get(row.machine), found.every.total, style, zone) for row in found.every.rows]
    every, this = found.every.total, found.month.total
    messages, tokens, cost, _ = counts(every, every, style)
    total = ["Total", price(this, style), amount(this.total_tokens, short=True), cost, tokens, messages, "", ""]
    lines = table(columns, rows, style, room.columns, total=total)
    return Page(title, [*lines, *notes(found.every, style, room.columns)])


def _device(row: Row, month: Row | None, total: Row, style: Style, zone: tzinfo) -> list[Cell]:
    messages, tokens, cost, share = counts(row, total, style)
    this: list[Cell] = [price(month, style), amount(month.total_tokens, short=True)] if month else ["-", "-"]
    return [style.text(row.machine) or UNKNOWN, *this, cost, tokens, messages, share, _when(row.last_at, zone)]


def _when(at: datetime | None, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else ""
