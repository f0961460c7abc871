"""Files to calls as sync and the store do it, in a few lines: the readers' tests compare with this."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.spec import Call, Document, Lines, Reader, Source

COUNTS = ("input", "output", "write", "write_1h", "read", "searches")
BLOCK = 1 << 22


def read_tree(reader: Reader, root: Path, block: int = BLOCK) -> dict[str, Call]:
    """{identity: call} of all files below `root`, the oldest first."""
    files = sorted(reader.find(root), key=lambda path: path.stat().st_mtime_ns)
    return merged(call for path in files for call in read_file(reader, Source(path, root), block))


def read_file(reader: Reader, source: Source, block: int = BLOCK) -> Iterator[Call]:
    data = source.path.read_bytes()
    form = reader.also.get(source.path.suffix, reader.form)
    if isinstance(form, Document):
        yield from form.read(data, source)
    elif isinstance(form, Lines):
        state: dict[str, Any] = {}
        for part in blocks(data, block):
            yield from form.read(part, source, state)
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state))


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = data.find(b"\n", min(at + size, len(data)) - 1) + 1 or len(data)
        yield data[at:end] if data[end - 1 : end] == b"\n" else data[at:end] + b"\n"
        at = end


def merged(calls: Iterable[Call]) -> dict[str, Call]:
    found: dict[str, Call] = {}
    for call in calls:
        old = found.get(call.uuid)
        found[call.uuid] = call if old is None else both(old, call)
    return found


def both(old: Call, new: Call) -> Call:
    if old.rank != new.rank:
        return min(old, new, key=lambda call: call.rank)
    told = {name: max(getattr(old, name), getattr(new, name)) for name in COUNTS}
    texts = {name: getattr(old, name) or getattr(new, name) for name in ("session", "folder", "branch", "version")}
    more = {"ts": min(old.ts, new.ts), "complete": old.complete or new.complete}
    return msgspec.structs.replace(old, **told, **texts, **more)
