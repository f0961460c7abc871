"""What a sync costs beside ccusage and tokscale: `python tests/bench/local_records.py [--size-mb N] [--rounds N]`.

One generated tree of Claude Code's logs, read in one run by all three, in turns, without a network; with the peers'
programs of npm in VIBEUSAGE_TEST_NPM. Prints CPU time, wall time, the peak of memory, and our CPU time as a ratio
within the same round; `in a refresh` is what a sync with nothing new adds to a program that runs anyway.
`--records 10000000` fills a store with made-up calls instead, which stays in `--folder`, and times each report of it,
whole, of one model and of one project. Figures, never pass or fail.
"""

import argparse
import dataclasses
import itertools
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from e2e.measured import Measured, measured
from npm import installed, offline
from records.gen_claude_logs import generate

from vibeusage.cli.report import KINDS
from vibeusage.records import store
from vibeusage.records.readers.spec import Call

OURS = [sys.executable, "-P", "-m", "vibeusage"]
BARE, FIRST, SAME, INSIDE = "python -c pass", "first sync", "nothing new", "same, in a refresh"
GROWN, REPORT = "1 MB appended", "report daily"
CC_DAILY, CC_MONTHLY = "ccusage daily", "ccusage monthly"
TS_COLD, TS_WARM = "tokscale, cold", "tokscale, warm"
APPENDED = 1_000_000
PEAK_MB = 120
REPORT_S = 1.0
GOALS = ((FIRST, CC_DAILY, 1.0), (FIRST, CC_MONTHLY, 1.0), (FIRST, TS_COLD, 1.0), (SAME, TS_WARM, 0.25))
GOALS += ((INSIDE, TS_WARM, 0.25), (GROWN, SAME, 1.3))
SYNC_INSIDE = """
import os, pathlib, sys, time
from vibeusage.records import readers, sync
from vibeusage.records.readers.spec import Places
known, places = readers.load_all().values(), Places(environ=os.environ, home=pathlib.Path.home(), platform=sys.platform)
cpu_s, wall_s = time.process_time(), time.monotonic()
sync.run(known, places, providers=["claude"])
print(time.process_time() - cpu_s, time.monotonic() - wall_s)
"""
FILTERS = ((), ("--model", "opus-4-3"), ("--project", "/home/ana/p7"))
YEARS, MODELS, FOLDERS, OF_SESSION = 3, 12, 150, 60
BATCH = 200_000


class Bench(NamedTuple):
    """`growth` is the generator's: a file that ends inside a record, and what is appended."""

    folder: Path
    growth: dict[str, Any]

    @property
    def tree(self) -> Path:
        return self.folder / "claude"

    def environ(self) -> dict[str, str]:
        ours = self.folder / "ours"
        own = {f"VIBEUSAGE_{name.upper()}_DIR": str(ours / name) for name in ("config", "cache", "data")}
        home = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home"), "CLAUDE_CONFIG_DIR": str(self.tree)}
        return {**home, **own}

    def run(self, *command: str | Path) -> Measured:
        done = measured(offline([str(part) for part in command]), self.environ(), timeout_s=600)
        if done.code:
            sys.exit(f"{command[0]} ended with code {done.code}: {done.stderr.decode()}")
        return done

    def sync(self) -> Measured:
        return self.run(*OURS, "records", "sync", "--provider", "claude", "--quiet")

    def sync_inside(self) -> Measured:
        """Without the start of an interpreter and its imports."""
        done = self.run(*OURS[:2], "-c", SYNC_INSIDE)
        cpu_s, wall_s = map(float, done.stdout.split())
        return dataclasses.replace(done, cpu_s=cpu_s, took_s=wall_s)

    def grow(self) -> Callable[[], None]:
        """Append 1 MB: the end of the torn record, calls after it, and lines that another file has; what undoes it."""
        path = self.tree / self.growth["file"]
        before = path.stat()
        more = self.growth["append"].encode()
        copied = max((self.tree / "projects").rglob("*.jsonl"), key=lambda one: one.stat().st_size).read_bytes()
        copied = copied[: max(0, APPENDED - len(more))]
        with path.open("ab") as file:
            file.write(more + copied[: copied.rfind(b"\n") + 1])

        def undo() -> None:
            os.truncate(path, before.st_size)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

        return undo


def one_round(bench: Bench) -> dict[str, Measured]:
    for name in ("home", "ours"):
        shutil.rmtree(bench.folder / name, ignore_errors=True)
    (bench.folder / "home").mkdir()
    took = {BARE: bench.run(sys.executable, "-c", "pass"), FIRST: bench.sync()}
    if ccusage := installed("ccusage"):
        for name, report in ((CC_DAILY, "daily"), (CC_MONTHLY, "monthly")):
            took[name] = bench.run(ccusage, "claude", report, "--offline", "--json")
    took |= {SAME: bench.sync(), INSIDE: bench.sync_inside()}
    if tokscale := installed("tokscale"):
        for name in (TS_COLD, TS_WARM):
            took[name] = bench.run(tokscale, "models", "--json", "--client", "claude", "--no-spinner")
    undo = bench.grow()
    took[GROWN] = bench.sync()
    undo()
    took[REPORT] = bench.run(*OURS, "report", "daily", "--json")
    return took


def synced_table(bench: Bench, rounds: int) -> str:
    every = [one_round(bench) for _ in range(rounds)]
    lines = [f"{'':<18} {'CPU s':>8} {'wall s':>8} {'peak MB':>8}"]
    for name in (BARE, FIRST, SAME, INSIDE, GROWN, REPORT, CC_DAILY, CC_MONTHLY, TS_COLD, TS_WARM):
        runs = [took[name] for took in every if name in took]
        if runs:
            cpu, wall = statistics.median(run.cpu_s for run in runs), statistics.median(run.took_s for run in runs)
            lines.append(f"{name:<18} {cpu:>8.3f} {wall:>8.3f} {max(map(peak_mb, runs)):>8.0f}")
        else:
            lines.append(f"{name:<18} {'not installed':>26}")
    return "\n".join([*lines, "", *goals(every)])


def goals(every: list[dict[str, Measured]]) -> Iterator[str]:
    for mine, other, goal in GOALS:
        ratios = [took[mine].cpu_s / took[other].cpu_s for took in every if other in took]
        if ratios:
            ratio = statistics.median(ratios)
            yield f"{mine} / {other}: {ratio:.2f}, goal {goal:g}: {verdict(ratio <= goal)}"
    peak = max(peak_mb(took[name]) for took in every for name in (FIRST, SAME, GROWN))
    yield f"peak of a sync: {peak:.0f} MB, goal {PEAK_MB}: {verdict(peak < PEAK_MB)}"


def peak_mb(run: Measured) -> float:
    return run.peak_mib * 1.048576


def verdict(met: bool) -> str:
    return "met" if met else "missed"


def made_up(count: int) -> Iterator[Call]:
    """Calls of the last three years in the order of time, with sessions that overlap, each at one folder and model."""
    rng, step = random.Random(1), YEARS * 365 * 86_400_000 // count
    now = int((datetime.now(UTC) - timedelta(days=365 * YEARS)).timestamp() * 1000)
    sessions: list[tuple[str, str, str, str]] = []
    for number in range(count):
        if number % OF_SESSION == 0:
            model, folder = f"claude-opus-4-{rng.randrange(1, MODELS)}", f"/home/ana/p{rng.randrange(FOLDERS)}"
            sessions = [*sessions[-3:], (f"{number:08x}-0000-4000-a000-{number:012x}", model, folder, "main")]
        session, model, folder, branch = rng.choice(sessions)
        yield Call(
            uuid=f"msg_01{number:022d}",
            ts=now + number * step,
            session=session,
            model=model,
            folder=folder,
            branch=branch,
            served_by="anthropic",
            input=rng.randrange(1, 40),
            output=rng.randrange(20, 1_800),
            write=rng.randrange(200, 9_000),
            read=rng.randrange(4_000, 150_000),
        )


def fill(bench: Bench, count: int) -> None:
    calls = made_up(count)
    with store.open(bench.folder / "ours" / "data" / store.NAME) as opened:
        while some := [call for _, call in zip(range(BATCH), calls, strict=False)]:
            opened.put("claude", some, machine="here")


def print_reports(bench: Bench, count: int, filters: Iterable[tuple[str, ...]]) -> None:
    """A line as soon as it is known: all of them take minutes at ten million."""
    path = bench.folder / "ours" / "data" / store.NAME
    (bench.folder / "home").mkdir(parents=True, exist_ok=True)
    if not path.exists():
        fill(bench, count)
    print(f"{count:,} records, {path.stat().st_size / 1e6:,.0f} MB")
    print(f"{'report':<36} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}")
    for kind, which in itertools.product(KINDS, filters):
        run = bench.run(*OURS, "report", kind, *which, "--json")
        rows = len(json.loads(run.stdout).get("rows", ()))
        told = f"{rows:,} rows, goal {REPORT_S:g} s: {verdict(run.took_s < REPORT_S)}"
        name = " ".join((kind, *which))
        print(f"{name:<36} {run.took_s:>8.2f} {run.cpu_s:>8.2f} {peak_mb(run):>8.0f}   {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--size-mb", type=float, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=0, help="time the reports over that many made-up calls instead")
    parser.add_argument("--whole", action="store_true", help="time no report of one model or project")
    parser.add_argument("--folder", type=Path, help="where those calls stay, to be timed once more")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if args.records:
            filters = FILTERS[:1] if args.whole else FILTERS
            print_reports(Bench(args.folder or folder, {}), args.records, filters)
            return
        told = generate(folder / "claude", args.size_mb, 4)
        load = os.getloadavg()[0]
        table = synced_table(Bench(folder, told["growth"]), args.rounds)
        calls, size = told["expected"]["calls"], told["tree"]["bytes"]
        print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {args.rounds} rounds, load {load:.1f} before")
        print(f"{size / 1e6:,.0f} MB in {told['tree']['files']} files, {calls:,} calls\n\n{table}")


if __name__ == "__main__":
    main()
