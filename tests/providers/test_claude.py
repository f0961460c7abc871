import asyncio
import json
import os
import time
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import httpx
import msgspec
import pytest
import respx

from vibeusage import credentials, http, paths, vault
from vibeusage.config import Config, ProviderOptions
from vibeusage.context import Context
from vibeusage.errors import AuthError, Forbidden, NotConfigured, RateLimited, ShapeError, Unavailable
from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import claude
from vibeusage.providers.claude import PROVIDER
from vibeusage.providers.claude_text import parse_text
from vibeusage.providers.claude_usage import parse_usage, plan
from vibeusage.providers.claude_web import fetch_web


def at(text):
    return datetime.fromisoformat(text)


SESSION, DAILY, WEEKLY = PeriodType.SESSION, PeriodType.DAILY, PeriodType.WEEKLY
NOW = at("2026-09-14T12:04:00+00:00")
OCTOBER = at("2026-10-01T00:00:00+00:00")
CACHE, OAUTH, CLI, WEB = cast(Any, PROVIDER.strategies)
UUID = "6f0c0000-0000-4000-8000-000000000001"
TEAM = "aaaa0000-0000-4000-8000-000000000003"
TOKEN = "sk-ant-oat01-made-up"
SESSION_KEY = "sk-ant-sid01-made-up"
DEV = ProviderIdentity(email="dev@example.org", organization="Example Org", plan="Max 20x")


def weekly(name, used, resets_at=None, *, kind=WEEKLY, model=True):
    resets_at = at(resets_at) if resets_at else None
    return UsagePeriod(
        name=name, utilization=used, period_type=kind, resets_at=resets_at, model=name if model else None
    )


def session(used, resets_at=None):
    return weekly("Session (5h)", used, resets_at, kind=SESSION, model=False)


def whole_week(used, resets_at=None):
    return weekly("Weekly", used, resets_at, model=False)


ANSWERS = {
    "usage": Usage(
        periods=(
            session(37.0, "2026-09-14T16:20:00.418822+00:00"),
            whole_week(12.5, "2026-09-18T07:00:00.418843+00:00"),
            weekly("Fable", 64.0, "2026-09-18T07:00:00.418843+00:00"),
        ),
        overage=OverageUsage(used=Decimal("6.55"), limit=Decimal("40.00"), currency="USD", resets_at=OCTOBER),
    ),
    "usage-old-shape": Usage(
        periods=(
            session(0.0),
            whole_week(104.2, "2026-06-18T07:00:00Z"),
            weekly("Opus", 31.0, "2026-06-18T07:00:00Z"),
        ),
        overage=OverageUsage(used=Decimal("12.34"), limit=None, currency="USD", resets_at=OCTOBER),
    ),
    "usage-enterprise": Usage(
        overage=OverageUsage(used=Decimal("123.456"), limit=None, currency="EUR", resets_at=OCTOBER)
    ),
    "usage-scoped-only": Usage(
        periods=(
            session(5.0, "2026-09-14T14:20:00Z"),
            weekly("Fable", 64.0, "2026-09-18T07:00:00Z"),
            weekly("Design", 7.0, kind=DAILY),
            weekly("Routines", 0.0, "2026-09-18T07:00:00Z"),
            weekly("Another", 50.0),
        )
    ),
    "usage-lanes": Usage(
        periods=(
            session(1.0, "2026-09-14T16:20:00Z"),
            whole_week(2.5, "2026-09-18T07:00:00Z"),
            weekly("Cowork", 64.0),
            weekly("Opus", 31.5),
            weekly("Omelette promotional", 12.0),
        ),
        overage=OverageUsage(used=Decimal("1050"), limit=Decimal(0), currency="JPY", resets_at=OCTOBER),
    ),
}


def row(kind, group, percent, resets_at="2026-09-18T07:00:00Z", model=None):
    scope = {"model": {"id": None, "display_name": model}, "surface": None} if model else None
    return {"kind": kind, "group": group, "percent": percent, "resets_at": resets_at, "scope": scope}


OPUS = {"utilization": 5, "resets_at": "2026-09-18T07:00:00Z"}


@pytest.mark.parametrize(
    ("limits", "lanes", "periods"),
    [
        pytest.param(
            [row("weekly_all", "weekly", "12"), row("session", "session", 37.5)],
            {},
            (session(37.5, "2026-09-18T07:00:00Z"), whole_week(12.0, "2026-09-18T07:00:00Z")),
            id="rows alone, a number as text",
        ),
        pytest.param(
            [row("session", "session", 0, None), row("weekly_all", "weekly", 0, None), row("x", "weekly", 1)],
            {},
            (weekly("X", 1.0, "2026-09-18T07:00:00Z"),),
            id="placeholders of an account without windows",
        ),
        pytest.param(
            [row("daily_all", "daily", 40), row(None, None, 9), row("weekly_scoped", "weekly", 9)],
            {},
            (weekly("Daily all", 40.0, "2026-09-18T07:00:00Z", kind=DAILY),),
            id="an unknown kind, and rows without a name",
        ),
        pytest.param(
            [row("weekly_scoped", "weekly", 9, model="opus")],
            {"seven_day_opus": OPUS, "seven_day_sonnet": {**OPUS, "utilization": 0}, "iguana": {"utilization": 0}},
            (weekly("opus", 9.0, "2026-09-18T07:00:00Z"), weekly("Sonnet", 0.0, "2026-09-18T07:00:00Z")),
            id="old keys of models",
        ),
    ],
)
def test_rows_are_told_apart_by_kind_group_and_scope(limits, lanes, periods):
    body = json.dumps({"five_hour": None, "seven_day": None, "limits": limits, **lanes}).encode()
    assert parse_usage(body, NOW) == Usage(periods=periods)


@pytest.mark.parametrize(
    ("used", "money"),
    [
        pytest.param({"amount_minor": "655", "currency": "JPY", "exponent": 0}, ("655", "JPY"), id="yen"),
        pytest.param({"amount_minor": 1234, "currency": "KWD", "exponent": 3.0}, ("1.234", "KWD"), id="dinar"),
        pytest.param({"amount_minor": 1234, "currency": "EUR", "exponent": "2"}, ("12.34", "EUR"), id="as text"),
        pytest.param({"amount_minor": 1234, "currency": None, "exponent": None}, ("12.34", "USD"), id="null"),
    ],
)
def test_money_has_the_digits_that_its_exponent_says(used, money):
    body = json.dumps({"spend": {"enabled": True, "used": used, "limit": None}}).encode()
    overage = OverageUsage(used=Decimal(money[0]), limit=None, currency=money[1], resets_at=OCTOBER)
    assert parse_usage(body, NOW) == Usage(overage=overage)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_known_shape_is_read_to_the_unit(name, fixture_bytes):
    assert parse_usage(fixture_bytes(f"claude/{name}.json"), NOW) == ANSWERS[name]


def test_an_answer_with_only_nulls_gives_no_number(fixture_bytes):
    with pytest.raises(ValueError, match="without any limit"):
        parse_usage(fixture_bytes("claude/usage-null.json"), NOW)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>login</html>", id="login page"),
        pytest.param(b"[]", id="another type"),
        pytest.param(b"{}", id="no limit at all"),
        pytest.param(b'{"five_hour":{"utilization":null}}', id="only an unknown one"),
        pytest.param(b'{"five_hour":{"utilization":"a lot"}}', id="text for a number"),
        pytest.param(b'{"five_hour":{"utilization":-5}}', id="negative"),
        pytest.param(b'{"five_hour":{"utilization":1e308}}', id="absurd"),
        pytest.param(b'{"five_hour":{"utilization":1e999}}', id="infinite"),
        pytest.param(b'{"five_hour":{"utilization":NaN}}', id="not a number"),
        pytest.param(b'{"five_hour":{"utilization":1' + b"0" * 400 + b"}}", id="400 digits"),
        pytest.param(b'{"five_hour":{"utilization":5,"resets_at":"2026-09-14T16:20:00"}}', id="time without offset"),
        pytest.param(b'{"five_hour":{"utilization":5,"resets_at":"99999-01-01T00:00:00Z"}}', id="year 99999"),
        pytest.param(b'{"five_hour":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", id="nested deeply"),
        pytest.param(b'{"five_hour":{"utilization":"\xff"}}', id="bad UTF-8"),
        pytest.param(b'{"spend":{"enabled":true,"used":{"amount_minor":1,"exponent":-400}}}', id="absurd exponent"),
        pytest.param(b'{"extra_usage":{"is_enabled":true,"used_credits":1e300}}', id="absurd money"),
        pytest.param(b'{"extra_usage":{"is_enabled":true,"used_credits":null}}', id="unknown money"),
    ],
)
def test_an_answer_that_is_not_understood_raises_and_never_gives_a_number(body):
    with pytest.raises((ValueError, ArithmeticError, RecursionError)):
        parse_usage(body, NOW)


@pytest.mark.parametrize(
    ("tier", "subscription", "label"),
    [
        ("default_claude_max_20x", "max", "Max 20x"),
        ("default_claude_pro", "pro", "Pro"),
        ("default_claude_ai", "enterprise", "Enterprise"),
        ("default_raven_5x", "team", "Team"),
        ("default_raven", "team", "Team"),
        (None, "enterprise", "Enterprise"),
        (None, None, None),
        (5, ["max"], None),
    ],
)
def test_the_plan_is_named_after_the_tier_else_after_the_subscription(tier, subscription, label):
    assert plan(tier, subscription) == label


# --- what the command prints

TEXTS = {
    "text-2026-07": Usage(
        periods=(
            session(22.0, "2026-09-14T16:20:00Z"),
            whole_week(9.5, "2026-09-18T07:00:00Z"),
            weekly("Fable", 0.0, "2026-09-18T06:59:00Z"),
        )
    ),
    "text-markdown": Usage(
        # January 2 is no end of a window that began this week
        periods=(session(12.0), whole_week(9.0), weekly("Opus", 4.0))
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_both_forms_of_the_text_are_read_and_its_diagnostics_are_not(name, fixture_bytes):
    assert parse_text(fixture_bytes(f"claude/{name}.json"), NOW) == TEXTS[name]


def test_a_list_is_read_like_lines():
    text = "- **5-hour limit** — **12%**\n* **Weekly · all models** — **9%** left"
    assert parse_text(printed(text), NOW) == Usage(periods=(session(12.0), whole_week(91.0)))


def printed(text, **more):
    return json.dumps({"type": "result", "is_error": False, "result": text, **more}).encode()


@pytest.mark.parametrize(
    ("words", "now", "resets_at"),
    [
        pytest.param("3pm (America/New_York)", NOW.replace(hour=15), "2026-09-14T19:00:00Z", id="today"),
        pytest.param("12:30am (UTC)", NOW.replace(hour=22), "2026-09-15T00:30:00Z", id="tomorrow"),
        pytest.param("12pm (UTC)", NOW.replace(hour=9), "2026-09-14T12:00:00Z", id="noon"),
        pytest.param("16:20 (UTC)", NOW, "2026-09-14T16:20:00Z", id="24 hours"),
        pytest.param("4:20\u202fpm (UTC)", NOW, "2026-09-14T16:20:00Z", id="narrow space"),
        pytest.param("Sep 14, 4:20pm (Asia/Kolkata)", NOW.replace(hour=8), "2026-09-14T10:50:00Z", id="half-hour zone"),
        pytest.param("Sep 14 at 4pm (UTC)", NOW, "2026-09-14T16:00:00Z", id="at"),
        pytest.param("Jan 1, 1am (UTC)", at("2026-12-31T22:00:00+00:00"), "2027-01-01T01:00:00Z", id="next year"),
        pytest.param("Feb 29, 1am (UTC)", at("2028-02-28T22:00:00+00:00"), "2028-02-29T01:00:00Z", id="leap day"),
        pytest.param(
            "2:10am (Europe/Berlin)", at("2026-10-25T00:50:00+00:00"), "2026-10-25T01:10:00Z", id="an hour come twice"
        ),
        pytest.param(
            "2:50am (Europe/Berlin)", at("2026-10-25T01:10:00+00:00"), "2026-10-25T01:50:00Z", id="its second time"
        ),
        pytest.param(
            "3:10am (Europe/Berlin)", at("2026-03-29T00:50:00+00:00"), "2026-03-29T01:10:00Z", id="over a skipped hour"
        ),
        pytest.param("Sep 14, 12:03pm (UTC)", NOW, None, id="a minute ago"),
        pytest.param("12:03pm (UTC)", NOW, None, id="a minute ago, bare"),
        pytest.param("Feb 30, 1am (UTC)", NOW, None, id="no such day"),
        pytest.param("25pm (UTC)", NOW, "2026-09-14T13:00:00Z", id="hours are taken round the clock"),
        pytest.param("99:99 (UTC)", NOW, None, id="no such hour"),
        pytest.param("4pm (Mars/Base)", NOW, None, id="no such zone"),
        pytest.param("4pm (../../etc/passwd)", NOW, None, id="a path for a zone"),
        pytest.param("in a while", NOW, None, id="other words"),
    ],
)
def test_a_reset_is_the_next_such_time_within_its_window(words, now, resets_at):
    assert parse_text(printed(f"Current session: 5% used · resets {words}"), now) == Usage(
        periods=(session(5.0, resets_at),)
    )


def test_a_time_without_a_zone_is_this_machines():
    local = (NOW + timedelta(hours=2)).astimezone()
    text = f"Current session: 5% used · resets {local:%H:%M}"
    assert parse_text(printed(text), NOW).periods == (session(5.0, "2026-09-14T14:04:00Z"),)


def test_a_time_without_a_zone_is_reckoned_with_the_offset_of_its_own_day(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        text = printed("Current week (all models): 9% used · resets Oct 26, 9am")
        found = parse_text(text, at("2026-10-23T12:00:00+00:00")).periods
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == (whole_week(9.0, "2026-10-26T08:00:00Z"),)


def test_a_run_that_prints_all_its_messages_ends_with_the_result():
    body = b'[{"type":"system"},' + printed("Current session: 30% left") + b"]"
    assert parse_text(body, NOW) == Usage(periods=(session(70.0),))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(printed("Failed to load usage data"), Unavailable, id="not loaded"),
        pytest.param(printed('Failed: {"type":"rate_limit_error"}', is_error=True), RateLimited, id="too often"),
        pytest.param(printed("Login expired · Please run /login", is_error=True), AuthError, id="expired"),
        pytest.param(printed("It looks like you typed a command"), NotConfigured, id="unknown command"),
        pytest.param(printed("Unknown slash command: usage"), NotConfigured, id="unknown slash command"),
        pytest.param(printed("Current session: 5% used", is_error=True), Unavailable, id="error flag"),
        pytest.param(printed(None, is_error=True), Unavailable, id="error without a text"),
        pytest.param(printed("You have used 5% of something new"), ValueError, id="a new grammar"),
        pytest.param(printed("Current session: 5000000% used"), ValueError, id="absurd"),
        pytest.param(printed(""), ValueError, id="nothing"),
        pytest.param(printed(["Current session: 5%"]), ValueError, id="another type"),
        pytest.param(b"[]", ValueError, id="no message"),
        pytest.param(b"Current session: 5% used", ValueError, id="not JSON"),
        pytest.param(b"", ValueError, id="empty"),
    ],
)
def test_a_text_without_limits_is_the_error_that_it_stands_for(body, error):
    with pytest.raises(error):
        parse_text(body, NOW)


def test_a_build_that_prints_only_a_notice_is_unsupported(fixture_bytes):
    with pytest.raises(NotConfigured, match="unsupported"):
        parse_text(fixture_bytes("claude/text-notice.json"), NOW)


# --- places and requests


def test_the_sources_that_cost_least_are_asked_first():
    ways = [
        (CACHE.name, CACHE.fetch, CACHE.is_local),
        (OAUTH.name, OAUTH.fetch, OAUTH.is_local),
        (CLI.name, CLI.parse, CLI.argv),
        (WEB.name, WEB.fetch, WEB.is_local),
    ]
    assert ways == [
        ("cache", claude.fetch_cached, True),
        ("oauth", claude.fetch_oauth, False),
        ("cli", claude.parse_command, ("claude", "-p", "/usage", "--output-format", "json")),
        ("web", fetch_web, False),
    ]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def verify():
    return http.tls()


@pytest.fixture
def context(home, verify):
    """`context(now=…, environ={…}, **options)`: a context of `claude` in the home of the test."""

    def make(*, now=NOW, environ=None, id="claude", foreground=False, sees_tool=True, **options):
        ctx = Context(
            PROVIDER,
            id=id,
            settings=Config(),
            options=ProviderOptions(**options),
            environ={"HOME": str(home), "USER": "dev", **(environ or {})},
            now=now,
            foreground=foreground,
            sees_tool=sees_tool,
        )
        ctx.client = http.open_client(5, PROVIDER.hosts, verify)
        return ctx

    return make


@pytest.fixture
def put(home, fixture_bytes):
    """`put("state.json", ".claude.json", oauthAccount=None)`: a fixture below the home, with changes at its top."""

    def write(fixture, place, **changes):
        path = home / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(json.dumps({**json.loads(fixture_bytes(f"claude/{fixture}")), **changes}).encode())
        return path

    return write


def find(strategy, ctx):
    return credentials.find(strategy.login, ctx)


def requests(respx_mock):
    return [(call.request.method, str(call.request.url)) for call in respx_mock.calls]


CACHED = Usage(
    periods=(session(37.0, "2026-09-14T12:05:00Z"), whole_week(12.5, "2026-09-18T07:00:00Z")),
    overage=OverageUsage(used=Decimal("6.55"), limit=Decimal("40.00"), currency="USD", resets_at=OCTOBER),
    identity=DEV,
    observed_at=at("2026-09-14T12:00:00+00:00"),
)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("place", "environ"),
    [
        pytest.param(".claude.json", {}, id="home"),
        pytest.param(".claude/.config.json", {}, id="older place"),
        pytest.param("work/.claude.json", {"CLAUDE_CONFIG_DIR": "work"}, id="folder of its own"),
        pytest.param("work/.config.json", {"CLAUDE_CONFIG_DIR": "work"}, id="older place in its folder"),
    ],
)
async def test_the_cache_of_claude_code_is_read_without_a_request(place, environ, context, put, home):
    environ = {name: str(home / value) for name, value in environ.items()}
    put("state.json", place)
    put("credentials.json", f"{'work' if environ else '.claude'}/.credentials.json")
    ctx = context(environ=environ)
    login = find(CACHE, ctx)
    assert (await claude.fetch_cached(ctx, login), login.owner) == (CACHED, UUID)


@pytest.mark.anyio
async def test_a_window_of_the_cache_that_has_ended_is_left_out(context, put):
    put("state.json", ".claude.json")
    ctx = context(now=at("2026-09-14T12:05:00+00:00"))
    usage = await claude.fetch_cached(ctx, find(CACHE, ctx))
    assert usage == msgspec.structs.replace(
        CACHED, periods=CACHED.periods[1:], identity=msgspec.structs.replace(DEV, plan=None)
    )


def cached(**changes):
    known = {"fetchedAtMs": 1789387200000, "accountUuid": UUID, "utilization": {"five_hour": {"utilization": 5}}}
    return {"cachedUsageUtilization": {**known, **changes}}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changes", "now", "reason"),
    [
        pytest.param(cached(), NOW + timedelta(minutes=6), "older than 10 minutes", id="old"),
        pytest.param(cached(), NOW - timedelta(minutes=5), "older than 10 minutes", id="from the future"),
        pytest.param(cached(fetchedAtMs=None), NOW, "older than 10 minutes", id="no time"),
        pytest.param(cached(accountUuid="another"), NOW, "another account", id="foreign"),
        pytest.param(cached(accountUuid=None), NOW, "another account", id="nobody's"),
        pytest.param({**cached(accountUuid=None), "oauthAccount": {}}, NOW, "another account", id="no account at all"),
        pytest.param(cached(utilization={}), NOW, "no open window", id="empty"),
        pytest.param(cached(utilization=None), NOW, "is empty", id="null"),
    ],
)
async def test_a_cache_that_is_old_foreign_or_empty_is_not_used(changes, now, reason, context, put):
    put("state.json", ".claude.json", **changes)
    ctx = context(now=now)
    with pytest.raises(NotConfigured, match=reason):
        await claude.fetch_cached(ctx, find(CACHE, ctx))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"cachedUsageUtilization": None}, id="no cache"),
        pytest.param({"oauthAccount": None}, id="logged out"),
    ],
)
def test_a_state_file_without_a_cache_is_no_login(changes, context, put):
    put("state.json", ".claude.json", **changes)
    with pytest.raises(NotConfigured):
        find(CACHE, context())


USAGE_URL = "https://api.anthropic.com/api/oauth/usage"
PROFILE_URL = "https://api.anthropic.com/api/oauth/profile"


@pytest.mark.anyio
async def test_the_usage_is_asked_as_claude_code_does_and_its_user_is_known_without_asking(
    context, put, respx_mock, fixture_bytes
):
    put("credentials.json", ".claude/.credentials.json")
    put("state.json", ".claude.json")
    route = respx_mock.get(USAGE_URL).respond(content=fixture_bytes("claude/usage.json"))
    ctx = context()
    login = find(OAUTH, ctx)
    assert await claude.fetch_oauth(ctx, login) == msgspec.structs.replace(ANSWERS["usage"], identity=DEV)
    assert requests(respx_mock) == [("GET", USAGE_URL)]
    headers = route.calls.last.request.headers
    assert {name: headers[name] for name in ("authorization", "anthropic-beta", "user-agent", "accept")} == {
        "authorization": f"Bearer {TOKEN}",
        "anthropic-beta": "oauth-2025-04-20",
        "user-agent": "claude-code/2.1.330",
        "accept": "application/json",
    }
    assert (login.owner, login.is_ours, TOKEN in repr(login)) == (UUID, False, False)
    assert claude.owner(ctx) == UUID


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "identity"),
    [
        pytest.param(
            "profile.json",
            ProviderIdentity(email="dev@example.org", organization="Example Org", plan="Max 5x"),
            id="profile",
        ),
        pytest.param(
            {"account": {"email_address": "dev@example.org"}}, ProviderIdentity(email="dev@example.org"), id="older"
        ),
        pytest.param(
            {"account": {}, "organization": {"name": "Org", "organization_type": "claude_team"}},
            ProviderIdentity(organization="Org", plan="Team"),
            id="team",
        ),
        pytest.param(
            {
                "account": {"emailAddress": "dev@example.org"},
                "organization": {"name": "Org", "organizationType": "claude_max", "rateLimitTier": "x_max"},
            },
            ProviderIdentity(email="dev@example.org", organization="Org", plan="Max"),
            id="camel case",
        ),
        pytest.param(
            {"email_address": "dev@example.org", "organization_name": "Org", "rate_limit_tier": "default_claude_pro"},
            ProviderIdentity(email="dev@example.org", organization="Org", plan="Pro"),
            id="flat",
        ),
        pytest.param({"account": None}, None, id="another shape"),
        pytest.param(httpx.Response(429), None, id="asked too often"),
        pytest.param(httpx.Response(200, text="<html>"), None, id="a page"),
    ],
)
async def test_the_identity_is_asked_for_where_no_file_has_it_and_its_failing_costs_nothing(
    answer, identity, context, respx_mock, fixture_bytes, put
):
    put("credentials.json", ".claude/.credentials.json", claudeAiOauth={"accessToken": TOKEN})
    if isinstance(answer, str):
        answer = httpx.Response(200, content=fixture_bytes(f"claude/{answer}"))
    respx_mock.get(USAGE_URL).respond(content=fixture_bytes("claude/usage.json"))
    respx_mock.get(PROFILE_URL).mock(answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer))
    ctx = context(foreground=True)
    usage = await claude.fetch_oauth(ctx, find(OAUTH, ctx))
    assert usage == msgspec.structs.replace(ANSWERS["usage"], identity=identity)
    assert requests(respx_mock) == [("GET", USAGE_URL), ("GET", PROFILE_URL)]


@pytest.mark.anyio
async def test_an_identity_that_is_slow_in_coming_is_not_waited_for(
    context, respx_mock, fixture_bytes, put, monkeypatch
):
    async def never(request):
        await asyncio.Event().wait()

    put("credentials.json", ".claude/.credentials.json", claudeAiOauth={"accessToken": TOKEN})
    monkeypatch.setattr(claude, "IDENTITY_S", 0.01)
    respx_mock.get(USAGE_URL).respond(content=fixture_bytes("claude/usage.json"))
    respx_mock.get(PROFILE_URL).mock(side_effect=never)
    ctx = context(foreground=True)
    assert await claude.fetch_oauth(ctx, find(OAUTH, ctx)) == ANSWERS["usage"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("is_ours", "foreground"), [pytest.param(False, False, id="background"), pytest.param(True, True, id="our own")]
)
async def test_one_request_is_all_there_is_in_the_background_or_with_a_login_of_our_own(
    is_ours, foreground, context, put, respx_mock, fixture_bytes
):
    if is_ours:
        vault.write("claude", "oauth", {"access_token": TOKEN}, "")
    else:
        put("credentials.json", ".claude/.credentials.json", claudeAiOauth={"accessToken": TOKEN})
    respx_mock.get(USAGE_URL).respond(content=fixture_bytes("claude/usage.json"))
    ctx = context(foreground=foreground)
    assert await claude.fetch_oauth(ctx, find(OAUTH, ctx)) == ANSWERS["usage"]
    assert requests(respx_mock) == [("GET", USAGE_URL)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(httpx.Response(401), AuthError, id="refused"),
        pytest.param(httpx.Response(403, json={"error": {}}), Forbidden, id="no scope"),
        pytest.param(httpx.Response(404), ShapeError, id="a gateway's host"),
        pytest.param(httpx.Response(429, headers={"retry-after": "0"}), RateLimited, id="too often"),
    ],
)
async def test_a_refused_usage_is_the_error_of_its_status(answer, error, context, put, respx_mock):
    put("credentials.json", ".claude/.credentials.json")
    respx_mock.get(USAGE_URL).mock(answer)
    ctx = context()
    with pytest.raises(error):
        await claude.fetch_oauth(ctx, find(OAUTH, ctx))


def oauth(**changes):
    return {"claudeAiOauth": {"accessToken": TOKEN, **changes}}


@pytest.mark.parametrize(
    "expires_at",
    [pytest.param(0, id="a broken store's 0"), pytest.param(None, id="none"), pytest.param(1789387500000, id="soon")],
)
def test_a_login_that_is_not_known_to_have_expired_is_used(expires_at, context, put):
    put("credentials.json", ".claude/.credentials.json", **oauth(expiresAt=expires_at))
    assert find(OAUTH, context()).token == TOKEN


def test_an_expired_login_is_an_auth_error_before_any_request(context, put):
    put("credentials.json", ".claude/.credentials.json", **oauth(expiresAt=1789387439999))
    with pytest.raises(AuthError, match="expired"):
        find(OAUTH, context())


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"claudeAiOauth": None}, id="only MCP servers"),
        pytest.param(oauth(accessToken=""), id="empty"),
        pytest.param(oauth(accessToken=["x"]), id="another type"),
    ],
)
def test_a_store_without_a_subscription_is_no_login(changes, context, put):
    put("credentials.json", ".claude/.credentials.json", **changes)
    with pytest.raises(NotConfigured):
        find(OAUTH, context())


@pytest.mark.parametrize(
    ("environ", "options", "place"),
    [
        pytest.param({"CLAUDE_CONFIG_DIR": "a"}, {}, "a", id="folder"),
        pytest.param({"CLAUDE_CONFIG_DIR": "a", claude.STORAGE: "b"}, {}, "b", id="folder for secrets"),
        pytest.param({"CLAUDE_CONFIG_DIR": "a", claude.STORAGE: ""}, {}, ".claude", id="empty: the usual one"),
        pytest.param({claude.STORAGE: "b"}, {"config_dir": "c"}, "c", id="an account's own"),
    ],
)
def test_the_credentials_file_is_where_claude_code_keeps_it(environ, options, place, context, put, home):
    for folder in ("a", "b", "c", ".claude"):
        put("credentials.json", f"{folder}/.credentials.json", **oauth(accessToken=f"sk-{folder}"))
    environ = {name: str(home / value) if value else "" for name, value in environ.items()}
    ctx = context(environ=environ, **{name: str(home / value) for name, value in options.items()})
    assert find(OAUTH, ctx).token == f"sk-{place}"


@pytest.mark.anyio
@pytest.mark.parametrize("scopes", [None, ["user:inference"]])
async def test_a_token_that_only_runs_models_is_explained_and_not_sent(scopes, context, put, respx_mock):
    if scopes:
        put("credentials.json", ".claude/.credentials.json", **oauth(scopes=scopes))
    ctx = context(environ={"CLAUDE_CODE_OAUTH_TOKEN": TOKEN})
    with pytest.raises(Forbidden, match="claude setup-token"):
        await claude.fetch_oauth(ctx, find(OAUTH, ctx))
    assert requests(respx_mock) == []


@pytest.mark.parametrize("as_hex", [False, True], ids=["text", "hex"])
@pytest.mark.parametrize(
    ("folder", "service"),
    [
        ("", "Claude Code-credentials"),
        # sha256 of the folder in NFC
        ("/Users/dev/cafe\u0301", "Claude Code-credentials-ae475602"),
    ],
    ids=["usual", "own folder"],
)
def test_the_keychain_entry_is_read_by_the_security_tool(
    as_hex, folder, service, context, tmp_path, monkeypatch, fixture_bytes
):
    value = fixture_bytes("claude/credentials.json")
    (tmp_path / "value").write_text(value.hex() if as_hex else value.decode())
    tool = tmp_path / "security"
    tool.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/argv\nenv >{tmp_path}/env\ncat {tmp_path}/value\n")
    tool.chmod(0o755)
    monkeypatch.setattr(claude, "KEYCHAIN", str(tool))
    monkeypatch.setattr(claude, "sys", SimpleNamespace(platform="darwin"))
    environ = {"PATH": os.environ["PATH"], "SECRET": "x", **({"CLAUDE_CONFIG_DIR": folder} if folder else {})}
    login = find(OAUTH, context(environ=environ, foreground=True))
    assert (login.token, login.where) == (TOKEN, "the Keychain entry of Claude Code")
    assert (tmp_path / "argv").read_text().splitlines() == ["find-generic-password", "-s", service, "-a", "dev", "-w"]
    assert "SECRET" not in (tmp_path / "env").read_text()


@pytest.mark.parametrize(
    ("platform", "foreground", "environ", "script"),
    [
        pytest.param("linux", True, {}, "touch asked; cat value", id="another system"),
        pytest.param("darwin", False, {}, "touch asked; cat value", id="background"),
        pytest.param("darwin", True, {"SSH_CONNECTION": "1"}, "touch asked; cat value", id="over SSH"),
        pytest.param("darwin", True, {"CI": "1"}, "touch asked; cat value", id="CI"),
        pytest.param("darwin", True, {}, "exit 44", id="not found"),
        pytest.param("darwin", True, {}, "echo nonsense", id="no document"),
        pytest.param("darwin", True, {}, "exec sleep 60", id="a question that nobody answers"),
    ],
)
def test_the_keychain_is_left_alone_or_gives_up(platform, foreground, environ, script, context, tmp_path, monkeypatch):
    tool = tmp_path / "security"
    (tmp_path / "value").write_text(json.dumps(oauth()))
    tool.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(claude, "KEYCHAIN", str(tool))
    monkeypatch.setattr(claude, "KEYCHAIN_S", 0.2)
    monkeypatch.setattr(claude, "sys", SimpleNamespace(platform=platform))
    with pytest.raises(NotConfigured):
        find(OAUTH, context(environ={"PATH": os.environ["PATH"], **environ}, foreground=foreground))
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(("sees_tool", "identity"), [(True, DEV), (False, None)])
def test_what_the_command_prints_is_its_own_users(sees_tool, identity, context, put, fixture_bytes):
    put("credentials.json", ".claude/.credentials.json")
    put("state.json", ".claude.json")
    usage = claude.parse_command(fixture_bytes("claude/text-2026-07.json"), context(sees_tool=sees_tool))
    assert usage == msgspec.structs.replace(TEXTS["text-2026-07"], identity=identity)


# --- claude.ai

API = "https://claude.ai/api"
PLACE = f"{API}/organizations/{TEAM}"


@pytest.fixture
def session_login():
    vault.write("claude", "session", {"session_key": SESSION_KEY, "note": "kept"}, "")


def stored_session():
    return json.loads(paths.credential_file("claude", "session").read_bytes())


@pytest.fixture
def site(fixture_bytes):
    """`site(usage, *refused)`: claude.ai with that usage; of the rest, `refused` paths answer 404."""

    def answer(usage="usage-scoped-only", *refused):
        said = {
            f"{API}/organizations": "web-organizations",
            f"{PLACE}/usage": usage,
            f"{PLACE}/overage_spend_limit": "web-overage",
            f"{PLACE}/prepaid/credits": "web-prepaid",
            f"{API}/account": "web-account",
        }
        for url, name in said.items():
            route = respx_mock.get(url)
            if url.endswith(refused):
                route.respond(404, json={"error": "none"})
            else:
                route.respond(content=fixture_bytes(f"claude/{name}.json"))
        return respx_mock

    with respx.mock(assert_all_called=False) as respx_mock:
        yield answer


TEAM_DEV = ProviderIdentity(email="dev@example.org", organization="Example Team", plan="Team Premium")
OVERAGE = OverageUsage(used=Decimal("12.34"), limit=Decimal("50.00"), currency="EUR", resets_at=OCTOBER)


@pytest.mark.anyio
async def test_a_browser_session_gives_limits_money_credit_and_identity(session_login, site, context):
    asked = site()
    ctx = context()
    usage = await fetch_web(ctx, find(WEB, ctx))
    assert usage == Usage(
        periods=ANSWERS["usage-scoped-only"].periods,
        overage=OVERAGE,
        balance=Balance(amount=Decimal("-2.50"), currency="USD"),
        identity=TEAM_DEV,
    )
    assert requests(asked) == [
        ("GET", f"{API}/organizations"),
        ("GET", f"{PLACE}/usage"),
        ("GET", f"{PLACE}/overage_spend_limit"),
        ("GET", f"{PLACE}/prepaid/credits"),
        ("GET", f"{API}/account"),
    ]
    assert {call.request.headers["cookie"] for call in asked.calls} == {f"sessionKey={SESSION_KEY}"}
    assert all(call.request.headers["user-agent"].startswith("Mozilla/5.0 ") for call in asked.calls)


@pytest.mark.anyio
async def test_the_organization_is_remembered_and_money_that_is_known_not_asked_for(session_login, site, context):
    asked = site("usage", "overage_spend_limit", "credits", "account")
    ctx = context()
    usage = [await fetch_web(ctx, find(WEB, ctx)) for _ in range(2)]
    assert usage == [ANSWERS["usage"]] * 2
    assert requests(asked)[-3:] == [
        ("GET", f"{PLACE}/usage"),
        ("GET", f"{PLACE}/prepaid/credits"),
        ("GET", f"{API}/account"),
    ]
    assert len(requests(asked)) == 7


@pytest.mark.anyio
@pytest.mark.parametrize("status", [403, 404])
async def test_a_remembered_organization_that_is_gone_is_looked_up_anew(status, session_login, site, context):
    asked = site("usage", "credits", "account")
    asked.get(f"{API}/organizations/gone/usage").respond(status, json={})
    ctx = context()
    login = find(WEB, ctx)
    ctx.remember("organization", f"{login.fingerprint} gone")
    assert await fetch_web(ctx, login) == ANSWERS["usage"]
    assert [url for _, url in requests(asked)[:3]] == [
        f"{API}/organizations/gone/usage",
        f"{API}/organizations",
        f"{PLACE}/usage",
    ]
    assert ctx.remembered("organization") == f"{login.fingerprint} {TEAM}"


@pytest.mark.anyio
@pytest.mark.parametrize("memory", ["0123456789abcdef gone", "gone", "{fingerprint} ../../account"])
async def test_the_organization_of_another_session_is_not_asked(memory, session_login, site, context):
    asked = site("usage", "credits", "account")
    ctx = context()
    login = find(WEB, ctx)
    ctx.remember("organization", memory.format(fingerprint=login.fingerprint))
    await fetch_web(ctx, login)
    assert requests(asked)[0] == ("GET", f"{API}/organizations")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("organizations", "chosen"),
    [
        ([{"uuid": "a", "capabilities": ["api"]}, {"uuid": "b", "capabilities": ["api", "x"]}], "b"),
        ([{"uuid": "a", "capabilities": ["api"]}, {"id": 7, "capabilities": ["chat"]}], "7"),
        ([{"uuid": "a", "capabilities": ["api"]}], "a"),
        ([{"uuid": "a"}], "a"),
    ],
    ids=["more than an API", "chat", "the first", "unknown capabilities"],
)
async def test_the_organization_that_chats_is_chosen(organizations, chosen, session_login, respx_mock, context):
    respx_mock.get(f"{API}/organizations").respond(json=organizations)
    respx_mock.get(f"{API}/organizations/{chosen}/usage").respond(json={"five_hour": {"utilization": 1}})
    ctx = context()
    respx_mock.get(url__regex=".*(overage_spend_limit|credits|account)").respond(418)
    assert await fetch_web(ctx, find(WEB, ctx)) == Usage(periods=(session(1.0),))


@pytest.mark.anyio
async def test_extra_answers_that_are_not_understood_cost_nothing(session_login, respx_mock, context):
    respx_mock.get(f"{API}/organizations").respond(json=[{"uuid": "a"}])
    respx_mock.get(f"{API}/organizations/a/usage").respond(json={"five_hour": {"utilization": 1}})
    respx_mock.get(f"{API}/organizations/a/overage_spend_limit").respond(json={"is_enabled": True, "used_credits": "x"})
    respx_mock.get(f"{API}/organizations/a/prepaid/credits").respond(text="<html>")
    respx_mock.get(f"{API}/account").respond(json={"email_address": "dev@example.org", "memberships": None})
    ctx = context()
    assert await fetch_web(ctx, find(WEB, ctx)) == Usage(
        periods=(session(1.0),), identity=ProviderIdentity(email="dev@example.org")
    )


@pytest.mark.anyio
async def test_an_account_with_money_only_is_an_answer_and_one_with_nothing_is_none(session_login, site, context):
    ctx = context()
    site("usage-null", "credits", "account")
    assert await fetch_web(ctx, find(WEB, ctx)) == Usage(overage=OVERAGE)
    site("usage-null", "overage_spend_limit", "credits", "account")
    with pytest.raises(ValueError, match="without any limit"):
        await fetch_web(ctx, find(WEB, ctx))


RENEWED = "sk-ant-sid01-renewed"


@pytest.mark.anyio
async def test_a_renewed_session_is_used_and_kept(session_login, site, context):
    asked = site("usage", "credits", "account")
    asked.get(f"{PLACE}/usage").respond(
        json={"five_hour": {"utilization": 1}},
        headers=[
            ("Set-Cookie", "other=1; Path=/"),
            ("Set-Cookie", f"sessionKey={RENEWED}; Domain=.claude.ai; HttpOnly"),
        ],
    )
    ctx = context()
    await fetch_web(ctx, find(WEB, ctx))
    assert stored_session() == {"session_key": RENEWED, "note": "kept"}
    assert [call.request.headers["cookie"] for call in asked.calls][1:3] == [
        f"sessionKey={SESSION_KEY}",
        f"sessionKey={RENEWED}",
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "cookie"),
    [
        pytest.param(200, "sessionKey=; Max-Age=0", id="cleared"),
        pytest.param(401, f"sessionKey={RENEWED}", id="refused"),
        pytest.param(200, f"sessionKey={SESSION_KEY}", id="the same"),
    ],
)
async def test_the_stored_session_stays_where_none_is_renewed(status, cookie, session_login, respx_mock, context):
    respx_mock.get(f"{API}/organizations").respond(status, text="[]", headers={"Set-Cookie": cookie})
    ctx = context()
    with pytest.raises((ValueError, AuthError)):
        await fetch_web(ctx, find(WEB, ctx))
    assert stored_session() == {"session_key": SESSION_KEY, "note": "kept"}


@pytest.mark.anyio
async def test_a_renewed_session_of_a_browser_is_not_stored(site, context):
    site("usage", "credits", "account").get(f"{PLACE}/usage").respond(
        json={"five_hour": {"utilization": 1}}, headers={"Set-Cookie": f"sessionKey={RENEWED}"}
    )
    await fetch_web(context(), credentials.Login(SESSION_KEY, "cookies of firefox", is_ours=False))
    assert not paths.credential_file("claude", "session").exists()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(httpx.Response(401), AuthError, id="unknown session"),
        pytest.param(httpx.Response(403, json={"error": {}}), AuthError, id="session gone"),
        pytest.param(httpx.Response(403, text="<html>Just a moment"), Forbidden, id="bot challenge"),
        pytest.param(httpx.Response(403, headers={"cf-mitigated": "challenge"}), Forbidden, id="bot header"),
        pytest.param(httpx.Response(302, headers={"location": "/login"}), ShapeError, id="login page"),
        pytest.param(httpx.Response(429), RateLimited, id="too often"),
        pytest.param(httpx.Response(200, json=[]), ValueError, id="no organization"),
        pytest.param(httpx.Response(200, json=[{"uuid": "../x"}]), ValueError, id="a path for an id"),
    ],
)
async def test_a_session_that_is_refused_says_why(answer, error, session_login, respx_mock, context):
    respx_mock.get(f"{API}/organizations").mock(answer)
    ctx = context()
    with pytest.raises(error) as raised:
        await fetch_web(ctx, find(WEB, ctx))
    assert SESSION_KEY not in repr(raised.value)
