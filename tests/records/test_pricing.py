"""Costs to the picodollar: the document's worked checks, tiers, days, ways to be served, and prices of one's own."""

from datetime import UTC, datetime
from importlib import resources

import pytest

from vibeusage.records import price_table, pricing
from vibeusage.records.pricing import Cost, Rates
from vibeusage.settings import ModelPrices, Pricing

MICRO = 10**6  # picodollars in a millionth of a dollar
COUNTS = {"input": 1, "output": 10, "write_5m": 100, "write_1h": 1000, "read": 10_000}


def ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


DAY = ms("2026-11-01")


@pytest.fixture(scope="module")
def prices():
    return pricing.Prices(price_table.current(), Pricing())


def million(prices, model, speed="", prompt=0, day=DAY) -> list[float] | None:
    """USD per million tokens: input, output, writes for 5 minutes and an hour, reads."""
    rates = prices.rates(model, day, speed, pricing.prompt_class(prompt))
    return rates and [rate / MICRO for rate in (rates.input, rates.output, rates.write_5m, rates.write_1h, rates.read)]


def test_the_instants_at_which_prices_change_are_those_of_the_named_models(prices):
    opus, cheaper = ms("2026-03-13"), ms("2026-08-21")
    assert prices.changes(["claude-opus-4-6", "claude-opus-4-5", "nobody"]) == [opus]
    found = prices.changes(["gpt-5.6-sol", "claude-opus-4-6[1m]"])
    assert {opus, cheaper} <= {*found} and found == sorted(found)
    own = pricing.Prices(price_table.current(), Pricing(models={"claude-opus-4-6": ModelPrices(1.0, 2.0)}))
    assert own.changes(["claude-opus-4-6"]) == []


@pytest.mark.parametrize(
    ("speed", "writes", "micros"),
    [
        pytest.param("", {"write_5m": 0, "write_1h": 900}, 34_815, id="writes for an hour"),
        pytest.param("", {"write_5m": 900, "write_1h": 0}, 31_440, id="writes for five minutes"),
        pytest.param("fast", {"write_5m": 0, "write_1h": 900}, 208_890, id="fast is six times all of it"),
        pytest.param("batch", {"write_5m": 0, "write_1h": 900}, 17_407.5, id="batch is half"),
        pytest.param("us", {"write_5m": 0, "write_1h": 900}, 38_296.5, id="in one country"),
        pytest.param("fast us", {"write_5m": 0, "write_1h": 900}, 229_779, id="both"),
    ],
)
def test_the_worked_check_of_opus_4_6(speed, writes, micros, prices):
    rates = prices.rates("claude-opus-4-6", DAY, speed)
    assert pricing.cost(rates, input=3, output=212, read=41_000, **writes) == micros * MICRO


def test_each_kind_of_token_has_its_own_rate_and_a_search_costs_a_cent():
    rates = Rates(2, 3, 5, 7, 11)
    assert pricing.cost(rates, **COUNTS) == 2 + 30 + 500 + 7000 + 110_000
    assert pricing.cost(rates, input=0, output=0, write_5m=0, write_1h=0, read=0, searches=3) == 30_000 * MICRO


ANCHORS = [
    # model, prompt, USD per million
    ("claude-fable-5", 0, [10, 50, 12.5, 20, 1]),
    ("claude-opus-4-5", 0, [5, 25, 6.25, 10, 0.5]),
    ("claude-opus-5", 900_000, [5, 25, 6.25, 10, 0.5]),
    ("claude-opus-5-5", 0, [4, 20, 5, 8, 0.2]),
    ("claude-opus-4", 0, [15, 75, 18.75, 30, 1.5]),
    ("claude-opus-4-1-20250805", 0, [15, 75, 18.75, 30, 1.5]),
    ("claude-sonnet-4", 200_000, [3, 15, 3.75, 6, 0.3]),
    ("claude-sonnet-4", 200_001, [6, 22.5, 7.5, 12, 0.6]),
    ("claude-sonnet-4-5-20250929", 200_001, [6, 22.5, 7.5, 12, 0.6]),
    ("claude-sonnet-5", 0, [2, 10, 2.5, 4, 0.2]),
    ("claude-haiku-4-5", 0, [1, 5, 1.25, 2, 0.1]),
    ("claude-haiku-5-5", 100_000, [0.1, 0.5, 0.125, 0.2, 0.01]),
    ("claude-haiku-5-5", 100_001, [0.5, 2.5, 0.625, 1, 0.05]),
    ("gpt-5", 0, [1.25, 10, 1.25, 1.25, 0.125]),
    ("gpt-5-codex", 0, [1.25, 10, 1.25, 1.25, 0.125]),
    ("gpt-5.1", 0, [1.25, 10, 1.25, 1.25, 0.125]),
    ("gpt-5.2", 0, [1.75, 14, 1.75, 1.75, 0.175]),
    ("gpt-5.4", 272_000, [2.5, 15, 2.5, 2.5, 0.25]),
    ("gpt-5.4", 272_001, [5, 22.5, 5, 5, 0.5]),
    ("gpt-5.5", 0, [5, 30, 5, 5, 0.5]),
    ("gemini-2.5-pro", 0, [1.25, 10, 1.25, 1.25, 0.125]),
    ("gemini-2.5-pro", 200_001, [2.5, 15, 2.5, 2.5, 0.25]),
    ("gemini-3-pro", 0, [2, 12, 2, 2, 0.2]),
    ("gemini-3-pro", 1_000_000, [4, 18, 4, 4, 0.4]),
]


@pytest.mark.parametrize(("model", "prompt", "dollars"), ANCHORS, ids=[f"{row[0]}-{row[1]}" for row in ANCHORS])
def test_the_anchor_prices_hold_and_a_long_prompt_is_dear_as_a_whole(model, prompt, dollars, prices):
    assert million(prices, model, prompt=prompt) == dollars


@pytest.mark.parametrize(
    ("model", "day", "dollars"),
    [
        pytest.param("claude-sonnet-4-6", "2026-03-12", [6, 22.5, 7.5, 12, 0.6], id="Sonnet with its tier"),
        pytest.param("claude-sonnet-4-6", "2026-03-13", [3, 15, 3.75, 6, 0.3], id="Sonnet since"),
        pytest.param("claude-opus-4-6", "2026-03-12T23:59:59", [10, 37.5, 12.5, 20, 1], id="Opus with its tier"),
        pytest.param("claude-opus-4-6", "2026-03-13T00:00:00", [5, 25, 6.25, 10, 0.5], id="Opus since"),
        pytest.param("claude-opus-4-6", "2022-01-01", [10, 37.5, 12.5, 20, 1], id="before the first date: the first"),
        pytest.param("gpt-5.6-sol", "2026-08-20", [10, 45, 12.5, 25, 1], id="dearer once"),
        pytest.param("gpt-5.6-sol", "2026-08-21", [8, 30, 10, 20, 0.8], id="cheaper since"),
    ],
)
def test_a_long_call_has_the_price_of_its_day(model, day, dollars, prices):
    assert million(prices, model, prompt=300_000, day=ms(day)) == dollars


@pytest.mark.parametrize(
    ("model", "speed", "prompt", "output"),
    [
        ("claude-opus-4-7", "fast", 0, 150),
        ("claude-opus-4-8", "fast", 0, 50),
        ("claude-opus-5-5-fast", "", 0, 40),
        ("claude-opus-5-5-fast", "fast", 0, 40),
        ("gpt-5.3-codex", "fast", 0, 28),
        ("gpt-5.4", "fast", 0, 30),
        ("gpt-5.5", "priority", 0, 75),
        ("gpt-5.4", "fast", 272_001, 22.5),
        ("gpt-5.4", "flex", 272_001, 11.25),
        ("claude-opus-5", "standard", 0, 25),
        ("claude-haiku-4-5", "us", 0, 5),
    ],
)
def test_a_way_to_be_served_multiplies_the_rates(model, speed, prompt, output, prices):
    assert (million(prices, model, speed, prompt) or [])[1] == output


def test_a_way_that_has_no_known_price_has_none(prices):
    assert [prices.rates("claude-haiku-4-5", DAY, speed) for speed in ("fast", "priority")] == [None, None]


UNKNOWN = ["claude-opus-99", "gpt-5.4-nano-ultra", "<synthetic>", "auto", "", "\udcff", "x" * 5000]


@pytest.mark.parametrize("model", UNKNOWN)
def test_an_unknown_model_has_no_price(model, prices):
    assert prices.rates(model, DAY) is None


def test_a_prompt_is_sorted_by_what_it_is_longer_than():
    sizes = (0, 100_000, 100_001, 128_001, 200_000, 200_001, 256_001, 272_001, 512_000, 512_001)
    assert [pricing.prompt_class(size) for size in sizes] == [0, 0, 1, 2, 2, 3, 4, 5, 5, 6]


OWN = Pricing(
    aliases={"House": "Claude-Opus-5", "loop": "house", "mine-too": "my-model", "gpt-5.2": "gpt-5.5"},
    models={
        "My-Model": ModelPrices(input=3, output=15.5),
        "claude-fable-5": ModelPrices(input=1, output=2, cache_write=3, cache_write_1h=4, cache_read=0),
        "local": ModelPrices(input=0, output=0),
        "half": ModelPrices(input=1),
        "gpt-5": ModelPrices(output=1),
    },
)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        pytest.param("my-model", [3, 15.5, 3, 3, 3], id="its own, cache as input"),
        pytest.param("openai/my-model-high", [3, 15.5, 3, 3, 3], id="its other writings"),
        pytest.param("mine-too", [3, 15.5, 3, 3, 3], id="an alias of one's own model"),
        pytest.param("claude-fable-5-20260101", [1, 2, 3, 4, 0], id="before the table"),
        pytest.param("local", [0, 0, 0, 0, 0], id="free on purpose"),
        pytest.param("half", None, id="half a price is none"),
        pytest.param("gpt-5", None, id="half a price hides the table's"),
        pytest.param("house", [5, 25, 6.25, 10, 0.5], id="an alias of a known model"),
        pytest.param("house-fast", [10, 50, 12.5, 20, 1], id="an alias, fast"),
        pytest.param("gpt-5.2-2025-12-11", [5, 30, 5, 5, 0.5], id="an alias in place of a known model"),
        pytest.param("loop", None, id="an alias of an alias"),
        pytest.param("claude-opus-5", [5, 25, 6.25, 10, 0.5], id="all others as they are"),
    ],
)
def test_prices_of_ones_own_beat_all_others(model, dollars):
    assert million(pricing.load(OWN), model) == dollars


@pytest.mark.parametrize(
    ("mode", "recorded", "calculated", "settled"),
    [
        ("auto", 7, 9, Cost(7, "recorded")),
        ("auto", 0, 9, Cost(9, "calculated")),
        ("auto", None, None, Cost(None, "unknown")),
        ("calculate", 7, 9, Cost(9, "calculated")),
        ("calculate", 7, None, Cost(None, "unknown")),
        ("calculate", None, 0, Cost(0, "calculated")),
        ("recorded", 7, 9, Cost(7, "recorded")),
        ("recorded", 0, 9, Cost(None, "unknown")),
    ],
)
def test_the_mode_says_whose_cost_counts(mode, recorded, calculated, settled):
    assert pricing.settle(mode, recorded, calculated) == settled


@pytest.mark.parametrize(
    ("costs", "together"),
    [
        ([], Cost(0, "calculated")),
        ([Cost(1, "recorded"), Cost(2, "recorded")], Cost(3, "recorded")),
        ([Cost(1, "recorded"), Cost(2, "calculated")], Cost(3, "calculated")),
        ([Cost(1, "recorded"), Cost(None, "unknown")], Cost(1, "partial")),
        ([Cost(1, "partial"), Cost(2, "calculated")], Cost(3, "partial")),
        ([Cost(None, "unknown"), Cost(None, "unknown")], Cost(None, "unknown")),
    ],
)
def test_a_sum_says_whether_something_is_missing(costs, together):
    assert pricing.total(costs) == together


def test_the_shipped_table_says_where_it_is_from_and_is_small(prices):
    data = resources.files("vibeusage.records").joinpath("prices.json").read_bytes()
    table = price_table.decoded(data)
    assert len(data) < 150_000 and price_table.encoded(table) == data
    assert (prices.as_of, prices.sources) == (table.as_of, table.sources)
    assert any(source.startswith("model-prices ") for source in table.sources)
    assert "MIT License" in resources.files("vibeusage.records").joinpath("prices.LICENSE").read_text()


def test_the_shipped_table_is_in_order():
    models = price_table.current().models
    for prices in models.values():
        days = [price.since for price in prices if price.since]
        assert prices[0].since is None and len(days) == len(prices) - 1 and days == sorted(set(days))
        tiers = [[above for above, _ in price.tiers] for price in prices]
        assert all(sizes == sorted(set(sizes)) and set(sizes) <= set(price_table.THRESHOLDS) for sizes in tiers)
    assert set(models) == {name.lower().strip() for name in models}
    assert not [name for name, model in price_table.current().aliases.items() if name in models or model not in models]
