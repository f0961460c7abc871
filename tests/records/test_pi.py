"""Pi's family: a line is a call, a branch's copies are not; OpenClaw's lines and database are the same calls."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from records.merge_rule import blocks, read_file, read_tree

from vibeusage.records.merge import fold
from vibeusage.records.readers.pi import READERS, read_database
from vibeusage.records.readers.spec import Call, Lines, Places, Source

PI, OMP, SENPI, GJC, CLAW = READERS
FIXTURES = Path(__file__).parents[1] / "fixtures" / "records"
AT = 1_790_000_000_000
USAGE = {"input": 4, "output": 250, "cacheRead": 9000, "cacheWrite": 700, "cost": {"input": 0, "total": 0.0421}}
CALL = Call(
    uuid="msg_01Ab23456789",
    ts=AT + 1000,
    session="5f3e",
    model="claude-opus-4-6",
    folder="/home/ana/shop",
    input=4,
    output=250,
    write=700,
    read=9000,
    served_by="anthropic",
    cost=42_100_000_000,
)
HEADER = {"type": "session", "version": 3, "id": "5f3e", "timestamp": "2026-09-21T14:13:20Z", "cwd": "/home/ana/shop"}


def answer(*, usage=None, line=None, **over: Any):
    """The line behind CALL; `over` replaces fields of its message, `...` leaves one out."""
    told: dict[str, Any] = {"role": "assistant", "content": [{"type": "text", "text": "CANARY"}]}
    told |= {"provider": "anthropic", "model": CALL.model, "responseId": CALL.uuid, "timestamp": AT + 1000}
    told |= {"usage": USAGE | (usage or {})} | over
    told = {key: value for key, value in told.items() if value is not ...}
    return {"type": "message", "id": "a1", "timestamp": "2026-09-21T14:13:22.000Z", "message": told} | (line or {})


def lines(*told, separators=(",", ":"), end=b"\n"):
    return b"".join(
        (one if isinstance(one, bytes) else json.dumps(one, separators=separators).encode()) + end for one in told
    )


def read(body, reader=PI, name="x.jsonl", skipped=None, block=1 << 22):
    source, state, found = Source(Path("/logs", name), Path("/logs")), {}, {}
    assert isinstance(reader.form, Lines)
    for part in blocks(body, block):
        for call in reader.form.read(part, source, state):
            fold(found, call)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode([list(found.values()), state])
    return list(found.values())


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


def test_a_session_and_its_branch_are_each_call_once():
    found = read_tree(PI, FIXTURES / "pi")
    assert b"CANARY" not in msgspec.json.encode(found)
    by_hand = {
        "msg_01Ab23456789": (4, 250, 700, 9000, 42_100_000_000),
        "resp_02bcdefghi": (100, 40, 0, 2000, None),
        f"{AT + 3000}:9:8:0:0": (9, 8, 0, 0, None),
        "msg_03cdefghijk": (1, 2, 3, 4, None),
    }
    counted = {uuid: (call.input, call.output, call.write, call.read, call.cost) for uuid, call in found.items()}
    assert counted == by_hand


HAND = [
    pytest.param([HEADER, answer()], [CALL], {}, id="one call"),
    pytest.param([HEADER, answer(), answer(line={"id": "b2"})], [CALL], {}, id="copied within a file"),
    pytest.param([answer()], [but(session="x", folder="")], {}, id="no header"),
    pytest.param([b"CANARY", answer()], [but(session="x", folder="")], {}, id="a header that is no JSON"),
    pytest.param(
        [HEADER, answer(responseId=...)], [but(uuid=f"{AT + 1000}:4:250:9000:700")], {}, id="no response id"
    ),
    pytest.param(
        [HEADER, answer(responseId="resp"), answer(responseId="resp", timestamp=AT + 2000)],
        [but(uuid=f"{AT + 1000}:4:250:9000:700"), but(uuid=f"{AT + 2000}:4:250:9000:700", ts=AT + 2000)],
        {},
        id="a gateway that has one id for all",
    ),
    pytest.param([HEADER, answer(timestamp=...)], [but(ts=AT + 2000)], {}, id="the line's time"),
    pytest.param([HEADER, answer(timestamp="2026-09-21T14:13:21Z")], [CALL], {}, id="time as text"),
    pytest.param([HEADER, answer(timestamp=..., line={"timestamp": None})], [], {"no time": 1}, id="no time"),
    pytest.param([HEADER, answer(timestamp=1_000_000_000_000)], [], {"too old": 1}, id="too old"),
    pytest.param([HEADER, answer(usage={"cost": {"total": 0}})], [but(cost=None)], {}, id="cost 0 is no cost"),
    pytest.param([HEADER, answer(usage={"input": "4", "output": 250.0})], [CALL], {}, id="odd numbers"),
    pytest.param([HEADER, answer(usage={"cacheRead": None, "cacheWrite": -1})], [but(read=0, write=0)], {}, id="none"),
    pytest.param([HEADER, answer(usage=dict.fromkeys(USAGE, 0))], [], {}, id="aborted"),
    pytest.param([HEADER, answer(role="toolResult")], [], {}, id="a subagent's sum in a tool's result"),
    pytest.param([HEADER, {"type": "message", "message": 'say "usage"'}], [], {}, id="a text about it"),
    pytest.param([HEADER, b'{"usage":', answer()], [CALL], {"not JSON": 1}, id="torn, then whole"),
    pytest.param([HEADER, lines(answer())[:-1] * 2], [], {"not JSON": 1}, id="two glued"),
    pytest.param([HEADER, answer(content="CANARY" * 1_000_000)], [CALL], {}, id="a huge line"),
]


@pytest.mark.parametrize(("told", "calls", "reasons"), HAND)
def test_lines_become_calls(told, calls, reasons):
    skipped = {}
    assert read(lines(*told), skipped=skipped) == calls
    assert skipped == reasons


WRITTEN = {
    "spaced": lines(HEADER, answer(), separators=(", ", ": ")),
    "CRLF": lines(HEADER, answer(), end=b"\r\n"),
    "BOM": b"\xef\xbb\xbf" + lines(HEADER, answer()),
    "NUL run": lines(HEADER) + b"\0" * 4096 + lines(answer()),
    "invalid UTF-8": lines(HEADER, answer(content="@")).replace(b"@", b"\xff\xfe"),
    "empty lines": b"\n\n".join([lines(HEADER), lines(answer())]),
}


@pytest.mark.parametrize("body", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("block", [1, 1 << 22], ids=["line by line", "at once"])
def test_how_lines_are_written_changes_no_number(body, block):
    assert read(body, block=block) == [CALL]


def test_an_empty_file_has_no_calls():
    assert read(b"") == []


SERVED = [("openai-codex", "openai"), ("github-copilot", "github"), ("amazon-bedrock", "bedrock"), (None, "anthropic")]


@pytest.mark.parametrize(("provider", "served"), SERVED)
def test_who_serves_is_who_the_line_names(provider, served):
    assert [call.served_by for call in read(lines(HEADER, answer(provider=provider)))] == [served]


SNAPSHOT = {"type": "custom", "customType": "model-snapshot", "data": {"provider": "xai", "modelId": "grok-4"}}
CHANGE = {"type": "model_change", "provider": "openai", "modelId": "gpt-5.2"}
NAMELESS = {"model": ..., "provider": ...}


@pytest.mark.parametrize("block", [1, 1 << 22], ids=["line by line", "at once"])
def test_openclaw_s_model_is_the_one_it_said_last(block):
    second, third = answer(responseId="resp_b234567", **NAMELESS), answer(responseId="resp_c234567")
    told = [HEADER, SNAPSHOT, answer(**NAMELESS), CHANGE, second, third]
    found = read(lines(*told), CLAW, block=block)
    models = [("grok-4", "xai"), ("gpt-5.2", "openai"), ("claude-opus-4-6", "anthropic")]
    assert [(call.model, call.served_by) for call in found] == models


def test_openclaw_s_own_notices_are_no_calls():
    notice = answer(api="openclaw-transcript", model="delivery-mirror", usage=dict.fromkeys(USAGE, 0))
    assert read(lines(HEADER, notice), CLAW) == []


def claw(path, *events):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "CREATE TABLE transcript_events (session_id TEXT, seq INTEGER, event_json TEXT, created_at INTEGER,"
        " PRIMARY KEY (session_id, seq))"
    )
    rows = [("5f3e", seq, json.dumps(event), AT + 1000 * seq) for seq, event in enumerate(events)]
    connection.executemany("INSERT INTO transcript_events VALUES (?, ?, ?, ?)", rows)
    return connection


def test_openclaw_s_database_has_the_calls_of_its_lines_and_goes_on_where_it_ended(tmp_path):
    told = [HEADER, SNAPSHOT, answer(**NAMELESS), answer(responseId="resp_b234567")]
    db, source = claw(tmp_path / "openclaw-agent.sqlite", *told), Source(tmp_path, tmp_path)
    calls, mark = read_database(db, source, {})
    calls = list(calls)
    assert [msgspec.structs.replace(call, folder=CALL.folder) for call in calls] == read(lines(*told), CLAW)
    assert mark == {"at": AT + 3000}
    later = json.dumps(answer(responseId="resp_c234567"))
    db.execute("INSERT INTO transcript_events VALUES ('5f3e', 9, ?, ?)", (later, AT + 9000))
    calls, mark = read_database(db, source, mark)
    assert ([call.uuid for call in calls], mark) == (["resp_b234567", "resp_c234567"], {"at": AT + 9000})


def test_openclaw_s_new_rows_go_to_the_model_that_was_named_before_them(tmp_path):
    db = claw(tmp_path / "openclaw-agent.sqlite", HEADER, SNAPSHOT, answer(**NAMELESS))
    source = Source(tmp_path, tmp_path)
    calls, mark = read_database(db, source, {})
    (first,) = calls
    later = json.dumps(answer(**NAMELESS, responseId="resp_c234567"))
    db.execute("INSERT INTO transcript_events VALUES ('5f3e', 9, ?, ?)", (later, AT + 90_000))
    (second,) = (call for call in read_database(db, source, mark)[0] if call.uuid == "resp_c234567")
    assert (second.model, second.served_by) == (first.model, first.served_by) != ("", "")


def test_a_time_far_in_the_future_does_not_end_the_reading_of_openclaw_s_database(tmp_path):
    db, source = claw(tmp_path / "openclaw-agent.sqlite", HEADER, SNAPSHOT, answer()), Source(tmp_path, tmp_path)
    db.execute("INSERT INTO transcript_events VALUES ('odd', 0, '{}', ?)", (1 << 60,))
    _, mark = read_database(db, source, {})
    later = json.dumps(answer(responseId="resp_c234567"))
    db.execute("INSERT INTO transcript_events VALUES ('5f3e', 9, ?, ?)", (later, AT + 9000))
    assert "resp_c234567" in [call.uuid for call in read_database(db, source, mark)[0]]


def test_an_unknown_database_is_nothing_new():
    source = Source(Path("/x"), Path("/"))
    calls, mark = read_database(sqlite3.connect(":memory:"), source, {"at": 7})
    assert (list(calls), mark, source.skipped) == ([], {"at": 7}, {"unknown schema": 1})


def test_openclaw_s_files_are_those_in_use_and_those_put_aside(tmp_path):
    names = ("a.jsonl", "b.jsonl.deleted.2026-09-21T14-13-20.000Z", "c.jsonl.reset.1", "sessions.json", "d.jsonl.lock")
    folder = tmp_path / "agents" / "main" / "sessions"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(lines(HEADER, answer()))
    (tmp_path / "agents" / "main" / "agent").mkdir()
    (tmp_path / "agents" / "main" / "agent" / "openclaw-agent.sqlite").touch()
    found = sorted(path.name for path in CLAW.find(tmp_path / "agents"))
    assert found == [names[0], names[1], names[2], "openclaw-agent.sqlite"]
    assert list(read_file(CLAW, Source(folder / names[1], tmp_path))) == [CALL]


def test_every_member_of_the_family_has_its_own_home(tmp_path):
    def roots(reader, **environ):
        return [str(root) for root in reader.roots(Places(environ=environ, home=Path("/h"), platform="linux"))]

    assert [reader.id for reader in READERS] == ["pi", "omp", "senpi", "gjc", "openclaw"]
    homes = [roots(reader)[0] for reader in READERS]
    family = [f"/h/{name}/agent/sessions" for name in (".pi", ".omp", ".senpi", ".gjc")]
    assert homes == [*family, "/h/.openclaw/agents"]
    assert roots(PI, PI_AGENT_DIR="/p") == ["/p/sessions"]


def test_the_cost_that_the_log_states_counts_before_the_list_price():
    """Only the tool knows it: a router's."""
    assert {reader.prices for reader in READERS} == {"auto"}
