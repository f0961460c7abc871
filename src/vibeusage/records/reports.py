"""What was consumed, by day, week, month, year, session, model, provider, project, branch or machine.

All of them read the store's sums through one way (`Reading`), so that two reports never disagree. Sums are priced
while they are read, those before and after a change of a price apart, and grouped by the days of the zone.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, tzinfo
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from vibeusage.models import Instant
from vibeusage.records import days
from vibeusage.records.pricing import Cost
from vibeusage.records.readers.spec import Call
from vibeusage.records.rollup import Only, RollupRow
from vibeusage.records.stored import ANY_TIME, LOCAL, Span, Stored
from vibeusage.records.tally import APART, DAY_MS, Pricer, Row, Tally, is_unpriced, merged

ALL = "*"  # all providers together; no provider's id
NOBODY = ("",)
PRIVATE = ("session", "project", "branch", "machine")
_MODEL = ("model", "speed")
_TOOL = ("provider", "model_provider")


class Group(NamedTuple):
    """What tells rows apart: fields of the store's rows, and what the store is asked to tell apart for them."""

    names: tuple[str, ...]
    by: tuple[str, ...] = ()


GROUPS = {
    "sessions": Group(("provider", "session_id"), ("session", "folder", "branch", "machine")),
    "models": Group(_MODEL),
    "providers": Group(_TOOL),
    "projects": Group(("folder",), ("folder",)),
    "branches": Group(("folder", "branch"), ("folder", "branch")),
    "devices": Group(("machine",), ("machine",)),
}

Names = Callable[[str, str], str]  # (kind of name, name) -> what is shown of it


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls: days of `zone`, both whole; None is as far as there are records.

    `model`: a part of its name, or a pattern with * and ?. `project`: a folder with all below it when it begins
    with /, else a part of its path. `names` is what is shown of sessions, folders, branches and machines.
    """

    zone: tzinfo
    since: date | None = None
    until: date | None = None
    providers: tuple[str, ...] = ()
    model: str = ""
    project: str = ""
    breakdown: bool = False
    week_start: int = days.MONDAY
    names: Names = lambda kind, name: name

    def only(self, store: Stored) -> Only:
        """The models and folders that it takes, as the store is asked for them; nothing where it takes all."""
        found: dict[str, list[int]] = {}
        for kind, wanted, is_taken in (("model", self.model, _matches), ("folder", self.project, _is_in)):
            known = store.named(kind) if wanted else {}
            ids = [id for id, name in known.items() if is_taken(wanted, name)]
            if len(ids) < len(known):
                found[kind] = ids
        return found

    def takes(self, call: Call) -> bool:
        return (not self.model or _matches(self.model, call.model)) and (
            not self.project or _is_in(self.project, call.folder)
        )


class Unpriced(msgspec.Struct, frozen=True):
    model: str
    messages: int
    total_tokens: int

    def plus(self, messages: int, tokens: int) -> "Unpriced":
        return Unpriced(self.model, self.messages + messages, self.total_tokens + tokens)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`total` is the sum of all rows, also of the `hidden` ones that a limit left out of `rows`.

    `source`: whose records, as of `Stored`. `left_out`: providers with records in the range that count only when
    asked for. `synced_at`: when the logs were last read.
    """

    schema: int = 1
    report: str
    source: str = LOCAL
    zone: str
    since: date | None
    until: date | None
    records_since: date | None
    synced_at: Instant | None
    prices_as_of: date
    rows: tuple[Row, ...]
    total: Row
    unpriced: tuple[Unpriced, ...] = ()
    hidden: int = 0
    left_out: tuple[str, ...] = ()


class Spent(msgspec.Struct, frozen=True):
    """What was consumed in [start_ms, end_ms); `cost_pico` is None when unknown."""

    start_ms: int
    end_ms: int
    cost_pico: int | None
    tokens: int
    state: str


class Entry(msgspec.Struct):
    """A row being summed: its tallies by what a breakdown tells apart."""

    parts: dict[tuple[str, ...], Tally] = {}
    models: dict[str, int] = {}  # tokens of each
    providers: dict[str, None] = {}
    places: dict[tuple[str, str, str], int] = {}  # tokens of each folder, branch and machine
    unpriced: dict[str, Unpriced] = {}
    is_side: bool = True
    whole: Tally | None = None  # the sum of the parts, once it was asked for

    def add(self, row: RollupRow, cost: Cost, part: tuple[str, ...]) -> None:
        tally = self.parts.get(part)
        if tally is None:
            tally = self.parts[part] = Tally()
        tally.add(row, cost)
        self.whole = None
        tokens = row.input + row.output + row.write_5m + row.write_1h + row.read
        self.models[row.model] = self.models.get(row.model, 0) + tokens
        self.providers[row.provider] = None
        self.is_side = self.is_side and row.session_is_side
        if cost.amount is None and is_unpriced(row, cost):
            before = self.unpriced.get(row.model, Unpriced(row.model, 0, 0))
            self.unpriced[row.model] = before.plus(row.calls, tokens)
        if row.session_id:
            place = (row.folder, row.branch, row.machine)
            self.places[place] = self.places.get(place, 0) + tokens

    def total(self) -> Tally:
        if self.whole is None:
            parts = [*self.parts.values()]
            self.whole = parts[0] if len(parts) == 1 else merged(parts)
        return self.whole


class Reading:
    """One pass over the store for a query. `also`: models whose changes of price part its rows, too."""

    def __init__(self, store: Stored, pricer: Pricer, query: Query, *, also: Iterable[str] = ()) -> None:
        self.store, self.pricer, self.query = store, pricer, query
        models = store.models()
        self.apart = () if query.providers else sorted({provider for provider, _ in models} & {*APART})
        self.providers = query.providers
        if self.apart:
            self.providers = tuple({provider for provider, _ in models} - {*APART}) or NOBODY
        self.only = query.only(store)
        self.changes = pricer.prices.changes({*also, *(model for _, model in models)})
        known = store.span()
        first, last = (days.of(ms, query.zone) for ms in known) if known else (date.max, date.min)
        self.since = max(first, query.since or first)
        self.until = min(last, query.until or last)

    def spans(self, period: str) -> Iterator[days.Span]:
        query = self.query
        return days.spans(period, self.since, self.until, query.zone, week_start=query.week_start)

    def whole(self) -> tuple[int, int]:
        if self.since > self.until:
            return 0, 0
        zone = self.query.zone
        return days.start_ms(self.since, zone), days.start_ms(days.after("daily", self.until), zone)

    def rows(
        self, start_ms: int, end_ms: int, by: tuple[str, ...] = (), sessions: Iterable[int] | None = None
    ) -> Iterator[tuple[RollupRow, Cost]]:
        return ((row, cost) for _, row, cost in self.each([(start_ms, end_ms)], by, sessions))

    def each(
        self, spans: Iterable[Span], by: tuple[str, ...] = (), sessions: Iterable[int] | None = None
    ) -> Iterator[tuple[int, RollupRow, Cost]]:
        """The rows of each of `spans`, with its number."""
        only = self.only if sessions is None else {**self.only, "session": [*sessions]}
        parts = [(number, part) for number, span in enumerate(spans) for part in cut(span, self.changes)]
        found = self.store.rollups([part for _, part in parts], providers=self.providers, by=by, only=only)
        for place, row in found:
            yield parts[place][0], row, self.pricer.cost(row)

    def newest(self, limit: int) -> tuple[dict[tuple[str, str], int], int]:
        """The sessions that a limit keeps, none where it keeps all, and how many there are."""
        found, count = self.store.newest_sessions(limit, *self.whole(), providers=self.providers, only=self.only)
        return (found if limit < count else {}), count

    def sum(self) -> Entry:
        """All rows together, many times faster than row by row."""
        entry = Entry()
        for row, cost in self.rows(*self.whole()):
            entry.add(row, cost, ())
        return entry

    def report(self, kind: str, rows: list[Row], entries: list[Entry], *, hidden: int) -> Report:
        whole = made(kind, self.store, self.pricer, self.query, rows, entries, hidden=hidden)
        return msgspec.structs.replace(whole, left_out=tuple(filter(self._has_calls, self.apart)))

    def _has_calls(self, provider: str) -> bool:
        return any(True for _ in self.store.rollup(*self.whole(), providers=[provider], grain_ms=ANY_TIME))


def cut(span: Span, changes: Iterable[int]) -> Iterator[Span]:
    """The parts of a span between which a price changes."""
    return pairwise([span[0], *(ms for ms in changes if span[0] < ms < span[1]), span[1]])


def periods(period: str, store: Stored, pricer: Pricer, query: Query, *, limit: int = 0) -> Report:
    """A row for each day, week, month or year with records, the oldest first; `limit` shows the last ones."""
    reading = Reading(store, pricer, query)
    entries = [(span, Entry()) for span in reading.spans(period)]
    for number, row, cost in reading.each((span.start_ms, span.end_ms) for span, _ in entries):
        entries[number][1].add(row, cost, (row.model, row.speed))
    found = [(span, entry) for span, entry in entries if entry.parts]
    kept = found[-limit:]
    is_iso = period == "weekly" and query.week_start == days.MONDAY
    rows = [row_of(entry, span.key, query, label=f"{span.first:%G-W%V}" if is_iso else "") for span, entry in kept]
    return reading.report(period, rows, [entry for _, entry in found], hidden=len(found) - len(kept))


def groups(kind: str, store: Stored, pricer: Pricer, query: Query, *, limit: int = 0) -> Report:
    """A row for each of what `GROUPS` names: the last session first, of all else the dearest."""
    reading = Reading(store, pricer, query)
    names, by = GROUPS[kind].names, GROUPS[kind].by
    part = _TOOL if kind == "models" else _MODEL
    entries: dict[tuple[str, ...], Entry] = {}
    newest, count = reading.newest(limit) if limit and kind == "sessions" else ({}, 0)
    for row, cost in reading.rows(*reading.whole(), by, newest.values() if newest else None):
        key = tuple([getattr(row, name) for name in names])
        if newest and key not in newest:  # another tool's session of the same name
            continue
        entry = entries.get(key)
        if entry is None:
            entry = entries[key] = Entry()
        entry.add(row, cost, tuple([getattr(row, name) for name in part]))
    found = sorted(sorted(entries.items()), key=lambda one: _place(kind, one[1].total()), reverse=True)
    kept, count = found[: limit or None], max(count, len(found))
    rows = [_group_row(kind, key, entry, query) for key, entry in kept]
    whole = [entry for _, entry in found] if count == len(found) else [reading.sum()]
    return reading.report(kind, rows, whole, hidden=count - len(kept))


def today(store: Stored, pricer: Pricer, now_ms: int, zone: tzinfo) -> dict[str, Spent]:
    return this("daily", store, pricer, now_ms, zone)


def this(period: str, store: Stored, pricer: Pricer, now_ms: int, zone: tzinfo) -> dict[str, Spent]:
    """What each provider, and all together (`ALL`), consumed in the day, week, month or year of `now_ms`."""
    day = days.of(now_ms, zone)
    first = days.first_of(period, day)
    start, end = days.start_ms(first, zone), days.start_ms(days.after(period, first), zone)
    tallies: dict[str, Tally] = {ALL: Tally()}
    for row in store.rollup(start, end, grain_ms=DAY_MS):
        cost = pricer.cost(row)
        if row.provider not in APART:
            tallies[ALL].add(row, cost)
        tallies.setdefault(row.provider, Tally()).add(row, cost)
    return {name: _spent(tally, start, end) for name, tally in tallies.items()}


def _spent(tally: Tally, start: int, end: int) -> Spent:
    cost = tally.cost()
    return Spent(start, end, cost.amount, tally.tokens, cost.state)


def made(
    kind: str,
    store: Stored,
    pricer: Pricer,
    query: Query,
    rows: Iterable[Row],
    entries: list[Entry],
    *,
    hidden: int,
) -> Report:
    """The report of `rows`; `entries` are of all there are, the hidden ones too."""
    known = store.span()
    named: dict[str, Unpriced] = {}
    for one in (one for entry in entries for one in entry.unpriced.values()):
        named[one.model] = named.get(one.model, Unpriced(one.model, 0, 0)).plus(one.messages, one.total_tokens)
    return Report(
        report=kind,
        source=store.source,
        zone=days.name_of(query.zone),
        since=query.since,
        until=query.until,
        records_since=days.of(known[0], query.zone) if known else None,
        synced_at=store.synced_at(),
        prices_as_of=pricer.prices.as_of,
        rows=tuple(rows),
        total=merged(entry.total() for entry in entries).row("total", **_about(entries)),
        unpriced=tuple(sorted(named.values(), key=lambda one: (-one.total_tokens, one.model))),
        hidden=hidden,
    )


def _about(entries: list[Entry]) -> dict[str, Any]:
    """The models, the dearest in tokens first, and the providers of all entries together."""
    models: dict[str, int] = {}
    for entry in entries:
        for model, tokens in entry.models.items():
            models[model] = models.get(model, 0) + tokens
    named = sorted((model for model in models if model), key=lambda model: (-models[model], model))
    return {"models": tuple(named), "providers": tuple(sorted({name for entry in entries for name in entry.providers}))}


def row_of(entry: Entry, key: str, query: Query, *, part: tuple[str, ...] = _MODEL, **told: Any) -> Row:
    return entry.total().row(
        key, **_about([entry]), **told, breakdown=_breakdown(entry, part) if query.breakdown else ()
    )


def _breakdown(entry: Entry, part: tuple[str, ...]) -> tuple[Row, ...]:
    parts = sorted(sorted(entry.parts.items()), key=lambda one: _worth(one[1]), reverse=True)
    return tuple(tally.row(_key(names), **dict(zip(_told(part), names, strict=True))) for names, tally in parts)


def _group_row(kind: str, key: tuple[str, ...], entry: Entry, query: Query) -> Row:
    fields = _told(GROUPS[kind].names)
    shown = [query.names(name, text) if name in PRIVATE else text for name, text in zip(fields, key, strict=True)]
    told: dict[str, Any] = dict(zip(fields, shown, strict=True))
    if kind == "models":
        told["family"] = family(key[0])
        return row_of(entry, _key(shown), query, part=_TOOL, **told)
    if kind == "sessions":
        told |= _most(entry, query) | {"is_side": entry.is_side}
    return row_of(entry, _key(shown), query, **told)


def _most(entry: Entry, query: Query) -> dict[str, str]:
    """Project, branch and machine: those of most tokens."""
    place = max(sorted(entry.places), key=lambda one: entry.places[one], default=("", "", ""))
    return {name: query.names(name, text) for name, text in zip(("project", "branch", "machine"), place, strict=True)}


def _told(names: tuple[str, ...]) -> list[str]:
    """What a row of a report calls these fields of the store's rows."""
    return [{"session_id": "session", "folder": "project", "model_provider": "route"}.get(name, name) for name in names]


def _key(names: Iterable[str]) -> str:
    return ":".join(name for name in names if name)


def _place(kind: str, tally: Tally) -> tuple:
    return (tally.last_ms,) if kind == "sessions" else _worth(tally)


def _worth(tally: Tally) -> tuple:
    return tally.cost().amount or 0, tally.tokens


def family(model: str) -> str:
    """`claude-opus` of `claude-opus-4-6-20260101`: the words of the name without what has digits, else the name."""
    first, *rest = re.split(r"[-_ :@]", model.lower().rpartition("/")[2])
    words = [first.rstrip("0123456789."), *(word for word in rest if word.isalpha())]
    return "-".join(words) if len(words[0]) > 1 else model


def _matches(wanted: str, model: str) -> bool:
    wanted, model = wanted.lower(), model.lower()
    return fnmatchcase(model, wanted) if re.search(r"[*?\[]", wanted) else wanted in model


def _is_in(wanted: str, folder: str) -> bool:
    if wanted.startswith("/"):
        return folder == wanted.rstrip("/") or folder.startswith(wanted.rstrip("/") + "/")
    return wanted.lower() in folder.lower()
