"""Which plugins a person approved, `<config>/plugins.json`: each by name, version and the hash of all its code.

What a plugin may do is what it said of itself when it was approved.
"""

from typing import TypeVar

import msgspec

from vibeusage import files, paths
from vibeusage.errors import StorageError
from vibeusage.plugins.form import Manifest

SCHEMA = 1

_Kind = TypeVar("_Kind")


class Approval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`module` and `distribution` are set for one that came as an installed distribution."""

    name: str
    version: str
    sha256: str
    manifest: Manifest
    module: str = ""
    distribution: str = ""
    enabled: bool = True

    @property
    def id(self) -> str:
        return self.manifest.id


class _Version(msgspec.Struct, frozen=True):
    schema: int = 0


class _Approvals(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = SCHEMA
    plugins: list[Approval] = []


def load() -> dict[str, Approval]:
    """By id. None where the file is damaged, of a newer version, or somebody else may write to it."""
    known = _stored(_Approvals)
    return {one.id: one for one in known.plugins} if known and known.schema == SCHEMA else {}


def _stored(kind: type[_Kind]) -> _Kind | None:
    data = files.read_private(paths.config_dir() / "plugins.json")
    try:
        return msgspec.json.decode(data or b"", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def enabled(kind: str) -> dict[str, Approval]:
    """Those of this kind that may run."""
    return {name: one for name, one in load().items() if one.enabled and one.manifest.kind == kind}


def keep(approval: Approval) -> None:
    """Add it, or put it in the place of the one with its id. Raises StorageError."""
    _save({**load(), approval.id: approval})


def drop(plugin_id: str) -> None:
    _save({name: one for name, one in load().items() if name != plugin_id})


def _save(known: dict[str, Approval]) -> None:
    path, old = paths.config_dir() / "plugins.json", _stored(_Version)
    if old and old.schema > SCHEMA:
        raise StorageError(f"{path} was written by a newer vibeusage", hint="upgrade, or move the file away")
    document = _Approvals(plugins=[known[name] for name in sorted(known)])
    files.write_private(path, msgspec.json.format(msgspec.json.encode(document)) + b"\n")
