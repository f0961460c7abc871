"""GitHub Copilot: the command line's session store, OpenTelemetry files and event logs, and VS Code's own two.

Source: local-logs.md section 7 (Copilot CLI 0.0.3xx to 1.0.80, Copilot Chat 2025 and 2026).
Known from: public sources of trackers and issue threads, made-up files; not seen live.
Units: input holds what the cache gave and took (in OpenTelemetry only what it gave); reasoning is in output;
`total_nano_aiu` is a billionth of a unit of 0.01 USD; SQLite's times are UTC without a zone.

The command line's three describe the same requests. The store is read whole; a span counts where the store does
not know its session by then; a run's roll-up where neither has a request of the session within that run. The
better source is written before the worse one, so that the order of reading changes nothing. `copilot_vscode` keeps
to the same rule.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vibeusage.records.readers import copilot_events, copilot_otel, copilot_store, copilot_traces, copilot_vscode
from vibeusage.records.readers.spec import Call, Database, Document, Lines, Places, Reader, Source

_LATE_MS = 10_000  # a row of the store may come so long after its span began


def read_spans(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    home = copilot_otel.home(source.path)
    firsts: dict[str, int | None] = {}
    for call in copilot_otel.read(block, source, state):
        if call.session not in firsts:
            firsts[call.session] = next(iter(copilot_store.times(home, call.session)), None)
        first = firsts[call.session]
        if first is not None and first <= call.ts + _LATE_MS:
            source.skip("in a better source")
        else:
            yield call


def find_files(root: Path) -> Iterator[Path]:
    """Below Copilot's own folder, or below one of VS Code's user folders; an OpenTelemetry file is named itself."""
    own = ("session-state/*/events.jsonl", "session-state/*.jsonl", "otel/*.jsonl")
    patterns = (*own, *copilot_vscode.PLACES)
    paths = (root,) if root.is_file() else (path for pattern in patterns for path in root.glob(pattern))
    return (path for path in paths if path.is_file())


def find_databases(root: Path) -> Iterator[Path]:
    return (path for path in (root / copilot_store.NAME, root / copilot_traces.PLACE) if path.is_file())


def _roots(places: Places) -> list[Path]:
    own = places.variable("COPILOT_HOME") or [places.home / ".copilot"]
    return [*own, *places.variable(copilot_otel.FILE), *places.code_users()]


def read_lines(block: bytes, source: Source, state: dict[str, Any]) -> Iterator[Call]:
    """The calls of a file of lines; which kind it is, its place says."""
    if _is_chat(source.path):
        return copilot_vscode.read_log(block, source, state)
    is_log = "session-state" in source.path.parts
    return copilot_events.read(block, source, state) if is_log else read_spans(block, source, state)


def read_document(data: bytes, source: Source) -> Iterator[Call]:
    """An old chat; an OpenTelemetry file may have the same suffix."""
    return copilot_vscode.read_document(data, source) if _is_chat(source.path) else read_spans(data, source, {})


def _is_chat(path: Path) -> bool:
    return any(name in path.parts for name in ("chatSessions", "emptyWindowChatSessions"))


def read_database(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    read = copilot_store.read if source.path.name == copilot_store.NAME else copilot_traces.read
    return read(connection, source, mark)


def _reader(find: Callable[[Path], Iterator[Path]], form: Lines | Database) -> Reader:
    old = {".json": Document(read_document)}
    return Reader(
        id="copilot",
        name="GitHub Copilot",
        parser=2,
        roots=_roots,
        find=find,
        form=form,
        also=old,
        prices="auto",
    )


READERS = (_reader(find_databases, Database(read_database)), _reader(find_files, Lines(read_lines)))
