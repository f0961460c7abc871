"""Newer prices over the known ones, on command: LiteLLM's table, checked, kept in the data folder, never forgetting."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import msgspec

from vibeusage.answers import check
from vibeusage.errors import ShapeError
from vibeusage.records import litellm, matching, price_table
from vibeusage.records.price_table import Price, Rates, Table

URL = "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"
MOST_CHANGE = 10
TABLE_LIMIT = 32 << 20
FEWEST = 20  # models; a table with fewer is a mistake


class Update(msgspec.Struct, frozen=True):
    """What an update brought: names of models."""

    as_of: date
    added: tuple[str, ...]
    changed: tuple[str, ...]


def download(url: str | None = None, *, timeout_s: float = 60.0) -> bytes:
    """LiteLLM's table from its repository, or from `url` of the settings; only that host is asked."""
    import asyncio  # only here: reports start without these

    import httpx

    from vibeusage import http

    address = url or URL

    async def ask() -> bytes:
        async with http.open_client(timeout_s, {httpx.URL(address).host}, http.tls()) as client:
            answer = await http.send(client, "GET", address, headers={}, limit=TABLE_LIMIT)
            return check(answer, datetime.now(UTC))

    return asyncio.run(ask())


def update(fetch: Callable[[], bytes], *, today: date, source: str = URL, force: bool = False) -> Update:
    """Keep what `fetch` brings and is new, as of `today`; nothing that was known is forgotten.

    Raises ShapeError, with nothing changed, for what is no price table, or when a known model's rates change by
    more than a factor of 10, unless `force`.
    """
    known = price_table.current().models
    found = litellm.read(fetch())
    if len(found) < FEWEST:
        raise ShapeError("the price file names hardly any models", hint="nothing was changed; try again later")
    news = {name: new for name, price in found.items() if (new := beyond(known, name, price, today))}
    changed = tuple(name for name in news if name in known)
    wild = [name for name in changed if _is_wild(known[name][-1].rates, news[name].rates)]
    if wild and not force:
        raise ShapeError(
            f"the new prices of {', '.join(wild[:5])} differ by more than a factor of {MOST_CHANGE}",
            hint="nothing was changed; `vibeusage records prices update --force` takes them",
        )
    models: dict[str, tuple[Price, ...]] = {name: (price,) for name, price in news.items()}
    price_table.keep(Table(1, today, (f"{source}, {today}",), {}, models))
    return Update(today, tuple(name for name in news if name not in known), changed)


def beyond(known: Mapping[str, tuple[Price, ...]], name: str, new: Price, today: date) -> Price | None:
    """`new` as what holds from today on, None when it says what is known of `name` or of what it is a writing of.

    What it does not state is kept.
    """
    found = matching.find(name, known)
    if not found:
        return new
    last = known[found[0]][-1]
    is_same = (new.rates.input, new.rates.output) == (last.rates.input, last.rates.output)
    rates = _filled(last.rates, new.rates) if is_same else new.rates
    tiers = new.tiers or last.tiers if is_same else new.tiers
    percent = {**last.percent, **new.percent}
    is_known = (rates, tiers, percent) == (last.rates, last.tiers, last.percent)
    if is_known:
        return None
    return Price(today, rates, tiers, percent) if found[0] == name else new


def _filled(old: Rates, new: Rates) -> Rates:
    """A rate for the cache that equals the input's is one that nobody stated."""
    write_5m, write_1h = new.write_5m, new.write_1h
    if write_1h == write_5m:
        write_1h = old.write_1h
    if write_5m == new.input:
        write_5m = old.write_5m
    return Rates(new.input, new.output, write_5m, write_1h, old.read if new.read == new.input else new.read)


def _is_wild(old: Rates, new: Rates) -> bool:
    pairs = [(old.input, new.input), (old.output, new.output)]
    cached = zip(msgspec.structs.astuple(old)[2:], msgspec.structs.astuple(new)[2:], strict=True)
    pairs += [pair for pair in cached if pair[0] != old.input and pair[1] != new.input]
    return any(max(pair) > MOST_CHANGE * min(pair) for pair in pairs)
