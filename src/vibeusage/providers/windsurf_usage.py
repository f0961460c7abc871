"""What Windsurf and Devin say of a plan, whichever of their ways says it.

Source: the app's `cachedPlanInfo`, GetUserStatus of its seat management, Devin's quota call; see `windsurf`.
Units: `…RemainingPercent` is percent left, Devin's `…_percentage` is used, a fraction below 1 and percent from there
on; resets are epoch seconds, timestamps epoch milliseconds, either as text or ISO 8601; micros are of US dollars;
counts are hundredths of a credit, of which only the share matters.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields

QUOTA = 2  # the number of that billing strategy
CENT = Decimal("0.01")


class _Counts(msgspec.Struct, rename="camel"):
    """-1 and 0 are no limit."""

    messages: Any = None
    used_messages: Any = None
    remaining_messages: Any = None
    flow_actions: Any = None
    used_flow_actions: Any = None
    remaining_flow_actions: Any = None


class _Quota(msgspec.Struct, rename="camel"):
    daily_remaining_percent: Any = None
    weekly_remaining_percent: Any = None
    daily_reset_at_unix: Any = None
    weekly_reset_at_unix: Any = None
    overage_balance_micros: Any = None


class _Cached(msgspec.Struct, rename="camel"):
    plan_name: str | None = None
    start_timestamp: Any = None
    end_timestamp: Any = None
    usage: _Counts | None = None
    quota_usage: _Quota | None = None


class _Plan(msgspec.Struct, rename="camel"):
    plan_name: str | None = None
    hide_daily_quota: Any = None
    hide_weekly_quota: Any = None
    billing_strategy: Any = None


class _PlanStatus(msgspec.Struct, rename="camel"):
    plan_info: _Plan | None = None
    plan_start: Any = None
    plan_end: Any = None
    daily_quota_remaining_percent: Any = None
    weekly_quota_remaining_percent: Any = None
    daily_quota_reset_at_unix: Any = None
    weekly_quota_reset_at_unix: Any = None
    available_prompt_credits: Any = None
    used_prompt_credits: Any = None
    overage_balance_micros: Any = None


class _User(msgspec.Struct, rename="camel"):
    email: str | None = None
    plan_status: _PlanStatus | None = None


class _Status(msgspec.Struct, rename="camel"):
    user_status: _User


class _Devin(msgspec.Struct):
    daily_percentage: Any = None
    daily_reset_at: Any = None
    weekly_percentage: Any = None
    weekly_reset_at: Any = None
    hide_daily_quota: Any = None
    overage_balance_cents: Any = None
    plan_name: str | None = None


def parse_cached(body: bytes | str) -> Usage:
    said = msgspec.json.decode(body, type=_Cached)
    counts, quota = said.usage or _Counts(), said.quota_usage or _Quota()
    day, week = quota.daily_reset_at_unix, quota.weekly_reset_at_unix
    windows = [
        *_window("Daily", _used(quota.daily_remaining_percent, day), day),
        *_window("Weekly", _used(quota.weekly_remaining_percent, week), week),
    ]
    cycle = (said.start_timestamp, said.end_timestamp)
    pools = (
        ("Credits", _share(counts.used_messages, counts.messages, counts.remaining_messages)),
        ("Flow actions", _share(counts.used_flow_actions, counts.flow_actions, counts.remaining_flow_actions)),
    )
    periods = [*windows, *(period for name, used in pools for period in _pool(name, used, cycle, bool(windows)))]
    return _usage(periods, fields.money(quota.overage_balance_micros, 6), said.plan_name)


def parse_status(body: bytes) -> Usage:
    """Of the seat management, whose JSON leaves out what is zero: no percentage beside a reset is nothing left."""
    user = msgspec.json.decode(body, type=_Status).user_status
    status = user.plan_status or _PlanStatus()
    plan = status.plan_info or _Plan()
    is_quota = plan.billing_strategy == QUOTA or "QUOTA" in str(plan.billing_strategy).upper()
    windows: list[UsagePeriod] = []
    for name, left, reset, hide in (
        ("Daily", status.daily_quota_remaining_percent, status.daily_quota_reset_at_unix, plan.hide_daily_quota),
        ("Weekly", status.weekly_quota_remaining_percent, status.weekly_quota_reset_at_unix, plan.hide_weekly_quota),
    ):
        is_spent = left is None and fields.instant(reset) is not None
        used = 100.0 if is_spent else _used(left, reset, is_quota=is_quota)
        windows += () if _is_true(hide) else _window(name, used, reset)
    spent, left = fields.num(status.used_prompt_credits), fields.num(status.available_prompt_credits)
    share = fields.percent_of(spent, spent + left) if spent is not None and left is not None and left >= 0 else None
    periods = [*windows, *_pool("Credits", share, (status.plan_start, status.plan_end), bool(windows))]
    return _usage(periods, fields.money(status.overage_balance_micros, 6), plan.plan_name, user.email)


def parse_devin(body: bytes) -> Usage:
    said = msgspec.json.decode(body, type=_Devin)
    daily = None if _is_true(said.hide_daily_quota) else _fraction(said.daily_percentage)
    periods = [
        *_window("Daily", daily, said.daily_reset_at),
        *_window("Weekly", _fraction(said.weekly_percentage), said.weekly_reset_at),
    ]
    return _usage(periods, fields.money(said.overage_balance_cents), said.plan_name)


def _used(left: object, reset: object, *, is_quota: bool = False) -> float | None:
    """A plan that is billed by credits has 0 for percent and reset, which says nothing."""
    return fields.percent_left(left) if is_quota or fields.instant(reset) else None


def _fraction(value: object) -> float | None:
    used = fields.percent(value)
    return round(used * 100, 6) if used is not None and used < 1 else used


def _share(used: Any, limit: Any, left: Any) -> float | None:
    if used is None and left is not None and limit is not None:
        used = (fields.num(limit) or 0.0) - (fields.num(left) or 0.0)
    return fields.percent_of(used, limit)


def _window(name: str, used: float | None, reset: object) -> Iterator[UsagePeriod]:
    if used is not None:
        kind = PeriodType.DAILY if name == "Daily" else PeriodType.WEEKLY
        yield UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=fields.instant(reset))


def _pool(name: str, used: float | None, cycle: tuple[object, object], has_windows: bool) -> Iterator[UsagePeriod]:
    """Credits of a billing cycle; untouched ones beside windows are left over from another way of billing."""
    if used is None or (has_windows and not used):
        return
    start, end = (fields.instant(value) for value in cycle)
    seconds = int((end - start).total_seconds()) if start and end and start < end else None
    yield UsagePeriod(
        name=name, utilization=used, period_type=PeriodType.MONTHLY, resets_at=end, window_seconds=seconds
    )


def _is_true(value: object) -> bool:
    return value is True or value == "true"


def _usage(periods: list[UsagePeriod], balance: Decimal | None, plan: str | None, email: str | None = None) -> Usage:
    if not periods and not balance:
        raise ValueError("a plan without any limit")
    identity = ProviderIdentity(email=email or None, plan=plan or None)
    return Usage(
        periods=tuple(periods),
        balance=None if balance is None else Balance(balance.quantize(CENT)),
        identity=identity if identity != ProviderIdentity() else None,
    )
