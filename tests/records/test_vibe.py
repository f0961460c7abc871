"""Mistral Vibe's running totals: one record per session, the cache taken out of the prompt."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vibeusage.records import store, sync
from vibeusage.records.merge import fold
from vibeusage.records.readers.spec import Call, Places, Source
from vibeusage.records.readers.vibe import READER, read

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records" / "vibe"
AT = 1_790_000_000_000  # 2026-09-21T14:13:20Z
STATS: dict[str, Any] = {"session_prompt_tokens": 15_000, "session_completion_tokens": 1200, "session_cost": 0.25}
STATS |= {"session_cached_tokens": 5000, "steps": 3}
CALL = Call(
    uuid="s-1",
    ts=AT,
    session="s-1",
    model="devstral-2",
    folder="/home/ana/shop",
    branch="main",
    input=10_000,
    output=1200,
    read=5000,
    order=16_200,
    kind="aggregate",
    served_by="mistral",
    cost=250_000_000_000,
)


def meta(*, stats: Any = STATS, **over: Any):
    told: dict[str, Any] = {"session_id": "s-1", "start_time": "2026-09-21T14:00:00Z"}
    told |= {"end_time": "2026-09-21T14:13:20Z"}
    told |= {"title": "CANARY", "git_branch": "main", "environment": {"working_directory": "/home/ana/shop"}}
    return told | {"config": {"active_model": "devstral-2"}, "stats": stats} | over


def calls(told, skipped=None, name="session_1/meta.json"):
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    source = Source(Path("/v", name), Path("/v"))
    found = list(read(body, source))
    (skipped if skipped is not None else {}).update(source.skipped)
    assert b"CANARY" not in msgspec.json.encode(found)
    return found


def but(**over: Any) -> Call:
    return msgspec.structs.replace(CALL, **over)


def test_both_generations_are_found_and_counted():
    paths = sorted(READER.find(FIXTURES))
    found = [call for path in paths for call in read(path.read_bytes(), Source(path, FIXTURES))]
    assert b"CANARY" not in msgspec.json.encode(found)
    counted = [(call.uuid, call.model, call.input, call.output, call.read) for call in found]
    assert counted == [("old-1", "mistral-medium", 8000, 500, 0), ("new-1", "devstral-2", 10_000, 1200, 5000)]


HAND = [
    pytest.param(meta(), [CALL], {}, id="a session"),
    pytest.param(meta(stats=STATS | {"session_cached_tokens": None}), [but(input=15_000, read=0)], {}, id="no cache"),
    pytest.param(
        meta(stats=STATS | {"session_cached_tokens": 16_000}),
        [but(input=15_000, read=16_000, notes=("disjoint",))],
        {},
        id="a cache larger than the prompt",
    ),
    pytest.param(meta(stats=STATS | {"session_cost": 0}), [but(cost=None)], {}, id="cost 0 is no cost"),
    pytest.param(meta(end_time=None), [but(ts=AT - 800_000)], {}, id="still open"),
    pytest.param(meta(end_time=None, start_time=None), [], {"no time": 1}, id="no time"),
    pytest.param(meta(end_time="2001-01-01T00:00:00Z"), [], {"too old": 1}, id="too old"),
    pytest.param(meta(stats=None), [], {}, id="nothing used"),
    pytest.param(meta(stats=STATS | {"session_completion_tokens": "1200"}), [CALL], {}, id="odd numbers"),
    pytest.param(meta(config=None, active_model="gpt-5.2"), [but(model="gpt-5.2", served_by="openai")], {}, id="old"),
    pytest.param(meta(config=None, agent_config={"active_model": "devstral-2"}), [CALL], {}, id="before version 2"),
    pytest.param(meta(session_id=None), [but(uuid="session_1", session="session_1")], {}, id="no id"),
    pytest.param(meta(environment=None, git_branch=None), [but(folder="", branch="")], {}, id="no place"),
    pytest.param(json.dumps(meta(), indent=1).replace("\n", "\r\n").encode(), [CALL], {}, id="CRLF"),
    pytest.param(b"\xef\xbb\xbf" + json.dumps(meta()).encode(), [CALL], {}, id="BOM"),
    pytest.param(b"\0" * 99 + json.dumps(meta()).encode(), [CALL], {}, id="NUL run"),
    pytest.param(json.dumps(meta(title="@")).encode().replace(b"@", b"\xff"), [CALL], {}, id="invalid UTF-8"),
    pytest.param(b"", [], {"not JSON": 1}, id="empty"),
    pytest.param(json.dumps(meta()).encode()[:-4], [], {"not JSON": 1}, id="torn"),
]


@pytest.mark.parametrize(("told", "expected", "reasons"), HAND)
def test_a_description_becomes_a_total(told, expected, reasons):
    skipped = {}
    assert calls(told, skipped) == expected
    assert skipped == reasons


def test_a_session_that_grows_replaces_what_it_was():
    small, large = (calls(meta(stats=STATS | {"session_prompt_tokens": count}))[0] for count in (6000, 15_000))
    for order in ((small, large), (large, small), (large, small, large)):
        found: dict[str, Call] = {}
        for call in order:
            fold(found, msgspec.structs.replace(call))
        assert list(found.values()) == [CALL]


def test_a_time_without_a_zone_is_a_local_one(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert calls(meta(end_time="2026-09-21T16:13:20.000000")) == [CALL]
        assert calls(meta(end_time=None, start_time="2026-09-21T16:13:20")) == [CALL]
    finally:
        monkeypatch.undo()
        time.tzset()


STARTED = STATS | {"session_prompt_tokens": 900, "session_completion_tokens": 100, "session_cached_tokens": 0}


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        pytest.param(
            STATS, but(input=9100, output=1100, cost=150_000_000_000, order=16_201), id="compaction takes the totals on"
        ),
        pytest.param(STATS | {"steps": 1}, CALL, id="a fork begins at 0"),
        pytest.param(STATS | {"session_prompt_tokens": 899}, but(input=899, read=5000, order=2099), id="less than it"),
    ],
)
def test_a_session_that_goes_on_from_another_counts_what_it_grew_by(tmp_path, stats, expected):
    """Their folders end in the first characters of their ids."""
    told = {
        "session_1_aaaaaaaa": meta(session_id="aaaaaaaa-1", stats=STARTED | {"steps": 2, "session_cost": 0.1}),
        "session_2_aaaaaaaa": meta(session_id="aaaaaaaa-2", stats=STATS | {"session_prompt_tokens": 14_999}),
        "session_3_s-1": meta(stats=stats, parent_session_id="aaaaaaaa-1"),
    }
    for name, body in told.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.json").write_text(json.dumps(body))
    path = tmp_path / "session_3_s-1" / "meta.json"
    found = list(read(path.read_bytes(), Source(path, tmp_path)))
    assert [msgspec.structs.replace(call, notes=()) for call in found] == [expected]


def test_a_session_is_counted_anew_when_the_one_before_it_comes(tmp_path):
    """The order in which files are read changes no total."""
    told = {
        "session_1_aaaaaaaa": meta(session_id="aaaaaaaa-1", stats=STARTED),
        "session_2_s-1": meta(parent_session_id="aaaaaaaa-1"),
    }
    places = Places(environ={"VIBE_HOME": str(tmp_path)}, home=tmp_path, platform="linux")
    for number, names in enumerate((list(told), list(reversed(told)))):
        with store.open(tmp_path / str(number) / "usage.db") as opened:
            for name in names:
                path = tmp_path / "logs" / "session" / name / "meta.json"
                path.parent.mkdir(parents=True)
                path.write_text(json.dumps(told[name]))
                sync.sync([READER], places, opened, machine="here")
            counted = {record.call.uuid: (record.call.input, record.call.output) for record in opened.calls()}
        shutil.rmtree(tmp_path / "logs")
        assert counted == {"aaaaaaaa-1": (900, 100), "s-1": (9100, 1100)}


def test_the_home_can_be_moved():
    places = Places(environ={}, home=Path("/h"), platform="linux")
    assert READER.roots(places) == [Path("/h/.vibe/logs/session")]
    assert READER.roots(msgspec.structs.replace(places, environ={"VIBE_HOME": "/v"})) == [Path("/v/logs/session")]
