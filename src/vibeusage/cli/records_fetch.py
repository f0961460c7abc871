"""Ask for what a vendor tells of an organisation: Anthropic's usage report, or GitHub's metrics of Copilot.

The report's records are those of the provider claude-api; the metrics are shown by `report activity`.
"""

import argparse
import os
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import config
from vibeusage.errors import ConfigError
from vibeusage.figures import counted
from vibeusage.records import admin_report, copilot_metrics, days


def add_arguments(parser: argparse.ArgumentParser) -> None:
    reports = [admin_report.PROVIDER, copilot_metrics.PROVIDER]
    parser.add_argument("report", choices=reports, help="which report")
    parser.add_argument("--full", action="store_true", help="claude-api: the last 31 days anew, not what is new only")
    parser.add_argument("--org", metavar="NAME", help="copilot: the organisation at GitHub")
    parser.add_argument("--since", metavar="DAY", help="copilot: the first day (default: the latest 28 days)")
    parser.add_argument("--until", metavar="DAY", help="copilot: the last day")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    if args.report == copilot_metrics.PROVIDER:
        return _copilot(args)
    if args.org or args.since or args.until:
        raise ConfigError("--org, --since and --until are for `records fetch copilot`")
    update = admin_report.update(config.load(), os.environ, datetime.now(UTC), foreground=True, full=args.full)
    if args.json:
        _print(update)
    elif update.asked:
        since = f"{update.since:%Y-%m-%d %H:%M} UTC" if update.since else ""
        print(f"{admin_report.PROVIDER}: {update.added:,} new, {update.changed:,} changed since {since}")
    else:
        print("the report was asked for a moment ago; it is asked for at most every five minutes", file=sys.stderr)
    return 0


def _copilot(args: argparse.Namespace) -> int:
    if args.full:
        raise ConfigError("--full is for `records fetch claude-api`")
    if not args.org:
        raise ConfigError("no organisation is named", hint="`vibeusage records fetch copilot --org NAME`")
    now = datetime.now(UTC)
    since, until = (days.parse(text, now.date()) if text else None for text in (args.since, args.until))
    update = copilot_metrics.update(args.org, copilot_metrics.span(since, until, now), os.environ, now)
    if args.json:
        _print(update)
    elif update.days:
        told = f"{counted(update.days, 'day')} of {update.organisation}"
        print(f"copilot: {told}, {update.since} to {update.until}; `vibeusage report activity` shows them")
    else:
        print(f"GitHub has no report of {update.organisation} for these days", file=sys.stderr)
    return 0


def _print(update: msgspec.Struct) -> None:
    sys.stdout.write(msgspec.json.encode({"schema": 1, **msgspec.to_builtins(update)}).decode() + "\n")
