"""Rows A1-A12 of the reliability list: what the line does and never does, on a real machine."""

import fcntl
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from e2e import faults
from e2e.faults import period
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibeusage import cache, line, table, view

STATES = ("stored segment", "line.tsv", "cold", "bad config", "document")
OURS = (
    "__main__",
    "line",
    "cachefiles",
    "view",
    "table",
    "segment",
    "escape",
    "pace",
    "frames",
    "document",
    "items",
    "observe",
)
ALLOWED = {
    "time",
    "_thread",
    "select",
    "_json",
    "unicodedata",
    "binascii",
    "vibeusage",
    *(f"vibeusage.{n}" for n in OURS),
}
ALLOWED_STORED = {"time", "_thread", "binascii", "vibeusage"} | {f"vibeusage.{n}" for n in OURS[:3]}
FUZZ = settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# prints what is loaded at the moment the line leaves
MODULES = """
import os, sys
leave = os._exit
def tell(code):
    os.write(2, "\\n".join(sys.modules).encode())
    leave(code)
os._exit = tell
from vibeusage.__main__ import main
main()
"""

# a refresher that writes down what it was born with, then lingers
BIRTH = """
import json, os, sys, time
if "refresh" in sys.orig_argv:
    at = "/proc/self/fd/"
    fds = {fd: os.readlink(at + fd) for fd in os.listdir(at) if os.path.lexists(at + fd)}
    seen = {"sid": os.getsid(0), "pid": os.getpid(), "fds": fds, "cwd": os.getcwd(), "argv": sys.orig_argv[1:]}
    with open(os.environ["BIRTHS"] + f"/{os.getpid()}", "w") as stream:
        json.dump(seen, stream)
    time.sleep(1.5)
    os._exit(0)
"""


@pytest.fixture
def arrange(cache_dir, config_dir, line_tsv, vibeusage):
    """Bring the cache into one of STATES; the arguments and stdin of the line to be run in it."""

    def prepare(state: str, *, refresh_due_at: int = 0) -> tuple[list[str], bytes]:
        faults.empty(cache_dir)
        faults.empty(config_dir)
        if state != "cold":
            line_tsv(period(), period("Weekly", "7d", 604_800, 17.3, 400_100), refresh_due_at=refresh_due_at)
        if state == "stored segment":
            for minute in range(2):  # so that preparing starts no refresher
                (cache_dir / f"attempt-{int(time.time()) // 60 + minute}").touch()
            assert vibeusage("line", "tmux").returncode == 0
            assert (cache_dir / "segments" / "tmux").exists()
            for attempt in cache_dir.glob("attempt-*"):
                attempt.unlink()
        if state == "bad config":
            config_dir.mkdir(mode=0o700)
            (config_dir / "config.toml").write_bytes(b"[line\nprovider = \xff")
        return (["line", "claude-code"], faults.document()) if state == "document" else (["line", "tmux"], b"")

    return prepare


@pytest.mark.parametrize("state", STATES)
def test_a1_opens_no_socket_whatever_the_state(state, arrange, require, cache_dir):
    args, data = arrange(state)
    options = ["-f", "-e", "trace=%network,execve"]
    seen = faults.traced(require, options, [*faults.PROGRAM, *args], stdin=data)
    assert (seen.code, seen.stderr) == (0, b"")
    assert seen.lines("socket(AF_INET") == []
    assert seen.lines("connect(") == []
    # it was due, and what it started was looked at too; with a mistake in config.toml there is nobody to ask
    assert len(seen.lines("execve(", '"refresh"')) == (state != "bad config")
    assert faults.settled(cache_dir) == []


@pytest.mark.parametrize("state", ["stored segment", "cold", "document"])
def test_a1_prints_the_same_without_any_network(state, arrange, require, vibeusage, cache_dir):
    alone = faults.namespace(require, "-Urn")
    args, data = arrange(state, refresh_due_at=9_999_999_999)
    here = vibeusage(*args, stdin=data)
    assert faults.settled(cache_dir) == []
    args, _ = arrange(state, refresh_due_at=9_999_999_999)
    there = subprocess.run([*alone, *faults.PROGRAM, *args], input=data, capture_output=True, check=False)
    assert faults.settled(cache_dir) == []
    assert (there.returncode, there.stdout, there.stderr) == (here.returncode, here.stdout, here.stderr)


def loaded(*args: str, code: str = MODULES, stdin: bytes = b"") -> set[str]:
    """The modules of an interpreter without `site`, so that nobody's .pth files count."""
    source = Path(line.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code, *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(source)},
        check=True,
    )
    return set(done.stderr.decode().split())


@pytest.fixture(scope="module")
def bare() -> set[str]:
    return loaded(code='import os, sys; os.write(2, "\\n".join(sys.modules).encode())')


def test_a2_a_stored_segment_imports_three_modules_of_ours(arrange, bare):
    args, _ = arrange("stored segment", refresh_due_at=9_999_999_999)
    assert loaded(*args) - bare <= ALLOWED_STORED


@pytest.mark.parametrize("target", sorted(line.TARGETS))
def test_a2_the_table_way_stays_inside_the_allow_list(target, arrange, bare):
    arrange("line.tsv")
    extra = loaded("line", target, "--icons", "nerd", "--bar", "5", stdin=faults.document("worktree")) - bare
    assert extra <= ALLOWED
    assert "vibeusage.segment" in extra


def test_a2_harvest_stays_inside_the_allow_list(arrange, bare):
    arrange("line.tsv")
    assert loaded("harvest", stdin=faults.document()) - bare <= ALLOWED


def counted(require, command: list[str]) -> dict[str, int]:
    """{system call: how often} of the first process of `command` and its threads."""
    done = subprocess.run([faults.strace(require), "-fc", *command], capture_output=True, text=True, check=True)
    rows = [row.split() for row in done.stderr.splitlines()]
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdecimal()}


def test_a3_a_stored_segment_costs_few_system_calls_more_than_nothing(arrange, require, tmp_path):
    arrange("stored segment", refresh_due_at=9_999_999_999)
    nothing = tmp_path / "nothing.py"
    nothing.write_text("pass\n")
    program = [str(faults.script(tmp_path / "bin")), "line", "tmux"]
    counted(require, program)  # the first run may write .pyc files
    empty, ours = counted(require, [sys.executable, str(nothing)]), counted(require, program)
    for name in sorted({*empty, *ours}, key=lambda name: -ours.get(name, 0)):
        print(f"{name:>16} {empty.get(name, 0):>5} {ours.get(name, 0):>5}")
    assert ours["total"] - empty["total"] <= 160
    assert ours.get("clone3", 0) + ours.get("clone", 0) <= 1  # the thread that keeps the deadline
    assert [name for name in ours if name in ("fork", "vfork", "connect", "socket")] == []


@pytest.mark.parametrize(("state", "most"), [("stored segment", 2), ("line.tsv", 3)])
def test_a3_reads_at_most_three_files_of_ours(state, most, arrange, require, tmp_path):
    args, _ = arrange(state, refresh_due_at=9_999_999_999)
    seen = faults.traced(require, ["-f", "-e", "trace=open,openat"], [*faults.PROGRAM, *args])
    opened = [row for row in seen.lines(f'"{tmp_path}', "O_RDONLY") if "ENOENT" not in row and "O_DIRECTORY" not in row]
    assert 0 < len(opened) <= most, opened


PLACES = ("generation", "line.tsv", "segments/tmux", "observations/claude")


@pytest.mark.parametrize("place", [*PLACES, "config.toml"])
def test_a4_a_fifo_in_place_of_a_file_holds_nobody_up(place, arrange, cache_dir, config_dir, vibeusage):
    arrange("stored segment", refresh_due_at=9_999_999_999)
    path = (config_dir if place == "config.toml" else cache_dir) / place
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    started = time.monotonic()
    done = vibeusage("line", "tmux")
    assert time.monotonic() - started < line.DEADLINE_S
    assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 1)


@pytest.mark.slow
def test_a4_a_slow_open_ends_at_the_deadline(arrange, cache_dir, require):
    """The traced call is held back for ten seconds; by the log the thread with the deadline left after three."""
    args, _ = arrange("line.tsv", refresh_due_at=9_999_999_999)
    (cache_dir / "observations").mkdir(mode=0o700)
    (cache_dir / "observations" / "claude").write_text("")
    options = ["-f", "-ttt", "-e", "trace=openat", "-e", "inject=openat:delay_enter=10000000:when=1"]
    strace = faults.strace(require)
    running = []
    for number, place in enumerate(("generation", "line.tsv", "observations/claude")):
        log = cache_dir.parent / f"log{number}"
        command = [strace, "-o", str(log), "-P", str(cache_dir / place), *options, *faults.PROGRAM, *args]
        out = subprocess.PIPE
        running.append((log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)))
    until = time.monotonic() + 9
    while time.monotonic() < until and not all(log.exists() and "exited with" in log.read_text() for log, _ in running):
        time.sleep(0.1)
    for log, child in running:
        child.kill()  # strace itself sits the ten seconds out, and what it traces cannot be reaped before
        child.communicate(timeout=30)
        rows = [row.split(maxsplit=2) for row in log.read_text().splitlines()]
        entered = next(float(row[1]) for row in rows if row[2].startswith("openat("))
        left = next((float(row[1]) for row in rows if "exited with 0" in row[2]), entered + 99)
        assert left - entered <= line.DEADLINE_S + 0.5, rows


def test_a4_a_hung_disk_ends_at_the_deadline(cache_dir, require):
    prefix = faults.namespace(require)
    cache_dir.mkdir(mode=0o700)
    command = [*prefix, sys.executable, "-c", faults.HUNG_DISK, str(cache_dir), *faults.PROGRAM, "line", "tmux"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        faults.unavailable(f"no file system of our own can be mounted: {done.stderr.strip().splitlines()[-1]}")
    seconds, code = done.stdout.split()
    assert (float(seconds) < line.DEADLINE_S + 1, code, done.stderr) == (True, "0", "")


def lay(path: Path, kind: str) -> None:
    """Something other than a good file at `path`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "directory":
        path.mkdir()
        (path / "inside").touch()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # the name of a socket is short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
        os.chdir(here)
    elif kind == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
        except OSError as exc:
            faults.unavailable(f"no device can be made: {exc}")
    elif kind == "100 MB":
        with path.open("wb") as stream:
            stream.truncate(100_000_000)
    else:
        path.write_bytes({"empty": b"", "zeros": bytes(5000), "random": random.Random(5).randbytes(5000)}[kind])


ANYWHERE = (
    "generation",
    "line.tsv",
    "segments/tmux",
    "observations/claude",
    "config.toml",
    "gates.json",
    "snapshots/claude.json",
)
COMPILED = ("gates.json", "snapshots/claude.json")  # read when line.tsv is compiled
KINDS = ("directory", "fifo", "socket", "device", "100 MB", "empty", "zeros", "random")


@pytest.mark.parametrize("place", ANYWHERE)
def test_a5_whatever_lies_in_place_of_a_file_one_line_and_exit_0(place, arrange, cache_dir, config_dir):
    def tried(kind: str) -> set[tuple]:
        here, there = cache_dir / kind, config_dir / kind
        env = {**os.environ, "VIBEUSAGE_CACHE_DIR": str(here), "VIBEUSAGE_CONFIG_DIR": str(there)}
        results = []
        runs = ((["line", "tmux"], b""), (["line", "claude-code"], faults.document()))
        for args, data in runs[: 1 if place in COMPILED else 2]:
            done = subprocess.run(
                [*faults.PROGRAM, *args], input=data, capture_output=True, env=env, timeout=30, check=False
            )
            results.append((done.returncode, done.stderr, done.stdout.count(b"\n") <= 1 + (args[1] == "claude-code")))
        return set(results)

    arrange("stored segment", refresh_due_at=9_999_999_999)
    for kind in KINDS:
        shutil.copytree(cache_dir.parent / "cache", cache_dir.parent / "copy" / kind)
        path = (config_dir if place == "config.toml" else cache_dir.parent / "copy") / kind / place
        lay(path, kind)
        if place in COMPILED:
            (cache_dir.parent / "copy" / kind / "line.tsv").unlink()
    shutil.rmtree(cache_dir)
    (cache_dir.parent / "copy").rename(cache_dir)
    with ThreadPoolExecutor(2) as pool:
        seen = dict(zip(KINDS, pool.map(tried, KINDS), strict=True))
    assert seen == {kind: {(0, b"", True)} for kind in KINDS}


def render(cache_dir: Path, target: str = "tmux", data: bytes = b"") -> str:
    """The table way in this process."""
    now = int(time.time())
    _, known = view.load(str(cache_dir), now, [0.0])
    return view.show(target, known, {}, data, now, mono=False, environ=os.environ).text


@FUZZ
@given(data=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_a5_arbitrary_bytes_never_raise_and_give_one_line(data, cache_dir, line_tsv):
    line_tsv(period())
    (cache_dir / "observations").mkdir(exist_ok=True)
    for place in ("line.tsv", "observations/claude", "generation"):
        line_tsv(period())
        (cache_dir / place).write_bytes(data)
        assert render(cache_dir).count("\n") <= 1
    (cache_dir / "observations" / "claude").unlink()


FIELDS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "window",
            "model",
            "extra",
            "*",
            "tmux",
            "bar",
            "max_width",
            "icons",
            "reset",
            "provider",
            "nan",
            "1e308",
            "NaN",
            "9" * 5000,
        ]
    ),
)


@FUZZ
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["period", "account", "set", "note", "session"]), st.lists(FIELDS, max_size=9)),
        max_size=6,
    )
)
def test_a5_wrong_types_in_any_row_never_raise_and_give_one_line(rows, cache_dir, line_tsv):
    line_tsv(*[(kind, *fields) for kind, fields in rows], period())
    for target in ("tmux", "plain", "waybar"):
        assert render(cache_dir, target).count("\n") <= 1


@FUZZ
@given(
    fields=st.lists(FIELDS, min_size=9, max_size=9),
    known=st.dictionaries(st.sampled_from(range(9)), FIELDS, max_size=3),
)
def test_a5_a_period_with_odd_fields_never_raises(fields, known, cache_dir, line_tsv):
    row = list(period()[1:])
    for place, value in known.items():
        row[place] = value
    line_tsv(("period", *row), ("period", *fields))
    for target in ("tmux", "json", "i3blocks", "swiftbar"):
        render(cache_dir, target)


DOCUMENT_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@FUZZ
@given(data=st.data())
def test_a5_a_document_with_wrong_types_never_raises(data, cache_dir, line_tsv):
    line_tsv(period())
    found = json.loads(faults.document())
    for _ in range(data.draw(st.integers(1, 4))):
        at = found
        while True:
            key = data.draw(st.sampled_from(sorted(at)))
            if isinstance(at[key], dict) and at[key] and data.draw(st.booleans()):
                at = at[key]
                continue
            at[key] = data.draw(DOCUMENT_VALUES)
            break
    render(cache_dir, data.draw(st.sampled_from(sorted(line.ASSISTANTS))), json.dumps(found).encode())


@pytest.mark.parametrize("place", ["line.tsv", "observations/claude", "generation", "segments/tmux"])
def test_a5_a_file_cut_at_any_offset_never_raises(place, arrange, vibeusage, cache_dir):
    arrange("stored segment", refresh_due_at=9_999_999_999)
    assert vibeusage("line", "claude-code", stdin=faults.document()).returncode == 0
    path = cache_dir / place
    whole = path.read_bytes()
    for offset in range(len(whole)):
        path.write_bytes(whole[:offset])
        found = line.stored(str(cache_dir), "tmux", time.time())
        assert (found[0].decode() if found else render(cache_dir)).count("\n") <= 1
        if place == "line.tsv" and offset:
            (cache_dir / "generation").write_text("abc\n")


@pytest.mark.parametrize("state", STATES)
def test_a6_takes_no_lock_and_waits_for_none(state, arrange, require, cache_dir):
    args, data = arrange(state)
    cache_dir.mkdir(mode=0o700, exist_ok=True)
    (cache_dir / "refresh.lock").touch(0o600)
    held = [path.open("rb+") for path in sorted(cache_dir.rglob("*")) if path.is_file()]
    try:
        for stream in held:
            fcntl.flock(stream, fcntl.LOCK_EX)
            fcntl.lockf(stream, fcntl.LOCK_EX)
        started = time.monotonic()
        seen = faults.traced(require, ["-e", "trace=flock,fcntl"], [*faults.PROGRAM, *args], stdin=data)
        assert time.monotonic() - started < line.DEADLINE_S
        assert (seen.code, seen.stderr, bool(seen.stdout)) == (0, b"", state != "cold")
        assert [row for row in seen.calls.splitlines() if "flock(" in row or "SETLK" in row] == []
        assert faults.settled(cache_dir) == []  # the refresher does not wait either
    finally:
        for stream in held:
            stream.close()


@pytest.fixture
def births(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "births"
    folder.mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BIRTH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("BIRTHS", str(folder))
    return folder


@pytest.mark.parametrize("state", ["stored segment", "cold", "document"])
def test_a7_starts_one_detached_refresher_that_nobody_waits_for(state, arrange, births, require, cache_dir):
    args, data = arrange(state)
    minute = int(time.time()) // 60
    command = " ".join([f"'{word}'" for word in (*faults.PROGRAM, *args)])
    shell = [require("sh"), "-c", f'exec 7</etc/passwd 8<&7; x=$({command}); printf %s "$x"']
    started = time.monotonic()
    done = subprocess.run(shell, input=data, capture_output=True, check=False)
    assert time.monotonic() - started < 1.4  # the refresher lingers longer
    assert (done.returncode, done.stderr, bool(done.stdout)) == (0, b"", state != "cold")
    if state != "cold":  # whose folder is made by the slow way
        (cache_dir / f"attempt-{minute + 1}").touch()  # should the minute end here
        for _ in range(3):
            subprocess.run([*faults.PROGRAM, *args], input=data, capture_output=True, check=True)
    assert faults.settled(cache_dir) == []
    born = [json.loads(path.read_text()) for path in births.iterdir()]
    assert len(born) == 1
    (seen,) = born
    assert seen["sid"] == seen["pid"]
    assert seen["cwd"] == "/"
    assert seen["fds"] == dict.fromkeys("012", "/dev/null")
    assert seen["argv"] == ["-P", "-m", "vibeusage", "refresh", "--if-due", "--quiet"]


def no_attempts(cache_dir: Path) -> None:
    for attempt in cache_dir.glob("attempt-*"):
        attempt.unlink()


def lines(count: int, *args: str) -> set[tuple[int, bytes]]:
    """`count` lines in a row, two at a time; what they said on stderr with which code."""

    def one(_):
        done = subprocess.run([*faults.PROGRAM, "line", *(args or ("tmux",))], capture_output=True, check=False)
        return done.returncode, done.stderr

    with ThreadPoolExecutor(2) as pool:
        return set(pool.map(one, range(count)))


@pytest.mark.parametrize(
    ("status", "count"),
    [
        pytest.param(200, 60, id="answered"),
        pytest.param(429, 15, id="asked to wait"),
        pytest.param(401, 15, id="login refused"),
        pytest.param(503, 15, id="down"),
        pytest.param(200, 1000, id="answered, long", marks=pytest.mark.slow),
    ],
)
def test_a8_many_lines_ask_the_vendor_once(status, count, cache_dir, config_dir, vibeusage):
    with faults.vendor() as server:
        server.status, server.headers = status, {"Retry-After": "0"}
        faults.log_in(config_dir, server.url)
        assert lines(1) == {(0, b"")}  # the slow way, and the refresher
        assert faults.settled(cache_dir) == []
        assert len(server.requests) == 1
        no_attempts(cache_dir)  # from here on only the due time holds them back
        assert lines(count) == {(0, b"")}
        assert faults.settled(cache_dir) == []
        assert list(cache_dir.glob("attempt-*")) == []
        for _ in range(2):
            vibeusage("refresh", "--if-due", "--quiet")
        assert len(server.requests) == 1
        if status in (429, 151):
            vibeusage("refresh")  # by hand: the cool-down and the refused login still hold
            assert len(server.requests) == 1


@pytest.mark.slow
def test_a8_no_second_request_while_one_runs(cache_dir, config_dir):
    with faults.vendor() as server:
        server.delay_s = 2.0
        faults.log_in(config_dir, server.url)
        started = time.monotonic()
        while time.monotonic() - started < 1.5:
            assert lines(2) == {(0, b"")}
            no_attempts(cache_dir)
        assert faults.settled(cache_dir) == []
        assert len(server.requests) == 1


def test_a_process_is_known_from_the_instant_its_start_returns(require):
    for _ in range(10):  # without waiting for the exec nearly every one shows nothing
        child = os.posix_spawn(require("sleep"), ["sleep", "60"], {"MINE": "1"})
        try:
            assert faults.environment(Path(f"/proc/{child}")) == b"MINE=1\0"
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.mark.parametrize("text", ["[providers.claude]\nenabled = false\n", "[providers.claude\n"])
def test_a8_nothing_is_started_when_there_is_nobody_to_ask(text, cache_dir, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text(text)
    assert lines(1) == {(0, b"")}  # at most once a refresher looks who is enabled
    assert faults.settled(cache_dir) == []
    no_attempts(cache_dir)
    assert lines(3) == {(0, b"")}
    assert list(cache_dir.glob("attempt-*")) == []


@pytest.mark.parametrize("rounds", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_a9_a_kill_at_any_moment_harms_nothing(rounds, cache_dir, arrange):
    arrange("line.tsv", refresh_due_at=9_999_999_999)
    seed = time.time_ns()
    print(f"seed {seed}")
    chance = random.Random(seed)
    killed = 0
    for number in range(rounds):
        args, data = (
            (["line", "claude-code"], faults.document(five_hour=number % 90, api_ms=number))
            if number % 3
            else (["line", "tmux"], b"")
        )
        child = subprocess.Popen([*faults.PROGRAM, *args], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert child.stdin
        child.stdin.write(data)
        child.stdin.close()
        time.sleep(chance.uniform(0.0, 0.06))
        child.kill()
        killed += child.wait() == -signal.SIGKILL
    print(f"{killed} of {rounds} were killed, {len(faults.temporaries(cache_dir))} temporary files left")
    assert killed
    assert faults.settled(cache_dir) == []
    now = int(time.time())
    parsed = table.parse((cache_dir / "line.tsv").read_text(), table.LINE_MAGIC, now)
    assert parsed and parsed.version == table.VERSION
    for path in (cache_dir / "observations").iterdir() if (cache_dir / "observations").exists() else ():
        if ".vibeusage-tmp." not in path.name:
            seen = table.parse(path.read_text(), table.OBSERVATION_MAGIC, now)
            assert seen and seen.periods["claude"].keys() == {"Session (5h)", "Weekly"}
    assert (cache_dir / "generation").read_text().strip()
    cache.tidy(now + 7200)
    assert faults.temporaries(cache_dir) == []
    assert render(cache_dir).count("\n") == 1


@pytest.mark.parametrize("end", ["| true", ">/dev/full", ">&-", "<&- >&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("state", ["stored segment", "cold", "document"])
def test_a10_a_closed_or_full_stdout_gives_no_traceback(end, state, arrange, require, tmp_path):
    args, data = arrange(state, refresh_due_at=9_999_999_999)
    command = " ".join([f"'{word}'" for word in (*faults.PROGRAM, *args)])
    shell = [require("sh"), "-c", f"{{ {command}; echo $? >'{tmp_path}/code'; }} {end}"]
    done = subprocess.run(shell, input=data, capture_output=True, check=False)
    assert (done.stderr, (tmp_path / "code").read_text()) == (b"", "0\n")


def test_a10_harvest_into_a_closed_or_full_stdout_gives_no_traceback(arrange, require, cache_dir):
    for number, end in enumerate(("| true", ">/dev/full", ">&-")):
        arrange("line.tsv", refresh_due_at=9_999_999_999)
        command = " ".join([f"'{word}'" for word in (*faults.PROGRAM, "harvest")])
        data = faults.document(api_ms=number)
        done = subprocess.run([require("sh"), "-c", f"{command} {end}"], input=data, capture_output=True, check=False)
        assert done.stderr == b""
        assert (cache_dir / "observations" / "claude").exists()  # it recorded all the same


@pytest.mark.parametrize(
    ("form", "state"),
    [*(("script", state) for state in STATES), ("python -P -m", "cold"), ("python -P -m", "document")],
)
def test_a11_runs_no_code_from_the_current_folder(form, state, arrange, tmp_path, monkeypatch, cache_dir):
    args, data = arrange(state)
    folder, canary = tmp_path / "hostile", tmp_path / "canary"
    (folder / ".git").mkdir(parents=True)
    plant = f"open({str(canary)!r}, 'a').write(__name__ + '\\n')\n"
    for name in (
        "json",
        "httpx",
        "sitecustomize",
        "usercustomize",
        "vibeusage",
        "_json",
        "_thread",
        "select",
        "time",
        "binascii",
        "msgspec",
    ):
        (folder / f"{name}.py").write_text(plant)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    hooks = f"fsmonitor = touch {canary}\n\tpager = touch {canary}\n\tsshCommand = touch {canary}"
    (folder / ".git" / "config").write_text(f"[core]\n\t{hooks}\n[alias]\n\tstatus = !touch {canary}\n")
    for name in ("git", "sh", "vibeusage"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {canary}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    if data:
        value = json.loads(data)
        value["cwd"] = value["workspace"]["current_dir"] = str(folder)
        data = json.dumps(value).encode()
        with (cache_dir / "line.tsv").open("a") as stream:
            stream.write("set\tclaude-code\tlines\tperiods,branch,directory\n")
    program = [str(faults.script(tmp_path / "bin"))] if form == "script" else list(faults.PROGRAM)
    done = subprocess.run([*program, *args], input=data, capture_output=True, cwd=folder, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"main" in done.stdout) == bool(data)
    assert faults.settled(cache_dir) == []  # the refresher too
    assert bool(list(cache_dir.glob("attempt-*"))) == (state != "bad config")
    assert not canary.exists(), canary.read_text()


@pytest.mark.parametrize(("state", "count"), [("stored segment", 30), ("line.tsv", 200)])
def test_a12_two_hundred_lines_at_once_say_the_same(state, count, arrange, cache_dir):
    args, _ = arrange(state, refresh_due_at=9_999_999_999)
    results = faults.at_once(count, lambda _: args)
    assert len(set(results)) == 1
    code, text, errors = results[0]
    assert (code, errors, text.count(b"\n")) == (0, b"", 1)
    assert faults.temporaries(cache_dir) == []
