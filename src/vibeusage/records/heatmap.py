"""A year of days, each with a level from 1 to 4 by its share of what was consumed; a day without records has none.

Of a day whose cost is not known no more is said than that it has records: it is in the lowest level.
"""

from bisect import bisect_right
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from vibeusage.records import days
from vibeusage.records.reports import Report
from vibeusage.records.tally import Row

WEEKS = 53
MEASURES = ("tokens", "cost")


class Facts(NamedTuple):
    """`active` days have records; `busiest` is None where no amount is known; `streak` is the longest row of them."""

    active: int
    busiest: date | None
    streak: int


def since(until: date, week_start: int) -> date:
    """The first day of the year that ends with the week of `until`."""
    return days.first_of("weekly", until, week_start) - timedelta(weeks=WEEKS - 1)


def levelled(report: Report, measure: str) -> Report:
    """A daily report as a heatmap; a quarter of its days with a known amount is in each level."""
    sizes = sorted(size for row in report.rows if (size := _size(row, measure)))
    levels = {size: -(-4 * bisect_right(sizes, size) // len(sizes)) for size in sizes}
    rows = tuple(msgspec.structs.replace(row, level=levels.get(_size(row, measure), 1)) for row in report.rows)
    return msgspec.structs.replace(report, report="heatmap", rows=rows)


def facts(report: Report, measure: str) -> Facts:
    found = [date.fromisoformat(row.key) for row in report.rows]
    known = [row for row in report.rows if _size(row, measure)]
    busiest = max(known, key=lambda row: _size(row, measure), default=None)
    longest = run = 0
    for place, day in enumerate(found):
        run = run + 1 if place and day - found[place - 1] == timedelta(days=1) else 1
        longest = max(longest, run)
    return Facts(len(found), date.fromisoformat(busiest.key) if busiest else None, longest)


def weeks(first: date, last: date, week_start: int) -> list[list[date | None]]:
    """Columns of seven days; None outside of [first, last]."""
    monday = days.first_of("weekly", first, week_start)
    columns = []
    while monday <= last:
        column = [monday + timedelta(days=place) for place in range(7)]
        columns.append([day if first <= day <= last else None for day in column])
        monday += timedelta(weeks=1)
    return columns


def _size(row: Row, measure: str) -> Decimal:
    return Decimal(row.cost or 0) if measure == "cost" else Decimal(row.total_tokens)
