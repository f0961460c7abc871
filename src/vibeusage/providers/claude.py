"""Claude: a rolling 5-hour window, a weekly one, weekly ones per model, and extra usage in money.

Source: GET /api/oauth/usage, the call behind the /usage screen of Claude Code (undocumented).
Known from: the public sources of several working trackers and public issue threads, 2026; not seen live.
Units: `utilization` and `percent` are percent used; `resets_at` is ISO 8601 with offset; money is in
minor units with an exponent. Claude Code's stdin document is read by `document`, not here.
"""

from decimal import Decimal
from typing import Any

import msgspec

from vibeusage.models import OverageUsage, PeriodType, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Http, JsonFile, Provider, Stored

LANES = {"seven_day_opus": "Opus", "seven_day_sonnet": "Sonnet"}
GROUPS = {kind.value: kind for kind in PeriodType}


class _Window(msgspec.Struct):
    utilization: Any = None  # null while nothing is known
    resets_at: Any = None  # null until the window's first request


class _Named(msgspec.Struct):
    display_name: str | None = None


class _Scope(msgspec.Struct):
    model: _Named | None = None


class _Limit(msgspec.Struct):
    kind: str = ""
    group: str | None = None
    percent: Any = None
    resets_at: Any = None
    scope: _Scope | None = None


class _Extra(msgspec.Struct):
    is_enabled: bool = False
    monthly_limit: Any = None  # null = uncapped
    used_credits: Any = None
    currency: str | None = None
    decimal_places: int | None = None


class _Amount(msgspec.Struct):
    amount_minor: Any
    currency: str = "USD"
    exponent: int = 2


class _Spend(msgspec.Struct):
    enabled: bool = False
    used: _Amount | None = None
    limit: _Amount | None = None  # null = uncapped


class _Answer(msgspec.Struct):
    five_hour: _Window | None = None
    seven_day: _Window | None = None
    seven_day_opus: _Window | None = None
    seven_day_sonnet: _Window | None = None
    limits: list[_Limit] | None = None
    extra_usage: _Extra | None = None
    spend: _Spend | None = None


def parse_usage(body: bytes) -> Usage:
    answer = msgspec.json.decode(body, type=_Answer)
    limits = answer.limits or []
    periods = [
        _period("Session (5h)", PeriodType.SESSION, answer.five_hour or _limit(limits, "session")),
        _period("Weekly", PeriodType.WEEKLY, answer.seven_day or _limit(limits, "weekly_all")),
        *_scoped(limits),
    ]
    known = {period.name for period in periods if period}
    for key, name in LANES.items():
        if name not in known and (window := getattr(answer, key)) and fields.num(window.utilization):
            periods.append(_period(name, PeriodType.WEEKLY, window, model=name))
    usage = Usage(periods=tuple(period for period in periods if period), overage=_overage(answer))
    if not usage.periods and usage.overage is None:
        raise ValueError("an answer without any limit")
    return usage


def _limit(limits: list[_Limit], kind: str) -> _Window | None:
    found = next((limit for limit in limits if limit.kind == kind), None)
    return _Window(utilization=found.percent, resets_at=found.resets_at) if found else None


def _scoped(limits: list[_Limit]) -> list[UsagePeriod | None]:
    """One weekly window per model; a row of 0 % without a reset is a placeholder."""
    found = {}
    for limit in limits:
        name = limit.scope.model.display_name if limit.scope and limit.scope.model else None
        if limit.kind != "weekly_scoped" or not name or name == "All models" or name in found:
            continue
        if fields.num(limit.percent) or limit.resets_at:
            window = _Window(utilization=limit.percent, resets_at=limit.resets_at)
            found[name] = _period(name, GROUPS.get(limit.group or "", PeriodType.WEEKLY), window, model=name)
    return list(found.values())


def _period(name: str, kind: PeriodType, window: _Window | None, model: str | None = None) -> UsagePeriod | None:
    """None when the answer gives no percentage: unknown is never 0 %."""
    used = fields.percent(window.utilization) if window else None
    if window is None or used is None:
        return None
    return UsagePeriod(
        name=name, utilization=used, period_type=kind, resets_at=fields.instant(window.resets_at), model=model
    )


def _overage(answer: _Answer) -> OverageUsage | None:
    """`spend` says its exponent and is preferred; `extra_usage` is in cents unless it says otherwise."""
    spend, extra = answer.spend, answer.extra_usage
    if spend and spend.enabled and spend.used:
        return OverageUsage(
            used=_money(spend.used) or Decimal(0), limit=_money(spend.limit), currency=spend.used.currency
        )
    if extra and extra.is_enabled:
        places = 2 if extra.decimal_places is None else extra.decimal_places
        return OverageUsage(
            used=fields.money(extra.used_credits, places) or Decimal(0),
            limit=fields.money(extra.monthly_limit, places),
            currency=extra.currency or "USD",
        )
    return None


def _money(amount: _Amount | None) -> Decimal | None:
    return fields.money(amount.amount_minor, amount.exponent) if amount else None


PROVIDER = Provider(
    id="claude",
    name="Claude",
    base_url="https://api.anthropic.com",
    dashboard_url="https://claude.ai/settings/usage",
    login_hint="log in with `claude`, or make vibeusage its status line: vibeusage install claude-code",
    strategies=(
        Http(
            name="oauth",
            path="/api/oauth/usage",
            login=(
                Stored(kind="oauth"),
                JsonFile(
                    path="$CLAUDE_CONFIG_DIR/.credentials.json",
                    key="claudeAiOauth.accessToken",
                    expires_key="claudeAiOauth.expiresAt",
                ),
            ),
            # without the client's own agent the request lands in a far stricter rate bucket
            headers={"anthropic-beta": "oauth-2025-04-20", "User-Agent": "claude-code/2.1.330"},
            owner=JsonFile(path="$CLAUDE_STATE/.claude.json", key="oauthAccount.accountUuid"),
            parse=parse_usage,
        ),
    ),
)
