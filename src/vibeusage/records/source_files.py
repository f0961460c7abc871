"""What usage.db knows of each log file: how far it was read, and how it looked there."""

import os
import sqlite3
from typing import Any

import msgspec

from vibeusage.records.database import kept


class SourceFile(msgspec.Struct, kw_only=True):
    """What is known of one log file; `offset`, `head` and `tail` say how far it was read and how it looked there.

    Of a database, `tail` is how its log looked. `state` is the reader's, as msgpack; an unfinished or failed reading
    has the `mtime_ns` 0, which no file has.
    """

    path: str
    dev: int
    inode: int
    size: int
    mtime_ns: int
    parser: int
    offset: int = 0
    head: bytes = b""
    tail: bytes = b""
    state: bytes = b"\x80"
    gone: bool = False
    skipped: dict[str, int] = {}
    error: str = ""


def read(database: sqlite3.Connection, provider: str) -> dict[str, SourceFile]:
    """Every file known of a provider by its path."""
    sql = """SELECT path, dev, inode, size, mtime_ns, parser, offset, head, tail, state, gone, skipped, last_error
        FROM source_files WHERE provider = ?"""
    return {source.path: source for source in map(_source, database.execute(sql, (provider,)))}


def save(database: sqlite3.Connection, provider: str, source: SourceFile, now_ms: int) -> None:
    names = ("dev", "inode", "size", "mtime_ns", "parser", "offset", "head", "tail", "state", "gone")
    columns = ("provider", "path", *names, "skipped", "last_error", "first_seen")
    sql = f"""INSERT INTO source_files ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})
        ON CONFLICT (provider, path) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in columns[2:-1])}"""  # noqa: S608
    own = [_signed(getattr(source, name)) for name in names]
    skipped = msgspec.json.encode(source.skipped).decode()
    database.execute(sql, (provider, os.fsencode(source.path), *own, skipped, kept(source.error), now_ms))


def _source(row: tuple) -> SourceFile:
    path, dev, inode, size, mtime_ns, parser, offset, head, tail, state, gone, skipped, error = row
    return SourceFile(
        path=os.fsdecode(path),
        dev=dev,
        inode=inode,
        size=size,
        mtime_ns=mtime_ns,
        parser=parser,
        offset=offset,
        head=head,
        tail=tail,
        state=state,
        gone=bool(gone),
        skipped=msgspec.json.decode(skipped),
        error=error,
    )


def _signed(value: Any) -> Any:
    """SQLite's integers are signed, device and inode numbers are not."""
    return value - (1 << 64) if isinstance(value, int) and value >= 1 << 63 else value
