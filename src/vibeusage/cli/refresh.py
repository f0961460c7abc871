"""Ask the providers and store what they say; what fails keeps its last good numbers."""

import argparse
import sys

import msgspec

from vibeusage import render
from vibeusage.errors import EXIT_CODES
from vibeusage.models import FetchOutcome
from vibeusage.refresh import refresh

EXIT_PARTIAL = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("provider", nargs="*", metavar="PROVIDER", help="default: every enabled one")
    parser.add_argument("--if-due", action="store_true", help="only what is due; leave at once if another refresh runs")
    parser.add_argument("--quiet", "-q", action="store_true", help="say nothing, the exit code tells")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")


def run(args: argparse.Namespace) -> int:
    outcomes = refresh(args.provider, if_due=args.if_due) or []
    if args.json:
        sys.stdout.write(msgspec.json.encode({"schema": 1, "outcomes": outcomes}).decode() + "\n")
    elif not args.quiet:
        for outcome in outcomes:
            print(_sentence(outcome), file=sys.stdout if outcome.success else sys.stderr)
    return exit_code(outcomes)


def exit_code(outcomes: list[FetchOutcome]) -> int:
    """0 when all answered, 5 when some did, else the code of the first error."""
    failed = [outcome.error for outcome in outcomes if outcome.error]
    if not failed:
        return 0
    return EXIT_PARTIAL if len(failed) < len(outcomes) else EXIT_CODES.get(failed[0].category, 1)


def _sentence(outcome: FetchOutcome) -> str:
    name = render.plain(outcome.provider_id)
    if outcome.error:
        hint = f"\n  {render.plain(outcome.error.hint)}" if outcome.error.hint else ""
        return f"{name}: {render.plain(outcome.error.message)}{hint}"
    periods = outcome.snapshot.periods if outcome.snapshot else ()
    return f"{name}: " + ", ".join(f"{render.plain(period.name)} {period.utilization:g}%" for period in periods)
