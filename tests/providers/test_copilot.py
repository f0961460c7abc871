import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from vibeusage import credentials, http, vault
from vibeusage.config import Config, ProviderOptions
from vibeusage.context import Context
from vibeusage.errors import AuthError, ConfigError, Forbidden, NotConfigured, RateLimited, ShapeError
from vibeusage.models import (
    OverageUsage,
    PeriodType,
    ProviderIdentity,
    ProviderStatus,
    StatusLevel,
    Usage,
    UsagePeriod,
)
from vibeusage.providers.copilot import PROVIDER, parse_status, parse_usage
from vibeusage.providers.copilot_login import read_yaml
from vibeusage.providers.spec import Func

(OAUTH,) = (strategy for strategy in PROVIDER.strategies if isinstance(strategy, Func))
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
OCTOBER_2 = datetime(2026, 10, 2, tzinfo=UTC)
NOW = datetime(2026, 9, 14, 12, 0, tzinfo=UTC)


def monthly(name, used, resets_at=OCTOBER):
    return UsagePeriod(name=name, utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at)


FREE = ProviderIdentity(email="octo", plan="individual (free_limited_copilot)")
ANSWERS = {
    "user-paid": Usage(
        periods=(monthly("AI credits", 26.0),),
        identity=ProviderIdentity(email="octo", plan="individual (monthly_subscriber)"),
    ),
    "user-free": Usage(
        periods=(monthly("Chat", 38.0, OCTOBER_2), monthly("Completions", 10.0, OCTOBER_2)), identity=FREE
    ),
    "user-free-partial": Usage(
        periods=(monthly("Chat", 80.0), monthly("Completions", 10.0, OCTOBER_2)), identity=FREE
    ),
    "user-overage": Usage(
        periods=(monthly("Premium", 112.0), monthly("Chat", 0.0)),
        overage=OverageUsage(used=Decimal(180), currency="requests", resets_at=OCTOBER),
        identity=ProviderIdentity(email="octo", organization="acme", plan="individual_pro (yearly_subscriber)"),
    ),
    "user-credits-overage": Usage(
        periods=(monthly("AI credits", 100.0),),
        overage=OverageUsage(used=Decimal("12.5"), currency="credits", resets_at=OCTOBER),
        identity=ProviderIdentity(email="octo", plan="individual_pro"),
    ),
    "user-business": Usage(
        overage=OverageUsage(used=Decimal("42.25"), currency="credits", resets_at=OCTOBER),
        identity=ProviderIdentity(
            email="octo_acme", organization="acme", plan="business (copilot_for_business_seat)"
        ),
    ),
    "user-unlimited": Usage(identity=ProviderIdentity(plan="enterprise")),
    "user-unknown-keys": Usage(
        periods=(monthly("Premium", 32.75), monthly("Agent sessions", 25.0)), identity=ProviderIdentity(email="octo")
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_known_shape_is_read_to_the_unit(name, fixture_bytes):
    assert parse_usage(fixture_bytes(f"copilot/{name}.json")) == ANSWERS[name]


QUOTA = {"entitlement": "50", "remaining": "31", "percent_remaining": "62"}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"quota_reset_date_utc": "2026-10-01T00:00:00.000Z", "quota_reset_date": "2026-10-02"}, id="UTC"),
        pytest.param({"quota_reset_date_utc": None, "quota_reset_date": "2026-10-01"}, id="a day"),
        pytest.param({"limited_user_reset_date": "2026-10-01"}, id="the day of a free account"),
    ],
)
def test_a_quota_begins_anew_at_the_time_that_the_account_has(more):
    snapshots = {"chat": QUOTA, "schema": "2026-09", "count": 3, "completions": None}
    found = parse_usage(json.dumps({"quota_snapshots": snapshots, **more}).encode())
    assert found == Usage(periods=(monthly("Chat", 38.0),))


def chat(quota):
    return b'{"quota_snapshots":{"chat":' + quota + b"}}"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>login</html>", id="login page"),
        pytest.param(b"[]", id="another type"),
        pytest.param(b'{"login":"octo","copilot_plan":"individual"}', id="no quota at all"),
        pytest.param(b'{"monthly_quotas":{"chat":50},"limited_user_quotas":{}}', id="only a total"),
        pytest.param(chat(b"{}"), id="only an unknown one"),
        pytest.param(chat(b"7"), id="a number for a quota"),
        pytest.param(chat(b'{"percent_remaining":"a lot"}'), id="text for a number"),
        pytest.param(chat(b'{"percent_remaining":true}'), id="truth for a number"),
        pytest.param(chat(b'{"percent_remaining":-1e308}'), id="absurd"),
        pytest.param(chat(b'{"percent_remaining":1e999}'), id="infinite"),
        pytest.param(chat(b'{"percent_remaining":1' + b"0" * 400 + b"}"), id="400 digits"),
        pytest.param(b'{"quota_reset_date":"soon","quota_snapshots":{}}', id="a date that is none"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested deeply"),
        pytest.param(chat(b'{"percent_remaining":"\xff"}'), id="bad UTF-8"),
    ],
)
def test_an_answer_that_is_not_understood_raises_and_never_gives_a_number(body):
    with pytest.raises((ValueError, ArithmeticError, RecursionError)):
        parse_usage(body)


@pytest.mark.parametrize(
    ("replaced", "status"),
    [
        pytest.param(
            (b"", b""),
            ProviderStatus(level=StatusLevel.PARTIAL_OUTAGE, description="Copilot: partial outage"),
            id="copilot alone",
        ),
        pytest.param(
            (b"partial_outage", b"on_fire"),
            ProviderStatus(level=StatusLevel.UNKNOWN, description="Copilot: on fire"),
            id="a level that is new",
        ),
        pytest.param(
            (b"Copilot", b"Codespaces"),
            ProviderStatus(level=StatusLevel.MAJOR_OUTAGE, description="Major Service Outage"),
            id="no copilot: the page",
        ),
    ],
)
def test_the_status_is_that_of_copilot(replaced, status, fixture_bytes):
    assert parse_status(fixture_bytes("copilot/status-summary.json").replace(*replaced)) == status


# where the login lies and where it goes


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def context(home):
    def make(*, base_url=None, **environ):
        return Context(
            PROVIDER,
            id="copilot",
            settings=Config(),
            options=ProviderOptions(base_url=base_url),
            environ={"HOME": str(home), **environ},
            now=NOW,
            foreground=False,
            sees_tool=True,
        )

    return make


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


async def ask(ctx, login):
    hosts = {*PROVIDER.hosts, "api.acme.ghe.com"}
    async with http.open_client(5, hosts, http.tls()) as ctx.client:
        return await OAUTH.fetch(ctx, login)


def found(ctx):
    login = credentials.find(OAUTH.login, ctx)
    return login.token, login.owner


ACME = "https://api.acme.ghe.com"
APPS = {
    "acme.ghe.com:Iv1.b507a08c87ecfe98": {"user": "octo_acme", "oauth_token": "ghu_acme_apps"},
    "github.com:Iv1.b507a08c87ecfe98": {"user": "octo", "oauth_token": "ghu_apps", "githubAppId": "Iv1.b5"},
    "github.com.evil.example:Iv1": {"user": "x", "oauth_token": "ghu_evil"},
}
HOSTS = {"github.com": {"user": "octo", "oauth_token": "gho_hosts"}, "acme.ghe.com": {"oauth_token": "gho_acme_hosts"}}
GH = """\
# written by gh
github.com:
    git_protocol: https
    users:
        other:
            oauth_token: gho_other
        octo:
            oauth_token: gho_gh
    user: octo
acme.ghe.com:
    user: "octo_acme"
    oauth_token: gho_acme_gh  # the old place
    git_protocol: ssh
"""
OPENCODE = {
    "anthropic": {"type": "api", "key": "invented"},
    "github-copilot": {"type": "oauth", "refresh": "ghu_opencode", "access": "tid=invented", "expires": 0},
    "github-copilot-enterprise": {"refresh": "ghu_acme_opencode", "enterpriseUrl": "https://acme.ghe.com/"},
}


@pytest.fixture
def all_places(home):
    """A login in each place of other tools, for both hosts."""
    write(home / ".config/github-copilot/apps.json", APPS)
    write(home / ".config/github-copilot/hosts.json", HOSTS)
    write(home / ".config/gh/hosts.yml", GH)
    write(home / ".local/share/opencode/auth.json", OPENCODE)
    return [
        home / ".config/github-copilot/apps.json",
        home / ".config/github-copilot/hosts.json",
        home / ".config/gh/hosts.yml",
        home / ".local/share/opencode/auth.json",
    ]


@pytest.mark.parametrize(
    ("base_url", "logins"),
    [
        pytest.param(
            None,
            [
                ("ghu_apps", "octo@github.com"),
                ("gho_hosts", "octo@github.com"),
                ("gho_gh", "octo@github.com"),
                ("ghu_opencode", ""),
            ],
            id="github.com",
        ),
        pytest.param(
            ACME,
            [
                ("ghu_acme_apps", "octo_acme@acme.ghe.com"),
                ("gho_acme_hosts", ""),
                ("gho_acme_gh", "octo_acme@acme.ghe.com"),
                ("ghu_acme_opencode", ""),
            ],
            id="an enterprise",
        ),
        pytest.param("https://api.other.ghe.com", [], id="a host that nobody is logged in to"),
    ],
)
def test_each_place_gives_only_the_login_of_the_accounts_own_host(base_url, logins, context, all_places):
    seen = []
    for path in all_places:
        with contextlib.suppress(NotConfigured):
            seen.append(found(context(base_url=base_url)))
        path.unlink()
    assert seen == logins
    with pytest.raises(NotConfigured):
        credentials.find(OAUTH.login, context(base_url=base_url))


def test_the_variable_for_copilot_and_our_own_login_come_first_and_those_for_all_last(context, all_places, config_dir):
    every = {"COPILOT_GITHUB_TOKEN": "one", "GH_TOKEN": "two", "GITHUB_TOKEN": "three"}
    vault.write("copilot", "oauth", {"access_token": "ghu_own"}, "")
    assert found(context(**every))[0] == "one"
    del every["COPILOT_GITHUB_TOKEN"]
    assert found(context(**every))[0] == "ghu_own"
    vault.delete("copilot", "oauth")
    assert found(context(**every))[0] == "ghu_apps"
    for path in all_places:
        path.unlink()
    assert found(context(**every))[0] == "two"
    del every["GH_TOKEN"]
    assert found(context(**every))[0] == "three"


def test_folders_that_variables_name_are_followed(context, tmp_path):
    write(tmp_path / "gh/hosts.yml", GH)
    assert found(context(GH_CONFIG_DIR=str(tmp_path / "gh")))[0] == "gho_gh"
    write(tmp_path / "xdg/github-copilot/hosts.json", HOSTS)
    assert found(context(XDG_CONFIG_HOME=str(tmp_path / "xdg")))[0] == "gho_hosts"


def test_the_only_user_of_gh_is_the_one(context, home):
    write(home / ".config/gh/hosts.yml", "github.com:\n    users:\n        octo:\n            oauth_token: gho_only\n")
    login = credentials.find(OAUTH.login, context())
    assert (login.token, login.owner) == ("gho_only", "octo@github.com")


NO_TOKEN = "github.com:\n    user: octo"
DAMAGED = ["[]", "null", "7", '{"github.com":7}', '{"github.com":{"oauth_token":7}}', NO_TOKEN, "{", ""]


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("number", range(4))
def test_a_damaged_file_is_no_login(content, number, context, all_places):
    for path in all_places:
        path.unlink()
    write(all_places[number], content)
    with pytest.raises(NotConfigured):
        credentials.find(OAUTH.login, context())


@pytest.mark.parametrize(
    ("text", "document"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param("a: b", {"a": "b"}, id="a word"),
        pytest.param("a:\nb: 'c: d' # e", {"a": {}, "b": "c: d"}, id="quoted, and a comment"),
        pytest.param("---\na: \"\"\nb: ''\nc: {}\nd: e", {"a": {}, "b": {}, "c": {}, "d": "e"}, id="empty words"),
        pytest.param('"12":\n  x: y\n\n  # note\n  z:\n', {"12": {"x": "y", "z": {}}}, id="blank lines"),
        pytest.param("a:\n  b:\n    c: d\ne: f", {"a": {"b": {"c": "d"}}, "e": "f"}, id="back by two"),
        pytest.param("a: b\n  c: d", {}, id="below a word"),
        pytest.param("a:\n    b: c\n  d: e", {}, id="between two depths"),
        pytest.param("  a: b", {}, id="begun inside"),
        pytest.param("a:\n- b", {}, id="a list"),
        pytest.param("a: |\n  b", {}, id="a block"),
        pytest.param("a: {b: c}", {}, id="a flow"),
        pytest.param("a: &x b", {}, id="an anchor"),
        pytest.param('a: "b\\n"', {}, id="an escape"),
        pytest.param('a: "b', {}, id="an open quote"),
        pytest.param("a:b", {}, id="no blank"),
        pytest.param("a", {}, id="no colon"),
        pytest.param("a:\n\tb: c", {}, id="a tab"),
    ],
)
def test_the_yaml_of_gh_is_read_and_no_other(text, document):
    assert read_yaml(text) == document


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("base_url", "url", "token"),
    [
        pytest.param(None, "https://api.github.com/copilot_internal/user", "ghu_apps", id="github.com"),
        pytest.param(ACME, f"{ACME}/copilot_internal/user", "ghu_acme_apps", id="an enterprise"),
    ],
)
async def test_it_asks_as_an_editor_does(base_url, url, token, context, all_places, respx_mock, fixture_bytes):
    respx_mock.get(url).respond(content=fixture_bytes("copilot/user-paid.json"))
    ctx = context(base_url=base_url)
    assert await ask(ctx, credentials.find(OAUTH.login, ctx)) == ANSWERS["user-paid"]
    (call,) = respx_mock.calls
    names = ("authorization", "editor-version", "editor-plugin-version", "user-agent", "x-github-api-version", "accept")
    assert {name: call.request.headers[name] for name in names} == {
        "authorization": f"token {token}",
        "editor-version": "vscode/1.96.2",
        "editor-plugin-version": "copilot-chat/0.26.7",
        "user-agent": "GitHubCopilotChat/0.26.7",
        "x-github-api-version": "2025-04-01",
        "accept": "application/json",
    }
    assert call.request.content == b""


@pytest.mark.anyio
async def test_a_login_of_our_own_goes_to_the_host_it_is_of(context, config_dir, respx_mock, fixture_bytes):
    document = {"access_token": "ghu_own", "host": "acme.ghe.com"}
    vault.write("copilot", "oauth", document, "")
    respx_mock.get(f"{ACME}/copilot_internal/user").respond(content=fixture_bytes("copilot/user-paid.json"))
    for base_url in (None, ACME):
        ctx = context(base_url=base_url)
        assert await ask(ctx, credentials.find(OAUTH.login, ctx)) == ANSWERS["user-paid"]
    ctx = context(base_url="https://api.github.com")
    with pytest.raises(AuthError):
        await ask(ctx, credentials.find(OAUTH.login, ctx))
    assert {call.request.url.host for call in respx_mock.calls} == {"api.acme.ghe.com"}


@pytest.mark.anyio
async def test_a_login_found_for_one_host_is_not_sent_to_another(context, all_places, respx_mock):
    login = credentials.find(OAUTH.login, context())
    with pytest.raises(ConfigError):
        await ask(context(base_url=ACME), login)
    assert not respx_mock.calls


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        pytest.param(httpx.Response(401), AuthError, "refused", id="revoked"),
        pytest.param(httpx.Response(403, json={"message": "no"}), Forbidden, "does not allow", id="no access"),
        pytest.param(
            httpx.Response(403, headers={"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?a=b"}),
            Forbidden,
            "single sign-on",
            id="single sign-on",
        ),
        pytest.param(httpx.Response(403, headers={"x-ratelimit-remaining": "0"}), RateLimited, "wait", id="too often"),
        pytest.param(httpx.Response(404, json={}), Forbidden, "has no Copilot", id="no Copilot"),
        pytest.param(httpx.Response(302, headers={"location": "/login"}), ShapeError, "302", id="sent elsewhere"),
    ],
)
async def test_a_refusal_has_its_own_error(answer, error, says, context, respx_mock):
    respx_mock.get("https://api.github.com/copilot_internal/user").mock(return_value=answer)
    ctx = context(GH_TOKEN="invented")
    with pytest.raises(error, match=says) as caught:
        await ask(ctx, credentials.find(OAUTH.login, ctx))
    assert "orgs" not in str(caught.value) + caught.value.hint
