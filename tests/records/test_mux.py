"""Mux: an assistant's message is a call, whichever workspace's file it stands in."""

from pathlib import Path

import msgspec
import pytest
from records.feeding import CANARY, DAMAGES, damages, feed, lines

from vibeusage.records.readers.mux import READER
from vibeusage.records.readers.spec import Call, Places

ID = "assistant-1791014406000-x1"


def message(name: str | None = ID, prompt=9500, cached=7000, written=500, output=420, role="assistant", **more):
    usage = {"inputTokens": prompt, "outputTokens": output, "cachedInputTokens": cached, "reasoningTokens": 300}
    vendor = {"anthropic": {"cacheCreationInputTokens": written}}
    told = {"model": "anthropic:claude-opus-4-6", "timestamp": 1_791_014_406_000, "usage": usage, **more}
    return {"id": name, "role": role, "parts": [{"text": CANARY}], "metadata": {**told, "providerMetadata": vendor}}


def test_a_message_is_a_call(tmp_path):
    assert feed(
        READER, lines(tmp_path / "ws1" / "chat.jsonl", message("user-1791014400000-x0", role="user"), message())
    ).calls == {
        ID: Call(
            uuid=ID,
            ts=1_791_014_406_000,
            session="ws1",
            model="claude-opus-4-6",
            input=2000,
            output=420,
            write=500,
            read=7000,
            served_by="anthropic",
        )
    }


@pytest.mark.parametrize("at", ["2026-10-03T08:00:06Z", "1791014406000", 1_791_014_406], ids=repr)
def test_a_time_is_read_however_it_is_written(tmp_path, at):
    fed = feed(READER, lines(tmp_path / "ws1" / "chat.jsonl", message(timestamp=at)))
    assert [call.ts for call in fed.calls.values()] == [1_791_014_406_000]


@pytest.mark.parametrize(
    ("found", "counts", "notes"),
    [
        pytest.param(message(), (2000, 420, 500, 7000), (), id="the cache within the input"),
        pytest.param(message(prompt=10), (10, 420, 500, 7000), ("disjoint",), id="the cache beside the input"),
        pytest.param(message(prompt="9500", cached=7000.0, written=None), (2500, 420, 0, 7000), (), id="odd numbers"),
    ],
)
def test_input_is_what_was_outside_the_cache(tmp_path, found, counts, notes):
    fed = feed(READER, lines(tmp_path / "ws1" / "chat.jsonl", found))
    assert (fed.counts(), fed.calls[ID].notes) == ({ID: counts}, notes)


def test_a_subagent_that_moved_to_its_parent_counts_once(tmp_path):
    own = lines(tmp_path / "child" / "chat.jsonl", message())
    moved = lines(tmp_path / "ws1" / "subagent-transcripts" / "child" / "chat.jsonl", message())
    assert feed(READER, own, moved).total() == feed(READER, moved, own).total() == (2000, 420, 500, 7000)
    (call,) = feed(READER, moved).calls.values()
    assert (call.session, call.kind, call.data) == ("ws1", "subagent", {"agent": "child"})


def test_short_ids_are_of_one_workspace_only(tmp_path):
    paths = [lines(tmp_path / name / "chat.jsonl", message("m1"), message(None)) for name in ("ws1", "ws2")]
    assert set(feed(READER, *paths).calls) == {
        f"{ws}:{name}" for ws in ("ws1", "ws2") for name in ("m1", "1791014406000")
    }


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("openai:gpt-5.2", ("gpt-5.2", "openai")),
        ("claude-opus-4-6", ("claude-opus-4-6", "anthropic")),
        ("ollama:qwen3:8b", ("qwen3:8b", "ollama")),
        (None, ("", "")),
    ],
    ids=["prefixed", "plain", "a tag", "none"],
)
def test_the_model_and_who_serves_it(tmp_path, model, named):
    call = feed(READER, lines(tmp_path / "ws1" / "chat.jsonl", message(model=model))).calls[ID]
    assert (call.model, call.served_by) == named


@pytest.mark.parametrize(
    ("found", "skipped"),
    [(message(prompt=0, cached=0, output=0), {}), (message(timestamp=None), {"no time": 1}), (message(usage=None), {})],
    ids=["all zero", "no time", "no usage"],
)
def test_what_is_no_call_is_left_out(tmp_path, found, skipped):
    fed = feed(READER, lines(tmp_path / "ws1" / "chat.jsonl", found))
    assert (fed.calls, fed.skipped) == ({}, skipped)


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_around_a_call_does_not_lose_it(tmp_path, name):
    path = tmp_path / "chat.jsonl"
    path.write_bytes(damages(msgspec.json.encode(message()))[name])
    assert feed(READER, path).counts() == {ID: (2000, 420, 500, 7000)}


def test_chats_are_found_and_no_totals_beside_them(tmp_path):
    places = [tmp_path / "ws1" / "chat.jsonl", tmp_path / "ws1" / "subagent-transcripts" / "c" / "chat.jsonl"]
    for path in (*places, tmp_path / "ws1" / "session-usage.json"):
        lines(path)
    assert set(READER.find(tmp_path)) == set(places)
    for environ, root in (({}, "/home/ana/.mux/sessions"), ({"MUX_ROOT": "/srv/m"}, "/srv/m/sessions")):
        assert READER.roots(Places(environ=environ, home=Path("/home/ana"), platform="linux")) == [Path(root)]
