"""Cursor: what its local database says of tokens (estimates), and the usage export that its account page gives.

Source: local-logs.md section 8 (Cursor 1.x and 2.x state.vscdb; the dashboard's CSV, 2025 and 2026).
Known from: public sources of trackers and issue threads, made-up files; not seen live.
Units: disjoint counts in the export, where the four columns add up to the total; `Cost` in dollars. The database
knows no cache, writes zeros in recent versions, and names the model `default` under Auto. A message without counts
is a fact: which model its conversation was with.

Export files are read only from folders that the settings name; those replace the database, which describes the
same calls. Nothing of the account's login is looked at.
"""

import contextlib
import csv
import io
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from vibeusage.records.readers.counts import APPROXIMATE, moment
from vibeusage.records.readers.spec import FACTS, Call, Database, Document, Places, Reader, Source
from vibeusage.records.readers.values import count, pico, served_by, sha256

DATABASE = Path("globalStorage", "state.vscdb")
_AUTO = ("default", "auto")
# what is not JSON would end the whole query, and text of a conversation must not reach us
_BUBBLES = """
WITH bubbles AS (
  SELECT rowid, key, CASE WHEN json_valid(CAST(value AS TEXT)) THEN CAST(value AS TEXT) ELSE '{}' END AS body
  FROM cursorDiskKV WHERE key GLOB 'bubbleId:*' AND rowid > ?
)
SELECT key, json_extract(body, '$.createdAt'), json_extract(body, '$.modelInfo.modelName'),
       json_extract(body, '$.tokenCount.inputTokens'), json_extract(body, '$.tokenCount.outputTokens')
FROM bubbles
WHERE coalesce(json_extract(body, '$.tokenCount.inputTokens'), 0) > 0
   OR coalesce(json_extract(body, '$.tokenCount.outputTokens'), 0) > 0
   OR coalesce(json_extract(body, '$.modelInfo.modelName'), '') <> ''
ORDER BY rowid
"""
_COMPOSER = """
SELECT coalesce(json_extract(body, '$.createdAt'), json_extract(body, '$.lastUpdatedAt')) FROM (
  SELECT CASE WHEN json_valid(CAST(value AS TEXT)) THEN CAST(value AS TEXT) ELSE '{}' END AS body
  FROM cursorDiskKV WHERE key = ?
)
"""
_COMPOSERS = "SELECT value FROM ItemTable WHERE key = 'composer.composerData'"


def read_database(
    connection: sqlite3.Connection, source: Source, mark: dict[str, Any]
) -> tuple[Iterator[Call], dict[str, Any]]:
    """A changed message is written as a new row, so those after the last row are all that is new."""
    try:
        row = connection.execute("SELECT rowid, key FROM cursorDiskKV ORDER BY rowid DESC LIMIT 1").fetchone()
    except sqlite3.OperationalError as exc:
        if "no such" not in str(exc):
            raise
        source.skip("unknown schema")
        return iter(()), mark
    now = dict(zip(("row", "key"), row or (0, ""), strict=True))
    since = mark.get("row", 0) if _goes_on(connection, mark, now) else 0
    return _bubbles(connection, source, since), now


def _goes_on(connection: sqlite3.Connection, mark: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the numbers after the mark's are all that is new; where the last rows were deleted, others have theirs.

    A last row that was written anew leaves its number free, which is the usual case.
    """
    last = mark.get("row", 0)
    row = connection.execute("SELECT key FROM cursorDiskKV WHERE rowid = ?", (last,)).fetchone()
    return last <= now["row"] and (row is None or row[0] == mark.get("key"))


def _bubbles(connection: sqlite3.Connection, source: Source, since: int) -> Iterator[Call]:
    folders: dict[str, str] | None = None
    for key, at, model, prompt, answer in connection.execute(_BUBBLES, (since,)).fetchall():
        _, composer, bubble = f"{key}::".split(":")[:3]
        if at is None:  # before October 2025 only the conversation has a time
            row = connection.execute(_COMPOSER, (f"composerData:{composer}",)).fetchone()
            at = row[0] if row else None
        ts = moment(at, source)
        if ts is not None:
            folders = _folders(source.path) if folders is None else folders
            yield _bubble(composer, bubble, ts, str(model or ""), (count(prompt) or 0, count(answer) or 0), folders)


def _bubble(
    composer: str, bubble: str, ts: int, model: str, counts: tuple[int, int], folders: dict[str, str]
) -> Call:
    return Call(
        uuid=bubble if any(counts) else f"{FACTS}:{bubble}",
        ts=ts,
        session=composer,
        model=model,
        folder=folders.get(composer, ""),
        input=counts[0],
        output=counts[1],
        kind="estimate" if any(counts) else FACTS,
        served_by="" if model in _AUTO else served_by(model),
    )


class _Composer(msgspec.Struct, gc=False, rename="camel"):
    composer_id: str = ""


class _Composers(msgspec.Struct, gc=False, rename="camel"):
    all_composers: list[_Composer] | None = None


class _Workspace(msgspec.Struct, gc=False):
    folder: str = ""


def _folders(path: Path) -> dict[str, str]:
    """{conversation: folder}, as the workspaces beside the database list them."""
    found: dict[str, str] = {}
    for place in path.parent.parent.glob("workspaceStorage/*/workspace.json"):
        with contextlib.suppress(OSError, ValueError, sqlite3.Error):
            folder = unquote(urlsplit(msgspec.json.decode(place.read_bytes(), type=_Workspace).folder).path)
            found.update(dict.fromkeys(_listed(place.with_name("state.vscdb")), folder))
    return found


def _listed(path: Path) -> list[str]:
    """The conversations of a workspace, as its database stands: nothing is locked or left there for a name."""
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
        row = database.execute(_COMPOSERS).fetchone()
    listed = msgspec.json.decode(row[0], type=_Composers).all_composers if row else None
    return [one.composer_id for one in listed or ()]


_COLUMNS = ("Input (w/ Cache Write)", "Input (w/o Cache Write)", "Cache Read", "Output Tokens")
_NEEDED = {"Date", "Model", *_COLUMNS}


def read_export(data: bytes, source: Source) -> Iterator[Call]:
    """One call per row of an export, by the names in its header: columns came and changed their order."""
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace").replace("\0", ""), newline=""))
    try:
        if not set(rows.fieldnames or ()) >= _NEEDED:
            source.skip("no usage export")
            return
        seen: Counter[str] = Counter()
        for row in rows:
            call = _row(row, source)
            if call:
                seen[call.uuid] += 1
                call.uuid += f":{seen[call.uuid]}"
                yield call
    except csv.Error:
        source.skip("not CSV")


def _row(row: dict[str | Any, str | Any], source: Source) -> Call | None:
    write, fed, read, output = counts = [_number(row.get(name)) for name in _COLUMNS]
    ts = moment(row.get("Date"), source) if any(counts) else None
    if ts is None:
        return None
    model, total = row.get("Model") or "", _number(row.get("Total Tokens"))
    is_odd = total not in (0, sum(counts))
    if is_odd:
        source.skip("columns do not add up")
    return Call(
        uuid=sha256(repr((ts, model, counts)))[:24],
        ts=ts,
        model=model,
        input=fed,
        output=output,
        write=write,
        read=read,
        served_by="" if model in _AUTO else served_by(model),
        cost=_dollars(row.get("Cost")),
        notes=(APPROXIMATE,) if is_odd else (),
        data=_more(row),
    )


def _more(row: dict[str | Any, str | Any]) -> dict[str, Any] | None:
    kind, charged = (row.get("Kind") or "").strip(), _dollars(row.get("Cost to you"))
    told = {"kind": kind[:32] or None, "max": row.get("Max Mode") == "Yes" or None, "charged_pico": charged}
    return {name: value for name, value in told.items() if value is not None} or None


def _number(text: Any) -> int:
    return count(text.replace(",", "").strip()) or 0 if isinstance(text, str) else 0


def _dollars(text: Any) -> int | None:
    """`$0.12`; None for `Included`, `-`, `NaN` and nothing."""
    return pico(text.strip().lstrip("$").replace(",", "")) if isinstance(text, str) else None


def find(root: Path) -> Iterator[Path]:
    """Of Cursor's own folder its database only; elsewhere the exports, or the one that is named itself."""
    database = root / DATABASE
    paths = (database,) if database.is_file() else (root,) if root.suffix == ".csv" else root.glob("*.csv")
    return (path for path in paths if path.is_file())


def _roots(places: Places) -> list[Path]:
    return [user for user in places.code_users() if "Cursor" in user.parts or ".cursor-server" in user.parts]


READER = Reader(
    id="cursor",
    name="Cursor",
    parser=2,
    roots=_roots,
    find=find,
    form=Database(read_database),
    also={".csv": Document(read_export)},
    prices="auto",
)
