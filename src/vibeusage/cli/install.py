"""Put vibeusage into another program's own configuration; the file as it was is kept.

Twice is once. `vibeusage uninstall TARGET` brings the first bytes back.
"""

import argparse
import json
import re
import shlex
import sys
import tomllib
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import tomli_w

from vibeusage import edits, timers
from vibeusage.cli.init import SHELLS, find_program, shell_lines
from vibeusage.cli.uninstall import TARGETS, find_file, key_path, refuse_file, split_command, take_for, unchained
from vibeusage.errors import ConfigError

STATUS_LINES = {
    "claude-code": {"padding": 0, "refreshInterval": 30},
    "copilot": {"padding": 0, "refreshInterval": 30},
    "qwen": {"refreshInterval": 30, "respectUserColors": True},
    "cursor": {"padding": 0},
    "agy": {"enabled": True},
}
NEXT = {
    "tmux": "restart tmux, or run: tmux source-file {file}",
    "starship": "nothing; the next prompt shows it",
    "claude-code": "nothing; running sessions take it up",
}
_PLACED = re.compile(r"\$(all|custom)\b|\$\{(all|custom|custom\.vibeusage)\}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="TARGET", help=", ".join((*TARGETS, *timers.TARGETS)))
    parser.add_argument("--replace", action="store_true", help="put ours in the place of another status line or unit")
    parser.add_argument("--file", metavar="PATH", help="change this file instead of the usual one")


def run(args: argparse.Namespace) -> int:
    if args.target in timers.TARGETS:
        return _run_timer(args)
    file = find_file(args.target, args.file)
    put = put_for(args.target, replace=args.replace)
    record = edits.apply(args.target, file, put=put, take=take_for(args.target), now=datetime.now(UTC))
    if record is None:
        print(f"{args.target}: vibeusage is already in {file}; nothing was changed")
    else:
        backup = edits.backup(args.target, Path(record.file)) if record.existed else "none, the file is new"
        text = NEXT.get(args.target, f"start {args.target} again")
        next_step = text.format(file=shlex.quote(str(file)))
        print(f"{args.target}: vibeusage is now in {file}\n  backup: {backup}\n  next: {next_step}")
    for note in find_notes(args.target, file.read_bytes()):
        print(f"note: {note}", file=sys.stderr)
    return 0


def _run_timer(args: argparse.Namespace) -> int:
    refuse_file(args)
    done = timers.install(args.target, find_program(), replace=args.replace, now=datetime.now(UTC))
    if done.records:
        kept = [str(edits.backup(args.target, Path(record.file))) for record in done.records if record.existed]
        backup = ", ".join(kept) or "none, nothing was there before"
        print(f"{args.target}: vibeusage is now in {done.place}\n  backup: {backup}\n  next: {done.next_step}")
    else:
        print(f"{args.target}: vibeusage is already in {done.place}; nothing was changed\n  next: {done.next_step}")
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


# --- what goes in


def put_for(target: str, *, replace: bool) -> edits.Put:
    if target in SHELLS:
        return partial(edits.put_block, lines=shell_lines(target))
    if target == "tmux":
        return partial(edits.put_block, lines=tmux_lines(line_command("tmux")))
    if target == "starship":
        return partial(put_starship, command=line_command("starship"))
    return partial(put_status_line, target=target, program=_quoted(find_program()), replace=replace)


def line_command(target: str) -> str:
    """The shell command that prints the segment; the launcher answers without starting Python."""
    program = find_program()
    launcher = program.with_name("vibeusage-line")
    return f"{_quoted(launcher)} {target}" if launcher.is_file() else f"{_quoted(program)} line {target}"


def _quoted(program: Path) -> str:
    return shlex.quote(program.as_posix())


def tmux_lines(command: str) -> tuple[str, ...]:
    """Appends the segment unless `status-right` has it, as it does when the file is read once more.

    tmux runs strftime over the text of an option, and then expands `#`: both are doubled.
    """
    literal = command.replace("#", "##").replace("%", "%%")
    text = re.sub(r'([\\"$])', r"\\\1", f" #({literal})")
    append = f'set-option -ga status-right "{text}"'.replace("'", "'\"'\"'")
    return (
        f"if-shell -F '#{{?#{{m:*vibeusage*line*tmux*,#{{status-right}}}},0,1}}' '{append}'",
        "if-shell -F '#{e|<:#{status-right-length},120}' 'set-option -g status-right-length 120'",
        "if-shell -F '#{==:#{status-interval},0}' 'set-option -g status-interval 15'",
    )


def put_starship(data: bytes, *, command: str) -> bytes:
    custom = _toml(edits.take_block(data), "not valid TOML").get("custom", {})
    if "vibeusage" in custom:
        raise ConfigError("[custom.vibeusage] is there already", hint="remove that table and try again")
    lines = (
        "[custom.vibeusage]",
        tomli_w.dumps({"command": command}).strip(),
        "when = true",
        'shell = ["sh"]',
        'format = "([$output]($style) )"',
        'style = ""',
    )
    result = edits.put_block(data, lines)
    _toml(result, "no room for a [custom.vibeusage] table")
    return result


def _toml(data: bytes, fault: str) -> dict:
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{fault}: {exc}", hint="correct that place and try again") from exc


# --- the status line of an assistant


def put_status_line(data: bytes, *, target: str, program: str, replace: bool) -> bytes:
    """Ours in an empty place, before Claude Code's own line, or instead of any line with `replace`."""
    path = key_path(target)
    value = {"type": "command", "command": f"{program} line {target}", **STATUS_LINES[target]}
    raw = edits.find_member(data, path)
    old = json.loads(raw) if raw else None
    if not old:
        return edits.put_member(data, path, value)
    command = old.get("command") if isinstance(old, dict) and old.get("type") == "command" else None
    ours = split_command(command)
    if ours and not (replace and unchained(ours[1]) is not None):
        return data if ours[0] == program else edits.put_member(data, (*path, "command"), program + ours[1])
    if replace:
        return edits.put_member(data, path, value)
    if command and target == "claude-code":
        chained = f"{program} harvest | sh -c {shlex.quote(command)}"
        return edits.put_member(data, (*path, "command"), chained)
    raise ConfigError(
        f"{'.'.join(path)} is set already",
        hint=f"to put ours in its place: vibeusage install {target} --replace",
    )


# --- what the user should know besides


def find_notes(target: str, data: bytes) -> list[str]:
    """Settings in the changed file that keep the segment from being shown."""
    if target == "starship":
        table = _toml(data, "not valid TOML")
        texts = [table.get(key) for key in ("format", "right_format")]
        if isinstance(texts[0], str) and not any(_PLACED.search(str(text)) for text in texts):
            return ["your `format` does not place it: add ${custom.vibeusage} to format or right_format"]
    settings = json.loads(data.decode("utf-8-sig")) if target in STATUS_LINES else {}
    footer = settings.get("footer")
    if target == "claude-code" and settings.get("disableAllHooks") is True:
        return ["disableAllHooks is true, so Claude Code runs no status line"]
    if target == "copilot" and isinstance(footer, dict) and footer.get("showCustom") is False:
        return ["footer.showCustom is false, so Copilot shows no status line"]
    return []
