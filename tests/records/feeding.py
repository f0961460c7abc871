"""Feed a reader as `sync` does: whole lines in blocks with the state between them, documents, databases."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records import merge
from vibeusage.records.readers.spec import FACTS, Call, Database, Document, Lines, Reader, Source

CANARY = "SECRET-PROMPT-TEXT"
IN_FIXTURES = b"canary"  # in every text of theirs


class Fed(msgspec.Struct):
    """What a reader made of some files: calls by identity, merged, and what it left out, by reason."""

    calls: dict[str, Call]
    skipped: dict[str, int]
    facts: dict[str, Call] = {}  # of the kind that is in no sum

    def counts(self) -> dict[str, tuple[int, int, int, int]]:
        """{identity: (input, output, write, read)}."""
        return {uuid: (call.input, call.output, call.write, call.read) for uuid, call in self.calls.items()}

    def total(self) -> tuple[int, ...]:
        """(input, output, write, read) of all."""
        return tuple(map(sum, zip(*self.counts().values(), strict=True))) if self.calls else (0, 0, 0, 0)


def feed(readers: Reader | tuple[Reader, ...], *paths: Path, size: int = 1 << 30) -> Fed:
    """Read `paths` in their order, lines in blocks of about `size` bytes, each with the reader of its suffix."""
    fed = Fed(calls={}, skipped={})
    for path in paths:
        source = Source(path, path.parent)
        for call in _calls(form_of(readers, path), path, source, size):
            kept = msgspec.json.encode(call)
            assert CANARY.encode() not in kept and IN_FIXTURES not in kept.lower()
            merge.fold(fed.facts if call.kind == FACTS else fed.calls, call)
        for reason, count in source.skipped.items():
            fed.skipped[reason] = fed.skipped.get(reason, 0) + count
    return fed


def form_of(readers: Reader | tuple[Reader, ...], path: Path) -> Lines | Document | Database:
    """The first reader's that has one for the file: databases end in `db`."""
    its = (readers,) if isinstance(readers, Reader) else readers
    forms = [reader.also.get(path.suffix, reader.form) for reader in its]
    return next(form for form in forms if isinstance(form, Database) == path.suffix.endswith("db"))


def _calls(form: Lines | Document | Database, path: Path, source: Source, size: int) -> list[Call]:
    if isinstance(form, Database):
        return rows(form, path, source, {})[0]
    if isinstance(form, Document):
        return list(form.read(path.read_bytes(), source))
    found, state = [], {}
    for block in _blocks(path.read_bytes(), size):
        found += form.read(block, source, state)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    return found


def rows(form: Any, path: Path, source: Source, mark: dict[str, Any]) -> tuple[list[Call], dict[str, Any]]:
    """The calls of a database since `mark`, and the new mark."""
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as connection:
        calls, mark = form.read(connection, source, mark)
        found = list(calls)
    connection.close()
    return found, msgspec.msgpack.decode(msgspec.msgpack.encode(mark))


def _blocks(data: bytes, size: int) -> list[bytes]:
    """Whole lines, at least one and about `size` bytes at a time; what has no newline is not given."""
    found, at = [], 0
    while (end := data.find(b"\n", at + size - 1 if at + size < len(data) else len(data) - 1)) >= at:
        found.append(data[at : end + 1])
        at = end + 1
    rest = data[at:].rpartition(b"\n")
    return [*found, rest[0] + rest[1]] if rest[1] else found


def lines(path: Path, *objects: Any, spaced: bool = False, end: str = "\n") -> Path:
    """Write objects as lines of JSON; `spaced` as Python's `json` would."""
    encoded = [msgspec.json.encode(one) for one in objects]
    if spaced:
        encoded = [msgspec.json.format(one, indent=0).replace(b"\n", b" ") for one in encoded]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(one + end.encode() for one in encoded))
    return path


def damages(good: bytes) -> dict[str, bytes]:
    """{name: lines in which something went wrong around `good`, a line of one call, which must survive}."""
    line = good.rstrip(b"\r\n")
    return {
        "CRLF": line + b"\r\n",
        "spaces": msgspec.json.format(line, indent=0).replace(b"\n", b" ") + b"\n",
        "byte order mark": b"\xef\xbb\xbf" + line + b"\n",
        "a run of NUL": b"\0" * 4096 + line + b"\n",
        "glued objects before it": line + line[:40] + b"\n" + line + b"\n",
        "invalid UTF-8 in its text": line[:-1] + b',"text":"\xff\xfe\x80"}\n',
        "a torn last line": line + b"\n" + line[: len(line) // 2],
        "a line of no JSON": b"Traceback: none of this is JSON\n" + line + b"\n",
        "a huge line": b'{"type":"user","text":"' + b"x" * (6 << 20) + b'"}\n' + line + b"\n",
    }


DAMAGES = tuple(damages(b"{}"))
