"""How `vibeusage usage` looks.

`REWRITE_GOLDEN=1 pytest tests/test_render.py` writes the texts in golden/usage anew; look at each with cat.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from colours import seen
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import render, terminal
from vibeusage.escape import width
from vibeusage.models import (
    Balance,
    FetchAttempt,
    FetchError,
    OverageUsage,
    PeriodType,
    ProviderIdentity,
    ProviderStatus,
    StatusLevel,
    UsagePeriod,
    UsageSnapshot,
)
from vibeusage.render import Entry

GOLDEN = Path(__file__).parent / "golden" / "usage"
NOW = datetime(2026, 11, 26, 12, 24, tzinfo=UTC)
SESSION, DAILY, WEEKLY, MONTHLY = PeriodType
BLOCKS, ASCII = ("█", "░"), ("#", "-")


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def a_style(columns=80, *, color=False, cells=BLOCKS, remaining=False):
    return terminal.Style(
        color=color, cells=cells, remaining=remaining, stale_after=timedelta(hours=1), columns=columns
    )


def period(name="Session (5h)", used=42.0, kind=SESSION, *, resets_in=timedelta(hours=2, minutes=13), **fields):
    resets_at = None if resets_in is None else NOW + resets_in
    return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=resets_at, **fields)


def entry(*periods, id="claude", name="Claude", age=timedelta(minutes=3), error=None, attempts=(), **fields):
    seen_at = NOW - age
    snapshot = UsageSnapshot(
        provider=id.partition("@")[0],
        account=id.partition("@")[2] or None,
        fetched_at=seen_at,
        observed_at=seen_at,
        source="oauth",
        periods=periods,
        **fields,
    )
    return Entry(id=id, name=name, snapshot=snapshot, error=error, attempts=attempts)


def spent(used, limit=None, **fields):
    return OverageUsage(used=Decimal(used), limit=None if limit is None else Decimal(limit), **fields)


def lines(*entries, verbose=False, **style):
    return render.usage(entries, a_style(**style), NOW, verbose=verbose).split("\n")


SLOW = FetchError("network", "Codex took longer than 10 s", "try again with `vibeusage refresh codex`")
CLAUDE = entry(
    period("Opus", 64, WEEKLY, resets_in=timedelta(days=3, hours=4), model="opus"),
    period("Weekly", 81, WEEKLY, resets_in=timedelta(days=3, hours=4)),
    period(),
    identity=ProviderIdentity(plan="Max 20x", organization="Example Org", email="me@example.com"),
    overage=OverageUsage(used=Decimal("6.55"), limit=Decimal(40), resets_at=NOW + timedelta(days=5)),
    status=ProviderStatus(level=StatusLevel.PARTIAL_OUTAGE, description="Elevated errors on requests to Opus"),
    attempts=(FetchAttempt(strategy="oauth", success=True, duration_ms=182),),
)
CODEX = entry(
    period("Session (5h)", 17.3, resets_in=timedelta(minutes=-5)),
    period("Weekly", 57, WEEKLY, resets_in=timedelta(days=6, hours=20)),
    id="codex@work",
    name="Codex",
    age=timedelta(hours=2),
    identity=ProviderIdentity(plan="Pro"),
    balance=Balance(Decimal("12.4")),
    error=SLOW,
    attempts=(
        FetchAttempt(strategy="oauth", success=False, duration_ms=10_003, error=SLOW.message),
        FetchAttempt(strategy="cli", success=False, duration_ms=12, error="codex is not installed"),
    ),
)
SEVERAL = (
    CLAUDE,
    CODEX,
    entry(
        period("Premium requests", 131.25, MONTHLY, resets_in=timedelta(days=4, hours=11)),
        id="copilot",
        name="Copilot",
        age=timedelta(hours=26),
        overage=OverageUsage(used=Decimal(14), currency="credits"),
    ),
    Entry(id="cursor", name="Cursor", error=FetchError("authentication", "Cursor refused the login", "log in again")),
    entry(
        period("Gemini 3 Pro", 3.2, DAILY, resets_in=timedelta(hours=11, minutes=36), model="pro"),
        period("Flash", 0, DAILY, resets_in=timedelta(hours=11), model="flash", observed_at=NOW - timedelta(hours=3)),
        id="gemini",
        name="Gemini",
    ),
    entry(
        id="openrouter",
        name="OpenRouter",
        balance=Balance(Decimal("12.4")),
        overage=OverageUsage(used=Decimal(0), is_enabled=False),
    ),
    entry(id="glm", name="智谱清言", identity=ProviderIdentity(plan="编程套餐")),
)
LOOKS = {
    "colour": {"color": True},
    "mono": {},
    "ascii": {"cells": ASCII},
}


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    ("view", "entries", "verbose"), [("several", SEVERAL, False), ("one", [CLAUDE], False), ("verbose", [CODEX], True)]
)
def test_the_look_is_the_golden_one(view, entries, verbose, look, columns):
    path = GOLDEN / f"{view}-{columns}-{look}.txt"
    text = render.usage(entries, a_style(columns, **LOOKS[look]), NOW, verbose=verbose) + "\n"
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
        pytest.skip(f"{path.name} is rewritten")
    assert text == path.read_text(encoding="utf-8")


TEXT = st.text(st.sampled_from("ab (5h)日本👍🏽e\u0301ｶﾞ\x1b[31m\u202e\u200d한ᄀ…·—"), max_size=30)
USED = st.floats(0, 250)
SPANS = st.one_of(st.none(), st.integers(-9_000, 9_000_000).map(lambda s: timedelta(seconds=s)))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.tuples(*[TEXT] * 9), USED, SPANS, st.integers(-90, 9_000)), min_size=1, max_size=4),
    st.integers(1, 230),
    st.sampled_from([BLOCKS, ASCII]),
    st.booleans(),
    st.booleans(),
)
def test_no_line_is_wider_than_the_terminal(accounts, columns, cells, color, remaining):
    entries = []
    for texts, used, resets_in, age in accounts:
        name, model, plan, who, message, hint, currency, about, other = texts
        entries.append(
            entry(
                period(name, used, resets_in=resets_in),
                period(other, used / 2, WEEKLY, resets_in=resets_in, model=model, observed_at=NOW),
                id=f"x@{who}",
                name=name,
                age=timedelta(minutes=age),
                identity=ProviderIdentity(plan=plan, email=other),
                overage=OverageUsage(used=Decimal(5), limit=Decimal(6), currency=currency),
                status=ProviderStatus(level=StatusLevel.DEGRADED, description=about),
                error=FetchError("network", message, hint) if message else None,
                attempts=(FetchAttempt(strategy=plan, success=False, duration_ms=7, error=message),),
            )
        )
    style = a_style(columns, color=color, cells=cells, remaining=remaining)
    text = render.usage(entries, style, NOW, verbose=True)
    shown = [seen("ansi" if color else "plain", line) for line in text.split("\n")]
    assert max(map(width, shown)) <= columns
    assert cells is BLOCKS or text.isascii()


def test_boxes_are_closed_whatever_stands_in_them():
    for columns in (60, 79, 110, 160, 201):
        text = render.usage(SEVERAL, a_style(columns), NOW, verbose=True)
        assert {line[0] + line[-1] for line in text.split("\n")} == {"╭╮", "││", "╰╯"}


@pytest.mark.parametrize(
    ("shown", "row"),
    [
        pytest.param(period(), "████████░░░░░░░░░░░░     42% used  resets in 2h 13m (14:37)", id="on pace"),
        pytest.param(
            period(used=68), "██████████████░░░░░░     68% used +  resets in 2h 13m (14:37)", id="a little too fast"
        ),
        pytest.param(
            period(used=80), "████████████████░░░░     80% used ++  resets in 2h 13m (14:37)", id="too fast"
        ),
        pytest.param(
            period(used=100), "████████████████    100% used up !!  resets in 2h 13m (14:37)", id="used up"
        ),
        pytest.param(
            period(used=0.04), "█░░░░░░░░░░░░░░░░░░░   <0.1% used  resets in 2h 13m (14:37)", id="a trace"
        ),
        pytest.param(
            period(used=99.6, resets_in=timedelta(seconds=9)),
            "███████████████████░   99.6% used  resets in <1m (12:24)",
            id="nearly all",
        ),
        pytest.param(period(resets_in=None), "█████████████████░░░░░░░░░░░░░░░░░░░░░░░     42% used", id="no reset"),
        pytest.param(
            period(resets_in=timedelta(0)), "░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   reset", id="has reset"
        ),
    ],
)
def test_a_window_is_one_row(shown, row):
    assert lines(entry(shown))[1] == f"  Session (5h)  {row}"


def test_remaining_is_told_by_word_and_bar():
    assert lines(entry(period()), remaining=True)[1] == (
        "  Session (5h)  ████████████░░░░░░░░     58% left  resets in 2h 13m (14:37)"
    )


def test_windows_stand_by_length_and_those_of_models_after():
    shown = lines(CLAUDE)
    assert [line.split("  ")[1] for line in shown[1:4]] == ["Session (5h)", "Weekly", "Opus"]


@pytest.mark.parametrize(
    ("given", "title"),
    [
        pytest.param({}, "Claude · Max 20x · Example Org · me@example.com", id="all of it"),
        pytest.param({"cells": ASCII}, "Claude | Max 20x | Example Org | me@example.com", id="ASCII"),
        pytest.param({"columns": 46}, "Claude · Max 20x · Example Org          % used", id="the address goes first"),
        pytest.param({"columns": 30}, "Claude · Max 20x        % used", id="then the organization"),
        pytest.param({"columns": 20}, "Claude        % used", id="then the plan"),
        pytest.param({"columns": 12}, "Clau… % used", id="then the name is cut"),
    ],
)
def test_a_title_gives_up_what_tells_least(given, title):
    assert lines(CLAUDE, **given)[0] == title


def test_an_account_is_part_of_the_title():
    assert lines(entry(id="claude@work"))[0] == "Claude (work)"


@pytest.mark.parametrize(
    ("age", "other", "shown"),
    [
        pytest.param(59, None, ["Claude", "5m (12:29)", "11h (23:24)"], id="fresh"),
        pytest.param(60, None, ["Claude  (1h ago)", "5m (12:29)", "11h (23:24)"], id="all stale: once, in the title"),
        pytest.param(1, 120, ["Claude", "5m (12:29)", "11h  (2h ago)"], id="one stale: in its row"),
        pytest.param(-1, None, ["Claude  (age unknown)", "5m (12:29)", "11h (23:24)"], id="from the future"),
    ],
)
def test_stale_numbers_carry_their_age(age, other, shown):
    seen_at = NOW - timedelta(minutes=other) if other else None
    first = period(resets_in=timedelta(minutes=5))
    second = period("Daily", 5, DAILY, resets_in=timedelta(hours=11), observed_at=seen_at)
    title, *rows = lines(entry(first, second, age=timedelta(minutes=age)))
    assert [title, *[row.partition("resets in ")[2] for row in rows]] == shown


@pytest.mark.parametrize(
    ("overage", "text"),
    [
        pytest.param(spent("6.55", 40), "$6.55 of $40.00 (16%)", id="dollars"),
        pytest.param(spent(5, 9, currency="EUR"), "5.00 EUR of 9.00 EUR (56%) +", id="euros"),
        pytest.param(spent("655.0", currency="JPY"), "655 JPY, no limit", id="yen"),
        pytest.param(spent("1.234", currency="KWD"), "1.234 KWD, no limit", id="dinars"),
        pytest.param(spent(12, 13, currency="credits"), "12 credits of 13 credits (92%) ++", id="a unit"),
        pytest.param(spent("123.4500", 2000, currency="credits"), "123.45 credits of 2,000 credits (6%)", id="parts"),
        pytest.param(spent("1234567.891", 2_000_000), "$1,234,567.89 of $2,000,000.00 (62%) +", id="millions"),
        pytest.param(spent(184_500, currency="points"), "184,500 points, no limit", id="many of a unit"),
        pytest.param(spent(40, 40), "$40.00 of $40.00 (100%, used up) !!", id="used up"),
        pytest.param(spent("0.01", 40), "$0.01 of $40.00 (<0.1%)", id="a trace"),
        pytest.param(spent(0, 0), "$0.00 of $0.00", id="a limit of nothing"),
        pytest.param(spent("6.5"), "$6.50, no limit", id="uncapped"),
        pytest.param(spent(0, is_enabled=False), "off", id="disabled"),
        pytest.param(spent(3, is_enabled=False), "off, $3.00 used", id="disabled after use"),
        pytest.param(spent(1, resets_at=NOW + timedelta(days=5)), "$1.00, no limit, resets in 5d", id="resets"),
        pytest.param(spent(1, resets_at=NOW), "reset", id="has reset"),
    ],
)
def test_extra_usage_is_told_in_money(overage, text):
    assert lines(entry(overage=overage)) == ["Claude", f"  extra usage  {text}"]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        pytest.param(StatusLevel.OPERATIONAL, ["  no limits reported"], id="operational"),
        pytest.param(StatusLevel.UNKNOWN, ["  no limits reported"], id="unknown"),
        pytest.param(StatusLevel.MAJOR_OUTAGE, ["  status  major outage: All down"], id="outage"),
    ],
)
def test_a_status_is_shown_when_something_is_wrong(level, shown):
    assert lines(entry(status=ProviderStatus(level=level, description="All down")))[1:] == shown


@pytest.mark.parametrize(
    ("age", "sentence"),
    [
        pytest.param(timedelta(minutes=12), "! Codex took longer than 10 s; numbers are 12m old", id="minutes"),
        pytest.param(timedelta(hours=2), "! Codex took longer than 10 s; numbers are 2h old", id="stale"),
        pytest.param(-timedelta(hours=2), "! Codex took longer than 10 s; numbers are of unknown age", id="future"),
    ],
)
def test_an_error_says_how_old_the_numbers_above_it_are(age, sentence):
    shown = lines(entry(balance=Balance(Decimal(3)), age=age, error=SLOW))
    assert shown == ["Claude", "  balance  $3.00", f"  {sentence}", f"    {SLOW.hint}"]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [("-5", "USD", "-$5.00"), ("-1234.5", "EUR", "-1,234.50 EUR"), ("2090000", "quota", "2,090,000 quota")],
)
def test_a_balance_may_be_a_debt_and_is_grouped(amount, currency, text):
    assert lines(entry(balance=Balance(Decimal(amount), currency)))[-1] == f"  balance  {text}"


def test_an_error_without_numbers_stands_alone():
    shown = lines(Entry(id="codex", name="Codex", error=FetchError("network", "Codex took too long.")))
    assert shown == ["Codex", "  ! Codex took too long"]


def test_verbose_tells_source_account_age_and_every_attempt():
    assert lines(CODEX, verbose=True)[4:7] == [
        "  source        oauth, account work, fetched 2h ago",
        "  tried         oauth failed in 10003 ms: Codex took longer than 10 s",
        "  tried         cli failed in 12 ms: codex is not installed",
    ]
    attempts = (FetchAttempt(strategy="web", success=True, duration_ms=8),)
    shown = lines(Entry(id="codex", name="Codex", attempts=attempts), verbose=True)
    assert shown == ["Codex", "  tried  web ok in 8 ms", "  nothing is known yet"]


def test_a_long_name_is_cut_and_leaves_the_bar_six_cells():
    shown = lines(entry(period("Experimental preview of everything")), columns=40)
    assert shown[1] == "  Experimental previe… ███░░░ 42% 2h 13m"


@pytest.mark.parametrize(("columns", "beside"), [(59, 0), (60, 1), (159, 1), (160, 2)])
def test_boxes_come_with_room_and_stand_in_pairs_with_more(columns, beside):
    assert lines(CLAUDE, CODEX, columns=columns)[0].count("╭") == beside
