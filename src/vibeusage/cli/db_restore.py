"""Put a copy in the place of the database, after a look at it; a copy of what was there is kept.

What the logs still hold comes back at the next full sync, whichever copy is put in.
"""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from vibeusage.cli import consent
from vibeusage.records import place, upkeep
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a copy that `vibeusage db backup` has made")
    consent.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    path, file = place.usage_db(), Path(args.file).expanduser().absolute()
    if path.exists():
        consent.ask(f"Put {plain(args.file, 500)} in the place of {plain(os.fspath(path), 500)}?", is_answered=args.yes)
    kept = upkeep.restore(file, path, datetime.now(UTC), keep_copy=not args.no_copy)
    consent.show_costs_anew()
    print(f"{plain(os.fspath(path), 500)} is as {plain(args.file, 500)} was")
    if kept.copy:
        print(f"what was there is in {plain(kept.copy, 500)}")
    if kept.moved:
        moved = plain(kept.moved, 500)
        print(f"what was there is damaged, and in {moved}; the next sync takes over what only that has")
    return 0
