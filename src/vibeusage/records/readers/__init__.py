"""The readers: one module per format, each with one `READER`, or with several `READERS`."""

import importlib

from vibeusage.records.readers.spec import Reader

MODULES: tuple[str, ...] = (
    *("claude_code", "codex", "gemini", "copilot", "cursor", "continue_dev", "cline", "opencode", "amp", "qwen"),
    *("pi", "kimi", "mux", "grok", "droid", "goose", "zcode", "vibe", "hermes", "codebuff"),
)


def every() -> tuple[Reader, ...]:
    """All readers; a provider that keeps its calls in several places has several."""
    found: list[Reader] = []
    for name in MODULES:
        module = importlib.import_module(f"vibeusage.records.readers.{name}")
        found += getattr(module, "READERS", None) or (module.READER,)
    return tuple(found)


def load_all() -> dict[str, Reader]:
    """{id: its first reader} of every provider that is known."""
    return {reader.id: reader for reader in reversed(every())}
