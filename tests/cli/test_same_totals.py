"""Numbers agree: one filter gives one total in JSON, in CSV, in the table, on the page of HTML and in the dashboard."""

import csv
import io
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from dashboard.test_pages import a_style
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import Page

from vibeusage import cli, figures
from vibeusage.dashboard.board import Board
from vibeusage.dashboard.loading import Ask, Source, span_of
from vibeusage.dashboard.page import Room
from vibeusage.records import days, heatmap, store
from vibeusage.records.readers.spec import Call
from vibeusage.records.tally import APART

FIRST, DAYS = date(2026, 2, 20), 40  # a price changes within them
NOW = datetime(2026, 3, 31, 20, tzinfo=UTC)  # in Tokyo another month has begun
KINDS = ("daily", "weekly", "monthly", "yearly", "sessions", "models", "providers", "projects", "branches", "devices")
TOOLS = ("claude", "codex", "gemini", *APART)
MODELS = ("claude-opus-4-6", "claude-sonnet-4-6", "gpt-5.2", "no-price-is-known", "")
FOLDERS = ("/home/me/work", "/home/me/work/deep", "/home/me/notes", "")
ZONES = ("UTC", "Asia/Tokyo", "America/St_Johns")
BACK = {"weekly": 8, "monthly": 4, "yearly": 2}


class Filter(NamedTuple):
    """What reports can be asked for; `argv` has it as words of the command line."""

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
    """`cost` is exact USD, None when nothing of it is known."""

    calls: int
    tokens: int
    cost: Decimal | None
    state: str = ""

    def agrees(self, exact: "Totals") -> bool:
        return self[:3] == exact[:3]

    def read(self, *, short: bool) -> "Shown":
        cost = "unpriced" if self.cost is None else figures.money(str(self.cost))
        least = "≥" if self.state == "partial" else ""
        return Shown(f"{self.calls:,}", figures.amount(self.tokens, short=short), least + cost)


class Shown(NamedTuple):
    """The same as a person reads it, who may be told less of it; `short`: the tokens as `1.2M`."""

    calls: str
    tokens: str
    cost: str
    short: bool = False

    def agrees(self, exact: Totals) -> bool:
        return self[:3] == exact.read(short=self.short)[:3]


def printed(*argv: str) -> str:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out):
        assert cli.main(["report", *argv]) == 0
    out.seek(0)
    return out.read()


def in_json(kind: str, asked: Filter) -> list[Totals]:
    total = json.loads(printed(kind, "--json", *asked.argv()))["total"]
    cost = total["cost"] and Decimal(total["cost"])
    return [Totals(total["messages"], total["total_tokens"], cost, total["cost_state"])]


def in_csv(kind: str, asked: Filter) -> list[Totals]:
    rows = [*csv.DictReader(io.StringIO(printed(kind, "--csv", *asked.argv())))]
    costs = [Decimal(row["cost"]) for row in rows if row["cost"]]
    calls, tokens = (sum(int(row[name]) for row in rows) for name in ("messages", "total_tokens"))
    return [Totals(calls, tokens, sum(costs, Decimal(0)) if costs or not rows else None)]


def in_table(kind: str, asked: Filter) -> list[Shown]:
    lines = printed(kind, *asked.argv()).splitlines()
    found = [line.split() for line in lines if line.startswith("Total ")]
    return [Shown(words[1], words[-2], words[-1]) for words in found]


def on_page(kind: str, asked: Filter) -> list[Totals]:
    """The sums at its top; those below its tables are no others."""
    found = Page(printed("html", "--output=-", *asked.argv()))
    *cost, tokens, calls = found.values("dd")
    assert {*found.values("tfoot")} <= {*cost, tokens}
    return [Totals(int(calls), int(tokens), Decimal(cost[0]) if cost else None)]


def in_dashboard(kind: str, asked: Filter) -> list[Shown] | None:
    """Of each of its pages that is of just these days, and of all tools or of one."""
    if asked.model or asked.project or len(asked.providers) > 1:
        return None
    asks = spans(asked.zone).get((asked.since, asked.until), [])
    if asked.providers:
        asks = [ask._replace(provider=asked.providers[0]) for ask in asks if ask.kind != "devices"]
    if not asks:
        return None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", asked.zone)
        return [total for ask in asks for total in _totals(ask)]


def spans(zone: str) -> dict[tuple[date | None, date | None], list[Ask]]:
    """The days that pages of the dashboard are of."""
    today = NOW.astimezone(ZoneInfo(zone)).date()
    found: dict[tuple[date | None, date | None], list[Ask]] = defaultdict(list)
    found[None, None].append(Ask("devices"))
    for mode, furthest in BACK.items():
        for back in range(furthest):
            found[span_of(mode, today, back)] += [Ask(mode, back)] + [Ask("providers", back)] * (mode == "monthly")
    found[heatmap.since(today, days.MONDAY), today].append(Ask("heatmap"))
    return found


def _totals(ask: Ask) -> list[Shown]:
    board, style = Board("cost"), a_style(200)
    board.mode, board.back[ask.kind], board.provider = ask
    assert board.asks() == [ask]
    board.arrived(ask, Source().load(ask, NOW))
    page = board.page(style, Room(style.columns, 60), NOW, UTC)
    text = "\n".join("".join(piece for _, piece in line) for line in (page.title, *page.lines))
    if ask.kind == "devices":
        order, pattern = ("cost", "tokens", "calls"), r"^Total +\S+ +\S+ +(\S+) +(\S+) +(\S+)"
    else:
        order, pattern = ("calls", "tokens", "cost"), r"\bTotal +(\S+) +(\S+) +(\S+)"
    tables = [Shown(**dict(zip(order, words, strict=True)), short=True) for words in _words(pattern, text)]
    said = _words(r"(\S+?)(?: ·|,) (\S+) tokens(?: ·| in) (\S+) calls", text)
    return [*(Shown(calls, tokens, cost, short=True) for cost, tokens, calls in said), *tables]


def _words(pattern: str, text: str) -> list[tuple[str, str, str]]:
    return re.findall(pattern, text, re.MULTILINE)


# a surface yields each total that it shows of a filter, and all of them have to agree; None: it has no such filter
SURFACES: dict[str, Callable[[str, Filter], Sequence[Totals | Shown] | None]] = {
    "csv": in_csv,
    "table": in_table,
    "html": on_page,
    "dashboard": in_dashboard,
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
    zone=st.sampled_from(ZONES),
).filter(lambda asked: not (asked.since and asked.until) or asked.since <= asked.until)


OF_DASHBOARD = st.sampled_from(ZONES).flatmap(
    lambda zone: st.builds(
        lambda span, tool: Filter(*span, (tool,) if tool and span != (None, None) else (), "", "", zone),
        st.sampled_from([*spans(zone)]),
        st.sampled_from(("", *TOOLS)),
    )
)


def check(data: Path, kind: str, asked: Filter) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBEUSAGE_DATA_DIR", str(data))
        patch.setenv("COLUMNS", "400")
        (exact,) = in_json("daily", asked)
        every = {"json": in_json(kind, asked), **{name: read(kind, asked) for name, read in SURFACES.items()}}
    found = {name: totals for name, totals in every.items() if totals is not None}
    wrong = {name: totals for name, totals in found.items() if not all(one.agrees(exact) for one in totals)}
    assert wrong == {}, f"{exact} by {asked.argv()}"
    assert all(found.values()) or not exact.calls, "each surface shows a total where there are calls"


@settings(max_examples=10, deadline=None)
@given(kind=st.sampled_from(KINDS), asked=FILTERS)
def test_one_filter_gives_one_total_everywhere(data, kind, asked):
    check(data, kind, asked)


@settings(max_examples=10, deadline=None)
@given(kind=st.sampled_from(KINDS), asked=OF_DASHBOARD)
def test_one_filter_of_the_dashboard_gives_one_total_everywhere(data, kind, asked):
    check(data, kind, asked)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(KINDS), asked=st.one_of(FILTERS, OF_DASHBOARD))
def test_many_filters_give_one_total_everywhere(data, kind, asked):
    check(data, kind, asked)


@pytest.mark.parametrize(
    ("since", "until", "tools", "count"),
    [
        pytest.param("2026-03-30", "2026-04-05", (), 3, id="week"),
        pytest.param("2026-03-01", "2026-03-31", ("codex",), 5, id="month, and that of the providers"),
        pytest.param("2026-01-01", "2026-12-31", (), 3, id="year"),
        pytest.param("2025-03-31", "2026-03-31", (), 1, id="heatmap"),
        pytest.param("", "", (), 1, id="devices"),
        pytest.param("2026-03-02", "2026-03-31", (), None, id="no page of it"),
    ],
)
def test_the_dashboard_shows_a_total_in_each_of_its_places(since, until, tools, count, data, monkeypatch):
    monkeypatch.setenv("VIBEUSAGE_DATA_DIR", str(data))
    first, last = (date.fromisoformat(day) if day else None for day in (since, until))
    found = in_dashboard("", Filter(first, last, tools, "", "", "UTC"))
    assert (None if found is None else len(found)) == count


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_that_says_something_else_is_noticed(surface, data, monkeypatch):
    monkeypatch.setitem(SURFACES, surface, lambda kind, asked: [Totals(1, 2, Decimal(3))])
    with pytest.raises(AssertionError, match=surface):
        check(data, "daily", Filter(None, None, (), "", "", "UTC"))
