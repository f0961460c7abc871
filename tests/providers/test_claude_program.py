"""`claude -p "/usage"` as a program: what it says, and what it does wrong, as the engine sees it."""

import asyncio
import json

import pytest
from e2e.waiting import is_gone, wait_until
from providers.case import AT, ROOT

from vibeusage import accounts, config, fetch, http

TEXT = ROOT / "fixtures/claude/text-2026-07.json"


@pytest.fixture
def ask(home, tmp_path, config_dir):
    """`ask(text)`: the whole round of Claude with a program of that name that runs `text`, and nothing else to ask."""
    folder = tmp_path / "bin"
    folder.mkdir()
    config_dir.mkdir(mode=0o700)

    def round_of(text, seconds=15):
        (folder / "claude").write_text(f'#!/bin/sh\nprintf "%s|" "$@" >>"$HOME/asked"\n{text}\n')
        (folder / "claude").chmod(0o755)
        (config_dir / "config.toml").write_text(
            f'[fetch]\ntimeout_s = {seconds}\n[providers.claude]\nstrategies = ["cli"]\n'
        )
        environ = {"HOME": str(home), "PATH": f"{folder}:/usr/bin:/bin"}
        asking = fetch.Asking(accounts.one("claude", config.load(), accounts.Surroundings(environ, AT, True)), None)
        return asyncio.run(asking.answer(http.tls()))

    return round_of


def test_its_limits_are_heard(ask, home):
    said = ask(f"cat {TEXT}")
    assert said.snapshot is not None
    assert (said.snapshot.source, [period.name for period in said.snapshot.periods]) == (
        "cli",
        ["Session (5h)", "Weekly", "Fable"],
    )
    assert (home / "asked").read_text() == "-p|/usage|--output-format|json|"


@pytest.mark.parametrize(
    ("text", "category", "sentence"),
    [
        pytest.param("exit 3", "network", "claude ended with code 3 and said nothing", id="says nothing"),
        pytest.param(f"[ -t 1 ] && cat {TEXT}; exit 0", "parse", "do not understand", id="wants a terminal"),
        pytest.param("[ -t 1 ] || exit 1", "network", "claude ended with code 1", id="wants a terminal, and fails"),
        pytest.param("yes", "parse", "claude printed more than 4 MiB", id="floods"),
        pytest.param("yes | tr -d '\\n'", "parse", "claude printed more than 4 MiB", id="floods in one line"),
        pytest.param(f"head -c 40 {TEXT}", "parse", "do not understand", id="torn"),
        pytest.param("echo hello", "parse", "do not understand", id="words"),
        pytest.param(
            f"echo '{json.dumps({'is_error': True, 'result': 'Login expired'})}'; exit 1",
            "authentication",
            "not logged in, or its login has expired",
            id="logged out",
        ),
    ],
)
def test_what_it_does_wrong_has_a_name(text, category, sentence, ask):
    error = ask(text).error
    assert (error.category, sentence in str(error), error.hint != "") == (category, True, True)


@pytest.mark.slow
def test_when_it_hangs_it_is_ended_with_all_it_started(ask, home):
    error = ask('trap "" TERM; sleep 300 & echo $! $$ >"$HOME/pids"; wait; sleep 300', seconds=2).error
    assert (error.category, str(error)) == ("network", "Claude took longer than 2 s")
    pids = [int(pid) for pid in (home / "pids").read_text().split()]
    wait_until(lambda: all(is_gone(pid) for pid in pids))
