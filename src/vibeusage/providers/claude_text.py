"""What `claude -p "/usage" --output-format json` prints, in the two forms that builds of 2026 use.

Source: the command, whose text is meant for people (undocumented); it costs no token.
Known from: public reports of its users, July to September 2026; not seen live.
Units: percent used, or left where the line says so; a reset is a wall clock time without a year in a named zone.
"""

import calendar
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from vibeusage.errors import AuthError, NotConfigured, RateLimited, StrategyError, Unavailable
from vibeusage.models import PeriodType, Usage, UsagePeriod
from vibeusage.providers import fields

LINE = re.compile(
    r"[\s•-]*(?:(?P<session>Current session|5-hour limit)"
    r"|(?:Current week|Weekly)(?:\s+limits?)?(?:\s*\((?P<paren>[^)]+)\)|\s*·\s*(?P<dot>[^—–:]+?))?)"
    r"\s*[:—–-]\s*(?P<number>\d+(?:\.\d+)?)\s*%\s*(?P<word>used|left|remaining)?"
    r"(?:\s*·\s*resets\s+(?P<when>.+?))?\s*",
    re.IGNORECASE,
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WHEN = re.compile(
    rf"(?:(?P<month>{'|'.join(MONTHS)})[a-z]*\.?\s+(?P<day>\d\d?)(?:,|\s+at)?\s+)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap]m)?(?:\s*\((?P<zone>[^)]+)\))?",
    re.IGNORECASE,
)
SLACK = timedelta(hours=1)
SIGNED_OUT = re.compile(r"login expired|not logged in|please run /login|invalid authentication", re.IGNORECASE)
UNKNOWN_COMMAND = re.compile(r"it looks like you typed|unknown (slash )?(command|skill)", re.IGNORECASE)


class _Result(msgspec.Struct):
    is_error: bool = False
    result: str | None = None


def parse_text(stdout: bytes, now: datetime) -> Usage:
    """Raises NotConfigured for a build that does not print its limits, and the error that its text stands for."""
    document = msgspec.json.decode(stdout)
    if isinstance(document, list):  # all messages of the run, as a verbose setting asks for; the result is the last
        document = document[-1] if document else None
    said = msgspec.convert(document, _Result)
    text = (said.result or "").replace("*", "")
    limits = re.split(r"^\s*What.s contributing", text, maxsplit=1, flags=re.MULTILINE)[0]
    periods = {} if said.is_error else {period.name: period for period in _periods(limits, now)}
    if not periods:
        raise _reason(text, limits, now, is_error=said.is_error)
    return Usage(periods=tuple(periods.values()))


def _reason(text: str, limits: str, now: datetime, *, is_error: bool) -> StrategyError | ValueError:
    if "rate_limit_error" in text:
        return RateLimited("`claude` says that its limits were asked for too often", retry_at=now)
    if SIGNED_OUT.search(text):
        return AuthError("`claude` is not logged in, or its login has expired")
    if UNKNOWN_COMMAND.search(text):
        return NotConfigured("this `claude` does not know /usage: unsupported", hint="update Claude Code")
    if is_error or "Failed to load usage data" in text:
        return Unavailable("`claude` could not load its limits", hint='run it yourself: claude -p "/usage"')
    if not limits.strip() or "%" in limits:
        return ValueError("no line with a limit")
    return NotConfigured("this `claude` prints no limits: unsupported build, or no plan", hint="update Claude Code")


def _periods(text: str, now: datetime) -> Iterator[UsagePeriod]:
    for line in text.splitlines():
        if found := LINE.fullmatch(line):
            period = _period(found, now)
            if period.model is None or period.utilization or period.resets_at:  # else a placeholder
                yield period


def _period(found: re.Match[str], now: datetime) -> UsagePeriod:
    scope = (found["paren"] or found["dot"] or "").strip().removesuffix(" only")
    model = scope if scope and scope.lower() != "all models" else None
    is_session = found["session"] is not None
    kind = PeriodType.SESSION if is_session else PeriodType.WEEKLY
    is_left = (found["word"] or "used").lower() != "used"
    used: Any = fields.percent_left(found["number"]) if is_left else fields.percent(found["number"])
    resets_at = _instant(found["when"] or "", now)
    if resets_at and resets_at - now > timedelta(hours=kind.hours) + SLACK:
        resets_at = None  # it has just passed: the next such time is another window's
    name = "Session (5h)" if is_session else model or "Weekly"
    return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=resets_at, model=model)


def _instant(text: str, now: datetime) -> datetime | None:
    """The next time the clock shows `text`, in UTC; None for words that name no such time."""
    found = WHEN.fullmatch(text.strip())
    zone = _zone(found["zone"]) if found and found["zone"] else None
    if found is None or (found["zone"] and zone is None):
        return None
    hour = int(found["hour"])
    if half := (found["half"] or "").lower():
        hour = hour % 12 + (12 if half == "pm" else 0)
    local = now.astimezone(zone)
    for day, fold in itertools.product(_days(found, local), (0, 1)):  # an hour may come twice
        try:
            clock = day.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0, fold=fold)
        except ValueError:
            return None
        # without a zone it is this machine's, whose offset may be another on that day
        moment = (clock if zone else clock.replace(tzinfo=None)).astimezone(UTC)
        if moment > now:
            return moment
    return None


def _days(found: re.Match[str], local: datetime) -> Iterator[datetime]:
    """The days that may be meant: of this year or the next, or without a date today or tomorrow."""
    if found["month"] is None:
        yield from (local, local + timedelta(days=1))
        return
    month = MONTHS.index(found["month"].lower()) + 1
    for year in (local.year, local.year + 1):
        if 1 <= int(found["day"]) <= calendar.monthrange(year, month)[1]:
            yield local.replace(year=year, month=month, day=int(found["day"]))


def _zone(name: str) -> tzinfo | None:
    """The zone by its IANA name; None for one that is not known here."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
