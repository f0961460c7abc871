"""What a page of a year costs: `python tests/bench/report_html.py [--rounds N]`.

Every day with calls of eleven models, four tools and forty folders. Prints the whole program's wall and CPU time, the
peak of memory and the size of the page, whole, of one tool and of one project. Figures, never pass or fail.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from e2e.measured import measured
from records import a_year

from vibeusage.records import store

FILTERS = ((), ("--provider", "claude"), ("--project", "project-7"), ("--since", "2026-11-01"))
GOAL_S, GOAL_MB = 2.0, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--a-day", type=int, default=200, help="calls a day (default: 200)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with store.open(folder / store.NAME) as opened:
            a_year.fill(opened, a_day=args.a_day)
        load = os.getloadavg()[0]
        print(f"{365 * args.a_day:,} calls of a year, {args.rounds} rounds, {os.cpu_count()} cores, load {load:.1f}")
        print(f"{'filter':<28} {'wall s':>8} {'CPU s':>8} {'peak MB':>8} {'size MB':>8}")
        for which in FILTERS:
            print(row(folder, which, args.rounds), flush=True)


def row(folder: Path, which: tuple[str, ...], rounds: int) -> str:
    page = folder / "page.html"
    own = {f"VIBEUSAGE_{name}_DIR": str(folder) for name in ("DATA", "CACHE", "CONFIG")}
    command = [sys.executable, "-P", "-m", "vibeusage", "report", "html", "--output", str(page), *which]
    runs = [measured(command, {"PATH": os.environ["PATH"], "HOME": str(folder), **own}) for _ in range(rounds)]
    if runs[0].code:
        sys.exit(runs[0].stderr.decode())
    wall, cpu = (statistics.median(getattr(run, name) for run in runs) for name in ("took_s", "cpu_s"))
    size, peak = page.stat().st_size / 1e6, max(run.peak_mib for run in runs) * 1.048576
    is_met = wall < GOAL_S and size < GOAL_MB
    told = f"goals {GOAL_S:g} s and {GOAL_MB:g} MB: {'met' if is_met else 'missed'}"
    return f"{' '.join(which) or 'all':<28} {wall:>8.2f} {cpu:>8.2f} {peak:>8.0f} {size:>8.2f}   {told}"


if __name__ == "__main__":
    main()
