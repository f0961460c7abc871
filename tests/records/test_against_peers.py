"""Our totals are the truth of a generated tree, and each token by which ccusage and tokscale differ is explained.

ccusage 20.0.24 and tokscale 4.17.0 are run without a network on the same files. peer_rules.py reads those once
more, without a line of ours: without a fault it gives the truth, with one fault the generator's `if_wrong` for it,
with a peer's faults that peer's totals. So the list of a peer's faults is complete, and this is who is right, with
the tokens of each fault alone on the 300 MB (of 2,022,751,040):

no request: never merged    +388,542,926  ccusage daily: a gateway sends no request id, its calls have their own id
no request: merged per file  +25,259,200  ccusage monthly: the same call in a session and its fork is one call
replays twice                +34,498,272  ccusage monthly, tokscale: a side question repeats its parent's calls
journals read                +26,041,893  ccusage: journal.jsonl is of the orchestration. Real ones are not known to
                                          hold a usage; ours do, to see who opens them
nulls dropped                -16,581,935  ccusage: null means that the field is absent
split over whole                -656,441  ccusage: 0 and 0 beside a whole that is not 0; the whole was billed
digits never merged             +294,970  tokscale: a count as a text is a count, and its lines are of one call
integers only                   -252,220  ccusage: 3.0 and "3" are counts
spaced missed                   -187,323  ccusage: a space behind "usage": changes nothing
advisors not counted            -167,480  both: another model's answer is in no other count
floats are nothing              -152,122  tokscale: 3.0 is a count
constant ids merged             -150,282  ccusage monthly, tokscale: a gateway that calls each message `msg`
progress not counted             -42,586  ccusage monthly, tokscale: the mirror is all that is left of a subagent
largest line                          -   ccusage: one line's counts, not the most of each; seen with constant ids

Costs are compared with the truth only, for which our store is given the generator's prices: each peer brings its
own. ccusage's differ further by rules (checked by hand on 5 MB, to the cent): it takes costUSD where a line states
one, bills only what lies above 200k at the higher rate where vendors bill the whole call so, and makes up 2 x input
for an hour's writes of models without such a rate.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from npm import offline, program
from records.gen_claude_logs import KINDS, generate
from records.peer_rules import COUNTS, DAILY, MONTHLY, TOKSCALE, Line, counted, lines

from vibeusage.records import pricing, reports, store, sync
from vibeusage.records.price_table import Price, Rates, Table
from vibeusage.records.pricing import Prices
from vibeusage.records.readers.claude_code import READERS
from vibeusage.records.readers.spec import Places
from vibeusage.records.rollup import RollupRow
from vibeusage.records.tally import Pricer
from vibeusage.settings import Pricing

ZONE = ZoneInfo("Europe/Berlin")
SEARCH = Decimal("0.01")

pytestmark = pytest.mark.slow


class Tree(NamedTuple):
    path: Path
    told: dict[str, Any]
    lines: list[Line]


@pytest.fixture(scope="module", params=[pytest.param(5, id="5 MB"), pytest.param(300, id="300 MB")])
def tree(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("peers") / "claude"
    told = generate(path, request.param, 4, str(ZONE))
    yield Tree(path, told, lines(path))
    shutil.rmtree(path)


def test_tokens_and_costs_are_the_truth_by_model_speed_and_day(tree, tmp_path):
    environ = {"CLAUDE_CONFIG_DIR": str(tree.path)}
    places = Places(environ=environ, home=tmp_path / "empty", platform=sys.platform)
    expected, prices = tree.told["expected"], Prices(_table(tree.told["prices"]), Pricing())
    with store.open(tmp_path / "usage.db") as opened:
        sync.sync(READERS, places, opened)
        rows = list(opened.rollup())
        report = reports.periods("daily", opened, Pricer(prices, {}), reports.Query(zone=ZONE))
    truth = {name: expected[name] for name in ("calls", *KINDS, "total", "cost")}
    assert _summed(rows, prices) == truth
    for name in ("by_model", "by_speed", "by_day"):
        parts = defaultdict(list)
        for row in rows:
            parts[_part(row, name)].append(row)
        assert {part: _summed(some, prices) for part, some in parts.items()} == expected[name]
    assert {row.key: row.total_tokens for row in report.rows} == {
        day: sums["total"] for day, sums in expected["by_day"].items()
    }
    assert Decimal(report.total.cost or 0) == Decimal(expected["cost"]) + expected["searches"] * SEARCH


def test_a_plain_reader_without_a_fault_has_the_truth_and_with_one_what_that_gives(tree):
    expected, wrong = tree.told["expected"], tree.told["if_wrong"]
    for truth, faults in (
        (expected, ()),
        (wrong["lines without request never merged"], ("no request: never merged",)),
        (wrong["key is id and request"], ("replays twice",)),
        (wrong["lines with nulls dropped"], ("nulls dropped",)),
        (wrong["split trusted over the whole"], ("split over whole",)),
        (wrong["advisors not counted"], ("advisors not counted",)),
        (wrong["progress not counted"], ("progress not counted",)),
    ):
        assert counted(tree.lines, faults) == _of_kinds(truth), faults
    spaced = expected["by_branch"]["spaced"]["total"]
    assert expected["total"] - counted(tree.lines, ("spaced missed",))["total"] == spaced


@pytest.mark.parametrize(
    ("report", "faults"),
    [pytest.param("daily", DAILY, id="daily"), pytest.param("monthly", MONTHLY, id="monthly")],
)
def test_ccusage_differs_by_its_known_faults_only(report, faults, tree, home):
    told = _answer([program("ccusage"), "claude", report, "--offline", "--json", "--timezone", str(ZONE)], tree)
    names = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens", "totalTokens")
    assert _named(told["totals"], names) == counted(tree.lines, faults)


def test_tokscale_differs_by_its_known_faults_only(tree, home):
    told = _answer([program("tokscale"), "models", "--json", "--client", "claude", "--no-spinner"], tree)
    told["total"] = sum(told[name] for name in ("totalInput", "totalOutput", "totalCacheWrite", "totalCacheRead"))
    names = ("totalInput", "totalOutput", "totalCacheWrite", "totalCacheRead", "total")
    assert _named(told, names) == counted(tree.lines, TOKSCALE)


def _answer(command: list[str], tree: Tree) -> dict[str, Any]:
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "CLAUDE_CONFIG_DIR": str(tree.path)}
    done = subprocess.run(offline(command), env=environ, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def _named(told: dict[str, Any], names: tuple[str, ...]) -> dict[str, int]:
    return {ours: told[name] for ours, name in zip((*COUNTS, "total"), names, strict=True)}


def _of_kinds(truth: dict[str, Any]) -> dict[str, int]:
    write = truth["write_5m"] + truth["write_1h"]
    return {**{name: truth[name] for name in ("input", "output", "read", "total")}, "write": write}


def _table(prices: dict[str, dict[str, Any]]) -> Table:
    return Table(1, date(2026, 1, 1), ("the generator",), {}, {name: (_price(told),) for name, told in prices.items()})


def _price(told: dict[str, Any]) -> Price:
    tiers = ((200_000, _rates(told["above_200k"])),) if "above_200k" in told else ()
    return Price(None, _rates(told), tiers, {"fast": told["fast"] * 100} if "fast" in told else {})


def _rates(told: dict[str, str]) -> Rates:
    return Rates(*(int(Decimal(told[kind]) * 1_000_000) for kind in KINDS))


def _part(row: RollupRow, name: str) -> str:
    match name:
        case "by_model":
            return row.model
        case "by_speed":
            return row.speed or "standard"
    return f"{datetime.fromtimestamp(row.quarter_ms / 1000, UTC).astimezone(ZONE):%Y-%m-%d}"


def _summed(rows: list[RollupRow], prices: Prices) -> dict[str, Any]:
    sums = {kind: sum(getattr(row, kind) for row in rows) for kind in KINDS}
    cost = sum(_pico(row, prices) for row in rows)
    money = f"{Decimal(cost).scaleb(-12):f}"
    return {"calls": sum(row.calls for row in rows), **sums, "total": sum(sums.values()), "cost": money}


def _pico(row: RollupRow, prices: Prices) -> int:
    rates = prices.rates(row.model, row.quarter_ms, row.speed, row.prompt_class)
    assert rates, row.model
    return pricing.cost(rates, **{kind: getattr(row, kind) for kind in KINDS})
