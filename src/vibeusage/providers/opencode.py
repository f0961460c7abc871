"""OpenCode Go, a plan with three windows, and OpenCode Zen, credit that is paid before.

Source: GET /zen/go/v1/usage with a key of the workspace; for Zen the pages /workspace/ID/billing and /go of
opencode.ai, which hold what the server knows as JavaScript. None of them is documented.
Known from: the public source of OpenCode's console and of working trackers, 2026; not seen live.
Units: `percent` and `usagePercent` are used; `resetsAt` is ISO 8601, `resetInSec` seconds from now; `balance` and
`monthlyUsage` are hundred-millionths of a US dollar, `monthlyLimit` is in dollars.

The pages change without notice, and are asked for only with a cookie that a person gave or allowed. `monthlyUsage`
is of the month in which it was last updated: in a later one nothing was used yet, as the console shows it, too.
"""

import asyncio
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage import health
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login, at, read_document
from vibeusage.errors import AuthError, Forbidden, NotConfigured, StrategyError
from vibeusage.models import Balance, OverageUsage, PeriodType, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Cookie, Env, Func, Provider, Read, Secret, StatusPage, Stored

HOST = "https://opencode.ai"
# a library's own agent is turned away from pages
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
WINDOWS = {
    "rolling": ("Session (5h)", PeriodType.SESSION),
    "weekly": ("Weekly", PeriodType.WEEKLY),
    "monthly": ("Monthly", PeriodType.MONTHLY),
}
WORKSPACE = re.compile(r"wrk_[A-Za-z0-9]{1,64}")
BALANCE = re.compile(r"\bbalance:(-?\d+)\b")
MONTH = re.compile(
    r"\bmonthlyLimit:(null|\d+),monthlyUsage:(null|\d+)"
    r',timeMonthlyUsageUpdated:(?:null|\$R\[\d+\]=new Date\("([^"]{1,40})"\))'
)
# the bare name stands in the billing, too, with a number or null
WINDOW = re.compile(r"\b(rolling|weekly|monthly)Usage:\$R\[\d+\]=\{([^{}]{0,200})\}")
UNIT = 8  # digits of a dollar
CENT = Decimal("0.01")
BESIDE_S = 4.0  # for the windows of a plan beside the balance


class _Window(msgspec.Struct, rename="camel"):
    percent: Any = None
    resets_at: Any = None


class _Windows(msgspec.Struct):
    rolling: _Window | None = None
    weekly: _Window | None = None
    monthly: _Window | None = None


class _Answer(msgspec.Struct):
    usage: _Windows


async def fetch_go(ctx: Context, login: Login) -> Usage:
    session = f"vibeusage-{login.fingerprint}"  # it wants one that stays the same
    headers = {"Authorization": f"Bearer {login.token}", "x-opencode-session": session}
    answer = await ctx.send("GET", ctx.base(HOST, login) + "/zen/go/v1/usage", headers)
    if answer.status == 403 and b'"EntitlementError"' in answer.body:
        raise Forbidden("the account of this key has no OpenCode Go", hint="see https://opencode.ai/go")
    return parse_go(check(answer, ctx.now))


def parse_go(body: bytes) -> Usage:
    """Raises ValueError when no window says what was used."""
    windows = msgspec.json.decode(body, type=_Answer).usage
    found = []
    for name in WINDOWS:
        window = getattr(windows, name) or _Window()
        used = fields.percent(window.percent)
        if used is not None:
            found.append(_period(name, used, fields.instant(window.resets_at)))
    if not found:
        raise ValueError("no window that says what was used")
    return Usage(periods=tuple(found))


def _period(name: str, used: float, resets_at: datetime | None) -> UsagePeriod:
    label, kind = WINDOWS[name]
    return UsagePeriod(name=label, utilization=used, period_type=kind, resets_at=resets_at)


def find(ctx: Context) -> Login | None:
    """The key of Go that OpenCode keeps; what it keeps for Zen opens no plan."""
    own = ctx.environ.get("OPENCODE_DATA_DIR")
    path = ctx.path("$OPENCODE_DATA_DIR/auth.json" if own else "$XDG_DATA_HOME/opencode/auth.json")
    document = read_document(path)
    entry = document.get("opencode-go") if isinstance(document, dict) else None
    key = at(entry, "key") if at(entry, "type") == "api" else None
    return Login(key, str(path), is_ours=False) if isinstance(key, str) and key else None


# Zen, by the pages of the console


async def fetch_zen(ctx: Context, login: Login) -> Usage:
    """The credit, the month's limit, and the windows of Go where the workspace has them."""
    workspace = await _workspace(ctx, login)
    usage = parse_billing(await _page(ctx, login, f"/workspace/{workspace}/billing"), ctx.now)
    try:
        async with asyncio.timeout(BESIDE_S):
            periods = parse_windows(await _page(ctx, login, f"/workspace/{workspace}/go"), ctx.now)
    except (StrategyError, TimeoutError, ValueError, ArithmeticError):
        return usage
    return msgspec.structs.replace(usage, periods=periods)


async def _workspace(ctx: Context, login: Login) -> str:
    """The one that the settings name, else the one last seen. Raises AuthError without a session."""
    named = ctx.options.params.get("workspace")
    if named and not WORKSPACE.fullmatch(named):
        raise NotConfigured("the workspace in the settings is none", hint="it begins with wrk_, as its address tells")
    return named or await _last_seen(ctx, login)


async def _last_seen(ctx: Context, login: Login) -> str:
    answer = await ctx.send("GET", ctx.base(HOST, login) + "/auth", _headers(login))
    found = WORKSPACE.search(answer.headers.get("location", "")) if 300 <= answer.status < 400 else None
    if found:
        return found[0]
    _refuse(ctx, login, answer.status, answer.headers.get("location", ""))
    raise ValueError(f"no workspace, and status {answer.status}")


async def _page(ctx: Context, login: Login, path: str) -> str:
    answer = await ctx.send("GET", ctx.base(HOST, login) + path, _headers(login))
    _refuse(ctx, login, answer.status, answer.headers.get("location", ""))
    text = check(answer, ctx.now).decode("utf-8", "replace")
    if 'window.location="/auth/authorize"' in text:
        _refuse(ctx, login, 302, "/auth/authorize")
    return text


def _headers(login: Login) -> dict[str, str]:
    return {"Cookie": f"auth={login.token}", "Accept": "text/html", "User-Agent": BROWSER}


def _refuse(ctx: Context, login: Login, status: int, location: str) -> None:
    """opencode.ai says "log in" by sending elsewhere."""
    if 300 <= status < 400 and "/auth" in location:
        again = f"`vibeusage auth {ctx.id}`" if login.is_ours else "log in at opencode.ai with the browser"
        raise AuthError("opencode.ai does not know this session any more", hint=f"a new login helps: {again}")


def parse_billing(text: str, now: datetime) -> Usage:
    """Raises ValueError when the page does not say one balance."""
    balances = set(BALANCE.findall(text))
    if len(balances) != 1:
        raise ValueError(f"{len(balances)} balances in the page")
    amount = fields.money(balances.pop(), UNIT)
    if amount is None:
        raise ValueError("a balance that is none")
    return Usage(balance=Balance(amount.quantize(CENT)), overage=_overage(text, now))


def _overage(text: str, now: datetime) -> OverageUsage | None:
    """What was spent this month, of a limit if there is one; None when the page does not tell."""
    found = MONTH.search(text)
    if found is None:
        return None
    limit, spent, told_at = (None if value == "null" else value for value in found.groups())
    told = fields.instant(told_at) if told_at else None
    is_of_now = told is not None and (told.year, told.month) == (now.year, now.month)
    used = (fields.spent(spent, UNIT) if is_of_now else None) or Decimal(0)
    if limit is None and not used:
        return None
    most = fields.money(limit, 0)
    return OverageUsage(used=used.quantize(CENT), limit=most, resets_at=fields.month_end(now))


def parse_windows(text: str, now: datetime) -> tuple[UsagePeriod, ...]:
    """Of a plan; () without one."""
    found = {}
    for name, inner in WINDOW.findall(text):
        said = dict(re.findall(r"\b(usagePercent|resetInSec):(-?\d+(?:\.\d+)?)", inner))
        used, seconds = fields.percent(said.get("usagePercent")), fields.num(said.get("resetInSec"))
        if used is not None:
            resets_at = now + timedelta(seconds=min(seconds, 40 * 86_400)) if seconds and seconds > 0 else None
            found[name] = _period(name, used, resets_at)
    return tuple(found[name] for name in WINDOWS if name in found)


PROVIDER = Provider(
    id="opencode",
    name="OpenCode",
    hosts=("opencode.ai",),
    dashboard_url="https://opencode.ai/auth",
    login_hint="log in to OpenCode Go with `opencode auth login`, set OPENCODE_API_KEY, or store a key: "
    "`vibeusage auth opencode` (of Zen a cookie: `--kind session`)",
    strategies=(
        Func(
            name="go",
            fetch=fetch_go,
            login=(
                Env("OPENCODE_API_KEY"),
                Stored(kind="apikey"),
                Read(where="auth.json of OpenCode, opencode-go", find=find),
            ),
        ),
        Func(
            name="zen",
            fetch=fetch_zen,
            login=(
                Stored(kind="session", key="session_token"),
                Cookie(domains=("opencode.ai",), names=("auth",)),
            ),
        ),
    ),
    status=StatusPage(url="https://status.opencode.ai/incidents.rss", parse=health.parse_rss),
    folders={"OPENCODE_DATA_DIR": "~/.local/share/opencode", "XDG_DATA_HOME": "~/.local/share"},
    params={"workspace": "the workspace whose credit is shown, wrk_…"},
    secrets=(
        Secret(
            kind="apikey",
            label="key of OpenCode Go",
            how="opencode.ai, the workspace, API keys",
            strategy="go",
        ),
        Secret(
            kind="session",
            key="session_token",
            label="session cookie of opencode.ai",
            how="opencode.ai, developer tools, Storage, Cookies: the value of auth",
            strategy="zen",
        ),
    ),
)
