"""Ask for the usage report of an Anthropic organisation; its records are those of the provider claude-api."""

import argparse
import os
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import config
from vibeusage.records import admin_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", choices=[admin_report.PROVIDER], help="which report")
    parser.add_argument("--full", action="store_true", help="the last 31 days anew, not what is new only")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    update = admin_report.update(config.load(), os.environ, datetime.now(UTC), foreground=True, full=args.full)
    if args.json:
        document = {"schema": 1, **msgspec.to_builtins(update)}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    elif update.asked:
        since = f"{update.since:%Y-%m-%d %H:%M} UTC" if update.since else ""
        print(f"{admin_report.PROVIDER}: {update.added:,} new, {update.changed:,} changed since {since}")
    else:
        print("the report was asked for a moment ago; it is asked for at most every five minutes", file=sys.stderr)
    return 0
