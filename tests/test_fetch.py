"""One account asked: strategies in order under one deadline, and mistakes of ours that stay where they are."""

import asyncio
import os
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, nan

import msgspec
import pytest

from vibeusage import accounts, cache, config, credentials, gate, idle, providers, vault
from vibeusage.errors import AuthError, Forbidden, NotConfigured, RateLimited, StorageError, Unavailable
from vibeusage.models import Balance, FetchAttempt, FetchError, OverageUsage, PeriodType, Usage, UsagePeriod
from vibeusage.providers.spec import Command, Env, Func, Provider, Read
from vibeusage.refresh import refresh


def used_up_to(percent):
    return UsagePeriod(name="Weekly", utilization=percent, period_type=PeriodType.WEEKLY)


WEEK = Usage(periods=(used_up_to(42.0),))

VARIABLE = Env("ACME_TOKEN")


def func(name, answer, *, is_local=False, login=VARIABLE):
    async def fetch(ctx, login):
        if isinstance(answer, Exception):
            raise answer
        return await answer() if callable(answer) else answer

    return Func(name=name, fetch=fetch, login=() if is_local else (login,), is_local=is_local)


def acme(*strategies, id="acme", **fields):
    return Provider(
        id=id,
        name=id.title(),
        hosts=("acme.example",),
        dashboard_url="https://acme.example",
        login_hint=f"log in with `{id} login`",
        strategies=strategies,
        **fields,
    )


@pytest.fixture
def ask(monkeypatch):
    """`ask(provider, …)`: the outcomes of a refresh of these providers, by id."""

    def run(*made, **options):
        known = {provider.id: provider for provider in made}
        monkeypatch.setattr(providers, "ids", lambda: tuple(known))
        monkeypatch.setattr(providers, "load", known.__getitem__)
        monkeypatch.setenv("ACME_TOKEN", "t0ken-canary")
        return {outcome.provider_id: outcome for outcome in refresh(**options) or []}

    return run


def tried(outcome):
    return [(attempt.strategy, attempt.success) for attempt in outcome.attempts]


@pytest.mark.parametrize(
    "error",
    [AuthError("a"), Forbidden("b"), Unavailable("c"), NotConfigured("d"), ValueError("e")],
    ids=lambda error: type(error).__name__,
)
def test_a_strategy_that_fails_hands_over_to_the_next(ask, error):
    outcome = ask(acme(func("first", error), func("second", WEEK)))["acme"]
    assert (outcome.success, outcome.source, tried(outcome)) == (True, "second", [("first", False), ("second", True)])


@pytest.mark.parametrize(
    "usage",
    [
        *(Usage(periods=(used_up_to(percent),)) for percent in (1e308, inf, -1e308, nan)),
        Usage(overage=OverageUsage(used=Decimal("1e999"))),
        Usage(balance=Balance(Decimal("NaN"))),
    ],
    ids=["1e308", "inf", "-1e308", "nan", "overage", "balance"],
)
def test_a_number_that_cannot_be_reckoned_with_is_not_understood(usage, ask):
    outcome = ask(acme(func("api", usage)))["acme"]
    told = FetchError("parse", "Acme sent an answer we do not understand: a number out of range", outcome.error.hint)
    assert (outcome.success, outcome.snapshot, outcome.error) == (False, None, told)


def test_a_rate_limit_ends_the_round_and_holds_every_strategy_of_the_account(ask):
    limit = RateLimited("wait", retry_at=datetime.now(UTC) + timedelta(seconds=900))
    provider = acme(func("first", limit), func("second", WEEK))
    assert tried(ask(provider)["acme"]) == [("first", False)]
    again = ask(acme(func("first", WEEK), func("second", WEEK)))["acme"]
    assert (again.success, again.error.category if again.error else "") == (False, "rate_limited")


def test_a_rate_limit_says_when_it_ends(ask):
    limit = RateLimited("acme.example asks to wait", retry_at=datetime.now(UTC) + timedelta(seconds=900))
    first = ask(acme(func("first", limit)))["acme"].error
    until = gate.load()["acme"].holds["first"].until
    assert until
    ends = until.astimezone().strftime("%H:%M")
    later = ask(acme(func("first", WEEK)))["acme"].error
    assert first.message == "acme.example asks to wait"
    assert re.fullmatch(f"it is asked again after ([A-Z][a-z][a-z] )?{ends}", first.hint)
    assert re.fullmatch(f"Acme asked to wait, until ([A-Z][a-z][a-z] )?{ends}", later.message)
    assert later.hint == "it is asked again after that"


def test_what_lies_here_is_read_while_the_vendor_asks_to_wait(ask):
    limit = RateLimited("wait", retry_at=datetime.now(UTC) + timedelta(seconds=900))
    ask(acme(func("first", limit)))
    outcome = ask(acme(func("first", WEEK), func("sessions", WEEK, is_local=True)))["acme"]
    assert (outcome.success, outcome.source) == (True, "sessions")
    assert list(gate.load()["acme"].holds) == ["first"]


def test_the_error_that_is_told_is_the_first_that_is_more_than_not_there(ask):
    errors = {"first": NotConfigured("nothing"), "second": AuthError("gone"), "third": Unavailable("x")}
    outcome = ask(acme(*(func(name, error) for name, error in errors.items())))["acme"]
    assert outcome.error == FetchError("authentication", "gone", "log in again: `vibeusage auth acme`")


def test_a_strategy_that_hangs_leaves_time_for_the_next(ask, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text("[fetch]\ntimeout_s = 1\n")

    async def never():
        await asyncio.Event().wait()

    started = time.monotonic()
    outcome = ask(acme(func("first", never), func("second", WEEK)))["acme"]
    assert (outcome.success, outcome.source) == (True, "second")
    assert time.monotonic() - started < 10


def broken(ctx):
    raise KeyError("t0ken-canary")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(acme(func("oauth", KeyError("t0ken-canary")), id="bad"), id="while it is asked"),
        pytest.param(
            acme(func("oauth", WEEK, login=Read(where="there", find=broken)), id="bad"),
            id="while its login is looked for",
        ),
    ],
)
def test_c14_a_mistake_of_ours_in_one_provider_is_told_and_takes_nobody_along(ask, bad, cache_dir):
    outcomes = ask(bad, acme(func("oauth", WEEK)))
    assert {name: outcome.success for name, outcome in outcomes.items()} == {"bad": False, "acme": True}
    assert "a mistake in vibeusage (KeyError)" in str(outcomes["bad"].error)
    assert any(place.endswith(("fetch", "broken")) for place in gate.load()["bad"].places)
    assert "canary" not in (cache_dir / "gates.json").read_text()


def test_c14_nor_does_one_while_a_good_answer_is_put_away(ask, monkeypatch):
    keep = cache.keep

    def picky(snapshot, *args, **options):
        if snapshot.provider == "bad":
            raise KeyError("t0ken-canary")
        return keep(snapshot, *args, **options)

    monkeypatch.setattr(cache, "keep", picky)
    outcomes = ask(acme(func("oauth", WEEK), id="bad"), acme(func("oauth", WEEK)))
    assert {name: outcome.success for name, outcome in outcomes.items()} == {"bad": False, "acme": True}


def test_who_asks_by_hand_is_answered_by_the_vendor_before_what_lies_here(ask):
    provider = acme(func("cache", WEEK, is_local=True), func("oauth", WEEK))
    assert ask(provider)["acme"].source == "oauth"
    gate.forget("acme")
    assert ask(provider, if_due=True)["acme"].source == "cache"


def test_a_partial_source_leaves_what_it_does_not_know(ask):
    day = UsagePeriod(name="Daily", utilization=5.0, period_type=PeriodType.DAILY)
    ask(acme(func("oauth", Usage(periods=(*WEEK.periods, day)))))
    later = Usage(periods=(UsagePeriod(name="Weekly", utilization=50.0, period_type=PeriodType.WEEKLY),))
    outcome = ask(acme(func("sessions", later, is_local=True)))["acme"]
    periods = outcome.snapshot.periods if outcome.snapshot else ()
    assert {period.name: (period.utilization, period.source) for period in periods} == {
        "Weekly": (50.0, "sessions"),
        "Daily": (5.0, "oauth"),
    }


@pytest.mark.parametrize(("is_whole", "left"), [(False, ["Weekly", "Daily"]), (True, ["Weekly"])])
def test_a_window_is_gone_that_a_program_which_tells_all_there_is_does_not_tell(is_whole, left, ask):
    day = UsagePeriod(name="Daily", utilization=5.0, period_type=PeriodType.DAILY)
    ask(acme(func("oauth", Usage(periods=(*WEEK.periods, day)))))
    program = Command(name="cli", argv=("true",), parse=lambda out, ctx: WEEK, is_whole=is_whole)
    outcome = ask(acme(program))["acme"]
    assert [period.name for period in (outcome.snapshot.periods if outcome.snapshot else ())] == left


def test_numbers_of_a_second_login_outlive_a_round_in_which_nobody_answers(ask, monkeypatch):
    monkeypatch.setenv("OTHER_TOKEN", "other-canary")

    def provider(answer):
        return acme(func("oauth", Forbidden("scope")), func("web", answer, login=Env("OTHER_TOKEN")))

    ask(provider(WEEK))
    outcome = ask(provider(Unavailable("down")))["acme"]
    assert outcome.snapshot is not None
    assert (outcome.success, outcome.snapshot.periods) == (False, WEEK.periods)


def test_what_another_account_has_left_is_gone_before_its_login_is_asked(ask, monkeypatch):
    ask(acme(func("oauth", WEEK)))
    monkeypatch.setenv("ANOTHER", "another-canary")
    outcome = ask(acme(func("oauth", Unavailable("down"), login=Env("ANOTHER"))))["acme"]
    assert (outcome.success, outcome.snapshot) == (False, None)


@pytest.mark.parametrize("idle_since_s", [0, 7200], ids=["the tool in use", "the tool at rest"])
def test_another_account_in_the_same_place_is_asked_though_it_is_not_time(ask, home, idle_since_s):
    def provider(name, used):
        usage = Usage(periods=(msgspec.structs.replace(WEEK.periods[0], utilization=used),))
        find = Read(where="there", find=lambda ctx: credentials.Login(f"{name}'s token", "there", is_ours=False))
        return acme(func("oauth", usage, login=find), owner=lambda ctx: name, activity=("~/.acme",))

    (home / ".acme").mkdir()
    os.utime(home / ".acme", (time.time() - idle_since_s,) * 2)
    ask(provider("one", 42.0))
    assert ask(provider("one", 43.0), if_due=True) == {}
    outcome = ask(provider("two", 5.0), if_due=True)["acme"]
    assert outcome.snapshot is not None
    assert [period.utilization for period in outcome.snapshot.periods] == [5.0]
    assert ask(provider("two", 6.0), if_due=True) == {}


def test_a_login_that_only_a_person_may_open_keeps_its_numbers_while_nobody_waits(ask, monkeypatch):
    monkeypatch.setenv("ANOTHER", "another-canary")
    ask(acme(func("oauth", WEEK)), foreground=True)
    vault.write("acme", "oauth", {"keyring": "secret-service"}, "")
    outcome = ask(acme(func("oauth", Unavailable("down"), login=Env("ANOTHER"))), foreground=False)["acme"]
    assert outcome.snapshot is not None
    assert (outcome.success, outcome.snapshot.periods) == (False, WEEK.periods)


def test_numbers_that_cannot_be_removed_end_nobodys_refresh(ask, monkeypatch):
    monkeypatch.setenv("ANOTHER", "another-canary")
    ask(acme(func("oauth", WEEK)))

    def stuck(*args, **options):
        raise StorageError("a disk that takes nothing")

    monkeypatch.setattr(cache, "forget_numbers", stuck)
    outcomes = ask(acme(func("oauth", WEEK, login=Env("ANOTHER"))), acme(func("oauth", WEEK), id="other"))
    assert {name: outcome.success for name, outcome in outcomes.items()} == {"acme": True, "other": True}


def test_the_tools_own_numbers_are_not_mixed_with_those_of_another_login(ask):
    day = UsagePeriod(name="Daily", utilization=5.0, period_type=PeriodType.DAILY)
    mine = func("oauth", Usage(periods=(*WEEK.periods, day)))
    ask(acme(mine, owner=lambda ctx: "the tool's account"))
    tool = func("sessions", Usage(periods=(msgspec.structs.replace(WEEK.periods[0], utilization=90.0),)), is_local=True)
    outcome = ask(acme(func("oauth", Unavailable("down")), tool, owner=lambda ctx: "the tool's account"))["acme"]
    periods = outcome.snapshot.periods if outcome.snapshot else ()
    assert {period.name: period.utilization for period in periods} == {"Weekly": 90.0}


@pytest.mark.parametrize(("written_s", "is_idle"), [(-3600, True), (3600, False)], ids=["at rest", "in use"])
def test_a_file_deep_in_a_folder_tells_whether_the_tool_is_in_use(ask, home, written_s, is_idle):
    log = home / ".acme" / "2026" / "11" / "session.jsonl"
    log.parent.mkdir(parents=True)
    log.touch()
    provider = acme(func("oauth", WEEK), activity=("~/.acme",))
    ask(provider)
    now = time.time()
    for path in (log, *log.parents[:3]):
        os.utime(path, (now - 7200, now - 7200))
    os.utime(log, (now + written_s, now + written_s))
    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=False)
    (ctx,) = accounts.chosen((), config.load(), around)
    assert idle.is_idle(ctx, gate.load()["acme"]) is is_idle


@pytest.fixture
def deep(home, monkeypatch):
    """A folder with more folders in one another than Python has room for calls, pytest's own tidying included."""
    folder = home / "deep"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.parametrize("activity", [f"~/{'x' * 300}", "~/deep"], ids=["cannot be looked at", "deeper than a stack"])
def test_a_folder_of_a_tool_that_is_odd_ends_nobodys_refresh(ask, deep, activity):
    odd, other = acme(func("oauth", WEEK), activity=(activity,), id="odd"), acme(func("oauth", WEEK))
    ask(odd, other)
    now = datetime.now(UTC)
    gate.save({name: msgspec.structs.replace(known, due_at=now) for name, known in gate.load().items()})
    assert ask(odd, other, if_due=True)["acme"].success


def test_an_attempt_is_kept_with_its_time_for_the_doctor(ask):
    ask(acme(func("first", Unavailable("down")), func("second", WEEK)))
    first, second = gate.load()["acme"].attempts
    assert first == FetchAttempt(strategy="first", success=False, duration_ms=first.duration_ms, error="down")
    assert second == FetchAttempt(strategy="second", success=True, duration_ms=second.duration_ms)


def test_an_account_without_a_login_is_not_an_attempt(ask):
    provider = acme(func("oauth", WEEK, login=Env("NOWHERE")))
    outcome = ask(provider)["acme"]
    said = "Acme has no login on this machine"
    assert outcome.error == FetchError("not_configured", said, "log in with `acme login`")
    assert outcome.attempts == ()
