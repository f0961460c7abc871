"""LiteLLM's entries in picodollars per token. The entries are those of litellm 1.110.2, cut to their prices."""

import json

import pytest

from vibeusage.errors import ShapeError
from vibeusage.records import litellm
from vibeusage.records.price_table import Price, Rates

HAIKU = {
    "litellm_provider": "anthropic",
    "mode": "chat",
    "input_cost_per_token": 1e-07,
    "output_cost_per_token": 5e-07,
    "cache_creation_input_token_cost": 1.25e-07,
    "cache_creation_input_token_cost_above_1hr": 2e-07,
    "cache_read_input_token_cost": 1e-08,
    "input_cost_per_token_above_100k_tokens": 5e-07,
    "output_cost_per_token_above_100k_tokens": 2.5e-06,
    "cache_creation_input_token_cost_above_100k_tokens": 6.25e-07,
    "cache_creation_input_token_cost_above_1hr_above_100k_tokens": 1e-06,
    "cache_read_input_token_cost_above_100k_tokens": 5e-08,
    "input_cost_per_token_batches": 5e-08,
    "output_cost_per_token_batches": 2.5e-07,
    "input_cost_per_token_above_100k_tokens_batches": 2.5e-07,
    "provider_specific_entry": {"us": 1.1, "fast": 2},
}
PLAIN = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06}


def read(name="model", **entry):
    return litellm.read(json.dumps({name: entry}).encode())


def test_rates_tiers_and_ways_of_one_entry_are_read():
    assert read("claude-haiku-5-5", **HAIKU) == {
        "claude-haiku-5-5": Price(
            None,
            Rates(100_000, 500_000, 125_000, 200_000, 10_000),
            ((100_000, Rates(500_000, 2_500_000, 625_000, 1_000_000, 50_000)),),
            {"batch": 50, "us": 110, "fast": 200},
        )
    }


@pytest.mark.parametrize(
    ("name", "extra", "rates"),
    [
        pytest.param("gpt-9", {}, Rates(10**6, 4 * 10**6, 10**6, 10**6, 10**6), id="no cache rates: as input"),
        pytest.param(
            "gpt-9",
            {"cache_creation_input_token_cost": 0.0, "cache_read_input_token_cost": None},
            Rates(10**6, 4 * 10**6, 10**6, 10**6, 10**6),
            id="0 and null are not stated",
        ),
        pytest.param(
            "gpt-9",
            {"cache_creation_input_token_cost": 1.25e-06, "cache_creation_input_token_cost_above_12hr": 2.5e-06},
            Rates(10**6, 4 * 10**6, 1_250_000, 2_500_000, 10**6),
            id="OpenAI keeps for 12 hours",
        ),
        pytest.param(
            "claude-x",
            {"cache_creation_input_token_cost": 1.25e-06},
            Rates(10**6, 4 * 10**6, 1_250_000, 2_000_000, 10**6),
            id="Claude without its hour",
        ),
        pytest.param(
            "gpt-9",
            {"cache_creation_input_token_cost": 1.25e-06},
            Rates(10**6, 4 * 10**6, 1_250_000, 1_250_000, 10**6),
            id="others without one",
        ),
        pytest.param(
            "gpt-9",
            {"cache_read_input_token_cost": 2.8e-09},
            Rates(10**6, 4 * 10**6, 10**6, 10**6, 2800),
            id="a tiny rate is exact",
        ),
    ],
)
def test_what_a_vendor_does_not_state_is_filled(name, extra, rates):
    assert read(name, **PLAIN | extra) == {name: Price(None, rates)}


def test_a_tier_without_cache_rates_keeps_their_ratio_and_one_of_another_size_takes_the_next_of_ours():
    tier = {"input_cost_per_token_above_32k_tokens": 2e-06, "output_cost_per_token_above_32k_tokens": 6e-06}
    found = read("gpt-9", **PLAIN, **tier, cache_read_input_token_cost=1e-07)["gpt-9"]
    assert found.tiers == ((100_000, Rates(2_000_000, 6_000_000, 2_000_000, 2_000_000, 200_000)),)


def test_ranges_are_tiers():
    rows = [
        {"range": [0, 256000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06},
        {"range": [256000.0, 1e6], "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06},
    ]
    found = read("gpt-9", **PLAIN, tiered_pricing=rows)["gpt-9"]
    assert found.tiers == ((256_000, Rates(2_000_000, 8_000_000, 2_000_000, 2_000_000, 2_000_000)),)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("azure/gpt-9", {"litellm_provider": "azure"}, id="reseller"),
        pytest.param("ft:x/gpt-9", {}, id="a path"),
        pytest.param("gpt-9", {"mode": "image_generation"}, id="no model of text"),
        pytest.param("gpt-9", {"input_cost_per_token": None}, id="no rate"),
        pytest.param("gpt-9", {"input_cost_per_token": "1e-6"}, id="a rate in words"),
        pytest.param("gpt-9", {"input_cost_per_token": -1e-06}, id="negative"),
        pytest.param("gpt-9", {"output_cost_per_token": 3}, id="a rate per million"),
        pytest.param("gpt-9", {"input_cost_per_token": 0, "output_cost_per_token": 0}, id="free"),
        pytest.param("gpt-9", {"litellm_provider": None}, id="nobody's"),
        pytest.param("gpt-9", {"litellm_provider": ["openai"]}, id="an odd maker"),
        pytest.param("gpt-9", {"mode": {}}, id="an odd mode"),
    ],
)
def test_what_is_no_makers_price_per_token_is_left_out(name, change):
    assert read(name, **PLAIN | change) == {}


def test_a_makers_prefix_is_no_part_of_the_name():
    assert list(read("xai/Grok-9", **PLAIN | {"litellm_provider": "xai"})) == ["grok-9"]


@pytest.mark.parametrize("odd", [[], [5], 5, "x", {"range": 3}, [{"range": 3}], [{"range": ["x", 1]}], [{"range": []}]])
def test_odd_extras_cost_only_themselves(odd):
    assert list(read("gpt-9", **PLAIN, tiered_pricing=odd, provider_specific_entry=odd)) == ["gpt-9"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"a": 1}', b"\xff{}", b'{"a": {}'])
def test_what_is_no_table_is_an_error_with_a_name(body):
    with pytest.raises(ShapeError, match="not LiteLLM's table"):
        litellm.read(body)
