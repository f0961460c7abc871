"""Goose's running totals: the accumulated columns, one record per session, replaced as it grows."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.records.merge import fold
from vibeusage.records.readers.goose import READER, read
from vibeusage.records.readers.spec import Call, Places, Source

AT = 1_790_000_000_000  # 2026-09-21T14:13:20Z
SCHEMA = """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, description TEXT, working_dir TEXT, created_at TIMESTAMP, updated_at TIMESTAMP,
  total_tokens INTEGER, input_tokens INTEGER, output_tokens INTEGER, accumulated_total_tokens INTEGER,
  accumulated_input_tokens INTEGER, accumulated_output_tokens INTEGER, provider_name TEXT, model_config_json TEXT)
"""
ROW: dict[str, Any] = {"id": "20260921_1", "description": "CANARY", "working_dir": "/home/ana/shop"}
ROW |= {"created_at": "2026-09-21 14:00:00", "updated_at": "2026-09-21 14:13:20"}
ROW |= {"total_tokens": 91, "input_tokens": 90, "output_tokens": 1, "accumulated_total_tokens": 5600}
ROW |= {"accumulated_input_tokens": 5000, "accumulated_output_tokens": 600, "provider_name": "openai"}
ROW |= {"model_config_json": json.dumps({"model_name": "gpt-5.2", "context_limit": 400_000})}
CALL = Call(
    uuid="20260921_1@1789999200000",
    ts=AT,
    session="20260921_1",
    model="gpt-5.2",
    folder="/home/ana/shop",
    input=5000,
    output=600,
    order=5600,
    kind="aggregate",
    served_by="openai",
)


def calls(*rows, skipped=None, schema=SCHEMA, mark=None):
    source = Source(Path("/g/sessions.db"), Path("/g"))
    db = sqlite3.connect(":memory:")
    db.executescript(schema)
    for row in rows:
        names = ", ".join(row)
        db.execute(f"INSERT INTO sessions ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    found, told = read(db, source, mark or {})
    found = list(found)
    db.close()
    assert told == (mark or {})
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(found)
    return found


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


HAND = [
    pytest.param({}, [CALL], {}, id="a session"),
    pytest.param({"accumulated_total_tokens": 5700}, [but(order=5700, data={"rest": 100})], {}, id="a larger total"),
    pytest.param(
        {"accumulated_total_tokens": 5700, "accumulated_output_tokens": 0},
        [but(output=700, order=5700)],
        {},
        id="all beyond the input is output where there is none",
    ),
    pytest.param(
        {name: None for name in ROW if name.startswith("accumulated")}, [], {}, id="only the last call is known"
    ),
    pytest.param({"updated_at": None}, [but(ts=AT - 800_000)], {}, id="never changed"),
    pytest.param({"updated_at": None, "created_at": None}, [], {"no time": 1}, id="no time"),
    pytest.param({"updated_at": "2001-01-01 00:00:00"}, [], {"too old": 1}, id="too old"),
    pytest.param({"updated_at": "2026-09-21T14:13:20Z"}, [CALL], {}, id="time with a zone"),
    pytest.param({"model_config_json": None}, [but(model="")], {}, id="no model"),
    pytest.param({"model_config_json": "{CANARY"}, [but(model="")], {}, id="a torn model"),
    pytest.param({"provider_name": None}, [CALL], {}, id="who serves, by the model"),
    pytest.param({"accumulated_input_tokens": "5000", "provider_name": 7}, [but(served_by="7")], {}, id="odd values"),
]


@pytest.mark.parametrize(("over", "expected", "reasons"), HAND)
def test_a_session_is_one_total(over, expected, reasons):
    skipped = {}
    assert calls(ROW | over, skipped=skipped) == expected
    assert skipped == reasons


CACHE = ("accumulated_cache_read_tokens", "accumulated_cache_write_tokens", "accumulated_cost")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param((4000, 300, 0.25), but(input=700, read=4000, write=300, cost=250_000_000_000), id="of the prompt"),
        pytest.param((None, None, None), CALL, id="none told"),
        pytest.param((6000, 0, 0), but(read=6000, notes=("disjoint",)), id="more than the prompt"),
    ],
)
def test_the_cache_is_taken_out_of_the_prompt(told, expected):
    schema = SCHEMA.replace("provider_name", f"{', '.join(CACHE)}, provider_name")
    assert calls(ROW | dict(zip(CACHE, told, strict=True)), schema=schema) == [expected]


def test_a_session_that_grows_replaces_what_it_was():
    (small,) = calls(ROW | {"accumulated_input_tokens": 40, "accumulated_total_tokens": 640})
    for order in ((small, CALL), (CALL, small), (CALL, small, CALL)):
        found: dict[str, Call] = {}
        for call in order:
            fold(found, msgspec.structs.replace(call))
        assert list(found.values()) == [CALL]


def test_sessions_of_two_databases_with_one_name_are_two():
    (other,) = calls(ROW | {"created_at": "2026-09-21 14:00:01"})
    assert other.uuid != CALL.uuid


@pytest.mark.parametrize("schema", ["", "CREATE TABLE other (id)"], ids=["empty", "another"])
def test_an_unknown_schema_is_nothing_new(schema):
    skipped = {}
    assert calls(schema=schema, skipped=skipped, mark={"x": 1}) == []
    assert skipped == {"unknown schema": 1}


def test_an_old_schema_without_totals_is_nothing():
    old = "CREATE TABLE sessions (id TEXT, created_at TEXT, input_tokens INTEGER)"
    assert calls({"id": "1", "created_at": "2026-09-21 14:00:00", "input_tokens": 9}, schema=old) == []


def test_the_database_is_in_the_data_folder_or_where_it_was_moved(tmp_path):
    def roots(platform="linux", **environ):
        return READER.roots(Places(environ=environ, home=tmp_path, platform=platform))

    share = tmp_path / ".local" / "share"
    assert share / "goose" / "sessions" in roots()
    assert tmp_path / "Library" / "Application Support" / "goose" / "sessions" in roots("darwin")
    assert roots(GOOSE_PATH_ROOT="/g") == [Path("/g/data/sessions")]
    (tmp_path / "sessions.db").mkdir()
    assert list(READER.find(tmp_path)) == []
