"""Reports over many records on a PostgreSQL server: `python tests/bench/postgres.py [--records N] [--folder FOLDER]`.

Made-up calls of two tools fill a usage.db (which stays in `--folder`), `records push` sends them to a server of its own
on the loopback interface, and each report is timed as a command, whole, of one model and of one project. Figures,
never pass or fail.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.local_records import BATCH, FILTERS, OURS, made_up, peak_mb, verdict
from e2e.measured import Measured, measured
from postgres_server import Cluster, running

from vibeusage.cli.report import KINDS
from vibeusage.records import store

REPORT_S = 2.0
EVERY = 5  # one call in so many is Codex's


def environ(folder: Path) -> dict[str, str]:
    own = {f"VIBEUSAGE_{name.upper()}_DIR": str(folder / name) for name in ("config", "cache", "data")}
    return {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), **own}


def fill(path: Path, count: int) -> None:
    calls = made_up(count)
    with store.open(path) as opened:
        while some := list(itertools.islice(calls, BATCH)):
            opened.put("claude", [call for at, call in enumerate(some) if at % EVERY], machine="here")
            opened.put("codex", some[::EVERY], machine="there")


def run(folder: Path, *words: str) -> Measured:
    done = measured([*OURS, *words], environ(folder), timeout_s=3600)
    if done.code:
        sys.exit(f"{' '.join(words)} ended with code {done.code}: {done.stderr.decode()}")
    return done


def push(folder: Path, cluster: Cluster, count: int) -> None:
    url = cluster.database("usage")
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.toml").write_text(f'[storage]\nurl = "{url}"\n')
    first, again = (run(folder, "records", "push", "--json") for _ in range(2))
    told = json.loads(first.stdout)
    sent, took_s = told["sent"], first.took_s
    print(f"records push: {sent:,} calls in {took_s:,.0f} s, {sent / took_s:,.0f} a second, {peak_mb(first):.0f} MB")
    print(f"the same with nothing new: {again.took_s:.2f} s")
    with cluster.admin("usage") as admin:
        sql = "SELECT pg_database_size('usage'), SUM(calls) FROM vibeusage.rollup_models"
        size, calls = admin.execute(sql).fetchall()[0]
    is_exact = sent == calls == count
    print(f"on the server: {size / 1e6:,.0f} MB, {int(calls):,} calls, as many as were made: {verdict(is_exact)}")


def print_reports(folder: Path, filters: Iterable[tuple[str, ...]]) -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    print(f"{'report':<36} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}")
    for kind, which in itertools.product(KINDS, filters):
        done = run(folder, "report", kind, *which, "--json")
        source = json.loads(done.stdout)["source"]
        told = f"goal {REPORT_S:g} s: {verdict(done.took_s < REPORT_S)}" if source != "local" else "not of the server"
        name = " ".join((kind, *which))
        print(f"{name:<36} {done.took_s:>8.2f} {done.cpu_s:>8.2f} {peak_mb(done):>8.0f}   {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--records", type=int, default=5_000_000)
    parser.add_argument("--whole", action="store_true", help="time no report of one model or project")
    parser.add_argument("--folder", type=Path, help="where usage.db stays, to be sent once more")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, running() as cluster:
        folder = args.folder or Path(temporary)
        path = folder / "data" / store.NAME
        (folder / "home").mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        if not path.exists():
            fill(path, args.records)
        size, took_s = path.stat().st_size / 1e6, time.monotonic() - started
        print(f"{args.records:,} records in usage.db, {size:,.0f} MB, filled in {took_s:,.0f} s", flush=True)
        push(folder, cluster, args.records)
        print_reports(folder, FILTERS[:1] if args.whole else FILTERS)


if __name__ == "__main__":
    main()
