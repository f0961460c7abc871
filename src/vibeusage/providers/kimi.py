"""Kimi Code: a rolling window of five hours and a week; with the web session also the month of the subscription.

Source: GET /coding/v1/usages, the call behind /usage of Kimi's CLI; the web console's BillingService/GetUsages and
MembershipService/GetSubscriptionStats. None of them is documented.
Known from: the public source of kimi-cli and of working trackers, 2026; not seen live.
Units: `limit`, `used` and `remaining` are counts, as text or numbers; `ratio` is used, 0-1; times are ISO 8601 with
up to nine digits of a second; `expires_at` of the CLI's login is epoch seconds.

Kimi's CLI renews its login every few minutes while it runs, with a refresh token that is good once: it is read and
never renewed here. A login of our own (`vibeusage auth kimi`) is, and calls itself vibeusage where Kimi asks for
the name of a device.
"""

import asyncio
import platform
from typing import Any

import msgspec

from vibeusage import health
from vibeusage.context import Context
from vibeusage.credentials import Login, at, check_expiry, read_document
from vibeusage.errors import AuthError, StrategyError
from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import (
    Cookie,
    DeviceFlow,
    Env,
    Func,
    Grant,
    Provider,
    Read,
    Secret,
    StatusPage,
    Stored,
)

API, AUTH, WEB = "https://api.kimi.com", "https://auth.kimi.com", "https://www.kimi.com"
CLIENT_ID = "17e5f671-d194-4dfb-9706-5516cb48c098"
TOKEN_URL = f"{AUTH}/api/oauth/token"
BILLING = "/apiv2/kimi.gateway.billing.v1.BillingService/GetUsages"
STATS = "/apiv2/kimi.gateway.membership.v2.MembershipService/GetSubscriptionStats"
CODING = "FEATURE_CODING"
CREDENTIALS = "credentials/kimi-code.json"
UNITS = {"TIME_UNIT_SECOND": 1, "TIME_UNIT_MINUTE": 60, "TIME_UNIT_HOUR": 3_600, "TIME_UNIT_DAY": 86_400}
WEEK_S = 604_800
MOST_RATIO = 2.0  # more than this is percent, which nobody has told us of
BESIDE_S = 4.0  # for what stands beside the windows


class _Detail(msgspec.Struct, rename="camel"):
    limit: Any = None
    used: Any = None  # may be missing
    remaining: Any = None
    reset_time: Any = None


class _Window(msgspec.Struct, rename="camel"):
    duration: Any = None
    time_unit: str | None = None


class _Limit(msgspec.Struct):
    window: _Window = msgspec.field(default_factory=_Window)
    detail: _Detail = msgspec.field(default_factory=_Detail)


class _Membership(msgspec.Struct):
    level: str | None = None


class _User(msgspec.Struct):
    membership: _Membership | None = None


class _Usages(msgspec.Struct):
    usage: _Detail | None = None
    limits: list[_Limit] | None = None
    user: _User | None = None


class _Scope(msgspec.Struct):
    scope: str = ""
    detail: _Detail | None = None
    limits: list[_Limit] | None = None


class _Billing(msgspec.Struct):
    usages: list[_Scope]


class _Balance(msgspec.Struct, rename="camel"):
    amount_used_ratio: Any = None
    expire_time: Any = None


class _Stats(msgspec.Struct, rename="camel"):
    subscription_balance: _Balance | None = None


async def fetch(ctx: Context, login: Login) -> Usage:
    url = ctx.base(API, login) + "/coding/v1/usages"
    return parse_usage(_checked(await ctx.get(url, {"Authorization": f"Bearer {login.token}"})))


async def fetch_web(ctx: Context, login: Login) -> Usage:
    """The same windows, and what a short time is enough for of the month."""
    base, headers = ctx.base(WEB, login), {"Authorization": f"Bearer {login.token}"}
    usage = parse_billing(_checked(await ctx.post(base + BILLING, headers, {"scope": [CODING]})))
    try:
        async with asyncio.timeout(BESIDE_S):
            month = parse_stats(await ctx.post(base + STATS, headers, {}))
    except (StrategyError, TimeoutError, ValueError, ArithmeticError, RecursionError):
        return usage
    return msgspec.structs.replace(usage, periods=(*usage.periods, *month))


def _checked(body: bytes) -> bytes:
    """An error may come with status 200, in the form of the gateway. Raises AuthError or ValueError for one."""
    document = msgspec.json.decode(body)
    code = at(document, "code") or at(document, "error.type") or at(document, "error.code")
    if code in ("unauthenticated", "invalid_authentication_error", "REASON_INVALID_AUTH_TOKEN"):
        raise AuthError("Kimi refused the login")
    if isinstance(code, str) and not at(document, "usage") and not at(document, "usages"):
        raise ValueError("an error in the place of an answer")
    return body


def parse_usage(body: bytes) -> Usage:
    answer = msgspec.json.decode(body, type=_Usages)
    level = answer.user.membership.level if answer.user and answer.user.membership else None
    plan = level.removeprefix("LEVEL_").replace("_", " ").capitalize() if level else None
    identity = ProviderIdentity(plan=plan) if plan else None
    return Usage(periods=_periods(answer.usage, answer.limits), identity=identity)


def parse_billing(body: bytes) -> Usage:
    scopes = msgspec.json.decode(body, type=_Billing).usages
    found = next((scope for scope in scopes if scope.scope == CODING), _Scope())
    return Usage(periods=_periods(found.detail, found.limits))


def parse_stats(body: bytes) -> tuple[UsagePeriod, ...]:
    """The month of the subscription, () where there is none."""
    balance = msgspec.json.decode(body, type=_Stats).subscription_balance or _Balance()
    ratio = fields.num(balance.amount_used_ratio)
    if ratio is None:
        return ()
    if ratio > MOST_RATIO:
        raise ValueError("a ratio that is none")
    used, ends_at = fields.percent(round(ratio * 100, 6)) or 0.0, fields.instant(balance.expire_time)
    return (UsagePeriod(name="Monthly", utilization=used, period_type=PeriodType.MONTHLY, resets_at=ends_at),)


def _periods(week: _Detail | None, limits: list[_Limit] | None) -> tuple[UsagePeriod, ...]:
    """The shortest first. Raises ValueError when none says what was used."""
    windows = [(_seconds(limit.window), limit.detail) for limit in limits or ()]
    found: dict[str, UsagePeriod] = {}
    for seconds, detail in sorted([*windows, (WEEK_S, week or _Detail())], key=lambda each: each[0]):
        used = _used(detail)
        if used is None:
            continue
        kind = PeriodType.nearest(seconds)
        name = fields.window_name(kind, seconds)
        resets_at = fields.instant(detail.reset_time)
        if name not in found or used > found[name].utilization:
            found[name] = UsagePeriod(
                name=name, utilization=used, period_type=kind, resets_at=resets_at, window_seconds=seconds
            )
    if not found:
        raise ValueError("no window that says what was used")
    return tuple(found.values())


def _seconds(window: _Window) -> int:
    """Raises ValueError for a length in a unit nobody knows, since a guess would make it another window."""
    duration, unit = fields.num(window.duration), UNITS.get(window.time_unit or "")
    if not duration or unit is None or not 0 < duration * unit < 10**9:
        raise ValueError("a window of a length that is not understood")
    return int(duration * unit)


def _used(detail: _Detail) -> float | None:
    limit, used, left = (fields.num(value) for value in (detail.limit, detail.used, detail.remaining))
    if used is None and limit is not None and left is not None:
        used = limit - left
    return fields.percent_of(used, limit)


def find(ctx: Context) -> Login | None:
    """The login of Kimi Code, or of kimi-cli before it; raises AuthError for one that has run out."""
    paths = [ctx.path(f"$KIMI_CODE_HOME/{CREDENTIALS}")]
    if not ctx.options.config_dir:
        paths.append(ctx.path(f"$KIMI_SHARE_DIR/{CREDENTIALS}"))
    document, path = next(((said, path) for path in paths if at(said := read_document(path), "access_token")), ({}, ""))
    token, ends_at = at(document, "access_token"), at(document, "expires_at")
    if not isinstance(token, str):
        return None
    milliseconds = ends_at * 1000 if isinstance(ends_at, int | float) else None
    check_expiry(milliseconds, str(path), ctx.now, "kimi")
    return Login(token, str(path), is_ours=False, owner=_owner(token), data=document)


def _owner(token: str) -> str:
    """The account's id in the token, "" when it tells none."""
    claims = fields.claims(token)
    found = claims.get("user_id") or claims.get("sub")
    return found if isinstance(found, str) else ""


def device_headers(device_id: str) -> dict[str, str]:
    """What Kimi's login wants to know of a device, in ASCII."""
    said = {
        "X-Msh-Platform": "vibeusage",
        "X-Msh-Version": "1.0.0",
        "X-Msh-Device-Name": "vibeusage",
        "X-Msh-Device-Model": f"{platform.system()} {platform.machine()}",
        "X-Msh-Os-Version": platform.release(),
        "X-Msh-Device-Id": device_id,
    }
    return {name: value.encode("ascii", "ignore").decode().strip() or "unknown" for name, value in said.items()}


PROVIDER = Provider(
    id="kimi",
    name="Kimi Code",
    hosts=("api.kimi.com", "auth.kimi.com", "www.kimi.com"),
    dashboard_url="https://www.kimi.com/code/console",
    login_hint="run `kimi` and log in, set KIMI_CODE_API_KEY, or `vibeusage auth kimi`",
    strategies=(
        Func(name="key", fetch=fetch, login=(Env("KIMI_CODE_API_KEY"), Stored(kind="apikey"))),
        Func(
            name="oauth",
            fetch=fetch,
            login=(
                Stored(kind="oauth", grant=Grant(url=TOKEN_URL, client_id=CLIENT_ID, headers=device_headers)),
            ),
        ),
        Func(name="cli", fetch=fetch, login=(Read(where="credentials/kimi-code.json of Kimi's CLI", find=find),)),
        Func(
            name="web",
            fetch=fetch_web,
            login=(
                Stored(kind="session", key="session_token"),
                Cookie(domains=("www.kimi.com", "kimi.com"), names=("kimi-auth",)),
            ),
        ),
    ),
    status=StatusPage(url="https://status.moonshot.cn/api/v2/status.json", parse=health.parse_statuspage),
    folders={"KIMI_CODE_HOME": "~/.kimi-code", "KIMI_SHARE_DIR": "~/.kimi"},
    activity=("$KIMI_CODE_HOME/sessions", "$KIMI_SHARE_DIR/sessions"),
    secrets=(
        Secret(
            kind="apikey",
            label="API key of Kimi Code",
            how="www.kimi.com/code/console, API keys (a key of the Moonshot platform is another)",
            strategy="key",
        ),
        Secret(
            kind="session",
            key="session_token",
            label="session cookie of kimi.com",
            how="www.kimi.com, developer tools, Storage, Cookies: the value of kimi-auth",
            strategy="web",
        ),
    ),
    device=DeviceFlow(
        code_url=f"{AUTH}/api/oauth/device_authorization",
        token_url=TOKEN_URL,
        client_id=CLIENT_ID,
        headers=device_headers,
    ),
)
