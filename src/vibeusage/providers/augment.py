"""Augment: the credits of a billing cycle.

Source: `auggie account status`, whose text is meant for people; GET /api/credits and /api/subscription, the calls
behind app.augmentcode.com/account/subscription. None of them is documented.
Known from: the public source of one working tracker and its issues, 2026; nobody has confirmed it since; not seen live.
Units: credits; `billingPeriodEnd` is ISO 8601, in the text a day as month/day/year, which is taken as UTC.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from vibeusage import health
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, StrategyError
from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Command, Cookie, Func, Provider, Secret, StatusPage, Stored

SITE = "https://app.augmentcode.com"
HINT = "log in with `auggie login`"
BESIDE_S = 4.0  # for plan, owner and the cycle's end
COOKIES = (
    "session",
    "_session",
    "web_rpc_proxy_session",
    "auth0",
    "auth0.is.authenticated",
    "a0.spajs.txs",
    "__Secure-next-auth.session-token",
    "next-auth.session-token",
    "__Secure-authjs.session-token",
    "authjs.session-token",
)
SIGNED_OUT = re.compile(r"authentication failed|auggie login", re.IGNORECASE)
COUNT = r"(\d{1,3}(?:[,.'\u00a0\u202f]\d{3})+|\d+)"
LEFT = re.compile(rf"(?<![\d.,]){COUNT} (?:credits )?remaining", re.IGNORECASE)
USED = re.compile(rf"(?<![\d.,]){COUNT} / {COUNT} credits used", re.IGNORECASE)
GRANTED = re.compile(rf"^(?P<plan>.*?)(?<![\d.,]){COUNT} credits / month", re.IGNORECASE | re.MULTILINE)
PLAN = re.compile(r"credits remaining\s{2,}(?P<plan>\S.*)$", re.IGNORECASE | re.MULTILINE)
ENDS = re.compile(r"\bends (\d{1,2})/(\d{1,2})/(\d{4})\b", re.IGNORECASE)


class _Credits(msgspec.Struct, rename="camel"):
    usage_units_remaining: Any = None
    usage_units_consumed_this_billing_cycle: Any = None
    usage_units_available: Any = None  # at times 0 where there is a limit


class _Subscription(msgspec.Struct, rename="camel"):
    plan_name: str | None = None
    billing_period_end: Any = None
    email: str | None = None
    organization: Any = None  # null, a name, or what nobody has seen


def parse_text(stdout: bytes, ctx: Context) -> Usage:
    """Both generations: with what was used and the cycle's end, or only what is left of how many."""
    text = re.sub(r"[│|]", " ", stdout.decode("utf-8", "replace"))
    granted, used, left = GRANTED.search(text), USED.search(text), LEFT.search(text)
    if not (used or left) and SIGNED_OUT.search(text):
        raise AuthError("`auggie` is not logged in")
    if used:
        spent, limit = _count(used[1]), _count(used[2])
    elif granted and left:
        limit = _count(granted[2])
        spent = max(0, limit - _count(left[1]))
    else:
        raise ValueError("no line that says how many credits are left of how many")
    period = _period(spent, limit, _end(text))
    if period is None:
        raise ValueError("a limit of no credits")
    named = PLAN.search(text) or granted
    plan = named["plan"].strip() if named else ""
    return Usage(periods=(period,), identity=ProviderIdentity(plan=plan) if plan else None)


def _count(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def _end(text: str) -> datetime | None:
    found = ENDS.search(text)
    if found is None:
        return None
    month, day, year = map(int, found.groups())
    return datetime(year, month, day, tzinfo=UTC)


def _period(used: object, limit: object, resets_at: datetime | None) -> UsagePeriod | None:
    percent = fields.percent_of(used, limit)
    if percent is None:
        return None
    return UsagePeriod(name="Credits", utilization=percent, period_type=PeriodType.MONTHLY, resets_at=resets_at)


async def fetch_web(ctx: Context, login: Login) -> Usage:
    """The credits; whose they are and when they end is asked only then, and never makes it fail."""
    base, headers = ctx.base(SITE, login), {"Cookie": cookie_header(login, ctx)}
    credits = await _body(ctx, login, f"{base}/api/credits", headers)
    return parse_credits(credits, await _subscription(ctx, login, base, headers))


def cookie_header(login: Login, ctx: Context) -> str:
    """All the session's cookies, of the browser or of a pasted header."""
    found = login.data.get("cookies")
    pairs = [part.strip().partition("=") for part in login.token.split(";")]
    pasted = {name: value for name, _, value in pairs}
    known: Mapping[str, Any] = found if isinstance(found, Mapping) else pasted
    texts = [f"{name}={known[name]}" for name in COOKIES if known.get(name)]
    if not texts or not re.fullmatch(r"[\x20-\x3a\x3c-\x7e]+", "".join(texts)):
        raise AuthError(f"{login.where} holds no session of app.augmentcode.com", hint=_new_session(login, ctx))
    return "; ".join(texts)


async def _subscription(ctx: Context, login: Login, base: str, headers: Mapping[str, str]) -> _Subscription:
    try:
        async with asyncio.timeout(BESIDE_S):
            body = await _body(ctx, login, f"{base}/api/subscription", headers)
        return msgspec.json.decode(body, type=_Subscription)
    except (StrategyError, TimeoutError, ValueError, RecursionError):
        return _Subscription()


async def _body(ctx: Context, login: Login, url: str, headers: Mapping[str, str]) -> bytes:
    """Like `ctx.get`, but a site may say "log in" with a redirect or a page, too."""
    answer = await ctx.send("GET", url, headers)
    is_page = answer.status == 200 and answer.body.lstrip()[:1] == b"<"
    if answer.status == 401 or 300 <= answer.status < 400 or is_page:
        raise AuthError(f"the session of {answer.host} has ended", hint=_new_session(login, ctx))
    return check(answer, ctx.now)


def _new_session(login: Login, ctx: Context) -> str:
    return f"vibeusage auth {ctx.id}" if login.is_ours else f"log in at {SITE} in that browser"


def parse_credits(body: bytes, subscription: _Subscription | None = None) -> Usage:
    said, whose = msgspec.json.decode(body, type=_Credits), subscription or _Subscription()
    left, used = fields.num(said.usage_units_remaining), fields.num(said.usage_units_consumed_this_billing_cycle)
    limit = fields.num(said.usage_units_available) or 0.0
    if limit <= 0 and left is not None and used is not None:
        limit = left + used
    if used is None and left is not None:
        used = limit - left
    period = _period(used, limit, _billed_until(whose))
    balance = None if period else fields.money(said.usage_units_remaining, 0)
    if period is None and balance is None:
        raise ValueError("an answer without credits")
    return Usage(
        periods=(period,) if period else (),
        balance=Balance(balance, "credits") if balance is not None else None,
        identity=_identity(whose),
    )


def _billed_until(whose: _Subscription) -> datetime | None:
    try:
        return fields.instant(whose.billing_period_end)
    except ValueError:  # it stands beside the numbers, which are right without it
        return None


def _identity(whose: _Subscription) -> ProviderIdentity | None:
    organization = whose.organization if isinstance(whose.organization, str) else None
    found = ProviderIdentity(email=whose.email or None, organization=organization or None, plan=whose.plan_name or None)
    return found if found != ProviderIdentity() else None


PROVIDER = Provider(
    id="augment",
    name="Augment",
    hosts=("app.augmentcode.com",),
    dashboard_url="https://app.augmentcode.com/account/subscription",
    login_hint=HINT,
    strategies=(
        Command(name="cli", argv=("auggie", "account", "status"), parse=parse_text, is_whole=True),
        Func(
            name="web",
            fetch=fetch_web,
            login=(
                Stored(kind="session", key="session_cookies"),
                Cookie(domains=("app.augmentcode.com", "augmentcode.com", "auth.augmentcode.com"), names=COOKIES),
            ),
        ),
    ),
    status=StatusPage(url="https://status.augmentcode.com/api/v2/status.json", parse=health.parse_statuspage),
    secrets=(
        Secret(
            kind="session",
            key="session_cookies",
            label="Cookie header of app.augmentcode.com",
            how="app.augmentcode.com/account, developer tools, Network, any request: its whole Cookie header",
            strategy="web",
            is_header=True,
        ),
    ),
)
