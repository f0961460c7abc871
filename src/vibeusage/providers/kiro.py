"""Kiro: the credits of a month, bonus and trial credits, and overage in US dollars.

Source: `/usage` of kiro-cli, and GetUsageLimits of the service that it asks itself (undocumented).
Known from: the public sources of several working trackers and public issue threads, 2026; not seen live.
Units: credits used of a limit, turned into percent; resets are epoch seconds with a fraction; money is in dollars.
kiro-cli is asked first, which also renews its login; the service tells the same more exactly, so where it answers its
word is taken. `currentUsage` includes overage, so that it may pass the limit. The shape of bonuses is a guess.
"""

import asyncio
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from vibeusage import programs
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, ConfigError, ShapeError, StrategyError, Unavailable
from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields, kiro_login
from vibeusage.providers.kiro_text import LOGIN, parse_text
from vibeusage.providers.spec import Func, Provider, Read

ARGV = (kiro_login.PROGRAM, "chat", "--no-interactive", "/usage")
FIRST = 1 / 3  # of the deadline, for the first word on a pipe
QUIET_S = 4.0
EXACT_S = 3.0
OLD_HOST = "https://codewhisperer.us-east-1.amazonaws.com"
TARGET = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonCodeWhispererService.GetUsageLimits"}
KINDS = ("AGENTIC_REQUEST", "CREDIT")  # the resource that counts, by name: others stand beside it in any order


class _Amount(msgspec.Struct, rename="camel"):
    """A bonus, or a trial by its own names."""

    current_usage: Any = None
    current_usage_with_precision: Any = None
    usage_limit: Any = None
    usage_limit_with_precision: Any = None
    status: str | None = None
    free_trial_status: str | None = None
    expires_at: Any = None
    free_trial_expiry: Any = None


class _Breakdown(_Amount, rename="camel"):
    resource_type: str | None = None
    overage_cap: Any = None
    overage_cap_with_precision: Any = None
    overage_rate: Any = None
    overage_charges: Any = None
    currency: str | None = None
    next_date_reset: Any = None
    bonuses: list[_Amount] | None = None
    free_trial_info: _Amount | None = None


class _Overages(msgspec.Struct, rename="camel"):
    overage_status: str | None = None


class _Subscription(msgspec.Struct, rename="camel"):
    subscription_title: str | None = None


class _User(msgspec.Struct):
    email: str | None = None


class _Limits(msgspec.Struct, rename="camel"):
    usage_breakdown_list: list[_Breakdown] | None = None
    next_date_reset: Any = None
    overage_configuration: _Overages | None = None
    subscription_info: _Subscription | None = None
    user_info: _User | None = None


async def fetch_from_cli(ctx: Context, _: Login) -> Usage:
    usage = parse_text(await _printed(ctx), ctx.now)
    try:
        async with asyncio.timeout(EXACT_S):
            login = kiro_login.of_cli(ctx)  # by now it has renewed its own
            return await fetch_limits(ctx, login) if login else usage
    except (StrategyError, ConfigError, TimeoutError, ValueError, ArithmeticError, RecursionError):
        return usage


async def _printed(ctx: Context) -> bytes:
    """What kiro-cli says to a pipe; on a terminal when that is nothing: old versions want one, others stall there."""
    try:
        first_s = ctx.settings.fetch.timeout_s * FIRST
        said = await programs.run(ARGV, ctx.environ, first_s=first_s, quiet_s=QUIET_S)
    except Unavailable:
        said = b""
    return said if said.strip() else await programs.run_on_terminal(ARGV, ctx.environ, quiet_s=QUIET_S)


async def fetch_limits(ctx: Context, login: Login) -> Usage:
    """Of the service; an account without a profile is asked about in another way."""
    arn, region = login.data["arn"], login.data["region"]
    of_profile, of_account = login.bases
    if not arn:
        url = f"{ctx.base(of_account, login)}/getUsageLimits?origin=AI_EDITOR&resourceType=AGENTIC_REQUEST"
        return parse_limits(await _body(ctx, login, "GET", url))
    document = {"profileArn": arn, "origin": "AI_EDITOR", "isEmailRequired": True}
    query = f"origin=AI_EDITOR&isEmailRequired=true&profileArn={quote(arn, safe='')}"
    try:
        return parse_limits(await _body(ctx, login, "POST", f"{ctx.base(of_profile, login)}/?{query}", document))
    except (Unavailable, ShapeError):
        if region != kiro_login.HOME_REGION or ctx.options.base_url:
            raise
    return parse_limits(await _body(ctx, login, "POST", f"{OLD_HOST}/", document))


async def _body(ctx: Context, login: Login, method: str, url: str, document: dict[str, Any] | None = None) -> bytes:
    """Like `ctx.ask`, but this service says "log in" with 403, and with 400 for a profile of another login."""
    content = msgspec.json.encode(document) if document else None
    headers = {**(TARGET if document else {}), "Authorization": f"Bearer {login.token}"}
    answer = await ctx.send(method, url, headers, content)
    is_page = answer.body.lstrip()[:1] == b"<"
    if (answer.status == 403 and not is_page) or (answer.status == 400 and b"profileArn" in answer.body):
        raise AuthError(f"{answer.host} wants a new login")
    return check(answer, ctx.now)


def parse_limits(body: bytes) -> Usage:
    """Raises ValueError when nothing says how many credits were used."""
    limits = msgspec.json.decode(body, type=_Limits)
    rows = {row.resource_type: row for row in limits.usage_breakdown_list or ()}
    row = next((rows[kind] for kind in KINDS if kind in rows), None)
    if row is None:
        raise ValueError("no usage of credits")
    reset = row.next_date_reset or limits.next_date_reset
    found = (_period("Credits", [row], reset), _trial(row.free_trial_info), _bonuses(row.bonuses or []))
    periods = tuple(period for period in found if period)
    if not periods:
        raise ValueError("no credits with a limit")
    email = limits.user_info.email if limits.user_info else None
    plan = limits.subscription_info.subscription_title if limits.subscription_info else None
    return Usage(
        periods=periods,
        overage=_overage(row, limits.overage_configuration),
        identity=ProviderIdentity(email=email, plan=plan) if email or plan else None,
    )


def _trial(trial: _Amount | None) -> UsagePeriod | None:
    is_active = trial is not None and trial.free_trial_status == "ACTIVE"
    return _period("Free trial", [trial], trial.free_trial_expiry) if trial and is_active else None


def _bonuses(bonuses: list[_Amount]) -> UsagePeriod | None:
    """All of them together, up to the end of the first."""
    active = [bonus for bonus in bonuses if bonus.status in (None, "ACTIVE")]
    ends = [end for bonus in active if (end := fields.instant(bonus.expires_at))]
    return _period("Bonus", active, min(ends).timestamp() if ends else None)


def _period(name: str, amounts: list[_Amount], reset: Any) -> UsagePeriod | None:
    used = [_either(one.current_usage_with_precision, one.current_usage) for one in amounts]
    most = [_either(one.usage_limit_with_precision, one.usage_limit) for one in amounts]
    both = [(part, whole) for part, whole in zip(used, most, strict=True) if part is not None and whole is not None]
    percent = fields.percent_of(sum(part for part, _ in both), sum(whole for _, whole in both)) if both else None
    if percent is None:
        return None
    return UsagePeriod(
        name=name, utilization=percent, period_type=PeriodType.MONTHLY, resets_at=fields.instant(reset)
    )


def _either(exact: Any, rounded: Any) -> float | None:
    number = fields.num(exact)
    return fields.num(rounded) if number is None else number


def _overage(row: _Breakdown, overages: _Overages | None) -> OverageUsage | None:
    charged = fields.spent(row.overage_charges, 0)
    status = overages.overage_status if overages else None
    if charged is None or status is None:
        return None
    cap, rate = _either(row.overage_cap_with_precision, row.overage_cap), fields.num(row.overage_rate)
    limit = None if cap is None or rate is None else fields.spent(str(Decimal(str(cap)) * Decimal(str(rate))), 0)
    return OverageUsage(used=charged, limit=limit, currency=row.currency or "USD", is_enabled=status == "ENABLED")


PROVIDER = Provider(
    id="kiro",
    name="Kiro",
    hosts=("management.us-east-1.kiro.dev", "q.us-east-1.amazonaws.com", "codewhisperer.us-east-1.amazonaws.com"),
    dashboard_url="https://app.kiro.dev/account/usage",
    login_hint=LOGIN,
    strategies=(
        Func(name="cli", fetch=fetch_from_cli, login=(Read(where="kiro-cli", find=kiro_login.of_program),)),
        Func(
            name="api",
            fetch=fetch_limits,
            login=(
                Read(where="data.sqlite3 of kiro-cli", find=kiro_login.of_cli),
                Read(where=f"{kiro_login.EDITOR} of Kiro", find=kiro_login.of_editor),
            ),
        ),
    ),
    folders={"KIRO_DATA_DIR": "~/.local/share/kiro-cli", "XDG_DATA_HOME": "~/.local/share"},
    # a token is new each hour, and whose it is stands nowhere: it is Kiro's own login
    owner=lambda ctx: "kiro",
)
