"""Cursor: what a billing cycle includes, its Auto and API pools, and on-demand spending in US dollars.

Source: GET /api/usage-summary, the call behind cursor.com's dashboard, with the smaller ones beside it;
GetCurrentPeriodUsage of api2.cursor.sh, which the app and cursor-agent call. None of them is documented.
Known from: the public sources of several working trackers and public issue threads, 2026; not seen live.
Units: percent used as sent; money in US cents, turned into dollars; the rest stands in `cursor_usage`.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec

from vibeusage import health
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, StrategyError
from vibeusage.models import ProviderIdentity, Usage
from vibeusage.providers import cursor_login
from vibeusage.providers.cursor_usage import parse_bot, parse_current, parse_email, parse_requests, parse_summary
from vibeusage.providers.spec import Cookie, Func, Provider, Read, Secret, StatusPage, Stored

SITE, API = "https://cursor.com", "https://api2.cursor.sh"
CURRENT = "/aiserver.v1.DashboardService/GetCurrentPeriodUsage"
BESIDE_S = 4.0  # for what may be missing: identity, request plan, bot
JSON = {"Content-Type": "application/json"}
T = TypeVar("T")

APP = Read(where="Cursor's state.vscdb", find=cursor_login.of_app)
API_OF_APP = Read(where="Cursor's state.vscdb", find=cursor_login.app_token)
CLI = Read(where="auth.json of cursor-agent", find=cursor_login.of_cli)
COOKIE = Cookie(
    domains=("cursor.com", "www.cursor.com", "cursor.sh", "authenticator.cursor.sh"), names=cursor_login.COOKIES
)


async def fetch_with_app(ctx: Context, login: Login) -> Usage:
    return await _ask_site(ctx, login, cursor_login.app_cookie(login), login.owner)


async def fetch_with_cookie(ctx: Context, login: Login) -> Usage:
    return await _ask_site(ctx, login, *cursor_login.session_cookie(login, ctx))


async def fetch_with_cli(ctx: Context, login: Login) -> Usage:
    headers = {"Authorization": f"Bearer {login.token}", "Connect-Protocol-Version": "1"}
    usage = parse_current(await ctx.post(ctx.base(API, login) + CURRENT, headers, {}))
    return _named(usage, login, None)


async def _ask_site(ctx: Context, login: Login, cookie: str, user: str) -> Usage:
    """The summary; what stands beside it is asked only then, and never makes it fail."""
    base, headers = ctx.base(SITE, login), {"Cookie": cookie}
    summary = await _body(ctx, "GET", f"{base}/api/usage-summary", headers)
    me, requests, bot = await asyncio.gather(
        _beside(ctx, "GET", f"{base}/api/auth/me", headers),
        _beside(ctx, "GET", f"{base}/api/usage?user={user}", headers if user else None),
        _beside(ctx, "POST", f"{base}/api/dashboard/get-sand-usage-status", {**headers, **JSON, "Origin": SITE}, b"{}"),
    )
    usage = parse_summary(summary, _read(parse_requests, requests), _read(parse_bot, bot))
    return _named(usage, login, _read(parse_email, me))


async def _beside(
    ctx: Context, method: str, url: str, headers: dict[str, str] | None, content: bytes | None = None
) -> bytes:
    """The answer, b"" where there is none; without `headers` nobody is asked."""
    if headers is None:
        return b""
    try:
        async with asyncio.timeout(BESIDE_S):
            return await _body(ctx, method, url, headers, content)
    except (StrategyError, TimeoutError):
        return b""


async def _body(ctx: Context, method: str, url: str, headers: dict[str, str], content: bytes | None = None) -> bytes:
    """Like `ctx.ask`, but this site says "log in" with a redirect, a page, or 403."""
    answer = await ctx.send(method, url, headers, content)
    is_page = answer.body.lstrip()[:1] == b"<" or "cf-mitigated" in answer.headers
    is_sent_away = 300 <= answer.status < 400 and "login" in answer.headers.get("location", "")
    if is_sent_away or (answer.status == 200 and is_page) or (answer.status == 403 and not is_page):
        raise AuthError(f"{answer.host} wants a new login")
    return check(answer, ctx.now)


def _read(parse: Callable[[bytes], T], body: bytes) -> T | None:
    try:
        return parse(body) if body else None
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _named(usage: Usage, login: Login, email: str | None) -> Usage:
    """With the e-mail and plan that the login's own tool has noted, where the answer has none."""
    noted = (login.data.get("email"), login.data.get("plan"))
    known_email, known_plan = (value if isinstance(value, str) and value else None for value in noted)
    said = usage.identity or ProviderIdentity()
    identity = ProviderIdentity(email=email or known_email, plan=said.plan or known_plan)
    return msgspec.structs.replace(usage, identity=identity if identity != ProviderIdentity() else None)


PROVIDER = Provider(
    id="cursor",
    name="Cursor",
    icon="▲",
    is_common=True,
    hosts=("cursor.com", "api2.cursor.sh"),
    dashboard_url="https://cursor.com/dashboard?tab=usage",
    login_hint=cursor_login.HINT,
    strategies=(
        Func(name="app", fetch=fetch_with_app, login=(APP,)),
        Func(name="cli", fetch=fetch_with_cli, login=(CLI, API_OF_APP)),
        Func(name="web", fetch=fetch_with_cookie, login=(Stored(kind="session", key="session_token"), COOKIE)),
    ),
    status=StatusPage(url="https://status.cursor.com/api/v2/status.json", parse=health.parse_statuspage),
    folders={"XDG_CONFIG_HOME": "~/.config"},
    secrets=(
        Secret(
            kind="session",
            key="session_token",
            label="session cookie of cursor.com",
            how="cursor.com, developer tools, Storage, Cookies: the value of WorkosCursorSessionToken",
            strategy="web",
        ),
    ),
)
