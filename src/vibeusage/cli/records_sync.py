"""Read what is new in the assistants' own logs."""

import argparse
import os
import sys
import time
from collections.abc import Iterable

import msgspec

from vibeusage import config, terminal
from vibeusage.errors import ConfigError, VibeusageError
from vibeusage.figures import counted
from vibeusage.records import background, readers, sync
from vibeusage.records.provider_sync import ProviderSync
from vibeusage.records.sync import SyncResult
from vibeusage.terminal import plain

EXIT_PARTIAL = 5
DRAW_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provider", action="append", default=[], metavar="NAME", help="only this one, or several")
    parser.add_argument("--full", action="store_true", help="check the store, and read every log from its beginning")
    parser.add_argument("--quiet", "-q", action="store_true", help="say nothing, the exit code tells")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    known = readers.every()
    check(args.provider, {reader.id for reader in known})
    settings = config.load()
    with Progress("reading", quiet=args.quiet) as progress:
        result = sync.run(
            known,
            background.here(),
            providers=args.provider,
            roots=background.roots(settings),
            full=args.full,
            machine=settings.machines.name or "",
            on_progress=progress.draw,
        )
    if result is None:
        if not args.quiet:
            print("another sync is running, and will do", file=sys.stderr)
        if args.json:
            _print(SyncResult(()))
        return 0
    background.store_costs(settings, int(time.time()), args.provider or None)
    if args.json:
        _print(result)
    elif not args.quiet:
        _tell(result)
    is_sent = _is_sent(settings, quiet=args.quiet)
    return EXIT_PARTIAL if not is_sent or any(each.errors for each in result.providers) else 0


def _print(result: SyncResult) -> None:
    sys.stdout.write(msgspec.json.encode({"schema": 1, **msgspec.to_builtins(result)}).decode() + "\n")


def _is_sent(settings: config.Config, *, quiet: bool) -> bool:
    """Whether a server that is named has all of it now; what it has not is sent the next time."""
    if not settings.storage.url:
        return True
    try:
        from vibeusage.records import push  # psycopg

        push.run(settings.storage.url)
    except VibeusageError as exc:
        if not quiet:
            print(f"vibeusage: {plain(str(exc), 500)}; what is new is sent the next time", file=sys.stderr)
        return False
    return True


def check(providers: list[str], known: Iterable[str]) -> None:
    """Raises ConfigError for a name that is no provider with logs."""
    for name in providers:
        if name not in known:
            raise ConfigError(f"no logs are known of {plain(name)!r}", hint=f"known are: {', '.join(sorted(known))}")


def _tell(result: SyncResult) -> None:
    shown = [each for each in result.providers if each.files or each.gone or each.errors]
    for each in shown:
        print(f"{plain(each.provider)}: {figures(each)}")
        for error in each.errors:
            place = f"{plain(error.path, 500)}: " if error.path else ""
            print(f"{plain(each.provider)}: {place}{plain(error.error, 500)}", file=sys.stderr)
    if not shown:
        print("no logs were found")
    if result.moved:
        carried = counted(result.carried, "call")
        print(
            f"the store was damaged and is built anew from the logs; {carried} that no log has any more came from "
            f"the old one, which is now {plain(result.moved, 500)}",
            file=sys.stderr,
        )


def figures(each: ProviderSync) -> str:
    """What a sync found of a provider, in words."""
    parts = [f"{counted(each.files, 'file')}, {each.read} read", f"{counted(each.added, 'new call')}"]
    if each.changed:
        parts.append(f"{each.changed} completed")
    if each.skipped:
        parts.append(f"skipped {reasons(each.skipped)}")
    return ", ".join(parts)


def reasons(skipped: dict[str, int]) -> str:
    return ", ".join(f"{count} ({plain(reason)})" for reason, count in sorted(skipped.items()))


class Progress:
    """`reading claude … 45 %` on the last line of a terminal, gone at the end; nothing anywhere else."""

    def __init__(self, doing: str, *, quiet: bool) -> None:
        self._doing = doing
        self._is_shown = not quiet and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn_at = 0.0

    def __enter__(self) -> "Progress":
        return self

    def draw(self, provider: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self._is_shown and now - self._drawn_at >= DRAW_S:
            self._drawn_at = now
            dots = "..." if terminal.glyphs(sys.stderr)[0].isascii() else "…"
            text = f"{self._doing} {plain(provider)} {dots} {min(100, 100 * done // max(total, 1))} %"
            room = terminal.columns(sys.stderr, os.environ) - 1
            sys.stderr.write(terminal.ERASE + terminal.beginning(text, room))
            sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._is_shown and self._drawn_at:
            sys.stderr.write(terminal.ERASE)
            sys.stderr.flush()
