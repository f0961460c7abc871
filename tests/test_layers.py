"""Imports point one way, and the hot path imports nothing heavy."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "vibeusage"
HOT = [
    *("line", "cachefiles", "view", "table", "segment", "escape", "pace", "frames", "document", "items", "observe"),
    "costs",
]
ROWS = [
    ["errors", "models", "paths", *HOT],
    [
        *("files", "labels", "toml_edit", "schema", "kinds", "settings", "config", "gate", "generation", "cache"),
        *("merge", "shown"),
        *("answers", "http", "episodes", "hooks"),
        *("edits", "keystore", "vault"),
        *("context", "credentials", "oauth", "browsers", "cookies", "cookiejars", "databases", "health", "programs"),
    ],
    [
        *("providers", "declared", "plugin", "plugins"),
        *("records", "records.readers", "records.store", "records.schema", "records.pricing"),
        *("records.disk", "records.merge", "records.rollup", "records.database", "records.call_rows"),
        *("records.source_files", "records.stored", "records.shared_files"),
        *("records.place", "records.quotas", "records.pruning", "records.soundness"),
        *("records.matching", "records.price_table", "records.price_update", "records.litellm"),
    ],
    [
        *("accounts", "fetch", "idle", "refresh", "alerts", "demo", "samples", "timers", "job"),
        *("diagnosis", "faults", "findings", "found", "mask", "provider_states", "redact", "switching"),
    ],
    ["render", "terminal", "cli", "dashboard", "html", "figures", "overview", "__main__"],
]
FOLDERS = ("plugins", "cli", "dashboard", "html", "providers", "declared", "records.readers")
# what a provider is, and where its logins are, is data of row 3 that row 2 reads
ALLOWED = {(name, "providers.spec") for name in ("context", "credentials", "oauth", "health", "fetch")}
FREE = {"sys", "os", "time", "_thread", "select", "_json", "unicodedata", "binascii"}


def modules():
    for path in sorted(SRC.rglob("*.py")):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
        if name not in ("__init__", "") and not name.startswith("cli."):
            yield name, ast.parse(path.read_text())


def imported(tree, *, top_only=False):
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in ("vibeusage", "vibeusage.providers", "vibeusage.records", "vibeusage.records.readers"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def row_of(name):
    name = next((top for top in FOLDERS if name.startswith(top)), name)
    name = "refresh" if name.startswith("records.") and not any(name in names for names in ROWS) else name
    return next((row for row, names in enumerate(ROWS) if name in names), None)


@pytest.mark.parametrize(("name", "tree"), [pytest.param(*module, id=module[0]) for module in modules()])
def test_a_module_imports_from_its_own_row_or_above(name, tree):
    assert row_of(name) is not None, f"{name} has no row yet"
    ours = {module.removeprefix("vibeusage.") for module in imported(tree) if module.startswith("vibeusage.")}
    below = {other for other in ours if (row_of(other) or 0) > row_of(name) and (name, other) not in ALLOWED}
    if name in HOT:
        below -= {"cli", "cache"}  # the slow way: help, mistakes, and a line.tsv that has to be compiled
    if name == "__main__":
        below = set()
    assert below == set()


@pytest.mark.parametrize("name", HOT)
def test_the_hot_path_imports_only_what_an_interpreter_start_has_loaded(name):
    tree = ast.parse((SRC / f"{name}.py").read_text())
    outside = {module for module in imported(tree) if not module.startswith("vibeusage")}
    # the json package only where its C scanner is missing
    assert outside - FREE <= {"json", "json.encoder"}
    at_top = {module for module in imported(tree, top_only=True) if not module.startswith("vibeusage")}
    assert at_top <= {"sys", "os", "time", "_thread"}


def test_the_package_itself_imports_nothing():
    tree = ast.parse((SRC / "__init__.py").read_text())
    assert list(imported(tree)) == []
