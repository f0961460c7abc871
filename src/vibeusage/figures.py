"""Counts and money of the records as a person reads them."""

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vibeusage.records.tally import Row
    from vibeusage.terminal import Style


def counted(count: int, name: str) -> str:
    """`1 call`, `2,345 calls`."""
    return f"{count:,} {name}{'s' * (count != 1)}"


def amount(number: int, *, short: bool) -> str:
    """`1,234,567`, short `1.2M`."""
    if not short or number < 1000:
        return f"{number:,}"
    for unit, size in (("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if number >= size * 0.99995:
            return f"{number / size:.1f}{unit}"
    return str(number)


def money(dollars: str) -> str:
    """`$12.34`; what is above nothing never reads $0.00."""
    exact = Decimal(dollars)
    return "<$0.01" if 0 < exact < Decimal("0.005") else f"${exact:,.2f}"


def uncertain(total: "Row") -> list[str]:
    """What of its tokens is no exact count."""
    bounds, estimates = (counted(number, "call") for number in (total.output_lower_bounds, total.estimates))
    return [
        *([f"{bounds} with output as lower bound: the end was not recorded"] if total.output_lower_bounds else []),
        *([f"{estimates} with estimated tokens"] if total.estimates else []),
    ]


def left_out(name: str) -> str:
    """Of a tool whose calls are not in a report."""
    return f"{name} is left out, as other tools record some of its calls too"


def price(row: "Row", style: "Style") -> str:
    if row.cost is None:
        return "unpriced"
    least = ("≥" if not style.full.isascii() else ">=") if row.cost_state == "partial" else ""
    return least + money(row.cost)
