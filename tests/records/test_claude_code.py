"""Claude Code's lines: one call for each that was made, whatever repeats, mirrors or hides it."""

import json
import random
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from records.gen_claude_logs import KINDS, generate
from records.merge_rule import merged, read_file, read_tree

from vibeusage.records.readers.claude_code import READERS, find, read
from vibeusage.records.readers.spec import Call, Lines, Places, Source

CLAUDE = READERS[0]
AT = 1_790_928_942_118  # 2026-10-02T08:15:42.118Z
FIXTURES = Path(__file__).parents[1] / "fixtures" / "records" / "claude"
USAGE = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 900,
    "cache_read_input_tokens": 41_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 900},
    "output_tokens": 212,
}
CALL = Call(
    uuid="msg_01Qw234567",
    ts=AT,
    session="5f3e",
    model="claude-opus-4-6",
    folder="/home/ana/shop",
    branch="fix/cart",
    version="2.1.140",
    input=3,
    output=212,
    write=900,
    write_1h=900,
    read=41_000,
    served_by="anthropic",
)


def line(*, usage=None, message=None, **over):
    """The line behind CALL, with some of it replaced; None is null, and `...` leaves a key out."""
    told: dict[str, Any] = {"id": CALL.uuid, "role": "assistant", "model": CALL.model, "content": []}
    told |= {"stop_reason": "tool_use"}
    told |= {"usage": _without(USAGE | usage) if isinstance(usage, dict) else USAGE} | (message or {})
    outer: dict[str, Any] = {"isSidechain": False, "cwd": CALL.folder, "sessionId": "5f3e", "version": CALL.version}
    outer |= {"gitBranch": CALL.branch, "type": "assistant", "requestId": "req_1", "uuid": "u-1"}
    outer |= {"timestamp": "2026-10-02T08:15:42.118Z", "message": _without(told)} | over
    return json.dumps(_without(outer), separators=(",", ":")).encode() + b"\n"


def _without(told):
    return {key: value for key, value in told.items() if value is not ...}


def source(path="/logs/-home-ana-shop/5f3e.jsonl"):
    return Source(Path(path), Path("/logs"))


def calls(*lines, of=None):
    return list(merged(read(b"".join(lines), of or source(), {})).values())


def but(**over):
    return msgspec.structs.replace(CALL, **over)


HAND = [
    pytest.param([line()], [CALL], id="one line"),
    pytest.param(
        [
            line(usage={"output_tokens": 2}, message={"stop_reason": None}),
            line(timestamp="2026-10-02T08:15:43.000Z"),
            line(usage={"output_tokens": 5}, message={"stop_reason": None}, timestamp="2026-10-02T08:15:44.000Z"),
        ],
        [CALL],
        id="streamed, the largest in the middle",
    ),
    pytest.param(
        [line(usage={"output_tokens": 2}, message={"stop_reason": None})],
        [but(output=2, complete=False)],
        id="no last line: a lower bound",
    ),
    pytest.param(
        [
            line(isSidechain=True, agentId="a7", usage={"output_tokens": 999}, timestamp="2026-10-02T07:00:00Z"),
            line(),
        ],
        [CALL],
        id="a side question's copy counts nothing, and moves nothing",
    ),
    pytest.param(
        [line(isSidechain=True, agentId="a7")],
        [but(rank=1, kind="subagent", data={"agent": "a7"})],
        id="a subagent is counted, in its parent's session",
    ),
    pytest.param([line(requestId=None), line(requestId=...)], [CALL], id="no request id"),
    pytest.param(
        [line(requestId=None, costUSD=None, cwd=None, version=None, gitBranch=None)],
        [but(folder="", version="", branch="")],
        id="nulls are absent",
    ),
    pytest.param(
        [line(usage={"cache_creation": None, "cache_creation_input_tokens": None, "cache_read_input_tokens": ...})],
        [but(write=0, write_1h=0, read=0)],
        id="no cache fields",
    ),
    pytest.param(
        [line(usage={"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}})],
        [but(write_1h=0)],
        id="a split of 0 and 0: the whole counts",
    ),
    pytest.param(
        [line(usage={"cache_creation": {"ephemeral_1h_input_tokens": 400}})],
        [but(write_1h=400)],
        id="what the split leaves out lives five minutes",
    ),
    pytest.param(
        [line(usage={"cache_creation_input_tokens": ..., "cache_creation": {"ephemeral_5m_input_tokens": 70}})],
        [but(write=70, write_1h=0)],
        id="a split without the whole",
    ),
    pytest.param(
        [line(usage={"input_tokens": 3.0, "output_tokens": "212", "cache_read_input_tokens": 41_000.0})],
        [CALL],
        id="counts as floats and digits",
    ),
    pytest.param(
        [line(usage={"input_tokens": -3, "output_tokens": True, "cache_read_input_tokens": 1 << 60})],
        [but(input=0, output=0, read=0)],
        id="negative, boolean and absurd counts are none",
    ),
    pytest.param([line(usage={"speed": "fast"})], [but(speed="fast")], id="fast"),
    pytest.param([line(usage={"speed": "standard"})], [CALL], id="standard speed is no speed"),
    pytest.param([line(usage={"inference_geo": "us", "speed": "fast"})], [but(speed="fast us")], id="in one country"),
    pytest.param([line(usage={"service_tier": "batch", "inference_geo": "us"})], [but(speed="batch us")], id="batch"),
    pytest.param([line(usage={"service_tier": "priority", "inference_geo": "global"})], [CALL], id="no other price"),
    pytest.param(
        [line(usage={"server_tool_use": {"web_search_requests": 4}})], [but(searches=4)], id="web searches are counted"
    ),
    pytest.param(
        [line(costUSD=0.25, gitBranch=..., usage={"cache_creation": ...}, version="1.0.30")],
        [but(branch="", write_1h=0, version="1.0.30", cost=250_000_000_000)],
        id="version 1.0 with its own cost",
    ),
    pytest.param([line(message={"id": ...})], [but(uuid="u-1")], id="no message id: the line's"),
    pytest.param([line(message={"id": ...}, uuid=...)], [but(uuid=f"5f3e@{AT}")], id="no id at all"),
    pytest.param(
        [line(message={"id": "msg"}), line(message={"id": "msg"}, requestId="req_2")],
        [but(uuid="msg|req_1"), but(uuid="msg|req_2")],
        id="a gateway with one id for all: the request tells",
    ),
    pytest.param(
        [line(message={"id": "chat-completion"}, requestId=None, uuid=name) for name in ("u-1", "u-2")],
        [but(uuid="chat-completion|u-1"), but(uuid="chat-completion|u-2")],
        id="an id without a digit, no request: the line tells",
    ),
    pytest.param(
        [line(message={"id": "msg_bdrk_0123456789", "model": "us.anthropic.claude-opus-4-6-v1:0"})],
        [but(uuid="msg_bdrk_0123456789", model="us.anthropic.claude-opus-4-6-v1:0", served_by="bedrock")],
        id="Bedrock",
    ),
    pytest.param(
        [line(message={"model": "jp.anthropic.claude-opus-4-6-v1"})],
        [but(model="jp.anthropic.claude-opus-4-6-v1", served_by="bedrock")],
        id="Bedrock in a region",
    ),
    pytest.param([line(message={"model": "<synthetic>"})], [], id="a synthetic answer is no call"),
    pytest.param(
        [line(type="user", message={"usage": ...}, toolUseResult={"totalTokens": 7, "usage": USAGE})],
        [],
        id="a subagent's sum in a tool's result is no call",
    ),
    pytest.param([line().replace(b'"message":{', b'"message":"text","other":{')], [], id="a message that is a text"),
    pytest.param([json.dumps(json.loads(line())).encode() + b"\n"], [CALL], id="spaced JSON"),
    pytest.param([line().replace(b"\n", b"\r\n")], [CALL], id="CRLF"),
    pytest.param([b"\xef\xbb\xbf" + line()], [CALL], id="a byte order mark"),
    pytest.param([b"\0" * 900 + line()], [CALL], id="behind a run of NUL"),
    pytest.param([line().replace(b'"content":[]', b'"content":["\xff"]')], [CALL], id="invalid UTF-8 in a text"),
    pytest.param([line().replace(b'"content":[]', b'"content":["%s"]' % (b"x" * 9_000_000))], [CALL], id="a huge line"),
    pytest.param([line(sessionId=...)], [CALL], id="the session by the file's name"),
    pytest.param([b""], [], id="an empty file"),
]


@pytest.mark.parametrize(("lines", "expected"), HAND)
def test_lines_become_the_calls_that_were_made(lines, expected):
    assert calls(*lines) == expected


def test_an_advisor_is_a_call_of_its_own_and_other_iterations_are_none():
    advice = {"type": "advisor_message", "model": "claude-haiku-4-5", "input_tokens": 70, "output_tokens": 9}
    parts = [{"type": "message", **USAGE}, advice, {"type": "compaction", "input_tokens": 5}]
    told = line(usage={"iterations": parts})
    counts = {"input": 70, "output": 9, "write": 0, "write_1h": 0, "read": 0}
    advised = but(uuid=f"{CALL.uuid}:advisor:1", model="claude-haiku-4-5", **counts)
    assert calls(told, told) == [CALL, advised]


def progress(**inner):
    told = json.loads(line())
    message = {"timestamp": told["timestamp"], "requestId": "req_9", "message": told["message"]} | inner
    outer = {key: value for key, value in told.items() if key != "message"}
    outer |= {"type": "progress", "timestamp": "2026-10-02T09:00:00Z", "data": {"message": message}}
    return json.dumps(outer).encode() + b"\n"


@pytest.mark.parametrize("inner", [{"isSidechain": True}, {}], ids=["flagged", "without a flag"])
def test_a_mirror_in_progress_counts_only_where_nothing_else_does(inner):
    alone = but(rank=1, kind="subagent")
    assert calls(progress(**inner)) == [alone]
    assert calls(progress(**inner), line(isSidechain=True)) == [alone]
    assert calls(line(), progress(**inner)) == [CALL]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(line()[:-40] + b"\n", "not JSON", id="a cut line"),
        pytest.param(line().rstrip() + line(), "not JSON", id="glued lines"),
        pytest.param(b"[" + line().rstrip() + b"]\n", "not an object", id="a list"),
        pytest.param(line(timestamp=...), "no time", id="no time"),
        pytest.param(line(timestamp="2026-10-02T08:15:42"), "no time", id="a time without a zone"),
        pytest.param(line(timestamp="2021-10-02T08:15:42Z"), "too old", id="before any tool"),
        pytest.param(line(message={"model": ...}), "no model", id="no model"),
    ],
)
def test_a_line_of_no_use_is_counted_and_costs_nobody_else(bad, reason):
    of = source()
    assert calls(line(), bad, line(message={"id": "msg_01Zz234567"}), of=of) == [CALL, but(uuid="msg_01Zz234567")]
    assert of.skipped == {reason: 1}


@pytest.mark.parametrize(
    ("path", "session"),
    [
        ("p/5f3e/subagents/agent-1.jsonl", "5f3e"),
        ("p/5f3e/subagents/workflows/wf_1/agent-1.jsonl", "5f3e"),
        ("p/5f3e/chat.jsonl", "5f3e"),
        ("p/5f3e.jsonl", "5f3e"),
    ],
)
def test_a_line_without_a_session_takes_it_from_the_path(path, session):
    assert [call.session for call in calls(line(sessionId=...), of=source(f"/logs/{path}"))] == [session]


def test_every_line_of_the_fixture_is_what_its_name_says():
    found = read_tree(CLAUDE, FIXTURES)
    assert {uuid: (call.input, call.output, call.write, call.write_1h, call.read) for uuid, call in found.items()} == {
        "msg_01AAAAAAAAAA1": (3, 212, 900, 900, 41_000),
        "msg_01AAAAAAAAAA2": (10, 40, 0, 0, 42_000),
        "msg_01AAAAAAAAAA2:advisor:0": (70, 9, 0, 0, 0),
        "msg_01BBBBBBBBBB1": (5, 30, 100, 0, 0),
        "glm-20261002081600": (1_200, 80, 0, 0, 0),
    }
    assert {call.session for call in found.values()} == {"5f3e0000-0000-4000-8000-000000000001"}


# where


def files(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(line())
    return root


def test_found_are_sessions_and_subagents_but_no_journal_backup_folder_or_linked_folder(tmp_path):
    root = files(tmp_path / "projects", "p/a.jsonl", "p/a/subagents/agent-1.jsonl")
    files(root, "p/a/subagents/workflows/w/journal.jsonl", "p/b.jsonl.bak", "p/folder.jsonl/c.jsonl")
    (root / "loop").symlink_to(root)
    (root / "p" / "linked.jsonl").symlink_to(root / "p" / "a.jsonl")
    names = {str(path.relative_to(root)) for path in find(root)}
    assert names == {"p/a.jsonl", "p/a/subagents/agent-1.jsonl", "p/folder.jsonl/c.jsonl", "p/linked.jsonl"}


def test_of_the_desktops_folders_only_transcripts_are_read(tmp_path):
    root = files(tmp_path / "local-agent-mode-sessions", "u/s/.claude/projects/p/a.jsonl", "u/s/audit.jsonl")
    files(root, "1/2/3/4/5/6/7/.claude/projects/p/b.jsonl", "1/2/3/4/5/6/7/8/.claude/projects/p/too-deep.jsonl")
    assert sorted(path.name for path in find(root)) == ["a.jsonl", "b.jsonl"]


def places(home, platform="linux", **environ):
    return Places(environ=environ, home=home, platform=platform)


def roots(reader, where):
    return [str(path).replace(str(where.home), "~") for path in reader.roots(where)]


DESKTOP = [f"~/.config/Claude/{name}" for name in ("local-agent-mode-sessions", "claude-code-sessions")]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param(
            "",
            [f"~/{base}/{name}" for base in (".config/claude", ".claude") for name in ("projects", "transcripts")],
            id="both defaults",
        ),
        pytest.param(
            "~/work, /srv/claude/projects",
            ["~/work/projects", "~/work/transcripts", "/srv/claude/projects"],
            id="a list of either kind, instead of the defaults",
        ),
    ],
)
def test_the_variable_replaces_the_defaults(tmp_path, named, expected):
    assert roots(CLAUDE, places(tmp_path, CLAUDE_CONFIG_DIR=named)) == expected + DESKTOP


def test_on_a_mac_the_desktop_keeps_its_sessions_in_application_support(tmp_path):
    assert "~/Library/Application Support/Claude/claude-code-sessions" in roots(CLAUDE, places(tmp_path, "darwin"))


def test_other_writers_of_the_format_have_readers_of_their_own(tmp_path):
    files(tmp_path, ".cc-mirror/zai/config/projects/p/a.jsonl")
    assert {reader.id: roots(reader, places(tmp_path)) for reader in READERS[1:]} == {
        "cherry-studio": [
            "~/.config/CherryStudio/.claude/projects",
            "~/.config/CherryStudio/Data/Agents/.claude/projects",
        ],
        "cc-mirror": ["~/.cc-mirror/zai/config/projects"],
        "openclaude": ["~/.openclaude/projects"],
        "codebuddy": ["~/.codebuddy/projects"],
        "command-code": ["~/.commandcode/projects"],
    }


# whole trees


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("claude")
    return out, generate(out, 2, 7, "America/New_York")


def sums(found, key=lambda call: ""):
    totals = {}
    for call in found.values():
        total = totals.setdefault(key(call), Counter(dict.fromkeys(("calls", *KINDS), 0)))
        five = call.write - call.write_1h
        told = (1, call.input, call.output, five, call.write_1h, call.read)
        total.update(dict(zip(("calls", *KINDS), told, strict=True)))
    return {name: dict(total) for name, total in totals.items()}


def counts(told):
    return {name: told[name] for name in ("calls", *KINDS)}


def day(zone):
    return lambda call: f"{datetime.fromtimestamp(call.ts // 1000, ZoneInfo(zone)):%Y-%m-%d}"


def assert_told(found, told, zone):
    expected = told["expected"]
    assert sums(found) == {"": counts(expected)}
    for name, key in (
        ("by_model", lambda call: call.model),
        ("by_speed", lambda call: call.speed or "standard"),
        ("by_project", lambda call: call.folder),
        ("by_branch", lambda call: call.branch),
        ("by_session", lambda call: call.session),
        ("by_day", day(zone)),
    ):
        assert sums(found, key) == {group: counts(total) for group, total in expected[name].items()}, name
    assert sum(call.searches for call in found.values()) == expected["searches"]
    assert sorted(uuid for uuid, call in found.items() if not call.complete) == told["unfinished_calls"]


def test_a_tree_with_every_trap_gives_exactly_its_truth(small):
    out, told = small
    assert_told(read_tree(CLAUDE, out / "projects"), told, "America/New_York")


def test_no_fault_that_we_know_of_goes_unseen_in_that_tree(small):
    _, told = small
    right = {name: told["expected"][name] for name in ("calls", *KINDS, "total", "cost")}
    assert [name for name, total in told["if_wrong"].items() if total == right] == []


def test_the_order_of_files_and_the_size_of_blocks_change_no_total(small):
    out, _ = small
    root = out / "projects"
    paths = list(find(root))
    random.Random(3).shuffle(paths)
    found = merged(call for path in paths for call in read_file(CLAUDE, Source(path, root), block=1))
    told = read_tree(CLAUDE, root)
    assert (sums(found), sums(found, day("UTC"))) == (sums(told), sums(told, day("UTC")))


def test_a_file_that_grew_adds_what_came(small):
    out, told = small
    root, more = out / "projects", told["growth"]
    source = Source(out / more["file"], root)
    data = source.path.read_bytes()
    before = read_tree(CLAUDE, root)
    whole = data[data.rfind(b"\n") + 1 :] + more["append"].encode()
    assert isinstance(CLAUDE.form, Lines)
    after = merged([*before.values(), *CLAUDE.form.read(whole, source, {})])
    expected = Counter(counts(told["expected"])) + Counter(counts(more["adds"]))
    assert sums(after) == {"": dict(expected)}


def test_no_word_of_a_conversation_is_in_any_call(small):
    out, told = small
    kept = msgspec.json.encode(list(read_tree(CLAUDE, out / "projects").values())).decode()
    assert [word for word in told["canaries"] if word in kept] == []
    assert "canary" in "".join(path.read_text(errors="replace") for path in find(out / "projects"))


def test_the_same_seed_gives_the_same_tree(tmp_path, small):
    _, told = small
    assert generate(tmp_path / "again", 2, 7, "America/New_York") == told


@pytest.mark.slow
def test_a_tree_of_60_mb_gives_exactly_its_truth(tmp_path):
    told = generate(tmp_path, 60, 11, "Europe/Berlin")
    assert_told(read_tree(CLAUDE, tmp_path / "projects"), told, "Europe/Berlin")
