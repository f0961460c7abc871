"""What the same tokens would have cost at other models: the same counts, prompt sizes and days, at their list prices.

An estimate by its nature: each maker counts tokens in its own way, another model writes longer or shorter answers,
and its cache may hit more or less often.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from vibeusage.records import matching
from vibeusage.records.bills import Bill, Term
from vibeusage.records.pricing import Cost, Prices, total
from vibeusage.records.rollup import RollupRow
from vibeusage.records.tally import dollars

# of 26 November 2026, from the shipped price table; whatever was used itself, or has a price of one's own, is added
CURRENT = {
    "anthropic": ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"),
    "openai": ("gpt-6.1-sol", "gpt-6.1-terra", "gpt-6-luna"),
    "google": ("gemini-3.1-pro", "gemini-3.8-flash"),
    "xai": ("grok-4.7",),
    "deepseek": ("deepseek-v4-pro", "deepseek-flash"),
    "moonshot": ("kimi-k3.1-pro",),
    "zai": ("glm-5.3",),
    "alibaba": ("qwen3.8-max",),
    "minimax": ("minimax-m3",),
    "mistral": ("mistral-large-4",),
}
MAKERS = {model: maker for maker, models in CURRENT.items() for model in models}
MOST_OWN = 8

Priced = Sequence[tuple[RollupRow, Cost]]


class AtModel(msgspec.Struct, frozen=True, kw_only=True):
    """`usd` is what all compared calls would have cost; `times` of what they did cost.

    `messages_at_standard`: calls that were asked in a way, such as `fast`, that this model has no price for.
    """

    model: str
    maker: str
    is_used: bool
    usd: str
    times: float | None
    is_estimate: bool
    messages_at_standard: int = 0
    terms: tuple[Term, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The calls whose cost is known, `usd`, and the same at each model, the cheapest first; the rest is left out."""

    messages: int
    total_tokens: int
    usd: str | None
    cost_state: str
    left_out_messages: int
    left_out_tokens: int
    rows: tuple[AtModel, ...]


class _Candidate(NamedTuple):
    model: str
    maker: str
    is_used: bool


def compared(rows: Priced, prices: Prices, own: Iterable[str] = ()) -> Comparison:
    """`rows` are between two changes of the price of any candidate; `own` are models with a price of one's own."""
    known = [(row, cost) for row, cost in rows if cost.amount is not None]
    cost = total(cost for _, cost in known) if known else Cost(None, "unknown")
    others = [row for row, cost in rows if cost.amount is None]
    found = [_at(one, [row for row, _ in known], prices, cost.amount) for one in _candidates(known, own)]
    at_models = [one for one in found if one]
    return Comparison(
        messages=sum(row.calls for row, _ in known),
        total_tokens=sum(_tokens(row) for row, _ in known),
        usd=None if cost.amount is None else dollars(cost.amount),
        cost_state=cost.state,
        left_out_messages=sum(row.calls for row in others),
        left_out_tokens=sum(map(_tokens, others)),
        rows=tuple(one for _, one in sorted(at_models, key=lambda one: (one[0], one[1].model))),
    )


def candidates(own: Iterable[str]) -> set[str]:
    """All models that are compared with, whatever was used."""
    return {*MAKERS, *own}


def at_used(known: Priced, prices: Prices) -> dict[str, int]:
    """What all of these calls would cost, in picodollars, at each model that most of them used."""
    rows = [row for row, _ in known]
    found = {model: _at(_Candidate(model, "", True), rows, prices, None) for model in _most_used(known)}
    return {model: at[0] for model, at in found.items() if at}


def _most_used(known: Priced) -> list[str]:
    used: dict[str, int] = {}
    for row, _ in known:
        if row.model:
            used[row.model] = used.get(row.model, 0) + _tokens(row)
    return sorted(used, key=lambda model: (-used[model], model))[:MOST_OWN]


def _tokens(row: RollupRow) -> int:
    return row.input + row.output + row.write_5m + row.write_1h + row.read


def _candidates(known: Priced, own: Iterable[str]) -> list[_Candidate]:
    used = {row.model for row, _ in known}
    same = {found[0] for model in used if (found := matching.find(model, MAKERS))}
    rest = [model for model in dict.fromkeys([*_most_used(known), *own]) if not matching.find(model, MAKERS)]
    return [
        *(_Candidate(model, maker, model in same) for model, maker in MAKERS.items()),
        *(_Candidate(model, "", model in used) for model in rest),
    ]


def _at(one: _Candidate, rows: Sequence[RollupRow], prices: Prices, own: int | None) -> tuple[int, AtModel] | None:
    bill, otherwise, others = Bill(), 0, 0
    for row in rows:
        way = row.speed if prices.rates(one.model, row.first_ms, row.speed, row.prompt_class) else ""
        rates = prices.rates(one.model, row.first_ms, way, row.prompt_class)
        if rates is None:
            return None
        is_long = rates != prices.rates(one.model, row.first_ms, way)
        bill.add(row, rates, model=one.model, is_long=is_long)
        otherwise += row.calls if way != row.speed else 0
        others += matching.find(row.model, {matching.plain(one.model)}) is None
    if not rows:
        return None
    amount = bill.amount
    return amount, AtModel(
        model=one.model,
        maker=one.maker,
        is_used=one.is_used,
        usd=dollars(amount),
        times=round(amount / own, 4) if own else None,
        is_estimate=bool(others or otherwise),
        messages_at_standard=otherwise,
        terms=bill.terms(),
    )

