"""Tell where the prices are from and what a model's were, or take newer ones from the published price file."""

import argparse
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import config
from vibeusage.errors import ConfigError
from vibeusage.records import price_history, price_update, pricing, store
from vibeusage.records.price_history import Noted
from vibeusage.records.price_table import Rates
from vibeusage.records.tally import dollars, instant
from vibeusage.terminal import plain

NAMED = 8
UPDATE = "update"
_WHAT = "`update` asks for newer ones; a model, or a part of its name: what its calls were priced by, since when"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default="", metavar="update|MODEL", help=_WHAT)
    parser.add_argument("--force", action="store_true", help="also take prices that differ more than tenfold")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    if args.what not in ("", UPDATE):
        return _print_noted(args.what, as_json=args.json)
    settings = config.load().pricing
    update = None
    if args.what:
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


def _print_noted(model: str, *, as_json: bool) -> int:
    with store.open(readonly=True) as opened:
        found = price_history.of(model, opened)
    if not found:
        raise ConfigError(
            f"no price is noted of {plain(model)!r}",
            hint="a sync notes those of models with calls, which `vibeusage report models` lists",
        )
    if as_json:
        document = {"schema": 1, "prices": [_document(noted) for noted in found]}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return 0
    for place, noted in enumerate(found):
        if not place or (noted.provider, noted.model) != (found[place - 1].provider, found[place - 1].model):
            print(f"{plain(noted.provider)}  {plain(noted.model)}, USD per million tokens")
        for line in _lines(noted):
            print(f"  {line}")
    return 0


def _lines(noted: Noted) -> list[str]:
    price = noted.price
    tiers = [f"  prompts over {above:,} tokens: {_told(rates)}" for above, rates in price.tiers]
    ways = ", ".join(f"{plain(way)} {percent} %" for way, percent in sorted(price.percent.items()))
    until = f", replaced {instant(noted.replaced_ms):%Y-%m-%d}" if noted.replaced_ms else ""
    return [
        f"{f'since {price.since}' if price.since else 'from the first day on'}: {_told(price.rates)}",
        *tiers,
        *([f"  served otherwise: {ways}"] if ways else []),
        f"  noted {instant(noted.noted_ms):%Y-%m-%d}{until}, from {plain(noted.source, 200)}",
    ]


def _told(rates: Rates) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {usd}" for name, usd in _usd(rates).items())


def _usd(rates: Rates) -> dict[str, str]:
    """USD per million tokens; the names are those of a price in the settings."""
    names = ("input", "output", "cache_write", "cache_write_1h", "cache_read")
    return {name: dollars(rate * 10**6) for name, rate in zip(names, msgspec.structs.astuple(rates), strict=True)}


def _document(noted: Noted) -> dict:
    return {
        "provider": noted.provider,
        "model": noted.model,
        "since": noted.price.since,
        "usd_per_million": _usd(noted.price.rates),
        "tiers": [{"above_tokens": above, "usd_per_million": _usd(rates)} for above, rates in noted.price.tiers],
        "percent": noted.price.percent,
        "source": noted.source,
        "noted_at": instant(noted.noted_ms),
        "replaced_at": instant(noted.replaced_ms) if noted.replaced_ms else None,
    }


def _names(models: tuple[str, ...]) -> str:
    shown = ", ".join(plain(name) for name in models[:NAMED])
    more = f" and {len(models) - NAMED} more" if len(models) > NAMED else ""
    return f": {shown}{more}" if models else ""
