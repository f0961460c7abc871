"""`vibeusage config`: what each subcommand prints, its exit code, and what it leaves on disk."""

import io
import os
import pty
import subprocess
import sys
import tomllib

import msgspec
import pytest

from vibeusage import cli, config


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The path of config.toml in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"VIBEUSAGE_{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    (tmp_path / "config").mkdir(mode=0o700)
    return tmp_path / "config" / "config.toml"


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Makes $EDITOR a program that appends a text to the file, with an argument of its own before it."""

    def make(text: str, code: int = 0) -> None:
        script = tmp_path / "my editor.py"
        append = f"with open(sys.argv[2], 'a') as file: file.write({text!r})"
        script.write_text(f"import sys\nassert sys.argv[1] == '--wait'\n{append}\nsys.exit({code})\n")
        monkeypatch.setenv("EDITOR", f"'{sys.executable}' '{script}' --wait")

    return make


@pytest.mark.parametrize("argv", [["config"], ["config", "show"]])
def test_show_tells_what_the_file_sets_and_what_is_default(argv, file, capsys):
    file.write_text("[line]\nbar = 5\n[providers.codex]\nenabled = false\n")
    assert cli.main(argv) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# {file}\n")
    assert tomllib.loads(out)["line"]["bar"] == 5
    assert "\nbar = 5\n" in out and '\n# show = "used"  # default' in out and "\nenabled = false\n" in out


def test_show_without_a_file_says_so(file, capsys):
    assert cli.main(["config"]) == 0
    assert capsys.readouterr().out.startswith(f"# {file} is not there: all is default\n")


@pytest.mark.parametrize("argv", [["config", "--json"], ["config", "show", "--json"]])
def test_show_as_json_has_every_value_in_force_and_its_origin(argv, file, capsys):
    file.write_text("[line]\nbar = 5\n[providers.'a@b.c']\nenabled = false\n")
    assert cli.main(argv) == 0
    shown = msgspec.json.decode(capsys.readouterr().out)
    assert shown == {
        "schema": 1,
        **config.effective(config.load()),
        "from_file": ["line.bar", 'providers."a@b.c".enabled'],
    }
    assert (shown["line"]["zsh"]["bar"], shown["line"]["zsh"]["reset"]) == (5, "clock")


def test_path_prints_folders_and_file(tmp_path, capsys):
    assert cli.main(["config", "path"]) == 0
    rows = dict(row.split(maxsplit=1) for row in capsys.readouterr().out.splitlines())
    places = {"config": "config", "cache": "cache", "data": "data", "file": "config/config.toml"}
    assert rows == {name: str(tmp_path / place) for name, place in places.items()}
    assert cli.main(["config", "path", "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out) == {"schema": 1, **rows}


@pytest.mark.parametrize(
    ("key", "value", "printed"),
    [
        ("line.bar", "5", "5\n"),
        ("line.separator", " / ", " / \n"),
        ("line.provider", "claude,codex", '["claude", "codex"]\n'),
        ("line.periods", "all", "all\n"),
        ("line.claude-code.lines", "model,context;cost", '[["model", "context"], ["cost"]]\n'),
        ("providers.claude.enabled", "false", "false\n"),
        ("fetch.timeout_s", "20", "20.0\n"),
    ],
)
def test_get_prints_what_set_wrote(key, value, printed, capsys):
    assert cli.main(["config", "set", key, value]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main(["config", "get", key]) == 0
    assert capsys.readouterr() == (printed, "")


def test_get_of_a_table_prints_its_keys_and_of_nothing_nothing(capsys):
    assert cli.main(["config", "get", "fetch"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "timeout_s = 15.0",
        "interval_s = 300",
        "stale_after_s = 3600",
        "idle_interval_s = 3600",
        "max_concurrent = 5",
    ]
    assert cli.main(["config", "get", "line.provider"]) == 0
    assert capsys.readouterr() == ("", "line.provider is not set\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["set", "line.bar", "wide"],
            'line.bar is "wide", not a whole number from 0 to 40\n  for example `vibeusage',
        ),
        (["set", "line.bra", "5"], "line.bra is not a setting\n  did you mean line.bar?"),
        (["get", "line.bra"], "did you mean line.bar?"),
        (["reset", "line.bra"], "did you mean line.bar?"),
        (["set", "line.bar"], "required: VALUE"),
        (["frobnicate"], "invalid choice"),
    ],
)
def test_bad_usage_says_what_to_type_and_exits_4(argv, said, file, capsys):
    try:
        code = cli.main(["config", *argv])
    except SystemExit as left:  # argparse leaves by itself
        code = left.code
    assert code == 4
    assert said in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.parametrize("argv", [[], ["show"], ["get", "line.bar"], ["set", "line.icons", "ascii"]])
def test_a_broken_file_exits_4_and_names_the_place(argv, file, capsys):
    file.write_text("[line]\nbar =\n")
    assert cli.main(["config", *argv]) == 4
    assert f"{file} is not TOML at line 2, column 6" in capsys.readouterr().err
    assert file.read_text() == "[line]\nbar =\n"


def test_reset_of_one_key_does_not_ask(file, capsys):
    file.write_text("[line]\nbar = 5\nshow = 'used'\n")
    assert cli.main(["config", "reset", "line.bar"]) == 0
    assert file.read_text() == "[line]\nshow = 'used'\n"
    assert cli.main(["config", "reset", "line.bar"]) == 0
    assert "line.bar was not set" in capsys.readouterr().err


def test_reset_of_all_without_a_terminal_needs_yes_and_keeps_a_copy(file, capsys, monkeypatch):
    file.write_text("[line]\nbar =\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert cli.main(["config", "reset"]) == 4
    assert "add --yes" in capsys.readouterr().err
    assert file.read_text() == "[line]\nbar =\n"
    assert cli.main(["config", "reset", "--yes"]) == 0
    assert (file.read_text(), file.with_name("config.toml.bak").read_text()) == ("", "[line]\nbar =\n")


@pytest.mark.parametrize(
    ("answer", "code", "left"), [(b"y\n", 0, ""), (b"n\n", 1, "[line]\n"), (b"\x04", 1, "[line]\n")]
)
def test_reset_of_all_asks_on_a_terminal(answer, code, left, file):
    file.write_text("[line]\n")
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-c",
        "import sys; from vibeusage.cli import main; sys.exit(main(['config', 'reset']))",
    ]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE, env=env)
    os.close(theirs)
    os.write(ours, answer)
    said = process.communicate(timeout=30)[1].decode()
    os.close(ours)
    assert f"Reset every setting in {file}? [y/N]" in said
    assert (process.returncode, file.read_text()) == (code, left)


def test_edit_starts_with_a_commented_file_and_the_line_sees_the_change(file, editor, tmp_path):
    editor("[line.tmux]\nbar = 7\n")
    assert cli.main(["config", "edit"]) == 0
    assert file.read_text() == config.template() + "[line.tmux]\nbar = 7\n"
    assert "set\ttmux\tbar\t7" in (tmp_path / "cache" / "line.tsv").read_text()


def test_edit_reports_a_mistake_and_keeps_the_text(file, editor, capsys):
    file.write_text("# mine\n")
    editor("[line]\nbar = 99\n")
    assert cli.main(["config", "edit"]) == 4
    assert f"{file}: line.bar is 99, not" in capsys.readouterr().err
    assert file.read_text() == "# mine\n[line]\nbar = 99\n"


def test_edit_tells_when_the_editor_failed(editor, capsys):
    editor("", code=3)
    assert cli.main(["config", "edit"]) == 1
    assert "ended with code 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("/nowhere/ed", "/nowhere/ed cannot be started"),
        ("'vi", "No closing quotation"),
        ("  ", "only blanks"),
    ],
)
def test_an_editor_that_cannot_be_started_is_named(value, said, monkeypatch, capsys):
    monkeypatch.setenv("VISUAL", value)
    assert cli.main(["config", "edit"]) == 4
    assert said in capsys.readouterr().err


def test_the_line_sees_a_setting_and_its_reset_at_once(file, tmp_path):
    line = tmp_path / "cache" / "line.tsv"
    assert cli.main(["config", "set", "line.tmux.bar", "7"]) == 0
    assert "set\ttmux\tbar\t7" in line.read_text()
    assert config.stamp() in line.read_text()
    assert cli.main(["config", "reset", "line.tmux.bar"]) == 0
    assert "bar" not in line.read_text()
