"""Which accounts are shown, under which name and in which order: what the settings say about it."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from vibeusage import observe
from vibeusage.settings import Config

_Known = TypeVar("_Known")


def aliases(settings: Config) -> dict[str, str]:
    """{account that a status line names after its folder: its name in config.toml} of Claude's accounts."""
    folders = {
        name: options.config_dir
        for name, options in settings.providers.items()
        if options.config_dir and name.partition("@")[0] == "claude"
    }
    found = {observe.claude_account({"CLAUDE_CONFIG_DIR": folder}): name for name, folder in folders.items()}
    return {observed: name for observed, name in found.items() if observed != name}


def is_shown(account: str, settings: Config) -> bool:
    """Whether the settings want this account seen: neither it nor its provider is off, nor left out."""
    names = {account, account.partition("@")[0]}
    said = settings.enabled_providers
    off = {name for name, options in settings.providers.items() if not options.enabled}
    return not names & off and (said is None or bool(names & {*said}))


def order(settings: Config) -> list[str]:
    """The names that the settings put in an order; those that are not there come behind."""
    return list(dict.fromkeys([*(settings.provider_order or ()), *(settings.enabled_providers or ())]))


def some_first(names: Iterable[str], settings: Config) -> list[str]:
    """Those that `provider_order` names in front, in its order, the rest as they come."""
    places = {name: place for place, name in enumerate(settings.provider_order or ())}
    return sorted(names, key=lambda name: places.get(name, len(places)))


def in_order(accounts: Mapping[str, _Known], settings: Config) -> dict[str, _Known]:
    """Those that are shown, in the order the settings give, else by id."""
    said = order(settings)
    places = {name: place for place, name in enumerate(said)}

    def place(account: str) -> int:
        return min(places.get(name, len(said)) for name in (account, account.partition("@")[0]))

    shown = [account for account in accounts if is_shown(account, settings)]
    return {account: accounts[account] for account in sorted(shown, key=lambda account: (place(account), account))}
