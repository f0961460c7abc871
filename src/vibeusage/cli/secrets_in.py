"""A secret on its way in: from a hidden prompt or stdin, tidied, compared with what a right one looks like, stored.

No message, exception or repr made here holds any part of it.
"""

import argparse
import getpass
import re
import secrets
import sys
import warnings
from datetime import datetime
from typing import Any, NoReturn

from vibeusage import accounts, cache, gate, keystore, providers, vault
from vibeusage.config import Config
from vibeusage.context import Context
from vibeusage.errors import ConfigError
from vibeusage.escape import clean
from vibeusage.providers.spec import Command, Cookie, Env, Place, Provider, Secret, Stored, Strategy

EXIT_USAGE = 4
LIMIT = 64 << 10
TTY_LIMIT = 1023 if sys.platform == "darwin" else 4095  # where a terminal cuts a line without a word


def guard(parser: argparse.ArgumentParser, usage: str) -> None:
    """Bad usage is told without repeating a word of it, since one may be a secret."""

    def error(message: str) -> NoReturn:
        parser.exit(EXIT_USAGE, f"vibeusage: these arguments are not understood; usage: {usage}\n")

    parser.usage = usage
    parser.error = error


def refused(command: str) -> ConfigError:
    """For words that a command does not know."""
    return ConfigError(
        "a secret is not taken from the command line, where other programs and the shell's history see it",
        hint=f"`{command}` asks for it, or takes it from stdin; `{command} --help` tells what else there is",
    )


def account(name: str, settings: Config, around: accounts.Surroundings) -> Context:
    """The account, which need not exist before; a name that is none is not repeated."""
    check_provider(name)
    try:
        return accounts.one(name, settings, around)
    except ConfigError as exc:
        raise ConfigError("that is not a name for an account", hint=exc.hint) from None


def check_provider(name: str) -> None:
    """As `accounts.provider_of`, without repeating the name: a person may have put a secret there."""
    if name.partition("@")[0] not in providers.ids():
        raise ConfigError("the first word is not a provider", hint=accounts.nearest(name))


def kinds(provider: Provider) -> dict[str, Secret]:
    """What a person may store: what the provider asks for, then any other place of ours, for a bare token."""
    known = {secret.kind: secret for secret in provider.secrets}
    for strategy in provider.strategies:
        for place in places(strategy):
            if isinstance(place, Stored) and place.kind not in known:
                known[place.kind] = Secret(
                    kind=place.kind,
                    label=f"access token for {provider.name}",
                    how=provider.login_hint,
                    strategy=strategy.name,
                    key=place.key,
                )
    return known


def chosen(provider: Provider, kind: str | None, *, keys: tuple[Secret, ...] = ()) -> Secret:
    """The secret of this kind, also of `keys`, or the first.

    Raises ConfigError, which does not repeat a kind nobody knows.
    """
    known = kinds(provider) | {key.kind: key for key in keys}
    if not known:
        raise ConfigError(f"vibeusage keeps no secret for {provider.name}", hint=provider.login_hint)
    if kind is not None and kind not in known:
        raise ConfigError(f"--kind is not one that {provider.name} has", hint=f"one of {', '.join(known)}")
    return known[kind] if kind else next(iter(known.values()))


def places(strategy: Strategy) -> tuple[Place, ...]:
    return () if isinstance(strategy, Command) else strategy.login


def ask(secret: Secret) -> str:
    """What the person gives, at a prompt that does not show it, or stdin when that is not a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        text = sys.stdin.buffer.read(LIMIT).decode("utf-8", "replace") if sys.stdin else ""
    else:
        text = _typed(f"{clean(secret.label)} (not shown): ")
    if not text.strip():
        raise ConfigError(f"no {clean(secret.label)} was given", hint=clean(secret.how, 300))
    return text


def _typed(prompt: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            text = getpass.getpass(prompt)
    except getpass.GetPassWarning as exc:
        raise ConfigError("this terminal would show what is typed", hint="pipe the secret to stdin") from exc
    except EOFError:
        return ""
    if len(text.encode("utf-8", "replace")) >= TTY_LIMIT:
        raise ConfigError("a terminal cuts lines as long as this", hint="pipe the secret to stdin")
    return text


def document(text: str, secret: Secret, provider: Provider, now: datetime) -> dict[str, Any]:
    """What is stored for a pasted text. Raises ConfigError when it cannot be right."""
    names = _names(secret, provider)
    name, token = ("", _cookies(text, names)) if secret.is_header else _tidied(text, names)
    if not re.fullmatch(r"[\x21-\x7e]+", token) or (secret.pattern and not re.fullmatch(secret.pattern, token)):
        raise ConfigError(f"that is no {clean(secret.label)}", hint=clean(secret.how, 300))
    known = {"name": name} if name else {}
    return {
        secret.key: token,
        **known,
        "owner": secrets.token_hex(8),
        "obtained_at": int(now.timestamp() * 1000),
    }


def _names(secret: Secret, provider: Provider) -> list[str]:
    """The cookies and variables that hold this secret elsewhere, as which a person may have copied it."""
    found = []
    for place in (place for one in provider.strategies if one.name == secret.strategy for place in places(one)):
        match place:
            case Cookie():
                found += place.names
            case Env():
                found.append(place.name)
    return found


def _cookies(text: str, names: list[str]) -> str:
    """Those of a whole header that are known by name."""
    parts = (part.strip() for part in _bare(text).split(";"))
    return ";".join(part for part in parts if part.partition("=")[0] in names and part.partition("=")[2])


def _bare(text: str) -> str:
    return re.sub(r"(?i)^cookie:\s*", "", text.strip())


def _tidied(text: str, names: list[str]) -> tuple[str, str]:
    """The name it came with, if any, and the bare value."""
    text = _bare(text)
    for part in text.split(";"):
        name, equals, value = part.strip().removeprefix("export ").partition("=")
        if equals and name in names:
            return name, value.strip("\"'")
    return "", re.sub(r"(?i)^(authorization:\s*)?(bearer|token)\s+", "", text).strip("\"'")


def backend_for(ctx: Context, kind: str) -> str:
    """Where the settings want the secret, "" for a file; one that lies in a keyring stays in one.

    A keyring is tried before anybody is asked for anything. Raises StorageError when it does not answer.
    """
    known = vault.entry(ctx.id, kind)
    backend = vault.backend_of(ctx.settings.credentials) or (known.backend if known else "")
    if backend:
        keystore.read(ctx.id, kind, backend=backend)
    return backend


def store(ctx: Context, kind: str, kept: dict[str, Any], backend: str) -> str:
    """Store the document, and forget what the login before it was refused; where it lies now."""
    with vault.lock():
        found = vault.write(ctx.id, kind, kept, backend)
    gate.forget(ctx.id, exact=True)
    cache.compile_line()
    return vault.place(found)
