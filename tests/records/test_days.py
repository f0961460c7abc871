"""What a day is, where clocks change and where they do not."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from vibeusage.errors import ConfigError
from vibeusage.records import days
from vibeusage.records.schema import QUARTER_MS

HOUR = 3_600_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "day", "starts", "hours"),
    [
        pytest.param("UTC", "2026-03-29", "2026-03-29T00:00Z", 24, id="no change"),
        pytest.param("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z", 23, id="an hour less"),
        pytest.param("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z", 25, id="an hour more"),
        pytest.param("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00Z", 24.5, id="half an hour more"),
        pytest.param("Asia/Kathmandu", "2026-03-29", "2026-03-28T18:15Z", 24, id="45 minutes off"),
        pytest.param("America/Santiago", "2026-09-06", "2026-09-06T04:00Z", 23, id="no midnight"),
        pytest.param("America/Santiago", "2026-04-04", "2026-04-04T03:00Z", 25, id="23 o'clock twice"),
        pytest.param("America/Havana", "2026-11-01", "2026-11-01T04:00Z", 25, id="midnight twice: the first"),
    ],
)
def test_a_day_begins_with_its_first_instant(zone, day, starts, hours):
    first, place = date.fromisoformat(day), ZoneInfo(zone)
    (span,) = days.spans("daily", first, first, place)
    assert span == days.Span(day, first, ms(starts), ms(starts) + int(hours * HOUR))
    assert (days.of(span.start_ms - 1, place) < first, days.of(span.start_ms, place)) == (True, first)
    assert (days.of(span.end_ms - 1, place), days.of(span.end_ms, place) > first) == (first, True)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Pacific/Chatham"])
@pytest.mark.parametrize("period", days.PERIODS)
def test_periods_follow_each_other_without_a_gap_and_on_quarters(period, zone):
    found = list(days.spans(period, date(2025, 12, 20), date(2027, 1, 10), ZoneInfo(zone)))
    assert [one.end_ms for one in found[:-1]] == [one.start_ms for one in found[1:]]
    assert {one.start_ms % QUARTER_MS for one in found} == {0}
    assert len({one.key for one in found}) == len(found)


@pytest.mark.parametrize(
    ("period", "start", "keys"),
    [
        pytest.param("daily", days.MONDAY, ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"], id="days"),
        pytest.param("weekly", days.MONDAY, ["2026-02-23", "2026-03-02"], id="weeks from Monday"),
        pytest.param("weekly", days.SUNDAY, ["2026-02-22", "2026-03-01"], id="weeks from Sunday"),
        pytest.param("monthly", days.MONDAY, ["2026-02", "2026-03"], id="months"),
        pytest.param("yearly", days.MONDAY, ["2026"], id="years"),
    ],
)
def test_the_first_and_the_last_period_are_only_as_long_as_was_asked_for(period, start, keys):
    found = list(days.spans(period, date(2026, 2, 27), date(2026, 3, 2), UTC, week_start=start))
    assert [one.key for one in found] == keys
    assert (found[0].start_ms, found[-1].end_ms) == (ms("2026-02-27T00:00Z"), ms("2026-03-03T00:00Z"))


@pytest.mark.parametrize("period", days.PERIODS)
def test_a_range_that_ends_before_it_begins_has_no_periods(period):
    assert list(days.spans(period, date(2026, 3, 20), date(2026, 3, 18), UTC)) == []


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-01", "2026-03-01"),
        ("20260301", "2026-03-01"),
        ("today", "2026-03-10"),
        ("yesterday", "2026-03-09"),
        ("1d", "2026-03-10"),
        ("7d", "2026-03-04"),
    ],
)
def test_a_day_is_a_date_or_a_word(text, day):
    assert days.parse(text, date(2026, 3, 10)) == date.fromisoformat(day)


@pytest.mark.parametrize(
    "text", ["", "0d", "d", "-3d", "99999d", "2026-02-30", "0001-01-01", "9999-12-31", "tomorrow", "7", "٣d"]
)
def test_what_is_no_day_is_refused_with_what_would_be(text):
    with pytest.raises(ConfigError, match="is not a day") as caught:
        days.parse(text, date(2026, 3, 10))
    assert "2026-03-31" in caught.value.hint


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe", "a\0b"])
def test_a_zone_that_nobody_knows_is_refused(name):
    with pytest.raises(ConfigError, match="is not a time zone"):
        days.zone(name)


@pytest.mark.parametrize(
    ("value", "name"),
    [("Asia/Kathmandu", "Asia/Kathmandu"), (":Europe/Berlin", "Europe/Berlin")],
)
def test_the_variable_names_the_zone_of_this_machine(value, name, monkeypatch):
    monkeypatch.setenv("TZ", value)
    assert days.name_of(days.zone()) == name


def test_a_linked_localtime_has_its_name_and_a_copied_one_its_rules(tmp_path, monkeypatch):
    table = tmp_path / "zoneinfo" / "Europe" / "Berlin"
    table.parent.mkdir(parents=True)
    table.write_bytes(b"")
    link = tmp_path / "localtime"
    link.symlink_to(table)
    monkeypatch.setattr(days, "LOCALTIME", link)
    assert days.name_of(days.zone()) == "Europe/Berlin"

    copied = tmp_path / "copied"
    copied.write_bytes(_tzif())
    monkeypatch.setattr(days, "LOCALTIME", copied)
    summer, winter = date(2026, 7, 1), date(2026, 1, 1)
    assert days.start_ms(summer, days.zone()) == ms("2026-06-30T22:00Z")
    assert days.start_ms(winter, days.zone()) == ms("2025-12-31T23:00Z")


def _tzif() -> bytes:
    """A table of version 2 that holds nothing but the rule of Central Europe."""
    head = b"TZif2" + bytes(15)
    counts = b"".join(number.to_bytes(4, "big") for number in (0, 0, 0, 0, 1, 4))
    kind = (3600).to_bytes(4, "big") + b"\0\0" + b"CET\0"
    return (head + counts + kind) * 2 + b"\nCET-1CEST,M3.5.0,M10.5.0/3\n"


def test_without_any_table_the_offset_of_now_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(days, "LOCALTIME", tmp_path / "none")
    assert days.name_of(days.zone()).startswith("UTC")
