"""Codex: windows of a ChatGPT plan, told apart by their length, with credits and a seat's monthly cap.

Source: GET /backend-api/wham/usage, the call behind the /status screen of Codex; `account/rateLimits/read` of
`codex app-server`; the `token_count` events in Codex's session files. None of them is documented.
Known from: the public source of Codex and of working trackers, and public issue threads, 2026; not seen live.
Units: `used_percent` is percent used; a window's length is in seconds or minutes, its reset in epoch seconds or
in seconds from then; amounts are credits.
"""

import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import health, programs
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import AuthError, NotConfigured, RateLimited, StrategyError, Unavailable
from vibeusage.models import Usage
from vibeusage.providers import codex_login, fields
from vibeusage.providers.codex_limits import MAIN, parse_usage, read_usage
from vibeusage.providers.spec import Func, Provider, Read, StatusPage, Stored

BASE = "https://chatgpt.com/backend-api"
ARGV = ("codex", "-s", "read-only", "-a", "never", "app-server")
LOGIN = codex_login.HINT
DAYS, FILES, TAIL = 31, 5, 1 << 20  # how far back session files are looked at, and how many bytes of each


class _Payload(msgspec.Struct):
    type: str = ""
    rate_limits: Any = None


class _Event(msgspec.Struct):
    timestamp: str
    payload: _Payload


async def fetch_usage(ctx: Context, login: Login) -> Usage:
    base = ctx.base(next(iter(login.bases), BASE), login)
    path = "/wham/usage" if "/backend-api" in base else "/api/codex/usage"
    headers = {"Authorization": f"Bearer {login.token}", "User-Agent": "codex-cli"}
    account = login.data.get("account_id") if login.is_ours else login.owner
    if isinstance(account, str) and account:  # without it another workspace of the same person may answer
        headers["ChatGPT-Account-Id"] = account
    usage = parse_usage(await ctx.get(base + path, headers), ctx.now)
    return msgspec.structs.replace(usage, identity=codex_login.identity(usage.identity, login))


# codex app-server, which renews its login by itself

REQUESTS = tuple(
    msgspec.json.encode(message)
    for message in (
        {
            "id": 1,
            "method": "initialize",
            "params": {"clientInfo": {"name": "vibeusage", "title": "vibeusage", "version": "0"}},
        },
        {"method": "initialized"},
        {"id": 2, "method": "account/rateLimits/read"},
    )
)


async def fetch_from_server(ctx: Context, _: Login) -> Usage:
    if not os.path.isdir(ctx.path("$CODEX_HOME")):
        raise NotConfigured("Codex was never used on this machine", hint=LOGIN)
    codex_login.refuse_api_key(codex_login.read(ctx)[1])  # starting it costs half a second, to say just that
    heard = await programs.converse(ARGV, ctx.environ, REQUESTS, _is_last)
    answer = msgspec.json.decode(heard[-1])
    if "error" in answer:
        raise _server_error(str(at(answer, "error.message")), ctx.now)
    return read_usage(answer.get("result"), ctx.now)


def _is_last(line: bytes) -> bool:
    try:
        message = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and (message.get("id") == 2 or (message.get("id") == 1 and "error" in message))


def _server_error(message: str, now: datetime) -> StrategyError:
    if "authentication required" in message:
        return NotConfigured("Codex is not logged in to ChatGPT, so it has no limits of a plan", hint=LOGIN)
    if re.search(r"\b401\b", message):
        return AuthError("Codex's own login was refused", hint=LOGIN)
    if re.search(r"\b429\b", message):
        return RateLimited("chatgpt.com asks to wait", retry_at=now)
    return Unavailable("codex app-server could not read the limits", hint="see `codex` and its /status")


# session files


async def fetch_from_sessions(ctx: Context, _: Login) -> Usage:
    since = codex_login.logged_in_at(ctx)  # what is older may be of another account, which no line names
    for path in _newest(ctx.path("$CODEX_HOME/sessions")):
        for line in reversed(_tail(path)):
            usage = _in_line(line, ctx.now) if b'"rate_limits"' in line else None
            if usage and usage.observed_at and (since is None or usage.observed_at >= since):
                return usage
    raise NotConfigured("no session file of Codex tells of a window that still runs", hint=LOGIN)


def _newest(folder: Path) -> Iterator[Path]:
    """The files last written to, of the last days: a resumed session goes on in its old file."""
    try:
        days = sorted(folder.glob("[0-9]*/[0-9]*/[0-9]*"), reverse=True)[:DAYS]
    except OSError:  # of the folder itself; what cannot be opened below it is left out
        return
    found = []
    for path in (path for day in days for path in day.glob("rollout-*.jsonl")):
        try:
            info = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(info.st_mode):
            found.append((info.st_mtime_ns, path))
    yield from (path for _, path in sorted(found, reverse=True)[:FILES])


def _tail(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - TAIL))
            return stream.read(TAIL).splitlines()
    except OSError:
        return []


def _in_line(line: bytes, now: datetime) -> Usage | None:
    """What a line says that still holds; None for a line of another kind, of one model only, or half written."""
    try:
        event = msgspec.json.decode(line, type=_Event)
        seen, limits = fields.instant(event.timestamp), event.payload.rate_limits
        if seen is None or event.payload.type != "token_count" or at(limits, "limit_id") not in (None, MAIN):
            return None
        usage = read_usage({"rate_limits": limits}, seen)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    running = tuple(period for period in usage.periods if (period.resets_at or seen + period.window) > now)
    overage = usage.overage if usage.overage and (usage.overage.resets_at or now) > now else None
    return msgspec.structs.replace(usage, periods=running, overage=overage, observed_at=seen) if running else None


PROVIDER = Provider(
    id="codex",
    name="Codex",
    icon="◎",
    is_common=True,
    hosts=("chatgpt.com", "chat.openai.com"),
    dashboard_url="https://chatgpt.com/codex/settings/usage",
    login_hint=LOGIN,
    strategies=(
        Func(
            name="oauth",
            fetch=fetch_usage,
            login=(Stored(kind="oauth"), Read(where="auth.json of Codex", find=codex_login.find)),
        ),
        Func(name="app-server", fetch=fetch_from_server),
        Func(name="sessions", fetch=fetch_from_sessions, is_local=True),
    ),
    status=StatusPage(url="https://status.openai.com/api/v2/status.json", parse=health.parse_statuspage),
    folders={"CODEX_HOME": "~/.codex"},
    activity=("$CODEX_HOME/history.jsonl", "$CODEX_HOME/sessions"),
    owner=lambda ctx: codex_login.account(codex_login.read(ctx)[1]),
)
