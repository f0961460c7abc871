"""Rows of a report added up to one."""

from collections.abc import Sequence
from decimal import Decimal

from vibeusage.records.tally import Row


def added(rows: Sequence[Row]) -> Row:
    """Their counts and costs; what has no price is left out of the cost, which says so."""
    costs = [Decimal(row.cost) for row in rows if row.cost is not None]
    unknown = any(row.cost is None and row.total_tokens for row in rows)
    is_partial = unknown or any(row.cost_state == "partial" for row in rows)
    total = sum(costs, Decimal(0))
    return Row(
        key="total",
        messages=sum(row.messages for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cache_creation_tokens=sum(row.cache_creation_tokens for row in rows),
        cache_read_tokens=sum(row.cache_read_tokens for row in rows),
        total_tokens=sum(row.total_tokens for row in rows),
        output_lower_bounds=sum(row.output_lower_bounds for row in rows),
        estimates=sum(row.estimates for row in rows),
        cost=None if unknown and not costs else f"{total:f}",
        cost_state="unknown" if unknown and not costs else "partial" if is_partial else "calculated",
    )
