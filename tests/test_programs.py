"""Programs of the vendors: found, fed, bounded, and ended with everything they have started."""

import asyncio
import contextlib
import os

import pytest
from e2e.waiting import is_gone, wait_until

from vibeusage import programs
from vibeusage.errors import NotConfigured, ShapeError, Unavailable


@pytest.fixture
def bin_dir(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


@pytest.fixture
def program(bin_dir):
    def write(text: str, name="tool") -> dict[str, str]:
        (bin_dir / name).write_text("#!/bin/sh\n" + text)
        (bin_dir / name).chmod(0o755)
        return {"PATH": f"{bin_dir}:/usr/bin:/bin", "HOME": os.environ["HOME"]}

    return write


def run(environ, *argv, within=10.0, how=programs.run, **waits):
    async def bounded():
        async with asyncio.timeout(within):
            return await how(argv or ("tool",), environ, **waits)

    return asyncio.run(bounded())


def test_what_it_prints_comes_without_colours(program):
    assert run(program(r"printf '\033[1;31mred\033[0m \033]0;title\007plain\r\n'")) == b"red plain\n"


def test_it_runs_without_a_terminal_in_an_empty_folder_of_ours(program, cache_dir):
    environ = program('pwd; tty; echo "$TERM $NO_COLOR"; ls -A; cat')
    assert run(environ) == f"{cache_dir}/empty\nnot a tty\ndumb 1\n".encode()


def test_no_secret_of_the_environment_reaches_it(program):
    environ = program("env") | {
        "GH_TOKEN": "canary",
        "ANTHROPIC_API_KEY": "canary",
        "CLAUDE_CODE_OAUTH_TOKEN": "canary",
        "CLAUDECODE": "1",
        "CODEX_HOME": "/of/codex",
        "CLAUDE_CONFIG_DIR": "/of/claude",
        "HTTPS_PROXY": "http://127.0.0.1:1",
    }
    said = run(environ).decode().splitlines()
    assert not [line for line in said if "canary" in line or line.startswith("CLAUDECODE")]
    assert {"CODEX_HOME=/of/codex", "CLAUDE_CONFIG_DIR=/of/claude", "HTTPS_PROXY=http://127.0.0.1:1"} <= {*said}


def test_it_is_found_where_it_usually_is_on_a_short_path(program, bin_dir, home):
    program("echo here")
    (home / ".local").mkdir()
    bin_dir.rename(home / ".local" / "bin")
    assert run({"PATH": "/usr/bin:/bin", "HOME": str(home)}) == b"here\n"


def test_a_program_that_is_not_there_is_nobodys_error():
    with pytest.raises(NotConfigured, match="tool is not installed"):
        run({"PATH": "/nowhere", "HOME": "/nowhere"})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("exit 3", Unavailable, id="fails and says nothing"),
        pytest.param("yes | head -c 6000000", ShapeError, id="floods"),
    ],
)
def test_what_it_does_wrong_has_a_name(program, text, error):
    with pytest.raises(error):
        run(program(text))


def test_what_a_failing_program_says_is_heard():
    assert run({"PATH": "/usr/bin:/bin"}, "sh", "-c", "echo reason; exit 1") == b"reason\n"


PIPE, TERMINAL = programs.run, programs.run_on_terminal
BOTH_WAYS = pytest.mark.parametrize("how", [pytest.param(PIPE, id="pipe"), pytest.param(TERMINAL, id="terminal")])


@BOTH_WAYS
def test_what_was_said_is_taken_when_nothing_more_comes(how, program):
    assert run(program("echo one; sleep 0.1; echo two; sleep 300"), how=how, quiet_s=1.0) == b"one\ntwo\n"


def test_a_program_that_does_not_begin_in_time_has_said_nothing(program):
    assert run(program("echo; sleep 300"), first_s=0.3).strip() == b""
    assert run(program("printf '  '; sleep 0.2; echo late"), first_s=9) == b"  late\n"


def test_a_terminal_is_one_in_all_that_a_program_looks_at(program, cache_dir):
    text = r"""
    pwd; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size
    echo governed >/dev/tty
    echo "$TERM $NO_COLOR" >&2
    printf '\033[1;31mred\033(B \033]0;title\007\0337plain\033=\n'
    """
    said = run(program(text), how=TERMINAL)
    assert said.decode() == f"{cache_dir}/empty\n50 200\ngoverned\ndumb 1\nred plain\n"


def test_a_program_that_fails_on_a_terminal_is_heard_or_named(program):
    assert run(program("echo reason >&2; exit 1"), how=TERMINAL) == b"reason\n"
    with pytest.raises(Unavailable, match="ended with code 3 and said nothing"):
        run(program("exit 3"), how=TERMINAL)
    with pytest.raises(ShapeError, match="more than 4 MiB"):
        run(program("yes"), how=TERMINAL)
    with pytest.raises(NotConfigured):
        run({"PATH": "/nowhere", "HOME": "/nowhere"}, how=TERMINAL)


def test_where_no_terminal_is_to_be_had_it_is_said(program, monkeypatch):
    def none():
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "openpty", none)
    with pytest.raises(Unavailable, match="no terminal to be had, without which tool says nothing"):
        run(program("echo never"), how=TERMINAL)


def test_no_end_of_a_terminal_stays_open(program):
    before = os.listdir("/proc/self/fd")
    for text in ("echo ends", "sleep 300"):
        with contextlib.suppress(TimeoutError):
            run(program(text), how=TERMINAL, within=0.5)
    assert len(os.listdir("/proc/self/fd")) == len(before)


@BOTH_WAYS
def test_a_program_that_hangs_is_ended_with_its_helpers_that_hold_its_output(how, program, tmp_path):
    pids = f"sleep 300 & echo $! >{tmp_path}/helper\necho $$ >{tmp_path}/main"
    environ = program(f"trap '' TERM HUP\n{pids}\nwait\nsleep 300")
    with pytest.raises(TimeoutError):
        run(environ, within=1.0, how=how)
    pids = [int((tmp_path / name).read_text()) for name in ("main", "helper")]
    wait_until(lambda: all(map(is_gone, pids)))


def talk(environ, lines, is_done):
    async def bounded():
        async with asyncio.timeout(10):
            return await programs.converse(("tool",), environ, lines, is_done)

    return asyncio.run(bounded())


def test_a_conversation_ends_at_the_line_that_was_waited_for(program):
    environ = program('while read -r line; do echo "heard $line"; done; sleep 300')
    assert talk(environ, [b"one", b"two", b"three"], lambda line: line == b"heard two") == [b"heard one", b"heard two"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("read -r line; echo other", Unavailable, id="ends before"),
        pytest.param("exit 0", Unavailable, id="never listens"),
        pytest.param("yes", ShapeError, id="floods in lines"),
        pytest.param("head -c 6000000 /dev/zero", ShapeError, id="floods in one line"),
    ],
)
def test_a_conversation_that_comes_to_nothing_has_a_name(program, text, error):
    with pytest.raises(error):
        talk(program(text), [b"hello"], lambda line: False)
