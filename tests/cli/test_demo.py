import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from vibeusage import samples
from vibeusage.cli import demo
from vibeusage.line import TARGETS


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_the_demo_shows_every_target_in_colour_and_leaves_nothing(vibeusage, scratch, home, cache_dir, config_dir):
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = vibeusage("demo", env={"CLICOLOR_FORCE": "1", **proxies})
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode()
    assert shown.startswith(f"Sample accounts of {len(samples.ids())} providers, asked at http://127.0.0.1:")
    assert "claude: Session (5h) 42%, Weekly 17.3%, Fable 64%" in shown
    assert {*re.findall(r"^([a-z0-9_-]+): ", shown, re.MULTILINE)} == {*samples.ids()}
    rows = dict(re.findall(r"^  (\S+) +(\S.*)$", shown, re.MULTILINE))
    assert set(rows) >= TARGETS
    for target in TARGETS - {"plain", "json", "i3blocks"}:
        assert "\x1b[32m43%\x1b[0m" in rows[target], target
    assert "What to do next" in shown
    assert [list(folder.iterdir()) for folder in (scratch, home)] == [[], []]
    assert (cache_dir.exists(), config_dir.exists()) == (False, False)


@pytest.mark.slow
def test_the_demo_needs_no_colour(vibeusage, scratch):
    shown = vibeusage("demo", "--no-color").stdout
    assert b"\x1b[" not in shown
    assert b"43%" in shown


def test_a_demo_that_is_ended_early_leaves_nothing_either(scratch):
    running = subprocess.Popen(
        [sys.executable, "-P", "-m", "vibeusage", "demo"], stdout=subprocess.PIPE, env=os.environ
    )
    deadline = time.monotonic() + 20
    while not list(Path(scratch).iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
def test_a_reader_that_has_enough_ends_the_demo_without_a_word(scratch):
    running = subprocess.Popen(
        [sys.executable, "-P", "-u", "-m", "vibeusage", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stdout
    assert running.stderr
    with running.stderr as told:
        with running.stdout as shown:
            shown.readline()
        said = told.read()
    assert (running.wait(30), said, list(scratch.iterdir())) == (0, b"", [])


@pytest.mark.parametrize(
    ("sent", "drawn"),
    [
        pytest.param("a #[fg=red,bold]100%#[fg=default,nobold] ##1", "a \x1b[1;31m100%\x1b[0m #1", id="tmux"),
        pytest.param("%B%F{red}100%%%f%b", "\x1b[1;31m100%\x1b[0m", id="zsh"),
        pytest.param("%{F#d7af00}9%%{F-}", "\x1b[33m9%\x1b[0m", id="polybar"),
        pytest.param("<span color='#808080'>x</span>", "\x1b[90mx\x1b[0m", id="waybar"),
    ],
)
def test_a_preview_shows_what_the_target_would_draw(sent, drawn):
    assert demo.preview(sent) == drawn
