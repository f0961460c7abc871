"""Numbers agree: what a page shows of a span and a tool is what `report` says of the same days."""

import io
import json
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.test_same_totals import DAYS, FIRST, TOOLS
from cli.test_same_totals import data as data
from dashboard.test_pages import a_style
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import cli
from vibeusage.dashboard.board import Board
from vibeusage.dashboard.loading import Ask, Source, span_of
from vibeusage.dashboard.page import Room
from vibeusage.figures import amount, price
from vibeusage.records.tally import Row
from vibeusage.terminal import Style

NOW = datetime(FIRST.year, FIRST.month, FIRST.day, 12, tzinfo=UTC) + timedelta(days=DAYS)
ZONES = ("UTC", "Asia/Tokyo", "America/St_Johns")
SPANS = ("weekly", "monthly", "yearly", "providers")


def reported(zone: str, first, last, tool: str) -> Row:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out):
        only = [f"--provider={tool}"] if tool else []
        days = ["--since", str(first), "--until", str(last)]
        assert cli.main(["report", "daily", "--json", "--zone", zone, *days, *only]) == 0
    out.seek(0)
    total = json.loads(out.read())["total"]
    names = ("key", "messages", "total_tokens", "cost", "cost_state")
    counts = dict.fromkeys(("input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens"), 0)
    return Row(**{name: total[name] for name in names}, **counts)


def shown(mode: str, back: int, tool: str, style: Style) -> list[list[str]]:
    """The words of the title and of each line of totals."""
    seen = Board("cost")
    seen.mode, seen.back[mode], seen.provider = mode, back, tool
    seen.arrived(seen.asks()[0], Source().load(seen.asks()[0], NOW))
    page = seen.page(style, Room(style.columns, 60), NOW, UTC)
    text = ["".join(piece for _, piece in line) for line in page.lines]
    totals = [words for line in text for words in (part.split() for part in line.split("Total")[1:])]
    return [" ".join(piece for _, piece in page.title).split(), *totals]


def check(data: Path, mode: str, back: int, tool: str, zone: str) -> None:
    style = a_style(200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBEUSAGE_DATA_DIR", str(data))
        patch.setenv("TZ", zone)
        time.tzset()
        today = NOW.astimezone().date()
        first, last = span_of("monthly" if mode == "providers" else mode, today, back)
        exact = reported(zone, first, last, tool)
        title, *totals = shown(mode, back, tool, style)
    time.tzset()
    wanted = [f"{exact.messages:,}", amount(exact.total_tokens, short=True), price(exact, style)]
    if mode != "providers":
        assert [title[-2], title[-5], title[-7]] == wanted
    assert all(total[:3] == wanted for total in totals)
    assert len(totals) == (2 if exact.messages else 0)


def cases():
    tools, backs = st.sampled_from(("", *TOOLS)), st.integers(0, 7)
    return {"mode": st.sampled_from(SPANS), "back": backs, "tool": tools, "zone": st.sampled_from(ZONES)}


@settings(max_examples=10, deadline=None)
@given(**cases())
def test_a_page_shows_what_the_report_says(data, mode, back, tool, zone):
    check(data, mode, back, tool, zone)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(**cases())
def test_many_pages_show_what_the_report_says(data, mode, back, tool, zone):
    check(data, mode, back, tool, zone)


def test_the_machines_add_up_to_the_report(data, monkeypatch):
    monkeypatch.setenv("VIBEUSAGE_DATA_DIR", str(data))
    exact, style = reported("UTC", FIRST - timedelta(days=9), FIRST + timedelta(days=DAYS + 9), ""), a_style(200)
    found = Source().load(Ask("devices"), NOW)
    seen = Board("cost")
    seen.mode = "devices"
    seen.arrived(Ask("devices"), found)
    last = "".join(piece for _, piece in seen.page(style, Room(198, 60), NOW, UTC).lines[-1]).split()
    assert last[3:6] == [price(exact, style), amount(exact.total_tokens, short=True), f"{exact.messages:,}"]
