"""Names of logs against the shipped table: every writing of a known name is found, and a similar name never is."""

import pytest

from vibeusage.records import matching, price_table

KNOWN = price_table.current().models


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("claude-opus-4-6", ("claude-opus-4-6", ""), id="as it is"),
        pytest.param("  Claude-Opus-4-6\n", ("claude-opus-4-6", ""), id="case and blanks"),
        pytest.param("claude-sonnet-4-6[1m]", ("claude-sonnet-4-6", ""), id="context mark"),
        pytest.param("claude-opus-4-6-fast", ("claude-opus-4-6", "fast"), id="speed"),
        pytest.param("gpt-5.4-xhigh", ("gpt-5.4", ""), id="effort"),
        pytest.param("gpt-5.5-fast-high", ("gpt-5.5", "fast"), id="effort behind speed"),
        pytest.param("gpt-5.5-high-fast", ("gpt-5.5", "fast"), id="speed behind effort"),
        pytest.param("openrouter/anthropic/claude-sonnet-4.5", ("claude-sonnet-4-5", ""), id="two routes and a dot"),
        pytest.param("openrouter/x-ai/grok-4", ("grok-4", ""), id="a router's maker"),
        pytest.param("custom:models/gemini-2.5-pro", ("gemini-2.5-pro", ""), id="custom"),
        pytest.param("us.anthropic.claude-haiku-4-5-20251001-v1:0", ("claude-haiku-4-5-20251001", ""), id="Bedrock"),
        pytest.param("bedrock/eu.anthropic.claude-opus-5-v1:0", ("claude-opus-5", ""), id="Bedrock with a route"),
        pytest.param("us.anthropic.claude-opus-4-6-v1", ("claude-opus-4-6", ""), id="Bedrock without a number"),
        pytest.param("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", ("claude-sonnet-4-5-20250929", ""), id="Japan"),
        pytest.param("us.amazon.nova-pro-v1:0", ("us.amazon.nova-pro-v1:0", ""), id="a region with its own price"),
        pytest.param("vertex_ai/claude-opus-4-5@20251101", ("claude-opus-4-5-20251101", ""), id="Vertex"),
        pytest.param("claude-opus-5@20260801", ("claude-opus-5", ""), id="Vertex with a date nobody lists"),
        pytest.param("claude-opus-4-6@default", ("claude-opus-4-6", ""), id="Vertex without a date"),
        pytest.param("claude-3-5-sonnet-v2@20241022", ("claude-3-5-sonnet-20241022", ""), id="Vertex with a version"),
        pytest.param("claude-opus-5-latest", ("claude-opus-5", ""), id="latest"),
        pytest.param("gpt-5.2-2026-03-05", ("gpt-5.2", ""), id="a date with dashes"),
        pytest.param("claude-3-7-sonnet-latest", ("claude-3-7-sonnet-latest", ""), id="latest is its name"),
        pytest.param("grok-4-fast", ("grok-4-fast", ""), id="fast is its name"),
        pytest.param("kimi-k2-thinking", ("kimi-k2-thinking", ""), id="thinking is its name"),
        pytest.param("claude-sonnet-4.5-20250929-thinking", ("claude-sonnet-4-5-20250929", ""), id="all at once"),
        pytest.param("claude-opus-4-6-nano", None, id="a smaller sibling"),
        pytest.param("my-claude-opus-4-6", None, id="a name around it"),
        pytest.param("claude-opus-4-61", None, id="a longer number"),
        pytest.param("gpt-5-4", None, id="a dash where only Claude has one"),
        pytest.param("gpt-5.4-2026", None, id="half a date"),
        pytest.param("unheard-of-high", None, id="effort of nothing known"),
        pytest.param("claude", None, id="a family"),
        pytest.param("claude-v2", None, id="a version of it"),
        pytest.param("gpt-5-v1", None, id="a version of another maker"),
        pytest.param("openrouter/", None, id="a route to nothing"),
        pytest.param("acme.claude-opus-5", None, id="no region"),
    ],
)
def test_a_name_is_the_model_it_equals_and_no_other(name, found):
    assert matching.find(name, KNOWN) == found


def test_a_name_of_routes_only_ends():
    assert matching.find("openrouter/" * 2000 + "claude-opus-5", KNOWN) == ("claude-opus-5", "")


@pytest.mark.parametrize("name", ["", " ", "<synthetic>", "Auto", "default", "unknown"])
def test_what_names_no_model_is_silent_and_has_no_price(name):
    assert (matching.is_silent(name), matching.find(name, KNOWN)) == (True, None)


def test_a_model_that_is_only_unknown_is_not_silent():
    assert not matching.is_silent("claude-opus-99")
