"""Show every plan: how much is used, when it resets, how old the numbers are.

What is due is asked first; `--refresh` asks all. One account as JSON is its snapshot; several are
{"schema", "fetched_at", "providers": {id: snapshot}, "errors": {id: {category, message, hint}}}.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from vibeusage import accounts, cache, config, gate, overview, providers, render, terminal
from vibeusage.errors import ConfigError, NotConfigured
from vibeusage.fetch import no_login, places
from vibeusage.models import AggregatedResult, FetchError, FetchOutcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("provider", nargs="*", metavar="PROVIDER", help="a provider or account; default: all with data")
    parser.add_argument("--refresh", action="store_true", help="ask the providers first, even if it is not time")
    parser.add_argument("--json", "-j", action="store_true", help="print the snapshots as JSON")
    parser.add_argument("--verbose", "-v", action="store_true", help="add source, account, age and what was tried")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress and no notes on errors")
    parser.add_argument("--mail", action="store_true", help="also the mail address of each account")
    parser.add_argument("--redact", action="store_true", help="labels for accounts, organisations, paths and hosts")
    parser.add_argument("--no-color", action="store_true", help="print without colours")


def run(args: argparse.Namespace) -> int:
    settings = accounts.in_force(config.load(), os.environ)
    outcomes = _refreshed(args, settings)
    now = datetime.now(UTC)
    known = overview.known(args.provider, settings, now, outcomes=outcomes, mails=args.mail)
    if args.json and not known.snapshots:
        known = known._replace(errors=_no_logins(settings, now))
    if args.redact:
        from vibeusage import redact  # reads every provider and snapshot

        known = overview.redacted(known, redact.of_this_machine(os.environ, settings))
    errors = known.errors
    numbers = {name: snapshot for name, snapshot in known.snapshots.items() if snapshot}
    result = AggregatedResult(fetched_at=now, providers=numbers, errors=errors)
    if args.json:
        _print_json(result, args.provider)
        return exit_code(result)
    if not result.has_any_data:
        return _only_errors(errors, settings, now)
    style = terminal.environment_style(
        sys.stdout,
        remaining=settings.line.show == "remaining",
        stale_after_s=settings.fetch.stale_after_s,
        no_color=args.no_color,
    )
    entries = overview.entries(known, quiet=args.quiet)
    print(render.usage(entries, style, now, verbose=args.verbose))
    return exit_code(result)


def exit_code(result: AggregatedResult) -> int:
    """0 when nothing is wrong, 5 when some accounts have numbers, else the code of the first error."""
    from vibeusage.cli.refresh import EXIT_PARTIAL, code_of

    if result.all_failed:
        return code_of(result.errors[result.failed_providers()[0]])
    if result.failed_providers():
        return EXIT_PARTIAL
    return 0 if result.has_any_data else NotConfigured.exit_code


def _only_errors(errors: Mapping[str, FetchError], settings: config.Config, now: datetime) -> int:
    """Nothing to show: the reasons go to stderr."""
    from vibeusage.cli.refresh import code_of, reason

    if not errors:
        raise _nothing_known(settings, now)
    for name, error in errors.items():
        print(reason(name, error), file=sys.stderr)
    return code_of(next(iter(errors.values())))


def _no_logins(settings: config.Config, now: datetime) -> dict[str, FetchError]:
    around = accounts.Surroundings(os.environ, now, foreground=False)
    return {ctx.id: gate.as_data(no_login(ctx)) for ctx in accounts.chosen((), settings, around)}


def _nothing_known(settings: config.Config, now: datetime) -> NotConfigured:
    """What was looked for and what to do, for those that most people have."""
    around = accounts.Surroundings(os.environ, now, foreground=False)
    lines = []
    chosen = accounts.chosen((), settings, around)
    common = [ctx for ctx in chosen if ctx.provider.is_common]
    for ctx in common or chosen:
        looked = ", ".join(dict.fromkeys(places(ctx)))
        lines += [f"{ctx.id}: {ctx.provider.login_hint}", f"  looked in {looked}"]
    return NotConfigured(
        "no limits are known yet: no login was found and no status line has reported any",
        hint="\n".join([*lines, *_further(len(chosen) - len(common or chosen)), "without an account: vibeusage demo"]),
    )


def _further(count: int) -> list[str]:
    return [f"{count} more providers, and what each takes: `vibeusage providers list --all`"] if count else []


def _refreshed(args: argparse.Namespace, settings: config.Config) -> dict[str, FetchOutcome]:
    """The outcomes of the accounts that were asked; another refresher at work is left to it."""
    from vibeusage.cli.refresh import keep_history
    from vibeusage.refresh import refresh

    ours = [name for name in args.provider if name.partition("@")[0] in providers.ids()]
    wanted = [name for name in ours if not _is_only_seen(name, settings)]
    if args.provider and not wanted:
        return {}
    bars: list[terminal.Progress] = []
    with contextlib.ExitStack() as stack:

        def start(names: Sequence[str]) -> None:
            progress = terminal.Progress(names, sys.stderr, os.environ, quiet=args.quiet or args.json)
            bars.append(stack.enter_context(progress))

        asked = refresh(
            wanted, if_due=not args.refresh, foreground=True, on_start=start, on_done=lambda name: bars[-1].done(name)
        )
    if asked:
        keep_history()
    return {outcome.provider_id: outcome for outcome in asked or []}


def _is_only_seen(name: str, settings: config.Config) -> bool:
    """Whether it is the account of a folder that is not in force here: it is known, but nobody to ask."""
    now = datetime.now(UTC)
    try:
        accounts.chosen([name], settings, accounts.Surroundings(os.environ, now, foreground=False))
    except ConfigError:
        return name in cache.snapshots_with_observations(int(now.timestamp()))
    return False


def _print_json(result: AggregatedResult, wanted: list[str]) -> None:
    if len(wanted) == 1 and len(result.providers) == 1:
        document: object = {"schema": 1, **msgspec.to_builtins(next(iter(result.providers.values())))}
    else:
        document = result
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
