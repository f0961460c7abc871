"""Five-hour blocks: the windows in which some plans count, worked out from local records or known from a live quota.

A block of Claude's starts at the full UTC hour of its first call, one of Codex's at its first call; a call more than
five hours after the start, or after the call before, begins the next. Where a live reset is known, the window that
ends there is the current one instead. Known wrong: use on another machine or on the web opens a window as well.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Any

import msgspec

from vibeusage import cache
from vibeusage.models import PeriodType, UsageSnapshot
from vibeusage.records import days
from vibeusage.records.reports import Entry, Query, Report, cut, made, row_of
from vibeusage.records.rollup import Only
from vibeusage.records.schema import QUARTER_MS
from vibeusage.records.stored import HOUR_MS, Span, Stored
from vibeusage.records.tally import Pricer, Row, dollars, exactly, instant

MINUTE_MS = 60_000
LENGTH_MS = 5 * HOUR_MS
STARTS_AT = {"claude": HOUR_MS, "codex": 1}  # who has such windows, and what their start is rounded down to (ms)
GRADES = ((2_000, "normal"), (5_000, "moderate"))  # input and output tokens a minute below which; above: high


class Live(msgspec.Struct, frozen=True):
    """The window that a provider itself reports, its quota in percent used."""

    start_ms: int
    end_ms: int
    utilization: float


class Block(msgspec.Struct):
    """[start_ms, end_ms]; a gap has no calls. `last_ms` is the last call's, also when a query takes it not.

    `summed` is from and to which instant its calls are; `entry` has them once it is filled.
    """

    provider: str
    start_ms: int
    end_ms: int
    entry: Entry = msgspec.field(default_factory=Entry)
    last_ms: int = 0
    is_gap: bool = False
    live: Live | None = None
    summed: tuple[int, int] = (0, 0)

    def is_active(self, now_ms: int) -> bool:
        if self.is_gap or now_ms >= self.end_ms:
            return False
        return self.live is not None or now_ms - self.last_ms < LENGTH_MS


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """The block of now. Costs are picodollars, None when unknown; burn and projection need two calls.

    `is_estimate`: its borders are worked out from local records; else `utilization` is the live quota in percent.
    `grade` is that of input and output without the cache: normal, moderate or high.
    """

    start_ms: int
    end_ms: int
    tokens: int
    cost_pico: int | None
    state: str
    is_estimate: bool
    utilization: float | None = None
    tokens_per_minute: float | None = None
    cost_pico_per_hour: int | None = None
    grade: str = ""
    projected_tokens: int | None = None
    projected_cost_pico: int | None = None


def live_windows(now: datetime, snapshots: Mapping[str, UsageSnapshot] | None = None) -> dict[str, Live]:
    """{provider: window} of what is cached of each provider's main account and has not passed."""
    if snapshots is None:
        snapshots = cache.snapshots_with_observations(int(now.timestamp()))
    found = {}
    for provider in STARTS_AT:
        snapshot = snapshots.get(provider)
        for period in snapshot.periods if snapshot else ():
            is_session = period.period_type == PeriodType.SESSION and period.model is None
            if is_session and period.resets_at and now < period.resets_at <= now + period.window:
                end = int(period.resets_at.timestamp() * 1000)
                length = int(period.window.total_seconds() * 1000)
                found.setdefault(provider, Live(end - length, end, period.utilization))
    return found


def current(
    store: Stored, pricer: Pricer, now_ms: int, live: Mapping[str, Live] | None = None
) -> dict[str, Current]:
    """{provider: block} of those whose block is active; `live` as of `live_windows`."""
    found = {}
    for provider in STARTS_AT:
        reading = Blocks(store, pricer, provider, (live or {}).get(provider))
        for block in reading.borders(now_ms):
            if block.is_active(now_ms):
                reading.fill([block])
                found[provider] = measured(block, now_ms)
    return found


def report(
    store: Stored, pricer: Pricer, query: Query, *, now_ms: int, live: Mapping[str, Live], limit: int = 0
) -> Report:
    """A row for each block that starts on a day of `query`, and for each gap unless only some calls are taken.

    `limit` shows the last ones.
    """
    known = store.span()
    oldest = days.of(known[0], query.zone) if known else date.max
    first = max(query.since or oldest, oldest)
    asked = [name for name in STARTS_AT if not query.providers or name in query.providers]
    only = query.only(store)
    readings = {name: Blocks(store, pricer, name, live.get(name), only) for name in asked}
    found: list[_Found] = []
    for reading in readings.values() if first < date.max else ():
        its = reading.borders(days.start_ms(first, query.zone))
        until = query.until or date.max
        found.append((reading, [one for one in its if first <= days.of(one.start_ms, query.zone) <= until]))
    entries = [reading.sum(its) for reading, its in found]
    if query.model or query.project:
        found = _taken(store, found, only)
    shown = sorted((block for _, its in found for block in its), key=lambda block: (block.start_ms, block.provider))
    kept = shown[-limit:]
    for name, reading in readings.items():
        reading.fill(block for block in kept if block.provider == name)
    rows = [_row(block, now_ms, query) for block in kept]
    return made("blocks", store, pricer, query, rows, entries, hidden=len(shown) - len(kept))


def _taken(store: Stored, found: list["_Found"], only: Only) -> list["_Found"]:
    """Of each tool the blocks with calls that `only` takes; the store is asked once for all of them."""
    every = [block for _, its in found for block in its]
    since = min((block.start_ms for block in every), default=0)
    until = max((block.summed[1] for block in every), default=0)
    quarters = store.quarters(since, until, [reading.provider for reading, _ in found], only=only)
    return [(reading, reading.taken(its, quarters[reading.provider])) for reading, its in found]


def _row(block: Block, now_ms: int, query: Query) -> Row:
    now = measured(block, now_ms)
    is_active = block.is_active(now_ms)
    told = {
        "starts_at": instant(block.start_ms),
        "ends_at": instant(block.end_ms),
        "is_active": is_active,
        "is_gap": block.is_gap,
        "is_estimate": now.is_estimate,
        "utilization": now.utilization,
        "tokens_per_minute": now.tokens_per_minute,
        "cost_per_hour": _dollars(now.cost_pico_per_hour),
        "rate": now.grade or None,
        "projected_tokens": now.projected_tokens if is_active else None,
        "projected_cost": _dollars(now.projected_cost_pico) if is_active else None,
    }
    key = f"{block.provider}:{instant(block.start_ms):%Y-%m-%dT%H:%M:%SZ}"
    row = row_of(block.entry, key, query, provider=block.provider, block=told)
    return msgspec.structs.replace(row, cost=None, cost_state="unknown") if block.is_gap else row


def _dollars(pico: int | None) -> str | None:
    return None if pico is None else dollars(pico)


def measured(block: Block, now_ms: int) -> Current:
    tally = block.entry.total()
    cost = tally.cost()
    known: dict[str, Any] = {"utilization": block.live.utilization} if block.live else {}
    span = tally.last_ms - tally.first_ms if tally.calls else 0
    if span > 0:
        rate = tally.tokens * MINUTE_MS / span
        left = round((block.end_ms - now_ms) / MINUTE_MS)
        uncached = (tally.input + tally.output) * MINUTE_MS / span
        known |= {
            "tokens_per_minute": round(rate, 1),
            "grade": next((grade for below, grade in GRADES if uncached < below), "high"),
            "projected_tokens": tally.tokens + round(rate * left),
        }
        if cost.amount is not None:
            known["cost_pico_per_hour"] = cost.amount * HOUR_MS // span
            known["projected_cost_pico"] = cost.amount + cost.amount * left * MINUTE_MS // span
    return Current(
        start_ms=block.start_ms,
        end_ms=block.end_ms,
        tokens=tally.tokens,
        cost_pico=cost.amount,
        state=cost.state,
        is_estimate=block.live is None,
        **known,
    )


class Blocks:
    """One provider's blocks. All calls decide about borders, those that `only` takes (as of `rollup`) are summed.

    A block holds every call up to five hours after its start: no two of them are further apart than that, so the
    pause between two calls matters for gaps only.
    """

    def __init__(
        self, store: Stored, pricer: Pricer, provider: str, live: Live | None = None, only: Only | None = None
    ) -> None:
        self.store, self.pricer, self.provider, self.live = store, pricer, provider, live
        self._only = only or {}
        self._end = live.start_ms if live else (store.span() or (0, -1))[1] + 1

    def since(self, ms: int) -> list[Block]:
        """The blocks and gaps from the one of `ms` or an earlier one on, the live window last."""
        found = [*self.borders(ms)]
        self.fill(found)
        return found

    def borders(self, ms: int) -> Iterator[Block]:
        """The same without their sums, which is many times faster."""
        block = None
        since = self.store.pause(ms, self.provider, length_ms=LENGTH_MS)
        rounded = {"length_ms": LENGTH_MS, "round_ms": STARTS_AT[self.provider]}
        for first, last in self.store.chain(since, self._end, self.provider, **rounded):
            if block and first - block.last_ms > LENGTH_MS:
                yield Block(self.provider, block.last_ms + LENGTH_MS, first, is_gap=True)
            block = self._begun(first, last, block)
            yield block
        if self.live:
            summed = self.live.start_ms, self.live.end_ms
            last = self.store.edge(*summed, self.provider, last=True) or 0
            yield Block(self.provider, *summed, last_ms=last, live=self.live, summed=summed)

    def fill(self, blocks: Iterable[Block]) -> None:
        """Sum the calls of each that `only` takes, anew."""
        blocks = list(blocks)
        for block in blocks:
            block.entry = Entry()
        self._add([(block.entry, block.summed) for block in blocks])

    def sum(self, blocks: list[Block]) -> Entry:
        """All of these, which follow each other, together; many times faster than one by one."""
        entry, spans = Entry(), [block.summed for block in blocks if not block.is_gap]
        self._add([(entry, (spans[0][0], spans[-1][1]))] if spans else [])
        return entry

    def taken(self, blocks: list[Block], quarters: list[int]) -> list[Block]:
        """Those with calls that `only` takes; it takes some of each of `quarters`."""
        touched = [_touched(block, quarters) for block in blocks]
        self.fill(block for block, how in zip(blocks, touched, strict=True) if how == "in part")
        return [block for block, how in zip(blocks, touched, strict=True) if how == "whole" or block.entry.parts]

    @cached_property
    def _changes(self) -> list[int]:
        return self.pricer.prices.changes({model for _, model in self.store.models()})

    def _add(self, entries: Iterable[tuple[Entry, Span]]) -> None:
        """To each entry the calls of its span that `only` takes."""
        parts = [(entry, part) for entry, span in entries for part in cut(span, self._changes)]
        for number, row in exactly(self.store, [part for _, part in parts], self.provider, only=self._only):
            parts[number][0].add(row, self.pricer.cost(row), (row.model, row.speed))

    def _begun(self, first: int, last: int, before: Block | None) -> Block:
        start = first // STARTS_AT[self.provider] * STARTS_AT[self.provider]
        end = start + LENGTH_MS
        until = max(end, last + 1)  # a call may come with the last millisecond; whole quarters are faster
        if self.live:
            end, until = min(end, self.live.start_ms), min(until, self.live.start_ms)
        quarter = first // QUARTER_MS * QUARTER_MS  # whole where no call of the block before is in it: that is faster
        since = first if before and before.last_ms >= quarter else quarter
        return Block(self.provider, start, end, last_ms=last, summed=(since, until))


_Found = tuple[Blocks, list[Block]]


def _touched(block: Block, quarters: list[int]) -> str:
    """Whether some of `quarters` are wholly in the block, only in part, or not at all ("")."""
    since, until = block.summed
    found = quarters[bisect_right(quarters, since - QUARTER_MS) : bisect_left(quarters, until)]
    if any(since <= quarter <= until - QUARTER_MS for quarter in found):
        return "whole"
    return "in part" if found else ""
