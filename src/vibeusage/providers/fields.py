"""Odd JSON values to ours: numbers, instants, percentages, money. None stays None, nonsense raises.

A ValueError from here is what the engine turns into a ShapeError.
"""

import math
from datetime import UTC, datetime
from decimal import Decimal

MOST_PERCENT = 1_000_000.0
MOST_MONEY = Decimal(10) ** 12


def num(value: object) -> float | None:
    """A finite number from an int, float or numeric string."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{type(value).__name__} where a number belongs")
    try:
        number = float(value)
    except OverflowError as exc:
        raise ValueError("a number out of range") from exc
    if not math.isfinite(number):
        raise ValueError("a number that is not finite")
    return number


def percent(value: object) -> float | None:
    """Percent used; may pass 100, never negative."""
    number = num(value)
    if number is not None and not 0 <= number <= MOST_PERCENT:
        raise ValueError(f"{number:g} percent")
    return number


def instant(value: object) -> datetime | None:
    """Aware UTC from ISO 8601 with an offset, or epoch seconds or milliseconds; 0 means none."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            raise ValueError("a time without an offset")
        return found.astimezone(UTC)
    seconds = num(value) or 0.0
    if seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
    except (OverflowError, OSError) as exc:
        raise ValueError("a time out of range") from exc


def money(minor: object, exponent: int = 2) -> Decimal | None:
    """An amount in minor units (cents) as Decimal; exact for the digits that were sent."""
    if num(minor) is None:
        return None
    amount = Decimal(str(minor)).scaleb(-exponent)
    if abs(amount) > MOST_MONEY:
        raise ValueError("an amount out of range")
    return amount
