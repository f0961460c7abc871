"""Show what the providers' own status pages say; no login is sent."""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from vibeusage import accounts, cache, config, escape, gate, health, pace, providers, render, terminal
from vibeusage.errors import ConfigError, Unavailable
from vibeusage.models import ProviderStatus, StatusLevel
from vibeusage.providers.spec import Provider

EXIT_PARTIAL = 5
DESCRIPTION_LIMIT = 200
LOOKS = {  # symbol, the same in ASCII, style
    StatusLevel.OPERATIONAL: ("●", "+", "green"),
    StatusLevel.DEGRADED: ("◐", "~", "yellow"),
    StatusLevel.PARTIAL_OUTAGE: ("◑", "!", "red"),
    StatusLevel.MAJOR_OUTAGE: ("○", "x", "alarm"),
    StatusLevel.UNKNOWN: ("?", "?", "dim"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    whom = "default: those that are set up, else the common ones"
    parser.add_argument("provider", nargs="*", metavar="PROVIDER", help=whom)
    parser.add_argument("--refresh", action="store_true", help="ask now, even if the last answer is new")
    parser.add_argument("--json", "-j", action="store_true", help="print the statuses as JSON")
    parser.add_argument("--redact", action="store_true", help="labels for names and hosts")
    parser.add_argument("--no-color", action="store_true", help="print without colours")


def run(args: argparse.Namespace) -> int:
    settings, now = accounts.in_force(config.load(), os.environ), datetime.now(UTC)
    chosen = _chosen(args.provider, settings)
    fetch = health.fetch_all(
        chosen,
        timeout_s=settings.fetch.timeout_s,
        max_concurrent=settings.fetch.max_concurrent,
        now=now,
        reuse_s=0 if args.refresh else health.REUSE_S,
    )
    asked = asyncio.run(fetch)
    statuses = {provider.id: asked.get(provider.id) or _no_page(provider) for provider in chosen}
    if args.redact:
        from vibeusage import redact  # reads every provider and snapshot

        shown_as = redact.of_this_machine(os.environ, settings)
        statuses = {name: shown_as.struct(status) for name, status in statuses.items()}
    if args.json:
        document = {"schema": 1, "fetched_at": now, "statuses": statuses}
        sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    else:
        print(_table(statuses, now, color=terminal.use_color(sys.stdout, os.environ, forbidden=args.no_color)))
    return _exit_code(asked.values())


def _chosen(wanted: list[str], settings: config.Config) -> list[Provider]:
    """An account (`claude@work`) has the page of its provider. Raises ConfigError for a name nobody knows."""
    names = wanted or _in_use(settings)
    for name in names:
        if name.partition("@")[0] not in providers.ids():
            raise ConfigError(f"{name!r} is not a provider", hint=accounts.nearest(name))
    return [providers.load(name) for name in dict.fromkeys(name.partition("@")[0] for name in names)]


def _in_use(settings: config.Config) -> list[str]:
    """Those that have told numbers or were asked with a login, as far as the cache knows; else the common ones."""
    enabled = accounts.enabled(settings, os.environ)
    named = {*(settings.enabled_providers or ())}
    gates = gate.load()
    asked = {name for name, known in gates.items() if not known.error or known.error.category != "not_configured"}
    used = {name.partition("@")[0] for name in (*cache.load_snapshots(), *asked)}
    chosen = [name for name in enabled if name in named or name.partition("@")[0] in used]
    return chosen or [name for name in enabled if providers.load(name.partition("@")[0]).is_common] or enabled


def _no_page(provider: Provider) -> ProviderStatus:
    return ProviderStatus(level=StatusLevel.UNKNOWN, description=f"{provider.name} has no status page that can be read")


def _exit_code(asked: Iterable[ProviderStatus]) -> int:
    """0 when all pages answered, whatever they say; 5 when some did; else that of the network."""
    answered = [status.updated_at is not None for status in asked]
    if all(answered):
        return 0
    return EXIT_PARTIAL if any(answered) else Unavailable.exit_code


def _table(statuses: dict[str, ProviderStatus], now: datetime, *, color: bool) -> str:
    if not statuses:
        return "no provider is enabled"
    in_ascii = terminal.glyphs(sys.stdout)[0].isascii()
    width = max(map(len, statuses))
    rows = [_row(name.ljust(width), status, now, color=color, in_ascii=in_ascii) for name, status in statuses.items()]
    text = "\n".join(rows)
    return text.encode("ascii", "replace").decode() if in_ascii else text


def _row(name: str, status: ProviderStatus, now: datetime, *, color: bool, in_ascii: bool) -> str:
    symbol, plain_symbol, style = LOOKS[status.level]
    level = status.level.value.replace("_", " ")
    start, end = (f"\x1b[{escape.SGR[style]}m", "\x1b[0m") if color else ("", "")
    description = render.plain(status.description or "", DESCRIPTION_LIMIT)
    age = f"({_age(status.updated_at, now)})" if status.updated_at else ""
    told = "  ".join(part for part in (description, age) if part)
    return f"{start}{plain_symbol if in_ascii else symbol}{end} {name}  {start}{level:14}{end}  {told}".rstrip()


def _age(seen: datetime, now: datetime) -> str:
    return pace.age(int(seen.timestamp()), int(now.timestamp()))[0]
