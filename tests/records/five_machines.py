"""A program: five machines that share a folder, each a process that may be killed at any point, in an order by seed.

    python five_machines.py SEED STEPS FOLDER one|copies

Their clocks are years apart. With `copies` each has a copy of the folder, and a service carries files from one to the
other in any order: whole, in part, or under the name of a conflict. At the end everything is carried over, all exchange
twice, and every store must hold the same rows, with the totals of one machine that saw everything.
"""

import contextlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from vibeusage.records import shared, store
from vibeusage.records.readers.spec import Call

MACHINES = 5
START = 1_750_000_000_000
CLOCKS_S = (0, -8e8, 3e8, 86_400, -1)
ROWS = """SELECT provider, message_uuid, timestamp, s.text, k.text, m.text, f.text, n.text, input_tokens, output_tokens,
    cache_creation_tokens, cache_read_tokens, logged_cost, rank, ord, complete, notes, metadata FROM usage_records
    JOIN names s ON s.id = session_id JOIN names k ON k.id = message_type JOIN names m ON m.id = model
    JOIN names f ON f.id = folder JOIN names n ON n.id = machine_name ORDER BY 1, 2"""
TOTALS = "SELECT provider, day, SUM(calls), SUM(input_tokens), SUM(output_tokens), SUM(lower_bounds) FROM rollup_days"


class Drive:
    """The folder as each machine sees it."""

    def __init__(self, base: Path, dice: random.Random, *, is_copied: bool) -> None:
        self.dice = dice
        self.folders = [base / (f"drive{n}" if is_copied else "drive") for n in range(MACHINES)]
        for folder in self.folders:
            folder.mkdir(exist_ok=True)

    def carry(self) -> None:
        """One file to another machine, perhaps not whole yet, or as a copy beside what is there."""
        source, target = self.dice.sample(self.folders, 2) if len({*self.folders}) > 1 else self.folders[:2]
        found = sorted(path for path in source.rglob("*.calls") if path.is_file())
        if source == target or not found:
            return
        path = self.dice.choice(found)
        data = path.read_bytes()
        to = target / path.relative_to(source)
        if self.dice.random() < 0.3:
            to = to.with_name(f"{to.stem}.sync-conflict-{self.dice.randrange(9)}.calls")
        elif to.exists() and self._is_owner(target, to):
            return
        if self.dice.random() < 0.3:
            data = data[: self.dice.randrange(len(data))]
        to.parent.mkdir(exist_ok=True)
        to.write_bytes(data)
        then = self.dice.randrange(1 << 31)
        os.utime(to, (then, then))

    def _is_owner(self, folder: Path, path: Path) -> bool:
        """Whether the machine of this folder writes the file itself: a service keeps what is newer there."""
        number = Path(folder.parent, f"m{self.folders.index(folder)}", "data", "machine-id")
        return number.exists() and number.read_text().strip() == path.parent.name

    def settle(self) -> None:
        """Each machine's own files to all others, whole."""
        for number, folder in enumerate(self.folders):
            own = folder / Path(folder.parent, f"m{number}", "data", "machine-id").read_text().strip()
            for other in {*self.folders} - {folder} if own.exists() else ():
                shutil.copytree(own, other / own.name, dirs_exist_ok=True)


def as_machine(base: Path, number: int, do: Callable[[], None]) -> int:
    """Do it in a process of its own, with that machine's folders and clock; its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    with contextlib.suppress(BaseException):
        for name in ("CONFIG", "CACHE", "DATA"):
            os.environ[f"VIBEUSAGE_{name}_DIR"] = str(base / f"m{number}" / name.lower())
        shift, clock, clock_ns = CLOCKS_S[number], time.time, time.time_ns
        vars(time).update(time=lambda: clock() + shift, time_ns=lambda: clock_ns() + int(shift * 1e9))
        do()
        code = 0
    os._exit(code)


def ended(pid: int) -> None:
    status = os.waitpid(pid, 0)[1]
    if status and os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise SystemExit("a machine failed")


def calls(dice: random.Random, number: int) -> list[Call]:
    """Of this machine, and some that others have too, as far as each has seen them."""
    made = []
    for _ in range(dice.randrange(1, 30)):
        name = dice.choice([f"m{number}-{dice.randrange(400)}", f"all-{dice.randrange(20)}"])
        fixed = random.Random(name)  # what all states of a call agree on
        ts = START + fixed.randrange(90 * 86_400_000) // 1000 * 1000
        made.append(
            Call(
                uuid=name,
                ts=ts + dice.randrange(3) * 1000,
                session=f"s{fixed.randrange(5)}" if name.startswith("m") else f"s-of-{number}",
                model=fixed.choice(["claude-opus-4", "gpt-5"]),
                folder=f"/work/{number}",
                input=dice.randrange(1000),
                output=dice.randrange(1000),
                order=dice.randrange(3) if fixed.random() < 0.2 else 0,
                complete=dice.random() < 0.5,
                data={"n": dice.randrange(3)} if fixed.random() < 0.3 else None,
            )
        )
    return made


def put(number: int, made: list[Call]) -> None:
    with store.open() as db:
        db.put("claude", made, machine=f"machine {number}")


def rows(path: Path) -> list[tuple]:
    with store.open(path, readonly=True) as db:
        return db._db.execute(ROWS).fetchall()


def totals(path: Path) -> list[tuple]:
    with store.open(path, readonly=True) as db:
        return db._db.execute(f"{TOTALS} GROUP BY 1, 2 ORDER BY 1, 2").fetchall()


def main(seed: int, steps: int, base: Path, *, is_copied: bool) -> None:
    dice = random.Random(seed)
    drive = Drive(base, dice, is_copied=is_copied)
    everything: list[list[Call]] = [[] for _ in range(MACHINES)]
    kills = 0
    for _ in range(steps):
        number = dice.randrange(MACHINES)
        match dice.choice(["work", "exchange", "exchange", "both", "carry"]):
            case "work":
                made = calls(dice, number)
                everything[number] += made
                ended(as_machine(base, number, lambda number=number, made=made: put(number, made)))
            case "both":
                pair = [number, dice.randrange(MACHINES)]
                for pid in [as_machine(base, n, lambda n=n: _exchange(drive, n)) for n in pair]:
                    ended(pid)
            case "exchange":
                pid = as_machine(base, number, lambda number=number: _exchange(drive, number))
                if dice.random() < 0.6:
                    time.sleep(dice.random() * 0.04)
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                ended(pid)
            case "carry":
                drive.carry()
    for _ in range(3):
        for number in range(MACHINES):
            ended(as_machine(base, number, lambda number=number: _exchange(drive, number)))
        drive.settle()
    _compare(base, everything, kills)


def _exchange(drive: Drive, number: int) -> None:
    shared.exchange(drive.folders[number])


def _compare(base: Path, everything: list[list[Call]], kills: int) -> None:
    with store.open(base / "one" / "usage.db") as one:
        for number, made in enumerate(everything):
            one.put("claude", made, machine=f"machine {number}")
    stores = [base / f"m{number}" / "data" / "usage.db" for number in range(MACHINES)]
    first, expected = rows(stores[0]), totals(base / "one" / "usage.db")
    if any(rows(path) != first for path in stores):
        raise SystemExit("the machines do not agree")
    if any(totals(path) != expected for path in stores):
        raise SystemExit("the totals are not those of one machine that saw everything")
    print(f"{len(first)} calls of {MACHINES} machines, {kills} kills")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), is_copied=sys.argv[4] == "copies")
