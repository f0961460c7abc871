"""What was spent, in the line: of whom, until when, and never a zero for what nobody knows."""

import time

import pytest

from vibeusage import costs, table
from vibeusage.segment import options_for

NOW = 1_795_315_000
DAY = (NOW - 40_000, NOW + 46_400)
BLOCK = (NOW - 3_600, NOW + 14_400)
ROWS = [
    ("*", "today", *DAY, 3_140_000, 900_000, "calculated"),
    ("claude", "today", *DAY, 3_000_000, 850_000, "calculated"),
    ("codex", "today", *DAY, 140_000, 50_000, "partial"),
    ("gemini", "today", *DAY, -1, 12_300, "unknown"),
    ("*", "month", *DAY, 123_456_000_000, 1, "calculated"),
    ("claude", "block", *BLOCK, 900_000, 12_000, "calculated"),
    ("claude", "burn", *BLOCK, 1_800_000, 7_650_000, "estimate"),
]


def said(now=NOW, rows=ROWS, **given):
    units, until = costs.units(rows, options_for("plain", {}, given), now)
    return ["".join(text for _, _, text in unit) for unit in units], until


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        pytest.param({}, ["today $3.14"], id="all together by default"),
        pytest.param({"provider": "claude@work"}, ["today $3.00"], id="of one provider"),
        pytest.param({"provider": "claude,codex"}, ["today $3.14+"], id="of two, one with a model without a price"),
        pytest.param({"provider": "gemini"}, ["today 12.3k tok"], id="tokens where nothing has a price"),
        pytest.param({"costs": ""}, [], id="none wanted"),
        pytest.param({"costs": "month"}, ["month $123456"], id="month"),
        pytest.param(
            {"provider": "claude", "costs": "block,burn"}, ["block $0.90", "~$1.80/h → ~$7.65"], id="block and burn"
        ),
        pytest.param({"provider": "cursor"}, [], id="of one that has none"),
    ],
)
def test_the_costs_that_are_wanted_are_those_of_whom_is_shown(given, texts):
    assert said(**given)[0] == texts


@pytest.mark.parametrize(
    ("at", "texts", "until"),
    [
        pytest.param(DAY[0] - 1, [], DAY[0], id="before its day"),
        pytest.param(DAY[0], ["today $3.14"], DAY[1], id="first second"),
        pytest.param(DAY[1] - 1, ["today $3.14"], DAY[1], id="last second"),
        pytest.param(DAY[1], [], 9_999_999_999, id="after midnight"),
    ],
)
def test_yesterdays_cost_is_not_todays(at, texts, until):
    assert said(at) == (texts, until)


@pytest.mark.parametrize(
    ("micro", "text"),
    [(0, "$0.00"), (1, "<$0.01"), (4_999, "<$0.01"), (5_000, "$0.01"), (999_994_999, "$999.99"), (10**12, "$1000000")],
)
def test_an_amount_that_is_not_nothing_never_reads_as_nothing(micro, text):
    assert costs.money(micro) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (950, "950"), (12_300, "12.3k"), (4_500_000, "4.5M"), (1_200_000_000, "1.2G")]
)
def test_tokens_are_told_with_a_letter(number, text):
    assert costs.count(number) == text


def test_a_damaged_row_is_no_cost():
    head = table.row(table.LINE_MAGIC, table.VERSION, "-", 0)
    bad = ["cost\t*\ttoday\t5\t5\t1\t1\tx\n", "cost\t*\ttoday\t1\t9\t-2\t1\tx\n", "cost\t*\ttoday\n"]
    bad += [f"cost\t*\ttoday\t1\t9\t{amount}\t{tokens}\tx\n" for amount, tokens in ((10**400, 1), (1, 10**400))]
    good = table.row("cost", *ROWS[0])
    parsed = table.parse(head + "".join(bad) + good, table.LINE_MAGIC, NOW)
    assert parsed and parsed.costs == [ROWS[0]]


def test_the_line_shows_what_was_spent_today(line_tsv, vibeusage):
    now = int(time.time())
    line_tsv(("cost", "*", "today", now - 60, now + 3_600, 3_140_000, 900_000, "calculated"))
    assert vibeusage("line", "plain").stdout == b"today $3.14\n"
    assert vibeusage("line", "plain", "--costs", "").stdout == b""
