"""What each target gets for a row: exact texts."""

import pytest

from vibeusage import escape
from vibeusage.line import TARGETS

ROW = [("", "claude "), ("green", "42%"), ("dim", " · "), ("yellow", "y"), ("red", "r"), ("alarm", "100%")]
PLAIN = "claude 42% · yr100%"
SGR = "claude \x1b[32m42%\x1b[0m\x1b[90m · \x1b[0m\x1b[33my\x1b[0m\x1b[31mr\x1b[0m\x1b[1;31m100%\x1b[0m"
PAINTED = {
    **dict.fromkeys(("ansi", "starship", "fish", "swiftbar"), SGR),
    **dict.fromkeys(("claude-code", "copilot", "qwen", "cursor", "agy"), SGR),
    **dict.fromkeys(("plain", "json", "i3blocks"), PLAIN),
    "bash": (
        "claude \x01\x1b[32m\x0242%\x01\x1b[0m\x02\x01\x1b[90m\x02 · \x01\x1b[0m\x02\x01\x1b[33m\x02y\x01\x1b[0m\x02"
        "\x01\x1b[31m\x02r\x01\x1b[0m\x02\x01\x1b[1;31m\x02100%\x01\x1b[0m\x02"
    ),
    "zsh": "claude %F{green}42%%%f%F{8} · %f%F{yellow}y%f%F{red}r%f%B%F{red}100%%%f%b",
    "tmux": (
        "claude #[fg=green]42%#[fg=default]#[fg=colour8] · #[fg=default]#[fg=yellow]y#[fg=default]"
        "#[fg=red]r#[fg=default]#[fg=red,bold]100%#[fg=default,nobold]"
    ),
    "zjstatus": (
        "claude #[fg=#5faf5f]42%#[default]#[fg=#808080] · #[default]#[fg=#d7af00]y#[default]"
        "#[fg=#d75f5f]r#[default]#[fg=#ff5f5f,bold]100%#[default]"
    ),
    "polybar": ("claude %{F#5faf5f}42%%{F-}%{F#808080} · %{F-}%{F#d7af00}y%{F-}%{F#d75f5f}r%{F-}%{F#ff5f5f}100%%{F-}"),
    "screen": ("claude \x05{= g}42%\x05{-}\x05{= K} · \x05{-}\x05{= y}y\x05{-}\x05{= r}r\x05{-}\x05{=b r}100%\x05{-}"),
    "waybar": (
        "claude <span color='#5faf5f'>42%</span><span color='#808080'> · </span><span color='#d7af00'>y</span>"
        "<span color='#d75f5f'>r</span><span color='#ff5f5f' weight='bold'>100%</span>"
    ),
}
SPECIAL = r"""a\b$c`d`%e#f#[g#{h%{i&<j>k'l"m|n!o"""
LITERAL = {
    **dict.fromkeys(TARGETS, SPECIAL),
    "bash": "a\\\x01\x02b$\x01\x02c'd'%e#f#[g#{h%{i&<j>k'l\"m|n!o",
    "starship": r"""a/b$c`d`%e#f#[g#{h%{i&<j>k'l"m|n!o""",
    "zsh": "a\\%{%}b$%{%}c'd'%%e#f#[g#{h%%{i&<j>k'l\"m|n!o",
    "tmux": r"""a\b$c`d`%e##f##[g##{h%{i&<j>k'l"m|n!o""",
    "zjstatus": r"""a\b$c`d`%e#f#(g#{h%{i&<j>k'l"m|n!o""",
    "polybar": r"""a\b$c`d`%e#f#[g#{h%(i&<j>k'l"m|n!o""",
    "waybar": r"""a\b$c`d`%e#f#[g#{h%{i&amp;&lt;j&gt;k&#39;l&quot;m|n!o""",
    "swiftbar": r"""a\b$c`d`%e#f#[g#{h%{i&<j>k'l"m¦n!o""",
}


def test_the_tables_here_name_every_target():
    assert PAINTED.keys() == LITERAL.keys() == TARGETS


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_colours_are_in_the_targets_own_notation(target):
    assert escape.paint(target, ROW, False) == PAINTED[target]


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_without_colour_a_target_gets_its_escapes_and_nothing_else(target):
    assert escape.paint(target, [("", SPECIAL)], False) == LITERAL[target]
    assert escape.paint(target, [("alarm", SPECIAL)], True) == LITERAL[target]


@pytest.mark.parametrize(
    ("target", "row", "text"),
    [
        pytest.param("polybar", [("", "%"), ("", "{F#f00}")], "%(F#f00}", id="polybar"),
        pytest.param("zjstatus", [("", "#"), ("", "[fg=red]")], "#(fg=red]", id="zjstatus"),
        pytest.param("bash", [("", "$"), ("", "(id)")], "$\x01\x02(id)", id="bash"),
        pytest.param("zsh", [("", "$"), ("", "(id)")], "$%{%}(id)", id="zsh"),
        pytest.param("tmux", [("", "#"), ("", "(id)")], "##(id)", id="tmux"),
    ],
)
def test_two_pieces_side_by_side_do_not_make_what_neither_is(target, row, text):
    assert escape.paint(target, row, False) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("Max 20x", "Max 20x", id="plain text stays"),
        pytest.param("Émile 日本 👍", "Émile 日本 👍", id="letters, wide ones and emoji stay"),
        pytest.param("e\u0301", "e\u0301", id="a combining accent stays"),
        pytest.param("a\x1b[31mb", "a[31mb", id="ESC"),
        pytest.param("a\x1b]8;;http://x\x1b\\b", "a]8;;http://x\\b", id="OSC 8"),
        pytest.param("a\x9b31mb\x9d0;t\x9c", "a31mb0;t", id="C1"),
        pytest.param("a\x00\x01\x02\x05\x07\x08\x0eb\x7f", "ab", id="C0 and DEL"),
        pytest.param("a\tb\nc\r\nd\x0be\x0cf", "a b c d e f", id="white space is one blank"),
        pytest.param("a\u2028b\u2029c\x85d\xa0e", "a b c d e", id="line separators and odd blanks"),
        pytest.param("a\u202eb\u2066c\u2069d\u200fe", "abcde", id="bidi controls"),
        pytest.param("a\u200bb\u200dc\u2060d\ufeffe\xadf", "abcdef", id="zero width"),
        pytest.param("a\ufe0fb\ufe00c\u3164d\u115fe", "abcde", id="variation selectors and fillers"),
        pytest.param("a\ue000b\U000f06a9c\ud800d", "abcd", id="private and surrogate"),
        pytest.param("  a   b  ", "a b", id="outer and double blanks"),
        pytest.param("x" * 500, "x" * 120, id="long"),
    ],
)
def test_outside_text_becomes_one_line_of_visible_characters(text, cleaned):
    assert escape.clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        pytest.param("abc", 3, id="ascii"),
        pytest.param("日本", 4, id="wide"),
        pytest.param("e\u0301", 1, id="combining"),
        pytest.param("👍", 2, id="emoji"),
        pytest.param("…·█", 3, id="ambiguous is narrow, as terminals have it"),
        pytest.param("\u1112\u1161\u11ab", 2, id="conjoining Hangul"),
        pytest.param("\U000f06a9", 1, id="Nerd Font icon"),
    ],
)
def test_width_counts_cells(text, cells):
    assert escape.width(text) == cells
