"""What the shells complete is what there is."""

import re

import pytest

from vibeusage import cli, paths, timers
from vibeusage.cli import db, report, uninstall
from vibeusage.line import TARGETS


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_action_and_target_is_completed_and_nothing_else(shell):
    text = (paths.shell_dir() / f"vibeusage.{shell}").read_text()
    lists = {
        "words='": r"words='([^']+)'",
        "compadd --": r"compadd -- ((?:[a-z0-9-]+[ \\\n]+)+);;",
        "complete": r"complete -c vibeusage .* -a '([^']+)'",
    }
    pattern = {"bash": lists["words='"], "zsh": lists["compadd --"], "fish": lists["complete"]}[shell]
    offered = {word for found in re.findall(pattern, text) for word in found.replace("\\", " ").split()}
    actions = {"list", "show", "enable", "disable", "configure", "order", "check", "info", "remove", "new"}
    assert offered - {"(command", "vibeusage", "--names", "2>/dev/null)"} == {
        *(*cli.COMMANDS, *actions, *db.ACTIONS, *TARGETS, *uninstall.TARGETS, *timers.TARGETS),
        *(*report.KINDS, report.PAGE),
    }
    assert "vibeusage providers list --names" in text
