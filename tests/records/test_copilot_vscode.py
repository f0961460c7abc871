"""Copilot in VS Code: the patches of a chat session, its older documents, and the traces beside them."""

import itertools
import sqlite3
from pathlib import Path

import msgspec
import pytest
from records.feeding import CANARY, DAMAGES, damages, feed, lines

from vibeusage.records.readers.copilot import READERS
from vibeusage.records.readers.spec import FACTS, Call, Lines, Places, Source

AT = 1_791_014_404_000
SESSION = {"version": 3, "sessionId": "c1", "creationDate": AT - 4000, "requests": []}
EMPTY = {"kind": 0, "v": SESSION}


@pytest.fixture
def user(tmp_path) -> Path:
    workspace = tmp_path / "Code" / "User" / "workspaceStorage" / "77"
    (workspace / "chatSessions").mkdir(parents=True)
    (workspace / "workspace.json").write_text('{"folder":"file:///home/ana/my%20shop"}')
    return tmp_path / "Code" / "User"


def chat(user: Path, *patches, name="c1.jsonl") -> Path:
    return lines(user / "workspaceStorage" / "77" / "chatSessions" / name, *patches)


def asked(name="r1", at=AT, model="copilot/gpt-5.4", **more):
    return {"requestId": name, "timestamp": at, "modelId": model, "message": {"text": CANARY}, "response": [], **more}


def push(*requests, **more):
    return {"kind": 2, "k": ["requests"], "v": list(requests), **more}


def put(value, *path):
    return {"kind": 1, "k": ["requests", *path], "v": value}


def told(prompt=4000, output=150, model="gpt-5.4-2026-03-05"):
    metadata = {"promptTokens": prompt, "outputTokens": output, "resolvedModel": model, "renderedUserMessage": CANARY}
    return {"timings": {}, "metadata": metadata}


def traces(user: Path, *spans) -> Path:
    """Spans as (span id, start, session)."""
    path = user / "globalStorage" / "github.copilot-chat" / "agent-traces.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE spans (span_id, trace_id, operation_name, start_time_ms, response_model)")
        database.execute("CREATE TABLE span_attributes (span_id, key, value)")
        for name, at, session in spans:
            values = {
                "gen_ai.usage.input_tokens": "9000",
                "gen_ai.usage.output_tokens": 400,
                "gen_ai.usage.cache_read.input_tokens": "7000",
                "gen_ai.usage.cache_creation.input_tokens": "500",
                "gen_ai.response.model": "claude-sonnet-4.5",
                "gen_ai.conversation.id": session,
                "gen_ai.input.messages": CANARY,
            }
            database.execute("INSERT INTO spans VALUES (?, 't', 'chat', ?, 'claude')", (name, at))
            rows = [(name, key, value) for key, value in values.items()]
            database.executemany("INSERT INTO span_attributes VALUES (?, ?, ?)", rows)
        database.execute("INSERT INTO spans VALUES ('agent', 't', 'invoke_agent', ?, 'claude')", (AT,))
        database.execute("INSERT INTO span_attributes VALUES ('agent', 'gen_ai.usage.input_tokens', '9000')")
    database.close()
    return path


def test_a_request_is_a_call_with_what_its_patches_say(user):
    path = chat(user, EMPTY, push(asked()), put([CANARY], 0, "response"), put(told(), 0, "result"))
    assert feed(READERS, path).calls == {
        "r1": Call(
            uuid="r1",
            ts=AT,
            session="c1",
            model="gpt-5.4-2026-03-05",
            folder="/home/ana/my shop",
            input=4000,
            output=150,
            served_by="github",
            notes=("approximate",),
        )
    }


@pytest.mark.parametrize(
    ("patches", "counts"),
    [
        pytest.param([push(asked()), put(150, 0, "completionTokens")], {"r1": (0, 150, 0, 0)}, id="1: sets a field"),
        pytest.param(
            [push(asked()), put(4000, 0, "result", "metadata", "promptTokens")],
            {"r1": (4000, 0, 0, 0)},
            id="1: deep below",
        ),
        pytest.param([push(asked()), put(asked("r2", result=told()), 0)], {"r2": (4000, 150, 0, 0)}, id="1: a request"),
        pytest.param(
            [put([asked(result=told()), asked("r2", result=told())])],
            {"r1": (4000, 150, 0, 0), "r2": (4000, 150, 0, 0)},
            id="1: the list",
        ),
        pytest.param(
            [push(asked(), asked("r2")), push(asked("r3"), i=1), put(told(), 1, "result")],
            {"r3": (4000, 150, 0, 0)},
            id="2: cuts, then appends",
        ),
        pytest.param(
            [push(asked(result=told())), push(asked("r2", result=told(7, 7)), i=0)],
            {"r1": (4000, 150, 0, 0), "r2": (7, 7, 0, 0)},
            id="2: what was taken back was used",
        ),
        pytest.param(
            [push(asked(), asked("r2")), {"kind": 3, "k": ["requests", 0]}, put(told(), 1, "result")],
            {"r2": (4000, 150, 0, 0)},
            id="3: a deleted request keeps its place",
        ),
        pytest.param(
            [push(asked()), {"kind": 3, "k": ["requests", 0, "response"]}, put(told(), 0, "result")],
            {"r1": (4000, 150, 0, 0)},
            id="3: a field",
        ),
        pytest.param([push(asked()), put(told(), 7, "result")], {}, id="of a request that is not there"),
        pytest.param(
            [push(asked()), put("much", 0, "completionTokens"), put(9, 0, "completionTokens")],
            {"r1": (0, 9, 0, 0)},
            id="an odd value",
        ),
        pytest.param(
            [push(asked(model={}, result=told(prompt="4000")), asked("r2", at="now", result=told()))],
            {"r1": (4000, 150, 0, 0)},
            id="odd fields lose neither their list nor their request",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["line by line", "at once"])
def test_each_kind_of_patch_is_applied(user, patches, counts, size):
    assert feed(READERS, chat(user, EMPTY, *patches), size=size).counts() == counts


def test_a_log_compacted_to_one_patch_says_the_same(user):
    grown = chat(user, EMPTY, push(asked()), put(told(), 0, "result"), put(150, 0, "completionTokens"))
    before = feed(READERS, grown).calls
    whole = {**SESSION, "requests": [asked(result=told(), completionTokens=150)]}
    assert feed(READERS, chat(user, {"kind": 0, "v": whole})).calls == before


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        pytest.param(asked(model="copilot/auto", result=told(model=None)), "auto", id="auto stays auto"),
        pytest.param(asked(model="copilot/auto", result=told()), "gpt-5.4-2026-03-05", id="auto resolved"),
        pytest.param(asked(result=told(model=None)), "gpt-5.4", id="not resolved"),
        pytest.param(asked(model=None, result=told()), "gpt-5.4-2026-03-05", id="resolved only"),
        pytest.param(asked(model="ollama/llama", result=told()), None, id="another vendor's"),
        pytest.param(asked(model=None, result=told(model=None)), None, id="nobody's"),
    ],
)
def test_the_model_is_what_is_known_of_it(user, request_, model):
    calls = feed(READERS, chat(user, EMPTY, push(request_))).calls
    assert [call.model for call in calls.values()] == ([model] if model else [])


def test_the_old_document_says_the_same_as_the_log(user):
    old = user / "workspaceStorage" / "77" / "chatSessions" / "c1.json"
    old.write_bytes(msgspec.json.encode({**SESSION, "requests": [asked(result=told())]}))
    new = chat(user, EMPTY, push(asked(result=told())))
    assert feed(READERS, old).calls == feed(READERS, new).calls == feed(READERS, old, new).calls


def test_a_span_of_the_traces_is_a_call(user):
    assert feed(READERS, traces(user, ("s1", AT, "c1"))).calls == {
        "t:s1": Call(
            uuid="t:s1",
            ts=AT,
            session="c1",
            model="claude-sonnet-4.5",
            input=2000,
            output=400,
            write=500,
            read=7000,
            served_by="github",
        )
    }


def test_a_request_counts_once_among_traces_and_chats_in_any_order(user):
    """Of three requests the traces have the second alone: they were switched on late, and off again."""
    requests = [asked(f"r{n}", AT + n * 60_000, result=told()) for n in range(3)]
    paths = [
        traces(user, ("s1", AT + 61_000, "c1"), ("s2", AT + 62_000, "c1"), ("s3", AT, "another")),
        chat(user, EMPTY, push(*requests)),
    ]
    wanted = {"r0", "r2", "t:s1", "t:s2", "t:s3"}
    assert [set(feed(READERS, *order).calls) for order in itertools.permutations(paths)] == [wanted, wanted]


def test_what_the_traces_had_stays_told_when_they_forget(user):
    path = traces(user, ("s1", AT, "c1"))
    assert isinstance(READERS[1].form, Lines)
    read, source, state = READERS[1].form.read, chat(user, EMPTY, push(asked(result=told()))), {}
    first = list(read(source.read_bytes(), Source(source, user), state))
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM spans")
    database.close()
    more = msgspec.json.encode(put(200, 0, "completionTokens")) + b"\n"
    assert {call.kind for call in [*first, *read(more, Source(source, user), state)]} == {FACTS}


@pytest.mark.parametrize("schema", ["CREATE TABLE spans (id)", None], ids=["another shape", "no database"])
def test_traces_of_another_shape_are_nothing(user, schema):
    path = user / "globalStorage" / "github.copilot-chat" / "agent-traces.db"
    path.parent.mkdir(parents=True)
    if schema:
        with sqlite3.connect(path) as database:
            database.execute(schema)
        database.close()
        fed = feed(READERS, path)
        assert (fed.calls, fed.skipped) == ({}, {"unknown schema": 1})
    else:
        path.write_text("this is no database, whatever its name says")
    assert set(feed(READERS, chat(user, EMPTY, push(asked(result=told())))).calls) == {"r1"}


@pytest.mark.parametrize(
    ("told", "folder"),
    [
        ('{"folder":"file:///c%3A/work/shop"}', "c:/work/shop"),
        ('{"folder":"vscode-remote://ssh-remote%2Bbox/srv/shop"}', "/srv/shop"),
        ('{"workspace":"file:///home/ana/all.code-workspace"}', "/home/ana"),
        ("not JSON", ""),
        (None, ""),
    ],
    ids=["windows", "remote", "workspace file", "not JSON", "missing"],
)
def test_the_folder_is_the_workspace_s(user, told, folder):
    path = user / "workspaceStorage" / "77" / "workspace.json"
    path.write_text(told) if told else path.unlink()
    request = asked(completionTokens=5)
    assert feed(READERS, chat(user, EMPTY, push(request))).calls["r1"].folder == folder


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_around_a_call_does_not_lose_it(user, name):
    path = chat(user)
    line = damages(msgspec.json.encode({"kind": 0, "v": {"sessionId": "c1", "requests": [asked(result=told())]}}))[name]
    path.write_bytes(line)
    assert feed(READERS, path).counts() == {"r1": (4000, 150, 0, 0)}


def test_both_stores_of_every_code_are_found(tmp_path, user):
    chat(user, EMPTY)
    (user / "workspaceStorage" / "77" / "chatSessions" / "notes.txt").touch()
    lines(user / "globalStorage" / "emptyWindowChatSessions" / "e.jsonl", EMPTY)
    traces(user)
    places = Places(environ={"XDG_CONFIG_HOME": str(tmp_path)}, home=tmp_path / "home", platform="linux")
    names = {path.name for reader in READERS for root in reader.roots(places) for path in reader.find(root)}
    assert names == {"c1.jsonl", "e.jsonl", "agent-traces.db"}
