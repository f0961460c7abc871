"""Odd JSON values to ours: numbers, instants, percentages, money, token claims. None stays None, nonsense raises.

A ValueError from here is what the engine turns into a ShapeError.
"""

import base64
import binascii
import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage.models import PeriodType
from vibeusage.table import MOST_PERCENT

MOST_MONEY = Decimal(10) ** 12
HOUR_S, DAY_S = 3_600, 86_400
COUNT = re.compile(r"|-?\d+(?:\.\d*)?(?:e\+?\d+)?", re.IGNORECASE)
YEARS = range(2000, 2200)  # of times that are meant; 0001 and 9999 are what programs write for none and never


def num(value: object) -> float | None:
    """A finite number from an int, float or numeric string; None for an empty one."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{type(value).__name__} where a number belongs")
    try:
        number = float(value)
    except OverflowError as exc:
        raise ValueError("a number out of range") from exc
    except ValueError:  # its text would repeat what was sent
        raise ValueError("text where a number belongs") from None
    if not math.isfinite(number):
        raise ValueError("a number that is not finite")
    return number


def percent(value: object) -> float | None:
    """Percent used; may pass 100, never negative."""
    number = num(value)
    if number is not None and not 0 <= number <= MOST_PERCENT:
        raise ValueError(f"{number:g} percent")
    return number


def percent_of(used: object, limit: object) -> float | None:
    """Percent used of a limit; None when either is unknown or there is no limit (0 or less)."""
    part, whole = num(used), num(limit)
    return None if part is None or whole is None or whole <= 0 else percent(max(0.0, part) / whole * 100)


def percent_left(value: object) -> float | None:
    """Percent used from percent remaining; more than all remaining is none used."""
    left = num(value)
    if left is not None and left > MOST_PERCENT:
        raise ValueError(f"{left:g} percent left")
    return None if left is None else percent(max(0.0, 100 - left))


def instant(value: object) -> datetime | None:
    """Aware UTC from ISO 8601 with an offset, a bare date, or epoch seconds or milliseconds.

    None for 0 and less, and for a year that stands for none or never.
    """
    is_counted = not isinstance(value, str) or COUNT.fullmatch(value.strip())
    found = _counted(value) if is_counted else _written(str(value).strip())
    return found if found and found.year in YEARS else None


def _written(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a time in no form we know") from None
    if len(text) == len("2026-10-01"):
        return found.replace(tzinfo=UTC)
    if found.tzinfo is None:
        raise ValueError("a time without an offset")
    return found.astimezone(UTC) if found.year in YEARS else None


def _counted(value: object) -> datetime | None:
    seconds = num(value) or 0.0
    if seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
    except (OverflowError, OSError) as exc:
        raise ValueError("a time out of range") from exc


def month_end(now: datetime) -> datetime:
    """Midnight UTC at which the next month begins."""
    later = now.replace(day=1) + timedelta(days=32)
    return later.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def claims(token: object) -> dict[str, Any]:
    """What a JWT says of itself, unverified; {} for anything else. `exp` is epoch seconds."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        return {}
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def money(minor: object, exponent: int = 2) -> Decimal | None:
    """An amount in minor units (cents) as Decimal; exact for the digits that were sent."""
    if num(minor) is None:
        return None
    amount = Decimal(str(minor)).scaleb(-exponent)
    if abs(amount) > MOST_MONEY:
        raise ValueError("an amount out of range")
    return amount


def spent(minor: object, exponent: int = 2) -> Decimal | None:
    """An amount used, as `money`; never negative."""
    amount = money(minor, exponent)
    if amount is not None and amount < 0:
        raise ValueError("less than nothing was used")
    return amount


def window_name(kind: PeriodType, seconds: float) -> str:
    """What people call a window of this length, 0 for one that is not said: `Session (5h)`, `Weekly`, `10 days`."""
    usual = kind.hours * HOUR_S
    if kind is PeriodType.SESSION:
        return f"Session ({round((seconds or usual) / HOUR_S, 1):g}h)"  # 299 minutes are meant to be five hours
    is_usual = not seconds or abs(seconds - usual) <= usual / 4
    return kind.value.capitalize() if is_usual else f"{round(seconds / DAY_S, 1):g} days"
