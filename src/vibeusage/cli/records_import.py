"""Take over what another tracker kept; its files are only read."""

import argparse
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vibeusage.records import days, importing
from vibeusage.records.importing import Provider, Result, Setting
from vibeusage.terminal import plain
from vibeusage.toml_edit import literal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", required=True, choices=importing.SOURCES, help="which tool")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="its data; default: where it keeps it")
    parser.add_argument("--provider", default="claude", metavar="NAME", help="whose records, where the file names none")
    parser.add_argument("--zone", default="", metavar="ZONE", help="the time zone of its days; default: this machine's")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and change nothing")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    zone = days.zone(args.zone)
    result = importing.run(args.source, args.file, provider=args.provider, zone=zone, dry_run=args.dry_run)
    if args.json:
        document = {"schema": 1, **msgspec.to_builtins(result)}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        _tell(result)
    return 0


def _tell(result: Result) -> None:
    for path in result.files:
        print(f"read {plain(path, 500)}")
    for each in result.providers:
        print(f"{plain(each.provider)}: {_figures(each, dry_run=result.dry_run)}")
    if result.skipped:
        reasons = ", ".join(f"{count} ({plain(reason)})" for reason, count in sorted(result.skipped.items()))
        print(f"skipped {reasons}")
    for setting in result.settings:
        print(_command(setting))
    for note in result.notes:
        print(plain(note, 500), file=sys.stderr)
    if result.dry_run:
        print("nothing was changed", file=sys.stderr)


def _figures(each: Provider, *, dry_run: bool) -> str:
    parts = [f"{each.found:,} found", f"{each.added:,} {'would be ' if dry_run else ''}added"]
    if each.known:
        parts.append(f"{each.known:,} there already")
    if each.left_out and each.before_ms is not None:
        since = datetime.fromtimestamp(each.before_ms / 1000, UTC).astimezone()
        parts.append(f"{each.left_out:,} left out, since other records tell of the time from {since:%Y-%m-%d %H:%M} on")
    return ", ".join(parts)


def _command(setting: Setting) -> str:
    command = shlex.join(["vibeusage", "config", "set", setting.key, setting.value])
    if setting.was is None:
        return plain(command, 2000)
    was = setting.was if isinstance(setting.was, str) else literal(setting.was)
    return plain(f"# {setting.key} stays {was}; theirs would be: {command}", 2000)
