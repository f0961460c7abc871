"""What of Factory is no request: droid's store without the package that opens it, what is never sent."""

import sys
from datetime import UTC, datetime

import pytest
from providers import case as cases
from providers.cases.factory import DROID, TOKEN, sealed

from vibeusage import accounts, config, credentials
from vibeusage.errors import Unavailable
from vibeusage.providers import factory_login
from vibeusage.providers.factory import parse_subscription


def context(home, files):
    cases.settle("factory", cases.Case("", (), files=files), home)
    around = accounts.Surroundings({"HOME": str(home)}, datetime(2026, 9, 14, 12, tzinfo=UTC), foreground=True)
    return accounts.one("factory", config.load(), around)


def test_without_the_package_that_opens_it_the_store_is_named_with_what_to_install(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(Unavailable, match="the package `cryptography` is missing") as caught:
        factory_login.of_droid(context(home, sealed(DROID)))
    assert caught.value.hint == "pip install 'vibeusage[browser]', or set FACTORY_API_KEY"


def test_the_login_says_whose_it_is_and_prints_neither_token(home):
    login = factory_login.of_droid(context(home, sealed(DROID)))
    assert login
    assert (login.token, login.owner, login.is_ours) == (TOKEN, "org_01INVENTED user_01INVENTED", False)
    assert repr(login) == f"Login(where='{home}/.factory/auth.v2.file')"
    assert login.is_in("an answer with invented-refresh in it")


def test_other_tools_logins_are_left_alone_where_the_settings_say_so(home, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text("[credentials]\nreuse_provider_credentials = false\n")
    ctx = context(home, {**sealed(DROID), ".factory/.env": "FACTORY_API_KEY=fk-invented"})
    for strategy in ctx.provider.strategies:
        with pytest.raises(credentials.NoLogin):
            credentials.find(strategy.login, ctx)


@pytest.mark.parametrize("text", ["", "#FACTORY_API_KEY=fk-x", "MY_FACTORY_API_KEY=fk-x", "FACTORY_API_KEY=", "\xff"])
def test_a_file_without_a_key_is_no_login(text, home):
    assert factory_login.of_env_file(context(home, {".factory/.env": text})) is None


def test_an_allowance_of_nothing_is_no_window():
    with pytest.raises(ValueError, match="allowance"):
        parse_subscription(b'{"usage":{"standard":{"orgTotalTokensUsed":5,"totalAllowance":0,"usedRatio":0.5}}}')
