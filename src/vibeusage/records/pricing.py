"""What calls cost: the shipped price table, newer prices that were fetched on command, and the user's own.

Priced when read, so that a better price repairs history. Money is integer picodollars (1e-12 USD). Unknown is
None and never 0, nor the price of a model with a similar name.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from vibeusage.records import matching, price_table
from vibeusage.records.price_table import Price, Rates, Table
from vibeusage.records.price_update import Update, download, update
from vibeusage.records.schema import prompt_class
from vibeusage.settings import ModelPrices, Pricing

__all__ = ["Cost", "Prices", "Rates", "Update", "cost", "download", "load", "prompt_class", "settle", "total", "update"]
DAY_MS = 86_400_000
EPOCH = date(1970, 1, 1).toordinal()
SEARCH = 10**10  # a web search, 10 USD per thousand
WAYS = frozenset({"fast", "batch", "flex", "priority", "us"})
State = Literal["recorded", "calculated", "partial", "unknown"]


class Cost(msgspec.Struct, frozen=True, gc=False):
    """`amount` in picodollars, None when nothing of it is known; "partial": at least one call has no price."""

    amount: int | None
    state: State


class _Found(NamedTuple):
    """The user's own prices, else a name in the table ("" for none) and the ways to be served that a name tells."""

    own: ModelPrices | None
    name: str = ""
    ways: tuple[str, ...] = ()


class Prices:
    """Prices by the names that logs use. `as_of` and `sources` say where they are from."""

    def __init__(self, table: Table, own: Pricing) -> None:
        self.as_of, self.sources = table.as_of, table.sources
        self._models, self._aliases = table.models, table.aliases
        self._own = {matching.plain(name): prices for name, prices in own.models.items()}
        self._own_aliases = {matching.plain(name): matching.plain(model) for name, model in own.aliases.items()}
        self._seen: dict[tuple[str, int, str, int], Rates | None] = {}  # by model, number of its changes, and the rest
        self._changed: dict[str, list[int]] = {}
        self._found: dict[str, _Found] = {}

    def rates(self, model: str, day_ms: int, speed: str = "", prompt_class: int = 0) -> Rates | None:
        """The rates of a call at `day_ms` (epoch ms) whose whole prompt is longer than that many thresholds.

        `speed`: words such as `fast`, `batch` or `us`. None when the model, or how it was served, has no price.
        """
        changed = self._changed.get(model)
        if changed is None:
            changed = self._changed[model] = self.changes((model,))
        key = (model, bisect_right(changed, day_ms), speed, prompt_class)
        if key not in self._seen:
            self._seen[key] = self._rates(model, day_ms // DAY_MS, speed, prompt_class)
        return self._seen[key]

    def changes(self, models: Iterable[str]) -> list[int]:
        """The instants (epoch ms) at which the price of any of `models` changes, in the order of time."""
        found = set()
        for model in models:
            for price in self.dated(model)[1:]:
                found.add(((price.since or date.min).toordinal() - EPOCH) * DAY_MS)
        return sorted(found)

    def dated(self, model: str) -> tuple[Price, ...]:
        """What the table says of a model, the oldest first; nothing where the user's own price is taken."""
        return self._models.get(self._find(model).name, ())

    def _rates(self, model: str, day: int, speed: str, prompt_class: int) -> Rates | None:
        own, name, ways = self._find(model)
        if own:
            return _own_rates(own)
        if not name:
            return None
        price = _of_day(self._models[name], date.fromordinal(EPOCH + day))
        rates = price.of(prompt_class)
        is_dear = name.startswith("gpt-") and rates is not price.rates  # OpenAI has no fast way for long prompts
        for word in sorted({*ways, *speed.lower().split()} & WAYS):
            if word not in price.percent and word != "us":
                return None
            rates = rates if is_dear and word in ("fast", "priority") else rates.times(price.percent.get(word, 100))
        return rates

    def _find(self, model: str) -> "_Found":
        if model not in self._found:
            meant, alias_way = _meant(model, self._own_aliases) or (model, "")
            if own := matching.find(meant, self._own):
                self._found[model] = _Found(self._own[own[0]])
            else:
                name, way = self._known(meant) or ("", "")
                self._found[model] = _Found(None, name, (way, alias_way))
        return self._found[model]

    def _known(self, model: str) -> tuple[str, str] | None:
        """(the name in the table, the speed in `model`), by its name, else by the model that it is another name of."""
        return matching.find(model, self._models) or _meant(model, self._aliases)


def _meant(model: str, aliases: dict[str, str]) -> tuple[str, str] | None:
    alias = matching.find(model, aliases)
    return (aliases[alias[0]], alias[1]) if alias else None


def load(extra: Pricing | None = None) -> Prices:
    """The shipped prices, what `records prices update` has kept over them, and the user's own before both."""
    return Prices(price_table.current(), extra or Pricing())


def cost(
    rates: Rates, *, input: int, output: int, write_5m: int, write_1h: int, read: int, searches: int = 0
) -> int:
    """Picodollars; the counts are disjoint."""
    return (
        input * rates.input
        + output * rates.output
        + write_5m * rates.write_5m
        + write_1h * rates.write_1h
        + read * rates.read
        + searches * SEARCH
    )


def settle(mode: str, recorded: int | None, calculated: int | None) -> Cost:
    """One call's cost by `mode`: auto, calculate or recorded; a stated 0 means that nobody knows."""
    stated = Cost(recorded, "recorded") if recorded else None
    worked_out = Cost(calculated, "calculated") if calculated is not None else None
    unknown = Cost(None, "unknown")
    if mode == "recorded":
        return stated or unknown
    return (stated if mode == "auto" else None) or worked_out or unknown


def total(costs: Iterable[Cost]) -> Cost:
    every = list(costs)
    states = {one.state for one in every}
    if every and states == {"unknown"}:
        return Cost(None, "unknown")
    amount = sum(one.amount or 0 for one in every)
    if states & {"unknown", "partial"}:
        return Cost(amount, "partial")
    return Cost(amount, "recorded" if states == {"recorded"} else "calculated")


def _of_day(prices: tuple[Price, ...], day: date) -> Price:
    """What held on `day`; before the first date, the first: tables often learn of a model late."""
    begun = [price for price in prices if price.since is None or price.since <= day]
    return begun[-1] if begun else prices[0]


def _own_rates(own: ModelPrices) -> Rates | None:
    if own.input is None or own.output is None:
        return None
    write = own.input if own.cache_write is None else own.cache_write
    long_write = write if own.cache_write_1h is None else own.cache_write_1h
    read = own.input if own.cache_read is None else own.cache_read
    return Rates(*(round(dollars * 1_000_000) for dollars in (own.input, own.output, write, long_write, read)))
