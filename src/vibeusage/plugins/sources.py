"""Where plugins are: files that were copied beside config.toml, and modules that installed distributions name.

Nothing here imports or runs one. The hash of a distribution is over all its files, of a single file over its bytes.
"""

import hashlib
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from vibeusage import files, paths
from vibeusage.errors import ConfigError
from vibeusage.escape import clean
from vibeusage.plugins import manifest
from vibeusage.plugins.approvals import Approval
from vibeusage.plugins.form import Manifest

GROUPS = {"vibeusage.providers": "provider", "vibeusage.readers": "reader"}
DISTRIBUTION_MOST = 64 << 20
MARKS = (".pyc", ".pyo")


class Found(NamedTuple):
    """A plugin as it lies there: what would be approved, its file, and its source or the folder its modules are in."""

    approval: Approval
    path: Path
    source: bytes = b""
    folders: tuple[str, ...] = ()


def file_of(plugin_id: str) -> Path:
    return paths.config_dir() / "plugins" / f"{plugin_id}.py"


def in_file(path: Path, source: bytes) -> Found:
    """Raises ConfigError when it is no plugin."""
    said = manifest.read(source, str(path))
    approval = Approval(name=said.name, version=said.version, sha256=hashlib.sha256(source).hexdigest(), manifest=said)
    return Found(approval, path, source)


def current(known: Approval) -> Found:
    """What lies there now of a plugin that was approved. Raises ConfigError when it is gone or is none any more."""
    if known.distribution:
        return _in_distribution(_distribution(known.distribution), known.module)
    path = file_of(known.id)
    source = files.read_private(path, limit=manifest.SIZE_MOST)
    if source is None:
        raise ConfigError(
            f"{path}, the plugin {known.id}, cannot be read",
            hint="`vibeusage plugin install PATH` copies it there again",
        )
    return in_file(path, source)


def approved(known: Approval) -> Found:
    """The plugin to run. Raises ConfigError unless every byte is what was approved."""
    found = current(known)
    if not is_same(found.approval, known):
        raise ConfigError(
            f"the plugin {known.id} is not what was approved: {difference(found.approval, known)}",
            hint=f"`vibeusage plugin enable {known.id}` shows it and asks",
        )
    return found


def is_same(one: Approval, other: Approval) -> bool:
    return (one.id, one.name, one.version, one.sha256) == (other.id, other.name, other.version, other.sha256)


def difference(now: Approval, before: Approval) -> str:
    if now.version != before.version:
        return f"version {now.version} in the place of {before.version}"
    return "its code has changed"


def path(known: Approval) -> Path:
    """The plugin's file, as far as it is there."""
    if not known.distribution:
        return file_of(known.id)
    try:
        return _module_file(_distribution(known.distribution), known.module)
    except ConfigError:
        return paths.config_dir() / "plugins.json"


# --- distributions


def offered() -> Iterator["Found | ConfigError"]:
    """Every plugin that installed distributions name, or what is wrong with one."""
    for group, kind in GROUPS.items():
        for point in metadata.entry_points(group=group):
            if point.dist is None:
                continue
            try:
                found = _in_distribution(point.dist, point.module)
                if found.approval.manifest.kind != kind:
                    raise ConfigError(f"{_name(point.dist)}: a {found.approval.manifest.kind} in the group {group}")
                yield found
            except ConfigError as exc:
                yield exc


def _distribution(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError as exc:
        raise ConfigError(f"{clean(name)} is not installed any more", hint="install it, or remove the plugin") from exc


def _in_distribution(found: metadata.Distribution, module: str) -> Found:
    file = _module_file(found, module)
    source = files.read_linked(file, limit=manifest.SIZE_MOST)
    if source is None:
        raise ConfigError(f"{file} cannot be read")
    said: Manifest = manifest.read(source, str(file))
    approval = Approval(
        name=_name(found),
        version=found.version,
        sha256=_hash(found),
        manifest=said,
        module=module,
        distribution=_name(found),
    )
    return Found(approval, file, folders=(str(found.locate_file("")),))


def _name(found: metadata.Distribution) -> str:
    return clean(found.metadata["Name"] or "?")


def _module_file(found: metadata.Distribution, module: str) -> Path:
    parts = module.replace(".", "/")
    named = {os.fspath(file): file for file in found.files or ()}
    for name in (f"{parts}.py", f"{parts}/__init__.py"):
        if name in named:
            return Path(os.fspath(named[name].locate()))
    raise ConfigError(
        f"{_name(found)} has no file of the module {clean(module)}",
        hint="a plugin is installed with its files: not as an editable one",
    )


def _hash(found: metadata.Distribution) -> str:
    """Over the names and contents of all its files but bytecode, which a plugin's process does not take."""
    digest, size = hashlib.sha256(), 0
    for file in sorted(found.files or (), key=os.fspath):
        if file.suffix in MARKS:
            continue
        data = files.read_linked(Path(os.fspath(file.locate())), limit=DISTRIBUTION_MOST)
        size += len(data or b"")
        if size > DISTRIBUTION_MOST:
            raise ConfigError(f"{_name(found)} has more than {DISTRIBUTION_MOST >> 20} MiB")
        part = hashlib.sha256(data).hexdigest() if data is not None else "-"
        digest.update(f"{os.fspath(file)}\0{part}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
