"""What is kept of the quotas after each round, and the windows that it comes to."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import cache, config, files, paths
from vibeusage.errors import StorageError
from vibeusage.models import OverageUsage, PeriodType, UsagePeriod, UsageSnapshot
from vibeusage.records import history, place, quotas, store, upkeep
from vibeusage.records.history import Trend, Window
from vibeusage.records.quotas import ALL, Point, Sample

T = 1_750_000_000 // 18_000 * 18_000
HOUR, FIVE = 3600, 18_000


@pytest.fixture
def db(tmp_path):
    with store.open(tmp_path / "usage.db") as opened:
        yield opened


def sample(at: int, used: float, resets_at: int = T + FIVE, **fields) -> Sample:
    known = {"account": "claude", "name": "Session (5h)", "model": "", "window_s": FIVE, **fields}
    return Sample(**known, at=at, used=used, resets_at=resets_at)


def note(db, *samples: Sample, now: int | None = None, keep_from: int = 0) -> int:
    latest = max((each.at for each in samples), default=T)
    return sum(db.note_quotas([each], now=now or latest, keep_from=keep_from) for each in samples)


def rows(db) -> list[tuple[int, int, float, int]]:
    return [(each.at, each.until, each.used, each.resets_at) for each in history.points(db)]


def test_a_row_is_added_when_percentage_or_reset_is_another(db):
    seen = [
        sample(T + 10, 1),
        sample(T + 310, 1),
        sample(T + 610, 2.5),
        sample(T + 910, 2.5, T + FIVE + 40),  # wanders
        sample(T + 1210, 2.5, T + FIVE + 900),
    ]
    assert [note(db, each) for each in seen] == [1, 0, 1, 0, 1]
    assert rows(db) == [
        (T + 10, T + 10, 1.0, T + FIVE),
        (T + 610, T + 610, 2.5, T + FIVE),
        (T + 1210, T + 1210, 2.5, T + FIVE + 900),
    ]


def test_what_stays_the_same_is_written_each_half_hour_only(db):
    note(db, sample(T, 7))
    before = db.path.stat().st_mtime_ns, db.path.with_name("usage.db-wal").stat().st_size
    note(db, sample(T + 1700, 7))
    assert (db.path.stat().st_mtime_ns, db.path.with_name("usage.db-wal").stat().st_size) == before
    note(db, sample(T + 1900, 7))
    assert rows(db) == [(T, T + 1900, 7.0, T + FIVE)]


@pytest.mark.parametrize("late", [sample(T + 100, 90), sample(T + 200, 90), sample(T + 10**6, 90)])
def test_what_is_old_or_of_the_future_is_no_news(db, late):
    note(db, sample(T + 200, 5))
    assert note(db, late, now=T + 300) == 0
    assert rows(db) == [(T + 200, T + 200, 5.0, T + FIVE)]


def test_rows_of_a_clock_that_was_wrong_keep_nothing_back(db):
    note(db, sample(T + 10**7, 90, T + 2 * 10**7))
    assert note(db, sample(T, 5), now=T) == 1
    assert rows(db) == [(T, T, 5.0, T + FIVE)]


def test_a_clock_that_is_set_back_costs_nothing_that_was_seen_before(db):
    note(db, sample(T + 10, 1), sample(T + 310, 2))
    before = rows(db)
    month = 30 * 86_400
    assert note(db, sample(T + 610 - month, 3), now=T + 610 - month) == 0
    assert rows(db) == before
    assert note(db, sample(T + 910, 4)) == 1


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 1_000_000))
def test_a_percentage_is_kept_to_a_hundredth_and_never_says_nothing_or_all_of_what_is_not(percent):
    kept = quotas.hundredths(percent) / 100
    assert abs(kept - percent) <= 0.0101
    assert (kept > 0, kept >= 100) == (percent > 0, percent >= 100)


def test_accounts_and_windows_are_apart_and_come_in_order(db):
    note(db, sample(T, 1, account="codex"), sample(T, 2), sample(T, 3, name="Weekly", window_s=604_800, model="opus"))
    assert list(history.points(db)) == [
        Point("claude", "Session (5h)", "", FIVE, T, T, 2.0, T + FIVE),
        Point("claude", "Weekly", "opus", 604_800, T, T, 3.0, T + FIVE),
        Point("codex", "Session (5h)", "", FIVE, T, T, 1.0, T + FIVE),
    ]
    assert [point.account for point in history.points(db, ["codex"])] == ["codex"]
    assert list(history.points(db, [])) == []


def test_what_was_last_seen_before_the_days_that_are_kept_is_forgotten(db):
    note(db, sample(T, 1), sample(T + 100, 2), sample(T + 4000, 2), sample(T, 9, name="gone"))
    note(db, sample(T + 5000, 3), keep_from=T + 3000)
    assert rows(db) == [(T + 100, T + 4000, 2.0, T + FIVE), (T + 5000, T + 5000, 3.0, T + FIVE)]
    db.note_quotas([], now=T, keep_from=ALL)
    reading = sqlite3.connect(db.path)
    assert reading.execute("SELECT COUNT(*) FROM quota_windows").fetchone() == (0,)
    reading.close()


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def window(start: int, **fields) -> Window:
    known: dict[str, Any] = {"account": "claude", "name": "Session (5h)", **fields}
    return Window(**known, start=at(start), resets_at=at(start + FIVE))


def test_a_window_tells_its_peak_when_it_was_used_up_and_its_pace(db):
    note(db, sample(T + HOUR, 50), sample(T + 2 * HOUR, 100), sample(T + 3 * HOUR, 104))
    note(db, sample(T + FIVE + HOUR, 10, T + 2 * FIVE))
    assert history.windows(db, now=T + FIVE + HOUR) == [
        window(
            T,
            first_at=at(T + HOUR),
            last_at=at(T + 3 * HOUR),
            used=104.0,
            peak=104.0,
            used_up_at=at(T + 2 * HOUR),
            pace=1.733,
        ),
        window(
            T + FIVE,
            first_at=at(T + FIVE + HOUR),
            last_at=at(T + FIVE + HOUR),
            used=10.0,
            peak=10.0,
            pace=0.5,
            is_over=False,
        ),
    ]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([(0, 10, FIVE), (HOUR, 20, FIVE + 900)], [20], id="a reset that wanders"),
        pytest.param([(0, 10, FIVE), (HOUR, 20, 3 * FIVE)], [20], id="a reset that is put off"),
        pytest.param([(0, 10, FIVE), (HOUR, 2, 3 * FIVE)], [10, 2], id="a new window before its time"),
        pytest.param([(0, 30, FIVE), (HOUR, 25, FIVE)], [30], id="a vendor that corrects itself"),
        pytest.param([(0, 10, FIVE), (FIVE, 10, 2 * FIVE)], [10, 10], id="at the reset"),
        pytest.param([(0, 10, FIVE), (FIVE + 9, 0, 0), (FIVE + HOUR, 5, 3 * FIVE)], [10, 5], id="a pause"),
        pytest.param([(0, 10, 0), (HOUR, 40, 0), (2 * HOUR, 3, 0)], [40, 3], id="no reset known"),
        pytest.param([(0, 10, 0), (HOUR, 40, FIVE)], [40], id="a reset that becomes known"),
        pytest.param([(0, 0, 0)], [], id="nothing used"),
        pytest.param([(0, 0, FIVE)], [0], id="a window with nothing used"),
    ],
)
def test_where_one_window_ends_and_the_next_begins(db, samples, expected):
    note(db, *(sample(T + after, used, resets and T + resets) for after, used, resets in samples))
    assert [each.peak for each in history.windows(db, now=T + 4 * FIVE)] == expected


def test_a_range_has_whole_windows(db):
    for number in range(6):
        start = T + number * FIVE
        note(db, *(sample(start + hour * HOUR, hour * 10 + 1, start + FIVE) for hour in range(5)))
    every = history.windows(db, now=T + 6 * FIVE)
    assert [each.peak for each in every] == [41.0] * 6
    assert history.windows(db, now=T + 6 * FIVE, since=T + 2 * FIVE + 4 * HOUR) == every[2:]
    assert history.windows(db, now=T + 6 * FIVE, until=T + 2 * FIVE) == every[:2]


def test_a_trend_compares_the_later_half_with_the_earlier(db):
    for number, peak in enumerate([10, 20, 30, 100, 90]):
        note(db, sample(T + number * FIVE, peak, T + (number + 1) * FIVE))
    found = history.windows(db, now=T + 5 * FIVE - 1)
    assert history.trends(found) == [
        Trend(account="claude", name="Session (5h)", windows=4, used_up=1, mean_peak=40.0, change=50.0)
    ]
    assert history.trends(found[-1:]) == [Trend(account="claude", name="Session (5h)", windows=0, used_up=0)]


def snapshot(now: datetime, *, used: float = 42.0) -> UsageSnapshot:
    weekly = UsagePeriod(
        name="Weekly", utilization=7.25, period_type=PeriodType.WEEKLY, observed_at=now - timedelta(hours=1)
    )
    over = UsagePeriod(name="Old", utilization=99.0, period_type=PeriodType.DAILY, resets_at=now - timedelta(hours=1))
    session = UsagePeriod(
        name="Session (5h)",
        utilization=used,
        period_type=PeriodType.SESSION,
        resets_at=now + timedelta(hours=2),
        model="opus",
    )
    return UsageSnapshot(
        provider="claude",
        account="work",
        fetched_at=now,
        observed_at=now,
        source="oauth",
        periods=(session, weekly, over),
        overage=OverageUsage(used=Decimal(5), limit=Decimal(20)),
    )


def kept(now: datetime) -> list[tuple[str, str, int, float]]:
    with store.open(readonly=True) as opened:
        return [(*each[:2], each.at - int(now.timestamp()), each.used) for each in history.points(opened)]


def test_a_round_keeps_what_the_cache_knows(home):
    now = datetime.now(UTC)
    cache.save_snapshot(snapshot(now), "f")
    history.after_round(config.load(), int(now.timestamp()))
    assert kept(now) == [
        ("claude@work", "Extra usage", 0, 25.0),
        ("claude@work", "Session (5h)", 0, 42.0),
        ("claude@work", "Weekly", -3600, 7.25),
    ]
    config.set_value("history.days", "0")
    history.after_round(config.load(), int(now.timestamp()))
    assert kept(now) == []


def asked(now: datetime, used: float = 42.0) -> set[tuple[str, str, int, float]]:
    """What is kept once the vendor has answered by this clock."""
    cache.save_snapshot(snapshot(now, used=used), "f")
    history.after_round(config.load(), int(now.timestamp()))
    return {*kept(datetime.fromtimestamp(0, UTC))}


@pytest.mark.parametrize("ahead", [timedelta(days=401), timedelta(days=300), timedelta(days=9000)], ids=str)
def test_a_clock_that_is_far_ahead_for_hours_costs_nothing_that_was_seen(ahead, home):
    now = datetime.now(UTC)
    asked(now - timedelta(days=399))
    asked(now - timedelta(days=200), 43.0)
    known = asked(now, 44.0)
    assert len(known) == 9
    for minutes in (5, 35, 600):
        assert asked(now + ahead + timedelta(minutes=minutes)) >= known
    after = asked(now + timedelta(hours=11), 50.0)
    assert after - known == {("claude@work", "Session (5h)", int(now.timestamp()) + 39_600, 50.0)}
    assert after >= known


def test_after_a_pause_of_more_than_the_days_that_are_kept_what_is_old_goes_within_a_day_of_use(home):
    now = datetime.now(UTC)
    known = asked(now - timedelta(days=401))
    assert asked(now) > known
    assert not asked(now + timedelta(hours=25), 50.0) & known


def test_without_history_no_store_is_made(home):
    now = datetime.now(UTC)
    cache.save_snapshot(snapshot(now), "f")
    config.set_value("history.days", "0")
    history.after_round(config.load(), int(now.timestamp()))
    assert not paths.data_dir().exists()


def test_a_store_that_is_written_to_costs_the_point_and_no_time(home):
    now = datetime.now(UTC)
    cache.save_snapshot(snapshot(now), "f")
    store.open().close()
    with files.lock(place.usage_db().parent / place.LOCK, wait_s=0) as got:
        assert got
        history.after_round(config.load(), int(now.timestamp()))
    other = sqlite3.connect(place.usage_db(), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="in use"):
        history.after_round(config.load(), int(now.timestamp()))
    other.execute("ROLLBACK")
    other.close()
    assert kept(now) == []


def test_two_rounds_at_once_keep_each_point_once(home):
    now = datetime.now(UTC)
    cache.save_snapshot(snapshot(now), "f")
    running = [
        threading.Thread(target=history.after_round, args=(config.load(), int(now.timestamp()))) for _ in range(4)
    ]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert len(kept(now)) == 3


def test_an_account_is_forgotten_to_the_byte_and_no_other(home):
    path = place.usage_db()
    with store.open(path) as opened:
        note(opened, *(sample(T + n * 300, n % 90, account="claude@old", name=f"w{n % 7}") for n in range(500)))
        note(opened, sample(T, 1, account="claude"))
    assert b"claude@old" in path.read_bytes()
    assert upkeep.forget(path, "claude@old") == 500
    assert upkeep.forget(path, "claude@old") == 0
    assert b"claude@old" not in b"".join(each.read_bytes() for each in path.parent.iterdir())
    with store.open(path, readonly=True) as opened:
        assert [point.account for point in history.points(opened)] == ["claude"]
