"""Ask the providers and store what they say; what fails keeps its last good numbers."""

import argparse
import contextlib
import os
import sys
import time

import msgspec

from vibeusage import render
from vibeusage.errors import EXIT_CODES, StorageError
from vibeusage.models import FetchError, FetchOutcome
from vibeusage.refresh import refresh

EXIT_PARTIAL = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("provider", nargs="*", metavar="PROVIDER", help="default: every enabled one")
    parser.add_argument("--if-due", action="store_true", help="only what is due; leave at once if another refresh runs")
    parser.add_argument("--quiet", "-q", action="store_true", help="say nothing, the exit code tells")
    parser.add_argument("--json", "-j", action="store_true", help="print the outcomes as JSON")


def run(args: argparse.Namespace) -> int:
    outcomes = refresh(args.provider, if_due=args.if_due)
    if outcomes is not None:
        _tell_alerts()
        keep_history()
    outcomes = outcomes or []
    if args.if_due and not args.provider:
        _read_records()
    if args.json:
        shown = [_without_mail(outcome) for outcome in outcomes]
        sys.stdout.write(msgspec.json.encode({"schema": 1, "outcomes": shown}).decode() + "\n")
    elif not args.quiet:
        for outcome in outcomes:
            if outcome.success:
                print(_numbers(outcome))
        for sentence in dict.fromkeys(_reason(outcome) for outcome in outcomes if outcome.error):
            print(sentence, file=sys.stderr)
    return exit_code(outcomes)


def _without_mail(outcome: FetchOutcome) -> FetchOutcome:
    from vibeusage import mask  # not for those who ask for nothing to be printed

    told = mask.without_mails(msgspec.structs.replace(outcome, snapshot=None))
    return msgspec.structs.replace(told, snapshot=outcome.snapshot and outcome.snapshot.without_mail())


def _tell_alerts() -> None:
    """The user's command for what has reached a threshold; what cannot be remembered is not told."""
    from vibeusage import config

    settings = config.load()
    if settings.alerts.thresholds:
        from vibeusage import alerts  # most have none

        with contextlib.suppress(StorageError):
            alerts.after_round(settings, os.environ)


def keep_history() -> None:
    """What the quotas are now; where it cannot be kept, nobody hears of it."""
    from vibeusage import config
    from vibeusage.records import history

    with contextlib.suppress(StorageError):
        history.after_round(config.load(), int(time.time()))


def _read_records() -> None:
    """What the assistants' own logs say is new, where it is time; a trouble of theirs is not the quotas'."""
    from vibeusage import config
    from vibeusage.records import background

    with contextlib.suppress(StorageError):
        background.run_if_due(config.load(), int(time.time()))


def exit_code(outcomes: list[FetchOutcome]) -> int:
    """0 when all answered, 5 when some did, else the code of the first error."""
    failed = [outcome.error for outcome in outcomes if outcome.error]
    if not failed:
        return 0
    return EXIT_PARTIAL if len(failed) < len(outcomes) else code_of(failed[0])


def code_of(error: FetchError) -> int:
    return EXIT_CODES.get(error.category, 1)


def _numbers(outcome: FetchOutcome) -> str:
    snapshot = outcome.snapshot
    if snapshot is None:
        return f"{render.plain(outcome.provider_id)}: nothing"
    texts = [f"{render.plain(period.name)} {period.utilization:.4g}%" for period in snapshot.periods]
    if snapshot.overage:
        texts.append(f"extra usage {render.money(snapshot.overage.used, snapshot.overage.currency)}")
    if snapshot.balance:
        texts.append(f"balance {render.money(snapshot.balance.amount, snapshot.balance.currency)}")
    return f"{render.plain(outcome.provider_id)}: " + ", ".join(texts)


def _reason(outcome: FetchOutcome) -> str:
    return reason(outcome.provider_id, outcome.error) if outcome.error else ""


def reason(account: str, error: FetchError) -> str:
    """One sentence and its hint; a file that cannot be written is nobody's own trouble."""
    from vibeusage import mask  # as above

    error = mask.without_mails(error)
    name = "vibeusage" if error.category == StorageError.category else account
    message, hint = (render.plain(text, render.MESSAGE_LIMIT) for text in (error.message, error.hint))
    return f"{render.plain(name)}: {message}" + (f"\n  {hint}" if hint else "")
