"""The folder of several machines: all end with the same calls, each writes its own files only, and nothing is lost."""

import json
import os
import random
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import pytest

from vibeusage import cli, config
from vibeusage.errors import StorageError
from vibeusage.records import background, exports, machine, shared, store
from vibeusage.records.call_rows import Record
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.shared import Exchanged

DAY = 86_400_000
T = 1_750_000_500_000  # 2025-06-15
PROGRAM = Path(__file__).with_name("five_machines.py")


class Machines:
    """Machines by name, each with folders of its own; the one that was named last is this one."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.base, self.patch = base, monkeypatch
        self.folder = base / "drive"
        self.folder.mkdir()

    def be(self, name: str) -> None:
        for kind in ("config", "cache", "data"):
            self.patch.setenv(f"VIBEUSAGE_{kind.upper()}_DIR", str(self.base / name / kind))

    def has(self, name: str, *calls: Call, provider: str = "claude") -> None:
        self.be(name)
        with store.open() as db:
            db.put(provider, calls, machine=name)

    def exchange(self, name: str, **options) -> Exchanged:
        self.be(name)
        return shared.exchange(self.folder, **options)

    def calls(self, name: str) -> list[Record]:
        self.be(name)
        with store.open(readonly=True) as db:
            return list(db.calls())

    def own(self, name: str) -> Path:
        """Its folder in the shared one."""
        self.be(name)
        return self.folder / machine.id()

    def files(self, name: str) -> list[str]:
        return sorted(path.name for path in self.own(name).iterdir())


@pytest.fixture
def machines(tmp_path, monkeypatch) -> Machines:
    return Machines(tmp_path, monkeypatch)


def call(uuid="a", ts=T, **fields) -> Call:
    return msgspec.structs.replace(Call(uuid=uuid, ts=ts, model="claude-x", input=1), **fields)


def tree(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def told(where: Machines, **fields) -> Exchanged:
    return Exchanged(folder=os.path.realpath(where.folder), **fields)


def test_all_know_what_each_has_and_whose_it_was(machines):
    machines.has("desk", call("a"), call("b", ts=T + DAY))
    machines.has("lap", call("c", input=7))
    assert machines.exchange("desk") == told(machines, written=2)
    assert machines.exchange("lap") == told(machines, files=2, machines=1, added=2, written=1)
    assert machines.exchange("desk") == told(machines, files=3, machines=1, added=1)
    expected = [
        Record("claude", "desk", call("a")),
        Record("claude", "lap", call("c", input=7)),
        Record("claude", "desk", call("b", ts=T + DAY)),
    ]
    assert machines.calls("desk") == machines.calls("lap") == expected


def test_devices_are_told_apart_in_the_report(machines, capsys):
    machines.has("desk", call("a"), call("b"))
    machines.has("lap", call("c"))
    for name in ("desk", "lap", "desk"):
        machines.exchange(name)
    assert cli.main(["report", "devices", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["machine"]: row["messages"] for row in rows} == {"desk": 2, "lap": 1}


def test_when_nothing_is_new_nothing_is_written(machines):
    machines.has("desk", call("a"))
    machines.has("lap", call("b"))
    for name in ("desk", "lap", "desk", "lap"):
        machines.exchange(name)
    before = tree(machines.base)
    assert machines.exchange("desk") == told(machines, files=2, machines=1)
    changed = {path.name for path, state in tree(machines.base).items() if before.get(path) != state}
    assert changed <= {"usage.db-shm", "usage.db-wal", "records.lock", "machine-id.lock"}


def test_nobody_writes_another_ones_files(machines):
    machines.has("desk", call("a"), call("both", output=1))
    machines.has("lap", call("b"), call("both", output=9))
    machines.exchange("desk")
    before = tree(machines.folder)
    machines.exchange("lap")
    assert {path: tree(machines.folder)[path] for path in before} == before


def test_a_call_that_both_have_is_the_better_of_both_under_one_name(machines):
    machines.has("lap", call("x", output=9, folder="/b", complete=False))
    machines.has("desk", call("x", output=1, folder="/a", ts=T - 5))
    for name in ("desk", "lap", "desk", "lap"):
        machines.exchange(name)
    expected = [Record("claude", "desk", call("x", output=9, folder="/a", ts=T - 5))]
    assert machines.calls("desk") == machines.calls("lap") == expected


def test_what_a_call_becomes_later_travels_too(machines):
    machines.has("desk", call("x", output=1, complete=False), call("y", ts=T - 40 * DAY))
    machines.exchange("desk")
    machines.exchange("lap")
    machines.has("desk", call("x", output=50))
    assert machines.exchange("desk").written == 1
    assert machines.exchange("lap") == told(machines, files=2, machines=1, changed=1)
    assert machines.calls("lap")[-1].call == call("x", output=50)


def test_what_a_machine_adds_to_anothers_call_goes_back(machines):
    machines.has("desk", call("x", output=1))
    machines.exchange("desk")
    machines.exchange("lap")
    machines.has("lap", call("x", output=70))
    machines.exchange("lap")
    machines.exchange("desk")
    assert machines.calls("desk") == machines.calls("lap") == [Record("claude", "desk", call("x", output=70))]


def test_facts_travel_and_are_no_calls(machines):
    machines.has("desk", call("f", kind=FACTS, data={"accepted": 3}))
    machines.exchange("desk")
    assert machines.exchange("lap").added == 0
    assert machines.calls("lap") == machines.calls("desk")


def test_days_of_the_latest_month_become_one_file_when_the_next_begins(machines):
    machines.has("desk", call("a"), call("b", ts=T + DAY), call("old", ts=T - 300 * DAY))
    machines.exchange("desk")
    assert machines.files("desk") == ["2024-08.calls", "2025-06-15.calls", "2025-06-16.calls"]
    machines.exchange("lap")
    machines.has("desk", call("c", ts=T + 30 * DAY))
    assert machines.exchange("desk").written == 2
    assert machines.files("desk") == ["2024-08.calls", "2025-06.calls", "2025-07-15.calls"]
    machines.has("desk", call("late", ts=T + 2 * DAY))
    assert machines.exchange("desk").written == 1
    machines.exchange("lap")
    machines.exchange("new")
    assert machines.calls("desk") == machines.calls("lap") == machines.calls("new")
    assert machines.exchange("desk").written == 0


@pytest.mark.parametrize(
    "name",
    [
        "2025-06-15 (desk's conflicted copy 2025-06-16).calls",
        "2025-06-15.sync-conflict-20250616-101010-ABCDEFG.calls",
        "2025-06-15(1).calls",
        "2025-06-15-DESK.calls",
    ],
)
def test_copies_that_a_service_makes_are_read_like_the_rest(machines, name):
    machines.has("desk", call("a"))
    machines.exchange("desk")
    elsewhere = machines.own("desk") / "2025-06-15.calls"
    elsewhere.rename(elsewhere.with_name(name))
    assert machines.exchange("lap").added == 1
    machines.exchange("desk")
    assert machines.files("desk") == sorted(["2025-06-15.calls", name])


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_machine_that_was_set_up_anew_gets_its_past_from_the_folder(machines, is_folder):
    machines.has("desk", call("a"), call("b", ts=T - 60 * DAY))
    machines.exchange("desk")
    machines.be("desk")
    (machines.base / "desk" / "data" / "usage.db").unlink()
    if is_folder:  # its number as well
        shutil.rmtree(machines.base / "desk")
    assert machines.exchange("desk") == told(machines, files=2, added=2, machines=int(is_folder))
    machines.has("desk", call("c"))
    machines.exchange("desk")
    machines.exchange("lap")
    assert len(machines.calls("lap")) == 3


def test_two_machines_with_one_number_lose_nothing(machines):
    machines.has("desk", call("a"))
    machines.exchange("desk")
    shutil.copytree(machines.base / "desk", machines.base / "clone")
    machines.has("desk", call("b"))
    machines.has("clone", call("c"))
    for name in ("desk", "clone", "desk", "clone"):
        machines.exchange(name)
    assert [each.call.uuid for each in machines.calls("desk")] == ["a", "b", "c"]
    assert machines.calls("clone") == machines.calls("desk")
    assert [machines.exchange(name).written for name in ("desk", "clone")] == [0, 0]


def test_files_of_ours_that_somebody_took_away_are_written_again(machines):
    machines.has("desk", call("a"), call("b", ts=T - 90 * DAY))
    machines.exchange("desk")
    before = {name: (machines.own("desk") / name).read_bytes() for name in machines.files("desk")}
    (machines.own("desk") / "2025-03.calls").unlink()
    (machines.own("desk") / "2025-06-15.calls").write_bytes(b"vibeusage-calls 1 ")
    assert machines.exchange("desk") == told(machines, files=1, written=2, skipped={"incomplete": 1})
    assert {name: (machines.own("desk") / name).read_bytes() for name in machines.files("desk")} == before


def test_what_is_half_there_is_counted_and_read_when_it_is_whole(machines):
    machines.has("desk", call("a"))
    machines.exchange("desk")
    path = machines.own("desk") / "2025-06-15.calls"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert machines.exchange("lap") == told(machines, files=1, machines=1, added=1, skipped={"incomplete": 1})
    path.write_bytes(whole[:90])
    assert machines.exchange("new") == told(machines, files=1, machines=1, skipped={"incomplete": 1})
    path.write_bytes(whole)
    assert machines.exchange("new") == told(machines, files=1, machines=1, added=1)


def test_only_files_are_read_and_only_what_an_export_is_called(machines, tmp_path):
    other = machines.folder / ("0" * 32)
    other.mkdir()
    secret = tmp_path / "secret.calls"
    secret.write_bytes(b"".join(exports.whole([Record("claude", "x", call("x"))])))
    (other / "link.calls").symlink_to(secret)
    os.mkfifo(other / "pipe.calls")
    (machines.folder / "linked").symlink_to(tmp_path)
    (machines.folder / "desktop.ini").write_text("[x]")
    (machines.folder / ".stfolder").mkdir()
    (machines.folder / ".stfolder" / "x.calls").write_text("x")
    assert machines.exchange("desk") == told(machines, machines=1, skipped={"cannot be read": 2})


def test_an_export_in_the_folder_is_read_too(machines):
    (machines.folder / "server.calls").write_bytes(b"".join(exports.whole([Record("claude", "server", call("x"))])))
    assert machines.exchange("desk") == told(machines, files=1, added=1)
    assert not machines.own("desk").exists()


def test_a_folder_that_is_not_there_is_not_made(machines):
    machines.folder.rmdir()
    with pytest.raises(StorageError, match="is not there"):
        machines.exchange("desk")
    assert not machines.folder.exists()


def test_a_folder_that_has_become_empty_is_written_to_only_when_a_person_asks(machines):
    machines.has("desk", call("a"))
    machines.exchange("desk")
    shutil.rmtree(machines.own("desk"))
    with pytest.raises(StorageError, match="is its disk there"):
        machines.exchange("desk", is_asked=False)
    assert list(machines.folder.iterdir()) == []
    assert machines.exchange("desk").written == 1


def test_another_folder_gets_everything(machines):
    machines.has("desk", call("a"), call("b", ts=T - 90 * DAY))
    machines.exchange("desk")
    machines.folder = machines.base / "other drive"
    machines.folder.mkdir()
    assert machines.exchange("desk").written == 2
    assert len(machines.exchange("lap").skipped) == 0
    assert machines.calls("lap") == machines.calls("desk")


def test_what_there_was_no_time_for_is_done_the_next_times(machines, monkeypatch):
    for number in range(6):
        machines.has("desk", call(f"{number}", ts=T + number * DAY))
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(shared.time, "monotonic", lambda: next(ticks))
    for name in ("desk", "lap"):
        rounds = [machines.exchange(name, budget_s=4) for _ in range(8)]
        assert not rounds[0].is_done
        assert rounds[-1].is_done
    assert machines.calls("lap") == machines.calls("desk")


def test_no_text_of_a_conversation_is_in_the_folder(machines, home):
    machines.be("desk")
    log = home / ".claude" / "projects" / "p" / "a.jsonl"
    log.parent.mkdir(parents=True)
    usage = {"input_tokens": 1, "output_tokens": 2}
    message = {"id": "msg_01", "model": "claude-x", "content": [{"type": "text", "text": "CANARY"}], "usage": usage}
    line = {"type": "assistant", "timestamp": "2026-01-05T12:00:00Z", "sessionId": "s", "message": message}
    log.write_bytes(msgspec.json.encode(line) + b"\n")
    background.run_if_due(config.load(), 1_800_000_000)
    machines.exchange("desk")
    (path,) = machines.own("desk").iterdir()
    head, _, packed = path.read_bytes().partition(b"\n")
    lines = zlib.decompressobj().decompress(packed)
    assert b"claude-x" in lines
    assert b"CANARY" not in head + lines
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_refresher_exchanges_when_it_is_time(machines):
    machines.has("desk", call("a"))
    machines.exchange("desk")
    machines.be("lap")
    config.set_value("machines.folder", str(machines.folder))
    config.set_value("machines.name", "my laptop")
    now = 1_800_000_000
    background.run_if_due(config.load(), now)
    assert len(machines.calls("lap")) == 1
    machines.has("desk", call("b"))
    machines.exchange("desk")
    machines.be("lap")
    for later, count in ((899, 1), (900, 2)):
        background.run_if_due(config.load(), now + later)
        assert len(machines.calls("lap")) == count


def test_trouble_with_the_folder_is_told_and_keeps_no_log_from_being_read(machines, monkeypatch):
    machines.be("desk")
    config.set_value("machines.folder", str(machines.base / "nowhere"))
    now = 1_800_000_000
    with pytest.raises(StorageError, match="is not there"):
        background.run_if_due(config.load(), now)
    assert background.run_if_due(config.load(), now + 301)
    with pytest.raises(StorageError, match="is not there"):
        background.run_if_due(config.load(), now + 901)


def simulated(tmp_path, mode: str, seed: int, steps: int) -> None:
    print(f"seed {seed}, {mode}")  # pytest shows it when the test fails
    command = [sys.executable, PROGRAM, str(seed), str(steps), tmp_path, mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["one", "copies"])
def test_five_machines_end_with_the_totals_of_one_whatever_is_killed(mode, tmp_path):
    simulated(tmp_path, mode, random.randrange(1 << 32), 18)


@pytest.mark.slow
def test_two_processes_at_one_folder_lose_nothing(machines):
    for name in ("desk", "lap"):
        machines.has(name, *(call(f"{name}-{number}", ts=T + number * DAY // 9) for number in range(900)))
        config.set_value("machines.folder", str(machines.folder))
    command = [sys.executable, "-P", "-m", "vibeusage", "db", "merge"]
    for _ in range(3):
        running = []
        for name in ("desk", "lap", "desk"):  # also two of one machine
            machines.be(name)
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        assert [each.wait() for each in running] == [0, 0, 0]
    assert machines.calls("desk") == machines.calls("lap")
    assert len(machines.calls("lap")) == 1800


@pytest.mark.slow
@pytest.mark.parametrize("run", range(3))
@pytest.mark.parametrize("mode", ["one", "copies"])
def test_five_machines_and_many_kills(mode, run, tmp_path):
    simulated(tmp_path, mode, random.randrange(1 << 32), 150)
