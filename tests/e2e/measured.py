"""A program run to its end by a small one, so that the memory and time counted are its own and not the tests'."""

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

# the peak of a child counts from its parent's pages, so the parent must be a small one
PARENT = """
import json, os, resource, subprocess, sys, time
started = time.monotonic()
child = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(child.pid, 0)
took_s = time.monotonic() - started
with open(sys.argv[1], "w") as report:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, took_s], report)
"""


@dataclasses.dataclass(frozen=True)
class Measured:
    """`cpu_s` is user and system time, `peak_mib` the most memory resident at once."""

    code: int
    stdout: bytes
    stderr: bytes
    peak_mib: float
    cpu_s: float
    took_s: float


def measured(command: Sequence[str], environ: Mapping[str, str], *, timeout_s: float = 60) -> Measured:
    with tempfile.NamedTemporaryFile("r") as report:
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-c", PARENT, report.name, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environ),
            timeout=timeout_s,
            check=False,
        )
        code, peak_mib, cpu_s, took_s = json.load(report)
    return Measured(code, done.stdout, done.stderr, peak_mib, cpu_s, took_s)
