"""What tools record beyond tokens, against hand-computed values, from files as the tools write them."""

import json
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from records.feeding import CANARY, feed, lines

from vibeusage.records import activity, pricing, reports, store
from vibeusage.records.activity import Fact
from vibeusage.records.readers import continue_dev, copilot, cursor
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.reports import Query
from vibeusage.records.tally import Pricer
from vibeusage.settings import ModelPrices, Pricing

# 1, 2, 3, 4 and 0.5 USD per million: input, output, cache write, for an hour, cache read
PRICER = Pricer(pricing.load(Pricing(models={"m": ModelPrices(1.0, 2.0, 3.0, 4.0, 0.5)})), {})
AT = 1_791_014_404_000  # 2026-10-03T08:00:04Z


@pytest.fixture
def db(tmp_path):
    with store.open(tmp_path / "usage.db") as opened:
        yield opened


def call(uuid: str, when: str = "2026-03-10T12:00Z", **fields: Any) -> Call:
    told: dict[str, Any] = {"uuid": uuid, "ts": int(datetime.fromisoformat(when).timestamp() * 1000), "model": "m"}
    return Call(**(told | fields))


def facts(db, provider: str, **asked: Any) -> list[tuple | str]:
    """(fact, name, count, share) of each row; what is not recorded is its name alone."""
    query = Query(zone=UTC, providers=(provider,), **asked)
    rows = activity.report(db, PRICER, query).rows
    assert {row.provider for row in rows} <= {provider}
    return [(row.fact, row.name, row.count, row.share) if row.is_recorded else row.fact for row in rows]


def put(db, provider: str, fed) -> None:
    db.put(provider, [*fed.calls.values(), *fed.facts.values()], machine="box")


def test_a_cache_s_share_of_the_prompt_and_what_it_saved(db):
    used = [call("a", input=100, output=7, write=300, write_1h=100, read=600), call("b", input=0, read=1000)]
    db.put("claude", used, machine="box")
    assert facts(db, "claude") == [
        ("prompt_tokens", "read", 1600, 0.8),
        ("prompt_tokens", "not cached", 100, 0.05),
        ("prompt_tokens", "written", 300, 0.15),
        ("cache_saved", "", None, None),
    ]
    # 1600 * (1 - 0.5) - 200 * (3 - 1) - 100 * (4 - 1) = 100 millionths
    assert activity.report(db, PRICER, Query(zone=UTC)).rows[-1].usd == "0.0001"


@pytest.mark.parametrize(
    ("other", "name", "usd"),
    [
        pytest.param({"model": "unheard-of", "read": 9}, "of the models with a price", "0.0003", id="some"),
        pytest.param({"model": "unheard-of", "input": 9}, "", "0.0003", id="what has no price used no cache"),
        pytest.param({"write": 200}, "", "-0.0001", id="writing cost more than reading saved"),
    ],
)
def test_what_has_no_price_saves_nothing_that_is_known(db, other, name, usd):
    db.put("claude", [call("a", read=600), call("b", **other)], machine="box")
    assert activity.report(db, PRICER, Query(zone=UTC)).rows[-1] == Fact(
        provider="claude", fact="cache_saved", name=name, usd=usd
    )


def test_no_price_at_all_is_no_amount(db):
    db.put("claude", [call("a", model="unheard-of", read=600)], machine="box")
    assert activity.report(db, PRICER, Query(zone=UTC)).rows[-1] == Fact(
        provider="claude", fact="cache_saved", name="no price is known"
    )


def bubble(at: str, model: str, tokens: int = 0) -> dict[str, Any]:
    counts = {"inputTokens": tokens, "outputTokens": tokens}
    return {"type": 2, "createdAt": at, "tokenCount": counts, "modelInfo": {"modelName": model}, "text": CANARY}


def cursor_database(folder: Path, bubbles: dict[str, dict[str, Any]]) -> Path:
    path = folder / "globalStorage" / "state.vscdb"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as opened:
        opened.execute("CREATE TABLE cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
        told = [(f"bubbleId:{key}", json.dumps(value)) for key, value in bubbles.items()]
        opened.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", told)
    opened.close()
    return path


CONVERSATIONS = {
    "c1:b1": bubble("2026-10-03T08:00:01Z", "claude-sonnet-4-5", 100),
    "c1:b2": bubble("2026-10-03T08:00:02Z", "gpt-5"),  # recent versions write no counts
    "c1:b3": bubble("2026-10-03T08:00:03Z", "gpt-5"),
    "c1:b4": bubble("2026-10-03T08:00:04Z", "claude-sonnet-4-5"),
    "c2:b5": bubble("2026-10-03T08:00:02Z", "default"),
    "c2:b6": bubble("2026-10-03T08:00:05Z", "default"),
    "c3:b7": bubble("2026-10-03T08:00:05Z", ""),
}


def test_cursor_s_conversations_that_changed_their_model(db, tmp_path):
    put(db, "cursor", feed(cursor.READER, cursor_database(tmp_path / "Cursor" / "User", CONVERSATIONS)))
    assert facts(db, "cursor") == [
        ("model_switching", "sessions", 2, None),
        ("model_switching", "sessions with several models", 1, 0.5),
        ("model_switching", "switches", 2, None),
        "request_kinds",
    ]


def test_cursor_s_kinds_of_requests(db, tmp_path):
    rows = ["Included", "Included", "On-Demand", "Errored, No Charge"]
    text = "Date,Kind,Model,Input (w/ Cache Write),Input (w/o Cache Write),Cache Read,Output Tokens,Total Tokens,Cost\n"
    text += "".join(f'2026-10-03T08:00:0{at}Z,"{kind}",auto,0,1,0,1,2,-\n' for at, kind in enumerate(rows))
    (tmp_path / "usage.csv").write_text(text)
    put(db, "cursor", feed(cursor.READER, tmp_path / "usage.csv"))
    assert facts(db, "cursor") == [
        "model_switching",  # an export names no conversation
        ("request_kinds", "Included", 2, 0.5),
        ("request_kinds", "Errored, No Charge", 1, 0.25),
        ("request_kinds", "On-Demand", 1, 0.25),
    ]


def context(provider: str) -> dict[str, Any]:
    return {"content": CANARY, "name": CANARY, "description": CANARY, "id": {"providerTitle": provider, "itemId": "x"}}


def asked(*contexts: str, command: dict[str, Any] | None = None) -> dict[str, Any]:
    typed = {"type": "paragraph", "content": [{"type": "text", "text": CANARY}]}
    old = {"type": "paragraph", "content": [command, {"type": "text", "text": CANARY}]}
    is_block = command is not None and command["type"] == "prompt-block"
    blocks = [typed, command] if is_block else [old] if command else [typed]
    items = [context(name) for name in contexts]
    return {"message": {"role": "user", "content": CANARY}, "contextItems": items, "editorState": {"content": blocks}}


def answered(*providers: str | None) -> dict[str, Any]:
    logs = [{"modelTitle": CANARY, "modelProvider": name, "prompt": CANARY, "completion": CANARY} for name in providers]
    return {"message": {"role": "assistant", "content": CANARY}, "contextItems": [], "promptLogs": logs}


EDIT = {"type": "slashcommand", "attrs": {"label": "/edit", "id": "edit"}}
REVIEW = {"type": "prompt-block", "attrs": {"item": {"name": "Code Review", "content": CANARY}}}
SESSIONS = {
    "s1": [asked("file", "file", "diff", command=EDIT), answered("anthropic"), asked("file"), answered("openai")],
    "s2": [asked("toolCall", command=REVIEW), answered("anthropic", "anthropic"), asked(command=EDIT)],
    "s3": [asked(), {"message": {"role": "assistant", "content": CANARY}, "editorState": "text"}],
}


def continue_home(root: Path, sessions: dict[str, Any], *, has_dev_data: bool = False) -> list[Path]:
    (root / "sessions").mkdir(parents=True)
    listed = [{"sessionId": name, "dateCreated": str(AT), "title": CANARY} for name in sessions]
    (root / "sessions" / "sessions.json").write_text(json.dumps(listed))
    for name, history in sessions.items():
        told = {"sessionId": name, "title": CANARY, "workspaceDirectory": "/home/ana/shop", "history": history}
        (root / "sessions" / f"{name}.json").write_text(json.dumps(told))
    if has_dev_data:
        (root / "dev_data" / "0.2.0").mkdir(parents=True)
        line = {"timestamp": "2026-10-03T08:00:04Z", "model": "m", "promptTokens": 5, "generatedTokens": 1}
        (root / "dev_data" / "0.2.0" / "tokensGenerated.jsonl").write_text(json.dumps(line) + "\n")
    return list(continue_dev.READER.find(root))


@pytest.mark.parametrize("has_dev_data", [False, True], ids=["sessions alone", "beside the dev data"])
def test_what_continue_s_sessions_name(db, tmp_path, has_dev_data):
    put(db, "continue", feed(continue_dev.READER, *continue_home(tmp_path, SESSIONS, has_dev_data=has_dev_data)))
    assert facts(db, "continue") == [
        ("providers", "anthropic", 3, 0.75),
        ("providers", "openai", 1, 0.25),
        ("provider_switching", "sessions", 2, None),
        ("provider_switching", "sessions with several providers", 1, 0.5),
        ("context_providers", "file", 3, 0.75),
        ("context_providers", "diff", 1, 0.25),
        ("slash_commands", "edit", 2, 0.6667),
        ("slash_commands", "Code Review", 1, 0.3333),
    ]


NO_NAMES = {"long": "x" * 65, "lines": "two\nlines", "quotes": "say 'hello'", "tag": "<b>", "none": "", "NUL": "e\0"}


@pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES)
def test_what_is_no_name_is_not_kept(tmp_path, name):
    command = {"type": "slashcommand", "attrs": {"label": name}}
    assert feed(continue_dev.READER, *continue_home(tmp_path, {"s": [asked(name, command=command)]})).facts == {}


def test_the_longer_state_of_a_session_stays(tmp_path):
    long, short = (
        feed(continue_dev.READER, *continue_home(tmp_path / str(size), {"s1": SESSIONS["s1"][:size]})).facts
        for size in (4, 2)
    )
    assert long["facts:s1"].order > short["facts:s1"].order
    assert long["facts:s1"].data == {
        "providers": {"anthropic": 1, "openai": 1},
        "contexts": {"file": 3, "diff": 1},
        "commands": {"edit": 1},
    }


def test_without_sessions_continue_records_no_names(db):
    db.put("continue", [call("a", input=5, kind="estimate")], machine="box")
    assert facts(db, "continue") == ["providers", "provider_switching", "context_providers", "slash_commands"]


def request(name: str, at: int, *, languages=(), edits=(), model="copilot/gpt-5.4") -> dict[str, Any]:
    blocks = [{"code": CANARY, "language": language, "resource": CANARY} for language in languages]
    events = [{"uri": {"path": f"/{CANARY}"}, "eventKind": kind} for kind in edits]
    told = {"requestId": name, "timestamp": at, "modelId": model, "message": {"text": CANARY}}
    return told | {"result": {"metadata": {"codeBlocks": blocks}}, "editedFileEvents": events}


def chat(user: Path, *patches) -> Path:
    return lines(user / "workspaceStorage" / "77" / "chatSessions" / "c1.jsonl", *patches)


def test_copilot_s_edits_languages_and_editors(db, tmp_path):
    asked = [
        request("r1", AT, languages=["python", "Python", "c++", f"js {CANARY}"], edits=[1, 1, 2]),
        request("r2", AT + 9, languages=["python"], edits=[1, 3]),
        request("r3", AT + 20, languages=["rust"], edits=[2], model="other/model"),
    ]
    session = {"kind": 0, "v": {"sessionId": "c1", "requests": asked[:1]}}
    more = {"kind": 2, "k": ["requests"], "v": asked[1:]}
    edits = request("", 0, edits=[1, 3, 2])["editedFileEvents"]
    later = {"kind": 1, "k": ["requests", 1, "editedFileEvents"], "v": edits}
    put(db, "copilot", feed(copilot.READERS, chat(tmp_path / "Code" / "User", session, more, later)))
    assert facts(db, "copilot") == [
        ("edited_files", "kept", 3, 0.6),
        ("edited_files", "undone", 2, 0.4),
        ("edited_files", "changed by hand", 1, None),
        "completions_accepted",
        ("languages", "python", 3, 0.75),
        ("languages", "c++", 1, 0.25),
        ("editors", "VS Code", 2, 1.0),
    ]


def test_the_command_line_of_copilot_records_none_of_it(db):
    db.put("copilot", [call("a", input=5)], machine="box")
    assert facts(db, "copilot") == ["edited_files", "completions_accepted", "languages", "editors"]


def test_facts_are_in_no_sum(db, tmp_path):
    fed = feed(cursor.READER, cursor_database(tmp_path / "Cursor" / "User", CONVERSATIONS))
    both = [*fed.calls.values(), *fed.facts.values()]
    assert db.put("cursor", both, machine="box") == store.Changed(added=1)
    total = reports.periods("daily", db, PRICER, Query(zone=UTC)).total
    assert (total.messages, total.total_tokens, db.counts()["cursor"].calls) == (1, 200, 1)
    assert [one.call.kind for one in db.calls()].count(FACTS) == 5


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        pytest.param({}, 111, id="all"),
        pytest.param({"since": date(2026, 3, 11)}, 110, id="since"),
        pytest.param({"until": date(2026, 3, 11)}, 11, id="until"),
        pytest.param({"model": "opus"}, 10, id="model"),
        pytest.param({"project": "/work"}, 100, id="project"),
    ],
)
def test_a_question_limits_the_calls(db, asked, count):
    used = [
        call("a", "2026-03-10T23:59Z", input=1, model="m"),
        call("b", "2026-03-11T00:00Z", input=10, model="claude-opus-4-6"),
        call("c", "2026-03-12T00:00Z", input=100, folder="/work/shop"),
    ]
    db.put("claude", used, machine="box")
    found = activity.report(db, PRICER, Query(zone=UTC, **asked)).rows
    assert [row.count for row in found if row.name == "not cached"] == [count]


def test_only_tools_with_records_have_a_block_and_a_limit_hides_names_of_lists(db):
    kinds = [call(f"{at}", session="s", input=1, data={"kind": kind}) for at, kind in enumerate("aabbbc")]
    db.put("cursor", kinds, machine="box")
    found = activity.report(db, PRICER, Query(zone=UTC), limit=1)
    assert [(row.provider, row.fact, row.name) for row in found.rows] == [
        ("cursor", "model_switching", "sessions"),
        ("cursor", "model_switching", "sessions with several models"),
        ("cursor", "model_switching", "switches"),
        ("cursor", "request_kinds", "b"),
    ]
    assert found.hidden == 2
    assert activity.report(db, PRICER, Query(zone=UTC, providers=("claude",))).rows == ()


def test_names_of_one_s_own_are_redacted(db):
    data = {"contexts": {"secret-wiki": 2}, "commands": {"secret-deploy": 1}, "providers": {"anthropic": 1}}
    db.put("continue", [call("a", kind=FACTS, data=data)], machine="box")
    found = activity.report(db, PRICER, Query(zone=UTC, names=lambda kind, name: f"{kind}-1"))
    assert [row.name for row in found.rows if row.count] == [
        *("anthropic", "sessions", "context-1", "command-1"),
    ]
    assert b"secret" not in msgspec.json.encode(found)
