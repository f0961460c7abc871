"""What `auggie account status` prints, in both generations, and what `auggie` may do instead.

Known from the public source of one working tracker; every value is invented.
"""

import os
from datetime import UTC, datetime

import pytest
from providers import case as cases
from providers.cases.augment import credits

from vibeusage import accounts, config, http
from vibeusage.errors import AuthError
from vibeusage.models import ProviderIdentity, Usage
from vibeusage.providers.augment import PROVIDER, parse_text

MAX = ProviderIdentity(plan="Max Plan")
TEXTS = {
    "status-old": Usage(periods=(credits(95.8),), identity=MAX),
    "status-2026": Usage(periods=(credits(55.94, None),), identity=MAX),
    "status-2026-cycle": Usage(
        periods=(credits(350 / 6, datetime(2026, 10, 3, tzinfo=UTC)),), identity=ProviderIdentity(plan="Developer Plan")
    ),
}


@pytest.fixture
def ctx():
    around = accounts.Surroundings(os.environ, cases.AT, foreground=True)
    return accounts.one("augment", config.load(), around)


@pytest.mark.parametrize("name", TEXTS)
def test_both_generations_of_the_text_are_read(name, ctx, fixture_bytes):
    assert parse_text(fixture_bytes(f"augment/{name}.txt"), ctx) == TEXTS[name]


@pytest.mark.parametrize(
    ("text", "used"),
    [
        pytest.param("1.500 remaining · 500 / 2.000 credits used", 25.0, id="points between thousands"),
        pytest.param("0 remaining · 2,500 / 2,000 credits used", 125.0, id="more than all"),
        pytest.param("5,000 credits remaining   X\n 4,000 credits / month", 0.0, id="more left than is granted"),
    ],
)
def test_what_is_used_is_reckoned(text, used, ctx):
    assert parse_text(text.encode(), ctx).periods == (credits(used, None),)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("88,120 credits remaining   Max Plan", id="no limit"),
        pytest.param("Max Plan 200,000 credits / month", id="nothing left or used"),
        pytest.param("1 remaining · 0 / 0 credits used", id="a limit of nothing"),
        pytest.param("88.12 credits remaining  X\n 200 credits / month", id="a fraction is no thousand"),
        pytest.param("5 days remaining in this billing cycle (ends 9/19/2026)", id="days are no credits"),
        pytest.param("1 remaining · 1 / 2 credits used (ends 13/40/2026)", id="a day that is none"),
    ],
)
def test_a_text_that_is_not_understood_raises(text, ctx):
    with pytest.raises(ValueError, match=r"credits|month must be"):
        parse_text(text.encode(), ctx)


@pytest.mark.parametrize("text", ["Authentication failed.", "Not logged in. Run `auggie login` first"])
def test_a_tool_without_a_login_says_so(text, ctx):
    with pytest.raises(AuthError, match="not logged in"):
        parse_text(text.encode(), ctx)


@pytest.fixture
def ask(home, tmp_path):
    """A round with an `auggie` that is this script."""

    def run(script: str):
        program = tmp_path / "bin" / "auggie"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        environ = {"HOME": str(home), "PATH": f"{program.parent}:/usr/bin:/bin"}
        return cases.run("augment", environ, http.tls())

    return run


def test_the_program_is_asked_first_and_prints_colours(ask, config_dir):
    said = ask(r"""[ "$*" = "account status" ] || exit 1
printf '\033[1m 88,120 credits remaining\033[0m      Max Plan\r\n  200,000 credits / month\n'""")
    assert said.snapshot and (said.snapshot.source, said.snapshot.periods) == ("cli", (credits(55.94, None),))


@pytest.mark.slow
def test_a_program_that_hangs_has_a_deadline(ask, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text("[fetch]\ntimeout_s = 1\n")
    said = ask("exec sleep 60")
    assert said.error and (said.error.category, "took longer than" in str(said.error)) == ("network", True)


def test_a_login_that_is_missing_is_told_with_what_to_type(ask):
    said = ask("echo 'Authentication failed'; exit 1")
    assert said.error and (said.error.category, said.error.hint) == ("authentication", PROVIDER.login_hint)
