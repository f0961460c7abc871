"""Insights against hand-computed sums: each number, its terms, and what is said where it is not known."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage.models import (
    Balance,
    OverageUsage,
    PeriodType,
    ProviderIdentity,
    ProviderStatus,
    StatusLevel,
    UsagePeriod,
    UsageSnapshot,
)
from vibeusage.records import database, insights, price_table, pricing, reports, store
from vibeusage.records.bills import Part, Term
from vibeusage.records.insights import advice, comparison
from vibeusage.records.insights.advice import Used
from vibeusage.records.insights.plans import PlanRow, compared
from vibeusage.records.readers.spec import Call
from vibeusage.records.reports import ALL, Query, Spent
from vibeusage.records.tally import Pricer, dollars
from vibeusage.settings import Config, ModelPrices, PlanOptions, Pricing

# USD per million: input, output, cache write, for an hour, cache read; a token costs so many millionths
OWN = Pricing(
    models={"m": ModelPrices(1.0, 2.0, 3.0, 4.0, 0.5), "dear": ModelPrices(10.0, 20.0), "free": ModelPrices(0.0, 0.0)}
)
PRICER = Pricer(pricing.load(OWN), {"auto-tool": "auto"})
NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
M_RATES = {"input": "1.00", "output": "2.00", "write_5m": "3.00", "write_1h": "4.00", "read": "0.50"}


@pytest.fixture
def db(tmp_path):
    with store.open(tmp_path / "usage.db") as opened:
        yield opened


def call(uuid: str, when: str = "2026-03-10T12:00Z", **fields: Any) -> Call:
    told: dict[str, Any] = {"uuid": uuid, "ts": int(datetime.fromisoformat(when).timestamp() * 1000), "model": "m"}
    return Call(**(told | fields))


def report(db, around: insights.Surroundings | None = None, limit: int = 0, **asked: Any) -> insights.Insights:
    around = around or insights.Surroundings(now=NOW, settings=Config(pricing=OWN))
    query = insights.query_of(Query(zone=UTC, **asked), around.now.date())
    return insights.report(db, PRICER, query, around, limit=limit)


def at(found: insights.Insights, model: str) -> comparison.AtModel:
    return next(one for one in found.comparison.rows if one.model == model)


# --- other models


def test_the_same_tokens_at_another_model_with_the_terms_of_the_sum(db):
    db.put("claude", [call("a", input=1, output=20, write=500, write_1h=300, read=4000, searches=2)], machine="box")
    found = report(db)
    same = found.comparison
    # 1 * 1 + 20 * 2 + 200 * 3 + 300 * 4 + 4000 * 0.5 = 3841 millionths, and two searches of a cent
    assert (same.messages, same.total_tokens, same.usd) == (1, 4521, "0.023841")
    counts = {"input": 1, "output": 20, "write_5m": 200, "write_1h": 300, "read": 4000, "searches": 2}
    assert at(found, "m") == comparison.AtModel(
        model="m",
        maker="",
        is_used=True,
        usd="0.023841",
        times=1.0,
        is_estimate=False,
        terms=(Term(model="m", usd_per_million=M_RATES, tokens=counts, usd="0.023841"),),
    )
    # without a price for the cache all of a prompt is input: 4501 * 10 + 20 * 20 = 45410 millionths, and the searches
    dear = at(found, "dear")
    assert (dear.usd, dear.times, dear.is_estimate, dear.is_used) == ("0.06541", 2.7436, True, False)
    costs = [Decimal(one.usd) for one in same.rows]
    assert costs == sorted(costs)
    assert {model for models in comparison.CURRENT.values() for model in models} <= {one.model for one in same.rows}


def test_every_model_that_is_compared_with_is_in_the_shipped_table():
    assert set(comparison.MAKERS) - set(price_table.current().models) == set()


COUNT = st.integers(0, 400_000)
MODELS = ("claude-opus-4-6", "claude-sonnet-4-5", "gpt-5.5", "gemini-3.1-pro", "qwen3.7-flash", "m")


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    counts=st.lists(st.tuples(COUNT, COUNT, COUNT, COUNT, st.integers(0, 3)), min_size=1, max_size=6),
    hours=st.lists(st.integers(0, 24 * 60), min_size=6, max_size=6),
    speeds=st.lists(st.sampled_from(["", "batch"]), min_size=6, max_size=6),
)
def test_at_the_model_that_made_all_calls_they_cost_what_they_did(model, counts, hours, speeds):
    calls = [
        Call(
            uuid=str(place),
            ts=1_771_500_000_000 + hours[place] * 3_600_000,  # around the change of opus 4.6 on 13 March 2026
            model=model,
            speed="" if model == "m" else speeds[place],
            input=fresh,
            output=output,
            write=write,
            read=read,
            searches=searches,
        )
        for place, (fresh, output, write, read, searches) in enumerate(counts)
    ]
    with store.Store(Path("memory"), database.empty()) as db:
        db.put("tool", calls, machine="")
        reading = reports.Reading(db, PRICER, Query(zone=UTC), also=comparison.candidates(()))
        rows = [*reading.rows(*reading.whole())]
        known = [cost.amount for _, cost in rows if cost.amount is not None]
        found = comparison.compared(rows, PRICER.prices)
    mine = [one for one in found.rows if one.model == model]
    assert [one.usd for one in mine] == ([dollars(sum(known))] if known else [])
    assert [one.is_estimate for one in mine] == [False] * len(mine)
    for one in found.rows:
        assert sum(Decimal(term.usd) for term in one.terms) == Decimal(one.usd)


def test_what_has_no_price_is_left_out_of_both_sides_and_counted(db):
    db.put("claude", [call("a", input=100), call("b", model="unheard-of", input=7, output=2)], machine="box")
    found = report(db)
    assert (found.comparison.messages, found.comparison.usd) == (1, "0.0001")
    assert (found.comparison.left_out_messages, found.comparison.left_out_tokens) == (1, 9)
    assert at(found, "dear").usd == "0.001"
    assert (found.total.cost, found.total.cost_state) == ("0.0001", "partial")


def test_a_way_to_be_served_that_another_model_has_no_price_for_is_counted(db):
    db.put("claude", [call("a", model="claude-opus-5", speed="fast", input=1000, output=10)], machine="box")
    found = report(db)
    assert found.comparison.usd == "0.0105"  # twice 1000 * 5 + 10 * 25 millionths
    assert (at(found, "claude-opus-5").usd, at(found, "claude-opus-5").messages_at_standard) == ("0.0105", 0)
    haiku = at(found, "claude-haiku-5-5")  # 1000 * 0.1 + 10 * 0.5
    assert (haiku.usd, haiku.messages_at_standard, haiku.is_estimate) == ("0.000105", 1, True)


# --- the cache


def test_what_a_cache_saved_is_reads_less_writes_against_no_cache(db):
    calls = [
        call("a", input=100, output=7, write=300, write_1h=100, read=600),
        call("b", read=1000),
        call("c", model="dear", input=10),
        call("d", model="unheard-of", read=9),
    ]
    db.put("claude", calls, machine="box")
    total, rows = report(db).cache.total, report(db).cache.rows
    # read 1600 * (1 - 0.5) = 800; written 200 * (3 - 1) + 100 * (4 - 1) = 700; cost 1914 + dear 100
    assert (total.reads_saved_usd, total.writes_cost_usd, total.saved_usd) == ("0.0008", "0.0007", "0.0001")
    assert (total.usd, total.without_cache_usd) == ("0.002014", "0.002114")
    assert (total.prompt_tokens, total.read_tokens, total.written_tokens) == (2019, 1609, 300)
    assert (total.read_share, total.unpriced_tokens) == (0.7969, 9)
    assert [(one.model, one.saved_usd) for one in rows] == [("m", "0.0001"), ("unheard-of", None)]
    counts = {"input": 100, "output": 7, "write_5m": 200, "write_1h": 100, "read": 1600}
    assert rows[0].terms == (Term(model="m", usd_per_million=M_RATES, tokens=counts, usd="0.001914"),)


# --- the dearest


def test_the_dearest_projects_and_sessions_say_why(db):
    big = {"folder": "/w/big", "session": "s1"}
    db.put(
        "claude",
        [
            call("a", model="dear", input=900, output=50, **big),  # 10000 millionths
            call("b", input=1000, output=500, folder="/w/big", session="s2"),  # 2000
            call("c", input=100, output=0, read=800, folder="/w/small", session="s3"),  # 500
            call("d", model="unheard-of", input=1, folder="/w/unknown", session="s4"),
        ],
        machine="box",
    )
    found = report(db)
    assert [(one.project, one.usd, one.share) for one in found.projects] == [
        ("/w/big", "0.012", 0.96),
        ("/w/small", "0.0005", 0.04),
    ]
    first = found.projects[0]
    assert first.by_model == (Part("dear", "0.01", 0.8333), Part("m", "0.002", 0.1667))
    assert first.by_kind == (Part("input", "0.01", 0.8333), Part("output", "0.002", 0.1667))
    assert (first.messages, first.usd_per_message, first.prompt_tokens_per_message) == (2, "0.006", 950)
    assert first.reasons == ("83% dear", "83% input", "50% of all calls")
    sessions = [(one.provider, one.session, one.project, one.usd) for one in found.sessions]
    assert sessions == [
        ("claude", "s1", "/w/big", "0.01"),
        ("claude", "s2", "/w/big", "0.002"),
        ("claude", "s3", "/w/small", "0.0005"),
    ]
    assert [one.session for one in report(db, limit=1).sessions] == ["s1"]


def test_the_dearer_rates_of_long_prompts_and_their_size_are_reasons(db):
    calls = [call(str(n), input=1000, session="short", model="claude-sonnet-4-5") for n in range(9)]
    long = call("long", input=300_000, session="long", model="claude-sonnet-4-5")
    db.put("claude", [*calls, long], machine="box")
    found = report(db).sessions[0]
    assert (found.usd, found.long_prompts_usd) == ("1.80", "0.90")  # 6 instead of 3 USD per million above 200,000
    assert found.reasons == (
        "100% claude-sonnet-4-5",
        "100% input",
        "50% for the dearer rates of long prompts",
        "prompts of 300,000 tokens, 9.7 times the average",
    )
    assert [term.long_prompts for term in found.terms] == [True]


def test_of_a_cost_that_the_log_states_it_is_not_known_what_it_was_for(db):
    db.put("auto-tool", [call("a", input=5, cost=3_000_000_000_000), call("b", input=10**6)], machine="box")
    found = report(db).projects[0]
    assert found.usd == "4.00"
    assert found.by_kind == (Part("as the log states", "3.00", 0.75), Part("input", "1.00", 0.25))
    assert found.by_model == (Part("m", "4.00", 1.0),)


def test_the_total_is_that_of_the_other_reports(db):
    db.put("claude", [call("a", input=5), call("b", "2026-02-01T12:00Z", output=9)], machine="box")
    db.put("codex", [call("c", input=70)], machine="box")
    every: list[dict[str, Any]] = [{"providers": ("claude",)}, {"since": date(2026, 1, 1)}, {"model": "x"}]
    for asked in every:
        told: dict[str, Any] = {"since": date(2026, 2, 15), **asked}
        query = Query(zone=UTC, **told)
        assert report(db, **asked).total == reports.groups("models", db, PRICER, query).total
    assert report(db).total.messages == 2  # of the last thirty days


# --- plans

MONTH = (1_772_323_200_000, 1_775_001_600_000)  # March 2026 in UTC
HALF = sum(MONTH) // 2
USD = 10**12


def plan(cost: int | None, price: float | None, now_ms: int, state: str = "calculated") -> PlanRow:
    spent = {ALL: Spent(*MONTH, cost, 9, state), "claude": Spent(*MONTH, cost, 9, state)}
    options = {"max": PlanOptions(price=price, provider="claude")}
    (row,) = compared(spent, options, {"claude": "Max 20x"}, zone=UTC, now_ms=now_ms)
    return row


def test_a_plan_against_a_month_at_list_price(db):
    assert plan(30 * USD, 50.0, HALF) == PlanRow(
        plan="max",
        provider="claude",
        told_plan="Max 20x",
        month="2026-03",
        elapsed_share=0.5,
        total_tokens=9,
        usd="30.00",
        cost_state="calculated",
        projected_usd="60.00",
        price_usd="50.00",
        price_source="config.toml, plans.max",
        difference_usd="-20.00",
        projected_difference_usd="10.00",
        verdict="pays off at this rate",
    )


@pytest.mark.parametrize(
    ("cost", "state", "price", "now_ms", "projected", "verdict"),
    [
        pytest.param(50, "calculated", 50.0, HALF, "100.00", "pays off", id="already"),
        pytest.param(20, "calculated", 50.0, HALF, "40.00", "does not pay off at this rate", id="too little"),
        pytest.param(20, "calculated", 50.0, MONTH[1], None, "does not pay off", id="over"),
        pytest.param(20, "calculated", 50.0, MONTH[0] + 86_400_000, None, "too early to tell", id="first day"),
        pytest.param(20, "partial", 50.0, HALF, "40.00", "not known: some calls have no price", id="part"),
        pytest.param(50, "partial", 50.0, HALF, "100.00", "pays off", id="a part is enough"),
        pytest.param(None, "unknown", 50.0, HALF, None, "cost not known", id="no price of any call"),
        pytest.param(0, "calculated", 0.0, MONTH[1], None, "pays off", id="free"),
    ],
)
def test_what_is_said_of_a_plan(cost, state, price, now_ms, projected, verdict):
    row = plan(None if cost is None else cost * USD, price, now_ms, state)
    assert (row.projected_usd, row.verdict) == (projected, verdict)


def test_a_tool_without_a_plan_price_is_named_and_filters_leave_the_month_whole(db):
    db.put("claude", [call("a", output=10**6), call("b", "2026-03-01T00:00Z", input=10**6)], machine="box")
    db.put("codex", [call("c", input=10**6)], machine="box")
    db.put("claude-api", [call("d", input=10**6)], machine="box")
    known = UsageSnapshot(
        provider="codex", fetched_at=NOW, observed_at=NOW, source="x", identity=ProviderIdentity(plan="plus")
    )
    options = Config(pricing=OWN, plans={"claude": PlanOptions(price=2.5), "off": PlanOptions(provider="codex")})
    around = insights.Surroundings(now=NOW, settings=options, snapshots={"codex": known})
    rows = report(db, around, since=date(2026, 3, 9), project="/nowhere").plans
    assert [(one.plan, one.provider, one.told_plan, one.usd, one.verdict) for one in rows] == [
        ("claude", "claude", "", "3.00", "pays off"),
        ("", "codex", "plus", "1.00", "price not known"),
    ]
    assert [one.provider for one in report(db, around, providers=("codex",)).plans] == ["codex"]
    assert report(db, around, until=date(2026, 2, 9)).plans[0].month == "2026-02"


# --- what to use now


def period(name: str, used: float, kind: PeriodType, left: timedelta | None, model: str | None = None) -> UsagePeriod:
    at = NOW + left if left is not None else None
    return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=at, model=model)


def snapshot(provider: str, *periods: UsagePeriod, age: timedelta = timedelta(0), **told: Any) -> UsageSnapshot:
    seen = NOW - age
    return UsageSnapshot(provider=provider, fetched_at=seen, observed_at=seen, source="oauth", periods=periods, **told)


def choices(*snapshots: UsageSnapshot, used: dict[str, Used] | None = None, **told: Any) -> list[advice.Choice]:
    known = {one.id: one for one in snapshots}
    statuses = told.get("statuses", {})
    return [*advice.choices(known, used or {}, statuses, now=NOW, stale_after=HOUR)]


def test_the_tightest_window_decides_and_what_can_be_spared_orders():
    # of five hours two are left, of seven days three and a half
    claude = snapshot(
        "claude",
        period("Session (5h)", 42.0, PeriodType.SESSION, 2 * HOUR),
        period("Weekly", 45.0, PeriodType.WEEKLY, 3.5 * DAY),
    )
    codex = snapshot("codex", period("Session (5h)", 20.0, PeriodType.SESSION, 2.5 * HOUR))
    first, second = choices(claude, codex)
    assert [(first.account, first.remaining, first.spare), (second.account, second.remaining, second.spare)] == [
        ("codex", 80.0, 1.6),
        ("claude", 55.0, 1.1),
    ]
    assert (first.verdict, second.verdict) == ("use", "use")
    assert first.reasons == (
        "80% of Session (5h) is left for 2h 30m",
        "at this pace ~40% of it is used by its reset",
        "within the plan a call costs nothing more",
    )


CHEAPEST = (
    "claude-haiku-5-5 is the cheapest of the models used there: ~$0.50 for all its calls of this span, "
    "claude-opus-5-5 ~$8.00"
)
SESSION = ("Session (5h)", PeriodType.SESSION)
CREDIT = {"balance": Balance(Decimal("12.5"))}
EXTRA = {"overage": OverageUsage(used=Decimal(3), limit=Decimal(10))}
SPENT = {"overage": OverageUsage(used=Decimal(10), limit=Decimal(10))}
OFF = {"overage": OverageUsage(used=Decimal(0), limit=Decimal(10), is_enabled=False)}


@pytest.mark.parametrize(
    ("periods", "told", "verdict", "says"),
    [
        pytest.param([(50.0, 2.5)], {}, "use", "50% of Session (5h) is left for 2h 30m", id="even pace"),
        pytest.param([(70.0, 2.5)], {}, "with care", "~140% of it is used by its reset", id="too fast"),
        pytest.param([(92.0, 0.1)], {}, "with care", "8% of Session (5h) is left for 6m", id="nearly used up"),
        pytest.param([(100.0, 2.5)], {}, "used up", "0% of Session (5h) is left for 2h 30m", id="used up"),
        pytest.param([(100.0, 2.5)], EXTRA, "pays by use", "each call is paid for", id="extra usage"),
        pytest.param([(100.0, 2.5)], SPENT, "used up", "0% of Session (5h)", id="extra usage that is spent"),
        pytest.param([(100.0, 2.5)], OFF, "used up", "0% of Session (5h)", id="extra usage that is off"),
        pytest.param([], CREDIT, "pays by use", "12.5 USD of credit left", id="credit alone"),
        pytest.param([], {}, "not known", "it tells of no window", id="nothing"),
        pytest.param([(99.0, -0.5)], {}, "not known", "Session (5h): reset since", id="reset has passed"),
        pytest.param([(30.0, None)], {}, "use", "70% of Session (5h) is left", id="reset not known"),
    ],
)
def test_what_is_said_of_an_account(periods, told, verdict, says):
    windows = [period(SESSION[0], used, SESSION[1], None if left is None else left * HOUR) for used, left in periods]
    (choice,) = choices(snapshot("claude", *windows, **told))
    assert choice.verdict == verdict
    assert says in "\n".join(choice.reasons)


def test_an_account_with_numbers_that_are_old_or_an_outage_comes_behind_and_says_so():
    window = period(*SESSION[:1], 10.0, SESSION[1], 2.5 * HOUR)
    status = ProviderStatus(level=StatusLevel.MAJOR_OUTAGE)
    found = choices(
        snapshot("claude", window, age=2 * HOUR),
        snapshot("codex", window),
        snapshot("cursor", window),
        statuses={"cursor": status},
    )
    assert [(one.account, one.verdict, one.is_stale) for one in found] == [
        ("codex", "use", False),
        ("claude", "use", True),
        ("cursor", "with care", False),
    ]
    assert found[1].reasons[0] == "the numbers are 2h old"
    assert "its status page tells of a major outage" in found[2].reasons


@pytest.mark.parametrize(
    ("used", "verdict", "says"),
    [((100.0, 20.0), "use", "80% of Flash is left for 12h"), ((100.0, 100.0), "used up", "0% of Pro is left for 12h")],
)
def test_where_each_model_has_its_own_window_the_freest_counts(used, verdict, says):
    names = zip(("Pro", "Flash"), used, strict=True)
    windows = [period(name, share, PeriodType.DAILY, 12 * HOUR, name) for name, share in names]
    (choice,) = choices(snapshot("gemini", *windows))
    assert (choice.verdict, choice.reasons[0]) == (verdict, says)
    assert "of Pro only 0% is left" in choice.reasons


def test_models_are_ranked_by_their_price_and_their_own_windows():
    windows = (
        period(*SESSION[:1], 10.0, SESSION[1], 2.5 * HOUR),
        period("Opus", 100.0, PeriodType.WEEKLY, 2 * DAY, "Opus"),
    )
    used = Used(4, 8 * USD, {"claude-opus-5-5": 8 * USD, "claude-haiku-5-5": USD // 2})
    (choice,) = choices(snapshot("claude", *windows), used={"claude": used})
    assert choice.verdict == "use"  # a window of one model keeps nobody from the others
    assert [(one.model, one.usd, one.remaining) for one in choice.models] == [
        ("claude-haiku-5-5", "0.50", None),
        ("claude-opus-5-5", "8.00", 0.0),
    ]
    assert choice.usd_per_message == "2.00"
    assert choice.reasons[2:] == (
        "of Opus only 0% is left",
        "within the plan a call costs nothing more (~$2.000 a call at list price, the average of this span)",
        CHEAPEST,
    )


def test_the_choice_rests_on_the_records_of_its_tool_and_names_pass_as_asked(db):
    db.put("claude", [call("a", output=10**6, folder="/w"), call("b", model="dear", input=10**5)], machine="box")
    db.put("codex", [call("c", input=10**6)], machine="box")
    known = [snapshot("claude", period("Weekly", 10.0, PeriodType.WEEKLY, DAY), account="acme"), snapshot("cursor")]
    around = insights.Surroundings(
        now=NOW, settings=Config(pricing=OWN), snapshots={one.id: one for one in known}
    )
    found = report(db, around, names=lambda kind, name: f"<{kind}>")
    assert [one.account for one in found.choices] == ["claude@<account>", "cursor"]
    assert {one.project for one in found.projects} == {"<project>"}
    # 2.00 and 1.00 of two calls; at `m` 2.10, at `dear` 21.00
    assert found.choices[0].usd_per_message == "1.50"
    assert [(one.model, one.usd) for one in found.choices[0].models] == [("m", "2.10"), ("dear", "21.00")]


# --- the whole


def test_without_records_nothing_is_claimed(db):
    told = msgspec.to_builtins(report(db))
    assert (told["comparison"]["usd"], told["comparison"]["rows"], told["cache"]["rows"]) == (None, (), ())
    assert (told["cache"]["total"]["saved_usd"], told["cache"]["total"]["read_share"]) == (None, None)
    assert (told["projects"], told["sessions"], told["plans"], told["choices"]) == ((), (), (), ())
