"""Hostile names in every documented place of every real program: nothing runs, and nothing but text is shown.

The names stand where a provider, another tool or a document could put them. A command in one of them
would leave a file whose name holds CANARY in this test's folder.
"""

import contextlib
import json
import os
import re
import subprocess
import time
import unicodedata
from pathlib import Path

import pytest
from colours import parsed
from e2e.pty_shell import SHELL
from e2e.screens import canaries, environment, start

from vibeusage import escape, items, table
from vibeusage.line import ASSISTANTS, TARGETS

PAYLOADS = (
    *("$(touch CANARY)", "`touch CANARY`", "${IFS}", "$((1+1))", "$PATH", "$'\\x41'", "${x:=$(>CANARY)}", "$[1+1]"),
    *("%{%Gx%}", "%F{red}", "%(?.a.b)", "%%", "%n", "%1v", "%{F#f00}y", "%D{%H}"),
    *("#{host}", "#(touch CANARY)", "#[fg=red]", "##S", "#S", "#", "##[bg=red]"),
    *("\\[\\u\\]", "\\e[31m", "\\033]0;t\\a", "\\\\", "\\$(>CANARY)", "\\`>CANARY`", "\\n", "\\w"),
    *("\x01x\x02", "\x05{= r}s", "\x1b[31mR", "\x1b]8;;http://x\x1b\\L", "\x1b]0;PWN\x07", "\x1bPq\x1b\\", "\x9b31mC"),
    *("\x9d0;PWN\x9c", "u\u202ebi", "z\u200bw", "n\nl", "t\tb", "r\rr", "e\x00n", "d\x7fl", "v\x85v", "p\u2028p"),
    *("a|b", "&<b>\"'", "!!", "a!1", "!$", "~", "*", ";>CANARY", "&>CANARY", "|tee CANARY", "(touch CANARY)"),
    *("日本", "e\u0301", "👍🏽", "{stdout}", "{A1:x:}", "---", "-e", "[[ a ]]", "<(>CANARY)", "=(>CANARY)"),
)
OPTIONS = ("--max-width", "0", "--format", "{provider}_{account}_{period}_{percent}_{source}")
COMMAND = "vibeusage line {} --max-width 0 --format {{provider}}_{{account}}_{{period}}_{{percent}}_{{source}}"
WIDE = 6000
SEQUENCES_OF_THEIRS = re.compile(rb"\x1b\]0;PWN|\x1b\]8;;http|\x1bPq|\x1b\[31mR|\xc2[\x80-\x9f]|\x9d")


@pytest.fixture
def hostile(cache_dir):
    """`line.tsv` with every payload as account, period name, label, source and note."""
    cache_dir.mkdir(mode=0o700)
    now = int(time.time())
    text = table.row("vibeusage-line", "1", "-", 9_999_999_999) + table.row("note", PAYLOADS[0] + PAYLOADS[1])
    text += table.row("set", "*", "max_width", "0") + table.row("set", "*", "format", OPTIONS[3])
    for index, each in enumerate(PAYLOADS):
        account = f"p{index}@{each}"
        text += table.row("period", account, each, each, 0, 42, 0, now, each, "window")
    (cache_dir / "line.tsv").write_text(text)
    (cache_dir / "generation").write_text("g1\n")


@pytest.fixture
def expected(hostile, vibeusage):
    """The text as a reader should see it."""
    return vibeusage("line", "plain", *OPTIONS).stdout.decode().rstrip("\n")


def shown(terminal) -> str:
    return "".join(terminal.screen.display)


def compact(text: str) -> str:
    """`text` as terminals keep it: composed, and without the blanks that a line's end may have eaten."""
    return unicodedata.normalize("NFC", text).replace(" ", "")


def check(terminal, folder: Path, text: str) -> None:
    """`text` is on screen as it is, no command ran, and no sequence of a payload reached the terminal."""
    terminal.settle()
    assert canaries(folder) == []
    assert compact(text) in compact(shown(terminal))
    assert not SEQUENCES_OF_THEIRS.search(terminal.raw)


@pytest.fixture
def opened(tmp_path):
    with contextlib.ExitStack() as stack:

        def run(words: list[str], *, columns: int = WIDE, **extra: str):
            terminal = start(words, tmp_path, extra, columns=columns, lines=6)
            stack.callback(terminal.close)
            return terminal

        yield run


# every target: bytes


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_target_prints_nothing_but_text_and_its_own_colours(hostile, vibeusage, tmp_path, target):
    done = vibeusage("line", target, *OPTIONS, cwd=tmp_path)
    assert (done.returncode, done.stderr, canaries(tmp_path)) == (0, b"", [])
    [first, *_] = [text for text in parsed(target, done.stdout.decode()) if text]
    quoted = escape.clean(PAYLOADS[0] + PAYLOADS[1], 60)
    assert target == "json" or first.startswith(quoted.replace("`", "'") if target in ("bash", "zsh") else quoted)


@pytest.mark.parametrize("target", sorted(ASSISTANTS))
def test_an_assistants_document_brings_nothing_but_text(vibeusage, config_dir, tmp_path, target):
    config_dir.mkdir(mode=0o700)
    rows = json.dumps([[name] for name in items.ITEMS] + [["periods"], list(items.ITEMS)])
    (config_dir / "config.toml").write_text(f"[line.{target}]\nlines = {rows}\n")
    for text in ("".join(PAYLOADS[at : at + 8]) for at in range(0, len(PAYLOADS), 8)):
        done = vibeusage("line", target, stdin=json.dumps(everywhere(text)).encode(), cwd=tmp_path)
        assert (done.returncode, done.stderr, canaries(tmp_path)) == (0, b"", [])
        rows = parsed(target, done.stdout.decode())
        assert escape.clean(text, 60) in rows


def everywhere(text: str) -> dict:
    """A document with `text` in each of its strings."""
    place = {"current_dir": "/" + text, "project_dir": "/" + text, "git_worktree": text, "added_dirs": [text]}
    return {
        "session_id": text,
        "session_name": text,
        "cwd": "/" + text,
        "workspace": {**place, "repo": {"host": text, "owner": text, "name": text}},
        "model": {"id": text, "display_name": text, "param_summary": text, "max_mode": True},
        "version": text,
        "agent_type": text,
        "agent": {"name": text},
        "output_style": {"name": text},
        "effort": {"level": text},
        "vim": {"mode": text},
        "worktree": {"name": text, "branch": text},
        "vcs": {"branch": text, "dirty": True},
        "pr": {"number": 7, "review_state": text},
        "ai_used": {"formatted": text},
        "plan_tier": text,
        "agent_state": text,
        "username": text,
        "remote": {"session_id": text},
        "rate_limits": {"seven_day_" + text: {"used_percentage": 5}},
        "quota": {text + "-5h": {"remaining_fraction": 0.5}},
    }


def test_hostile_folders_and_branches_are_text_too(vibeusage, config_dir, tmp_path):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text('[line.claude-code]\nlines = [["directory", "branch"]]\n')
    folder = tmp_path / "$(touch CANARY)\x1b[31m\u202e"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/`touch CANARY`\x1b]0;PWN\x07#(x)%F{red}\n")
    before = canaries(tmp_path)
    done = vibeusage("line", "claude-code", stdin=json.dumps({"cwd": str(folder)}).encode(), cwd=tmp_path)
    rows = parsed("claude-code", done.stdout.decode())
    assert rows == ["$(touch CANARY)[31m · `touch CANARY`]0;PWN#(x)%F{red}"]
    assert canaries(tmp_path) == before


# shells


ZSH = {
    "a variable named in the prompt": "setopt prompt_subst; precmd() {{ V=$({0}) }}; PROMPT='${{V}}> '",
    "a command named in the prompt": "setopt prompt_subst; PROMPT='$({0})> '",
    "assigned in a hook": 'setopt no_prompt_subst; precmd() {{ PROMPT="$({0})> " }}',
    "assigned in a hook, with prompt_subst": 'setopt prompt_subst; precmd() {{ PROMPT="$({0})> " }}',
    "p10k's own expansion": 'setopt no_prompt_subst; precmd() {{ V=$({0}); PROMPT="${{(e)V}}> " }}',
}
BASH = {
    "a variable named in the prompt": "PROMPT_COMMAND='V=$({0})'; PS1='${{V}}> '",
    "a command named in the prompt": "PS1='$({0})> '",
    "our script": f"PS1='> '; source {SHELL}/vibeusage.bash",
    "our script, without promptvars": f"PS1='> '; shopt -u promptvars; source {SHELL}/vibeusage.bash",
    "assigned in a hook": "PROMPT_COMMAND='PS1=\"$({0})> \"'",
}
FISH = {
    "our script": f"source {SHELL}/vibeusage.fish; set VIBEUSAGE_PROMPT left; function fish_prompt; echo -n '> '; end",
    "a command in fish_prompt": "function fish_prompt; {0}; echo -n '> '; end",
    "a variable in fish_prompt": 'function fish_prompt; set -l v ({0}); echo -n "$v> "; end',
}


def filled(form: str, target: str) -> str:
    return form.replace("{{", "{").replace("}}", "}").replace("{0}", COMMAND.format(target))


@pytest.mark.parametrize("form", ZSH)
def test_zsh_shows_the_names_and_runs_none(opened, require, expected, vibeusage, tmp_path, form):
    vibeusage("line", "zsh")  # stores the segment that our script reads
    (tmp_path / ".zshrc").write_text(filled(ZSH[form], "zsh") + "\n")
    terminal = opened([require("zsh"), "-d", "-i"], ZDOTDIR=str(tmp_path))
    terminal.wait(r"> *$")
    check(terminal, tmp_path, expected.replace("`", "'"))


@pytest.mark.parametrize("form", BASH)
def test_bash_shows_the_names_and_runs_none(opened, require, expected, vibeusage, tmp_path, form):
    vibeusage("line", "bash")  # stores the segment that our script reads
    (tmp_path / "rc").write_text(filled(BASH[form], "bash") + "\n")
    terminal = opened([require("bash"), "--rcfile", str(tmp_path / "rc"), "-i"], HISTFILE="")
    terminal.wait(r"> *$")
    check(terminal, tmp_path, expected.replace("`", "'"))


def test_bash_expands_nothing_in_the_assigned_text(require, expected, vibeusage, tmp_path):
    text = vibeusage("line", "bash", *OPTIONS).stdout
    (tmp_path / "text").write_bytes(text)
    script = "PS1=$(<text); printf %s \"${PS1@P}\"; V=$PS1; PS1='${V}'; printf '\\n%s' \"${PS1@P}\""
    done = subprocess.run([require("bash"), "-c", script], cwd=tmp_path, capture_output=True, check=True)
    first, second = [re.sub("\x01[^\x02]*\x02", "", line) for line in done.stdout.decode().split("\n")]
    assert (first, second, done.stderr, canaries(tmp_path)) == (*[expected.replace("`", "'")] * 2, b"", [])


@pytest.mark.parametrize("form", FISH)
def test_fish_shows_the_names_and_runs_none(opened, require, expected, vibeusage, tmp_path, form):
    vibeusage("line", "fish")  # stores the segment that our script reads
    (tmp_path / "fish").mkdir()
    rc = "set -g fish_greeting; set -g fish_autosuggestion_enabled 0\n" + filled(FISH[form], "fish")
    (tmp_path / "fish" / "config.fish").write_text(rc + "\n")
    terminal = opened([require("fish"), "-i"], XDG_CONFIG_HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path))
    terminal.wait(r"> *$")
    check(terminal, tmp_path, expected)


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_starship_shows_the_names_and_runs_none(opened, require, expected, tmp_path, name):
    program = require("starship")
    module = f"[custom.vibeusage]\ncommand = '{COMMAND.format('starship')}'\nwhen = true\nshell = ['sh']\n"
    module += "format = '$output> '\n"
    (tmp_path / "starship.toml").write_text(
        "format = '$custom'\nadd_newline = false\ncommand_timeout = 9000\n" + module
    )
    (tmp_path / "fish").mkdir()
    (tmp_path / "fish" / "config.fish").write_text(f"set -g fish_greeting\n{program} init fish | source\n")
    for rc in (".zshrc", "rc"):
        (tmp_path / rc).write_text(f'eval "$({program} init {"zsh" if rc == ".zshrc" else "bash"})"\n')
    words = {"bash": ["--rcfile", str(tmp_path / "rc"), "-i"], "zsh": ["-d", "-i"], "fish": ["-i"]}[name]
    extra = {
        "STARSHIP_CONFIG": str(tmp_path / "starship.toml"),
        "STARSHIP_CACHE": str(tmp_path / "log"),
        "HISTFILE": "",
    }
    extra |= {"ZDOTDIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    terminal = opened([require(name), *words], **extra)
    terminal.wait(r"> *$")
    text = expected.replace("\\", "/")
    root = name == "bash" and os.geteuid() == 0
    check(terminal, tmp_path, text.replace("$", "#") if root else text)  # how bash draws starship's `\$`


# bars


@pytest.fixture
def tmux(opened, require, tmp_path):
    server = [require("tmux"), "-S", str(tmp_path / "socket"), "-f", str(tmp_path / "tmux.conf")]

    def run(setting: str):
        lines = ["set -g status-right-length 9000", "set -g status-left ''", "set -g window-status-current-format ''"]
        (tmp_path / "tmux.conf").write_text("\n".join([*lines, setting]) + "\n")
        return opened([*server, "new-session", "sleep 60"]), server

    yield run
    subprocess.run([*server, "kill-server"], env=environment(tmp_path), capture_output=True, check=False)


def test_tmux_shows_the_names_and_runs_none(tmux, expected, tmp_path):
    terminal, _ = tmux(f"set -g status-right '#({COMMAND.format('tmux')})'")
    terminal.wait("42%_")
    # tmux 3.3 halves a run of # twice: `##S` reads `#S`
    check(terminal, tmp_path, expected.replace("##S", "#S"))
    red = [cell for cell in terminal.screen.buffer[5].values() if "red" in (cell.fg, cell.bg)]
    assert "".join(cell.data for cell in red) == escape.clean(PAYLOADS[0] + PAYLOADS[1], 60)  # our note


@pytest.mark.slow
def test_tmux_runs_nothing_even_where_the_text_is_the_option_itself(tmux, hostile, tmp_path):
    terminal, server = tmux("set -g status-right ''")
    terminal.settle()
    # tmux holds an option of some 8000 bytes at most: the names one after the other
    for at in range(0, len(PAYLOADS), 18):
        few = "".join(f" --provider p{index}" for index in range(at, at + 18))
        ours = f"'{server[0]}' -S '{tmp_path}/socket'"
        script = f'{ours} set -g status-right "$({COMMAND.format("tmux")}{few})END{at}"'
        subprocess.run(["sh", "-c", script], env=environment(tmp_path), cwd=tmp_path, check=True)
        terminal.wait(f"END{at}")
        time.sleep(0.3)  # a job would start when the line is drawn
        terminal.settle()
        assert canaries(tmp_path) == []
        assert not SEQUENCES_OF_THEIRS.search(terminal.raw)


def test_screen_shows_the_names_and_runs_none(opened, require, hostile, vibeusage, tmp_path):
    program, sockets = require("screen"), tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    # screen cuts what a command prints at some 1000 bytes: a few names at a time
    for at in range(0, len(PAYLOADS), 12):
        few = "".join(f" --provider p{index}" for index in range(at, at + 12))
        command = f"vibeusage line screen --max-width 0 --format {{provider}}{{percent}}{few}"
        rc = tmp_path / "screenrc"
        rc.write_text(f'startup_message off\nbacktick 1 30 30 {command}\nhardstatus alwayslastline "%1`"\n')
        words = [program, "-c", str(rc), "-S", f"test{at}", "sleep", "60"]
        terminal = opened(words, columns=900, SCREENDIR=str(sockets))
        terminal.wait("42%")
        text = vibeusage("line", "plain", *command.split()[3:]).stdout.decode().strip()
        check(terminal, tmp_path, text)
        quit_it = [program, "-S", f"test{at}", "-X", "quit"]
        subprocess.run(quit_it, env=environment(tmp_path, SCREENDIR=str(sockets)), capture_output=True, check=False)


@pytest.mark.parametrize("at", range(0, len(PAYLOADS), 12))
def test_i3blocks_hands_the_names_on_as_they_are(require, hostile, vibeusage, tmp_path, at):
    few = "".join(f" --provider p{index}" for index in range(at, at + 12))
    command = f"vibeusage line i3blocks --max-width 0 --format {{provider}}{{percent}}{few}"
    config = tmp_path / "i3blocks.conf"
    config.write_text(f"[vibeusage]\ncommand={command}\ninterval=once\n")
    words = [require("i3blocks"), "-c", str(config)]
    with subprocess.Popen(words, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE) as bar:
        assert bar.stdout
        os.set_blocking(bar.stdout.fileno(), False)
        text, deadline = b"", time.monotonic() + 10
        while not re.search(rb"full_text.*42%.*\n", text) and time.monotonic() < deadline:
            time.sleep(0.05)
            text += bar.stdout.read() or b""
        bar.kill()
    line = [line for line in text.decode().splitlines() if "42%" in line][-1]
    *_, block = json.loads(line.removeprefix(","))
    plain = vibeusage("line", "plain", *command.split()[3:]).stdout.decode().rstrip("\n")
    assert (block["full_text"], block["color"], canaries(tmp_path)) == (plain, "#5faf5f", [])
