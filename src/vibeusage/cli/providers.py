"""List the providers, show one, switch it on or off, set it up, put them in order, or try one; by itself: list."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from vibeusage import accounts, cache, config, mask, providers, schema, switching, toml_edit
from vibeusage.cli import providers_check
from vibeusage.errors import ConfigError
from vibeusage.escape import clean
from vibeusage.provider_states import Row, gathered
from vibeusage.settings import ProviderOptions
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="list|show|enable|disable|configure|order|check")
    listed = actions.add_parser("list", help="those that are set up, and how they are (the default)")
    shown = actions.add_parser("show", help="everything that is known of one")
    for one in (parser, listed):
        one.add_argument("--all", "-a", action="store_true", default=argparse.SUPPRESS, help="also those not set up")
    listed.add_argument("--names", action="store_true", help="only the ids, for shells to complete")
    for one in (parser, listed, shown):
        one.add_argument("--json", "-j", action="store_true", default=argparse.SUPPRESS, help="print as JSON")
        about = "labels for accounts, paths and hosts"
        one.add_argument("--redact", action="store_true", default=argparse.SUPPRESS, help=about)
    named = [shown]
    for name, text in (("enable", "ask and show it"), ("disable", "neither ask nor show it")):
        named.append(actions.add_parser(name, help=text))
    named.append(actions.add_parser("check", help="ask it once and tell what was read; stores nothing"))
    changed = actions.add_parser("configure", help="its settings, or set some: KEY=VALUE; KEY= takes one back")
    for one in (*named, changed):
        one.add_argument("provider", metavar="PROVIDER", help="a provider or account")
    changed.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="such as base_url=https://proxy.example")
    order = actions.add_parser("order", help="these first; without a name: tell the order")
    order.add_argument("providers", nargs="*", metavar="PROVIDER")
    order.add_argument("--reset", action="store_true", help="by name again")


def run(args: argparse.Namespace) -> int:
    as_json, shown_as = getattr(args, "json", False), _shown_as(args)
    match args.action:
        case "show":
            return _show(args.provider, shown_as, as_json=as_json)
        case "enable" | "disable":
            return _switch(args.provider, on=args.action == "enable")
        case "configure":
            return _configure(args.provider, args.settings)
        case "order":
            return _order(args.providers, is_reset=args.reset)
        case "check":
            return providers_check.run(args.provider)
        case "list" if args.names:
            print("\n".join(providers.ids()))
            return 0
        case _:
            return _list(shown_as, shows_all=getattr(args, "all", False), as_json=as_json)


def _shown_as(args: argparse.Namespace) -> Callable[[Row], Row]:
    if not getattr(args, "redact", False):
        return mask.without_mails
    from vibeusage import redact  # reads every provider and snapshot

    return redact.of_this_machine(os.environ, config.load()).struct


def _around() -> accounts.Surroundings:
    return accounts.Surroundings(os.environ, datetime.now(UTC), foreground=False)


def _list(shown_as: Callable[[Row], Row], *, shows_all: bool, as_json: bool) -> int:
    rows = gathered(config.load(), _around())
    shown = [shown_as(row) for row in rows if shows_all or row.state != "not set up"]
    if as_json:
        sys.stdout.write(msgspec.json.encode({"schema": 1, "providers": shown}).decode() + "\n")
        return 0
    texts = [[plain(cell) for cell in _cells(row)] for row in shown]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row, text in zip(shown, texts, strict=True):
        print("  ".join(f"{cell:{width}}" for cell, width in zip(text, widths, strict=True)).rstrip())
        if row.todo and row.state not in ("off", "records only"):
            print(f"   {plain(row.todo)}")
    rest = len(rows) - len(shown)
    if rest:
        print(f"{rest} more are not set up: `vibeusage providers list --all`")
    return 0


def _cells(row: Row) -> tuple[str, ...]:
    return row.icon, row.id, row.name, row.state, row.source, row.age, row.amount


def _show(name: str, shown_as: Callable[[Row], Row], *, as_json: bool) -> int:
    accounts.provider_of(name)
    settings = config.load()
    row = next((row for row in gathered(settings, _around(), only=name) if row.id == name), None)
    if row is None:
        raise ConfigError(f"{clean(name, 60)!r} is not an account", hint=f"`vibeusage auth {clean(name, 60)}` adds it")
    row = shown_as(row)
    if as_json:
        sys.stdout.write(msgspec.json.encode({"schema": 1, "provider": row}).decode() + "\n")
        return 0
    print(f"{row.icon} {plain(row.name)} ({plain(row.id)}): {row.state}")
    for title, text in _facts(row):
        if text:
            print(f"  {title:12}  {plain(text)}")
    return 0


def _facts(row: Row) -> list[tuple[str, str]]:
    return [
        ("to do", row.todo),
        ("numbers from", row.source),
        ("last asked", f"{row.asked_at:%Y-%m-%d %H:%M:%S} UTC" if row.asked_at else ""),
        ("last good", f"{row.observed_at:%Y-%m-%d %H:%M:%S} UTC" if row.observed_at else ""),
        ("error", row.error),
        *(("way", f"{way.strategy}: {', '.join(way.places) or 'nothing to log in with'}") for way in row.ways),
        *(("logs", folder) for folder in row.logs),
        ("records", row.amount),
        ("last sync", f"{row.synced_at:%Y-%m-%d %H:%M:%S} UTC" if row.synced_at else ""),
        ("page", row.dashboard),
        ("file", row.file),
    ]


def _switch(name: str, *, on: bool) -> int:
    switching.switch(name, on=on)
    print(f"{name} is {'on' if on else 'off: it is neither asked nor shown; its numbers and records stay'}")
    return 0


def _configure(name: str, changes: list[str]) -> int:
    accounts.provider_of(name)
    if not changes:
        _print_settings(name)
        return 0
    parted = [change.partition("=") for change in changes]
    if wrong := next((key for key, equals, _ in parted if not equals), None):
        word = clean(wrong, 60)
        raise ConfigError(f"{word!r} has no value", hint=f"{word}=VALUE sets it, {word}= takes it back")
    switching.configure(name, {key: value for key, _, value in parted})
    return 0


def _print_settings(name: str) -> None:
    options = config.load().providers.get(name, ProviderOptions())
    for key, kind in schema.leaves(ProviderOptions).items():
        value, about = getattr(options, key), schema.about_of(kind)
        said = "not set" if value is None else toml_edit.literal(value)
        print(f"  {key:12}  {said:12}  {about.title}; {about.description}")
    known = providers.load(name.partition("@")[0]).params
    for param, about in known.items():
        said = toml_edit.literal(options.params[param]) if param in options.params else "not set"
        print(f"  {f'params.{param}':12}  {said:12}  {about}")


def _order(names: list[str], *, is_reset: bool) -> int:
    for name in names:
        accounts.provider_of(name)
    if is_reset:
        config.reset("provider_order")
    elif names:
        config.set_value("provider_order", toml_edit.literal(list(dict.fromkeys(names))))
    if is_reset or names:
        cache.compile_line()
    settings = config.load()
    print(", ".join(settings.provider_order or ()) or "by name")
    return 0
