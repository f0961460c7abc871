"""Odd values of logs: the same instant, the same count and the same cost, however a tool writes them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.records.readers.jsonl import decoded, mended
from vibeusage.records.readers.spec import MOST_TOKENS, Places, Source
from vibeusage.records.readers.values import count, millis

AT = 1_791_014_406_500  # 2026-10-03T08:00:06.5Z


@pytest.mark.parametrize(
    "told",
    [
        *("2026-10-03T08:00:06.5Z", "2026-10-03T10:00:06.500+02:00", "2026-10-03T08:00:06.500000999Z"),
        *("2026-10-03 08:00:06.5", "2026-10-03 08:00:06.500Z", "2026-10-03 10:00:06.5+02:00"),
        *(AT, float(AT), str(AT), AT / 1000, str(AT / 1000), AT * 1000, [AT // 1000, 500_000_000]),
    ],
)
def test_an_instant_is_the_same_in_every_form(told):
    assert millis(told) == AT


@pytest.mark.parametrize(
    "told", ["2026-10-03T08:00:06", "", "yesterday", None, True, -1, 0, float("nan"), float("inf"), [1], [1, "2"], {}]
)
def test_what_names_no_instant_is_none(told):
    assert millis(told) is None


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        *((12, 12), (12.0, 12), ("12", 12), (0, 0), (MOST_TOKENS, MOST_TOKENS)),
        *((told, None) for told in (None, -1, True, "", "many", "nan", "inf", MOST_TOKENS + 1, 1e300, [], {})),
    ],
)
def test_a_count_is_a_number_from_zero_to_the_most_there_can_be(told, counted):
    assert count(told) == counted


class _Told(msgspec.Struct):
    cost: float | None = None
    name: str | None = None
    more: dict[str, Any] | None = None


@pytest.mark.parametrize(
    ("told", "cost"), [(0.01, 0.01), ("0.01", 0.01), (1, 1.0), ("free", None), (True, None), ([], None)]
)
def test_a_fraction_may_be_told_as_text(told, cost):
    assert mended({"cost": told}, _Told) == _Told(cost)


def test_half_of_a_cut_emoji_is_no_text_of_ours():
    line = rb'{"name":"a\ud83d","more":{"b\udc00":["\ud83d\ude00 \udfff"]}}'
    assert decoded(line, msgspec.json.Decoder(_Told), Source(Path("x"), Path())) == _Told(
        name="a?", more={"b?": ["\N{GRINNING FACE} ?"]}
    )


@pytest.mark.parametrize(
    ("told", "folders"),
    [
        ("", []),
        (" , ", []),
        ("~", ["/home/ana"]),
        ("~/a, /srv/b,", ["/home/ana/a", "/srv/b"]),
        ("/srv/~/b", ["/srv/~/b"]),
    ],
)
def test_a_variable_names_folders_comma_separated(told, folders):
    places = Places(environ={"TOOL_HOME": told}, home=Path("/home/ana"), platform="linux")
    assert places.variable("TOOL_HOME") == [Path(folder) for folder in folders]
