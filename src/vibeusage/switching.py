"""A provider or account switched on or off, or given settings, in config.toml; the line knows of it at once."""

from collections.abc import Mapping

from vibeusage import accounts, cache, config, providers, toml_edit
from vibeusage.settings import ProviderOptions


def switch(name: str, *, on: bool) -> None:
    """Also where `enabled_providers` names only some. Raises ConfigError for a name that nobody knows."""
    provider_id = accounts.provider_of(name)
    settings = config.load()
    only = settings.enabled_providers
    if on and only is not None and not {name, provider_id} & {*only}:
        config.set_value("enabled_providers", toml_edit.literal([*only, name]))
    key = toml_edit.dotted(("providers", name, "enabled"))
    is_off = not settings.providers.get(name, ProviderOptions()).enabled
    if on and providers.load(provider_id).is_opt_in:
        config.set_value(key, "true")
    elif on and is_off:
        config.reset(key)
    elif not on and not is_off:
        config.set_value(key, "false")
    cache.compile_line()


def configure(name: str, changes: Mapping[str, str]) -> None:
    """{key below `providers.NAME`: its text}; "" takes a key back. Raises ConfigError for what is no setting."""
    for key, value in changes.items():
        path = toml_edit.dotted(("providers", name, *key.split(".")))
        if value:
            config.set_value(path, value)
        else:
            config.reset(path)
    cache.compile_line()
