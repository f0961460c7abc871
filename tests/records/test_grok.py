"""Grok Build: a turn that ended tells what it used; the running context size does not."""

from pathlib import Path

import msgspec
import pytest
from records.feeding import CANARY, DAMAGES, damages, feed, lines

from vibeusage.records.readers.grok import READER
from vibeusage.records.readers.spec import Call, Places

AT = 1_791_014_406_000


@pytest.fixture
def session(tmp_path) -> Path:
    folder = tmp_path / "sessions" / "%2Fhome%2Fana%2Fmy%20shop" / "u-1"
    folder.mkdir(parents=True)
    return folder


def turn(prompt=9000, output=420, read=7000, write=0, total=9420, kind="turn_completed", event="ev-1", **meta):
    usage = {"inputTokens": prompt, "outputTokens": output, "cachedReadTokens": read, "reasoningTokens": 300}
    usage |= {"cachedWriteTokens": write, "totalTokens": total, "modelUsage": {"grok-4.5": {}}}
    update = {"sessionUpdate": kind, "usage": usage, "content": {"text": CANARY}}
    told = {"eventId": event, "agentTimestampMs": AT, **meta}
    return {"timestamp": AT // 1000, "method": "session/update", "params": {"update": update, "_meta": told}}


def test_a_turn_is_an_aggregate(session):
    running = {
        "timestamp": 1,
        "params": {"update": {"sessionUpdate": "agent_message_chunk"}, "_meta": {"totalTokens": 9}},
    }
    assert feed(READER, lines(session / "updates.jsonl", running, turn())).calls == {
        "u-1:ev-1": Call(
            uuid="u-1:ev-1",
            ts=AT,
            session="u-1",
            model="grok-4.5",
            folder="/home/ana/my shop",
            input=2000,
            output=420,
            read=7000,
            kind="aggregate",
            served_by="xai",
        )
    }


@pytest.mark.parametrize("at", [str(AT), AT / 1000, [AT // 1000, 0]], ids=repr)
def test_a_time_is_read_however_it_is_written(session, at):
    fed = feed(READER, lines(session / "updates.jsonl", turn(agentTimestampMs=at)))
    assert [call.ts for call in fed.calls.values()] == [AT]


@pytest.mark.parametrize(
    ("found", "counts", "notes"),
    [
        pytest.param(turn(), (2000, 420, 0, 7000), (), id="the cache within the input"),
        pytest.param(turn(total=None, write=500), (1500, 420, 500, 7000), (), id="written too, no total"),
        pytest.param(turn(total=16_420), (9000, 420, 0, 7000), ("disjoint",), id="the total says beside"),
        pytest.param(turn(prompt=2000, total=None), (2000, 420, 0, 7000), ("disjoint",), id="more cached than fed"),
        pytest.param(turn(prompt="9000", output=420.0), (2000, 420, 0, 7000), (), id="odd numbers"),
    ],
)
def test_input_is_what_was_outside_the_cache(session, found, counts, notes):
    fed = feed(READER, lines(session / "updates.jsonl", found))
    assert (fed.counts(), fed.calls["u-1:ev-1"].notes) == ({"u-1:ev-1": counts}, notes)


@pytest.mark.parametrize(
    ("meta", "models", "summary", "model"),
    [
        pytest.param({"modelId": "grok-5"}, {"grok-4.5": {}}, None, "grok-5", id="of the update"),
        pytest.param(
            {}, {"grok-4.5": {}, "grok-mini": {}}, '{"current_model_id":"grok-6"}', "grok-6", id="of the summary"
        ),
        pytest.param({}, None, '{"current_model_id":5}', "", id="an odd summary"),
        pytest.param({}, None, None, "", id="unknown"),
    ],
)
def test_the_model_is_what_is_known_of_it(session, meta, models, summary, model):
    if summary:
        (session / "summary.json").write_text(summary)
    found = turn(**meta)
    found["params"]["update"]["usage"]["modelUsage"] = models
    assert feed(READER, lines(session / "updates.jsonl", found)).calls["u-1:ev-1"].model == model


@pytest.mark.parametrize(
    ("found", "skipped"),
    [
        ({**turn(kind="usage_update"), "after": "turn_completed"}, {}),
        (turn(0, 0, 0), {}),
        ({**turn(agentTimestampMs=None), "timestamp": None}, {"no time": 1}),
        ({"params": {"text": '"turn_completed"'}}, {}),
    ],
    ids=["another update", "all zero", "no time", "a text about it"],
)
def test_what_is_no_turn_is_left_out(session, found, skipped):
    fed = feed(READER, lines(session / "updates.jsonl", found))
    assert (fed.calls, fed.skipped) == ({}, skipped)


def test_a_turn_without_an_event_is_known_by_its_time(session):
    path = lines(
        session / "updates.jsonl", turn(event=None), turn(event=None), turn(event=None, agentTimestampMs=AT + 1)
    )
    assert set(feed(READER, path).calls) == {f"u-1:{AT}", f"u-1:{AT + 1}"}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_around_a_call_does_not_lose_it(session, name):
    path = session / "updates.jsonl"
    path.write_bytes(damages(msgspec.json.encode(turn()))[name])
    assert feed(READER, path).counts() == {"u-1:ev-1": (2000, 420, 0, 7000)}


def test_updates_are_found(tmp_path, session):
    for name in ("updates.jsonl", "events.jsonl", "chat_history.jsonl"):
        lines(session / name)
    assert [path.name for path in READER.find(tmp_path / "sessions")] == ["updates.jsonl"]
    for environ, root in (({}, "/home/ana/.grok/sessions"), ({"GROK_HOME": "/srv/g"}, "/srv/g/sessions")):
        assert READER.roots(Places(environ=environ, home=Path("/home/ana"), platform="linux")) == [Path(root)]
