"""How soon the dashboard shows something: `python tests/bench/dashboard.py [--records N] [--rounds N] [--folder DIR]`.

In a terminal of 80x24 with plans, twenty providers of one's own and a million made-up records (kept in DIR, to be
timed once more). The first screen is told beside the start of an interpreter that only imports what the dashboard
takes of Textual; a key is timed from its press to the last of what its page shows. One table from one run.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import made_up
from bench import local_records
from bench.local_records import Bench, verdict
from e2e.measured import measured
from e2e.pty_shell import Terminal

from vibeusage.models import UsagePeriod
from vibeusage.records import store

IMPORTS = "import textual.app, textual.scroll_view, textual.css.query, textual.drivers.linux_driver, rich.ansi"
FIRST_S, KEY_S = 0.5, 0.1
KEYS = (("w", r"^ \d{4}-W\d\d"), ("m", r"^ \w+ \d{4} "), ("y", r"^ \d{4}  "), ("h", "^ Heatmap"), ("d", "^ Devices"))
KEYS += (("p", "^ Providers, "), ("s", "^ Settings "), ("u", "^ Usage"))
SHOWN = {"w": "Sun", "m": "Share of cost", "y": "Dec", "h": "a day", "d": "Total", "p": "Models, of", "s": "line.show"}
QUIET_S = 3.0  # by then the pages are read ahead


def made(folder: Path, records: int) -> dict[str, str]:
    """The surroundings of a home with all that."""
    bench = Bench(folder, {})
    (folder / "home").mkdir(parents=True, exist_ok=True)
    environ = {**bench.environ(), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    os.environ.update(environ)
    if not (folder / "ours" / "data" / store.NAME).exists():
        local_records.fill(bench, records)
    now = datetime.now(UTC)
    first, *rest = made_up.snapshots(now)
    periods = tuple(UsagePeriod(name=f"Weekly {at}", utilization=at, period_type=made_up.WEEKLY) for at in range(3))
    made_up.declare(20)
    made_up.store_snapshots([first, *rest, *made_up.of_declared(20, periods, now)])
    return environ


def first_screen(environ: dict[str, str], folder: Path) -> float:
    started = time.monotonic()
    terminal = Terminal([*PROGRAM, "dashboard"], env=environ, cwd=folder)
    terminal.wait("resets in", seconds=30)
    took = time.monotonic() - started
    terminal.send("q")
    terminal.ended()
    return took


def keys(environ: dict[str, str], folder: Path) -> dict[str, float]:
    terminal = Terminal([*PROGRAM, "dashboard"], env=environ, cwd=folder)
    terminal.wait("resets in", seconds=30)
    end = time.monotonic() + QUIET_S
    while time.monotonic() < end:
        terminal.pump(0.1)
    took = {}
    for key, head in KEYS:
        started = time.monotonic()
        terminal.send(key)
        terminal.wait(head)
        terminal.wait(SHOWN.get(key, "resets in"))
        took[key] = time.monotonic() - started
        terminal.settle(0.3)
    terminal.send("q")
    terminal.ended()
    return took


PROGRAM = [sys.executable, "-P", "-m", "vibeusage"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        environ = made(folder, args.records)
        pairs = [
            (measured([sys.executable, "-c", IMPORTS], environ).took_s, first_screen(environ, folder))
            for _ in range(args.rounds)
        ]
        pressed = [keys(environ, folder) for _ in range(args.rounds)]
    print(f"{args.records:,} records, {os.cpu_count()} cores, {args.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    base, first = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{'interpreter and Textual':<24} {base * 1000:>7.0f} ms")
    print(f"{'first screen':<24} {first * 1000:>7.0f} ms")
    ours = statistics.median(first - base for base, first in pairs)
    print(f"{'what is ours of it':<24} {ours * 1000:>7.0f} ms   goal {FIRST_S} s: {verdict(ours <= FIRST_S)}")
    for key, _ in KEYS:
        times = sorted(one[key] for one in pressed)
        middle = statistics.median(times)
        goal = f"goal {KEY_S} s: {verdict(middle <= KEY_S)}"
        print(f"{'key ' + key:<24} {middle * 1000:>7.0f} ms   at most {times[-1] * 1000:.0f} ms, {goal}")


if __name__ == "__main__":
    main()
