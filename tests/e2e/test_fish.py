"""fish with the script sourced, on a real terminal."""

import itertools
import subprocess
import time

import pytest
from e2e.pty_shell import CTRL_C, CTRL_D, CTRL_U, ENTER, SHELL, differences, started, traced

SCRIPT = SHELL / "vibeusage.fish"
TEXT = "\x1b[32m42%\x1b[0m ok\n"
HOSTILE = "(touch canary) $(touch canary) `touch canary` $PATH {$PATH} \\n %s \\$x a!b $1.20"
PROMPT = "function fish_prompt; echo -n '> '; end; "
COUNTING = (
    "function fish_prompt; set -g n (math $n + 1); set -g _vibeusage_looked 0; "
    'test (math $n % 2) = 0; and set -g _vibeusage_seen; echo -n "p$n> "; end; '
)


@pytest.fixture
def fish(terminal, require, env, tmp_path):
    # without this folder fish starts a process of its own, once, to write completions
    (tmp_path / "user" / ".local" / "share" / "fish" / "generated_completions").mkdir(parents=True)
    numbers = itertools.count()

    def start(rc: str, *, under=(), args=(), **options):
        config = tmp_path / f"config{next(numbers)}"
        (config / "fish").mkdir(parents=True, exist_ok=True)
        rc = "set -g fish_greeting; set -g fish_autosuggestion_enabled 0; " + rc.replace("SOURCE", f"source {SCRIPT}")
        (config / "fish" / "config.fish").write_text(rc + "\n")
        return terminal([*under, require("fish"), *args, "-i"], XDG_CONFIG_HOME=str(config), **options)

    return start


@pytest.mark.parametrize(
    ("place", "line"),
    [
        pytest.param("right", r"\A> {20,}42% ok\Z", id="right"),
        pytest.param("left", r"\A42% ok >\Z", id="left"),
    ],
)
def test_the_segment_is_drawn_with_its_colour(fish, cache, place, line):
    cache.store("fish", TEXT)
    shell = fish(f"{PROMPT} set -g VIBEUSAGE_PROMPT {place}; SOURCE")
    shell.wait(line)
    assert shell.colours("42%") == {"green"}
    assert shell.colours("ok") == {"default"}


def test_the_users_own_right_prompt_stays_before_it(fish, cache):
    cache.store("fish", TEXT)
    fish(f"{PROMPT} SOURCE; function fish_right_prompt; echo mine; end").wait(r"^> +mine 42% ok$")


@pytest.mark.parametrize("place", ["right", "left"])
def test_an_empty_segment_adds_nothing(fish, cache, place):
    cache.store("fish", "\n")
    shell = fish(f"{PROMPT} function fish_right_prompt; echo mine; end; set -g VIBEUSAGE_PROMPT {place}; SOURCE")
    shell.wait("mine$")
    shell.run('fish_mode_prompt; echo "["(fish_prompt)"|"(fish_right_prompt)"|$VIBEUSAGE_SEGMENT]"')
    shell.wait(r"^\[> \|mine\|\]$")


@pytest.mark.parametrize("place", ["right", "left"])
def test_line_editing_is_that_of_a_plain_prompt_of_the_same_width(fish, cache, place):
    cache.store("fish", TEXT)
    shell = fish(f"{PROMPT} set -g VIBEUSAGE_PROMPT {place}; SOURCE", columns=40)
    plain = fish(
        {
            "right": PROMPT + "function fish_right_prompt; echo '42% ok'; end",
            "left": "function fish_prompt; echo -n '42% ok > '; end",
        }[place],
        columns=40,
    )
    shell.wait("42% ok"), plain.wait("42% ok")
    assert differences(shell, plain) == []


def test_a_hundred_prompts_start_no_process(fish, require, cache, tmp_path):
    cache.store("fish", TEXT)
    log = tmp_path / "strace"
    shell = fish(COUNTING + "SOURCE", under=traced(require, log))
    shell.wait("p1>")
    before = [line for line in started(log) if "CLONE_THREAD" not in line]  # threads are not processes
    shell.send(ENTER * 100)
    shell.wait("p101> +42% ok")
    after = [line for line in started(log) if "CLONE_THREAD" not in line]
    assert after == before
    shell.run("/bin/true")
    shell.wait("p102>")
    assert [line for line in started(log) if '"/bin/true"' in line]


def test_an_invalid_segment_starts_one_renderer_and_the_prompt_is_redrawn_when_it_ends(fish, cache, fake):
    cache.store("fish", TEXT, token="an older one")
    fake.will_store(cache.segment("\x1b[31m90%\x1b[0m new\n"))
    fake.takes(1.5)
    shell = fish(COUNTING + "SOURCE")
    shell.wait("p1>")
    for number in range(2, 22):
        shell.send(ENTER)
        screen = shell.wait(f"p{number}>")
    assert fake.log("end") == [], "the prompt waited for the renderer"
    assert "42%" not in screen
    shell.send("echo hi" + CTRL_C)
    shell.wait(r"^p\d+> +90% new\Z")
    assert fake.log("start") == fake.log("end") == ["line fish /dev/null /dev/null /dev/null"]
    assert shell.colours("90%") == {"red"}
    shell.run("jobs")
    assert "ended" not in shell.wait("^jobs: There are no jobs$")


def test_what_is_being_typed_survives_the_redraw(fish, cache, fake):
    fake.will_store(cache.segment(TEXT))
    fake.takes(0.5)
    (cache.folder / "generation").write_text("g1\n")
    shell = fish(f"{PROMPT} SOURCE")
    shell.wait("^>")
    shell.send("echo a\x1b[D\x1b[D")
    shell.wait(r"^> echo a +42% ok$")
    assert shell.cursor() == (0, 6)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sleep 1; echo status $status", "read x; echo status $status"])
def test_a_renderer_that_ends_under_a_command_does_not_disturb_it(fish, cache, fake, command):
    fake.will_store(cache.segment(TEXT))
    fake.takes(0.3)
    (cache.folder / "generation").write_text("g1\n")
    shell = fish(f"{PROMPT} SOURCE")
    shell.wait("^>")
    shell.run(command)
    fake.wait("end")
    shell.settle()
    if "read" in command:
        shell.run("typed")
    assert "42%" in shell.wait("^status 0\n.*ok$")


def test_the_shell_ends_without_a_word_while_the_renderer_runs(fish, fake):
    fake.takes(0.5)
    shell = fish(f"{PROMPT} SOURCE")
    shell.wait("^>")
    fake.wait("start")
    shell.send(CTRL_D)
    assert shell.ended() == 0
    assert "jobs" not in shell.text()
    assert fake.wait("end")


def test_the_users_last_background_process_stays_known(fish, fake):
    shell = fish(f"{PROMPT} sleep 9 &; set -g first $last_pid; SOURCE")
    shell.wait("^>")
    fake.wait("end")
    shell.run("test $last_pid = $first; and echo same; kill $first")
    shell.wait("^same$")


def test_a_renderer_that_stores_nothing_is_not_started_over_and_over(fish, fake):
    shell = fish(COUNTING + "SOURCE")
    shell.wait("p1>")
    for number in range(2, 8):
        shell.send(ENTER)
        shell.wait(f"p{number}>")
    fake.wait("end")
    assert len(fake.log("start")) == 1


def test_a_due_refresh_shows_the_text_and_is_handed_over_once_a_minute(fish, cache, fake):
    cache.store("fish", TEXT, due_s=-1)
    shell = fish(COUNTING + "SOURCE")
    shell.wait(r"^p1> +42% ok$")
    assert fake.wait("end") == ["line fish /dev/null /dev/null /dev/null"]
    shell.run("set _vibeusage_started (math $_vibeusage_started - 50)")
    shell.wait(r"^p2> +42% ok$")
    shell.run("")
    shell.wait(r"^p3> +42% ok$")
    assert len(fake.log("start")) == 1
    shell.run("set _vibeusage_started (math $_vibeusage_started - 10)")
    assert len(fake.wait("end", 2)) == 2


@pytest.mark.parametrize(
    "head",
    [
        pytest.param({"valid_s": 0}, id="expired"),
        pytest.param({"age_s": -60}, id="rendered in the future"),
        pytest.param({"token": "other"}, id="another generation"),
        pytest.param({"version": 2}, id="another version"),
        pytest.param({"magic": "segment"}, id="foreign"),
        pytest.param({"valid_until": "x(touch canary)"}, id="not a number"),
        pytest.param({"valid_until": "9" * 40}, id="too long a number"),
    ],
)
def test_a_segment_that_may_not_be_shown_is_not(fish, cache, tmp_path, head):
    cache.store("fish", TEXT, **head)
    shell = fish(f"{PROMPT} SOURCE")
    shell.wait("^>")
    assert shell.settle() == ">"
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
def test_a_segment_expires_under_a_running_shell(fish, cache):
    cache.store("fish", TEXT, valid_s=2)
    end = int(time.time()) + 2
    shell = fish(f"{PROMPT} SOURCE")
    shell.wait("ok$")
    time.sleep(max(0, end - time.time()) + 0.05)
    shell.run("clear")
    shell.wait(r"\A>\Z")


@pytest.mark.parametrize("name", ["NO_COLOR", "VIBEUSAGE_NO_COLOR", "TERM"])
def test_without_colours_the_plain_segment_is_read(fish, cache, name):
    cache.store("fish+mono", "plain\n")
    cache.store("fish", TEXT)
    fish(f"{PROMPT} set -g VIBEUSAGE_PROMPT left; SOURCE", **{name: "dumb"}).wait("plain >")


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        pytest.param({"XDG_CACHE_HOME": "ROOT/xdg"}, "xdg/vibeusage", id="XDG"),
        pytest.param({"XDG_CACHE_HOME": "xdg"}, "home/.cache/vibeusage", id="a relative XDG"),
        pytest.param({}, "home/.cache/vibeusage", id="neither"),
    ],
)
def test_the_cache_folder_follows(fish, cache, tmp_path, variables, folder):
    cache.store("fish", TEXT)
    place = tmp_path / "root" / folder
    place.parent.mkdir(parents=True)
    cache.folder.rename(place)
    placed = {name: value.replace("ROOT", f"{tmp_path}/root") for name, value in variables.items()}
    shell = fish(f"{PROMPT} SOURCE", HOME=f"{tmp_path}/root/home", VIBEUSAGE_CACHE_DIR="", **placed)
    shell.wait("42%")


def test_the_renderer_is_told_what_the_shell_alone_knows(fish, cache, fake):
    fish(
        f"set -gu NO_COLOR x; set -gu VIBEUSAGE_CACHE_DIR {cache.folder}/x; {PROMPT} SOURCE", VIBEUSAGE_CACHE_DIR=""
    ).wait("^>")
    assert fake.wait("told") == [f"NO_COLOR=+mono VIBEUSAGE_CACHE_DIR={cache.folder}/x"]


def test_without_the_program_nothing_happens(fish, fake):
    shell = fish(f"{PROMPT} SOURCE", PATH="/usr/bin:/bin")
    shell.wait("^>")
    shell.run("echo status $status")
    assert shell.wait("^status 0\n>").splitlines()[0].startswith(">")


def test_another_program_can_be_named(fish, fake, tmp_path):
    other = fake.program.rename(tmp_path / "my vibeusage")
    fish(f"set -g VIBEUSAGE_COMMAND '{other}'; {PROMPT} SOURCE").wait("^>")
    assert fake.wait("end") == ["line fish /dev/null /dev/null /dev/null"]


@pytest.mark.parametrize("place", ["right", "left"])
def test_sourced_twice_it_is_there_once(fish, cache, place):
    cache.store("fish", TEXT)
    shell = fish(f"set -g VIBEUSAGE_PROMPT {place}; {PROMPT} SOURCE; SOURCE")
    shell.wait("ok")
    shell.run(f"source {SCRIPT}; clear")
    shell.wait(r"\A(42% ok >|> +42% ok)\Z")


@pytest.mark.parametrize("place", ["right", "left", "none"])
def test_the_users_prompt_sees_the_status_of_the_command(fish, cache, place):
    cache.store("fish", TEXT)
    own = 'function fish_prompt; set -l p $pipestatus; echo -n "[$status|$p]> "; end; '
    own += 'function fish_right_prompt; echo -n "r$status"; end; '
    shell = fish(f"set -g VIBEUSAGE_PROMPT {place}; {own} SOURCE")
    shell.wait(r"\[0\|0\]> +r0")
    shell.run("false | true | fish -N -c 'exit 7'")
    shell.wait(r"\[7\|1 0 7\]> +r7")


def test_functions_of_the_user_do_not_get_in(fish, cache):
    cache.store("fish", TEXT)
    shell = fish(f"function disown; echo OOPS; end; {PROMPT} SOURCE")
    assert shell.wait("ok$").split() == [">", "42%", "ok"]


@pytest.mark.parametrize("place", ["right", "left", "none"])
def test_nothing_in_the_text_runs(fish, cache, tmp_path, place):
    cache.store("fish", HOSTILE + "\n")
    own = PROMPT if place != "none" else 'function fish_prompt; echo -n "$VIBEUSAGE_SEGMENT > "; end; '
    shell = fish(f"set -g VIBEUSAGE_PROMPT {place}; {own} SOURCE", columns=120)
    assert HOSTILE in shell.wait(r"\$1\.20")
    shell.run("true")
    shell.settle()
    assert not (tmp_path / "canary").exists()


def test_a_copy_in_conf_d_works_with_a_prompt_defined_later(fish, cache, tmp_path):
    cache.store("fish", TEXT)
    conf_d = tmp_path / "config0" / "fish" / "conf.d"
    conf_d.mkdir(parents=True)
    (conf_d / "vibeusage.fish").write_text(SCRIPT.read_text())
    fish(PROMPT).wait(r"\A> +42% ok\Z")


def test_a_shell_without_a_terminal_is_left_alone(require, env):
    done = subprocess.run(
        [
            require("fish"),
            "-N",
            "-c",
            f"source {SCRIPT}; functions -a | string match '*vibeusage*'; set -q VIBEUSAGE_SEGMENT; echo $status",
        ],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_commands_and_targets_are_completed(fish, cache):
    shell = fish(f"{PROMPT} SOURCE")
    shell.wait("^>")
    shell.send("vibeusage har\t")
    shell.wait("^> vibeusage harvest")
    shell.send(CTRL_U + "vibeusage line star\t")
    shell.wait("^> vibeusage line starship")


def test_what_the_real_program_stores_is_drawn(fish, real):
    shell = fish(f"{PROMPT} SOURCE")
    shell.wait("^>")
    shell.wait("42%")
