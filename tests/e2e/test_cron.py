"""A real cron runs the installed job: in its own surroundings it finds our folders and refreshes.

Debian's cron with a spool, a /run and no jobs of the machine, in mounts of its own. The schedule is
rewritten to every minute, its output to a log; its first run comes with the next minute.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from e2e import faults

# the machine's own crontabs are covered, so that this daemon runs nothing of theirs
OWN_CRON = """\
mount -t tmpfs -o mode=1730,gid=crontab none /var/spool/cron/crontabs
mount -t tmpfs none /run
mount -t tmpfs none /etc/cron.d
mount --bind /dev/null /etc/crontab
"""
EVERY_MINUTE = """\
"$1" install cron >&2
crontab -l | sed "s,^\\*/5 ,* ,; s,/dev/null,$3," | crontab -
exec "$2" -f
"""
THERE_AND_BACK = """\
printf '%s' "$2" | crontab -
"$1" install cron >&2
crontab -l >"$3"
"$1" install cron >&2
crontab -l | cmp - "$3" >&2
"$1" uninstall cron >&2
crontab -l
"""
NONE_BEFORE = """\
"$1" install cron >&2
crontab -l | grep -c vibeusage >&2
"$1" uninstall cron >&2
crontab -l 2>&1
"""
FAKE_CRONTAB = """\
#!/bin/sh
[ "$1" = - ] && exec cat >"$0.tab"
cat "$0.tab" 2>/dev/null || { echo "no crontab for root" >&2; exit 1; }
"""


@pytest.fixture
def program(tmp_path) -> Path:
    """An installed vibeusage in a folder that takes every layer of quoting to reach."""
    return faults.script(tmp_path / "50% of it's $HOME")


@pytest.fixture
def own_cron(require) -> Callable[..., list[str]]:
    """The command that runs an sh text, with arguments, beside a cron of its own."""
    require("crontab")
    if os.geteuid():
        faults.unavailable("a cron of our own takes root")
    prefix = faults.namespace(require, "-m", "--propagation", "private")

    def command(text: str, *args: str | Path) -> list[str]:
        return [*prefix, require("sh"), "-euc", OWN_CRON + text, "sh", *map(str, args)]

    return command


@pytest.fixture
def account(config_dir) -> Generator[faults.Server]:
    with faults.vendor() as server:
        faults.log_in(config_dir, server.url)
        yield server


def refreshed(cache_dir: Path) -> tuple[list[float], bytes]:
    """The percentages in the snapshot, and the first row of the line's table."""
    stored = json.loads((cache_dir / "snapshots" / "claude.json").read_bytes())
    used = [period["utilization"] for period in stored["snapshot"]["periods"]]
    return used, (cache_dir / "line.tsv").read_bytes()[:16]


@pytest.mark.slow
def test_cron_really_runs_it(own_cron, require, program, account, tmp_path, cache_dir):
    log = tmp_path / "log"
    command = own_cron(EVERY_MINUTE, program, require("cron"), log)
    daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")
    try:
        end = time.monotonic() + 150
        while not log.exists() and daemon.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        daemon.terminate()
        _, said = daemon.communicate(timeout=20)
    assert log.exists(), said
    assert (faults.settled(cache_dir), log.read_text()) == ([], "")
    assert refreshed(cache_dir) == ([12.0, 34.0], b"vibeusage-line\t1")
    assert account.requests.count("/api/oauth/usage") == 1


def test_the_installed_line_works_in_as_little_as_cron_gives(program, account, tmp_path, cache_dir):
    """No terminal, no locale, a short PATH, an empty stdin, another working folder."""
    crontab = tmp_path / "fake" / "crontab"
    crontab.parent.mkdir()
    crontab.write_text(FAKE_CRONTAB)
    crontab.chmod(0o755)
    environ = {**os.environ, "PATH": f"{crontab.parent}:{os.environ['PATH']}"}
    subprocess.run([program, "install", "cron"], env=environ, capture_output=True, check=True)
    _, line, _ = Path(f"{crontab}.tab").read_text().splitlines()
    assert line.startswith("*/5 * * * * ")
    job = line.split(None, 5)[5]
    bare = ["HOME=/root", "LOGNAME=root", "SHELL=/bin/sh", "PATH=/usr/bin:/bin"]
    command = ["env", "-i", *bare, "/bin/sh", "-c", job.replace("\\%", "%")]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, cwd="/", start_new_session=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert refreshed(cache_dir) == ([12.0, 34.0], b"vibeusage-line\t1")
    assert account.requests.count("/api/oauth/usage") == 1


@pytest.mark.parametrize("before", ["", "# mine\nMAILTO=\"\"\n0 3 * * *  backup 50\\%  # ü\n\n"])
def test_a_real_crontab_comes_back_to_the_byte(own_cron, program, tmp_path, before):
    command = own_cron(THERE_AND_BACK, program, before, tmp_path / "once")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, before), done.stderr
    assert (tmp_path / "once").read_text().startswith(before + "# >>> vibeusage >>>\n*/5 * * * * ")


def test_who_had_no_crontab_has_none_again(own_cron, program):
    done = subprocess.run(own_cron(NONE_BEFORE, program), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "no crontab for root\n"), done.stderr
