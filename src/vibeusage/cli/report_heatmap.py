"""The heatmap: weeks as columns, days as rows; colour or shading tells how much a day took."""

from collections.abc import Mapping, Sequence
from datetime import date, tzinfo

from vibeusage.cli.report_table import head, notes
from vibeusage.figures import amount, counted, price
from vibeusage.records import heatmap
from vibeusage.records.reports import Report
from vibeusage.terminal import Style, painted, wrapped

COLORS = ("38;5;242", "38;5;22", "38;5;28", "38;5;34", "38;5;46")
SQUARES, SHADES, SIGNS = "·■■■■", "·░▒▓█", ".-+*#"
LABEL = 4  # cells before the first week


def text(
    report: Report, style: Style, first: date, last: date, *, measure: str, week_start: int, zone: tzinfo, now: int
) -> str:
    """The newest weeks where not all have room."""
    columns = heatmap.weeks(first, last, week_start)
    cells = 2 if LABEL + 2 * len(columns) <= style.columns else 1
    columns = columns[-max(1, (style.columns - LABEL) // cells) :]
    levels = {row.key: row.level for row in report.rows}
    days = [_row([column[place] for column in columns], levels, style, cells) for place in range(7)]
    legend = f"{' ' * LABEL}less {' '.join(_shade(level, style) for level in range(5))} more {measure} a day"
    found = [*_facts(report, style, measure), *notes(report, style, zone, now)]
    told = [line for note in found for line in wrapped(note, style.columns)]
    lines = [_months(columns, cells), *days, "", legend, "", *(style.paint("dim", line) for line in told)]
    return "\n".join([*(painted(line, style) for line in head(report, style)), "", *(line.rstrip() for line in lines)])


def _row(days: Sequence[date | None], levels: Mapping[str, int], style: Style, cells: int) -> str:
    names = {day.weekday(): f"{day:%a}" for day in days if day and day.weekday() in (0, 2, 4)}
    shades = [_shade(levels.get(day.isoformat(), 0), style) if day else " " for day in days]
    return f"{next(iter(names.values()), ''):{LABEL}}" + (" " * (cells - 1)).join(shades)


def _shade(level: int, style: Style) -> str:
    if not style.full.isascii() and style.color:
        return f"\x1b[{COLORS[level]}m{SQUARES[level]}\x1b[0m"
    shade = (SIGNS if style.full.isascii() else SHADES)[level]
    return f"\x1b[{COLORS[level]}m{shade}\x1b[0m" if style.color else shade


def _months(columns: Sequence[Sequence[date | None]], cells: int) -> str:
    """The name of each month above the week of its first day, where there is room."""
    line = " " * LABEL
    for place, column in enumerate(columns):
        at = LABEL + place * cells
        first = next((day for day in column if day and day.day == 1), None)
        if first and len(line) <= at and at + 3 <= LABEL + len(columns) * cells:
            line = f"{line:{at}}{first:%b} "
    return line.rstrip()


def _facts(report: Report, style: Style, measure: str) -> list[str]:
    facts, total = heatmap.facts(report, measure), report.total
    if not facts.active:
        return []
    days = f"{counted(facts.active, 'day')} with records, at most {facts.streak} in a row"
    most = f"; most on {facts.busiest}" if facts.busiest else ""
    return [f"{amount(total.total_tokens, short=False)} tokens, {price(total, style)}; {days}{most}"]
