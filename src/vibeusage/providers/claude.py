"""Claude: a rolling 5-hour window, a weekly one, weekly ones per model, and extra usage in money.

Source: Claude Code's state file, GET /api/oauth/usage behind its /usage screen, `claude -p "/usage"`, and the
calls of claude.ai (all undocumented).
Known from: the public sources of several working trackers and public issue threads, 2026; not seen live.
Units: see `claude_usage`; `expiresAt` and `fetchedAtMs` are epoch milliseconds.
Claude Code's stdin document is read by `document`, not here.
"""

import asyncio
import re
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import credentials, health
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import Forbidden, NotConfigured, StrategyError
from vibeusage.models import ProviderIdentity, Usage
from vibeusage.providers import fields
from vibeusage.providers.claude_text import parse_text
from vibeusage.providers.claude_usage import parse_usage, plan, read_usage
from vibeusage.providers.claude_web import fetch_web
from vibeusage.providers.spec import Command, Cookie, Env, Func, Provider, Read, Secret, StatusPage, Stored

HOST = "https://api.anthropic.com"
# without the client's own agent the request lands in a far stricter rate bucket
HEADERS = {"anthropic-beta": "oauth-2025-04-20", "User-Agent": "claude-code/2.1.330"}
SETUP_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105  # the variable, not a token
STORAGE = "CLAUDE_SECURESTORAGE_CONFIG_DIR"
KEYCHAIN = "/usr/bin/security"
KEYCHAIN_S = 2.0
CACHE_AGE = timedelta(minutes=10)
IDENTITY_S = 3.0
EMAILS = ("account.email", "account.email_address", "account.emailAddress", "email", "email_address", "emailAddress")


def _state(ctx: Context) -> dict[str, Any]:
    """What Claude Code knows of its user, {} when there is nothing; the older place wins, as it does there."""
    root = ctx.environ.get("CLAUDE_CONFIG_DIR")
    newer = Path(root) / ".claude.json" if root else ctx.path("~/.claude.json")
    for path in (ctx.path("$CLAUDE_CONFIG_DIR/.config.json"), newer):
        document = credentials.read_document(path)
        if isinstance(at(document, "oauthAccount"), dict):
            return document
    return {}


def _storage(ctx: Context) -> str:
    """The folder named for Claude Code's secrets; "" for the usual one."""
    root = ctx.environ.get("CLAUDE_CONFIG_DIR", "")
    return root if ctx.options.config_dir else ctx.environ.get(STORAGE, root)


def _secrets(ctx: Context) -> tuple[str, Any]:
    """The credentials file and what it holds."""
    path = Path(_storage(ctx) or ctx.path("~/.claude")) / ".credentials.json"
    return str(path), credentials.read_document(path)


def _find_state(ctx: Context) -> Login | None:
    state = _state(ctx)
    if not isinstance(state.get("cachedUsageUtilization"), dict):
        return None
    account, oauth = state["oauthAccount"], at(_secrets(ctx)[1], "claudeAiOauth")
    data = {"account": account, "oauth": oauth, "cached": state["cachedUsageUtilization"]}
    return Login("", "Claude Code's state file", is_ours=False, owner=_owner(account), data=data)


def _find_in_file(ctx: Context) -> Login | None:
    path, document = _secrets(ctx)
    return _subscription(ctx, document, path)


def _find_in_keychain(ctx: Context) -> Login | None:
    """The entry by way of the `security` tool: the grant that macOS asks for stays with it.

    Not in the background, over SSH or in CI, where nobody could answer that question.
    """
    if sys.platform != "darwin" or not ctx.foreground or {"SSH_CONNECTION", "SSH_TTY", "CI"} & ctx.environ.keys():
        return None
    folder = unicodedata.normalize("NFC", _storage(ctx))
    suffix = f"-{sha256(folder.encode()).hexdigest()[:8]}" if folder else ""
    user = ("-a", ctx.environ["USER"]) if ctx.environ.get("USER") else ()
    argv = (KEYCHAIN, "find-generic-password", "-s", f"Claude Code-credentials{suffix}", *user, "-w")
    return _subscription(ctx, _decoded(_run(argv, ctx.environ)), "the Keychain entry of Claude Code")


def _run(argv: tuple[str, ...], environ: Mapping[str, str]) -> bytes:
    own = {name: environ[name] for name in ("HOME", "USER", "PATH") if name in environ}
    try:
        done = subprocess.run(  # noqa: S603
            argv, env=own, stdin=subprocess.DEVNULL, capture_output=True, timeout=KEYCHAIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return b"" if done.returncode else done.stdout.strip()


def _decoded(value: bytes) -> Any:
    """JSON, or its hex digits, as which `security` prints a value with control bytes."""
    if re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", value):
        value = bytes.fromhex(value.decode())
    try:
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return None


def _subscription(ctx: Context, document: Any, where: str) -> Login | None:
    """None without a subscription: `mcpOAuth` may stand there alone. Raises AuthError when it has expired."""
    oauth = at(document, "claudeAiOauth")
    token = at(oauth, "accessToken")
    if not isinstance(token, str) or not token:
        return None
    credentials.check_expiry(at(oauth, "expiresAt"), where, ctx.now)
    account = _state(ctx).get("oauthAccount")
    return Login(token, where, is_ours=False, owner=_owner(account), data={"account": account, "oauth": oauth})


def _owner(account: Any) -> str:
    found = at(account, "accountUuid")
    return found if isinstance(found, str) else ""


def owner(ctx: Context) -> str:
    """The account that Claude Code is logged in to."""
    return _owner(_state(ctx).get("oauthAccount"))


async def fetch_cached(ctx: Context, login: Login) -> Usage:
    """Claude Code's last answer, when it is young and this account's; only windows that are still open."""
    cached = login.data["cached"]
    said_at = fields.instant(cached.get("fetchedAtMs"))
    if not login.owner or cached.get("accountUuid") != login.owner:
        raise NotConfigured("what Claude Code has cached is another account's")
    if said_at is None or not ctx.now - CACHE_AGE < said_at <= ctx.now:
        raise NotConfigured("Claude Code's own cache is older than 10 minutes")
    if not isinstance(cached.get("utilization"), dict):
        raise NotConfigured("Claude Code's own cache is empty")
    usage = read_usage(cached["utilization"], said_at)
    periods = tuple(one for one in usage.periods if one.resets_at is None or one.resets_at > ctx.now)
    overage = usage.overage if usage.overage and usage.overage.resets_at and usage.overage.resets_at > ctx.now else None
    if not periods and overage is None:
        raise NotConfigured("Claude Code's own cache holds no open window")
    return Usage(periods=periods, overage=overage, identity=_local_identity(login), observed_at=said_at)


async def fetch_oauth(ctx: Context, login: Login) -> Usage:
    scopes = at(login.data.get("oauth"), "scopes")
    if login.where == f"${SETUP_TOKEN}" or (isinstance(scopes, list) and "user:profile" not in scopes):
        raise Forbidden(
            "this token may run models but not see their limits, like all of `claude setup-token`",
            hint="log in with `claude` and /login",
        )
    base = ctx.base(HOST, login)
    headers = {**HEADERS, "Authorization": f"Bearer {login.token}"}
    usage = parse_usage(await ctx.get(f"{base}/api/oauth/usage", headers), ctx.now)
    identity = _local_identity(login)
    if not (identity and identity.email) and ctx.foreground and not login.is_ours:
        # a second request, so only where a person waits: in the background each one counts
        identity = await _fetch_identity(ctx, f"{base}/api/oauth/profile", headers) or identity
    return msgspec.structs.replace(usage, identity=identity)


def _local_identity(login: Login) -> ProviderIdentity | None:
    account, oauth = login.data.get("account"), login.data.get("oauth")
    email, organization = at(account, "emailAddress"), at(account, "organizationName")
    found = ProviderIdentity(
        email=email if isinstance(email, str) else None,
        organization=organization if isinstance(organization, str) else None,
        plan=plan(at(oauth, "rateLimitTier"), at(oauth, "subscriptionType")),
    )
    return found if found != ProviderIdentity() else None


async def _fetch_identity(ctx: Context, url: str, headers: Mapping[str, str]) -> ProviderIdentity | None:
    """Good to have: its failing takes nothing from the usage, nor much of its time."""
    try:
        async with asyncio.timeout(IDENTITY_S):
            profile = msgspec.json.decode(await ctx.get(url, headers))
    except (StrategyError, TimeoutError, ValueError, RecursionError):
        return None
    kind = _first(profile, "organization.organization_type", "organization.organizationType", "organization_type")
    tier = _first(profile, "organization.rate_limit_tier", "organization.rateLimitTier", "rate_limit_tier")
    found = ProviderIdentity(
        email=_first(profile, *EMAILS),
        organization=_first(profile, "organization.name", "organization_name", "organizationName"),
        plan=plan(tier, (kind or "").removeprefix("claude_")),
    )
    return found if found != ProviderIdentity() else None


def _first(document: Any, *keys: str) -> str | None:
    """The first text among the places where an answer of one age or another has it."""
    texts = (at(document, key) for key in keys)
    return next((text for text in texts if isinstance(text, str) and text), None)


def parse_command(stdout: bytes, ctx: Context) -> Usage:
    """What the command printed; whose it is stands in the files of the same tool."""
    data = {"account": _state(ctx).get("oauthAccount"), "oauth": at(_secrets(ctx)[1], "claudeAiOauth")}
    login = Login("", "", is_ours=False, data=data if ctx.sees_tool else {})
    return msgspec.structs.replace(parse_text(stdout, ctx.now), identity=_local_identity(login))


PROVIDER = Provider(
    id="claude",
    name="Claude",
    icon="✳",
    is_common=True,
    hosts=("api.anthropic.com", "claude.ai"),
    dashboard_url="https://claude.ai/settings/usage",
    login_hint="log in with `claude`, or make vibeusage its status line: `vibeusage install claude-code`",
    strategies=(
        Func(
            name="cache",
            fetch=fetch_cached,
            login=(Read(where="Claude Code's state file (.claude.json)", find=_find_state),),
            is_local=True,
        ),
        Func(
            name="oauth",
            fetch=fetch_oauth,
            login=(
                Stored(kind="oauth"),
                Read(where="the macOS Keychain" if sys.platform == "darwin" else "", find=_find_in_keychain),
                Read(where="Claude Code's .credentials.json", find=_find_in_file),
                Env(SETUP_TOKEN),
            ),
        ),
        Command(name="cli", argv=("claude", "-p", "/usage", "--output-format", "json"), parse=parse_command),
        Func(
            name="web",
            fetch=fetch_web,
            login=(
                Stored(kind="session", key="session_key"),
                Cookie(domains=("claude.ai",), names=("sessionKey",)),
            ),
        ),
    ),
    status=StatusPage(url="https://status.claude.com/api/v2/status.json", parse=health.parse_statuspage),
    folders={"CLAUDE_CONFIG_DIR": "~/.claude"},
    activity=("$CLAUDE_CONFIG_DIR/history.jsonl", "$CLAUDE_CONFIG_DIR/projects"),
    owner=owner,
    secrets=(
        Secret(
            kind="session",
            label="sessionKey cookie of claude.ai",
            how="a browser logged in at claude.ai: developer tools, Storage (or Application), Cookies, sessionKey",
            strategy="web",
            key="session_key",
            pattern=r"sk-ant-\S+",
        ),
    ),
)
