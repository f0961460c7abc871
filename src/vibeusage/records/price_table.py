"""The price table: what each model cost since when, as it is shipped (prices.json) and as it is kept.

Rates are integer picodollars (1e-12 USD) per token: 3 USD per million tokens are 3,000,000.
"""

import functools
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from vibeusage import files, paths
from vibeusage.records.schema import THRESHOLDS

SIZE_LIMIT = 32 << 20
Rate = Annotated[int, Meta(ge=0, le=10**12)]


class Rates(msgspec.Struct, frozen=True, array_like=True):
    """All five are stated: a vendor without a rate for writes or reads bills them as input."""

    input: Rate
    output: Rate
    write_5m: Rate
    write_1h: Rate
    read: Rate

    def times(self, percent: int) -> "Rates":
        return Rates(*((rate * percent + 50) // 100 for rate in msgspec.structs.astuple(self)))


class Price(msgspec.Struct, frozen=True, array_like=True):
    """What holds from a UTC day on (None: as long as the model is known) until the model's next one.

    `tiers`: (tokens, rates) for prompts that are longer than that, whole. `percent`: what a way to be served
    multiplies all rates by (`fast` 250 is 2.5 times).
    """

    since: date | None
    rates: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    percent: dict[str, Annotated[int, Meta(ge=1, le=10_000)]] = {}

    def of(self, prompt_class: int) -> Rates:
        """The rates of a prompt that is longer than the first `prompt_class` of THRESHOLDS."""
        passed = [rates for above, rates in self.tiers if above in THRESHOLDS[:prompt_class]]
        return passed[-1] if passed else self.rates


class Table(msgspec.Struct, frozen=True):
    """`models`: the prices of each, the oldest first. `aliases`: a name to the model that it means."""

    schema: int
    as_of: date
    sources: tuple[str, ...]
    aliases: dict[str, str]
    models: dict[str, tuple[Price, ...]]


def threshold(tokens: float) -> int:
    """The threshold of a tier that begins at `tokens`: the same, else the next of ours, which prompts are sorted by."""
    return next((ours for ours in THRESHOLDS if ours >= tokens), THRESHOLDS[-1])


def current() -> Table:
    """The shipped table, and what updates have brought since; the shipped one is made with more care."""
    shipped, kept = _shipped(), _kept()
    return merged(kept, shipped) if kept else shipped


@functools.cache
def _shipped() -> Table:
    return decoded(resources.files("vibeusage.records").joinpath("prices.json").read_bytes())


def keep(news: Table) -> None:
    """Add `news` to what updates have brought before."""
    kept = _kept()
    files.write_private(_file(), encoded(merged(kept, news) if kept else news))


def _kept() -> Table | None:
    """None also when the file is not ours, or damaged: the shipped table does."""
    data = files.read_private(_file(), limit=SIZE_LIMIT)
    try:
        return decoded(data) if data else None
    except msgspec.MsgspecError:
        return None


def _file() -> Path:
    return paths.data_dir() / "prices.json"


def merged(older: Table, newer: Table) -> Table:
    """All of both: no model and no price is ever forgotten; of two for the same day `newer` is believed."""
    models = dict(older.models)
    for name, prices in newer.models.items():
        models[name] = _joined(models.get(name, ()), prices)
    sources = tuple(dict.fromkeys((*older.sources, *newer.sources)))
    as_of = max(older.as_of, newer.as_of)
    return Table(newer.schema, as_of, sources, {**older.aliases, **newer.aliases}, models)


def _joined(older: tuple[Price, ...], newer: tuple[Price, ...]) -> tuple[Price, ...]:
    by_day = {price.since or date.min: price for price in (*older, *newer)}
    return tuple(by_day[day] for day in sorted(by_day))


def encoded(table: Table) -> bytes:
    """JSON with a line for each model, so that a change of the shipped table can be read."""
    head = {name: getattr(table, name) for name in ("schema", "as_of", "sources", "aliases")}
    rows = [
        msgspec.json.encode(name) + b":" + msgspec.json.encode([_short(price) for price in prices])
        for name, prices in sorted(table.models.items())
    ]
    return msgspec.json.encode(head)[:-1] + b',"models":{\n' + b",\n".join(rows) + b"\n}}\n"


def _short(price: Price) -> list:
    """Without the fields at the end that say nothing."""
    fields = list(msgspec.structs.astuple(price))
    while not fields[-1] and len(fields) > 2:
        fields.pop()
    return fields


def decoded(data: bytes) -> Table:
    """Raises msgspec.ValidationError or DecodeError for what is no table of ours."""
    return msgspec.json.decode(data, type=Table)
