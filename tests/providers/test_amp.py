"""The lines of `amp usage` in all their generations, and what a program called `amp` may print instead.

Known from the public sources of working trackers; every value is invented.
"""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from providers import case as cases
from providers.cases.amp import TEXTS, daily

from vibeusage import http
from vibeusage.models import Balance, Usage
from vibeusage.providers import amp_text


@pytest.mark.parametrize("name", TEXTS)
def test_every_generation_of_the_text_is_read(name, fixture_bytes):
    assert amp_text.parse(fixture_bytes(f"amp/{name}.txt").decode(), cases.AT) == TEXTS[name]


@pytest.mark.parametrize(
    ("now", "then"),
    [
        pytest.param("2026-09-14T23:59:59Z", "2026-09-15T00:00:00Z", id="in summer"),
        pytest.param("2026-09-15T00:00:00Z", "2026-09-16T00:00:00Z", id="at that moment"),
        pytest.param("2026-12-24T12:00:00Z", "2026-12-25T01:00:00Z", id="in winter"),
        pytest.param("2026-11-01T00:30:00Z", "2026-11-02T01:00:00Z", id="over the end of summer time"),
        pytest.param("2027-03-14T02:00:00Z", "2027-03-15T00:00:00Z", id="over its beginning"),
    ],
)
def test_a_day_ends_at_20_in_new_york(now, then):
    usage = amp_text.parse("Amp Free: 61% remaining today (resets daily)", datetime.fromisoformat(now))
    assert usage and usage.periods == (daily(39.0, datetime.fromisoformat(then)),)


def test_where_the_zone_is_not_known_no_end_is_told(monkeypatch):
    monkeypatch.setattr(amp_text, "REPLENISHED", "America/Nowhere")
    usage = amp_text.parse("Amp Free: 61% remaining today (resets daily)", cases.AT)
    assert usage and usage.periods == (daily(39.0),)


@pytest.mark.parametrize(
    ("words", "resets_at"),
    [
        pytest.param("resets upon renewal in 1 day", datetime(2026, 9, 16, tzinfo=UTC), id="a day"),
        pytest.param("resets upon renewal in 0 days", datetime(2026, 9, 15, tzinfo=UTC), id="today"),
        pytest.param("resets upon renewal in 5 hours", datetime(2026, 9, 14, 18, tzinfo=UTC), id="hours"),
        pytest.param("resets upon renewal in 2 months", None, id="a month is no certain time"),
        pytest.param("renews", None, id="not said"),
    ],
)
def test_a_renewal_is_never_told_too_early_and_is_the_same_all_day(words, resets_at):
    line = f"Amp Builder Subscription: 80% other usage and 100% orb usage remaining - {words}"
    for minute in (0, 59):
        usage = amp_text.parse(line, cases.AT.replace(minute=minute))
        assert usage and [period.resets_at for period in usage.periods] == [resets_at, resets_at]


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        pytest.param("Amp Free: 61% remaining", Usage(periods=(daily(39.0),)), id="no day is said"),
        pytest.param("amp free: $12/$10 remaining", Usage(periods=(daily(0.0),)), id="more left than is granted"),
        pytest.param("Amp Free: $0/$10 remaining", Usage(periods=(daily(100.0),)), id="all used"),
        pytest.param("Individual credits: -$1.50 remaining", Usage(balance=Balance(Decimal("-1.50"))), id="overdrawn"),
        pytest.param("Workspace A: B: $9 remaining", Usage(balance=Balance(Decimal(9))), id="a name with a colon"),
    ],
)
def test_a_line_by_itself(line, usage):
    found = amp_text.parse(line, cases.AT)
    assert found and (found.periods, found.balance) == (usage.periods, usage.balance)


@pytest.mark.parametrize(
    "line",
    [
        "Amp Free: $5 left of $10",
        "Amp Free: $5/$0 remaining",
        "Subscription Builder: 80% remaining",
        "Amp Large Tier: usage $5 of $10",
        "Workspace W: $9 gone",
    ],
)
def test_a_limit_in_words_that_nobody_knows_is_no_silence(line):
    with pytest.raises(ValueError, match="words that we do not know"):
        amp_text.parse(f"{line}\nIndividual credits: $4.20 remaining", cases.AT)


@pytest.mark.parametrize("text", ["", "Signed in as dev@example.org", "Amp Free: not enabled", "usage: amp FILE"])
def test_a_text_without_limits_tells_none(text):
    assert amp_text.parse(text, cases.AT) is None


@pytest.fixture
def ask(home, tmp_path):
    """A round with an `amp` that is this script."""

    def run(script: str, key: str = ""):
        program = tmp_path / "bin" / "amp"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        environ = {"HOME": str(home), "PATH": f"{program.parent}:/usr/bin:/bin", "AMP_API_KEY": key}
        return cases.run("amp", environ, http.tls())

    return run


def test_the_program_is_asked_first_and_never_sees_the_key(ask):
    text = cases.ROOT / "fixtures" / "amp" / "tier.txt"
    said = ask(f'[ "$*" = usage ] && [ -z "$AMP_API_KEY" ] && cat "{text}"', key="sgamp_user_invented")
    assert said.snapshot and (said.snapshot.source, said.snapshot.periods) == ("cli", TEXTS["tier"].periods)


@pytest.mark.parametrize(
    ("script", "category", "hint"),
    [
        pytest.param("echo 'Not logged in. Run amp login'; exit 1", "authentication", "log in with `amp login`"),
        pytest.param("echo 'No such file: usage'; exit 1", "not_configured", "see `amp usage`"),
        pytest.param("echo 'Amp Free: 61% gone'", "parse", "the vendor may have changed it"),
        pytest.param("exit 3", "network", "run it: amp usage"),
    ],
)
def test_what_else_a_program_of_that_name_may_do_has_a_name(script, category, hint, ask):
    said = ask(script)
    assert said.error and (said.error.category, hint in said.error.hint) == (category, True)
