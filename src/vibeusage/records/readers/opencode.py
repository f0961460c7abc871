"""OpenCode and its relatives: one message per row or file, in three generations that can stand side by side.

Source: `<data>/opencode/opencode*.db` (tables `message`, or `session_message` of version 2), before it
`<data>/opencode/storage/message/<session>/<message>.json`; Kilo's CLI and MiMo Code keep the same tables.
Known from: the public source of OpenCode and of a tracker, read in August 2026; not seen live.
Units: counts are disjoint, times epoch milliseconds, cost in dollars, 0 where it is not known. `reasoning` stands
beside the output or in it, see `_output`.

A fork copies messages with new ids, and the database took over the files: a call is its times, model and counts.
Those are final only when it is completed, so that an open message waits; one that a crash left open counts as it is
when the database has gone on without it.
"""

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import moment
from vibeusage.records.readers.jsonl import Tokens, decoded
from vibeusage.records.readers.spec import Call, Database, Document, Places, Reader, Source
from vibeusage.records.readers.values import millis, pico, served_by, soon, word

_OPEN_MS = 6 * 3_600_000  # so long a message may stay open; as much is read again each time
_UPDATED = "CASE typeof(time_updated) WHEN 'integer' THEN time_updated ELSE 0 END"
_SERVED = {
    "github-copilot": "github",
    "amazon-bedrock": "bedrock",
    "google-vertex": "vertex",
    "google-vertex-anthropic": "vertex",
}
_SESSIONS = (  # the first that knows a session tells of it; what a table lacks is NULL
    "SELECT id, parent_id, directory, version FROM session",
    "SELECT id, parent_id, directory, version FROM session_v2",
    "SELECT id, NULL, directory, NULL FROM session",
    "SELECT id, NULL, directory, NULL FROM session_v2",
)


class _Cache(msgspec.Struct, gc=False):
    read: Tokens | None = None
    write: Tokens | None = None


class _Counts(msgspec.Struct, gc=False):
    input: Tokens | None = None
    output: Tokens | None = None
    reasoning: Tokens | None = None
    total: Tokens | None = None
    cache: _Cache = msgspec.field(default_factory=_Cache)


class _Time(msgspec.Struct, gc=False):
    created: Any = None
    completed: Any = None


class _Model(msgspec.Struct, gc=False):
    id: str | None = None
    provider_id: str | None = msgspec.field(default=None, name="providerID")


class _Path(msgspec.Struct, gc=False):
    cwd: str | None = None


class _Message(msgspec.Struct, gc=False):
    role: str | None = None
    session: str | None = msgspec.field(default=None, name="sessionID")
    model_id: str | None = msgspec.field(default=None, name="modelID")
    provider_id: str | None = msgspec.field(default=None, name="providerID")
    model: _Model | None = None  # of version 2
    path: _Path = msgspec.field(default_factory=_Path)
    cost: float | None = None
    tokens: _Counts | None = None
    time: _Time = msgspec.field(default_factory=_Time)


class _Session(msgspec.Struct, gc=False):
    parent: str | None = msgspec.field(default=None, name="parentID")
    directory: str | None = None
    version: str | None = None


_MESSAGE = msgspec.json.Decoder(_Message)
_SESSION = msgspec.json.Decoder(_Session)
_Lookup = Callable[[str], _Session | None]


def read_file(body: bytes, source: Source) -> Iterator[Call]:
    message = decoded(body, _MESSAGE, source)
    if message and message.role == "assistant":
        session = message.session or source.path.parent.name
        yield from _calls(message, session, _in_files(source.path), source, waits=message.time.completed is None)


def read_database(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    """`mark`: for each table the newest `time_updated` that was seen."""
    lookup, now = _sessions(connection).get, dict(mark)
    found = []
    for table in ("message", "session_message"):
        columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
        if {"session_id", "data"} <= columns:
            rows, now[table] = _rows(connection, table, columns, mark.get(table, 0) - _OPEN_MS)
            found.append(_messages(rows, now[table], lookup, source))
    if not found:
        source.skip("unknown schema")
    return (call for calls in found for call in calls), now


def _rows(
    connection: sqlite3.Connection, table: str, columns: set[str], since: int
) -> tuple[Iterator[tuple[str, bytes, int]], int]:
    """(session, message, last change) of each row that changed `since`, and the newest change of all."""
    updated = _UPDATED if "time_updated" in columns else "0"
    asked = f"{updated} >= ? AND type = 'assistant'" if "type" in columns else f"{updated} >= ?"
    query = f"SELECT session_id, CAST(data AS BLOB), {updated} FROM {table} WHERE {asked} ORDER BY rowid"  # noqa: S608
    newest = connection.execute(
        f"SELECT max({updated}) FROM {table} WHERE {updated} <= ?",  # noqa: S608 — names of ours
        (soon(),),
    ).fetchone()[0]
    return connection.execute(query, (since,)), newest or 0


def _messages(rows: Iterator[tuple[str, bytes, int]], newest: int, lookup: _Lookup, source: Source) -> Iterator[Call]:
    for session, data, updated in rows:
        message = decoded(data or b"", _MESSAGE, source)
        if message and message.role in ("assistant", None):
            waits = message.time.completed is None and newest - updated < _OPEN_MS
            yield from _calls(message, word(session), lookup, source, waits=waits)


def _sessions(connection: sqlite3.Connection) -> dict[str, _Session]:
    found: dict[str, _Session] = {}
    for query in _SESSIONS:
        try:
            rows = connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            continue
        for id, parent, directory, version in rows:
            found.setdefault(word(id), _Session(word(parent), word(directory), word(version)))
    return found


def _in_files(message: Path) -> _Lookup:
    """Sessions of the files' generation: `storage/session/<project>/<session>.json`."""
    folder = message.parents[2] / "session"

    def lookup(session: str) -> _Session | None:
        if not re.fullmatch(r"[\w-]+", session):
            return None
        for path in folder.glob(f"*/{session}.json"):
            return decoded(path.read_bytes(), _SESSION, Source(path, folder))
        return None

    return lookup


def _calls(message: _Message, session: str, lookup: _Lookup, source: Source, *, waits: bool) -> Iterator[Call]:
    counts = message.tokens or _Counts()
    if not (counts.input or counts.output or counts.reasoning or counts.cache.read or counts.cache.write):
        return
    if waits:
        source.skip("unfinished")
    elif at := moment(message.time.created, source):
        yield _call(message, counts, at, session, lookup)


def _call(message: _Message, counts: _Counts, at: int, session: str, lookup: _Lookup) -> Call:
    told = message.model or _Model()
    model, provider = message.model_id or told.id or "", message.provider_id or told.provider_id or ""
    own = lookup(session) or _Session()
    read_, write = counts.cache.read or 0, counts.cache.write or 0
    numbers = (counts.input or 0, counts.output or 0, counts.reasoning or 0, read_, write)
    done = millis(message.time.completed)
    return Call(
        uuid=hashlib.sha256(repr((at, done, model, *numbers)).encode()).hexdigest()[:24],
        ts=at,
        session=_root(session, own, lookup),
        model=model,
        folder=message.path.cwd or own.directory or "",
        version=own.version or "",
        input=numbers[0],
        output=_output(message, counts, provider),
        write=write,
        read=read_,
        kind="subagent" if own.parent else "assistant",
        complete=done is not None,
        served_by=_SERVED.get(provider, provider) or served_by(model),
        cost=pico(message.cost),
    )


def _output(message: _Message, counts: _Counts, provider: str) -> int:
    """The total tells whether the reasoning is in the output; without one, Google's and version 2's is beside it."""
    output, reasoning = counts.output or 0, counts.reasoning or 0
    whole = (counts.input or 0) + output + (counts.cache.read or 0) + (counts.cache.write or 0)
    if counts.total in (whole, whole + reasoning):
        return counts.total - whole + output
    beside = message.model is not None or provider.startswith("google") or reasoning > output
    return output + reasoning if beside else output


def _root(session: str, own: _Session, lookup: _Lookup) -> str:
    """A subagent's session is its first ancestor."""
    seen = {session}
    while own.parent and own.parent not in seen:
        session = own.parent
        seen.add(session)
        own = lookup(session) or _Session()
    return session


def _roots(places: Places) -> list[Path]:
    home = places.data() / "opencode"
    named = [home / path for path in places.variable("OPENCODE_DB")]
    return [*named, home / "storage"] if named else [home]


def _find(root: Path) -> Iterator[Path]:
    storage = root if root.name == "storage" else root / "storage"
    for paths in ((root,), root.glob("opencode*.db"), storage.glob("message/*/*.json")):
        yield from (path for path in paths if path.is_file())


def _kilo(places: Places) -> list[Path]:
    return places.variable("KILO_DATA_DIR") or [places.data() / "kilo"]


def _databases(root: Path) -> Iterator[Path]:
    return (path for path in root.glob("*.db") if path.is_file())


def _relative(id: str, name: str, roots: Callable[[Places], list[Path]]) -> Reader:
    return Reader(id=id, name=name, parser=1, roots=roots, find=_databases, form=Database(read_database))


READERS = (
    Reader(
        id="opencode",
        name="OpenCode",
        parser=1,
        roots=_roots,
        find=_find,
        form=Database(read_database),
        also={".json": Document(read_file)},
    ),
    _relative("kilo-cli", "Kilo CLI", _kilo),
    _relative("mimocode", "MiMo Code", lambda places: [places.data() / "mimocode"]),
)
