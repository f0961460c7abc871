"""What other trackers kept is taken over once, their files stay as they are, and nothing is told twice."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from documents import valid

from vibeusage import cli, config, paths
from vibeusage.errors import ConfigError
from vibeusage.records import importing, store
from vibeusage.records.importing import Provider, Result, Setting
from vibeusage.records.readers.spec import Call

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records" / "import"
BERLIN = ZoneInfo("Europe/Berlin")
OPUS = "claude-opus-4-5-20251101"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def take(source: str, file: Path | None = None, *, dry_run: bool = False, provider: str = "claude") -> Result:
    return importing.run(source, file, provider=provider, zone=BERLIN, dry_run=dry_run)


def stored(provider: str = "claude") -> list[tuple[str, Call]]:
    """(machine, call) in the order of time; a machine that no file names is ""."""
    import socket

    own = socket.gethostname()
    with store.open(readonly=True) as opened:
        records = list(opened.calls(provider=provider))
    return [("" if record.machine == own else record.machine, record.call) for record in records]


def tokens(provider: str = "claude") -> list[tuple[str, tuple[int, int, int, int]]]:
    return [(call.uuid, (call.input, call.output, call.write, call.read)) for _, call in stored(provider)]


def imported(uuid: str, when: str, tag: str, **fields) -> Call:
    return Call(uuid=uuid, ts=at(when), order=-1, data={"from": tag}, **fields)


def log(home: Path, *, message: str, when: str, session: str = "s-log", side: bool = False, output: int = 60) -> None:
    """One call in Claude Code's own log."""
    line = {
        "type": "assistant",
        "timestamp": f"{when}Z",
        "sessionId": session,
        "cwd": "/home/ana/shop",
        "version": "2.1.140",
        "isSidechain": side,
        "uuid": "99999999-0000-4000-8000-000000000001",
        "message": {
            "id": message,
            "model": OPUS,
            "stop_reason": "end_turn",
            "usage": {
                "input_tokens": 5,
                "output_tokens": output,
                "cache_creation_input_tokens": 500,
                "cache_read_input_tokens": 5000,
            },
        },
    }
    path = home / ".claude" / "projects" / "-home-ana-shop" / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


@pytest.fixture
def goblin(home) -> Path:
    return made(home / ".claude" / "usage" / "usage_history.db", (FIXTURES / "goblin.sql").read_text())


def made(path: Path, sql: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    database.executescript(sql)
    database.close()
    return path


def written(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


# --- claude-goblin


def test_claude_goblins_rows_become_calls_by_message_its_old_rows_by_what_their_lines_share(goblin):
    assert take("claude-goblin") == Result(
        source="claude-goblin",
        dry_run=False,
        files=(str(goblin),),
        providers=(Provider(provider="claude", found=4, added=4),),
        settings=(),
        notes=(),
        skipped={"told twice": 1, "no time": 1},
    )
    place = {"folder": "/home/ana/shop", "served_by": "anthropic", "model": OPUS, "branch": "main"}
    day, line, message, gateway = stored()
    tag = "claude-goblin"
    counts = {"input": 1, "output": 10, "write": 100, "read": 1000}
    assert day == (
        "attic",
        imported(f"{tag}:2026-01-05:attic", "2026-01-05T11:00:00", tag, kind="aggregate", **counts),
    )
    counts = {"input": 3, "output": 212, "write": 900, "read": 41_000}
    old = {"session": "s-old", "version": "2.0.1", "notes": ("approximate",)}
    assert line == ("", imported(line[1].uuid, "2026-02-01T09:00:00.500", tag, **counts, **old, **place))
    counts = {"input": 5, "output": 50, "write": 500, "read": 5000}
    new = {"session": "s-new", "version": "2.1.0"}
    assert message == ("attic", imported("msg_01madeup00000001", "2026-03-01T09:00:00", tag, **counts, **new, **place))
    call = imported("1|req_made_up_7", "2026-03-01T10:00:00", tag, input=70, output=7, session="s-gate")
    assert gateway == ("", msgspec.structs.replace(call, folder="/home/ana/shop", model="glm-4.6", served_by="zai"))


def test_importing_twice_adds_nothing(goblin):
    take("claude-goblin")
    before = stored()
    assert take("claude-goblin").providers == (Provider(provider="claude", found=4, known=4),)
    assert stored() == before


def test_a_call_that_our_own_log_tells_is_stored_once_and_as_the_log_has_it(goblin, home):
    log(home, message="msg_01madeup00000001", when="2026-03-01T09:00:00", side=True)
    boundary = at("2026-03-01T09:00:00")
    told = Provider(provider="claude", found=4, added=3, known=1)
    assert take("claude-goblin").providers == (told,)
    (call,) = (call for _, call in stored() if call.uuid == "msg_01madeup00000001")
    assert (call.output, call.kind, call.ts, call.data) == (60, "subagent", boundary, None)


def test_a_log_that_is_found_later_takes_the_place_of_what_was_imported(goblin, home):
    take("claude-goblin")
    log(home, message="msg_01madeup00000001", when="2026-03-01T09:00:05", output=45)
    cli.main(["records", "sync", "--quiet"])
    (call,) = (call for _, call in stored() if call.uuid == "msg_01madeup00000001")
    assert (call.output, call.version, call.ts) == (45, "2.1.140", at("2026-03-01T09:00:05"))


def test_what_has_no_identity_of_ours_is_taken_up_to_the_oldest_record_only(goblin, home):
    log(home, message="msg_01madeup00000077", when="2026-01-05T22:59:59")  # a second before the day ends in Berlin
    told = Provider(provider="claude", found=4, added=2, left_out=2, before_ms=at("2026-01-05T22:59:59"))
    assert take("claude-goblin").providers == (told,)
    assert [uuid for uuid, _ in tokens()] == ["msg_01madeup00000077", "msg_01madeup00000001", "1|req_made_up_7"]


def test_a_database_in_use_is_read_with_its_log_and_left_as_it_is(goblin):
    writer = sqlite3.connect(goblin)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("DELETE FROM usage_records WHERE message_uuid LIKE '1:%'")
    writer.commit()
    files = [path for path in goblin.parent.iterdir() if not path.name.endswith("-shm")]
    before = [path.read_bytes() for path in files]
    assert take("claude-goblin").providers[0].added == 3
    assert [path.read_bytes() for path in files] == before
    writer.close()
    assert [path.name for path in paths.data_dir().iterdir() if "copy" in path.name] == []


def test_its_further_folders_are_set_beside_the_usual_ones_unless_we_have_a_word_on_it(home, capsys):
    extra = [{"path": "~/nas/logs", "format": "claude"}, {"path": "/srv/codex", "format": "codex"}, {"path": 3}, "x"]
    written(home / ".claude" / "goblin_config.json", {"extra_sources": extra, "storage_format": "duckdb"})
    usual = home / ".claude" / "projects"
    usual.mkdir()
    config.set_value("records.codex.roots", "/mine")
    result = take("claude-goblin")
    claude = json.dumps([str(usual), f"{home}/nas/logs"], separators=(",", ":"))
    assert result.settings == (
        Setting("records.claude.roots", claude),
        Setting("records.codex.roots", '["/srv/codex"]', ["/mine"]),
    )
    assert result.notes == ("it keeps its records in DuckDB now; read is what its SQLite file has",)
    assert config.read()["records"] == {"codex": {"roots": ["/mine"]}, "claude": {"roots": json.loads(claude)}}


# --- a database of the second plan


PLAN = """CREATE TABLE usage_records (id INTEGER PRIMARY KEY, {provider} date TEXT NOT NULL, timestamp TEXT NOT NULL,
    session_id TEXT NOT NULL, message_uuid TEXT NOT NULL, message_type TEXT NOT NULL, model TEXT, folder TEXT NOT NULL,
    git_branch TEXT, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cache_creation_tokens INTEGER
    NOT NULL DEFAULT 0, cache_read_tokens INTEGER NOT NULL DEFAULT 0, total_tokens INTEGER NOT NULL,
    estimated_cost REAL, machine_name TEXT);"""



def plan(path: Path, *, uuid: str, column: str = "", value: str = "") -> Path:
    """A database of the second plan with one row; `column` is its column for the provider, if it has one."""
    row = f"'abc123', '{uuid}', 'assistant', 'm-1', '/p', 'main', 4, 3, 2, 1, 10, 0.5, 'desk'"
    insert = f"INSERT INTO usage_records VALUES (1, {value} '2025-10-15', '2025-10-15T14:23:45Z', {row});"
    return made(path, PLAN.format(provider=column) + insert)


@pytest.mark.parametrize(
    ("column", "value", "provider"),
    [
        pytest.param("", "", "claude", id="one provider: claude"),
        pytest.param("provider TEXT NOT NULL,", "'claude-code',", "claude", id="the plan's name for it"),
        pytest.param("provider TEXT NOT NULL,", "'codex',", "codex", id="another provider"),
    ],
)
def test_a_database_of_the_plan_is_taken_over(tmp_path, column, value, provider):
    path = plan(tmp_path / "one.db", uuid="msg_01made0000009", column=column, value=value)
    assert take("database", path).providers == (Provider(provider=provider, found=1, added=1),)
    ((machine, call),) = stored(provider)
    expected = imported(call.uuid, "2025-10-15T14:23:45", "database", session="abc123", model="m-1", folder="/p")
    counts = {"input": 4, "output": 3, "write": 2, "read": 1, "branch": "main"}
    assert (machine, call) == ("desk", msgspec.structs.replace(expected, **counts))
    assert (call.uuid == "msg_01made0000009") == (provider == "claude")


def test_a_one_provider_database_may_be_another_tools(tmp_path):
    path = plan(tmp_path / "one.db", uuid="x")
    assert take("database", path, provider="codex").providers[0].provider == "codex"


def test_a_tool_that_nobody_knows_is_counted_and_left_out(tmp_path):
    result = take("database", plan(tmp_path / "one.db", uuid="x", column="provider TEXT,", value="'toaster',"))
    assert (result.providers, result.skipped) == ((), {"unknown tool": 1})


# --- claude-monitor


def test_claude_monitors_calls_are_lower_bounds_and_its_sums_and_texts_are_left(home):
    path = written(
        home / ".claude-monitor" / "warehouse" / "usage.json", json.loads((FIXTURES / "warehouse.json").read_text())
    )
    params = written(home / ".claude-monitor" / "last_used.json", {"theme": "dark", "timezone": "Asia/Tokyo"})
    result = take("claude-monitor")
    assert result.files == (str(params), str(path))
    assert result.notes == ("its time zone is Asia/Tokyo: `vibeusage report daily --zone Asia/Tokyo`",)
    assert (result.providers, result.skipped) == (
        (Provider(provider="claude", found=2, added=2),),
        {"unknown tool": 1},
    )
    tag, counts = "claude-monitor", {"input": 5, "output": 50, "write": 500, "read": 5000}
    place = {"folder": "/home/ana/shop", "model": OPUS, "served_by": "anthropic", "complete": False}
    first, second = (call for _, call in stored())
    assert first == imported("msg_01madeup00000001", "2026-03-01T09:00:00.118", tag, **counts, **place)
    assert (second.input, second.model, second.notes) == (9, "glm-4.6", ())
    assert b"CANARY" not in (paths.data_dir() / store.NAME).read_bytes()


# --- ccusage


def day(when: str, *parts: tuple[str, int], **more) -> dict:
    names = ("inputTokens", "outputTokens", "cacheCreationTokens", "cacheReadTokens")
    models = [{"modelName": name, **dict(zip(names, counts(n), strict=True))} for name, n in parts]
    return {"date": when, "modelBreakdowns": models, "totalCost": 9.9, **more}


def counts(n: int) -> tuple[int, int, int, int]:
    return (n, 2 * n, 3 * n, 4 * n)


OLD_DAY = {"inputTokens": 1, "outputTokens": 2, "cacheCreationTokens": 3, "cacheReadTokens": 4}
CODEX = {"inputTokens": 100, "cachedInputTokens": 90, "outputTokens": 5}


@pytest.mark.parametrize(
    ("document", "provider", "expected"),
    [
        pytest.param(
            {"daily": [day("2026-03-01", (OPUS, 1), ("m", 10))], "totals": {}},
            "claude",
            [(f"2026-03-01:::{OPUS}", counts(1)), ("2026-03-01:::m", counts(10))],
            id="daily",
        ),
        pytest.param(
            {"projects": {"shop": [day("2026-03-01", ("m", 1))], "till": [day("2026-03-01", ("m", 2))]}, "totals": {}},
            "claude",
            [("2026-03-01::shop:m", counts(1)), ("2026-03-01::till:m", counts(2))],
            id="daily --instances",
        ),
        pytest.param(
            {"daily": [{"period": "2026-03-01", "agent": "all", "agents": [day("", ("m", 1), agent="codex")]}]},
            "codex",
            [("2026-03-01:::m", counts(1))],
            id="several tools, told apart",
        ),
        pytest.param(
            {"daily": [day("2026-03-01", ("m", 1), agent="all", metadata={"agents": ["codex"]})]},
            "codex",
            [("2026-03-01:::m", counts(1))],
            id="one tool of all",
        ),
        pytest.param(
            {"type": "daily", "data": [{"date": "2026-03-01", "breakdown": {"m": OLD_DAY}}]},
            "claude",
            [("2026-03-01:::m", (1, 2, 3, 4))],
            id="the older shape",
        ),
        pytest.param(
            {"daily": [{"date": "2026-03-01", "agent": "codex", "models": {"gpt-5": CODEX}}]},
            "codex",
            [("2026-03-01:::gpt-5", (10, 5, 0, 90))],
            id="cached tokens within the input",
        ),
        pytest.param(
            {"daily": [{"date": "2026-03-01", "modelsUsed": ["a", "b"], **OLD_DAY}]},
            "claude",
            [("2026-03-01:::", (1, 2, 3, 4))],
            id="two models as one sum are no model",
        ),
    ],
)
def test_an_export_of_days_becomes_a_sum_a_day_and_model_at_its_local_noon(tmp_path, document, provider, expected):
    take("ccusage", written(tmp_path / "export.json", document))
    assert tokens(provider) == [(f"ccusage-daily:{uuid}", told) for uuid, told in expected]
    assert {(call.ts, call.kind) for _, call in stored(provider)} == {(at("2026-03-01T11:00:00"), "aggregate")}


@pytest.mark.parametrize(
    ("row", "when"),
    [
        pytest.param({"sessionId": "s-1", "lastActivity": "2026-03-01"}, "2026-03-01T11:00:00", id="its day"),
        pytest.param(
            {"session": "s-1", "lastActivity": "2026-03-01T17:45:30.000Z"}, "2026-03-01T17:45:30", id="its last instant"
        ),
        pytest.param(
            {"period": "s-1", "metadata": {"lastActivity": "2026-03-01"}}, "2026-03-01T11:00:00", id="beside the row"
        ),
    ],
)
def test_an_export_of_sessions_becomes_a_sum_a_session(tmp_path, row, when):
    row = {**day("", ("m", 1)), **row, "projectPath": "-home-ana-shop"}
    del row["date"]
    take("ccusage", written(tmp_path / "export.json", {"sessions": [row], "totals": {}}))
    ((_, call),) = stored()
    assert (call.session, call.folder, call.ts, call.kind) == ("s-1", "-home-ana-shop", at(when), "aggregate")


def test_a_row_that_mixes_tools_tells_of_none(tmp_path):
    row = day("2026-03-01", ("m", 1), agent="all", metadata={"agents": ["claude", "codex"]})
    result = take("ccusage", written(tmp_path / "export.json", {"daily": [row]}))
    assert (result.providers, result.skipped) == ((), {"several tools in one row": 1})


def test_a_later_export_adds_its_days_and_completes_the_last_one(tmp_path):
    take("ccusage", written(tmp_path / "1.json", {"daily": [day("2026-03-01", ("m", 1)), day("2026-03-02", ("m", 1))]}))
    later = {"daily": [day(f"2026-03-0{at}", ("m", at)) for at in (1, 2, 3)]}
    assert take("ccusage", written(tmp_path / "2.json", later)).providers == (
        Provider(provider="claude", found=3, added=1, known=2),
    )
    assert [told for _, told in tokens()] == [counts(1), counts(2), counts(3)]


def test_the_same_time_is_not_taken_from_a_second_tool_nor_from_sessions_after_days(tmp_path, goblin):
    take("claude-goblin")
    days = {"daily": [day("2026-01-04", ("m", 1)), day("2026-01-05", ("m", 1)), day("2026-06-01", ("m", 1))]}
    told = Provider(provider="claude", found=3, added=1, left_out=2, before_ms=at("2026-01-05T11:00:00"))
    assert take("ccusage", written(tmp_path / "days.json", days)).providers == (told,)
    sessions = {"sessions": [{**day("", ("m", 1)), "sessionId": "s", "lastActivity": "2026-01-04"}]}
    assert take("ccusage", written(tmp_path / "sessions.json", sessions)).providers[0].left_out == 1


def test_ccusages_own_settings_become_ours_and_those_of_the_folder_at_hand_do_not(home, monkeypatch):
    monkeypatch.chdir(home)
    written(home / ".ccusage" / "ccusage.json", {"defaults": {"mode": "calculate"}})
    defaults = {"mode": "display", "timezone": "UTC", "customDirs": "~/.claude-work, /srv/claude", "json": True}
    path = written(home / ".config" / "claude" / "ccusage.json", {"defaults": defaults})
    (home / ".claude-work" / "projects").mkdir(parents=True)
    result = take("ccusage")
    assert result.files == (str(path),)
    roots = [f"{home}/.claude-work/projects", "/srv/claude"]
    assert config.read() == {"pricing": {"cost_mode": "recorded"}, "records": {"claude": {"roots": roots}}}
    assert result.notes == (
        "its time zone is UTC: `vibeusage report daily --zone UTC`",
        "ccusage keeps no records; `ccusage daily --json >FILE` writes what can be imported",
    )


def test_settings_that_are_no_json_are_said_and_set_nothing(home, tmp_path):
    path = home / ".claude" / "ccusage.json"
    path.parent.mkdir()
    path.write_text("{ // mine\n}")
    result = take("ccusage", written(tmp_path / "export.json", {"daily": []}))
    assert (result.settings, result.notes) == ((), (f"{path} is not JSON, so no settings were taken from it",))


# --- Cursor


def test_cursors_export_is_taken_up_to_the_first_estimate_of_its_own_database_and_a_later_one_again(tmp_path):
    assert take("cursor-csv", FIXTURES / "cursor.csv").providers == (Provider(provider="cursor", found=2, added=2),)
    first, second = (call for _, call in stored("cursor"))
    assert (first.input, first.output, first.write, first.read, first.cost) == (20, 40, 100, 3000, 120_000_000_000)
    assert (second.cost, second.data) == (None, {"kind": "Included", "from": "cursor-csv"})
    with store.open() as opened:
        opened.put("cursor", [Call(uuid="b7", ts=at("2026-03-03T00:00:00"), kind="estimate", input=9)], machine="")
    more = tmp_path / "more.csv"
    rows = "2026-03-02T23:00:00Z,,m,No,0,1,0,1,2,-\n2026-03-03T09:00:00Z,,m,No,0,1,0,1,2,-\n"
    more.write_text((FIXTURES / "cursor.csv").read_text() + rows)
    told = Provider(provider="cursor", found=4, added=1, known=2, left_out=1, before_ms=at("2026-03-03T00:00:00"))
    assert take("cursor-csv", more).providers == (told,)


# --- all of them


def test_a_dry_run_tells_the_same_and_changes_nothing(goblin, home):
    written(home / ".claude" / "goblin_config.json", {"extra_sources": [{"path": "/srv/claude"}]})
    before = sorted(path for path in home.parent.rglob("*") if path.is_file())
    dry = take("claude-goblin", dry_run=True)
    assert sorted(path for path in home.parent.rglob("*") if path.is_file() and path.suffix != ".lock") == before
    assert take("claude-goblin") == msgspec.structs.replace(dry, dry_run=False)
    again = take("claude-goblin", dry_run=True).providers
    assert (again, len(stored())) == ((Provider(provider="claude", found=4, known=4),), 4)


@pytest.mark.parametrize(
    ("source", "content"),
    [
        pytest.param("database", b"no database at all, but long enough to be read as one" * 20, id="no database"),
        pytest.param("database", None, id="no file"),
        pytest.param("claude-goblin", None, id="a named file that is not there"),
        pytest.param("claude-monitor", b"{}", id="no warehouse"),
        pytest.param("ccusage", b'{"monthly": []}', id="months say no day"),
        pytest.param("ccusage", b'\xff{"daily": []}', id="no UTF-8"),
        pytest.param("cursor-csv", b"a,b\n1,2\n", id="another table"),
    ],
)
def test_a_file_that_is_none_of_the_source_is_named_and_nothing_is_stored(tmp_path, source, content):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)):
        take(source, path)
    assert stored() == []


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["--from", "database"], id="no file named"),
        pytest.param(["--from", "claude-goblin"], id="not on this machine"),
        pytest.param(["--from", "claude-goblin", "--provider", "toaster"], id="unknown provider"),
        pytest.param(["--from", "claude-goblin", "--zone", "Moon/Base"], id="unknown zone"),
    ],
)
def test_bad_usage_is_told(argv, capsys):
    assert cli.main(["records", "import", *argv]) == 4
    assert capsys.readouterr().err.startswith("vibeusage: ")


def test_the_command_prints_what_it_did_and_each_setting_as_a_command(goblin, home, capsys):
    written(home / ".claude" / "goblin_config.json", {"extra_sources": [{"path": "/srv/claude"}]})
    log(home, message="msg_01madeup00000077", when="2026-01-05T12:00:00")
    config.set_value("records.claude.roots", str(home / ".claude" / "projects"))
    assert cli.main(["records", "import", "--from", "claude-goblin", "--zone", "Europe/Berlin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"read {home}/.claude/goblin_config.json", f"read {goblin}"]
    assert lines[2].startswith("claude: 4 found, 2 added, 2 left out, since other records tell of the time from 2026-")
    assert lines[3] == "skipped 1 (no time), 1 (told twice)"
    assert lines[4].startswith("# records.claude.roots stays")
    assert cli.main(["records", "import", "--from", "claude-goblin", "--json"]) == 0
    said = valid(capsys.readouterr().out, "records-import")
    assert said["settings"][0]["was"] == [str(home / ".claude" / "projects")]
    config.reset("records.claude.roots")
    assert cli.main(["records", "import", "--from", "claude-goblin", "--json"]) == 0
    said = valid(capsys.readouterr().out, "records-import")
    assert (said["schema"], said["settings"][0]["key"], said["providers"][0]["added"]) == (1, "records.claude.roots", 0)
