"""`vibeusage providers`: what is set up and how it is, switches, settings, order, and one try."""

import os
import tomllib
from datetime import UTC, datetime

import pytest
from documents import valid
from vendors import Answer, World

from vibeusage import accounts, cli, config, credentials, providers
from vibeusage.errors import ConfigError, NotConfigured
from vibeusage.providers.spec import Func
from vibeusage.records import store
from vibeusage.records.readers.spec import Call

KEY = "sk-invented-canary"
BALANCE = {"balance_infos": [{"currency": "USD", "total_balance": "12.50"}]}
ACME = """name = "Acme"
env = ["ACME_API_KEY"]
url = "https://api.acme.example/usage"
dashboard = "https://acme.example"
[params.team]
env = "ACME_TEAM"
about = "the name of your team"
optional = true
[[period]]
name = "Weekly"
type = "weekly"
percent = "week.used"
[[balance]]
amount = "left"
"""


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        made.on("GET", "api.deepseek.com", "/user/balance", Answer(json=BALANCE))
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def few(monkeypatch):
    """Only these providers, so that a list does not grow with each that comes along."""
    monkeypatch.setattr(providers, "ids", lambda: ("claude", "deepseek", "gemini", *providers.own()))


@pytest.fixture
def acme(config_dir):
    (config_dir / "providers.d").mkdir(mode=0o700, parents=True)
    (config_dir / "providers.d/acme.toml").write_text(ACME)


def run(*words):
    return cli.main(["providers", *words])


def listed(capsys, *words):
    assert run("list", "--json", *words) == 0
    document = valid(capsys.readouterr().out, "providers")
    return {row["id"]: row for row in document["providers"]}


def settings(config_dir):
    return tomllib.loads((config_dir / "config.toml").read_text())


def test_without_anything_set_up_the_list_says_how_many_there_are(few, capsys):
    assert run() == 0
    assert "more are not set up: `vibeusage providers list --all`" in capsys.readouterr().out


def test_every_row_says_its_state_and_what_to_do(few, world, capsys, monkeypatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    assert (listed(capsys)["deepseek"]["state"], listed(capsys).keys()) == ("not asked yet", {"deepseek"})
    assert cli.main(["refresh", "deepseek", "--quiet"]) == 0
    capsys.readouterr()
    row = listed(capsys)["deepseek"]
    assert (row["state"], row["source"], row["name"]) == ("working", "api_key", "DeepSeek")
    everyone = listed(capsys, "--all")
    assert everyone["gemini"]["state"] == "not set up"
    assert "run `gemini`" in everyone["gemini"]["todo"]
    assert everyone["continue"]["state"] == "not set up"  # its logs are all it has
    assert "no quota" in everyone["continue"]["todo"]
    assert run("list", "--all") == 0
    assert KEY not in capsys.readouterr().out


def test_a_refused_key_is_failing_and_says_what_to_do(few, world, capsys, monkeypatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    world.on("GET", "api.deepseek.com", "/user/balance", Answer(status=401))
    cli.main(["refresh", "deepseek", "--quiet"])
    capsys.readouterr()
    row = listed(capsys)["deepseek"]
    assert row["state"] == "failing"
    assert "refused" in row["error"]
    assert "vibeusage auth deepseek" in row["todo"]


def test_show_tells_where_a_login_is_looked_for(few, capsys):
    assert run("show", "deepseek") == 0
    told = capsys.readouterr().out
    assert "$DEEPSEEK_API_KEY" in told
    assert "https://platform.deepseek.com/usage" in told
    assert "deepseek.toml" in told
    assert run("show", "deepseek", "--json") == 0
    assert valid(capsys.readouterr().out, "providers")["provider"]["id"] == "deepseek"


def test_one_is_switched_off_and_on_and_the_list_says_so(few, config_dir, capsys):
    assert run("disable", "gemini") == 0
    assert settings(config_dir)["providers"]["gemini"] == {"enabled": False}
    assert "enable gemini" in capsys.readouterr().out or listed(capsys, "--all")["gemini"]["state"] == "off"
    assert run("enable", "gemini") == 0
    capsys.readouterr()
    assert listed(capsys, "--all")["gemini"]["state"] == "not set up"


def test_switching_on_adds_to_the_few_that_are_named(few, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text('# mine\nenabled_providers = ["claude"]\n')
    assert run("enable", "gemini") == 0
    assert settings(config_dir)["enabled_providers"] == ["claude", "gemini"]
    assert (config_dir / "config.toml").read_text().startswith("# mine\n")


def test_one_whose_logins_are_there_for_other_reasons_is_named_when_it_is_switched_on(config_dir, home):
    folder = home / ".config/gcloud"
    folder.mkdir(parents=True)
    (folder / "application_default_credentials.json").write_text('{"type":"authorized_user","refresh_token":"1//x"}')
    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=False)

    def finds():
        ctx = accounts.one("vertex", config.load(), around)
        adc = ctx.provider.strategies[0]
        assert isinstance(adc, Func)
        try:
            return credentials.find(adc.login, ctx).token
        except NotConfigured as exc:
            return exc.hint

    assert finds() == "vibeusage providers enable vertex"
    assert run("enable", "vertex") == 0
    assert settings(config_dir)["providers"]["vertex"] == {"enabled": True}
    assert finds() == "1//x"


def test_settings_of_one_are_shown_set_and_taken_back(few, acme, config_dir, capsys):
    assert run("configure", "acme", "params.team=blue", "base_url=https://proxy.example") == 0
    assert settings(config_dir)["providers"]["acme"] == {"params": {"team": "blue"}, "base_url": "https://proxy.example"}
    assert run("configure", "acme") == 0
    told = capsys.readouterr().out
    assert '"blue"' in told
    assert "the name of your team" in told
    assert run("configure", "acme", "base_url=") == 0
    assert "base_url" not in settings(config_dir)["providers"]["acme"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["configure", "acme", "base_url"], "has no value"),
        (["configure", "acme", "colour=red"], "is not a setting"),
        (["configure", "acme", "base_url=ftp://x"], "base_url"),
        (["show", "acme@nobody"], "is not an account"),
        (["show", "acm"], "is not a provider"),
        (["order", "acme", "nobody"], "is not a provider"),
    ],
)
def test_a_mistake_changes_nothing(few, acme, config_dir, capsys, words, said):
    assert run(*words) == ConfigError.exit_code
    assert said in capsys.readouterr().err
    assert not (config_dir / "config.toml").exists()


def test_some_come_first(few, config_dir, capsys):
    assert run("order", "gemini", "deepseek") == 0
    assert list(listed_all(capsys))[:3] == ["gemini", "deepseek", "claude"]
    assert run("order", "--reset") == 0
    assert list(listed_all(capsys))[:3] == ["claude", "deepseek", "gemini"]


def listed_all(capsys):
    capsys.readouterr()
    return listed(capsys, "--all")


def test_check_asks_once_and_tells_what_each_rule_found(few, acme, world, capsys, monkeypatch, cache_dir):
    monkeypatch.setenv("ACME_API_KEY", KEY)
    world.on("GET", "api.acme.example", "/usage", Answer(json={"week": {"used": 41.5, "note": "private"}}))
    assert run("check", "acme") == 0
    told = capsys.readouterr().out
    assert "api_key: answered" in told
    assert "{week: {used: float, note: str}}" in told
    assert "Weekly 41.5% (weekly)" in told
    assert "balance 1     is not in the answer" in told
    assert "private" not in told
    assert KEY not in told
    assert not (cache_dir / "snapshots").exists()
    assert len(world.requests) == 1


def test_check_of_an_answer_that_does_not_fit_names_the_paths(few, acme, world, capsys, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", KEY)
    world.on("GET", "api.acme.example", "/usage", Answer(json={"weekly": {"used": 41.5}}))
    assert run("check", "acme") == 1
    told = capsys.readouterr()
    assert "{weekly: {used: float}}" in told.out
    assert "week.used" in told.err


@pytest.mark.parametrize(("calls", "said"), [(1, "1 record"), (2439, "2,439 records")])
def test_the_records_of_a_tool_are_counted_as_reports_count_them(few, capsys, calls, said):
    with store.open() as opened:
        opened.put("deepseek", [Call(uuid=str(at), ts=at + 1) for at in range(calls)], machine="m")
    assert cli.main(["providers", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split("  ")[-1].strip() == said
