"""Factory (Droid): rolling windows of five hours, a week and a month; for older plans tokens of a billing cycle.

Source: GET /api/billing/limits, the call behind droid's footer; where an organization is billed the old way, GET
/api/organization/subscription/usage; GET /api/app/auth/me for whose they are. All undocumented.
Known from: the public sources of several working trackers and public issue threads, 2026; not seen live.
Units: `usedPercent` is percent used; `windowEnd` is ISO 8601, or epoch seconds or milliseconds; cents are US
cents. Of the old answer: tokens; `usedRatio` is 0-1; dates are epoch milliseconds.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec

from vibeusage import health
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import StrategyError
from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import factory_login, fields
from vibeusage.providers.spec import Env, Func, Provider, Read, Secret, StatusPage, Stored

HOSTS = ("api.factory.ai", "app.factory.ai", "auth.factory.ai")
SITE = "https://app.factory.ai"
# without a client's name the firewall may answer 403
HEADERS = {
    "Content-Type": "application/json",
    "x-factory-client": "web-app",
    "Origin": SITE,
    "Referer": f"{SITE}/",
}
BESIDE_S = 4.0  # for whose the numbers are
UNLIMITED = 10**12  # an allowance above this is none
WINDOWS = (
    ("Session (5h)", PeriodType.SESSION, "five_hour"),
    ("Weekly", PeriodType.WEEKLY, "weekly"),
    ("Monthly", PeriodType.MONTHLY, "monthly"),
)


class _Window(msgspec.Struct, rename="camel"):
    used_percent: Any = None
    window_end: Any = None  # null until the window's first request
    seconds_remaining: Any = None


class _Pool(msgspec.Struct, rename="camel"):
    five_hour: _Window | None = None
    weekly: _Window | None = None
    monthly: _Window | None = None


class _Pools(msgspec.Struct):
    standard: _Pool | None = None
    core: _Pool | None = None


class _Limits(msgspec.Struct, rename="camel"):
    uses_token_rate_limits_billing: bool | None = None
    limits: _Pools | None = None
    extra_usage_balance_cents: Any = None
    extra_usage_allowed: bool | None = None


class _Tokens(msgspec.Struct, rename="camel"):
    org_total_tokens_used: Any = None  # with what was used beyond the allowance
    total_allowance: Any = None
    used_ratio: Any = None
    org_overage_used: Any = None
    org_overage_limit: Any = None


class _Cycle(msgspec.Struct, rename="camel"):
    start_date: Any = None
    end_date: Any = None
    standard: _Tokens | None = None
    premium: _Tokens | None = None


class _Subscription(msgspec.Struct):
    usage: _Cycle


class _Plan(msgspec.Struct):
    name: str | None = None


class _Orb(msgspec.Struct):
    plan: _Plan | None = None


class _Tier(msgspec.Struct, rename="camel"):
    factory_tier: str | None = None
    orb_subscription: _Orb | None = None


class _Organization(msgspec.Struct):
    name: str | None = None
    subscription: _Tier | None = None


class _Profile(msgspec.Struct):
    id: str | None = None
    email: str | None = None


class _Me(msgspec.Struct, rename="camel"):
    organization: _Organization | None = None
    user_profile: _Profile | None = None


async def fetch(ctx: Context, login: Login) -> Usage:
    """The limits, then whose they are; what only the identity lacks never makes it fail."""
    headers = {**HEADERS, "Authorization": f"Bearer {login.token}"}
    base = ctx.base(f"https://{HOSTS[0]}", login)
    body = await ctx.get(f"{base}/api/billing/limits", headers)
    usage = parse_limits(body, ctx.now)
    me = await _me(ctx, f"{base}/api/app/auth/me", headers)
    if usage is None:
        usage = parse_subscription(await _subscription(ctx, base, headers, _user(me, login)))
    return msgspec.structs.replace(usage, identity=_identity(me, login))


async def _me(ctx: Context, url: str, headers: dict[str, str]) -> _Me:
    try:
        async with asyncio.timeout(BESIDE_S):
            return msgspec.json.decode(await ctx.get(url, headers), type=_Me)
    except (StrategyError, TimeoutError, ValueError, RecursionError):
        return _Me()


async def _subscription(ctx: Context, base: str, headers: dict[str, str], user: str) -> bytes:
    """Of the first host that has this call: it has moved from one to the next."""
    path = "/api/organization/subscription/usage?useCache=true" + (f"&userId={user}" if user else "")
    others = [] if ctx.options.base_url else [f"https://{host}" for host in HOSTS[1:]]
    answer = await ctx.send("GET", base + path, headers)
    for other in others:
        if answer.status == 404:
            answer = await ctx.send("GET", other + path, headers)
    return check(answer, ctx.now)


def _user(me: _Me, login: Login) -> str:
    """The person's id, "" where it is not known or nothing that belongs into an address."""
    said = (me.user_profile and me.user_profile.id) or fields.claims(login.token).get("sub")
    return said if isinstance(said, str) and said.replace("_", "").replace("-", "").isalnum() and said.isascii() else ""


def _identity(me: _Me, login: Login) -> ProviderIdentity | None:
    """What the answer says, else what the login says of itself."""
    email = (me.user_profile and me.user_profile.email) or fields.claims(login.token).get("email")
    organization = me.organization or _Organization()
    tier = organization.subscription or _Tier()
    plan = (tier.orb_subscription or _Orb()).plan or _Plan()
    found = ProviderIdentity(
        email=email if isinstance(email, str) and email else None,
        organization=organization.name or None,
        plan=plan.name or tier.factory_tier or None,
    )
    return found if found != ProviderIdentity() else None


def parse_limits(body: bytes, now: datetime) -> Usage | None:
    """None for an organization that is billed the old way."""
    said = msgspec.json.decode(body, type=_Limits)
    standard = said.limits.standard if said.limits else None
    if standard is None or said.uses_token_rate_limits_billing is False:
        return None
    core = said.limits.core if said.limits else None
    periods = [*_periods(standard, None, now), *(_periods(core, "Core", now) if core else ())]
    amount = fields.money(said.extra_usage_balance_cents)
    is_offered = amount is not None and (amount != 0 or bool(said.extra_usage_allowed))
    if not periods:
        raise ValueError("limits without a window that says how much is used")
    return Usage(periods=tuple(periods), balance=Balance(amount) if amount is not None and is_offered else None)


def _periods(pool: _Pool, model: str | None, now: datetime) -> list[UsagePeriod]:
    found = []
    for name, kind, field in WINDOWS:
        window: _Window | None = getattr(pool, field)
        period = _period(window, f"{model} {name}" if model else name, kind, model, now) if window else None
        if period and (model is None or period.utilization or period.resets_at):  # else a placeholder
            found.append(period)
    return found


def _period(window: _Window, name: str, kind: PeriodType, model: str | None, now: datetime) -> UsagePeriod | None:
    """A window whose end has passed is over: nothing of the next one is used yet."""
    used, left_s = fields.percent(window.used_percent), fields.num(window.seconds_remaining) or 0.0
    ends_at = fields.instant(window.window_end)
    if used is None:
        return None
    if ends_at is None or ends_at <= now:
        is_over = ends_at is not None and left_s <= 0
        used, ends_at = (0.0 if is_over else used), now + timedelta(seconds=left_s) if left_s > 0 else None
    return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=ends_at, model=model)


def parse_subscription(body: bytes) -> Usage:
    cycle = msgspec.json.decode(body, type=_Subscription).usage
    starts_at, ends_at = fields.instant(cycle.start_date), fields.instant(cycle.end_date)
    seconds = int((ends_at - starts_at).total_seconds()) if starts_at and ends_at and starts_at < ends_at else None
    pools = [("Standard", cycle.standard), ("Premium", cycle.premium)]
    periods = tuple(
        UsagePeriod(
            name=name, utilization=used, period_type=PeriodType.MONTHLY, resets_at=ends_at, window_seconds=seconds
        )
        for name, tokens in pools
        if tokens and (used := _used(tokens)) is not None
    )
    is_unlimited = any(tokens and (fields.num(tokens.total_allowance) or 0) > UNLIMITED for _, tokens in pools)
    if not periods and not is_unlimited:
        raise ValueError("a subscription without an allowance")
    return Usage(periods=periods, overage=_overage(cycle.standard, ends_at))


def _used(tokens: _Tokens) -> float | None:
    """Reckoned where both numbers are known: the ratio is at times 0 beside used tokens, at times a percentage."""
    allowance, ratio = fields.num(tokens.total_allowance), fields.percent(tokens.used_ratio)
    if allowance is not None and (allowance <= 0 or allowance > UNLIMITED):
        return None
    used = fields.percent_of(tokens.org_total_tokens_used, allowance)
    if used is None and ratio is not None and ratio > 1:
        raise ValueError("a ratio above 1, which may be a percentage")
    return ratio * 100 if used is None and ratio else used


def _overage(tokens: _Tokens | None, ends_at: datetime | None) -> OverageUsage | None:
    """Tokens beyond the allowance, where the organization has allowed or used any."""
    used = fields.spent(tokens.org_overage_used, 0) if tokens else None
    limit = fields.spent(tokens.org_overage_limit, 0) if tokens else None
    if used is None or not (used or limit):
        return None
    return OverageUsage(used=used, limit=limit, currency="tokens", resets_at=ends_at)


PROVIDER = Provider(
    id="factory",
    name="Factory",
    hosts=HOSTS,
    dashboard_url="https://app.factory.ai/settings/billing",
    login_hint=factory_login.HINT,
    strategies=(
        Func(
            name="key",
            fetch=fetch,
            login=(
                Env("FACTORY_API_KEY"),
                Stored(kind="apikey"),
                Read(where=".env of droid", find=factory_login.of_env_file),
            ),
        ),
        Func(name="oauth", fetch=fetch, login=(Read(where="auth.v2.file of droid", find=factory_login.of_droid),)),
    ),
    status=StatusPage(url="https://status.factory.ai/api/v2/status.json", parse=health.parse_statuspage),
    folders={"FACTORY_DIR": "~/.factory"},
    activity=("$FACTORY_DIR/sessions",),
    secrets=(
        Secret(
            kind="apikey",
            label="API key of Factory",
            how="https://app.factory.ai/settings/api-keys",
            strategy="key",
            pattern=r"fk-\S+",
        ),
    ),
)
