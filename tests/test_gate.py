"""Rows C6 to C11 of the reliability list, as far as they are arithmetic: when an account may be asked again."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import gate
from vibeusage.answers import retry_at
from vibeusage.errors import AuthError, Forbidden, NotConfigured, Offline, RateLimited, ShapeError, Unavailable
from vibeusage.gate import Gate, Hold

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
JUMPS = {
    "an hour back": -timedelta(hours=1),
    "a day back": -timedelta(days=1),
    "ten years forward": timedelta(days=3_653),
    "epoch 0": datetime(1970, 1, 1, tzinfo=UTC) - NOW,
}


def seconds(later: datetime) -> float:
    return (later - NOW).total_seconds()


def limited(retry_at: datetime = NOW) -> RateLimited:
    return RateLimited("wait", retry_at=retry_at)


def answered(known: Gate | None = None, *, took_s: float = 0, resets: tuple[datetime, ...] = (), now=NOW) -> Gate:
    return gate.after_success(known, interval_s=300, took_s=took_s, resets=resets, now=now)


def failed(known: Gate | None, error, *, interval_s: int = 300, now=NOW) -> Gate:
    return gate.after_failure(known, error, interval_s=interval_s, now=now)


@pytest.fixture(autouse=True)
def dice(monkeypatch):
    """The same numbers in every run."""
    monkeypatch.setattr(gate, "random", random.Random(7))


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        pytest.param(None, 300, id="absent"),
        pytest.param("", 300, id="empty"),
        pytest.param("0", 300, id="zero"),
        pytest.param("-5", 300, id="negative"),
        pytest.param("1.5", 300, id="fraction"),
        pytest.param("soon", 300, id="words"),
        pytest.param("1600", 1600, id="seconds"),
        pytest.param(" 1600 ", 1600, id="seconds with blanks"),
        pytest.param("1000000000", 6 * 3600, id="absurd"),
        pytest.param("9" * 5_000, 6 * 3600, id="five thousand digits"),
        pytest.param("Sun, 22 Nov 2026 12:20:00 GMT", 1200, id="date"),
        pytest.param("Sun, 22 Nov 2026 14:20:00 +0200", 1200, id="date with an offset"),
        pytest.param("Sunday, 22-Nov-26 12:20:00 GMT", 1200, id="date of RFC 850"),
        pytest.param("Sun Nov 22 12:20:00 2026", 1200, id="date of asctime"),
        pytest.param("Sun, 22 Nov 2020 12:20:00 GMT", 300, id="past date"),
        pytest.param("Sun, 22 Nov 9999 12:20:00 GMT", 6 * 3600, id="absurd date"),
        pytest.param("Sun, 32 Nov 2026 12:20:00 GMT", 300, id="no date"),
        pytest.param("Sun, 22 Nov 99999999999999999999 12:20:00 GMT", 300, id="a year of twenty digits"),
        pytest.param("Sun, 22 Nov 2026 12:20:00 +99999999999999999999", 300, id="an offset of twenty digits"),
        pytest.param("٣٠٠٠", 3_000, id="digits of another script"),
    ],
)
def test_c6_a_rate_limit_waits_at_least_300_seconds_and_at_most_hours(header, wait_s):
    known = gate.hold(None, "oauth", "f", limited(retry_at(header, NOW)), NOW)
    assert seconds(known.due_at) == wait_s
    until = known.holds["oauth"].until
    assert until is not None
    for step, is_held in ((0, True), (wait_s - 1, True), (wait_s, False)):
        assert (gate.held(known, "oauth", "f", NOW + timedelta(seconds=step)) is not None) is is_held
    assert gate.held(known, "oauth", "another login", NOW) is None


def test_c6_a_cool_down_outlives_what_else_is_forgotten_of_an_account():
    now = datetime.now(UTC)
    known = gate.hold(None, "oauth", "f", limited(now + timedelta(hours=1)), now)
    refused = gate.hold(known, "web", "g", AuthError("no"), now)
    gate.save({"claude": failed(refused, AuthError("no"), now=now), "codex": answered(now=now)})
    gate.forget("claude", exact=True)
    kept = gate.load()
    assert (kept["claude"].holds, kept["claude"].error) == (known.holds, None)
    assert gate.is_due(kept["claude"], 300, datetime.now(UTC))
    gate.forget("codex")
    assert list(gate.load()) == ["claude"]


def test_c6_the_last_instant_of_all_leaves_room_for_what_is_added_to_it():
    assert retry_at("Fri, 31 Dec 9999 23:59:59 GMT", NOW) == NOW + timedelta(days=365)


@settings(database=None, deadline=None)
@given(header=st.text(max_size=60) | st.from_regex(r"\w{3}, \d{1,2} \w{3} \d{1,5} \d\d:\d\d:\d\d [-+]?\w{1,5}"))
def test_c6_no_header_does_harm(header):
    wait = gate.hold(None, "oauth", "f", limited(retry_at(header, NOW)), NOW).due_at - NOW
    assert gate.COOL_DOWN <= wait <= gate.COOL_DOWN_MOST


def test_c6_repeated_rate_limits_double_the_wait_up_to_six_hours():
    known, now, waits = None, NOW, []
    for _ in range(9):
        known = gate.hold(known, "oauth", "f", limited(now), now)
        waits.append(int((known.due_at - now).total_seconds()))
        now = known.due_at
    assert waits == [300, 600, 1200, 2400, 4800, 9600, 19200, 21600, 21600]


def test_c6_the_wait_grows_for_one_login_and_starts_anew_after_an_answer():
    twice = gate.hold(gate.hold(None, "oauth", "f", limited(), NOW), "oauth", "f", limited(), NOW)
    assert seconds(twice.due_at) == 600
    assert seconds(gate.hold(None, "oauth", "g", limited(), NOW).due_at) == 300
    of_another = gate.hold(twice, "oauth", "g", limited(), NOW).holds["oauth"].until
    assert of_another == NOW + timedelta(seconds=300)
    later = NOW + timedelta(seconds=600)
    again = gate.hold(answered(twice, now=later), "oauth", "f", limited(later), later)
    assert again.holds["oauth"].until == later + timedelta(seconds=300)


def test_c6_an_answer_that_cost_no_request_does_not_end_a_cool_down():
    known = gate.hold(gate.hold(None, "oauth", "f", limited(), NOW), "oauth", "f", limited(), NOW)
    after = answered(known)
    assert gate.held(after, "oauth", "f", NOW + timedelta(seconds=599)) == known.holds["oauth"]
    grown = gate.hold(after, "oauth", "f", limited(), NOW)
    assert seconds(grown.due_at) == 1200


@pytest.mark.parametrize("error", [limited(), Unavailable("down"), ShapeError("odd"), Offline("no"), NotConfigured("")])
def test_c6_nothing_that_goes_wrong_makes_a_cool_down_shorter(error):
    until = NOW + timedelta(hours=5)
    known = gate.hold(None, "oauth", "f", limited(until), NOW)
    assert failed(known, error).due_at >= until
    assert gate.looked(known, 30, NOW).due_at == until


def test_c6_looking_in_a_cool_down_does_not_make_it_longer():
    known = gate.hold(None, "oauth", "f", limited(), NOW)
    for minute in range(5):
        known = failed(known, limited(), now=NOW + timedelta(minutes=minute))
    assert seconds(known.due_at) == 300


def test_c6_a_gate_outlives_the_process(cache_dir):
    known = gate.hold(None, "oauth", "f", limited(NOW + timedelta(hours=1)), NOW)
    gates = {"claude": failed(known, limited()), "codex": gate.hold(None, "oauth", "g", AuthError("no"), NOW)}
    gate.save(gates)
    assert gate.load() == gates


@pytest.mark.parametrize("error", [AuthError("refused"), Forbidden("no scope")], ids=["401", "403"])
def test_c7_a_refused_login_is_held_until_it_changes(error):
    known = gate.hold(None, "oauth", "f", error, NOW)
    for later in (known, answered(known), failed(known, Unavailable("down")), gate.looked(known, 300, NOW)):
        for days in (0, 1, 3_653, -3_653):
            assert gate.held(later, "oauth", "f", NOW + timedelta(days=days)) == known.holds["oauth"]
        assert gate.held(later, "oauth", "another login", NOW) is None
        assert gate.held(later, "web", "f", NOW) is None


@pytest.mark.parametrize("error", [Unavailable("down"), ShapeError("odd"), Offline("no way")])
def test_c7_what_is_not_about_the_login_holds_nothing(error):
    assert gate.hold(None, "oauth", "f", error, NOW).holds == {}


def test_c8_due_times_are_spread_evenly_over_a_tenth_of_the_interval():
    waits = [seconds(answered().due_at) for _ in range(20_000)]
    assert 300 <= min(waits) < max(waits) <= 330
    shares = Counter(min(int(wait - 300) // 3, 9) for wait in waits)
    assert [round(shares[part] / len(waits), 1) for part in range(10)] == [0.1] * 10


def test_c8_what_takes_longer_is_asked_earlier_and_never_before_the_interval():
    means = []
    for took_s in (0, 2, 15):
        waits = [seconds(answered(took_s=took_s).due_at) for _ in range(5_000)]
        assert 300 <= min(waits) < max(waits) <= 330
        means.append(sum(waits) / len(waits))
    assert means == sorted(means, reverse=True)
    assert means[0] - means[2] > 5


@pytest.mark.parametrize(
    ("resets_in", "earliest", "latest"),
    [
        pytest.param(120, 121, 135, id="soon"),
        pytest.param(10, 60, 60, id="within the next minute"),
        pytest.param(-10, 300, 330, id="passed"),
        pytest.param(7_200, 300, 330, id="behind the interval"),
    ],
)
def test_c8_a_reset_is_followed_by_a_look_within_seconds_of_each_machines_own(resets_in, earliest, latest):
    reset = NOW + timedelta(seconds=resets_in)
    waits = {seconds(answered(resets=(reset,)).due_at) for _ in range(500)}
    assert earliest <= min(waits) <= max(waits) <= latest
    assert len(waits) == 1 if earliest == latest else len(waits) > 400


def endings(now: datetime) -> dict[str, Gate]:
    """A gate after each way that a round can end."""
    held = gate.hold(None, "oauth", "f", limited(now + timedelta(days=400)), now)
    return {
        "answer": answered(now=now),
        "failure": failed(None, Unavailable("down"), now=now),
        "offline": failed(None, Offline("no way"), now=now),
        "nobody logged in": failed(None, NotConfigured("nothing"), now=now),
        "rate limit": failed(held, limited(), now=now),
    }


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
@pytest.mark.parametrize("ending", endings(NOW))
def test_c9_no_jump_of_the_clock_makes_an_endless_wait(jump, ending):
    known, now = endings(NOW)[ending], NOW + jump
    assert any(_may_ask(known, now + timedelta(hours=hours)) for hours in range(13))


def _may_ask(known: Gate, now: datetime) -> bool:
    return gate.is_due(known, 3600, now) and gate.held(known, "oauth", "f", now) is None


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_c9_a_round_after_the_jump_leaves_nothing_absurd_behind(jump):
    now = NOW + jump
    for known in endings(NOW).values():
        for after in (answered(known, now=now), failed(known, Unavailable("down"), now=now)):
            assert timedelta(0) < after.due_at - now <= timedelta(hours=12)
            assert after.asked_at == now


@pytest.mark.parametrize(("asked_in", "due"), [(60, False), (3_600, True), (3_653 * 86_400, True)])
def test_c9_who_was_asked_in_the_future_is_due(asked_in, due):
    asked_at = NOW + timedelta(seconds=asked_in)
    assert gate.is_due(answered(now=asked_at), 3_600, NOW) is due


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3_653)], ids=["an hour", "ten years"])
def test_c10_failures_of_the_future_do_not_count(ahead):
    known = Gate(due_at=NOW, failed_at=(NOW + ahead, NOW + ahead + timedelta(seconds=1)))
    after = failed(known, Unavailable("down"), interval_s=60)
    assert (after.failed_at, seconds(after.due_at)) == ((NOW,), 60)


@pytest.mark.parametrize(
    ("ahead", "interval_s", "due"),
    [
        pytest.param(timedelta(seconds=-1), 300, True, id="passed"),
        pytest.param(timedelta(0), 300, True, id="now"),
        pytest.param(timedelta(minutes=5), 300, False, id="to come"),
        pytest.param(timedelta(days=6), 604_800, False, id="a week's interval"),
        pytest.param(timedelta(days=3650), 300, True, id="the clock was ten years ahead"),
    ],
)
def test_c10_an_account_is_due_when_its_time_has_come_or_cannot_be_true(ahead, interval_s, due):
    assert gate.is_due(Gate(due_at=NOW + ahead), interval_s, NOW) is due


@pytest.mark.parametrize(
    ("ahead", "is_held"), [(timedelta(hours=6), True), (timedelta(hours=13), False), (timedelta(days=3_653), False)]
)
def test_c10_a_cool_down_that_nobody_can_have_set_is_none(ahead, is_held):
    error = gate.as_data(limited())
    known = Gate(due_at=NOW + ahead, holds={"oauth": Hold(fingerprint="f", error=error, until=NOW + ahead)})
    assert (gate.held(known, "oauth", "f", NOW) is not None) is is_held
    assert gate.is_due(known, 300, NOW) is not is_held


def test_c11_offline_is_looked_at_soon_then_less_often_and_is_nobodys_failure():
    known, now, waits = failed(None, Unavailable("down")), NOW, []
    for _ in range(7):
        known = failed(known, Offline("no way"), interval_s=900, now=now)
        waits.append(int((known.due_at - now).total_seconds()))
        now = known.due_at
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    assert known.failed_at == (NOW,)
    assert answered(known).offline == 0
    assert failed(known, Unavailable("down"), now=now).offline == 0


def test_three_failures_within_ten_minutes_close_the_gate_for_five():
    known, waits = None, []
    for minute in (0, 4, 8, 19):
        now = NOW + timedelta(minutes=minute)
        known = failed(known, Unavailable("down"), interval_s=60, now=now)
        waits.append(int((known.due_at - now).total_seconds()))
    assert waits == [60, 60, 300, 60]
