"""Windsurf, which is Devin since 2026: a day's and a week's quota, or the credits of a billing cycle.

Source: what the app has cached of its plan; GetUserStatus of its seat management; the quota call behind
app.devin.ai/settings/usage. None of them is documented.
Known from: the public sources of several working trackers, 2026; not seen live.
Units: see `windsurf_usage`.
The cache names no time of its own: it is as old as the app's database at least. It counts while the app is at work,
and where there is nobody to ask.
"""

import re
from datetime import UTC, datetime, timedelta

import msgspec

from vibeusage import credentials, toml_edit
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import NotConfigured, VibeusageError
from vibeusage.models import Usage
from vibeusage.providers import windsurf_login
from vibeusage.providers.spec import Env, Func, Provider, Read, Secret, Stored
from vibeusage.providers.windsurf_usage import parse_cached, parse_devin, parse_status

API, SITE = "https://server.codeium.com", "https://app.devin.ai"
STATUS = "/exa.seat_management_pb.SeatManagementService/GetUserStatus"
VERSION = "1.108.2"
CACHE_AGE = timedelta(minutes=10)
TOKEN = "DEVIN_BEARER_TOKEN"  # noqa: S105 - a name
PASTED = r"(org[-_][\w-]+):(\S+)"
ORGANIZATION = ("DEVIN_ORGANIZATION", "DEVIN_ORG")

KEYS = (
    Read(where="credentials.toml of devin", find=windsurf_login.of_program),
    Read(where="state.vscdb of Windsurf or Devin", find=windsurf_login.of_app),
)
SESSION = (Env(TOKEN), Stored(kind="session", key="session_token"))


async def fetch_cached(ctx: Context, login: Login) -> Usage:
    """Only windows that are still open."""
    written_at = datetime.fromtimestamp(login.data["written_at"], UTC)
    if not ctx.now - CACHE_AGE < written_at <= ctx.now and _can_ask(ctx):
        raise NotConfigured("what the app has cached may be older than 10 minutes")
    usage = parse_cached(login.data["plan"])
    periods = tuple(one for one in usage.periods if one.resets_at is None or one.resets_at > ctx.now)
    if not periods:
        raise NotConfigured("what the app has cached holds no open window", hint=windsurf_login.HINT)
    return msgspec.structs.replace(usage, periods=periods, observed_at=min(written_at, ctx.now))


def _can_ask(ctx: Context) -> bool:
    try:
        return bool(credentials.find((*KEYS, *SESSION), ctx))
    except VibeusageError:
        return False


async def fetch_status(ctx: Context, login: Login) -> Usage:
    base = ctx.base(next(iter(login.bases), API), login)
    names = {"ideName": "devin", "ideVersion": VERSION, "extensionName": "devin", "extensionVersion": VERSION}
    document = {"metadata": {"apiKey": login.token, **names, "locale": "en"}}
    return parse_status(await ctx.post(base + STATUS, {"Connect-Protocol-Version": "1"}, document))


async def fetch_devin(ctx: Context, login: Login) -> Usage:
    named, token = _session(ctx, login)
    path, id = windsurf_login.organization(named)
    if not path:
        key = toml_edit.dotted(("providers", ctx.id, "params", "organization"))
        hint = f"vibeusage config set {key} org-…, or set {ORGANIZATION[0]}"
        raise NotConfigured(f"{login.where} is of no use without an organization", hint=hint)
    headers = {"Authorization": f"Bearer {token}", **({"x-cog-org-id": id} if id else {})}
    return parse_devin(await ctx.get(f"{ctx.base(SITE, login)}/api/{path}/billing/quota/usage", headers))


def _session(ctx: Context, login: Login) -> tuple[str, str]:
    """Organization and token: both in what was pasted, or the one by itself."""
    if found := re.fullmatch(PASTED, login.token):
        return found[1], found[2]
    said = (ctx.options.params.get("organization"), *map(ctx.environ.get, ORGANIZATION))
    return next(filter(None, said), "").strip(), login.token.removeprefix("Bearer ").strip()


PROVIDER = Provider(
    id="windsurf",
    name="Windsurf",
    hosts=("server.codeium.com", "app.devin.ai"),
    dashboard_url="https://app.devin.ai/settings/usage",
    login_hint=windsurf_login.HINT,
    strategies=(
        Func(
            name="cache",
            fetch=fetch_cached,
            login=(Read(where="state.vscdb of Windsurf or Devin", find=windsurf_login.plan_of_app),),
            is_local=True,
        ),
        Func(name="key", fetch=fetch_status, login=KEYS),
        Func(name="web", fetch=fetch_devin, login=SESSION),
    ),
    folders={"XDG_CONFIG_HOME": "~/.config", "XDG_DATA_HOME": "~/.local/share"},
    activity=(*windsurf_login.DATABASES, "$XDG_DATA_HOME/devin"),
    secrets=(
        Secret(
            kind="session",
            key="session_token",
            label="session token of app.devin.ai, behind its organization: org-…:TOKEN",
            how="app.devin.ai/settings/usage, developer tools, Network, the request `quota/usage`: "
            "its x-cog-org-id, a colon, and what stands behind `Bearer` in its Authorization",
            strategy="web",
        ),
    ),
    params={"organization": "the organization in Devin: its id (org-…), name or address"},
)
