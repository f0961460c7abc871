"""Which accounts there are, and what each of them sees: the default one of a provider and the named ones.

An account is named in config.toml (`[providers."claude@work"]`) or by a login stored under its name.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from vibeusage import observe, providers, shown, vault
from vibeusage.config import Config, ProviderOptions
from vibeusage.context import Context
from vibeusage.errors import ConfigError
from vibeusage.escape import clean

VARIABLE = "VIBEUSAGE_ENABLED_PROVIDERS"
_NAME = re.compile(r"[a-z0-9_-]+(@\w[\w.-]{0,63})?", re.ASCII)  # it is the name of a file and of a folder, too
_OF_A_FOLDER = re.compile(r"claude@(.*-)?[0-9a-f]{8}")  # asked only where that folder is in force


class Surroundings(NamedTuple):
    """What all accounts have in common: the environment, the instant, and whether a person waits."""

    environ: Mapping[str, str]
    now: datetime
    foreground: bool


def chosen(wanted: Sequence[str], settings: Config, around: Surroundings) -> list[Context]:
    """The accounts to ask, in order: those wanted (a provider means all its accounts), else all enabled.

    Raises ConfigError for a name that nobody knows.
    """
    if not wanted:
        return [ctx for name in enabled(settings, around.environ) for ctx in _of(name, settings, around)]
    found = {ctx.id: ctx for name in wanted for ctx in _named(name, settings, around)}
    return list(found.values())


def enabled(settings: Config, environ: Mapping[str, str]) -> list[str]:
    """The ids of the providers (or accounts) that are on, in order."""
    known = in_force(settings, environ).enabled_providers or providers.ids()
    ordered = shown.some_first(known, settings)
    return [name for name in ordered if settings.providers.get(name, ProviderOptions()).enabled]


def in_force(settings: Config, environ: Mapping[str, str]) -> Config:
    """The settings with the providers that the environment names, which wins.

    Raises ConfigError for a name that nobody knows.
    """
    where, said = "enabled_providers", settings.enabled_providers
    if named := [name.strip() for name in environ.get(VARIABLE, "").split(",") if name.strip()]:
        where, said = VARIABLE, named
    for name in said or ():
        if name.partition("@")[0] not in providers.ids():
            raise ConfigError(f"{clean(name, 60)!r} in {where} is not a provider", hint=nearest(name))
        provider_of(name)
    return msgspec.structs.replace(settings, enabled_providers=said)


def nearest(name: str) -> str:
    """What a name that nobody knows may have been meant for, and where all are told."""
    near = difflib.get_close_matches(name.partition("@")[0], providers.ids(), n=1)
    return f"{f'did you mean {near[0]}? ' if near else ''}`vibeusage providers list --all` names them all"


def provider_of(name: str) -> str:
    """The provider's id in `claude` or `claude@work`.

    Raises ConfigError when there is none of that name, or what stands behind the @ is no name.
    """
    provider_id = name.partition("@")[0]
    if provider_id not in providers.ids():
        raise _not_known(name)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{clean(name, 60)!r} is not a name for an account",
            hint=f"behind the @ stand letters, digits and . _ -, such as {provider_id}@work",
        )
    return provider_id


def _not_known(name: str) -> ConfigError:
    from vibeusage.records import readers

    if name in readers.load_all():
        return ConfigError(
            f"{name} has no quota to ask for, only logs that are read",
            hint=f"`vibeusage config set records.{name}.mode manual` leaves them to `vibeusage records sync`",
        )
    return ConfigError(
        f"{clean(name, 60)!r} is not a provider or command", hint=f"{nearest(name)}; commands: vibeusage --help"
    )


def one(name: str, settings: Config, around: Surroundings) -> Context:
    """The account of this name, whether or not it is known yet: a login may be about to be stored for it."""
    provider_of(name)
    return _context(name, settings, around)


def names_of(provider_id: str, settings: Config) -> list[str]:
    """The named accounts of a provider, in the order of config.toml, then those with a login only."""
    said = [name for name in settings.providers if name.partition("@")[0] == provider_id and "@" in name]
    found = [name for name in vault.accounts(provider_id) if "@" in name and _NAME.fullmatch(name)]
    stored = [name for name in found if not _OF_A_FOLDER.fullmatch(name)]
    return list(dict.fromkeys([*said, *stored]))


def _named(name: str, settings: Config, around: Surroundings) -> list[Context]:
    provider_id = provider_of(name)
    if name == provider_id:
        return _of(name, settings, around)
    known = names_of(provider_id, settings)
    if name in known or name == _default(provider_id, settings, around.environ):
        return [_context(name, settings, around)]
    raise ConfigError(
        f"{clean(name, 60)!r} is not an account",
        hint=f"known are {', '.join([provider_id, *known])}; `vibeusage auth {clean(name, 60)}` adds a login for it",
    )


def _of(name: str, settings: Config, around: Surroundings) -> list[Context]:
    """A provider's default account and its named ones; of `enabled_providers` also a single account."""
    if "@" in name:
        return [_context(name, settings, around)]
    ids = dict.fromkeys([_default(name, settings, around.environ), *names_of(name, settings)])
    return [ctx for ctx in (_context(each, settings, around) for each in ids) if ctx.options.enabled]


def _default(provider_id: str, settings: Config, environ: Mapping[str, str]) -> str:
    """The account in force without a name: Claude Code keeps one login per config folder."""
    if provider_id != "claude":
        return provider_id
    observed = observe.claude_account(environ)
    return shown.aliases(settings).get(observed, observed)


def _context(name: str, settings: Config, around: Surroundings) -> Context:
    provider = providers.load(provider_of(name))
    options = settings.providers.get(name)
    in_force = name == _default(provider.id, settings, around.environ)
    if options is None:
        options = settings.providers.get(provider.id, ProviderOptions()) if in_force else ProviderOptions()
    return Context(
        provider,
        id=name,
        settings=settings,
        options=options,
        environ=around.environ,
        now=around.now,
        foreground=around.foreground,
        sees_tool=in_force or options.config_dir is not None,
    )
