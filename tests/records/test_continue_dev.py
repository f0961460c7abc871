"""Continue's log, database and sessions: one call is in exactly one of them, whichever is read first."""

import itertools
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from records.merge_rule import blocks

from vibeusage.records.merge import fold
from vibeusage.records.readers.continue_dev import READER, read_database, read_log, read_session
from vibeusage.records.readers.spec import Call, Document, Lines, Places, Source

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records" / "continue"
AT = 1_789_998_400_000  # 2026-09-21T13:46:40Z
LINE: dict[str, Any] = {"eventName": "tokensGenerated", "schema": "0.2.0", "timestamp": "2026-09-21T13:46:40.250Z"}
LINE |= {"userId": "CANARY", "model": "claude-sonnet-4-5", "provider": "anthropic"}
LINE |= {"promptTokens": 1200, "generatedTokens": 80}
CALL = Call(
    uuid="",
    ts=AT + 250,
    model="claude-sonnet-4-5",
    input=1200,
    output=80,
    kind="estimate",
    served_by="anthropic",
)


def lines(*told, separators=(",", ":"), end=b"\n"):
    return b"".join(
        (one if isinstance(one, bytes) else json.dumps(one, separators=separators).encode()) + end for one in told
    )


def read(body, skipped=None, block=1 << 22):
    source, state, found = Source(Path("/c/log.jsonl"), Path("/c")), {}, {}
    for part in blocks(body, block):
        for call in read_log(part, source, state):
            fold(found, call)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode([list(found.values()), state])
    return [msgspec.structs.replace(call, uuid="") for call in found.values()]


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


HAND = [
    pytest.param([LINE], [CALL], {}, id="one call"),
    pytest.param([LINE, LINE], [CALL, CALL], {}, id="two equal calls of one moment"),
    pytest.param([LINE, LINE | {"generatedTokens": 9}], [CALL, but(output=9)], {}, id="two of one moment"),
    pytest.param([LINE | {"timestamp": None}], [], {"no time": 1}, id="the old form, without a time"),
    pytest.param([LINE | {"timestamp": "2001-01-01T00:00:00Z"}], [], {"too old": 1}, id="too old"),
    pytest.param([LINE | {"promptTokens": "1200", "generatedTokens": 80.0}], [CALL], {}, id="odd numbers"),
    pytest.param([LINE | {"generatedTokens": None}], [but(output=0)], {}, id="no answer"),
    pytest.param([LINE | {"promptTokens": 0, "generatedTokens": 0}], [], {}, id="nothing"),
    pytest.param([LINE | {"provider": "gemini"}], [but(served_by="google")], {}, id="another name for who serves"),
    pytest.param([LINE | {"provider": None}], [CALL], {}, id="who serves, by the model"),
    pytest.param([lines(LINE)[:40], LINE], [CALL], {}, id="torn before its counts"),
    pytest.param([lines(LINE)[:-3], LINE], [CALL], {"not JSON": 1}, id="torn after them"),
    pytest.param([LINE | {"x": "CANARY" * 1_000_000}], [CALL], {}, id="a huge line"),
    pytest.param([], [], {}, id="empty"),
]


@pytest.mark.parametrize(("told", "calls", "reasons"), HAND)
@pytest.mark.parametrize("block", [1, 1 << 22], ids=["line by line", "at once"])
def test_lines_become_estimates(told, calls, reasons, block):
    skipped = {}
    assert read(lines(*told), skipped, block) == calls
    assert skipped == reasons


WRITTEN = {
    "spaced": lines(LINE, separators=(", ", ": ")),
    "CRLF": lines(LINE, end=b"\r\n"),
    "BOM": b"\xef\xbb\xbf" + lines(LINE),
    "NUL run": b"\0" * 4096 + lines(LINE),
    "invalid UTF-8": lines(LINE | {"userId": "@"}).replace(b"@", b"\xff\xfe"),
}


@pytest.mark.parametrize("body", WRITTEN.values(), ids=WRITTEN)
def test_how_lines_are_written_changes_no_number(body):
    assert read(body) == [CALL]


def home(path, *, log=(), rows=None, sessions=(), dates=None):
    """A folder of Continue's; `rows` are (model, prompt, generated, timestamp)."""
    data = path / "dev_data"
    (data / "0.2.0").mkdir(parents=True)
    (path / "sessions").mkdir()
    if log:
        (data / "0.2.0" / "tokensGenerated.jsonl").write_bytes(lines(*log))
    if rows is not None:
        with sqlite3.connect(data / "devdata.sqlite") as db:
            db.execute(
                "CREATE TABLE tokens_generated (id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT, provider TEXT,"
                " tokens_generated INTEGER, tokens_prompt INTEGER, timestamp DATETIME DEFAULT CURRENT_TIMESTAMP)"
            )
            into = "INSERT INTO tokens_generated (model, provider, tokens_prompt, tokens_generated, timestamp)"
            db.executemany(f"{into} VALUES (?, 'anthropic', ?, ?, ?)", rows)
        db.close()
    for told in sessions:
        (path / "sessions" / f"{told['sessionId']}.json").write_text(json.dumps(told))
    listed = [{"sessionId": id, "title": "CANARY", "dateCreated": at} for id, at in (dates or {}).items()]
    (path / "sessions" / "sessions.json").write_text(json.dumps(listed))
    return path


def told_by(path, root):
    source, form = Source(path, root), READER.also.get(path.suffix, READER.form)
    if path.suffix == ".sqlite":
        with sqlite3.connect(path) as db:
            calls = read_database(db, source, {})[0]
        db.close()
    elif isinstance(form, Lines):
        calls = form.read(path.read_bytes(), source, {})
    else:
        assert isinstance(form, Document)
        calls = form.read(path.read_bytes(), source)
    return list(calls)


def totals(root):
    """(calls, input, output, read, write) of all files; asserted to be the same in every order."""
    files = list(READER.find(root))
    seen = set()
    for order in itertools.permutations(files):
        found: dict[str, Call] = {}
        for path in order:
            for call in told_by(path, root):
                fold(found, call)
        assert b"CANARY" not in msgspec.json.encode(found)
        sums = [sum(getattr(call, name) for call in found.values()) for name in ("input", "output", "read", "write")]
        seen.add((len(found), *sums))
    (total,) = seen
    return total


SONNET = "claude-sonnet-4-5"
BOTH = (SONNET, 1200, 80, "2026-09-21 13:46:40")


def test_the_log_counts_from_its_first_line_and_the_database_before_it(tmp_path):
    rows = [(SONNET, 10, 1, "2026-09-20 10:00:00"), BOTH, (SONNET, 300, 30, "2026-09-21 14:00:00")]
    log = [LINE, LINE | {"timestamp": "2026-09-21T14:00:00.100Z", "promptTokens": 300, "generatedTokens": 30}]
    assert totals(home(tmp_path / "c", log=log, rows=rows)) == (3, 1510, 111, 0, 0)


def test_a_row_that_was_read_before_there_was_a_log_is_the_log_s_call(tmp_path):
    root = home(tmp_path / "c", rows=[BOTH])
    (row,) = told_by(root / "dev_data" / "devdata.sqlite", root)
    (line,) = read_log(lines(LINE), Source(root, root), {})
    assert row.uuid == line.uuid


def test_the_database_is_read_on_from_its_last_row(tmp_path):
    root = home(tmp_path / "c", rows=[BOTH, BOTH])
    path = root / "dev_data" / "devdata.sqlite"
    with sqlite3.connect(path) as db:
        first, mark = read_database(db, Source(path, root), {})
        db.execute("INSERT INTO tokens_generated VALUES (9, ?, 'x', 80, 1200, ?)", (SONNET, BOTH[3]))
        second, mark = read_database(db, Source(path, root), mark)
    db.close()
    assert [len({call.uuid for call in first}), len(second), mark["id"]] == [2, 1, 9]
    assert second[0].uuid not in {call.uuid for call in first}


def test_a_database_that_was_made_anew_is_read_from_its_first_row(tmp_path):
    root = home(tmp_path / "c", rows=[BOTH, (SONNET, 10, 1, "2026-09-22 10:00:00")])
    path = root / "dev_data" / "devdata.sqlite"
    source = Source(path, root)
    with sqlite3.connect(path) as db:
        _, mark = read_database(db, source, {})
        db.execute("DELETE FROM tokens_generated")
        row = "INSERT INTO tokens_generated VALUES (?, 'm', 'x', 5, ?, '2026-09-23 10:00:00')"
        db.executemany(row, [(1, 7), (2, 8)])
        found, mark = read_database(db, source, mark)
        again, _ = read_database(db, source, mark)
    db.close()
    assert ([call.input for call in found], again) == ([7, 8], [])


def test_an_unknown_database_is_nothing_new():
    source = Source(Path("/c/dev_data/devdata.sqlite"), Path("/c"))
    assert read_database(sqlite3.connect(":memory:"), source, {"id": 7}) == ([], {"id": 7})
    assert source.skipped == {"unknown schema": 1}


USAGE = {"promptTokens": 5000, "completionTokens": 200}
USAGE_OF_CACHE: dict[str, Any] = USAGE | {"promptTokensDetails": {"cachedTokens": 4000, "cacheWriteTokens": 300}}


def session(id="s1", *, own=None, usages=(USAGE_OF_CACHE,), **over):
    history: list[Any] = [{"message": {"role": "user", "content": "CANARY"}}]
    history += [{"message": {"role": "assistant", "content": "CANARY", "usage": usage}} for usage in usages]
    told = {"sessionId": id, "title": "CANARY", "workspaceDirectory": "/home/ana/shop", "history": history} | over
    return told | ({"usage": own} if own is not None else {})


def test_a_session_of_the_command_line_counts_beside_the_dev_data(tmp_path):
    own = {"totalCost": 0.05, **USAGE_OF_CACHE}
    root = home(tmp_path / "c", log=[LINE], rows=[BOTH], sessions=[session(own=own)], dates={"s1": str(AT)})
    assert totals(root) == (2, 1200 + 700, 80 + 200, 4000, 300)


def test_a_session_of_an_extension_is_in_the_dev_data_already(tmp_path):
    root = home(tmp_path / "c", log=[LINE], sessions=[session()], dates={"s1": str(AT)})
    assert totals(root) == (1, 1200, 80, 0, 0)


def test_a_session_of_an_extension_counts_where_there_is_no_dev_data(tmp_path):
    root = home(tmp_path / "c", sessions=[session()], dates={"s1": str(AT)})
    assert totals(root) == (1, 700, 200, 4000, 300)


def one(path, told, dates=None):
    root = home(path, sessions=[told], dates=dates or {"s1": str(AT)})
    file = root / "sessions" / "s1.json"
    source = Source(file, root)
    return list(read_session(file.read_bytes(), source)), source.skipped


def test_a_session_is_one_total_with_the_cost_it_states(tmp_path):
    own = {"totalCost": 0.05, "promptTokens": 9000, "completionTokens": 250, "promptTokensDetails": None}
    calls, _ = one(tmp_path / "c", session(own=own, usages=(USAGE_OF_CACHE, USAGE), chatModelTitle="gpt-5.2"))
    assert calls == [
        Call(
            uuid="session:s1",
            ts=AT,
            session="s1",
            model="gpt-5.2",
            folder="/home/ana/shop",
            input=5700,
            output=400,
            write=300,
            read=4000,
            order=10_400,
            kind="aggregate",
            served_by="openai",
            cost=50_000_000_000,
            notes=("approximate",),
        )
    ]


@pytest.mark.parametrize(
    ("told", "folder"),
    [
        pytest.param("file:///home/ana/my%20shop", "/home/ana/my shop", id="an editor tells a URI"),
        pytest.param("/home/ana/50%20off", "/home/ana/50%20off", id="the command line a path"),
        pytest.param(None, "", id="none"),
    ],
)
def test_the_folder_of_a_session_is_a_path(tmp_path, told, folder):
    calls, _ = one(tmp_path / "c", session(workspaceDirectory=told))
    assert [call.folder for call in calls] == [folder]


def test_a_session_that_grows_replaces_what_it_was(tmp_path):
    found: dict[str, Call] = {}
    for number, count in enumerate((1, 2, 1)):
        calls, _ = one(tmp_path / str(number), session(usages=(USAGE,) * count))
        fold(found, calls[0])
    assert [(call.input, call.output) for call in found.values()] == [(10_000, 400)]


def test_a_cache_larger_than_the_prompt_stands_beside_it(tmp_path):
    usage = USAGE | {"promptTokensDetails": {"cachedTokens": 6000}}
    (call,), _ = one(tmp_path / "c", session(usages=(usage,)))
    assert (call.input, call.read, call.notes) == (5000, 6000, ("approximate", "disjoint"))


def test_a_session_without_a_date_or_without_usage_is_left_out(tmp_path):
    assert one(tmp_path / "a", session(), {"other": str(AT)}) == ([], {"no time": 1})
    assert one(tmp_path / "b", session(usages=(), own={"totalCost": 0})) == ([], {})


def test_a_home_is_read_as_it_was_left():
    assert totals(FIXTURES) == (4, 1200 + 90 + 10 + 700, 80 + 9 + 1 + 200, 4000, 300)


def test_the_home_can_be_moved(tmp_path):
    places = Places(environ={"CONTINUE_GLOBAL_DIR": "/c"}, home=tmp_path, platform="linux")
    assert READER.roots(places) == [Path("/c")]
    assert READER.roots(msgspec.structs.replace(places, environ={})) == [tmp_path / ".continue"]
    os.makedirs(tmp_path / "dev_data" / "devdata.sqlite")
    assert list(READER.find(tmp_path)) == []
