"""What the page shows, read from the store at once, so that all of it is of one moment and of one filter."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import msgspec

from vibeusage.html.quotas import Quota
from vibeusage.records import days, heatmap, reports
from vibeusage.records.reports import Query, Report
from vibeusage.records.stored import Stored
from vibeusage.records.tally import Pricer

PARTS = (("daily", 1), ("weekly", 7), ("monthly", 28))
COLUMNS = 400  # that a chart has room for
ROWS = 100  # of a table, where no limit is asked for
GROUPS = ("models", "providers", "projects", "branches", "devices")


class Content(NamedTuple):
    """`spans`: the parts of `by_time`, also those without records. `year` is of the newest 53 weeks of the range."""

    query: Query
    made_at: datetime
    first: date
    last: date
    spans: tuple[days.Span, ...]
    by_time: Report
    year: Report
    measure: str
    groups: dict[str, Report]
    quotas: Sequence[Quota] = ()

    @property
    def period(self) -> str:
        return self.by_time.report


def read(store: Stored, pricer: Pricer, query: Query, now: datetime, *, measure: str, limit: int = 0) -> Content:
    first, last = _range(store, query, now)
    period = next((name for name, length in PARTS if (last - first).days // length < COLUMNS), "yearly")
    by_model = msgspec.structs.replace(query, breakdown=True)
    by_time = reports.periods(period, store, pricer, by_model)
    limits = dict.fromkeys(GROUPS, limit or ROWS) | {"providers": 0}
    groups = {kind: reports.groups(kind, store, pricer, query, limit=limits[kind]) for kind in GROUPS}
    return Content(
        query=query,
        made_at=now,
        first=first,
        last=last,
        spans=tuple(days.spans(period, first, last, query.zone, week_start=query.week_start)),
        by_time=by_time,
        year=_year(store, pricer, query, (first, last), by_time, measure),
        measure=measure,
        groups=groups,
    )


def _range(store: Stored, query: Query, now: datetime) -> tuple[date, date]:
    """The days asked for, as far as there are records; to today, also where the last ones have none."""
    known, today = store.span(), now.astimezone(query.zone).date()
    first, latest = (days.of(ms, query.zone) for ms in known) if known else (today, today)
    last = max(latest, today)
    return max(first, query.since or first), min(last, query.until or last)


def _year(
    store: Stored, pricer: Pricer, query: Query, limits: tuple[date, date], by_time: Report, measure: str
) -> Report:
    first, last = limits
    since = max(first, heatmap.since(last, query.week_start))
    if by_time.report == "daily":
        rows = tuple(row for row in by_time.rows if row.key >= since.isoformat())
        daily = msgspec.structs.replace(by_time, rows=rows)
    else:
        daily = reports.periods("daily", store, pricer, msgspec.structs.replace(query, since=since, until=last))
    return heatmap.levelled(msgspec.structs.replace(daily, since=since, until=last), measure)
