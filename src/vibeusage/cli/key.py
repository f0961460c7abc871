"""Show where our own secrets lie; set, delete or move one. None is ever shown, nor taken as an argument."""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from vibeusage import accounts, cache, config, gate, keystore, vault
from vibeusage.cli import secrets_in
from vibeusage.context import Context
from vibeusage.errors import ConfigError, StorageError
from vibeusage.escape import clean

USAGE = "vibeusage key [PROVIDER [set|delete|move file|move keyring]] [--kind KIND] [--json]"


class Row(msgspec.Struct, frozen=True):
    """A secret of ours, without it; `backend` is "" for a file."""

    account: str
    kind: str
    where: str
    backend: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    secrets_in.guard(parser, USAGE)
    parser.add_argument("words", nargs="*", metavar="PROVIDER …", help="an account, and what to do")
    parser.add_argument("--kind", metavar="KIND", help=f"which secret: {', '.join(vault.KINDS)}; default: the first")
    parser.add_argument("--json", "-j", action="store_true", help="print what is stored, and where, as JSON")


def run(args: argparse.Namespace) -> int:
    match args.words:
        case [] | [_]:
            return _show(args.words, as_json=args.json)
        case [name, "set"]:
            return _set(_account(name), args.kind)
        case [name, "delete"]:
            return _delete(_account(name), args.kind)
        case [name, "move", "file" | "keyring" as to]:
            return _move(_account(name), args.kind, to)
        case [_, "move"]:
            raise ConfigError("where to is not said", hint="`move file` or `move keyring`")
        case _:
            raise secrets_in.refused("vibeusage key PROVIDER set")


def _account(name: str) -> Context:
    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=True)
    return secrets_in.account(name, config.load(), around)


def _show(wanted: list[str], *, as_json: bool) -> int:
    for name in wanted:
        secrets_in.check_provider(name)
    rows = [
        Row(found.account, found.kind, vault.place(found), found.backend)
        for found in vault.entries()
        if not wanted or wanted[0] in (found.account, found.account.partition("@")[0])
    ]
    if as_json:
        sys.stdout.write(msgspec.json.encode({"schema": 1, "secrets": rows}).decode() + "\n")
        return 0
    cells = [(clean(row.account), row.kind, clean(row.where, 300)) for row in rows]
    widths = [max((len(row[column]) for row in cells), default=0) for column in (0, 1)]
    for account, kind, where in cells:
        print(f"{account:{widths[0]}}  {kind:{widths[1]}}  {where}")
    if not rows:
        print("vibeusage keeps no secret of its own" + (f" for {clean(wanted[0])}" if wanted else ""))
    return 0


def _set(ctx: Context, kind: str | None) -> int:
    secret = secrets_in.chosen(ctx.provider, kind, keys=() if ctx.name else ctx.provider.keys)
    backend = secrets_in.backend_for(ctx, secret.kind)
    kept = secrets_in.document(secrets_in.ask(secret), secret, ctx.provider, ctx.now)
    where = secrets_in.store(ctx, secret.kind, kept, backend)
    print(f"{ctx.id}: the {clean(secret.label)} is stored in {where}")
    asks = "refresh" if secret.strategy else "records fetch"
    print(f"nobody was asked whether it is right; `vibeusage {asks} {ctx.id}` asks", file=sys.stderr)
    return 0


def _delete(ctx: Context, kind: str | None) -> int:
    """Secrets first: what is left of them in the cache is worth nothing once they are gone."""
    gone = []
    with vault.lock():
        for each in _kinds(kind):
            known = vault.entry(ctx.id, each)
            if vault.delete(ctx.id, each):
                gone.append(f"the {each} secret in {vault.place(known)}" if known else f"a torn {each} file")
    if gone:
        gate.drop(ctx.id)
        gone += [f"{path} of the cache" for path in cache.clear(ctx.id, exact=True)]
        gone += _history(ctx)
    for each in gone:
        print(f"{ctx.id}: {clean(each, 300)} is gone")
    if not gone:
        print(f"{ctx.id}: there was no secret of ours", file=sys.stderr)
    return 0 if gone else 2


def _history(ctx: Context) -> list[str]:
    from vibeusage.records import place, upkeep  # with SQLite

    try:
        count = upkeep.forget(place.usage_db(ctx.settings), ctx.id)
    except StorageError as exc:  # the secrets are gone all the same, and that is to be told
        print(f"{ctx.id}: its history is still there: {clean(str(exc), 300)}", file=sys.stderr)
        return []
    return [f"its history ({count:,} points)"] if count else []


def _kinds(kind: str | None) -> tuple[str, ...]:
    if kind and kind not in vault.KINDS:
        raise ConfigError("--kind is not one that there is", hint=f"one of {', '.join(vault.KINDS)}")
    return (kind,) if kind else vault.KINDS


def _move(ctx: Context, kind: str | None, to: str) -> int:
    """To a file or the keyring, whatever the settings say of new ones."""
    backend = (ctx.settings.credentials.keyring_backend or keystore.default_backend()) if to == "keyring" else ""
    known = [found for each in _kinds(kind) if (found := vault.entry(ctx.id, each))]
    for place in _moved(known, backend):
        print(f"{ctx.id}: {place}")
    if not known:
        print(f"{ctx.id}: there is no secret of ours", file=sys.stderr)
    return 0 if known else 2


def _moved(known: list[vault.Entry], backend: str) -> Iterator[str]:
    for found in known:
        if found.backend == backend:
            yield f"the {found.kind} secret is in {vault.place(found)} already"
            continue
        with vault.lock():
            document = vault.read(found.account, found.kind, foreground=True)
            if document is None:
                raise StorageError(
                    f"the {found.kind} secret in {vault.place(found)} cannot be read, so it stays there",
                    hint=f"`vibeusage key {found.account} delete`, or `set` it again",
                )
            now = vault.write(found.account, found.kind, document, backend)
        yield f"the {found.kind} secret is now in {vault.place(now)}, and no more in {vault.place(found)}"
