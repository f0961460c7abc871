"""Show what is stored, or clear it; the next answer or document fills it again."""

import argparse
import os
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import accounts, cache, pace, paths, redact, render, view
from vibeusage.figures import counted
from vibeusage.models import UsageSnapshot
from vibeusage.redact import Redaction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="show|clear")
    show = actions.add_parser("show", help="what is stored, from where, and how old (the default)")
    for one in (parser, show):
        one.add_argument("--json", "-j", action="store_true", default=argparse.SUPPRESS, help="print as JSON")
        about = "labels for accounts and paths"
        one.add_argument("--redact", action="store_true", default=argparse.SUPPRESS, help=about)
    clear = actions.add_parser("clear", help="remove what is stored")
    clear.add_argument("provider", nargs="?", metavar="PROVIDER", help="a provider or account; default: everything")


def run(args: argparse.Namespace) -> int:
    if args.action == "clear":
        return _clear(args.provider)
    shown_as = redact.if_asked(os.environ, is_asked=getattr(args, "redact", False))
    return _show(shown_as, as_json=getattr(args, "json", False))


def _clear(account: str | None) -> int:
    gone = cache.clear(account)
    if account and not gone and account not in view.OWN_PROVIDER.values():
        accounts.provider_of(account)
    print(f"{counted(len(gone), 'file')} removed from {paths.cache_dir()}")
    return 0


def _show(shown_as: Redaction, *, as_json: bool) -> int:
    now = datetime.now(UTC)
    known = {
        shown_as.account(name): snapshot
        for name, snapshot in cache.snapshots_with_observations(int(now.timestamp())).items()
    }
    folder = shown_as.text(str(paths.cache_dir()))
    if as_json:
        rows = [
            {"account": name, "source": snapshot.source, "observed_at": _newest(snapshot)}
            for name, snapshot in known.items()
        ]
        document = {"schema": 1, "folder": folder, "accounts": rows}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return 0
    print(folder)
    width = max(map(len, known), default=0)
    for name, snapshot in known.items():
        age = pace.age(int(_newest(snapshot).timestamp()), int(now.timestamp()))[0]
        count, source = len(snapshot.periods), render.plain(snapshot.source)
        print(f"  {render.plain(name):{width}}  {counted(count, 'window')} from {source}, {age}")
    if not known:
        print("  nothing is stored yet")
    return 0


def _newest(snapshot: UsageSnapshot) -> datetime:
    return max(
        [period.observed_at or snapshot.observed_at for period in snapshot.periods],
        default=snapshot.observed_at,
    )
