"""claude-goblin, and any other database with the tables of the second plan, as calls of ours.

Source: data-goblin/claude-goblin (`snapshot_db.py`, `jsonl_parser.py`, `user_config.py`, 2025 to 2026), and the
schema of the second plan.
Known from: their public source, read in November 2026; not seen live.
Units: counts are disjoint; a day is one of the zone that it ran in.
"""

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import files
from vibeusage.errors import ConfigError, StorageError
from vibeusage.records import logfiles
from vibeusage.records.import_items import (
    UUID,
    Found,
    Item,
    Where,
    begin,
    counted,
    identity,
    is_there,
    named,
    of_day,
    of_lines,
    provider_of,
    roots,
    settings,
    text,
    told_once,
)
from vibeusage.records.readers.counts import APPROXIMATE, moment
from vibeusage.records.readers.values import served_by

_WITH_REQUEST = re.compile(rf"(.+):(req_.*|{UUID.pattern})", re.IGNORECASE)


def claude_goblin(where: Where) -> Found:
    home = where.places.home / ".claude"
    found = begin("claude-goblin", where, home / "usage" / "usage_history.db")
    told = settings(home / "goblin_config.json", found)
    extra: dict[str, list[Path]] = {}
    for entry in told.get("extra_sources") or ():
        if isinstance(entry, dict) and isinstance(entry.get("path"), str):
            extra.setdefault(str(entry.get("format") or "claude"), []).append(Path(entry["path"]))
    found.settings += [(f"records.{name}.roots", paths) for name, paths in roots(extra, where)]
    if told.get("storage_format") == "duckdb":
        found.notes.append("it keeps its records in DuckDB now; read is what its SQLite file has")
    if is_there(found):
        _take(found)
    return found


def database(where: Where) -> Found:
    """The one-provider database of the second plan, or its later one with a column for the provider."""
    found = begin("database", where, named(where, "the database"))
    _take(found)
    return found


_RECORDS = (
    *("provider", "provider_version", "version", "timestamp", "session_id", "message_uuid", "message_type", "model"),
    *("model_provider", "folder", "git_branch", "input_tokens", "output_tokens", "cache_creation_tokens"),
    *("cache_read_tokens", "machine_name", "device_name"),
)
_DAYS = (
    *("date", "input_tokens", "output_tokens", "cache_creation_tokens", "cache_read_tokens"),
    *("machine_name", "device_name"),
)


def _take(found: Found) -> None:
    path, beside = found.source.path, found.where.copies
    files.ensure_folder(beside)
    try:
        with logfiles.database(os.fspath(path.absolute()), beside) as (connection, is_true):
            if not any(_columns(connection, table) for table in ("usage_records", "daily_snapshots")):
                raise sqlite3.OperationalError("no such table")
            rows = _lines_once(_rows(connection, "usage_records", _RECORDS))
            found.items += told_once([item for row in rows if (item := _record(row, found))], found)
            dated = {row["date"] for row in _rows(connection, "usage_records", ("date",), "GROUP BY date")}
            totals = (row for row in _rows(connection, "daily_snapshots", _DAYS) if row.get("date") not in dated)
            found.items += [item for row in totals if (item := _total(row, found))]
            if not is_true():
                raise logfiles.ChangedMeanwhile
    except logfiles.ChangedMeanwhile as exc:
        raise StorageError(f"{path} is written to just now", hint="try again in a moment") from exc
    except (sqlite3.Error, OSError) as exc:
        raise ConfigError(f"{path} is no database of usage records", hint="name another file") from exc
    found.files.append(path)


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _rows(
    connection: sqlite3.Connection, table: str, wanted: Iterable[str], more: str = ""
) -> Iterator[dict[str, Any]]:
    """The rows with those of the columns that there are; versions differ in them."""
    there = _columns(connection, table)
    columns = [name for name in wanted if name in there]
    if columns:
        for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table} {more}"):  # noqa: S608
            yield dict(zip(columns, row, strict=True))


def _lines_once(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Forked sessions copy lines, whose uuid they keep."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        line = (text(row, "provider"), text(row, "message_uuid"))
        if not UUID.fullmatch(line[1]) or line not in seen:
            seen.add(line)
            yield row


def _record(row: dict[str, Any], found: Found) -> Item | None:
    call = counted(row, found.tag)
    model = text(row, "model")
    if not call or model == "<synthetic>" or row.get("message_type") == "user":
        return None
    provider, ts = provider_of(text(row, "provider"), found), moment(row.get("timestamp"), found.source)
    if not provider or ts is None:
        return None
    call.ts, call.session, call.model = ts, text(row, "session_id"), model
    call.folder, call.branch = text(row, "folder"), text(row, "git_branch")
    call.version = text(row, "provider_version") or text(row, "version")
    call.served_by = served_by(model) or text(row, "model_provider")
    own, request = _message(text(row, "message_uuid"))
    call.uuid = identity(own, request) if provider == "claude" else ""
    is_same, is_line = bool(call.uuid), provider == "claude" and bool(UUID.fullmatch(own))
    call.uuid = call.uuid or of_lines(call, "" if is_line else own)
    call.notes = (APPROXIMATE,) if is_line else ()
    machine = text(row, "machine_name") or text(row, "device_name")
    return Item(provider=provider, call=call, end_ms=ts + 1, machine=machine, is_same=is_same)


def _message(kept: str) -> tuple[str, str]:
    """The message's id and the request's, which claude-goblin joins by a colon; older versions keep a line's uuid."""
    both = _WITH_REQUEST.fullmatch(kept)
    return (both[1], both[2]) if both else (kept, "")


def _total(row: dict[str, Any], found: Found) -> Item | None:
    """A day of which only the sum was kept: no model, so no price."""
    call, machine = counted(row, found.tag), text(row, "machine_name") or text(row, "device_name")
    item = of_day(found.where.provider, call, text(row, "date"), (machine,), found) if call else None
    return msgspec.structs.replace(item, machine=machine) if item else None
