"""Print the lines for a shell's rc file: they load the script that shows the usage in the prompt."""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from vibeusage import paths
from vibeusage.errors import ConfigError, VibeusageError

SHELLS = ("zsh", "bash", "fish")
WHERE = """\
where the line goes:
  zsh   ~/.zshrc                     eval "$(vibeusage init zsh)"
  bash  ~/.bashrc                    eval "$(vibeusage init bash)"
  fish  ~/.config/fish/config.fish   vibeusage init fish | source

`vibeusage install SHELL` writes the printed lines themselves, which spares the
start of a program in each new shell, and `vibeusage uninstall SHELL` takes them out.
"""
_POSIX = """\
if [[ -r {script} ]]; then
  [[ -n ${{VIBEUSAGE_COMMAND-}} ]] || {find} || {assign}VIBEUSAGE_COMMAND={program}
  builtin source {script}
fi"""
_FISH = """\
if test -r {script}
    set -q VIBEUSAGE_COMMAND; or command -sq vibeusage; or set -g VIBEUSAGE_COMMAND {program}
    source {script}
end"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="zsh, bash or fish")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = WHERE


def run(args: argparse.Namespace) -> int:
    print("\n".join(shell_lines(args.shell)))
    return 0


def shell_lines(shell: str) -> tuple[str, ...]:
    """Lines of `shell` that load our script if it is there; they print nothing and export nothing.

    VIBEUSAGE_COMMAND is set only where `vibeusage` is not on the PATH that the rc file ends up with.
    """
    script = paths.shell_dir() / f"vibeusage.{shell}"
    if not script.is_file():
        raise VibeusageError(f"{script} is missing", hint="install vibeusage again")
    quote = quote_fish if shell == "fish" else shlex.quote
    words = {"script": quote(script.as_posix()), "program": quote(find_program().as_posix())}
    match shell:
        case "fish":
            text = _FISH.format(**words)
        case "zsh":
            find, assign = "builtin whence -p vibeusage >/dev/null", "typeset -g "
            text = _POSIX.format(find=find, assign=assign, **words)
        case _:
            find = "builtin type -P vibeusage >/dev/null"
            text = _POSIX.format(find=find, assign="", **words)
    return tuple(text.splitlines())


def quote_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def find_program() -> Path:
    """The installed `vibeusage` under the name that outlives an upgrade: its last symlink is kept."""
    names = [sys.argv[0], str(Path(sys.executable).with_name("vibeusage")), shutil.which("vibeusage") or ""]
    for path in (Path(os.path.abspath(name)) for name in names if name):
        if path.stem == "vibeusage" and path.is_file() and os.access(path, os.X_OK) and not _is_passing(path):
            return path
    raise ConfigError(
        "no installed vibeusage was found, only what runs now",
        hint="install it for good, for example: uv tool install vibeusage",
    )


def _is_passing(path: Path) -> bool:
    """Whether it lies in the throw-away environment of `uvx` or `pipx run`."""
    return "archive-v0" in path.parts or {".cache", "pipx"} <= set(path.parts)
