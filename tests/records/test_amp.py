"""Amp's threads: the ledger counts, messages only where it is silent."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.records.readers.amp import READER, read
from vibeusage.records.readers.spec import Call, Places, Source

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records" / "amp"
AT = 1_772_524_800_000  # 2026-03-03T08:00:00Z
CALL = Call(
    uuid="ev1",
    ts=AT,
    session="T-1",
    model="claude-opus-4-6",
    folder="/home/ana/my shop",
    branch="main",
    input=10,
    output=200,
    write=500,
    read=9000,
    served_by="anthropic",
    data={"credits": 1.7},
)
USAGE: dict[str, Any] = {"model": CALL.model, "inputTokens": 10, "outputTokens": 200, "cacheCreationInputTokens": 500}
USAGE |= {"cacheReadInputTokens": 9000, "credits": 1.7, "timestamp": "2026-03-03T08:00:00.000Z"}
EVENT: dict[str, Any] = {"id": "ev1", "timestamp": "2026-03-03T08:00:00.000Z", "model": CALL.model, "credits": 1.7}
EVENT |= {"operationType": "inference", "tokens": {"input": 10, "output": 200, "total": 210}, "toMessageId": 3}
TREE = {"uri": "file:///home/ana/my%20shop", "repository": {"ref": "refs/heads/main", "url": "CANARY"}}


def thread(*, events=(EVENT,), usages=((3, USAGE),), **over: Any):
    messages = [{"role": "assistant", "messageId": id, "usage": usage, "content": "CANARY"} for id, usage in usages]
    told = {"id": "T-1", "created": AT - 5000, "title": "CANARY", "env": {"initial": {"trees": [TREE]}}}
    return told | {"messages": messages, "usageLedger": {"events": list(events)}} | over


def calls(told, skipped=None):
    body = told if isinstance(told, bytes) else json.dumps(told, separators=(",", ":")).encode()
    source = Source(Path("/data/amp/threads/T-1.json"), Path("/data/amp/threads"))
    found = list(read(body, source))
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(found)
    return found


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


def test_a_thread_is_counted_by_its_ledger_and_the_messages_it_left_out():
    (path,) = READER.find(FIXTURES)
    found = list(read(path.read_bytes(), Source(path, FIXTURES)))
    assert b"CANARY" not in msgspec.json.encode(found)
    assert [(call.uuid, call.model, call.input, call.output, call.write, call.read) for call in found] == [
        ("ev1", "claude-opus-4-6", 10, 200, 500, 9000),
        ("ev2", "claude-haiku-4-5", 800, 12, 0, 0),
        ("ev3", "claude-haiku-4-5", 40, 60, 0, 0),
        ("T-0001:m5", "claude-opus-4-6", 7, 70, 0, 9500),
    ]


LATER = "2026-03-03T09:00:00Z"
EDITED = EVENT | {"id": "ev2", "tokens": {"input": 1, "output": 5}, "timestamp": LATER}
HAND = [
    pytest.param(thread(), [CALL], {}, id="event and message are one"),
    pytest.param(thread(usages=()), [but(write=0, read=0)], {}, id="an event without its message"),
    pytest.param(thread(events=()), [but(uuid="T-1:m3")], {}, id="no ledger"),
    pytest.param(thread() | {"usageLedger": None}, [but(uuid="T-1:m3")], {}, id="ledger null"),
    pytest.param(thread(usages=((3, USAGE | {"outputTokens": 201}),)), [CALL], {}, id="the only event of its message"),
    pytest.param(
        thread(events=(EVENT, EDITED), usages=((3, USAGE | {"outputTokens": 5, "inputTokens": 1}),)),
        [but(write=0, read=0), but(uuid="ev2", input=1, output=5, ts=AT + 3_600_000)],
        {},
        id="a message that was asked again has the newer event's cache",
    ),
    pytest.param(thread(events=(EVENT | {"tokens": None},)), [CALL], {}, id="an event without counts"),
    pytest.param(
        thread(events=(EVENT | {"tokens": {"input": 10, "output": 200, "cacheReadInputTokens": 7}},)),
        [but(read=7)],
        {},
        id="an event with a cache of its own",
    ),
    pytest.param(
        thread(events=(), usages=((3, USAGE | {"timestamp": None}),)),
        [but(uuid="T-1:m3", ts=AT - 5000, notes=("approximate",))],
        {},
        id="a message without a time",
    ),
    pytest.param(
        thread(created=None, events=(EVENT | {"timestamp": None},), usages=()), [], {"no time": 1}, id="no time"
    ),
    pytest.param(thread(events=(EVENT | {"timestamp": "2001-01-01T00:00:00Z"},)), [], {"too old": 1}, id="too old"),
    pytest.param(thread(events=(EVENT | {"id": None},)), [but(uuid="T-1:0")], {}, id="an event without an id"),
    pytest.param(
        thread(events=(), usages=((None, USAGE), (None, USAGE))),
        [but(uuid="T-1:m#0"), but(uuid="T-1:m#1")],
        {},
        id="messages without ids",
    ),
    pytest.param(
        thread(usages=((3, USAGE | {"cacheReadInputTokens": "9000", "credits": []}),)), [CALL], {}, id="odd numbers"
    ),
    pytest.param(thread(env=None), [but(folder="", branch="")], {}, id="no tree"),
    pytest.param(thread(events=(EVENT | {"credits": 0},)), [but(data=None)], {}, id="no credits"),
    pytest.param(
        thread(events=(EVENT | {"tokens": {}, "toMessageId": None},), usages=()),
        [but(input=0, output=0, write=0, read=0)],
        {},
        id="credits only",
    ),
]


@pytest.mark.parametrize(("told", "expected", "reasons"), HAND)
def test_a_thread_becomes_calls(told, expected, reasons):
    skipped = {}
    assert calls(told, skipped) == expected
    assert skipped == reasons


WRITTEN = {
    "spaced": json.dumps(thread(), indent=2).encode(),
    "CRLF": json.dumps(thread(), indent=2).replace("\n", "\r\n").encode(),
    "BOM": b"\xef\xbb\xbf" + json.dumps(thread()).encode(),
    "NUL run": b"\0" * 512 + json.dumps(thread()).encode(),
    "invalid UTF-8": json.dumps(thread(title="@")).encode().replace(b'"@', b'"\xff\xfe'),
    "huge": json.dumps(thread(title="CANARY" * 1_000_000)).encode(),
}


@pytest.mark.parametrize("body", WRITTEN.values(), ids=WRITTEN)
def test_how_a_thread_is_written_changes_no_number(body):
    assert calls(body) == [CALL]


@pytest.mark.parametrize("body", [b"", json.dumps(thread()).encode()[:-5]], ids=["empty", "torn"])
def test_a_torn_thread_is_counted_as_such(body):
    skipped = {}
    assert calls(body, skipped) == []
    assert skipped == {"not JSON": 1}


def test_threads_are_in_the_data_folder_and_are_files(tmp_path):
    places = Places(environ={"XDG_DATA_HOME": str(tmp_path)}, home=Path("/h"), platform="linux")
    (root,) = READER.roots(places)
    assert root == tmp_path / "amp" / "threads"
    (root / "T-folder.json").mkdir(parents=True)
    (root / "T-1.json").touch()
    (root / "other.json").touch()
    assert [path.name for path in READER.find(root)] == ["T-1.json"]
