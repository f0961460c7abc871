"""ZCode's rows: a call each, with cache and reasoning counted once."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.records.readers.spec import Call, Places, Source
from vibeusage.records.readers.zcode import READER, read

AT = 1_790_000_000_000
DAY = 86_400_000
SCHEMA = """
CREATE TABLE model_usage (
  id TEXT PRIMARY KEY, session_id TEXT, turn_id TEXT, model_id TEXT, started_at INTEGER, completed_at INTEGER,
  input_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER, cache_read_input_tokens INTEGER,
  cache_creation_input_tokens INTEGER, computed_total_tokens INTEGER, agent TEXT);
"""
SESSIONS = """
CREATE TABLE session (id TEXT, directory TEXT, title TEXT);
INSERT INTO session VALUES ('z1', '/home/ana/shop', 'CANARY');
"""
ROW: dict[str, Any] = {"id": "u1", "session_id": "z1", "model_id": "glm-5.2", "started_at": AT}
ROW |= {"completed_at": AT + 9000, "input_tokens": 10_000, "output_tokens": 500, "reasoning_tokens": 200}
ROW |= {"cache_read_input_tokens": 8000, "cache_creation_input_tokens": 300, "computed_total_tokens": 10_500}
CALL = Call(
    uuid="u1",
    ts=AT,
    session="z1",
    model="glm-5.2",
    folder="/home/ana/shop",
    input=1700,
    output=500,
    write=300,
    read=8000,
    served_by="zai",
)


def database(*rows, schema=SCHEMA + SESSIONS):
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(schema)
    for row in rows:
        put(db, row)
    return db


def put(db, row):
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT OR REPLACE INTO model_usage ({names}) VALUES ({marks})", tuple(row.values()))


def told(db, mark=None, skipped=None):
    """(calls, next mark) of one reading."""
    source = Source(Path("/z/db.sqlite"), Path("/z"))
    found, mark = read(db, source, mark or {})
    calls = list(found)
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(calls)
    return calls, mark


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


HAND = [
    pytest.param({}, [CALL], {}, id="all in input and output"),
    pytest.param({"computed_total_tokens": None}, [CALL], {}, id="no total"),
    pytest.param(
        {"computed_total_tokens": 19_000},
        [but(input=10_000, output=700, notes=("disjoint",))],
        {},
        id="the total has all beside each other",
    ),
    pytest.param(
        {"input_tokens": 10, "computed_total_tokens": None},
        [but(input=10, notes=("disjoint",))],
        {},
        id="a cache larger than the input",
    ),
    pytest.param(
        {"computed_total_tokens": 18_800},
        [but(input=10_000, notes=("disjoint",))],
        {},
        id="the total has the cache beside the input",
    ),
    pytest.param(
        {"cache_read_input_tokens": 0, "cache_creation_input_tokens": None, "reasoning_tokens": 0},
        [but(input=10_000, write=0, read=0)],
        {},
        id="no cache",
    ),
    pytest.param({"started_at": AT // 1000}, [CALL], {}, id="seconds"),
    pytest.param({"started_at": 1_000_000_000_000}, [], {"too old": 1}, id="too old"),
    pytest.param({"session_id": "gone"}, [but(session="gone", folder="")], {}, id="no session"),
    pytest.param({"model_id": None}, [but(model="", served_by="")], {}, id="no model"),
    pytest.param({"input_tokens": "10000", "output_tokens": 500.0}, [CALL], {}, id="odd numbers"),
]


@pytest.mark.parametrize(("over", "expected", "reasons"), HAND)
def test_a_row_is_a_call(over, expected, reasons):
    skipped = {}
    calls, _ = told(database(ROW | over), skipped=skipped)
    assert calls == expected
    assert skipped == reasons


def test_a_database_without_sessions_is_read():
    assert told(database(ROW, schema=SCHEMA))[0] == [but(folder="")]


def test_a_row_that_gets_its_counts_later_is_read_again():
    db = database({"id": "u1", "session_id": "z1", "model_id": "glm-5.2", "started_at": AT})
    calls, mark = told(db)
    assert (calls, mark) == ([], {"at": AT})
    put(db, ROW)
    put(db, ROW | {"id": "u2", "started_at": AT + 1})
    assert told(db, mark) == ([CALL, but(uuid="u2", ts=AT + 1)], {"at": AT + 1})


def test_what_is_a_day_older_than_the_newest_is_not_read_again():
    db = database(ROW, ROW | {"id": "u2", "started_at": AT + 2 * DAY})
    calls, mark = told(db)
    assert [call.uuid for call in calls] == ["u1", "u2"]
    assert [call.uuid for call in told(db, mark)[0]] == ["u2"]


def test_a_time_far_in_the_future_does_not_end_the_reading():
    db = database(ROW, ROW | {"id": "odd", "started_at": 1 << 60})
    _, mark = told(db)
    put(db, ROW | {"id": "u2", "started_at": AT + 2 * DAY})
    assert (mark, [call.uuid for call in told(db, mark)[0]]) == ({"at": AT}, ["u1", "u2"])


@pytest.mark.parametrize("schema", ["", "CREATE TABLE model_usage (id);"], ids=["empty", "another"])
def test_an_unknown_schema_is_nothing_new(schema):
    skipped = {}
    assert told(database(schema=schema), {"at": 7}, skipped) == ([], {"at": 7})
    assert skipped == {"unknown schema": 1}


def test_the_database_is_a_file_in_the_home(tmp_path):
    (root,) = READER.roots(Places(environ={}, home=tmp_path, platform="linux"))
    assert root == tmp_path / ".zcode" / "cli" / "db"
    (root / "db.sqlite").mkdir(parents=True)
    assert list(READER.find(root)) == []
