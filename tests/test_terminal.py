import io
import os
import pty
import termios

import pytest

from vibeusage import terminal
from vibeusage.terminal import Progress

ERASED = "\r\x1b[K"
TTY = {"TERM": "xterm"}


class Screen(io.StringIO):
    """A terminal that keeps what was written to it."""

    encoding = "utf-8"

    def isatty(self):
        return True


class AsciiScreen(Screen):
    encoding = "ascii"


class GoneScreen(Screen):
    def write(self, text):
        raise OSError(5, "Input/output error")


def test_progress_names_who_has_not_answered_and_leaves_an_empty_line():
    screen = Screen()
    with Progress(["claude", "codex", "cursor"], screen, TTY) as progress:
        progress.done("codex")
        progress.done("codex")
        progress.done("claude")
        progress.done("cursor")
    assert screen.getvalue().split(ERASED) == [
        "",
        "asking claude, codex, cursor … 0 of 3",
        "asking claude, cursor … 1 of 3",
        "asking cursor … 2 of 3",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("stream", "environ", "quiet"),
    [
        pytest.param(io.StringIO(), TTY, False, id="no terminal"),
        pytest.param(Screen(), {"TERM": "dumb"}, False, id="a dumb terminal"),
        pytest.param(Screen(), {}, False, id="an unnamed terminal"),
        pytest.param(Screen(), TTY, True, id="quiet"),
    ],
)
def test_progress_writes_nothing_elsewhere(stream, environ, quiet):
    with Progress(["claude"], stream, environ, quiet=quiet) as progress:
        progress.done("claude")
    assert stream.getvalue() == ""


def test_an_interrupt_leaves_an_empty_line_too():
    screen = Screen()
    with pytest.raises(KeyboardInterrupt), Progress(["claude"], screen, TTY):
        raise KeyboardInterrupt
    assert screen.getvalue() == f"{ERASED}asking claude … 0 of 1{ERASED}"


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        pytest.param("30", "asking claude, codex … 0 of 2", id="names are cut"),
        pytest.param("10", " … 0 of 2", id="then left out"),
        pytest.param("5", " … 0", id="never a full line"),
    ],
)
def test_progress_stays_on_one_line(columns, shown):
    screen = Screen()
    with Progress(["claude", "codex & co"], screen, {**TTY, "COLUMNS": columns}):
        pass
    drawn = screen.getvalue().split(ERASED)[1]
    assert (drawn, len(drawn) < int(columns)) == (shown, True)


def test_progress_shows_visible_characters_the_stream_can_encode():
    screen = AsciiScreen()
    with Progress(["日\x1b[31m"], screen, TTY):
        pass
    assert screen.getvalue() == f"{ERASED}asking ?[31m ... 0 of 1{ERASED}"


def test_a_terminal_that_is_gone_stops_nothing():
    asked = []
    with Progress(["claude"], GoneScreen(), TTY) as progress:
        progress.done("claude")
        asked.append("claude")
    assert asked == ["claude"]


@pytest.mark.parametrize(
    ("environ", "size", "columns"),
    [
        pytest.param({"COLUMNS": "40"}, 132, 40, id="COLUMNS"),
        pytest.param({}, 132, 132, id="the terminal"),
        pytest.param({"COLUMNS": "0"}, 132, 132, id="COLUMNS=0"),
        pytest.param({"COLUMNS": "wide"}, 132, 132, id="COLUMNS is no number"),
        pytest.param({}, 0, 80, id="a terminal that does not say"),
    ],
)
def test_columns_come_from_the_environment_then_from_the_terminal(environ, size, columns):
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, size))
    with os.fdopen(slave, "w") as stream:
        assert terminal.columns(stream, environ) == columns
    os.close(master)


def test_without_a_terminal_there_are_80_columns():
    assert terminal.columns(io.StringIO(), {}) == 80


@pytest.mark.parametrize(
    ("text", "cells", "lines"),
    [
        pytest.param("", 10, [], id="nothing"),
        pytest.param("one two three", 8, ["one two", "three"], id="between words"),
        pytest.param("a abcdefgh b", 3, ["a", "abc", "def", "gh", "b"], id="within a word"),
        pytest.param("日本語", 5, ["日本", "語"], id="wide characters"),
        pytest.param("日本", 1, ["日", "本"], id="no room for one"),
        pytest.param("ab", -3, ["a", "b"], id="no room at all"),
    ],
)
def test_text_wraps_by_cells(text, cells, lines):
    assert terminal.wrapped(text, cells) == lines
