"""A year of days as shades, and what its weekdays and months took."""

from collections.abc import Mapping, Sequence
from datetime import date

from vibeusage.dashboard import plots
from vibeusage.dashboard.breakdowns import notes
from vibeusage.dashboard.loading import Year
from vibeusage.dashboard.page import Column, Page, Room, beside, nothing, of_source, table
from vibeusage.dashboard.spans import UNPRICED, Measure, size
from vibeusage.dashboard.sums import added
from vibeusage.figures import amount, counted, price
from vibeusage.records import days, heatmap
from vibeusage.records.tally import Row
from vibeusage.terminal import Line, Style, cut, wrapped

SQUARES, SHADES, SIGNS = "·■■■■", "·░▒▓█", ".-+*#"
LABEL = 4  # cells before the first week
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BAR_CELLS = 10


def page(year: Year, style: Style, room: Room, *, measure: Measure, provider: str) -> Page:
    report = heatmap.levelled(year.report, measure)
    named = f"{style.glyphs.separator}{style.text(provider)}" if provider else ""
    title: Line = [("strong", f"Heatmap, {year.first:%b %Y} to {year.last:%b %Y}{named}")]
    title += of_source(report.source, style)
    if not report.records_since:
        return Page(title, nothing(style))
    lines = [*_squares(year, {row.key: row.level for row in report.rows}, style, room.columns, measure), []]
    lines += [[("", part)] for text in _facts(year, style, measure) for part in wrapped(text, room.columns)] + [[]]
    lines += [*_weekdays(year, style, room.columns, measure), *notes(report, style, room.columns)]
    keys = (("←→", "year"), ("t", "tokens" if measure == "cost" else "cost"), ("f", "tool"))
    return Page(title, lines, keys=keys)


def _squares(year: Year, levels: Mapping[str, int], style: Style, cells: int, measure: Measure) -> list[Line]:
    columns = heatmap.weeks(year.first, year.last, days.MONDAY)
    wide = 3 if LABEL + 3 * len(columns) <= cells else 2 if LABEL + 2 * len(columns) <= cells else 1
    columns = columns[-max(1, (cells - LABEL) // wide) :]
    rows = [_row(place, [column[place] for column in columns], levels, style, wide) for place in range(7)]
    legend: Line = [("dim", " " * LABEL + "less ")]
    for level in range(5):
        legend += [_shade(level, style), ("", " ")]
    legend = cut([*legend, ("dim", f"more {measure} a day")], cells, style)
    return [[("dim", _months(columns, wide))], *rows, legend]


def _row(place: int, row: Sequence[date | None], levels: Mapping[str, int], style: Style, wide: int) -> Line:
    line: Line = [("dim", (WEEKDAYS[place] if place % 2 == 0 else "").ljust(LABEL))]
    for day in row:
        color, shade = _shade(levels.get(day.isoformat(), 0), style) if day else ("", " ")
        line += [(color, shade), ("", " " * (wide - 1))]
    return line


def _shade(level: int, style: Style) -> tuple[str, str]:
    glyphs = SIGNS if style.full.isascii() else SQUARES if style.color else SHADES
    return f"heat{level}", glyphs[level]


def _months(columns: Sequence[Sequence[date | None]], wide: int) -> str:
    line = " " * LABEL
    for place, column in enumerate(columns):
        at = LABEL + place * wide
        first = next((day for day in column if day and day.day == 1), None)
        if first and len(line) <= at and at + 3 <= LABEL + len(columns) * wide:
            line = f"{line:{at}}{first:%b} "
    return line.rstrip()


def _facts(year: Year, style: Style, measure: Measure) -> list[str]:
    facts, total = heatmap.facts(year.report, measure), year.report.total
    if not facts.active:
        return ["no calls in this year"]
    calls = counted(total.messages, "call")
    every = f"{price(total, style)}, {amount(total.total_tokens, short=True)} tokens in {calls}"
    active = f"{counted(facts.active, 'day')} of use, at most {facts.streak} in a row"
    if facts.busiest is None:
        return [every, active, *([UNPRICED] if measure == "cost" and total.cost is None else [])]
    busiest = next(row for row in year.report.rows if row.key == facts.busiest.isoformat())
    most = f"most on {facts.busiest}: {price(busiest, style)}, {amount(busiest.total_tokens, short=True)} tokens"
    return [every, f"{active}; {most}"]


def _weekdays(year: Year, style: Style, cells: int, measure: Measure) -> list[Line]:
    """Which days of the week, and beside them which months."""
    rows = [(date.fromisoformat(row.key), row) for row in year.report.rows]
    of_days = [(name, [row for day, row in rows if day.weekday() == place]) for place, name in enumerate(WEEKDAYS)]
    left = _bars("Weekday", of_days, style, cells, measure)
    months = list(dict.fromkeys(f"{day:%Y-%m}" for day, _ in rows))[-7:]
    of_months = [(key, [row for _, row in rows if row.key.startswith(key)]) for key in months]
    right = _bars("Month", of_months, style, cells, measure) if months else []
    half = max((sum(len(text) for _, text in line) for line in left), default=0) + 4
    return beside(left, right, half) if half * 2 <= cells + 4 else left


def _bars(
    title: str, groups: Sequence[tuple[str, list[Row]]], style: Style, cells: int, measure: Measure
) -> list[Line]:
    sums = [(name, added(rows)) for name, rows in groups]
    top = max((size(row, measure) for _, row in sums), default=0)
    bars = [("accent", plots.bar(size(row, measure), top, BAR_CELLS, style).ljust(BAR_CELLS)) for _, row in sums]
    rows = [[name, bar, _amount(row, style, measure)] for bar, (name, row) in zip(bars, sums, strict=True)]
    names = [Column(title, is_name=True), Column("", is_name=True, goes=1)]
    return table([*names, Column(measure.title())], rows, style, cells)


def _amount(row: Row, style: Style, measure: Measure) -> str:
    return price(row, style) if measure == "cost" else amount(row.total_tokens, short=True)
