"""How the pages look: the whole screen as text.

`REWRITE_GOLDEN=1 pytest tests/dashboard/test_pages.py` writes those in golden/dashboard anew; look at each with cat.
"""

import itertools
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import made_up
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import NOW

from vibeusage import config
from vibeusage.dashboard import board, facts, frame, options, plots, spans
from vibeusage.dashboard.board import Board
from vibeusage.dashboard.loading import Ask, Past, Settings, States
from vibeusage.dashboard.page import Column, Room, table
from vibeusage.dashboard.wishes import Failure, Operate
from vibeusage.errors import Unavailable
from vibeusage.escape import width
from vibeusage.provider_states import Row, Way
from vibeusage.records import reading, store
from vibeusage.records.history import Window
from vibeusage.records.readers.spec import Call
from vibeusage.terminal import Line, Style, cells_of

GOLDEN = Path(__file__).parents[1] / "golden" / "dashboard"
BLOCKS, ASCII = ("█", "░"), ("#", "-")
MODES = (*board.MODES.values(), "manage", "configure")
OF_RECORDS = ("recent", "weekly", "monthly", "yearly", "heatmap", "devices", "providers")
STATES = States(
    [
        Row(
            id="claude",
            name="Claude",
            icon="✳",
            state="working",
            source="oauth",
            observed_at=NOW - timedelta(minutes=3),
            records=14_523,
            synced_at=NOW - timedelta(minutes=9),
            logs=["~/.claude/projects"],
            ways=[Way("oauth", ["Claude Code's .credentials.json", "$CLAUDE_CODE_OAUTH_TOKEN"]), Way("web", [])],
            dashboard="https://claude.example/usage",
        ),
        Row(id="codex", name="Codex", icon="◎", state="failing", error="Codex refused the login", todo="run `codex`"),
        Row(id="continue", name="Continue", icon="·", state="records only", records=12, synced_at=NOW),
        Row(id="cursor", name="Cursor", icon="▲", state="off", todo="`vibeusage providers enable cursor`"),
        Row(id="zed", name="Zed", icon="z", state="not set up", todo="log in with `zed`"),
    ]
)
ABOUT = facts.Facts(
    machine="laptop",
    folder="~/.config/vibeusage/config.toml",
    database="~/.local/share/vibeusage/usage.db",
    size=2_412_544,
    calls={"claude": 2439, "codex": 1341},
    since=datetime(2025, 10, 23, tzinfo=UTC),
    synced_at=NOW - timedelta(minutes=9),
    newest_copy="~/.local/share/vibeusage/backups/usage-20261120-101010.db",
)


def window(account: str, name: str, peak: float, days_ago: int) -> Window:
    at = NOW - timedelta(days=days_ago)
    return Window(account=account, name=name, first_at=at, last_at=at, used=peak, peak=peak)


PAST = Past(
    [
        *(window("claude", "Session (5h)", 7.0 * at % 101, 20 - at) for at in range(20)),
        *(window("claude", "Weekly", peak, 7) for peak in (12, 81, 100, 64)),
        window("nobody shown", "Weekly", 50, 7),
    ]
)


def a_style(columns=80, *, color=False, cells=BLOCKS):
    told = {"color": color, "cells": cells, "remaining": False, "stale_after": timedelta(hours=1)}
    return Style(columns=columns - 2, **told)


def a_board(mode: str, load, *, provider: str = "", back: int = 0) -> Board:
    seen = Board("cost")
    seen.mode, seen.provider, seen.configured = mode, provider, "codex"
    seen.back[mode] = back
    for ask in seen.asks():
        if ask.kind == "states":
            seen.arrived(ask, STATES)
        elif ask.kind == "past":
            seen.arrived(ask, PAST)
        elif ask.kind == "settings":
            seen.arrived(ask, Settings(options.of_all(), ABOUT))
        else:
            seen.arrived(ask, load(*ask))
    return seen


def screen(seen: Board, style: Style, rows: int) -> list[Line]:
    """As `app` and `widgets` lay it out."""
    page = seen.page(style, Room(style.columns, rows - 2), NOW, UTC)
    below = frame.below(page, rows - 2, style)
    room = rows - 2 - len(below)
    top = max(0, (page.picked or 0) - room + 1)
    body = page.lines[top : top + room]
    lines = [frame.heading(page, seen.mode, style), *body, *[[]] * (room - len(body)), *below]
    return [*lines, frame.bar(seen.mode, style.columns)]


def text(lines: list[Line]) -> str:
    return "".join("".join(piece for _, piece in line).rstrip() + "\n" for line in lines)


@pytest.mark.parametrize(("columns", "rows", "cells"), [(80, 24, BLOCKS), (200, 60, BLOCKS), (80, 24, ASCII)])
@pytest.mark.parametrize("mode", MODES)
def test_the_screen_is_the_golden_one(mode, columns, rows, cells, load, filled):
    how = f"{columns}x{rows}" + ("-ascii" if cells is ASCII else "")
    path = GOLDEN / f"{mode}-{how}.txt"
    found = text(screen(a_board(mode, load), a_style(columns, cells=cells), rows))
    if os.environ.get("REWRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
        pytest.skip(f"{path.name} is rewritten")
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", MODES)
def test_a_terminal_without_unicode_gets_ascii_only(mode, load, filled):
    assert text(screen(a_board(mode, load), a_style(120, cells=ASCII), 40)).isascii()


@pytest.mark.parametrize("mode", MODES)
def test_without_records_and_numbers_every_page_says_so_and_none_fails(mode, load, home):
    found = text(screen(a_board(mode, load), a_style(), 24))
    nothing = "no records yet: `vibeusage records sync`"
    told = {"usage": "No limits are known yet", "manage": "14,523", "settings": "Records"}
    told["configure"] = "Configure codex"
    assert told.get(mode, nothing) in found
    assert "$0.00" not in found


@pytest.mark.parametrize(("mode", "back"), [("weekly", 100), ("monthly", 50), ("yearly", 9), ("heatmap", 5)])
def test_a_range_before_the_first_record_has_no_calls(mode, back, load, filled):
    found = text(screen(a_board(mode, load, back=back), a_style(), 24))
    assert f"no calls in this {spans.NAMES.get(mode, 'year')}" in found


@pytest.mark.parametrize(
    ("fixture", "back", "told"), [("filled", 50, "no calls in this month"), ("home", 0, "no records yet: ")]
)
def test_a_month_without_calls_has_no_empty_table(fixture, back, told, load, request):
    request.getfixturevalue(fixture)
    made_up.store_snapshots(made_up.snapshots())
    found = text(screen(a_board("providers", load, back=back), a_style(), 24))
    assert told in found
    assert "Models, of" not in found


@pytest.mark.parametrize("measure", ["cost", "tokens"])
@pytest.mark.parametrize("mode", ["weekly", "monthly", "yearly", "heatmap"])
def test_what_has_no_price_is_not_drawn_as_a_cost(mode, measure, load, home):
    folder = Path(os.environ["VIBEUSAGE_DATA_DIR"])
    folder.mkdir(mode=0o700)
    with store.open() as opened:
        calls = [
            Call(uuid=str(at), ts=int(NOW.timestamp() - 1 - at * 3600) * 1000, model="own-weights", input=9)
            for at in range(40)
        ]
        opened.put("codex", calls, machine="here")
    seen = a_board(mode, load)
    seen.measure = measure
    found = text(screen(seen, a_style(), 24))
    assert ("known price: t plots their tokens" in found) is (measure == "cost")
    assert "most on" not in found or measure == "tokens"
    drawn = any(glyph in found for glyph in "█▇▆▅▄▃▂▁")
    assert mode == "heatmap" or drawn is (measure == "tokens")


@pytest.mark.parametrize("mode", ["usage", "weekly", "monthly", "yearly", "heatmap", "devices", "providers"])
def test_what_is_estimated_or_a_lower_bound_is_said_to_be(mode, load, home):
    folder = Path(os.environ["VIBEUSAGE_DATA_DIR"])
    folder.mkdir(mode=0o700)
    at = int(NOW.timestamp() - 3600) * 1000
    calls = [
        Call(uuid="a", ts=at, model="big-1", input=9, kind="estimate"),
        Call(uuid="b", ts=at, model="big-1", input=9, output=1, complete=False),
        Call(uuid="c", ts=at, model="big-1", input=9, output=1, complete=False),
    ]
    with store.open() as opened:
        opened.put("codex", calls, machine="here")
    found = text(screen(a_board(mode, load), a_style(), 40))
    assert "1 call with estimated tokens" in found
    assert "2 calls with output as lower bound: the end was not recorded" in found


@pytest.mark.parametrize("mode", ["usage", "weekly", "monthly", "yearly", "heatmap", "devices", "providers"])
def test_that_a_server_is_away_is_told_to_the_end_at_any_width(mode, load, filled, monkeypatch):
    def away(url: str) -> None:
        raise Unavailable("the server takes its time")

    monkeypatch.setattr(reading, "remote", away)
    config.set_value("storage.url", "postgresql://me@127.0.0.1/usage")
    seen = a_board(mode, load)
    for columns in (20, 40, 80):
        assert reading.INSTEAD in " ".join(text(screen(seen, a_style(columns), 60)).split())


@pytest.mark.parametrize("columns", [30, 60, 80])
def test_the_facts_of_a_year_are_told_to_their_end(columns, load, filled):
    found = text(screen(a_board("heatmap", load), a_style(columns), 60))
    assert " ".join(found.split("\n\n")[1].split()).endswith(", 2.7M tokens")


TEXT = st.text(st.sampled_from("ab[red]x[/]日本👍🏽e\u0301\x1b[31m\u202e\u200d…=\t\r\n"), max_size=40)


@settings(max_examples=60, deadline=None)
@given(names=st.lists(TEXT, min_size=4, max_size=4), columns=st.integers(20, 220), picked=st.integers(0, 9))
def test_no_line_of_providers_is_wider_than_the_screen_and_no_name_gives_orders(names, columns, picked):
    seen = Board("cost")
    seen.mode, seen.picked["manage"] = "manage", picked
    row = Row(id=names[0], name=names[1], icon="✳", state="failing", error=names[2], todo=names[3], logs=names)
    seen.arrived(Ask("states"), States([row, *STATES.rows]))
    for line in screen(seen, a_style(columns), 24)[:-1]:
        found = "".join(piece for _, piece in line)
        assert width(found) <= columns - 2
        assert found.isprintable()


@settings(max_examples=60, deadline=None)
@given(names=st.lists(TEXT, min_size=1, max_size=5), cells=st.integers(4, 60))
def test_a_table_fits_and_its_columns_stand_in_line(names, cells):
    style = a_style()
    rows = [[style.text(name), "1,234", "$1"] for name in names]
    columns = [Column("Name", is_name=True), Column("Number", goes=1), Column("Cost")]
    lines = table(columns, rows, style, cells, total=["Total", "9", "$9"])
    widths = {sum(width(piece) for _, piece in line) for line in lines}
    assert len(widths) == 1
    assert widths.pop() <= cells


@pytest.mark.parametrize("mode", ["usage", "weekly", "devices", "manage", "settings"])
def test_a_reading_that_failed_is_told_with_what_to_do(mode):
    seen = Board("cost")
    seen.mode = mode
    for ask in seen.asks():
        seen.arrived(ask, Failure("usage.db is damaged", "`vibeusage records sync --full` builds it anew"))
    found = text(screen(seen, a_style(), 24))
    assert "usage.db is damaged\n`vibeusage records sync --full` builds it anew\n" in found


@pytest.mark.parametrize("trouble", ["damaged", "of a cloud service"])
def test_the_settings_can_put_right_a_database_that_cannot_be_read(trouble, home, load):
    folder = Path(os.environ["VIBEUSAGE_DATA_DIR"])
    copy = folder / "backups" / "usage-20261120-101010.db"
    copy.parent.mkdir(mode=0o700, parents=True)
    copy.touch()
    if trouble == "damaged":
        (folder / "usage.db").write_bytes(b"no database" * 500)
        (folder / "usage.db").chmod(0o600)
    else:
        config.set_value("storage.folder", str(home / "Dropbox"))
    seen = Board("cost")
    seen.mode = "settings"
    seen.arrived(Ask("settings"), load("settings"))
    found = text(screen(seen, a_style(120), 40))
    assert {"damaged": "is damaged", "of a cloud service": "is copied by Dropbox"}[trouble] in found
    assert "[R]estore" in found
    assert "storage.folder" in found
    assert seen.key("R") is None
    assert seen.typing is not None
    assert seen.typing.text == (str(copy) if trouble == "damaged" else "")
    assert (seen.key("escape"), seen.key("D"), seen.key("y")) == (None, None, Operate("delete"))


@pytest.mark.parametrize("logs", [1, 5, 6, 20])
def test_what_of_a_provider_has_no_room_is_said_to_be_left_out(logs):
    row = Row(id="acme", name="Acme", icon="a", state="working", logs=[f"/logs/{at}" for at in range(logs)], error="no")
    seen = Board("cost")
    seen.mode = "manage"
    seen.arrived(Ask("states"), States([row]))
    found = text(screen(seen, a_style(), 24))
    shown = [at for at in range(logs) if f"/logs/{at}\n" in found]
    assert ("`vibeusage providers show acme` tells the rest" in found) is (len(shown) < logs)
    assert shown == [*range(min(logs, 7) if logs <= 7 else 6)]


def test_only_keys_that_do_something_are_named(load, home):
    heads = [text(screen(a_board(mode, load), a_style(), 24)).splitlines()[0] for mode in ("settings", "configure")]
    assert ["P providers" in head for head in heads] == [True, False]


@pytest.mark.parametrize("note", ["done", "deleted; what was there is in /home/ana/" + "deep/" * 20 + "usage.db"])
def test_a_note_is_told_to_its_end(note):
    style = a_style()
    page, left = frame.noted(Board("cost").page(style, Room(78, 22), NOW, UTC), note, style)
    told = [frame.heading(page, "usage", style, note=left), *page.below]
    assert note.replace(" ", "") in text(told).replace("\n", "").replace(" ", "")
    assert all(cells_of(line) <= 78 for line in told)


@pytest.mark.parametrize("mode", MODES)
def test_on_a_narrow_screen_no_line_is_wider_and_what_a_number_belongs_to_is_named(mode, load, filled):
    seen = a_board(mode, load)
    named = {"weekly": "Mon 23", "yearly": "Jan", "devices": "lap", "providers": "cla", "usage": "Cost"}
    for columns in (16, 20, 34, 42, 60):
        lines = screen(seen, a_style(columns), 60)
        assert [line for line in lines if cells_of(line) > columns - 2] == []
        assert columns < 20 or f"\n{named.get(mode, '')}" in text(lines)


LOW = [(20, 5), (40, 10), (40, 7), (80, 24), (20, 3)]


@pytest.mark.parametrize("mode", ["usage", "manage", "settings", "configure"])
def test_on_a_low_screen_the_row_at_the_cursor_and_the_keys_are_there(mode, load, filled):
    seen = a_board(mode, load)
    for (columns, rows), key in itertools.product(LOW, ("left", "D", "down", "R")):
        seen.key(key)
        lines = screen(seen, a_style(columns), rows)
        assert len(lines) == rows
        if seen.question:
            assert "Delete" in text(lines)
        elif seen.has_cursor() and not seen.typing and rows > 3:
            page = seen.page(a_style(columns), Room(columns - 2, rows - 2), NOW, UTC)
            assert page.lines[page.picked or 0] in lines
        seen.key("escape")
        seen.mode = mode


def test_what_is_not_read_yet_is_said_to_be_read():
    assert text(screen(Board("cost"), a_style(), 24)).splitlines()[1] == "reading …"


@pytest.mark.parametrize(
    ("values", "line"),
    [([0, 1, 2, 4, 8], " ▁▂▄█"), ([], ""), ([0, 0], "  "), ([0.001, 1000], "▁█"), ([5], "█")],
)
def test_any_amount_shows_in_a_sparkline_and_nothing_is_a_blank(values, line):
    assert plots.sparkline(values, a_style()) == line


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=40), st.integers(1, 14))
def test_columns_are_as_high_as_their_share(values, height):
    rows = plots.columns(values, height, a_style())
    full = [sum(" ▁▂▃▄▅▆▇█".index(row[at]) for row in rows) for at in range(len(values))]
    top = max(values)
    assert full == [max(1, round(value / top * height * 8)) if value > 0 else 0 for value in values]


def test_a_bar_is_never_longer_than_its_room():
    style = a_style()
    assert [width(plots.bar(value, 100, 10, style)) for value in (0, 0.01, 50, 100)] == [0, 1, 5, 10]
