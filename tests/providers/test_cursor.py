import asyncio
import base64
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import msgspec
import pytest

from vibeusage import credentials, databases, files, http, vault
from vibeusage.config import Config, ProviderOptions
from vibeusage.context import Context
from vibeusage.errors import AuthError, ConfigError, Forbidden, NotConfigured, RateLimited, ShapeError, Unavailable
from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import cursor, cursor_login
from vibeusage.providers.cursor import PROVIDER
from vibeusage.providers.cursor_usage import parse_bot, parse_current, parse_requests, parse_summary
from vibeusage.providers.spec import Func

APP, CLI, WEB = (strategy for strategy in PROVIDER.strategies if isinstance(strategy, Func))
NOW = datetime(2026, 9, 14, 12, 0, tzinfo=UTC)
END = datetime(2026, 10, 3, 10, 11, 12, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
MONTH = 30 * 86_400


def monthly(name, used, resets_at=END, seconds: int | None = MONTH):
    return UsagePeriod(
        name=name, utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at, window_seconds=seconds
    )


def dollars(used, limit, *, is_enabled=True, resets_at=END):
    limit = None if limit is None else Decimal(limit)
    return OverageUsage(used=Decimal(used), limit=limit, is_enabled=is_enabled, resets_at=resets_at)


PRO = Usage(
    periods=(monthly("Total", 8.1), monthly("Auto", 4.5), monthly("API", 21.3)),
    overage=dollars("3.15", "50"),
    identity=ProviderIdentity(plan="pro"),
)
SUMMARIES = {
    "summary-pro": PRO,
    "summary-tiny-percent": Usage(
        periods=(monthly("Total", 0.43), monthly("Auto", 0.36), monthly("API", 0.5)),
        overage=dollars("0", None),
        identity=ProviderIdentity(plan="ultra"),
    ),
    "summary-student": Usage(
        periods=(monthly("Auto", 12.0, seconds=None),),
        overage=dollars("0", "0", is_enabled=False),
        identity=ProviderIdentity(plan="pro_student"),
    ),
    "summary-team": Usage(
        periods=(monthly("Total", 25.0, OCTOBER),),
        overage=dollars("12.50", None, resets_at=OCTOBER),
        identity=ProviderIdentity(plan="team"),
    ),
    "summary-enterprise": Usage(
        periods=(monthly("Total", 125.0, OCTOBER),), identity=ProviderIdentity(plan="enterprise")
    ),
    "summary-ratio": Usage(
        periods=(monthly("Total", 25.0, seconds=None),), identity=ProviderIdentity(plan="free_trial")
    ),
    "summary-unlimited": Usage(identity=ProviderIdentity(plan="enterprise")),
}
CURRENT = {
    "current-pro": msgspec.structs.replace(PRO, identity=None),
    "current-zeros-left-out": Usage(periods=(monthly("Total", 25.0),), overage=dollars("0", "50")),
    "current-pooled": Usage(periods=(monthly("Total", 100.0),), overage=dollars("25.50", "1000")),
    "current-no-spending": Usage(
        periods=tuple(monthly(*each, seconds=None) for each in (("Total", 4.0), ("Auto", 3.0), ("API", 5.0))),
        overage=dollars("0", "0", is_enabled=False),
    ),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_known_shape_of_the_summary_is_read_to_the_unit(name, fixture_bytes):
    assert parse_summary(fixture_bytes(f"cursor/{name}.json")) == SUMMARIES[name]


@pytest.mark.parametrize("name", CURRENT)
def test_every_known_shape_of_the_current_period_is_read_to_the_unit(name, fixture_bytes):
    assert parse_current(fixture_bytes(f"cursor/{name}.json")) == CURRENT[name]


CYCLE = {"billingCycleStart": "2026-09-03T10:11:12Z", "billingCycleEnd": "2026-10-03T10:11:12Z"}


@pytest.mark.parametrize(
    ("own", "team", "used"),
    [
        pytest.param({"plan": {"used": "500", "limit": "2000"}}, {}, 25.0, id="cents as text"),
        pytest.param({"plan": {"limit": 2000, "remaining": 1500}}, {}, 25.0, id="only what is left"),
        pytest.param({"overall": {"limit": 8, "remaining": 6}}, {"pooled": {"used": 9, "limit": 9}}, 25.0, id="own"),
        pytest.param({"overall": {"used": 9, "limit": None}}, {"pooled": {"used": 1, "limit": 4}}, 25.0, id="pooled"),
        pytest.param({"plan": {"limit": 0, "remaining": 0, "totalPercentUsed": "0.36"}}, {}, 0.36, id="a student's"),
    ],
)
def test_the_total_is_that_of_the_first_meter_that_has_one(own, team, used):
    body = json.dumps({**CYCLE, "individualUsage": own, "teamUsage": team}).encode()
    assert parse_summary(body) == Usage(periods=(monthly("Total", used),))


def test_what_was_spent_is_what_is_no_longer_left():
    meter = {"enabled": True, "used": None, "limit": 5000, "remaining": 4685}
    found = parse_summary(json.dumps({**CYCLE, "individualUsage": {"onDemand": meter}}).encode())
    assert found == Usage(overage=dollars("3.15", "50"))


REQUESTS = monthly("Requests", 24.0, datetime(2026, 9, 30, 10, 11, 12, tzinfo=UTC))  # a month after August 31
BOT = UsagePeriod(
    name="Bot",
    utilization=12.0,
    period_type=PeriodType.WEEKLY,
    resets_at=datetime(2026, 9, 17, tzinfo=UTC),
    model="Bot",
    window_seconds=7 * 86_400,
)


def test_a_request_plan_and_the_bot_are_read_and_their_absence_is_no_zero(fixture_bytes):
    assert parse_requests(fixture_bytes("cursor/requests.json")) == REQUESTS
    assert parse_requests(fixture_bytes("cursor/requests-none.json")) is None
    assert parse_bot(fixture_bytes("cursor/bot.json")) == BOT
    assert parse_bot(fixture_bytes("cursor/bot.json").replace(b'Limit":true', b'Limit":false')) is None


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2026-12-31T00:00:00Z", datetime(2027, 1, 31, tzinfo=UTC), id="into the next year"),
        pytest.param("2028-01-30T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC), id="a short month"),
        pytest.param("2026-11-05T00:00:00Z", datetime(2026, 12, 5, tzinfo=UTC), id="the same day"),
    ],
)
def test_a_request_plan_begins_anew_a_calendar_month_later(start, end):
    body = json.dumps({"gpt-4": {"numRequests": 1, "maxRequestUsage": 4}, "startOfMonth": start}).encode()
    found = parse_requests(body)
    assert found and found.resets_at == end


def plan(fields):
    return b'{"individualUsage":{"plan":{' + fields + b"}}}"


@pytest.mark.parametrize("parse", [parse_summary, parse_current])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b'"totalPercentUsed":"a lot"', id="text for a number"),
        pytest.param(b'"totalPercentUsed":true', id="truth for a number"),
        pytest.param(b'"totalPercentUsed":-5', id="negative"),
        pytest.param(b'"totalPercentUsed":1e308', id="absurd"),
        pytest.param(b'"totalPercentUsed":1e999', id="infinite"),
        pytest.param(b'"totalPercentUsed":1' + b"0" * 400, id="400 digits"),
        pytest.param(b'"totalPercentUsed":"\xff"', id="bad UTF-8"),
        pytest.param(b'"totalPercentUsed":null', id="only an unknown one"),
        pytest.param(b'"used":0,"limit":0', id="nothing of nothing"),
    ],
)
def test_a_number_that_is_none_raises(parse, fields):
    body = plan(fields) if parse is parse_summary else b'{"planUsage":{' + fields + b"}}"
    with pytest.raises((ValueError, ArithmeticError, RecursionError)):
        parse(body)


@pytest.mark.parametrize("parse", [parse_summary, parse_current])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>login</html>", id="login page"),
        pytest.param(b"[]", id="another type"),
        pytest.param(b"{}", id="no limit at all"),
        pytest.param(b'{"individualUsage":7,"planUsage":7}', id="a number for the usage"),
        pytest.param(
            b'{"billingCycleEnd":"2026-10-03T10:11:12","individualUsage":{"plan":{"totalPercentUsed":5}},'
            b'"planUsage":{"totalPercentUsed":5}}',
            id="time without offset",
        ),
        pytest.param(
            b'{"individualUsage":{"onDemand":{"enabled":false,"used":0}},"spendLimitUsage":{"individualLimit":0}}',
            id="only spending that is off",
        ),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested deeply"),
    ],
)
def test_an_answer_that_is_not_understood_raises_and_never_gives_a_number(parse, body):
    with pytest.raises((ValueError, ArithmeticError, RecursionError)):
        parse(body)


# where the login lies


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def context(home):
    def make(*, base_url=None, foreground=False, **environ):
        return Context(
            PROVIDER,
            id="cursor",
            settings=Config(),
            options=ProviderOptions(base_url=base_url),
            environ={"HOME": str(home), **environ},
            now=NOW,
            foreground=foreground,
            sees_tool=True,
        )

    return make


def jwt(**claims):
    known = {"sub": "auth0|user_01INVENTED", "exp": int(NOW.timestamp()) + 61} | claims
    middle = base64.urlsafe_b64encode(json.dumps(known).encode()).rstrip(b"=").decode()
    return f"e30.{middle}.invented"


TOKEN = jwt()
COOKIE = f"WorkosCursorSessionToken=user_01INVENTED%3A%3A{TOKEN}"
LINUX, MAC = (f"{place}/Cursor/User/globalStorage/state.vscdb" for place in (".config", "Library/Application Support"))


def write_state(path, values, *, journal="delete"):
    """An open database of the app; close it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA journal_mode={journal}")
    database.execute("CREATE TABLE ItemTable (key TEXT UNIQUE, value BLOB)")
    database.executemany("INSERT INTO ItemTable VALUES (?, ?)", values.items())
    database.commit()
    return database


STATE = {
    "cursorAuth/accessToken": TOKEN,
    "cursorAuth/refreshToken": "invented",
    "cursorAuth/cachedEmail": "cached@example.org",
    "cursorAuth/stripeMembershipType": "pro",
}


def found(strategy, ctx):
    login = credentials.find(strategy.login, ctx)
    return login.token, login.owner, login.is_ours, login.data


NOTED = {"token": TOKEN, "email": "cached@example.org", "plan": "pro"}


@pytest.mark.parametrize("place", [LINUX, MAC])
@pytest.mark.parametrize(
    "store",
    [
        pytest.param(lambda text: text, id="plain"),
        pytest.param(json.dumps, id="quoted"),
        pytest.param(str.encode, id="bytes"),
    ],
)
def test_the_login_of_the_app_is_read_from_its_database(place, store, home, context):
    write_state(home / place, {key: store(value) for key, value in STATE.items()}).close()
    assert found(APP, context()) == (TOKEN, "user_01INVENTED", False, NOTED)


def test_the_database_of_a_running_app_is_read_with_its_journal_and_left_as_it_is(home, context):
    path = home / LINUX
    with closing(write_state(path, STATE, journal="wal")):
        assert path.with_name("state.vscdb-wal").stat().st_size > 0
        assert found(APP, context()) == (TOKEN, "user_01INVENTED", False, NOTED)


def test_a_database_too_large_to_copy_is_read_without_its_journal(home, context, monkeypatch):
    path = home / LINUX
    write_state(path, STATE, journal="wal").close()
    monkeypatch.setattr(databases, "COPY_LIMIT", path.stat().st_size - 1)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE ItemTable SET value = 'newer' WHERE key = 'cursorAuth/cachedEmail'")
        database.commit()
        assert found(APP, context())[3] == NOTED


def test_a_database_that_changes_while_it_is_copied_is_not_believed(home, context, monkeypatch):
    path, read = home / LINUX, files.read_regular

    def busy(place, **options):
        data = read(place, **options)
        with place.open("ab") as stream:
            stream.write(b"x")
        return data

    with closing(write_state(path, STATE, journal="wal")):
        monkeypatch.setattr(files, "read_regular", busy)
        with pytest.raises(Unavailable, match="changed while it was read"):
            credentials.find(APP.login, context())


def test_the_database_of_a_closed_app_gets_no_file_beside_it(home, context):
    path = home / LINUX
    write_state(path, STATE, journal="wal").close()
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert found(APP, context())[0] == TOKEN
    assert [entry.name for entry in path.parent.iterdir()] == ["state.vscdb"]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_another_database_can_be_named(tmp_path, context):
    write_state(tmp_path / "a?b#c.vscdb", STATE).close()
    assert found(APP, context(CURSOR_STATE_DB=str(tmp_path / "a?b#c.vscdb")))[0] == TOKEN


@pytest.mark.parametrize(
    ("values", "error"),
    [
        pytest.param({}, NotConfigured, id="logged out"),
        pytest.param({"cursorAuth/accessToken": ""}, NotConfigured, id="empty"),
        pytest.param({"cursorAuth/accessToken": 7}, NotConfigured, id="a number"),
        pytest.param({"cursorAuth/accessToken": '{"a":1}'}, NotConfigured, id="a document"),
        pytest.param({"cursorAuth/accessToken": jwt(exp=int(NOW.timestamp()) + 60)}, AuthError, id="a minute left"),
        pytest.param({"cursorAuth/accessToken": "opaque"}, AuthError, id="no user in it"),
        pytest.param({"cursorAuth/accessToken": jwt(sub="auth0|a; b=c")}, AuthError, id="a user that is none"),
    ],
)
def test_an_app_without_a_good_login_says_so(values, error, home, context):
    write_state(home / LINUX, values).close()
    with pytest.raises(error) as caught:
        credentials.find(APP.login, context())
    assert isinstance(caught.value, NotConfigured) or "open Cursor" in caught.value.hint


def test_the_api_needs_no_user_in_the_apps_token(home, context):
    write_state(home / LINUX, {"cursorAuth/accessToken": "opaque"}).close()
    assert credentials.find(CLI.login, context()).token == "opaque"


def test_a_database_that_cannot_be_read_says_so(home, context):
    (home / LINUX).parent.mkdir(parents=True)
    (home / LINUX).write_bytes(b"no database" * 100)
    with pytest.raises(Unavailable):
        credentials.find(APP.login, context())


def write_json(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("profile", "email"),
    [
        pytest.param({"authId": "auth0|user_01INVENTED", "email": "cli@example.org"}, "cli@example.org", id="the same"),
        pytest.param({"authId": "auth0|user_02OTHER", "email": "cli@example.org"}, None, id="another"),
        pytest.param(None, None, id="none"),
    ],
)
def test_the_login_of_the_cli_is_read_with_its_own_profile(profile, email, home, context):
    write_json(home / ".config/cursor/auth.json", {"accessToken": TOKEN, "refreshToken": "invented"})
    write_json(home / ".cursor/cli-config.json", {"authInfo": profile})
    assert found(CLI, context()) == (TOKEN, "user_01INVENTED", False, {"email": email})


def test_the_cli_strategy_takes_the_login_of_the_app_where_there_is_no_other(home, context):
    write_state(home / LINUX, STATE).close()
    assert found(CLI, context()) == (TOKEN, "user_01INVENTED", False, NOTED)
    write_json(home / ".config/cursor/auth.json", {"accessToken": jwt(exp=1)})
    assert found(CLI, context())[0] == TOKEN
    (home / LINUX).unlink()
    with pytest.raises(AuthError) as caught:
        credentials.find(CLI.login, context())
    assert "cursor-agent login" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "foreground", "environ", "token"),
    [
        pytest.param(f'[ "$*" = "$WANTED" ] && echo {TOKEN}', True, {}, TOKEN, id="a person waits"),
        pytest.param("exit 44", True, {}, None, id="no such item"),
        pytest.param("exec sleep 60", True, {}, None, id="nobody answers its question"),
        pytest.param(f"echo {TOKEN}", False, {}, None, id="in the background"),
        pytest.param(f"echo {TOKEN}", True, {"SSH_CONNECTION": "x"}, None, id="from afar"),
    ],
)
def test_the_keychain_is_opened_only_where_a_person_waits(
    script, foreground, environ, token, tmp_path, context, monkeypatch
):
    program = tmp_path / "security"
    wanted = "find-generic-password -s cursor-access-token -w"
    program.write_text(f"#!/bin/sh\nWANTED='{wanted}'\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(cursor_login, "SECURITY", str(program))
    monkeypatch.setattr(cursor_login, "SECURITY_WAIT_S", 0.3 if "sleep" in script else 10)
    monkeypatch.setattr(sys, "platform", "darwin")
    login = cursor_login.of_cli(context(foreground=foreground, **environ))
    assert (login and login.token) == token


# what is asked


async def ask(strategy, ctx, login=None):
    async with http.open_client(5, PROVIDER.hosts, http.tls()) as ctx.client:
        return await strategy.fetch(ctx, login or credentials.find(strategy.login, ctx))


@pytest.fixture
def site(respx_mock, fixture_bytes):
    """cursor.com with an answer to each of the four questions; a test replaces those it is about."""

    def play(**answers):
        paths = {
            "summary": ("GET", "/api/usage-summary", "summary-pro"),
            "me": ("GET", "/api/auth/me", "me"),
            "requests": ("GET", "/api/usage?user=user_01INVENTED", "requests"),
            "bot": ("POST", "/api/dashboard/get-sand-usage-status", "bot"),
        }
        for name, (method, path, fixture) in paths.items():
            answer = answers.get(name) or httpx.Response(200, content=fixture_bytes(f"cursor/{fixture}.json"))
            route = respx_mock.request(method, f"https://cursor.com{path}")
            route.mock(**{"return_value" if isinstance(answer, httpx.Response) else "side_effect": answer})
        return respx_mock

    return play


@pytest.fixture
def app(home, context):
    write_state(home / LINUX, STATE).close()
    return context()


def sent(call):
    request = call.request
    return request.method, str(request.url), request.headers["cookie"], request.content


@pytest.mark.anyio
async def test_the_app_asks_the_site_with_the_cookie_that_its_token_makes(app, site):
    calls = site().calls
    assert await ask(APP, app) == Usage(
        periods=(REQUESTS, *PRO.periods, BOT),
        overage=PRO.overage,
        identity=ProviderIdentity(email="dev@example.org", plan="pro"),
    )
    assert sorted(map(sent, calls)) == [
        ("GET", "https://cursor.com/api/auth/me", COOKIE, b""),
        ("GET", "https://cursor.com/api/usage-summary", COOKIE, b""),
        ("GET", "https://cursor.com/api/usage?user=user_01INVENTED", COOKIE, b""),
        ("POST", "https://cursor.com/api/dashboard/get-sand-usage-status", COOKIE, b"{}"),
    ]
    (post,) = (call.request for call in calls if call.request.method == "POST")
    names = ("origin", "content-type", "accept", "user-agent")
    assert [post.headers[name] for name in names] == ["https://cursor.com"] + ["application/json"] * 2 + ["vibeusage"]


MISSING = {
    "refused": httpx.Response(401),
    "login page": httpx.Response(200, html="<html>"),
    "asked too often": httpx.Response(429),
    "nonsense": httpx.Response(200, content=b"[7"),
    "another shape": httpx.Response(200, json={"email": 7, "gpt-4": 7, "hasNonZeroIncludedLimit": 7}),
    "no way there": httpx.ConnectError("invented"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("answer", MISSING.values(), ids=MISSING)
async def test_what_stands_beside_the_summary_never_makes_it_fail(answer, app, site):
    site(me=answer, requests=answer, bot=answer)
    identity = ProviderIdentity(email="cached@example.org", plan="pro")
    assert await ask(APP, app) == msgspec.structs.replace(PRO, identity=identity)


async def never(request):
    await asyncio.Event().wait()


@pytest.mark.anyio
async def test_a_slow_answer_beside_the_summary_is_not_waited_for(app, site, monkeypatch):
    monkeypatch.setattr(cursor, "BESIDE_S", 0.01)
    site(me=never, requests=never, bot=never)
    identity = ProviderIdentity(email="cached@example.org", plan="pro")
    async with asyncio.timeout(60):
        assert await ask(APP, app) == msgspec.structs.replace(PRO, identity=identity)


REFUSALS = [
    pytest.param(httpx.Response(401), AuthError, id="refused"),
    pytest.param(httpx.Response(403, json={"error": "no"}), AuthError, id="forbidden"),
    pytest.param(httpx.Response(307, headers={"location": "/login?a=b"}), AuthError, id="sent to log in"),
    pytest.param(httpx.Response(307, headers={"location": "/elsewhere"}), ShapeError, id="sent elsewhere"),
    pytest.param(httpx.Response(200, html="\n<!doctype html>"), AuthError, id="login page"),
    pytest.param(httpx.Response(403, html="<html>"), Forbidden, id="taken for a bot"),
    pytest.param(httpx.Response(429), RateLimited, id="asked too often"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("answer", "error"), REFUSALS)
async def test_a_refused_summary_has_its_own_error_and_nothing_more_is_asked(answer, error, app, respx_mock):
    respx_mock.get("https://cursor.com/api/usage-summary").mock(return_value=answer)
    with pytest.raises(error):
        await ask(APP, app)
    assert len(respx_mock.calls) == 1


@pytest.mark.anyio
async def test_the_cli_asks_the_api_with_its_token(home, context, respx_mock, fixture_bytes):
    write_json(home / ".config/cursor/auth.json", {"accessToken": TOKEN})
    route = respx_mock.post("https://api2.cursor.sh/aiserver.v1.DashboardService/GetCurrentPeriodUsage")
    route.respond(content=fixture_bytes("cursor/current-pro.json"))
    assert await ask(CLI, context()) == CURRENT["current-pro"]
    request = respx_mock.calls.last.request
    names = ("authorization", "connect-protocol-version", "content-type", "user-agent")
    wanted = [f"Bearer {TOKEN}", "1", "application/json", "vibeusage"]
    assert ([request.headers[name] for name in names], request.content) == (wanted, b"{}")
    assert "cookie" not in request.headers


@pytest.mark.anyio
@pytest.mark.parametrize("strategy", [APP, CLI], ids=["app", "cli"])
async def test_another_address_gets_no_login_of_cursors_own(strategy, app, context, respx_mock):
    with pytest.raises(ConfigError):
        await ask(strategy, context(base_url="https://proxy.example"))
    assert not respx_mock.calls


VALUE = f"user_01INVENTED%3A%3A{TOKEN}"


def stored(text):
    vault.write("cursor", "session", {"session_token": text}, "")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(VALUE, id="the value"),
        pytest.param(f"  user_01INVENTED::{TOKEN}\n", id="not encoded"),
        pytest.param(f"WorkosCursorSessionToken={VALUE}", id="with its name"),
        pytest.param(f"Cookie: theme=dark; WorkosCursorSessionToken={VALUE}; wos-session=other", id="a whole header"),
    ],
)
async def test_a_pasted_cookie_is_sent_alone_under_its_name(text, config_dir, context, site):
    stored(text)
    calls = site().calls
    usage = await ask(WEB, context())
    assert usage.identity == ProviderIdentity(email="dev@example.org", plan="pro")
    assert {call.request.headers["cookie"] for call in calls} == {COOKIE}
    assert len(calls) == 4


@pytest.mark.anyio
@pytest.mark.respx(assert_all_called=False)
async def test_a_cookie_of_another_name_keeps_it_and_names_no_user(context, site):
    login = credentials.Login("invented", "cookies of firefox", is_ours=False, data={"name": "wos-session"})
    calls = site().calls
    identity = ProviderIdentity(email="dev@example.org", plan="pro")
    wanted = msgspec.structs.replace(PRO, periods=(*PRO.periods, BOT), identity=identity)
    assert await ask(WEB, context(), login) == wanted
    assert {call.request.headers["cookie"] for call in calls} == {"wos-session=invented"}
    assert len(calls) == 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("theme=dark; lang=en", id="only others"),
        pytest.param("a b", id="a blank in it"),
        pytest.param("invented\r\nX-Other: 1", id="a line break in it"),
        pytest.param("invented\u00e9", id="not ASCII"),
        pytest.param("user_01INVENTED%3A%3A" + jwt(exp=1), id="run out"),
    ],
)
async def test_a_cookie_that_cannot_be_one_is_not_sent(text, config_dir, context, respx_mock):
    stored(text)
    with pytest.raises(AuthError) as caught:
        await ask(WEB, context())
    assert "invented" not in str(caught.value) + caught.value.hint
    assert not respx_mock.calls
