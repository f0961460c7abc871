"""Goose: running totals of each session in its database.

Source: `sessions/sessions.db` in Goose's data folder, table `sessions` (undocumented).
Known from: the public source of Goose and of a tracker, read in August and November 2026; not seen live.
Units: times are UTC text, input holds what the cache gave and took (told since schema 14, June 2026), cost in dollars.
The columns without `accumulated_` are the last call only and are left alone; what a stated total has beyond input and
output is kept apart as `rest`.

One record per session, dated by its last change: a long session moves from day to day.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.spec import Call, Database, Places, Reader, Source
from vibeusage.records.readers.values import count, millis, pico, served_by


class _Config(msgspec.Struct, gc=False):
    model_name: str | None = None


def read(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    """All sessions, whatever the mark: there is one row each."""
    try:
        rows = connection.execute("SELECT * FROM sessions ORDER BY rowid")
    except sqlite3.OperationalError:
        source.skip("unknown schema")
        return iter(()), mark
    return _calls(rows, source), mark


def _calls(rows: sqlite3.Cursor, source: Source) -> Iterator[Call]:
    names = [column[0] for column in rows.description]
    for row in rows:
        call = _call(dict(zip(names, row, strict=True)))
        if call.order and moment(call.ts or None, source):
            yield call


def _call(row: dict[str, Any]) -> Call:
    names = ("input", "output", "total", "cache_read", "cache_write")
    prompt, output, total, read_, write = (count(row.get(f"accumulated_{name}_tokens")) or 0 for name in names)
    rest = max(0, total - prompt - output)
    output, rest = (output, rest) if output else (rest, 0)
    fed, notes = fresh(prompt, read_, write)
    model = _model(row.get("model_config_json"))
    return Call(
        uuid=f"{row.get('id')}@{millis(row.get('created_at')) or 0}",
        ts=millis(row.get("updated_at")) or millis(row.get("created_at")) or 0,
        session=str(row.get("id")),
        model=model,
        folder=str(row.get("working_dir") or ""),
        input=fed,
        output=output,
        write=write,
        read=read_,
        order=prompt + output + rest,
        kind="aggregate",
        served_by=str(row.get("provider_name") or "") or served_by(model),
        cost=pico(row.get("accumulated_cost")),
        notes=notes,
        data={"rest": rest} if rest else None,
    )


def _model(config: Any) -> str:
    try:
        return msgspec.json.decode(config or b"{}", type=_Config).model_name or ""
    except (msgspec.MsgspecError, TypeError):
        return ""


def _roots(places: Places) -> list[Path]:
    own = [path / "data" / "sessions" for path in places.variable("GOOSE_PATH_ROOT")]
    bases = (places.data() / "goose", places.data() / "Block" / "goose", places.support() / "goose")
    return own or list(dict.fromkeys(base / "sessions" for base in bases))


def _find(root: Path) -> Iterator[Path]:
    return (path for path in (root / "sessions.db",) if path.is_file())


READER = Reader(id="goose", name="Goose", parser=2, roots=_roots, find=_find, form=Database(read))
