"""Cline's tasks and sessions, and the tasks of its forks: every request once, with the new part of its prompt."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from records.merge_rule import read_file

from vibeusage.records.merge import fold
from vibeusage.records.readers.cline import READERS
from vibeusage.records.readers.spec import FACTS, Call, Places, Source

CLINE, ROO, KILO, BOB = READERS
FIXTURES = Path(__file__).parents[1] / "fixtures" / "records"
AT = 1_790_000_000_000
REQUEST = {"request": "CANARY do it", "tokensIn": 12, "tokensOut": 340, "cacheWrites": 900, "cacheReads": 15_000}
CALL = Call(uuid=f"t1:{AT + 1000}", ts=AT + 1000, session="t1", input=12, output=340, write=900, read=15_000)


def said(say, told, at=1000, **more):
    return {"ts": AT + at, "type": "say", "say": say, "text": json.dumps(told), **more}


def requested(at=1000, **over):
    return said("api_req_started", REQUEST | over, at)


def task(root, *entries, **beside):
    """A task's folder; `beside` are its other files, without `.json`."""
    folder = root / "tasks" / "t1"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ui_messages.json"
    raw = isinstance(entries[0], bytes)
    path.write_bytes(entries[0] if raw else json.dumps(entries, separators=(",", ":")).encode())
    for other, told in beside.items():
        (folder / f"{other}.json").write_text(json.dumps(told))
    return path


def read(*paths, reader=CLINE, skipped=None):
    found: dict[str, Call] = {}
    for path in paths:
        source = Source(path, path.parents[1])
        for call in read_file(reader, source):
            fold(found, call)
        (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(list(found.values()))
    return list(found.values())


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


def counts(calls):
    """(input, output, write, read) of all."""
    return tuple(sum(getattr(call, name) for call in calls) for name in ("input", "output", "write", "read"))


def test_a_task_is_read_with_its_models_folder_and_costs():
    root = FIXTURES / "cline" / "tasks"
    found = [call for path in CLINE.find(root) for call in read(path)]
    known: dict[str, Any] = {"session": "1790000000500", "folder": "/home/ana/shop"}
    sonnet: dict[str, Any] = {"model": "claude-sonnet-4-5", "served_by": "anthropic", **known}
    glm: dict[str, Any] = {"model": "z-ai/glm-5.2", "served_by": "openrouter", **known}
    first: dict[str, Any] = {"uuid": "1790000000500:1790000001000", "ts": AT + 1000, "cost": 13_700_000_000}
    gone: dict[str, Any] = {"uuid": "1790000000500:1790000020000:deleted_api_reqs", "ts": AT + 20_000}
    helper: dict[str, Any] = {"uuid": "1790000000500:1790000050000:subagent_usage", "ts": AT + 50_000}
    last: dict[str, Any] = {"uuid": "1790000000500:1790000060000", "ts": AT + 60_000}
    assert found == [
        Call(input=12, output=340, write=900, read=15_000, **first, **sonnet),
        Call(input=30, output=700, write=100, read=31_000, kind="aggregate", cost=20_000_000_000, **gone, **sonnet),
        Call(input=20, output=90, kind="subagent", cost=2_000_000_000, **helper, **glm),
        Call(input=7, output=80, read=900, **last, **glm),
    ]


ONE = (12, 340, 900, 15_000)
WITHOUT = {"tokensIn": None, "tokensOut": None, "cacheWrites": None, "cacheReads": None}
END = said("api_req_finished", {"tokensIn": 5, "tokensOut": 6}, 9000)
BEGUN = said("api_req_started", {"request": "CANARY"})
TRAPS = [
    pytest.param([requested(), requested(2000, **WITHOUT)], ONE, {"running": 1}, id="running"),
    pytest.param([BEGUN, END], (5, 6, 0, 0), {}, id="very old: the numbers come with the end"),
    pytest.param([requested(), END], ONE, {}, id="an end of a request that has its numbers"),
    pytest.param([BEGUN, requested(2000)], ONE, {"running": 1}, id="cancelled, and asked again"),
    pytest.param([requested(), requested()], (24, 680, 1800, 30_000), {}, id="two in one millisecond"),
    pytest.param([requested(cancelReason="user_cancelled")], ONE, {}, id="cancelled, with counts"),
    pytest.param([requested(tokensIn="12", tokensOut=340.0, cost=None)], ONE, {}, id="odd numbers"),
    pytest.param([requested(tokensIn=-1, tokensOut=True)], (0, 0, 900, 15_000), {}, id="impossible numbers"),
    pytest.param([requested() | {"ts": None}], (0, 0, 0, 0), {"no time": 1}, id="no time"),
    pytest.param([requested() | {"ts": 1_000_000_000_000}], (0, 0, 0, 0), {"too old": 1}, id="too old"),
    pytest.param([requested() | {"text": "{torn"}], (0, 0, 0, 0), {"not JSON": 1, "running": 1}, id="torn inside"),
    pytest.param([{"say": ["api_req_started"]}, requested()], ONE, {}, id="an odd message"),
    pytest.param([requested() | {"ts": str(AT)}], ONE, {}, id="time in digits"),
]


@pytest.mark.parametrize(("entries", "total", "reasons"), TRAPS)
def test_what_was_billed_is_counted_once(entries, total, reasons, tmp_path):
    skipped = {}
    assert counts(read(task(tmp_path, *entries), skipped=skipped)) == total
    assert skipped == reasons


def test_a_request_that_used_nothing_is_no_call_and_one_that_only_cost_is(tmp_path):
    nothing = dict.fromkeys(REQUEST, 0) | {"cost": 0}
    (call,) = read(task(tmp_path, requested(**nothing), requested(2000, **nothing | {"cost": "0.5"})))
    assert (call.ts, call.cost, counts([call])) == (AT + 2000, 500_000_000_000, (0, 0, 0, 0))


FORKS = [
    pytest.param({"apiProtocol": "anthropic", "tokensIn": 15_912}, but(), id="the whole prompt"),
    pytest.param({"apiProtocol": "openai", "tokensIn": 15_900}, but(input=0), id="all of it from the cache"),
    pytest.param({}, but(), id="before apiProtocol: disjoint"),
    pytest.param({"apiProtocol": "anthropic"}, but(notes=("disjoint",)), id="too small to be the whole"),
]


@pytest.mark.parametrize("reader", [ROO, KILO, BOB], ids=lambda reader: reader.id)
@pytest.mark.parametrize(("over", "call"), FORKS)
def test_a_fork_tells_the_whole_prompt_with_the_protocol_only(over, call, reader, tmp_path):
    assert read(task(tmp_path, requested(**over)), reader=reader) == [call]


def test_cline_never_tells_the_whole_prompt(tmp_path):
    path = task(tmp_path, requested(apiProtocol="anthropic", tokensIn=15_912))
    assert read(path) == [but(input=15_912)]


def test_a_summary_has_a_cost_and_no_tokens(tmp_path):
    summary = {"contextCondense": {"cost": 0.25, "prevContextTokens": 9000, "summary": "CANARY"}}
    path = task(tmp_path, said("condense_context", None, **summary), said("condense_context", None, 2000))
    uuid = f"t1:{AT + 1000}:condense_context"
    assert read(path, reader=ROO) == [Call(uuid=uuid, ts=AT + 1000, session="t1", cost=250_000_000_000)]


def test_a_fork_s_model_is_the_last_tag_in_the_prompts_before_the_answer(tmp_path):
    def turn(role, at, model=None):
        text = f"CANARY <environment_details><model>{model}</model>" if model else "CANARY"
        return {"role": role, "ts": AT + at, "content": [{"type": "text", "text": text}]}

    turns = [
        turn("user", 1001, "claude-sonnet-4-5"),
        turn("assistant", 1900),
        turn("user", 2001),
        turn("assistant", 2900),
        turn("user", 3001, "gpt-5.2"),
        turn("assistant", 3900, "in-an-answer"),
    ]
    entries = [requested(at) for at in (1000, 2000, 3000, 4000)]
    path = task(tmp_path, *entries, api_conversation_history=turns, history_item={"id": "t1", "workspace": "/w"})
    found = read(path, reader=ROO)
    models = [(call.model, call.served_by, call.folder) for call in found]
    sonnet, gpt = ("claude-sonnet-4-5", "anthropic", "/w"), ("gpt-5.2", "openai", "/w")
    assert models == [sonnet, sonnet, gpt, gpt]


def test_a_task_without_any_model_has_none(tmp_path):
    assert [call.model for call in read(task(tmp_path, requested()), reader=KILO)] == [""]


def test_the_folder_comes_from_the_index_where_the_task_does_not_tell(tmp_path):
    path = task(tmp_path, requested())
    (tmp_path / "tasks" / "_index.json").write_text('{"version":1,"entries":[{"id":"t1","workspace":"/w"}]}')
    assert [call.folder for call in read(path, reader=ROO)] == ["/w"]


def test_the_model_on_the_message_or_in_the_history_is_used_where_no_other_is(tmp_path):
    path = task(tmp_path, requested(), requested(2000) | {"modelInfo": {"modelId": "grok-4", "providerId": "xai"}})
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "taskHistory.json").write_text('[{"id":"t1","modelId":"gpt-5.2","task":null}]')
    found = [(call.model, call.served_by) for call in read(path)]
    assert found == [("gpt-5.2", "openai"), ("grok-4", "xai")]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["old first", "new first"])
def test_a_task_in_two_roots_counts_once_in_either_order(order, tmp_path):
    old = task(tmp_path / "old", requested(), said("api_req_started", {"request": "x"}, 2000))
    new = task(tmp_path / "new", requested(), requested(2000), requested(3000))
    found = read(*[(old, new)[number] for number in order])
    assert counts(found) == (36, 1020, 2700, 45_000)


DAMAGE = {
    "spaced": json.dumps([requested()], indent=2).encode(),
    "CRLF": json.dumps([requested()], indent=1).replace("\n", "\r\n").encode(),
    "BOM": b"\xef\xbb\xbf" + json.dumps([requested()]).encode(),
    "NUL run": b"\0" * 512 + json.dumps([requested()]).encode(),
    "invalid UTF-8": json.dumps([{"say": "text", "text": "@"}, requested()]).encode().replace(b"@", b"CANARY\xff\xfe"),
    "long": json.dumps([{"say": "text", "text": "CANARY" * 500_000}, requested()]).encode(),
}


@pytest.mark.parametrize("body", DAMAGE.values(), ids=DAMAGE)
def test_how_a_task_is_written_changes_no_number(body, tmp_path):
    assert read(task(tmp_path, body)) == [CALL]


@pytest.mark.parametrize("body", [b"", b"[", b"{}", json.dumps([requested()]).encode()[:-9]], ids=repr)
def test_a_task_that_is_torn_is_counted_as_such(body, tmp_path):
    skipped = {}
    assert read(task(tmp_path, body), skipped=skipped) == []
    assert skipped == {"not JSON": 1}


def test_what_is_beside_a_task_may_be_damaged(tmp_path):
    path = task(tmp_path, requested(), task_metadata=[], history_item=7)
    (path.parent / "api_conversation_history.json").mkdir()
    assert read(path) == read(path, reader=ROO) == [CALL]


def test_a_session_s_messages_count_and_not_its_totals():
    root = FIXTURES / "cline" / "sessions"
    (path,) = CLINE.find(root)
    assert [call for call in read(path) if call.kind != FACTS] == [
        Call(
            uuid="s1:m2",
            ts=AT + 9000,
            session="s1",
            model="z-ai/glm-5.2",
            folder="/home/ana/shop",
            input=900,
            output=210,
            read=6000,
            served_by="openrouter",
            cost=2_100_000_000,
        )
    ]


@pytest.mark.parametrize("with_messages", [True, False], ids=["messages without counts", "no messages"])
def test_a_session_without_counts_is_its_manifest_s_own_total(with_messages, tmp_path):
    folder = tmp_path / "s1"
    shutil.copytree(FIXTURES / "cline" / "sessions" / "s1", folder)
    messages = folder / "s1.messages.json"
    if with_messages:
        told = json.loads(messages.read_bytes())
        del told["messages"][1]["metrics"]
        messages.write_text(json.dumps(told))
    else:
        messages.unlink()
    (path,) = CLINE.find(tmp_path)
    assert read(path) == [
        Call(
            uuid="s1",
            ts=AT + 9000 if with_messages else AT,
            session="s1",
            model="z-ai/glm-5.2",
            folder="/home/ana/shop",
            input=3000,
            output=300,
            read=6000,
            order=9300,
            kind="aggregate",
            served_by="openrouter",
            cost=3_000_000_000,
        )
    ]


def test_a_total_that_was_counted_before_the_messages_came_counts_no_more(tmp_path):
    shutil.copytree(FIXTURES / "cline" / "sessions" / "s1", tmp_path / "s1")
    messages = tmp_path / "s1" / "s1.messages.json"
    body = messages.read_bytes()
    found: dict[str, Call] = {}
    for told in (None, body, None):
        messages.write_bytes(told) if told else messages.unlink()
        (path,) = CLINE.find(tmp_path)
        for call in read(path):
            fold(found, call)
    counted = [call.uuid for call in found.values() if call.kind != FACTS]
    assert (counted, counts(found.values())) == (["s1:m2"], (900, 210, 0, 6000))


def test_an_agent_s_session_is_a_subagent_s(tmp_path):
    (tmp_path / "a").mkdir()
    message = {"id": "m", "role": "assistant", "ts": AT, "metrics": {"inputTokens": 5, "outputTokens": 6}}
    (tmp_path / "a" / "a.messages.json").write_text(json.dumps({"agent": "explorer", "messages": [message]}))
    (path,) = CLINE.find(tmp_path)
    assert read(path) == [Call(uuid="a:m", ts=AT, session="a", input=5, output=6, kind="subagent")]


def test_a_session_that_has_just_begun_waits_for_its_counts(tmp_path):
    shutil.copytree(FIXTURES / "cline" / "sessions" / "s1", tmp_path / "s1")
    (tmp_path / "s1" / "s1.messages.json").write_text('{"sessionId":"s1","messages":[{"role":"user","ts":1}]}')
    (path,) = CLINE.find(tmp_path)
    assert read(path) == []


def places(home, **environ):
    return Places(environ=environ, home=home, platform="linux")


def test_the_roots_are_those_of_every_editor_and_of_the_command_line(tmp_path):
    code = tmp_path / ".config" / "Code" / "User"
    roots = CLINE.roots(places(tmp_path))
    assert code / "globalStorage" / "saoudrizwan.claude-dev" / "tasks" in roots
    assert roots[-2:] == [tmp_path / ".cline" / "data" / "tasks", tmp_path / ".cline" / "data" / "sessions"]
    assert CLINE.roots(places(tmp_path, CLINE_DIR="/c"))[-2:] == [Path("/c/data/tasks"), Path("/c/data/sessions")]
    both = places(tmp_path, CLINE_DATA_DIR="/d", CLINE_SESSION_DATA_DIR="/s", CLINE_DIR="/c")
    assert CLINE.roots(both)[-2:] == [Path("/d/tasks"), Path("/s")]
    assert tmp_path / ".config" / "IBM Bob" / "User" / "globalStorage" / "ibm.bob-code" / "tasks" in BOB.roots(
        places(tmp_path)
    )


def test_a_fork_s_tasks_are_where_the_editor_s_settings_say(tmp_path):
    user = tmp_path / ".config" / "Code" / "User"
    user.mkdir(parents=True)
    (user / "settings.json").write_text('{\n // moved\n "roo-cline.customStoragePath": "/big/roo \\u00e9",\n}')
    roots = ROO.roots(places(tmp_path))
    assert roots[0] == Path("/big/roo é/tasks")
    assert KILO.roots(places(tmp_path))[0] == user / "globalStorage" / "kilocode.kilo-code" / "tasks"


def test_a_folder_named_like_a_task_s_file_is_none(tmp_path):
    (tmp_path / "t1" / "ui_messages.json").mkdir(parents=True)
    assert list(ROO.find(tmp_path)) == list(CLINE.find(tmp_path / "absent")) == []


def test_the_cost_that_the_log_states_counts_before_the_list_price():
    """Only the tool knows it: a router's, and a summary's without tokens."""
    assert {reader.prices for reader in READERS} == {"auto"}
