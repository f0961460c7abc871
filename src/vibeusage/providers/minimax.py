"""MiniMax Token Plan (once Coding Plan): a window of hours and a week, per kind of model.

Source: GET /v1/token_plan/remains, and before it /v1/api/openplatform/coding_plan/remains, with the key of a plan.
Known from: MiniMax's public FAQ, its error codes and the public sources of trackers, 2026; not seen live.
Units: `*_remaining_percent` is percent left; `*_count` counts calls, which the older address calls usage though it
tells what is left; times are epoch milliseconds. Status 2 is used up, 3 unlimited or not in the plan.

A key is one of the region where it was made, global or China, and does not say of which: unless the settings do,
both are asked once, and the one that knows it is remembered with the key.
"""

from typing import Any

import msgspec

from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import AuthError, ConfigError, Forbidden, NotConfigured, RateLimited, Unavailable
from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import fields
from vibeusage.providers.spec import Env, Func, Provider, Secret, Stored

REGIONS = {"global": "https://api.minimax.io", "china": "https://api.minimaxi.com"}
PATH, OLD_PATH = "/v1/token_plan/remains", "/v1/api/openplatform/coding_plan/remains"
MEMORY = "region"
PAY_AS_YOU_GO = "sk-api-"
USED_UP, UNLIMITED = 2, 3
BAD_KEY, TOO_OFTEN, NO_MONEY = (1004, 2049), 1002, 1008
PASSING = (1000, 1001, 1013, 1024, 1033)
TITLES = ("current_subscribe_title", "plan_name", "combo_title", "current_plan_title", "current_combo_card.title")


class _Row(msgspec.Struct):
    model_name: str = ""
    start_time: Any = None
    end_time: Any = None
    weekly_start_time: Any = None
    weekly_end_time: Any = None
    current_interval_total_count: Any = None
    current_interval_usage_count: Any = None
    current_interval_remaining_percent: Any = None
    current_interval_status: Any = None
    current_weekly_total_count: Any = None
    current_weekly_usage_count: Any = None
    current_weekly_remaining_percent: Any = None
    current_weekly_status: Any = None

    def of(self, window: str, name: str) -> float | None:
        return fields.num(getattr(self, f"current_{window}_{name}"))

    @property
    def is_placeholder(self) -> bool:
        """Of a model that the plan does not have, whatever is said to be left of it."""
        is_open = all(self.of(window, "status") == UNLIMITED for window in ("interval", "weekly"))
        return is_open and not any(self.of(window, "total_count") for window in ("interval", "weekly"))


class _Answer(msgspec.Struct):
    model_remains: list[_Row]


async def fetch(ctx: Context, login: Login) -> Usage:
    if login.token.startswith(PAY_AS_YOU_GO):
        raise NotConfigured("a key that is paid as you go has no plan", hint=LOGIN)
    wanted, memory = ctx.options.region, f"{login.fingerprint} "
    if wanted and wanted not in REGIONS:
        raise ConfigError(f"{ctx.display_name} has no such region", hint=f"regions are {', '.join(REGIONS)}")
    known = wanted or ctx.remembered(MEMORY).removeprefix(memory)
    regions = {known: REGIONS[known]} if known in REGIONS else REGIONS
    if ctx.options.base_url:
        regions = {"": ctx.base("", login)}
    refusal: AuthError | None = None
    for region, base in regions.items():
        try:
            usage = await _ask(ctx, login, base)
        except AuthError as exc:
            refusal = refusal or exc
            continue
        if region != known and region:
            ctx.remember(MEMORY, memory + region)
        return usage
    raise refusal or AuthError("no region of MiniMax knows this key")


async def _ask(ctx: Context, login: Login, base: str) -> Usage:
    headers = {"Authorization": f"Bearer {login.token}"}
    answer = await ctx.send("GET", base + PATH, headers)
    is_old = answer.status == 404
    if is_old:
        answer = await ctx.send("GET", base + OLD_PATH, headers)
    if answer.status == 403 and answer.body.lstrip()[:1] == b"{":
        raise AuthError(f"{answer.host} refused the key")
    body = check(answer, ctx.now)
    _check(ctx, answer.host, msgspec.json.decode(body))
    return parse_usage(body, is_old=is_old)


def _check(ctx: Context, host: str, document: Any) -> None:
    """An error may come with status 200. Raises what it stands for."""
    said = at(document, "base_resp.status_code")
    code = fields.num(at(document, "status_code") if said is None else said)
    if not code:
        return
    if code in BAD_KEY:
        raise AuthError(f"{host} refused the key")
    if code == TOO_OFTEN:
        raise RateLimited(f"{host} asks to wait", retry_at=ctx.now)
    if code == NO_MONEY:
        raise Forbidden("this MiniMax account has nothing left to pay with", hint="see the plan in MiniMax's console")
    if code in PASSING:
        raise Unavailable(f"{host} answered with its error {code:g}", hint="try again later")
    raise ValueError(f"error {code:g}")


def parse_usage(body: bytes, *, is_old: bool = False) -> Usage:
    """`is_old`: from the address whose counts tell what is left."""
    document = msgspec.json.decode(body)
    inner = at(document, "data")
    document = inner if at(inner, "model_remains") is not None else document
    rows = [row for row in msgspec.convert(document, _Answer).model_remains if not row.is_placeholder]
    if not rows:
        raise Forbidden("the account of this key has no Token Plan", hint="see the plan in MiniMax's console")
    found: dict[str, UsagePeriod] = {}
    is_open = False
    for row in rows:
        for window in ("interval", "weekly"):
            is_open |= row.of(window, "status") == UNLIMITED
            period = _period(row, window, is_old)
            if period and (period.name not in found or period.utilization > found[period.name].utilization):
                found[period.name] = period
    if not (found or is_open):
        raise ValueError("no row says how much is left")
    title = next((title for key in TITLES if isinstance(title := at(document, key), str) and title), None)
    return Usage(periods=tuple(found.values()), identity=ProviderIdentity(plan=title) if title else None)


def _period(row: _Row, window: str, is_old: bool) -> UsagePeriod | None:
    used = _used(row, window, is_old)
    if used is None:
        return None
    prefix, usual = ("weekly_", PeriodType.WEEKLY) if window == "weekly" else ("", PeriodType.SESSION)
    resets_at = fields.instant(getattr(row, f"{prefix}end_time"))
    starts_at = fields.instant(getattr(row, f"{prefix}start_time"))
    seconds = int((resets_at - starts_at).total_seconds()) if resets_at and starts_at else 0
    kind = PeriodType.nearest(seconds) if seconds > 0 else usual
    model = row.model_name or "Other"
    is_main = row.model_name == "general" or row.model_name.startswith("MiniMax-M")
    name = fields.window_name(kind, max(0, seconds))
    return UsagePeriod(
        name=name if is_main else f"{model}: {name}",
        utilization=used,
        period_type=kind,
        resets_at=resets_at,
        model=None if is_main else model,
        window_seconds=seconds if seconds > 0 else None,
    )


def _used(row: _Row, window: str, is_old: bool) -> float | None:
    """Percent, from counts only where no percent is said; None for a window without a limit."""
    status = row.of(window, "status")
    if status == UNLIMITED:
        return None
    if status == USED_UP:
        return 100.0
    used = fields.percent_left(row.of(window, "remaining_percent"))
    total, count = row.of(window, "total_count"), row.of(window, "usage_count")
    if used is not None or total is None or count is None:
        return used
    return fields.percent_of(total - count if is_old else count, total)


LOGIN = "set MINIMAX_CODING_API_KEY to the key of a Token Plan (sk-cp-…), or store it: `vibeusage auth minimax`"

PROVIDER = Provider(
    id="minimax",
    name="MiniMax",
    hosts=("api.minimax.io", "api.minimaxi.com"),
    dashboard_url="https://platform.minimax.io/user-center/payment/coding-plan?cycle_type=3",
    login_hint=LOGIN,
    strategies=(
        Func(
            name="key",
            fetch=fetch,
            login=(Env("MINIMAX_CODING_API_KEY"), Env("MINIMAX_API_KEY"), Stored(kind="apikey")),
        ),
    ),
    secrets=(
        Secret(
            kind="apikey",
            label="key of a MiniMax Token Plan",
            how="platform.minimax.io (China: platform.minimaxi.com), Token Plan: a key that begins with sk-cp-",
            strategy="key",
            pattern=r"sk-cp-\S+",
        ),
    ),
)
