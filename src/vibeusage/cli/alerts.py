"""Show the thresholds, what was told of and when; `test` runs the command once with sample values."""

import argparse
import os
import shlex
import sys
from datetime import UTC, datetime

import msgspec

from vibeusage import alerts, config, episodes, hooks, pace, render, terminal
from vibeusage.episodes import Alert, Known
from vibeusage.errors import ConfigError
from vibeusage.settings import Alerts

OUTPUT_LINES = 20
EXAMPLE = """vibeusage config set alerts.command '["/usr/bin/notify-send", "--", "{title}", "{text}"]'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="show|test")
    show = actions.add_parser("show", help="thresholds, command, and what was told of (the default)")
    test = actions.add_parser("test", help="run the command once with sample values")
    for one in (parser, show, test):
        one.add_argument("--json", "-j", action="store_true", default=argparse.SUPPRESS, help="print as JSON")
    for one in (parser, show):
        about = "labels for accounts and paths"
        one.add_argument("--redact", action="store_true", default=argparse.SUPPRESS, help=about)


def run(args: argparse.Namespace) -> int:
    settings, as_json = config.load().alerts, getattr(args, "json", False)
    if args.action == "test":
        return _test(settings, as_json=as_json)
    known, now = episodes.load(), datetime.now(UTC)
    if getattr(args, "redact", False):
        settings, known = _redacted(settings, known)
    if as_json:
        _print_json(_document(settings, known))
    else:
        _print("\n".join([*_head(settings), *_told(known, now), *_waiting(known)]))
    return 0


def _redacted(settings: Alerts, known: Known) -> tuple[Alerts, Known]:
    from vibeusage import redact  # reads every provider and snapshot

    shown_as, replace = redact.of_this_machine(os.environ, config.load()), msgspec.structs.replace
    told = tuple(replace(alert, account=shown_as.account(alert.account)) for alert in known.alerts)
    seen = {shown_as.account(account): windows for account, windows in known.seen.items()}
    return shown_as.struct(settings), replace(known, alerts=told, seen=seen)


def _document(settings: Alerts, known: Known) -> dict:
    return {
        "thresholds": settings.thresholds,
        "command": settings.command,
        "fired": [
            {
                "account": alert.account,
                "period": alert.period,
                "threshold": alert.threshold,
                "utilization": alert.utilization,
                "fired_at": alert.at,
                "resets_at": None if alert.is_guess else alert.until,
                "outcome": alert.outcome,
            }
            for alert in known.alerts
        ],
        "waiting": [
            {"account": account, "period": period, "utilization": seen.utilization, "observed_at": seen.at}
            for account, windows in known.seen.items()
            for period, seen in windows.items()
            if seen.is_waiting
        ],
    }


def _print_json(document: dict) -> None:
    sys.stdout.write(msgspec.json.encode({"schema": 1, **document}).decode() + "\n")


def _head(settings: Alerts) -> list[str]:
    if not settings.thresholds:
        return ["alerts are off: `vibeusage config set alerts.thresholds 80,95` switches them on"]
    command = shlex.join(settings.command) if settings.command else f"none is set: `{EXAMPLE}`"
    return [
        f"thresholds  {', '.join(f'{each}%' for each in sorted(settings.thresholds))}",
        f"command     {render.plain(command, render.MESSAGE_LIMIT)}",
    ]


def _told(known: Known, now: datetime) -> list[str]:
    width = max((len(_window(alert.account, alert.period)) for alert in known.alerts), default=0)
    return [_row(alert, width, now) for alert in known.alerts] or ["  nothing was told of yet"]


def _row(alert: Alert, width: int, now: datetime) -> str:
    age = pace.age(int(alert.at.timestamp()), int(now.timestamp()))[0]
    reached = f"{pace.percent(alert.utilization)} (threshold {alert.threshold}%)"
    outcome = render.plain(alert.outcome) or "not known what came of it"
    return f"  {_window(alert.account, alert.period):{width}}  {reached}  {age}: {outcome}"


def _waiting(known: Known) -> list[str]:
    return [
        f"  {_window(account, period)}  {pace.percent(seen.utilization)} was seen once, so it is not told of yet"
        for account, windows in known.seen.items()
        for period, seen in windows.items()
        if seen.is_waiting
    ]


def _window(account: str, period: str) -> str:
    return f"{render.plain(account)} {render.plain(period)}"


def _test(settings: Alerts, *, as_json: bool) -> int:
    if not settings.command:
        raise ConfigError("no alerts.command is set", hint=f"for example `{EXAMPLE}`")
    argv, ended = alerts.trial(settings.command, os.environ)
    output = [render.plain(line) for line in ended.output.decode("utf-8", "replace").splitlines()[:OUTPUT_LINES]]
    if as_json:
        _print_json({"command": argv, "outcome": ended.outcome, "output": output})
    else:
        command = render.plain(shlex.join(argv), render.MESSAGE_LIMIT)
        _print("\n".join([command, *(f"  {line}" for line in output), f"it {_sentence(ended.outcome)}"]))
    return 0 if ended.outcome == hooks.OK else 1


def _sentence(outcome: str) -> str:
    return "ended well" if outcome == hooks.OK else outcome


def _print(text: str) -> None:
    print(text.encode("ascii", "replace").decode() if terminal.glyphs(sys.stdout)[0].isascii() else text)
