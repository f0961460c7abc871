"""What Cursor says of a billing cycle: the plan's pools, on-demand spending, request plans, the weekly bot allowance.

Source: GET /api/usage-summary, /api/usage and /api/auth/me and POST get-sand-usage-status of cursor.com, which its
dashboard calls, and GetCurrentPeriodUsage of api2.cursor.sh; see `cursor`.
Units: `*PercentUsed` is in percent already (0.36 is 0.36 %); money is in US cents; times are ISO 8601, or epoch
milliseconds as text.
"""

import calendar
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields


class _Meter(msgspec.Struct, rename="camel"):
    enabled: bool | None = None
    used: Any = None
    limit: Any = None  # null: no cap; 0 occurs on student plans
    remaining: Any = None


class _Pools(msgspec.Struct, rename="camel"):
    total_percent_used: Any = None
    auto_percent_used: Any = None
    api_percent_used: Any = None


class _Plan(_Pools, rename="camel"):
    used: Any = None
    limit: Any = None
    remaining: Any = None


class _Individual(msgspec.Struct, rename="camel"):
    plan: _Plan | None = None
    on_demand: _Meter | None = None
    overall: _Meter | None = None  # enterprise


class _Team(msgspec.Struct, rename="camel"):
    on_demand: _Meter | None = None
    pooled: _Meter | None = None


class _Cycle(msgspec.Struct, rename="camel"):
    billing_cycle_start: Any = None
    billing_cycle_end: Any = None


class _Summary(_Cycle, rename="camel"):
    membership_type: str | None = None
    is_unlimited: bool | None = None
    individual_usage: _Individual | None = None
    team_usage: _Team | None = None


class _PlanUsage(_Pools, rename="camel"):
    included_spend: Any = None
    remaining: Any = None
    limit: Any = None


class _SpendLimit(msgspec.Struct, rename="camel"):
    individual_limit: Any = None
    individual_used: Any = None
    pooled_limit: Any = None
    pooled_used: Any = None


class _Current(_Cycle, rename="camel"):
    """Of api2, which leaves out what is zero."""

    plan_usage: _PlanUsage | None = None
    spend_limit_usage: _SpendLimit | None = None


class _Requests(msgspec.Struct, rename="camel"):
    num_requests: Any = None
    num_requests_total: Any = None
    max_request_usage: Any = None  # null: not a request plan


class _Legacy(msgspec.Struct):
    main: _Requests | None = msgspec.field(default=None, name="gpt-4")
    start_of_month: Any = msgspec.field(default=None, name="startOfMonth")


class _Bot(msgspec.Struct, rename="camel"):
    current_period_start: Any = None
    next_reset_timestamp_utc: Any = None
    usage_percent: Any = None
    has_non_zero_included_limit: bool | None = None


class _Me(msgspec.Struct):
    email: str | None = None


Ratio = tuple[Any, Any]  # used, limit


def parse_summary(body: bytes, requests: UsagePeriod | None = None, bot: UsagePeriod | None = None) -> Usage:
    """The summary of cursor.com; the limit of a request plan is the one that counts where there is one."""
    summary = msgspec.json.decode(body, type=_Summary)
    own, team = summary.individual_usage or _Individual(), summary.team_usage or _Team()
    plan = own.plan or _Plan()
    ratios = [(_used(meter), meter.limit) for meter in (plan, own.overall, team.pooled) if meter]
    pools = () if summary.is_unlimited else _pools(summary, plan, ratios)
    spending = next((meter for meter in (own.on_demand, team.on_demand) if meter and meter.enabled), own.on_demand)
    usage = Usage(
        periods=tuple(period for period in (requests, *pools, bot) if period),
        overage=_overage(summary, spending),
        identity=ProviderIdentity(plan=summary.membership_type) if summary.membership_type else None,
    )
    return _usable(usage, is_unlimited=bool(summary.is_unlimited))


def parse_current(body: bytes) -> Usage:
    """The answer of api2.cursor.sh."""
    current = msgspec.json.decode(body, type=_Current)
    plan, spending = current.plan_usage or _PlanUsage(), current.spend_limit_usage or _SpendLimit()
    used = _used(_Meter(used=plan.included_spend, limit=plan.limit, remaining=plan.remaining))
    meter = _Meter(used=spending.individual_used, limit=spending.individual_limit)
    if meter.used is None and meter.limit is None:
        meter = _Meter(used=spending.pooled_used, limit=spending.pooled_limit)
    if meter.used is None and meter.limit is not None:
        meter.used = 0
    meter.enabled = fields.num(meter.limit) != 0
    periods = tuple(_pools(current, plan, [(used, plan.limit)]))
    return _usable(Usage(periods=periods, overage=_overage(current, meter)), is_unlimited=False)


def _pools(cycle: _Cycle, pools: _Pools, ratios: Iterable[Ratio]) -> Iterator[UsagePeriod]:
    total, auto, api = map(fields.percent, (pools.total_percent_used, pools.auto_percent_used, pools.api_percent_used))
    if total is None and auto is not None and api is not None:
        total = (auto + api) / 2
    if total is None:
        known = (fields.percent_of(used, limit) for used, limit in ratios)
        total = next((percent for percent in known if percent is not None), None)
    starts_at, resets_at = fields.instant(cycle.billing_cycle_start), fields.instant(cycle.billing_cycle_end)
    for name, used in (("Total", total), ("Auto", auto), ("API", api)):
        if used is not None:
            yield UsagePeriod(
                name=name,
                utilization=used,
                period_type=PeriodType.MONTHLY,
                resets_at=resets_at,
                window_seconds=_length(starts_at, resets_at),
            )


def _used(meter: _Meter | _Plan) -> Any:
    """In cents as sent; where it is not said, what is no longer left."""
    used, limit, left = map(fields.num, (meter.used, meter.limit, meter.remaining))
    if used is not None or limit is None or left is None:
        return meter.used
    return max(0, round(limit - left))


def _length(starts_at: datetime | None, resets_at: datetime | None) -> int | None:
    seconds = int((resets_at - starts_at).total_seconds()) if starts_at and resets_at else 0
    return seconds if seconds > 0 else None


def _overage(cycle: _Cycle, meter: _Meter | None) -> OverageUsage | None:
    used = fields.spent(_used(meter)) if meter else None
    if meter is None or used is None:
        return None
    return OverageUsage(
        used=max(Decimal(0), used),
        limit=fields.money(meter.limit),
        is_enabled=bool(meter.enabled),
        resets_at=fields.instant(cycle.billing_cycle_end),
    )


def _usable(usage: Usage, *, is_unlimited: bool) -> Usage:
    if not (usage.periods or is_unlimited or (usage.overage and usage.overage.is_enabled)):
        raise ValueError("an answer without any limit")
    return usage


def parse_requests(body: bytes) -> UsagePeriod | None:
    """The monthly requests of an old plan; None for any other plan."""
    legacy = msgspec.json.decode(body, type=_Legacy)
    counts, starts_at = legacy.main or _Requests(), fields.instant(legacy.start_of_month)
    done = counts.num_requests if counts.num_requests_total is None else counts.num_requests_total
    used = fields.percent_of(done, counts.max_request_usage)
    if used is None:
        return None
    resets_at = _next_month(starts_at) if starts_at else None
    return UsagePeriod(
        name="Requests",
        utilization=used,
        period_type=PeriodType.MONTHLY,
        resets_at=resets_at,
        window_seconds=_length(starts_at, resets_at),
    )


def _next_month(day: datetime) -> datetime:
    year, month = day.year + day.month // 12, day.month % 12 + 1
    return day.replace(year=year, month=month, day=min(day.day, calendar.monthrange(year, month)[1]))


def parse_bot(body: bytes) -> UsagePeriod | None:
    """The week's allowance of the bot, a meter beside the plan; None where the plan includes none."""
    bot = msgspec.json.decode(body, type=_Bot)
    used = fields.percent(bot.usage_percent) if bot.has_non_zero_included_limit else None
    if used is None:
        return None
    resets_at = fields.instant(bot.next_reset_timestamp_utc)
    return UsagePeriod(
        name="Bot",
        utilization=used,
        period_type=PeriodType.WEEKLY,
        resets_at=resets_at,
        model="Bot",
        window_seconds=_length(fields.instant(bot.current_period_start), resets_at),
    )


def parse_email(body: bytes) -> str | None:
    return msgspec.json.decode(body, type=_Me).email
