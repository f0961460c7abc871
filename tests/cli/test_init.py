import shutil
import subprocess
import sys

import pytest
from real import unavailable

from vibeusage import cli, paths
from vibeusage.cli.init import find_program, quote_fish
from vibeusage.errors import ConfigError

SHELLS = ("zsh", "bash", "fish")
SHOW = {
    "zsh": 'print -r -- "loaded ${VIBEUSAGE_COMMAND-unset} $(env | grep -c VIBEUSAGE_COMMAND)"\n',
    "bash": 'echo "loaded ${VIBEUSAGE_COMMAND-unset} $(env | grep -c VIBEUSAGE_COMMAND)"\n',
    "fish": "set -q VIBEUSAGE_COMMAND; or set VIBEUSAGE_COMMAND unset\n"
    'echo "loaded $VIBEUSAGE_COMMAND "(env | grep -c VIBEUSAGE_COMMAND)\n',
}
LOAD = {
    "zsh": ["zsh", "-f", "-o", "err_exit", "-o", "no_unset", "-o", "warn_create_global", "-c"],
    "bash": ["bash", "--norc", "-e", "-u", "-o", "pipefail", "-c"],
    "fish": ["fish", "--no-config", "-c"],
}


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """An installed program and scripts, in folders whose names need quotes in every shell."""
    folder, program = tmp_path / "it's \\a $HOME `b`", tmp_path / "bin's $x" / "vibeusage"
    folder.mkdir()
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for shell, text in SHOW.items():
        (folder / f"vibeusage.{shell}").write_text(text)
    monkeypatch.setattr(paths, "shell_dir", lambda: folder)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def source(shell, text, tmp_path, **environment):
    if not shutil.which(shell):
        unavailable(f"{shell} is not installed")
    wrapped = {
        "zsh": 'f() { eval "$(<lines)"; }; f',
        "bash": 'f() { eval "$(<lines)"; }; f',
        "fish": "cat lines | source",
    }
    (tmp_path / "lines").write_text(text)
    done = subprocess.run(
        [*LOAD[shell], wrapped[shell]],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def init(shell, capsys):
    assert cli.main(["init", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_loaded_and_the_program_off_the_path_is_named(scripts, tmp_path, capsys, shell):
    assert source(shell, init(shell, capsys), tmp_path) == f"loaded {sys.argv[0]} 0\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_on_the_path_is_left_to_the_path(scripts, tmp_path, capsys, shell):
    path = f"{tmp_path}/bin's $x:/usr/bin:/bin"
    assert source(shell, init(shell, capsys), tmp_path, PATH=path) == "loaded unset 0\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_the_user_chose_is_kept(scripts, tmp_path, capsys, shell):
    assert source(shell, init(shell, capsys), tmp_path, VIBEUSAGE_COMMAND="/mine") == "loaded /mine 1\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_that_has_gone_since_then_is_passed_over_in_silence(scripts, tmp_path, capsys, shell):
    lines = init(shell, capsys)
    (scripts / f"vibeusage.{shell}").unlink()
    assert source(shell, lines, tmp_path) == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_missing_script_is_an_error_and_prints_no_line(scripts, capsys, shell):
    (scripts / f"vibeusage.{shell}").unlink()
    assert cli.main(["init", shell]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "is missing\n  install vibeusage again" in err


def test_an_unknown_shell_is_bad_usage(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["init", "tcsh"])
    assert exit_.value.code == 4


def test_help_tells_where_the_line_goes(capsys):
    with pytest.raises(SystemExit):
        cli.main(["init", "--help"])
    out = capsys.readouterr().out
    assert 'zsh   ~/.zshrc                     eval "$(vibeusage init zsh)"' in out
    assert "fish  ~/.config/fish/config.fish   vibeusage init fish | source" in out


@pytest.mark.parametrize(
    ("text", "quoted"), [("a b", "'a b'"), ("it's", "'it\\'s'"), ("a\\b", "'a\\\\b'"), ("$x", "'$x'")]
)
def test_fish_gets_its_own_quotes(text, quoted):
    assert quote_fish(text) == quoted


def make(path, mode=0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_the_program_is_found_under_its_stable_name(tmp_path, monkeypatch):
    real, link = make(tmp_path / "tools" / "vibeusage"), tmp_path / "bin" / "vibeusage"
    link.parent.mkdir()
    link.symlink_to(real)
    monkeypatch.chdir(link.parent)
    monkeypatch.setattr(sys, "argv", ["./vibeusage"])
    assert find_program() == link


@pytest.mark.parametrize(
    ("started_as", "found"),
    [
        pytest.param("src/vibeusage/__main__.py", "venv/bin/vibeusage", id="python -m"),
        pytest.param("gone/vibeusage", "venv/bin/vibeusage", id="no such file"),
        pytest.param("plain/vibeusage", "venv/bin/vibeusage", id="not executable"),
        pytest.param("uv/archive-v0/x1/bin/vibeusage", "venv/bin/vibeusage", id="uvx"),
        pytest.param(".cache/pipx/x1/bin/vibeusage", "venv/bin/vibeusage", id="pipx run"),
        pytest.param("own/vibeusage", "own/vibeusage", id="installed"),
    ],
)
def test_what_will_not_be_there_tomorrow_is_not_the_program(tmp_path, monkeypatch, started_as, found):
    for name in ("src/vibeusage/__main__.py", "venv/bin/vibeusage", started_as):
        if not name.startswith("gone"):
            make(tmp_path / name, mode=0o644 if name.startswith("plain") else 0o755)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / started_as)])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python"))
    assert find_program() == tmp_path / found


def test_path_is_searched_last_and_finding_nothing_is_an_error_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["-c"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ConfigError) as error:
        find_program()
    assert error.value.hint == "install it for good, for example: uv tool install vibeusage"
    assert make(tmp_path / "bin" / "vibeusage") == find_program()
