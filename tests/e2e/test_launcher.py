"""The POSIX sh launcher, under each sh there is."""

import os
import subprocess
import time

import pytest
from e2e.pty_shell import SHELL, started, traced

LAUNCHER = SHELL / "vibeusage-line"
EVERY_BYTE = bytes(byte for byte in range(1, 256) if byte != 10)


@pytest.fixture(params=["dash", "bash", "busybox"])
def sh(request, require, tmp_path):
    """A launcher that runs under one particular sh: its first line names it."""
    program = require(request.param)
    arguments = {"dash": "", "bash": " --posix", "busybox": " sh"}[request.param]
    copy = tmp_path / "bin" / "vibeusage-line"
    copy.parent.mkdir()
    copy.write_text(LAUNCHER.read_text().replace("#!/bin/sh", f"#!{program}{arguments}", 1))
    copy.chmod(0o755)
    return copy


def run(launcher, *args, env, stdin=subprocess.DEVNULL, **options) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [launcher, *args], env=env, stdin=stdin, capture_output=True, check=False, timeout=20, **options
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("args", "key"),
    [
        pytest.param((), "ansi", id="no argument"),
        pytest.param(("tmux",), "tmux", id="a target"),
        pytest.param(("tmux", "--bar", "5"), "tmux+--bar+5", id="a target with options"),
        pytest.param(("--bar", "5"), "ansi+--bar+5", id="options alone"),
        pytest.param(
            ("tmux", "--provider=claude,codex:x_1.2"),
            "tmux+--provider=claude,codex:x_1.2",
            id="every character allowed",
        ),
    ],
)
def test_a_valid_segment_is_printed_for(sh, cache, env, fake, args, key):
    cache.store(key, "#[fg=green]42%#[default] ✓\n")
    assert run(sh, *args, env=env) == (0, "#[fg=green]42%#[default] ✓\n".encode(), b"")
    assert fake.log("start") == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\n", id="an empty line"),
        pytest.param(b"  one \n\n\ttwo\\n\n", id="several lines with blanks and backslashes"),
        pytest.param(b"42%\n#ff0000", id="no newline at the end"),
        pytest.param(b"-n\n-e x\n%s %d\n", id="what printf and echo would take for their own"),
        pytest.param(EVERY_BYTE + b"\n", id="every byte"),
    ],
)
def test_the_text_comes_out_to_the_byte(sh, cache, env, text):
    path = cache.store("tmux", "")
    path.write_bytes(path.read_bytes() + text)
    assert run(sh, "tmux", env=env) == (0, text, b"")


@pytest.mark.parametrize("name", ["NO_COLOR", "VIBEUSAGE_NO_COLOR", "TERM"])
def test_without_colours_the_plain_segment_is_read(sh, cache, env, name):
    cache.store("tmux+--bar+5+mono", "plain\n")
    assert run(sh, "tmux", "--bar", "5", env=env | {name: "dumb"})[1] == b"plain\n"


def test_a_valid_segment_costs_no_process(sh, cache, env, require, tmp_path):
    cache.store("tmux", "one\ntwo\n")
    log = tmp_path / "strace"
    subprocess.run([*traced(require, log), sh, "tmux"], env=env, check=True, stdout=subprocess.DEVNULL)
    assert len(started(log)) == 1  # the execve of the launcher itself


INVALID = [
    pytest.param({"valid_until_up": 1}, id="expired"),
    pytest.param({"boot_id": "another"}, id="another boot"),
    pytest.param({"boot_id": "-", "valid_until_up": "-", "refresh_due_up": "-"}, id="boot unknown"),
    pytest.param({"token": "other"}, id="another generation"),
    pytest.param({"version": 2}, id="another version"),
    pytest.param({"magic": "segment"}, id="foreign"),
    pytest.param({"valid_until_up": "x"}, id="not a number"),
    pytest.param({"valid_until_up": "9" * 40}, id="too long a number"),
    pytest.param({"refresh_due_up": ""}, id="a field short"),
]


@pytest.mark.parametrize("head", INVALID)
def test_a_segment_that_may_not_be_shown_goes_to_the_program(sh, cache, env, fake, head):
    cache.store("tmux+--bar+5", "old\n", **head)
    assert run(sh, "tmux", "--bar", "5", env=env) == (0, b"", b"")
    assert [line.split(" /dev/null")[0] for line in fake.log("end")] == ["line tmux --bar 5"]


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("claude-code",), id="a target that reads a document"),
        pytest.param(("tmux", "--format", "a b"), id="a blank"),
        pytest.param(("tmux", "--format", "../../x"), id="a slash"),
        pytest.param(("tmux", "--format", ""), id="an empty word"),
        pytest.param(("tmux", "--format", "é"), id="a letter beyond ASCII"),
        pytest.param(("tmux", "x" * 150), id="a key too long"),
        pytest.param(("..",), id="a folder"),
    ],
)
def test_other_arguments_go_to_the_program_as_they_are(sh, cache, env, tmp_path, args):
    cache.store("claude-code", "stored\n")
    words = tmp_path / "bin" / "vibeusage"
    words.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    words.chmod(0o755)
    assert run(sh, *args, env=env) == (0, "".join(f"<{word}>" for word in ("line", *args)).encode(), b"")


def test_the_document_on_stdin_reaches_the_program(sh, env, tmp_path):
    program = tmp_path / "bin" / "vibeusage"
    program.write_text("#!/bin/sh\nexec cat\n")
    program.chmod(0o755)
    with (tmp_path / "document").open("w+b") as document:
        document.write(b'{"a": 1}')
        document.seek(0)
        assert run(sh, "claude-code", env=env, stdin=document)[1] == b'{"a": 1}'


@pytest.mark.parametrize("file", ["generation", "segments/tmux"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "fifo", "folder", "NUL bytes"])
def test_a_broken_cache_goes_to_the_program_in_silence(cache, env, fake, file, damage):
    cache.store("tmux", "old\n")
    path = cache.folder / file
    path.unlink()
    match damage:
        case "empty" | "garbage" | "NUL bytes":
            path.write_bytes({"empty": b"", "garbage": EVERY_BYTE * 50, "NUL bytes": b"\0" * 500}[damage])
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    assert run(LAUNCHER, "tmux", env=env) == (0, b"", b"")
    assert len(fake.log("end")) == 1


@pytest.mark.parametrize(
    "head", [{"due_s": -1}, {"refresh_due_up": 0}], ids=["since a second", "since before this boot"]
)
def test_a_due_refresh_prints_at_once_and_is_handed_over_behind(sh, cache, env, fake, head):
    cache.store("tmux", "42%\n", **head)
    fake.takes(0.5)
    assert run(sh, "tmux", env=env) == (0, b"42%\n", b"")
    assert fake.log("end") == [], "the launcher waited for the program"
    assert fake.wait("end") == ["line tmux /dev/null /dev/null /dev/null"]


def test_the_program_beside_the_launcher_comes_before_the_one_on_path(sh, env, fake, tmp_path):
    beside = tmp_path / "bin" / "vibeusage"
    beside.write_text("#!/bin/sh\necho beside $*\n")
    beside.chmod(0o755)
    assert run(sh, "tmux", env=env) == (0, b"beside line tmux\n", b"")
    assert fake.log("start") == []


@pytest.mark.parametrize("broken", ["absent", "without its interpreter", "failing"])
def test_without_a_working_program_it_still_ends_well(sh, env, fake, broken):
    fake.program.unlink()
    if broken != "absent":
        fake.program.write_text(
            {"failing": "#!/bin/sh\nexit 0\n", "without its interpreter": "#!/nonexistent\n"}[broken]
        )
        fake.program.chmod(0o755)
    assert run(sh, "tmux", env=env) == (0, b"", b"")


@pytest.mark.parametrize("output", ["closed", "full", "read by nobody"])
def test_an_output_that_takes_nothing_does_no_harm(sh, cache, env, output):
    cache.store("tmux", "42%\n" * 20_000)
    redirection = {"closed": ">&-", "full": ">/dev/full", "read by nobody": "| true"}[output]
    script = f'set -o pipefail; "$0" tmux {redirection}'
    assert run("/bin/bash", "-c", script, sh, env=env) == (0, b"", b"")


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        pytest.param({"VIBEUSAGE_CACHE_DIR": "/our/own"}, "our/own", id="our own variable"),
        pytest.param({"VIBEUSAGE_CACHE_DIR": "", "XDG_CACHE_HOME": "/xdg"}, "xdg/vibeusage", id="XDG"),
        pytest.param(
            {"VIBEUSAGE_CACHE_DIR": "", "XDG_CACHE_HOME": "xdg"}, "home/.cache/vibeusage", id="a relative XDG"
        ),
        pytest.param({"VIBEUSAGE_CACHE_DIR": ""}, "home/.cache/vibeusage", id="neither"),
    ],
)
def test_the_cache_folder_follows(cache, env, require, tmp_path, variables, folder):
    cache.store("tmux", "42%\n")
    place = tmp_path / "root" / folder
    place.parent.mkdir(parents=True)
    cache.folder.rename(place)
    placed = {name: f"{tmp_path}/root{value}" if value.startswith("/") else value for name, value in variables.items()}
    assert run(LAUNCHER, "tmux", env=env | {"HOME": f"{tmp_path}/root/home"} | placed)[1] == b"42%\n"


def test_a_relative_folder_of_ours_is_for_the_program_to_refuse(sh, cache, env, fake, tmp_path):
    cache.store("tmux", "42%\n")
    fake.will_store("")
    assert run(sh, "tmux", env=env | {"VIBEUSAGE_CACHE_DIR": "cache"}, cwd=tmp_path)[1] == b""
    assert len(fake.log("end")) == 1


def test_what_the_real_program_stores_is_printed_without_it(real, env, fake):
    first = run(LAUNCHER, "tmux", "--show", "used", env=env)
    assert b"42%" in first[1]
    fake.program.unlink()
    assert run(LAUNCHER, "tmux", "--show", "used", env=env) == first


def test_a_segment_expires(cache, env):
    cache.store("tmux", "42%\n", valid_s=1)
    time.sleep(1.1)
    assert run(LAUNCHER, "tmux", env=env)[1] == b""


def test_shellcheck_has_nothing_to_say(require):
    done = subprocess.run(
        [require("shellcheck"), "-s", "sh", str(LAUNCHER)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
