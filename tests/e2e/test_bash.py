"""bash with the script sourced, on a real terminal."""

import itertools
import subprocess
import time

import pytest
from e2e.pty_shell import CTRL_C, CTRL_U, ENTER, SHELL, differences, started, traced

SCRIPT = SHELL / "vibeusage.bash"
TEXT = "\001\033[32m\00242%\001\033[0m\002 ok\n"
HOSTILE = "$(touch canary) `touch canary` ${PATH} \\u \\$(touch canary) \\` \\[ a!b $1.20"
COUNTING = "PROMPT_COMMAND='_vibeusage_looked=; ((n % 2)) && _vibeusage_seen=; PS1=\"p$((++n))> \"'; "


@pytest.fixture
def bash(terminal, require, tmp_path):
    numbers = itertools.count()

    def start(rc: str, *, under=(), args=(), **options):
        file = tmp_path / f"bashrc{next(numbers)}"
        file.write_text("bind 'set enable-bracketed-paste off'\n" + rc.replace("SOURCE", f"source {SCRIPT}") + "\n")
        return terminal([*under, require("bash"), "--noprofile", "--rcfile", str(file), *args, "-i"], **options)

    return start


@pytest.mark.parametrize("vars_", ["-s promptvars", "-u promptvars"])
def test_the_segment_is_drawn_with_its_colour(bash, cache, vars_):
    cache.store("bash", TEXT)
    shell = bash(f"PS1='> '; shopt {vars_}; SOURCE")
    assert shell.wait(r">\Z") == "42% ok >"
    assert shell.colours("42%") == {"green"}
    assert shell.colours("ok") == {"default"}


@pytest.mark.parametrize("vars_", ["-s promptvars", "-u promptvars"])
def test_an_empty_segment_adds_nothing(bash, cache, vars_):
    cache.store("bash", "\n")
    shell = bash(f"PS1='> '; shopt {vars_}; SOURCE")
    shell.wait("^>")
    shell.run('echo "[$PS1|$VIBEUSAGE_SEGMENT]"')
    shell.wait(r"^\[> \|\]$")


@pytest.mark.parametrize("vars_", ["-s promptvars", "-u promptvars"])
def test_line_editing_is_that_of_a_plain_prompt_of_the_same_width(bash, cache, vars_):
    cache.store("bash", TEXT)
    shell = bash(f"PS1='> '; shopt {vars_}; SOURCE", columns=40)
    plain = bash("PS1='42% ok > '", columns=40)
    shell.wait("ok >"), plain.wait("ok >")
    assert differences(shell, plain) == []


def test_a_hundred_prompts_start_no_process(bash, require, cache, tmp_path):
    cache.store("bash", TEXT)
    log = tmp_path / "strace"
    shell = bash(COUNTING + "SOURCE", under=traced(require, log))
    shell.wait("p1>")
    before = len(started(log))
    shell.send(ENTER * 100)
    shell.wait("^42% ok p101>")
    shell.run("/bin/true")
    shell.wait("p102>")
    assert [line.split("execve(")[1].split(",")[0] for line in started(log)[before:] if "execve" in line] == [
        '"/bin/true"'
    ]
    assert len(started(log)) == before + 2


def test_an_invalid_segment_starts_one_renderer_behind_the_prompt(bash, cache, fake):
    cache.store("bash", TEXT, token="an older one")
    fake.will_store(cache.segment("90% new\n"))
    fake.takes(1.5)
    shell = bash(COUNTING + "SOURCE; sleep 0 & wait; echo last $!")
    shell.wait("p1>")
    shell.send(ENTER * 20)
    screen = shell.wait("p21>")
    assert fake.log("end") == [], "the prompt waited for the renderer"
    assert "42%" not in screen
    shell.send(CTRL_C)
    shell.run(" clear; jobs; echo now $!")
    assert fake.wait("end") == ["line bash /dev/null /dev/null /dev/null"]
    shell.run("")
    shell.wait("^90% new p")
    assert fake.log("start") == fake.log("end")
    assert "Done" not in shell.text()


def test_the_users_last_background_process_stays_known(bash, fake):
    shell = bash("PS1='> '; sleep 9 & first=$!; SOURCE")
    shell.wait("^>")
    fake.wait("end")
    shell.run("[[ $! == $first ]] && echo same; kill $!")
    shell.wait("^same$")


def test_a_renderer_that_stores_nothing_is_not_started_over_and_over(bash, cache, fake):
    shell = bash(COUNTING + "SOURCE")
    shell.wait("p1>")
    for number in range(2, 8):
        shell.send(ENTER)
        shell.wait(f"p{number}>")
    fake.wait("end")
    assert len(fake.log("start")) == 1


def test_a_due_refresh_shows_the_text_and_is_handed_over_once_a_minute(bash, cache, fake):
    cache.store("bash", TEXT, due_s=-1)
    shell = bash(COUNTING + "SOURCE")
    shell.wait(r"^42% ok p1>")
    assert fake.wait("end") == ["line bash /dev/null /dev/null /dev/null"]
    shell.run("((_vibeusage_started -= 50))")
    shell.send(ENTER * 3)
    shell.wait(r"^42% ok p5>")
    assert len(fake.log("start")) == 1
    shell.run("((_vibeusage_started -= 10))")
    assert len(fake.wait("end", 2)) == 2


@pytest.mark.parametrize(
    "head",
    [
        pytest.param({"valid_s": 0}, id="expired"),
        pytest.param({"age_s": -60}, id="rendered in the future"),
        pytest.param({"token": "other"}, id="another generation"),
        pytest.param({"version": 2}, id="another version"),
        pytest.param({"magic": "segment"}, id="foreign"),
        pytest.param({"valid_until": "x[$(touch${IFS}canary)]"}, id="not a number"),
        pytest.param({"valid_until": "9" * 40}, id="too long a number"),
        pytest.param({"refresh_due_at": "a[$(touch${IFS}canary)]"}, id="code for a number"),
    ],
)
def test_a_segment_that_may_not_be_shown_is_not(bash, cache, tmp_path, head):
    cache.store("bash", TEXT, **head)
    shell = bash("PS1='> '; SOURCE")
    shell.wait("^>")
    assert shell.settle() == ">"
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
def test_a_segment_expires_under_a_running_shell(bash, cache):
    cache.store("bash", TEXT, valid_s=2)
    end = int(time.time()) + 2
    shell = bash("PS1='> '; SOURCE")
    shell.wait("ok >")
    time.sleep(max(0, end - time.time()) + 0.05)
    shell.run("clear")
    shell.wait(r"\A>\Z")


@pytest.mark.parametrize("name", ["NO_COLOR", "VIBEUSAGE_NO_COLOR", "TERM"])
def test_without_colours_the_plain_segment_is_read(bash, cache, name):
    cache.store("bash+mono", "plain\n")
    cache.store("bash", TEXT)
    bash("PS1='> '; SOURCE", **{name: "dumb"}).wait("^plain >")


@pytest.mark.parametrize(
    ("variables", "before", "folder"),
    [
        pytest.param({"XDG_CACHE_HOME": "ROOT/xdg"}, "", "xdg/vibeusage", id="XDG"),
        pytest.param({"XDG_CACHE_HOME": "xdg"}, "", "home/.cache/vibeusage", id="a relative XDG"),
        pytest.param({}, "", "home/.cache/vibeusage", id="neither"),
        pytest.param({}, "OSTYPE=darwin23", "home/Library/Caches/vibeusage", id="macOS"),
    ],
)
def test_the_cache_folder_follows(bash, cache, tmp_path, variables, before, folder):
    cache.store("bash", TEXT)
    place = tmp_path / "root" / folder
    place.parent.mkdir(parents=True)
    cache.folder.rename(place)
    placed = {name: value.replace("ROOT", f"{tmp_path}/root") for name, value in variables.items()}
    shell = bash(f"{before}\nPS1='> '; SOURCE", HOME=f"{tmp_path}/root/home", VIBEUSAGE_CACHE_DIR="", **placed)
    shell.wait("42%")


def test_the_renderer_is_told_what_the_shell_alone_knows(bash, cache, fake):
    bash(f"PS1='> '; NO_COLOR=x; VIBEUSAGE_CACHE_DIR={cache.folder}/x; SOURCE", VIBEUSAGE_CACHE_DIR="").wait("^>")
    assert fake.wait("told") == [f"NO_COLOR=1 VIBEUSAGE_CACHE_DIR={cache.folder}/x"]


def test_without_the_program_nothing_happens(bash, fake):
    shell = bash("PS1='> '; SOURCE", PATH="/usr/bin:/bin")
    shell.wait("^>")
    shell.run("echo status $?")
    assert shell.wait("^status 0\n>").splitlines()[0].startswith(">")


def test_another_program_can_be_named(bash, fake, tmp_path):
    other = fake.program.rename(tmp_path / "my vibeusage")
    bash(f"VIBEUSAGE_COMMAND='{other}'; PS1='> '; SOURCE").wait("^>")
    assert fake.wait("end") == ["line bash /dev/null /dev/null /dev/null"]


OPTIONS = (
    *(f"set {option}" for option in ("-e", "-u", "-eu", "-f", "-T", "-E", "-C", "-B", "-h", "-a", "-o posix")),
    *(f"shopt -s {option}" for option in ("nullglob", "failglob", "extglob", "nocasematch", "extdebug", "compat31")),
    *("shopt -s compat42", "shopt -s localvar_unset", "shopt -s xpg_echo", "shopt -u patsub_replacement"),
    *("shopt -u sourcepath", "IFS=x", "IFS=0", "TMOUT=60"),
)


@pytest.mark.parametrize("option", OPTIONS)
def test_it_works_quietly_under_any_option_and_sourced_twice(bash, cache, option):
    cache.store("bash", TEXT)
    shell = bash(f"PS1='> '; {option}; set -o pipefail; SOURCE; SOURCE")
    shell.wait(r"\A42% ok >\Z")
    shell.run('echo "${PROMPT_COMMAND[@]}"')
    assert shell.wait("^_vibeusage_prompt\n.*>$").splitlines()[1:] == ["_vibeusage_prompt", "42% ok >"]


def test_aliases_and_functions_do_not_get_in(bash, cache):
    cache.store("bash", TEXT)
    words = "local read printf kill type shopt declare complete compgen return unset echo source"
    aliases = "; ".join(f"alias {word}='echo OOPS'" for word in words.split())
    shell = bash(f"PS1='> '; read() {{ echo OOPS; }}; printf() {{ echo OOPS; }}\n{aliases}\n\\SOURCE")
    assert shell.wait(r">\Z") == "42% ok >"
    shell.run("declare works")
    shell.wait("^OOPS.* works$")


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param("PROMPT_COMMAND='seen=$?'", id="a string"),
        pytest.param("PROMPT_COMMAND='seen=$?; '", id="a string with a semicolon"),
        pytest.param("PROMPT_COMMAND='seen=$? # note'", id="a string with a comment"),
        pytest.param("PROMPT_COMMAND=('seen=$?' true)", id="an array"),
        pytest.param(
            "unset PROMPT_COMMAND; PROMPT_COMMAND=(); PROMPT_COMMAND+=('seen=$?')", id="an array made by appending"
        ),
    ],
)
def test_other_prompt_commands_stay_and_see_the_users_status(bash, cache, commands):
    cache.store("bash", TEXT)
    shell = bash(f"PS1='$seen $? > '; {commands}; SOURCE; SOURCE; PROMPT_COMMAND+=('after=$?')")
    shell.wait(r"^42% ok 0 0 >")
    shell.run("(exit 7)")
    shell.wait(r"^42% ok 7 7 >")


def test_a_later_prompt_command_in_the_same_string_sees_the_users_status(bash):
    shell = bash("PS1='$seen > '; SOURCE; PROMPT_COMMAND+='; seen=$?'")
    shell.wait("^0 >")
    shell.run("(exit 7)")
    shell.wait("^7 >")


@pytest.mark.parametrize("vars_", ["-s promptvars", "-u promptvars"])
def test_nothing_in_the_text_runs(bash, cache, tmp_path, vars_):
    cache.store("bash", HOSTILE + "\n")
    shell = bash(f"PS1='> '; shopt {vars_}; SOURCE", columns=120)
    quote = "'" if vars_.startswith("-u") else "`"
    shell.wait(r"\$1\.20 >")
    assert (
        f"$(touch canary) {quote}touch canary{quote} ${{PATH}} \\u \\$(touch canary) \\{quote} \\[ a!b $1.20 >"
        in shell.text()
    )
    shell.run("PROMPT_COMMAND+=('shopt -s promptvars')")  # after our part was written, at the latest possible moment
    shell.run("true")
    shell.run("x=${PS1@P}; echo x")
    shell.wait("^x$")
    shell.settle()
    assert not (tmp_path / "canary").exists()


def test_nothing_in_the_text_runs_where_the_user_places_it(bash, cache, tmp_path):
    cache.store("bash", HOSTILE + "\n")
    shell = bash("PS1='${VIBEUSAGE_SEGMENT} > '; VIBEUSAGE_PROMPT=none; SOURCE", columns=120)
    shell.wait(r"a!b \$1\.20 >")
    assert shell.text() == f"{HOSTILE} >"
    assert not (tmp_path / "canary").exists()


def test_a_prompt_that_names_the_variable_is_left_alone(bash, cache):
    cache.store("bash", TEXT)
    assert bash("PS1='<${VIBEUSAGE_SEGMENT}> '; SOURCE").wait(r">\Z") == "<42% ok>"


@pytest.mark.parametrize("vars_", ["-s promptvars", "-u promptvars"])
def test_a_prompt_saved_and_restored_by_others_shows_one_fresh_text(bash, cache, vars_):
    cache.store("bash", TEXT)
    shell = bash(f"PS1='> '; shopt {vars_}; SOURCE")
    shell.wait("ok >")
    shell.run('saved=$PS1; PS1="(venv) $PS1"')
    shell.wait(r"^42% ok \(venv\) >")
    cache.store("bash", "43%\n")
    shell.run("_vibeusage_looked= _vibeusage_seen= PS1=$saved; clear")
    shell.wait(r"\A43% >\Z")


def test_a_shell_without_a_terminal_is_left_alone(require, env):
    done = subprocess.run(
        [
            require("bash"),
            "--norc",
            "-euo",
            "pipefail",
            "-c",
            f"source {SCRIPT}; declare -F; echo ${{VIBEUSAGE_SEGMENT-unset}}",
        ],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("unset\n", "")


def test_commands_and_targets_are_completed(bash, cache):
    shell = bash("PS1='> '; SOURCE")
    shell.wait("^>")
    shell.send("vibeusage har\t")
    shell.wait("^> vibeusage harvest")
    shell.send(CTRL_U + "vibeusage line star\t")
    shell.wait("^> vibeusage line starship")


def test_shellcheck_has_nothing_to_say(require):
    done = subprocess.run(
        [require("shellcheck"), "-s", "bash", str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_what_the_real_program_stores_is_drawn(bash, real):
    shell = bash("PS1='> '; SOURCE")
    shell.wait("^>")
    end = time.monotonic() + 5
    while "42%" not in shell.text() and time.monotonic() < end:  # drawn at the next prompt
        shell.run("")
        shell.settle()
    shell.wait("42%")
