"""The readers: one module per format, each with one `READER`, or with several `READERS`."""

import importlib

from vibeusage.records.readers.spec import Reader

MODULES: tuple[str, ...] = (
    *("claude_code", "codex", "gemini", "copilot", "cursor", "continue_dev", "cline", "opencode", "amp", "qwen"),
    *("pi", "kimi", "mux", "grok", "droid", "goose", "zcode", "vibe", "hermes", "codebuff"),
)


def every() -> tuple[Reader, ...]:
    """All readers; a provider that keeps its calls in several places has several. Plugins are the last."""
    known = shipped()
    return (*known, *_plugged({reader.id for reader in known}))


def shipped() -> tuple[Reader, ...]:
    found: list[Reader] = []
    for name in MODULES:
        module = importlib.import_module(f"vibeusage.records.readers.{name}")
        found += getattr(module, "READERS", None) or (module.READER,)
    return tuple(found)


def _plugged(taken: set[str]) -> list[Reader]:
    """Those that a person approved and that are on; none takes the place of another reader."""
    from vibeusage.plugins import approvals

    known = [one for name, one in approvals.enabled("reader").items() if name not in taken]
    if not known:
        return []
    from vibeusage.plugins import reader  # with what starts processes

    return [reader.reader(one) for one in known]


def load_all() -> dict[str, Reader]:
    """{id: its first reader} of every provider that is known."""
    return {reader.id: reader for reader in reversed(every())}
