"""Our own files looked at: what is damaged, of a newer version, or open to others; and what the cache holds."""

import os
import shlex
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vibeusage import cache, cachefiles, config, episodes, files, gate, paths, table
from vibeusage.models import Instant, ProviderStatus


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A file of ours that is not what it should be."""

    path: str
    problem: str
    hint: str
    is_serious: bool = False


class Observed(msgspec.Struct, frozen=True):
    account: str
    written_at: Instant


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """`is_current`: line.tsv was compiled from config.toml as it is now."""

    line_written_at: Instant | None = None
    refresh_due_at: Instant | None = None
    is_current: bool = False
    snapshots: int = 0
    segments: int = 0
    observations: tuple[Observed, ...] = ()


def of_credentials() -> Iterator[Fault]:
    folder = paths.config_dir() / "credentials"
    for inner in (folder, *entries(folder, os.DirEntry.is_dir)):
        mode = stat.S_IMODE(inner.stat().st_mode) if inner.exists() else 0
        if mode & 0o077:
            hint = f"chmod 700 {quoted(inner)}"
            yield Fault(path=str(inner), problem="is open to others", hint=hint, is_serious=bool(mode & 0o022))
        for path in entries(inner) if inner != folder else ():
            if path.suffix == ".json" and (fault := _unsafe(path, 0o077) or _damaged(path, _json_state(dict))):
                hint = fault.hint or f"log in again: vibeusage auth {inner.name}"
                yield msgspec.structs.replace(fault, hint=hint, is_serious=True)


def of_cache(now: datetime) -> Iterator[Fault]:
    folder, instant = paths.cache_dir(), int(now.timestamp())
    checks: dict[str, Callable[[bytes], str]] = {
        "snapshots": _json_state(cache.Stored, cache.SCHEMA),
        "status": _json_state(_Status, 1),
        "org-ids": _json_state(dict[str, str]),
        "observations": lambda data: _table_state(data, table.OBSERVATION_MAGIC, instant),
        "segments": lambda data: "" if data.startswith(b"vibeusage-segment ") else "is damaged",
    }
    single: dict[str, Callable[[bytes], str]] = {
        "gates.json": _json_state(gate.Gates, gate.SCHEMA),
        "alerts.json": _json_state(episodes.Known, episodes.SCHEMA),
        "line.tsv": lambda data: _table_state(data, table.LINE_MAGIC, instant),
        "generation": lambda data: "" if data.strip() else "is damaged",
    }
    every = [(path, state) for name, state in checks.items() for path in entries(folder / name)]
    every += [(folder / name, state) for name, state in single.items() if os.path.lexists(folder / name)]
    for path, state in every:
        if fault := _unsafe(path, 0o022) or _damaged(path, state):
            hint = fault.hint or "nothing: it counts as missing, and the next answer replaces it"
            yield msgspec.structs.replace(fault, hint=hint)


class _Version(msgspec.Struct):
    schema: int = 0


class _Status(msgspec.Struct):
    schema: int
    status: ProviderStatus


def _json_state(kind, newest: int | None = None) -> Callable[[bytes], str]:
    """A function from the bytes of a JSON file to what is wrong with them."""

    def state(data: bytes) -> str:
        try:
            if newest is not None and msgspec.json.decode(data, type=_Version).schema > newest:
                return "was written by a newer vibeusage"
            msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return "is damaged"
        return ""

    return state


def _table_state(data: bytes, magic: str, now: int) -> str:
    found = table.parse(data.decode("utf-8", "replace"), magic, now)
    if found is None:
        return "is damaged"
    return "" if found.version == table.VERSION else "was written by a newer vibeusage"


def _damaged(path: Path, state: Callable[[bytes], str]) -> Fault | None:
    data = files.read_private(path)
    problem = "cannot be read" if data is None else state(data)
    hint = "upgrade, or run `vibeusage cache clear`" if "newer" in problem else ""
    return Fault(path=str(path), problem=problem, hint=hint) if problem else None


def _unsafe(path: Path, forbidden: int) -> Fault | None:
    """Why a file of ours is not even read: `forbidden` are the mode bits that others may not have."""
    try:
        info = path.lstat()
    except OSError as exc:
        problem = f"cannot be looked at: {exc.strerror}"
        return Fault(path=str(path), problem=problem, hint="check the rights of its folder")
    name, problem, hint = quoted(path), "", ""
    if stat.S_ISLNK(info.st_mode):
        problem, hint = "is a symbolic link, which is not followed", f"rm {name}"
    elif not stat.S_ISREG(info.st_mode):
        problem, hint = "is not a regular file", f"move it away: mv {name} {name}-old"
    elif info.st_uid != os.geteuid():
        problem, hint = "belongs to another user and is not read", f"remove it: rm {name}"
    elif info.st_mode & forbidden:
        others = "can be read by others" if forbidden & 0o044 else "can be written to by others"
        problem, hint = f"{others}, so it is not used", f"chmod 600 {name}"
    return Fault(path=str(path), problem=problem, hint=hint) if problem else None


def entries(folder: Path, is_wanted: Callable[[os.DirEntry], bool] = lambda entry: True) -> list[Path]:
    try:
        found = [entry.name for entry in os.scandir(folder) if is_wanted(entry) and files.TEMP_MARK not in entry.name]
    except OSError:
        return []
    return [folder / name for name in sorted(found)]


def state_of_cache(now: datetime) -> Cache:
    folder = paths.cache_dir()
    text = (files.read_private(folder / "line.tsv") or b"").decode("utf-8", "replace")
    line = table.parse(text, table.LINE_MAGIC, int(now.timestamp()))
    notes = [(path.name, _written_at(path)) for path in entries(folder / "observations")]
    newest = {name.partition("+")[0]: at for name, at in sorted(notes, key=lambda note: note[1])}
    return Cache(
        line_written_at=_written_at(folder / "line.tsv") if line else None,
        refresh_due_at=_instant(line.refresh_due_at) if line else None,
        is_current=line is not None and line.stamp == config.stamp(),
        snapshots=len(entries(folder / "snapshots")),
        segments=len(entries(folder / "segments")),
        observations=tuple(Observed(account, at) for account, at in sorted(newest.items())),
    )


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)


def _instant(epoch: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(epoch, UTC) if 0 < epoch < cachefiles.NEVER else None
    except (OSError, ValueError, OverflowError):
        return None


def quoted(path: object) -> str:
    return shlex.quote(str(path))
