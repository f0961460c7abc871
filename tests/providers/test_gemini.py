import base64
import json
from datetime import datetime
from typing import Any, cast

import httpx
import pytest

from vibeusage import credentials, http
from vibeusage.config import Config, ProviderOptions
from vibeusage.context import Context
from vibeusage.errors import AuthError, Forbidden, NotConfigured, RateLimited, ShapeError
from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers.gemini import PROVIDER, fetch, owner, parse_quota


def at(text):
    return datetime.fromisoformat(text)


NOW = at("2026-09-14T12:04:00+00:00")
SOON_MS = 1789389000000
TOKEN = "ya29.made-up"
API = "https://cloudcode-pa.googleapis.com/v1internal"


def daily(family, used, resets_at=None):
    return UsagePeriod(
        name=family,
        utilization=used,
        period_type=PeriodType.DAILY,
        resets_at=at(resets_at) if resets_at else None,
        model=family,
    )


QUOTA = (
    daily("Pro", 50.0, "2026-09-15T08:00:00.123456+00:00"),
    daily("Flash", 3.5, "2026-09-15T07:00:00Z"),
    daily("Flash-Lite", 0.0, "2026-09-15T07:00:00Z"),
    daily("nano-prototype", 100.0),
)


def test_each_family_shows_the_least_that_is_left_and_unknown_ones_are_left_out(fixture_bytes):
    assert parse_quota(fixture_bytes("gemini/quota.json")) == QUOTA


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gemini-2.5-pro", "Pro"),
        ("gemini-3-pro-preview", "Pro"),
        ("Gemini-3-Flash", "Flash"),
        ("gemini-2.5-flash-lite-preview", "Flash-Lite"),
        ("gemini-3-prose", "gemini-3-prose"),
        ("models/gemini-3.1-pro@001", "Pro"),
        ("gemini-3-flash_lite", "Flash-Lite"),
        ("gemini-3-flash-lite_vertex", "Flash-Lite"),
    ],
)
def test_a_model_belongs_to_the_family_that_its_id_names(model, family):
    body = json.dumps({"buckets": [{"modelId": model, "remainingFraction": 0.82}]}).encode()
    assert parse_quota(body) == (daily(family, 18.0),)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(b"[]", id="another type"),
        pytest.param(b"{}", id="no buckets"),
        pytest.param(b'{"buckets":[]}', id="none"),
        pytest.param(b'{"buckets":[{"modelId":"gemini-3-pro"}]}', id="nothing known"),
        pytest.param(b'{"buckets":[{"modelId":"gemini-3-pro","remainingFraction":"most"}]}', id="words"),
        pytest.param(b'{"buckets":[{"modelId":"gemini-3-pro","remainingFraction":-1e300}]}', id="absurd"),
        pytest.param(b'{"buckets":[{"modelId":"x","remainingFraction":1,"resetTime":"soon"}]}', id="no time"),
        pytest.param(b'{"buckets":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="nested deeply"),
    ],
)
def test_a_quota_that_is_not_understood_raises(body):
    with pytest.raises((ValueError, ArithmeticError, RecursionError)):
        parse_quota(body)


def jwt(**claims):
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.made-up"


ID_TOKEN = jwt(sub="1077", email="dev@example.org", hd="example.org")
CREDS = {
    "access_token": TOKEN,
    "refresh_token": "1//made-up",
    "id_token": ID_TOKEN,
    "token_type": "Bearer",
    "expiry_date": SOON_MS,
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def verify():
    return http.tls()


@pytest.fixture
def context(home, verify):
    def make(**environ):
        ctx = Context(
            PROVIDER,
            id="gemini",
            settings=Config(),
            options=ProviderOptions(),
            environ={"HOME": str(home), **environ},
            now=NOW,
            foreground=False,
            sees_tool=True,
        )
        ctx.client = http.open_client(5, PROVIDER.hosts, verify)
        return ctx

    return make


@pytest.fixture
def put(home):
    def write(name, document, folder=".gemini"):
        path = home / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))

    return write


def find(ctx):
    (strategy,) = cast(Any, PROVIDER.strategies)
    assert (strategy.name, strategy.fetch) == ("oauth", fetch)
    return credentials.find(strategy.login, ctx)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("assist", "environ", "body", "plan"),
    [
        pytest.param("assist", {}, {"project": "proj-123"}, "Gemini Code Assist Standard", id="project"),
        pytest.param("assist-object", {}, {"project": "proj-9"}, "Google AI Pro", id="project in an object"),
        pytest.param({"currentTier": {"id": "standard-tier"}}, {}, {}, None, id="no project"),
        pytest.param(
            {"cloudaicompanionProject": {"projectId": "p"}}, {}, {"project": "p"}, None, id="no tier, projectId"
        ),
        pytest.param({}, {"GOOGLE_CLOUD_PROJECT": "mine"}, {"project": "mine"}, None, id="project of the environment"),
    ],
)
async def test_the_tier_is_asked_first_and_then_its_quota(
    assist, environ, body, plan, context, put, respx_mock, fixture_bytes
):
    put("oauth_creds.json", CREDS)
    said = fixture_bytes(f"gemini/{assist}.json") if isinstance(assist, str) else json.dumps(assist).encode()
    first = respx_mock.post(f"{API}:loadCodeAssist").respond(content=said)
    second = respx_mock.post(f"{API}:retrieveUserQuota").respond(content=fixture_bytes("gemini/quota.json"))
    ctx = context(**environ)
    login = find(ctx)
    assert await fetch(ctx, login) == Usage(
        periods=QUOTA, identity=ProviderIdentity(email="dev@example.org", organization="example.org", plan=plan)
    )
    assert (login.owner, login.is_ours, TOKEN in repr(login)) == ("1077", False, False)
    asked = [call.request for call in respx_mock.calls]
    assert [(request.method, str(request.url)) for request in asked] == [
        ("POST", f"{API}:loadCodeAssist"),
        ("POST", f"{API}:retrieveUserQuota"),
    ]
    metadata = {"ideType": "GEMINI_CLI", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}
    assert json.loads(first.calls.last.request.content) == {"metadata": metadata}
    assert json.loads(second.calls.last.request.content) == body
    for request in asked:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert (request.headers["content-type"], request.headers["user-agent"]) == ("application/json", "vibeusage")


@pytest.mark.anyio
@pytest.mark.parametrize("fixture", ["assist-ended", "assist-ended-tier"])
async def test_a_personal_account_is_told_that_the_service_has_ended(fixture, context, put, respx_mock, fixture_bytes):
    put("oauth_creds.json", CREDS)
    respx_mock.post(f"{API}:loadCodeAssist").respond(content=fixture_bytes(f"gemini/{fixture}.json"))
    ctx = context()
    with pytest.raises(Forbidden, match="2026-06-18") as raised:
        await fetch(ctx, find(ctx))
    assert "antigravity" in raised.value.hint


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        pytest.param(httpx.Response(401), AuthError, "refused", id="refused"),
        pytest.param(httpx.Response(403, text="PERMISSION_DENIED"), Forbidden, "see usage", id="no licence"),
        pytest.param(
            httpx.Response(403, json={"error": {"details": [{"reason": "UNSUPPORTED_CLIENT"}]}}),
            Forbidden,
            "2026-06-18",
            id="ended",
        ),
        pytest.param(
            httpx.Response(400, json={"error": {"message": "Please migrate to\nAntigravity"}}),
            Forbidden,
            "2026-06-18",
            id="ended, in words",
        ),
        pytest.param(
            httpx.Response(403, json={"error": {"message": "Antigravity is next: see how migration works"}}),
            Forbidden,
            "2026-06-18",
            id="ended, in other words",
        ),
        pytest.param(httpx.Response(429, json={"error": "RESOURCE_EXHAUSTED"}), RateLimited, "wait", id="too often"),
        pytest.param(httpx.Response(404), ShapeError, "404", id="not there"),
        pytest.param(httpx.Response(200, text="[]"), ValueError, "object", id="another shape"),
    ],
)
@pytest.mark.parametrize("step", ["loadCodeAssist", "retrieveUserQuota"])
async def test_a_refusal_at_either_step_says_why(step, answer, error, words, context, put, respx_mock, fixture_bytes):
    put("oauth_creds.json", CREDS)
    if step == "retrieveUserQuota":
        respx_mock.post(f"{API}:loadCodeAssist").respond(content=fixture_bytes("gemini/assist.json"))
    respx_mock.post(f"{API}:{step}").mock(answer)
    ctx = context()
    with pytest.raises(error, match=words):
        await fetch(ctx, find(ctx))


@pytest.mark.parametrize(
    ("changes", "owner", "email"),
    [
        pytest.param({"expiry_date": 0}, "1077", "dev@example.org", id="unknown expiry"),
        pytest.param({"id_token": None}, "old@example.org", "old@example.org", id="no id token"),
        pytest.param({"id_token": "a.b.c"}, "old@example.org", "old@example.org", id="a damaged one"),
    ],
)
def test_who_is_logged_in_is_in_the_id_token_or_in_the_list_of_accounts(changes, owner, email, context, put):
    put("oauth_creds.json", {**CREDS, **changes})
    put("google_accounts.json", {"active": "old@example.org", "old": []})
    login = find(context())
    assert (login.token, login.owner, login.data["email"]) == (TOKEN, owner, email)


def test_the_folder_of_gemini_lies_in_its_home_variable(context, put, home):
    put("oauth_creds.json", {**CREDS, "access_token": "ya29.other"}, folder="elsewhere/.gemini")
    put("oauth_creds.json", CREDS)
    assert find(context(GEMINI_CLI_HOME=str(home / "elsewhere"))).token == "ya29.other"


@pytest.mark.parametrize(
    "creds",
    [
        pytest.param({**CREDS, "expiry_date": 1789387439999}, id="expired"),
        pytest.param({"refresh_token": "1//made-up"}, id="only a refresh token"),
    ],
)
def test_a_token_that_only_gemini_can_renew_names_gemini_and_is_not_redeemed(creds, context, put, respx_mock):
    put("oauth_creds.json", creds)
    with pytest.raises(AuthError) as raised:
        find(context())
    assert "`gemini`" in raised.value.hint
    assert owner(context()) == ("1077" if "id_token" in creds else "")
    assert len(respx_mock.calls) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"security": {"auth": {"selectedType": "gemini-api-key"}}}, "an API key", id="API key"),
        pytest.param({"selectedAuthType": "vertex-ai"}, "Vertex AI", id="Vertex AI, older settings"),
        pytest.param({"selectedAuthType": "compute-default-credentials"}, "of the machine", id="machine"),
    ],
)
def test_a_mode_without_quota_data_is_said_even_beside_an_old_login(settings, words, context, put):
    put("oauth_creds.json", CREDS)
    put("settings.json", settings)
    with pytest.raises(NotConfigured, match=f"{words}: there is no quota data for API keys"):
        find(context())


@pytest.mark.parametrize(
    ("files", "environ", "words"),
    [
        pytest.param({}, {"GEMINI_API_KEY": "made-up"}, "no quota data for API keys", id="key in the environment"),
        pytest.param({}, {"GEMINI_FORCE_ENCRYPTED_FILE_STORAGE": "true"}, "encrypted", id="encrypted by setting"),
        pytest.param({"gemini-credentials.json": "00:00:00"}, {}, "encrypted", id="encrypted file"),
        pytest.param({}, {}, "no login was found", id="nothing"),
        pytest.param({"oauth_creds.json": []}, {}, "no login was found", id="another shape"),
        pytest.param({"oauth_creds.json": {"access_token": ""}}, {}, "no login was found", id="empty"),
    ],
)
def test_without_a_login_the_reason_is_said(files, environ, words, context, put):
    for name, document in files.items():
        put(name, document)
    put("settings.json", {"security": {"auth": {"selectedType": "oauth-personal"}}})
    with pytest.raises(NotConfigured, match=words):
        find(context(**environ))
