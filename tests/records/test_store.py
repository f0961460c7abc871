"""What is stored, how states of one call merge there, and what the sums by quarter hour say."""

import os
import sqlite3
import stat
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibeusage.errors import StorageError
from vibeusage.records import database, disk, merge, rollup, schema, store
from vibeusage.records.call_rows import Record
from vibeusage.records.database import Damaged
from vibeusage.records.readers.spec import Call
from vibeusage.records.rollup import RollupRow
from vibeusage.records.source_files import SourceFile
from vibeusage.records.store import Changed

T = 1_750_000_500_000  # 2025-06-15T15:15:00Z, the start of a quarter
QUARTER = schema.QUARTER_MS


@pytest.fixture
def db(tmp_path):
    with store.open(tmp_path / "data" / "usage.db") as opened:
        yield opened


def call(uuid="a", ts=T, **fields) -> Call:
    return Call(uuid=uuid, ts=ts, **fields)


def full(**changes) -> Call:
    """A call with something in every field."""
    fields: dict[str, Any] = {
        "session": "s",
        "model": "claude-x",
        "folder": "/work",
        "branch": "main",
        "version": "2.1",
        "input": 10,
        "output": 20,
        "write": 30,
        "write_1h": 5,
        "read": 40,
        "kind": "assistant",
        "served_by": "anthropic",
        "speed": "fast",
        "searches": 2,
        "cost": 1_500_000_000,
        "complete": False,
        "notes": ("approximate",),
        "data": {"effort": "high"},
    }
    return call(**{**fields, **changes})


def stored(db) -> list[Call]:
    return [record.call for record in db.calls()]


def everything(db) -> list[tuple]:
    """Each table's rows as they are on disk."""
    reading = sqlite3.connect(db.path)
    sums = tuple(schema.UNITS)
    tables = ("names", "usage_records", *sums, "source_files", "providers")
    found = [tuple(reading.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()) for table in tables]
    reading.close()
    return found


def test_a_call_comes_back_as_it_was_put(db):
    assert db.put("claude", [full()], machine="here") == Changed(added=1)
    assert list(db.calls()) == [Record("claude", "here", full())]


def test_the_same_call_again_changes_nothing(db):
    db.put("claude", [full()], machine="here")
    before = everything(db)
    assert db.put("claude", [full()], machine="there") == Changed()
    assert everything(db) == before


def test_one_identity_may_be_used_by_two_providers(db):
    db.put("claude", [call(input=1)], machine="here")
    db.put("codex", [call(input=2)], machine="here")
    assert {(record.provider, record.call.input) for record in db.calls()} == {("claude", 1), ("codex", 2)}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(
            full(output=1, ts=T + 5), full(output=90, input=1), full(output=90), id="largest counts, first time"
        ),
        pytest.param(full(folder="", model=""), full(session="fork"), full(), id="empty texts are filled, others kept"),
        pytest.param(
            full(rank=1, ts=T - 9, output=99), full(ts=T), full(ts=T), id="a lower rank replaces all, the time too"
        ),
        pytest.param(full(), full(rank=1, output=99, ts=T - 9), full(), id="a higher rank changes nothing"),
        pytest.param(
            full(order=3, output=50), full(order=7, output=40), full(order=7, output=40), id="the later total replaces"
        ),
        pytest.param(full(), full(complete=True), full(complete=True), id="one complete line completes"),
        pytest.param(
            full(notes=("disjoint",)), full(notes=("approximate",)), full(notes=("approximate", "disjoint")), id="notes"
        ),
        pytest.param(full(cost=None), full(cost=7), full(cost=7), id="a stated cost is kept"),
        pytest.param(full(data=None), full(data={"n": 1}), full(data={"n": 1}), id="data is kept"),
    ],
)
@pytest.mark.parametrize("puts", [1, 2], ids=["in one batch", "in two"])
def test_two_states_of_a_call_become_one(db, first, second, expected, puts):
    states = [msgspec.structs.replace(state) for state in (first, second)]
    for batch in ([states], [[states[0]], [states[1]]])[puts - 1]:
        db.put("claude", batch, machine="here")
    assert stored(db) == [expected]


_counts = st.integers(0, 5)
_states = st.builds(
    Call,
    uuid=st.just("a"),
    ts=st.integers(T, T + 3),
    input=_counts,
    output=_counts,
    write=_counts,
    write_1h=_counts,
    read=_counts,
    searches=_counts,
    cost=st.none() | _counts,
    rank=st.integers(0, 1),
    order=st.integers(0, 2),
    complete=st.booleans(),
    notes=st.sampled_from([(), ("approximate",), ("approximate", "disjoint")]),
)


@pytest.mark.slow
@given(st.lists(_states, min_size=1, max_size=6), st.randoms())
def test_the_order_in_which_states_are_met_changes_nothing(states, chance):
    results = []
    for order in (states, chance.sample(states, len(states))):
        known: dict[str, Call] = {}
        for state in order:
            merge.fold(known, msgspec.structs.replace(state))
        results.append(known)
    assert results[0] == results[1]


def row(**changes) -> RollupRow:
    fields: dict[str, Any] = dict.fromkeys(RollupRow.__struct_fields__, 0) | {
        "provider": "claude",
        "quarter_ms": T,
        "first_ms": T,
        "last_ms": T,
        "session_is_side": False,
    }
    names = ("model", "model_provider", "speed", "session_id", "folder", "branch", "machine")
    texts: dict[str, Any] = dict.fromkeys(names, "")
    return RollupRow(**{**fields, **texts, **changes})


def test_a_quarter_sums_what_has_one_price(db):
    plain = {"cost": None}
    db.put(
        "claude",
        [
            full(uuid="1", **plain),
            full(uuid="2", ts=T + QUARTER - 1, **plain),
            full(uuid="3", kind="estimate", ts=T + QUARTER, **plain),
            full(uuid="4", cost=9),
        ],
        machine="here",
    )
    shown = {"model": "claude-x", "model_provider": "anthropic", "speed": "fast"}
    one = {"input": 10, "output": 20, "write_5m": 25, "write_1h": 5, "read": 40, "searches": 2, "calls": 1}
    twice = {name: 2 * count for name, count in one.items()}
    assert sorted(db.rollup(), key=lambda row: (row.quarter_ms, row.logged_calls)) == [
        row(**shown, **twice, lower_bounds=2, last_ms=T + QUARTER - 1),
        row(**shown, **one, lower_bounds=1, logged_cost=9, logged_calls=1),
        row(
            **shown,
            **one,
            quarter_ms=T + QUARTER,
            lower_bounds=1,
            estimates=1,
            first_ms=T + QUARTER,
            last_ms=T + QUARTER,
        ),
    ]


def test_a_rollup_is_told_apart_by_what_is_asked_for(db):
    side = call("2", session="s", folder="/b", branch="x", kind="subagent", input=5)
    db.put("claude", [call("1", session="s", folder="/a", input=3), side], machine="here")
    db.put("codex", [call("3", session="t", ts=T + 5 * QUARTER, input=9)], machine="there")

    def told(**options):
        names = ("provider", "session_id", "session_is_side", "folder", "branch", "machine", "input")
        return [tuple(getattr(row, name) for name in names) for row in db.rollup(**options)]

    assert told() == [("claude", "", False, "", "", "", 8), ("codex", "", False, "", "", "", 9)]
    assert told(by=["session"], providers=["claude"]) == [
        ("claude", "s", False, "", "", "", 3),
        ("claude", "s", True, "", "", "", 5),
    ]
    assert told(by=rollup.BY) == [
        ("claude", "s", False, "/a", "", "here", 3),
        ("claude", "s", True, "/b", "x", "here", 5),
        ("codex", "t", False, "", "", "there", 9),
    ]
    assert told(since_ms=T + 1) == told(since_ms=T + QUARTER, until_ms=T + 6 * QUARTER) == told(providers=["codex"])
    assert told(until_ms=T + 5 * QUARTER) == told(providers=["claude"])
    day = 86_400_000
    assert [row.quarter_ms for row in db.rollup(grain_ms=day)] == [T // day * day] * 2


_made = st.builds(
    Call,
    uuid=st.integers(0, 40).map(str),
    ts=st.integers(T, T + 400 * QUARTER),
    session=st.sampled_from("st"),
    model=st.sampled_from("mn"),
    folder=st.sampled_from("fg"),
    branch=st.sampled_from("bc"),
    kind=st.sampled_from(["assistant", "subagent", "estimate"]),
    complete=st.booleans(),
    input=st.integers(0, 300_000),
    output=st.integers(0, 9),
    cost=st.none() | st.integers(1, 9),
)


def _summed(rows) -> dict[tuple, list[int]]:
    """Sums by everything that tells two rows apart."""
    found: dict[tuple, list[int]] = {}
    for key, counts in rows:
        sums = found.setdefault(key, [0] * len(counts))
        found[key] = [one + more for one, more in zip(sums, counts, strict=True)]
    return found


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    batches=st.lists(st.lists(_made, max_size=12), max_size=3),
    by=st.sets(st.sampled_from(rollup.BY)),
    grain=st.sampled_from([1, 4, 96, 7 * 96, 32 * 96, 96 * 10**5, 3072 * 10**5]),
    since=st.none() | st.integers(-3, 400),
    until=st.none() | st.integers(0, 403),
    scale=st.sampled_from([1, 24]),
)
def test_sums_of_any_span_are_those_of_its_calls(tmp_path_factory, batches, by, grain, since, until, scale):
    """Of some days, and of a hundred."""
    span = tuple(None if edge is None else T + edge * scale * QUARTER for edge in (since, until))
    unit = grain // 96 * 96 * QUARTER if grain >= 96 else grain * QUARTER
    with store.open(tmp_path_factory.mktemp("sums") / "usage.db") as db:
        for batch in batches:
            db.put("claude", [msgspec.structs.replace(one, ts=T + (one.ts - T) * scale) for one in batch], machine="h")
        expected = _summed(
            (
                (
                    *(call.ts // QUARTER * QUARTER // unit * unit, call.model, call.cost is not None),
                    *(call.session if "session" in by else "", "session" in by and call.kind == "subagent"),
                    *(call.folder if "folder" in by else "", call.branch if "branch" in by else ""),
                ),
                [1, call.input, call.output, call.cost or 0, not call.complete, call.kind == "estimate"],
            )
            for call in (record.call for record in db.calls(*span))
        )
        found = list(db.rollup(*span, by=by, grain_ms=grain * QUARTER))
    assert [row.quarter_ms for row in found] == sorted(row.quarter_ms for row in found)
    assert expected == _summed(
        (
            (
                *(row.quarter_ms, row.model, row.logged_calls > 0),
                *(row.session_id, row.session_is_side, row.folder, row.branch),
            ),
            [row.calls, row.input, row.output, row.logged_cost, row.lower_bounds, row.estimates],
        )
        for row in found
    )


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [(100_000, 0), (100_001, 1), (128_001, 2), (200_000, 2), (200_001, 3), (256_001, 4), (272_001, 5), (512_001, 6)],
)
def test_the_class_of_a_prompt_is_the_number_of_thresholds_it_exceeds(db, prompt, expected):
    db.put("claude", [call(input=prompt - 30, read=10, write=20)], machine="here")
    assert [row.prompt_class for row in db.rollup()] == [expected]


def test_sums_follow_a_call_that_turns_out_to_be_earlier_and_larger(db):
    db.put("claude", [call("1", input=150_000), call("2", input=1)], machine="here")
    db.put("claude", [call("1", ts=T - 1, input=250_000)], machine="here")
    found = [(row.quarter_ms, row.prompt_class, row.calls, row.input) for row in db.rollup(by=rollup.BY)]
    assert found == [(T - QUARTER, 3, 1, 250_000), (T, 0, 1, 1)]
    assert [(row.quarter_ms, row.input) for row in db.rollup()] == [(T - QUARTER, 250_000), (T, 1)]


def test_calls_come_in_the_order_of_time_and_only_those_asked_for(db):
    db.put("claude", [call("3", ts=T + 2), call("1", ts=T)], machine="here")
    db.put("codex", [call("2", ts=T + 1)], machine="here")
    assert [record.call.uuid for record in db.calls()] == ["1", "2", "3"]
    assert [record.call.uuid for record in db.calls(T + 1, T + 2)] == ["2"]
    assert [record.call.uuid for record in db.calls(provider="claude")] == ["1", "3"]


def test_the_first_and_the_last_call_of_a_tool_within_a_span_are_told(db):
    told = [call("1", ts=T + 1), call("2", ts=T + 5), call("3", ts=T + 9), call("4", ts=T + 7, kind="facts")]
    db.put("claude", told, machine="here")
    db.put("codex", [call("5", ts=T), call("6", ts=T + 8)], machine="here")
    assert (db.edge(T, T + 9, "claude"), db.edge(T, T + 9, "claude", last=True)) == (T + 1, T + 5)
    assert (db.edge(T + 1, T + 10, "claude"), db.edge(T + 1, T + 10, "claude", last=True)) == (T + 1, T + 9)
    assert (db.edge(T + 6, T + 9, "claude"), db.edge(T + 6, T + 9, "codex")) == (None, T + 8)


def test_span_and_counts_tell_what_is_stored(db):
    assert (db.span(), db.counts()) == (None, {})
    db.put("claude", [call("1"), call("2", ts=T + 9)], machine="here")
    db.save_source("claude", source(skipped={"torn": 2}, error="x", gone=True), now_ms=1)
    db.save_source("claude", source(path="/b", skipped={"torn": 1}), now_ms=1)
    db.synced("claude", "/logs", now_ms=7)
    assert db.span() == (T, T + 9)
    assert db.counts() == {
        "claude": store.Counts(
            calls=2, first_ms=T, last_ms=T + 9, files=2, gone=1, skipped={"torn": 3}, errors=1, last_sync_ms=7
        )
    }


def source(**changes) -> SourceFile:
    fields: dict[str, Any] = {"path": "/a", "dev": 1, "inode": 2, "size": 3, "mtime_ns": 4, "parser": 5}
    return SourceFile(**{**fields, **changes})


@pytest.mark.parametrize(
    "state",
    [
        source(),
        source(offset=9, head=b"12345678", tail=b"87654321", state=b"\x81\xa1n\x01", gone=True, skipped={"x": 1}),
        source(path=os.fsdecode(b"/bad\xff"), error="TypeError"),
    ],
    ids=["bare", "full", "a name that is no text"],
)
def test_what_is_known_of_a_file_comes_back(db, state):
    db.save_source("claude", source(path=state.path, size=99), now_ms=1)
    db.save_source("claude", state, now_ms=2)
    assert db.sources("claude") == {state.path: state}
    assert db.sources("codex") == {}


def test_a_transaction_that_fails_leaves_nothing(db):
    with pytest.raises(RuntimeError), db.transaction():
        db.put("claude", [full()], machine="here")
        raise RuntimeError
    assert not any(everything(db))
    db.put("claude", [full()], machine="here")
    assert stored(db) == [full()]


def test_texts_that_no_file_can_hold_are_kept_as_far_as_possible(db):
    db.put("claude", [call("a\ud800", folder="/x\ud800", session="é")], machine="here")
    assert stored(db) == [call("a?", folder="/x?", session="é")]
    assert db.put("claude", [call("a\ud800", folder="/x\ud800", session="é")], machine="here") == Changed()


def test_only_new_calls_are_taken_when_asked(db):
    db.put("claude", [call("1", input=1)], machine="here")
    assert db.put("claude", [call("1", input=9), call("2")], machine="old", only_new=True) == Changed(added=1)
    assert stored(db) == [call("1", input=1), call("2")]


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=["open", "closed"])
def test_g5_every_file_of_the_store_is_private(tmp_path, umask):
    before = os.umask(umask)
    try:
        with store.open(tmp_path / "data" / "usage.db") as db:
            db.put("claude", [full()], machine="here")
            found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in db.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert found == {"usage.db": 0o600, "usage.db-wal": 0o600, "usage.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_wider_rights_found_later_are_taken_back(tmp_path):
    path = tmp_path / "usage.db"
    store.open(path).close()
    path.chmod(0o644)
    store.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_symlink_in_the_place_of_the_store_is_not_followed(tmp_path):
    (tmp_path / "canary").touch()
    (tmp_path / "usage.db").symlink_to("canary")
    with pytest.raises(StorageError, match=r"usage\.db cannot be used: it is a symbolic link$"):
        store.open(tmp_path / "usage.db")
    assert (tmp_path / "canary").read_bytes() == b""


def test_a_store_that_is_not_there_reads_as_an_empty_one(tmp_path):
    with store.open(tmp_path / "usage.db", readonly=True) as db:
        assert (list(db.rollup(by=rollup.BY)), stored(db), db.span(), db.counts()) == ([], [], None, {})
    assert not (tmp_path / "usage.db").exists()


def test_reading_goes_on_while_another_writes(db):
    db.put("claude", [call("1")], machine="here")
    with store.open(db.path, readonly=True) as reading, db.transaction():
        db.put("claude", [call("2")], machine="here")
        assert len(stored(reading)) == 1


def test_reading_cannot_write(db):
    with store.open(db.path, readonly=True) as reading, pytest.raises(StorageError, match="readonly"):
        reading.put("claude", [full()], machine="here")


@pytest.mark.parametrize("network", [False, True], ids=["here", "network"])
def test_g4_a_shared_file_system_gets_no_wal(tmp_path, monkeypatch, network):
    monkeypatch.setattr(disk, "is_network", lambda folder: network)
    with store.open(tmp_path / "usage.db") as db:
        db.put("claude", [full()], machine="here")
        assert (tmp_path / "usage.db-wal").exists() is not network
        assert stored(db) == [full()]
    monkeypatch.setattr(disk, "is_network", lambda folder: True)
    with store.open(tmp_path / "usage.db") as db:
        assert db._db.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are Linux's")
@pytest.mark.parametrize(
    ("magic", "network"),
    [(0x6969, True), (0xFF534D42, True), (0x65735546, True), (0xEF53, False), (0x01021994, False), (0x9123683E, False)],
    ids=["nfs", "cifs", "fuse", "ext4", "tmpfs", "btrfs"],
)
def test_a_file_system_is_told_by_its_number(tmp_path, monkeypatch, magic, network):
    answer = (magic if magic < 1 << 31 else magic - (1 << 32)).to_bytes(8, sys.byteorder, signed=True)
    monkeypatch.setattr(disk, "_statfs", lambda folder: answer)
    monkeypatch.setattr(disk.os, "major", lambda device: 0)
    assert disk.is_network(tmp_path) is network
    monkeypatch.setattr(disk.os, "major", lambda device: 8)
    assert disk.is_network(tmp_path) is False


def test_the_system_tells_the_file_system_of_a_folder(tmp_path):
    told = subprocess.run(["stat", "-f", "-c", "%t", str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert disk._magic(disk._statfs(tmp_path)) == int(told, 16)


def test_g6_a_newer_schema_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "usage.db"
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    newer.close()
    before = path.read_bytes()
    for readonly in (False, True):
        with pytest.raises(StorageError, match="newer vibeusage") as caught:
            store.open(path, readonly=readonly)
        assert not isinstance(caught.value, Damaged)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("usage.db*")) == [path]


NEXT = ("CREATE TABLE later (id INTEGER)", "INSERT INTO later SELECT id FROM usage_records")


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("rows", [0, 3])
def test_a_store_of_yesterday_is_brought_up_to_date(tmp_path, monkeypatch, rows, readonly):
    path = tmp_path / "usage.db"
    with store.open(path) as db:
        db.put("claude", [call(str(number)) for number in range(rows)], machine="here")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT))
    with store.open(path, readonly=readonly) as db:
        assert len(stored(db)) == rows
        assert db._db.execute("SELECT COUNT(*) FROM later").fetchone() == (rows,)


@pytest.mark.parametrize("version", [1, 2, 7])
def test_sums_that_an_older_store_lacks_are_made_of_what_it_has(version, tmp_path):
    path = tmp_path / "usage.db"
    with store.open(tmp_path / "newer.db") as db:
        db.put("claude", [full(), full(uuid="b", session="t"), call("c", ts=T + 96 * QUARTER, input=7)], machine="here")
        db.put("codex", [call("d", model="m")], machine="there")
        before = everything(db)
    with sqlite3.connect(path, isolation_level=None) as older:
        for statement in (one for step in schema.MIGRATIONS[:version] for one in step):
            older.execute(statement)
        older.execute(f"PRAGMA user_version = {version}")
        older.execute("ATTACH ? AS newer", (str(db.path),))
        rollups = [name for (name,) in older.execute("SELECT name FROM main.sqlite_master WHERE name LIKE 'rollup%'")]
        for table in ("names", "usage_records", *rollups):
            columns = ", ".join(name for _, name, *_ in older.execute(f"PRAGMA main.table_info({table})"))
            older.execute(f"INSERT INTO {table} SELECT {columns} FROM newer.{table}")
    older.close()
    with store.open(path, readonly=True) as db:
        assert everything(db) == before
        assert db.models() == {("claude", "claude-x"), ("claude", ""), ("codex", "m")}


def test_what_is_known_of_providers_outlives_the_switch_that_nothing_read(tmp_path):
    path = tmp_path / "usage.db"
    with sqlite3.connect(path, isolation_level=None) as older:
        for statement in (one for step in schema.MIGRATIONS[:3] for one in step):
            older.execute(statement)
        older.execute("INSERT INTO providers VALUES ('claude', 1, '/logs', 7)")
        older.execute("PRAGMA user_version = 3")
    older.close()
    with store.open(path) as db:
        assert db._db.execute("SELECT * FROM providers").fetchall() == [("claude", "/logs", 7)]
        assert db.noted_prices() == []


def test_g6_a_step_that_fails_is_taken_back_whole(tmp_path, monkeypatch):
    path = tmp_path / "usage.db"
    store.open(path).close()
    ours = schema.MIGRATIONS
    monkeypatch.setattr(schema, "MIGRATIONS", (*ours, (*NEXT, "nonsense")))
    with pytest.raises(StorageError, match="cannot be used"):
        store.open(path)
    monkeypatch.setattr(schema, "MIGRATIONS", ours)
    with store.open(path) as db:
        assert db._db.execute("SELECT name FROM sqlite_master WHERE name = 'later'").fetchall() == []


def test_g2_a_busy_store_is_said_to_be_busy_and_stays(db, monkeypatch):
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    db.put("claude", [call("1")], machine="here")
    with store.open(db.path) as other, db.transaction():
        with pytest.raises(StorageError, match="in use by another program") as caught:
            other.put("claude", [call("2")], machine="here")
        assert not isinstance(caught.value, Damaged)
    assert len(stored(db)) == 1


@pytest.mark.parametrize("content", [b"no database at all, but long enough " * 99, None], ids=["text", "folder"])
@pytest.mark.parametrize("readonly", [False, True])
def test_what_is_no_database_is_damaged(tmp_path, content, readonly):
    path = tmp_path / "usage.db"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(Damaged, match=r"usage\.db is damaged"):
        store.open(path, readonly=readonly)


def test_a_check_finds_pages_that_do_not_fit(db):
    db.put("claude", [call(str(number), folder=f"/{number}") for number in range(2000)], machine="here")
    db.check()
    db.close()
    data = bytearray(db.path.read_bytes())
    data[8192:16384] = b"\xa5" * 8192
    db.path.write_bytes(data)
    with store.open(db.path) as again, pytest.raises(Damaged):
        again.check()
