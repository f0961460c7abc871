"""Cline: the three windows of ClinePass, and the credits that are left.

Source: GET /api/v1/users/me/plan/usage-limits of api.cline.bot, with /users/me and the balance of the person or of
the organization that is active. None of them is documented.
Known from: the public source of Cline and of working trackers, 2026; not seen live.
Units: `percentUsed` is percent used; `resetsAt` is ISO 8601 or null; a balance of 10,000 is one credit, as Cline's
own window shows it. What a credit is in dollars trackers tell in two ways, so none is told here. `expiresAt` of a
login is epoch milliseconds, in the older secrets.json seconds.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login, at, check_expiry, read_document
from vibeusage.errors import AuthError, Forbidden, StrategyError
from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Env, Func, Provider, Read, Secret, Stored

HOST = "https://api.cline.bot"
LIMITS = "/api/v1/users/me/plan/usage-limits"
PREFIX = "workos:"  # of a token that a person's login gave, not of a key
WINDOWS = {
    "five_hour": ("Session (5h)", PeriodType.SESSION),
    "daily": ("Daily", PeriodType.DAILY),
    "weekly": ("Weekly", PeriodType.WEEKLY),
    "monthly": ("Monthly", PeriodType.MONTHLY),
}
DIGITS = 4  # of a credit
ID = re.compile(r"[\w.-]{1,100}", re.ASCII)
BESIDE_S = 4.0  # for the balance beside the windows


class _Limit(msgspec.Struct, rename="camel"):
    type: str = ""
    percent_used: Any = None
    resets_at: Any = None


class _Limits(msgspec.Struct):
    limits: list[_Limit] | None = None


class _Organization(msgspec.Struct, rename="camel"):
    organization_id: str | None = None
    name: str | None = None
    active: bool | None = None


class _Me(msgspec.Struct):
    id: str | None = None
    email: str | None = None
    organizations: list[_Organization] | None = None


class _Credits(msgspec.Struct):
    balance: Any = None


async def fetch(ctx: Context, login: Login) -> Usage:
    """The windows with what a short time is enough for of the rest; without a plan the credits must be had."""
    base, headers = ctx.base(HOST, login), {"Authorization": f"Bearer {login.token}"}
    periods = await _limits(ctx, base + LIMITS, headers)
    if not periods:
        return await _credits(ctx, base, headers)
    plan = Usage(periods=periods, identity=ProviderIdentity(plan="ClinePass"))
    try:
        async with asyncio.timeout(BESIDE_S):
            beside = await _credits(ctx, base, headers)
    except (StrategyError, TimeoutError, ValueError, ArithmeticError, RecursionError):
        return plan
    said = beside.identity or ProviderIdentity()
    identity = ProviderIdentity(email=said.email, organization=said.organization, plan="ClinePass")
    return Usage(periods=periods, balance=beside.balance, identity=identity)


async def _limits(ctx: Context, url: str, headers: dict[str, str]) -> tuple[UsagePeriod, ...]:
    """() for an account without a plan."""
    answer = await ctx.send("GET", url, headers)
    return () if answer.status == 404 else parse_limits(check(answer, ctx.now))


def parse_limits(body: bytes) -> tuple[UsagePeriod, ...]:
    """Raises ValueError when there are limits, and none says what was used."""
    limits = msgspec.convert(_data(body), _Limits).limits or []
    found = {}
    for limit in limits:
        used = fields.percent(limit.percent_used) if limit.type in WINDOWS else None
        if used is not None:
            name, kind = WINDOWS[limit.type]
            resets_at = fields.instant(limit.resets_at)
            found[limit.type] = UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=resets_at)
    if limits and not found:
        raise ValueError("no limit that says what was used")
    return tuple(found[name] for name in WINDOWS if name in found)


def _data(body: bytes) -> Any:
    """What is in the envelope; an error may come with status 200."""
    document = msgspec.json.decode(body)
    if at(document, "success") is False:
        text = str(at(document, "error")).lower()
        if "unauthorized" in text or "token" in text:
            raise AuthError("api.cline.bot refused the login")
        raise ValueError("an error in the place of an answer")
    return at(document, "data") or {}


async def _credits(ctx: Context, base: str, headers: dict[str, str]) -> Usage:
    """What is left to the organization that is active, else to the person."""
    me = msgspec.convert(_data(await ctx.get(f"{base}/api/v1/users/me", headers)), _Me)
    active = next((one for one in me.organizations or () if one.active and one.organization_id), None)
    place = f"organizations/{active.organization_id}" if active else f"users/{me.id}"
    if not ID.fullmatch(place.partition("/")[2]):
        raise ValueError("an account without an id")
    amount = parse_balance(await ctx.get(f"{base}/api/v1/{place}/balance", headers))
    identity = ProviderIdentity(email=me.email or None, organization=active.name if active else None)
    return Usage(balance=amount, identity=identity if identity != ProviderIdentity() else None)


def parse_balance(body: bytes) -> Balance:
    amount = fields.money(msgspec.convert(_data(body), _Credits).balance, DIGITS)
    if amount is None:
        hint = f"see {PROVIDER.dashboard_url}"
        raise Forbidden("this Cline account has no ClinePass, and tells of no credits", hint=hint)
    return Balance(amount, "credits")


def find(ctx: Context) -> Login | None:
    """Cline's own login, in the file of today or the one before it; raises AuthError when it has run out."""
    path = _file(ctx, "settings/providers.json")
    entry = at(read_document(path), "providers.cline")
    auth = at(entry, "settings.auth") or at(entry, "auth")
    if login := _login(ctx, path, auth, "accessToken", at(auth, "accountId"), 1):
        return login
    path = _file(ctx, "secrets.json")
    text = at(read_document(path), "cline:clineAccountId")
    try:
        auth = msgspec.json.decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, RecursionError):
        return None
    return _login(ctx, path, auth, "idToken", at(auth, "userInfo.id"), 1000)


def _file(ctx: Context, name: str) -> Path:
    """In Cline's folder of data, which an account with a folder of its own has there only."""
    is_named = ctx.environ.get("CLINE_DATA_DIR") and not ctx.options.config_dir
    return ctx.path(f"$CLINE_DATA_DIR/{name}" if is_named else f"$CLINE_DIR/data/{name}")


def _login(ctx: Context, path: Path, auth: Any, key: str, owner: object, factor: int) -> Login | None:
    """`factor` makes milliseconds of `expiresAt`."""
    token, ends_at = at(auth, key), at(auth, "expiresAt")
    if not isinstance(token, str) or not token:
        return None
    check_expiry(ends_at * factor if isinstance(ends_at, int | float) else None, str(path), ctx.now, "cline auth")
    whole = token if token.startswith(PREFIX) else PREFIX + token
    return Login(whole, str(path), is_ours=False, owner=owner if isinstance(owner, str) else "", data=auth)


PROVIDER = Provider(
    id="cline",
    name="Cline",
    hosts=("api.cline.bot",),
    dashboard_url="https://app.cline.bot/dashboard",
    login_hint="run `cline auth`, or set CLINE_API_KEY",
    strategies=(
        Func(name="key", fetch=fetch, login=(Env("CLINE_API_KEY"), Env("CLINEPASS_API_KEY"), Stored(kind="apikey"))),
        Func(name="cli", fetch=fetch, login=(Read(where="providers.json or secrets.json of Cline", find=find),)),
    ),
    folders={"CLINE_DIR": "~/.cline"},
    secrets=(
        Secret(kind="apikey", label="API key of Cline", how="app.cline.bot, Settings, API keys", strategy="key"),
    ),
)
