"""GitHub Copilot: monthly quotas of premium requests (or AI credits), chat and completions.

Source: GET /copilot_internal/user, the call behind the quota display of GitHub's editor extensions (undocumented).
Known from: the public sources of several working trackers and public issue threads, 2026; not seen live.
Units: `percent_remaining` is percent left, below 0 and above 100 too; counts are requests, or AI credits of
0.01 USD each where `token_based_billing`; `quota_reset_date` is a day, which begins at midnight UTC.
The session and weekly limits that single plans have had since April 2026 are in no answer that we know.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage import health
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, Forbidden
from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, ProviderStatus, StatusLevel, Usage, UsagePeriod
from vibeusage.providers import copilot_login, fields
from vibeusage.providers.spec import DeviceFlow, Env, Func, Grant, Provider, Read, Secret, StatusPage, Stored

CLIENT_ID = "Iv1.b507a08c87ecfe98"
HEADERS = {
    "Editor-Version": "vscode/1.96.2",
    "Editor-Plugin-Version": "copilot-chat/0.26.7",
    "User-Agent": "GitHubCopilotChat/0.26.7",
    "X-Github-Api-Version": "2025-04-01",
}
TOKEN_URL = "https://github.com/login/oauth/access_token"  # noqa: S105 - an address
NAMES = {"premium_interactions": "Premium", "chat": "Chat", "completions": "Completions"}
UNLIMITED = -1
LEVELS = {
    "operational": StatusLevel.OPERATIONAL,
    "degraded_performance": StatusLevel.DEGRADED,
    "under_maintenance": StatusLevel.DEGRADED,
    "partial_outage": StatusLevel.PARTIAL_OUTAGE,
    "major_outage": StatusLevel.MAJOR_OUTAGE,
}


class _Quota(msgspec.Struct):
    entitlement: Any = None
    remaining: Any = None
    quota_remaining: Any = None
    percent_remaining: Any = None
    unlimited: bool | None = None
    overage_count: Any = None
    overage_permitted: bool | None = None
    credits_used: Any = None

    @property
    def is_unlimited(self) -> bool:
        return bool(self.unlimited) or fields.num(self.entitlement) == UNLIMITED

    @property
    def is_placeholder(self) -> bool:
        """A seat whose budget is the organization's: nothing granted, nothing said to be left."""
        return fields.num(self.entitlement) == 0 and not self.left and not self.is_unlimited

    @property
    def left(self) -> float | None:
        exact = fields.num(self.quota_remaining)
        return fields.num(self.remaining) if exact is None else exact


class _User(msgspec.Struct):
    login: str | None = None
    copilot_plan: str | None = None
    access_type_sku: str | None = None
    organization_login_list: list[str] | None = None
    token_based_billing: bool | None = None
    quota_reset_date: Any = None
    quota_reset_date_utc: Any = None
    quota_snapshots: dict[str, Any] | None = None  # a _Quota each, and what nobody knows
    limited_user_reset_date: Any = None  # this and the next two: free accounts
    monthly_quotas: dict[str, Any] | None = None
    limited_user_quotas: dict[str, Any] | None = None  # what is left


class _Component(msgspec.Struct):
    name: str
    status: str


class _Summary(msgspec.Struct):
    components: list[_Component] = []


def parse_usage(body: bytes) -> Usage:
    user = msgspec.json.decode(body, type=_User)
    said = user.quota_snapshots or {}
    quotas = {key: msgspec.convert(quota, _Quota) for key, quota in said.items() if isinstance(quota, dict)}
    resets_at = fields.instant(user.quota_reset_date_utc or user.quota_reset_date or user.limited_user_reset_date)
    found = {period.name: period for period in (*_free(user), *_paid(quotas, user, resets_at))}
    usage = Usage(
        periods=tuple(sorted(found.values(), key=_place)),
        overage=_overage(quotas, user, resets_at),
        identity=_identity(user),
    )
    is_known = any(quota.is_unlimited or quota.is_placeholder for quota in quotas.values())
    if not (usage.periods or usage.overage or is_known):
        raise ValueError("an answer without any quota")
    return usage


def _paid(quotas: dict[str, _Quota], user: _User, resets_at: datetime | None) -> Iterator[UsagePeriod]:
    for key, quota in quotas.items():
        used = None if quota.is_unlimited or quota.is_placeholder else _used(quota)
        if used is not None:
            name = "AI credits" if key == "premium_interactions" and user.token_based_billing else _name(key)
            yield UsagePeriod(name=name, utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at)


def _used(quota: _Quota) -> float | None:
    used, granted = fields.percent_left(quota.percent_remaining), fields.num(quota.entitlement)
    if used is None and granted is not None and quota.left is not None:
        return fields.percent_of(granted - quota.left, granted)
    return used


def _free(user: _User) -> Iterator[UsagePeriod]:
    resets_at, lefts = fields.instant(user.limited_user_reset_date), user.limited_user_quotas or {}
    for key, total in (user.monthly_quotas or {}).items():
        granted, left = fields.num(total), fields.num(lefts.get(key))
        used = None if granted is None or left is None else fields.percent_of(granted - left, granted)
        if used is not None:
            yield UsagePeriod(name=_name(key), utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at)


def _name(key: str) -> str:
    return NAMES.get(key) or key.replace("_", " ").strip().capitalize()


def _place(period: UsagePeriod) -> int:
    """What runs out first comes first."""
    known = ["AI credits", *NAMES.values()]
    return known.index(period.name) if period.name in known else len(known)


def _overage(quotas: dict[str, _Quota], user: _User, resets_at: datetime | None) -> OverageUsage | None:
    """What was used beyond the plan, or by a seat that is granted nothing of its own."""
    beyond = _sum(quota.overage_count for quota in quotas.values() if quota.overage_permitted)
    if beyond:
        unit = "credits" if user.token_based_billing else "requests"
        return OverageUsage(used=beyond, currency=unit, resets_at=resets_at)
    seat = _sum(quota.credits_used for quota in quotas.values() if quota.is_placeholder)
    return OverageUsage(used=seat, currency="credits", resets_at=resets_at) if seat else None


def _sum(counts: Iterable[Any]) -> Decimal:
    return sum((max(Decimal(0), fields.money(count, 0) or Decimal(0)) for count in counts), Decimal(0))


def _identity(user: _User) -> ProviderIdentity | None:
    """`login` has no place of its own and stands for the e-mail."""
    plan = " ".join(filter(None, (user.copilot_plan, user.access_type_sku and f"({user.access_type_sku})")))
    organization = next(iter(user.organization_login_list or ()), None)
    known = ProviderIdentity(email=user.login or None, organization=organization, plan=plan or None)
    return known if known != ProviderIdentity() else None


async def fetch_usage(ctx: Context, login: Login) -> Usage:
    own, wanted = login.data.get("host") if login.is_ours else None, copilot_login.host(ctx)
    if own and ctx.options.base_url and own != wanted:
        raise AuthError(f"the login in {login.where} is not one of {wanted}", hint=f"vibeusage auth {ctx.id}")
    base = ctx.base(f"https://api.{own or 'github.com'}", login)
    headers = {**HEADERS, "Authorization": f"token {login.token}"}
    answer = await ctx.send("GET", f"{base}/copilot_internal/user", headers)
    if answer.status == 404:
        raise Forbidden("this GitHub account has no Copilot", hint="see https://github.com/settings/copilot")
    if answer.status == 403 and "x-github-sso" in answer.headers:
        raise Forbidden("an organization wants single sign-on for this login", hint="log in there once, in a browser")
    return parse_usage(check(answer, ctx.now))


def parse_status(body: bytes) -> ProviderStatus:
    """Of Copilot alone: the page as a whole tells of Actions and Pages too."""
    components = msgspec.json.decode(body, type=_Summary).components
    found = next((component.status for component in components if component.name == "Copilot"), None)
    if found is None:
        return health.parse_statuspage(body)
    said = found[:60].replace("_", " ")
    return ProviderStatus(level=LEVELS.get(found, StatusLevel.UNKNOWN), description=f"Copilot: {said}")


PROVIDER = Provider(
    id="copilot",
    name="GitHub Copilot",
    icon="⬢",
    is_common=True,
    hosts=("api.github.com", "github.com"),
    dashboard_url="https://github.com/settings/copilot",
    login_hint="log in with `vibeusage auth copilot`",
    strategies=(
        Func(
            name="oauth",
            fetch=fetch_usage,
            login=(
                Env("COPILOT_GITHUB_TOKEN"),
                Stored(kind="oauth", grant=Grant(url=TOKEN_URL, client_id=CLIENT_ID)),
                Read(where="the editors' apps.json and hosts.json in github-copilot", find=copilot_login.of_editors),
                Read(where="hosts.yml of gh (its keyring is not opened)", find=copilot_login.of_gh),
                Read(where="auth.json of OpenCode", find=copilot_login.of_opencode),
                Env("GH_TOKEN"),
                Env("GITHUB_TOKEN"),
            ),
        ),
    ),
    status=StatusPage(url="https://www.githubstatus.com/api/v2/summary.json", parse=parse_status),
    folders={"XDG_CONFIG_HOME": "~/.config", "XDG_DATA_HOME": "~/.local/share"},
    keys=(
        Secret(
            kind="admin",
            label="GitHub token for an organisation's metrics",
            how="https://github.com/settings/tokens: read:org, or `Organization Copilot metrics` of a fine-grained one",
            strategy="",
            pattern=r"(ghp|gho|ghu|ghs|github_pat)_\S{16,}",
        ),
    ),
    device=DeviceFlow(
        code_url="https://github.com/login/device/code",
        token_url=TOKEN_URL,
        client_id=CLIENT_ID,
        scope="read:user",
    ),
)
