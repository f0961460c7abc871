"""How `vibeusage history` looks and what it prints.

`REWRITE_GOLDEN=1 pytest tests/cli/test_history.py` writes the texts in golden/history anew; look at each with cat.
"""

import csv
import io
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from documents import valid
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import cli, config, terminal
from vibeusage.cli import history as command
from vibeusage.cli.history import History
from vibeusage.escape import width
from vibeusage.records import history, store
from vibeusage.records.history import Window
from vibeusage.records.quotas import Sample

GOLDEN = Path(__file__).parents[1] / "golden" / "history"
T = int(datetime(2026, 3, 9, 8, tzinfo=UTC).timestamp())
NOW = T + 14 * 18_000 + 2 * 3600
FIVE, WEEK = 18_000, 604_800
PEAKS = (12, 35.5, 61, 0, 8, 100, 72, 44, 90.25, 103, 100, 20, 5, 64, 31)
BLOCKS, ASCII = ("█", "░"), ("#", "-")
HOSTILE = "=cmd|' /C calc'!A0\x1b[31m"


def fill(opened: store.Store) -> None:
    for number, peak in enumerate(PEAKS):
        reset = T + (number + 1) * FIVE
        for hours, share in ((0.5, 0.25), (1.75, 1.0), (4, 1.0)):
            at = reset - FIVE + int(hours * 3600)
            if at <= NOW:
                note(opened, Sample("claude", "Session (5h)", "", FIVE, at, peak * share, reset))
    for day in range(4):
        at = T + day * 86_400
        note(opened, Sample("claude", "Weekly", "", WEEK, at, 10.0 + 7 * day, T + WEEK), now=at)
    for number, used in enumerate((10, 60, 5)):
        note(opened, Sample("codex@work", f"日本{HOSTILE}", HOSTILE, 0, T + number * 3600, used, 0))


def note(opened: store.Store, sample: Sample, now: int = NOW) -> None:
    opened.note_quotas([sample], now=now, keep_from=0)


@pytest.fixture
def found(tmp_path) -> History:
    with store.open(tmp_path / "golden.db") as opened:
        fill(opened)
        windows = history.windows(opened, now=NOW)
    return History(zone="UTC", since=None, until=None, windows=windows, trends=history.trends(windows))


def a_style(columns=80, *, color=False, cells=BLOCKS):
    return terminal.Style(color=color, cells=cells, remaining=False, stale_after=timedelta(0), columns=columns)


LOOKS = {"mono": {}, "ascii": {"cells": ASCII}, "colour": {"color": True}}


@pytest.mark.parametrize(("columns", "how"), [(30, "mono"), (48, "mono"), (80, "mono"), (80, "ascii"), (120, "colour")])
def test_the_look_is_the_golden_one(columns, how, found):
    path = GOLDEN / f"{columns}-{how}.txt"
    style = a_style(columns, **LOOKS[how])
    text = command.text(found, style, UTC, datetime.fromtimestamp(NOW, UTC), limit=10) + "\n"
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
        pytest.skip(f"{path.name} is rewritten")
    assert text == path.read_text(encoding="utf-8")


@settings(max_examples=100, deadline=None)
@given(
    name=st.text(st.sampled_from("ab/(5h)日本👍🏽e\u0301\x1b[31m\u202e\u200d한·—=\t\r"), max_size=30),
    peaks=st.lists(st.floats(0, 10_000), min_size=1, max_size=20),
    columns=st.integers(1, 150),
    cells=st.sampled_from([BLOCKS, ASCII]),
)
def test_no_line_is_wider_than_the_terminal_and_no_name_gives_it_orders(name, peaks, columns, cells):
    at = datetime.fromtimestamp(T, UTC)
    windows = [
        Window(account=name, name=name, start=at, resets_at=at, first_at=at, last_at=at, used=peak, peak=peak)
        for peak in peaks
    ]
    found = History(zone=name, since=None, until=None, windows=windows, trends=history.trends(windows))
    text = command.text(found, a_style(columns, cells=cells), UTC, at, limit=5)
    assert max(map(width, text.split("\n"))) <= columns
    assert all(char.isprintable() for char in text.replace("\n", ""))


@pytest.fixture
def stored():
    with store.open() as opened:
        fill(opened)


def test_json_has_every_window_and_is_of_its_schema(stored, capsys):
    assert cli.main(["history", "--json"]) == 0
    document = valid(capsys.readouterr().out, "history")
    assert [window["peak"] for window in document["windows"] if window["name"] == "Session (5h)"] == [*PEAKS[:-1], 31.0]
    assert [trend["used_up"] for trend in document["trends"]] == [3, 0, 0]


def test_csv_has_every_window_and_no_formula(stored, capsys):
    assert cli.main(["history", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == len(PEAKS) + 1 + 2
    assert rows[0]["start"] == "2026-03-09T08:00:00Z" and rows[0]["peak"] == "12.0"
    assert {row["window"] for row in rows} == {"Session (5h)", "Weekly", "日本=cmd|' /C calc'!A0[31m"}
    assert {row["model"] for row in rows} == {"", "'=cmd|' /C calc'!A0[31m"}


@pytest.mark.parametrize(
    ("wanted", "accounts"),
    [
        (["codex"], {"codex@work"}),
        (["codex@work"], {"codex@work"}),
        (["claude", "codex"], {"claude", "codex@work"}),
        (["gemini"], set()),
    ],
)
def test_a_provider_is_all_its_accounts(stored, capsys, wanted, accounts):
    assert cli.main(["history", *wanted, "--json"]) == 0
    assert {window["account"] for window in json.loads(capsys.readouterr().out)["windows"]} == accounts


def test_days_choose_windows_by_when_they_were_under_way(stored, capsys, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert cli.main(["history", "claude", "--since", "2026-03-10", "--until", "2026-03-10", "--json"]) == 0
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert [(window["name"], window["start"]) for window in windows] == [
        *(("Session (5h)", f"2026-03-{at}:00:00Z") for at in ("09T23", "10T04", "10T09", "10T14", "10T19")),
        ("Weekly", "2026-03-09T08:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nobody"], "'nobody' is not a provider"),
        (["--since", "2026-03-10", "--until", "2026-03-09"], "is after"),
        (["--since", "soon"], "'soon' is not a day"),
    ],
)
def test_a_mistake_is_told(stored, capsys, args, said):
    assert cli.main(["history", *args]) == 4
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True)


@pytest.mark.parametrize(
    ("days", "args", "said"),
    [
        ("400", [], "no history is known yet: each refresh adds to it (`vibeusage refresh`)\n"),
        ("400", ["--since", "7d"], "no windows of these days are known\n"),
        ("0", [], "no history is kept: history.days is 0\n"),
    ],
)
def test_without_history_it_is_said_why(capsys, days, args, said):
    config.set_value("history.days", days)
    assert cli.main(["history", *args]) == 0
    assert capsys.readouterr() == ("", said)
