"""Reports as tables that are never wider than the terminal: numbers get shorter, then the least needed columns go."""

from collections.abc import Sequence
from datetime import tzinfo

from vibeusage import pace
from vibeusage.cli.report_columns import NOT_RECORDED, Column, Look, of_report, providers_of
from vibeusage.escape import width
from vibeusage.figures import amount, counted, left_out, money, uncertain
from vibeusage.records.reports import Report, Unpriced
from vibeusage.records.stored import LOCAL
from vibeusage.records.tally import Row
from vibeusage.terminal import Line, Style, cut, painted, wrapped

GAP = 2
OLD_S = 3600
NAMED = 12  # models without a price
LEAST_TEXT = 12  # cells of a column of names before columns go
TITLES = {
    "daily": "Usage by day",
    "weekly": "Usage by week",
    "monthly": "Usage by month",
    "yearly": "Usage by year",
    "sessions": "Usage by session",
    "blocks": "Usage by five-hour block",
    "models": "Usage by model",
    "providers": "Usage by tool and route",
    "projects": "Usage by project",
    "branches": "Usage by branch",
    "devices": "Usage by machine",
    "heatmap": "Usage by day",
}


def table(report: Report, style: Style, zone: tzinfo, home: str, now: int) -> str:
    fields = ("session", "project", "branch", "machine", "model", "route")
    named = {name: [row for row in report.rows if getattr(row, name)] for name in fields}
    recorded = {name: {who for row in rows for who in providers_of(row)} for name, rows in named.items()}
    lines = [*head(report, style), []]
    if report.rows:
        lines += [*_body(report, Look(style, zone, home, recorded)), []]
    told = [_active(row, now) for row in report.rows if row.block and row.block["is_active"]]
    lines += [line for text in told for line in _wrapped(text, style, "")]
    lines += [line for note in notes(report, style, zone, now) for line in _wrapped(note, style, "dim")]
    return "\n".join(painted(cut(line, style.columns, style), style).rstrip() for line in lines)


def _active(row: Row, now: int) -> str:
    """The block of now: the quota that its provider reports first, then what local records say of it."""
    block = row.block or {}
    ends = pace.span(max(0, int(block["ends_at"].timestamp()) - now))[0]
    quota = "" if block["is_estimate"] else f"{pace.percent(block['utilization'])} used, "
    parts = [f"{row.provider}: {quota}{'estimated end' if block['is_estimate'] else 'resets'} in {ends}"]
    if block["tokens_per_minute"] is not None:
        parts.append(f"{amount(round(block['tokens_per_minute']), short=False)} tokens/min ({block['rate']})")
    if block["cost_per_hour"] is not None:
        parts.append(f"{money(block['cost_per_hour'])} an hour")
    if block["projected_tokens"] is not None:
        cost = f", {money(block['projected_cost'])}" if block["projected_cost"] is not None else ""
        tokens = amount(block["projected_tokens"], short=False)
        parts.append(f"at this rate {tokens} tokens{cost} by its end (estimated)")
    return "; ".join(parts)


def head(report: Report, style: Style) -> list[Line]:
    days = f"{report.since or 'the first record'} to {report.until or 'today'}" if report.since or report.until else ""
    parts = [TITLES[report.report], days, report.zone, f"cost at list price as of {report.prices_as_of}"]
    return _wrapped(style.glyphs.separator.join(style.text(part) for part in parts if part), style, "")


def _wrapped(text: str, style: Style, color: str) -> list[Line]:
    return [[(color, line)] for line in wrapped(text, style.columns)]


def _body(report: Report, look: Look) -> list[Line]:
    columns = of_report(report)
    shown = [(row, depth) for top in report.rows for row, depth in ((top, 0), *((part, 1) for part in top.breakdown))]
    for short in (False, True):
        grid = _grid(columns, shown, report.total, look, short=short)
        if _least(grid, columns) <= look.style.columns:
            return _drawn(grid, columns, shown, look)
    for goes in sorted({column.goes for column in columns} - {0}, reverse=True):
        columns = [column for column in columns if column.goes < goes]
        grid = _grid(columns, shown, report.total, look, short=True)
        if _least(grid, columns) <= look.style.columns:
            break
    return _drawn(grid, columns, shown, look)


def _grid(
    columns: Sequence[Column], shown: list[tuple[Row, int]], total: Row, look: Look, *, short: bool
) -> list[list[str]]:
    """The titles, a text for each cell, and the totals."""
    rows = [
        [_cell(column, place, row, depth, look, short=short) for place, column in enumerate(columns)]
        for row, depth in shown
    ]
    last = ["" if column.is_name else column.text(total, look, short) for column in columns]
    last[0] = "Total"
    return [[column.title for column in columns], *rows, last]


def _cell(column: Column, place: int, row: Row, depth: int, look: Look, *, short: bool) -> str:
    if depth and (column.is_name or not place):
        return f"  {look.style.text(row.key) or NOT_RECORDED}" if not place else ""
    return column.text(row, look, short)


def _least(grid: list[list[str]], columns: Sequence[Column]) -> int:
    pairs = zip(columns, _natural(grid), strict=True)
    return sum(min(cells, LEAST_TEXT) if column.is_name else cells for column, cells in pairs)


def _natural(grid: list[list[str]]) -> list[int]:
    """Cells of each column, with the gap before it."""
    return [max(map(width, texts)) + (GAP if place else 0) for place, texts in enumerate(zip(*grid, strict=True))]


def _drawn(grid: list[list[str]], columns: Sequence[Column], shown: list[tuple[Row, int]], look: Look) -> list[Line]:
    cells = _shared(_natural(grid), columns, look.style.columns)
    lines = [_line(texts, cells, columns, look.style) for texts in grid]
    rule: Line = [("dim", look.style.glyphs.across * min(sum(cells), look.style.columns))]
    body = [[("dim" if depth else "", line)] for line, (_, depth) in zip(lines[1:-1], shown, strict=True)]
    return [[("dim", lines[0])], rule, *body, rule, [("", lines[-1])]]


def _shared(cells: list[int], columns: Sequence[Column], room: int) -> list[int]:
    """What is too much is taken from the widest column of names, again and again."""
    cells = list(cells)
    names = [place for place, column in enumerate(columns) if column.is_name]
    while sum(cells) > room and names:
        widest = max(names, key=lambda place: cells[place])
        if cells[widest] <= LEAST_TEXT:
            break
        cells[widest] -= 1
    return cells


def _line(texts: list[str], cells: list[int], columns: Sequence[Column], style: Style) -> str:
    parts = []
    for place, (text, room, column) in enumerate(zip(texts, cells, columns, strict=True)):
        own = room - GAP if place else room
        text = "".join(piece for _, piece in cut([("", text)], own, style))
        blank = " " * (own - width(text))
        parts.append(text + blank if column.is_name or not place else blank + text)
    return (" " * GAP).join(parts)


def without_price(models: Sequence[Unpriced], style: Style) -> str:
    """The largest of them by name."""
    named = [f"{style.text(one.model) or NOT_RECORDED} ({one.total_tokens:,} tokens)" for one in models[:NAMED]]
    more = [f"{counted(len(models) - NAMED, 'more model')}"] if len(models) > NAMED else []
    return f"without a price: {', '.join([*named, *more])}"


def notes(report: Report, style: Style, zone: tzinfo, now: int) -> list[str]:
    """What a reader of the numbers has to know."""
    found: list[str] = []
    if not report.rows:
        found.append("no calls in this range" if report.records_since else "no records yet: `vibeusage records sync`")
    if report.source != LOCAL:
        found.append(f"records of {style.text(report.source)}")
    if report.hidden:
        found.append(f"{counted(report.hidden, 'further row')} not shown, but in the total")
    for name in report.left_out:
        also = f"`--provider {style.text(name)}` shows it"
        found.append(f"{left_out(style.text(name))}: {also}")
    if report.unpriced:
        found.append(without_price(report.unpriced, style))
    found += uncertain(report.total)
    if report.records_since:
        found.append(f"records since {report.records_since}")
    age = now - int(report.synced_at.timestamp()) if report.synced_at else 0
    if report.synced_at and age > OLD_S:
        found.append(f"logs last read {report.synced_at.astimezone(zone):%Y-%m-%d %H:%M}, {pace.span(age)[0]} ago")
    return found
