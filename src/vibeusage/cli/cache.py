"""Show what is stored, or clear it; the next answer or document fills it again."""

import argparse
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import accounts, cache, pace, paths, render, view
from vibeusage.models import UsageSnapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="show|clear")
    show = actions.add_parser("show", help="what is stored, from where, and how old (the default)")
    for one in (parser, show):
        one.add_argument("--json", "-j", action="store_true", default=argparse.SUPPRESS, help="print as JSON")
    clear = actions.add_parser("clear", help="remove what is stored")
    clear.add_argument("provider", nargs="?", metavar="PROVIDER", help="a provider or account; default: everything")


def run(args: argparse.Namespace) -> int:
    if args.action == "clear":
        return _clear(args.provider)
    return _show(as_json=getattr(args, "json", False))


def _clear(account: str | None) -> int:
    gone = cache.clear(account)
    if account and not gone and account not in view.OWN_PROVIDER.values():
        accounts.provider_of(account)
    print(f"{len(gone)} file{'s' * (len(gone) != 1)} removed from {paths.cache_dir()}")
    return 0


def _show(*, as_json: bool) -> int:
    now = datetime.now(UTC)
    known = cache.snapshots_with_observations(int(now.timestamp()))
    if as_json:
        rows = [
            {"account": name, "source": snapshot.source, "observed_at": _newest(snapshot)}
            for name, snapshot in known.items()
        ]
        document = {"schema": 1, "folder": str(paths.cache_dir()), "accounts": rows}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return 0
    print(paths.cache_dir())
    width = max(map(len, known), default=0)
    for name, snapshot in known.items():
        age = pace.age(int(_newest(snapshot).timestamp()), int(now.timestamp()))[0]
        count, source = len(snapshot.periods), render.plain(snapshot.source)
        print(f"  {render.plain(name):{width}}  {count} window{'s' * (count != 1)} from {source}, {age}")
    if not known:
        print("  nothing is stored yet")
    return 0


def _newest(snapshot: UsageSnapshot) -> datetime:
    return max(
        [period.observed_at or snapshot.observed_at for period in snapshot.periods],
        default=snapshot.observed_at,
    )
