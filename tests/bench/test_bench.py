"""The bench runs and prints its tables; what the figures are is not tested."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")


@pytest.mark.slow
def test_every_row_has_a_time_and_a_ratio(tmp_path):
    command = [sys.executable, str(RUN), "--quick", "--env", str(tmp_path / "env")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    table = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    rows = {name: figures for name, *figures in table if name[:1].isalpha() or name[:1] == "/"}
    for name in ("python -c pass", "line tmux, stored segment", "line tmux, line.tsv", "line claude-code, document"):
        time_ms, ratio = map(float, rows[name][:2])
        assert time_ms > 1
        assert ratio > 0.1
    assert "x /bin/true" in " ".join(rows["vibeusage-line, stored"])
    assert {"zsh", "bash", "fish"} <= {name.split(" ")[0] for name in rows}


@pytest.mark.slow
def test_a_refresh_of_five_has_its_figures():
    refresh = RUN.with_name("refresh.py")
    done = subprocess.run(
        [sys.executable, str(refresh), "--rounds", "1"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [line[0] for line in figures] == ["0.0", "1.0"]
    assert all(0 < float(line[2]) < 60 for line in figures)


@pytest.mark.slow
def test_each_report_of_a_postgresql_server_has_its_figures():
    postgres = [sys.executable, str(RUN.with_name("postgres.py")), "--records", "3000", "--whole"]
    done = subprocess.run(postgres, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3,000 calls, as many as were made: met" in done.stdout
    reports = [line for line in done.stdout.splitlines() if " goal " in line]
    assert {"daily", "sessions", "blocks", "insights"} <= {line.split()[0] for line in reports}
    assert "not of the server" not in done.stdout


@pytest.mark.slow
def test_a_sync_has_its_figures_and_each_report_of_many_records_too():
    records = [sys.executable, str(RUN.with_name("local_records.py"))]
    synced, filled = (
        subprocess.run([*records, *options], capture_output=True, text=True, timeout=300, check=False)
        for options in (("--size-mb", "2", "--rounds", "1"), ("--records", "20000", "--whole"))
    )
    assert synced.returncode == 0, synced.stdout + synced.stderr
    figures = {line[:18].strip(): line[18:].split() for line in synced.stdout.splitlines()[4:9]}
    assert all(0 < float(figures[name][0]) < 60 for name in ("first sync", "nothing new", "1 MB appended"))
    assert "1 MB appended / nothing new" in synced.stdout
    assert filled.returncode == 0, filled.stdout + filled.stderr
    kinds = [line.split()[0] for line in filled.stdout.splitlines()[2:]]
    assert {"daily", "sessions", "blocks", "models", "heatmap"} <= set(kinds)


@pytest.mark.slow
def test_a_page_of_a_year_has_its_figures():
    command = [sys.executable, str(RUN.with_name("report_html.py")), "--rounds", "1", "--a-day", "8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {line[:28].strip(): line[28:64].split() for line in done.stdout.splitlines()[2:]}
    assert [*figures] == ["all", "--provider claude", "--project project-7", "--since 2026-11-01"]
    assert all(0 < float(wall) < 60 and 0 < float(size) < 1 for wall, _, _, size in figures.values())


@pytest.mark.slow
def test_the_dashboard_has_a_time_for_its_first_screen_and_each_key():
    command = [sys.executable, str(RUN.with_name("dashboard.py")), "--records", "20000", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    times = dict(re.findall(r"^(.+?) +(\d+) ms", done.stdout, re.MULTILINE))
    assert {"first screen", *(f"key {key}" for key in "wmyhdpsu")} <= {*times}
    assert all(0 < float(took) < 30_000 for name, took in times.items() if name != "what is ours of it")
