from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from vibeusage.models import OverageUsage, PeriodType, UsagePeriod, UsageSnapshot
from vibeusage.table import MOST_PERCENT

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SESSION = UsagePeriod(
    name="Session (5h)", utilization=42.0, period_type=PeriodType.SESSION, resets_at=NOW + timedelta(hours=2)
)
WEEKLY = UsagePeriod(name="Weekly", utilization=104.0, period_type=PeriodType.WEEKLY)
FABLE = UsagePeriod(name="Fable", utilization=1.0, period_type=PeriodType.SESSION, model="Fable")


def snapshot(*periods, observed_at=NOW):
    return UsageSnapshot(provider="claude", fetched_at=NOW, observed_at=observed_at, source="oauth", periods=periods)


def test_a_period_knows_its_rest_its_pace_and_its_reset():
    assert SESSION.remaining() == 58.0
    assert SESSION.elapsed_ratio(NOW) == pytest.approx(0.6)
    assert SESSION.pace_ratio(NOW) == pytest.approx(0.7)
    assert SESSION.time_until_reset(NOW) == timedelta(hours=2)


def test_a_period_without_a_reset_has_no_pace():
    assert (WEEKLY.remaining(), WEEKLY.elapsed_ratio(NOW), WEEKLY.pace_ratio(NOW), WEEKLY.time_until_reset(NOW)) == (
        0.0,
        None,
        None,
        None,
    )


def test_the_pace_means_something_after_a_tenth_of_the_window():
    assert SESSION.pace_ratio(NOW - timedelta(hours=2, minutes=31)) is None
    assert SESSION.pace_ratio(NOW - timedelta(hours=2, minutes=29)) == pytest.approx(42 / (100 * 31 / 300))


def test_the_primary_period_is_the_shortest_of_all_models():
    found = snapshot(WEEKLY, FABLE, SESSION)
    assert (found.primary_period(), found.secondary_period(), found.model_periods()) == (SESSION, WEEKLY, (FABLE,))
    assert snapshot().primary_period() is None


@pytest.mark.parametrize(
    ("age", "is_stale"),
    [
        pytest.param(timedelta(minutes=59), False, id="younger"),
        pytest.param(timedelta(minutes=60), True, id="as old as allowed"),
        pytest.param(timedelta(seconds=-1), True, id="from the future"),
    ],
)
def test_old_and_future_snapshots_are_stale(age, is_stale):
    assert snapshot(observed_at=NOW - age).is_stale(NOW, timedelta(hours=1)) is is_stale


def test_overage_without_a_limit_has_neither_rest_nor_percentage():
    capped = OverageUsage(used=Decimal("6.55"), limit=Decimal("40"))
    assert (capped.remaining(), capped.utilization()) == (Decimal("33.45"), pytest.approx(16.375))
    uncapped = OverageUsage(used=Decimal("6.55"))
    assert (uncapped.remaining(), uncapped.utilization()) == (None, None)


@pytest.mark.parametrize(
    ("used", "limit", "percent"),
    [("1e12", "1e-6", MOST_PERCENT), ("-3", "10", 0.0), ("3", "-10", None), ("3", "0", None)],
)
def test_a_percentage_of_a_limit_is_one_that_can_be_shown(used, limit, percent):
    assert OverageUsage(used=Decimal(used), limit=Decimal(limit)).utilization() == percent


def test_a_snapshot_survives_json_to_the_digit():
    found = snapshot(SESSION, WEEKLY)
    assert msgspec.json.decode(msgspec.json.encode(found), type=UsageSnapshot) == found


def test_an_instant_without_an_offset_is_refused():
    text = b'{"provider":"x","fetched_at":"2026-11-22T12:00:00","observed_at":"2026-11-22T12:00:00Z","source":"x"}'
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        msgspec.json.decode(text, type=UsageSnapshot)


def test_the_hours_of_each_period_type():
    assert {kind.value: kind.hours for kind in PeriodType} == {"session": 5, "daily": 24, "weekly": 168, "monthly": 720}
