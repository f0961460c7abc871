"""Codex's rollout files: where they are, how they are opened, plain or compressed."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from vibeusage.records.readers.codex_shapes import name_of
from vibeusage.records.readers.jsonl import below
from vibeusage.records.readers.spec import Places, Source

_BLOCK = 1 << 22


def roots(places: Places) -> list[Path]:
    homes = places.variable("CODEX_HOME") or [places.home / ".codex"]
    return [home / name for home in homes for name in ("sessions", "archived_sessions")]


def find(root: Path) -> Iterator[Path]:
    """Rollouts, and the compressed ones that have no plain copy beside them."""
    for ending in (".jsonl", ".jsonl.zst"):
        paths = (path for path in below(root, ending) if path.name.startswith("rollout-"))
        yield from (path for path in paths if ending == ".jsonl" or not path.with_suffix("").is_file())


def parents(name: str, source: Source) -> Iterator[Path]:
    """The files of the session `name`, active or archived."""
    paths = (Path(path) for path in source.others if name and name in path)
    return (path for path in paths if name_of(path) == name and path != source.path)


def blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, a few MB at a time; also the last one where its newline is missing."""
    rest = b""
    while part := stream.read(_BLOCK):
        whole, newline, rest = (rest + part).rpartition(b"\n")
        if newline:
            yield whole + newline
    if rest:
        yield rest + b"\n"


def unpacker() -> Any:
    """A module that unpacks zstd: of Python 3.14, its backport, or the older package; None without any."""
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
