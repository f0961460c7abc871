"""Tell where the prices are from, or take newer ones from the published price file."""

import argparse
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import config
from vibeusage.records import price_update, pricing
from vibeusage.terminal import plain

NAMED = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action_of_prices", nargs="?", choices=("update",), metavar="update", help="ask for newer ones")
    parser.add_argument("--force", action="store_true", help="also take prices that differ more than tenfold")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    settings = config.load().pricing
    update = None
    if args.action_of_prices:
        update = pricing.update(
            lambda: pricing.download(settings.url),
            today=datetime.now(UTC).date(),
            source=settings.url or price_update.URL,
            force=args.force,
        )
    prices = pricing.load(settings)
    if args.json:
        document = {"schema": 1, "as_of": prices.as_of, "sources": prices.sources, "update": update}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return 0
    if update:
        print(f"{len(update.added)} models are new{_names(update.added)}")
        print(f"{len(update.changed)} have another price from today on{_names(update.changed)}")
    print(f"prices as of {prices.as_of}, from {'; '.join(plain(source, 200) for source in prices.sources)}")
    return 0


def _names(models: tuple[str, ...]) -> str:
    shown = ", ".join(plain(name) for name in models[:NAMED])
    more = f" and {len(models) - NAMED} more" if len(models) > NAMED else ""
    return f": {shown}{more}" if models else ""
