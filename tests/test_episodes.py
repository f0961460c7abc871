"""Which observation of a window makes an alert: each case is a story of one window, told in minutes."""

from datetime import UTC, datetime, timedelta

import pytest

from vibeusage import episodes
from vibeusage.episodes import Alert, Known, Sample, Seen

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SOON, LATER = 240, 540  # the minutes of two resets of a window of five hours


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def sample(minutes: float, used: float, reset: float | None, *, window: timedelta = 5 * HOUR) -> Sample:
    return Sample("claude", "Session (5h)", used, at(minutes), None if reset is None else at(reset), window)


def told(story, thresholds=(80, 95), window: timedelta = 5 * HOUR) -> list[tuple[float, int]]:
    """(minute, threshold) of each alert; an observation is judged when it is made, or at the minute that it names."""
    known, found = Known(), []
    for minutes, used, reset, *judged_at in story:
        now = at(judged_at[0] if judged_at else minutes)
        seen = [sample(minutes, used, reset, window=window)]
        known, new = episodes.judge(known, seen, thresholds=thresholds, now=now, max_age=HOUR)
        found += [(minutes, alert.threshold) for alert in new]
    return found


STORIES = [
    pytest.param([(0, 85, SOON)], [], id="one sample"),
    pytest.param([(0, 85, SOON), (5, 85, SOON)], [(5, 80)], id="two in a row"),
    pytest.param([(0, 80, SOON), (5, 79.9, SOON), (10, 80, SOON), (15, 80, SOON)], [(15, 80)], id="one between"),
    pytest.param([(0, 85, SOON), (0, 85, SOON), (0, 99, SOON)], [], id="one observation read again"),
    pytest.param([(5, 85, SOON), (0, 99, SOON, 6)], [], id="an older one proves nothing"),
    pytest.param([(0, 82, SOON), (5, 96, SOON), (10, 96, SOON)], [(5, 80), (10, 95)], id="one threshold after another"),
    pytest.param([(0, 99, SOON), (5, 99, SOON), (10, 99, SOON)], [(5, 95)], id="the highest covers the lower"),
    pytest.param(
        [(0, 99, SOON), (5, 99, SOON), (10, 85, SOON), (15, 85, SOON)], [(5, 95)], id="also when it falls to that one"
    ),
    pytest.param(
        [(0, 85, SOON), (5, 85, SOON), (10, 2, SOON), (15, 85, SOON), (20, 85, SOON)], [(5, 80)], id="there and back"
    ),
    pytest.param(
        [(0, 85, SOON), (5, 85, SOON), (250, 85, LATER), (255, 85, LATER)], [(5, 80), (255, 80)], id="the next window"
    ),
    pytest.param([(235, 85, SOON), (245, 85, LATER)], [], id="one before and one after the reset"),
    pytest.param([(0, 85, SOON), (5, 85, SOON, 70)], [], id="an hour old when it is read"),
    pytest.param([(0, 85, SOON), (90, 40, SOON, 5), (91, 85, SOON, 6), (7, 85, SOON)], [(7, 80)], id="from the future"),
    pytest.param([(200, 85, SOON), (239, 85, SOON, 241)], [], id="over when it is read"),
    pytest.param(
        [(0, 85, SOON), (5, 85, SOON + 9), (10, 3, SOON - 9), (15, 85, SOON + 5), (20, 85, SOON)],
        [(5, 80)],
        id="a reset that wanders",
    ),
    pytest.param(
        [(0, 85, 300), (60, 85, 360), (120, 85, 420), (180, 85, 480), (240, 85, 540), (400, 85, 700), (401, 85, 701)],
        [(60, 80)],
        id="a window that slides along while it is full",
    ),
    pytest.param(
        [(0, 85, 100), (5, 85, 100), (10, 0, 310), (15, 85, 310), (20, 85, 310)],
        [(5, 80), (20, 80)],
        id="a vendor that resets early",
    ),
    pytest.param(
        [(0, 85, 100), (5, 85, 100), (10, 0, 310), (15, 85, 100), (20, 85, 100)], [(5, 80)], id="one of another reset"
    ),
    pytest.param(
        [(0, 85, None), (5, 85, None), (10, 1, None), (290, 85, None), (295, 85, None)], [(5, 80)], id="no reset known"
    ),
    pytest.param(
        [(0, 85, None), (5, 85, None), (320, 85, None), (325, 85, None)], [(5, 80), (325, 80)], id="a length later"
    ),
    pytest.param(
        [(0, 85, None), (5, 85, None), (10, 1, SOON), (250, 85, LATER), (255, 85, LATER)],
        [(5, 80), (255, 80)],
        id="a reset that is known later",
    ),
    pytest.param([(0, 85, None), (290, 85, 560)], [], id="a reset between that nobody named"),
    pytest.param([(0, 85, SOON), (5, 85, None)], [(5, 80)], id="a reset that is left out once"),
    pytest.param([(0, float("nan"), SOON), (5, float("nan"), SOON)], [], id="no number"),
]


@pytest.mark.parametrize(("story", "alerts"), STORIES)
def test_what_is_told_of(story, alerts):
    assert told(story) == alerts


def test_a_day_is_the_most_that_a_reset_may_be_off():
    """Some sources name the day alone; a month's tenth would be three."""
    day, month = 24 * 60, timedelta(days=30)
    first = [(0, 85, 9 * day), (5, 85, 9 * day), (10, 0, 9 * day)]
    assert told([*first, (15, 85, 10 * day), (20, 85, 10 * day)], window=month) == [(5, 80)]
    assert told([*first, (15, 85, 11 * day), (20, 85, 11 * day)], window=month) == [(5, 80), (20, 80)]


def test_a_clock_that_was_ahead_keeps_nothing_back():
    ahead = at(10 * 365 * 24 * 60)
    seen = [Sample("claude", "Weekly", 85, ahead + HOUR * step, None, HOUR * 168) for step in range(2)]
    known = Known()
    for one in seen:
        known, new = episodes.judge(known, [one], thresholds=(80,), now=one.at, max_age=HOUR)
    assert len(new) == 1
    for minutes in (0, 5):
        now = Sample("claude", "Weekly", 85, at(minutes), None, HOUR * 168)
        known, new = episodes.judge(known, [now], thresholds=(80,), now=now.at, max_age=HOUR)
    assert [alert.at for alert in known.alerts] == [at(5)]


def test_what_was_seen_and_told_survives_the_disk_and_is_forgotten_by_account(cache_dir):
    seen = Seen(utilization=85.5, at=at(0), resets_at=at(SOON), is_waiting=True)
    mine, other = (
        Alert(account=name, period="Weekly", threshold=80, utilization=85.5, at=at(0), until=at(SOON))
        for name in ("claude@work", "codex")
    )
    known = Known(seen={"claude": {"Weekly": seen}, "claude@work": {"Weekly": seen}}, alerts=(mine, other))
    episodes.save(known)
    assert episodes.load() == known
    assert (cache_dir / "alerts.json").stat().st_mode & 0o777 == 0o600
    assert episodes.waiting(known) == {"claude", "claude@work"}
    episodes.forget("claude", exact=True)
    assert episodes.load() == Known(seen={"claude@work": {"Weekly": seen}}, alerts=(mine, other))
    episodes.forget("claude")
    assert episodes.load() == Known(alerts=(other,))


def test_the_newest_fifty_that_are_over_are_kept_to_be_read():
    known = Known()
    for number in range(60):
        for minutes in (0, 5):
            seen = sample(number * 300 + minutes, 85, number * 300 + 299)
            known, _ = episodes.judge(known, [seen], thresholds=(80,), now=seen.at, max_age=HOUR)
    known, _ = episodes.judge(known, [], thresholds=(80,), now=at(90 * 300), max_age=HOUR)
    assert [alert.at for alert in known.alerts] == [at(number * 300 + 5) for number in range(10, 60)]
