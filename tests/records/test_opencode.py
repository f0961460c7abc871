"""OpenCode's three generations and its relatives: a message is one call, however often it was copied."""

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from records.merge_rule import read_file

from vibeusage.records.merge import fold
from vibeusage.records.readers.opencode import READERS, read_database
from vibeusage.records.readers.spec import Call, Places, Source

OPENCODE, KILO, MIMO = READERS
STORAGE = Path(__file__).parents[1] / "fixtures" / "records" / "opencode"
AT = 1_790_000_000_000
HOUR = 3_600_000
V1 = """
CREATE TABLE session (id TEXT PRIMARY KEY, project_id TEXT, parent_id TEXT, directory TEXT, title TEXT, version TEXT);
CREATE TABLE message (
  id TEXT PRIMARY KEY, session_id TEXT, time_created INTEGER, time_updated INTEGER, data TEXT);
CREATE TABLE part (id TEXT PRIMARY KEY, message_id TEXT, data TEXT);
INSERT INTO session VALUES ('ses_1', 'p', NULL, '/home/ana/shop', 'CANARY', '1.2.3'),
  ('ses_2', 'p', NULL, '/home/ana/shop', 'CANARY (fork)', '1.2.3'),
  ('ses_3', 'p', 'ses_1', '/home/ana/shop', 'CANARY', '1.2.3'),
  ('ses_4', 'p', 'ses_3', '/home/ana/shop', 'CANARY', '1.2.3');
"""
V2 = """
CREATE TABLE session_v2 (id TEXT PRIMARY KEY, directory TEXT, fork_session_id TEXT, fork_boundary TEXT);
CREATE TABLE session_message (
  id TEXT PRIMARY KEY, session_id TEXT, type TEXT, seq INTEGER, time_created INTEGER, time_updated INTEGER, data TEXT);
INSERT INTO session_v2 VALUES ('ses_1', '/home/ana/shop', NULL, NULL), ('ses_2', '/home/ana/shop', 'ses_1', '7');
"""
COUNTS = {"input": 12, "output": 300, "reasoning": 0, "cache": {"read": 15_000, "write": 900}}


def message(at=1000, *, done: int | None = 9000, tokens=None, **over: Any):
    """What is stored of one message; `at` and `done` are relative to AT."""
    time = {"created": AT + at} | ({"completed": AT + done} if done else {})
    told: dict[str, Any] = {"role": "assistant", "modelID": "claude-sonnet-4-5", "providerID": "anthropic"}
    told |= {"mode": "build", "path": {"cwd": "/home/ana/shop", "root": "/home/ana"}, "cost": 0.0123, "time": time}
    return told | {"tokens": COUNTS | (tokens or {})} | over


def call(calls: list[Call]) -> Call:
    (found,) = calls
    return found


def database(path, schema=V1):
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(schema)
    return connection


def put(connection, id, told, *, session="ses_1", updated=9000):
    data = told if isinstance(told, str | bytes) else json.dumps(told)
    row = (id, session, AT, AT + updated, data)
    connection.execute("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?)", row)


def put_v2(connection, id, told, *, session="ses_1", type="assistant", updated=9000):
    row = (id, session, type, 1, AT, AT + updated, json.dumps(told))
    connection.execute("INSERT OR REPLACE INTO session_message VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def read(connection, mark=None, skipped=None):
    """(calls, next mark) of one reading."""
    source = Source(Path("/data/opencode/opencode.db"), Path("/data/opencode"))
    found, mark = read_database(connection, source, mark or {})
    calls = list(found)
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(calls)
    return calls, msgspec.msgpack.decode(msgspec.msgpack.encode(mark))


def merged(*calls):
    found: dict[str, Call] = {}
    for one in calls:
        fold(found, msgspec.structs.replace(one))
    return list(found.values())


def counts(calls):
    """(input, output, write, read) of all."""
    return tuple(sum(getattr(one, name) for one in calls) for name in ("input", "output", "write", "read"))


CALL = Call(
    uuid="",
    ts=AT + 1000,
    session="ses_1",
    model="claude-sonnet-4-5",
    folder="/home/ana/shop",
    version="1.2.3",
    input=12,
    output=300,
    write=900,
    read=15_000,
    served_by="anthropic",
    cost=12_300_000_000,
)


def same(found: Call, **over: Any) -> bool:
    """Whether `found` is CALL but for its identity and `over`."""
    return found == msgspec.structs.replace(CALL, uuid=found.uuid, **over)


def test_a_row_is_a_call(tmp_path):
    db = database(tmp_path / "opencode.db")
    put(db, "msg_1", {"role": "user", "time": {"created": AT}, "summary": {"title": "CANARY"}})
    put(db, "msg_2", message())
    db.execute("INSERT INTO part VALUES ('p', 'msg_2', ?)", (json.dumps({"type": "step-finish", "tokens": COUNTS}),))
    calls, mark = read(db)
    assert same(call(calls))
    assert mark == {"message": AT + 9000}


def test_a_file_is_a_call():
    files = sorted(OPENCODE.find(STORAGE))
    assert [path.name for path in files] == ["msg_a1.json", "msg_a2.json", "msg_b1.json"]
    calls = [one for path in files for one in read_file(OPENCODE, Source(path, STORAGE))]
    assert b"CANARY" not in msgspec.json.encode(calls)
    main, child = calls
    assert same(main, version="0.9.1")
    assert same(child, ts=AT + 2000, version="0.9.1", kind="subagent", cost=None, input=7, write=0, read=0)


def test_a_file_and_its_row_are_one_call(tmp_path):
    (file,) = read_file(OPENCODE, Source(STORAGE / "storage/message/ses_1/msg_a1.json", STORAGE))
    db = database(tmp_path / "opencode.db")
    put(db, "msg_a1", message())
    (row,), _ = read(db)
    assert counts(merged(file, row)) == counts(merged(row, file)) == (12, 300, 900, 15_000)


def test_forks_are_counted_once_in_any_order(tmp_path):
    db = database(tmp_path / "opencode.db")
    for number in range(8):
        put(db, f"msg_{number}a", message(), session="ses_1" if number == 0 else "ses_2")
        put(db, f"msg_{number}b", message(20_000, done=21_000), session="ses_1" if number == 0 else "ses_2")
    put(db, "msg_9", message(30_000, done=31_000, tokens={"input": 1}), session="ses_2")
    calls, _ = read(db)
    assert len(calls) == 17
    assert [one.session for one in merged(*calls)] == ["ses_1", "ses_1", "ses_2"]
    random.Random(4).shuffle(calls)
    assert counts(merged(*calls)) == (25, 900, 2700, 45_000)


def test_forks_of_version_2_are_counted_once_with_the_rows_of_version_1(tmp_path):
    db = database(tmp_path / "opencode.db", V1 + V2)
    new = message()
    new["model"] = {"id": new.pop("modelID"), "providerID": new.pop("providerID"), "variant": "high"}
    del new["role"]
    put(db, "msg_1", message())
    put_v2(db, "msg_2", new)
    put_v2(db, "msg_3", new, session="ses_2")
    put_v2(db, "msg_4", {"text": "CANARY", "time": {"created": AT}}, type="user")
    calls, mark = read(db)
    assert mark == {"message": AT + 9000, "session_message": AT + 9000}
    assert len(calls) == 3
    assert same(call(merged(*calls)))


def test_an_unfinished_message_waits_until_it_is_completed(tmp_path):
    db, skipped = database(tmp_path / "opencode.db"), {}
    put(db, "msg_1", message(done=None, tokens={"output": 4}), updated=2000)
    calls, mark = read(db, skipped=skipped)
    assert (calls, skipped) == ([], {"unfinished": 1})
    put(db, "msg_1", message(), updated=9000)
    calls, _ = read(db, mark)
    assert same(call(calls))


def test_a_message_that_a_crash_left_open_counts_once_the_database_has_gone_on(tmp_path):
    db = database(tmp_path / "opencode.db")
    put(db, "msg_1", message(done=None), updated=2000)
    calls, mark = read(db)
    assert calls == []
    put(db, "msg_2", message(7 * HOUR, done=7 * HOUR + 1, tokens={"input": 1}), updated=7 * HOUR)
    calls, mark = read(db, mark)
    assert [(one.input, one.complete) for one in calls] == [(12, False), (1, True)]
    again, _ = read(db, mark)
    assert [one.input for one in again] == [1]


@pytest.mark.parametrize("odd", [1 << 60, "later", None, 1.5], ids=repr)
def test_an_odd_time_of_a_row_does_not_end_the_reading(tmp_path, odd):
    db = database(tmp_path / "opencode.db")
    put(db, "msg_1", message())
    put(db, "odd", message(HOUR, done=HOUR + 1))
    db.execute("UPDATE message SET time_updated = ? WHERE id = 'odd'", (odd,))
    first, mark = read(db)
    put(db, "msg_2", message(24 * HOUR, done=24 * HOUR + 1), updated=24 * HOUR)
    calls, _ = read(db, mark)
    assert (mark, len(first)) == ({"message": AT + 9000}, 2)
    assert AT + 24 * HOUR in [one.ts for one in calls]


@pytest.mark.parametrize("odd", [b"\xff\xfe", None], ids=repr)
def test_what_is_no_text_where_one_belongs_is_no_name(tmp_path, odd):
    db = database(tmp_path / "opencode.db")
    db.execute("INSERT INTO session VALUES (?, 'p', ?, ?, 't', ?)", (odd, odd, odd, odd))
    put(db, "msg_1", message(path=None), session=odd)
    (call,) = read(db)[0]
    assert (call.session, call.folder, call.version) == ("", "", "")


def test_only_what_changed_since_is_read_again(tmp_path):
    db = database(tmp_path / "opencode.db")
    put(db, "msg_1", message(), updated=0)
    put(db, "msg_2", message(24 * HOUR, done=24 * HOUR + 1), updated=24 * HOUR)
    _, mark = read(db)
    put(db, "msg_3", message(25 * HOUR, done=25 * HOUR + 1), updated=25 * HOUR)
    calls, mark = read(db, mark)
    assert [one.ts for one in calls] == [AT + 24 * HOUR, AT + 25 * HOUR]
    assert mark == {"message": AT + 25 * HOUR}


def test_a_subagent_s_call_belongs_to_the_first_ancestor(tmp_path):
    db = database(tmp_path / "opencode.db")
    put(db, "msg_1", message(), session="ses_4")
    assert same(call(read(db)[0]), kind="subagent")


def test_sessions_that_are_each_other_s_parents_end_nothing(tmp_path):
    db = database(tmp_path / "opencode.db")
    db.execute("UPDATE session SET parent_id = 'ses_4' WHERE id = 'ses_1'")
    put(db, "msg_1", message(), session="ses_4")
    assert call(read(db)[0]).kind == "subagent"


OUTPUTS = [
    pytest.param({"reasoning": 50, "total": 16_262}, {}, 350, id="the total has it beside"),
    pytest.param({"reasoning": 50, "total": 16_212}, {"providerID": "google"}, 300, id="the total has it inside"),
    pytest.param({"reasoning": 50}, {"providerID": "google"}, 350, id="no total: Google's is beside"),
    pytest.param({"reasoning": 50}, {"providerID": "openai"}, 300, id="no total: OpenAI's was inside"),
    pytest.param({"reasoning": 400}, {"providerID": "openai"}, 700, id="more than the output can have"),
    pytest.param({"reasoning": 50}, {"model": {"id": "m", "providerID": "openai"}}, 350, id="version 2"),
    pytest.param({"reasoning": None, "total": 7}, {}, 300, id="none"),
]


@pytest.mark.parametrize(("tokens", "over", "output"), OUTPUTS)
def test_reasoning_is_part_of_the_output_once(tokens, over, output, tmp_path):
    db = database(tmp_path / "opencode.db")
    put(db, "msg_1", message(tokens=tokens, **over))
    assert call(read(db)[0]).output == output


ROUTES = [
    ("github-copilot", "github"),
    ("amazon-bedrock", "bedrock"),
    ("google-vertex-anthropic", "vertex"),
    ("opencode", "opencode"),
    ("", "anthropic"),
]


@pytest.mark.parametrize(("provider", "served"), ROUTES)
def test_who_serves_is_who_the_message_names(provider, served, tmp_path):
    db = database(tmp_path / "opencode.db")
    put(db, "msg_1", message(providerID=provider))
    assert call(read(db)[0]).served_by == served


ODD = [
    pytest.param(message(cost=0), (12, 300, 900, 15_000), {}, id="cost 0 is no cost"),
    pytest.param(message(tokens={"input": "12", "output": 300.0}), (12, 300, 900, 15_000), {}, id="odd numbers"),
    pytest.param(message(path="CANARY", cost="CANARY"), (12, 300, 900, 15_000), {}, id="odd texts"),
    pytest.param(message(tokens={"cache": None}), (12, 300, 0, 0), {}, id="no cache"),
    pytest.param(message(tokens={"input": 0, "output": 0, "cache": {}}), (0, 0, 0, 0), {}, id="aborted at once"),
    pytest.param(message() | {"role": "user"}, (0, 0, 0, 0), {}, id="a user's"),
    pytest.param(message() | {"time": {"completed": AT}}, (0, 0, 0, 0), {"no time": 1}, id="no time"),
    pytest.param(message(-AT + 1), (0, 0, 0, 0), {"too old": 1}, id="before there were tools"),
    pytest.param('{"role":"assis', (0, 0, 0, 0), {"not JSON": 1}, id="torn"),
    pytest.param("[1]", (0, 0, 0, 0), {"not an object": 1}, id="a list"),
    pytest.param(json.dumps(message(), indent=1).replace("\n", "\r\n"), (12, 300, 900, 15_000), {}, id="spaced"),
    pytest.param("\ufeff" + json.dumps(message()), (12, 300, 900, 15_000), {}, id="BOM"),
    pytest.param(
        json.dumps(message(mode="@")).encode().replace(b"@", b"\xff"), (12, 300, 900, 15_000), {}, id="invalid UTF-8"
    ),
]


@pytest.mark.parametrize(("told", "total", "reasons"), ODD)
def test_an_odd_row_is_read_as_far_as_it_goes(told, total, reasons, tmp_path):
    db, skipped = database(tmp_path / "opencode.db"), {}
    put(db, "msg_1", told)
    put(db, "msg_2", "")
    calls, _ = read(db, skipped=skipped)
    assert counts(calls) == total
    assert skipped == {"not JSON": 1 + reasons.pop("not JSON", 0), **reasons}
    assert all(one.cost in (None, CALL.cost) for one in calls)


def test_rows_that_are_only_in_the_log_of_the_database_are_read(tmp_path):
    db = database(tmp_path / "opencode.db")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    put(db, "msg_1", message())
    with sqlite3.connect(f"file:{tmp_path}/opencode.db?mode=ro", uri=True) as reading:
        assert same(call(read(reading)[0]))
    reading.close()


def test_a_table_without_changes_of_its_own_is_read_as_a_whole(tmp_path):
    db = database(tmp_path / "mimocode.db", "CREATE TABLE message (id TEXT PRIMARY KEY, session_id TEXT, data TEXT)")
    db.execute("INSERT INTO message VALUES ('m', 'ses_1', ?)", (json.dumps(message()),))
    (_,), mark = read(db)
    assert counts(read(db, mark)[0]) == (12, 300, 900, 15_000)


@pytest.mark.parametrize("schema", ["", "CREATE TABLE message (id)"], ids=["empty", "another"])
def test_an_unknown_schema_is_nothing_new(schema, tmp_path):
    skipped = {}
    assert read(database(tmp_path / "x.db", schema), {"message": 7}, skipped) == ([], {"message": 7})
    assert skipped == {"unknown schema": 1}


def test_the_roots_follow_the_tools(tmp_path):
    def roots(reader, **environ):
        return reader.roots(Places(environ=environ, home=tmp_path, platform="darwin"))

    share = tmp_path / ".local" / "share"
    assert roots(OPENCODE) == [share / "opencode"]
    assert roots(OPENCODE, XDG_DATA_HOME="/x") == [Path("/x/opencode")]
    assert roots(OPENCODE, OPENCODE_DB="/y/my.db") == [Path("/y/my.db"), share / "opencode" / "storage"]
    assert roots(OPENCODE, OPENCODE_DB="dev.db")[0] == share / "opencode" / "dev.db"
    assert roots(KILO) + roots(KILO, KILO_DATA_DIR="/k") == [share / "kilo", Path("/k")]
    assert roots(MIMO) == [share / "mimocode"]


def test_databases_of_every_channel_are_found_and_nothing_beside_them(tmp_path):
    for name in ("opencode.db", "opencode-beta.db", "opencode.db-wal", "other.db"):
        (tmp_path / name).touch()
    (tmp_path / "opencode-folder.db").mkdir()
    (tmp_path / "storage" / "message" / "ses_1").mkdir(parents=True)
    (tmp_path / "storage" / "message" / "ses_1" / "msg_1.json").touch()
    names = ["msg_1.json", "opencode-beta.db", "opencode.db"]
    assert sorted(path.name for path in OPENCODE.find(tmp_path)) == names
    assert [path.name for path in OPENCODE.find(tmp_path / "storage")] == ["msg_1.json"]
    assert [path.name for path in OPENCODE.find(tmp_path / "other.db")] == ["other.db"]
    assert "other.db" in [path.name for path in KILO.find(tmp_path)]
