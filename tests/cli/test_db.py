"""`vibeusage db`: what a person types, is asked and is told."""

import json
import os
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest
from documents import valid

from vibeusage import cli, config, paths
from vibeusage.records import database, schema, store
from vibeusage.records.quotas import Sample
from vibeusage.records.readers.spec import Call

T = 1_750_000_000_000


@pytest.fixture
def path() -> Path:
    return paths.data_dir() / "usage.db"


@pytest.fixture
def filled(path) -> Path:
    with store.open() as opened:
        opened.put("claude", [Call(uuid=str(n), ts=T + n * 3_600_000, folder="/work") for n in range(50)], machine="m")
        opened.note_quotas([Sample("claude", "5h", "", 18_000, T // 1000, 42.0, 0)], now=T // 1000, keep_from=0)
    return path


def calls() -> set[str]:
    with store.open(readonly=True) as opened:
        return {record.call.uuid for record in opened.calls()}


def points() -> int:
    with store.open(readonly=True) as opened:
        return len(list(opened.quota_points(None, 0, 1 << 40)))


def ran(capsys, *args: str) -> tuple[int, str, str]:
    code = cli.main(["db", *args])
    return code, *capsys.readouterr()


ALL = {str(number) for number in range(50)}


@pytest.fixture
def answers(monkeypatch):
    def answer(text: str) -> None:
        class Terminal:
            def isatty(self):
                return True

            def readline(self):
                return text

        monkeypatch.setattr(sys, "stdin", Terminal())

    return answer


def test_the_path_is_told_also_where_no_store_may_be(capsys, path, tmp_path):
    assert ran(capsys, "path") == (0, f"{path}\n", "")
    config.set_value("storage.folder", str(tmp_path / "OneDrive" / "x"))
    code, out, err = ran(capsys, "path")
    assert (code, out) == (0, f"{tmp_path}/OneDrive/x/usage.db\n")
    assert err == "vibeusage: the folder is copied by OneDrive: no database is made or read there\n"
    assert ran(capsys, "init")[0] == 1


def test_the_path_with_size_and_copies_is_a_document(capsys, filled):
    ran(capsys, "backup")
    code, out, _ = ran(capsys, "path", "--json")
    document = valid(out, "db-path")
    assert (code, document["size"], len(document["backups"])) == (0, filled.stat().st_size, 1)


def test_a_store_is_made_once_and_in_another_folder_the_one_of_before_is_named(capsys, filled, tmp_path):
    assert ran(capsys, "init") == (0, f"{filled} is there already\n", "")
    config.set_value("storage.folder", str(tmp_path / "new"))
    code, out, err = ran(capsys, "init")
    assert (code, out) == (0, f"{tmp_path}/new/usage.db is made\n")
    assert f"`vibeusage db restore {filled}` takes it over" in err
    assert ran(capsys, "restore", str(filled), "--yes")[0] == 0
    assert calls() == ALL


def test_a_backup_is_private_whole_and_brings_all_back(capsys, filled):
    code, out, err = ran(capsys, "backup")
    copy = Path(out.partition(" (")[0])
    assert (code, err, copy.parent) == (0, "", filled.parent / "backups")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(each.name for each in copy.parent.iterdir()) == [copy.name]
    with store.open() as opened:
        opened.put("claude", [Call(uuid="later", ts=T)], machine="m")
    code, out, err = ran(capsys, "restore", str(copy), "--yes")
    assert (code, err) == (0, "")
    assert out.startswith(f"{filled} is as {copy} was\nwhat was there is in {filled.parent}/backups/usage-")
    assert (calls(), points()) == (ALL, 1)
    assert ran(capsys, "restore", out.split()[-1], "--yes", "--no-copy")[0] == 0
    assert calls() == {*ALL, "later"}


def test_a_backup_into_a_folder_or_a_file_replaces_an_older_copy_only(capsys, filled, tmp_path):
    (tmp_path / "there").mkdir()
    assert ran(capsys, "backup", str(tmp_path / "there"))[0] == 0
    (copy,) = (tmp_path / "there").iterdir()
    assert ran(capsys, "backup", str(copy))[0] == 0
    assert [copy] == list((tmp_path / "there").iterdir())
    (tmp_path / "letter").write_text("dear")
    for target, said in [
        (tmp_path / "letter", "is no copy of a database"),
        (filled, "is the database itself"),
        (tmp_path / "no" / "x", "there is no folder"),
    ]:
        code, out, err = ran(capsys, "backup", str(target))
        assert (code, out, said in err) == (4, "", True)
    assert (tmp_path / "letter").read_text() == "dear"


def other_database(path: Path, version: int = 0) -> Path:
    with closing(sqlite3.connect(path)) as made:
        made.executescript(f"CREATE TABLE bookmarks (address); PRAGMA user_version = {version}")
    return path


def test_a_backup_never_replaces_the_database_of_another_program_or_one_at_work(capsys, filled, tmp_path):
    theirs = other_database(tmp_path / "places.sqlite")
    ours = tmp_path / "other" / "usage.db"
    with store.open(ours) as opened:
        opened.put("claude", [Call(uuid="theirs", ts=T)], machine="m")
        for target in (theirs, ours):
            before = target.read_bytes()
            code, out, err = ran(capsys, "backup", str(target))
            assert (code, out, "is no copy of a database" in err, target.read_bytes()) == (4, "", True, before)


def test_the_database_of_another_program_is_none_of_a_newer_vibeusage(capsys, filled, tmp_path):
    code, _, err = ran(capsys, "restore", str(other_database(tmp_path / "places.sqlite", 80)), "--yes")
    assert (code, f"{tmp_path}/places.sqlite is no database of vibeusage" in err, calls()) == (4, True, ALL)


def test_without_a_store_there_is_nothing_to_copy_or_delete(capsys, path):
    assert ran(capsys, "backup")[2] == (
        f"vibeusage: there is no database in {path}\n  `vibeusage records sync` makes one and fills it\n"
    )
    assert ran(capsys, "delete", "--yes") == (0, "", f"there is no database in {path}\n")
    assert ran(capsys, "check") == (0, "", f"there is no database in {path}\n")
    assert ran(capsys, "prune") == (0, "forgotten: 0 points of the quotas' history\n", "")
    assert ran(capsys, "migrate")[0] == 1
    assert not path.exists()


@pytest.mark.parametrize("action", [["restore", "COPY"], ["delete"], ["prune", "--before", "2025-06-16"]])
@pytest.mark.parametrize("answer", [None, "n\n", "\n", ""])
def test_nothing_is_changed_without_a_yes(capsys, filled, answers, action, answer):
    copy = ran(capsys, "backup")[1].partition(" (")[0]
    if answer is not None:
        answers(answer)
    before = filled.read_bytes()
    code, out, err = ran(capsys, *(word.replace("COPY", copy) for word in action))
    assert (code, out) == (4, "")
    assert ("nothing was changed" if answer is not None else "nobody is there to be asked") in err
    assert filled.read_bytes() == before
    assert len(list((filled.parent / "backups").iterdir())) == 1


def test_a_deletion_says_what_no_log_gives_again_and_can_be_undone(capsys, filled, home, answers):
    log = home / ".claude" / "projects" / "p" / "a.jsonl"
    log.parent.mkdir(parents=True)
    usage = {"input_tokens": 1, "output_tokens": 2}
    message = {"id": "msg_0100", "model": "claude-x", "stop_reason": "end_turn", "usage": usage}
    log.write_text(json.dumps({"type": "assistant", "timestamp": "2026-01-05T12:00:00Z", "message": message}) + "\n")
    cli.main(["records", "sync"])
    capsys.readouterr()
    answers("y\n")
    code, out, err = ran(capsys, "delete")
    assert err == (
        "it holds 51 calls; the logs of now give 1 of them again\n"
        "lost for good: 50 calls (claude 50) and the quotas' history (1 point)\n"
        f"Delete {filled}? [y/N] "
    )
    said, undo = out.splitlines()
    assert (code, said, undo.startswith("`vibeusage db restore ")) == (0, f"{filled} is deleted", True)
    assert {each.name for each in filled.parent.iterdir()} == {"backups", "records.lock"}
    cli.main(["records", "sync"])
    assert len(calls()) == 1
    assert ran(capsys, *undo.split("`")[1].split()[2:], "--yes")[0] == 0
    assert len(calls()) == 51


def test_a_store_that_others_read_is_emptied_and_left(capsys, filled):
    with closing(sqlite3.connect(filled, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        assert reading.execute("SELECT COUNT(*) FROM usage_records").fetchone() == (50,)
        assert ran(capsys, "delete", "--yes", "--no-copy") == (0, f"{filled} is deleted\n", "")
        assert reading.execute("SELECT COUNT(*) FROM usage_records").fetchone() == (50,)
        assert calls() == set()
        reading.execute("COMMIT")
        assert reading.execute("SELECT COUNT(*) FROM usage_records").fetchone() == (0,)
    assert b"/work" not in filled.read_bytes()
    assert not (filled.parent / "backups").exists()


def test_a_damaged_store_may_be_deleted_and_is_not_carried_over(capsys, filled):
    filled.write_bytes(b"nonsense" * 1000)
    code, out, _ = ran(capsys, "delete", "--yes")
    assert code == 0 and "it was damaged, and what is left of it is in" in out
    cli.main(["records", "sync"])
    assert calls() == set()
    filled.write_bytes(b"nonsense" * 1000)
    assert ran(capsys, "delete", "--yes", "--no-copy")[0] == 0
    assert not filled.exists()


def test_a_copy_takes_the_place_of_a_damaged_store(capsys, filled):
    copy = ran(capsys, "backup")[1].partition(" (")[0]
    filled.write_bytes(b"nonsense" * 1000)
    code, out, _ = ran(capsys, "restore", copy, "--yes")
    assert (code, "the next sync takes over" in out, calls()) == (0, True, ALL)


def older(path: Path) -> None:
    """As a program of before made it: without the last step of the schema."""
    with closing(sqlite3.connect(path)) as made:
        for number, step in enumerate(schema.MIGRATIONS[:4], 1):
            for statement in step:
                made.execute(statement)
            made.execute(f"PRAGMA user_version = {number}")
        made.execute("INSERT INTO names VALUES (1, 'claude-x')")
        made.commit()


def test_an_older_schema_is_migrated_with_a_copy_first(capsys, path):
    path.parent.mkdir(mode=0o700)
    older(path)
    ours = len(schema.MIGRATIONS)
    code, out, _ = ran(capsys, "migrate")
    said, copied = out.splitlines()
    assert (code, said) == (0, f"{path}: schema 4 became {ours}")
    with closing(sqlite3.connect(copied.split()[-1])) as copy:
        assert schema.version(copy) == 4
    assert ran(capsys, "migrate") == (0, f"{path} has schema {ours}, which is this program's\n", "")
    assert ran(capsys, "restore", copied.split()[-1], "--yes")[0] == 0
    assert ran(capsys, "check") == (0, f"{path} is sound\n", "")


def newer(path: Path) -> None:
    with store.open(path):
        pass
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")


def others(path: Path) -> None:
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (x)")


def trigger(path: Path) -> None:
    with store.open(path):
        pass
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TRIGGER t AFTER INSERT ON usage_records BEGIN DELETE FROM names; END")


def torn(path: Path) -> None:
    with store.open(path) as opened:
        opened.put("claude", [Call(uuid=str(n), ts=T + n * 10**6) for n in range(3000)], machine="m")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(40_000) + data[len(data) // 2 + 40_000 :])


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        pytest.param(newer, 1, "was written by a newer vibeusage", id="newer schema"),
        pytest.param(others, 4, "is no database of vibeusage", id="another's database"),
        pytest.param(trigger, 4, "is no database of vibeusage", id="with a trigger"),
        pytest.param(torn, 1, "is damaged, and nothing was taken from it", id="damaged"),
        pytest.param(lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(100)), 1, "is damaged", id="a head"),
        pytest.param(lambda path: path.write_text("x"), 4, "is no database", id="text"),
        pytest.param(lambda path: path.mkdir(), 4, "is no database", id="folder"),
        pytest.param(os.mkfifo, 4, "is no database", id="fifo"),
        pytest.param(lambda path: None, 4, "cannot be read: No such file or directory", id="nothing"),
    ],
)
def test_what_is_no_whole_copy_of_ours_is_not_put_in(capsys, filled, tmp_path, make, code, said):
    file = tmp_path / "copy.db"
    make(file)
    before = filled.read_bytes()
    found = ran(capsys, "restore", str(file), "--yes")
    assert (found[0], found[1], said in found[2]) == (code, "", True), found
    assert filled.read_bytes() == before
    assert not (filled.parent / "backups").exists()


def test_reading_a_copy_leaves_nothing_beside_it(capsys, filled, tmp_path):
    copy = tmp_path / "there" / "usage.db"
    copy.parent.mkdir()
    copy.write_bytes(filled.read_bytes())  # by cp, with the head of one that is live
    assert ran(capsys, "restore", str(copy), "--yes")[0] == 0
    assert list(copy.parent.iterdir()) == [copy]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE usage_records SET input_tokens = 7 WHERE message_uuid = '3'", "rollup: the sums of 1 day are not"),
        ("DELETE FROM rollup_model_days WHERE day = (SELECT MAX(day) FROM rollup_model_days)", "rollup_model_days: "),
        ("UPDATE usage_records SET folder = 999 WHERE message_uuid = '3'", "1 call with a name that is not there"),
        ("DELETE FROM quota_windows", "1 point of the quotas' history make no sense"),
    ],
)
def test_a_check_tells_what_does_not_fit_together(capsys, filled, damage, said):
    assert ran(capsys, "check") == (0, f"{filled} is sound\n", "")
    with closing(sqlite3.connect(filled, isolation_level=None)) as made:
        made.execute(damage)
    code, out, err = ran(capsys, "check")
    assert (code, out, said in err) == (1, "", True), err
    assert "`vibeusage records sync --full`" in err
    code, out, _ = ran(capsys, "check", "--json")
    valid(out, "db-check")
    assert (code, said in out) == (1, True)


def test_what_a_check_finds_wrong_a_full_sync_makes_right(capsys, filled):
    with closing(sqlite3.connect(filled, isolation_level=None)) as made:
        made.execute("DELETE FROM rollup")
    assert ran(capsys, "check")[0] == 1
    cli.main(["records", "sync", "--full"])
    capsys.readouterr()
    assert ran(capsys, "check") == (0, f"{filled} is sound\n", "")
    assert (calls(), points()) == (ALL, 1)


def test_what_is_old_is_forgotten_with_its_sums_and_names(capsys, filled, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    with store.open() as opened:
        opened.put("codex", [Call(uuid="old", ts=T - 400 * 86_400_000, folder="/secret")], machine="m")
    code, out, _ = ran(capsys, "prune", "--before", "2025-06-17", "--yes")
    said, copied = out.splitlines()
    assert (code, said) == (0, "forgotten: 34 calls and 1 point of the quotas' history")
    assert calls() == {str(number) for number in range(33, 50)}
    assert ran(capsys, "check") == (0, f"{filled} is sound\n", "")
    assert b"/secret" not in filled.read_bytes()
    with store.open(readonly=True) as opened:
        assert sum(row.calls for row in opened.rollup()) == 17
    assert ran(capsys, "restore", copied.split()[-1], "--yes")[0] == 0
    assert len(calls()) == 51


def test_without_a_day_only_the_history_is_cut(capsys, filled):
    assert ran(capsys, "prune") == (0, "forgotten: 1 point of the quotas' history\n", "")
    assert (calls(), points()) == (ALL, 0)


def test_a_store_of_others_is_told_to_be_in_use(capsys, filled, monkeypatch):
    monkeypatch.setattr("vibeusage.records.upkeep.WAIT_S", 0)
    from vibeusage import files

    with files.lock(filled.parent / "records.lock", wait_s=0) as got:
        assert got
        for action in (["delete", "--yes"], ["init"], ["migrate"], ["prune", "--before", "7d", "--yes"]):
            code, out, err = ran(capsys, *action)
            assert (code, out, "another program writes to" in err) == (1, "", True)
    assert calls() == ALL


def test_all_of_it_works_on_a_network_disk(capsys, filled, monkeypatch):
    monkeypatch.setattr(database.disk, "is_network", lambda folder: True)
    copy = ran(capsys, "backup")[1].partition(" (")[0]
    assert ran(capsys, "delete", "--yes", "--no-copy")[0] == 0
    assert ran(capsys, "restore", copy, "--yes")[0] == 0
    with closing(sqlite3.connect(filled)) as found:
        assert found.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert (calls(), points(), ran(capsys, "check")[0]) == (ALL, 1, 0)
