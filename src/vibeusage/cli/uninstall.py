"""Take vibeusage out of another program's configuration again.

A file that nobody touched since gets its first bytes back; in one that was edited, only ours goes.
"""

import argparse
import json
import os
import re
import shlex
import sys
from functools import partial
from pathlib import Path, PurePosixPath

from vibeusage import edits, paths, timers
from vibeusage.cli.init import SHELLS
from vibeusage.errors import ConfigError

ASSISTANTS = ("claude-code", "copilot", "qwen", "cursor", "agy")
TARGETS = (*SHELLS, "tmux", "starship", *ASSISTANTS)
BARS = ("waybar", "polybar", "i3blocks", "sketchybar", "screen", "zellij", "zjstatus", "swiftbar", "xbar")
RESULTS = {
    "restored": "{target}: {file} is again what it was, to the byte",
    "removed": "{target}: {file} is removed, it was not there before",
    "edited": "{target}: ours is out of {file}; what was changed since then stays",
    "absent": "{target}: vibeusage is not in {file}; nothing was changed",
}
RUNNING_TMUX = "  next: restart tmux, or run: tmux set-option -gu status-right"
_WORD = re.compile(r"""\s*((?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+)(.*)""", re.S)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=", ".join((*TARGETS, *timers.TARGETS)))
    parser.add_argument("--file", metavar="PATH", help="the file that was named when installing")


def run(args: argparse.Namespace) -> int:
    if args.target in timers.TARGETS:
        return _run_timer(args)
    file = find_file(args.target, args.file)
    outcome = edits.revert(args.target, file, take=take_for(args.target))
    print(RESULTS[outcome].format(target=args.target, file=file))
    if outcome == "absent":
        for other in edits.recorded(args.target):
            print(f"  it is in another file: vibeusage uninstall {args.target} --file {shlex.quote(other)}")
    elif args.target == "tmux":
        print(RUNNING_TMUX + (f" \\; source-file {shlex.quote(str(file))}" if file.exists() else ""))
    return 0


def _run_timer(args: argparse.Namespace) -> int:
    refuse_file(args)
    done = timers.uninstall(args.target)
    for outcome, place in done.outcomes:
        print(RESULTS[outcome].format(target=args.target, file=place))
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


# --- which file


def refuse_file(args: argparse.Namespace) -> None:
    if args.file:
        raise ConfigError(f"{args.target} has one place only", hint="leave --file out")


def find_file(target: str, chosen: str | None) -> Path:
    """The file that `target` reads, or the chosen one; ConfigError for a target we cannot edit."""
    if target in BARS:
        raise ConfigError(
            f"the configuration of {target} cannot be edited safely",
            hint='copy the snippet for it from the section "Bars" of the README',
        )
    if target not in TARGETS:
        choice = ", ".join((*TARGETS, *timers.TARGETS))
        raise ConfigError(f"{target!r} is not a target", hint=f"choose one of: {choice}")
    return Path(chosen).expanduser().absolute() if chosen else _usual_file(target)


def _usual_file(target: str) -> Path:
    home = Path.home()
    match target:
        case "zsh":
            return _folder("ZDOTDIR", home) / ".zshrc"
        case "bash":
            rc, profile = home / ".bashrc", home / ".bash_profile"
            return profile if sys.platform == "darwin" and profile.exists() and not rc.exists() else rc
        case "fish":
            return _xdg_config() / "fish" / "conf.d" / "vibeusage.fish"
        case "tmux":
            places = (home / ".tmux.conf", _xdg_config() / "tmux" / "tmux.conf")
            return next((place for place in places if place.exists()), places[0])
        case "starship":
            return _folder("STARSHIP_CONFIG", _xdg_config() / "starship.toml")
        case "claude-code":
            return paths.claude_config_dir() / "settings.json"
        case "copilot":
            return _folder("COPILOT_HOME", home / ".copilot") / "settings.json"
        case "qwen":
            return home / ".qwen" / "settings.json"
        case "cursor":
            return home / ".cursor" / "cli-config.json"
        case _:
            return home / ".gemini" / "antigravity-cli" / "settings.json"


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()


def _xdg_config() -> Path:
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return base if base.is_absolute() else Path.home() / ".config"


# --- how it comes out


def key_path(target: str) -> tuple[str, ...]:
    return ("ui", "statusLine") if target == "qwen" else ("statusLine",)


def take_for(target: str) -> edits.Take:
    if target in ASSISTANTS:
        return partial(take_status_line, path=key_path(target))
    return lambda data, _original: edits.take_block(data)


def take_status_line(data: bytes, original: bytes | None, *, path: tuple[str, ...]) -> bytes:
    """The status line as it was before ours; one that is not ours stays."""
    ours = split_command(_command(data, path))
    if ours is None:
        return data
    was = original or b""
    if (previous := unchained(ours[1])) is not None:
        same = _command(was, path) == previous
        raw = edits.find_member(was, (*path, "command")) if same else None
        return edits.put_text(data, (*path, "command"), raw or json.dumps(previous, ensure_ascii=False))
    raw = edits.find_member(was, path)
    if raw and not split_command(_command(was, path)):
        return edits.put_text(data, path, raw)
    data = edits.drop_member(data, path)
    outer = path[:-1]
    emptied = outer and edits.find_member(data, outer) == "{}" and edits.find_member(was, outer) is None
    return edits.drop_member(data, outer) if emptied else data


def split_command(command: object) -> tuple[str, str] | None:
    """A command that begins with us, as the word for the program and the rest; else None."""
    match = _WORD.fullmatch(command) if isinstance(command, str) else None
    try:
        words = shlex.split(match[1]) if match else []
    except ValueError:
        words = []
    if match is None or not words:
        return None
    name = PurePosixPath(words[0].replace("\\", "/")).stem
    ours = name == "vibeusage" and match[2].split()[:1] in (["line"], ["harvest"])
    return (match[1], match[2]) if ours or name == "vibeusage-line" else None


def unchained(rest: str) -> str | None:
    """The command that stands behind `harvest`, or None if `rest` is not such a chain."""
    head, bar, tail = rest.partition("|")
    if not bar or head.split()[:1] != ["harvest"]:
        return None
    try:
        words = shlex.split(tail)
    except ValueError:
        words = []
    return words[2] if words[:2] == ["sh", "-c"] and len(words) == 3 else tail.strip()


def _command(data: bytes, path: tuple[str, ...]) -> object:
    raw = edits.find_member(data, path)
    value = json.loads(raw) if raw else None
    return value.get("command") if isinstance(value, dict) else None
