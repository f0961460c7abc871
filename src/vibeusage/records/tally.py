"""What calls sum up to: counts, money, and a row of a report made of them.

Money is integer picodollars inside and a decimal text in a row; a row's keys are our public JSON.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec

from vibeusage.models import Instant
from vibeusage.records import matching, pricing, readers
from vibeusage.records.call_rows import Record
from vibeusage.records.pricing import Cost, Prices, Rates
from vibeusage.records.readers.spec import FACTS
from vibeusage.records.rollup import Only, RollupRow
from vibeusage.records.schema import QUARTER_MS
from vibeusage.records.stored import Span, Stored
from vibeusage.settings import Pricing

DAY_MS = pricing.DAY_MS
APART = ("claude-api",)  # in sums only when asked for: other providers' records hold some of the same calls


class Pricer:
    """Prices, and per provider whether a cost that its logs state counts."""

    def __init__(self, prices: Prices, modes: Mapping[str, str] | None = None, mode: str | None = None) -> None:
        """`mode` is for all providers, `modes` (those of the readers) for some; else it is worked out from tokens."""
        self.prices = prices
        self._given, self._mode = modes, mode

    def cost(self, row: RollupRow) -> Cost:
        """Of rows between two changes of the price; the day is the UTC one, as vendors date their prices."""
        rates = self.prices.rates(row.model, row.first_ms, row.speed, row.prompt_class)
        calculated = None if rates is None else _calculated(rates, row)
        if not row.logged_calls:
            return pricing.settle(self._mode or "calculate", None, calculated)
        return pricing.settle(self._mode or self._modes.get(row.provider, "calculate"), row.logged_cost, calculated)

    @cached_property
    def _modes(self) -> Mapping[str, str]:
        """Only what a log states a cost for needs them, and to load all readers takes a while."""
        return {id: reader.prices for id, reader in readers.load_all().items()} if self._given is None else self._given


def _calculated(rates: Rates, row: RollupRow) -> int:
    return pricing.cost(
        rates,
        input=row.input,
        output=row.output,
        write_5m=row.write_5m,
        write_1h=row.write_1h,
        read=row.read,
        searches=row.searches,
    )


def pricer(settings: Pricing) -> Pricer:
    return Pricer(pricing.load(settings), mode=settings.cost_mode)


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a report, and the sum of all. `cost` is USD, None when unknown.

    What has a default is left out of the JSON where it says nothing. `cache_read_share`: of the prompt tokens, 0-1.
    `output_lower_bounds` and `estimates` count messages. `breakdown` has a row for each model (of `models`: for
    each provider).
    """

    key: str
    messages: int
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_read_tokens: int
    total_tokens: int
    cost: str | None
    cost_state: str
    label: str = ""
    cache_read_share: float | None = None
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    provider: str = ""
    route: str = ""
    model: str = ""
    family: str = ""
    speed: str = ""
    session: str = ""
    project: str = ""
    branch: str = ""
    machine: str = ""
    is_side: bool = False
    output_lower_bounds: int = 0
    estimates: int = 0
    web_searches: int = 0
    first_at: Instant | None = None
    last_at: Instant | None = None
    level: int = 0
    block: dict[str, Any] | None = None
    breakdown: tuple["Row", ...] = ()


class Tally(msgspec.Struct, gc=False):
    """Sums of calls; `costs` is the money by its state."""

    calls: int = 0
    lower_bounds: int = 0
    estimates: int = 0
    input: int = 0
    output: int = 0
    write: int = 0
    read: int = 0
    searches: int = 0
    first_ms: int = 1 << 62
    last_ms: int = 0
    costs: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.write + self.read

    def add(self, row: RollupRow, cost: Cost) -> None:
        self.calls += row.calls
        self.lower_bounds += row.lower_bounds
        self.estimates += row.estimates
        self.input += row.input
        self.output += row.output
        self.write += row.write_5m + row.write_1h
        self.read += row.read
        self.searches += row.searches
        if row.first_ms < self.first_ms:
            self.first_ms = row.first_ms
        if row.last_ms > self.last_ms:
            self.last_ms = row.last_ms
        self.costs[cost.state] = self.costs.get(cost.state, 0) + (cost.amount or 0)

    def merge(self, other: "Tally") -> None:
        self.calls += other.calls
        self.lower_bounds += other.lower_bounds
        self.estimates += other.estimates
        self.input += other.input
        self.output += other.output
        self.write += other.write
        self.read += other.read
        self.searches += other.searches
        self.first_ms = min(self.first_ms, other.first_ms)
        self.last_ms = max(self.last_ms, other.last_ms)
        for state, amount in other.costs.items():
            self.costs[state] = self.costs.get(state, 0) + amount

    def cost(self) -> Cost:
        """0 of nothing, and None where nothing of it is known."""
        if not self.calls:
            return Cost(0, "calculated")
        return pricing.total(Cost(amount, state) for state, amount in self.costs.items())  # ty: ignore[invalid-argument-type]

    def row(self, key: str, **told: Any) -> Row:
        cost, prompt = self.cost(), self.input + self.write + self.read
        return Row(
            key=key,
            messages=self.calls,
            input_tokens=self.input,
            output_tokens=self.output,
            cache_creation_tokens=self.write,
            cache_read_tokens=self.read,
            total_tokens=self.tokens,
            cost=None if cost.amount is None else dollars(cost.amount),
            cost_state=cost.state,
            cache_read_share=round(self.read / prompt, 4) if prompt else None,
            output_lower_bounds=self.lower_bounds,
            estimates=self.estimates,
            web_searches=self.searches,
            first_at=instant(self.first_ms) if self.calls else None,
            last_at=instant(self.last_ms) if self.calls else None,
            **told,
        )


def merged(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.merge(tally)
    return whole


def dollars(pico: int) -> str:
    """Exact, with two digits behind the point at least: `12.34`, `0.034815`."""
    whole, _, part = f"{Decimal(pico).scaleb(-12):f}".partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def is_unpriced(row: RollupRow, cost: Cost) -> bool:
    """Whether somebody should hear that it has no price."""
    return cost.state == "unknown" and not matching.is_silent(row.model)


def exactly(
    store: Stored, spans: Sequence[Span], provider: str, *, only: Only | None = None
) -> Iterator[tuple[int, RollupRow]]:
    """The rows of each of `spans`, with its number; what lies in a part of a quarter is by call."""
    whole: list[tuple[int, Span]] = []
    bits: list[tuple[int, Span]] = []
    for number, (since, until) in enumerate(spans):
        first, last = -(-since // QUARTER_MS) * QUARTER_MS, until // QUARTER_MS * QUARTER_MS
        whole += [(number, (first, last))] if first < last else []
        ends = ((since, first), (last, until)) if first <= last else ((since, until),)
        bits += [(number, end) for end in ends if end[0] < end[1]]
    for place, row in store.rollups([span for _, span in whole], providers=[provider], only=only):
        yield whole[place][0], row
    for place, record in store.calls_within([span for _, span in bits], provider, only=only):
        if record.call.kind != FACTS:
            yield bits[place][0], _of_call(record)


def _of_call(record: Record) -> RollupRow:
    call = record.call
    return RollupRow(
        quarter_ms=call.ts // QUARTER_MS * QUARTER_MS,
        provider=record.provider,
        model=call.model,
        model_provider=call.served_by,
        speed=call.speed,
        prompt_class=pricing.prompt_class(call.prompt),
        session_id=call.session,
        session_is_side=call.kind == "subagent" or call.rank > 0,
        folder=call.folder,
        branch=call.branch,
        machine=record.machine,
        calls=1,
        lower_bounds=int(not call.complete),
        estimates=int(call.kind == "estimate"),
        input=call.input,
        output=call.output,
        write_5m=call.write - call.write_1h,
        write_1h=call.write_1h,
        read=call.read,
        searches=call.searches,
        logged_cost=call.cost or 0,
        logged_calls=int(call.cost is not None),
        first_ms=call.ts,
        last_ms=call.ts,
    )
