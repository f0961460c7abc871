"""The history of each quota: how full its newest windows were, where each was reset, and the windows as a table."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from vibeusage import pace
from vibeusage.figures import counted
from vibeusage.html import svg, tables
from vibeusage.html.markup import Markup, joined, outside, tag
from vibeusage.html.svg import About, Curve
from vibeusage.html.wording import day_text
from vibeusage.records import days, history
from vibeusage.records.history import Trend, Window
from vibeusage.records.quotas import Point
from vibeusage.records.reports import Query
from vibeusage.records.store import Store

WINDOWS = 40  # of a chart, and of its table
CHARTS = 12
DAYS = 100  # where no first one is asked for
SHORTEST = timedelta(days=2)
STEPS = 400  # of a chart, so that a busy month stays small
DAY_LABELS = 8
HEADS = ("Reset", "Start", "Peak", "Used up", "Pace")


class Quota(NamedTuple):
    """One window of one account, the newest times that it was open; `points` may be of earlier ones, too."""

    account: str
    name: str
    windows: tuple[Window, ...]
    trend: Trend
    points: tuple[Point, ...]


def read(local: Store, query: Query, now: datetime) -> list[Quota]:
    """Those of the days and tools asked for; of one model or project no quota is known."""
    if query.model or query.project:
        return []
    last = query.until or now.astimezone(query.zone).date()
    first = query.since or last - timedelta(days=DAYS)
    since, until = (days.start_ms(day, query.zone) // 1000 for day in (first, last + timedelta(days=1)))
    seen: dict[tuple[str, str], list[Point]] = {}
    for point in history.points(local, since=since, until=until):
        seen.setdefault((point.account, point.name), []).append(point)
    every = history.windows(local, now=int(now.timestamp()), since=since, until=until)
    mine = [window for window in every if not query.providers or window.account.partition("@")[0] in query.providers]
    found = []
    for (account, name), of_one in groupby(mine, key=lambda window: (window.account, window.name)):
        windows = tuple(of_one)
        (trend,) = history.trends(windows)
        found.append(Quota(account, name, windows[-WINDOWS:], trend, tuple(seen[account, name])))
    newest = sorted(found, key=lambda quota: quota.windows[-1].last_at)[-CHARTS:]
    return [quota for quota in found if quota in newest]


def section(quotas: Sequence[Quota], query: Query, now: datetime) -> Markup:
    parts = []
    for place, quota in enumerate(quotas):
        title = Markup(f"{outside(_account(quota.account, query))}, {outside(quota.name)}")
        parts += [tag("h3", title), tag("p", _told(quota.trend)), _chart(f"quota{place}", quota, query, now)]
        parts.append(tables.behind(_table(f"quota{place}", quota, query)))
    return joined(parts)


def _account(account: str, query: Query) -> str:
    provider, _, name = account.partition("@")
    return f"{provider} ({query.names('account', name)})" if name else provider


def _told(trend: Trend) -> str:
    if not trend.windows or trend.mean_peak is None:
        return "The first window is under way."
    peak = f"peak {pace.percent(trend.mean_peak)}{' on average' if trend.windows > 1 else ''}"
    used_up = f"used up {counted(trend.used_up, 'time')}" if trend.used_up else "never used up"
    return f"{counted(trend.windows, 'past window')}, {peak}, {used_up}."


def _chart(id: str, quota: Quota, query: Query, now: datetime) -> Markup:
    first, last = quota.windows[0], quota.windows[-1]
    start, end = first.start or first.first_at, min(last.resets_at or last.last_at, now)
    start = min(start, end - SHORTEST)
    length = (end - start).total_seconds()

    def x(at: datetime) -> float:
        return min(1.0, max(0.0, (at - start).total_seconds() / length))

    peak = max(window.peak for window in quota.windows)
    found = Curve(
        [_line(window, quota.points, x) for window in quota.windows],
        [x(window.resets_at) for window in quota.windows if window.resets_at and window.resets_at < end],
        _labels(start, end, query, x),
        top=max(100.0, peak),
    )
    name = f"{_account(quota.account, query)}, {quota.name}"
    text = f"{_told(quota.trend)} The highest of those shown: {pace.percent(peak)}. The table below has each window."
    about = About(id, f"Percent used of {name}, with its resets", text)
    return svg.framed(svg.curve(about, found), about.title)


def _line(window: Window, points: Iterable[Point], x) -> list[tuple[float, float]]:
    """What was seen of one window; of several points in one step of the chart the highest."""
    first, last = window.first_at.timestamp(), window.last_at.timestamp()
    steps: dict[int, tuple[float, float]] = {}
    for point in points:
        if first <= point.at <= last:
            at = x(datetime.fromtimestamp(point.at, UTC))
            step = round(at * STEPS)
            steps[step] = max(steps.get(step, (at, point.used)), (at, point.used), key=lambda one: one[1])
    line = list(steps.values())
    return [*line, (x(window.last_at), line[-1][1])] if line else []


def _labels(start: datetime, end: datetime, query: Query, x) -> list[tuple[float, str]]:
    first: date = start.astimezone(query.zone).date() + timedelta(days=1)
    count = (end.astimezone(query.zone).date() - first).days + 1
    step = max(1, -(-count // DAY_LABELS))
    named = [first + timedelta(days=place) for place in range(0, count, step)]
    places = [(x(datetime.fromtimestamp(days.start_ms(day, query.zone) / 1000, UTC)), day_text(day)) for day in named]
    return [(at, text) for at, text in places if at < 0.96]


def _table(id: str, quota: Quota, query: Query) -> tables.Table:
    hidden = quota.trend.windows + (not quota.windows[-1].is_over) - len(quota.windows)
    caption = f"Windows of {_account(quota.account, query)}, {quota.name}, the newest first"
    more = f"; {hidden:,} earlier are in `vibeusage history`" if hidden > 0 else ""
    rows = [_cells(window, query) for window in reversed(quota.windows)]
    return tables.Table(id, caption + more, HEADS, rows)


def _cells(window: Window, query: Query) -> list[str]:
    def when(at: datetime | None, otherwise: str = "not known") -> str:
        return f"{at.astimezone(query.zone):%Y-%m-%d %H:%M}" if at else otherwise

    used_up = when(window.used_up_at, "")
    rate = "" if window.pace is None else f"{window.pace:.2f}"
    return [when(window.resets_at), when(window.start), pace.percent(window.peak), used_up, rate]
