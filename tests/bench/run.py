"""What a line costs: `python tests/bench/run.py [--rounds N] [--quick] [--python PATH] [--env DIR]`.

Installs a wheel of the checkout into a fresh venv (uv if there is one, else pip of 25.2 or later), prepares
a cache with two windows in homes of its own without a login, and prints one table from one run: the commands
in turn, a fresh process each, stdout a pipe read to its end; the median of the wall time and of its ratio
to `python -c pass` in the same round. Figures, never pass or fail: a missed goal is printed and the exit code stays 0.

`--env DIR` keeps the venv there for the next run; the wheel is always built and installed anew.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DOCUMENT = ROOT / "tests/fixtures/claude-code-stdin/after-reply-rate-limits.json"
WARM_UPS = 3
PROMPTS = 2000
PROMPT_GOAL = 0.16
VALID_S = 15
INTERACTIVE = {
    "zsh": ("-f", "-i"),
    "bash": ("--norc", "--noprofile", "-i"),
    "fish": ("--no-config", "-i"),
}
FORKS = re.compile(r"\b(clone3?|v?fork)\((?!.*CLONE_THREAD)")
BASE, TRUE = "python -c pass", "/bin/true"

# runs in the venv: two windows of claude as a refresh would have stored them, the next one due in half a day
PREPARE = """
from datetime import UTC, datetime, timedelta
from vibeusage import cache, gate
from vibeusage.models import PeriodType, UsagePeriod, UsageSnapshot
now = datetime.now(UTC)
periods = (
    UsagePeriod(name="Session (5h)", utilization=42.0, period_type=PeriodType.SESSION,
                resets_at=now + timedelta(hours=2, minutes=7)),
    UsagePeriod(name="Weekly", utilization=17.3, period_type=PeriodType.WEEKLY, resets_at=now + timedelta(days=4)),
)
found = UsageSnapshot(provider="claude", fetched_at=now, observed_at=now, source="oauth", periods=periods)
cache.save_snapshot(found, "-")
gate.save({"claude": gate.Gate(due_at=now + timedelta(hours=12))})
cache.compile_line()
"""
# a small process of its own, because what a child is charged starts at the size of the process that starts it
PEAK = """
import posix, sys
actions = [(posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0)]
pid = posix.posix_spawn(sys.argv[1], sys.argv[1:], posix.environ, file_actions=actions)
print(posix.wait4(pid, 0)[2].ru_maxrss)
"""


class Command(NamedTuple):
    name: str
    argv: list[str]
    shows: str = ""  # what its output must hold, lest something else be measured
    setup: Callable[[Path], None] = lambda home: None  # before each run, not measured
    stdin: bytes = b""
    against: str = BASE
    goal: float = 0.0
    instruction_goal: float = 0.0


class Bench:
    """A venv with the wheel, and a home with a prepared cache for each command."""

    def __init__(self, folder: Path, env: Path, python: str) -> None:
        self.folder, self.bin = folder, env / "bin"
        self.notes: list[str] = []
        self.installer = install(folder, env, python)
        self.prepared = folder / "prepared"
        self.prepared.mkdir()
        run([self.bin / "python", "-c", PREPARE], self.environ(self.prepared))

    def environ(self, home: Path) -> dict[str, str]:
        path = f"{self.bin}:/usr/local/bin:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", "TZ": "UTC"}

    def home(self, name: str) -> Path:
        home = self.folder / "homes" / re.sub(r"\W+", "-", name)
        if not home.exists():
            shutil.copytree(self.prepared, home)
        return home

    def stored(self, target: str) -> Callable[[Path], None]:
        """A setup: the segment of `target` holds for some seconds yet."""

        def renew(home: Path) -> None:
            segment = home / ".cache/vibeusage/segments" / target
            while not segment.exists() or int(segment.read_bytes().split()[2]) < time.time() + VALID_S:
                segment.unlink(missing_ok=True)
                run([self.bin / "vibeusage", "line", target], self.environ(home))
                if int(segment.read_bytes().split()[2]) < time.time() + VALID_S:
                    time.sleep(1)

        return renew

    def commands(self) -> list[Command]:
        python, vibeusage = str(self.bin / "python"), str(self.bin / "vibeusage")
        tmux, claude = [vibeusage, "line", "tmux"], [vibeusage, "line", "claude-code"]
        launcher, document = str(self.bin / "vibeusage-line"), shifted_document()
        stored = self.stored("tmux")
        return [
            Command("python -I -S -c pass", [python, "-I", "-S", "-c", "pass"]),
            Command(BASE, [python, "-c", "pass"]),
            Command("line tmux, stored segment", tmux, "42%", stored, goal=0.95, instruction_goal=0.90),
            Command("line tmux, line.tsv", tmux, "42%", forget_segments, goal=1.0),
            Command("line tmux, no cache", tmux, "", forget_all),
            Command("line claude-code, document", claude, "42%", stdin=document, goal=1.5),
            Command("the same, limits new", claude, "42%", forget_observations, document),
            Command("vibeusage-line, stored", [launcher, "tmux"], "42%", stored, against=TRUE, goal=1.5),
            Command(TRUE, ["/bin/true"], against=TRUE),
            Command("sh -c :", ["/bin/sh", "-c", ":"], against=TRUE),
        ]

    def wall_ms(self, command: Command) -> float:
        home = self.home(command.name)
        command.setup(home)
        environ = self.environ(home)
        stdin, feed = os.pipe()
        if command.stdin:
            os.write(feed, command.stdin)
        os.close(feed)
        reader, stdout = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)]
        started = time.perf_counter_ns()
        pid = os.posix_spawn(command.argv[0], command.argv, environ, file_actions=actions)
        os.close(stdout)
        output = b""
        while chunk := os.read(reader, 65536):
            output += chunk
        _, status, _ = os.wait4(pid, 0)
        passed = time.perf_counter_ns() - started
        os.close(stdin)
        os.close(reader)
        if status or command.shows.encode() not in output:
            raise SystemExit(f"{command.name}: status {status}, printed {output!r}")
        return passed / 1e6

    def under(self, tool: list[str], command: Command, **environ: str) -> str:
        """What `tool`, with the command as its last arguments, says on stderr."""
        home = self.home(command.name)
        command.setup(home)
        return run([*tool, *command.argv], {**self.environ(home), **environ}, stdin=command.stdin).stderr

    def instructions(self, command: Command) -> float | None:
        """Millions, of the process itself."""
        if not shutil.which("valgrind"):
            return self._without("valgrind", "no instructions")
        tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        said = re.search(r"Collected : (\d+)", self.under(tool, command, PYTHONHASHSEED="0"))
        return int(said[1]) / 1e6 if said else None

    def syscalls(self, command: Command) -> int | None:
        if not shutil.which("strace"):
            return self._without("strace", "no system calls, no forks")
        said = self.under(["strace", "-c", "-f"], command)
        total = [line.split() for line in said.splitlines() if line.endswith(" total")]
        return int(total[-1][3]) if total else None

    def peak_mb(self, command: Command) -> float:
        home = self.home(command.name)
        command.setup(home)
        argv = [self.bin / "python", "-I", "-S", "-c", PEAK, *command.argv]
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return int(run(argv, self.environ(home), stdin=command.stdin).stdout) / unit

    def prompt_ms(self, shell: str, mode: str, count: int) -> float:
        home = self.home(shell)
        self.stored(shell)(home)
        started = time.perf_counter()
        run(prompt(shell, mode, count), self.environ(home))
        return (time.perf_counter() - started) * 1e3

    def forks(self, shell: str, mode: str) -> float | None:
        """Processes started for each prompt, the start of the shell and of the hook left out."""
        if not shutil.which("strace"):
            return self._without("strace", "no system calls, no forks")
        home, seen, few = self.home(shell), [], 100
        self.stored(shell)(home)
        for count in (0, few):
            tool = ["strace", "-f", "-e", "trace=process"]
            said = run([*tool, *prompt(shell, mode, count)], self.environ(home)).stderr
            seen.append(sum(1 for line in said.splitlines() if FORKS.search(line)))
        return (seen[1] - seen[0]) / few

    def _without(self, tool: str, what: str) -> None:
        note = f"{tool} is not installed: {what}"
        if note not in self.notes:
            self.notes.append(note)


def install(folder: Path, env: Path, python: str) -> str:
    """Build the checkout's wheel and put it into `env` with everything compiled; the installer's name."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    tree, wheels = folder / "tree", folder / "wheels"
    tree.mkdir()
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, tree)
    for name in ("src", "shell"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    uv = shutil.which("uv")
    if uv:
        if not env.exists():
            run([uv, "venv", "--python", python, env], environ)
        run([uv, "build", "--wheel", "--python", python, "--out-dir", wheels, tree], environ)
        tool = [
            uv,
            "pip",
            "install",
            "--python",
            env / "bin/python",
            "--compile-bytecode",
            "--reinstall-package=vibeusage",
        ]
    else:
        # without a setuptools of its own, whose .pth file would slow down every start
        if not env.exists():
            run([python, "-m", "venv", "--without-pip", env], environ)
        pip = folder / "pip/bin/python"
        run([python, "-m", "venv", folder / "pip"], environ)
        run([pip, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.2"], environ)
        run([pip, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, tree], environ)
        run([pip, "-m", "pip", "--python", env / "bin/python", "uninstall", "--yes", "vibeusage"], environ)
        tool = [pip, "-m", "pip", "--python", env / "bin/python", "install", "--quiet"]
    run([*tool, *wheels.glob("vibeusage-*.whl")], environ)
    said = run([uv, "--version"] if uv else [folder / "pip/bin/python", "-m", "pip", "--version"], environ).stdout
    return " ".join(said.split()[:2])


def run(argv: list, environ: dict[str, str], stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(arg) for arg in argv], input=stdin, env=environ, capture_output=True, check=False)
    stdout, stderr = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, argv))}: exit code {done.returncode}\n{stdout}{stderr}")
    return subprocess.CompletedProcess(done.args, 0, stdout, stderr)


def shifted_document() -> bytes:
    """The recorded document with its instants moved ahead of now, as far apart as they were."""
    document = json.loads(DOCUMENT.read_bytes())
    windows = document["rate_limits"]
    ahead = int(time.time()) + 7_620 - windows["five_hour"]["resets_at"]
    for place, key in ((windows["five_hour"], "resets_at"), (windows["seven_day"], "resets_at")):
        place[key] += ahead
    document["prompt_cache"]["expires_at"] += ahead
    return json.dumps(document).encode()


def forget_segments(home: Path) -> None:
    for segment in (home / ".cache/vibeusage/segments").glob("*"):
        segment.unlink()


def forget_observations(home: Path) -> None:
    for seen in (home / ".cache/vibeusage/observations").glob("*"):
        seen.unlink()


def forget_all(home: Path) -> None:
    """No cache, but this minute's and the next one's background refresh claimed, lest it be measured too."""
    cache = home / ".cache/vibeusage"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(mode=0o700)
    minute = int(time.time()) // 60
    for each in (minute, minute + 1):
        (cache / f"attempt-{each}").touch(mode=0o600)


def prompt(shell: str, mode: str, count: int) -> list[str]:
    script, hook = HERE / f"prompt.{shell}", ROOT / f"shell/vibeusage.{shell}"
    return [shutil.which(shell) or shell, *INTERACTIVE[shell], str(script), str(hook), str(count), mode]


def commands_table(bench: Bench, rounds: int, quick: bool) -> str:
    commands = bench.commands()
    for _ in range(1 if quick else WARM_UPS):
        for command in commands:
            bench.wall_ms(command)
    walls: dict[str, list[float]] = {command.name: [] for command in commands}
    for _ in range(rounds):
        for command in commands:
            walls[command.name].append(bench.wall_ms(command))
    counted = {command.name: None if quick else bench.instructions(command) for command in commands}
    if quick:
        bench.notes.append("--quick: no instructions")
    # what a child is charged with at least: the process that starts it
    floor = bench.peak_mb(next(command for command in commands if command.name == TRUE))
    rows = [("", "ms", "x python", "M instr", "x python", "syscalls", "peak MB", "goal")]
    for command in commands:
        name, own = command.name, counted[command.name]
        base, peak = counted[BASE], bench.peak_mb(command)
        share = own / base if own is not None and base else None
        rows.append(
            (
                name,
                f"{statistics.median(walls[name]):.2f}",
                f"{paired(walls[name], walls[BASE]):.3f}",
                said(own, "{:.2f}"),
                said(share, "{:.3f}"),
                said(bench.syscalls(command), "{}"),
                f"<={peak:.1f}" if peak < floor * 1.05 else f"{peak:.1f}",
                goal(command, paired(walls[name], walls[command.against]), share),
            )
        )
    return laid_out(rows)


def goal(command: Command, ratio: float, share: float | None) -> str:
    against = f"{ratio:.3f} x {command.against}" if command.against != BASE else ""
    told = [against] if against and command.name != command.against else []
    if command.goal:
        told.append(f"time <= {command.goal:g}: {verdict(ratio <= command.goal)}")
    if command.instruction_goal:
        met = verdict(share <= command.instruction_goal) if share is not None else "-"
        told.append(f"instr <= {command.instruction_goal:g}: {met}")
    return ", ".join(told)


def prompts_table(bench: Bench, rounds: int, count: int) -> str:
    shells = [shell for shell in INTERACTIVE if shutil.which(shell)]
    bench.notes += [f"{shell} is not installed: no prompt of it" for shell in INTERACTIVE if shell not in shells]
    modes = ("none", "hook", "look", "read")
    costs: dict[tuple[str, str], list[float]] = {(shell, mode): [] for shell in shells for mode in modes}
    for _ in range(rounds):
        for shell, mode in costs:
            start = bench.prompt_ms(shell, mode, 0)
            costs[shell, mode].append((bench.prompt_ms(shell, mode, count) - start) / count)
    rows = [("ms a prompt", "without", "with", "adds", "looks, adds", "reads, adds", "forks", "goal")]
    for shell in INTERACTIVE:
        if shell not in shells:
            rows.append((shell, *"-------"))
            continue
        without, *others = (statistics.median(costs[shell, mode]) for mode in modes)
        adds, looks, reads = (cost - without for cost in others)
        forks = max(bench.forks(shell, mode) or 0 for mode in modes[1:]) if shutil.which("strace") else None
        goals = f"adds <= {PROMPT_GOAL}: {verdict(adds <= PROMPT_GOAL)}, looking: {verdict(looks <= PROMPT_GOAL)}"
        figures = (without, without + adds, adds, looks, reads)
        rows.append((shell, *(f"{figure:.4f}" for figure in figures), said(forks, "{:g}"), goals))
    return laid_out(rows)


def paired(mine: list[float], other: list[float]) -> float:
    """The median of the ratios within each round, which a machine that slows down for a while spares."""
    return statistics.median([one / two for one, two in zip(mine, other, strict=True)])


def verdict(met: bool) -> str:
    return "met" if met else "missed"


def said(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def laid_out(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in (0, last) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="two rounds, no instructions: does it run at all")
    parser.add_argument("--python", default=sys.executable, help="the interpreter to measure with")
    parser.add_argument("--env", type=Path, help="keep the venv here for the next run")
    args = parser.parse_args()
    rounds = 2 if args.quick else args.rounds
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bench = Bench(folder, (args.env or folder / "env").absolute(), args.python)
        about = "import sys, sysconfig; print(sys.version.split()[0], sysconfig.get_config_var('CONFIG_ARGS'))"
        version, _, options = run([bench.bin / "python", "-c", about], bench.environ(folder)).stdout.partition(" ")
        build = "optimised" if "--enable-optimizations" in options else "plain"
        load = os.getloadavg()[0]
        commands = commands_table(bench, rounds, args.quick)
        prompts = prompts_table(bench, max(1, rounds // 4), PROMPTS // 10 if args.quick else PROMPTS)
        print(f"Python {version} ({build} build), {bench.installer}, {os.uname().machine}, {os.cpu_count()} cores,")
        print(f"{rounds} rounds, load {load:.1f} before and {os.getloadavg()[0]:.1f} after\n")
        print(f"{commands}\n\n{prompts}\n")
        print("adds: at a further prompt of the same second; looks: at the first of a second, the text unchanged;")
        print("reads: the stored segment read anew. No line is drawn by a terminal here.")
        print("\n".join(bench.notes))


if __name__ == "__main__":
    main()
