"""LiteLLM's price table, as it is published, to ours.

Source: model_prices_and_context_window.json of github.com/BerriAI/litellm (MIT), one object of about 5,000 entries.
Known from: the file of litellm 1.110.2, read 2026-11-26.
Units: USD per token; a rate for prompts above 200k tokens is `<name>_above_200k_tokens`, one for a way to be
served `<name>_batches`, `_flex` or `_priority`. Only makers' own entries are taken, resellers' differ.
"""

import re
from decimal import Decimal
from typing import Any

import msgspec

from vibeusage.errors import ShapeError
from vibeusage.records.price_table import Price, Rates, threshold

_MAKERS = {
    "anthropic": "",
    "openai": "",
    "gemini": "gemini/",
    "vertex_ai-language-models": "",
    "xai": "xai/",
    "deepseek": "deepseek/",
    "mistral": "mistral/",
    "codestral": "codestral/",
    "zai": "zai/",
    "moonshot": "moonshot/",
    "minimax": "minimax/",
    "dashscope": "dashscope/",
    "meta": "meta/",
    "cohere_chat": "",
    "cognition": "cognition/",
    "inception": "inception/",
    "xiaomi_mimo": "xiaomi_mimo/",
    "amazon_nova": "amazon-nova/",
}
_NAMES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "write": "cache_creation_input_token_cost",
    "long_write": "cache_creation_input_token_cost_above_1hr",
    "longer_write": "cache_creation_input_token_cost_above_12hr",
    "read": "cache_read_input_token_cost",
}
_WAYS = {"batch": "_batches", "flex": "_flex", "priority": "_priority"}
_TIER = re.compile(r"input_cost_per_token_above_(\d+)k_tokens\Z")


class _Range(msgspec.Struct):
    range: tuple[float, float]
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None
    cache_creation_input_token_cost: float | None = None
    cache_read_input_token_cost: float | None = None


def read(body: bytes) -> dict[str, Price]:
    """{model: its price today}; entries that state no price per token are left out. Raises ShapeError."""
    try:
        document = msgspec.json.decode(body, type=dict[str, dict[str, Any]])
    except msgspec.MsgspecError as exc:
        raise ShapeError("the price file is not LiteLLM's table", hint="nothing was changed; try again later") from exc
    found: dict[str, Price] = {}
    for name, entry in sorted(document.items()):
        prefix = _MAKERS.get(str(entry.get("litellm_provider")))
        if prefix is None or entry.get("mode") not in ("chat", "responses", "completion"):
            continue
        bare = name.lower().removeprefix(prefix)
        if "/" not in bare and (price := _price(entry, is_claude="claude" in bare)):
            found[bare] = price
    return found


def _price(entry: dict[str, Any], *, is_claude: bool) -> Price | None:
    rates = _rates(entry, "", is_claude)
    if rates is None or not (rates.input or rates.output):
        return None
    sizes = sorted(int(found[1]) for key in entry if (found := _TIER.match(key)))
    tiers = {threshold(size * 1000): _rates(entry, f"_above_{size}k_tokens", is_claude) for size in sizes}
    tiers |= _ranges(entry, is_claude)
    stated = tuple((above, found) for above, found in sorted(tiers.items()) if found and found != rates)
    return Price(None, rates, stated, _percent(entry, rates))


def _rates(entry: dict[str, Any], suffix: str, is_claude: bool) -> Rates | None:
    """The five rates of a tier; what a tier does not state keeps its ratio to the input's."""
    said = {name: pico(entry.get(key + suffix)) for name, key in _NAMES.items()}
    if said["input"] is None or said["output"] is None:
        return None
    if suffix:
        for name in ("write", "long_write", "longer_write", "read"):
            base, base_in = pico(entry.get(_NAMES[name])), pico(entry.get(_NAMES["input"]))
            said[name] = _in_ratio(said[name], base, said["input"], base_in)
    long_write = said["long_write"] or said["longer_write"]
    return completed(said["input"], said["output"], said["write"], long_write, said["read"], is_claude)


def _in_ratio(stated: int | None, base: int | None, rate: int, base_rate: int | None) -> int | None:
    return stated if stated is not None or base is None or not base_rate else base * rate // base_rate


def completed(
    price_in: int, price_out: int, write: int | None, long_write: int | None, read: int | None, is_claude: bool
) -> Rates:
    """What a vendor does not state, or states as 0, is billed as input; Anthropic's write for an hour is 1.6 writes."""
    if write and not long_write:
        long_write = write * 8 // 5 if is_claude else write
    write = write or price_in
    return Rates(price_in, price_out, write, long_write or write, read or price_in)


def _ranges(entry: dict[str, Any], is_claude: bool) -> dict[int, Rates | None]:
    """The tiers of `tiered_pricing`, a list of `{"range": [from, to], …}` with the same names."""
    try:
        rows = msgspec.convert(entry.get("tiered_pricing") or [], list[_Range])
    except msgspec.ValidationError:
        return {}
    rows = [row for row in rows if row.range[0] > 0]
    return {threshold(row.range[0]): _rates(msgspec.structs.asdict(row), "", is_claude) for row in rows}


def _percent(entry: dict[str, Any], rates: Rates) -> dict[str, int]:
    """What each way to be served multiplies by, by the rate of the answer."""
    base = rates.output or rates.input
    key = _NAMES["output" if rates.output else "input"]
    found = {way: pico(entry.get(key + suffix)) for way, suffix in _WAYS.items()}
    percent = {way: round(rate * 100 / base) for way, rate in found.items() if rate}
    extra = entry.get("provider_specific_entry")
    for way, factor in extra.items() if isinstance(extra, dict) else ():
        if way in ("fast", "us") and isinstance(factor, int | float) and 0 < factor <= 100:
            percent[way] = round(factor * 100)
    return {way: number for way, number in percent.items() if number != 100}


def pico(dollars: Any) -> int | None:
    """Picodollars of a rate in USD; None for what is no rate."""
    if isinstance(dollars, bool) or not isinstance(dollars, int | float) or not 0 <= dollars <= 1:
        return None
    return round(Decimal(str(dollars)) * 10**12)
