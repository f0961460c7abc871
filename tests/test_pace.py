import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibeusage import pace

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(0, "0%", id="nothing used"),
        pytest.param(0.04, "<0.1%", id="a little is not nothing"),
        pytest.param(17.3, "17.3%", id="one decimal"),
        pytest.param(42.0, "42%", id="whole number without decimals"),
        pytest.param(99.96, "99.9%", id="not yet 100"),
        pytest.param(100, "100%", id="exactly used up"),
        pytest.param(131.25, "131.2%", id="beyond the plan"),
    ],
)
def test_percent_never_rounds_to_none_or_to_all(value, text):
    assert pace.percent(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(59, "<1m", id="under a minute"),
        pytest.param(60, "1m", id="a minute"),
        pytest.param(45 * 60, "45m", id="minutes"),
        pytest.param(3 * 3600 + 45 * 60, "3h 45m", id="hours and minutes"),
        pytest.param(2 * 3600 + 59, "2h", id="whole hours"),
        pytest.param(4 * 86400 + 12 * 3600 + 3599, "4d 12h", id="days and hours"),
        pytest.param(86400, "1d", id="whole days"),
    ],
)
def test_a_span_names_its_two_largest_units(seconds, text):
    assert pace.span(seconds)[0] == text


@pytest.mark.parametrize(
    ("used", "elapsed_share", "level"),
    [
        pytest.param(49, 0.05, "green", id="early: by amount, under 50"),
        pytest.param(50, 0.05, "yellow", id="early: by amount, 50"),
        pytest.param(80.1, 0.05, "red", id="early: by amount, over 80"),
        pytest.param(57.5, 0.5, "green", id="pace 1.15"),
        pytest.param(58, 0.5, "yellow", id="pace over 1.15"),
        pytest.param(65, 0.5, "yellow", id="pace 1.30"),
        pytest.param(66, 0.5, "red", id="pace over 1.30"),
        pytest.param(90, 0.95, "green", id="much used, little left"),
        pytest.param(100, 0.99, "alarm", id="used up"),
    ],
)
def test_the_level_follows_pace_then_amount(used, elapsed_share, level):
    window = 10_000
    assert pace.level(used, window, NOW + round(window * (1 - elapsed_share)), NOW)[0] == level


def test_without_a_reset_the_level_follows_the_amount():
    assert [pace.level(used, 18_000, 0, NOW) for used in (49.9, 80, 80.1)] == [
        ("green", pace.NEVER),
        ("yellow", pace.NEVER),
        ("red", pace.NEVER),
    ]


def check_constant(function, now):
    """The answer at `now` holds at every second before its `until`."""
    answer, until = function(now)
    assert until > now
    steps = {*range(now, min(until, now + 130)), *range(max(now, until - 130), until)} if until < NOW * 2 else {now}
    assert {function(at)[0] for at in steps} == {answer}


@given(left=st.integers(1, 40 * 86400))
def test_a_countdown_holds_until_it_says(left):
    check_constant(lambda now: pace.countdown(NOW + left, now), NOW)


@given(passed=st.integers(-300, 40 * 86400))
def test_an_age_holds_until_it_says(passed):
    check_constant(lambda now: pace.age(NOW - passed, now), NOW)


@given(
    used=st.floats(0, 200),
    window=st.sampled_from([3600, 18_000, 86_400, 604_800, 2_592_000]),
    share=st.floats(-0.2, 1.2),
)
def test_a_level_holds_until_it_says(used, window, share):
    resets_at = NOW + int(window * (1 - share))
    check_constant(lambda now: pace.level(used, window, resets_at, now), NOW)


@given(
    left=st.integers(1, 10 * 86400),
    zone=st.sampled_from(["UTC", "Pacific/Kiritimati", "America/St_Johns", "Europe/Berlin"]),
)
def test_a_clock_holds_until_it_says(left, zone):
    with local_zone(zone):
        check_constant(lambda now: pace.clock(NOW + left, now), NOW)


class local_zone:
    """TZ for a block, hypothesis examples included."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        import os
        import time

        os.environ["TZ"] = self.name
        time.tzset()

    def __exit__(self, *_):
        import os
        import time

        os.environ.pop("TZ", None)
        time.tzset()
