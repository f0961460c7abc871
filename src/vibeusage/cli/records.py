"""Read the assistants' own logs into the store, or tell what is stored."""

import argparse
import os
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from vibeusage import config, paths, terminal
from vibeusage.cli import records_fetch, records_import, records_prices, records_watch
from vibeusage.errors import ConfigError
from vibeusage.records import background, readers, store, sync
from vibeusage.records.store import Counts
from vibeusage.records.sync import ProviderSync, SyncResult
from vibeusage.terminal import plain

EXIT_PARTIAL = 5
DRAW_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="sync|watch|show|prices|import|fetch", required=True)
    syncing = actions.add_parser("sync", help="read what is new in the logs")
    syncing.add_argument("--provider", action="append", default=[], metavar="NAME", help="only this one, or several")
    syncing.add_argument("--full", action="store_true", help="check the store, and read every log from its beginning")
    syncing.add_argument("--quiet", "-q", action="store_true", help="say nothing, the exit code tells")
    syncing.add_argument("--json", action="store_true", help="print as JSON")
    records_watch.add_arguments(actions.add_parser("watch", help="read the logs as they grow, until Ctrl-C"))
    show = actions.add_parser("show", help="what is stored, of which time, from how many files")
    show.add_argument("--json", action="store_true", help="print as JSON")
    records_prices.add_arguments(actions.add_parser("prices", help="where the prices are from, or newer ones"))
    records_import.add_arguments(actions.add_parser("import", help="take over what another tracker kept"))
    records_fetch.add_arguments(actions.add_parser("fetch", help="ask for an organisation's usage report"))


def run(args: argparse.Namespace) -> int:
    if args.action == "prices":
        return records_prices.run(args)
    if args.action == "import":
        return records_import.run(args)
    if args.action == "fetch":
        return records_fetch.run(args)
    if args.action == "show":
        return _show(as_json=args.json)
    if args.action == "watch":
        _check(args.provider, readers.load_all())
        return records_watch.run(args, _figures)
    return _sync(args.provider, full=args.full, quiet=args.quiet, as_json=args.json)


def _sync(providers: list[str], *, full: bool, quiet: bool, as_json: bool) -> int:
    known = readers.every()
    _check(providers, {reader.id for reader in known})
    settings = config.load()
    with _Progress(quiet=quiet) as progress:
        result = sync.run(
            known,
            background.here(),
            providers=providers,
            roots=background.roots(settings),
            full=full,
            on_progress=progress.draw,
        )
    if result is None:
        if not quiet:
            print("another sync is running, and will do", file=sys.stderr)
        return 0
    background.store_costs(settings, int(time.time()), providers or None)
    if as_json:
        sys.stdout.write(msgspec.json.encode({"schema": 1, **msgspec.to_builtins(result)}).decode() + "\n")
    elif not quiet:
        _tell(result)
    return EXIT_PARTIAL if any(each.errors for each in result.providers) else 0


def _check(providers: list[str], known: Iterable[str]) -> None:
    for name in providers:
        if name not in known:
            raise ConfigError(f"no logs are known of {plain(name)!r}", hint=f"known are: {', '.join(sorted(known))}")


def _tell(result: SyncResult) -> None:
    shown = [each for each in result.providers if each.files or each.gone or each.errors]
    for each in shown:
        print(f"{plain(each.provider)}: {_figures(each)}")
        for error in each.errors:
            place = f"{plain(error.path, 500)}: " if error.path else ""
            print(f"{plain(each.provider)}: {place}{plain(error.error, 500)}", file=sys.stderr)
    if not shown:
        print("no logs were found")
    if result.moved:
        carried = _some(result.carried, "call")
        print(
            f"the store was damaged and is built anew from the logs; {carried} that no log has any more came from "
            f"the old one, which is now {plain(result.moved, 500)}",
            file=sys.stderr,
        )


def _figures(each: ProviderSync) -> str:
    parts = [f"{_some(each.files, 'file')}, {each.read} read", f"{_some(each.added, 'new call')}"]
    if each.changed:
        parts.append(f"{each.changed} completed")
    if each.skipped:
        parts.append(f"skipped {_reasons(each.skipped)}")
    return ", ".join(parts)


def _reasons(skipped: dict[str, int]) -> str:
    return ", ".join(f"{count} ({plain(reason)})" for reason, count in sorted(skipped.items()))


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _show(*, as_json: bool) -> int:
    with store.open(readonly=True) as opened:
        counts = opened.counts()
    if as_json:
        path = str(paths.data_dir() / store.NAME)
        document = {"schema": 1, "path": path, "providers": counts}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return 0
    print(paths.data_dir() / store.NAME)
    for name, each in counts.items():
        print(f"  {plain(name)}  {_stored(each)}")
    if not counts:
        print("  nothing is stored yet; `vibeusage records sync` reads the logs")
    return 0


def _stored(each: Counts) -> str:
    parts = [_some(each.calls, "call")]
    if each.calls:
        parts.append(f"{_day(each.first_ms)} to {_day(each.last_ms)}")
    parts.append(_some(each.files, "file") + (f" ({each.gone} gone)" if each.gone else ""))
    if each.errors:
        parts.append(f"{each.errors} unreadable")
    if each.skipped:
        parts.append(f"skipped {_reasons(each.skipped)}")
    return ", ".join(parts)


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC).astimezone():%Y-%m-%d}"


class _Progress:
    """`reading claude … 45 %` on the last line of a terminal, gone at the end; nothing anywhere else."""

    def __init__(self, *, quiet: bool) -> None:
        self._is_shown = not quiet and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn_at = 0.0

    def __enter__(self) -> "_Progress":
        return self

    def draw(self, provider: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self._is_shown and now - self._drawn_at >= DRAW_S:
            self._drawn_at = now
            dots = "..." if terminal.glyphs(sys.stderr)[0].isascii() else "…"
            text = f"reading {plain(provider)} {dots} {min(100, 100 * done // max(total, 1))} %"
            room = terminal.columns(sys.stderr, os.environ) - 1
            sys.stderr.write(terminal.ERASE + terminal.beginning(text, room))
            sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._is_shown and self._drawn_at:
            sys.stderr.write(terminal.ERASE)
            sys.stderr.flush()
