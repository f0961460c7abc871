"""OpenRouter: the limit of a key, the month's spend and the credits of the account.

Source: GET /api/v1/key, /api/v1/credits and /api/v1/activity, documented by OpenRouter.
Known from: OpenRouter's documentation and a public tracker, 2026; not seen live.
Units: USD. A limit starts anew at midnight UTC, that of a week on Monday, or never. The activity has a row for a day,
a model and an endpoint; that of today has to be asked for by itself and may repeat others.

A key for models tells what it has spent itself, a management key what the whole account has. That one goes to
OpenRouter alone, whatever address the settings or the environment name.
"""

import functools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vibeusage import health
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, ConfigError, RateLimited, StrategyError
from vibeusage.kinds import url_problem
from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Env, Func, Provider, Secret, StatusPage, Stored

HOST = "https://openrouter.ai"
START = "/api/v1"
OVERRIDE = "OPENROUTER_API_URL"
KINDS = {"daily": PeriodType.DAILY, "weekly": PeriodType.WEEKLY, "monthly": PeriodType.MONTHLY}
EMPTY = 402  # no credits, which is an answer


class _Key(msgspec.Struct):
    limit: Any = None
    limit_remaining: Any = None
    limit_reset: str | None = None
    usage: Any = None
    usage_daily: Any = None
    usage_weekly: Any = None
    usage_monthly: Any = None
    is_free_tier: bool | None = None
    is_provisioning_key: bool | None = None


class _Credits(msgspec.Struct):
    total_credits: Any = None
    total_usage: Any = None


class _Row(msgspec.Struct, frozen=True):
    date: str
    usage: float | str | None = None
    model: str | None = None
    model_permaslug: str | None = None
    endpoint_id: str | None = None
    provider_name: str | None = None

    @property
    def place(self) -> tuple[str | None, ...]:
        return self.date[:10], self.model, self.model_permaslug, self.endpoint_id, self.provider_name


class _Said(msgspec.Struct):
    """What one of the addresses answered, or why it did not."""

    data: Any = None
    error: Exception | None = None
    is_empty: bool = False


async def fetch(ctx: Context, login: Login, *, manages: bool = False) -> Usage:
    """Key and credits may each fail alone, but for a refused key and a rate limit."""
    base, headers = _base(ctx, login, manages=manages), {"Authorization": f"Bearer {login.token}"}
    key = await _said(ctx, f"{base}/key", headers, _Key)
    try:
        credits = await _said(ctx, f"{base}/credits", headers, _Credits)
    except AuthError as exc:  # of a key that was good for the other
        credits = _Said(error=exc)
    if key.error and credits.error:
        raise key.error
    balance = _left(credits.data) if credits.data else None
    if balance is None and (key.is_empty or credits.is_empty):
        balance = Balance(Decimal(0))
    own = key.data or _Key()
    overage = _month(fields.spent(own.usage_monthly, 0), ctx.now)
    if manages or own.is_provisioning_key:  # its own spend is none
        overage = await _account(ctx, base, headers) if base == HOST + START else None
    periods = limits(own, ctx.now)
    if not (periods or overage or balance):
        raise ValueError("neither a limit nor what was spent or is left")
    identity = ProviderIdentity(plan="free tier") if own.is_free_tier else None
    return Usage(periods=periods, overage=overage, balance=balance, identity=identity)


async def _said(ctx: Context, url: str, headers: dict[str, str], kind: type[Any]) -> _Said:
    answer = await ctx.send("GET", url, headers)
    if answer.status == EMPTY:
        return _Said(is_empty=True)
    try:
        return _Said(data=_data(check(answer, ctx.now), kind))
    except (AuthError, RateLimited):
        raise
    except (StrategyError, ValueError) as exc:
        return _Said(error=exc)


def _data(body: bytes, kind: type[Any]) -> Any:
    document = msgspec.json.decode(body, type=dict[str, Any])
    if document.get("data") is None:
        raise ValueError("data is not there")
    return msgspec.convert(document["data"], kind)


def limits(key: _Key, now: datetime) -> tuple[UsagePeriod, ...]:
    """Raises ValueError for a limit that starts anew in a way nobody knows."""
    limit, left = fields.num(key.limit), fields.num(key.limit_remaining)
    if limit is None or limit <= 0:
        return ()
    reset = key.limit_reset
    if reset and reset not in KINDS:
        raise ValueError(f"limit_reset is none of {', '.join(KINDS)}")
    of_period = getattr(key, f"usage_{reset}") if reset else key.usage
    used = of_period if left is None else limit - min(limit, max(0.0, left))
    percent = fields.percent_of(key.usage if used is None else used, limit)
    if percent is None:
        return ()
    kind, resets_at = KINDS.get(reset or "", PeriodType.MONTHLY), next_start(reset, now)
    name = reset.capitalize() if reset else "Key limit"
    return (UsagePeriod(name=name, utilization=round(percent, 6), period_type=kind, resets_at=resets_at),)


def next_start(reset: str | None, now: datetime) -> datetime | None:
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match reset:
        case "daily":
            return day + timedelta(days=1)
        case "weekly":
            return day + timedelta(days=7 - day.weekday())
        case "monthly":
            return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return None


def _left(credits: _Credits) -> Balance | None:
    bought, used = fields.money(credits.total_credits, 0), fields.money(credits.total_usage, 0)
    return None if bought is None or used is None else Balance(bought - used)


def _month(used: Decimal | None, now: datetime) -> OverageUsage | None:
    return None if used is None else OverageUsage(used=used, resets_at=next_start("monthly", now))


async def _account(ctx: Context, base: str, headers: dict[str, str]) -> OverageUsage | None:
    """What the account has spent this month; None where a part of it is not told."""
    try:
        past = await _said(ctx, f"{base}/activity", headers, list[_Row])
        today = await _said(ctx, f"{base}/activity?date={ctx.now:%Y-%m-%d}", headers, list[_Row])
    except StrategyError:
        return None
    if past.data is None or today.data is None:
        return None
    return _month(added_up([*past.data, *today.data], f"{ctx.now:%Y-%m}"), ctx.now)


def added_up(rows: Iterable[_Row], month: str) -> Decimal:
    """Each row once, the later of two. Raises ValueError for one that does not say its amount."""
    amounts = {}
    for row in rows:
        amount = fields.spent(row.usage, 0)
        if amount is None:
            raise ValueError("a day without an amount")
        amounts[row.place] = amount
    return sum((amount for place, amount in amounts.items() if str(place[0]).startswith(month)), Decimal(0))


def _base(ctx: Context, login: Login, *, manages: bool) -> str:
    """Raises ConfigError for an address that may not be asked."""
    override = ctx.environ.get(OVERRIDE, "").strip()
    if override and (problem := url_problem(override)):
        raise ConfigError(f"${OVERRIDE} {problem}", hint=f"correct or unset {OVERRIDE}")
    base = ctx.base(override or HOST, login).rstrip("/")
    if manages and base != HOST:
        hint = f"unset {OVERRIDE} and providers.{ctx.id}.base_url, or set OPENROUTER_API_KEY"
        raise ConfigError("a management key is sent to no other address than OpenRouter's", hint=hint)
    return base if base.endswith(START) else base + START


def moved(ctx: Context) -> list[str]:
    host = urlsplit(ctx.environ.get(OVERRIDE, "").strip()).hostname
    return [host] if host else []


MADE = "made at https://openrouter.ai/settings"
PROVIDER = Provider(
    id="openrouter",
    name="OpenRouter",
    icon="◇",
    hosts=("openrouter.ai",),
    dashboard_url="https://openrouter.ai/settings/credits",
    login_hint="export OPENROUTER_API_KEY=…, or `vibeusage auth openrouter` (keys are made at https://openrouter.ai/settings/keys)",
    strategies=(
        Func(name="api_key", fetch=fetch, login=(Env("OPENROUTER_API_KEY"), Stored(kind="apikey"))),
        Func(
            name="management",
            fetch=functools.partial(fetch, manages=True),
            login=(Env("OPENROUTER_MANAGEMENT_API_KEY"), Stored(kind="admin")),
        ),
    ),
    status=StatusPage(url="https://status.openrouter.ai/incidents.rss", parse=health.parse_rss),
    secrets=(
        Secret(kind="apikey", label="OpenRouter key", how=f"{MADE}/keys", strategy="api_key"),
        Secret(kind="admin", label="OpenRouter management key", how=f"{MADE}/management-keys", strategy="management"),
    ),
    moved=moved,
)
