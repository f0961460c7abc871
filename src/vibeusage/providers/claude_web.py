"""claude.ai: the limits of a person who has only a browser session.

Source: the calls behind claude.ai/settings/usage (undocumented).
Known from: the public sources of several working trackers, 2026; not seen live.
Units: as in `claude_usage`; spend limit and prepaid credit are in minor units (cents).
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from vibeusage import vault
from vibeusage.answers import Answer, check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, StorageError, StrategyError, Unavailable
from vibeusage.models import Balance, OverageUsage, ProviderIdentity, Usage
from vibeusage.providers import fields
from vibeusage.providers.claude_usage import plan, read_usage

if TYPE_CHECKING:
    Ask = Callable[[str], Awaitable[Answer]]

T = TypeVar("T")

HOST = "https://claude.ai"
# a library's own agent is challenged
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EXTRAS_S = 5.0
MEMORY = "organization"
ID = re.compile(r"[A-Za-z0-9-]{1,64}")
RENEWED = re.compile(r"sessionKey=(sk-ant-[^;,\s]+)")
SEATS = {"team_standard": "Team", "team_tier_1": "Team Premium"}


class _Organization(msgspec.Struct):
    uuid: str | None = None
    id: Any = None  # a number or the uuid
    name: str | None = None
    capabilities: list[str] | None = None
    rate_limit_tier: str | None = None


class _SpendLimit(msgspec.Struct):
    is_enabled: bool | None = False
    monthly_credit_limit: Any = None  # null = uncapped
    used_credits: Any = None
    currency: str | None = None


class _Prepaid(msgspec.Struct):
    amount: Any = None  # may be negative
    currency: str | None = None


class _Membership(msgspec.Struct):
    organization: _Organization | None = None
    seat_tier: str | None = None


class _Account(msgspec.Struct):
    email_address: str | None = None
    memberships: list[_Membership] | None = None


async def fetch_web(ctx: Context, login: Login) -> Usage:
    """The limits, and what a short time is enough for of money, credit and identity."""
    ask = _asker(ctx, login)
    organization, body = await _usage(ctx, login, ask)
    usage = read_usage(msgspec.json.decode(body), ctx.now)
    overage, balance, identity = usage.overage, None, None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(EXTRAS_S):
            place = f"organizations/{organization}"
            if overage is None:
                overage = await _optional(ask, f"{place}/overage_spend_limit", lambda body: _overage(body, ctx.now))
            balance = await _optional(ask, f"{place}/prepaid/credits", _balance)
            identity = await _optional(ask, "account", lambda body: _identity(body, organization))
    if not usage.periods and overage is None and balance is None:
        raise ValueError("an answer without any limit")
    return Usage(periods=usage.periods, overage=overage, balance=balance, identity=identity)


def _asker(ctx: Context, login: Login) -> "Ask":
    """Asks with the newest session key; one that claude.ai renews is kept when the session is ours."""
    base = ctx.base(HOST, login) + "/api/"
    headers = {"User-Agent": AGENT, "Cookie": f"sessionKey={login.token}"}

    async def ask(path: str) -> "Answer":
        answer = await ctx.send("GET", base + path, headers)
        found = RENEWED.search("; ".join(answer.headers.get_list("set-cookie")))
        if found and answer.status < 400 and found[0] != headers["Cookie"]:
            sent, headers["Cookie"] = headers["Cookie"].partition("=")[2], found[0]
            if login.kind == "session":
                _keep_renewed(ctx, login.kind, sent, found[1])
        return answer

    return ask


def _keep_renewed(ctx: Context, kind: str, sent: str, renewed: str) -> None:
    """Store it in the place of the key that was sent, unless somebody has stored another one since."""
    with contextlib.suppress(Unavailable, StorageError), vault.lock(wait_s=1.0):
        known = vault.read(ctx.id, kind, foreground=ctx.foreground)
        if known and known.get("session_key") == sent:
            vault.rewrite(ctx.id, kind, {**known, "session_key": renewed})


async def _usage(ctx: Context, login: Login, ask: "Ask") -> tuple[str, bytes]:
    """The organization and its usage; all are listed when none is remembered for this session, or it is gone."""
    memory = ctx.remembered(MEMORY)
    whose, _, organization = memory.partition(" ")
    if whose != login.fingerprint or not ID.fullmatch(organization):
        organization = ""
    answer = await ask(f"organizations/{organization}/usage") if organization else None
    if answer is None or answer.status == 404 or (answer.status == 403 and not _is_page(answer)):
        organization = _choose(_body(ctx, login, await ask("organizations")))
        answer = await ask(f"organizations/{organization}/usage")
    body = _body(ctx, login, answer)
    if memory != f"{login.fingerprint} {organization}":
        ctx.remember(MEMORY, f"{login.fingerprint} {organization}")
    return organization, body


def _choose(body: bytes) -> str:
    """The organization that chats, else one that does more than sell an API, else the first."""
    known = msgspec.json.decode(body, type=list[_Organization])
    able = [set(one.capabilities or ()) for one in known]
    order = sorted(range(len(known)), key=lambda at: ("chat" not in able[at], able[at] == {"api"}))
    found = _id(known[order[0]]) if order else ""
    if not ID.fullmatch(found):
        raise ValueError("no organization with an id")
    return found


def _id(organization: _Organization) -> str:
    return organization.uuid or str(organization.id or "")


def _body(ctx: Context, login: Login, answer: "Answer") -> bytes:
    if answer.status in (401, 403) and not _is_page(answer):
        again = f"`vibeusage auth {ctx.id}`" if login.is_ours else "log in at claude.ai with the browser"
        raise AuthError("claude.ai does not know this session any more", hint=f"a new login helps: {again}")
    return check(answer, ctx.now)


def _is_page(answer: "Answer") -> bool:
    """A challenge for bots, which no login passes."""
    return answer.body.lstrip()[:1] == b"<" or "cf-mitigated" in answer.headers


async def _optional(ask: "Ask", path: str, parse: Callable[[bytes], T | None]) -> T | None:
    """What an answer says that is good to have; None when it is refused or not understood."""
    try:
        answer = await ask(path)
        return parse(answer.body) if answer.status == 200 else None
    except (StrategyError, ValueError, ArithmeticError, RecursionError):
        return None


def _overage(body: bytes, now: datetime) -> OverageUsage | None:
    said = msgspec.json.decode(body, type=_SpendLimit)
    used = fields.spent(said.used_credits)
    if not said.is_enabled or used is None:
        return None
    limit = fields.money(said.monthly_credit_limit)
    return OverageUsage(used=used, limit=limit, currency=said.currency or "USD", resets_at=fields.month_end(now))


def _balance(body: bytes) -> Balance | None:
    said = msgspec.json.decode(body, type=_Prepaid)
    amount = fields.money(said.amount)
    return None if amount is None else Balance(amount=amount, currency=said.currency or "USD")


def _identity(body: bytes, organization: str) -> ProviderIdentity:
    account = msgspec.json.decode(body, type=_Account)
    for member in account.memberships or ():
        if member.organization and _id(member.organization) == organization:
            seat = SEATS.get(member.seat_tier or "") or plan(member.organization.rate_limit_tier)
            return ProviderIdentity(email=account.email_address, organization=member.organization.name, plan=seat)
    return ProviderIdentity(email=account.email_address)
