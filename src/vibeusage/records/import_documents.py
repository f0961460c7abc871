"""What claude-monitor keeps, and the exports of ccusage and Cursor, as calls of ours.

Source: Claude-Code-Usage-Monitor (`warehouse.py`, `settings.py`), ccusage (its documents of `--json` and of its
settings, releases 15 to 20), the CSV file of Cursor's dashboard.
Known from: the public source and documentation of these tools, read in November 2026; not seen live.
Units: counts are disjoint, but for `cachedInputTokens`; a day is one of the zone that the export was made in.

Costs of other trackers are their own reckoning and are left out; those of Cursor's export are Cursor's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from vibeusage.errors import ConfigError
from vibeusage.records.import_items import (
    AFTER_OURS,
    Found,
    Item,
    Where,
    begin,
    counted,
    decoded,
    identity,
    is_there,
    named,
    note_zone,
    of_day,
    of_lines,
    provider_of,
    read,
    roots,
    settings,
    told_once,
)
from vibeusage.records.readers import cursor
from vibeusage.records.readers.counts import fresh, moment
from vibeusage.records.readers.spec import Call
from vibeusage.records.readers.values import count, served_by


class _Origin(msgspec.Struct, gc=False):
    kind: str | None = None


class _Kept(msgspec.Struct, gc=False):
    timestamp: str | None = None
    project: str | None = None
    model: str | None = None
    message_id: str | None = None
    request_id: str | None = None
    source: _Origin | None = None
    input_tokens: Any = None
    output_tokens: Any = None
    cache_creation_tokens: Any = None
    cache_read_tokens: Any = None


class _Warehouse(msgspec.Struct, gc=False):
    records: list[_Kept]


def claude_monitor(where: Where) -> Found:
    home = where.places.home / ".claude-monitor"
    found = begin("claude-monitor", where, home / "warehouse" / "usage.json")
    note_zone(settings(home / "last_used.json", found).get("timezone"), found)
    if is_there(found):
        kept = decoded(found.source.path, _Warehouse).records
        found.items += told_once([item for each in kept if (item := _of_warehouse(each, found))], found)
        found.files.append(found.source.path)
    return found


def _of_warehouse(kept: _Kept, found: Found) -> Item | None:
    """It keeps a call's first line, whose output is a placeholder more often than not."""
    call = counted(msgspec.structs.asdict(kept), found.tag)
    kind = kept.source.kind or "" if kept.source else ""
    provider = provider_of("claude" if kind.startswith("claude") else kind, found) if call else ""
    ts = moment(kept.timestamp, found.source) if provider else None
    if not call or ts is None:
        return None
    call.ts, call.complete = ts, False
    call.model, call.folder = (("" if text == "unknown" else text or "") for text in (kept.model, kept.project))
    call.served_by = served_by(call.model)
    request = "" if kept.request_id == "unknown" else kept.request_id or ""
    call.uuid = identity(kept.message_id or "", request) if provider == "claude" else ""
    is_same = bool(call.uuid)
    call.uuid = call.uuid or of_lines(call, f"{kept.timestamp} {kept.message_id or ''}")
    return Item(provider=provider, call=call, end_ms=ts + 1, is_same=is_same)


def ccusage(where: Where) -> Found:
    """Its settings, and an export (`ccusage daily --json`, `ccusage session --json`): it keeps no data itself.

    Settings in the folder at hand are not taken: they are that project's, and may be anybody's.
    """
    home, config = where.places.home, where.places.config()
    found = begin("ccusage", where, home)
    path = next((path for path in (config / "claude", home / ".claude") if (path / "ccusage.json").is_file()), None)
    if path:
        _take_settings(path / "ccusage.json", found)
    if where.file:
        _take_export(found)
    else:
        found.notes.append("ccusage keeps no records; `ccusage daily --json >FILE` writes what can be imported")
    return found


def _take_settings(path: Path, found: Found) -> None:
    told = settings(path, found).get("defaults")
    told = told if isinstance(told, dict) else {}
    mode = {"auto": "auto", "calculate": "calculate", "display": "recorded"}.get(str(told.get("mode")))
    if mode:
        found.settings.append(("pricing.cost_mode", mode))
    folders = [Path(text.strip()) for text in str(told.get("customDirs") or "").split(",") if text.strip()]
    found.settings += [(f"records.{name}.roots", paths) for name, paths in roots({"claude": folders}, found.where)]
    note_zone(told.get("timezone"), found)


class _Row(NamedTuple):
    """A row of an export; `project` is "" but for one with `--instances`."""

    provider: str
    project: str
    is_session: bool
    row: dict[str, Any]

    @property
    def session(self) -> str:
        names = ("sessionId", "session", "period")
        return next((str(self.row[name]) for name in names if self.row.get(name)), "") if self.is_session else ""

    @property
    def when(self) -> str:
        told = self.row.get("metadata")
        more = told if isinstance(told, dict) else {}
        last = self.row.get("lastActivity") or more.get("lastActivity")
        return str((last if self.is_session else self.row.get("date") or self.row.get("period")) or "")


def _take_export(found: Found) -> None:
    path = found.source.path
    document = decoded(path, dict[str, Any])
    kind = next((kind for kind in ("daily", "session") if kind in (*document, document.get("type"))), "")
    kind = kind or ("daily" if "projects" in document else "session" if "sessions" in document else "")
    if not kind:
        raise ConfigError(
            f"{path} is no export that can be imported",
            hint="`ccusage daily --json` or `ccusage session --json` writes one",
        )
    found.tag = f"ccusage-{kind}"
    for project, row in _lines(document, kind):
        for name, models in _by_agent(row, found):
            provider = provider_of(name, found)
            told = _Row(provider, project, kind == "session", row)
            calls = [_of_export(told, model, counts, found) for model, counts in models if provider]
            found.items += [item for call in calls if call and (item := _placed(told, call, found))]
    found.files.append(path)


def _lines(document: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(project, row)."""
    projects = document.get("projects")
    lists = dict(projects) if isinstance(projects, dict) else {}
    lists[""] = document.get(kind) or document.get(f"{kind}s") or document.get("data") or []
    for project, rows in lists.items():
        yield from ((project, row) for row in rows if isinstance(row, dict))


def _by_agent(row: dict[str, Any], found: Found) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """(tool, [(model, counts)]) of a row; one that mixes tools tells of none of them."""
    agents = [each for each in row.get("agents") or () if isinstance(each, dict)]
    told = row.get("metadata") if isinstance(row.get("metadata"), dict) else {}
    names = (told or {}).get("agents") or ()
    if not agents and len(names) > 1:
        found.source.skip("several tools in one row")
        return
    for each in agents or [row]:
        name = str(each.get("agent") or "")
        yield (names[0] if name in ("", "all") and names else name), _by_model(each)


def _by_model(row: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    parts = row.get("modelBreakdowns")
    if isinstance(parts, list) and parts:
        return [(str(part.get("modelName") or ""), part) for part in parts if isinstance(part, dict)]
    parts = row.get("breakdown") or row.get("models")
    if isinstance(parts, dict) and parts:
        return [(model, part) for model, part in parts.items() if isinstance(part, dict)]
    used = row.get("modelsUsed") or parts or [""]
    return [(str(used[0]) if len(used) == 1 else "", row)]


def _of_export(told: _Row, model: str, counts: dict[str, Any], found: Found) -> Call | None:
    call = counted(_ours(counts), found.tag)
    if call:
        call.model, call.served_by, call.session = model, served_by(model), told.session
        call.folder = told.project or str(told.row.get("projectPath") or "")
    return call


def _placed(told: _Row, call: Call, found: Found) -> Item | None:
    """In time: a day, or a session's last instant where the export has more than its day."""
    when = told.when
    item = of_day(told.provider, call, when[:10], (told.session, told.project, call.model), found)
    ts = moment(when, found.source) if item and "T" in when else None
    if not item or ts is None:
        return item
    call.ts = ts
    return msgspec.structs.replace(item, end_ms=ts + 1)


def _ours(counts: dict[str, Any]) -> dict[str, Any]:
    """Its names as those of the tables; `cachedInputTokens` (of Codex, once) were counted in the input too."""
    cached = count(counts.get("cachedInputTokens")) or 0
    fed, _ = fresh(count(counts.get("inputTokens")) or 0, cached)
    return {
        "input_tokens": fed,
        "output_tokens": counts.get("outputTokens"),
        "cache_creation_tokens": counts.get("cacheCreationTokens"),
        "cache_read_tokens": cached or counts.get("cacheReadTokens"),
    }


def cursor_csv(where: Where) -> Found:
    path = named(where, "the export")
    found = begin("cursor-csv", where, path)
    for call in cursor.read_export(read(path), found.source):
        call.order, call.data = AFTER_OURS, {**(call.data or {}), "from": found.tag}
        found.items.append(Item(provider="cursor", call=call, end_ms=call.ts + 1))
    if "no usage export" in found.source.skipped:
        raise ConfigError(f"{path} is no usage export of Cursor", hint="cursor.com/dashboard, Usage, Export CSV")
    found.files.append(path)
    return found
