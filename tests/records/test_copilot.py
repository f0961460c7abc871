"""Copilot's command line: the store, the roll-ups, the spans, and that a request counts once among them."""

import itertools
import os
import sqlite3
from pathlib import Path

import msgspec
import pytest
from records.feeding import CANARY, DAMAGES, damages, feed, lines, rows

from vibeusage.records.readers.copilot import READERS
from vibeusage.records.readers.spec import Call, Places, Source

FORM = READERS[0].form
S = "5f2c1a70-0000-4000-8000-00000000000a"
ROW = {
    "id": 1,
    "session_id": S,
    "turn_index": 0,
    "model": "claude-sonnet-4.5",
    "input_tokens": 9000,
    "output_tokens": 400,
    "cache_read_tokens": 7000,
    "cache_write_tokens": 500,
    "total_nano_aiu": 12_000_000_000,
    "initiator": "user",
    "created_at": "2026-10-03 09:05:00",
}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("COPILOT_HOME", raising=False)
    monkeypatch.delenv("COPILOT_OTEL_FILE_EXPORTER_PATH", raising=False)
    (tmp_path / ".copilot").mkdir()
    return tmp_path / ".copilot"


def store(home: Path, *found, columns=tuple(ROW), sessions=True) -> Path:
    path = home / "session-store.db"
    with sqlite3.connect(path) as database:
        if sessions:
            database.execute("CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, cwd TEXT, branch TEXT)")
            database.execute("INSERT OR REPLACE INTO sessions VALUES (?, '/home/ana/shop', 'main')", (S,))
        names = ", ".join(f"{name} INTEGER PRIMARY KEY" if name == "id" else name for name in columns)
        database.execute(f"CREATE TABLE IF NOT EXISTS assistant_usage_events ({names})")
        for row in found:
            values = [{**ROW, **row}[name] for name in columns]
            database.execute(f"INSERT INTO assistant_usage_events VALUES ({', '.join('?' * len(columns))})", values)
    database.close()
    return path


def event(kind, at="09:10:00.000", **data):
    return {"type": kind, "id": "e", "timestamp": f"2026-10-03T{at}Z", "parentId": None, "data": data}


def start(at="09:00:00.000", kind="session.start"):
    context = {"cwd": "/home/ana/shop", "branch": "main", "repository": "ana/shop"}
    return event(kind, at, sessionId=S, version=1, producer="copilot-agent", copilotVersion="1.0.80", context=context)


def shutdown(at, model="claude-sonnet-4.5", counts=(9000, 400, 7000, 500), requests=4):
    names = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")
    usage = dict(zip(names, counts, strict=True))
    metrics = {model: {"requests": {"count": requests, "cost": 3}, "usage": {**usage, "reasoningTokens": 0}}}
    return event("session.shutdown", at, totalPremiumRequests=3, modelMetrics=metrics)


def said(at, tokens):
    return event("assistant.message", at, messageId="m", content=CANARY, outputTokens=tokens)


def events(home: Path, *found) -> Path:
    return lines(home / "session-state" / S / "events.jsonl", *found)


def span(operation="chat", name="s1", at=1_791_018_300, session=S, **more):
    attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": "claude-sonnet-4.5",
        "gen_ai.response.model": "claude-sonnet-4.5-20250929",
        "gen_ai.usage.input_tokens": 9000,
        "gen_ai.usage.output_tokens": 400,
        "gen_ai.usage.cache_read.input_tokens": 7000,
        "gen_ai.usage.cache_creation.input_tokens": 500,
        "gen_ai.conversation.id": session,
        "gen_ai.input.messages": CANARY,
    }
    found = {"type": "span", "traceId": "t1", "spanId": name, "name": f"{operation} x", "startTime": [at, 250_000_000]}
    return {**found, "attributes": attributes, **more}


def log(event_name, session=S, **more):
    found = span(session=session, type="log", hrTime=[1_791_018_301, 0], startTime=None) | {"name": None}
    return {**found, "attributes": {**found["attributes"], "event.name": event_name}, **more}


def test_a_row_of_the_store_is_a_call(home):
    (call,) = feed(READERS, store(home, {})).calls.values()
    assert call == Call(
        uuid=call.uuid,
        ts=1_791_018_300_000,
        session=S,
        model="claude-sonnet-4.5",
        folder="/home/ana/shop",
        branch="main",
        input=1500,
        output=400,
        write=500,
        read=7000,
        served_by="github",
        cost=120_000_000_000,  # 12 units of 0.01 USD
        data={"initiator": "user"},
    )
    assert call.uuid.startswith(f"{S}:1:")


@pytest.mark.parametrize(
    "gone", ["total_nano_aiu", "initiator", "cache_write_tokens", "turn_index", "model"], ids=lambda name: f"no {name}"
)
def test_columns_come_and_go(home, gone):
    path = store(home, {}, columns=tuple(name for name in ROW if name != gone), sessions=False)
    write = 0 if gone == "cache_write_tokens" else 500
    assert feed(READERS, path).total() == (9000 - 7000 - write, 400, write, 7000)


def test_a_store_of_another_shape_is_nothing_new(home):
    path = home / "session-store.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE assistant_usage_events (what TEXT)")
    database.close()
    assert rows(FORM, path, source := Source(path, home), {"row": 5, "at": "x"}) == ([], {"row": 5, "at": "x"})
    assert source.skipped == {"unknown schema": 1}


def test_only_new_rows_are_read_and_a_store_made_anew_is_read_whole(home):
    path = store(home, {}, {"id": 2, "created_at": "2026-10-03 09:06:00"})
    first, mark = rows(FORM, path, Source(path, home), {})
    again, mark = rows(FORM, path, Source(path, home), mark)
    store(home, {"id": 3, "created_at": "2026-10-03 09:07:00"})
    new, mark = rows(FORM, path, Source(path, home), mark)
    path.unlink()
    store(home, *({"id": n, "created_at": f"2026-10-04 09:0{n}:00"} for n in range(1, 6)))
    anew, _ = rows(FORM, path, Source(path, home), mark)
    assert [len(calls) for calls in (first, again, new, anew)] == [2, 0, 1, 5]
    assert len({call.uuid for call in first + new + anew}) == 8


def test_a_run_s_roll_up_is_one_call_per_model(home):
    metrics = shutdown("09:10:00.000")["data"]["modelMetrics"]
    metrics |= shutdown("", "gpt-5-mini", (100, 10, 0, 0), 1)["data"]["modelMetrics"]
    fed = feed(READERS, events(home, start(), event("session.shutdown", "09:10:00.000", modelMetrics=metrics)))
    assert fed.counts() == {f"{S}:0": (1500, 400, 500, 7000), f"{S}:0:gpt-5-mini": (100, 10, 0, 0)}
    assert fed.calls[f"{S}:0"] == Call(
        uuid=f"{S}:0",
        ts=1_791_018_600_000,
        session=S,
        model="claude-sonnet-4.5",
        folder="/home/ana/shop",
        branch="main",
        version="1.0.80",
        input=1500,
        output=400,
        write=500,
        read=7000,
        order=2,
        kind="aggregate",
        served_by="github",
        data={"requests": 4},
    )


@pytest.mark.parametrize(
    ("second", "total"),
    [
        pytest.param(((12_000, 600, 9000, 600), 6), (2400, 600, 600, 9000), id="cumulative"),
        pytest.param(((800, 50, 300, 0), 1), (2000, 450, 500, 7300), id="per run"),
        pytest.param(((9500, 500, 7100, 600), 2), (3300, 900, 1100, 14_100), id="per run, told by its requests alone"),
        pytest.param(((9000, 400, 7000, 500), 4), (1500, 400, 500, 7000), id="nothing since"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["line by line", "at once"])
def test_a_resumed_session_counts_on_or_begins_anew(home, second, total, size):
    resumed = shutdown("10:10:00.000", counts=second[0], requests=second[1])
    path = events(home, start(), shutdown("09:10:00.000"), start("10:00:00.000", "session.resume"), resumed)
    assert feed(READERS, path, size=size).total() == total


@pytest.mark.parametrize(
    ("success", "total"),
    [(True, (1500 + 2400, 1000, 1100, 16_000)), (False, (2400, 600, 600, 9000))],
    ids=["done", "failed"],
)
def test_a_compaction_begins_the_counters_anew(home, success, total):
    compaction = event("session.compaction_complete", "10:05:00.000", success=success)
    second = shutdown("10:10:00.000", counts=(12_000, 600, 9000, 600), requests=6)
    path = events(home, start(), shutdown("09:10:00.000"), start("10:00:00.000", "session.resume"), compaction, second)
    assert feed(READERS, path).total() == total


def test_a_crashed_run_leaves_an_estimate_of_its_output_and_a_shutdown_replaces_one(home):
    crashed = [
        start(),
        event("session.model_change", newModel="gpt-5"),
        said("09:01:00.000", 70),
        said("09:02:00.000", 30),
    ]
    fed = feed(READERS, events(home, *crashed))
    assert fed.counts() == {f"{S}:0": (0, 100, 0, 0)}
    assert (fed.calls[f"{S}:0"].kind, fed.calls[f"{S}:0"].model) == ("estimate", "gpt-5")
    resumed = [start("10:00:00.000", "session.resume"), said("10:01:00.000", 9), shutdown("10:10:00.000")]
    path = events(home, *crashed, *resumed)
    wanted = {f"{S}:0": (0, 100, 0, 0), f"{S}:1": (1500, 400, 500, 7000)}
    assert feed(READERS, path, size=1).counts() == feed(READERS, path).counts() == wanted


@pytest.mark.parametrize("is_open", [True, False], ids=["in use", "closed"])
def test_the_store_is_asked_with_its_log_and_nothing_is_left_beside_it(home, is_open):
    path = store(home)
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    names = ", ".join(ROW)
    writer.execute(
        f"INSERT INTO assistant_usage_events ({names}) VALUES ({', '.join('?' * len(ROW))})", [*ROW.values()]
    )
    writer.commit()
    if not is_open:
        writer.close()
    before = {found.name for found in home.iterdir()}
    rolled = events(home, start(), shutdown("09:10:00.000"))
    assert feed(READERS, rolled).skipped == {"in a better source": 1}
    assert {found.name for found in home.iterdir()} == before | {"session-state"}
    writer.close()


def test_no_estimate_is_made_where_the_store_was_in_use_by_then(home):
    store(home, {"created_at": "2026-10-03 08:00:00", "session_id": "another"})
    assert feed(READERS, events(home, start(), said("09:01:00.000", 70))).calls == {}


def test_the_store_s_run_is_not_rolled_up_and_an_earlier_one_is(home):
    """The command line was updated between two runs of one session."""
    log_file = events(
        home,
        start("07:00:00.000"),
        shutdown("07:10:00.000"),
        start("09:00:00.000", "session.resume"),
        shutdown("09:10:00.000", counts=(18_000, 800, 14_000, 1000), requests=8),
    )
    database = store(home, {})
    assert feed(READERS, database, log_file).calls == feed(READERS, log_file, database).calls
    assert feed(READERS, database, log_file).total() == (3000, 800, 1000, 14_000)
    assert feed(READERS, log_file).skipped == {"in a better source": 1}


def test_a_run_after_the_store_s_is_rolled_up(home):
    store(home, {})
    second = shutdown("10:10:00.000", counts=(12_000, 600, 9000, 600), requests=6)
    path = events(home, start(), shutdown("09:10:00.000"), start("10:00:00.000", "session.resume"), second)
    assert feed(READERS, path).counts() == {f"{S}:1": (900, 200, 100, 2000)}


@pytest.mark.parametrize("there", [(0, 1, 2), (1, 2), (0, 2), (0, 1), (0,), (1,), (2,)], ids=str)
def test_a_request_that_several_sources_tell_counts_once_in_any_order(home, there):
    write = (
        lambda: store(home, {}),
        lambda: lines(home / "otel" / "a.jsonl", span()),
        lambda: events(home, start(), said("09:05:01.000", 400), shutdown("09:10:00.000")),
    )
    paths = [write[index]() for index in there]
    totals = {feed(READERS, *order).total() for order in itertools.permutations(paths)}
    # spans say what the cache took beside the input
    assert totals == {(2000, 400, 500, 7000) if there[0] == 1 else (1500, 400, 500, 7000)}


@pytest.mark.parametrize("named", ["~/mine.jsonl", "~/a.jsonl, ~/mine.json", "~/mine.log"])
def test_spans_of_a_file_elsewhere_count_once_too(home, tmp_path, monkeypatch, named):
    path = lines(tmp_path / named.rpartition("~/")[2], span())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COPILOT_OTEL_FILE_EXPORTER_PATH", named)
    rolled = events(home, start(), shutdown("09:10:00.000"))
    assert feed(READERS, rolled).calls == {}
    places = Places(environ=os.environ, home=tmp_path, platform="linux")
    assert [found for root in READERS[0].roots(places) for reader in READERS for found in reader.find(root)] == [
        rolled,
        path,
    ]
    assert feed(READERS, path).total() == (2000, 400, 500, 7000)
    store(home, {})
    monkeypatch.setenv("COPILOT_HOME", "~/.copilot")
    assert feed(READERS, path).calls == {}


@pytest.mark.parametrize(
    ("found", "uuids"),
    [
        pytest.param(
            [span(), log("gen_ai.client.inference.operation.details", spanId="l")], {"t1:s1"}, id="chat spans"
        ),
        pytest.param(
            [log("gen_ai.client.inference.operation.details"), span("invoke_agent", "a")],
            {"t1:s1"},
            id="inference logs",
        ),
        pytest.param([log("copilot_chat.agent.turn"), span("invoke_agent", "a")], {"t1:s1"}, id="turns"),
        pytest.param([span("execute_tool", "x"), span("invoke_agent", "a")], {"t1:a"}, id="agents"),
        pytest.param([span(), span("invoke_agent", "a"), span("chat", "s2")], {"t1:s1", "t1:s2"}, id="agents above"),
        pytest.param([log("", body=f"GenAI inference: {CANARY}")], {"t1:s1"}, id="a log that says so in its body"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["line by line", "at once"])
def test_of_a_file_of_spans_the_finest_level_counts(home, found, uuids, size):
    fed = feed(READERS, lines(home / "otel" / "a.jsonl", *found), size=size)
    assert set(fed.calls) == uuids
    assert fed.total() == tuple(len(uuids) * n for n in (2000, 400, 500, 7000))


def test_a_span_is_a_call_at_its_beginning(home):
    assert feed(READERS, lines(home / "otel" / "a.jsonl", span())).calls == {
        "t1:s1": Call(
            uuid="t1:s1",
            ts=1_791_018_300_250,
            session=S,
            model="claude-sonnet-4.5-20250929",
            input=2000,
            output=400,
            write=500,
            read=7000,
            served_by="github",
        )
    }


def test_otlp_s_wrapping_is_the_same_span(home):
    plain = span()
    pairs = [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in plain["attributes"].items()
    ]
    wrapped = {**plain, "startTime": None, "startTimeUnixNano": "1791018300250000000", "attributes": pairs}
    otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [wrapped]}]}]}
    fed = feed(READERS, lines(home / "otel" / "b.jsonl", otlp))
    assert fed.calls == feed(READERS, lines(home / "otel" / "a.jsonl", plain)).calls


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_around_a_call_does_not_lose_it(home, name):
    path = home / "session-state" / S / "events.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(damages(msgspec.json.encode(shutdown("09:10:00.000")))[name])
    assert feed(READERS, path).total() == (1500, 400, 500, 7000)


def test_counts_of_odd_types_are_counts(home):
    odd = shutdown("09:10:00.000", counts=(9000.0, "400", None, 500), requests=2)
    assert feed(READERS, events(home, start(), odd)).total() == (8500, 400, 500, 0)


def test_files_are_found_by_their_places(tmp_path, home):
    for name in (f"session-state/{S}/events.jsonl", "session-state/old.jsonl", "otel/a.jsonl", "logs/x.jsonl"):
        lines(home / name)
    store(home, {})
    (home / "session-state" / "folder.jsonl").mkdir()
    names = {str(path.relative_to(home)) for reader in READERS for path in reader.find(home)}
    assert names == {"session-store.db", f"session-state/{S}/events.jsonl", "session-state/old.jsonl", "otel/a.jsonl"}
    places = Places(environ={"COPILOT_HOME": "/srv/c"}, home=tmp_path, platform="linux")
    assert READERS[0].roots(places)[0] == Path("/srv/c")


def test_the_cost_that_the_log_states_counts_before_the_list_price():
    """Only the tool knows it: in units of its own."""
    assert {reader.prices for reader in READERS} == {"auto"}
