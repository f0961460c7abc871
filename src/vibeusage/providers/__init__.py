"""The providers: one file per id, a module with one `PROVIDER` or a declaration; the person's own; and plugins."""

import functools
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from vibeusage import paths
from vibeusage.providers.spec import Provider

if TYPE_CHECKING:
    from vibeusage.plugins.approvals import Approval

HERE = Path(__file__).parent
SHARED = {"__init__", "spec", "fields"}  # a name with an underscore belongs to the module that is named before it
ID = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@functools.cache
def shipped() -> dict[str, Path]:
    """The files of the providers that come with vibeusage, by id."""
    modules = [path for path in HERE.glob("*.py") if path.stem not in SHARED and "_" not in path.stem]
    return {path.stem: path for path in (*modules, *HERE.glob("*.toml"))}


def own() -> dict[str, Path]:
    """The person's declarations by id; none takes the place of a provider that comes with vibeusage.

    A folder that cannot be read holds none: config.toml beside it tells why.
    """
    try:
        found = sorted((paths.config_dir() / "providers.d").glob("*.toml"))
    except OSError:
        return {}
    return {path.stem: path for path in found if ID.fullmatch(path.stem) and path.stem not in shipped()}


def plugged() -> "dict[str, Approval]":
    """The plugins that a person approved and that are on; none takes the place of another provider."""
    from vibeusage.plugins import approvals  # it imports what this package is about

    known = approvals.enabled("provider")
    return {name: one for name, one in known.items() if name not in shipped() and name not in own()} if known else {}


def ids() -> tuple[str, ...]:
    """Every provider there is, in the order of the alphabet."""
    return tuple(sorted(shipped().keys() | own().keys() | plugged().keys()))


def path(provider_id: str) -> Path:
    """The file that says what the provider is."""
    found = shipped().get(provider_id) or own().get(provider_id)
    if found:
        return found
    from vibeusage.plugins import sources  # with what hashes and finds distributions

    return sources.path(plugged()[provider_id])


def load(provider_id: str) -> Provider:
    """A declaration of the person with a mistake in it is a provider that says so when it is asked."""
    if provider_id in shipped():
        return _shipped(provider_id)
    if provider_id not in own():
        from vibeusage.plugins import provider

        return provider.provider(plugged()[provider_id])
    from vibeusage import declared  # it imports what reads a Provider, which is this package

    return declared.load(provider_id, path(provider_id))


@functools.cache
def _shipped(provider_id: str) -> Provider:
    if path(provider_id).suffix == ".py":
        return importlib.import_module(f"vibeusage.providers.{provider_id}").PROVIDER
    from vibeusage import declared

    return declared.shipped(provider_id, path(provider_id))
