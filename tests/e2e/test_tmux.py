"""The segment in the status line of a real tmux, as a terminal shows it."""

import subprocess
import time

import pytest
from e2e.screens import LAUNCHER, environment, look, start

ROWS = (("5h", 18_000, 30.0), ("7d", 604_800, 90.0), ("Opus", 604_800, 100.0))
PLAIN = ("default", "default", False)


@pytest.fixture
def limits(line_tsv):
    """Three windows: within pace, ahead of it, used up."""

    def write() -> None:
        now = int(time.time())
        windows = [
            ("period", "claude", short, short, length, used, now + length // 2 + 20, now, "oauth", "window")
            for short, length, used in ROWS
        ]
        line_tsv(*windows)

    return write


@pytest.fixture
def tmux(require, tmp_path):
    """A terminal with a tmux in it whose `status-right` is as given; the server dies with the test."""
    program, opened = require("tmux"), []

    def run(status_right: str, *settings: str, columns: int = 100, **extra: str):
        rc = tmp_path / "tmux.conf"
        lines = [f"set -g status-right '{status_right}'", "set -g status-right-length 90", "set -g status-left ''"]
        lines += ["set -g window-status-current-format ''", "set -g status-style default", *settings]
        rc.write_text("\n".join(lines) + "\n")
        server = [program, "-S", str(tmp_path / "socket"), "-f", str(rc)]
        opened.append(start([*server, "new-session", "sleep 60"], tmp_path, extra, columns=columns))
        return opened[-1]

    yield run
    command = [program, "-S", str(tmp_path / "socket"), "kill-server"]
    subprocess.run(command, env=environment(tmp_path), capture_output=True, check=False)
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize("command", ["vibeusage line tmux", f"{LAUNCHER} tmux"], ids=["program", "launcher"])
def test_the_segment_is_drawn_in_its_colours(tmux, limits, command):
    limits()
    terminal = tmux(f"[#({command})]")
    text = terminal.wait(r"\[claude .*\]").splitlines()[-1].strip()
    assert text == "[claude 5h 30% 2h 30m · 7d 90% 3d 12h · Opus 100% 3d 12h]"
    assert {word: look(terminal, word) for word in ("[claude 5h", "30%", "90%", "100%", "2h 30m", "]")} == {
        "[claude 5h": {PLAIN},
        "30%": {("green", "default", False)},
        "90%": {("red", "default", False)},
        "100%": {("red", "default", True)},
        "2h 30m": {("brightblack", "default", False)},
        "]": {PLAIN},
    }


def test_the_launcher_prints_what_was_stored_and_starts_no_interpreter(tmux, limits, vibeusage, tmp_path):
    limits()
    stored = vibeusage("line", "tmux").stdout
    terminal = tmux(f"[#({LAUNCHER} tmux)]", "set-environment -g PATH /usr/bin:/bin")
    terminal.wait(r"\[claude 5h 30% ")
    assert stored.startswith(b"claude 5h #[fg=green]30%#[fg=default]")


def test_the_themes_background_stays_behind_the_segment(tmux, limits):
    limits()
    terminal = tmux("[#(vibeusage line tmux)]", "set -g status-style bg=blue,fg=white")
    terminal.wait(r"\[claude .*\]")
    assert look(terminal, "100%") == {("red", "blue", True)}
    assert look(terminal, "]") == {("white", "blue", False)}


def test_no_color_turns_the_styles_off_and_the_marks_on(tmux, limits):
    limits()
    terminal = tmux("[#(vibeusage line tmux)]", NO_COLOR="1")
    text = terminal.wait(r"\[claude .*\]").splitlines()[-1].strip()
    assert text == "[claude 5h 30% 2h 30m · 7d 90% ++ 3d 12h · Opus 100% !! 3d 12h]"
    assert look(terminal, text) == {PLAIN}


def test_a_width_that_fits_the_default_length_is_not_cut(tmux, limits):
    limits()
    terminal = tmux("#(vibeusage line tmux --max-width 40)", "set -gu status-right-length")
    text = terminal.wait("claude|30%").splitlines()[-1].strip()
    assert text == "5h 30% 2h 30m · 7d 90% · Opus 100%"


def test_wide_characters_end_where_tmux_thinks_they_end(tmux, line_tsv):
    line_tsv(("period", "日本語👍e\u0301", "S", "5h", 0, 42, 0, 1, "oauth", "window"))
    terminal = tmux('[#(vibeusage line tmux --format "{provider} {percent}")]')
    terminal.wait(r"42%\]$")
    assert terminal.screen.display[-1].rstrip().endswith("42%]")
    assert look(terminal, "42%") == {("green", "default", False)}


def test_with_nothing_known_the_status_line_is_empty(tmux, line_tsv):
    line_tsv()
    terminal = tmux("[#(vibeusage line tmux)]")
    time.sleep(1.2)  # by then tmux would say that the command is not ready
    terminal.settle()
    assert terminal.text().splitlines()[-1].strip() == "[]"
