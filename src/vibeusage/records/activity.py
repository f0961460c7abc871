"""What tools record beyond tokens: what their caches gave and saved, switches of models, kinds of requests, and more.

A block of rows for each tool that has records; a fact that its logs do not have is a row that says so. Rows have names
and counts only. What GitHub tells of an organisation is of all its members, and so stands apart.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from typing import NamedTuple

import msgspec

from vibeusage.records import days
from vibeusage.records.bills import Bill
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.reports import Query
from vibeusage.records.rollup import END, RollupRow
from vibeusage.records.stored import LOCAL, Stored
from vibeusage.records.tally import DAY_MS, Pricer, dollars

KIND = "activity"
LISTS = (
    *("request_kinds", "providers", "context_providers", "slash_commands", "languages", "editors"),
    *("accepted_by_language", "accepted_by_editor"),
)


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """`count` is of what `fact` and `name` say, `share` its part of the whole that the fact is about, 0-1.

    `usd`: money at list price. `is_recorded` is False where the tool's logs do not have the fact at all.
    `source` is where it was asked for, "" for the tool's logs on this machine.
    """

    provider: str
    fact: str
    name: str = ""
    count: int | None = None
    share: float | None = None
    usd: str | None = None
    is_recorded: bool = True
    source: str = ""


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """`hidden` counts the rows that a limit left out."""

    schema: int = 1
    report: str = KIND
    source: str = LOCAL
    zone: str
    since: date | None
    until: date | None
    records_since: date | None
    prices_as_of: date
    rows: tuple[Fact, ...]
    hidden: int = 0


class _Asked(NamedTuple):
    store: Stored
    pricer: Pricer
    query: Query
    since_ms: int
    until_ms: int

    def calls(self, provider: str) -> Iterator[Call]:
        found = self.store.calls(self.since_ms, self.until_ms, provider=provider)
        return (record.call for record in found if self.query.takes(record.call))

    def sums(self, provider: str) -> Iterator[RollupRow]:
        only = self.query.only(self.store)
        return self.store.rollup(self.since_ms, self.until_ms, providers=[provider], grain_ms=DAY_MS, only=only)


def report(store: Stored, pricer: Pricer, query: Query, *, limit: int = 0) -> Activity:
    """`limit` keeps the most frequent names of each list."""
    asked = _Asked(store, pricer, query, *_span(query))
    wanted = [provider for provider in TOOLS if not query.providers or provider in query.providers]
    facts = [fact for provider in wanted for fact in TOOLS[provider](asked)]
    kept = list(_limited(facts, limit))
    known = store.span()
    return Activity(
        source=store.source,
        zone=days.name_of(query.zone),
        since=query.since,
        until=query.until,
        records_since=days.of(known[0], query.zone) if known else None,
        prices_as_of=pricer.prices.as_of,
        rows=tuple(kept),
        hidden=len(facts) - len(kept),
    )


def _span(query: Query) -> tuple[int, int]:
    since = days.start_ms(query.since, query.zone) if query.since else 0
    return since, days.start_ms(query.until + timedelta(days=1), query.zone) if query.until else END


def _limited(facts: Iterable[Fact], limit: int) -> Iterator[Fact]:
    seen: Counter[tuple[str, str, str]] = Counter()
    for fact in facts:
        place = fact.provider, fact.fact, fact.source
        seen[place] += fact.fact in LISTS
        if not limit or seen[place] <= limit:
            yield fact


def _claude(asked: _Asked) -> Iterator[Fact]:
    bill = Bill()
    for row in asked.sums("claude"):
        bill.add(row, asked.pricer.prices.rates(row.model, row.quarter_ms, row.speed, row.prompt_class))
    tokens, unpriced = bill.tokens, bill.unpriced
    if not tokens.prompt:
        return
    for name, count in (("read", tokens.read), ("not cached", tokens.input), ("written", tokens.written)):
        yield Fact(provider="claude", fact="prompt_tokens", name=name, count=count, share=_share(count, tokens.prompt))
    name = "of the models with a price" if unpriced.read + unpriced.written else ""
    yield Fact(
        provider="claude",
        fact="cache_saved",
        name=name if bill.is_priced else "no price is known",
        usd=dollars(bill.saved()) if bill.is_priced else None,
    )


class _Sessions:
    """How often sessions change what they use, from calls in the order of time."""

    def __init__(self) -> None:
        self.last: dict[str, str] = {}
        self.changed: set[str] = set()
        self.changes = 0

    def add(self, session: str, used: str) -> None:
        if not session or not used:
            return
        if self.last.get(session, used) != used:
            self.changes += 1
            self.changed.add(session)
        self.last[session] = used


def _cursor(asked: _Asked) -> Iterator[Fact]:
    sessions, kinds, calls = _Sessions(), Counter[str](), 0
    for call in asked.calls("cursor"):
        calls += 1
        sessions.add(call.session, call.model)
        kind = (call.data or {}).get("kind")
        if isinstance(kind, str):
            kinds[kind] += 1
    if not calls:
        return
    fact = "model_switching"
    if sessions.last:
        several, all_of = len(sessions.changed), len(sessions.last)
        yield Fact(provider="cursor", fact=fact, name="sessions", count=all_of)
        several_name = "sessions with several models"
        yield Fact(provider="cursor", fact=fact, name=several_name, count=several, share=_share(several, all_of))
        yield Fact(provider="cursor", fact=fact, name="switches", count=sessions.changes)
    else:
        yield _missing("cursor", fact)
    yield from _counted("cursor", "request_kinds", kinds)


def _continue(asked: _Asked) -> Iterator[Fact]:
    counts = {name: Counter[str]() for name in ("providers", "contexts", "commands")}
    sessions, several, calls = 0, 0, 0
    for call in asked.calls("continue"):
        calls += 1
        told = (call.data or {}) if call.kind == FACTS else {}
        for name, counter in counts.items():
            counter.update(told.get(name) or {})
        sessions += bool(told.get("providers"))
        several += len(told.get("providers") or ()) > 1
    if not calls:
        return
    yield from _counted("continue", "providers", counts["providers"])
    if sessions:
        share = _share(several, sessions)
        name = "sessions with several providers"
        yield Fact(provider="continue", fact="provider_switching", name="sessions", count=sessions)
        yield Fact(provider="continue", fact="provider_switching", name=name, count=several, share=share)
    else:
        yield _missing("continue", "provider_switching")
    names = asked.query.names  # of a person's own making, many of them
    yield from _counted("continue", "context_providers", _named(counts["contexts"], "context", names))
    yield from _counted("continue", "slash_commands", _named(counts["commands"], "command", names))


def _copilot(asked: _Asked) -> Iterator[Fact]:
    edits, languages, editors, calls = Counter[str](), Counter[str](), Counter[str](), 0
    organisations: dict[str, list[Call]] = {}
    for call in asked.calls("copilot"):
        told = (call.data or {}) if call.kind == FACTS else {}
        if "organisation" in told:
            organisations.setdefault(told["organisation"], []).append(call)
            continue
        calls += 1
        edits.update(told.get("edits") or {})
        languages.update(told.get("languages") or {})
        editors.update([told["editor"]] if "editor" in told else [])
    if calls:
        yield from _copilot_here(edits, languages, editors, is_alone=not organisations)
    for name, told in sorted(organisations.items()):
        yield from _accepted(asked.query.names("organisation", name), told)


def _copilot_here(
    edits: Counter[str], languages: Counter[str], editors: Counter[str], *, is_alone: bool
) -> Iterator[Fact]:
    decided = edits["kept"] + edits["undone"]
    for name in ("kept", "undone") if decided else ():
        share = _share(edits[name], decided)
        yield Fact(provider="copilot", fact="edited_files", name=name, count=edits[name], share=share)
    if edits["changed"]:
        yield Fact(provider="copilot", fact="edited_files", name="changed by hand", count=edits["changed"])
    if not edits.total():
        yield _missing("copilot", "edited_files")
    if is_alone:
        yield _missing("copilot", "completions_accepted")  # no log of it has any, only the organisation's metrics
    yield from _counted("copilot", "languages", languages)
    yield from _counted("copilot", "editors", editors)


def _accepted(name: str, days_told: Iterable[Call]) -> Iterator[Fact]:
    """What all members of an organisation were offered and took: [suggested, accepted] by name in each day's facts."""
    source = f"GitHub's metrics of the organisation {name}"
    told = {part: (Counter[str](), Counter[str]()) for part in ("completions", "code")}
    for day in days_told:
        for part, (offered, taken) in told.items():
            for word, (one, other) in (day.data or {}).get(part, {}).items():
                offered[word] += one
                taken[word] += other
    suggested, accepted = (counter.total() for counter in told["completions"])
    made = partial(Fact, provider="copilot", source=source)
    yield made(fact="completions_accepted", name="suggested", count=suggested)
    share = _share(accepted, suggested) if suggested else None
    yield made(fact="completions_accepted", name="accepted", count=accepted, share=share)
    for fact, part in (("accepted_by_language", "completions"), ("accepted_by_editor", "code")):
        offered, taken = told[part]
        for word, count in sorted(offered.items(), key=lambda one: (-one[1], one[0])):
            share = _share(taken[word], count) if count else None
            yield made(fact=fact, name=word, count=taken[word], share=share)


TOOLS: Mapping[str, Callable[[_Asked], Iterator[Fact]]] = {
    "claude": _claude,
    "copilot": _copilot,
    "cursor": _cursor,
    "continue": _continue,
}


def _counted(provider: str, fact: str, counts: Counter[str]) -> Iterator[Fact]:
    """A row for each name, the most frequent first."""
    if not counts:
        yield _missing(provider, fact)
    for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        yield Fact(provider=provider, fact=fact, name=name, count=count, share=_share(count, counts.total()))


def _missing(provider: str, fact: str) -> Fact:
    return Fact(provider=provider, fact=fact, is_recorded=False)


def _named(counts: Counter[str], kind: str, names: Callable[[str, str], str]) -> Counter[str]:
    found = Counter[str]()
    for name, count in counts.items():
        found[names(kind, name)] += count
    return found


def _share(count: int, whole: int) -> float:
    return round(count / whole, 4)
