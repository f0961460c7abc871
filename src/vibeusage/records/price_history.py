"""What the stored models cost since when, as it was known at a sync: a later price file takes away no line of it."""

import time
from datetime import date

import msgspec

from vibeusage.records import pricing
from vibeusage.records.price_table import Price
from vibeusage.records.store import Store


class Noted(msgspec.Struct, frozen=True):
    """`noted_ms` is when the price was first met in our tables, `replaced_ms` when another one for the same days."""

    provider: str
    model: str
    price: Price
    source: str
    noted_ms: int
    replaced_ms: int | None = None


def note(into: Store, prices: pricing.Prices | None = None) -> int:
    """Keep the prices of all models in the store; how many of them are new."""
    prices = prices or pricing.load()
    found = {
        (provider, model, _day(price.since)): msgspec.json.encode(price).decode()
        for provider, model in into.models()
        for price in prices.dated(model)
    }
    return into.note_prices(found, "; ".join(prices.sources), now_ms=time.time_ns() // 1_000_000)


def of(model: str, known: Store) -> list[Noted]:
    """The prices of the models with `model` in their name, by provider, model and day, the later known ones last."""
    found: list[Noted] = []
    for provider, name, _, text, source, noted_ms in known.noted_prices():
        if model.lower() not in name.lower():
            continue
        price = msgspec.json.decode(text, type=Price)
        last = found[-1] if found else None
        if last and (last.provider, last.model, last.price.since) == (provider, name, price.since):
            found[-1] = msgspec.structs.replace(last, replaced_ms=noted_ms)
        found.append(Noted(provider, name, price, source, noted_ms))
    return found


def _day(since: date | None) -> str:
    return since.isoformat() if since else ""
