"""What a refresh costs: `python tests/bench/refresh.py [--rounds N]`, with the packages of the tests installed.

All five providers are asked at once over TLS behind a proxy on this machine, in a home with their logins. Prints one
table from one run, each round after a `python -c pass`: wall time less the slowest answer, our own CPU time, both
also as a ratio to that interpreter's in the same round, and the peak of memory. Figures, never pass or fail.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from e2e.measured import Measured, measured
from homes import USAGE, documents, five_answers, five_logins
from vendors import Answer, World

PROGRAM = [sys.executable, "-P", "-m", "vibeusage", "refresh", "--quiet"]
BARE = [sys.executable, "-c", "pass"]
GOAL_S = 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(f"{'slowest answer':>14} {'wall - answer':>14} {'x python':>9} {'own CPU':>9} {'x python':>9} {'peak':>9}")
    for delay_s in (0.0, 1.0):
        pairs = [_round(delay_s) for _ in range(rounds)]
        own = [run.took_s - delay_s for _, run in pairs]
        cpu = [run.cpu_s for _, run in pairs]
        walls = [(run.took_s - delay_s) / bare.took_s for bare, run in pairs]
        cpus = [run.cpu_s / bare.cpu_s for bare, run in pairs]
        middle = statistics.median
        met = "met" if middle(own) <= GOAL_S else "missed"
        print(
            f"{delay_s:>12.1f} s {middle(own):>12.2f} s {middle(walls):>9.1f} {middle(cpu):>7.2f} s"
            f" {middle(cpus):>9.1f} {max(run.peak_mib for _, run in pairs):>5.0f} MiB   goal {GOAL_S} s: {met}"
        )


def _round(delay_s: float) -> tuple[Measured, Measured]:
    with World() as world, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        five_logins(home)
        five_answers(world)
        for name, document in documents().items():
            world.on(*USAGE[name], Answer(json=document, delay_s=delay_s))
        environ = {"PATH": os.defpath, "HOME": folder, **world.environ}
        run = measured(PROGRAM, environ)
        if run.code:
            sys.exit(f"a refresh ended with code {run.code}: {run.stderr.decode()}")
        return measured(BARE, environ), run


if __name__ == "__main__":
    main()
