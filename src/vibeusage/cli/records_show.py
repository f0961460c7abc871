"""Tell what is stored of each assistant, of which time and from how many files."""

import argparse
import os
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import redact
from vibeusage.cli.records_sync import reasons
from vibeusage.figures import counted
from vibeusage.records import place, store
from vibeusage.records.store import Counts
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--redact", action="store_true", help="a label for the path")


def run(args: argparse.Namespace) -> int:
    with store.open(readonly=True) as opened:
        counts = opened.counts()
    path = redact.if_asked(os.environ, is_asked=args.redact).text(str(place.named()))
    if args.json:
        document = {"schema": 1, "path": path, "providers": counts}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return 0
    print(path)
    for name, each in counts.items():
        print(f"  {plain(name)}  {_stored(each)}")
    if not counts:
        print("  nothing is stored yet; `vibeusage records sync` reads the logs")
    return 0


def _stored(each: Counts) -> str:
    parts = [counted(each.calls, "call")]
    if each.calls:
        parts.append(f"{_day(each.first_ms)} to {_day(each.last_ms)}")
    parts.append(counted(each.files, "file") + (f" ({each.gone} gone)" if each.gone else ""))
    if each.errors:
        parts.append(f"{each.errors} unreadable")
    if each.skipped:
        parts.append(f"skipped {reasons(each.skipped)}")
    return ", ".join(parts)


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC).astimezone():%Y-%m-%d}"
