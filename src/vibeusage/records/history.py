"""What the quotas were: kept after each round of the refresher, and read as windows that have passed.

A window lasts until its reset, or until the vendor names another one while less is used than before. Where nobody
knows a reset, it lasts until less is used.
"""

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby

import msgspec

from vibeusage import cache, files
from vibeusage.config import Config
from vibeusage.merge import overage_row
from vibeusage.models import PACE_FROM, Instant
from vibeusage.records import place, quotas, store
from vibeusage.records.quotas import ALL, Point, Sample
from vibeusage.records.store import Store

DAY_S = 86_400
BUSY_S = 0.2
SAME_RESET = 0.1  # of the window: vendors' resets wander
EXTRA = "Extra usage"
TREND_FROM = 4  # windows that two halves can be made of


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """`used` is the percentage when it was last seen (`last_at`), `pace` that over the share that had passed by then.

    `start` and `resets_at` are missing where nobody knows them.
    """

    account: str
    name: str
    model: str = ""
    start: Instant | None = None
    resets_at: Instant | None = None
    first_at: Instant
    last_at: Instant
    used: float
    peak: float
    used_up_at: Instant | None = None
    pace: float | None = None
    is_over: bool = True


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Of the past windows of one name: `change` is the later half's mean peak less that of the earlier half."""

    account: str
    name: str
    windows: int
    used_up: int
    mean_peak: float | None = None
    change: float | None = None


def after_round(settings: Config, now: int) -> None:
    """Keep what the cache says by now. Raises StorageError; while another program writes, there is nothing kept."""
    days = settings.history.days
    samples = list(_samples(now)) if days else []
    path = place.usage_db(settings)
    if not samples and not os.path.exists(path):
        return
    with files.lock(path.parent / place.LOCK, wait_s=0) as got:
        if got:
            with store.open(path, busy_s=BUSY_S) as opened:
                opened.note_quotas(samples, now=now, keep_from=_keep_from(opened, days, now))


def _keep_from(known: Store, days: int, now: int) -> int:
    """Reckoned from what was seen a day ago or before, so that a clock which is wrong for hours makes nothing old."""
    return known.quotas_seen_before(now - quotas.BELIEVED_S) - days * DAY_S if days else ALL


def _samples(now: int) -> Iterator[Sample]:
    for account, snapshot in cache.snapshots_with_observations(now).items():
        for period in snapshot.periods:
            seen = period.observed_at or snapshot.observed_at
            sample = Sample(
                account=account,
                name=period.name,
                model=period.model or "",
                window_s=int(period.window.total_seconds()),
                at=int(seen.timestamp()),
                used=period.utilization,
                resets_at=int(period.resets_at.timestamp()) if period.resets_at else 0,
            )
            if not 0 < sample.resets_at <= sample.at:  # else it is of a window that was over
                yield sample
        if row := overage_row(snapshot.overage, snapshot):
            yield Sample(account, EXTRA, "", 0, at=row[4], used=row[2], resets_at=row[3])


def points(
    known: Store, accounts: Iterable[str] | None = None, *, since: int = 0, until: int = ALL
) -> Iterator[Point]:
    """What was seen of these accounts (all), by account, window and time; instants are epoch seconds.

    Those of a window's length before `since` too, so that the window under way then is whole.
    """
    return known.quota_points(accounts, since, until)


def windows(
    known: Store, accounts: Iterable[str] | None = None, *, now: int, since: int = 0, until: int = ALL
) -> list[Window]:
    """The windows that end at `since` or later, by account, name and time; the last of each may be under way."""
    found = []
    for _, of_one in groupby(points(known, accounts, since=since, until=until), key=lambda point: point[:2]):
        parts = list(_parted(of_one))
        mine = [_window(part, now, is_last=part is parts[-1]) for part in parts]
        found += [each for each in mine if each and (each.resets_at or each.last_at).timestamp() >= since]
    return found


def trends(found: Iterable[Window]) -> list[Trend]:
    return [_trend(list(of_one)) for _, of_one in groupby(found, key=lambda window: (window.account, window.name))]


def _parted(of_one: Iterable[Point]) -> Iterator[list[Point]]:
    part: list[Point] = []
    for point in of_one:
        if part and not _is_same_window(part[-1], point):
            yield part
            part = []
        part.append(point)
    if part:
        yield part


def _is_same_window(last: Point, point: Point) -> bool:
    if last.resets_at and point.at >= last.resets_at:
        return False
    if last.resets_at and point.resets_at:
        wander = max(quotas.WANDER_S, min(point.window_s * SAME_RESET, DAY_S))
        return abs(point.resets_at - last.resets_at) <= wander or point.used >= last.used
    return point.used >= last.used


def _window(part: list[Point], now: int, *, is_last: bool) -> Window | None:
    """None for a pause between two windows: no reset is set, and nothing used."""
    first, last = part[0], part[-1]
    peak = max(point.used for point in part)
    resets_at = last.resets_at or next((point.resets_at for point in reversed(part) if point.resets_at), 0)
    if not resets_at and not peak:
        return None
    seen = min(last.until, resets_at) if resets_at else last.until
    length = last.window_s if resets_at else 0
    elapsed = 1 - (resets_at - seen) / length if length else 0
    return Window(
        account=first.account,
        name=first.name,
        model=first.model,
        start=_instant(resets_at - length) if length else None,
        resets_at=_instant(resets_at) if resets_at else None,
        first_at=_instant(first.at),
        last_at=_instant(seen),
        used=last.used,
        peak=peak,
        used_up_at=next((_instant(point.at) for point in part if point.used >= 100), None),
        pace=round(last.used / (elapsed * 100), 3) if elapsed >= PACE_FROM else None,
        is_over=not is_last or bool(resets_at and resets_at <= now),
    )


def _trend(of_one: list[Window]) -> Trend:
    past = [window for window in of_one if window.is_over]
    peaks, half = [window.peak for window in past], len(past) // 2
    return Trend(
        account=of_one[0].account,
        name=of_one[0].name,
        windows=len(past),
        used_up=sum(window.used_up_at is not None for window in past),
        mean_peak=_mean(peaks) if peaks else None,
        change=round(_mean(peaks[-half:]) - _mean(peaks[:half]), 2) if len(past) >= TREND_FROM else None,
    )


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 2)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
