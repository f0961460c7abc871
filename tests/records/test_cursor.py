"""Cursor: estimates of its database, and rows of its usage export under both headers."""

import contextlib
import os
import sqlite3
from pathlib import Path

import msgspec
import pytest
from records.feeding import CANARY, feed, rows

from vibeusage.records.readers.cursor import READER
from vibeusage.records.readers.spec import Call, Places, Source

FORM = READER.form
NEW = (
    "Date,Kind,Model,Max Mode,Input (w/ Cache Write),Input (w/o Cache Write),Cache Read,Output Tokens,Total Tokens,Cost"
)
OLD = "Date,Model,Input (w/ Cache Write),Input (w/o Cache Write),Cache Read,Output Tokens,Total Tokens,Cost,Cost to you"


@pytest.fixture
def user(tmp_path) -> Path:
    folder = tmp_path / "Cursor" / "User"
    (folder / "globalStorage").mkdir(parents=True)
    return folder


def bubble(prompt=8200, answer=410, at="2026-10-03T08:00:09.000Z", model="claude-sonnet-4-5", **more):
    counts = {"inputTokens": prompt, "outputTokens": answer}
    found = {"_v": 3, "type": 2, "createdAt": at, "tokenCount": counts, "modelInfo": {"modelName": model}}
    return {**found, "text": CANARY, **more}


def database(user: Path, values: dict[str, object]) -> Path:
    path = user / "globalStorage" / "state.vscdb"
    with sqlite3.connect(path) as opened:
        opened.execute("CREATE TABLE IF NOT EXISTS ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
        opened.execute("CREATE TABLE IF NOT EXISTS cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
        opened.execute("INSERT INTO ItemTable VALUES ('cursorAuth/accessToken', ?)", (CANARY,))
        encoded = [(key, v if isinstance(v, bytes) else msgspec.json.encode(v).decode()) for key, v in values.items()]
        opened.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", encoded)
    opened.close()
    return path


def test_a_message_with_counts_is_an_estimate(user):
    assert feed(READER, database(user, {"bubbleId:c1:b7": bubble()})).calls == {
        "b7": Call(
            uuid="b7",
            ts=1_791_014_409_000,
            session="c1",
            model="claude-sonnet-4-5",
            input=8200,
            output=410,
            kind="estimate",
            served_by="anthropic",
        )
    }


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(bubble(0, 0), id="zeros, as recent versions write"),
        pytest.param({"type": 2, "createdAt": "2026-10-03T08:00:09.000Z", "text": CANARY}, id="no counts"),
        pytest.param(bubble(None, None), id="null"),
        pytest.param(b"\x00\xffnot JSON at all", id="not JSON"),
        pytest.param(None, id="the word null"),
    ],
)
def test_a_message_without_counts_is_nothing_and_ends_nothing(user, value):
    path = database(user, {"bubbleId:c1:b1": value, "bubbleId:c1:b2": bubble()})
    fed = feed(READER, path)
    assert (set(fed.calls), fed.skipped) == ({"b2"}, {})


def test_json_in_a_blob_is_read_too(user):
    path = database(user, {"bubbleId:c1:b1": msgspec.json.encode(bubble())})
    assert feed(READER, path).counts() == {"b1": (8200, 410, 0, 0)}


@pytest.mark.parametrize(
    ("composer", "ts"),
    [
        pytest.param(
            {"createdAt": 1_759_000_000_000, "lastUpdatedAt": 1_759_000_009_000}, 1_759_000_000_000, id="created"
        ),
        pytest.param({"lastUpdatedAt": 1_759_000_009_000}, 1_759_000_009_000, id="updated only"),
        pytest.param({}, None, id="neither"),
    ],
)
def test_a_message_without_a_time_has_its_conversation_s(user, composer, ts):
    path = database(user, {"composerData:c1": composer, "bubbleId:c1:b1": bubble(at=None)})
    fed = feed(READER, path)
    assert [call.ts for call in fed.calls.values()] == ([ts] if ts else [])
    assert fed.skipped == ({} if ts else {"no time": 1})


def test_auto_is_nobody_s_model(user):
    (call,) = feed(READER, database(user, {"bubbleId:c1:b1": bubble(model="default")})).calls.values()
    assert (call.model, call.served_by) == ("default", "")


def test_only_new_rows_are_read_and_a_changed_message_is_a_new_row(user):
    path = database(user, {"bubbleId:c1:b1": bubble(), "bubbleId:c1:b2": bubble(0, 0)})
    first, mark = rows(FORM, path, Source(path, user), {})
    none, mark = rows(FORM, path, Source(path, user), mark)
    database(user, {"bubbleId:c1:b2": bubble(5, 5)})
    second, mark = rows(FORM, path, Source(path, user), mark)
    anew, _ = rows(FORM, path, Source(path, user), {"row": 1 << 40})
    assert [[call.uuid for call in calls] for calls in (first, none, second, anew)] == [
        ["b1", "facts:b2"],
        [],
        ["b2"],
        ["b1", "b2"],
    ]


def _deleted(opened: sqlite3.Connection) -> None:
    opened.execute("DELETE FROM cursorDiskKV WHERE rowid > 3")
    opened.commit()


def _reset(opened: sqlite3.Connection) -> None:
    opened.execute("DELETE FROM cursorDiskKV")
    opened.commit()


@pytest.mark.parametrize("change", [_deleted, _reset])
def test_rows_that_got_the_numbers_of_others_are_not_missed(user, change):
    told = {f"bubbleId:c1:b{number}": bubble() for number in range(6)}
    path = database(user, told)
    database(user, dict(list(told.items())[:2]))  # written anew: their old numbers are free
    _, mark = rows(FORM, path, Source(path, user), {})
    with contextlib.closing(sqlite3.connect(path)) as opened:
        change(opened)
    later = {f"bubbleId:c2:n{number}": bubble() for number in range(12)}
    database(user, later)
    found, _ = rows(FORM, path, Source(path, user), mark)
    assert {f"n{number}" for number in range(12)} <= {call.uuid for call in found}


def test_a_last_message_that_is_written_again_and_again_is_all_that_is_read(user):
    path = database(user, {"bubbleId:c1:b1": bubble(), "bubbleId:c1:b2": bubble()})
    _, mark = rows(FORM, path, Source(path, user), {})
    for _ in range(2):
        database(user, {"bubbleId:c1:b2": bubble(9000)})
    found, _ = rows(FORM, path, Source(path, user), mark)
    assert [call.uuid for call in found] == ["b2"]


def test_the_folder_is_that_of_the_workspace_which_lists_the_conversation(user):
    workspace = user / "workspaceStorage" / "77"
    workspace.mkdir(parents=True)
    (workspace / "workspace.json").write_text('{"folder":"file:///home/ana/my%20shop"}')
    with sqlite3.connect(workspace / "state.vscdb") as opened:
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute("CREATE TABLE ItemTable (key, value)")
        listed = '{"allComposers":[{"composerId":"c1"}]}'
        opened.execute("INSERT INTO ItemTable VALUES ('composer.composerData', ?)", (listed,))
    opened.close()
    before = set(workspace.iterdir())
    broken = user / "workspaceStorage" / "78"
    broken.mkdir()
    (broken / "workspace.json").write_text('{"folder":"file:///elsewhere"}')
    path = database(user, {"bubbleId:c1:b1": bubble(), "bubbleId:c2:b2": bubble()})
    assert {call.uuid: call.folder for call in feed(READER, path).calls.values()} == {
        "b1": "/home/ana/my shop",
        "b2": "",
    }
    assert set(workspace.iterdir()) == before


def test_a_database_of_another_shape_is_nothing_new(user):
    path = user / "globalStorage" / "state.vscdb"
    with sqlite3.connect(path) as opened:
        opened.execute("CREATE TABLE ItemTable (key, value)")
    opened.close()
    assert rows(FORM, path, source := Source(path, user), {"row": 5}) == ([], {"row": 5})
    assert source.skipped == {"unknown schema": 1}


def export(tmp_path: Path, header: str, *found: str, name="usage.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join((header, *found)) + "\n")
    return path


def test_a_row_of_the_export_is_a_call_and_its_columns_are_disjoint(tmp_path):
    row = '2026-10-03T08:00:09.000Z,On-Demand,claude-4.5-sonnet,Yes,500,1500,"7,000",400,"9,400",$0.12'
    (call,) = feed(READER, export(tmp_path, NEW, row)).calls.values()
    assert call == Call(
        uuid=call.uuid,
        ts=1_791_014_409_000,
        model="claude-4.5-sonnet",
        input=1500,
        output=400,
        write=500,
        read=7000,
        served_by="anthropic",
        cost=120_000_000_000,
        data={"kind": "On-Demand", "max": True},
    )


def test_old_and_new_exports_tell_the_same_calls(tmp_path):
    new = export(tmp_path, NEW, "2026-10-03T08:00:09.000Z,Included,auto,No,500,1500,7000,400,9400,Included")
    old = export(tmp_path, OLD, "2026-10-03T08:00:09.000Z,auto,500,1500,7000,400,9400,$0.12,$0", name="old.csv")
    both, back = feed(READER, new, old), feed(READER, old, new)
    assert both.counts() == back.counts() == feed(READER, new).counts()
    assert both.total() == (1500, 400, 500, 7000)


def test_two_equal_rows_of_one_export_are_two_calls(tmp_path):
    row = "2026-10-03T08:00:09.000Z,Included,auto,No,500,1500,7000,400,9400,-"
    path = export(tmp_path, NEW, row, row)
    assert feed(READER, path, path).total() == (3000, 800, 1000, 14_000)


@pytest.mark.parametrize("cost", ["Included", "-", "NaN", "", "$0.00", "free"])
def test_a_cost_that_is_no_amount_is_unknown(tmp_path, cost):
    row = f"2026-10-03T08:00:09.000Z,Included,auto,No,500,1500,7000,400,9400,{cost}"
    assert [call.cost for call in feed(READER, export(tmp_path, NEW, row)).calls.values()] == [None]


@pytest.mark.parametrize(
    ("row", "count", "skipped"),
    [
        pytest.param("x,Included,auto,No,0,1,0,1,2,-", 0, {"no time": 1}, id="no time"),
        pytest.param("2026-10-03T08:00:09Z,Errored,auto,No,0,0,0,0,0,-", 0, {}, id="nothing used"),
        pytest.param(
            "2026-10-03T08:00:09Z,,auto,No,500,1500,7000,400,8900,-", 1, {"columns do not add up": 1}, id="sum"
        ),
        pytest.param("2026-10-03T08:00:09Z,,auto", 0, {}, id="short"),
        pytest.param("2026-10-03T08:00:09Z,,auto,No,0,1,0,1,2,-,more,and more", 1, {}, id="long"),
    ],
)
def test_odd_rows_are_marked_or_left_out(tmp_path, row, count, skipped):
    fed = feed(READER, export(tmp_path, NEW, row))
    assert (len(fed.calls), fed.skipped) == (count, skipped)
    assert all(bool(call.notes) == bool(skipped) for call in fed.calls.values())


@pytest.mark.parametrize(
    ("data", "total"),
    [
        pytest.param(b"\xef\xbb\xbf%s\r\n2026-10-03T08:00:09Z,,a,No,1,2,3,4,10,-\r\n", (2, 4, 1, 3), id="BOM and CRLF"),
        pytest.param(b"%s\n\0\0\n2026-10-03T08:00:09Z,,\xff\xfe,No,1,2,3,4,10,-\n", (2, 4, 1, 3), id="NUL, no UTF-8"),
        pytest.param(b"%s\n2026-10-03T08:00:09Z,,a,No,1,2,3,4,10,-\n2026-10-0", (2, 4, 1, 3), id="torn"),
        pytest.param(b"%s", (0, 0, 0, 0), id="a header alone"),
    ],
)
def test_damaged_exports_are_read_as_far_as_they_go(tmp_path, data, total):
    path = tmp_path / "usage.csv"
    path.write_bytes(data % NEW.encode())
    assert feed(READER, path).total() == total


@pytest.mark.parametrize("text", ["", "Date,Amount\n2026-10-03,5\n", f"{CANARY}\n" * 3], ids=["empty", "other", "text"])
def test_other_tables_are_no_exports(tmp_path, text):
    path = tmp_path / "bank.csv"
    path.write_text(text)
    fed = feed(READER, path)
    assert (fed.calls, fed.skipped) == ({}, {"no usage export": 1})


def test_exports_are_read_only_where_the_settings_say_and_never_beside_the_database(tmp_path, user):
    database(user, {})
    export(user, NEW)
    named = tmp_path / "exports"
    named.mkdir()
    path = export(named, NEW)
    places = Places(environ={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}, home=tmp_path / "home", platform="linux")
    found = {root: [path.name for path in READER.find(root)] for root in (*READER.roots(places), named, path)}
    assert {root: names for root, names in found.items() if names} == {
        user: ["state.vscdb"],
        named: ["usage.csv"],
        path: ["usage.csv"],
    }
