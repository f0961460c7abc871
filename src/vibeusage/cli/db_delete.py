"""Delete the database: all calls, the quotas' history, what is known of the logs. A copy is kept.

What the logs still hold comes back at the next sync, also by the refresher that the line starts.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from vibeusage import config
from vibeusage.cli import consent
from vibeusage.cli.records_sync import Progress
from vibeusage.errors import StorageError
from vibeusage.figures import counted
from vibeusage.records import admin_report, background, history, losses, place, readers, store, upkeep
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    consent.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    path = place.usage_db()
    if not os.path.lexists(path):
        print(f"there is no database in {plain(os.fspath(path), 500)}", file=sys.stderr)
        return 0
    consent.look_for_somebody(is_answered=args.yes)
    if not args.yes:
        print("\n".join(_told(path)), file=sys.stderr)
    consent.ask(f"Delete {plain(os.fspath(path), 500)}?", is_answered=args.yes)
    kept = upkeep.delete(path, datetime.now(UTC), keep_copy=not args.no_copy)
    admin_report.forget_covered()
    consent.show_costs_anew()
    print(f"{plain(os.fspath(path), 500)} is deleted")
    if kept.copy:
        print(f"`vibeusage db restore {plain(kept.copy, 500)}` brings it back")
    if kept.moved:
        print(f"it was damaged, and what is left of it is in {plain(kept.moved, 500)}")
    return 0


def _told(path: Path) -> list[str]:
    """What is in it, and what of that no log would give again."""
    try:
        with store.open(path, readonly=True) as opened:
            calls = sum(each.calls for each in opened.counts().values())
            points = sum(1 for _ in history.points(opened))
        settings = config.load()
        with Progress("reading", quiet=False) as progress:
            roots = background.roots(settings)
            lost = losses.lost(path, readers.every(), background.here(), roots=roots, on_progress=progress.draw)
    except StorageError as exc:
        return [f"what is in it cannot be told: {plain(str(exc), 500)}"]
    by_tool = ", ".join(f"{plain(name)} {count:,}" for name, count in lost.items())
    told = f"{counted(sum(lost.values()), 'call')} ({by_tool})" if lost else ""
    kept = f"the quotas' history ({counted(points, 'point')})" if points else ""
    gone = " and ".join(text for text in (told, kept) if text)
    return [
        f"it holds {counted(calls, 'call')}; the logs of now give {calls - sum(lost.values()):,} of them again",
        f"lost for good: {gone}" if gone else "nothing in it would be lost for good",
    ]
