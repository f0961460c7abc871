"""Show, change or reset the settings in config.toml; without a subcommand: show."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from vibeusage import cache, config, paths
from vibeusage.errors import ConfigError
from vibeusage.toml_edit import dotted, literal

if TYPE_CHECKING:
    from vibeusage.redact import Redaction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    show = commands.add_parser("show", help="the settings in force, and which of them the file sets")
    path = commands.add_parser("path", help="our folders and the file of the settings")
    for one in (parser, show, path):
        one.add_argument("--json", "-j", action="store_true", default=argparse.SUPPRESS, help="print JSON")
        about = "labels for accounts, paths and hosts"
        one.add_argument("--redact", action="store_true", default=argparse.SUPPRESS, help=about)
    get = commands.add_parser("get", help="print one setting")
    get.add_argument("key", metavar="KEY", help="such as line.bar or providers.claude.enabled")
    change = commands.add_parser("set", help="write one setting, the rest of the file stays as it is")
    change.add_argument("key", metavar="KEY", help="such as line.bar, line.claude-code.bar, fetch.interval_s")
    change.add_argument("value", metavar="VALUE", help="a list: with commas, or as in TOML; rows: with semicolons")
    reset = commands.add_parser("reset", help="back to the default: one setting, a table, or all")
    reset.add_argument("key", metavar="KEY", nargs="?", help="without it: everything, keeping config.toml.bak")
    reset.add_argument("--yes", "-y", action="store_true", help="do not ask")
    commands.add_parser("edit", help="open the file in $VISUAL or $EDITOR and check it afterwards")


def run(args: argparse.Namespace) -> int:
    as_json, is_redacted = getattr(args, "json", False), getattr(args, "redact", False)
    match args.command:
        case "path":
            return _path(_redaction(is_asked=is_redacted), as_json=as_json)
        case "get":
            return _get(args.key)
        case "set":
            config.set_value(args.key, args.value)
            cache.compile_line()
            return 0
        case "reset":
            return _reset(args.key, sure=args.yes or args.key is not None)
        case "edit":
            return _edit()
        case _:
            return _show(_redaction(is_asked=is_redacted), as_json=as_json)


def _redaction(*, is_asked: bool) -> "Redaction":
    from vibeusage import redact  # reads every provider and snapshot where it is asked for

    return redact.if_asked(os.environ, is_asked=is_asked)


def _show(shown_as: "Redaction", *, as_json: bool) -> int:
    settings, document = config.load(), config.read()
    if name := shown_as.label("machine", settings.machines.name or ""):
        machines = msgspec.structs.replace(settings.machines, name=name)
        settings = msgspec.structs.replace(settings, machines=machines)
    if as_json:
        said = [shown_as.text(dotted(path)) for path, _ in _leaves((), document)]
        in_force = config.effective(settings)
        of_accounts = {shown_as.account(name): options for name, options in in_force["providers"].items()}
        _print_json({**shown_as.document({**in_force, "providers": of_accounts}), "from_file": said})
    else:
        where = paths.config_file()
        name = shown_as.text(str(where))
        print(f"# {name}" if where.exists() else f"# {name} is not there: all is default", end="\n\n")
        print("".join(map(shown_as.text, config.as_toml(settings, document).splitlines(keepends=True))), end="")
    return 0


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves((*path, name), inner)
    elif value is not None:
        yield path, value


def _path(shown_as: "Redaction", *, as_json: bool) -> int:
    places = {
        "config": paths.config_dir(),
        "cache": paths.cache_dir(),
        "data": paths.data_dir(),
        "file": paths.config_file(),
    }
    folders = {name: shown_as.text(str(path)) for name, path in places.items()}
    if as_json:
        _print_json(folders)
    else:
        print("\n".join(f"{name:6}  {path}" for name, path in folders.items()))
    return 0


def _print_json(value: dict) -> None:
    print(msgspec.json.format(msgspec.json.encode({"schema": 1, **value}), indent=2).decode())


def _get(key: str) -> int:
    value = config.get(key)
    if value is None:
        print(f"{key} is not set", file=sys.stderr)
    elif isinstance(value, dict):
        for path, inner in _leaves((), value):
            print(f"{dotted(path)} = {literal(inner)}")
    else:
        print(value if isinstance(value, str) else literal(value))
    return 0


def _reset(key: str | None, *, sure: bool) -> int:
    if not sure and not _agreed():
        print("nothing is changed", file=sys.stderr)
        return 1
    if not config.reset(key):
        print(f"{f'{key} was not' if key else 'nothing was'} set; nothing is changed", file=sys.stderr)
    elif key is None:
        print(
            f"all settings are at their defaults; {paths.config_file()}.bak keeps the old ones",
            file=sys.stderr,
        )
    cache.compile_line()
    return 0


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("`config reset` would reset every setting, and nobody is here to ask", hint="add --yes")
    print(f"Reset every setting in {paths.config_file()}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _edit() -> int:
    path = paths.config_file()
    if not path.exists():
        config.write(config.template().encode())
    argv = _editor()
    try:
        # the user's own editor, from the user's own environment
        code = subprocess.run([*argv, str(path)], check=False).returncode  # noqa: S603
    except OSError as exc:
        raise ConfigError(f"the editor {argv[0]} cannot be started: {exc.strerror}", hint="export EDITOR=nano") from exc
    cache.compile_line()  # before the check: with a mistake in the file, the line says so
    config.load()
    if code:
        print(f"vibeusage: the editor {argv[0]} ended with code {code}", file=sys.stderr)
    return 1 if code else 0


def _editor() -> list[str]:
    text = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if sys.platform == "win32" else "vi")
    try:
        argv = shlex.split(text)
    except ValueError as exc:
        raise ConfigError(f"VISUAL or EDITOR is {text!r}: {exc}", hint="export EDITOR=nano") from exc
    if not argv:
        raise ConfigError("VISUAL or EDITOR holds only blanks", hint="export EDITOR=nano")
    return argv
