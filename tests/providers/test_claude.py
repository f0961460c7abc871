from datetime import datetime
from decimal import Decimal

import pytest

from vibeusage.models import OverageUsage, PeriodType, Usage, UsagePeriod
from vibeusage.providers.claude import parse_usage


def at(text):
    return datetime.fromisoformat(text)


SESSION, WEEKLY = PeriodType.SESSION, PeriodType.WEEKLY

ANSWERS = {
    "usage": Usage(
        periods=(
            UsagePeriod(
                name="Session (5h)",
                utilization=37.0,
                period_type=SESSION,
                resets_at=at("2026-09-14T16:20:00.418822+00:00"),
            ),
            UsagePeriod(
                name="Weekly", utilization=12.5, period_type=WEEKLY, resets_at=at("2026-09-18T07:00:00.418843+00:00")
            ),
            UsagePeriod(
                name="Fable",
                utilization=64.0,
                period_type=WEEKLY,
                resets_at=at("2026-09-18T07:00:00.418843+00:00"),
                model="Fable",
            ),
        ),
        overage=OverageUsage(used=Decimal("6.55"), limit=Decimal("40.00"), currency="USD"),
    ),
    "usage-old-shape": Usage(
        periods=(
            UsagePeriod(name="Session (5h)", utilization=0.0, period_type=SESSION),
            UsagePeriod(name="Weekly", utilization=104.2, period_type=WEEKLY, resets_at=at("2026-06-18T07:00:00Z")),
            UsagePeriod(
                name="Opus", utilization=31.0, period_type=WEEKLY, resets_at=at("2026-06-18T07:00:00Z"), model="Opus"
            ),
        ),
        overage=OverageUsage(used=Decimal("12.34"), limit=None, currency="USD"),
    ),
    "usage-enterprise": Usage(overage=OverageUsage(used=Decimal("123.456"), limit=None, currency="EUR")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_known_shape_is_read_to_the_unit(name, fixture_bytes):
    assert parse_usage(fixture_bytes(f"claude/{name}.json")) == ANSWERS[name]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>login</html>", id="login page"),
        pytest.param(b"[]", id="another type"),
        pytest.param(b"{}", id="no limit at all"),
        pytest.param(b'{"five_hour":{"utilization":null}}', id="only an unknown one"),
        pytest.param(b'{"five_hour":{"utilization":"a lot"}}', id="text for a number"),
        pytest.param(b'{"five_hour":{"utilization":-5}}', id="negative"),
        pytest.param(b'{"five_hour":{"utilization":1e308}}', id="absurd"),
        pytest.param(b'{"five_hour":{"utilization":1e999}}', id="infinite"),
        pytest.param(b'{"five_hour":{"utilization":NaN}}', id="not a number"),
        pytest.param(b'{"five_hour":{"utilization":1' + b"0" * 400 + b"}}", id="400 digits"),
        pytest.param(b'{"five_hour":{"utilization":5,"resets_at":"2026-09-14T16:20:00"}}', id="time without offset"),
        pytest.param(b'{"five_hour":{"utilization":5,"resets_at":"99999-01-01T00:00:00Z"}}', id="year 99999"),
        pytest.param(b'{"five_hour":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", id="nested deeply"),
        pytest.param(b'{"five_hour":{"utilization":"\xff"}}', id="bad UTF-8"),
    ],
)
def test_an_answer_that_is_not_understood_raises_and_never_gives_a_number(body):
    with pytest.raises((ValueError, ArithmeticError, RecursionError)):
        parse_usage(body)
