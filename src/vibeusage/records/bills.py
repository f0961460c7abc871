"""What calls cost and of what: their tokens by the rates that they have, so that each sum can be worked out again.

Money is integer picodollars inside and a decimal text in a term.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from vibeusage.records import pricing
from vibeusage.records.pricing import Rates
from vibeusage.records.rollup import RollupRow
from vibeusage.records.tally import dollars

COUNTED = ("input", "output", "write_5m", "write_1h", "read", "searches")
KINDS = {  # of money -> the counts that it is for
    "input": ("input",),
    "output": ("output",),
    "cache write": ("write_5m", "write_1h"),
    "cache read": ("read",),
    "web search": ("searches",),
}
RATES = ("input", "output", "write_5m", "write_1h", "read")
MILLION = 10**6


class Tokens(msgspec.Struct, frozen=True):
    """Counts of one sort of calls; the prompt is input, writes and reads."""

    input: int = 0
    output: int = 0
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    searches: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(one + two for one, two in zip(_counts(self), _counts(other), strict=True)))

    @property
    def written(self) -> int:
        return self.write_5m + self.write_1h

    @property
    def prompt(self) -> int:
        return self.input + self.written + self.read

    @property
    def total(self) -> int:
        return self.prompt + self.output

    def cost(self, rates: Rates) -> int:
        return pricing.cost(rates, **self.by_name())

    def by_name(self) -> dict[str, int]:
        return dict(zip(COUNTED, _counts(self), strict=True))


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one model at one set of rates (USD per million): `usd` is the sum of their products.

    `long_prompts`: the rates are those of prompts above one of the model's thresholds. A web search is 0.01 USD.
    """

    model: str
    usd_per_million: dict[str, str]
    tokens: dict[str, int]
    usd: str
    long_prompts: bool = False


class Part(msgspec.Struct, frozen=True):
    """A part of a sum; `share` of it, 0-1."""

    name: str
    usd: str
    share: float


_Sort = tuple[str, Rates | None, bool]


class Bill:
    """Tokens by model and rates; those of models without a price stand under no rates."""

    def __init__(self) -> None:
        self._sums: dict[_Sort, list[int]] = {}

    def add(self, row: RollupRow, rates: Rates | None, *, model: str | None = None, is_long: bool = False) -> None:
        """`model`: whose rates they are, where it is not the row's own."""
        key = (row.model if model is None else model, rates, is_long)
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = [0] * len(COUNTED)
        counts = row.input, row.output, row.write_5m, row.write_1h, row.read, row.searches
        for place, count in enumerate(counts):
            sums[place] += count

    @property
    def sorts(self) -> Iterator[tuple[_Sort, Tokens]]:
        return ((key, Tokens(*sums)) for key, sums in self._sums.items())

    @property
    def tokens(self) -> Tokens:
        return sum((tokens for _, tokens in self.sorts), Tokens())

    @property
    def amount(self) -> int:
        return sum(tokens.cost(rates) for _, rates, tokens in self._priced())

    @property
    def is_priced(self) -> bool:
        return any(True for _ in self._priced())

    @property
    def unpriced(self) -> Tokens:
        return sum((tokens for (_, rates, _), tokens in self.sorts if rates is None), Tokens())

    def reads_saved(self) -> int:
        """What reading a cache was cheaper than sending the same tokens anew."""
        return sum(tokens.read * (rates.input - rates.read) for _, rates, tokens in self._priced())

    def writes_cost(self) -> int:
        """What writing a cache was dearer than sending the same tokens as input."""
        return sum(
            tokens.write_5m * (rates.write_5m - rates.input) + tokens.write_1h * (rates.write_1h - rates.input)
            for _, rates, tokens in self._priced()
        )

    def saved(self) -> int:
        return self.reads_saved() - self.writes_cost()

    def by_model(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for model, rates, tokens in self._priced():
            found[model] = found.get(model, 0) + tokens.cost(rates)
        return found

    def by_kind(self) -> dict[str, int]:
        found = dict.fromkeys(KINDS, 0)
        for _, rates, tokens in self._priced():
            for kind, names in KINDS.items():
                found[kind] += Tokens(**{name: getattr(tokens, name) for name in names}).cost(rates)
        return found

    def terms(self) -> tuple[Term, ...]:
        """The dearest first."""
        priced = [(model, rates, is_long, tokens) for (model, rates, is_long), tokens in self.sorts if rates]
        priced.sort(key=lambda one: (-one[3].cost(one[1]), one[0]))
        return tuple(_term(*one) for one in priced)

    def _priced(self) -> Iterable[tuple[str, Rates, Tokens]]:
        return ((model, rates, tokens) for (model, rates, _), tokens in self.sorts if rates is not None)


def parts(amounts: Mapping[str, int]) -> tuple[Part, ...]:
    """What there is of each, the most first."""
    whole = sum(amounts.values())
    found = sorted(((name, pico) for name, pico in amounts.items() if pico), key=lambda one: (-one[1], one[0]))
    return tuple(Part(name, dollars(pico), round(pico / whole, 4)) for name, pico in found)


def _counts(tokens: Tokens) -> tuple[int, ...]:
    return msgspec.structs.astuple(tokens)


def _term(model: str, rates: Rates, is_long: bool, tokens: Tokens) -> Term:
    return Term(
        model=model,
        usd_per_million={name: dollars(getattr(rates, name) * MILLION) for name in RATES},
        tokens={name: count for name, count in tokens.by_name().items() if count},
        usd=dollars(tokens.cost(rates)),
        long_prompts=is_long,
    )
