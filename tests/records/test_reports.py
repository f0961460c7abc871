"""Reports against hand-computed sums, of a store that is filled through its front door."""

import time
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage.records import admin_report, blocks, days, heatmap, pricing, reports, store
from vibeusage.records.call_rows import Record
from vibeusage.records.readers.spec import Call
from vibeusage.records.reports import ALL, Query, Spent, Unpriced
from vibeusage.records.tally import APART, Pricer, dollars
from vibeusage.settings import ModelPrices, Pricing

BERLIN = ZoneInfo("Europe/Berlin")
# 1, 2, 3, 4 and 0.5 USD per million: a token of each kind costs so many millionths
OWN = Pricing(models={"m": ModelPrices(1.0, 2.0, 3.0, 4.0, 0.5), "dear": ModelPrices(100.0, 100.0)})
PRICES = pricing.load(OWN)
PRICER = Pricer(PRICES, {"auto-tool": "auto"})
MICRO = 10**6


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def call(uuid: str, when: str, **fields: Any) -> Call:
    told: dict[str, Any] = {"uuid": uuid, "ts": at(when), "model": "m", "session": "s", "served_by": "anthropic"}
    return Call(**(told | fields))


@pytest.fixture
def db(tmp_path):
    with store.open(tmp_path / "usage.db") as opened:
        yield opened


def put(db, *calls: Call, provider: str = "claude", machine: str = "box") -> None:
    db.put(provider, calls, machine=machine)


def sums(report: reports.Report) -> list[tuple]:
    return [(row.key, row.messages, row.total_tokens, row.cost) for row in report.rows]


def test_every_count_and_the_money_of_a_day(db):
    put(db, call("a", "2026-03-10T12:00Z", input=1, output=20, write=500, write_1h=300, read=4000))
    report = reports.periods("daily", db, PRICER, Query(zone=UTC))
    told = msgspec.json.decode(msgspec.json.encode(report))
    row = {
        "messages": 1,
        "input_tokens": 1,
        "output_tokens": 20,
        "cache_creation_tokens": 500,
        "cache_read_tokens": 4000,
        "total_tokens": 4521,
        "cost": "0.003841",  # 1 * 1 + 20 * 2 + 200 * 3 + 300 * 4 + 4000 * 0.5 = 3841 millionths
        "cost_state": "calculated",
        "cache_read_share": 0.8887,
        "models": ["m"],
        "providers": ["claude"],
        "first_at": "2026-03-10T12:00:00Z",
        "last_at": "2026-03-10T12:00:00Z",
    }
    assert told == {
        "schema": 1,
        "report": "daily",
        "source": "local",
        "zone": "UTC",
        "since": None,
        "until": None,
        "records_since": "2026-03-10",
        "synced_at": None,
        "prices_as_of": PRICES.as_of.isoformat(),
        "rows": [{"key": "2026-03-10", **row}],
        "total": {"key": "total", **row},
        "unpriced": [],
        "hidden": 0,
        "left_out": [],
    }


def around_the_change(db) -> None:
    """In Berlin 29 March 2026 has 23 hours, 25 October 25."""
    put(
        db,
        call("a", "2026-03-28T22:59:59.999Z", input=1),
        call("b", "2026-03-28T23:00Z", input=2),
        call("c", "2026-03-29T21:59:59.999Z", input=4),
        call("d", "2026-03-29T22:00Z", input=8),
        call("e", "2026-10-24T22:00Z", input=16),
        call("f", "2026-10-25T22:59:59.999Z", input=32),
        call("g", "2026-10-25T23:00Z", input=64),
    )


def keys(report: reports.Report) -> dict[str, int]:
    return {row.key: row.input_tokens for row in report.rows}


@pytest.mark.parametrize(
    ("period", "rows"),
    [
        ("daily", {"2026-03-28": 1, "2026-03-29": 6, "2026-03-30": 8, "2026-10-25": 48, "2026-10-26": 64}),
        ("weekly", {"2026-03-23": 7, "2026-03-30": 8, "2026-10-19": 48, "2026-10-26": 64}),
        ("monthly", {"2026-03": 15, "2026-10": 112}),
        ("yearly", {"2026": 127}),
    ],
)
def test_calls_are_of_the_local_period_also_where_clocks_change(period, rows, db):
    around_the_change(db)
    assert keys(reports.periods(period, db, PRICER, Query(zone=BERLIN))) == rows


def test_weeks_may_begin_on_sunday(db):
    around_the_change(db)
    found = reports.periods("weekly", db, PRICER, Query(zone=BERLIN, week_start=days.SUNDAY))
    assert keys(found) == {"2026-03-22": 1, "2026-03-29": 14, "2026-10-25": 112}
    assert {row.label for row in found.rows} == {""}


def test_a_week_is_told_by_its_iso_number_too(db):
    put(db, call("a", "2027-01-01T12:00Z", input=1))
    (row,) = reports.periods("weekly", db, PRICER, Query(zone=UTC)).rows
    assert (row.key, row.label) == ("2026-12-28", "2026-W53")


def test_both_days_of_a_range_are_included(db):
    around_the_change(db)
    query = Query(zone=BERLIN, since=date(2026, 3, 29), until=date(2026, 3, 29))
    assert keys(reports.periods("monthly", db, PRICER, query)) == {"2026-03": 6}


@pytest.mark.parametrize("kind", ["daily", "monthly", "sessions", "models", "providers", "projects", "devices"])
def test_every_report_has_the_same_total(kind, db):
    around_the_change(db)
    put(db, call("x", "2026-04-01T10:00Z", input=128, model="new", session="", folder="/x"), provider="other")
    found = reports.periods if kind in days.PERIODS else reports.groups
    total = found(kind, db, PRICER, Query(zone=BERLIN)).total
    assert (total.messages, total.total_tokens, total.cost, total.cost_state) == (8, 255, "0.000127", "partial")


@pytest.mark.parametrize(
    ("which", "tokens"),
    [
        pytest.param({"providers": ("other",)}, 8, id="one tool"),
        pytest.param({"providers": ("other", "claude")}, 15, id="two tools"),
        pytest.param({"model": "DEA"}, 4, id="a part of a model's name"),
        pytest.param({"model": "d*r"}, 4, id="a pattern for all of it"),
        pytest.param({"model": "ea*"}, 0, id="a pattern for a part of it"),
        pytest.param({"project": "/w/a"}, 3, id="a folder and all below"),
        pytest.param({"project": "/w/a/"}, 3, id="a folder with a slash"),
        pytest.param({"project": "AB"}, 4, id="a part of a path"),
        pytest.param({"project": "/w", "model": "m"}, 3, id="both"),
    ],
)
@pytest.mark.parametrize("kind", ["daily", "models", "sessions"])
def test_a_query_takes_what_it_names(which: dict[str, Any], tokens, kind, db):
    put(
        db,
        call("a", "2026-03-10T12:00Z", input=1, folder="/w/a"),
        call("b", "2026-03-10T12:01Z", input=2, folder="/w/a/deep"),
        call("c", "2026-03-10T12:02Z", input=4, folder="/w/ab", model="dear"),
    )
    put(db, call("d", "2026-03-10T12:03Z", input=8, model="new"), provider="other")
    found = reports.periods if kind == "daily" else reports.groups
    assert found(kind, db, PRICER, Query(zone=UTC, **which)).total.total_tokens == tokens


def test_a_model_without_a_price_makes_the_cost_partial_and_is_named(db):
    put(
        db,
        call("a", "2026-03-10T12:00Z", input=1),
        call("b", "2026-03-10T12:00Z", input=2, model="new"),
        call("c", "2026-03-11T12:00Z", input=4, model="new"),
        call("d", "2026-03-11T12:00Z", input=8, model="<synthetic>"),
    )
    found = reports.periods("daily", db, PRICER, Query(zone=UTC))
    assert [(row.key, row.cost, row.cost_state) for row in found.rows] == [
        ("2026-03-10", "0.000001", "partial"),
        ("2026-03-11", None, "unknown"),
    ]
    assert (found.total.cost, found.total.cost_state) == ("0.000001", "partial")
    assert found.unpriced == (Unpriced("new", 2, 6),)


@pytest.mark.parametrize(
    ("mode", "provider", "cost", "state"),
    [
        pytest.param(None, "claude", "0.000003", "calculated", id="as fits the tool: from tokens"),
        pytest.param(None, "auto-tool", "0.250002", "calculated", id="as fits the tool: stated first"),
        pytest.param("auto", "claude", "0.250002", "calculated", id="stated first"),
        pytest.param("calculate", "auto-tool", "0.000003", "calculated", id="never the stated"),
        pytest.param("recorded", "claude", "0.25", "partial", id="the stated alone"),
    ],
)
def test_the_mode_says_whether_a_stated_cost_counts(mode, provider, cost, state, db):
    put(db, call("a", "2026-03-10T12:00Z", input=1, cost=10**12 // 4), provider=provider)
    put(db, call("b", "2026-03-10T12:00Z", input=2), provider=provider)
    pricer = Pricer(PRICES, {"auto-tool": "auto"}, mode)
    total = reports.periods("daily", db, pricer, Query(zone=UTC)).total
    assert (total.cost, total.cost_state) == (cost, state)


def test_a_prompt_above_a_threshold_has_its_own_price_in_every_report(db):
    put(
        db,
        call("a", "2026-03-10T12:00Z", input=200_000, model="claude-sonnet-4-5"),
        call("b", "2026-03-10T12:00Z", input=200_001, model="claude-sonnet-4-5"),
    )
    costs = {
        reports.groups(kind, db, Pricer(PRICES, {}), Query(zone=UTC)).total.cost
        for kind in ("sessions", "models", "projects")
    }
    assert costs == {"1.800006"}  # 200,000 * 3 + 200,001 * 6 millionths


def test_a_price_change_within_a_local_month_is_priced_by_day(db):
    put(
        db,
        call("a", "2026-03-12T23:59Z", input=300_000, model="claude-opus-4-6"),
        call("b", "2026-03-13T00:00Z", input=300_000, model="claude-opus-4-6"),
    )
    pricer = Pricer(PRICES, {})
    days_apart = [pricer.cost(row).amount for row in db.rollup()]
    assert len(set(days_apart)) == 2
    (row,) = reports.periods("monthly", db, pricer, Query(zone=BERLIN)).rows
    of_blocks = blocks.report(db, pricer, Query(zone=BERLIN), now_ms=0, live={}).total
    assert row.cost == of_blocks.cost == dollars(sum(amount or 0 for amount in days_apart))


def test_a_breakdown_has_the_models_below_each_row_the_dearest_first(db):
    put(
        db,
        call("a", "2026-03-10T12:00Z", input=9),
        call("b", "2026-03-10T12:00Z", input=1, model="dear"),
        call("c", "2026-03-10T12:00Z", input=5, speed="fast", model="new"),
    )
    (row,) = reports.periods("daily", db, PRICER, Query(zone=UTC, breakdown=True)).rows
    assert [(one.key, one.model, one.speed, one.cost) for one in row.breakdown] == [
        ("dear", "dear", "", "0.0001"),
        ("m", "m", "", "0.000009"),
        ("new:fast", "new", "fast", None),
    ]
    assert sum(one.total_tokens for one in row.breakdown) == row.total_tokens


def test_models_are_told_apart_by_speed_and_broken_down_by_tool(db):
    put(db, call("a", "2026-03-10T12:00Z", input=1), call("b", "2026-03-10T12:00Z", input=2, speed="fast"))
    put(db, call("c", "2026-03-10T12:00Z", input=4, served_by="bedrock"), provider="other")
    found = reports.groups("models", db, PRICER, Query(zone=UTC, breakdown=True))
    assert {row.key: (row.total_tokens, [one.key for one in row.breakdown]) for row in found.rows} == {
        "m": (5, ["other:bedrock", "claude:anthropic"]),
        "m:fast": (2, ["claude:anthropic"]),
    }


def test_a_tool_through_two_routes_has_two_rows(db):
    put(db, call("a", "2026-03-10T12:00Z", input=1), call("b", "2026-03-10T12:00Z", input=2, served_by="bedrock"))
    found = reports.groups("providers", db, PRICER, Query(zone=UTC))
    assert [(row.key, row.provider, row.route, row.input_tokens) for row in found.rows] == [
        ("claude:bedrock", "claude", "bedrock", 2),
        ("claude:anthropic", "claude", "anthropic", 1),
    ]


def test_a_session_has_the_folder_of_most_tokens_and_the_last_one_comes_first(db):
    put(
        db,
        call("a", "2026-03-10T12:00Z", input=10, folder="/x", branch="main"),
        call("b", "2026-03-10T13:00Z", input=15, folder="/y", branch="dev"),
        call("c", "2026-03-10T14:00Z", input=6, folder="/x", branch="main", kind="subagent"),
        call("d", "2026-03-10T11:00Z", input=1, session="old"),
        call("e", "2026-03-10T11:00Z", input=1, session="side", kind="subagent"),
    )
    found = reports.groups("sessions", db, PRICER, Query(zone=UTC)).rows
    assert [(one.key, one.project, one.branch, one.machine, one.messages, one.is_side) for one in found] == [
        ("claude:s", "/x", "main", "box", 3, False),
        ("claude:old", "", "", "box", 1, False),
        ("claude:side", "", "", "box", 1, True),
    ]
    assert (found[0].first_at, found[0].last_at) == (
        datetime(2026, 3, 10, 12, tzinfo=UTC),
        datetime(2026, 3, 10, 14, tzinfo=UTC),
    )


def test_projects_branches_and_machines_each_have_a_row(db):
    put(db, call("a", "2026-03-10T12:00Z", input=3, folder="/x", branch="main"), machine="one")
    put(db, call("b", "2026-03-10T12:00Z", input=2, folder="/x", branch="dev"), machine="two")
    put(db, call("c", "2026-03-10T12:00Z", input=2, folder="/y", branch="main"), machine="two")
    found = {kind: sums(reports.groups(kind, db, PRICER, Query(zone=UTC))) for kind in reports.GROUPS}
    assert found["projects"] == [("/x", 2, 5, "0.000005"), ("/y", 1, 2, "0.000002")]
    assert found["branches"] == [
        ("/x:main", 1, 3, "0.000003"),
        ("/x:dev", 1, 2, "0.000002"),
        ("/y:main", 1, 2, "0.000002"),
    ]
    assert [key for key, *_ in found["devices"]] == ["two", "one"]


def test_a_limit_shows_the_last_days_and_the_dearest_models_and_the_total_is_of_all(db):
    put(
        db,
        call("a", "2026-03-10T12:00Z", input=1),
        call("b", "2026-03-11T12:00Z", input=2),
        call("c", "2026-03-12T12:00Z", input=1, model="dear"),
    )
    by_day = reports.periods("daily", db, PRICER, Query(zone=UTC), limit=2)
    assert (list(keys(by_day)), by_day.total.input_tokens, by_day.hidden) == (["2026-03-11", "2026-03-12"], 4, 1)
    by_model = reports.groups("models", db, PRICER, Query(zone=UTC), limit=1)
    assert (list(keys(by_model)), by_model.total.input_tokens, by_model.hidden) == (["dear"], 4, 1)


_USED = st.builds(
    lambda uuid, hour, session, model, tokens, provider, cost: (
        provider,
        call(
            str(uuid),
            "2026-03-10T00:30Z",
            model=model,
            session=session,
            input=tokens,
            folder=f"/{tokens % 3}",
            cost=cost,
        ),
        hour,
    ),
    uuid=st.integers(0, 10**6),
    hour=st.integers(0, 150) | st.sampled_from([60, 80]),  # 13 March has another price
    cost=st.none() | st.just(10**9),
    session=st.sampled_from("stuv"),
    model=st.sampled_from(["claude-opus-4-6", "m", "new"]),
    tokens=st.sampled_from([1, 2, 3, 250_000, 300_001, 400_000]),
    provider=st.sampled_from(["claude", "codex", *APART]),
)


_FILTERS = (
    *({}, {"providers": ("claude",)}, {"providers": ("claude", *APART)}, {"model": "m"}, {"model": "*OPUS*"}),
    *({"model": "none of them"}, {"project": "/1"}, {"project": "/1", "model": "new"}, {"project": "none of them"}),
)
_MANY = st.lists(_USED, max_size=25, unique_by=(lambda one: one[1].uuid, lambda one: one[2]))


def put_at_their_hours(db, used: list[tuple[str, Call, int]]) -> None:
    for provider, one, hour in used:
        put(db, msgspec.structs.replace(one, ts=one.ts + hour * 3_600_000), provider=provider)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    used=_MANY,
    limit=st.integers(1, 9),
    zone=st.sampled_from([UTC, BERLIN]),
    which=st.sampled_from([*_FILTERS, {"until": date(2026, 3, 13)}]),
)
def test_the_sessions_that_a_limit_shows_are_the_first_of_all(used, limit, zone, which, tmp_path_factory):
    with store.open(tmp_path_factory.mktemp("sessions") / "usage.db") as db:
        put_at_their_hours(db, used)
        query = Query(zone=zone, breakdown=True, **which)
        whole = reports.groups("sessions", db, PRICER, query)
        some = reports.groups("sessions", db, PRICER, query, limit=limit)
        assert (some.rows, some.hidden) == (whole.rows[:limit], max(0, len(whole.rows) - limit))
        assert (some.total, some.unpriced, some.left_out) == (whole.total, whole.unpriced, whole.left_out)


@settings(deadline=None, max_examples=20)
@given(
    used=_MANY,
    limit=st.integers(0, 4),
    zone=st.sampled_from([UTC, BERLIN]),
    days_of=st.sampled_from([{}, {"since": date(2026, 3, 11)}, {"until": date(2026, 3, 13)}]),
    is_recorded=st.booleans(),
)
@pytest.mark.parametrize("which", _FILTERS)
def test_a_filter_has_one_total_in_every_report_with_and_without_a_limit(
    which, used, limit, zone, days_of, is_recorded, tmp_path_factory
):
    pricer = Pricer(PRICES, {}, "auto" if is_recorded else None)
    query = Query(zone=zone, **which, **days_of)
    with store.open(tmp_path_factory.mktemp("totals") / "usage.db") as db:
        put_at_their_hours(db, used)
        taken = [one for one in db.calls() if _is_taken(query, one)]
        found = [
            *(reports.periods(kind, db, pricer, query, limit=limit) for kind in days.PERIODS),
            *(reports.groups(kind, db, pricer, query, limit=limit) for kind in reports.GROUPS),
        ]
    assert {one.total.total_tokens for one in found} == {sum(one.call.input for one in taken)}
    for one in found:
        assert (one.total, one.unpriced, one.left_out) == (found[0].total, found[0].unpriced, found[0].left_out)


def _is_taken(query: Query, one: Record) -> bool:
    is_day = (query.since or date.min) <= days.of(one.call.ts, query.zone) <= (query.until or date.max)
    is_counted = one.provider in query.providers if query.providers else one.provider not in APART
    return is_day and is_counted and query.takes(one.call)


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(used=_MANY, limit=st.integers(1, 4), zone=st.sampled_from([UTC, BERLIN]))
@pytest.mark.parametrize("which", _FILTERS)
def test_the_blocks_of_a_filter_have_the_total_of_its_days(which, used, limit, zone, tmp_path_factory):
    names = tuple(name for name in which.get("providers", blocks.STARTS_AT) if name in blocks.STARTS_AT)
    query = Query(zone=zone, **(which | {"providers": names}))
    with store.open(tmp_path_factory.mktemp("blocks") / "usage.db") as db:
        put_at_their_hours(db, used)
        by_day = reports.periods("daily", db, PRICER, query)
        whole = blocks.report(db, PRICER, query, now_ms=0, live={})
        some = blocks.report(db, PRICER, query, now_ms=0, live={}, limit=limit)
    assert (whole.total, whole.unpriced) == (by_day.total, by_day.unpriced)
    assert sum(row.total_tokens for row in whole.rows) == whole.total.total_tokens
    assert (some.rows, some.total, some.unpriced) == (whole.rows[-limit:], whole.total, whole.unpriced)


def test_lower_bounds_and_estimates_are_counted(db):
    put(
        db,
        call("a", "2026-03-10T12:00Z", input=1, complete=False),
        call("b", "2026-03-10T12:00Z", input=1, kind="estimate"),
    )
    total = reports.periods("daily", db, PRICER, Query(zone=UTC)).total
    assert (total.messages, total.output_lower_bounds, total.estimates) == (2, 1, 1)


@pytest.mark.parametrize("kind", [*days.PERIODS, *reports.GROUPS, "blocks"])
def test_an_empty_store_has_an_empty_report_and_costs_nothing(kind, db):
    query = Query(zone=BERLIN, since=date(2026, 1, 1))
    if kind == "blocks":
        found = blocks.report(db, PRICER, query, now_ms=at("2026-03-10T12:00Z"), live={})
    elif kind in days.PERIODS:
        found = reports.periods(kind, db, PRICER, query)
    else:
        found = reports.groups(kind, db, PRICER, query)
    assert (found.rows, found.total.messages, found.total.cost, found.records_since) == ((), 0, "0.00", None)


def test_today_is_the_local_day_of_now_by_tool_and_together(db):
    around_the_change(db)
    put(db, call("x", "2026-03-29T10:00Z", input=5, model="new"), provider="other")
    start, end = at("2026-03-28T23:00Z"), at("2026-03-29T22:00Z")
    assert reports.today(db, PRICER, at("2026-03-29T12:00Z"), BERLIN) == {
        ALL: Spent(start, end, 6 * MICRO, 11, "partial"),
        "claude": Spent(start, end, 6 * MICRO, 6, "calculated"),
        "other": Spent(start, end, None, 5, "unknown"),
    }


def test_a_month_so_far_and_a_day_without_calls(db):
    around_the_change(db)
    month = reports.this("monthly", db, PRICER, at("2026-03-31T21:59Z"), BERLIN)
    assert month[ALL] == Spent(at("2026-02-28T23:00Z"), at("2026-03-31T22:00Z"), 15 * MICRO, 15, "calculated")
    empty = reports.today(db, PRICER, at("2026-05-01T12:00Z"), UTC)
    assert empty == {ALL: Spent(at("2026-05-01T00:00Z"), at("2026-05-02T00:00Z"), 0, 0, "calculated")}


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-opus-4-6-20260205", "claude-opus"),
        ("claude-3-5-sonnet-latest", "claude-sonnet-latest"),
        ("openrouter/anthropic/claude-opus-4.6", "claude-opus"),
        ("gpt-5.4-codex", "gpt-codex"),
        ("gemini-2.5-pro", "gemini-pro"),
        ("qwen3-coder", "qwen-coder"),
        ("o3", "o3"),
        ("", ""),
        ("123", "123"),
    ],
)
def test_a_family_is_the_name_without_its_numbers(model, family):
    assert reports.family(model) == family


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "0.00"),
        (12_340_000_000_000, "12.34"),
        (34_815_000_000, "0.034815"),
        (1, "0.000000000001"),
        (10**13, "10.00"),
    ],
)
def test_money_is_told_exactly(pico, text):
    assert dollars(pico) == text


def test_the_days_of_a_heatmap_are_in_four_levels(db):
    put(db, *(call(f"{n}", f"2026-03-{n:02}T12:00Z", input=n) for n in (1, 2, 3, 4, 7)))
    put(db, call("x", "2026-03-08T12:00Z", input=1, model="new"))
    report = heatmap.levelled(reports.periods("daily", db, PRICER, Query(zone=UTC)), "tokens")
    assert {row.key[-2:]: row.level for row in report.rows} == {"01": 2, "02": 2, "03": 3, "04": 4, "07": 4, "08": 2}
    assert heatmap.facts(report, "tokens") == heatmap.Facts(6, date(2026, 3, 7), 4)


def test_a_day_whose_cost_is_not_known_is_in_the_lowest_level(db):
    put(db, *(call(f"{n}", f"2026-03-{n:02}T12:00Z", input=n) for n in (1, 2, 3, 4)))
    put(db, *(call(f"x{n}", f"2026-03-{n}T12:00Z", input=1, model="new") for n in range(10, 30)))
    report = heatmap.levelled(reports.periods("daily", db, PRICER, Query(zone=UTC)), "cost")
    known, unknown = report.rows[:4], report.rows[4:]
    assert [row.level for row in known] == [1, 2, 3, 4]
    assert {row.level for row in unknown} == {1}
    of_unknown = msgspec.structs.replace(report, rows=unknown)
    assert heatmap.facts(report, "cost").busiest == date(2026, 3, 4)
    assert heatmap.facts(of_unknown, "cost") == heatmap.Facts(20, None, 20)


def test_a_year_of_weeks_ends_with_the_week_of_its_last_day():
    last = date(2026, 11, 26)  # a Thursday
    columns = heatmap.weeks(heatmap.since(last, days.MONDAY), last, days.MONDAY)
    assert (len(columns), columns[0][0], columns[-1]) == (
        53,
        date(2025, 11, 24),
        [date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25), last, None, None, None],
    )


def _million(db) -> None:
    models = ("claude-opus-4-6", "claude-sonnet-4-5", "gpt-5.4")
    for part in range(20):
        calls = []
        for place in range(50_000):
            ts = 1_700_000_000_000 + (part * 50_000 + place) * 60_000
            one = Call(uuid=f"{part}.{place}", ts=ts, model=models[place % 3], session=f"s{ts // 5_400_000}")
            one.folder = f"/p{ts // 86_400_000 % 20}"
            one.input, one.output, one.read = place % 5_000, place % 900, place * 7 % 250_000
            calls.append(one)
        put(db, *calls)


@pytest.mark.slow
def test_a_million_calls_come_out_the_same_in_every_report_and_the_times_are_told(db, capsys):
    _million(db)
    query, times, totals = Query(zone=BERLIN), {}, set()
    for kind in (*days.PERIODS, *reports.GROUPS, "blocks"):
        begin = time.perf_counter()
        if kind == "blocks":
            report = blocks.report(db, PRICER, query, now_ms=0, live={})
        else:
            report = (reports.periods if kind in days.PERIODS else reports.groups)(kind, db, PRICER, query)
        times[kind] = time.perf_counter() - begin
        totals.add((report.total.messages, report.total.total_tokens))
    with capsys.disabled():
        print("\n" + ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in times.items()))
    assert len(totals) == 1


def test_an_organisations_own_report_counts_only_when_asked_for(db):
    assert admin_report.PROVIDER in APART
    put(db, call("a", "2026-03-10T12:00Z", input=1))
    put(db, call("b", "2026-03-10T12:00Z", input=100), provider=admin_report.PROVIDER)
    for kind in ("models", "providers", "sessions"):
        assert reports.groups(kind, db, PRICER, Query(zone=UTC)).total.total_tokens == 1
    by_day = reports.periods("daily", db, PRICER, Query(zone=UTC))
    assert (by_day.total.total_tokens, by_day.left_out) == (1, (admin_report.PROVIDER,))
    asked = Query(zone=UTC, providers=(admin_report.PROVIDER,))
    found = reports.groups("models", db, PRICER, asked)
    assert (found.total.total_tokens, found.left_out) == (100, ())
    spent = reports.today(db, PRICER, at("2026-03-10T13:00Z"), UTC)
    assert {name: one.tokens for name, one in spent.items()} == {ALL: 1, "claude": 1, admin_report.PROVIDER: 100}


def test_the_sum_of_many_prompts_is_no_long_one(db):
    day = "2026-03-10T12:00Z"
    dated = Pricer(pricing.load(Pricing()), {})
    short = call("a", day, model="claude-sonnet-4-5", input=1_000_000, kind="aggregate")
    put(db, short, msgspec.structs.replace(short, uuid="b", notes=("long",), output=1))
    found = reports.groups("models", db, dated, Query(zone=UTC))
    # 3 USD per million, 6 in prompts over 200,000 tokens, where an output token costs 22.50 per million
    assert found.total.cost == "9.0000225"
