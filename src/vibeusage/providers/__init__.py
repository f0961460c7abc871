"""The providers: one module per id, each with one `PROVIDER`."""

import functools
import importlib
import os

from vibeusage.providers.spec import Provider

SHARED = {"__init__", "spec", "fields"}  # what a name with an underscore holds belongs to the module named before it


@functools.cache
def ids() -> tuple[str, ...]:
    """Every provider there is, in the order of the alphabet."""
    names = (name.removesuffix(".py") for name in os.listdir(os.path.dirname(__file__)) if name.endswith(".py"))
    return tuple(sorted(name for name in names if name not in SHARED and "_" not in name))


def load(provider_id: str) -> Provider:
    return importlib.import_module(f"vibeusage.providers.{provider_id}").PROVIDER
