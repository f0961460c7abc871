"""Continue.dev: a log and a database of what its editor extensions send, and the sessions of its command line.

Source: below `~/.continue`: `dev_data/0.2.0/tokensGenerated.jsonl`, `dev_data/devdata.sqlite` and
`sessions/<id>.json` with their dates in `sessions/sessions.json` (undocumented).
Known from: the public source of Continue, read in August 2026; not seen live.
Units: the log and the database have Continue's own estimate of tokens, no cache; a session's `promptTokens` are the
provider's and include the cached ones; cost in dollars; times ISO 8601, in the database UTC text.

The extensions write the log and the database of the same call: it is one by its second, model and counts, and the
database is read before the log's first line only. The command line writes neither, but its sessions have a `usage`
of their own, so that a call is in one of the two whatever is read first. Sessions without it are the extensions':
they count only where there is no dev data at all. What a session names beside tokens (who served its answers, context
providers, slash commands) are facts of its own.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from vibeusage.records.readers import continue_facts
from vibeusage.records.readers.counts import APPROXIMATE, fresh, moment
from vibeusage.records.readers.jsonl import Tokens, decoded, hits
from vibeusage.records.readers.spec import FACTS, Call, Database, Document, Lines, Places, Reader, Source
from vibeusage.records.readers.values import count, millis, pico, served_by, sha256, word

_LOG = Path("0.2.0", "tokensGenerated.jsonl")
_SERVED = {"gemini": "google", "vertexai": "vertex", "azure": "openai"}
_SKEW_MS = 2000  # between the two stamps of one call; the database's are whole seconds
_COLUMNS = "id, model, provider, tokens_prompt, tokens_generated, timestamp"


class _Line(msgspec.Struct, gc=False, rename="camel"):
    timestamp: Any = None
    model: str | None = None
    provider: str | None = None
    prompt_tokens: Tokens | None = None
    generated_tokens: Tokens | None = None


class _Details(msgspec.Struct, gc=False, rename="camel"):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None


class _Usage(msgspec.Struct, gc=False, rename="camel"):
    total_cost: float | None = None
    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    prompt_tokens_details: _Details = msgspec.field(default_factory=_Details)


class _Message(msgspec.Struct, gc=False):
    role: str | None = None
    usage: _Usage | None = None


class _Item(continue_facts.Told):
    message: _Message = msgspec.field(default_factory=_Message)


class _Session(msgspec.Struct, gc=False, rename="camel"):
    session_id: str | None = None
    workspace_directory: str | None = None
    chat_model_title: str | None = None
    history: list[_Item] = []
    usage: _Usage | None = None  # of the command line


class _Listed(msgspec.Struct, gc=False, rename="camel"):
    session_id: str | None = None
    date_created: Any = None


_LINE = msgspec.json.Decoder(_Line)
_SESSION = msgspec.json.Decoder(_Session)
_DATES = msgspec.json.Decoder(list[_Listed])


def read_log(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    for text in hits(block, b'"promptTokens"'):
        line = decoded(text, _LINE, source)
        if line:
            at = millis(line.timestamp)
            yield from _estimate(line, at, source, state)


def read_database(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[list[Call], dict[str, Any]]:
    """`mark`: the last id and its time, and what `_estimate` keeps."""
    until = _first_of_log(source)
    calls: list[Call] = []
    try:
        mark = dict(mark) if _is_same(connection, mark) else {}
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM tokens_generated WHERE id > ? ORDER BY id",  # noqa: S608 — names of ours
            (mark.get("id", 0),),
        )
    except sqlite3.OperationalError:
        source.skip("unknown schema")
        return calls, mark
    for id, model, provider, prompt, generated, timestamp in rows:
        mark["id"], mark["at"] = id, timestamp
        at = millis(timestamp)
        if until is None or (at is not None and at < until - _SKEW_MS):
            line = _Line(None, word(model), word(provider), count(prompt), count(generated))
            calls += _estimate(line, at, source, mark)
    return calls, mark


def _is_same(connection: sqlite3.Connection, mark: dict[str, Any]) -> bool:
    """Whether the row read last is still that row: a database that was made anew begins with the first id again."""
    sql = "SELECT timestamp FROM tokens_generated WHERE id = ?"
    return connection.execute(sql, (mark.get("id"),)).fetchone() == (mark.get("at"),)


def _first_of_log(source: Source) -> int | None:
    """When the log begins, in epoch milliseconds; None where there is none."""
    path = source.path.parent / _LOG
    try:
        with path.open("rb") as log:
            first = decoded(log.readline(1 << 20), _LINE, Source(path, source.root))
    except OSError:
        return None
    return millis(first.timestamp) if first else None


def _estimate(line: _Line, at: int | None, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """`state` numbers equal calls of one second: "second", and "seen" with the count of each."""
    prompt, generated = line.prompt_tokens or 0, line.generated_tokens or 0
    if (prompt or generated) and moment(at, source) and at:
        model, provider = line.model or "", line.provider or ""
        key = sha256(f"{at // 1000}|{model}|{prompt}|{generated}")[:24]
        yield Call(
            uuid=_numbered(key, at // 1000, state),
            ts=at,
            model=model,
            input=prompt,
            output=generated,
            kind="estimate",
            served_by=_SERVED.get(provider, provider) or served_by(model),
        )


def _numbered(key: str, second: int, state: dict[str, Any]) -> str:
    if state.get("second") != second:
        state["second"], state["seen"] = second, {}
    number = state["seen"][key] = state["seen"].get(key, 0) + 1
    return key if number == 1 else f"{key}:{number}"


def read_session(body: bytes, source: Source) -> Iterator[Call]:
    """One total per session: its calls have no times of their own."""
    session = decoded(body, _SESSION, source)
    if session is None:
        return
    usages = [item.message.usage for item in session.history if item.message.role == "assistant" and item.message.usage]
    is_told = session.usage is None and _has_dev_data(source.path)
    call, found = _total(session, [] if is_told else usages, source.path), continue_facts.found(session.history)
    if (call.order or found) and moment(call.ts or None, source):
        yield from [call] if call.order else ()
        yield from [_facts(session, call, found)] if found else ()


def _total(session: _Session, usages: list[_Usage], path: Path) -> Call:
    own, name, model = session.usage or _Usage(), session.session_id or path.stem, session.chat_model_title or ""
    whole = max(own.prompt_tokens or 0, sum(usage.prompt_tokens or 0 for usage in usages))
    output = max(own.completion_tokens or 0, sum(usage.completion_tokens or 0 for usage in usages))
    details, parts = own.prompt_tokens_details, [usage.prompt_tokens_details for usage in usages]
    cached = max(details.cached_tokens or 0, sum(part.cached_tokens or 0 for part in parts))
    write = max(details.cache_write_tokens or 0, sum(part.cache_write_tokens or 0 for part in parts))
    rest, notes = fresh(whole, cached, write)
    return Call(
        uuid=f"session:{name}",
        ts=_created(name, path) or 0,
        session=name,
        model=model,
        folder=_folder(session.workspace_directory or ""),
        input=rest,
        output=output,
        write=write,
        read=cached,
        order=whole + output,
        kind="aggregate",
        served_by=served_by(model),
        cost=pico(own.total_cost),
        notes=(APPROXIMATE, *notes),
    )


def _folder(told: str) -> str:
    """A path as the command line tells it; an editor tells a URI."""
    return unquote(told.removeprefix("file://")) if told.startswith("file://") else told


def _facts(session: _Session, call: Call, found: dict[str, dict[str, int]]) -> Call:
    """Those of the longest history stay."""
    return Call(
        uuid=f"{FACTS}:{call.session}",
        ts=call.ts,
        session=call.session,
        model=call.model,
        folder=call.folder,
        order=len(session.history),
        kind=FACTS,
        data=found,
    )


def _created(session: str, path: Path) -> int | None:
    try:
        body = path.with_name("sessions.json").read_bytes()
    except OSError:
        return None
    listed = decoded(body, _DATES, Source(path, path)) or []
    return next((millis(item.date_created) for item in listed if item.session_id == session), None)


def _has_dev_data(session: Path) -> bool:
    folder = session.parent.parent / "dev_data"
    return (folder / _LOG).exists() or (folder / "devdata.sqlite").exists()


def _roots(places: Places) -> list[Path]:
    return places.variable("CONTINUE_GLOBAL_DIR") or [places.home / ".continue"]


def _find(root: Path) -> Iterator[Path]:
    data = root / "dev_data"
    sessions = (path for path in root.glob("sessions/*.json") if path.name != "sessions.json")
    yield from (path for path in (data / _LOG, data / "devdata.sqlite", *sessions) if path.is_file())


_ALSO: dict[str, Any] = {".sqlite": Database(read_database), ".json": Document(read_session)}
READER = Reader(id="continue", name="Continue", parser=3, roots=_roots, find=_find, form=Lines(read_log), also=_ALSO)
