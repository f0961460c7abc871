"""The tmux plugin in a real tmux server of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from e2e.pty_shell import SHELL

PLUGIN = SHELL / "vibeusage.tmux"
LAUNCHER = SHELL / "vibeusage-line"


@pytest.fixture
def tmux(require, env, tmp_path):
    """Runs tmux commands against a server that dies with the test."""
    program = require("tmux")
    socket = tmp_path / "socket"

    def run(*words: str) -> str:
        command = [program, "-S", str(socket), "-f", "/dev/null", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=20)
        assert done.stderr == ""
        return done.stdout.removesuffix("\n")

    run("new-session", "-d", "-s", "test", "sleep 60")
    yield run
    run("kill-server")


def load(tmux, plugin: Path = PLUGIN) -> None:
    assert tmux("run-shell", f"'{plugin}'") == ""


def test_the_placeholder_becomes_the_launcher_on_both_sides(tmux):
    tmux("set-option", "-g", "status-left", "#S #{vibeusage} ")
    tmux("set-option", "-g", "status-right", '#{vibeusage}|%H:%M #{?client_prefix,#[bold],} \'"$x" #{vibeusage}')
    load(tmux)
    segment = f"#({LAUNCHER} tmux)"
    assert tmux("show-option", "-gqv", "status-left") == f"#S {segment} "
    assert (
        tmux("show-option", "-gqv", "status-right") == f'{segment}|%H:%M #{{?client_prefix,#[bold],}} \'"$x" {segment}'
    )


def test_loaded_again_it_changes_nothing_more(tmux):
    tmux("set-option", "-g", "status-right", "#{vibeusage}")
    load(tmux)
    once = tmux("show-options", "-g")
    load(tmux)
    assert tmux("show-options", "-g") == once


def test_without_the_placeholder_nothing_changes(tmux):
    before = tmux("show-options", "-g")
    load(tmux)
    assert tmux("show-options", "-g") == before


def test_options_are_handed_on(tmux):
    tmux("set-option", "-g", "status-right", "#{vibeusage}")
    tmux("set-option", "-g", "@vibeusage_options", "--bar 5")
    load(tmux)
    assert tmux("show-option", "-gqv", "status-right") == f"#({LAUNCHER} tmux --bar 5)"


@pytest.mark.parametrize(
    ("folder", "launcher"),
    [
        pytest.param("plain", "{folder}/vibeusage-line", id="a plain path"),
        pytest.param("with blank", "'{folder}/vibeusage-line'", id="a blank in the path"),
        pytest.param("a(b)#{c}", "vibeusage line", id="tmux syntax in the path"),
        pytest.param("none", "vibeusage line", id="no launcher"),
    ],
)
def test_the_launcher_is_named_so_that_tmux_can_run_it(tmux, tmp_path, folder, launcher):
    place = tmp_path / folder
    place.mkdir()
    shutil.copy(PLUGIN, place)
    if folder != "none":
        shutil.copy(LAUNCHER, place)
    tmux("set-option", "-g", "status-right", "#{vibeusage}")
    load(tmux, Path(str(place).replace("#", "##")) / PLUGIN.name)
    assert tmux("show-option", "-gqv", "status-right") == f"#({launcher.format(folder=place)} tmux)"


def test_a_link_in_the_plugin_folder_finds_the_launcher(tmux, tmp_path):
    link = tmp_path / "plugins" / "vibeusage" / "vibeusage.tmux"
    link.parent.mkdir(parents=True)
    link.symlink_to(PLUGIN)
    tmux("set-option", "-g", "status-right", "#{vibeusage}")
    load(tmux, link)
    assert tmux("show-option", "-gqv", "status-right") == f"#({LAUNCHER} tmux)"


def test_the_stored_segment_is_drawn_in_its_colour(require, terminal, tmux, cache, tmp_path, fake):
    cache.store("tmux", "#[fg=red]90%#[default] ##1\n")
    tmux("set-option", "-g", "status-style", "bg=default")
    tmux("set-option", "-g", "status-right", "[#{vibeusage}]")
    load(tmux)
    screen = terminal([require("tmux"), "-S", str(tmp_path / "socket"), "attach-session"])
    screen.wait(r"\[90% #1\]$")
    assert screen.colours("90%") == {"red"}
    assert fake.log("start") == []


def test_the_plugin_and_the_launcher_can_be_executed():
    assert [os.access(path, os.X_OK) for path in (PLUGIN, LAUNCHER)] == [True, True]


def test_shellcheck_has_nothing_to_say(require):
    done = subprocess.run([require("shellcheck"), "-s", "sh", str(PLUGIN)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
