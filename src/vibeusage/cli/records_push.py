"""Send what is new to the PostgreSQL server of `storage.url`, and make its tables where there are none."""

import argparse
import sys
from functools import partial

import msgspec

from vibeusage import config, vault
from vibeusage.cli import secrets_in
from vibeusage.cli.records_sync import Progress
from vibeusage.config import Config
from vibeusage.errors import ConfigError
from vibeusage.figures import counted
from vibeusage.providers.spec import Secret
from vibeusage.records.stored import PASSWORD_ACCOUNT, PASSWORD_KIND
from vibeusage.terminal import plain

PASSWORD = Secret(
    kind=PASSWORD_KIND, label="password of the server's role", how="whoever set up the server knows it", strategy=""
)
EXIT_NOTHING = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--password", action="store_true", help="ask for the role's password and keep it, then send")
    parser.add_argument("--forget-password", action="store_true", help="delete the password that is kept, send nothing")
    parser.add_argument("--quiet", "-q", action="store_true", help="say nothing, the exit code tells")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    if args.forget_password:
        return _forget()
    settings = config.load()
    if not settings.storage.url:
        raise ConfigError(
            "no server is named",
            hint="`vibeusage config set storage.url postgresql://USER@HOST/DATABASE?sslmode=verify-full`",
        )
    from vibeusage.records import postgres, push  # psycopg

    if args.password:
        _keep_password(settings)

    with Progress("sending to", quiet=args.quiet) as progress:
        pushed = push.run(settings.storage.url, on_progress=partial(progress.draw, "the server"))
    if pushed is None and not args.quiet:
        print("another one is sending, and will do", file=sys.stderr)
    if args.json:
        pushed = pushed or push.Pushed(server=postgres.name_of(settings.storage.url), is_whole=False)
        sys.stdout.write(msgspec.json.encode({"schema": 1, **msgspec.to_builtins(pushed)}).decode() + "\n")
    elif pushed and not args.quiet:
        print(f"{plain(pushed.server)}: {counted(pushed.sent, 'call')} sent, {pushed.added:,} of them new there")
    return 0


def _keep_password(settings: Config) -> None:
    """In a file or the keyring, as the settings have it."""
    password = secrets_in.ask(PASSWORD).rstrip("\r\n")
    if not password.isprintable():
        raise ConfigError("that is no password", hint="it is one line of visible characters")
    with vault.lock():
        backend = vault.backend_of(settings.credentials)
        kept = vault.write(PASSWORD_ACCOUNT, PASSWORD_KIND, {PASSWORD_KIND: password}, backend)
    print(f"the password is stored in {plain(vault.place(kept), 300)}", file=sys.stderr)


def _forget() -> int:
    with vault.lock():
        gone = vault.delete(PASSWORD_ACCOUNT, PASSWORD_KIND)
    print("the password is gone" if gone else "there was no password", file=sys.stderr)
    return 0 if gone else EXIT_NOTHING
