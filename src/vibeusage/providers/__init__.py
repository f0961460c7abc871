"""The providers: one module per id, each with one `PROVIDER`."""

import importlib

from vibeusage.providers.spec import Provider

IDS = ("claude", "codex", "copilot", "cursor", "gemini")


def load(provider_id: str) -> Provider:
    return importlib.import_module(f"vibeusage.providers.{provider_id}").PROVIDER
