"""What a day is: its borders in a time zone, and those of weeks, months and years, as epoch milliseconds.

A day that a clock change makes shorter or longer is 23 or 25 hours long here: every border is the first instant
of a local date. All of them fall on a quarter of an hour, by which the store sums.
"""

import os
import re
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from vibeusage.errors import ConfigError

LOCALTIME = Path("/etc/localtime")
PERIODS = ("daily", "weekly", "monthly", "yearly")
MONDAY, SUNDAY = 0, 6
YEARS = range(1980, 2200)
_DATES = "a date such as 2026-03-31, `today`, `yesterday`, or `7d` for the last seven days"


class Span(NamedTuple):
    """[start_ms, end_ms), and the name and the first day of the whole period that it is of."""

    key: str
    first: date
    start_ms: int
    end_ms: int


def zone(name: str = "") -> tzinfo:
    """The zone of that name, else this machine's; raises ConfigError for a name that nobody knows."""
    if not name:
        return _system_zone()
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        hint = "a name of the IANA table, such as Europe/Berlin or UTC"
        raise ConfigError(f"{name!r} is not a time zone", hint=hint) from exc


def name_of(zone: tzinfo) -> str:
    return getattr(zone, "key", None) or str(zone)


def _system_zone() -> tzinfo:
    """As the C library finds it: TZ, else what /etc/localtime is or points to."""
    named = os.environ.get("TZ", "").removeprefix(":")
    target = os.path.realpath(LOCALTIME)
    _, found, key = target.partition("/zoneinfo/")
    try:
        if named or found:
            return ZoneInfo(named or key)
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, key="local")
    except (KeyError, ValueError, OSError):
        return timezone(timedelta(seconds=time.localtime().tm_gmtoff))


def start_ms(day: date, zone: tzinfo) -> int:
    """Its first instant, also where a clock change leaves out midnight or has it twice."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


def of(ms: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(ms / 1000, zone).date()


def parse(text: str, today: date) -> date:
    """`_DATES` as a date; raises ConfigError."""
    back = re.fullmatch(r"([0-9]{1,4})d", text)
    if back and int(back[1]) > 0:
        return today - timedelta(days=int(back[1]) - 1)
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if found.year not in YEARS:
        raise ConfigError(f"{text!r} is not a day of this time", hint=f"say {_DATES}")
    return found


def first_of(period: str, day: date, week_start: int = MONDAY) -> date:
    """The first day of the period that `day` is in."""
    match period:
        case "weekly":
            return day - timedelta(days=(day.weekday() - week_start) % 7)
        case "monthly":
            return day.replace(day=1)
        case "yearly":
            return day.replace(month=1, day=1)
    return day


def spans(
    period: str, since: date, until: date, zone: tzinfo, *, week_start: int = MONDAY
) -> Iterator[Span]:
    """The periods from `since` to `until`, both whole; the first and the last one end there too."""
    first = first_of(period, since, week_start)
    while first <= until and since <= until:
        following = after(period, first)
        start = start_ms(max(first, since), zone)
        yield Span(_key(period, first), first, start, start_ms(min(following, until + timedelta(days=1)), zone))
        first = following


def after(period: str, first: date) -> date:
    match period:
        case "weekly":
            return first + timedelta(days=7)
        case "monthly":
            return (first + timedelta(days=31)).replace(day=1)
        case "yearly":
            return first.replace(year=first.year + 1)
    return first + timedelta(days=1)


def _key(period: str, first: date) -> str:
    return first.isoformat()[: {"monthly": 7, "yearly": 4}.get(period, 10)]
