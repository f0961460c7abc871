"""A week, a month or a year: what each part of it took, and by model and by tool."""

from datetime import date, timedelta
from decimal import Decimal

from vibeusage.dashboard import plots
from vibeusage.dashboard.breakdowns import models_table, notes, tools_table
from vibeusage.dashboard.loading import Span
from vibeusage.dashboard.page import Column, Page, Room, beside, nothing, of_source, table
from vibeusage.figures import amount, counted, price
from vibeusage.records.tally import Row
from vibeusage.terminal import Line, Style, cut, wrapped

NAMES = {"weekly": "week", "monthly": "month", "yearly": "year"}
SIDE_FROM = 110
BETWEEN = 4
PLOT_ROWS, SCALE_CELLS = (5, 14), 10
Measure = str  # "cost" or "tokens"
UNPRICED = "none of these calls has a known price: t plots their tokens"


def page(span: Span, style: Style, room: Room, *, measure: Measure, provider: str) -> Page:
    total, between = span.parts.total, style.glyphs.separator
    title: Line = [
        ("strong", titled(span) + (f"{between}{style.text(provider)}" if provider else "")),
        *of_source(span.parts.source, style),
    ]
    if not span.parts.records_since:
        return Page(title, nothing(style))
    title += [
        ("accent", f"  {price(total, style)}"),
        ("accent", f"{between}{amount(total.total_tokens, short=True)} tokens"),
        ("accent", f"{between}{counted(total.messages, 'call')}"),
    ]
    plot = _plotted(span, style, room, measure)
    if measure == "cost" and span.parts.rows and total.cost is None:
        why: list[Line] = [[("yellow", part)] for part in wrapped(UNPRICED, style.columns)]
        plot = why if span.period == "monthly" else [*plot, *why]
    lines = [*plot, [], *_tables(span, style, room.columns), *notes(span.parts, style, room.columns)]
    return Page(title, lines, keys=keys(span.period, measure))


def keys(period: str, measure: Measure) -> tuple[tuple[str, str], ...]:
    return (("←→", NAMES[period]), ("t", "tokens" if measure == "cost" else "cost"), ("f", "tool"))


def titled(span: Span) -> str:
    match span.period:
        case "weekly":
            return f"{span.first:%G-W%V}, {_day(span.first)} to {_day(span.last)}"
        case "monthly":
            return f"{span.first:%B %Y}"
    return f"{span.first.year}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


def _plotted(span: Span, style: Style, room: Room, measure: Measure) -> list[Line]:
    parts = {row.key: row for row in span.parts.rows}
    if span.period == "monthly":
        return _columns(span, parts, style, room, measure)
    return _bars(span, parts, style, room.columns, measure)


def size(row: Row | None, measure: Measure) -> float:
    if row is None:
        return 0.0
    return float(Decimal(row.cost or 0)) if measure == "cost" else float(row.total_tokens)


def _labels(span: Span) -> list[tuple[str, str]]:
    """(key of the row, what it is called) of each part, also of those without records."""
    if span.period == "yearly":
        months = [span.first.replace(month=month) for month in range(1, 13)]
        return [(f"{month:%Y-%m}", f"{month:%b}") for month in months]
    count = (span.last - span.first).days + 1
    every = [span.first + timedelta(days=place) for place in range(count)]
    return [(day.isoformat(), f"{day:%a} {day.day}") for day in every]


def _bars(span: Span, parts: dict[str, Row], style: Style, cells: int, measure: Measure) -> list[Line]:
    """A row for each part: its bar and its numbers."""
    labels = _labels(span)
    top = max((size(row, measure) for row in parts.values()), default=0)
    room = max(6, cells - 8 - 10 - 9 - 9 - 8)
    rows = []
    for key, name in labels:
        row = parts.get(key)
        shown = plots.bar(size(row, measure), top, room, style)
        numbers = [price(row, style), amount(row.total_tokens, short=True), f"{row.messages:,}"] if row else [""] * 3
        rows.append([name, ("accent", shown.ljust(room)), *numbers])
    title = "Cost" if measure == "cost" else "Tokens"
    names = [Column("", is_name=True), Column(title, is_name=True, goes=1)]
    goes = (0, 2) if measure == "cost" else (2, 0)
    numbers = [Column(name, goes=when) for name, when in zip(("Cost", "Tokens"), goes, strict=True)]
    return table([*names, *numbers, Column("Calls", goes=3)], rows, style, cells)


def _columns(span: Span, parts: dict[str, Row], style: Style, room: Room, measure: Measure) -> list[Line]:
    """A column for each day, with the highest amount and the days below."""
    labels = _labels(span)
    sizes = [size(parts.get(key), measure) for key, _ in labels]
    margin = SCALE_CELLS if room.columns >= SCALE_CELLS + len(labels) else 0
    wide = max(1, min(6, (room.columns - margin) // len(labels)))
    height = max(PLOT_ROWS[0], min(PLOT_ROWS[1], room.rows // 3))
    rows = plots.columns(sizes, height, style)
    gap = 1 if wide > 1 else 0
    top = max(parts.values(), key=lambda row: size(row, measure), default=None)
    highest = _amount(top, style, measure)
    scale = [f"{highest:>{SCALE_CELLS - 1}} ", *[" " * SCALE_CELLS] * (height - 1)]
    lines: list[Line] = [
        [("dim", told[:margin]), ("accent", "".join(cell * (wide - gap) + " " * gap for cell in row))]
        for told, row in zip(scale, rows, strict=True)
    ]
    lines = [*lines, [("dim", " " * margin + _axis(len(labels), wide))]]
    return [cut(line, room.columns, style) for line in (lines if margin else [[("dim", f"at most {highest}")], *lines])]


def _amount(row: Row | None, style: Style, measure: Measure) -> str:
    if row is None:
        return ""
    return price(row, style) if measure == "cost" else amount(row.total_tokens, short=True)


def _axis(count: int, wide: int) -> str:
    """The days' numbers: all where they have room, else every second or fifth."""
    line = ""
    for day in range(1, count + 1, 1 if wide > 2 else 2 if wide == 2 else 5):
        line = line.ljust((day - 1) * wide) + str(day)
    return line


def _tables(span: Span, style: Style, cells: int) -> list[Line]:
    if not span.parts.rows:
        return [[("dim", f"no calls in this {NAMES[span.period]}")]]
    if cells < SIDE_FROM:
        return [*models_table(span.models, style, cells), [], *tools_table(span.providers, (), style, cells)]
    half = (cells - BETWEEN) // 2
    return beside(models_table(span.models, style, half), tools_table(span.providers, (), style, half), half + BETWEEN)
