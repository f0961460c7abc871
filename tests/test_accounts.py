"""Accounts: who is asked, in which order, and what each sees of the environment and of other tools' files."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vibeusage import accounts, cache, config, credentials, observe, providers, shown
from vibeusage.errors import ConfigError
from vibeusage.fetch import Asking
from vibeusage.providers.spec import Env, Func, JsonFile, Provider, Stored

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


async def nothing(ctx, login):
    raise AssertionError("nobody asks here")


PLACES = (Env("ACME_TOKEN"), Stored(kind="oauth"), JsonFile(path="$ACME_HOME/auth.json", key="token"))
ACME = Provider(
    id="acme",
    name="Acme",
    hosts=("api.acme.example",),
    dashboard_url="https://acme.example",
    login_hint="log in with `acme login`",
    folders={"ACME_HOME": "~/.acme"},
    strategies=(
        Func(name="oauth", fetch=nothing, login=PLACES),
        Func(name="sessions", fetch=nothing, is_local=True),
    ),
)


@pytest.fixture
def acme(monkeypatch):
    monkeypatch.setattr(providers, "ids", lambda: ("acme",))
    monkeypatch.setattr(providers, "load", lambda name: ACME)


@pytest.fixture
def settings(config_dir):
    def write(text):
        config_dir.mkdir(exist_ok=True, mode=0o700)
        (config_dir / "config.toml").write_text(text)
        return config.load()

    return write


def write_login(folder: Path, token: str) -> None:
    folder.mkdir(parents=True)
    (folder / "auth.json").write_text(json.dumps({"token": token}))


def store(config_dir: Path, account: str, token: str) -> None:
    folder = config_dir / "credentials" / account
    folder.mkdir(parents=True, mode=0o700)
    (folder / "oauth.json").touch(mode=0o600)
    (folder / "oauth.json").write_text(json.dumps({"access_token": token}))


def chosen(settings, *wanted, environ=None):
    around = accounts.Surroundings({**os.environ, **(environ or {})}, NOW, foreground=False)
    return accounts.chosen(wanted, settings, around)


def logins(ctx):
    return {
        one.strategy.name: one.login.token if one.login else None
        for one in Asking(ctx, None).found
        if one.error is None
    }


def test_a_provider_means_all_its_accounts_those_of_the_settings_first(acme, settings, config_dir):
    found = settings('[providers."acme@work"]\nconfig_dir = "~/work"\n')
    store(config_dir, "acme@spare", "t")
    store(config_dir, "acme@of somebody else", "t")  # no name that we would give
    assert [ctx.id for ctx in chosen(found)] == ["acme", "acme@work", "acme@spare"]
    assert [ctx.id for ctx in chosen(found, "acme@spare", "acme")] == ["acme@spare", "acme", "acme@work"]


def test_each_account_finds_its_own_login_and_never_the_others(acme, settings, config_dir, home):
    found = settings(
        '[providers."acme@work"]\nconfig_dir = "~/work"\n[providers."acme@key"]\nenv = "KEY_TOKEN"\n'
        '[providers."acme@bare"]\nenabled = true\n'
    )
    write_login(home / ".acme", "default")
    write_login(home / "work", "of work")
    store(config_dir, "acme@spare", "stored")
    environ = {"ACME_TOKEN": "", "KEY_TOKEN": "of the variable"}
    assert {ctx.id: logins(ctx) for ctx in chosen(found, environ=environ)} == {
        "acme": {"oauth": "default", "sessions": None},
        "acme@work": {"oauth": "of work", "sessions": None},
        "acme@key": {"oauth": "of the variable"},
        "acme@bare": {},
        "acme@spare": {"oauth": "stored"},
    }


def test_the_usual_variable_is_the_default_accounts_alone(acme, settings, home):
    found = settings('[providers."acme@work"]\nconfig_dir = "~/work"\n')
    write_login(home / "work", "of work")
    environ = {"ACME_TOKEN": "of the environment"}
    assert [logins(ctx)["oauth"] for ctx in chosen(found, environ=environ)] == ["of the environment", "of work"]


def test_other_tools_logins_can_be_left_alone(acme, settings, home):
    found = settings("[credentials]\nreuse_provider_credentials = false\n")
    write_login(home / ".acme", "default")
    assert [logins(ctx) for ctx in chosen(found)] == [{"sessions": None}]


@pytest.mark.parametrize(
    ("text", "environ", "ids"),
    [
        pytest.param("", {}, sorted(providers.ids()), id="all"),
        pytest.param(
            'provider_order = ["gemini", "codex"]\nenabled_providers = ["claude", "codex", "gemini"]',
            {},
            ["gemini", "codex", "claude"],
            id="some first",
        ),
        pytest.param('enabled_providers = ["gemini", "claude"]', {}, ["gemini", "claude"], id="only these, in order"),
        pytest.param(
            'enabled_providers = ["gemini"]', {"VIBEUSAGE_ENABLED_PROVIDERS": "codex, cursor"}, ["codex", "cursor"],
            id="the environment wins",
        ),
        pytest.param(
            "[providers.codex]\nenabled = false", {}, sorted({*providers.ids()} - {"codex"}), id="one is off"
        ),
        pytest.param(
            'enabled_providers = ["claude@work"]\n[providers."claude@work"]\nconfig_dir = "~/w"', {}, ["claude@work"],
            id="one account",
        ),
    ],
)
def test_settings_name_order_and_switch_off(settings, text, environ, ids):
    assert [ctx.id for ctx in chosen(settings(text), environ=environ)] == ids


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        pytest.param('enabled_providers = ["claud"]', {}, "'claud' in enabled_providers is not a provider", id="file"),
        pytest.param(
            "", {"VIBEUSAGE_ENABLED_PROVIDERS": "claud"}, "'claud' in VIBEUSAGE_ENABLED_PROVIDERS is not a provider",
            id="environment",
        ),
    ],
)
def test_a_wrong_name_is_said_with_the_place_where_it_stands(settings, text, environ, message):
    with pytest.raises(ConfigError) as caught:
        chosen(settings(text), environ=environ)
    assert (str(caught.value), caught.value.hint) == (
        message,
        "did you mean claude? `vibeusage providers list --all` names them all",
    )


@pytest.mark.parametrize(
    ("name", "command"),
    [
        pytest.param("claude", "vibeusage auth claude", id="pasted"),
        pytest.param("copilot", "vibeusage auth copilot", id="by code"),
        pytest.param("codex", "vibeusage key codex set", id="a bare token only"),
    ],
)
def test_a_moved_address_names_the_way_to_a_login_of_our_own(settings, name, command):
    (ctx,) = chosen(settings(f'[providers.{name}]\nbase_url = "https://other.example"\n'), name)
    with pytest.raises(ConfigError) as caught:
        ctx.base("https://usual.example", credentials.Login("invented", "", is_ours=False))
    assert caught.value.hint.endswith(f"or give vibeusage a login of its own: `{command}`")


@pytest.mark.parametrize("name", ["acme_gateway", "acme_gateway@work", "acme-2"])
def test_an_id_may_have_an_underscore_or_a_dash(name, monkeypatch):
    monkeypatch.setattr(providers, "ids", lambda: (name.partition("@")[0],))
    assert accounts.provider_of(name) == name.partition("@")[0]


@pytest.mark.parametrize("name", ["nobody", "claude@nobody", "nobody@claude", "", "claude@"])
def test_a_name_that_nobody_knows_is_said_with_where_those_that_are_stand(settings, name):
    with pytest.raises(ConfigError) as caught:
        chosen(settings(""), name)
    assert "claude" in caught.value.hint or "`vibeusage providers list --all`" in caught.value.hint


def test_a_strategy_that_is_not_there_is_a_mistake_in_the_settings(acme, settings):
    (ctx,) = chosen(settings('[providers.acme]\nstrategies = ["oauht"]\n'))
    (only,) = Asking(ctx, None).found
    assert str(only.error) == "'oauht' is not a strategy of Acme"


def test_strategies_are_tried_in_the_order_of_the_settings(acme, settings):
    (ctx,) = chosen(settings('[providers.acme]\nstrategies = ["sessions", "oauth"]\n'))
    assert [one.strategy.name for one in Asking(ctx, None).found] == ["sessions", "oauth"]


def test_a_claude_folder_with_a_name_in_the_settings_has_one_account_only(settings, home):
    found = settings('[providers."claude@work"]\nconfig_dir = "~/.claude-work"\n')
    environ = {"CLAUDE_CONFIG_DIR": str(home / ".claude-work")}
    observed = observe.claude_account(environ)
    assert shown.aliases(found) == {observed: "claude@work"}
    assert [ctx.id for ctx in chosen(found, "claude", environ=environ)] == ["claude@work"]


def test_what_a_status_line_says_of_a_named_folder_is_shown_under_its_name(settings, home, vibeusage):
    settings('[providers."claude@work"]\nconfig_dir = "~/.claude-work"\n')
    limits = {"five_hour": {"used_percentage": 42, "resets_at": int(datetime.now(UTC).timestamp()) + 7000}}
    document = json.dumps({"session_id": "s", "cost": {"total_api_duration_ms": 1}, "rate_limits": limits}).encode()
    environ = {"CLAUDE_CONFIG_DIR": str(home / ".claude-work")}
    assert b"42%" in vibeusage("line", "claude-code", stdin=document, env=environ).stdout
    assert vibeusage("line", "plain").stdout.startswith(b"claude@work 5h 42%")
    assert list(cache.snapshots_with_observations(int(datetime.now(UTC).timestamp()))) == ["claude@work"]
    cache.clear("claude@work", exact=True)
    assert vibeusage("line", "plain").stdout == b""


def test_a_login_hides_its_token_wherever_it_is_printed(acme, settings, home):
    write_login(home / ".acme", "canary")
    (ctx,) = chosen(settings(""))
    login = credentials.find(PLACES, ctx)
    assert login.token == "canary"
    assert "canary" not in f"{login!r} {login} {Asking(ctx, None).found!r} {ctx!r}"
    assert len(login.fingerprint) == 16


def test_a_login_locked_away_in_a_keyring_leaves_the_next_place_to_the_background(acme, settings, config_dir, home):
    found = settings("")
    store(config_dir, "acme", "unused")
    (config_dir / "credentials" / "acme" / "oauth.json").write_text('{"keyring": "secret-service"}')
    (ctx,) = chosen(found)
    (oauth, _) = Asking(ctx, None).found
    assert "lies in the keyring" in str(oauth.error)
    write_login(home / ".acme", "of the tool")
    assert logins(ctx)["oauth"] == "of the tool"


def test_a_tool_without_a_quota_is_told_from_a_word_that_nobody_knows(home):
    with pytest.raises(ConfigError, match="continue has no quota to ask for, only logs that are read") as told:
        accounts.provider_of("continue")
    assert "records.continue.mode" in told.value.hint
    with pytest.raises(ConfigError, match="'contine' is not a provider or command"):
        accounts.provider_of("contine")
