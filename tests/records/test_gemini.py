"""Gemini CLI: what counts of a message's lines, and which message is which."""

import hashlib
from pathlib import Path

import msgspec
import pytest
from records.feeding import CANARY, DAMAGES, damages, feed, lines

from vibeusage.records.readers.gemini import READER
from vibeusage.records.readers.spec import Call, Places

AT = "2026-10-03T08:00:06.000Z"
MS = 1_791_014_406_000
HEADER = {
    "sessionId": "ab12-session",
    "projectHash": "77",
    "startTime": "2026-10-03T08:00:00.000Z",
    "kind": "main",
    "directories": ["/home/ana/shop"],
}


def message(name="message-0002", tokens=None, **fields):
    return {
        "id": name,
        "timestamp": AT,
        "type": "gemini",
        "model": "gemini-2.5-pro",
        "content": CANARY,
        "thoughts": [{"subject": CANARY}],
        "tokens": tokens,
        **fields,
    }


def counted(input=9000, output=120, cached=7000, thoughts=300, tool=0, total=9420):
    return {"input": input, "output": output, "cached": cached, "thoughts": thoughts, "tool": tool, "total": total}


@pytest.fixture
def chats(tmp_path) -> Path:
    folder = tmp_path / ".gemini" / "tmp" / "shop" / "chats"
    folder.mkdir(parents=True)
    return folder


def test_a_message_is_one_call_with_everything_that_its_lines_know(chats):
    path = lines(chats / "session-1.jsonl", HEADER, {"type": "user"}, message(), message(tokens=counted()))
    assert feed(READER, path).calls == {
        "message-0002": Call(
            uuid="message-0002",
            ts=MS,
            session="ab12-session",
            model="gemini-2.5-pro",
            folder="/home/ana/shop",
            input=2000,
            output=420,
            read=7000,
            served_by="google",
        )
    }


@pytest.mark.parametrize(
    ("tokens", "counts", "notes"),
    [
        pytest.param(counted(), (2000, 420, 0, 7000), (), id="cached within input"),
        pytest.param(counted(input=2000, total=9420), (2000, 420, 0, 7000), ("disjoint",), id="cached beside input"),
        pytest.param(
            counted(input=8000, total=15_420), (8000, 420, 0, 7000), ("disjoint",), id="the total says beside"
        ),
        pytest.param(counted(input=2000, total=0), (2000, 420, 0, 7000), ("disjoint",), id="more cached than input"),
        pytest.param(counted(tool=50, total=9470), (2050, 420, 0, 7000), (), id="tool tokens are fed"),
        pytest.param(counted(cached=0, thoughts=0, total=9120), (9000, 120, 0, 0), (), id="neither cache nor thoughts"),
        pytest.param(
            counted(output=0, thoughts=0), (2000, 420, 0, 7000), ("approximate",), id="only the total tells the output"
        ),
        pytest.param(
            {"input": "9000", "output": 120.0, "cached": None}, (9000, 120, 0, 0), (), id="text, float and null"
        ),
    ],
)
def test_the_total_tells_which_count_holds_which(chats, tokens, counts, notes):
    fed = feed(READER, lines(chats / "session-1.jsonl", HEADER, message(tokens=tokens)))
    assert (fed.counts(), fed.calls["message-0002"].notes) == ({"message-0002": counts}, notes)


def test_a_checkpoint_repeats_messages_and_what_was_rewound_was_paid_for(chats):
    one, two = message("message-0001", counted()), message("message-0002", counted(1000, 10, 0, 0, 0, 1010))
    three = message("message-0003", counted(5, 5, 0, 0, 0, 10))
    path = lines(
        chats / "session-1.jsonl",
        HEADER,
        one,
        {"$set": {"lastUpdated": AT, "messages": [one, {"id": "u", "type": "user", "content": CANARY}, three]}},
        two,
        {"$rewindTo": "message-0001"},
    )
    assert feed(READER, path).counts() == {
        "message-0001": (2000, 420, 0, 7000),
        "message-0002": (1000, 10, 0, 0),
        "message-0003": (5, 5, 0, 0),
    }


def test_a_resumed_document_and_the_lines_beside_it_are_the_same_calls_in_any_order(chats):
    one, two = message("message-0001", counted()), message("message-0002", counted(1000, 10, 0, 0, 0, 1010))
    old = chats / "session-1.json"
    old.write_bytes(msgspec.json.format(msgspec.json.encode({**HEADER, "messages": [one]}), indent=2))
    new = lines(chats / "session-1.jsonl", HEADER, one, two)
    assert feed(READER, old, new).calls == feed(READER, new, old).calls == feed(READER, new).calls
    assert feed(READER, old, new).total() == (3000, 430, 0, 7000)


def test_short_ids_are_of_one_session_only(chats):
    first = lines(chats / "session-1.jsonl", HEADER, message("m-2", counted()))
    second = lines(chats / "session-2.jsonl", {**HEADER, "sessionId": "cd34"}, message("m-2", counted()))
    assert set(feed(READER, first, second).calls) == {"ab12-session:m-2", "cd34:m-2"}


def test_a_subagent_belongs_to_its_parent(chats):
    path = lines(chats / "parent-id" / "child.jsonl", {**HEADER, "kind": "subagent"}, message(tokens=counted()))
    call = feed(READER, path).calls["message-0002"]
    assert (call.session, call.kind, call.rank, call.data) == ("parent-id", "subagent", 1, {"agent": "ab12-session"})


def test_a_subagent_beside_its_parent_is_known_by_its_header(chats):
    path = lines(chats / "session-2.jsonl", {**HEADER, "kind": "subagent"}, message(tokens=counted()))
    call = feed(READER, path).calls["message-0002"]
    assert (call.session, call.kind, call.rank) == ("ab12-session", "subagent", 1)


@pytest.mark.parametrize("told", ["root", "header", "name", "hash"])
def test_the_folder_is_found_in_four_places(tmp_path, told):
    path = "/home/ana/shop"
    name = hashlib.sha256(path.encode()).hexdigest() if told == "hash" else "shop"
    project = tmp_path / ".gemini" / "tmp" / name
    project.mkdir(parents=True)
    if told == "root":
        (project / ".project_root").write_text(f"{path}\n")
    elif told != "header":
        (tmp_path / ".gemini" / "projects.json").write_text(f'{{"projects": {{"{path}": "shop"}}}}')
    header = {**HEADER, "directories": [path] if told == "header" else ["/elsewhere"] if told == "root" else []}
    fed = feed(READER, lines(project / "chats" / "session-1.jsonl", header, message(tokens=counted())))
    assert fed.calls["message-0002"].folder == path


def test_blocks_of_any_size_give_the_same(chats):
    many = [message(f"message-{n:04}", counted()) for n in range(20)]
    path = lines(chats / "session-1.jsonl", HEADER, *many)
    assert feed(READER, path, size=1).calls == feed(READER, path).calls
    assert feed(READER, path).total() == (40_000, 8_400, 0, 140_000)


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_around_a_call_does_not_lose_it(chats, name):
    path = chats / "session-1.jsonl"
    path.write_bytes(
        msgspec.json.encode(HEADER) + b"\n" + damages(msgspec.json.encode(message(tokens=counted())))[name]
    )
    assert feed(READER, path).counts() == {"message-0002": (2000, 420, 0, 7000)}


@pytest.mark.parametrize(
    ("found", "skipped"),
    [
        pytest.param(message(tokens=counted(), timestamp=None), {"no time": 1}, id="no time"),
        pytest.param(message(tokens=counted(), timestamp="2020-01-01T00:00:00Z"), {"too old": 1}, id="too old"),
        pytest.param(message(tokens=counted(0, 0, 0, 0, 0, 0)), {}, id="all zero"),
        pytest.param(message(), {}, id="not complete yet"),
    ],
)
def test_what_is_no_call_is_left_out(chats, found, skipped):
    fed = feed(READER, lines(chats / "session-1.jsonl", HEADER, found))
    assert (fed.calls, fed.skipped) == ({}, skipped)


def test_empty_files_and_torn_documents_give_nothing(chats):
    empty, torn = chats / "session-1.jsonl", chats / "session-2.json"
    empty.touch()
    torn.write_bytes(b'{"sessionId":"x","messages":[{"id":"m"')
    fed = feed(READER, empty, torn)
    assert (fed.calls, fed.skipped) == ({}, {"not JSON": 1})


def test_chats_are_found_and_nothing_beside_them(tmp_path, chats):
    for name in (
        *("chats/session-1.jsonl", "chats/session-1.json", "chats/parent/child.jsonl"),
        *("logs.json", "checkpoint-a.json", "chats/notes.json", "chats/session-2.unreadable-1.jsonl"),
        "chats/session-3.tmp-1.jsonl",
    ):
        lines(chats.parent / name, HEADER)
    root = tmp_path / ".gemini"
    names = {str(path.relative_to(chats)) for path in READER.find(root)}
    assert names == {"session-1.jsonl", "session-1.json", "parent/child.jsonl"}


@pytest.mark.parametrize(
    ("environ", "root"), [({}, "/home/ana/.gemini"), ({"GEMINI_CLI_HOME": "/srv/g"}, "/srv/g/.gemini")]
)
def test_the_tool_s_own_variable_replaces_the_home(environ, root):
    assert READER.roots(Places(environ=environ, home=Path("/home/ana"), platform="linux")) == [Path(root)]
