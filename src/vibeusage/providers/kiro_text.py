"""What `kiro-cli chat --no-interactive "/usage"` prints, in the generations that are known.

Counts win over the percentage beside them, which is rounded. A reset without a year is the next such day; days are
those of UTC, as in the answers of the service.
"""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from vibeusage.errors import AuthError, Forbidden, Unavailable
from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields

LOGIN = "log in with `kiro-cli login`"
TEXT_LIMIT = 64 << 10  # bytes; a card has three thousand
COUNT = r"(?<![\d.,])([\d.,]{0,20}\d)"
COVERED = re.compile(rf"{COUNT}\s+(?:of|used\s*/)\s*{COUNT}\s+covered in plan")
PERCENT = re.compile(r"[█▓▒░][^\d\n]{0,200}(\d{1,6}(?:\.\d{1,6})?)\s*%")
BONUS = re.compile(rf"{COUNT}\s*/\s*{COUNT}\s+credits used(?:,\s*expires in (\d{{1,4}}) days?)?")
RESETS = re.compile(r"resets on (?:(\d{4})-)?(\d{1,2})[/-](\d{1,2})")
PLAN = re.compile(r"(?:\||Plan:)\s*((?:KIRO|Kiro|Q Developer)\b[\w+ -]{0,40}[\w+])")
COST = re.compile(rf"Est\. cost:\s*\$\s*{COUNT}(?:\s*([A-Z]{{3}})\b)?")
OFF = re.compile(r"Overages:\s*(?:disabled|off|not enabled)", re.IGNORECASE)
MANAGED = re.compile(r"managed by (?:your )?(?:admin|organization)", re.IGNORECASE)
LOGGED_OUT = re.compile(
    r"not logged in|login required|failed to initialize auth portal|kiro-cli login|oauth error", re.IGNORECASE
)
PASSING = re.compile(r"could not retrieve usage information", re.IGNORECASE)


def parse_text(stdout: bytes, now: datetime) -> Usage:
    """Raises what the text says instead of credits, ValueError when it says nothing that is known."""
    text = stdout[-TEXT_LIMIT:].decode("utf-8", "replace")
    periods = tuple(period for period in (_credits(text, now), _bonus(text, now)) if period)
    if not periods:
        raise _instead(text)
    plan = PLAN.search(text)
    return Usage(
        periods=periods, overage=_overage(text), identity=ProviderIdentity(plan=plan[1].strip()) if plan else None
    )


def _instead(text: str) -> Exception:
    if LOGGED_OUT.search(text):
        return AuthError("kiro-cli is not logged in", hint=LOGIN)
    if PASSING.search(text):
        return Unavailable("kiro-cli could not retrieve the usage", hint="try again later")
    if MANAGED.search(text):
        return Forbidden("an organization manages this plan, and kiro-cli tells no numbers of it", hint="ask its admin")
    return ValueError("no credits in what kiro-cli prints")


def _credits(text: str, now: datetime) -> UsagePeriod | None:
    covered, percent = COVERED.search(text), PERCENT.search(text)
    used = _percent(covered[1], covered[2]) if covered else None
    if used is None:
        used = fields.percent(percent[1]) if percent else None
    if used is None:
        return None
    resets_at = _reset(text, now)
    return UsagePeriod(name="Credits", utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at)


def _bonus(text: str, now: datetime) -> UsagePeriod | None:
    found = BONUS.search(text)
    used = _percent(found[1], found[2]) if found else None
    if found is None or used is None:
        return None
    ends = _midnight(now.date() + timedelta(days=int(found[3]))) if found[3] else None
    return UsagePeriod(name="Bonus", utilization=used, period_type=PeriodType.MONTHLY, resets_at=ends)


def _overage(text: str) -> OverageUsage | None:
    cost = COST.search(text)
    if cost is None:
        return None
    return OverageUsage(used=_count(cost[1]), currency=cost[2] or "USD", is_enabled=not OFF.search(text))


def _percent(used: str, limit: str) -> float | None:
    return fields.percent_of(str(_count(used)), str(_count(limit)))


def _count(text: str) -> Decimal:
    """`1,000.50`; a comma anywhere but before three digits might mean something else."""
    if not re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,12}(?:\.\d+)?", text):
        raise ValueError("a count in no form we know")
    return Decimal(text.replace(",", ""))


def _reset(text: str, now: datetime) -> datetime | None:
    found = RESETS.search(text)
    if found is None:
        return None
    years = [int(found[1])] if found[1] else range(now.year, now.year + 9)  # 29 February may be far
    for year in years:
        try:
            day = date(year, int(found[2]), int(found[3]))
        except ValueError:
            continue
        if found[1] or day >= now.date():
            return _midnight(day)
    raise ValueError("a reset on no day there is")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
