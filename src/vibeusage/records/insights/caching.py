"""How much of the prompts came from a cache, and what that saved against sending all of it anew, at list price."""

from collections.abc import Iterable

import msgspec

from vibeusage.records.bills import Bill, Term
from vibeusage.records.pricing import Prices
from vibeusage.records.rollup import RollupRow
from vibeusage.records.tally import dollars


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """`saved_usd` = `reads_saved_usd` - `writes_cost_usd` = `without_cache_usd` - `usd`, None where no price is known.

    Reading costs less than input, writing more. `read_share` is of the prompt tokens, 0-1.
    `unpriced_tokens` are in the share and in no money.
    """

    model: str = ""
    prompt_tokens: int
    read_tokens: int
    written_tokens: int
    read_share: float | None
    usd: str | None
    without_cache_usd: str | None
    reads_saved_usd: str | None
    writes_cost_usd: str | None
    saved_usd: str | None
    unpriced_tokens: int = 0
    terms: tuple[Term, ...] = ()


class Caching(msgspec.Struct, frozen=True):
    """`rows` by model, what saved most first."""

    total: Saving
    rows: tuple[Saving, ...]


def saved(rows: Iterable[RollupRow], prices: Prices) -> Caching:
    whole, bills = Bill(), dict[str, Bill]()
    for row in rows:
        rates = prices.rates(row.model, row.first_ms, row.speed, row.prompt_class)
        whole.add(row, rates)
        bills.setdefault(row.model, Bill()).add(row, rates)
    of_models = sorted(bills.items(), key=lambda one: (not one[1].is_priced, -one[1].saved(), one[0]))
    used = [(model, bill) for model, bill in of_models if bill.tokens.read or bill.tokens.written]
    return Caching(_saving("", whole), tuple(_saving(model, bill, terms=bill.terms()) for model, bill in used))


def _saving(model: str, bill: Bill, *, terms: tuple[Term, ...] = ()) -> Saving:
    tokens, known = bill.tokens, bill.is_priced
    return Saving(
        model=model,
        prompt_tokens=tokens.prompt,
        read_tokens=tokens.read,
        written_tokens=tokens.written,
        read_share=round(tokens.read / tokens.prompt, 4) if tokens.prompt else None,
        usd=dollars(bill.amount) if known else None,
        without_cache_usd=dollars(bill.amount + bill.saved()) if known else None,
        reads_saved_usd=dollars(bill.reads_saved()) if known else None,
        writes_cost_usd=dollars(bill.writes_cost()) if known else None,
        saved_usd=dollars(bill.saved()) if known else None,
        unpriced_tokens=bill.unpriced.total,
        terms=terms,
    )
