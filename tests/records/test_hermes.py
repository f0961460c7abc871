"""Hermes' running totals: all four kinds and the cost, one record per session, replaced as it grows."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.records.merge import fold
from vibeusage.records.readers.hermes import READER, read
from vibeusage.records.readers.spec import Call, Places, Source

AT = 1_790_000_000_000
SCHEMA = """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, source TEXT, model TEXT, system_prompt TEXT, billing_provider TEXT, started_at REAL,
  ended_at REAL, message_count INTEGER, input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER,
  cache_write_tokens INTEGER, reasoning_tokens INTEGER, estimated_cost_usd REAL, actual_cost_usd REAL, title TEXT);
"""
MESSAGES = "CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id TEXT, content TEXT, timestamp REAL);"
MODELS = "CREATE TABLE session_model_usage (session_id TEXT, model TEXT, input_tokens INTEGER);"
ROW: dict[str, Any] = {"id": "h1", "model": "claude-opus-4-6", "system_prompt": "CANARY", "title": "CANARY"}
ROW |= {"billing_provider": "openrouter", "started_at": AT / 1000, "input_tokens": 40, "output_tokens": 900}
ROW |= {"cache_read_tokens": 30_000, "cache_write_tokens": 2000, "reasoning_tokens": 300}
ROW |= {"estimated_cost_usd": 0.5, "actual_cost_usd": 0.75}
CALL = Call(
    uuid="h1",
    ts=AT,
    session="h1",
    model="claude-opus-4-6",
    input=40,
    output=900,
    write=2000,
    read=30_000,
    order=32_940,
    kind="aggregate",
    served_by="openrouter",
    cost=750_000_000_000,
)


def calls(*rows, skipped=None, schema=SCHEMA, messages=()):
    source = Source(Path("/h/state.db"), Path("/h"))
    db = sqlite3.connect(":memory:")
    db.executescript(schema)
    for row in rows:
        names = ", ".join(row)
        db.execute(f"INSERT INTO sessions ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    for message in messages:
        db.execute("INSERT INTO messages (session_id, content, timestamp) VALUES (?, 'CANARY', ?)", message)
    found, mark = read(db, source, {})
    found = list(found)
    db.close()
    assert mark == {}
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(found)
    return found


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


HAND = [
    pytest.param({}, [CALL], {}, id="a session"),
    pytest.param({"ended_at": AT / 1000 + 60}, [but(ts=AT + 60_000)], {}, id="ended"),
    pytest.param({"actual_cost_usd": None}, [but(cost=500_000_000_000)], {}, id="an estimated cost"),
    pytest.param({"actual_cost_usd": 0, "estimated_cost_usd": 0}, [but(cost=None)], {}, id="cost 0 is no cost"),
    pytest.param({"billing_provider": None}, [but(served_by="anthropic")], {}, id="who serves, by the model"),
    pytest.param({"model": None, "billing_provider": None}, [but(model="", served_by="")], {}, id="no model"),
    pytest.param({"started_at": None}, [], {"no time": 1}, id="no time"),
    pytest.param({"started_at": 5.0}, [], {"too old": 1}, id="too old"),
    pytest.param(dict.fromkeys([name for name in ROW if name.endswith("_tokens")], 0), [], {}, id="nothing used"),
    pytest.param({"input_tokens": "40", "output_tokens": 900.0}, [CALL], {}, id="odd numbers"),
]


@pytest.mark.parametrize(("over", "expected", "reasons"), HAND)
def test_a_session_is_one_total(over, expected, reasons):
    skipped = {}
    assert calls(ROW | over, skipped=skipped) == expected
    assert skipped == reasons


def test_a_session_is_dated_by_its_last_message():
    messages = [("h1", AT / 1000 + 5), ("h1", AT / 1000 + 90), ("other", AT / 1000 + 999)]
    assert calls(ROW, schema=SCHEMA + MESSAGES, messages=messages) == [but(ts=AT + 90_000)]


def test_the_table_by_model_adds_nothing():
    extra = MODELS + "INSERT INTO session_model_usage VALUES ('h1', 'gpt-5.2', 7);"
    assert calls(ROW, schema=SCHEMA + extra) == [CALL]


def test_a_session_that_grows_replaces_what_it_was():
    (small,) = calls(ROW | {"output_tokens": 3})
    for order in ((small, CALL), (CALL, small), (CALL, small, CALL)):
        found: dict[str, Call] = {}
        for call in order:
            fold(found, msgspec.structs.replace(call))
        assert list(found.values()) == [CALL]


def test_an_older_schema_is_read_as_far_as_it_goes():
    old = "CREATE TABLE sessions (id TEXT, model TEXT, started_at REAL, input_tokens INTEGER, output_tokens INTEGER);"
    row = {name: ROW[name] for name in ("id", "model", "started_at", "input_tokens", "output_tokens")}
    assert calls(row, schema=old) == [but(write=0, read=0, order=940, served_by="anthropic", cost=None)]


@pytest.mark.parametrize("schema", ["", "CREATE TABLE sessions (name);"], ids=["empty", "another"])
def test_an_unknown_schema_is_nothing_new(schema):
    skipped = {}
    assert calls(schema=schema, skipped=skipped) == []
    assert skipped == {"unknown schema": 1}


def test_every_profile_has_a_database(tmp_path):
    places = Places(environ={}, home=tmp_path, platform="linux")
    assert READER.roots(places) == [tmp_path / ".hermes"]
    assert READER.roots(msgspec.structs.replace(places, environ={"HERMES_HOME": "/h"})) == [Path("/h")]
    (tmp_path / "profiles" / "work").mkdir(parents=True)
    (tmp_path / "profiles" / "work" / "state.db").touch()
    (tmp_path / "state.db").touch()
    assert list(READER.find(tmp_path)) == [tmp_path / "state.db", tmp_path / "profiles" / "work" / "state.db"]
