"""The readers: one module per id, each with one `READER` or several `READERS` of one format."""

import importlib

from vibeusage.records.readers.spec import Reader

MODULES: tuple[str, ...] = (
    *("claude_code", "codex", "continue_dev", "cline", "opencode", "amp", "pi", "droid", "goose", "zcode", "vibe"),
    *("hermes", "codebuff"),
)


def load_all() -> dict[str, Reader]:
    """{id: reader} of every format we know."""
    found: dict[str, Reader] = {}
    for name in MODULES:
        module = importlib.import_module(f"vibeusage.records.readers.{name}")
        for reader in getattr(module, "READERS", None) or (module.READER,):
            found[reader.id] = reader
    return found
