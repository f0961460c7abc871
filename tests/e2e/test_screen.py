"""The segment in the hardstatus line of a real GNU screen."""

import subprocess
import time

import pytest
from e2e.screens import environment, look, start


@pytest.fixture
def screen(require, tmp_path):
    """A terminal with a screen in it whose hardstatus is as given; the session ends with the test."""
    program, opened = require("screen"), []
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)

    def run(hardstatus: str, command: str, **extra: str):
        rc = tmp_path / "screenrc"
        rc.write_text(f'startup_message off\nbacktick 1 30 30 {command}\nhardstatus alwayslastline "{hardstatus}"\n')
        words = [program, "-c", str(rc), "-S", "test", "sleep", "60"]
        opened.append(start(words, tmp_path, {"SCREENDIR": str(sockets), **extra}, columns=200))
        return opened[-1]

    yield run
    quit_it = [program, "-S", "test", "-X", "quit"]
    subprocess.run(quit_it, env=environment(tmp_path, SCREENDIR=str(sockets)), capture_output=True, check=False)
    for terminal in opened:
        terminal.close()


def test_the_segment_is_drawn_in_its_colours(screen, line_tsv):
    now = int(time.time())
    row = ("claude", "S", "5h", 18_000, 30.0, now + 9_020, now, "oauth", "window")
    windows = [("7d", 604_800, 60.0), ("8d", 604_800, 90.0), ("9d", 604_800, 100.0)]
    more = [("claude", s, s, w, used, now + w // 2 + 20, now, "oauth", "window") for s, w, used in windows]
    line_tsv(*[("period", *each) for each in (row, *more)])
    terminal = screen("[%1`] %c", "vibeusage line screen")
    # a message of screen's own may lie over it for a while
    terminal.wait(r"(?m)^\[claude 5h 30% 2h 30m · 7d 60% 3d 12h · 8d 90% 3d 12h · 9d 100% 3d 12h\] ")
    assert {word: look(terminal, word) for word in ("[claude 5h", "30%", "60%", "90%", "100%", "2h 30m", "]")} == {
        "[claude 5h": {("default", "default", False)},
        "30%": {("green", "default", False)},
        "60%": {("brown", "default", False)},  # what this terminal calls yellow
        "90%": {("red", "default", False)},
        "100%": {("red", "default", True)},
        "2h 30m": {("brightblack", "default", False)},
        "]": {("default", "default", False)},
    }


def test_no_color_leaves_the_text(screen, line_tsv):
    line_tsv(("period", "claude", "S", "5h", 0, 100.0, 0, int(time.time()), "oauth", "window"))
    terminal = screen("[%1`]", "vibeusage line screen", NO_COLOR="1")
    terminal.wait(r"^\[claude 5h 100% !!\]$")
    assert look(terminal, "100%") == {("default", "default", False)}
