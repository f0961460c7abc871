"""The first page: every plan's windows as they are now, and below them what the last days took."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from vibeusage import pace, render
from vibeusage.dashboard import plots
from vibeusage.dashboard.loading import Past, Quotas, Recent
from vibeusage.dashboard.page import Cell, Column, Page, Room, beside, instead, of_source, table
from vibeusage.dashboard.sums import added
from vibeusage.figures import amount, price, uncertain
from vibeusage.records import history
from vibeusage.terminal import Line, Style, cells_of, cut, wrapped

PAIRS_FROM = 150
BETWEEN = 4
LEAST_DAYS, SUMS_CELLS = 30, 60
LEAST_WINDOWS, PAST_CELLS = 20, 60
SPANS = (("today", 1), ("7 days", 7), ("30 days", 30))
NOTHING = (
    "No limits are known yet: no login was found and no status line has reported any.",
    "`vibeusage auth` lists where logins are looked for and what to do; `vibeusage install claude-code` needs none.",
    "`vibeusage demo` shows the whole way without an account.",
)


def page(
    quotas: Quotas, recent: Recent | None, style: Style, room: Room, now: datetime, *, past: Past | None = None
) -> Page:
    below = spent(recent, style, room.columns) if recent and recent.report.records_since and room.rows > 12 else []
    lines = _plans(quotas, style, Room(room.columns, room.rows - len(below)), now)
    if past and (rows := _past(past, quotas, style, room.columns)):
        lines = [*lines, [], *rows]
    return Page([("strong", "Usage")], lines, below, (("r", "ask now"),))


def _plans(quotas: Quotas, style: Style, room: Room, now: datetime) -> list[Line]:
    if not quotas.entries:
        return [[("", line)] for text in NOTHING for line in wrapped(text, room.columns)]
    if room.columns >= PAIRS_FROM and len(quotas.entries) > 1:
        return _paired(quotas, style, room, now)
    return _spaced(render.open_blocks(quotas.entries, style, now, room.columns), room.rows)


def _paired(quotas: Quotas, style: Style, room: Room, now: datetime) -> list[Line]:
    """Two columns, each read from its top."""
    half = (room.columns - BETWEEN) // 2
    blocks = render.open_blocks(quotas.entries, style, now, half)
    sizes = [sum(map(len, blocks[:count])) for count in range(len(blocks) + 1)]
    middle = min(range(1, len(blocks)), key=lambda count: max(sizes[count], sizes[-1] - sizes[count]))
    left, right = (_spaced(some, room.rows) for some in (blocks[:middle], blocks[middle:]))
    return beside(left, right, half + BETWEEN)


def _spaced(blocks: list[list[Line]], rows: int) -> list[Line]:
    """A blank row between accounts where all have room with it."""
    gap = [[]] if sum(map(len, blocks)) + len(blocks) - 1 <= rows else []
    return [line for place, block in enumerate(blocks) for line in ([*gap, *block] if place else block)]


def _past(past: Past, quotas: Quotas, style: Style, cells: int) -> list[Line]:
    """How high the windows of before came, each of them a cell."""
    names = {entry.id: entry.name for entry in quotas.entries}
    over = [window for window in past.windows if window.is_over and window.account in names]
    rows: list[list[Cell]] = []
    for trend in history.trends(over):
        peaks = [one.peak for one in over if (one.account, one.name) == (trend.account, trend.name)]
        shown = plots.sparkline(peaks[-max(LEAST_WINDOWS, cells - PAST_CELLS) :], style, top=100)
        mean = "" if trend.mean_peak is None else pace.percent(round(trend.mean_peak))
        account = style.text(names[trend.account])
        rows.append([account, style.text(trend.name), ("accent", shown), mean, f"{trend.used_up} of {trend.windows}"])
    titles = [Column("Past windows", is_name=True), Column("", is_name=True), Column("How high", is_name=True, goes=1)]
    return table([*titles, Column("Mean", goes=3), Column("Used up", goes=2)], rows, style, cells) if rows else []


def spent(recent: Recent, style: Style, cells: int) -> list[Line]:
    """Cost and tokens day by day, and of today, a week and a month."""
    by_day = {date.fromisoformat(row.key): row for row in recent.report.rows}
    shown = max(LEAST_DAYS, min((recent.last - recent.first).days + 1, cells - SUMS_CELLS))
    every = [recent.last - timedelta(days=back) for back in reversed(range(shown))]
    costs = [float(Decimal(by_day[day].cost or 0)) if day in by_day else 0.0 for day in every]
    tokens = [float(by_day[day].total_tokens) if day in by_day else 0.0 for day in every]
    sums = [added([by_day[day] for day in every[-count:] if day in by_day]) for _, count in SPANS]
    lines = [("accent", plots.sparkline(values, style)) for values in (costs, tokens)]
    told = [
        ["Cost", lines[0], *(price(row, style) for row in sums)],
        ["Tokens", lines[1], *(amount(row.total_tokens, short=True) for row in sums)],
    ]
    names = [Column("", is_name=True), Column(f"last {len(every)} days", is_name=True, goes=len(SPANS))]
    whose = of_source(recent.source, style)
    rule: Line = [("dim", style.glyphs.across * (cells - cells_of(whose))), *whose]
    columns = [*names, *(Column(f"    {title}", goes=place) for place, (title, _) in enumerate(SPANS))]
    notes = instead(recent.source, style)
    notes += [cut([("dim", text)], cells, style) for text in uncertain(sums[-1])]
    return [cut(rule, cells, style), *table(columns, told, style, cells), *notes]
