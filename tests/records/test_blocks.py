"""Five-hour blocks against hand-computed borders, and the same borders found call by call."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage.models import PeriodType, UsagePeriod, UsageSnapshot
from vibeusage.records import blocks, pricing, store
from vibeusage.records.blocks import LENGTH_MS, Blocks, Current, Live
from vibeusage.records.readers.spec import Call
from vibeusage.records.reports import Query
from vibeusage.records.tally import Pricer

DAY = "2026-03-10T"
PRICER = Pricer(pricing.load(), {}, "recorded")
DOLLAR = 10**12


def at(text: str) -> int:
    """Epoch milliseconds of a time of day, or of a whole instant."""
    return int(datetime.fromisoformat(text if "T" in text else f"{DAY}{text}Z").timestamp() * 1000)


def call(when: int | str, tokens: int = 1, cost: int | None = None, **fields) -> Call:
    ts = at(when) if isinstance(when, str) else when
    return Call(uuid=f"{ts}{fields}", ts=ts, input=tokens, cost=cost, model="claude-opus-4-6", **fields)


@pytest.fixture
def db(tmp_path):
    with store.open(tmp_path / "usage.db") as opened:
        yield opened


def fill(db, *calls: Call, provider: str = "claude") -> None:
    db.put(provider, calls, machine="box")


def example(db) -> None:
    """The worked example of the format notes, section 16.2."""
    fill(
        db,
        call("09:42", 2_000),
        call("11:30", 6_000),
        call("14:00:00", 1_000),
        call("14:00:01", 500),
        call("15:10", 4_000),
        call("20:30", 3_000, DOLLAR * 4 // 10),
        call("21:00", 9_000, DOLLAR * 5 // 10),
    )


def told(found) -> list[tuple]:
    def clock(ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M")

    return [
        (clock(one.start_ms), clock(one.end_ms), one.entry.total().calls, one.entry.total().tokens) for one in found
    ]


def test_the_worked_example_comes_out_to_the_minute(db):
    example(db)
    found = list(Blocks(db, PRICER, "claude").since(0))
    assert told(found) == [
        ("09:00", "14:00", 3, 9_000),
        ("14:00", "19:00", 2, 4_500),
        ("20:10", "20:30", 0, 0),
        ("20:00", "01:00", 2, 12_000),
    ]
    assert [one.is_gap for one in found] == [False, False, True, False]
    assert [one.is_active(at("21:15")) for one in found] == [False, False, False, True]


def test_burn_and_projection_of_the_worked_example(db):
    example(db)
    assert blocks.current(db, PRICER, at("21:15")) == {
        "claude": Current(
            start_ms=at("20:00"),
            end_ms=at("2026-03-11T01:00Z"),
            tokens=12_000,
            cost_pico=DOLLAR * 9 // 10,
            state="recorded",
            is_estimate=True,
            tokens_per_minute=400.0,
            cost_pico_per_hour=DOLLAR * 18 // 10,
            grade="normal",
            projected_tokens=102_000,
            projected_cost_pico=DOLLAR * 765 // 100,
        )
    }


@pytest.mark.parametrize(
    ("now", "is_active"),
    [
        pytest.param("2026-03-11T00:59:59.999Z", True, id="its last instant"),
        pytest.param("2026-03-11T01:00Z", False, id="its end"),
    ],
)
def test_a_block_is_active_until_its_end(now, is_active, db):
    example(db)
    assert ("claude" in blocks.current(db, PRICER, at(now))) is is_active


def test_five_hours_after_the_last_call_no_block_is_active(db):
    fill(db, call("10:00"), call("10:59"), provider="codex")
    current = blocks.current(db, PRICER, at("14:59"))
    assert current["codex"].start_ms == at("10:00")
    assert blocks.current(db, PRICER, at("15:00")) == {}


def test_a_block_of_one_call_has_no_rate(db):
    fill(db, call("10:30", 100))
    (found,) = blocks.current(db, PRICER, at("11:00")).values()
    assert (found.tokens, found.tokens_per_minute, found.projected_tokens, found.grade) == (100, None, None, "")


@pytest.mark.parametrize(
    ("tokens", "cached", "grade"),
    [
        pytest.param(1_999, 10**9, "normal", id="the cache does not count"),
        pytest.param(2_000, 0, "moderate", id="from 2,000 a minute"),
        pytest.param(4_999, 0, "moderate", id="below 5,000"),
        pytest.param(5_000, 0, "high", id="from 5,000"),
    ],
)
def test_the_grade_counts_what_is_not_from_the_cache(tokens, cached, grade, db):
    fill(db, call("10:00", 0), call("10:01", tokens, read=cached))
    assert blocks.current(db, PRICER, at("10:02"))["claude"].grade == grade


def test_codex_blocks_begin_at_the_very_call(db):
    first = at("10:07:30.250")
    calls = (first, first + LENGTH_MS, first + LENGTH_MS + 1, first + LENGTH_MS + 60_000)
    fill(db, *map(call, calls), provider="codex")
    found = list(Blocks(db, PRICER, "codex").since(0))
    assert [(one.start_ms, one.end_ms, one.entry.total().calls) for one in found] == [
        (first, first + LENGTH_MS, 2),
        (first + LENGTH_MS + 1, first + 2 * LENGTH_MS + 1, 2),
    ]


def test_a_live_window_is_the_current_block_and_ends_the_one_before(db):
    example(db)
    live = Live(at("20:45"), at("2026-03-11T01:45Z"), 42.0)
    found = list(Blocks(db, PRICER, "claude", live).since(0))
    assert told(found)[-2:] == [("20:00", "20:45", 1, 3_000), ("20:45", "01:45", 1, 9_000)]
    current = blocks.current(db, PRICER, at("21:15"), {"claude": live})["claude"]
    assert (current.start_ms, current.end_ms, current.utilization, current.is_estimate, current.tokens) == (
        live.start_ms,
        live.end_ms,
        42.0,
        False,
        9_000,
    )


def test_a_live_window_without_calls_here_is_shown_without_a_rate(db):
    live = Live(at("20:45"), at("2026-03-11T01:45Z"), 7.5)
    assert blocks.current(db, PRICER, at("21:15"), {"claude": live}) == {
        "claude": Current(
            start_ms=live.start_ms,
            end_ms=live.end_ms,
            tokens=0,
            cost_pico=0,
            state="calculated",
            is_estimate=False,
            utilization=7.5,
        )
    }


NOW = datetime(2026, 3, 10, 21, 15, tzinfo=UTC)


def snapshot(*periods: UsagePeriod) -> UsageSnapshot:
    return UsageSnapshot(provider="claude", fetched_at=NOW, observed_at=NOW, source="oauth", periods=periods)


@pytest.mark.parametrize(
    ("period", "found"),
    [
        pytest.param({"resets_in": 2}, Live(at("18:15"), at("23:15"), 42.0), id="its reset is ahead"),
        pytest.param({"resets_in": -1}, None, id="its reset has passed"),
        pytest.param({"resets_in": 6}, None, id="further ahead than it is long"),
        pytest.param({"resets_in": None}, None, id="no reset"),
        pytest.param({"resets_in": 2, "model": "opus"}, None, id="of one model only"),
        pytest.param({"resets_in": 2, "period_type": PeriodType.WEEKLY}, None, id="a week"),
        pytest.param({"resets_in": 1, "window_seconds": 7200}, Live(at("20:15"), at("22:15"), 42.0), id="two hours"),
    ],
)
def test_the_live_window_is_that_of_the_cached_session(period, found):
    told: dict[str, Any] = {"name": "s", "utilization": 42.0, "period_type": PeriodType.SESSION, **period}
    hours = told.pop("resets_in")
    kept = UsagePeriod(**told, resets_at=None if hours is None else NOW + timedelta(hours=hours))
    assert blocks.live_windows(NOW, {"claude": snapshot(kept)}) == ({"claude": found} if found else {})


def test_a_report_takes_the_blocks_that_start_on_its_local_days(db):
    example(db)
    zone = datetime.strptime("+0400", "%z").tzinfo
    assert zone is not None
    query = Query(zone=zone, since=date(2026, 3, 11), until=date(2026, 3, 11))
    found = blocks.report(db, PRICER, query, now_ms=at("21:15"), live={})
    assert [row.key for row in found.rows] == ["claude:2026-03-10T20:10:00Z", "claude:2026-03-10T20:00:00Z"][::-1]
    assert (found.total.messages, found.total.total_tokens, found.total.cost) == (2, 12_000, "0.90")


@pytest.mark.parametrize("part", [{}, {"project": "/a"}], ids=["all calls", "one project"])
def test_the_blocks_that_a_limit_shows_are_the_last_of_all(part, db):
    example(db)
    fill(db, call("23:30", 1, folder="/a"))
    query = Query(zone=UTC, **part)
    whole = blocks.report(db, PRICER, query, now_ms=at("23:40"), live={})
    for limit in range(1, len(whole.rows) + 1):
        some = blocks.report(db, PRICER, query, now_ms=at("23:40"), live={}, limit=limit)
        assert (some.rows, some.hidden) == (whole.rows[-limit:], len(whole.rows) - limit)
        assert some.total == whole.total


def test_calls_that_a_query_leaves_out_still_decide_about_borders(db):
    fill(db, call("09:42", 1, folder="/a"), call("12:10", 2, folder="/b"), call("14:30", 4, folder="/a"))
    query = Query(zone=UTC, project="/b")
    found = blocks.report(db, PRICER, query, now_ms=at("23:00"), live={})
    assert [(row.key, row.total_tokens) for row in found.rows] == [("claude:2026-03-10T09:00:00Z", 2)]


def brute_force(calls: list[int], rounded: int) -> list[tuple[int, int]]:
    """(start, calls) of each block, as the rules of section 16.1 say it."""
    found: list[tuple[int, int]] = []
    last = 0
    for ts in sorted(calls):
        if not found or ts - found[-1][0] > LENGTH_MS or ts - last > LENGTH_MS:
            found.append((ts // rounded * rounded, 1))
        else:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        last = ts
    return found


MINUTES = st.integers(0, 6 * 24 * 60)


@pytest.mark.slow
@given(minutes=st.lists(MINUTES, min_size=1, max_size=60, unique=True), since=MINUTES)
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("provider", ["claude", "codex"])
def test_blocks_are_those_found_call_by_call_from_wherever_one_starts(provider, minutes, since, tmp_path_factory):
    first = at("00:00")
    times = [first + minute * 60_000 for minute in minutes]
    with store.open(tmp_path_factory.mktemp("blocks") / "usage.db") as db:
        fill(db, *map(call, times), provider=provider)
        whole = [one for one in Blocks(db, PRICER, provider).since(0) if not one.is_gap]
        found = [(one.start_ms, one.entry.total().calls) for one in whole]
        assert found == brute_force(times, blocks.STARTS_AT[provider])
        begin = first + since * 60_000
        later = {(one.start_ms, one.entry.total().calls) for one in Blocks(db, PRICER, provider).since(begin)}
        assert {one for one in found if one[0] >= begin} <= later
