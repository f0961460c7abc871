"""Z.ai and BigModel (GLM Coding Plan): windows of tokens or credits, and a month's calls of MCP tools.

Source: GET /api/monitor/usage/quota/limit, the call behind the usage page and Z.ai's own plugin for Claude Code;
the plan's name from /api/biz/subscription/list where that answer has none. None of them is documented.
Known from: the public sources of Z.ai's plugin and of working trackers, 2026; not seen live.
Units: `percentage` is percent used; `usage` is the limit, `currentValue` what was used; `nextResetTime` is epoch
milliseconds. A window is so many of a unit: 3 hours, 4 days, 5 months, 6 weeks, which no document says.

A key is one of the region where it was made, and is sent to that one only: the variable that holds it tells which,
for another variable or a stored key the setting `region`. A team is named by two ids, which its key does not tell.
"""

import asyncio
import re
from datetime import datetime
from typing import Any

import msgspec

from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import AuthError, ConfigError, Forbidden, NotConfigured, RateLimited, StrategyError
from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Env, Func, Provider, Secret, Stored

REGIONS = {"global": "https://api.z.ai", "china": "https://open.bigmodel.cn"}
GLOBAL = ("Z_AI_API_KEY", "ZAI_API_KEY", "GLM_API_KEY")
CHINA = ("BIGMODEL_API_KEY", "ZHIPU_API_KEY", "ZHIPUAI_API_KEY")
REGION_OF = {**dict.fromkeys(GLOBAL, "global"), **dict.fromkeys(CHINA, "china")}
TEAM = {"organization": "Z_AI_BIGMODEL_ORGANIZATION", "project": "Z_AI_BIGMODEL_PROJECT"}
UNITS = {3: 3_600, 4: 86_400, 5: 30 * 86_400, 6: 7 * 86_400}  # seconds
WINDOWS, TOOLS = ("TOKENS_LIMIT", "CREDIT_LIMIT"), "TIME_LIMIT"
BAD_KEY = (401, 1000, 1001, 1002, 1003, 1004)
TOO_OFTEN = (429, 1302, 1303, 1305)
BESIDE_S = 4.0  # for the name of the plan


class _Limit(msgspec.Struct, rename="camel"):
    type: str = ""
    unit: Any = None
    number: Any = None
    percentage: Any = None
    usage: Any = None
    current_value: Any = None
    remaining: Any = None
    next_reset_time: Any = None  # absent before the window's first request

    def used(self) -> float | None:
        said, limit, left = fields.percent(self.percentage), fields.num(self.usage), fields.num(self.remaining)
        if said is not None:
            return said
        used = fields.num(self.current_value)
        if used is None and limit is not None and left is not None:
            used = limit - left
        return fields.percent_of(used, limit)


class _Data(msgspec.Struct, rename="camel"):
    limits: list[_Limit]
    level: str | None = None
    plan_name: str | None = None


class _Answer(msgspec.Struct):
    data: _Data


async def fetch(ctx: Context, login: Login) -> Usage:
    base, team = ctx.base(REGIONS[_region(ctx, login)], login), _team(ctx)
    headers = {"Authorization": f"Bearer {login.token}", "Accept-Language": "en-US,en", **team}
    url = f"{base}/api/monitor/usage/quota/limit" + ("?type=2" if team else "")
    body = await ctx.get(url, headers)
    document = msgspec.json.decode(body)
    _check(ctx, base, document)
    usage = parse_usage(body, ctx.now)
    if at(document, "data.planName"):
        return usage
    name = await _plan(ctx, f"{base}/api/biz/subscription/list", headers)
    return msgspec.structs.replace(usage, identity=ProviderIdentity(plan=name)) if name else usage


def _region(ctx: Context, login: Login) -> str:
    """Raises ConfigError for one that is none, NotConfigured when the key's variable is of another."""
    wanted = ctx.options.region
    if wanted and wanted not in REGIONS:
        raise ConfigError(f"{ctx.display_name} has no such region", hint=f"regions are {', '.join(REGIONS)}")
    variable = login.data.get("name") or login.where.removeprefix("$")
    named = REGION_OF.get(variable, "")
    if wanted and named and named != wanted and not ctx.options.env:
        raise NotConfigured(
            f"${variable} holds a key of the region {named}, and the settings say {wanted}",
            hint=f"vibeusage config set providers.{ctx.id}.env NAME, with the variable that holds the key of {wanted}",
        )
    return wanted or named or "global"


def _team(ctx: Context) -> dict[str, str]:
    """The headers that name a team, {} for a person's plan; the environment names that of the unnamed account."""
    around = {} if ctx.name else ctx.environ
    found = {name: ctx.options.params.get(name) or around.get(variable, "") for name, variable in TEAM.items()}
    if not any(found.values()):
        return {}
    for name, value in found.items():
        if not re.fullmatch(r"[\w.-]{1,100}", value, re.ASCII):
            raise NotConfigured(
                f"a team of {ctx.display_name} is an organization and a project, and its {name} is not told",
                hint=f"vibeusage config set providers.{ctx.id}.params.{name} …, or set {TEAM[name]}",
            )
    return {f"Bigmodel-{name.capitalize()}": value for name, value in found.items()}


def _check(ctx: Context, base: str, document: Any) -> None:
    """An error may come with status 200. Raises what it stands for."""
    code = fields.num(at(document, "code"))
    if code in (None, 200) and at(document, "success") is not False:
        return
    host, text = base.partition("://")[2], str(at(document, "msg")).lower()
    if code in BAD_KEY:
        raise AuthError(f"{host} refused the key")
    if code in TOO_OFTEN:
        raise RateLimited(f"{host} asks to wait", retry_at=ctx.now)
    if "coding plan" in text or "coding-plan" in text:
        raise Forbidden("the account of this key has no Coding Plan", hint=f"see {PROVIDER.dashboard_url}")
    raise ValueError(f"error {code:g}" if code is not None else "an error without a number")


def parse_usage(body: bytes, now: datetime) -> Usage:
    """Every window; of tokens and credits in one the higher. Raises ValueError when no row says what was used."""
    data = msgspec.json.decode(body, type=_Answer).data
    found: dict[str, UsagePeriod] = {}
    for limit in data.limits:
        period = _tools(limit) if limit.type == TOOLS else _window(limit, now) if limit.type in WINDOWS else None
        if period and (period.name not in found or period.utilization > found[period.name].utilization):
            found[period.name] = period
    if not found:
        raise ValueError("no limit that says what was used")
    plan = data.plan_name or data.level
    return Usage(periods=tuple(found.values()), identity=ProviderIdentity(plan=plan) if plan else None)


def _window(limit: _Limit, now: datetime) -> UsagePeriod | None:
    used, resets_at = limit.used(), fields.instant(limit.next_reset_time)
    unit, number = fields.num(limit.unit), fields.num(limit.number)
    seconds = int(UNITS[int(unit)] * number) if unit in UNITS and number and 0 < number < 1000 else 0
    left = (resets_at - now).total_seconds() if resets_at else 0
    if used is None or not (seconds or left > 0):
        return None
    # of a unit nobody knows all that is known is that the window is no shorter than what is left of it
    kind = PeriodType.nearest(seconds) if seconds else _at_least(left)
    return UsagePeriod(
        name=fields.window_name(kind, seconds),
        utilization=used,
        period_type=kind,
        resets_at=resets_at,
        window_seconds=seconds or None,
    )


def _at_least(seconds: float) -> PeriodType:
    return next((kind for kind in PeriodType if kind.hours * 3600 >= seconds), PeriodType.MONTHLY)


def _tools(limit: _Limit) -> UsagePeriod | None:
    """Calls of MCP tools, which are no part of what coding is limited by."""
    used, resets_at = limit.used(), fields.instant(limit.next_reset_time)
    if used is None:
        return None
    kind = PeriodType.MONTHLY
    return UsagePeriod(name="MCP tools", utilization=used, period_type=kind, resets_at=resets_at, model="MCP tools")


async def _plan(ctx: Context, url: str, headers: dict[str, str]) -> str | None:
    """What the plan is called; None when it cannot be had, which is nobody's failure."""
    try:
        async with asyncio.timeout(BESIDE_S):
            document = msgspec.json.decode(await ctx.get(url, headers))
    except (StrategyError, TimeoutError, ValueError, RecursionError):
        return None
    plans = at(document, "data")
    name = at(plans[0], "productName") if isinstance(plans, list) and plans else None
    return name if isinstance(name, str) and name else None


PROVIDER = Provider(
    id="zai",
    name="Z.ai",
    hosts=("api.z.ai", "open.bigmodel.cn"),
    dashboard_url="https://z.ai/manage-apikey/coding-plan/personal/my-plan",
    login_hint="set Z_AI_API_KEY (China: BIGMODEL_API_KEY), or store a key: `vibeusage auth zai`",
    strategies=(
        Func(name="key", fetch=fetch, login=(*map(Env, (*GLOBAL, *CHINA)), Stored(kind="apikey"))),
    ),
    params={"organization": "the id of a team's organization", "project": "the id of the team's project"},
    secrets=(
        Secret(
            kind="apikey",
            label="API key of Z.ai or BigModel",
            how="z.ai, API keys; one of bigmodel.cn is given as BIGMODEL_API_KEY=…",
            strategy="key",
        ),
    ),
)
