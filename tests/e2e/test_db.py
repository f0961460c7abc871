"""The store as a whole under kills and on full disks: whatever was committed is there, in its place or in a copy."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from e2e import faults

from vibeusage import paths
from vibeusage.records import copies, schema, soundness, store, upkeep
from vibeusage.records.quotas import Sample
from vibeusage.records.readers.spec import Call

T = 1_750_000_000_000
CALLS = 1500

# says when it begins and what it took: `db ARGV[3:]` with small steps, on the store in ARGV[1]
DO = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from vibeusage.records import copies, schema, upkeep
copies.STEP = int(sys.argv[2])
path, (what, *more), now = Path(sys.argv[1]), sys.argv[3:], datetime.now(UTC)
do = {
    "backup": lambda: copies.back_up(path, Path(*more)),
    "restore": lambda: upkeep.restore(Path(*more), path, now, keep_copy=True),
    "delete": lambda: upkeep.delete(path, now, keep_copy=True),
    "migrate": lambda: upkeep.migrate(path, now),
    "prune": lambda: upkeep.prune(path, now, calls_before_ms=int(*more), points_before=0, keep_copy=True),
}[what]
print("go", flush=True)
started = time.monotonic()
do()
print(time.monotonic() - started, flush=True)
"""


class State(NamedTuple):
    """What is in a file; `schema` 0 is a file without anything."""

    schema: int
    calls: int
    output: int
    points: int


NOTHING = State(0, 0, 0, 0)


def state(path: Path) -> State:
    """Of a sound database, or of none."""
    if not path.exists() or not path.stat().st_size:
        return NOTHING
    with closing(sqlite3.connect(path)) as found:
        version = schema.version(found)
        if version == len(schema.MIGRATIONS):
            assert soundness.problems(found) == []
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        calls = found.execute("SELECT COUNT(*), COALESCE(SUM(output_tokens), 0) FROM usage_records").fetchone()
        has_points = found.execute("SELECT 1 FROM sqlite_master WHERE name = 'quota_points'").fetchone()
        points = found.execute("SELECT COUNT(*) FROM quota_points").fetchone() if has_points else (0,)
        return State(version, *calls, *points)


def fill(path: Path, *, output: int, count: int = CALLS) -> State:
    with store.open(path) as opened:
        calls = [Call(uuid=f"{output}-{n}", ts=T + n * 600_000, output=output, session=f"s{n}") for n in range(count)]
        opened.put("claude", calls, machine="m")
        opened.note_quotas([Sample("claude", "5h", "", 18_000, T // 1000, 42.0, 0)], now=T // 1000, keep_from=0)
    return state(path)


def older(path: Path) -> State:
    """Of a program of four steps before."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("BEGIN")
        for statement in (statement for step in schema.MIGRATIONS[:4] for statement in step):
            made.execute(statement)
        columns = [row[1] for row in made.execute("PRAGMA table_info(usage_records)")][1:]
        row = ["claude", "?", T, *[0] * 22, None, None][: len(columns)]
        sql = f"INSERT INTO usage_records ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        rows = [[*row[:1], str(n), *row[2:]] for n in range(CALLS)]
        made.executemany(sql, rows)
        made.execute("PRAGMA user_version = 4")
        made.execute("COMMIT")
    return state(path)


def start(path: Path, *what: str) -> subprocess.Popen:
    command = [sys.executable, "-P", "-c", DO, str(path), "8", *what]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout and running.stdout.readline() == "go\n"
    return running


def done(running: subprocess.Popen) -> float:
    assert running.stdout and running.stderr
    with running.stdout as out, running.stderr as err:  # by the same stream that has read the first line
        seconds, said = out.read(), err.read()
    assert (running.wait(60), said) == (0, "")
    return float(seconds)


class Case(NamedTuple):
    """`left` is what is in place at the end; what was there before is then in a copy, if it `keeps` one."""

    args: Callable[[Path], list[str]]
    left: Callable[[State, State], State]
    keeps: bool = True
    older: bool = False


CASES = {
    "backup": Case(lambda copy: [str(copy.with_name("new.db"))], lambda was, other: was, keeps=False),
    "restore": Case(lambda copy: [str(copy)], lambda was, other: other),
    "delete": Case(lambda copy: [], lambda was, other: NOTHING),
    "migrate": Case(lambda copy: [], lambda was, other: was._replace(schema=len(schema.MIGRATIONS)), older=True),
    "prune": Case(lambda copy: [str(T + CALLS // 3 * 600_000)], lambda was, other: was._replace(calls=0, output=0)),
}


def is_left(what: str, found: State, expected: State, was: State) -> bool:
    if what == "migrate":  # a step at a time
        return was.schema < found.schema <= expected.schema and found._replace(schema=0) == was._replace(schema=0)
    if what == "delete":  # emptied, and then gone
        return found == NOTHING or found == State(len(schema.MIGRATIONS), 0, 0, 0)
    if what == "prune":
        return 0 < found.calls < was.calls and found.output == found.calls
    return found == expected


@pytest.mark.slow
@pytest.mark.parametrize("instants", [1, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", CASES)
def test_a_kill_at_any_instant_leaves_all_of_before_or_all_of_after_and_a_copy(tmp_path, what, instants):
    case, seed = CASES[what], random.randrange(1 << 30)
    folder, kept, copy = tmp_path / "live", tmp_path / "kept", tmp_path / "copy.db"
    path = folder / "usage.db"
    was = older(path) if case.older else fill(path, output=1)
    other = fill(copy, output=2, count=CALLS // 2)
    shutil.copytree(folder, kept)
    args, landed = [what, *case.args(copy)], 0
    chance, seconds = random.Random(seed), done(start(path, *args))
    expected = case.left(was, other)
    assert is_left(what, state(path), expected, was)
    for _ in range(instants):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        copy.with_name("new.db").unlink(missing_ok=True)
        running = start(path, *args)
        time.sleep(chance.uniform(0, seconds * 1.1))
        landed += running.poll() is None
        running.send_signal(signal.SIGKILL)
        running.communicate()  # reaps it, and closes its pipes
        found, told = state(path), f"{what}, seed {seed}"
        assert found == was or is_left(what, found, expected, was), told
        if case.keeps and found != was:
            assert was in [state(each) for each in (folder / "backups").glob("*.db")], told
        assert {state(each) for each in (folder / "backups").glob("*.db")} <= {was}, told
        assert state(copy.with_name("new.db")) in (was, NOTHING) and state(copy) == other, told
        done(start(path, *args))
        found = state(path)
        assert found.schema in (0, len(schema.MIGRATIONS)) and is_left(what, found, expected, was), told
        assert what != "backup" or state(copy.with_name("new.db")) == was, told
    assert landed > instants // 4 or instants == 1


@pytest.mark.slow
def test_copies_made_while_others_write_are_each_of_one_instant(tmp_path):
    path, ended, counts = tmp_path / "usage.db", threading.Event(), []
    fill(path, output=1, count=100)

    def write() -> None:
        with store.open(path) as opened:
            number = 0
            while not ended.is_set():
                calls = [Call(uuid=f"{number}-{n}", ts=T + n * 600_000, output=1) for n in range(20)]
                opened.put("claude", calls, machine="m")
                number += 1

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for number in range(20):
            target = tmp_path / f"{number}.db"
            copies.back_up(path, target)
            counts.append(state(target).calls)
    finally:
        ended.set()
        writing.join()
    assert counts == sorted(counts) and counts[-1] > counts[0]
    assert {count % 20 for count in counts} == {0}


@pytest.mark.slow
def test_who_reads_while_a_copy_is_put_back_sees_the_old_or_the_new(tmp_path):
    path, one, other = (tmp_path / name / "usage.db" for name in ("live", "one", "other"))
    fill(path, output=1)
    seen, ended, expected = set(), threading.Event(), {fill(one, output=1), fill(other, output=2, count=CALLS // 2)}

    def read() -> None:
        while not ended.is_set():
            with store.open(path, readonly=True) as opened:
                opened._db.execute("BEGIN")
                assert list(soundness.sums(opened._db)) == []
                calls = list(opened.calls())
                seen.add((len(calls), sum(record.call.output for record in calls)))

    reading = threading.Thread(target=read)
    reading.start()
    try:
        for number in range(10):
            upkeep.restore((one, other)[number % 2], path, datetime.now(UTC), keep_copy=False)
    finally:
        ended.set()
        reading.join()
    assert seen == {(found.calls, found.output) for found in expected}


def size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


@pytest.mark.parametrize("room", [20_000, *(pytest.param(room, marks=pytest.mark.slow) for room in (300_000, 800_000))])
@pytest.mark.parametrize("what", ["backup", "restore", "delete", "migrate"])
def test_on_a_full_disk_nothing_is_lost_and_it_is_said(require, tmp_path, what, room):
    folder, copy, after = paths.data_dir(), tmp_path / "copy.db", tmp_path / "after"
    path = folder / "usage.db"
    was = older(path) if what == "migrate" else fill(path, output=1)
    other = fill(copy, output=2)
    args = {"backup": [], "restore": [str(copy), "--yes"], "delete": ["--yes"], "migrate": []}[what]
    run = [*faults.PROGRAM, "db", what, *args]
    script = f'"$@"; echo $?; cp -a "{folder}" "{after}"'
    mount = faults.tmpfs(folder, f"size={size(folder) + room}")
    command = faults.mounted(require, mount, [require("sh"), "-c", script, "sh", *run])
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    code, found = int(ended.stdout.split()[-1]), state(after / "usage.db")
    copied = [state(each) for each in (after / "backups").glob("*.db")]
    if code:
        assert ended.stderr.startswith("vibeusage: ") and "disk is full" in ended.stderr, ended.stderr
        assert "damaged" not in ended.stderr
        assert found == was or (what == "migrate" and is_left(what, found, was._replace(schema=99), was))
        assert set(copied) <= {was}
    else:
        assert was in copied
        assert found == {"backup": was, "restore": other, "delete": NOTHING}.get(what, found)
    assert code == 1 or room > 20_000
    assert not list(after.rglob(f"*{copies.files.TEMP_MARK}*"))
