"""What Claude says of its limits: the one object that the OAuth endpoint, claude.ai and Claude Code's cache share.

Source: GET /api/oauth/usage, the call behind the /usage screen of Claude Code (undocumented).
Known from: the public sources of several working trackers and public issue threads, 2026; not seen live.
Units: `utilization` and `percent` are percent used; `resets_at` is ISO 8601 with offset; money is in
minor units with an exponent.
"""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage.models import OverageUsage, PeriodType, Usage, UsagePeriod
from vibeusage.providers import fields

MOST_PLACES = 9
GENERAL = ("session", "weekly_all")
OLD_MODELS = ("seven_day_opus", "seven_day_sonnet")
GROUPS = {kind.value: kind for kind in PeriodType}


class _Window(msgspec.Struct):
    utilization: Any = None  # null while nothing is known
    resets_at: Any = None  # null until the window's first request


class _Named(msgspec.Struct):
    display_name: str | None = None


class _Scope(msgspec.Struct):
    model: _Named | None = None
    surface: Any = None  # a name, or an object like the one of a model


class _Limit(msgspec.Struct):
    """`is_active` marks only the limit that binds now, so it is not read."""

    kind: str | None = None
    group: str | None = None
    percent: Any = None
    resets_at: Any = None
    scope: _Scope | None = None


class _Extra(msgspec.Struct):
    is_enabled: bool | None = False
    monthly_limit: Any = None  # null = uncapped
    used_credits: Any = None
    currency: str | None = None
    decimal_places: Any = None  # null = cents


class _Amount(msgspec.Struct):
    amount_minor: Any
    currency: str | None = None
    exponent: Any = None


class _Spend(msgspec.Struct):
    enabled: bool | None = False
    used: _Amount | None = None
    limit: _Amount | None = None  # null = uncapped


class _Answer(msgspec.Struct):
    five_hour: _Window | None = None
    seven_day: _Window | None = None
    limits: list[_Limit] | None = None
    extra_usage: _Extra | None = None
    spend: _Spend | None = None


def parse_usage(body: bytes, now: datetime) -> Usage:
    """Raises ValueError for an answer without any limit; `now` is when it was given."""
    usage = read_usage(msgspec.json.decode(body), now)
    if not usage.periods and usage.overage is None:
        raise ValueError("an answer without any limit")
    return usage


def read_usage(document: Any, now: datetime) -> Usage:
    """The same for a decoded object, which may turn out to hold no limit."""
    answer = msgspec.convert(document, _Answer)
    limits = answer.limits or []
    general = (
        _period("Session (5h)", PeriodType.SESSION, _known(answer.five_hour) or _limit(limits, "session")),
        _period("Weekly", PeriodType.WEEKLY, _known(answer.seven_day) or _limit(limits, "weekly_all")),
    )
    scoped = _scoped(limits)
    known = {name.casefold() for name in scoped}
    lanes = [lane for lane in _lanes(document) if lane.name.casefold() not in known]
    periods = (*(period for period in general if period), *scoped.values(), *lanes)
    return Usage(periods=periods, overage=_overage(answer, fields.month_end(now)))


def plan(tier: object, subscription: object = None) -> str | None:
    """`Max 20x` from `default_claude_max_20x`, else the subscription's own word."""
    found = re.fullmatch(r"default_claude_(free|pro|max)(?:_(\d+x))?", tier) if isinstance(tier, str) else None
    if found:
        return " ".join(filter(None, (found[1].title(), found[2])))
    return subscription.replace("_", " ").title() if isinstance(subscription, str) and subscription else None


def _known(window: _Window | None) -> _Window | None:
    return window if window and window.utilization is not None else None


def _limit(limits: list[_Limit], kind: str) -> _Window | None:
    found = next((limit for limit in limits if limit.kind == kind and not _is_placeholder(limit)), None)
    return _Window(utilization=found.percent, resets_at=found.resets_at) if found else None


def _is_placeholder(limit: _Limit) -> bool:
    """A row of 0 %, or of nothing, without a reset."""
    return not (fields.num(limit.percent) or limit.resets_at)


def _scoped(limits: list[_Limit]) -> dict[str, UsagePeriod]:
    """One window per model, surface or kind that is neither, by name."""
    found: dict[str, UsagePeriod] = {}
    for limit in limits:
        name = _scope_name(limit)
        kind = GROUPS.get(limit.group or "", PeriodType.WEEKLY)
        if not name or name.casefold() == "all models" or name in found or _is_placeholder(limit):
            continue
        window = _Window(utilization=limit.percent, resets_at=limit.resets_at)
        if period := _period(name, kind, window, model=name):
            found[name] = period
    return found


def _scope_name(limit: _Limit) -> str | None:
    """What the row is for, None when for all; a kind that nobody knows is called by its own name."""
    kind, scope = limit.kind or "", limit.scope or _Scope()
    if kind in GENERAL:
        return None
    if scope.model and scope.model.display_name:
        return scope.model.display_name
    surface = scope.surface.get("display_name") if isinstance(scope.surface, dict) else scope.surface
    if isinstance(surface, str) and surface:
        return surface
    return None if kind.endswith("_scoped") or not kind else kind.replace("_", " ").capitalize()


def _lanes(document: dict[str, Any]) -> list[UsagePeriod]:
    """Windows below keys of their own: models of older answers, and products under code names."""
    found = []
    for key, value in document.items():
        if key in _Answer.__struct_fields__ or not isinstance(value, dict):
            continue
        name = key.removeprefix("seven_day_").replace("_", " ").capitalize()
        window = _Window(utilization=value.get("utilization"), resets_at=value.get("resets_at"))
        try:
            period = _period(name, PeriodType.WEEKLY, window, model=name)
        except ValueError:
            continue  # a key that nobody knows may hold anything
        if period and (period.utilization or (key in OLD_MODELS and period.resets_at)):
            found.append(period)
    return found


def _period(name: str, kind: PeriodType, window: _Window | None, model: str | None = None) -> UsagePeriod | None:
    """None when the answer gives no percentage: unknown is never 0 %."""
    used = fields.percent(window.utilization) if window else None
    if window is None or used is None:
        return None
    return UsagePeriod(
        name=name, utilization=used, period_type=kind, resets_at=fields.instant(window.resets_at), model=model
    )


def _overage(answer: _Answer, resets_at: datetime) -> OverageUsage | None:
    """`spend` says its exponent and is preferred; `extra_usage` is in cents unless it says otherwise."""
    spend, extra = answer.spend, answer.extra_usage
    if spend and spend.enabled and spend.used:
        used = fields.spent(spend.used.amount_minor, _places(spend.used.exponent))
        limit, currency = _money(spend.limit), spend.used.currency or "USD"
    elif extra and extra.is_enabled:
        places = _places(extra.decimal_places)
        used, limit = fields.spent(extra.used_credits, places), fields.money(extra.monthly_limit, places)
        currency = extra.currency or "USD"
    else:
        return None
    return OverageUsage(used=used, limit=limit, currency=currency, resets_at=resets_at) if used is not None else None


def _money(amount: _Amount | None) -> Decimal | None:
    return fields.money(amount.amount_minor, _places(amount.exponent)) if amount else None


def _places(exponent: object) -> int:
    """How many digits of an amount stand behind the point; two where it is not said."""
    places = fields.num(exponent)
    if places is None:
        return 2
    if not 0 <= places <= MOST_PLACES or places % 1:
        raise ValueError(f"{places:g} decimal places")
    return int(places)
