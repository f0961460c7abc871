"""Rows B1-B12 of the reliability list: the files of the cache on disks that fail, fill up, and are not ours alone."""

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from e2e import faults

from vibeusage import cache, cachefiles, credentials, errors, files, gate, line, observe, refresh, table, view
from vibeusage.models import PeriodType, UsagePeriod, UsageSnapshot

WRITERS = ("engine", "line")

# replaces the file PATH by SIZE bytes; prints whether the writer says it did, what is there, and the names beside it
WRITE = """
import os, sys
from pathlib import Path
from vibeusage import cachefiles, errors, files
kind, path, size, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
if kind == "line":
    said = cachefiles.write_file(path, b"n" * size, sync=True)
else:
    try:
        files.write_private(Path(path), b"n" * size)
        said = True
    except errors.StorageError:
        said = False
found = Path(path).read_bytes()
state = {b"o" * 100: "old", b"n" * size: "new"}.get(found, "damaged")
names = sorted(os.listdir(Path(path).parent))
os.write(1, f"{said} {state} {names}".encode())
"""

# writes PATH again and again with a checksum before each text
WRITER = """
import os, random, sys, time, zlib
from pathlib import Path
from vibeusage import cachefiles, files
kind, path, until = sys.argv[1], sys.argv[2], float(sys.argv[3])
done = 0
while time.time() < until:
    body = random.randbytes(random.choice((0, 10, 4096, 60_000, 300_000)))
    data = b"%08x" % zlib.crc32(body) + body
    cachefiles.write_file(path, data) if kind == "line" else files.write_private(Path(path), data)
    done += 1
print(done)
"""
READER = """
import os, sys, time, zlib
from pathlib import Path
from vibeusage import cachefiles, files
kind, path, until = sys.argv[1], sys.argv[2], float(sys.argv[3])
done = wrong = 0
while time.time() < until:
    data = cachefiles.read_file(path) if kind == "line" else files.read_private(Path(path)) or b""
    wrong += data[:8] != b"%08x" % zlib.crc32(data[8:])
    done += 1
print(done, wrong)
"""


@pytest.fixture
def old(cache_dir) -> Path:
    """A file of the cache with 100 bytes in it."""
    cache_dir.mkdir(mode=0o700)
    path = cache_dir / "file"
    path.write_bytes(b"o" * 100)
    path.chmod(0o600)
    return path


@pytest.fixture
def server():
    with faults.vendor() as running:
        yield running


@pytest.fixture
def good(cache_dir, config_dir, server) -> Path:
    """A cache after one answer of 12 % and 34 %, one document of 42 % and one stored segment; the cache folder."""
    faults.log_in(config_dir, server.url)
    assert [outcome.success for outcome in refresh.refresh() or []] == [True]
    assert b"42%" in assistant(cache_dir)
    assert tmux(cache_dir, keep=True)
    assert faults.snapshot_of(cache_dir).keys() >= {"line.tsv", "gates.json", "snapshots/claude.json", "segments/tmux"}
    return cache_dir


def tmux(cache_dir: Path, *, keep: bool = False) -> bytes:
    """What `line tmux` renders, in this process."""
    now = int(time.time())
    token, known = view.load(str(cache_dir), now, [0.0])
    shown = view.show("tmux", known, {}, b"", now, mono=False, environ=os.environ)
    if keep:
        cachefiles.store(str(cache_dir), "tmux", shown, token, known.refresh_due_at, now)
    return shown.text.encode()


def assistant(cache_dir: Path, **said) -> bytes:
    """What `line claude-code` renders and records, in this process."""
    now = int(time.time())
    _, known = view.load(str(cache_dir), now, [0.0])
    data = faults.document(**said)
    shown = view.show("claude-code", known, {}, data, now, mono=False, environ=os.environ)
    observe.record(str(cache_dir), shown.observation, now)
    return shown.text.encode()


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_b1_a_reader_sees_the_old_file_or_the_new_one(seconds, old):
    old.write_bytes(b"00000000")
    until = time.time() + seconds
    running = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", code, kind, str(old), str(until)], stdout=subprocess.PIPE, text=True
        )
        for code, kinds in ((WRITER, WRITERS), (READER, (*WRITERS, "line")))
        for kind in kinds
    ]
    counts = [[int(word) for word in child.communicate(timeout=60)[0].split()] for child in running]
    print(f"writes {counts[:2]}, reads and mixtures {counts[2:]}")
    assert all(writes > 10 for (writes,) in counts[:2])
    assert all(reads > 100 for reads, _ in counts[2:])
    assert [wrong for _, wrong in counts[2:]] == [0, 0, 0]
    assert [path.name for path in old.parent.iterdir()] == ["file"]


def write(kind: str, path: Path, size: int = 20_000, limit: int = 0) -> list[str]:
    return [sys.executable, "-P", "-c", WRITE, kind, str(path), str(size), str(limit)]


@pytest.mark.parametrize("kind", WRITERS)
def test_b2_without_a_fault_the_new_file_is_there(kind, old):
    done = subprocess.run(write(kind, old), capture_output=True, text=True, check=True)
    assert done.stdout == "True new ['file']"


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    "fault", ["write:error=ENOSPC", "fsync:error=EIO", "rename,renameat,renameat2:error=EXDEV", "write:retval=8192"]
)
def test_b2_b3_a_failing_call_keeps_the_old_file_and_leaves_nothing(fault, kind, old, require):
    calls = fault.partition(":")[0]
    subprocess.run(write(kind, old.with_name("warm")), check=False, capture_output=True)  # .pyc files are there now
    old.with_name("warm").unlink()
    seen = faults.traced(require, ["-e", f"trace={calls}", "-e", f"inject={fault}:when=1"], write(kind, old))
    assert "INJECTED" in seen.calls
    assert seen.stdout.decode() == "False old ['file']"


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("options", ["size=12k", "nr_inodes=2"])
def test_b2_b3_a_full_disk_keeps_the_old_file_and_leaves_nothing(options, kind, old, require):
    command = faults.mounted(require, faults.tmpfs(old.parent, options), write(kind, old))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False old ['file']", "")


@pytest.mark.parametrize("kind", WRITERS)
def test_b2_b3_a_limit_on_file_size_keeps_the_old_file_and_leaves_nothing(kind, old):
    done = subprocess.run(write(kind, old, limit=8192), capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False old ['file']", "")


@pytest.mark.parametrize("kind", WRITERS)
def test_b3_what_a_kill_leaves_is_swept_when_it_is_old_and_ours(kind, old, require, vibeusage):
    folders = [old.parent, *(old.parent / name for name in ("segments", "observations", "snapshots"))]
    kill = ["-e", "trace=rename,renameat,renameat2", "-e", "inject=rename,renameat,renameat2:signal=KILL"]
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "file").write_bytes(b"o" * 100)
        assert faults.traced(require, kill, write(kind, folder / "file")).stdout == b""
    left = faults.temporaries(old.parent)
    assert len(left) == len(folders)
    others = [old.parent / "notes.txt", old.parent / ".vibeusage-tmp", old.parent / "vibeusage-tmp.1.2"]
    if os.geteuid() == 0:
        others.append(old.parent / f"file{files.TEMP_MARK}9.9")
    for path in others:
        path.touch()
        os.utime(path, (1, 1))
    if os.geteuid() == 0:
        os.chown(others[-1], 12345, 12345)
    cache.tidy(time.time())
    assert set(left) < {*faults.temporaries(old.parent)}
    for path in left:  # the clock moves on, for the real program too
        os.utime(path, (1, time.time() - 2 * files.LEFTOVER_AGE_S))
    vibeusage("refresh", "--if-due", "--quiet")
    assert [path for path in left if path.exists()] == []
    assert [path for path in others if not path.exists()] == []
    assert old.read_bytes() == b"o" * 100


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "noise": lambda data: random.Random(4).randbytes(900),
    "text": lambda data: b"hello\n",
    "null": lambda data: b"null",
    "list": lambda data: b"[1, 2]",
    "object": lambda data: b'{"schema": "x", "accounts": 7, "snapshot": []}',
    "older": lambda data: data.replace(b'"schema":1', b'"schema":0').replace(b"\t1\t", b"\t0\t", 1),
    "wrong head": lambda data: b"vibeusage-lime\t1\t-\t0\n",
}


@pytest.mark.parametrize(
    "place", ["snapshots/claude.json", "gates.json", "line.tsv", "generation", "observations/claude"]
)
def test_b4_a_damaged_file_is_a_miss_and_is_replaced_at_the_next_success(place, good, server, vibeusage):
    whole = (good / place).read_bytes()
    for number, (damage, change) in enumerate(DAMAGE.items()):
        (good / place).write_bytes(change(whole))
        done = vibeusage("line", "tmux")
        assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 1), damage
        cache.snapshots_with_observations(int(time.time()))
        used = {"five_hour": 20 + number, "seven_day": 50 + number}
        assert f"{20 + number}%".encode() in assistant(good, session=f"s{number}", api_ms=number, **used), damage
        server.body = faults.answer(weekly=50 + number)
        gate.forget("claude")  # should the damage be elsewhere, nothing holds the next request back
        outcomes = refresh.refresh()
        assert [outcome.error for outcome in outcomes or []] == [None], damage
        now = int(time.time())
        assert cache.load_snapshot("claude") == (outcomes or [])[0].snapshot, damage
        assert gate.load().keys() == {"claude"}, damage
        parsed = table.parse((good / "line.tsv").read_text(), table.LINE_MAGIC, now)
        assert parsed and parsed.periods["claude"]["Weekly"][2] == 50 + number, damage
        assert cache.observed(now)["claude"]["Session (5h)"][2] == 20 + number, damage
        assert f"{50 + number}%".encode() in tmux(good, keep=True), damage
        assert line.stored(str(good), "tmux", time.time()), damage
        assert faults.temporaries(good) == []


NEWER = {
    "line.tsv": b"vibeusage-line\t2\tsome\tthing\telse\nperiod\tof\tthe\tfuture\n",
    "gates.json": b'{"schema":2,"accounts":[]}',
    "snapshots/claude.json": b'{"schema":2,"fingerprint":"","snapshot":{"of":"the future"}}',
    "observations/claude": b"vibeusage-observation\t2\tx\nperiod\tclaude\tSession (5h)\t77\n",
}


@pytest.mark.parametrize("place", NEWER)
def test_b5_a_newer_file_is_neither_misread_nor_overwritten(place, good, server, vibeusage):
    (good / place).write_bytes(NEWER[place])
    for path in (good / "segments").iterdir():
        path.unlink()
    bar = vibeusage("line", "tmux")
    host = vibeusage("line", "claude-code", stdin=faults.document(api_ms=9, five_hour=66))
    assert (bar.returncode, bar.stderr, host.returncode, host.stderr) == (0, b"", 0, b"")
    assert (bar.stdout == b"vibeusage: newer data\n") == (place == "line.tsv")
    assert (b"66%" in host.stdout) == (place != "line.tsv")
    asked = vibeusage("usage")
    assert (b"Traceback" in asked.stderr, b"77%" in asked.stdout) == (False, False)
    done = vibeusage("refresh")
    assert b"Session (5h) 12%" in done.stdout
    stays = place in ("gates.json", "snapshots/claude.json")
    assert (done.returncode, b"upgrade, or run" in done.stderr) == (int(stays), stays), done.stderr
    vibeusage("config", "set", "line.bar", "5")
    vibeusage("refresh", "--if-due", "--quiet")
    assert (good / place).read_bytes() == NEWER[place]


def test_b5_a_refresher_that_cannot_remember_does_not_ask(good, server, vibeusage):
    (good / "gates.json").write_bytes(NEWER["gates.json"])
    before = len(server.requests)
    for _ in range(3):
        assert vibeusage("refresh", "--if-due", "--quiet").returncode == 1
    assert len(server.requests) == before


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_b6_files_are_0600_and_folders_0700_from_the_first_instant(
    umask, tmp_path, require, server, config_dir, monkeypatch
):
    faults.log_in(config_dir, server.url)
    for name in ("cache", "data"):  # missing parents, too
        monkeypatch.setenv(f"VIBEUSAGE_{name.upper()}_DIR", str(tmp_path / "deep" / "er" / name))
    options = ["-fy", "-e", "trace=open,openat,creat,mkdir,mkdirat"]
    runs = [
        (["line", "tmux"], b""),
        (["line", "claude-code"], faults.document()),
        (["harvest"], faults.document(api_ms=1)),
    ]
    runs += [(["refresh"], b""), (["line", "tmux"], b""), (["config", "set", "line.bar", "5"], b"")]
    made = []
    for args, data in runs:
        seen = faults.traced(require, options, [*faults.PROGRAM, *args], stdin=data, umask=umask)
        assert seen.code == 0, seen.stderr
        made += [row for row in seen.lines() if ("O_CREAT" in row or "mkdir" in row) and ".pyc" not in row]
    made = [row for row in made if "__pycache__" not in row and "EEXIST" not in row and "ENOENT" not in row]
    assert len(made) > 10
    assert [row for row in made if ", 0600)" not in row and "mkdir" not in row] == []
    assert [row for row in made if ", 0700)" not in row and "mkdir" in row] == []
    ours = [tmp_path / "deep", *(tmp_path / "deep").rglob("*"), *config_dir.rglob("*")]
    assert len(ours) > 10
    modes = {oct(path.lstat().st_mode & 0o777) for path in ours if path.is_file() and path.name != "config.toml"}
    assert (modes, {oct(path.stat().st_mode & 0o777) for path in ours if path.is_dir()}) == ({"0o600"}, {"0o700"})


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o777], ids=oct)
def test_b7_a_credential_that_others_may_read_is_refused(mode, server, config_dir, vibeusage):
    faults.log_in(config_dir, server.url)
    path = config_dir / "credentials" / "claude" / "oauth.json"
    path.chmod(mode)
    done = vibeusage("refresh")
    assert (done.returncode, server.requests) == (4, [])
    assert f"chmod 600 {path}" in done.stderr.decode()


@pytest.mark.parametrize("owner", ["others may write", "somebody else"])
@pytest.mark.parametrize(
    "place", ["line.tsv", "generation", "segments/tmux", "observations/claude", "snapshots/claude.json"]
)
def test_b7_a_cache_file_of_others_is_ignored_and_replaced(place, owner, good, vibeusage, server):
    path = good / place
    path.write_bytes(path.read_bytes().replace(b"12", b"98").replace(b"42", b"99").replace(b"34", b"97"))
    if place == "generation":
        (good / "segments" / "tmux").write_bytes((good / "segments" / "tmux").read_bytes().replace(b"42%", b"99%"))
    if owner == "others may write":
        path.chmod(0o666)
    else:
        if os.geteuid():
            faults.unavailable("only root can give a file away")
        os.chown(path, 12345, 12345)
    if place not in ("segments/tmux", "generation"):
        (good / "segments" / "tmux").unlink()
    if place == "snapshots/claude.json":
        (good / "line.tsv").unlink()
    for args, data in ((["line", "tmux"], b""), (["line", "claude-code"], faults.document(api_ms=5, five_hour=55))):
        done = vibeusage(*args, stdin=data)
        assert (done.returncode, done.stderr) == (0, b"")
        assert [wrong for wrong in (b"98%", b"99%", b"97%") if wrong in done.stdout] == []
    refresh.refresh()
    tmux(good, keep=True)
    info = path.stat()
    assert (info.st_uid, oct(info.st_mode & 0o777)) == (os.geteuid(), "0o600")


LINKED = (
    "line.tsv",
    "generation",
    "segments/tmux",
    "observations/claude",
    "snapshots/claude.json",
    "gates.json",
    "refresh.lock",
)


@pytest.mark.parametrize("place", LINKED)
def test_b8_a_symlinked_file_of_the_cache_is_not_followed(place, good, tmp_path, vibeusage):
    canary = tmp_path / "canary"
    path = good / place
    canary.write_bytes(path.read_bytes().replace(b"12", b"98").replace(b"42", b"99"))
    before, info = canary.read_bytes(), canary.stat()
    path.unlink()
    path.symlink_to(canary)
    for attempt in range(3):
        (good / f"attempt-{int(time.time()) // 60 + attempt}").symlink_to(tmp_path / "made")
    for args, data in (
        (["line", "tmux"], b""),
        (["line", "claude-code"], faults.document(api_ms=5)),
        (["refresh"], b""),
    ):
        done = vibeusage(*args, stdin=data)
        assert b"Traceback" not in done.stderr
        assert [wrong for wrong in (b"98%", b"99%") if wrong in done.stdout] == []
    assert (canary.read_bytes(), canary.stat().st_mode, canary.stat().st_mtime) == (before, info.st_mode, info.st_mtime)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("place", ["segments", "observations", "snapshots"])
def test_b8_a_symlinked_folder_of_the_cache_is_not_written_to(place, good, tmp_path, vibeusage):
    elsewhere = tmp_path / "elsewhere"
    (good / place).rename(elsewhere)
    (good / place).symlink_to(elsewhere)
    before = faults.snapshot_of(elsewhere)
    for number, args in enumerate((["line", "tmux"], ["line", "claude-code"], ["refresh"], ["line", "plain"])):
        done = vibeusage(*args, stdin=faults.document(api_ms=number + 70))
        assert b"Traceback" not in done.stderr
    assert faults.snapshot_of(elsewhere) == before


@pytest.mark.parametrize("kind", WRITERS)
def test_b8_a_symlink_placed_between_check_and_use_is_not_followed(kind, old, tmp_path, monkeypatch):
    """The folder is swapped after it was found good; the temporary name is taken by a link as well."""
    elsewhere, inside = tmp_path / "elsewhere", old.parent / "sub"
    elsewhere.mkdir()
    (elsewhere / "file").write_bytes(b"canary")
    inside.mkdir()

    def swap(*_) -> None:
        if inside.is_dir() and not inside.is_symlink():
            inside.rmdir()
        with suppress(FileExistsError):
            inside.symlink_to(elsewhere)

    if kind == "engine":
        monkeypatch.setattr(files, "ensure_folder", swap)
        with pytest.raises(errors.StorageError):
            files.write_private(inside / "file", b"new")
    else:
        swap()
        assert cachefiles.write_file(f"{inside}/file", b"new") is False
    assert faults.snapshot_of(elsewhere) == {"file": b"canary"}
    monkeypatch.undo()
    monkeypatch.setattr(time, "monotonic_ns", lambda: 7)
    canary = tmp_path / "canary"
    canary.write_bytes(b"canary")
    old.with_name(f"file{files.TEMP_MARK}{os.getpid()}.7").symlink_to(canary)
    with suppress(errors.StorageError):
        files.write_private(old, b"new") if kind == "engine" else cachefiles.write_file(str(old), b"new")
    assert (canary.read_bytes(), old.read_bytes()) == (b"canary", b"o" * 100)


def test_b8_a_symlinked_credential_is_not_followed(server, config_dir, tmp_path, vibeusage):
    faults.log_in(config_dir, server.url)
    path = config_dir / "credentials" / "claude" / "oauth.json"
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    done = vibeusage("refresh")
    assert (done.returncode, server.requests, b"Traceback" in done.stderr) == (2, [], False)


@pytest.mark.parametrize("home", [{}, {"HOME": "relative"}], ids=["no HOME", "relative HOME"])
def test_b10_without_a_home_nothing_is_made_anywhere(home, require, tmp_path, monkeypatch):
    nobody = faults.namespace(require, "-U", "--map-user=54321", "--map-group=54321")
    for name in list(os.environ):
        if name.startswith(("VIBEUSAGE_", "XDG_", "TMP", "TEMP")) or name == "HOME":
            monkeypatch.delenv(name)
    here = tmp_path / "here"
    here.mkdir()
    made = []
    for command in (
        "line tmux",
        "line claude-code",
        "harvest",
        "refresh",
        "refresh --if-due",
        "usage",
        "config set line.bar 5",
    ):
        quiet = command.startswith(("line", "harvest"))
        options = ["-f", "-e", "trace=open,openat,creat,mkdir,mkdirat,symlink,symlinkat,link,linkat,rename,renameat"]
        words = [*nobody, *faults.PROGRAM, *command.split()]
        seen = faults.traced(require, options, words, stdin=faults.document(), env=home, cwd=here)
        made += [row for row in seen.lines() if "O_CREAT" in row or "open" not in row.partition("(")[0]]
        assert seen.code == (0 if quiet else 4), (command, seen.stderr)
        told = seen.stderr.decode().splitlines()
        assert told == [] if quiet else (told[0] == "vibeusage: there is no home folder" and len(told) == 2), command
        assert (b"42%" in seen.stdout) == (command in ("line claude-code", "harvest") and command != "harvest")
    made = [row for row in made if "__pycache__" not in row and "+++" not in row and "---" not in row]
    assert made == []
    assert list(here.iterdir()) == []


FULL = "dd if=/dev/zero of='{0}/filler' bs=1k count=64 2>/dev/null || true"
DISKS = {
    "read-only": faults.read_only,
    "full": lambda folder: f"{faults.tmpfs(folder, 'size=32k')}; {FULL.format(folder)}",
    "no inodes": lambda folder: (
        f"{faults.tmpfs(folder, 'nr_inodes=40')}; i=0; while touch '{folder}/f'$i 2>/dev/null; do i=$((i+1)); done"
    ),
}


@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("state", ["good", "cold"])
def test_b11_a_disk_that_takes_nothing_costs_the_storing_not_the_numbers(
    disk, state, request, require, tmp_path, config_dir
):
    server = request.getfixturevalue("server")
    cache_dir = tmp_path / "cache"
    if state == "good":
        request.getfixturevalue("good")
    else:
        faults.log_in(config_dir, server.url)
        cache_dir.mkdir(mode=0o700)
    # read-only: the whole home; full: the cache alone, which lies on a disk of its own
    where = tmp_path if disk == "read-only" else cache_dir
    data = faults.document(api_ms=77, five_hour=61)
    shown = run(require, DISKS[disk](where), "line", "claude-code", stdin=data)
    assert (shown.returncode, shown.stderr, b"61%" in shown.stdout) == (0, b"", True)
    faults.empty(cache_dir.with_name("cache.was"))
    asked = run(require, DISKS[disk](where), "refresh")
    assert asked.stdout == b"claude: Session (5h) 12%, Weekly 34%\n"
    told = asked.stderr.decode().splitlines()
    assert (asked.returncode, len(told), told[0].startswith("vibeusage: ")) == (1, 2, True), told
    assert "cannot be" in told[0]
    before = len(server.requests)
    faults.empty(cache_dir.with_name("cache.was"))
    hidden = run(require, DISKS[disk](where), "refresh", "--if-due", "--quiet")
    assert b"Traceback" not in hidden.stderr
    if state == "cold":
        assert hidden.returncode == 1
    assert len(server.requests) == before  # what could not remember a cool-down does not ask


def run(require, mount: str, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
    command = faults.mounted(require, mount, [*faults.PROGRAM, *args])
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


def test_b11_a_home_that_cannot_be_made_is_told_in_one_sentence(require, tmp_path, server, config_dir, monkeypatch):
    faults.log_in(config_dir, server.url)
    monkeypatch.setenv("VIBEUSAGE_CACHE_DIR", str(tmp_path / "gone" / "cache"))
    shown = run(require, faults.read_only(tmp_path), "line", "claude-code", stdin=faults.document())
    assert (shown.returncode, shown.stderr, b"42%" in shown.stdout) == (0, b"", True)
    asked = run(require, faults.read_only(tmp_path), "refresh")
    assert (asked.returncode, asked.stdout) == (1, b"claude: Session (5h) 12%, Weekly 34%\n")
    assert len(asked.stderr.splitlines()) == 2


def test_b12_two_profiles_never_show_each_others_numbers(tmp_path, vibeusage):
    seen = []
    for turn in range(4):
        for profile, used in (("work", 11), ("play", 88)):
            env = {"CLAUDE_CONFIG_DIR": str(tmp_path / profile)}
            name = "after-reply-rate-limits" if turn != 2 else "fresh-api-key"  # a document without limits, too
            data = faults.document(name, session=profile, api_ms=turn, five_hour=used + turn / 10, seven_day=used)
            seen.append((profile, vibeusage("line", "claude-code", stdin=data, env=env).stdout.decode()))
    for profile, text in seen:
        mine, others = ("11", "88") if profile == "work" else ("88", "11")
        assert f"{mine}" in text and f"{others}.", (profile, text)
        assert [word for word in text.replace("\x1b[", " ").split() if f"m{others}" in word] == [], (profile, text)
    assert "11" not in vibeusage("line", "claude-code", stdin=b"").stdout.decode()  # the default profile has none yet


def test_b12_one_folder_is_one_account_however_it_is_spelled(home, tmp_path):
    folder = home / "profiles" / "work"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    spelled = [str(folder), f"{folder}/", f"{folder}//", f"{folder}/../work", "~/profiles/work", str(tmp_path / "link")]
    found = {observe.claude_account({"CLAUDE_CONFIG_DIR": text, "HOME": str(home)}) for text in spelled}
    assert len(found) == 1
    assert found != {"claude"}
    usual = [str(home / ".claude"), f"{home}/.claude/", "~/.claude", ""]
    assert {observe.claude_account({"CLAUDE_CONFIG_DIR": text}) for text in usual} == {"claude"}


def snapshot(used: float, account: str | None = None) -> UsageSnapshot:
    now = datetime.now(UTC)
    week = UsagePeriod(name="Weekly", utilization=used, period_type=PeriodType.WEEKLY)
    return UsageSnapshot(
        provider="claude", account=account, fetched_at=now, observed_at=now, source="oauth", periods=(week,)
    )


def keep(found: UsageSnapshot, login: credentials.Login) -> None:
    """As the engine does with a good answer: what another account has left goes first."""
    known = cache.owner_of(found.id)
    if known and known != login.owner_fingerprint:
        cache.clear(found.id, exact=True)
    cache.keep(found, login.owner_fingerprint, is_partial=False, now=datetime.now(UTC))


def test_b12_another_owner_of_the_same_place_starts_anew(cache_dir):
    mine = credentials.Login("token-1", "there", is_ours=False, owner="uuid-of-mine")
    renewed = credentials.Login("token-2", "there", is_ours=False, owner="uuid-of-mine")
    yours = credentials.Login("token-3", "there", is_ours=False, owner="uuid-of-yours")
    now = int(time.time())
    row = ("5h", 18_000, 42.0, now + 7_300, now, "statusline", "window")
    keep(snapshot(10), mine)
    cache.save_snapshot(snapshot(70, "other-12345678"), "somebody")
    for account in ("claude", "claude@other-12345678"):
        observe.record(str(cache_dir), (account, {"Session (5h)": row}, "s", "1"), now)
    keep(snapshot(20), renewed)
    assert cache.observed(now).keys() == {"claude", "claude@other-12345678"}  # a renewed token is the same account
    keep(snapshot(30), yours)
    assert cache.observed(now).keys() == {"claude@other-12345678"}
    kept = cache.load_snapshots()
    assert {name: found.periods[0].utilization for name, found in kept.items()} == {
        "claude": 30,
        "claude@other-12345678": 70,
    }
    assert cache.load_snapshot("claude", mine.owner_fingerprint) is None
    cache.compile_line()
    assert "\t42" not in (cache_dir / "line.tsv").read_text()


def test_b12_a_profile_of_its_own_is_asked_under_its_own_name(cache_dir, config_dir, server, tmp_path, vibeusage):
    """A refresher that a session of another profile started must not store that profile's numbers as the default's."""
    faults.log_in(config_dir, server.url)
    env = {"CLAUDE_CONFIG_DIR": str(tmp_path / "work")}
    account = observe.claude_account(env)
    folder = config_dir / "credentials" / account
    folder.mkdir(mode=0o700)
    (folder / "oauth.json").write_text('{"access_token": "other"}')
    (folder / "oauth.json").chmod(0o600)
    assert vibeusage("refresh").returncode == 0
    server.body = faults.answer(session=91, weekly=92)
    assert vibeusage("refresh", env=env).returncode == 0
    found = {name: [one.utilization for one in known.periods] for name, known in cache.load_snapshots().items()}
    assert found == {"claude": [12, 34], account: [91, 92]}
    assert gate.load().keys() == {"claude", account}
    default = vibeusage("line", "claude-code", stdin=faults.document("fresh-api-key")).stdout
    other = vibeusage("line", "claude-code", stdin=faults.document("fresh-api-key"), env=env).stdout
    assert (b"12%" in default, b"91%" in default, b"12%" in other, b"91%" in other) == (True, False, False, True)


def test_b12_an_account_out_of_reach_does_not_start_a_refresher_every_minute(cache_dir, config_dir, server, vibeusage):
    faults.log_in(config_dir, server.url)
    assert vibeusage("refresh").returncode == 0
    late = gate.Gate(due_at=datetime.fromtimestamp(time.time() - 60, UTC))
    gate.save({**gate.load(), "claude@other-12345678": late})
    vibeusage("refresh", "--if-due", "--quiet")
    assert gate.next_due_at(()) > time.time() + 200
    assert len(server.requests) == 1
