"""What Amp tells of limits and credits, one line each, in the words of `amp usage` and of its site alike.

Source: the command and the call behind it, whose text is meant for people (undocumented).
Known from: the public sources of several working trackers, 2026; not seen live.
Units: what is left, in percent, US dollars or hours of an orb; a renewal is told in whole days, or as the days of a
period, which are taken as UTC. Amp Free was dollars that come back by the hour, and is percent of a day since, which
ends at 20:00 in New York.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields

NUMBER = r"(\d[\d,]*(?:\.\d+)?)"
REPLENISHED, HOUR = "America/New_York", 20
HEAD = re.compile(
    r"Amp Free:|Subscription\b|Amp .+? (?:Subscription|Tier):|Individual credits:|Workspace\b", re.IGNORECASE
)
SIGNED_IN = re.compile(r"Signed in as\s+(?P<who>[^\s(]+)(?:\s+\((?P<organization>[^)]+)\))?", re.IGNORECASE)
FREE_DOLLARS = re.compile(rf"Amp Free:\s*\$?{NUMBER}\s*/\s*\$?{NUMBER} remaining\b", re.IGNORECASE)
FREE_PERCENT = re.compile(rf"Amp Free:\s*{NUMBER}\s*% remaining\b(?P<rest>.*)", re.IGNORECASE)
SUBSCRIPTION = re.compile(
    rf"(?:Subscription (?P<plan>.+?)|Amp (?P<named>.+?) Subscription):\s*"
    rf"{NUMBER}\s*% other usage and {NUMBER}\s*% orb usage remaining\b(?P<rest>.*)",
    re.IGNORECASE,
)
TIER = re.compile(
    rf"Amp (?P<plan>.+?) Tier:\s*agent usage \$?{NUMBER} of \$?{NUMBER} remaining\b(?P<rest>.*)", re.IGNORECASE
)
ORB_HOURS = re.compile(rf"orb usage {NUMBER}h of {NUMBER}h .*?remaining\b", re.IGNORECASE)
PERIOD = re.compile(r"\bperiod (\d{4}-\d\d-\d\d) to (\d{4}-\d\d-\d\d)\b", re.IGNORECASE)
RENEWAL = re.compile(r"\bresets upon renewal in (\d{1,4}) (hour|day)s?\b", re.IGNORECASE)
CREDITS = re.compile(r"(?:Individual credits|Workspace .+?):\s*(-?\$?\d[\d,]*(?:\.\d+)?) remaining\b", re.IGNORECASE)


def parse(text: str, now: datetime) -> Usage | None:
    """None for a text in which nothing is told of limits and credits.

    Raises ValueError for a line about them that is not understood.
    """
    lines = [line.strip() for line in text.replace("**", "").splitlines()]
    periods = [[*_free(line, now), *_subscription(line, now), *_tier(line, now)] for line in lines]
    credits = [_credits(line) for line in lines]
    for line, windows, amount in zip(lines, periods, credits, strict=True):
        if not windows and amount is None and HEAD.match(line) and re.search(r"\d\s*%|\$\s*\d", line):
            raise ValueError("a line about limits in words that we do not know")
    amounts = [amount for amount in credits if amount is not None]
    if not any(periods) and not amounts:
        return None
    return Usage(
        periods=tuple(period for windows in periods for period in windows),
        balance=Balance(sum(amounts, Decimal(0))) if amounts else None,
        identity=_identity(lines),
    )


def _identity(lines: list[str]) -> ProviderIdentity | None:
    who = next(filter(None, map(SIGNED_IN.match, lines)), None)
    plan = next((match for line in lines if (match := SUBSCRIPTION.match(line) or TIER.match(line))), None)
    named = plan.groupdict() if plan else {}
    free = "Amp Free" if any(FREE_DOLLARS.match(line) or FREE_PERCENT.match(line) for line in lines) else None
    found = ProviderIdentity(
        email=who["who"] if who else None,
        organization=who["organization"] if who else None,
        plan=named.get("plan") or named.get("named") or free,
    )
    return found if found != ProviderIdentity() else None


def _credits(line: str) -> Decimal | None:
    match = CREDITS.match(line)
    return fields.money(re.sub(r"[$,]", "", match[1]), 0) if match else None


def _free(line: str, now: datetime) -> Iterator[UsagePeriod]:
    """Dollars come back by the hour, so that there is no instant at which they are all there again."""
    resets_at, used = None, None
    if match := FREE_DOLLARS.match(line):
        used = _used(match[1], match[2])
    elif match := FREE_PERCENT.match(line):
        used = fields.percent_left(_plain(match[1]))
        resets_at = _replenished(now) if re.search(r"today|daily", match["rest"], re.IGNORECASE) else None
    if used is not None:
        yield UsagePeriod(name="Daily", utilization=used, period_type=PeriodType.DAILY, resets_at=resets_at)


def _replenished(now: datetime) -> datetime | None:
    """The next time it is 20:00 in New York; None where the zone is not known."""
    try:
        local = now.astimezone(ZoneInfo(REPLENISHED))
    except (KeyError, OSError):
        return None
    clock = local.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    return (clock if clock > local else clock + timedelta(days=1)).astimezone(UTC)


def _subscription(line: str, now: datetime) -> Iterator[UsagePeriod]:
    if match := SUBSCRIPTION.match(line):
        resets_at = _renewed(match["rest"], now)
        for name, left in (("Monthly", match[3]), ("Orb", match[4])):
            yield from _monthly(name, fields.percent_left(_plain(left)), resets_at)


def _tier(line: str, now: datetime) -> Iterator[UsagePeriod]:
    if match := TIER.match(line):
        rest = match["rest"]
        resets_at, seconds = _renewed(rest, now), None
        if period := PERIOD.search(rest):
            start, end = (fields.instant(day) for day in period.groups())
            if start and end and start < end:
                resets_at, seconds = end, int((end - start).total_seconds())
        yield from _monthly("Monthly", _used(match[2], match[3]), resets_at, seconds)
        if orb := ORB_HOURS.search(rest):
            yield from _monthly("Orb", _used(orb[1], orb[2]), resets_at, seconds)


def _monthly(
    name: str, used: float | None, resets_at: datetime | None, seconds: int | None = None
) -> Iterator[UsagePeriod]:
    if used is not None:
        yield UsagePeriod(
            name=name,
            utilization=used,
            period_type=PeriodType.MONTHLY,
            resets_at=resets_at,
            model="Orb" if name == "Orb" else None,
            window_seconds=seconds,
        )


def _renewed(text: str, now: datetime) -> datetime | None:
    """The end of the day (or hour) that is so far away: not before the renewal, and the same all day."""
    match = RENEWAL.search(text)
    if match is None:
        return None
    unit = timedelta(hours=1) if match[2].lower() == "hour" else timedelta(days=1)
    start = now.replace(minute=0, second=0, microsecond=0)
    start = start if unit < timedelta(days=1) else start.replace(hour=0)
    return start + unit * (int(match[1]) + 1)


def _used(left: str, limit: str) -> float | None:
    part, whole = float(_plain(left)), float(_plain(limit))
    return None if whole <= 0 else fields.percent_left(round(part / whole * 100, 6))


def _plain(text: str) -> str:
    return text.replace(",", "")
