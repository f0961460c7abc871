"""Codex's running totals: each response once, whatever is repeated, copied, restarted, lost or compressed."""

import gzip
import itertools
import json
import sys
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest
from records.merge_rule import merged, read_file, read_tree

from vibeusage.records import store, sync
from vibeusage.records.readers.codex import READER
from vibeusage.records.readers.codex_files import find
from vibeusage.records.readers.spec import Call, Lines, Places, ReadLater, Source

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records" / "codex"
START = 1_790_928_000_000  # 2026-10-02T08:00:00Z
ZERO = (0, 0, 0, 0, 0)


def stamp(seconds):
    return f"2026-10-02T08:{seconds // 60:02}:{seconds % 60:02}.000Z"


def v7(seconds, tail=1):
    """A UUIDv7 of that instant."""
    text = f"{START + seconds * 1000:012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-{tail:012x}"


ME, PARENT = v7(0, 0xA), v7(-3600, 0xB)


def line(seconds, kind, ordinal=None, **payload):
    told: dict[str, Any] = {"timestamp": stamp(seconds), "type": kind, "payload": payload}
    return json.dumps(told if ordinal is None else told | {"ordinal": ordinal}, separators=(",", ":")).encode() + b"\n"


def meta(seconds=0, name=ME, **over):
    told = {"id": name, "timestamp": stamp(0), "cwd": "/home/ana/shop", "originator": "codex_cli_rs", "source": "cli"}
    told |= {"cli_version": "0.140.0", "model_provider": "openai", "git": {"branch": "main"}}
    return line(seconds, "session_meta", **told | over)


def turn(seconds, name, model="gpt-5.4", **over):
    return line(seconds, "turn_context", turn_id=name, cwd="/home/ana/shop", model=model, effort="medium", **over)


def used(vector):
    names = ("input", "cached_input", "cache_write_input", "output", "reasoning_output")
    told = {f"{name}_tokens": count for name, count in zip(names, vector, strict=True)}
    return told | {"total_tokens": vector[0] + vector[3]}


def counted(seconds, total, last, *, ordinal=None, **info):
    told = {"total_token_usage": total and used(total), "last_token_usage": last and used(last)} | info
    return line(seconds, "event_msg", ordinal, type="token_count", info=told, rate_limits={"primary": None})


def add(*vectors):
    return tuple(map(sum, zip(*vectors, strict=True)))


A = (2_600, 2_300, 0, 140, 60)
B = (2_800, 2_500, 0, 90, 10)
C = (3_000, 2_700, 0, 60, 0)
AB, ABC = add(A, B), add(A, B, C)
HEAD = [meta(), turn(3, v7(3))]
FIRST = [*HEAD, counted(9, A, A)]


def rollout(tmp_path, *lines, name=ME, folder="sessions/2026/10/02"):
    path = tmp_path / folder / f"rollout-2026-10-02T10-00-00-{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def source(path):
    root = next(parent for parent in path.parents if parent.name in ("sessions", "archived_sessions"))
    return Source(path, root, [str(other) for other in find(root.parent)])


def calls(tmp_path, *lines, of=None):
    return list(merged(read_file(READER, of or source(rollout(tmp_path, *lines)))).values())


def vectors(found):
    """[(input, read, write, output)], input without what was cached."""
    return [(call.input, call.read, call.write, call.output) for call in found]


def fresh(*told):
    return [(vector[0] - vector[1] - vector[2], vector[1], vector[2], vector[3]) for vector in told]


def test_a_plain_session_gives_one_call_for_each_response(tmp_path):
    found = calls(tmp_path, *HEAD, counted(9, A, A), counted(20, AB, B))
    told: dict[str, Any] = {"session": ME, "model": "gpt-5.4", "folder": "/home/ana/shop", "branch": "main"}
    told |= {"version": "0.140.0", "served_by": "openai", "data": {"effort": "medium"}}
    assert found == [
        Call(uuid=f"{v7(3)}:2600.2300.0.140.60", ts=START + 9_000, input=300, read=2_300, output=140, **told),
        Call(uuid=f"{v7(3)}:5400.4800.0.230.70", ts=START + 20_000, input=300, read=2_500, output=90, **told),
    ]


PLAIN = [
    pytest.param([*FIRST, counted(9, A, A), counted(20, AB, B), counted(21, AB, B)], [A, B], id="repeats"),
    pytest.param(
        [*HEAD, line(8, "event_msg", type="token_count", info=None), counted(9, A, A)],
        [A],
        id="rate limits without usage",
    ),
    pytest.param([*FIRST, counted(10, ZERO, ZERO), counted(20, B, B)], [A, B], id="window fill, restart"),
    pytest.param([*FIRST, counted(10, A, ZERO), counted(20, AB, B)], [A, B], id="re-estimate"),
    pytest.param(
        [*FIRST, counted(10, C, C), counted(11, AB, B), counted(12, add(C, C), C)],
        [A, C, B, C],
        id="two lineages",
    ),
    pytest.param(
        [*HEAD, counted(9, A, None), counted(20, AB, None), counted(30, ABC, None)],
        [A, B, C],
        id="totals only",
    ),
    pytest.param([*HEAD, counted(9, None, A), counted(20, None, A)], [A, A], id="last only"),
    pytest.param([*HEAD, counted(9, add(ABC, A), A), counted(20, add(ABC, A, B), B)], [A, B], id="resumed elsewhere"),
    pytest.param(
        [*HEAD, counted(9, (5_000, 3_000, 1_500, 70, 0), (5_000, 3_000, 1_500, 70, 0))],
        [(5_000, 3_000, 1_500, 70, 0)],
        id="cache writes",
    ),
    pytest.param([json.dumps(json.loads(one)).encode() + b"\r\n" for one in FIRST], [A], id="spaced, CRLF"),
    pytest.param([b"\xef\xbb\xbf" + meta(), turn(3, v7(3)), counted(9, A, A)], [A], id="a byte order mark"),
    pytest.param(
        [*HEAD, line(4, "response_item", type="message", content="x" * 9_000_000), counted(9, A, A)],
        [A],
        id="a huge line",
    ),
    pytest.param([*HEAD, b"\0" * 500 + b"\n", counted(9, A, A), b"\n"], [A], id="a run of NUL"),
    pytest.param([counted(9, A, A)], [A], id="no header at all"),
    pytest.param([b""], [], id="an empty file"),
]


@pytest.mark.parametrize(("lines", "expected"), PLAIN)
@pytest.mark.parametrize("block", [1, 1 << 22], ids=["line by line", "at once"])
def test_counters_become_the_responses_they_count(tmp_path, lines, expected, block):
    found = list(read_file(READER, source(rollout(tmp_path, *lines)), block))
    assert vectors(found) == fresh(*expected)
    assert {call.notes for call in found} <= {()}


def test_a_lost_line_is_in_the_next_ones_difference(tmp_path):
    found = calls(tmp_path, *HEAD, counted(9, A, A), counted(30, ABC, C))
    assert (vectors(found), found[1].notes) == (fresh(A, add(B, C)), ("approximate",))


def test_a_stale_total_is_no_call_and_an_unexplained_one_is_marked(tmp_path):
    old = (7_000, 6_300, 0, 200, 70)
    of = source(rollout(tmp_path, *HEAD, counted(9, AB, AB), counted(20, ABC, C), counted(21, old, B)))
    assert vectors(calls(tmp_path, of=of)) == fresh(AB, C)
    assert of.skipped == {"stale counter": 1}
    fell = calls(tmp_path, *HEAD, counted(9, add(ABC, ABC, ABC), ABC), counted(20, B, C))
    assert (vectors(fell), fell[1].notes) == (fresh(ABC, C), ("approximate",))


def test_where_cached_ones_are_not_inside_the_input_nothing_is_subtracted(tmp_path):
    odd = (300, 2_300, 0, 140, 0)
    (call,) = calls(tmp_path, *HEAD, counted(9, odd, odd))
    assert (vectors([call]), call.notes) == ([(300, 2_300, 0, 140)], ("disjoint",))


def test_counts_of_any_kind_and_the_old_name_of_cached_ones_are_read(tmp_path):
    told = {"input_tokens": 2_600.0, "cache_read_input_tokens": "2300", "output_tokens": 140, "total_tokens": None}
    odd = line(9, "event_msg", type="token_count", info={"total_token_usage": told, "last_token_usage": told})
    assert vectors(calls(tmp_path, *HEAD, odd)) == [(300, 2_300, 0, 140)]


@pytest.mark.parametrize(
    ("lines", "model", "served_by"),
    [
        pytest.param([meta(), counted(9, A, A)], "", "openai", id="unknown stays unknown"),
        pytest.param([meta(), counted(9, A, A, model="gpt-5.1")], "gpt-5.1", "openai", id="beside the counters"),
        pytest.param([meta(), turn(3, v7(3), "o3"), *FIRST[1:]], "gpt-5.4", "openai", id="the last turn's"),
        pytest.param([meta(model_provider=None), *FIRST[1:]], "gpt-5.4", "openai", id="served by the model's maker"),
        pytest.param(
            [meta(model_provider="ollama"), turn(3, v7(3), "qwen3"), counted(9, A, A)], "qwen3", "ollama", id="told"
        ),
    ],
)
def test_the_model_is_the_turns_and_never_a_guess(tmp_path, lines, model, served_by):
    assert [(call.model, call.served_by) for call in calls(tmp_path, *lines)] == [(model, served_by)]


def test_the_service_tier_holds_until_the_next_one(tmp_path):
    def tier(seconds, name):
        return line(seconds, "event_msg", type="thread_settings_applied", thread_settings={"service_tier": name})

    lines = [tier(4, "fast"), counted(9, A, A), counted(10, AB, B), tier(11, None), counted(12, ABC, C)]
    found = calls(tmp_path, *HEAD, *lines)
    assert [call.speed for call in found] == ["fast", "fast", ""]


def record(seconds, name, vector, thread=ME):
    return line(seconds, "token_usage_record", thread_id=thread, turn_id=v7(3), response_id=name, usage=used(vector))


@pytest.mark.parametrize(
    ("lines", "uuids"),
    [
        pytest.param(
            [record(9, "resp_1", A), counted(9, A, A), record(20, "resp_2", B), counted(20, AB, B)],
            ["resp_1", "resp_2"],
            id="records first",
        ),
        pytest.param(
            [counted(9, A, A), record(20, "resp_2", B), counted(20, AB, B)],
            [f"{v7(3)}:2600.2300.0.140.60", f"{v7(3)}:5400.4800.0.230.70"],
            id="counters first",
        ),
    ],
)
def test_of_records_and_counters_one_kind_is_counted_the_one_that_came_first(tmp_path, lines, uuids):
    found = calls(tmp_path, *HEAD, *lines)
    assert ([call.uuid for call in found], vectors(found)) == (uuids, fresh(A, B))


# forks and subagents

OLD_TURN, OWN_TURN = v7(-3000, 2), v7(5, 3)
PARENTS = [meta(0, PARENT, timestamp="2026-10-02T07:00:00Z"), turn(0, OLD_TURN), counted(0, A, A), counted(0, AB, B)]
COPIES = PARENTS[1:]


def test_a_fork_counts_from_its_own_first_turn_even_where_copies_were_stamped_anew(tmp_path):
    started = line(5, "event_msg", type="task_started", turn_id=OWN_TURN)
    spread = [turn(2, OLD_TURN), counted(3, A, A), counted(4, AB, B)]
    for copies in (COPIES, spread):
        own = [started, turn(5, OWN_TURN), counted(9, ABC, C), counted(9, ABC, C)]
        lines = [meta(forked_from_id=PARENT), *copies, *own]
        assert [(call.uuid, call.session, *vectors([call])) for call in calls(tmp_path, *lines)] == [
            (f"{OWN_TURN}:8400.7500.0.290.70", ME, *fresh(C))
        ]


def test_a_subagent_counts_for_its_parents_session(tmp_path):
    spawn = {"subagent": {"thread_spawn": {"parent_thread_id": PARENT, "depth": 1}}}
    (call,) = calls(tmp_path, meta(source=spawn), PARENTS[0], *COPIES, turn(5, OWN_TURN), counted(9, ABC, C))
    assert (call.session, call.kind, call.rank, vectors([call])) == (PARENT, "subagent", 1, fresh(C))
    assert call.data == {"effort": "medium", "agent": ME}


def test_a_subagents_history_begins_at_the_ordinal_that_its_header_names(tmp_path):
    head = meta(parent_thread_id=PARENT, subagent_history_start_ordinal=3)
    lines = [head, counted(1, A, A, ordinal=1), counted(2, AB, B, ordinal=2), counted(9, ABC, C, ordinal=3)]
    assert vectors(calls(tmp_path, *lines)) == fresh(C)


def bare(seconds):
    """A turn of a version without turn ids."""
    return line(seconds, "turn_context", cwd="/home/ana/shop", model="gpt-5")


@pytest.mark.parametrize("folder", ["sessions/2026/10/01", "archived_sessions"])
def test_without_turn_ids_the_parents_file_tells_what_was_copied(tmp_path, folder):
    rollout(tmp_path, meta(name=PARENT), bare(0), counted(0, A, A), counted(0, AB, B), name=PARENT, folder=folder)
    lines = [meta(forked_from_id=PARENT), bare(1), counted(1, A, A), counted(4, AB, B), bare(5), counted(9, ABC, C)]
    assert vectors(calls(tmp_path, *lines)) == fresh(C)
    assert vectors(calls(tmp_path, meta(forked_from_id=PARENT), bare(5), counted(9, ABC, C))) == fresh(C)


def test_a_fork_whose_start_nothing_tells_is_reported_and_not_counted(tmp_path):
    of = source(rollout(tmp_path, meta(forked_from_id=PARENT), bare(1), counted(1, A, A), counted(9, AB, B)))
    assert (calls(tmp_path, of=of), of.skipped) == ([], {"fork with unknown start": 1})


def test_a_fork_is_counted_as_soon_as_its_parents_file_comes(tmp_path, packed):
    """The order in which files are read changes no total."""
    old = [meta(name=PARENT), bare(0), counted(0, A, A), counted(0, AB, B)]
    fork = [meta(forked_from_id=PARENT), bare(1), counted(1, A, A), counted(4, AB, B), bare(5), counted(9, ABC, C)]
    for name, late in (("first", [fork, old]), ("grown", [fork[:3], fork, old]), ("last", [old, fork])):
        assert synced(tmp_path / name, late) == fresh(A, B, C)
    assert synced(tmp_path / "packed", [fork, old], packed) == fresh(A, B, C)
    assert synced(tmp_path / "torn", [[*fork[:-1], fork[-1].rstrip()], old]) == fresh(A, B, C)
    assert synced(tmp_path / "one line", [[fork[0], fork[-1].rstrip()], old]) == fresh(A, B, C)
    assert synced(tmp_path / "homes", [fork, old], homes=("a", "b")) == fresh(A, B, C)


def synced(home, states, pack=None, homes=("",)):
    """The calls after a sync of each of these files' states; each begins with its session's header."""
    named = ",".join(str(home / name) for name in homes)
    places = Places(environ={"CODEX_HOME": named}, home=home, platform="linux")
    with store.open(home / "data" / "usage.db") as opened:
        for lines, name in zip(states, itertools.cycle(homes)):
            path = rollout(home / name, *lines, name=json.loads(lines[0])["payload"]["id"])
            if pack:
                path.rename(path.with_name(f"{path.name}.zst")).write_bytes(pack(b"".join(lines)))
            sync.sync([READER], places, opened, machine="here")
        return vectors(record.call for record in opened.calls())


def test_half_of_a_cut_emoji_in_what_is_kept_of_a_session_stops_nothing(tmp_path):
    broken = meta(cwd="/home/ana/\ud83d"), line(3, "turn_context", model="\ud83d", cwd="/\udcff"), counted(9, A, A)
    assert synced(tmp_path, [list(broken)]) == fresh(A)


def test_copies_of_a_missed_border_fall_together_with_the_parents_calls(tmp_path):
    rollout(tmp_path, *PARENTS, name=PARENT)
    rollout(tmp_path, meta(), *COPIES, turn(5, OWN_TURN), counted(9, ABC, C))
    assert vectors(read_tree(READER, tmp_path / "sessions").values()) == fresh(A, B, C)


def test_an_archived_twin_is_the_same_session(tmp_path):
    lines = [*FIRST, counted(20, AB, B)]
    twins = [rollout(tmp_path, *lines), rollout(tmp_path, *lines, folder="archived_sessions")]
    found = merged(call for path in twins for call in read_file(READER, source(path)))
    assert vectors(found.values()) == fresh(A, B)


def test_a_session_of_another_tool_is_left_to_its_reader(tmp_path):
    of = source(rollout(tmp_path, meta(originator="openclaw"), turn(3, v7(3)), counted(9, A, A)))
    assert (calls(tmp_path, of=of), of.skipped) == ([], {"another tool's session": 1})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(counted(9, A, A)[:200] + b"\n", "not JSON", id="a cut line"),
        pytest.param(counted(9, A, A).replace(b"2026-10", b"2019-10"), "too old", id="before any tool"),
        pytest.param(counted(9, A, A).replace(b"2026-10", b"some"), "no time", id="no time"),
    ],
)
def test_a_line_of_no_use_is_counted_and_costs_nobody_else(tmp_path, bad, reason):
    of = source(rollout(tmp_path, *HEAD, bad, counted(20, AB, B)))
    assert (vectors(calls(tmp_path, of=of)), of.skipped) == (fresh(B), {reason: 1})


# files


def test_a_grown_file_goes_on_with_the_state_that_was_stored(tmp_path):
    assert isinstance(READER.form, Lines)
    of, state = source(rollout(tmp_path)), {}
    first = list(READER.form.read(b"".join([*HEAD, counted(9, A, A)]), of, state))
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    then = list(READER.form.read(b"".join([counted(9, A, A), counted(20, AB, B)]), of, stored))
    assert vectors(first + then) == fresh(A, B)


@pytest.fixture
def packed(monkeypatch):
    """A stand-in for the zstd package, with gzip inside: the interface is the same."""
    module = types.ModuleType("zstandard")
    vars(module).update(open=gzip.open, ZstdError=gzip.BadGzipFile)
    for name in ("compression", "backports"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "zstandard", module)
    return gzip.compress


def test_a_compressed_rollout_gives_the_calls_of_the_plain_one(tmp_path, packed):
    lines = [*FIRST, counted(20, AB, B).rstrip()]
    plain = calls(tmp_path, *lines)
    path = rollout(tmp_path, *lines)
    path.unlink()
    path = path.with_name(f"{path.name}.zst")
    path.write_bytes(packed(b"".join(lines)))
    assert list(read_file(READER, source(path))) == plain
    path.write_bytes(packed(b"".join(lines))[:-30])
    broken = source(path)
    assert (list(read_file(READER, broken)), broken.skipped) == ([], {"damaged zstd": 1})


@pytest.fixture
def no_unpacker(monkeypatch):
    """There is none."""
    for name in ("compression", "compression.zstd", "backports", "backports.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("no_unpacker")
def test_without_a_package_that_unpacks_a_compressed_rollout_waits(tmp_path):
    of = source(rollout(tmp_path, b"").rename(tmp_path / "sessions" / f"rollout-{ME}.jsonl.zst"))
    with pytest.raises(ReadLater, match="install it beside vibeusage"):
        list(read_file(READER, of))


@pytest.mark.usefixtures("no_unpacker")
def test_a_fork_waits_with_its_parent_that_cannot_be_unpacked(tmp_path):
    """Else all that it copied would count as its own."""
    parent = rollout(tmp_path, name=PARENT)
    parent.rename(parent.with_name(f"{parent.name}.zst"))
    of = source(rollout(tmp_path, meta(forked_from_id=PARENT), counted(9, A, A), counted(20, AB, B)))
    with pytest.raises(ReadLater):
        list(read_file(READER, of))


def test_found_are_rollouts_at_any_depth_and_packed_ones_without_a_plain_copy(tmp_path):
    names = ("2026/10/02/rollout-a.jsonl", "2026/10/02/rollout-a.jsonl.zst", "rollout-b.jsonl.zst", "history.jsonl")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in find(tmp_path)] == ["rollout-a.jsonl", "rollout-b.jsonl.zst"]


@pytest.mark.parametrize(
    ("named", "homes"), [("", ["~/.codex"]), ("~/a, /srv/b", ["~/a", "/srv/b"])], ids=["the default", "a list"]
)
def test_the_variable_replaces_the_default(tmp_path, named, homes):
    roots = READER.roots(Places(environ={"CODEX_HOME": named}, home=tmp_path, platform="linux"))
    wanted = [f"{home}/{name}" for home in homes for name in ("sessions", "archived_sessions")]
    assert [str(path).replace(str(tmp_path), "~") for path in roots] == wanted


def test_the_fixture_is_counted_once_and_no_word_of_it_is_kept():
    found = read_tree(READER, FIXTURES)
    assert vectors(found.values()) == [(2_700, 3_800, 0, 240), (300, 2_300, 0, 140)]
    assert b"canary" not in msgspec.json.encode(list(found.values()))
    assert any(b"canary" in path.read_bytes() for path in find(FIXTURES))
