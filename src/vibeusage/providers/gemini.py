"""Gemini CLI: a daily allowance of requests per model family, for Code Assist of companies.

Source: the calls behind /stats of gemini-cli, v1internal:loadCodeAssist and :retrieveUserQuota (undocumented).
Known from: the public source of gemini-cli and public issue threads, 2026; not seen live.
Units: `remainingFraction` is what is left, 0-1; `resetTime` is ISO 8601; `expiry_date` is epoch milliseconds.
Google ended the service for personal accounts on 2026-06-18; their logins are told so.
"""

import os
import re
from typing import Any

import msgspec

from vibeusage import credentials, health
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import AuthError, Forbidden, NotConfigured
from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Func, Provider, Read, StatusPage, Stored

HOST = "https://cloudcode-pa.googleapis.com"
AGENT = "vibeusage"
CLIENT = {"metadata": {"ideType": "GEMINI_CLI", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}}
FOLDER = "$GEMINI_CLI_HOME/.gemini"
# the first that a model's id names; flash-lite is also flash
FAMILIES = {"Flash-Lite": "flash[-_]?lite", "Flash": "flash", "Pro": "pro"}
ORDER = ("Pro", "Flash", "Flash-Lite")
KEY_MODES = {
    "gemini-api-key": "an API key",
    "vertex-ai": "Vertex AI",
    "compute-default-credentials": "credentials of the machine",
}
ENDED = re.compile(
    rb"UNSUPPORTED_CLIENT|IneligibleTierError|no longer supported|migrat.{0,200}Antigravity|Antigravity.{0,200}migrat",
    re.IGNORECASE | re.DOTALL,
)


class _Tier(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class _Ineligible(msgspec.Struct, rename="camel"):
    tier_id: str | None = None
    reason_code: str | None = None
    reason_message: str | None = None


class _Assist(msgspec.Struct, rename="camel"):
    current_tier: _Tier | None = None
    paid_tier: _Tier | None = None
    ineligible_tiers: list[_Ineligible] | None = None
    cloudaicompanion_project: Any = None  # an id, or an object that holds one


class _Bucket(msgspec.Struct, rename="camel"):
    model_id: str | None = None
    remaining_fraction: Any = None  # absent = unknown
    reset_time: Any = None


class _Quota(msgspec.Struct):
    buckets: list[_Bucket] | None = None


def _find(ctx: Context) -> Login | None:
    """The access token of gemini-cli; its refresh token is never used.

    Raises NotConfigured where there is nothing to ask for, AuthError for a token that only gemini can renew.
    """
    _check_mode(ctx)
    path = ctx.path(f"{FOLDER}/oauth_creds.json")
    document = credentials.read_document(path)
    token, refresh = at(document, "access_token"), at(document, "refresh_token")
    if isinstance(token, str) and token:
        credentials.check_expiry(at(document, "expiry_date"), str(path), ctx.now, "gemini")
        person = _person(ctx, document)
        return Login(token, str(path), is_ours=False, owner=_account(person), data=person)
    if refresh:
        raise AuthError(f"the login in {path} has no access token", hint="run `gemini`, which renews it")
    return _nothing(ctx)


def _person(ctx: Context, document: Any) -> dict[str, str | None]:
    """`sub`, `email` and `hd` (the company's domain) of the login."""
    claims = fields.claims(at(document, "id_token"))
    accounts = credentials.read_document(ctx.path(f"{FOLDER}/google_accounts.json"))
    found = {name: _text(claims.get(name)) for name in ("sub", "email", "hd")}
    return {**found, "email": found["email"] or _text(at(accounts, "active"))}


def _account(person: dict[str, str | None]) -> str:
    return person["sub"] or person["email"] or ""


def owner(ctx: Context) -> str:
    """The account that gemini is logged in to, also while its token has expired."""
    return _account(_person(ctx, credentials.read_document(ctx.path(f"{FOLDER}/oauth_creds.json"))))


def _check_mode(ctx: Context) -> None:
    settings = credentials.read_document(ctx.path(f"{FOLDER}/settings.json"))
    mode = at(settings, "security.auth.selectedType") or at(settings, "selectedAuthType")
    if isinstance(mode, str) and mode in KEY_MODES:
        raise _no_quota(KEY_MODES[mode])


def _nothing(ctx: Context) -> None:
    """Says why there is no login where something else is in its place."""
    encrypted = ctx.path(f"{FOLDER}/gemini-credentials.json")
    if os.path.exists(encrypted) or ctx.environ.get("GEMINI_FORCE_ENCRYPTED_FILE_STORAGE") == "true":
        raise NotConfigured(
            "gemini keeps its login encrypted, and vibeusage reads only the plain file",
            hint="unset GEMINI_FORCE_ENCRYPTED_FILE_STORAGE and log in with `gemini`",
        )
    if ctx.environ.get("GEMINI_API_KEY") or ctx.environ.get("GOOGLE_API_KEY"):
        raise _no_quota(KEY_MODES["gemini-api-key"])


def _no_quota(mode: str) -> NotConfigured:
    return NotConfigured(
        f"gemini uses {mode}: there is no quota data for API keys and clouds, only for a login with Google",
        hint="see https://aistudio.google.com/usage",
    )


async def fetch(ctx: Context, login: Login) -> Usage:
    base = ctx.base(HOST, login) + "/v1internal:"
    assist = msgspec.json.decode(await _post(ctx, login, f"{base}loadCodeAssist", CLIENT), type=_Assist)
    if _has_ended(assist):
        raise _ended()
    project = _project(assist.cloudaicompanion_project) or ctx.environ.get("GOOGLE_CLOUD_PROJECT")
    body = await _post(ctx, login, f"{base}retrieveUserQuota", {"project": project} if project else {})
    plan = next((tier.name for tier in (assist.paid_tier, assist.current_tier) if tier and tier.name), None)
    identity = ProviderIdentity(email=login.data.get("email"), organization=login.data.get("hd"), plan=plan)
    return Usage(periods=parse_quota(body), identity=identity)


async def _post(ctx: Context, login: Login, url: str, document: dict[str, Any]) -> bytes:
    headers = {
        "Authorization": f"Bearer {login.token}",
        "Content-Type": "application/json",
        "User-Agent": AGENT,
    }
    answer = await ctx.send("POST", url, headers, msgspec.json.encode(document))
    if 400 <= answer.status < 500 and ENDED.search(answer.body):
        raise _ended()
    return check(answer, ctx.now)


def _has_ended(assist: _Assist) -> bool:
    """Whether the tier in force is refused; a company's may list the free one as refused beside its own."""
    refused = {
        tier.tier_id
        for tier in assist.ineligible_tiers or ()
        if ENDED.search(f"{tier.reason_code} {tier.reason_message}".encode())
    }
    return bool(refused) and (assist.current_tier is None or assist.current_tier.id in refused)


def _ended() -> Forbidden:
    return Forbidden(
        "Google ended Gemini CLI for personal accounts on 2026-06-18",
        hint="their limits are now those of Antigravity: `vibeusage usage antigravity`",
    )


def _project(value: Any) -> str | None:
    return _text(value) or _text(at(value, "id")) or _text(at(value, "projectId"))


def parse_quota(body: bytes) -> tuple[UsagePeriod, ...]:
    """One daily window per family, the fullest of its models and token types.

    Raises ValueError when no bucket says how much is left.
    """
    found: dict[str, UsagePeriod] = {}
    for bucket in msgspec.json.decode(body, type=_Quota).buckets or ():
        period = _period(bucket)
        if period and (period.name not in found or period.utilization > found[period.name].utilization):
            found[period.name] = period
    if not found:
        raise ValueError("no bucket that says how much is left")
    names = [*(name for name in ORDER if name in found), *(name for name in found if name not in ORDER)]
    return tuple(found[name] for name in names)


def _period(bucket: _Bucket) -> UsagePeriod | None:
    left = fields.num(bucket.remaining_fraction)
    used = fields.percent_left(None if left is None else round(left * 100, 6))
    if used is None or not bucket.model_id:
        return None
    family = _family(bucket.model_id)
    return UsagePeriod(
        name=family,
        utilization=used,
        period_type=PeriodType.DAILY,
        resets_at=fields.instant(bucket.reset_time),
        model=family,
    )


def _family(model: str) -> str:
    """Pro, Flash or Flash-Lite; the model's own id for any other."""
    return next(
        (name for name, word in FAMILIES.items() if re.search(rf"(?<![a-z]){word}(?![a-z])", model.lower())), model
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


PROVIDER = Provider(
    id="gemini",
    name="Gemini",
    icon="✦",
    is_common=True,
    hosts=("cloudcode-pa.googleapis.com",),
    dashboard_url="https://aistudio.google.com/usage",
    login_hint="run `gemini` and log in with Google",
    strategies=(
        Func(
            name="oauth",
            fetch=fetch,
            login=(Stored(kind="oauth"), Read(where="~/.gemini/oauth_creds.json of gemini", find=_find)),
        ),
    ),
    status=StatusPage(
        url="https://www.google.com/appsstatus/dashboard/incidents.json",
        parse=health.parse_google(("npdyhgECDJ6tB66MxXyo",)),
    ),
    folders={"GEMINI_CLI_HOME": "~"},
    activity=("$GEMINI_CLI_HOME/.gemini/tmp",),
    owner=owner,
)
