"""Show every plan: how much is used, when it resets, how old the numbers are.

What is due is asked first; `--refresh` asks all. One account as JSON is its snapshot; several are
{"schema", "fetched_at", "providers": {id: snapshot}, "errors": {id: {category, message, hint}}}.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from vibeusage import accounts, cache, config, gate, health, providers, render, shown, terminal
from vibeusage.errors import ConfigError, NotConfigured
from vibeusage.fetch import no_login, places
from vibeusage.models import AggregatedResult, FetchError, FetchOutcome, UsageSnapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("provider", nargs="*", metavar="PROVIDER", help="a provider or account; default: all with data")
    parser.add_argument("--refresh", action="store_true", help="ask the providers first, even if it is not time")
    parser.add_argument("--json", "-j", action="store_true", help="print the snapshots as JSON")
    parser.add_argument("--verbose", "-v", action="store_true", help="add source, account, age and what was tried")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress and no notes on errors")
    parser.add_argument("--no-color", action="store_true", help="print without colours")


def run(args: argparse.Namespace) -> int:
    settings = accounts.in_force(config.load(), os.environ)
    outcomes = _refreshed(args, settings)
    now = datetime.now(UTC)
    gates = gate.load()
    chosen = _chosen(args.provider, outcomes, settings, now)
    if not args.provider:
        chosen = shown.in_order({**dict.fromkeys(_failing(gates, settings, now)), **chosen}, settings)
    errors = _errors(chosen, outcomes, gates, settings, now, named=bool(args.provider))
    if args.json and not chosen:
        errors = _no_logins(settings, now)
    result = AggregatedResult(
        fetched_at=now,
        providers={name: _with_status(snapshot) for name, snapshot in chosen.items() if snapshot},
        errors=errors,
    )
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
    entries = [
        render.Entry(
            id=name,
            name=_name(name),
            snapshot=result.providers.get(name),
            error=None if args.quiet else errors.get(name),
            attempts=gates[name].attempts if name in gates else (),
        )
        for name in chosen
    ]
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
    """What was looked for and what to do, per provider."""
    around = accounts.Surroundings(os.environ, now, foreground=False)
    lines = []
    for ctx in accounts.chosen((), settings, around):
        looked = ", ".join(dict.fromkeys(places(ctx)))
        lines += [f"{ctx.id}: {ctx.provider.login_hint}", f"  looked in {looked}"]
    return NotConfigured(
        "no limits are known yet: no login was found and no status line has reported any",
        hint="\n".join([*lines, "without an account: vibeusage demo"]),
    )


def _refreshed(args: argparse.Namespace, settings: config.Config) -> dict[str, FetchOutcome]:
    """The outcomes of the accounts that were asked; another refresher at work is left to it."""
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
    return {outcome.provider_id: outcome for outcome in asked or []}


def _is_only_seen(name: str, settings: config.Config) -> bool:
    """Whether it is the account of a folder that is not in force here: it is known, but nobody to ask."""
    now = datetime.now(UTC)
    try:
        accounts.chosen([name], settings, accounts.Surroundings(os.environ, now, foreground=False))
    except ConfigError:
        return name in cache.snapshots_with_observations(int(now.timestamp()))
    return False


def _chosen(
    wanted: list[str], outcomes: Mapping[str, FetchOutcome], settings: config.Config, now: datetime
) -> dict[str, UsageSnapshot | None]:
    """The accounts to show, those wanted in their order; None for one that was asked and has no numbers.

    Raises ConfigError for a name that nobody knows.
    """
    known = cache.snapshots_with_observations(int(now.timestamp()))
    for name, outcome in outcomes.items():
        if outcome.snapshot and outcome.is_fresh and outcome.error:  # a disk that took nothing
            known[name] = outcome.snapshot
    if not wanted:
        asked = [name for name, outcome in outcomes.items() if outcome.error and not _has_no_login(outcome.error)]
        return {**dict.fromkeys(asked), **known}
    chosen: dict[str, UsageSnapshot | None] = {}
    for name in wanted:
        mine = {account: known[account] for account in known if _is_meant(account, name, settings)}
        if not mine:
            accounts.provider_of(name)
        chosen.update(mine or {name: None})
    return chosen


def _is_meant(account: str, name: str, settings: config.Config) -> bool:
    """A provider means all its accounts but those that are off; an account means itself."""
    is_on = settings.providers.get(account, config.ProviderOptions()).enabled
    return account == name or (is_on and account.partition("@")[0] == name)


def _failing(gates: Mapping[str, gate.Gate], settings: config.Config, now: datetime) -> list[str]:
    """The accounts without numbers whose last round failed, which it is not time to try again."""
    around = accounts.Surroundings(os.environ, now, foreground=False)
    ids = [ctx.id for ctx in accounts.chosen((), settings, around)]
    failed = {name for name, known in gates.items() if known.error and not _has_no_login(known.error)}
    return [name for name in ids if name in failed and cache.load_snapshot(name) is None]


def _errors(
    chosen: Mapping[str, UsageSnapshot | None],
    outcomes: Mapping[str, FetchOutcome],
    gates: Mapping[str, gate.Gate],
    settings: config.Config,
    now: datetime,
    *,
    named: bool,
) -> dict[str, FetchError]:
    """Why numbers are missing or not newer, until they are; "no login" is nobody's error unless it was named."""
    stale_after = timedelta(seconds=settings.fetch.stale_after_s)
    errors = {}
    for name, snapshot in chosen.items():
        outcome, known = outcomes.get(name), gates.get(name)
        error = outcome.error if outcome else known.error if known else None
        if error is None or (_has_no_login(error) and (snapshot or not named)):
            continue
        failed_at = known.asked_at if known else None
        if outcome or snapshot is None or snapshot.is_stale(now, stale_after) or _is_before(snapshot, failed_at):
            errors[name] = error
    return errors


def _has_no_login(error: FetchError) -> bool:
    return error.category == NotConfigured.category


def _is_before(snapshot: UsageSnapshot, failed_at: datetime | None) -> bool:
    """Whether the numbers are from before the round that failed; what a status line told since needs no excuse."""
    return failed_at is not None and snapshot.observed_at < failed_at


def _with_status(snapshot: UsageSnapshot) -> UsageSnapshot:
    """With what the status page said last, if it was asked."""
    return msgspec.structs.replace(snapshot, status=snapshot.status or health.read(snapshot.provider))


def _name(account: str) -> str:
    provider_id = account.partition("@")[0]
    return providers.load(provider_id).name if provider_id in providers.ids() else provider_id


def _print_json(result: AggregatedResult, wanted: list[str]) -> None:
    if len(wanted) == 1 and len(result.providers) == 1:
        document: object = {"schema": 1, **msgspec.to_builtins(next(iter(result.providers.values())))}
    else:
        document = result
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
