import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from real import unavailable

from vibeusage import cli, paths
from vibeusage.cli.install import tmux_lines
from vibeusage.cli.uninstall import split_command, unchained

FILES = {
    "zsh": ".zshrc",
    "bash": ".bashrc",
    "fish": ".config/fish/conf.d/vibeusage.fish",
    "tmux": ".tmux.conf",
    "starship": ".config/starship.toml",
    "claude-code": ".claude/settings.json",
    "copilot": ".copilot/settings.json",
    "qwen": ".qwen/settings.json",
    "cursor": ".cursor/cli-config.json",
    "agy": ".gemini/antigravity-cli/settings.json",
}
ASSISTANTS = ("claude-code", "copilot", "qwen", "cursor", "agy")
FOREIGN = '{\n  "statusLine": {"command": "~/my line.sh", "type":"command", "padding": 3},\n  "model": "opus"\n}\n'
PROGRAM = """#!/bin/sh
case "$1" in
  harvest) tee "$HOME/harvested" ;;
  *) printf 'segment of %s' "$2" ;;
esac
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An own home, a fake installed vibeusage, and scripts to source."""
    home, scripts = tmp_path / "home", tmp_path / "scripts"
    for folder in (home, scripts):
        folder.mkdir()
    for variable in (
        "XDG_CONFIG_HOME",
        "ZDOTDIR",
        "STARSHIP_CONFIG",
        "CLAUDE_CONFIG_DIR",
        "COPILOT_HOME",
        "TMUX",
    ):
        monkeypatch.delenv(variable, raising=False)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"VIBEUSAGE_{name}_DIR", str(tmp_path / "ours" / name.lower()))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(paths, "shell_dir", lambda: scripts)
    for shell in ("zsh", "bash", "fish"):
        (scripts / f"vibeusage.{shell}").write_text("")
    use_program(monkeypatch, tmp_path / "bin")
    return home


def use_program(monkeypatch, folder, *, launcher=False):
    folder.mkdir(exist_ok=True)
    for name in ("vibeusage", "vibeusage-line") if launcher else ("vibeusage",):
        (folder / name).write_text(PROGRAM if name == "vibeusage" else '#!/bin/sh\nprintf "launched %s" "$1"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(folder / "vibeusage")])
    return folder / "vibeusage"


def write(home, target, data):
    file = home / FILES[target]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def real(program, *places):
    """The path of a real program; without it the test is skipped, or fails where it must not be."""
    found = [str(place) for place in (*places, shutil.which(program)) if place and Path(place).is_file()]
    if not found:
        unavailable(f"{program} is not installed")
    return found[0]


def changes(file, action):
    before = file.read_bytes()
    assert action() == 0
    return file.read_bytes() != before


# --- every target

TEXT = [b"", b"set x 1\n", b"set x 1", b"set x 1\r\nset y 2\r\n"]
TOML = [
    b"",
    b"add_newline = false\n",
    b'format = "$all"',
    b"# mine\r\n[git_branch]\r\nsymbol = '''\r\n\xe2\x8c\xa5'''\r\n",
]
JSON = [
    b"",
    b"{}",
    b'{"a":[1,2],"b":{"c":null}}',
    b'{\n    "a": 1.50,\n    "b": "\\u00e9"\n}\n',
    b'\xef\xbb\xbf{\r\n\t"a": {}\r\n}\r\n',
    b'  { "ui" : { "theme" : "x" } , "a" : 1e400 }  ',
]
SHAPES = {"starship": TOML, **dict.fromkeys(ASSISTANTS, JSON)}


@pytest.mark.parametrize(("target", "data"), [(target, data) for target in FILES for data in SHAPES.get(target, TEXT)])
def test_uninstall_brings_every_byte_and_the_mode_back(home, target, data):
    file = write(home, target, data)
    file.chmod(0o604)
    assert changes(file, lambda: cli.main(["install", target]))
    assert not changes(file, lambda: cli.main(["install", target]))
    assert cli.main(["uninstall", target]) == 0
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (data, 0o604)


@pytest.mark.parametrize("target", FILES)
def test_a_file_that_was_not_there_is_removed_with_its_folders(home, target):
    assert cli.main(["install", target]) == 0
    assert (home / FILES[target]).is_file()
    assert cli.main(["uninstall", target]) == 0
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("target", FILES)
def test_uninstall_without_install_changes_nothing(home, capsys, target):
    assert cli.main(["uninstall", target]) == 0
    assert capsys.readouterr().out == f"{target}: vibeusage is not in {home / FILES[target]}; nothing was changed\n"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("target", FILES)
def test_another_program_path_is_renewed_in_place(home, tmp_path, monkeypatch, target):
    file = write(home, target, b"")
    cli.main(["install", target])
    old = file.read_text()
    assert str(tmp_path / "bin") in old
    use_program(monkeypatch, tmp_path / "new bin")
    assert cli.main(["install", target]) == 0
    assert [place in file.read_text() for place in (str(tmp_path / "bin"), "new bin")] == [False, True]
    cli.main(["uninstall", target])
    assert file.read_bytes() == b""


@pytest.mark.parametrize("target", FILES)
def test_an_edit_made_since_then_stays(home, target):
    before, mine = (b'{"a": 1}\n', b'"b": 2, "a"') if target in ASSISTANTS else (b"a = 1\n", b"b = 2\na")
    file = write(home, target, before)
    cli.main(["install", target])
    word = b'"a"' if target in ASSISTANTS else b"a"
    file.write_bytes(file.read_bytes().replace(word, mine, 1))
    assert cli.main(["uninstall", target]) == 0
    assert file.read_bytes() == before.replace(word, mine, 1)


def test_the_message_names_the_file_the_backup_and_the_next_step(home, tmp_path, capsys):
    file = write(home, "tmux", "set -g mouse on\n")
    cli.main(["install", "tmux"])
    backup = next((tmp_path / "ours").rglob("*.original"))
    assert backup.read_bytes() == b"set -g mouse on\n"
    assert capsys.readouterr().out == (
        f"tmux: vibeusage is now in {file}\n  backup: {backup}\n  next: restart tmux, or run: tmux source-file {file}\n"
    )
    cli.main(["install", "tmux"])
    assert capsys.readouterr().out == f"tmux: vibeusage is already in {file}; nothing was changed\n"
    cli.main(["uninstall", "tmux"])
    assert capsys.readouterr().out == (
        f"tmux: {file} is again what it was, to the byte\n"
        f"  next: restart tmux, or run: tmux set-option -gu status-right \\; source-file {file}\n"
    )


@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "waybar",
            'cannot be edited safely\n  copy the snippet for it from the section "Bars" of the README',
        ),
        ("emacs", "'emacs' is not a target\n  choose one of: zsh, bash, fish, tmux, starship, claude-code"),
    ],
)
def test_a_program_we_cannot_edit_is_named_with_a_way_out(capsys, command, target, message):
    assert cli.main([command, target]) == 4
    assert message in capsys.readouterr().err


# --- which file


@pytest.mark.parametrize(
    ("target", "variable", "value", "name"),
    [
        ("zsh", "ZDOTDIR", "z", "z/.zshrc"),
        ("fish", "XDG_CONFIG_HOME", "x", "x/fish/conf.d/vibeusage.fish"),
        ("starship", "XDG_CONFIG_HOME", "x", "x/starship.toml"),
        ("starship", "STARSHIP_CONFIG", "s.toml", "s.toml"),
        ("claude-code", "CLAUDE_CONFIG_DIR", "c", "c/settings.json"),
        ("copilot", "COPILOT_HOME", "p", "p/settings.json"),
    ],
)
def test_the_variables_of_the_target_lead_to_its_file(home, monkeypatch, target, variable, value, name):
    monkeypatch.setenv(variable, str(home / value))
    cli.main(["install", target])
    assert [path for path in home.rglob("*") if path.is_file()] == [home / name]


@pytest.mark.parametrize(
    ("present", "chosen"),
    [
        ([], ".tmux.conf"),
        ([".config/tmux/tmux.conf"], ".config/tmux/tmux.conf"),
        ([".config/tmux/tmux.conf", ".tmux.conf"], ".tmux.conf"),
    ],
)
def test_tmux_gets_the_file_it_reads(home, present, chosen):
    for name in present:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"")
    cli.main(["install", "tmux"])
    assert [name for name in {*present, chosen} if (home / name).read_bytes()] == [chosen]


@pytest.mark.parametrize(
    ("platform", "present", "chosen"),
    [
        ("darwin", [".bash_profile"], ".bash_profile"),
        ("darwin", [".bash_profile", ".bashrc"], ".bashrc"),
        ("darwin", [], ".bashrc"),
        ("linux", [".bash_profile"], ".bashrc"),
    ],
)
def test_bash_on_macos_reads_its_profile(home, monkeypatch, platform, present, chosen):
    monkeypatch.setattr(sys, "platform", platform)
    for name in present:
        (home / name).write_bytes(b"")
    cli.main(["install", "bash"])
    assert [path.name for path in home.iterdir() if path.read_bytes()] == [chosen]


def test_a_named_file_has_its_own_backup_and_is_found_again(home, capsys):
    usual, other = write(home, "claude-code", '{"a": 1}'), home / "other settings.json"
    other.write_text('{"b": 2}')
    cli.main(["install", "claude-code", "--file", str(other)])
    capsys.readouterr()
    cli.main(["uninstall", "claude-code"])
    assert capsys.readouterr().out == (
        f"claude-code: vibeusage is not in {usual}; nothing was changed\n"
        f"  it is in another file: vibeusage uninstall claude-code --file '{other}'\n"
    )
    cli.main(["uninstall", "claude-code", "--file", str(other)])
    assert (usual.read_text(), other.read_text()) == ('{"a": 1}', '{"b": 2}')


# --- status lines

OURS = {
    "claude-code": {"padding": 0, "refreshInterval": 30},
    "copilot": {"padding": 0, "refreshInterval": 30},
    "qwen": {"refreshInterval": 30, "respectUserColors": True},
    "cursor": {"padding": 0},
    "agy": {"enabled": True},
}


def status_line(file, target):
    document = json.loads(file.read_text())
    return document["ui"]["statusLine"] if target == "qwen" else document["statusLine"]


@pytest.mark.parametrize("target", OURS)
def test_ours_is_the_absolute_path_with_what_the_assistant_needs(home, tmp_path, target):
    file = write(home, target, '{"a": 1, "ui": {"b": 2}}')
    cli.main(["install", target])
    command = f"{tmp_path}/bin/vibeusage line {target}"
    assert status_line(file, target) == {"type": "command", "command": command, **OURS[target]}


def test_another_status_line_is_kept_behind_harvest_and_only_its_command_changes(home, tmp_path):
    file = write(home, "claude-code", FOREIGN)
    cli.main(["install", "claude-code"])
    chained = f"{tmp_path}/bin/vibeusage harvest | sh -c '~/my line.sh'"
    assert file.read_text() == FOREIGN.replace("~/my line.sh", chained)


@pytest.mark.parametrize(
    "command",
    [
        """printf '%s|' "$(cat)"; echo "it's $HOME" # ünï""",
        """jq -r '.a' 2>/dev/null || { read -r line; echo "got $line"; }""",
        "cat\nprintf 'two lines'",
    ],
)
@pytest.mark.parametrize("folder", ["bin", "it's a $bin; #1"])
def test_a_chained_command_really_runs_as_before(home, tmp_path, monkeypatch, command, folder):
    def shell(text):
        done = subprocess.run(["sh", "-c", text], input=b'{"a": 1}\n', capture_output=True, check=False)
        return done.stdout, done.returncode

    use_program(monkeypatch, tmp_path / folder)
    file = write(home, "claude-code", json.dumps({"statusLine": {"type": "command", "command": command}}))
    before = file.read_bytes()
    cli.main(["install", "claude-code"])
    assert shell(status_line(file, "claude-code")["command"]) == shell(command)
    assert (home / "harvested").read_bytes() == b'{"a": 1}\n'
    cli.main(["uninstall", "claude-code"])
    assert file.read_bytes() == before


def test_a_chain_in_an_edited_file_gives_back_the_command_as_it_was_written(home):
    file = write(home, "claude-code", FOREIGN.replace("~/my", "~\\/\\u006dy"))
    cli.main(["install", "claude-code"])
    file.write_text(file.read_text().replace('"padding": 3', '"padding": 1'))
    cli.main(["uninstall", "claude-code"])
    assert file.read_text() == FOREIGN.replace("~/my", "~\\/\\u006dy").replace('"padding": 3', '"padding": 1')


@pytest.mark.parametrize("tail", ["ccstatusline", "sh -c 'a b' | tee x"])
def test_a_chain_written_by_hand_is_ours_and_is_taken_apart(home, tail):
    file = write(
        home,
        "claude-code",
        json.dumps({"statusLine": {"type": "command", "command": f"vibeusage harvest | {tail}"}}),
    )
    cli.main(["install", "claude-code"])
    assert status_line(file, "claude-code")["command"].endswith(f"/bin/vibeusage harvest | {tail}")
    cli.main(["uninstall", "claude-code"])
    assert status_line(file, "claude-code")["command"] == tail


@pytest.mark.parametrize("target", ASSISTANTS)
def test_replace_puts_ours_in_its_place_until_uninstall(home, tmp_path, target):
    foreign = f'{{"ui": {FOREIGN}}}' if target == "qwen" else FOREIGN
    file = write(home, target, foreign)
    assert cli.main(["install", target, "--replace"]) == 0
    command = f"{tmp_path}/bin/vibeusage line {target}"
    assert status_line(file, target) == {"type": "command", "command": command, **OURS[target]}
    assert not changes(file, lambda: cli.main(["install", target, "--replace"]))
    file.write_text(file.read_text().replace("opus", "sonnet"))
    cli.main(["uninstall", target])
    assert file.read_text() == foreign.replace("opus", "sonnet")


def test_replace_puts_ours_in_the_place_of_a_chain_too(home, tmp_path):
    file = write(home, "claude-code", FOREIGN)
    cli.main(["install", "claude-code"])
    cli.main(["install", "claude-code", "--replace"])
    assert status_line(file, "claude-code")["command"] == f"{tmp_path}/bin/vibeusage line claude-code"
    cli.main(["uninstall", "claude-code"])
    assert file.read_text() == FOREIGN


@pytest.mark.parametrize(
    ("target", "data"),
    [
        *((target, FOREIGN) for target in ASSISTANTS if target not in ("claude-code", "qwen")),
        ("qwen", f'{{"ui": {FOREIGN}}}'),
        ("claude-code", '{"statusLine": {"type": "preset"}}'),
        ("claude-code", '{"statusLine": {"command": "no type"}}'),
        ("claude-code", '{"statusLine": "text"}'),
    ],
)
def test_a_status_line_that_cannot_be_kept_is_left_alone(home, capsys, target, data):
    file = write(home, target, data)
    assert cli.main(["install", target]) == 4
    assert file.read_text() == data
    assert f"install {target} --replace" in capsys.readouterr().err


@pytest.mark.parametrize("empty", ["null", "{}"])
def test_an_empty_status_line_is_filled_and_emptied_again(home, empty):
    file = write(home, "copilot", f'{{"statusLine": {empty}, "a": 1}}')
    cli.main(["install", "copilot"])
    assert status_line(file, "copilot")["type"] == "command"
    file.write_text(file.read_text() + "\n")
    cli.main(["uninstall", "copilot"])
    assert file.read_text() == f'{{"statusLine": {empty}, "a": 1}}\n'


def test_what_the_user_set_on_our_line_stays_when_the_path_is_renewed(home, tmp_path, monkeypatch):
    file = write(home, "claude-code", "")
    cli.main(["install", "claude-code"])
    file.write_text(file.read_text().replace("line claude-code", "line claude-code --provider claude"))
    use_program(monkeypatch, tmp_path / "new")
    cli.main(["install", "claude-code"])
    assert status_line(file, "claude-code")["command"] == f"{tmp_path}/new/vibeusage line claude-code --provider claude"


def test_a_status_line_set_since_then_is_not_ours_to_remove(home, capsys):
    file = write(home, "claude-code", "{}")
    cli.main(["install", "claude-code"])
    file.write_text(FOREIGN)
    assert cli.main(["uninstall", "claude-code"]) == 0
    assert file.read_text() == FOREIGN
    assert "nothing was changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ('{"a": 1,}', f"line 1, column {8 if sys.version_info >= (3, 13) else 9}"),  # the comma, or what follows
        ("// mine\n{}", "line 1, column 1"),
        ("[]", "not a JSON object"),
        ('{"statusLine": 1, "statusLine": 2}', "2 times"),
    ],
)
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_document_that_is_no_json_object_is_left_alone(home, capsys, data, place, command):
    file = write(home, "claude-code", data)
    assert cli.main([command, "claude-code"]) == 4
    assert file.read_text() == data
    error = capsys.readouterr().err
    assert str(file) in error
    assert place in error


@pytest.mark.parametrize(
    ("target", "data", "note"),
    [
        ("claude-code", '{"disableAllHooks": true}', "note: disableAllHooks is true"),
        ("copilot", '{"footer": {"showCustom": false}}', "note: footer.showCustom is false"),
        ("copilot", '{"footer": null}', ""),
        (
            "starship",
            'format = "$directory"',
            "note: your `format` does not place it: add ${custom.vibeusage}",
        ),
        ("starship", 'format = "$directory$custom"', ""),
        ("starship", 'format = "a"\nright_format = "${custom.vibeusage}"', ""),
        ("starship", "add_newline = true", ""),
    ],
)
def test_a_setting_that_hides_the_segment_is_told(home, capsys, target, data, note):
    write(home, target, data)
    cli.main(["install", target])
    error = capsys.readouterr().err
    assert error.startswith(note) if note else error == ""


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ("/a/vibeusage line claude-code", ("/a/vibeusage", " line claude-code")),
        ("'/a b/vibeusage' harvest | x", ("'/a b/vibeusage'", " harvest | x")),
        ("/a/vibeusage-line tmux", ("/a/vibeusage-line", " tmux")),
        ("C:/bin/vibeusage.exe line agy", ("C:/bin/vibeusage.exe", " line agy")),
        ("vibeusage report", None),
        ("/a/vibeusage2 line", None),
        ("echo vibeusage line", None),
        ("'", None),
        ("", None),
        (None, None),
    ],
)
def test_a_command_is_ours_by_its_program_and_verb(command, parts):
    assert split_command(command) == parts


@pytest.mark.parametrize(
    ("rest", "command"),
    [
        (" harvest | sh -c 'a b'", "a b"),
        (" harvest | a 'b", "a 'b"),
        (" line claude-code", None),
        (" harvest", None),
    ],
)
def test_the_command_behind_harvest_is_found(rest, command):
    assert unchained(rest) == command


# --- tmux and starship


@pytest.mark.parametrize("target", ["tmux", "starship"])
def test_the_launcher_is_used_where_it_is_installed(home, tmp_path, monkeypatch, target):
    use_program(monkeypatch, tmp_path / "bin", launcher=True)
    cli.main(["install", target])
    assert f"{tmp_path}/bin/vibeusage-line {target}" in (home / FILES[target]).read_text()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("[custom.vibeusage]\ncommand = 'mine'\n", "[custom.vibeusage] is there already"),
        ("custom = { mine = { command = 'x' } }\n", "no room for a [custom.vibeusage] table"),
        ("format = \n", "not valid TOML"),
    ],
)
def test_a_starship_file_without_room_for_ours_is_left_alone(home, capsys, data, fault):
    file = write(home, "starship", data)
    assert cli.main(["install", "starship"]) == 4
    assert file.read_text() == data
    assert fault in capsys.readouterr().err


def test_the_starship_table_is_what_starship_wants(home, tmp_path, monkeypatch):
    use_program(monkeypatch, tmp_path / 'a "b"')
    file = write(home, "starship", "[aws]\ndisabled = true")
    cli.main(["install", "starship"])
    assert tomllib.loads(file.read_text()) == {
        "aws": {"disabled": True},
        "custom": {
            "vibeusage": {
                "command": f"'{tmp_path}/a \"b\"/vibeusage' line starship",
                "when": True,
                "shell": ["sh"],
                "format": "([$output]($style) )",
                "style": "",
            }
        },
    }


def test_real_starship_shows_the_output(home, tmp_path, monkeypatch):
    starship = real("starship", Path(sys.executable).with_name("starship"))
    use_program(monkeypatch, tmp_path / "a 'b\" $c", launcher=True)
    cli.main(["install", "starship"])
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TERM": "xterm-256color",
        "STARSHIP_SHELL": "sh",
    }
    done = subprocess.run(
        [starship, "module", "custom.vibeusage"], env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("launched starship ", "")


@pytest.fixture
def tmux(home, tmp_path_factory):
    """Runs real tmux on its own sockets with the home's configuration; ends the servers it started."""
    program = real("tmux")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMUX_TMPDIR": str(tmp_path_factory.mktemp("t")),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
    }

    def run(server, *words, config="/dev/null"):
        command = [program, "-L", server, "-f", str(config), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout

    yield run
    for server in ("inner", "outer"):
        subprocess.run([program, "-L", server, "kill-server"], env=environment, capture_output=True, check=False)


SHOW = ("start-server", ";", "show-option", "-gv")


@pytest.mark.parametrize(
    ("data", "length", "interval"),
    [
        ("", "120", "15"),
        ("set -g status-right-length 200\nset -g status-interval 0\n", "200", "15"),
        ("set -g status-right-length 50\nset -g status-interval 3\n", "120", "3"),
    ],
)
def test_real_tmux_keeps_what_the_user_set_and_makes_room(home, tmp_path, tmux, data, length, interval):
    file = write(home, "tmux", data + 'set -g status-right "mine %H"\n')
    cli.main(["install", "tmux"])
    names = ("status-right", "status-right-length", "status-interval")
    shown = [tmux(name, *SHOW, name, config=file) for name in names]  # a server each: the last may still be ending
    assert shown == [f"mine %H #({tmp_path}/bin/vibeusage line tmux)\n", f"{length}\n", f"{interval}\n"]


def test_real_tmux_has_it_once_however_often_the_file_is_read(home, tmp_path, tmux):
    file = write(home, "tmux", "")
    cli.main(["install", "tmux"])
    again = (
        "start-server",
        ";",
        "source-file",
        str(file),
        ";",
        "source-file",
        str(file),
        ";",
        "show-option",
        "-gv",
    )
    once = tmux("a", *SHOW, "status-right", config=file)
    assert once.endswith(f" #({tmp_path}/bin/vibeusage line tmux)\n")
    assert tmux("b", *again, "status-right", config=file) == once


def test_real_tmux_runs_the_launcher_from_any_path(home, tmp_path, monkeypatch, tmux):
    use_program(monkeypatch, tmp_path / "a 'b\" #c %d $e #{f} (g)", launcher=True)
    file = write(home, "tmux", "set -g status-right X\nset -g status-interval 1\n")
    cli.main(["install", "tmux"])
    tmux("inner", "new-session", "-d", "-x", "80", "-y", "5", "cat", config=file)
    attach = shlex.join(["tmux", "-L", "inner", "attach"])
    tmux("outer", "new-session", "-d", "-x", "80", "-y", "6", f"TMUX= {attach}; cat")
    deadline = time.monotonic() + 15
    screen = ""
    while "launched tmux" not in screen and time.monotonic() < deadline:
        time.sleep(0.1)
        screen = tmux("outer", "capture-pane", "-p")
    assert screen.rstrip().endswith("X launched tmux")


def test_tmux_lines_stay_readable_for_a_plain_path():
    assert tmux_lines("/opt/bin/vibeusage-line tmux")[0] == (
        "if-shell -F '#{?#{m:*vibeusage*line*tmux*,#{status-right}},0,1}'"
        " 'set-option -ga status-right \" #(/opt/bin/vibeusage-line tmux)\"'"
    )
