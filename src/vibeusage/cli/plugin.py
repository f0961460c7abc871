"""Plugins: list them, look at one, write, install, enable, disable or remove one; none runs without approval."""

import argparse
import os
import re
import sys
from pathlib import Path

import msgspec

from vibeusage import cache, files, gate, providers, vault
from vibeusage.cli import plugin_state
from vibeusage.cli.plugin_state import Row
from vibeusage.errors import ConfigError
from vibeusage.escape import clean
from vibeusage.plugins import approvals, manifest, sources, template
from vibeusage.plugins.sources import Found
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="list|info|install|enable|disable|remove|new")
    listed = actions.add_parser("list", help="all of them, also those that distributions offer (the default)")
    told = actions.add_parser("info", help="everything that is known of one, and what it may do")
    for one in (parser, listed, told):
        one.add_argument("--json", "-j", action="store_true", default=argparse.SUPPRESS, help="print as JSON")
    put = actions.add_parser("install", help="copy a file beside config.toml, once you approve of it")
    put.add_argument("path", metavar="PATH", help="a Python file with a PLUGIN")
    enabled = actions.add_parser("enable", help="let it run; asks when it is not what was approved")
    for one in (put, enabled):
        one.add_argument("--yes", "-y", action="store_true", help="approve without being asked")
    off = actions.add_parser("disable", help="never run it; its numbers and records stay")
    gone = actions.add_parser("remove", help="take it away, with its key and its numbers; records stay")
    for one in (told, enabled, off, gone):
        one.add_argument("plugin", metavar="ID")
    new = actions.add_parser("new", help="write one to begin with, NAME.py in this folder")
    new.add_argument("name", metavar="NAME", help="its id, such as acme")
    new.add_argument("--reader", action="store_true", help="one that reads logs, not one that asks for quotas")


def run(args: argparse.Namespace) -> int:
    as_json = getattr(args, "json", False)
    match args.action:
        case "info":
            return plugin_state.show(_row(args.plugin), as_json=as_json)
        case "install":
            return _install(Path(args.path), is_approved=args.yes)
        case "enable":
            return _enable(args.plugin, is_approved=args.yes)
        case "disable":
            return _disable(args.plugin)
        case "remove":
            return _remove(args.plugin)
        case "new":
            return _new(args.name, "reader" if args.reader else "provider")
        case _:
            return plugin_state.print_list(as_json=as_json)


def _row(plugin_id: str) -> Row:
    row = next((row for row in plugin_state.rows() if row.id == plugin_id), None)
    if row is None:
        raise ConfigError(f"{clean(plugin_id, 60)!r} is not a plugin", hint="`vibeusage plugin list` names them")
    return row


def _install(path: Path, *, is_approved: bool) -> int:
    source = files.read_linked(path.expanduser(), limit=manifest.SIZE_MOST)
    if source is None:
        raise ConfigError(f"{clean(str(path), 300)} cannot be read as a plugin", hint="it is one small Python file")
    found = sources.in_file(path, source)
    plugin_id = found.approval.id
    _check_id(plugin_id)
    before = approvals.load().get(plugin_id)
    if before and before.distribution:
        raise ConfigError(
            f"{plugin_id} is the plugin of {before.distribution}", hint=f"`vibeusage plugin remove {plugin_id}` first"
        )
    if not before or not sources.is_same(found.approval, before):
        _approve(found, before, is_approved=is_approved)
    files.write_private(sources.file_of(plugin_id), source)
    return _put_in(found)


def _enable(plugin_id: str, *, is_approved: bool) -> int:
    before = approvals.load().get(plugin_id)
    found = sources.current(before) if before else plugin_state.offered().get(plugin_id)
    if found is None:
        raise ConfigError(
            f"{clean(plugin_id, 60)!r} is not a plugin",
            hint="`vibeusage plugin list` names them, `install PATH` adds one",
        )
    if found.approval.id != plugin_id:
        raise ConfigError(f"the plugin in {found.path} is {found.approval.id} now", hint="install it anew")
    _check_id(plugin_id)
    if not before or not sources.is_same(found.approval, before):
        _approve(found, before, is_approved=is_approved)
    return _put_in(found)


def _check_id(plugin_id: str) -> None:
    """Raises ConfigError for a name that is taken."""
    from vibeusage.cli import COMMANDS
    from vibeusage.records import readers

    taken = {*providers.shipped(), *providers.own(), *(reader.id for reader in readers.shipped()), *COMMANDS}
    if plugin_id in taken:
        raise ConfigError(
            f"{plugin_id} is the name of something that vibeusage has already", hint="give the plugin another id"
        )


def _approve(found: Found, before: approvals.Approval | None, *, is_approved: bool) -> None:
    """Show what it is and what it will get. Raises ConfigError unless a person, or --yes, approves."""
    print("\n".join(plugin_state.lines(plugin_state.row_of(found, "not approved"))), file=sys.stderr)
    if before:
        print(f"before: {plain(sources.difference(found.approval, before))}", file=sys.stderr)
    if is_approved:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError("nobody is there to approve of the plugin", hint="read it, then say --yes")
    print(f"Run {found.approval.id} from now on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigError("the plugin was not approved, and nothing has changed")


def _put_in(found: Found) -> int:
    known = found.approval
    approvals.keep(known)
    gate.forget(known.id)
    cache.compile_line()
    then = f"vibeusage auth {known.id}" if known.manifest.login else f"vibeusage {known.id}"
    print(f"{known.id} is on; next: `{then if known.manifest.kind == 'provider' else 'vibeusage records sync'}`")
    return 0


def _disable(plugin_id: str) -> int:
    known = _approved(plugin_id)
    approvals.keep(msgspec.structs.replace(known, enabled=False))
    cache.compile_line()
    print(f"{plugin_id} is off; `vibeusage plugin enable {plugin_id}` switches it on again")
    return 0


def _remove(plugin_id: str) -> int:
    """The approval first: what is left of the rest does nothing."""
    known = _approved(plugin_id)
    approvals.drop(plugin_id)
    if not known.distribution:
        sources.file_of(plugin_id).unlink(missing_ok=True)
    if known.manifest.kind == "provider":
        with vault.lock():
            for each in [each for each in vault.entries() if each.account.partition("@")[0] == plugin_id]:
                vault.delete(each.account, each.kind)
        cache.clear(plugin_id)
    cache.compile_line()
    rest = f"; `pip uninstall {known.distribution}` takes its files away" if known.distribution else ""
    print(f"{plugin_id} is removed{plain(rest)}")
    return 0


def _approved(plugin_id: str) -> approvals.Approval:
    known = approvals.load().get(plugin_id)
    if known is None:
        raise ConfigError(f"{clean(plugin_id, 60)!r} is not an approved plugin", hint="`vibeusage plugin list`")
    return known


def _new(name: str, kind: str) -> int:
    if not re.fullmatch(providers.ID, name):
        raise ConfigError(
            f"{clean(name, 60)!r} is not an id",
            hint="small letters, digits, _ and -, such as `vibeusage plugin new acme`",
        )
    _check_id(name)
    path = Path(f"{name}.py")
    try:
        with open(path, "x", encoding="utf-8") as stream:
            stream.write(template.text(kind, name))
    except FileExistsError as exc:
        raise ConfigError(f"{path} is there already", hint="choose another name") from exc
    print(f"{path} is written; change it, then `vibeusage plugin install {os.fspath(path)}`")
    return 0
