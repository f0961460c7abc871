"""What keys do: which page they lead to, and what they ask to be done."""

from datetime import UTC

import pytest
from dashboard.test_pages import ABOUT, MODES, STATES, a_board, a_style
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import NOW

from vibeusage import schema, toml_edit
from vibeusage.config import Config
from vibeusage.dashboard import board, options
from vibeusage.dashboard.board import Board
from vibeusage.dashboard.loading import Ask, Settings, States
from vibeusage.dashboard.options import Item
from vibeusage.dashboard.page import Room
from vibeusage.dashboard.wishes import AskNow, Change, Failure, Operate, Quit, Say, Switch

CHOICE = Item("Display", "line.show", "what a percentage counts", "used", "", ("used", "remaining"))
TYPED = Item("Display", "line.bar", "cells of the bar", "0", "a whole number from 0 to 40")
UNSET = Item("Settings", "credentials.browser", "which", None, "", ("firefox", "zen"))


def pressed(seen: Board, *keys: str) -> list:
    return [seen.key(key) for key in keys]


@pytest.mark.parametrize("key", board.MODES)
def test_a_key_opens_its_page_from_anywhere(key):
    for mode in MODES:
        seen = Board("cost")
        seen.mode = mode
        assert pressed(seen, key) == [None]
        assert seen.mode == board.MODES[key]


@pytest.mark.parametrize(
    ("keys", "way"),
    [
        (("w",), ["usage"]),
        (("s",), ["usage"]),
        (("p", "enter"), ["providers", "usage"]),
        (("p", "enter", "c"), ["manage", "providers", "usage"]),
        (("s", "P"), ["providers", "usage"]),
    ],
)
def test_esc_goes_back_and_at_last_quits(keys, way):
    seen = Board("cost")
    seen.arrived(Ask("states"), STATES)
    pressed(seen, *keys)
    for mode in way:
        assert pressed(seen, "escape") == [None]
        assert seen.mode == mode
    assert pressed(seen, "escape", "q") == [Quit(0), Quit(0)]


def test_arrows_turn_to_earlier_weeks_and_never_to_the_future():
    seen = Board("cost")
    pressed(seen, "w", "left", "left", "right")
    assert seen.asks() == [Ask("weekly", 1, "")]
    pressed(seen, "right", "right", "right")
    assert seen.asks() == [Ask("weekly", 0, "")]
    pressed(seen, "left", "m")
    assert seen.asks() == [Ask("monthly", 0, "")]


def test_f_takes_one_tool_after_the_other_and_then_all(load, filled):
    seen = a_board("weekly", load)
    asked = [seen.asks()[0].provider for _ in pressed_one_by_one(seen, "f", 4)]
    assert asked == ["claude", "codex", "gemini", ""]
    pressed(seen, "f", "d")
    assert seen.asks() == [Ask("devices")]  # a machine is of all tools


def pressed_one_by_one(seen: Board, key: str, times: int):
    for _ in range(times):
        yield seen.key(key)


@pytest.mark.parametrize("mode", MODES)
def test_t_plots_the_other_measure_where_something_is_plotted(mode):
    seen = Board("cost")
    seen.mode = mode
    pressed(seen, "t")
    assert seen.measure == ("tokens" if mode in ("weekly", "monthly", "yearly", "heatmap") else "cost")
    pressed(seen, "t")
    assert seen.measure == "cost"


def test_r_asks_the_providers_on_every_page():
    for mode in MODES:
        seen = Board("cost")
        seen.mode = mode
        assert pressed(seen, "r") == [AskNow()]


def test_space_switches_the_provider_at_the_cursor():
    seen = Board("cost")
    seen.mode = "manage"
    seen.arrived(Ask("states"), STATES)
    assert pressed(seen, "space", "space") == [Switch("claude", False), Switch("claude", True)]
    assert pressed(seen, "down", "down", "down", "space") == [None, None, None, Switch("cursor", True)]
    assert pressed(seen, "down", "space") == [None, Switch("cursor", False)]  # Zed is not shown before `a`
    assert pressed(seen, "a", "down", "space") == [None, None, Switch("zed", False)]


def test_without_providers_the_keys_of_their_page_do_nothing():
    seen = Board("cost")
    seen.mode = "manage"
    seen.arrived(Ask("states"), States([]))
    assert pressed(seen, "space", "c", "enter", "down", "end") == [None] * 5
    assert seen.mode == "manage"


def test_enter_takes_the_next_choice_or_asks_for_a_text_and_backspace_takes_back():
    seen = Board("cost")
    seen.mode = "settings"
    seen.arrived(Ask("settings"), Settings([CHOICE, TYPED, UNSET]))
    assert pressed(seen, "enter") == [Change("line.show", "remaining")]
    assert pressed(seen, "down", "backspace") == [None, Change("line.bar", "")]
    assert pressed(seen, "end", "enter") == [None, Change("credentials.browser", "firefox")]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("⌫ 1 2", "12"),
        ("home 4 end 5", "405"),
        ("left 7 delete 8", "78"),
        ("w u q", "0wuq"),
        ("⌫ ⌫ ⌫", ""),
        ("x left left left right y", "0yx"),
        ("ctrl+u z", "z"),
    ],
)
def test_what_is_typed_is_the_settings_text_and_no_key_of_a_page(keys, text):
    seen = Board("cost")
    seen.mode = "settings"
    seen.arrived(Ask("settings"), Settings([TYPED]))
    pressed(seen, "enter")
    for key in keys.replace("⌫", "backspace").split():
        assert seen.key(key, key if len(key) == 1 else "") is None
    assert seen.key("enter", "\r") == Change("line.bar", text)
    assert seen.mode == "settings"


def test_a_paste_is_one_line_and_esc_leaves_all_as_it_was():
    seen = Board("cost")
    seen.mode = "settings"
    seen.arrived(Ask("settings"), Settings([TYPED]))
    pressed(seen, "enter")
    seen.pasted("12\n\x1b[31m")
    assert seen.typing is not None
    assert seen.typing.text == "012[31m"
    assert (seen.key("escape", "\x1b"), seen.typing, seen.mode) == (None, None, "settings")
    seen.pasted("nobody types")
    assert seen.typing is None


def on_settings() -> Board:
    seen = Board("cost")
    seen.mode = "settings"
    seen.arrived(Ask("settings"), Settings([TYPED], ABOUT))
    return seen


def test_the_database_is_made_and_copied_at_once():
    assert pressed(on_settings(), "I", "B") == [Operate("initialise"), Operate("back up")]


def test_it_is_deleted_only_after_a_yes():
    seen = on_settings()
    assert pressed(seen, "D", "d", "D", "escape", "D", "enter", "D", "y") == [None] * 7 + [Operate("delete")]
    assert (seen.mode, seen.question) == ("settings", None)
    page = (pressed(seen, "D"), seen.page(a_style(), Room(78, 22), NOW, UTC))[1]
    told = ["".join(text for _, text in line) for line in page.below[1:]]
    assert told[0] == "Delete ~/.local/share/vibeusage/usage.db?"
    assert "A copy" in told[1]


def test_a_copy_is_put_back_only_after_it_was_named_and_a_yes():
    seen = on_settings()
    assert pressed(seen, "R") == [None]
    assert seen.typing is not None
    assert seen.typing.text == ABOUT.newest_copy
    assert pressed(seen, "enter", "n") == [None, None]
    assert pressed(seen, "R", "enter", "y") == [None, None, Operate("restore", ABOUT.newest_copy)]


def test_without_a_name_no_copy_is_put_back_and_nothing_is_asked():
    seen = on_settings()
    assert pressed(seen, "R", "ctrl+u", "enter") == [None, None, Say("no copy was named; B makes one")]
    assert (seen.typing, seen.question) == (None, None)


@pytest.mark.parametrize(
    ("name", "groups"),
    [("cherry-studio", ["Logs"]), ("codex", ["Settings", "Logs"]), ("claude@work", ["Settings"])],
)
def test_every_row_of_the_providers_can_be_configured(name, groups, home):
    """Also a tool that has no quota, and so no settings of a provider."""
    items = options.of_provider(name)
    assert list(dict.fromkeys(item.group for item in items)) == groups
    assert all(item.key.startswith(("providers.", "records.")) for item in items)


FIXED = Say("nothing is changed while names are hidden")


def test_where_nothing_can_be_changed_no_key_asks_or_seems_to():
    seen = Board("cost", is_fixed=True)
    seen.arrived(Ask("states"), STATES)
    seen.arrived(Ask("settings"), Settings([TYPED], ABOUT))
    assert pressed(seen, "s", "I", "B", "R", "D", "enter", "space", "backspace") == [None, *[FIXED] * 7]
    assert pressed(seen, "P", "space", "down") == [None, FIXED, None]
    assert (seen.typing, seen.question, seen.got[Ask("states")]) == (None, None, STATES)


def test_what_was_typed_on_a_page_that_can_no_longer_be_read_is_given_up():
    seen = on_settings()
    pressed(seen, "enter")
    seen.arrived(Ask("weekly"), Failure("another page", ""))
    assert seen.typing is not None
    seen.arrived(Ask("settings"), Failure("config.toml is not TOML", ""))
    assert (seen.typing, pressed(seen, "w"), seen.mode) == (None, [None], "weekly")


def test_a_question_is_told_to_its_end():
    seen, file = on_settings(), "/home/ana/" + "deep/" * 30 + "usage.db"
    pressed(seen, "R", "ctrl+u")
    seen.pasted(file)
    pressed(seen, "enter")
    told = ["".join(text for _, text in line) for line in seen.page(a_style(), Room(78, 22), NOW, UTC).below]
    assert "".join(told).replace(" ", "").find(f"Put{file}intheplaceofthedatabase?") > 0
    assert all(len(line) <= 78 for line in told)


KEYS = st.sampled_from(
    [
        *(*board.MODES, "escape", "left", "right", "up", "down", "pageup", "pagedown", "home", "end", "enter"),
        *("space", "t", "f", "a", "c", "P", "x", "backspace", "tab", "f1"),
    ]
)


@settings(max_examples=40, deadline=None)
@given(keys=st.lists(KEYS, max_size=25))
def test_whatever_is_pressed_there_is_a_page_of_the_screens_width(keys):
    seen, style = Board("cost"), a_style()
    seen.arrived(Ask("states"), STATES)
    seen.configured = "codex"
    for key in keys:
        seen.key(key)
        for ask in seen.asks():
            if ask.kind in ("settings", "configure"):
                seen.arrived(ask, Settings([CHOICE, TYPED]))
        if seen.mode not in ("settings",):
            page = seen.page(style, Room(78, 22), NOW, UTC)
            assert page.title
            assert page.picked is None or 0 <= page.picked < len(page.lines)


@pytest.mark.slow
def test_every_setting_of_the_page_is_one_that_can_be_set(home):
    items = options.of_all()
    assert {item.key for item in items} == {key for keys in options.GROUPS.values() for key in keys}
    for item in items:
        example = schema.example(schema.type_at(Config, toml_edit.split_key(item.key)))
        options.change(item.key, item.following() if item.choices else str(item.value or example))
        options.change(item.key, "")
    assert options.of_all() == items
