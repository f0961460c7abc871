"""What Codex says of its limits, whichever of its ways says it: periods, balance, a seat's cap, identity.

Source: wham/usage, `account/rateLimits/read` of `codex app-server`, `token_count` events; see `codex`.
Units: `used_percent` is percent used; a window's length is in seconds or minutes, its reset in epoch seconds or
in seconds from then; amounts are credits.
"""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields

MAIN = "codex"  # the limit that is not a single model's
CAMEL = re.compile(r"(?<=[a-z0-9])[A-Z]")
LONGEST_S = 10**9


class _Reset(msgspec.Struct):
    reset_at: Any = None
    resets_at: Any = None
    reset_timestamp: Any = None
    reset_after_seconds: Any = None
    resets_in_seconds: Any = None


class _Window(_Reset):
    used_percent: Any = None
    limit_window_seconds: Any = None
    window_minutes: Any = None
    window_duration_mins: Any = None


class _Cap(_Reset):
    limit: Any = None
    used: Any = None
    remaining: Any = None
    used_percent: Any = None


class _Credits(msgspec.Struct):
    has_credits: bool | None = None
    unlimited: bool | None = None
    balance: Any = None


class _Limits(msgspec.Struct):
    primary_window: _Window | None = None
    secondary_window: _Window | None = None
    primary: _Window | None = None  # app-server, session files, and the usage answer of 2025
    secondary: _Window | None = None
    individual_limit: _Cap | None = None
    credits: _Credits | None = None
    plan_type: str | None = None
    limit_id: str | None = None
    limit_name: str | None = None


class _Meter(msgspec.Struct):
    limit_name: str | None = None
    metered_feature: str | None = None
    rate_limit: _Limits | None = None


class _Control(msgspec.Struct):
    individual_limit: _Cap | None = None


class _Answer(msgspec.Struct):
    rate_limit: _Limits | None = None  # null for Business and Enterprise with credits only
    rate_limits: _Limits | None = None
    rate_limits_by_limit_id: dict[str, _Limits | None] | None = None
    additional_rate_limits: list[_Meter] | None = None
    code_review_rate_limit: _Limits | None = None
    spend_control: _Control | None = None
    individual_limit: _Cap | None = None
    credits: _Credits | None = None
    email: str | None = None
    plan_type: str | None = None


def parse_usage(body: bytes, now: datetime) -> Usage:
    return read_usage(msgspec.json.decode(body), now)


def read_usage(document: object, now: datetime) -> Usage:
    """All generations of the answer, in snake or camel case; `now` is when it was given."""
    answer = msgspec.convert(_snake(document), _Answer)
    by_id = answer.rate_limits_by_limit_id or {}
    main = answer.rate_limit or answer.rate_limits or by_id.get(MAIN) or _Limits()
    periods = [*_periods(main, now)]
    for meter in answer.additional_rate_limits or []:
        periods += _periods(meter.rate_limit, now, meter.limit_name or meter.metered_feature or "Other")
    for name, limits in by_id.items():
        if limits and name != (main.limit_id or MAIN):
            periods += _periods(limits, now, limits.limit_name or name)
    periods += _periods(answer.code_review_rate_limit, now, "Code review")
    credits, plan = answer.credits or main.credits or _Credits(), answer.plan_type or main.plan_type
    usage = Usage(
        periods=tuple(periods),
        overage=_overage(answer, main, now),
        balance=_balance(credits),
        identity=ProviderIdentity(email=answer.email, plan=plan) if answer.email or plan else None,
    )
    if not (usage.periods or usage.overage or usage.balance or credits.unlimited):
        raise ValueError("an answer without any limit")
    return usage


def _snake(value: object) -> object:
    """The same document with `usedPercent` as `used_percent`; keys that are no field names stay as they are."""
    if isinstance(value, dict):
        return {CAMEL.sub(lambda one: f"_{one[0].lower()}", key): _snake(each) for key, each in value.items()}
    return [_snake(item) for item in value] if isinstance(value, list) else value


def _periods(limits: _Limits | None, now: datetime, scope: str = "") -> list[UsagePeriod]:
    """Primary and secondary change places with the plan; only where no length is said the place counts."""
    found: dict[str, UsagePeriod] = {}
    if limits is None:
        return []
    for window, usual in (
        (limits.primary_window or limits.primary, PeriodType.SESSION),
        (limits.secondary_window or limits.secondary, PeriodType.WEEKLY),
    ):
        used = fields.percent(window.used_percent) if window else None
        if window is None or used is None:
            continue
        seconds = _length(window)
        kind = PeriodType.nearest(seconds) if seconds else usual
        name = f"{scope} {fields.window_name(kind, seconds)}".strip()
        name = f"{name} (2)" if name in found else name
        found[name] = UsagePeriod(
            name=name,
            utilization=used,
            period_type=kind,
            resets_at=_resets_at(window, now),
            model=scope or None,
            window_seconds=seconds or None,
        )
    return list(found.values())


def _length(window: _Window) -> int:
    """In seconds, 0 when it is not said."""
    minutes = fields.num(window.window_minutes) or fields.num(window.window_duration_mins) or 0
    seconds = fields.num(window.limit_window_seconds) or minutes * 60
    return int(seconds) if 0 < seconds < LONGEST_S else 0


def _resets_at(reset: _Reset, now: datetime) -> datetime | None:
    at_once = fields.instant(reset.reset_at or reset.resets_at or reset.reset_timestamp)
    seconds = fields.num(reset.reset_after_seconds) or fields.num(reset.resets_in_seconds) or 0
    return at_once or (now + timedelta(seconds=seconds) if seconds > 0 else None)


def _overage(answer: _Answer, main: _Limits, now: datetime) -> OverageUsage | None:
    """The monthly cap of a seat."""
    control = answer.spend_control.individual_limit if answer.spend_control else None
    cap = control or main.individual_limit or answer.individual_limit
    if cap is None:
        return None
    used, limit, left = (fields.money(value, 0) for value in (cap.used, cap.limit, cap.remaining))
    share = fields.percent(cap.used_percent)
    if used is None and limit is not None and left is not None:
        used = limit - left
    if used is None and limit is not None and share is not None:
        used = limit * Decimal(f"{share:g}") / 100
    if used is None:
        return None
    return OverageUsage(used=max(Decimal(0), used), limit=limit, currency="credits", resets_at=_resets_at(cap, now))


def _balance(credits: _Credits) -> Balance | None:
    amount = None if credits.unlimited or credits.has_credits is False else fields.money(credits.balance, 0)
    return None if amount is None else Balance(amount, "credits")
