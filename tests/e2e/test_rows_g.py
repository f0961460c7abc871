"""Rows G1-G12 of the reliability list: the store of records and its filling, killed, damaged, on bad disks and logs."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from e2e import faults

from vibeusage.errors import StorageError
from vibeusage.records import disk, rollup, schema, store, sync
from vibeusage.records.readers import claude_code
from vibeusage.records.readers.spec import Places
from vibeusage.records.sync import SyncResult

CANARY = "canary-7f3a-prompt"
MOST_KB = 120_000
CLAUDE = claude_code.READERS[:1]

# a sync with a batch of ARGV[1] calls and blocks of ARGV[2] bytes; prints its result, the peak memory and the seconds
SYNC = """
import os, resource, sys, time
from pathlib import Path
import msgspec
from vibeusage.errors import StorageError
from vibeusage.records import database, logfiles, provider_sync, sync
from vibeusage.records.readers import claude_code
from vibeusage.records.readers.spec import Places
provider_sync.BATCH, logfiles.BLOCK = int(sys.argv[1]), int(sys.argv[2])
database.BUSY_S = 0.2
started = time.monotonic()
places = Places(environ=os.environ, home=Path.home(), platform=sys.platform)
try:
    result = sync.run(claude_code.READERS[:1], places, full="--full" in sys.argv)
except StorageError as exc:
    sys.exit(f"{type(exc).__name__}: {exc}")
seconds, peak = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = Path("/proc/self/status")
if status.exists():  # what rusage says counts the parent's pages too
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0])
print(msgspec.json.encode({"result": result, "peak": peak, "seconds": seconds}).decode())
"""
# opens the store of ARGV[1] with a further step of the schema that takes its time
MIGRATE = """
import sys
from pathlib import Path
from vibeusage.records import schema, store
NEXT = ("CREATE TABLE later (id INTEGER)", *["INSERT INTO later SELECT id FROM usage_records"] * 40)
schema.MIGRATIONS = (*schema.MIGRATIONS, NEXT)
store.open(Path(sys.argv[1])).close()
"""


def child(batch: int = 20_000, block: int = 4 << 20, *more: str) -> list[str]:
    return [sys.executable, "-P", "-c", SYNC, str(batch), str(block), *more]


def ran(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


@pytest.fixture
def projects(home) -> Path:
    folder = home / ".claude" / "projects"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "data" / "usage.db"


@pytest.fixture
def run(home) -> Callable[..., SyncResult]:
    def run(**options: Any) -> SyncResult:
        result = sync.run(CLAUDE, Places(environ={}, home=home, platform="linux"), machine="here", **options)
        assert result is not None
        return result

    return run


def message(id: str, *, output=10, session="s", minute=0, side=False, **more: Any) -> bytes:
    """One line of Claude Code: 3 fresh, 5 written, 7 read tokens, and a text that nobody may keep."""
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": output}
    inner = {
        "id": f"msg_01{id}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": f"{CANARY} {id}"}],
        "stop_reason": "end_turn",
        "usage": usage,
    }
    line = {
        "type": "assistant",
        "timestamp": f"2026-01-{1 + minute // 1440 % 28:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000Z",
        "sessionId": session,
        "uuid": f"line-{id}",
        "requestId": f"req_{id}",
        "cwd": "/work/x",
        "gitBranch": "main",
        "version": "2.1.3",
        "isSidechain": side,
        "message": inner,
    }
    return json.dumps({**line, **more}, separators=(",", ":")).encode() + b"\n"


def prompt(text: str = CANARY) -> bytes:
    return json.dumps({"type": "user", "message": {"role": "user", "content": text}}).encode() + b"\n"


def tree(projects: Path, *, files: int, calls: int) -> None:
    """Sessions of calls that stream in two lines; every third session is a fork of the one before, and goes on."""
    for number in range(files):
        ids = [f"{number:03}x{index:015}" for index in range(calls)]
        data = b"".join(
            prompt() + message(id, output=1, session=f"s{number}", minute=number * 50 + index)
            + message(id, output=100, session=f"s{number}", minute=number * 50 + index)
            for index, id in enumerate(ids)
        )
        if number % 3 == 2:
            data = (projects / "p" / f"{number - 1:03}.jsonl").read_bytes() + data
        target = projects / "p" / f"{number:03}.jsonl"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
        os.utime(target, (1_760_000_000 + number, 1_760_000_000 + number))


def everything(path: Path) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The calls and both sums."""
    with store.open(path, readonly=True) as opened:
        parts = (opened.calls(), opened.rollup(by=rollup.BY), opened.rollup())
        found = tuple(sorted(msgspec.json.encode(each) for each in part) for part in parts)
    return found[0], found[1], found[2]


def is_whole(path: Path) -> bool:
    """Whether what is there, if anything, is a sound database whose sums are those of its calls."""
    if not path.exists() or not path.stat().st_size:
        return True
    database = sqlite3.connect(path)
    try:
        if database.execute("PRAGMA user_version").fetchone() == (0,):
            return True
        calls = database.execute("SELECT COUNT(*), SUM(output_tokens) FROM usage_records").fetchone()
        sums = [database.execute(f"SELECT SUM(calls), SUM(output_tokens) FROM {name}").fetchone() for name in SUMS]
        return database.execute("PRAGMA integrity_check").fetchone() == ("ok",) and all(
            (each[0] or 0, each[1]) == calls for each in sums
        )
    finally:
        database.close()


SUMS = tuple(schema.UNITS)


@pytest.mark.parametrize("instants", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_g1_a_kill_at_any_instant_costs_no_call_and_counts_none_twice(projects, path, instants):
    tree(projects, files=12, calls=40)
    command = child(60, 4096)
    seconds = ran(command)["seconds"]
    expected = everything(path)
    assert len(expected[0]) == 12 * 40
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    landed = 0
    for _ in range(instants):
        shutil.rmtree(path.parent)
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not path.exists() and running.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, seconds))
        landed += running.poll() is None
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert is_whole(path), f"seed {seed}"
        ran(command)
        assert everything(path) == expected, f"seed {seed}"
    assert landed > instants // 4


@pytest.fixture
def filled(projects, path, run) -> Path:
    tree(projects, files=3, calls=20)
    run()
    with (projects / "p" / "000.jsonl").open("ab") as log:
        log.write(message("new", output=1000))
    return path


@pytest.mark.slow
def test_g2_a_writer_beside_us_is_waited_for_and_then_told(filled):
    before = everything(filled)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = subprocess.run(child(), capture_output=True, text=True, timeout=60, check=False)
    other.execute("ROLLBACK")
    other.close()
    assert (done.returncode, done.stderr) == (1, f"StorageError: {filled} is in use by another program\n")
    assert everything(filled) == before
    assert {each.name for each in filled.parent.iterdir()} - {"usage.db-wal", "usage.db-shm"} == {
        "records.lock",
        "records.synced",
        "usage.db",
    }
    assert ran(child())["result"]["providers"][0]["added"] == 1


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir())


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        pytest.param(faults.read_only, "cannot be", id="read-only"),
        pytest.param(lambda folder: faults.tmpfs(folder, f"size={_size(folder) + 48_000}"), "disk is full", id="full"),
    ],
)
def test_g2_a_disk_that_takes_nothing_is_told_and_nothing_is_rebuilt(require, filled, mount, said):
    shown = f"echo; ls '{filled.parent}'; sha256sum '{filled}'"
    before = subprocess.run(["sha256sum", str(filled)], capture_output=True, text=True, check=True).stdout
    script = f'"$@" || true; {shown}'
    inner = [require("sh"), "-c", script, "sh", *child()]
    command = faults.mounted(require, mount(filled.parent), inner)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.startswith("StorageError: ") and said in done.stderr
    assert "damaged" not in done.stdout
    assert done.stdout.endswith(before)
    assert ran(child())["result"]["providers"][0]["added"] == 1


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "ftruncate"])
@pytest.mark.parametrize("when", [1, 2, *(pytest.param(number, marks=pytest.mark.slow) for number in range(3, 12))])
def test_g2_a_call_that_fails_leaves_what_was_there(require, filled, call, when):
    before = everything(filled)
    error = "EIO" if call == "fdatasync" else "ENOSPC"
    options = ["-f", "-e", f"inject={call}:error={error}:when={when}", "-e", f"trace={call}"]
    done = faults.traced(require, options, child())
    assert done.code in (0, 1)
    assert done.code == 0 or done.stderr.startswith(b"StorageError: "), done.stderr
    assert is_whole(filled)
    assert {*before[0]} <= {*everything(filled)[0]}
    assert not list(filled.parent.glob("*damaged*")) and not list(filled.parent.glob("*kept*"))
    ran(child())
    assert len(everything(filled)[0]) == 61


def _page(path: Path, first: int, count: int = 1) -> None:
    with path.open("r+b") as stream:
        stream.seek(4096 * first)
        stream.write(random.Random(first).randbytes(4096 * count))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def _nonsense(path: Path) -> None:
    path.write_bytes(b"nonsense " * 5000)


@pytest.mark.parametrize("damage", [_folder, _truncated, _nonsense, lambda path: _page(path, 0)])
def test_g3_a_damaged_store_is_moved_aside_and_built_anew(filled, run, damage):
    damage(filled)
    result = run()
    assert len(everything(filled)[0]) == 61
    assert is_whole(filled)
    kept = Path(result.moved)
    assert kept.parent == filled.parent and kept.name.startswith("usage.db.kept-20") and kept.exists()
    assert run().moved == ""


def test_g3_an_empty_file_is_filled_from_the_logs(filled, run):
    filled.write_bytes(b"")
    assert run().providers[0].added == 61


@pytest.mark.slow
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_g3_damage_in_any_page_is_found_by_a_full_run_and_loses_nothing(filled, run, step):
    run()
    expected = {json.loads(line)["call"]["uuid"] for line in everything(filled)[0]}
    whole = filled.read_bytes()
    pages = len(whole) // 4096
    for page in range(0, pages, step):
        filled.write_bytes(whole)
        _page(filled, page)
        run(full=True)
        found = everything(filled)[0]
        assert {json.loads(line)["call"]["uuid"] for line in found} == expected, page
        assert is_whole(filled)


def test_g3_rows_whose_logs_are_gone_are_carried_over_as_far_as_they_can_be_read(projects, path, run):
    tree(projects, files=6, calls=200)
    run()
    before = {json.loads(line)["call"]["uuid"] for line in everything(path)[0]}
    for log in sorted((projects / "p").iterdir())[:-1]:
        log.unlink()
    database = sqlite3.connect(path)
    roots = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'rollup'").fetchone()
    database.close()
    _page(path, roots[0] - 1)
    result = run(full=True)
    assert {json.loads(line)["call"]["uuid"] for line in everything(path)[0]} == before
    assert result.carried == 4 * 200  # the last log is a fork, and holds its parent's calls
    assert is_whole(path)


def test_g3_a_kill_between_moving_aside_and_carrying_over_loses_nothing(projects, path, run, monkeypatch):
    tree(projects, files=2, calls=30)
    run()
    for log in (projects / "p").iterdir():
        log.unlink()
    database = sqlite3.connect(path)
    root = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'rollup'").fetchone()[0]
    database.close()
    _page(path, root - 1)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sync, "_carried", killed)
        with pytest.raises(KeyboardInterrupt):
            run(full=True)
    with monkeypatch.context() as patch:
        patch.setattr(sync.damage, "carry_over", killed)
        with pytest.raises(KeyboardInterrupt):
            run(full=True)
    assert run().carried == 60
    assert len(everything(path)[0]) == 60


def _wal(path: Path) -> Path:
    return path.with_name("usage.db-wal")


@pytest.mark.parametrize("what", ["wal deleted", "shm stale", "wal torn"])
def test_g3_logs_of_sqlite_that_are_lost_or_old_cost_work_only(projects, path, run, what):
    tree(projects, files=2, calls=30)
    run()
    copy = path.with_name("copy")
    with (projects / "p" / "000.jsonl").open("ab") as log:
        log.write(b"".join(message(f"{number:018}") for number in range(50)))
    reading = sqlite3.connect(path, isolation_level=None)  # keeps the log from being folded in
    reading.execute("BEGIN")
    reading.execute("SELECT COUNT(*) FROM usage_records").fetchone()
    run()
    copy.mkdir()
    for each in path.parent.glob("usage.db*"):
        shutil.copy(each, copy / each.name)
    reading.close()
    for each in path.parent.glob("usage.db*"):
        each.unlink()
    for each in copy.iterdir():
        shutil.copy(each, path.parent / each.name)
    assert _wal(path).stat().st_size
    if what == "wal deleted":
        _wal(path).unlink()
    elif what == "wal torn":
        os.truncate(_wal(path), _wal(path).stat().st_size // 2)
    else:
        shm = path.with_name("usage.db-shm")
        shm.write_bytes(random.Random(1).randbytes(shm.stat().st_size))
    run()
    assert len(everything(path)[0]) == 60 + 50
    assert is_whole(path)


def test_g4_on_a_network_file_system_there_is_no_wal_and_all_the_rest_holds(projects, path, run, monkeypatch):
    asked = []
    monkeypatch.setattr(disk.os, "major", lambda device: 0)
    monkeypatch.setattr(disk, "_statfs", lambda folder: asked.append(folder) or (0x6969).to_bytes(8, sys.byteorder))
    tree(projects, files=3, calls=20)
    run()
    assert asked == [path.parent]
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    database.close()
    assert (len(everything(path)[0]), run().providers[0].unchanged) == (60, 3)


@pytest.mark.parametrize("network", [False, True], ids=["wal", "journal"])
def test_g5_no_file_of_the_store_is_ever_open_to_others(require, projects, path, network):
    tree(projects, files=2, calls=20)
    command = child(10, 4096)
    if network:
        command[3] = "from vibeusage.records import disk; disk.is_network = lambda folder: True\n" + command[3]
    masked = [require("sh"), "-c", 'umask 000; exec "$@"', "sh", *command]
    done = faults.traced(require, ["-f", "-e", "trace=openat,open,mkdir,chmod,fchmod,rename"], masked)
    assert done.code == 0, done.stderr
    made: dict[str, str] = {}
    for line in done.lines(str(path.parent), "O_CREAT"):
        made.setdefault(line.split('"')[1], line)
    kept = ["usage.db", *(["usage.db-journal"] if network else ["usage.db-wal", "usage.db-shm"]), "records.lock"]
    assert {*made} >= {str(path.with_name(name)) for name in kept}
    assert [line for line in made.values() if "0600" not in line] == []


def test_g6_a_newer_schema_is_refused_before_anything_is_touched(filled):
    database = sqlite3.connect(filled)
    database.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    database.close()
    before = filled.read_bytes()
    done = subprocess.run(child(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("StorageError: usage.db was written by a newer vibeusage")
    assert filled.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("instants", [6, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("step", ["first", "next"])
def test_g6_a_kill_within_a_step_of_the_schema_leaves_all_or_nothing(projects, path, run, tmp_path, step, instants):
    tree(projects, files=4, calls=500)
    run()
    old = tmp_path / "old.db"
    shutil.copy(path, old)
    new = tmp_path / "new.db"
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    for _ in range(instants):
        for left in tmp_path.glob("new.db*"):
            left.unlink()
        if step == "next":
            shutil.copy(old, new)
        running = subprocess.Popen([sys.executable, "-P", "-c", MIGRATE, str(new)])
        while not new.exists() or (step == "next" and not (tmp_path / "new.db-wal").exists()):
            time.sleep(0.001)
            if running.poll() is not None:
                break
        time.sleep(chance.uniform(0, 0.08))
        running.send_signal(signal.SIGKILL)
        running.wait()
        database = sqlite3.connect(new)
        version = schema.version(database)
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        rows = database.execute("SELECT COUNT(*) FROM later").fetchone()[0] if "later" in tables else 0
        database.close()
        ours = len(schema.MIGRATIONS)
        assert ("usage_records" in tables, "later" in tables) == (version > 0, version > ours), f"seed {seed}"
        assert rows == (40 * 2000 if version > ours and step == "next" else 0), f"seed {seed}"
        assert subprocess.run([sys.executable, "-P", "-c", MIGRATE, str(new)], check=False).returncode == 0


def outputs(path: Path) -> dict[str, int]:
    with store.open(path, readonly=True) as opened:
        return {record.call.uuid.removeprefix("msg_01"): record.call.output for record in opened.calls()}


def ids(*numbers: int) -> list[str]:
    return [f"{number:018}" for number in numbers]


def test_g7_logs_that_are_moved_about_give_the_same_totals(projects, path, run):
    one, two, three, four, five = ids(1, 2, 3, 4, 5)
    folder = projects / "p"
    folder.mkdir()
    log = folder / "a.jsonl"
    log.write_bytes(message(one) + message(two))
    expected = {one: 10, two: 10}

    def check(**more: int) -> None:
        expected.update({f"{int(name[1:]):018}": output for name, output in more.items()})
        run()
        assert outputs(path) == expected
        assert (run().providers[0].added, run(full=True).providers[0].added) == (0, 0)
        assert outputs(path) == expected

    check()
    shutil.copy(log, folder / "copy.jsonl")
    check()
    log.rename(folder / "renamed.jsonl")
    check()
    log.write_bytes(message(three))  # a new file under the old name
    check(n3=10)
    with log.open("ab") as stream:
        stream.write(message(four)[:100])
    check()
    with log.open("ab") as stream:
        stream.write(message(four)[100:])
    check(n4=10)
    os.truncate(log, 0)
    check()
    log.write_bytes(message(five, output=1))
    check(n5=1)
    log.write_bytes(message(five, output=77))  # rewritten in place, as long as before or longer
    check(n5=77)
    shutil.rmtree(folder)
    check()


def test_g8_lines_that_are_none_cost_only_themselves(projects, path, run):
    one, two, three, four, five = ids(1, 2, 3, 4, 5)
    spaced = json.dumps(json.loads(message(two))).encode() + b"\n"
    bad = message(four).replace(CANARY.encode(), b"\xff\xfe")
    deep = b'{"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    nul = b"\0" * 8192 + b"\n"
    parts = [message(one), nul, spaced.replace(b"\n", b"\r\n"), b'{"usage":\n', deep, message(three), bad]
    (projects / "a.jsonl").write_bytes(b"".join(parts) + message(five)[:-9])
    (projects / "bom.jsonl").write_bytes(b"\xef\xbb\xbf" + message(ids(6)[0]))
    (projects / "empty.jsonl").touch()
    result = run().providers[0]
    assert {*outputs(path)} >= {*ids(1, 2, 3, 6)} and ids(5)[0] not in outputs(path)
    assert result.errors == [] and sum(result.skipped.values()) >= 2
    with (projects / "a.jsonl").open("ab") as stream:
        stream.write(message(five)[-9:])
    run()
    assert outputs(path)[five] == 10


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [70, pytest.param(1024, marks=pytest.mark.slow)])
@pytest.mark.parametrize("ending", [b"", b"\n"], ids=["unfinished", "finished"])
def test_g8_a_line_of_any_length_is_skipped_within_the_memory(projects, path, megabytes, ending):
    one, two = ids(1, 2)
    log = projects / "a.jsonl"
    with log.open("wb") as stream:
        stream.write(message(one) + b'{"usage":"')
        for _ in range(megabytes):
            stream.write(b"x" * (1 << 20))
        stream.write(ending + (message(two) if ending else b""))
    done = ran(child())
    assert done["result"]["providers"][0]["skipped"] == {"line too long": 1}
    assert outputs(path) == ({one: 10, two: 10} if ending else {one: 10})
    assert done["peak"] < MOST_KB


def test_g9_a_call_counts_once_however_often_it_is_written(projects, path, run):
    one, two, three, four = ids(1, 2, 3, 4)
    streamed = b"".join(message(one, output=output, minute=5) for output in (1, 1, 40, 3))
    fork = message(one, output=40, session="fork", minute=5) + message(two, session="fork", minute=6)
    resumed = message(two, session="later", minute=6, requestId="req_other") + message(three, session="later", minute=7)
    replay = message(three, output=99, session="later", minute=30, side=True, requestId="req_btw", uuid="other")
    nested = message(four, output=20, session="s", minute=8, side=True)
    for index, data in enumerate((streamed, fork, resumed, replay, nested)):
        log = projects / "p" / f"{9 - index}.jsonl"
        log.parent.mkdir(exist_ok=True)
        log.write_bytes(data)
        os.utime(log, (1_760_000_000 + index, 1_760_000_000 + index))
    run()
    with store.open(path, readonly=True) as opened:
        found = {
            record.call.uuid[-1]: (record.call.output, record.call.session, record.call.kind)
            for record in opened.calls()
        }
        (row,) = opened.rollup()
    assert found == {
        "1": (40, "s", "assistant"),
        "2": (10, "fork", "assistant"),
        "3": (10, "later", "assistant"),
        "4": (20, "s", "subagent"),
    }
    assert (row.calls, row.input, row.write_5m, row.read, row.output) == (4, 12, 20, 28, 80)


@pytest.mark.slow
def test_g10_two_gigabytes_take_the_memory_that_a_few_megabytes_take(projects, path):
    filler = prompt("x" * 6000)
    calls = 0
    for number in range(40):
        with (projects / f"{number}.jsonl").open("wb") as log:
            for index in range(2_000):
                log.write(filler + message(f"{number:03}x{index:014}", minute=number * 97 + index))
                calls += 1
        for copy in range(3):
            os.link(projects / f"{number}.jsonl", projects / f"{number}-{copy}.jsonl")
    size = sum(each.stat().st_size for each in projects.iterdir())
    assert size > 2_000_000_000
    done = ran(child())
    assert done["result"]["providers"][0]["added"] == calls
    assert done["result"]["providers"][0]["bytes"] == size
    assert done["peak"] < MOST_KB


def test_g10_a_run_with_nothing_new_writes_nothing_of_the_store(require, projects, path):
    tree(projects, files=3, calls=20)
    ran(child())
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    done = faults.traced(require, ["-f", "-y", "-e", "trace=pwrite64,write,fsync,fdatasync,ftruncate"], child())
    assert done.code == 0
    touching = [line for line in done.lines(str(path)) if f"{path}-shm" not in line]
    assert touching == []
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_g11_links_devices_and_pipes_in_a_log_folder_are_not_read(projects, path, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.jsonl").write_bytes(message(ids(9)[0]))
    (projects / "link.jsonl").symlink_to(outside / "x.jsonl")
    (projects / "folder").symlink_to(outside)
    (projects / "loop").symlink_to(projects)
    (projects / "zero.jsonl").symlink_to("/dev/zero")
    os.mkfifo(projects / "fifo.jsonl")
    (projects / "folder.jsonl").mkdir()
    (projects / "..name.jsonl").write_bytes(message(ids(1)[0]))
    assert ran(child())["result"]["providers"][0]["files"] == 1
    assert outputs(path) == {ids(1)[0]: 10}


def test_g12_no_text_of_a_conversation_is_in_any_file_of_the_store(projects, path, run):
    tree(projects, files=3, calls=20)
    (projects / "bad.jsonl").write_bytes(message(ids(1)[0])[:-20] + b"\n" + message(ids(2)[0]).replace(b":7", b':"?"'))
    result = run()
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN")
    held.execute("SELECT COUNT(*) FROM usage_records").fetchone()
    with (projects / "more.jsonl").open("wb") as log:
        log.write(message(ids(3)[0]))
    more = run()
    kept = b"".join(each.read_bytes() for each in path.parent.iterdir())
    held.close()
    assert b"claude-sonnet-4-5" in kept
    assert CANARY.encode() not in kept
    assert CANARY.encode() not in msgspec.json.encode([result, more])


def test_readers_see_whole_transactions_while_a_sync_writes(projects, path, run):
    tree(projects, files=6, calls=60)
    run()
    shutil.rmtree(path.parent)
    wrong: list[tuple] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            if path.exists() and path.stat().st_size:
                try:
                    with store.open(path, readonly=True) as opened:
                        whole, parts = list(opened.rollup()), list(opened.rollup(by=rollup.BY))
                except StorageError:
                    continue
                if sum(row.calls for row in whole) > sum(row.calls for row in parts):
                    wrong.append((whole, parts))

    watching = threading.Thread(target=look)
    watching.start()
    ran(child(20, 4096))
    ended.set()
    watching.join()
    assert wrong == []
    assert len(everything(path)[0]) == 6 * 60
