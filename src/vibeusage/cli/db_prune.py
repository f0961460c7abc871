"""Forget what is old: the quotas' history by `history.days`; with --before, all of it and all calls of before a day.

What the logs, or the folder that machines share, still hold of that comes back when it is read anew.
"""

import argparse
import time
from datetime import UTC, date, datetime

from vibeusage import config
from vibeusage.cli import consent
from vibeusage.figures import counted
from vibeusage.records import days, place, upkeep
from vibeusage.records.history import DAY_S
from vibeusage.records.quotas import ALL
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--before", metavar="DAY", help="the first day that is kept, such as 2025-01-01")
    consent.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    settings, now, zone = config.load(), datetime.now(UTC), days.zone()
    first = days.parse(args.before, now.astimezone(zone).date()) if args.before else None
    before_ms = days.start_ms(first, zone) if first else 0
    kept_from = int(time.time()) - settings.history.days * DAY_S if settings.history.days else ALL
    if first:
        consent.ask(f"Forget all calls of before {first}?", is_answered=args.yes)
    done = upkeep.prune(
        place.usage_db(settings),
        now,
        calls_before_ms=before_ms,
        points_before=max(kept_from, before_ms // 1000),
        keep_copy=not args.no_copy,
    )
    if done.calls or done.points:
        consent.show_costs_anew()
    print(_told(done, first))
    if done.copy:
        print(f"what was there is in {plain(done.copy, 500)}")
    return 0


def _told(done: upkeep.Pruned, first: date | None) -> str:
    points = f"{counted(done.points, 'point')} of the quotas' history"
    return f"forgotten: {counted(done.calls, 'call')} and {points}" if first else f"forgotten: {points}"
