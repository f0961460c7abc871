"""Follow the assistants' own logs: each change is in the store and in the line a second later, until Ctrl-C."""

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Generator

from vibeusage.cli.records_sync import check, figures
from vibeusage.records import readers, watching
from vibeusage.records.sync import SyncResult
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provider", action="append", default=[], metavar="NAME", help="only this one, or several")
    parser.add_argument("--quiet", "-q", action="store_true", help="say nothing but what goes wrong")


def run(args: argparse.Namespace) -> int:
    """130 after Ctrl-C, 0 after SIGTERM, and at once where another one watches."""
    check(args.provider, readers.load_all())
    is_shown = not args.quiet and sys.stdout.isatty()

    def tell(result: SyncResult) -> None:
        if is_shown:
            _print(result)

    with _ending_by_sigterm():
        if not watching.run(args.provider, tell, _complain) and not args.quiet:
            print("another `vibeusage records watch` is at work, and will do", file=sys.stderr)
    return 0


def _print(result: SyncResult) -> None:
    """One line for each provider with something new; a terminal that went away ends nothing."""
    with contextlib.suppress(OSError):
        for each in result.providers:
            if each.read or each.errors:
                unread = f", {len(each.errors)} unreadable" if each.errors else ""
                print(f"{time.strftime('%H:%M:%S')}  {plain(each.provider)}: {figures(each)}{unread}", flush=True)
        if result.moved:
            _complain(f"the store was damaged and is built anew; the old one is now {result.moved}")


def _complain(trouble: str) -> None:
    first, *rest = [plain(line, 500) for line in trouble.strip().split("\n")]
    with contextlib.suppress(OSError):
        print("\n  ".join([f"vibeusage: {first}", *rest]), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _ending_by_sigterm() -> Generator[None]:
    """SIGTERM ends what is inside as Ctrl-C does, but is no failure."""
    is_asked_to_end = []

    def end(*_: object) -> None:
        is_asked_to_end.append(True)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        if not is_asked_to_end:
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
