import base64
import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import msgspec
import pytest

from vibeusage import credentials, http
from vibeusage.config import Config, ProviderOptions
from vibeusage.context import Context
from vibeusage.errors import AuthError, ConfigError, Forbidden, NotConfigured, RateLimited, Unavailable
from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers.codex import PROVIDER
from vibeusage.providers.codex_limits import parse_usage
from vibeusage.providers.spec import Func

SESSION, DAILY, WEEKLY, MONTHLY = PeriodType.SESSION, PeriodType.DAILY, PeriodType.WEEKLY, PeriodType.MONTHLY
OAUTH, SERVER, SESSIONS = (strategy for strategy in PROVIDER.strategies if isinstance(strategy, Func))
SPARK = "GPT-5.3-Codex-Spark"
NOW = datetime(2026, 9, 14, 12, 0, tzinfo=UTC)  # 1789387200


def at(epoch):
    return datetime.fromtimestamp(epoch, UTC)


def period(name, used, kind, resets_at, seconds, model=None):
    return UsagePeriod(
        name=name,
        utilization=used,
        period_type=kind,
        resets_at=resets_at and at(resets_at),
        model=model,
        window_seconds=seconds,
    )


FIVE_HOURS = period("Session (5h)", 14.0, SESSION, 1789401720, 18_000)
WEEK = period("Weekly", 52.0, WEEKLY, 1789793800, 604_800)

ANSWERS = {
    "usage-plus": Usage(
        periods=(
            FIVE_HOURS,
            period("Weekly", 52.5, WEEKLY, 1789793800, 604_800),
            period(f"{SPARK} Session (5h)", 3.0, SESSION, 1789410600, 18_000, SPARK),
            period(f"{SPARK} Weekly", 1.0, WEEKLY, 1789997400, 604_800, SPARK),
            period("Code review Weekly", 7.0, WEEKLY, 1789793800, 604_800, "Code review"),
        ),
        balance=Balance(Decimal("18.25"), "credits"),
        identity=ProviderIdentity(email="dev@example.org", plan="plus"),
    ),
    "usage-weekly-primary": Usage(
        periods=(period("Weekly", 100.0, WEEKLY, 1789793800, 604_800),),
        identity=ProviderIdentity(email="dev@example.org", plan="prolite"),
    ),
    "usage-free-monthly": Usage(
        periods=(period("Monthly", 31.0, MONTHLY, 1789387200 + 86_400, 2_628_000),),
        identity=ProviderIdentity(email="dev@example.org", plan="free"),
    ),
    "usage-odd-windows": Usage(
        periods=(
            period("Session (3h)", 5.0, SESSION, 1789401720, 10_800),
            period("3 days", 6.0, DAILY, 1789501720, 259_200),
            period("codex_twin Daily", 8.0, DAILY, 1789401720, 86_400, "codex_twin"),
            period("codex_twin Daily (2)", 9.0, DAILY, 1789401720, 90_000, "codex_twin"),
        ),
        identity=ProviderIdentity(plan="quorum"),
    ),
    "usage-legacy": Usage(
        periods=(
            period("Session (5h)", 20.0, SESSION, 1789401720, None),
            period("Weekly", 40.0, WEEKLY, 1789796200, 604_800),
        ),
        balance=Balance(Decimal(5), "credits"),
        identity=ProviderIdentity(plan="pro"),
    ),
    "usage-camel-case": Usage(periods=(FIVE_HOURS, WEEK), identity=ProviderIdentity(plan="team")),
    "usage-business": Usage(
        overage=OverageUsage(
            used=Decimal("64.5"), limit=Decimal(200), currency="credits", resets_at=at(1790812800)
        ),
        identity=ProviderIdentity(email="dev@example.org", plan="business"),
    ),
    "usage-edu": Usage(
        overage=OverageUsage(
            used=Decimal("12.5"), limit=Decimal(100), currency="credits", resets_at=at(1790812800)
        ),
        identity=ProviderIdentity(plan="edu"),
    ),
    "usage-enterprise": Usage(
        overage=OverageUsage(used=Decimal(12), limit=None, currency="credits"),
        balance=Balance(Decimal("1200.5"), "credits"),
        identity=ProviderIdentity(plan="enterprise"),
    ),
    "usage-unlimited": Usage(identity=ProviderIdentity(email="dev@example.org", plan="enterprise")),
    "app-server": Usage(
        periods=(
            FIVE_HOURS,
            WEEK,
            period(f"{SPARK} Session (5h)", 3.0, SESSION, 1789410600, 18_000, SPARK),
        ),
        balance=Balance(Decimal("18.25"), "credits"),
        identity=ProviderIdentity(plan="plus"),
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_known_shape_is_read_to_the_unit(name, fixture_bytes):
    assert parse_usage(fixture_bytes(f"codex/{name}.json"), NOW) == ANSWERS[name]


def row(used, seconds, **more):
    return {"used_percent": used, "limit_window_seconds": seconds, **more}


@pytest.mark.parametrize(
    ("seconds", "name", "kind"),
    [
        pytest.param(17_940, "Session (5h)", SESSION, id="299 minutes"),
        pytest.param("18000", "Session (5h)", SESSION, id="text"),
        pytest.param(21_600, "Session (6h)", SESSION, id="6 hours"),
        pytest.param(72_000, "Daily", DAILY, id="20 hours"),
        pytest.param(129_600, "1.5 days", DAILY, id="36 hours"),
        pytest.param(604_740, "Weekly", WEEKLY, id="10079 minutes"),
        pytest.param(2_628_000, "Monthly", MONTHLY, id="a twelfth of a year"),
        pytest.param(2_678_400, "Monthly", MONTHLY, id="31 days"),
        pytest.param(1_000_000, "11.6 days", WEEKLY, id="another length"),
    ],
)
def test_a_window_is_named_after_its_length_wherever_it_stands(seconds, name, kind):
    wanted = Usage(periods=(period(name, 3.0, kind, None, int(seconds)),))
    for place in ("primary_window", "secondary_window"):
        body = json.dumps({"rate_limit": {place: row("3", seconds)}}).encode()
        assert parse_usage(body, NOW) == wanted


def test_a_limit_is_named_after_its_id_letter_for_letter():
    windows = {"primary": {"usedPercent": 3, "windowDurationMins": 300}}
    found = parse_usage(json.dumps({"rateLimitsByLimitId": {"GPT-Big": windows}}).encode(), NOW)
    assert found.periods == (period("GPT-Big Session (5h)", 3.0, SESSION, None, 18_000, "GPT-Big"),)


CAP = {"limit": "200", "used": "64.5", "remaining": "135.5", "used_percent": 32, "reset_at": 1790812800}


@pytest.mark.parametrize(
    ("cap", "used"),
    [
        pytest.param(CAP, "64.5", id="used"),
        pytest.param({**CAP, "used": ""}, "64.5", id="remaining"),
        pytest.param({**CAP, "used": None, "remaining": None}, "64", id="percent"),
        pytest.param({**CAP, "used": None, "remaining": "201"}, "0", id="more left than granted"),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda cap: {"rate_limit": None, "spend_control": {"individual_limit": cap}}, id="spend control"),
        pytest.param(lambda cap: {"rate_limit": {"individual_limit": cap}, "spend_control": None}, id="rate limit"),
        pytest.param(lambda cap: {"individual_limit": cap, "credits": {"has_credits": False}}, id="top"),
    ],
)
def test_the_cap_of_a_seat_is_read_in_each_place_and_from_what_it_says(place, cap, used):
    overage = OverageUsage(used=Decimal(used), limit=Decimal(200), currency="credits", resets_at=at(1790812800))
    found = parse_usage(json.dumps(place(cap)).encode(), NOW)
    assert found == Usage(overage=overage)
    assert found.overage and str(found.overage.used) == used


def limits(window):
    return b'{"rate_limit":{"primary_window":' + window + b"}}"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>login</html>", id="login page"),
        pytest.param(b"[]", id="another type"),
        pytest.param(b"{}", id="no limit at all"),
        pytest.param(b'{"rate_limit":null,"credits":{"unlimited":false,"balance":null}}', id="nothing known"),
        pytest.param(limits(b'{"used_percent":null}'), id="only an unknown one"),
        pytest.param(limits(b"7"), id="a number for a window"),
        pytest.param(limits(b'{"used_percent":"a lot"}'), id="text for a number"),
        pytest.param(limits(b'{"used_percent":true}'), id="truth for a number"),
        pytest.param(limits(b'{"used_percent":-5}'), id="negative"),
        pytest.param(limits(b'{"used_percent":1e308}'), id="absurd"),
        pytest.param(limits(b'{"used_percent":1e999}'), id="infinite"),
        pytest.param(limits(b'{"used_percent":1' + b"0" * 400 + b"}"), id="400 digits"),
        pytest.param(limits(b'{"used_percent":5,"reset_at":"2026-09-14T16:20:00"}'), id="time without offset"),
        pytest.param(limits(b'{"used_percent":5,"reset_at":1e300}'), id="time out of range"),
        pytest.param(limits(b'{"used_percent":5,"reset_after_seconds":1e300}'), id="a wait out of range"),
        pytest.param(b'{"credits":{"balance":"1e30"}}', id="an absurd balance"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested deeply"),
        pytest.param(limits(b'{"used_percent":"\xff"}'), id="bad UTF-8"),
    ],
)
def test_an_answer_that_is_not_understood_raises_and_never_gives_a_number(body):
    with pytest.raises((ValueError, ArithmeticError, RecursionError)):
        parse_usage(body, NOW)


# where the login lies and where it goes


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def context(home):
    def make(*, base_url=None, **environ):
        return Context(
            PROVIDER,
            id="codex",
            settings=Config(),
            options=ProviderOptions(base_url=base_url),
            environ={"HOME": str(home), "PATH": os.environ["PATH"], **environ},
            now=NOW,
            foreground=False,
            sees_tool=True,
        )

    return make


def jwt(**claims):
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{middle}.invented"


IN_AN_HOUR = int((NOW + timedelta(hours=1)).timestamp())
ACCESS = jwt(exp=IN_AN_HOUR, **{"https://api.openai.com/profile": {"email": "access@example.org"}})
ID_TOKEN = jwt(email="id@example.org", **{"https://api.openai.com/auth": {"chatgpt_plan_type": "pro"}})


def auth(**tokens):
    known = {"access_token": ACCESS, "refresh_token": "rt_invented", "id_token": ID_TOKEN}
    tokens = {**known, "account_id": "acct-invented", **tokens}
    return {"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2020-01-01T00:00:00Z"}


@pytest.fixture
def codex_home(home):
    folder = home / ".codex"
    folder.mkdir()
    return folder


def write_json(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


async def ask(ctx, login):
    hosts = {*PROVIDER.hosts, *(httpx.URL(base).host for base in login.bases)}
    async with http.open_client(5, hosts, http.tls()) as ctx.client:
        return await OAUTH.fetch(ctx, login)


@pytest.mark.anyio
async def test_the_login_of_codex_asks_for_its_own_workspace(context, codex_home, respx_mock, fixture_bytes):
    write_json(codex_home / "auth.json", auth())
    route = respx_mock.get("https://chatgpt.com/backend-api/wham/usage")
    route.respond(content=fixture_bytes("codex/usage-plus.json"))
    ctx = context()
    login = credentials.find(OAUTH.login, ctx)
    assert await ask(ctx, login) == ANSWERS["usage-plus"]
    (call,) = respx_mock.calls
    assert {name: call.request.headers[name] for name in ("authorization", "chatgpt-account-id", "user-agent")} == {
        "authorization": f"Bearer {ACCESS}",
        "chatgpt-account-id": "acct-invented",
        "user-agent": "codex-cli",
    }
    assert call.request.content == b""
    assert (login.owner, login.is_ours) == ("acct-invented", False)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tokens", "identity"),
    [
        pytest.param({}, ProviderIdentity(email="id@example.org", plan="pro"), id="id token"),
        pytest.param({"id_token": None}, ProviderIdentity(email="access@example.org"), id="access token"),
        pytest.param({"id_token": jwt(email=7), "access_token": "opaque"}, None, id="nothing said"),
    ],
)
async def test_an_answer_without_a_name_takes_it_from_the_login(tokens, identity, context, codex_home, respx_mock):
    write_json(codex_home / "auth.json", auth(**tokens))
    body = b'{"rate_limit":{"primary_window":{"used_percent":14,"limit_window_seconds":18000,"reset_at":1789401720}}}'
    respx_mock.get("https://chatgpt.com/backend-api/wham/usage").respond(content=body)
    ctx = context()
    assert await ask(ctx, credentials.find(OAUTH.login, ctx)) == Usage(periods=(FIVE_HOURS,), identity=identity)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("config", "url"),
    [
        pytest.param("", "https://chatgpt.com/backend-api/wham/usage", id="nothing said"),
        pytest.param(
            'chatgpt_base_url = "https://chatgpt.com/"',
            "https://chatgpt.com/backend-api/wham/usage",
            id="a bare host of ChatGPT",
        ),
        pytest.param(
            'chatgpt_base_url = "https://codex.acme.example/backend-api/"',
            "https://codex.acme.example/backend-api/wham/usage",
            id="a proxy of ChatGPT",
        ),
        pytest.param(
            'chatgpt_base_url = "https://codex.acme.example"',
            "https://codex.acme.example/api/codex/usage",
            id="a server of its own",
        ),
        pytest.param(
            'chatgpt_base_url = "http://127.0.0.1:8080/x"',
            "http://127.0.0.1:8080/x/api/codex/usage",
            id="this machine without TLS",
        ),
        pytest.param(
            'profile = "work"\nchatgpt_base_url = "https://a.example"\n[profiles.work]\nchatgpt_base_url = "https://b.example"',
            "https://b.example/api/codex/usage",
            id="the profile in force",
        ),
    ],
)
async def test_the_login_goes_where_codex_itself_sends_it(config, url, context, codex_home, respx_mock, fixture_bytes):
    write_json(codex_home / "auth.json", auth())
    (codex_home / "config.toml").write_text(config)
    respx_mock.get(url).respond(content=fixture_bytes("codex/usage-plus.json"))
    ctx = context()
    await ask(ctx, credentials.find(OAUTH.login, ctx))
    assert [str(call.request.url) for call in respx_mock.calls] == [url]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param('chatgpt_base_url = "http://codex.acme.example"', id="without TLS"),
        pytest.param('chatgpt_base_url = "http://127.0.0.1.acme.example"', id="looks like this machine"),
        pytest.param('chatgpt_base_url = "https://chatgpt.com@acme.example"', id="looks like ChatGPT"),
        pytest.param('chatgpt_base_url = "https://acme.example/?to="', id="a query"),
        pytest.param('chatgpt_base_url = "file:///etc/passwd"', id="a file"),
        pytest.param('chatgpt_base_url = "https://[::1"', id="no address"),
        pytest.param("chatgpt_base_url = ", id="not TOML"),
    ],
)
def test_an_address_that_is_not_safe_gets_no_login(config, context, codex_home):
    write_json(codex_home / "auth.json", auth())
    (codex_home / "config.toml").write_text(config)
    with pytest.raises(ConfigError) as caught:
        credentials.find(OAUTH.login, context())
    assert "acme" not in str(caught.value)


@pytest.mark.anyio
async def test_an_address_of_our_own_settings_gets_no_login_of_codex(context, codex_home, respx_mock):
    write_json(codex_home / "auth.json", auth())
    ctx = context(base_url="https://proxy.example")
    with pytest.raises(ConfigError):
        await ask(ctx, credentials.find(OAUTH.login, ctx))
    assert not respx_mock.calls


def test_a_login_that_has_run_out_is_not_sent_whatever_the_age_of_its_file(context, codex_home):
    write_json(codex_home / "auth.json", auth(access_token=jwt(exp=int(NOW.timestamp()) - 1)))
    with pytest.raises(AuthError):
        credentials.find(OAUTH.login, context())
    assert PROVIDER.owner and PROVIDER.owner(context()) == "acct-invented"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        pytest.param({"OPENAI_API_KEY": "sk-invented", "tokens": None}, "API key", id="an API key"),
        pytest.param(
            {"OPENAI_API_KEY": "sk-invented", "tokens": {"access_token": None}}, "API key", id="one beside empty tokens"
        ),
        pytest.param({"OPENAI_API_KEY": None}, "no login was found", id="logged out"),
        pytest.param([], "no login was found", id="another type"),
    ],
)
def test_without_a_chatgpt_login_it_says_what_is_missing(document, says, context, codex_home):
    write_json(codex_home / "auth.json", document)
    with pytest.raises(NotConfigured, match=says):
        credentials.find(OAUTH.login, context())


def test_the_workspace_is_the_one_noted_else_the_one_that_the_login_names(context, codex_home):
    named = jwt(**{"https://api.openai.com/auth": {"chatgpt_account_id": "acct-named"}})
    for noted, owner in (("acct-noted", "acct-noted"), (None, "acct-named")):
        write_json(codex_home / "auth.json", auth(account_id=noted, id_token=named))
        assert credentials.find(OAUTH.login, context()).owner == owner


def test_the_first_place_of_the_file_is_read_only_when_no_folder_is_named(context, home, tmp_path):
    write_json(home / ".config/codex/auth.json", auth())
    assert credentials.find(OAUTH.login, context()).token == ACCESS
    with pytest.raises(NotConfigured):
        credentials.find(OAUTH.login, context(CODEX_HOME=str(tmp_path / "work")))


def test_a_personal_access_token_is_a_login_too(context, codex_home):
    write_json(codex_home / "auth.json", {"personal_access_token": "invented"})
    assert credentials.find(OAUTH.login, context()).token == "invented"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(httpx.Response(401), AuthError, id="login refused"),
        pytest.param(httpx.Response(403, json={"detail": "no"}), Forbidden, id="no plan"),
        pytest.param(httpx.Response(403, html="<html>"), Forbidden, id="taken for a bot"),
        pytest.param(httpx.Response(429), RateLimited, id="asked too often"),
    ],
)
async def test_a_refusal_has_its_own_error(answer, error, context, codex_home, respx_mock):
    write_json(codex_home / "auth.json", auth())
    respx_mock.get("https://chatgpt.com/backend-api/wham/usage").mock(return_value=answer)
    ctx = context()
    with pytest.raises(error):
        await ask(ctx, credentials.find(OAUTH.login, ctx))


# codex app-server

PROGRAM = """#!/bin/sh
echo "$*" > "$CODEX_HOME/argv"
while read -r line; do
    echo "$line" >> "$CODEX_HOME/asked"
    case $line in
        *'"initialize"'*) echo 'a note'; echo '{"id":1,"result":{}}';;
        *rateLimits/read*) cat "$CODEX_HOME/answer";;
    esac
done
"""


@pytest.fixture
def server(context, codex_home, tmp_path):
    """A `codex` that gives this answer, and the account that asks it."""

    def make(answer):
        program = tmp_path / "bin" / "codex"
        program.parent.mkdir()
        program.write_text(PROGRAM)
        program.chmod(0o755)
        (codex_home / "answer").write_bytes(answer + b"\n")
        return context(PATH=f"{program.parent}:{os.environ['PATH']}", CODEX_HOME=str(codex_home))

    return make


@pytest.mark.anyio
async def test_the_app_server_is_asked_as_it_wants(server, codex_home, fixture_bytes):
    result = fixture_bytes("codex/app-server.json").replace(b"\n", b"")
    ctx = server(b'{"method":"a/notification"}\n{"id":2,"result":' + result + b"}")
    assert await SERVER.fetch(ctx, credentials.Login("", "", is_ours=False)) == ANSWERS["app-server"]
    assert (codex_home / "argv").read_text() == "-s read-only -a never app-server\n"
    asked = [json.loads(line) for line in (codex_home / "asked").read_text().splitlines()]
    client = {"name": "vibeusage", "title": "vibeusage", "version": "0"}
    assert asked == [
        {"id": 1, "method": "initialize", "params": {"clientInfo": client}},
        {"method": "initialized"},
        {"id": 2, "method": "account/rateLimits/read"},
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("message", "error"),
    [
        pytest.param("codex account authentication required to read rate limits", NotConfigured, id="logged out"),
        pytest.param("chatgpt authentication required to read rate limits", NotConfigured, id="not ChatGPT"),
        pytest.param("failed to fetch codex rate limits: 401 Unauthorized", AuthError, id="refused"),
        pytest.param("failed to fetch codex rate limits: 429 Too Many Requests", RateLimited, id="too often"),
        pytest.param("failed to fetch codex rate limits: 503; id=14290", Unavailable, id="server down"),
        pytest.param("unknown variant `account/rateLimits/read`", Unavailable, id="an old codex"),
    ],
)
async def test_what_the_app_server_cannot_do_has_its_own_error(message, error, server):
    ctx = server(json.dumps({"id": 2, "error": {"code": -32600, "message": message}}).encode())
    with pytest.raises(error):
        await SERVER.fetch(ctx, credentials.Login("", "", is_ours=False))


@pytest.mark.anyio
async def test_the_app_server_is_not_started_in_vain(server, codex_home, tmp_path, context):
    ctx = server(b"{}")
    write_json(codex_home / "auth.json", {"OPENAI_API_KEY": "sk-invented", "tokens": None})
    for account in (ctx, context(PATH=ctx.environ["PATH"], CODEX_HOME=str(tmp_path / "nowhere"))):
        with pytest.raises(NotConfigured):
            await SERVER.fetch(account, credentials.Login("", "", is_ours=False))
    assert not (codex_home / "argv").exists()


# session files


def event(seen="2026-09-14T11:00:00.000Z", *, kind="token_count", limit_id="codex", **limits):
    payload = {"type": kind, "info": None, "rate_limits": {"limit_id": limit_id, "plan_type": "plus", **limits}}
    return json.dumps({"timestamp": seen, "type": "event_msg", "payload": payload})


PRIMARY = {"used_percent": 14.0, "window_minutes": 300, "resets_at": 1789401720}
SECONDARY = {"used_percent": 52.0, "window_minutes": 10080, "resets_at": 1789793800}
PAST = {"used_percent": 99.0, "window_minutes": 300, "resets_at": int(NOW.timestamp())}
FOUND = Usage(
    periods=(FIVE_HOURS, WEEK),
    identity=ProviderIdentity(plan="plus"),
    observed_at=datetime(2026, 9, 14, 11, 0, tzinfo=UTC),
)


@pytest.fixture
def rollout(codex_home):
    def write(*lines, day="2026/09/14", name="a", age=0, tail=""):
        path = codex_home / "sessions" / day / f"rollout-{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines) + tail)
        os.utime(path, (1_789_000_000 - age, 1_789_000_000 - age))

    return write


async def read_sessions(ctx):
    return await SESSIONS.fetch(ctx, credentials.Login("", "", is_ours=False))


@pytest.mark.anyio
async def test_the_last_line_that_tells_of_limits_counts(context, rollout):
    rollout(
        event(primary={**PRIMARY, "used_percent": 1.0}),
        event(primary=PRIMARY, secondary=SECONDARY),
        event(limit_id="codex_bengalfox", primary={**PRIMARY, "used_percent": 3.0}),
        event(kind="agent_message", primary={**PRIMARY, "used_percent": 5.0}),
        json.dumps({"timestamp": "2026-09-14T11:30:00Z", "payload": {"type": "token_count", "rate_limits": None}}),
        tail=event(primary={**PRIMARY, "used_percent": 77.0})[:-9],
    )
    assert await read_sessions(context()) == FOUND


@pytest.mark.anyio
async def test_only_the_end_of_a_long_file_is_read(context, rollout):
    line = event(primary=PRIMARY, secondary=SECONDARY)
    rollout(event(primary={**PRIMARY, "used_percent": 1.0}), "x" * (2 << 20), line)
    assert await read_sessions(context()) == FOUND
    rollout(line, "x" * (2 << 20))
    with pytest.raises(NotConfigured):
        await read_sessions(context())


@pytest.mark.anyio
async def test_a_session_that_was_resumed_is_newer_than_one_begun_later(context, rollout):
    rollout(event(primary=PRIMARY, secondary=SECONDARY), day="2026/08/30", age=10)
    rollout(event(primary={**PRIMARY, "used_percent": 1.0}), day="2026/09/14", age=20)
    rollout("{}", day="2026/09/14", name="without", age=0)
    assert await read_sessions(context()) == FOUND


@pytest.mark.anyio
async def test_a_window_that_has_passed_is_left_out(context, rollout):
    cap = {"limit": "10", "used": "9", "resets_at": 1789387200}
    rollout(event(primary=PAST, secondary=SECONDARY, individual_limit=cap))
    assert await read_sessions(context()) == msgspec.structs.replace(FOUND, periods=(WEEK,))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("auth_time", "is_mine"),
    [
        pytest.param("2026-09-14T10:59:59Z", True, id="since the login"),
        pytest.param("2026-09-14T11:00:01Z", False, id="before it"),
        pytest.param(None, True, id="nobody says when it was"),
    ],
)
async def test_what_a_session_told_before_the_last_login_may_be_another_accounts(
    auth_time, is_mine, context, rollout, codex_home
):
    said = int(datetime.fromisoformat(auth_time).timestamp()) if auth_time else "10" * 200
    write_json(codex_home / "auth.json", auth(id_token=jwt(auth_time=said)))
    rollout(event(primary=PRIMARY, secondary=SECONDARY))
    if is_mine:
        assert await read_sessions(context()) == FOUND
    else:
        with pytest.raises(NotConfigured):
            await read_sessions(context())


@pytest.mark.anyio
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="an empty file"),
        pytest.param([event(primary=PAST)], id="only one that has passed"),
        pytest.param([event("2026-09-01T00:00:00Z", primary={**PRIMARY, "resets_at": None})], id="old, without an end"),
        pytest.param([event("yesterday", primary=PRIMARY)], id="no time"),
        pytest.param([event(primary={"used_percent": "a lot"})], id="no number"),
        pytest.param(['{"rate_limits"', "\x00" * 100], id="damaged"),
    ],
)
async def test_session_files_that_tell_nothing_are_no_answer(lines, context, rollout):
    rollout(*lines)
    with pytest.raises(NotConfigured):
        await read_sessions(context())
