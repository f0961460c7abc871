"""Numbers agree: one filter gives one total in the table, in JSON, in CSV and on the page."""

import csv
import io
import json
import random
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import Page

from vibeusage import cli, figures
from vibeusage.records import store
from vibeusage.records.readers.spec import Call
from vibeusage.records.tally import APART

FIRST, DAYS = date(2026, 2, 20), 40  # a price changes within them
KINDS = ("daily", "weekly", "monthly", "yearly", "sessions", "models", "providers", "projects", "branches", "devices")
TOOLS = ("claude", "codex", "gemini", *APART)
MODELS = ("claude-opus-4-6", "claude-sonnet-4-6", "gpt-5.2", "no-price-is-known", "")
FOLDERS = ("/home/me/work", "/home/me/work/deep", "/home/me/notes", "")


class Filter(NamedTuple):
    """What every surface can be asked for; `argv` has it as words of the command line."""

    since: date | None
    until: date | None
    providers: tuple[str, ...]
    model: str
    project: str
    zone: str

    def argv(self) -> list[str]:
        words = [f"--provider={name}" for name in self.providers]
        words += [f"--{name}={value}" for name, value in self._asdict().items() if name != "providers" and value]
        return words


class Totals(NamedTuple):
    """`cost` is exact USD, None when nothing of it is known; `shown` is for a surface that shows no exact one."""

    calls: int
    tokens: int
    cost: Decimal | None
    shown: str = ""

    def agrees(self, exact: "Totals") -> bool:
        if (self.calls, self.tokens) != (exact.calls, exact.tokens):
            return False
        return self.shown.lstrip("≥") == exact_shown(exact) if self.shown else self.cost == exact.cost


def exact_shown(exact: Totals) -> str:
    return "unpriced" if exact.cost is None else figures.money(str(exact.cost))


def printed(*argv: str) -> str:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out):
        assert cli.main(["report", *argv]) == 0
    out.seek(0)
    return out.read()


def in_json(kind: str, asked: Filter) -> list[Totals]:
    total = json.loads(printed(kind, "--json", *asked.argv()))["total"]
    return [Totals(total["messages"], total["total_tokens"], total["cost"] and Decimal(total["cost"]))]


def in_csv(kind: str, asked: Filter) -> list[Totals]:
    rows = [*csv.DictReader(io.StringIO(printed(kind, "--csv", *asked.argv())))]
    costs = [Decimal(row["cost"]) for row in rows if row["cost"]]
    calls, tokens = (sum(int(row[name]) for row in rows) for name in ("messages", "total_tokens"))
    return [Totals(calls, tokens, sum(costs, Decimal(0)) if costs or not rows else None)]


def in_table(kind: str, asked: Filter) -> list[Totals]:
    lines = printed(kind, *asked.argv()).splitlines()
    found = [line.split() for line in lines if line.startswith("Total ")]
    return [Totals(_count(words[1]), _count(words[-2]), None, words[-1]) for words in found]


def on_page(kind: str, asked: Filter) -> list[Totals]:
    """The sums at its top; those below its tables are no others."""
    found = Page(printed("html", "--output=-", *asked.argv()))
    *cost, tokens, calls = found.values("dd")
    assert {*found.values("tfoot")} <= {*cost, tokens}
    return [Totals(int(calls), int(tokens), Decimal(cost[0]) if cost else None)]


def _count(text: str) -> int:
    return int(text.replace(",", ""))


# a surface yields each total that it shows of a filter: all of them have to agree
SURFACES: dict[str, Callable[[str, Filter], list[Totals]]] = {
    "csv": in_csv,
    "table": in_table,
    "html": on_page,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = random.Random(3)
    with store.open(folder / store.NAME) as opened:
        for tool in TOOLS:
            calls = [_call(f"{tool}{number}", rng) for number in range(60)]
            opened.put(tool, calls, machine=rng.choice(("one", "two")))
    return folder


def _call(uuid: str, rng: random.Random) -> Call:
    start = int(datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC).timestamp() * 1000)
    return Call(
        uuid=uuid,
        ts=start + rng.randrange(DAYS * 86_400_000),
        session=f"s{rng.randrange(9)}",
        model=rng.choice(MODELS),
        folder=rng.choice(FOLDERS),
        branch=rng.choice(("main", "")),
        input=rng.randrange(300_000),
        output=rng.randrange(300_000),
        write=rng.randrange(300_000),
        read=rng.randrange(300_000),
    )


DAY = st.one_of(st.none(), st.integers(-3, DAYS + 3).map(lambda days: FIRST + timedelta(days=days)))
FILTERS = st.builds(
    Filter,
    since=DAY,
    until=DAY,
    providers=st.lists(st.sampled_from(TOOLS), max_size=2, unique=True).map(tuple),
    model=st.sampled_from(("", "claude", "opus", "gpt*", "no-price", "nothing-like-it")),
    project=st.sampled_from(("", "/home/me/work", "note", "/home/me/work/")),
    zone=st.sampled_from(("UTC", "Asia/Tokyo", "America/St_Johns")),
).filter(lambda asked: not (asked.since and asked.until) or asked.since <= asked.until)


def check(data: Path, kind: str, asked: Filter) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBEUSAGE_DATA_DIR", str(data))
        patch.setenv("COLUMNS", "400")
        (exact,) = in_json("daily", asked)
        found = {"json": in_json(kind, asked), **{name: read(kind, asked) for name, read in SURFACES.items()}}
    wrong = {name: totals for name, totals in found.items() if not all(one.agrees(exact) for one in totals)}
    assert wrong == {}, f"{exact} by {asked.argv()}"
    assert all(found[name] for name in found if exact.calls), "each surface shows a total where there are calls"


@settings(max_examples=10, deadline=None)
@given(kind=st.sampled_from(KINDS), asked=FILTERS)
def test_one_filter_gives_one_total_everywhere(data, kind, asked):
    check(data, kind, asked)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(kind=st.sampled_from(KINDS), asked=FILTERS)
def test_many_filters_give_one_total_everywhere(data, kind, asked):
    check(data, kind, asked)


def test_a_surface_that_says_something_else_is_noticed(data, monkeypatch):
    monkeypatch.setitem(SURFACES, "html", lambda kind, asked: [Totals(1, 2, Decimal(3))])
    with pytest.raises(AssertionError, match="html"):
        check(data, "daily", Filter(None, None, (), "", "", "UTC"))
