"""Log in: what was found, by code, with a browser's cookie, or a pasted secret; `--status` shows all accounts."""

import argparse
import asyncio
import contextlib
import copy
import os
import re
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vibeusage import accounts, config, found, mask, oauth, providers, toml_edit
from vibeusage.cli import secrets_in, trial
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, ConfigError, NotConfigured, VibeusageError
from vibeusage.escape import clean
from vibeusage.found import TEXT_LIMIT
from vibeusage.providers.spec import DeviceFlow, Secret

USAGE = (
    "vibeusage auth [PROVIDER] [--status] [--json] [--redact] [--kind KIND] [--host HOST]"
    " [--from-browser [BROWSER]] [--no-check]"
)
HOST = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
API = re.compile(rf"https://api\.({HOST})/?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    secrets_in.guard(parser, USAGE)
    parser.add_argument("words", nargs="*", metavar="PROVIDER", help="a provider or account, such as claude@work")
    parser.add_argument("--status", action="store_true", help="only show what was found, and where")
    parser.add_argument("--json", "-j", action="store_true", help="the same as JSON")
    parser.add_argument("--redact", action="store_true", help="the same with labels for accounts, paths and hosts")
    parser.add_argument("--kind", metavar="KIND", help="which secret to paste, where there are several")
    parser.add_argument("--host", metavar="HOST", help="log in by code at another host, such as acme.ghe.com")
    parser.add_argument(
        "--from-browser",
        nargs="?",
        const="",
        metavar="BROWSER",
        help="use the session cookie of this browser; without a name, of the one that has it",
    )
    parser.add_argument("--no-check", action="store_true", help="store the login without asking the provider")


def run(args: argparse.Namespace) -> int:
    if len(args.words) > 1:
        raise secrets_in.refused("vibeusage auth PROVIDER")
    if args.from_browser is not None:
        return _from_browser(args)
    settings = config.load()
    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=True)
    for name in args.words:
        secrets_in.check_provider(name)
    if args.status or args.json or args.redact or not args.words:
        chosen = accounts.chosen(args.words, settings, around)
        looked_at = [(mask.without_mails(found.account(ctx)), ctx.provider.is_common) for ctx in chosen]
        if args.redact:
            from vibeusage import redact  # reads every provider and snapshot

            shown_as = redact.of_this_machine(os.environ, settings)
            looked_at = [(shown_as.struct(account), is_common) for account, is_common in looked_at]
        return _status(looked_at, args)
    ctx = secrets_in.account(args.words[0], settings, around)
    known = found.account(ctx)
    print(found.table([known]))
    if args.host and not ctx.provider.device:
        raise ConfigError(f"{ctx.provider.name} has no login by code, which --host is for")
    if found.is_working(known) and (ctx.provider.device or ctx.provider.secrets):
        _tell("a login works already; Ctrl-C leaves all as it is")
    if ctx.provider.device and not args.kind:
        return _by_code(ctx, ctx.provider.device, args)
    if ctx.provider.secrets or args.kind:
        return _by_paste(ctx, secrets_in.chosen(ctx.provider, args.kind), is_checked=not args.no_check)
    if not found.is_working(known):
        raise NotConfigured(f"{ctx.display_name} has no working login on this machine", hint=known.hint)
    print("nothing is left to do: this login works, and its own program renews it")
    return 0


def _status(looked_at: list[tuple[found.Account, bool]], args: argparse.Namespace) -> int:
    """For one provider the exit code tells whether a login works.

    Unless named, those with a login are listed, and the common ones where nobody has any.
    """
    known = [account for account, _ in looked_at]
    if args.json:
        sys.stdout.write(msgspec.json.encode({"schema": 1, "accounts": known}).decode() + "\n")
    else:
        there = [account for account in known if account.logins]
        common = [account for account, is_common in looked_at if is_common]
        listed = known if args.words else there or common or known
        print(found.table(listed) if listed else "no provider is enabled")
        if rest := len(known) - len(listed):
            print(f"{rest} more have no login: `vibeusage providers list --all` tells what each takes")
    return 0 if not args.words or any(map(found.is_working, known)) else NotConfigured.exit_code


def _from_browser(args: argparse.Namespace) -> int:
    from vibeusage.cli import from_browser  # sqlite3

    words, said = args.words, args.from_browser
    if not words and said.partition("@")[0] in providers.ids():
        words, said = [said], ""  # `auth --from-browser cursor`
    if not words or args.status or args.json or args.redact or args.kind or args.host:
        raise ConfigError(
            "--from-browser goes with one provider and, at most, --no-check",
            hint="vibeusage auth PROVIDER --from-browser [BROWSER]",
        )
    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=True)
    return from_browser.log_in(secrets_in.account(words[0], config.load(), around), said, is_checked=not args.no_check)


# --- a login by code


def _by_code(ctx: Context, flow: DeviceFlow, args: argparse.Namespace) -> int:
    host = _host(args.host, flow, ctx)
    backend = secrets_in.backend_for(ctx, flow.kind)
    kept = asyncio.run(_typed_elsewhere(ctx, flow, host))
    with _moved(ctx, host, is_named=args.host is not None):
        where = secrets_in.store(ctx, flow.kind, kept, backend)
    print(f"{ctx.id}: the login is stored in {where}")
    if args.no_check:
        return 0
    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=True)
    now = accounts.one(ctx.id, config.load(), around)  # the address may be another by now
    secret = secrets_in.kinds(ctx.provider)[flow.kind]
    try:
        print(check(now, secret, kept))
    except VibeusageError as exc:
        exc.hint = f"the login is stored all the same; {exc.hint}".rstrip("; ")
        raise
    return 0


def _host(said: str | None, flow: DeviceFlow, ctx: Context) -> str:
    """Where to log in: as told, else where the settings say this account is; "" for the usual host."""
    if said is not None and not re.fullmatch(HOST, said.lower()):
        raise ConfigError("--host is not the name of a host", hint="such as acme.ghe.com, without https://")
    before = API.fullmatch(ctx.options.base_url or "")
    host = said.lower() if said is not None else before[1] if before else ""
    return "" if host == urlsplit(flow.code_url).hostname else host


async def _typed_elsewhere(ctx: Context, flow: DeviceFlow, host: str) -> dict[str, Any]:
    """The document to store, once the person has typed the code at the vendor's page."""
    from vibeusage import http  # httpx costs a tenth of a second

    shows_progress = sys.stderr.isatty()
    if API.fullmatch(ctx.options.base_url or ""):  # `host` says it, or takes its place
        ctx = copy.copy(ctx)
        ctx.options = msgspec.structs.replace(ctx.options, base_url=None)
    own = urlsplit(ctx.options.base_url or "").hostname or ""
    hosts = {*ctx.provider.hosts, *filter(None, (own, host))}
    async with http.open_client(ctx.settings.fetch.timeout_s, hosts, http.tls()) as ctx.client:
        code = await oauth.request_code(flow, ctx, host)
        _tell(f"open {clean(code.verification_uri, TEXT_LIMIT)} and type the code {clean(code.user_code)}")
        _tell("waiting until that is done; Ctrl-C ends it and leaves nothing")
        try:
            return await oauth.await_token(
                flow, code, ctx, host, waiting=lambda: _tell(".", end="") if shows_progress else None
            )
        finally:
            if shows_progress:
                _tell("")


def _tell(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _moved(ctx: Context, host: str, *, is_named: bool) -> Generator[None]:
    """The address of this account is that of `host` before its login is there; again the old one if that fails."""
    key, old = toml_edit.dotted(("providers", ctx.id, "base_url")), ctx.options.base_url
    wanted = f"https://api.{host}" if host else None if is_named and API.fullmatch(old or "") else old
    _set_address(key, wanted, old)
    try:
        yield
    except (VibeusageError, KeyboardInterrupt):
        _set_address(key, old, wanted)
        raise


def _set_address(key: str, wanted: str | None, old: str | None) -> None:
    if wanted is None:
        config.reset(key)
    elif wanted != old:
        config.set_value(key, wanted)


# --- a secret that is pasted


def _by_paste(ctx: Context, secret: Secret, *, is_checked: bool) -> int:
    backend = secrets_in.backend_for(ctx, secret.kind)
    _tell(f"wanted: {clean(secret.label)}\n  {clean(secret.how, TEXT_LIMIT)}")
    if any(one.name == secret.strategy for one, _ in trial.with_cookie(ctx.provider)):
        _tell(f"  or leave it in the browser: vibeusage auth {ctx.id} --from-browser")
    kept = secrets_in.document(secrets_in.ask(secret), secret, ctx.provider, ctx.now)
    told = ""
    if is_checked:
        try:
            told = check(ctx, secret, kept)
        except VibeusageError as exc:
            way = secret.how if isinstance(exc, AuthError) else exc.hint
            exc.hint = f"{way}\nnothing was stored; --no-check stores it without asking".strip()
            raise
    where = secrets_in.store(ctx, secret.kind, kept, backend)
    print(f"{ctx.id}: the {clean(secret.label)} is stored in {where}")
    if told:
        print(told)
    return 0


def check(ctx: Context, secret: Secret, kept: dict[str, Any]) -> str:
    """Ask the vendor with this login alone; the percentages. Raises what keeps it from answering."""
    strategy = next(one for one in ctx.provider.strategies if one.name == secret.strategy)
    login = Login(kept[secret.key], "what was given", is_ours=True, owner=kept["owner"], data=kept)
    return trial.percentages(ctx, strategy, login)
