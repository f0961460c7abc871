"""The projects and sessions that cost most, and why: the model, the kind of tokens, long prompts, many calls."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from vibeusage.records.bills import Bill, Part, Term, parts
from vibeusage.records.pricing import Cost, Prices
from vibeusage.records.rollup import RollupRow
from vibeusage.records.tally import Tally, dollars

SHARE = 0.5  # from which on a part is named as the reason
LONG_SHARE = 0.05  # of the cost, from which on dearer long prompts are
MANY_TIMES = 2  # of the average, from which on the size of prompts is
AS_LOGGED = "as the log states"


class Dear(msgspec.Struct, frozen=True, kw_only=True):
    """`share` of the cost of all, 0-1. `by_model` and `by_kind` add up to `usd`, where `usd` is known as a whole.

    `long_prompts_usd` is what long prompts cost beyond the model's usual rates. `reasons` say it in words, the
    weightiest first. `prompt_tokens_per_message` and `usd_per_message` are averages.
    """

    provider: str = ""
    project: str = ""
    session: str = ""
    messages: int
    total_tokens: int
    usd: str
    cost_state: str
    share: float | None
    usd_per_message: str
    prompt_tokens_per_message: int
    by_model: tuple[Part, ...]
    by_kind: tuple[Part, ...]
    long_prompts_usd: str
    reasons: tuple[str, ...]
    terms: tuple[Term, ...]


class Seen:
    """The calls of one project or session, or of all."""

    def __init__(self) -> None:
        self.tally, self.bill = Tally(), Bill()
        self.logged: dict[str, int] = {}  # money that the log states, by model: what it was for is not known
        self.long = 0
        self.projects: dict[str, int] = {}  # tokens of each

    def add(self, row: RollupRow, cost: Cost, prices: Prices) -> None:
        self.tally.add(row, cost)
        tokens = row.input + row.output + row.write_5m + row.write_1h + row.read
        self.projects[row.folder] = self.projects.get(row.folder, 0) + tokens
        if cost.state == "recorded":
            self.logged[row.model] = self.logged.get(row.model, 0) + (cost.amount or 0)
            return
        rates = prices.rates(row.model, row.first_ms, row.speed, row.prompt_class)
        usual = prices.rates(row.model, row.first_ms, row.speed)
        self.bill.add(row, rates, is_long=rates != usual)
        if rates and usual and rates != usual:
            alone = Bill()
            alone.add(row, usual)
            self.long += (cost.amount or 0) - alone.amount

    @property
    def amount(self) -> int:
        return self.tally.cost().amount or 0

    @property
    def prompt(self) -> float:
        """Tokens of an average prompt."""
        tally = self.tally
        return (tally.input + tally.write + tally.read) / tally.calls if tally.calls else 0.0

    def by_model(self) -> dict[str, int]:
        found = self.bill.by_model()
        for model, pico in self.logged.items():
            found[model] = found.get(model, 0) + pico
        return found

    def by_kind(self) -> dict[str, int]:
        return {**self.bill.by_kind(), AS_LOGGED: sum(self.logged.values())}


def grouped(
    rows: Iterable[tuple[RollupRow, Cost]], prices: Prices, key: Callable[[RollupRow], Any]
) -> dict[Any, Seen]:
    found: dict[Any, Seen] = {}
    for row, cost in rows:
        name = key(row)
        seen = found.get(name)
        if seen is None:
            seen = found[name] = Seen()
        seen.add(row, cost, prices)
    return found


def dearest(found: dict[Any, Seen], limit: int) -> list[tuple[Any, Seen]]:
    """Those with a known cost, the dearest first."""
    dear = [(key, seen) for key, seen in found.items() if seen.amount]
    return sorted(dear, key=lambda one: (-one[1].amount, str(one[0])))[:limit]


def told(seen: Seen, everything: Seen, **named: str) -> Dear:
    cost, calls = seen.tally.cost(), seen.tally.calls
    models, kinds = parts(seen.by_model()), parts(seen.by_kind())
    whole = everything.amount
    return Dear(
        **named,
        messages=calls,
        total_tokens=seen.tally.tokens,
        usd=dollars(seen.amount),
        cost_state=cost.state,
        share=round(seen.amount / whole, 4) if whole else None,
        usd_per_message=dollars(seen.amount // calls),
        prompt_tokens_per_message=round(seen.prompt),
        by_model=models,
        by_kind=kinds,
        long_prompts_usd=dollars(seen.long),
        reasons=tuple(_reasons(seen, everything, models, kinds)),
        terms=seen.bill.terms(),
    )


def _reasons(seen: Seen, everything: Seen, models: tuple[Part, ...], kinds: tuple[Part, ...]) -> Iterable[str]:
    """Only what is more than usual here; the two largest parts always."""
    if models:
        yield f"{_percent(models[0].share)} {models[0].name or 'a model that is not named'}"
    if kinds:
        most = [kind for kind in kinds if kind.share >= SHARE] or kinds[:2]
        yield " and ".join(f"{_percent(kind.share)} {kind.name}" for kind in most)
    if seen.long and seen.long >= LONG_SHARE * seen.amount:
        yield f"{_percent(seen.long / seen.amount)} for the dearer rates of long prompts"
    usual = everything.prompt
    if usual and seen.prompt >= MANY_TIMES * usual:
        yield f"prompts of {round(seen.prompt):,} tokens, {seen.prompt / usual:.1f} times the average"
    of_calls = seen.tally.calls / everything.tally.calls if everything.tally.calls else 0
    if SHARE <= of_calls < 1:
        yield f"{_percent(of_calls)} of all calls"


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%"
