"""zsh with the script sourced, on a real terminal."""

import itertools
import subprocess
import time

import pytest
from e2e.pty_shell import CTRL_C, ENTER, SHELL, differences, started, traced

SCRIPT = SHELL / "vibeusage.zsh"
TEXT = "%F{green}42%%%f ok\n"
HOSTILE = "$(touch canary) `touch canary` ${PATH} %%{ %%(?..) \\$(touch canary) a!b $1.20"
COUNTING = 'precmd() { (( ++n )); _vibeusage_looked=0 _vibeusage_seen=; PROMPT="p$n> " }; '


@pytest.fixture
def zsh(terminal, require, tmp_path):
    numbers = itertools.count()

    def start(rc: str, *, under=(), args=(), **options):
        folder = tmp_path / f"rc{next(numbers)}"
        folder.mkdir()
        (folder / ".zshrc").write_text(rc.replace("SOURCE", f"source {SCRIPT}") + "\n")
        return terminal([*under, require("zsh"), "-d", *args, "-i"], ZDOTDIR=str(folder), **options)

    return start


@pytest.mark.parametrize("subst", ["prompt_subst", "no_prompt_subst"])
@pytest.mark.parametrize(
    ("place", "line"),
    [
        pytest.param("right", r"^> {20,}42% ok$", id="right"),
        pytest.param("left", r"^42% ok >$", id="left"),
    ],
)
def test_the_segment_is_drawn_with_its_colour(zsh, cache, subst, place, line):
    cache.store("zsh", TEXT)
    shell = zsh(f"PROMPT='> '; setopt {subst}; VIBEUSAGE_PROMPT={place}; SOURCE")
    shell.wait(line)
    assert shell.colours("42%") == {"green"}
    assert shell.colours("ok") == {"default"}


def test_the_users_own_right_prompt_stays_before_it(zsh, cache):
    cache.store("zsh", TEXT)
    zsh("PROMPT='> '; RPROMPT=mine; SOURCE").wait(r"^> +mine 42% ok$")


@pytest.mark.parametrize("place", ["right", "left"])
@pytest.mark.parametrize("subst", ["prompt_subst", "no_prompt_subst"])
def test_an_empty_segment_adds_nothing(zsh, cache, place, subst):
    cache.store("zsh", "\n")
    shell = zsh(f"PROMPT='> '; RPROMPT=mine; setopt {subst}; VIBEUSAGE_PROMPT={place}; SOURCE")
    shell.wait("mine$")
    shell.run('print -r -- "[$PROMPT|$RPROMPT|$VIBEUSAGE_SEGMENT]"')
    shell.wait(r"^\[> \|mine\|\]$")


@pytest.mark.parametrize(("place", "subst"), [("right", "prompt_subst"), ("left", "no_prompt_subst")])
def test_line_editing_is_that_of_a_plain_prompt_of_the_same_width(zsh, cache, place, subst):
    cache.store("zsh", TEXT)
    shell = zsh(f"PROMPT='> '; setopt {subst}; VIBEUSAGE_PROMPT={place}; SOURCE", columns=40)
    plain = zsh({"right": "PROMPT='> '; RPROMPT='42%% ok'", "left": "PROMPT='42%% ok > '"}[place], columns=40)
    shell.wait("42% ok"), plain.wait("42% ok")
    assert differences(shell, plain) == []


def test_a_hundred_prompts_start_no_process(zsh, require, cache, tmp_path):
    cache.store("zsh", TEXT)
    log = tmp_path / "strace"
    shell = zsh(COUNTING + "SOURCE", under=traced(require, log))
    shell.wait("p1>")
    before = len(started(log))
    shell.send(ENTER * 100)
    shell.wait("p101>")
    shell.run("/bin/true")
    shell.wait("p102>")
    assert [line.split("execve(")[1].split(",")[0] for line in started(log)[before:] if "execve" in line] == [
        '"/bin/true"'
    ]
    assert len(started(log)) == before + 2


def test_an_invalid_segment_starts_one_renderer_and_the_prompt_is_redrawn_when_it_ends(zsh, cache, fake):
    cache.store("zsh", TEXT, token="an older one")
    fake.will_store(cache.segment("%F{red}90%%%f new\n"))
    fake.takes(1.5)
    shell = zsh(COUNTING + "SOURCE")
    shell.wait("p1>")
    shell.send(ENTER * 20)
    screen = shell.wait("p21>")
    assert fake.log("end") == [], "the prompt waited for the renderer"
    assert "42%" not in screen
    shell.send(CTRL_C)
    shell.wait("^p22>")
    shell.wait(r"^p22> +90% new$")
    assert fake.log("start") == ["line zsh /dev/null /dev/null /dev/null"]
    assert shell.colours("90%") == {"red"}


def test_what_is_being_typed_survives_the_redraw(zsh, cache, fake):
    fake.will_store(cache.segment(TEXT))
    fake.takes(0.5)
    shell = zsh("PROMPT='> '; SOURCE")
    (cache.folder / "generation").write_text("g1\n")
    shell.wait("^>")
    shell.send("echo a\x1b[D\x1b[D")
    shell.wait(r"^> echo a +42% ok$")
    assert shell.cursor() == (0, 6)


def test_a_renderer_that_stores_nothing_is_not_started_over_and_over(zsh, cache, fake):
    shell = zsh(COUNTING + "SOURCE")
    shell.wait("p1>")
    for number in range(2, 8):
        shell.send(ENTER)
        shell.wait(f"p{number}>")
    fake.wait("end")
    assert len(fake.log("start")) == 1


@pytest.mark.slow
def test_what_was_stored_under_a_long_command_and_has_expired_is_rendered_again(zsh, cache, fake):
    fake.will_store(cache.segment("first\n", valid_s=1))
    (cache.folder / "generation").write_text("g1\n")
    shell = zsh("PROMPT='> '; SOURCE")
    shell.wait("^>")
    shell.run("sleep 1.1; (( _vibeusage_started -= 60 ))")
    fake.wait("end")
    fake.will_store(cache.segment("second\n"))
    shell.wait("second$")
    assert len(fake.log("end")) == 2


def test_a_due_refresh_shows_the_text_and_is_handed_over_once_a_minute(zsh, cache, fake):
    cache.store("zsh", TEXT, due_s=-1)
    shell = zsh(COUNTING + "SOURCE")
    shell.wait(r"^p1> +42% ok$")
    assert fake.wait("end") == ["line zsh /dev/null /dev/null /dev/null"]
    shell.run("(( _vibeusage_started -= 50 ))")
    shell.send(ENTER * 3)
    shell.wait(r"^p5> +42% ok$")
    assert len(fake.log("start")) == 1
    shell.run("(( _vibeusage_started -= 10 ))")
    assert len(fake.wait("end", 2)) == 2


@pytest.mark.slow
def test_a_due_time_that_was_put_off_meanwhile_starts_no_renderer(zsh, cache, fake):
    cache.store("zsh", TEXT, due_s=2)
    due_at = int(time.time()) + 2
    shell = zsh(COUNTING + "SOURCE")
    shell.wait(r"^p1> +42% ok$")
    assert fake.log("start") == []
    cache.store("zsh", TEXT, due_s=1800)
    time.sleep(max(0, due_at - time.time()) + 0.05)
    shell.send(ENTER)
    shell.wait(r"^p2> +42% ok$")
    shell.run("true")
    shell.wait(r"^p3> +42% ok$")
    assert fake.log("start") == []


@pytest.mark.parametrize(
    "head",
    [
        pytest.param({"valid_s": 0}, id="expired"),
        pytest.param({"age_s": -60}, id="rendered in the future"),
        pytest.param({"token": "other"}, id="another generation"),
        pytest.param({"version": 2}, id="another version"),
        pytest.param({"magic": "segment"}, id="foreign"),
        pytest.param({"valid_until": "x[$(touch canary)]"}, id="not a number"),
        pytest.param({"valid_until": "9" * 40}, id="too long a number"),
    ],
)
def test_a_segment_that_may_not_be_shown_is_not(zsh, cache, tmp_path, head):
    cache.store("zsh", TEXT, **head)
    shell = zsh("PROMPT='> '; SOURCE")
    shell.wait("^>")
    assert shell.settle() == ">"
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
def test_a_segment_expires_under_a_running_shell(zsh, cache):
    cache.store("zsh", TEXT, valid_s=2)
    end = int(time.time()) + 2
    shell = zsh("PROMPT='> '; SOURCE")
    shell.wait("ok$")
    time.sleep(max(0, end - time.time()) + 0.05)
    shell.run("clear")
    shell.wait(r"\A>$")


@pytest.mark.parametrize("name", ["NO_COLOR", "VIBEUSAGE_NO_COLOR", "TERM"])
def test_without_colours_the_plain_segment_is_read(zsh, cache, name):
    cache.store("zsh+mono", "plain\n")
    cache.store("zsh", TEXT)
    zsh("PROMPT='> '; VIBEUSAGE_PROMPT=left; SOURCE", **{name: "dumb"}).wait("^plain >")


@pytest.mark.parametrize(
    ("variables", "before", "folder"),
    [
        pytest.param({"XDG_CACHE_HOME": "ROOT/xdg"}, "", "xdg/vibeusage", id="XDG"),
        pytest.param({"XDG_CACHE_HOME": "xdg"}, "", "home/.cache/vibeusage", id="a relative XDG"),
        pytest.param({}, "", "home/.cache/vibeusage", id="neither"),
        pytest.param({}, "OSTYPE=darwin23", "home/Library/Caches/vibeusage", id="macOS"),
    ],
)
def test_the_cache_folder_follows(zsh, cache, tmp_path, variables, before, folder):
    cache.store("zsh", TEXT)
    place = tmp_path / "root" / folder
    place.parent.mkdir(parents=True)
    cache.folder.rename(place)
    placed = {name: value.replace("ROOT", f"{tmp_path}/root") for name, value in variables.items()}
    shell = zsh(f"{before}; PROMPT='> '; SOURCE", HOME=f"{tmp_path}/root/home", VIBEUSAGE_CACHE_DIR="", **placed)
    shell.wait("42%")


def test_the_renderer_is_told_what_the_shell_alone_knows(zsh, cache, fake):
    zsh(f"PROMPT='> '; NO_COLOR=x; VIBEUSAGE_CACHE_DIR={cache.folder}/x; SOURCE", VIBEUSAGE_CACHE_DIR="").wait("^>")
    assert fake.wait("told") == [f"NO_COLOR=1 VIBEUSAGE_CACHE_DIR={cache.folder}/x"]


def test_without_the_program_nothing_happens(zsh, cache, fake):
    shell = zsh("PROMPT='> '; SOURCE", PATH="/usr/bin:/bin")
    shell.wait("^>")
    shell.run("print status $?")
    assert shell.wait("^status 0\n>").splitlines()[0].startswith(">")


def test_another_program_can_be_named(zsh, cache, fake, tmp_path):
    other = fake.program.rename(tmp_path / "my vibeusage")
    zsh(f"VIBEUSAGE_COMMAND='{other}'; PROMPT='> '; SOURCE").wait("^>")
    assert fake.wait("end") == ["line zsh /dev/null /dev/null /dev/null"]


OPTIONS = (
    "no_unset ksh_arrays prompt_subst no_prompt_subst warn_create_global sh_word_split no_nomatch "
    "extended_glob null_glob glob_subst err_return err_exit pipe_fail ksh_glob rc_expand_param "
    "csh_null_glob no_glob posix_identifiers posix_builtins octal_zeroes local_options ksh_typeset "
    "sh_glob no_bare_glob_qual no_short_loops posix_aliases no_clobber magic_equal_subst c_precedences "
)


@pytest.mark.parametrize("option", OPTIONS.split())
def test_it_works_quietly_under_any_option_and_sourced_twice(zsh, cache, option):
    cache.store("zsh", TEXT)
    shell = zsh(f"PROMPT='> '; setopt {option}; SOURCE; SOURCE", columns=120)
    shell.wait(r"\A> +42% ok\Z")
    shell.run("(){ emulate -L zsh; print ${(M)#precmd_functions:#_vibeusage_precmd} hook; }; (exit 3) || :")
    screen = shell.wait("^1 hook\n.*ok$")
    assert len(screen.splitlines()) == 3


def test_aliases_do_not_get_in(zsh, cache):
    cache.store("zsh", TEXT)
    words = "typeset local setopt emulate zle exec unset builtin whence zmodload sysread print return"
    aliases = "; ".join(f"alias {word}='echo OOPS'" for word in words.split())
    shell = zsh(f"PROMPT='> '; {aliases}; SOURCE")
    assert shell.wait("ok$").split() == [">", "42%", "ok"]
    shell.run("print works")
    shell.wait("^OOPS works$")


def test_later_hooks_see_the_status_of_the_users_command(zsh, cache):
    shell = zsh('SOURCE; later() { PROMPT="[$?|$pipestatus]> " }; precmd_functions+=(later)')
    shell.wait(r"^\[0\|0\]>")
    shell.run("false | true | (exit 7)")
    shell.wait(r"^\[7\|1 0 7\]>")


@pytest.mark.parametrize("place", ["right", "left", "none"])
@pytest.mark.parametrize("subst", ["prompt_subst", "no_prompt_subst"])
def test_nothing_in_the_text_runs(zsh, cache, tmp_path, place, subst):
    cache.store("zsh", HOSTILE + "\n")
    own = "PROMPT='${VIBEUSAGE_SEGMENT} > '" if place == "none" else "PROMPT='> '"
    if place == "none":
        subst = "prompt_subst"
    shell = zsh(f"setopt {subst}; {own}; VIBEUSAGE_PROMPT={place}; SOURCE", columns=120)
    quote = "'" if subst == "no_prompt_subst" else "`"
    screen = shell.wait(r"\$1\.20")
    assert f"$(touch canary) {quote}touch canary{quote} ${{PATH}} %{{ %(?..) \\$(touch canary) a!b $1.20" in screen
    shell.run("setopt prompt_subst; setopt prompt_bang")  # by hand between two prompts, at the latest possible moment
    shell.send("echo x" + ENTER)
    shell.wait("^x")
    shell.settle()
    assert not (tmp_path / "canary").exists()


def test_prompt_bang_leaves_exclamation_marks(zsh, cache):
    cache.store("zsh", "90%%!\n")
    for subst in ("prompt_subst", "no_prompt_subst"):
        zsh(f"PROMPT='> '; setopt prompt_bang {subst}; SOURCE").wait("90%!$")


def test_a_prompt_that_names_the_variable_is_left_alone(zsh, cache):
    cache.store("zsh", TEXT)
    shell = zsh("setopt prompt_subst; PROMPT='<${VIBEUSAGE_SEGMENT}> '; SOURCE")
    assert shell.wait("ok>").strip() == "<42% ok>"


def test_a_prompt_saved_and_restored_by_others_shows_one_fresh_text(zsh, cache):
    cache.store("zsh", TEXT)
    shell = zsh("PROMPT='> '; VIBEUSAGE_PROMPT=left; SOURCE")
    shell.wait("ok >")
    shell.run('saved=$PROMPT; PROMPT="(venv) $PROMPT"')
    shell.wait(r"^42% ok \(venv\) >")
    cache.store("zsh", "43%%\n")
    shell.run("_vibeusage_looked=0 _vibeusage_seen= PROMPT=$saved; clear")
    shell.wait(r"\A43% >\Z")


def test_powerlevel10k_gets_a_segment_and_keeps_its_prompt(zsh, cache):
    cache.store("zsh", TEXT)
    p10k = 'p10k() { print -r -- "p10k<$1|$2|$3|$4|$5|$6>" }; draw() { prompt_vibeusage }; precmd_functions+=(draw)'
    shell = zsh(f"PROMPT='> '; SOURCE; {p10k}")
    screen = shell.wait(r">\n>\Z")
    assert screen == "p10k<segment|-c|${VIBEUSAGE_SEGMENT-}|-e|-t|${VIBEUSAGE_SEGMENT-}>\n>"


def test_unloading_leaves_nothing(zsh, cache):
    cache.store("zsh", TEXT)
    shell = zsh("PROMPT='> '; SOURCE")
    shell.wait("ok$")
    left = "$RPROMPT$precmd_functions${(k)functions[(I)*vibeusage*]}${(k)parameters[(I)_vibe*]}"
    shell.run(f'vibeusage_plugin_unload; clear; print "[{left}]"')
    assert shell.wait(r"^\[.*\]\n>") == "[]\n>"


def test_a_shell_without_a_terminal_is_left_alone(require, env, tmp_path):
    done = subprocess.run(
        [require("zsh"), "-f", "-c", f"source {SCRIPT}; typeset -f; print ${{+VIBEUSAGE_SEGMENT}}"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_commands_and_targets_are_completed(zsh, cache):
    shell = zsh("PROMPT='> '; autoload -Uz compinit; compinit -D; SOURCE")
    shell.wait("^>")
    shell.send("vibeusage har\t")
    shell.wait("^> vibeusage harvest")
    shell.send("\x15vibeusage line star\t")
    shell.wait("^> vibeusage line starship")


def test_what_the_real_program_stores_is_drawn(zsh, real):
    shell = zsh("PROMPT='> '; SOURCE")
    shell.wait("^>")
    shell.wait("42%")
