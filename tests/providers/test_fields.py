from datetime import UTC, datetime

import pytest

from vibeusage.models import PeriodType
from vibeusage.providers import fields

MOMENT = datetime(2026, 9, 14, 16, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        pytest.param("12.5", 12.5, id="text"),
        pytest.param(" 12 ", 12.0, id="blanks around"),
        pytest.param("1e3", 1000.0, id="exponent"),
        pytest.param("", None, id="empty"),
        pytest.param(" ", None, id="blank"),
        pytest.param(None, None, id="null"),
    ],
)
def test_a_number_may_be_text_and_an_empty_text_is_unknown(value, number):
    assert fields.num(value) == number


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(1789401720, id="seconds"),
        pytest.param("1789401720", id="seconds as text"),
        pytest.param(" 1789401720.0 ", id="with blanks and a fraction"),
        pytest.param("1.78940172e9", id="with an exponent"),
        pytest.param(1789401720000, id="milliseconds"),
        pytest.param("1789401720000", id="milliseconds as text"),
        pytest.param("2026-09-14T16:02:00Z", id="ISO"),
        pytest.param("2026-09-14T16:02:00.000000000Z", id="nanoseconds"),
        pytest.param("2026-09-14 21:32:00.0+05:30", id="an offset"),
        pytest.param("20260914T160200Z", id="without dashes"),
    ],
)
def test_an_instant_is_read_in_every_spelling(value):
    assert fields.instant(value) == MOMENT


@pytest.mark.parametrize(
    "value",
    ["-1", "-62135596800", " ", "0.0", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"],
)
def test_a_time_that_stands_for_none_or_never_is_none_in_every_spelling(value):
    assert fields.instant(value) is None


@pytest.mark.parametrize("value", [True, [], "soon", "2026-09-14T16:02:00", "99999-01-01T00:00:00Z", "1e999", "12:30"])
def test_what_is_no_time_raises(value):
    with pytest.raises(ValueError, match=r"time|number|finite"):
        fields.instant(value)


@pytest.mark.parametrize(
    ("kind", "seconds", "name"),
    [
        (PeriodType.SESSION, 0, "Session (5h)"),
        (PeriodType.SESSION, 299 * 60, "Session (5h)"),
        (PeriodType.SESSION, 14_400, "Session (4h)"),
        (PeriodType.DAILY, 86_400, "Daily"),
        (PeriodType.WEEKLY, 604_800, "Weekly"),
        (PeriodType.WEEKLY, 10 * 86_400, "10 days"),
        (PeriodType.MONTHLY, 31 * 86_400, "Monthly"),
    ],
)
def test_a_window_is_called_by_its_length(kind, seconds, name):
    assert fields.window_name(kind, seconds) == name


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-31T23:59:59+00:00", "2026-02-01T00:00:00+00:00"),
        ("2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("2028-02-29T12:00:00+00:00", "2028-03-01T00:00:00+00:00"),
    ],
)
def test_a_month_ends_at_midnight_utc(now, end):
    assert fields.month_end(datetime.fromisoformat(now)) == datetime.fromisoformat(end)
