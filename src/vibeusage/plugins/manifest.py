"""What a plugin says of itself: the literal `PLUGIN` at the top of its file, read without running a line of it."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import paths
from vibeusage.errors import ConfigError
from vibeusage.escape import clean
from vibeusage.kinds import url_problem
from vibeusage.plugins.form import Manifest

SIZE_MOST = 256 << 10
KEYS = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".password-store"),
    *(".config/gcloud", ".config/gh", ".local/share/keyrings", "Library/Keychains"),
)
FUNCTIONS = {"provider": "fetch", "reader": "read"}
def read(source: bytes, file: str) -> Manifest:
    """Raises ConfigError that names the file and what to write."""
    tree = _parsed(source, file)
    try:
        found = msgspec.convert(_literal(tree), Manifest)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{file}: PLUGIN is not right: {clean(str(exc), 200)}", hint=_HINT) from exc
    except ValueError as exc:
        raise ConfigError(f"{file}: {clean(str(exc), 200)}", hint=_HINT) from exc
    if problem := _problem(found, tree):
        raise ConfigError(f"{file}: {problem}", hint=_HINT)
    return found


_HINT = "`vibeusage plugin new NAME` writes one that is right; the section Plugins of the README has all keys"


def _parsed(source: bytes, file: str) -> ast.Module:
    if len(source) > SIZE_MOST:
        raise ConfigError(f"{file} has more than {SIZE_MOST >> 10} KiB", hint="a plugin is one small file")
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        line = f", line {exc.lineno}" if isinstance(exc, SyntaxError) and exc.lineno else ""
        raise ConfigError(f"{file} is not Python{line}", hint="correct it") from exc


def _literal(tree: ast.Module) -> Any:
    """Raises ValueError."""
    found = [value for name, value in _assigned(tree) if name == "PLUGIN"]
    if len(found) != 1:
        raise ValueError("there has to be one PLUGIN = {…} at the top level")
    try:
        return ast.literal_eval(found[0])
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise ValueError("PLUGIN has to be a literal: texts, lists, numbers, nothing that is worked out") from None


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                yield name, value


def _problem(found: Manifest, tree: ast.Module) -> str:
    function = FUNCTIONS[found.kind]
    if not any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body):
        return f"a {found.kind} has a function {function}(…), a plain `def` at the top level"
    if found.dashboard and (problem := url_problem(found.dashboard)):
        return f"dashboard {problem}"
    if found.kind == "provider":
        return "roots are for readers" if found.roots else ""
    if found.env or found.variables or found.hosts or found.dashboard:
        return "a reader has no env, variables, hosts or dashboard"
    return _roots_problem(found)


def _roots_problem(found: Manifest) -> str:
    if not found.roots:
        return "a reader says in roots which folders its logs are in"
    if re.search(r"(^|/)\.\.(/|$)|^/", found.files):
        return "files is a pattern below the roots, such as *.jsonl or */session.json"
    for root in found.roots:
        path = os.path.realpath(os.path.expanduser(root))
        inside = path.rstrip("/") + "/"
        if any(f"{folder}/".startswith(inside) for folder in (Path.home().resolve(), *closed())):
            return f"the root {root} has more than logs below it: name the folder that they are in"
    return ""


def closed() -> list[Path]:
    """Our own folders and those that are known to hold keys: no plugin gets what lies there."""
    home = Path.home()
    ours = (paths.config_dir(), paths.cache_dir(), paths.data_dir())
    return [path.resolve() for path in (*ours, *(home / name for name in KEYS))]
