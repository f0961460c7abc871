"""Qwen Code: Google's counts in its own lines, and lines that repeat."""

from pathlib import Path

import msgspec
import pytest
from records.feeding import CANARY, DAMAGES, damages, feed, lines

from vibeusage.records.readers.qwen import READER
from vibeusage.records.readers.spec import Call, Places

UUID = "0b9f3f6e-0001-4000-8000-000000000001"


def line(uuid=UUID, session="s-1", at="2026-10-03T08:00:06.000Z", **usage):
    counts = {"promptTokenCount": 9000, "cachedContentTokenCount": 7000, "candidatesTokenCount": 120}
    return {
        "uuid": uuid,
        "sessionId": session,
        "timestamp": at,
        "type": "assistant",
        "cwd": "/home/ana/shop",
        "version": "0.9.1",
        "gitBranch": "main",
        "model": "qwen3-coder-plus",
        "message": {"role": "model", "parts": [{"text": CANARY}]},
        "usageMetadata": {**counts, "thoughtsTokenCount": 300, "totalTokenCount": 9420, **usage},
    }


def test_a_line_is_a_call(tmp_path):
    assert feed(READER, lines(tmp_path / "chats" / "s-1.jsonl", {"type": "user"}, line())).calls == {
        UUID: Call(
            uuid=UUID,
            ts=1_791_014_406_000,
            session="s-1",
            model="qwen3-coder-plus",
            folder="/home/ana/shop",
            branch="main",
            version="0.9.1",
            input=2000,
            output=420,
            read=7000,
            served_by="alibaba",
        )
    }


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        pytest.param({}, (2000, 420, 0, 7000), id="thoughts beside the answer"),
        pytest.param({"totalTokenCount": 9120, "thoughtsTokenCount": 100}, (2000, 120, 0, 7000), id="thoughts within"),
        pytest.param({"totalTokenCount": None}, (2000, 420, 0, 7000), id="no total: beside"),
        pytest.param(
            {"promptTokenCount": 1508, "totalTokenCount": None}, (1508, 420, 0, 7000), id="more cached than fed"
        ),
    ],
)
def test_thoughts_count_once(tmp_path, usage, counts):
    assert feed(READER, lines(tmp_path / "s.jsonl", line(**usage))).counts() == {UUID: counts}


def test_resumed_sessions_repeat_lines_but_no_calls(tmp_path):
    second = "0b9f3f6e-0002-4000-8000-000000000002"
    first = lines(tmp_path / "s-1.jsonl", line())
    resumed = lines(tmp_path / "s-2.jsonl", line(session="s-2"), line(second, "s-2", promptTokenCount=7500))
    fed, back = feed(READER, first, resumed), feed(READER, resumed, first)
    assert fed.counts() == back.counts() == {UUID: (2000, 420, 0, 7000), second: (500, 420, 0, 7000)}
    assert fed.calls[UUID].session == "s-1"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({**line(), "type": "system"}, id="telemetry of the same call"),
        pytest.param({**line(), "usageMetadata": {"promptTokenCount": 0}}, id="all zero"),
        pytest.param({**line(), "type": "user", "message": '"usageMetadata"'}, id="a user who writes about it"),
    ],
)
def test_other_lines_are_no_calls(tmp_path, found):
    fed = feed(READER, lines(tmp_path / "s.jsonl", found))
    assert (fed.calls, fed.skipped) == ({}, {})


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_around_a_call_does_not_lose_it(tmp_path, name):
    path = tmp_path / "s.jsonl"
    path.write_bytes(damages(msgspec.json.encode(line()))[name])
    assert feed(READER, path).counts() == {UUID: (2000, 420, 0, 7000)}


def test_a_line_without_uuid_is_known_by_time_and_counts(tmp_path):
    path = lines(tmp_path / "s.jsonl", line(uuid=None), line(uuid=None), line(uuid=None, promptTokenCount=8000))
    assert feed(READER, path).total() == (3000, 840, 0, 14_000)


def test_chats_are_found_archived_ones_too(tmp_path):
    names = ("p/chats/a.jsonl", "p/chats/archive/b.jsonl", "p/subagents/s-1/agent-x.jsonl", "p/other.jsonl")
    for name in (*names, "q/chats/c.json", "p/subagents/s-1/agent-x.jsonl.stream", "p/subagents/s-1/agent-x.meta.json"):
        lines(tmp_path / name, line())
    assert {path.name for path in READER.find(tmp_path)} == {"a.jsonl", "b.jsonl", "agent-x.jsonl"}


@pytest.mark.parametrize(
    ("environ", "root"),
    [
        ({}, "/home/ana/.qwen/projects"),
        ({"QWEN_HOME": "/q"}, "/q/projects"),
        ({"QWEN_HOME": "/q", "QWEN_RUNTIME_DIR": "/run/q"}, "/run/q/projects"),
    ],
)
def test_the_home_can_be_moved(environ, root):
    assert READER.roots(Places(environ=environ, home=Path("/home/ana"), platform="linux")) == [Path(root)]


@pytest.mark.parametrize("meta", [b'{"agentId":"x","model":"qwen3-coder-plus"}', b"{torn", None])
def test_a_subagent_s_call_is_its_parent_s_and_of_the_model_beside_it(tmp_path, meta):
    path = tmp_path / "subagents" / "s-1" / "agent-x.jsonl"
    told = {**line(), "agentId": "x", "isSidechain": True}
    del told["model"]
    lines(path, told)
    if meta:
        path.with_name("agent-x.meta.json").write_bytes(meta)
    (call,) = feed(READER, path).calls.values()
    known = "qwen3-coder-plus" if meta and meta.endswith(b"}") else ""
    assert (call.session, call.kind, call.model, call.data) == ("s-1", "subagent", known, {"agent": "x"})
