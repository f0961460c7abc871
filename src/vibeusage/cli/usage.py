"""Show every plan: how much is used, when it resets, how old the numbers are."""

import argparse
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import cache, config, gate, providers, render
from vibeusage.errors import ConfigError, NotConfigured
from vibeusage.models import UsageSnapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("provider", nargs="*", metavar="PROVIDER", help="a provider or account; default: all with data")
    parser.add_argument("--refresh", action="store_true", help="ask the providers first")
    parser.add_argument("--json", action="store_true", help="print the snapshots as JSON")
    parser.add_argument("--verbose", "-v", action="store_true", help="add source, account and age")
    parser.add_argument("--no-color", action="store_true", help="print without colours")


def run(args: argparse.Namespace) -> int:
    settings = config.load()
    code = _refreshed(args.provider) if args.refresh else 0
    now = datetime.now(UTC)
    known = cache.snapshots_with_observations(int(now.timestamp()))
    chosen = _chosen(known, args.provider)
    if args.json:
        _print_json(chosen, args.provider, now)
    else:
        if not chosen:
            raise _nothing_known()
        style = render.environment_style(
            sys.stdout,
            remaining=settings.line.show == "remaining",
            stale_after_s=settings.fetch.stale_after_s,
            no_color=args.no_color,
        )
        print(render.snapshots(chosen.values(), style, now, verbose=args.verbose))
        _print_errors(chosen)
    return code


def _refreshed(wanted: list[str]) -> int:
    from vibeusage.cli.refresh import exit_code
    from vibeusage.refresh import refresh

    return exit_code(refresh(wanted) or [])


def _chosen(known: dict[str, UsageSnapshot], wanted: list[str]) -> dict[str, UsageSnapshot]:
    """The accounts asked for, in that order. Raises ConfigError for a name nobody knows."""
    if not wanted:
        return known
    chosen = {}
    for name in wanted:
        mine = {account: known[account] for account in known if name in (account, account.partition("@")[0])}
        if not mine and name.partition("@")[0] not in providers.IDS:
            raise ConfigError(
                f"{render.plain(name)!r} is not a provider or command",
                hint=f"providers: {', '.join(providers.IDS)}; commands: vibeusage --help",
            )
        if not mine:
            raise NotConfigured(
                f"nothing is known of {name} yet", hint=providers.load(name.partition("@")[0]).login_hint
            )
        chosen.update(mine)
    return chosen


def _nothing_known() -> NotConfigured:
    hints = [f"{name}: {providers.load(name).login_hint}" for name in providers.IDS]
    return NotConfigured(
        "no limits are known yet: no login was found and no status line has reported any",
        hint="\n  ".join([*hints, "without an account: vibeusage demo"]),
    )


def _print_json(chosen: dict[str, UsageSnapshot], wanted: list[str], now: datetime) -> None:
    errors = {name: state.error for name, state in gate.load().items() if state.error and name in (wanted or chosen)}
    if len(wanted) == 1 and len(chosen) == 1:
        document: object = {"schema": 1, **msgspec.to_builtins(next(iter(chosen.values())))}
    else:
        document = {"schema": 1, "fetched_at": now, "providers": chosen, "errors": errors}
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")


def _print_errors(chosen: dict[str, UsageSnapshot]) -> None:
    """Why the numbers are not newer, for the accounts on screen."""
    for name, state in gate.load().items():
        if state.error and name in chosen and state.error.category != "not_configured":
            hint = f"\n  {render.plain(state.error.hint)}" if state.error.hint else ""
            print(f"{name}: {render.plain(state.error.message)}{hint}", file=sys.stderr)
