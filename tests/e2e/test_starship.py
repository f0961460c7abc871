"""The segment as a custom module of a real starship, in three real shells."""

import os
import subprocess
import time

import pytest
from e2e.pty_shell import differences
from e2e.screens import LAUNCHER, environment, look, start

MODULE = """
format = "${custom.vibeusage}> "
add_newline = false
command_timeout = 5000
[custom.vibeusage]
command = "COMMAND"
when = true
shell = ["sh"]
format = "([$output]($style) )"
style = ""
"""
STARTS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["-d", "-i"],
    "fish": ["--private", "-i"],
}


@pytest.fixture
def shell(require, tmp_path):
    """Starts a shell whose prompt starship draws; `command` is what the module runs."""
    program, opened = require("starship"), []

    def run(name: str, command: str = "vibeusage line starship", *, columns: int = 100, lines: int = 10, **extra: str):
        folder = tmp_path / f"shell{len(opened)}"
        (folder / "fish").mkdir(parents=True)
        config = folder / "starship.toml"
        config.write_text(MODULE.replace("COMMAND", command))
        init = f"'{program}' init {name} | source" if name == "fish" else f'eval "$("{program}" init {name})"'
        words = [require(name), *STARTS[name]]
        if name == "zsh":
            (folder / ".zshrc").write_text(f"PROMPT_EOL_MARK=\n{init}\n")
        elif name == "fish":
            (folder / "fish" / "config.fish").write_text(
                f"set -g fish_greeting\nset -g fish_autosuggestion_enabled 0\n{init}\n"
            )
        else:
            (folder / "rc").write_text(f"{init}\n")
            words = [require(name), "--rcfile", str(folder / "rc"), "-i"]
        extra |= {"STARSHIP_CONFIG": str(config), "STARSHIP_CACHE": str(folder), "ZDOTDIR": str(folder)}
        extra |= {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder), "HISTFILE": ""}
        opened.append(start(words, tmp_path, extra, columns=columns, lines=lines))
        return opened[-1]

    yield run
    for terminal in opened:
        terminal.close()


@pytest.fixture
def limits(line_tsv):
    now = int(time.time())
    line_tsv(
        ("period", "claude", "S", "5h", 18_000, 30.0, now + 9_020, now, "oauth", "window"),
        ("period", "claude", "W", "7d", 604_800, 100.0, now + 302_420, now, "oauth", "window"),
    )


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("command", ["vibeusage line starship", f"{LAUNCHER} starship"], ids=["program", "launcher"])
def test_the_segment_is_drawn_in_its_colours(shell, limits, name, command):
    terminal = shell(name, command)
    terminal.wait(r"^claude 5h 30% 2h 30m · 7d 100% 3d 12h >$")
    assert {word: look(terminal, word) for word in ("claude 5h", "30%", "100%")} == {
        "claude 5h": {("default", "default", False)},
        "30%": {("green", "default", False)},
        "100%": {("red", "default", True)},
    }


@pytest.mark.parametrize("name", STARTS)
def test_editing_shows_that_the_shell_knows_its_width(shell, limits, name):
    text = "claude 5h 30% · 7d 100%"
    coloured = shell(name, "vibeusage line starship --reset none", columns=60, lines=24)
    bare = shell(name, f"echo '{text}'", columns=60, lines=24)
    for terminal in (coloured, bare):
        terminal.wait(f"^{text} >$")
        terminal.settle()
    assert differences(coloured, bare) == []


def test_the_command_ends_although_starship_hands_it_a_pipe(require, limits, tmp_path):
    (tmp_path / "starship.toml").write_text(MODULE.replace("COMMAND", "vibeusage line starship"))
    environ = environment(tmp_path, STARSHIP_CONFIG=str(tmp_path / "starship.toml"), STARSHIP_SHELL="", NO_COLOR="1")
    done = subprocess.run(
        [require("starship"), "prompt"], stdin=subprocess.PIPE, capture_output=True, env=environ, timeout=20, check=True
    )
    assert done.stdout.decode().strip() == "claude 5h 30% 2h 30m · 7d 100% !! 3d 12h >"


def test_with_nothing_known_the_module_is_left_out(shell, line_tsv):
    line_tsv()
    assert shell("bash").wait(r"^>") == ">"


def test_a_dollar_in_bash_is_what_starship_makes_of_it(shell, line_tsv):
    # starship writes `\\$`, which bash draws as # for root: known, and right for everybody else
    line_tsv(("period", "a$b", "S", "5h", 0, 42, 0, 1, "oauth", "window"))
    text = shell("bash", "vibeusage line starship --format '{provider} {percent}'").wait(r"42% >$")
    assert text == ("a#b 42% >" if os.geteuid() == 0 else "a$b 42% >")


def test_the_module_that_install_writes_is_drawn(vibeusage, require, limits, tmp_path):
    config = tmp_path / "starship.toml"
    config.write_text('add_newline = false\ncommand_timeout = 5000\nformat = "${custom.vibeusage}> "\n')
    environ = environment(tmp_path, STARSHIP_CONFIG=str(config), NO_COLOR="1")
    done = vibeusage("install", "starship", env=environ)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run([require("starship"), "prompt"], capture_output=True, env=environ, timeout=20, check=True)
    assert shown.stdout.decode().strip() == "claude 5h 30% 2h 30m · 7d 100% !! 3d 12h >"
