"""What of Vertex AI is no HTTP: where the credentials are, gcloud as the way out, and which quota is shown."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from vibeusage import accounts, config, credentials
from vibeusage.answers import Answer
from vibeusage.errors import NotConfigured
from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import vertex, vertex_login

NOW = datetime(2026, 9, 14, 12, tzinfo=UTC)
PERSON = {"type": "authorized_user", "refresh_token": "1//invented-refresh-token"}
OTHER = {"type": "external_account", "audience": "//iam.example/pool", "quota_project_id": "acme-ai"}
TOKEN = "ya29.invented-token-of-gcloud"


@pytest.fixture
def seen(config_dir):
    """The account, wanted, with the given options and the environment as it is."""
    config_dir.mkdir(mode=0o700)

    def look(name="vertex", options="enabled = true"):
        (config_dir / "config.toml").write_text(f'[providers."{name}"]\n{options}\n')
        return accounts.one(name, config.load(), accounts.Surroundings(os.environ, NOW, foreground=True))

    return look


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def found(ctx, place=0):
    return credentials.find(ctx.provider.strategies[place].login, ctx)


def test_the_variable_names_the_credentials_before_gclouds_folder(seen, home, tmp_path, monkeypatch):
    write(home / ".config/gcloud/application_default_credentials.json", {**PERSON, "refresh_token": "1//of-gcloud"})
    write(tmp_path / "named.json", PERSON)
    assert found(seen()).token == "1//of-gcloud"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "named.json"))
    assert found(seen()).token == PERSON["refresh_token"]


def test_a_variable_that_names_no_credentials_is_told(seen, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(NotConfigured, match="names no credentials"):
        found(seen())


def test_an_account_with_a_folder_of_its_own_sees_nothing_of_the_others_environment(seen, tmp_path, monkeypatch):
    write(tmp_path / "named.json", PERSON)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "named.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-home")
    work = tmp_path / "work"
    write(work / "application_default_credentials.json", {**PERSON, "refresh_token": "1//of-work"})
    (work / "configurations").mkdir()
    (work / "configurations/config_default").write_text("[core]\nproject = acme-work\n")
    ctx = seen("vertex@work", f'config_dir = "{work}"')
    login = found(ctx)
    assert (login.token, vertex_login.project(ctx, login)) == ("1//of-work", "acme-work")
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in vertex_login.environ(ctx)
    assert vertex_login.environ(ctx)["CLOUDSDK_CONFIG"] == str(work)


def test_without_rsa_the_key_of_a_service_account_names_the_extra_and_is_left_to_gcloud(seen, home, monkeypatch):
    write(
        home / ".config/gcloud/application_default_credentials.json",
        {"type": "service_account", "private_key": "invented"},
    )
    monkeypatch.setattr(vertex_login, "_can_sign", lambda: False)
    with pytest.raises(NotConfigured) as told:
        found(seen())
    assert told.value.hint == "pip install 'vibeusage[browser]'"
    assert found(seen(), 1).data["type"] == "service_account"
    monkeypatch.setattr(vertex_login, "_can_sign", lambda: True)
    with pytest.raises(credentials.NoLogin):
        found(seen(), 1)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        pytest.param(TOKEN, Usage(identity=ProviderIdentity(organization="acme-ai")), id="a token"),
        pytest.param("You are not logged in", "something else than a token", id="words"),
    ],
)
def test_gcloud_makes_a_token_of_credentials_that_it_alone_understands(seen, home, monkeypatch, printed, said):
    write(home / ".config/gcloud/application_default_credentials.json", OTHER)
    program = home / "bin/gcloud"
    program.parent.mkdir()
    check = f"assert sys.argv[1:] == {list(vertex.PRINT_TOKEN[1:])!r}"
    program.write_text(f"#!{sys.executable}\nimport sys\n{check}\nprint({printed!r})\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    ctx = seen()
    asked = []

    async def get(method, url, headers):
        asked.append((method, url.partition("?")[0], headers))
        return answer(b"{}")

    monkeypatch.setattr(ctx, "send", get)
    if isinstance(said, str):
        with pytest.raises(ValueError, match=said):
            asyncio.run(vertex.fetch_with_gcloud(ctx, found(ctx, 1)))
        assert asked == []
        return
    assert asyncio.run(vertex.fetch_with_gcloud(ctx, found(ctx, 1))) == said
    address = "https://monitoring.googleapis.com/v3/projects/acme-ai/timeSeries"
    assert asked == [("GET", address, {"Authorization": f"Bearer {TOKEN}"})]


def answer(body):
    return Answer(200, httpx.Headers(), body, "monitoring.googleapis.com")


def one(kind, metric, name, location, *values):
    """A time series with these points, the newest first."""
    document = {
        "metric": {"type": kind, "labels": {"quota_metric": metric, **({"limit_name": name} if name else {})}},
        "resource": {"labels": {"location": location}},
        "points": [{"value": {"int64Value": value}} for value in values],
    }
    return msgspec.convert(document, vertex._Series)


USED = one("usage", "x/a_b", "A", "eu", "12", "40")
UNNAMED = one("usage", "x/a_b", "", "eu", "4")


@pytest.mark.parametrize(
    ("used", "limits", "percent"),
    [
        pytest.param([USED], [one("limit", "x/a_b", "A", "eu", "40")], 30.0, id="the newest point"),
        pytest.param([USED], [one("limit", "x/a_b", "A", "us", "40")], None, id="a limit of another place"),
        pytest.param([USED], [one("limit", "x/a_b", "B", "eu", "40")], None, id="another limit of the same metric"),
        pytest.param([USED], [one("limit", "x/a_b", "A", "eu", "-1")], None, id="no limit"),
        pytest.param([USED], [one("limit", "x/a_b", "A", "eu", "0")], None, id="a limit of nothing"),
        pytest.param([USED], [one("limit", "x/a_b", "A", "eu")], None, id="a limit without points"),
        pytest.param([UNNAMED], [one("limit", "x/a_b", "A", "eu", "8")], 50.0, id="the only one"),
        pytest.param(
            [UNNAMED],
            [one("limit", "x/a_b", "A", "eu", "8"), one("limit", "x/a_b", "B", "eu", "9")],
            None,
            id="one of two",
        ),
        pytest.param(
            [USED, one("usage", "x/a_b", "A", "us", "9")],
            [one("limit", "x/a_b", "A", "eu", "40"), one("limit", "x/a_b", "A", "us", "6")],
            150.0,
            id="the fullest, also past its limit",
        ),
    ],
)
def test_the_fullest_quota_that_has_a_usage_and_a_limit_is_shown(used, limits, percent):
    period = UsagePeriod(name="Quota: a b", utilization=percent or 0, period_type=PeriodType.DAILY)
    assert vertex.fullest(used, limits) == (() if percent is None else (period,))
