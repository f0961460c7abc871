"""Grok Build (SuperGrok): how much of the credits of a week, or of a month, is used.

Source: GET /v1/billing?format=credits of the Grok command line's own server (undocumented).
Known from: the public sources of several working trackers, 2026; not seen live.
Units: `creditUsagePercent` is percent used; `val` is in cents; times are ISO 8601, also `expires_at` of the login,
which may be epoch seconds or milliseconds. A token lives about a week, and only `grok` renews it.

The server leaves out a percentage that is 0, and for SuperGrok Heavy also others: so a missing one is 0 only where
the plan is told and is another, its window runs now, and nothing is told that was spent.
"""

import re
from datetime import datetime
from typing import Any

import msgspec

from vibeusage.context import Context
from vibeusage.credentials import Login, at, check_expiry, read_document
from vibeusage.errors import AuthError, Forbidden
from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Env, Func, Provider, Read

HOST = "https://cli-chat-proxy.grok.com"
FILE = "$GROK_HOME/auth.json"
SCOPES = ("auth.x.ai::", "accounts.x.ai/sign-in")  # now, and of older versions
HINT = "run `grok login`"
WEEKLY_S = 8 * 86_400


class _Amount(msgspec.Struct):
    val: Any = None


class _Period(msgspec.Struct):
    start: Any = None
    end: Any = None


class _Config(msgspec.Struct, rename="camel"):
    credit_usage_percent: Any = None
    current_period: _Period | None = None
    billing_period_end: Any = None
    on_demand_cap: _Amount | None = None
    on_demand_used: _Amount | None = None
    used: _Amount | None = None
    subscription_tier: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    config: _Config
    subscription_tier: str | None = None


def _find(ctx: Context) -> Login | None:
    """The login of the command line; its refresh token is never used."""
    path = ctx.path(FILE)
    document = read_document(path)
    entries: dict[str, Any] = document if isinstance(document, dict) else {}
    for scope in SCOPES:
        entry: Any = next((entries[name] for name in sorted(entries) if name.startswith(f"https://{scope}")), None)
        token = at(entry, "key")
        if isinstance(token, str) and token:
            expires_at = fields.instant(at(entry, "expires_at"))
            check_expiry(expires_at and expires_at.timestamp() * 1000, str(path), ctx.now, "grok login")
            return Login(token, str(path), is_ours=False, owner=_owner(entry), data=entry)
    return None


def _owner(entry: Any) -> str:
    said = at(entry, "user_id")
    return said if isinstance(said, str) else ""


async def fetch(ctx: Context, login: Login) -> Usage:
    """Raises AuthError for what is no token of a plan before it is sent anywhere."""
    if login.token.startswith("xai-") or re.search(r"[;\s]|\A[\w.-]+=[^=]", login.token):
        raise AuthError(f"{login.where} holds an API key or a cookie, which tell nothing of a plan", hint=HINT)
    headers = {"Authorization": f"Bearer {login.token}", "x-xai-token-auth": "xai-grok-cli"}
    try:
        body = await ctx.get(f"{ctx.base(HOST, login)}/v1/billing?format=credits", headers)
    except Forbidden as exc:
        exc.hint = "xAI tells the credits of personal plans only, not of teams"
        raise
    return parse_usage(body, ctx.now)


def parse_usage(body: bytes, now: datetime) -> Usage:
    """Raises ValueError where nothing is said of credits or of what is spent on demand."""
    answer = msgspec.json.decode(body, type=_Answer)
    config, tier = answer.config, answer.config.subscription_tier or answer.subscription_tier
    used, cap = _cents(config.on_demand_used), _cents(config.on_demand_cap)
    overage = OverageUsage(used=used, limit=cap) if used is not None and cap else None
    percent = _percent(config, tier, now)
    if percent is None and overage is None and not tier:
        raise ValueError("neither a percentage nor a plan")
    return Usage(
        periods=() if percent is None else (_window(config, percent, now),),
        overage=overage,
        identity=ProviderIdentity(plan=tier) if tier else None,
    )


def _percent(config: _Config, tier: str | None, now: datetime) -> float | None:
    said = fields.percent(config.credit_usage_percent)
    if said is not None:
        return said
    used, cap = _cents(config.on_demand_used), _cents(config.on_demand_cap)
    if used is not None and cap:
        return fields.percent_of(float(used), float(cap))
    is_spent = used or _cents(config.used)
    start, end = _bounds(config)
    runs = start is not None and end is not None and start <= now < end
    return 0.0 if runs and tier and "heavy" not in tier.lower() and not is_spent else None


def _cents(amount: _Amount | None) -> Any:
    return fields.spent(amount.val) if amount else None


def _bounds(config: _Config) -> tuple[datetime | None, datetime | None]:
    period = config.current_period or _Period()
    return fields.instant(period.start), fields.instant(period.end)


def _window(config: _Config, percent: float, now: datetime) -> UsagePeriod:
    """A week or a month by its length; of one whose start is not told, by what is left of it; else just credits."""
    start, end = _bounds(config)
    end = end or fields.instant(config.billing_period_end)
    seconds = (end - (start or now)).total_seconds() if end else 0
    kind = PeriodType.WEEKLY if 0 < seconds <= WEEKLY_S else PeriodType.MONTHLY
    resets_at = end if end and end > now else None
    name = fields.window_name(kind, 0) if seconds else "Credits"
    return UsagePeriod(name=name, utilization=percent, period_type=kind, resets_at=resets_at)


PROVIDER = Provider(
    id="grok",
    name="Grok",
    hosts=("cli-chat-proxy.grok.com",),
    dashboard_url="https://grok.com/?_s=usage",
    login_hint=HINT,
    folders={"GROK_HOME": "~/.grok"},
    strategies=(
        Func(name="oauth", fetch=fetch, login=(Env("GROK_OAUTH_TOKEN"), Read(where="auth.json of grok", find=_find))),
    ),
    activity=("$GROK_HOME/sessions",),
)
