"""How numbers, days and names read on the page."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage import figures, pace
from vibeusage.escape import clean
from vibeusage.records.tally import Row
from vibeusage.terminal import Style

STYLE = Style(color=False, cells=("█", "░"), remaining=False, stale_after=timedelta(0))
NOT_RECORDED = "not recorded"
NAMES = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
NEAR = 14  # labels of an axis have room side by side
MONTHS_FROM = 70  # days of a range from which months are named below it
MONTH_STEPS = ((16, 1), (42, 3), (84, 6))  # (months at most, every which of them is named): a year's first always is


def price(row: Row) -> str:
    return figures.price(row, STYLE)


def cached(row: Row) -> str:
    return "" if row.cache_read_share is None else pace.percent(row.cache_read_share * 100)


def name_of(name: str) -> str:
    return name if clean(name) else NOT_RECORDED


def share(part: Row, whole: Row, measure: str) -> str:
    most = size(whole, measure)
    is_known = measure != "cost" or part.cost is not None
    return pace.percent(100 * size(part, measure) / most) if most and is_known else ""


def size(row: Row, measure: str) -> float:
    return float(Decimal(row.cost or 0)) if measure == "cost" else float(row.total_tokens)


def told(row: Row, measure: str) -> str:
    return price(row) if measure == "cost" else f"{row.total_tokens:,}"


def together(rows: Sequence[Row], **names: Any) -> Row:
    """The sum of some rows of one report; unknown where nothing of it is known."""
    first, *rest = rows
    if not rest:
        return msgspec.structs.replace(first, **names)
    fields = ("messages", "input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens", "total_tokens")
    sums = {name: sum(getattr(row, name) for row in rows) for name in fields}
    known = [Decimal(row.cost) for row in rows if row.cost is not None]
    is_whole = len(known) == len(rows) and not any(row.cost_state == "partial" for row in rows)
    prompt = sums["input_tokens"] + sums["cache_creation_tokens"] + sums["cache_read_tokens"]
    return msgspec.structs.replace(
        first,
        **sums,
        cost=f"{sum(known, Decimal(0)):f}" if known else None,
        cost_state=first.cost_state if is_whole else "partial" if known else "unknown",
        cache_read_share=sums["cache_read_tokens"] / prompt if prompt else None,
        **names,
    )


def scale_text(value: float, step: float, measure: str) -> str:
    match measure:
        case "cost":
            digits = 0 if step >= 1 else 2 if step >= 0.01 else 4
            return f"${value:,.{digits}f}"
        case "tokens":
            return figures.amount(round(value), short=True).replace(".0", "")
    return f"{value:.0f}%"


def marks(firsts: Sequence[date]) -> list[tuple[int, str]]:
    """(place, text) of the days to be named along an axis."""
    if not firsts:
        return []
    if (firsts[-1] - firsts[0]).days < MONTHS_FROM:
        step = -(-len(firsts) // 12)
        return [(place, day_text(day)) for place, day in enumerate(firsts) if place % step == 0]
    months = {(day.year, day.month): place for place, day in reversed([*enumerate(firsts)])}
    step = next((step for most, step in MONTH_STEPS if len(months) <= most), 12)
    named = [day for day in reversed(months) if (day[1] - 1) % step == 0]
    found = []
    for before, (year, month) in zip([(0, 0), *named], named, strict=False):
        text = f"{date(year, month, 1):%b}"
        found.append((months[year, month], text if year == before[0] else f"{text} {year}"))
    if len(found) > 1 and found[1][0] < len(firsts) / NEAR:  # no room for both
        (_, first), (place, text), *rest = found
        found = [(place, text if text[-4:].isdecimal() else f"{text} {first[-4:]}"), *rest]
    return found


def day_text(day: date) -> str:
    return f"{day.day} {day:%b}"
