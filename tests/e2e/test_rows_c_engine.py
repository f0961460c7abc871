"""Rows C1 to C14 of the reliability list: five vendors, many refreshers, clocks and networks that err."""

import json
import os
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import homes
import pytest
from e2e import faults
from homes import HOSTS, USAGE, USED
from msgspec import structs
from vendors import Answer, World, redirect

from vibeusage import cache, cli, gate
from vibeusage.providers import copilot
from vibeusage.refresh import refresh

# requests of one round in the background
ROUND = {HOSTS["claude"]: 1, HOSTS["codex"]: 1, HOSTS["copilot"]: 1, HOSTS["cursor"]: 4, HOSTS["gemini"]: 2}
FIRST = dict.fromkeys(HOSTS.values(), 1)  # when the first request of each already says no
OPENINGS = {**USAGE, "gemini": ("POST", HOSTS["gemini"], "/v1internal:loadCodeAssist")}
CURSOR_CLI = ("POST", "api2.cursor.sh", "*")
CLOCK = {"NO_FAKE_STAT": "1"}  # a faked clock leaves the times of files alone
FLOCK = '#include <errno.h>\nint flock(int fd, int how) {{ (void)fd; (void)how; {what} }}\n'


def slow(*values, id: str):
    return pytest.param(*values, id=id, marks=pytest.mark.slow)


@pytest.fixture
def world(home, monkeypatch):
    """All five logged in and answering; this process and its children reach nothing else."""
    homes.five_logins(home)
    with World() as made:
        homes.five_answers(made)
        for name, value in {**made.environ, **CLOCK}.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def at(require) -> Callable[..., subprocess.CompletedProcess]:
    """Run the program on a clock that is so many seconds ahead, or behind."""
    faketime = require("faketime")

    def run(ahead_s: int, *args: str, stdin: bytes = b"", env: dict[str, str] | None = None):
        command = [faketime, "-f", f"{ahead_s:+d}s", *faults.PROGRAM, *args]
        environ = {**os.environ, **(env or {})}
        return subprocess.run(command, input=stdin, capture_output=True, env=environ, timeout=60, check=False)

    return run


@pytest.fixture
def shim(require, tmp_path) -> Callable[[str], dict[str, str]]:
    """An environment in which `flock` does what the C statements say."""

    def build(what: str) -> dict[str, str]:
        source, library = tmp_path / "flock.c", tmp_path / "flock.so"
        source.write_text(FLOCK.format(what=what))
        subprocess.run([require("cc"), "-shared", "-fPIC", "-o", library, source], check=True)
        return {"LD_PRELOAD": str(library)}

    return build


def asked(world: World) -> dict[str, int]:
    return dict(Counter(request.host for request in world.requests))


def say(world: World, answer: Answer | Sequence[Answer], names: Sequence[str] = tuple(HOSTS)) -> None:
    """These vendors answer so to their first request."""
    for name in names:
        world.on(*OPENINGS[name], answer)
    if "cursor" in names:
        world.on(*CURSOR_CLI, answer)


def configure(config_dir: Path, text: str) -> None:
    config_dir.mkdir(mode=0o700, exist_ok=True)
    (config_dir / "config.toml").write_text(text)


def in_cache() -> dict[str, dict[str, float]]:
    return {
        name: {period.name: period.utilization for period in snapshot.periods}
        for name, snapshot in cache.load_snapshots().items()
    }


def held_refresher(world: World, requests: int, *args: str, env: dict[str, str] | None = None) -> subprocess.Popen:
    """A real refresher, once it has sent so many requests in all."""
    child = subprocess.Popen(
        [*faults.PROGRAM, "refresh", *args],
        env={**os.environ, **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert world.arrived(requests)
    return child


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_c1_of_refreshes_and_lines_at_once_each_vendor_is_asked_once(count, world, cache_dir, config_dir):
    configure(config_dir, "[fetch]\ntimeout_s = 100\n")  # two cores start hundreds of programs meanwhile
    commands = (["refresh", "--if-due"], ["line", "plain"])
    results = faults.at_once(2 * count, lambda number: commands[number % 2])
    assert faults.settled(cache_dir, seconds=120) == []
    assert Counter((code, errors) for code, _, errors in results) == {(0, b""): 2 * count}
    assert (asked(world), world.unknown) == (ROUND, [])
    assert in_cache() == USED


def test_c2_the_lock_is_private_never_waited_for_and_never_removed(world, cache_dir, require):
    calls = "trace=openat,flock,unlink,unlinkat,rename,renameat,renameat2"
    inodes = set()
    for _ in range(2):
        done = faults.traced(require, ["-fy", "-e", calls], [*faults.PROGRAM, "refresh", "--if-due"])
        assert done.code == 0
        opened = done.lines("openat", "refresh.lock")
        assert all(word in opened[0] for word in ("O_NOFOLLOW", "O_CLOEXEC", "0600"))
        first, probe = done.lines("flock(", "refresh.lock>")
        assert [line.partition("LOCK_EX|LOCK_NB)")[2].split()[1] for line in (first, probe)] == ["0", "-1"]
        assert [line for line in done.lines("refresh.lock") if "openat(" not in line] == [first, probe]
        info = (cache_dir / "refresh.lock").stat()
        inodes.add((info.st_ino, info.st_mode & 0o7777))
    assert len(inodes) == 1
    assert inodes.pop()[1] == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("what", ["", "errno = ENOLCK; return -1;"], ids=["flock", "a disk without locks"])
def test_c3_a_killed_holder_leaves_the_next_nothing_to_wait_for(what, world, cache_dir, vibeusage, shim):
    environ = shim(what) if what else {}
    world.hold()
    holder = held_refresher(world, 5, "--if-due", env=environ)
    assert vibeusage("refresh", "--if-due", env=environ).stdout == b""
    holder.kill()
    holder.wait()
    assert len(world.requests) == 5
    world.release()
    assert vibeusage("refresh", "--if-due", env=environ).returncode == 0
    assert in_cache() == USED
    assert faults.temporaries(cache_dir) == []


@pytest.mark.slow
def test_c3_a_killed_holder_does_not_take_a_cool_down_along(world, config_dir, vibeusage):
    configure(config_dir, "[fetch]\ntimeout_s = 60\n")
    say(world, Answer(status=429, headers={"Retry-After": "1600"}), ["claude"])
    say(world, Answer(hang=True), ["codex"])
    holder = held_refresher(world, 9)
    assert _eventually(lambda: "claude" in gate.load())
    holder.kill()
    holder.wait()
    homes.five_answers(world)
    assert vibeusage("refresh").returncode == 5
    assert len(world.to(HOSTS["claude"])) == 1
    assert len(world.to(HOSTS["codex"])) == 2


def _eventually(is_so: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return is_so()


def test_c4_a_vendor_that_never_answers_costs_the_deadline_and_its_last_numbers_stay(
    world, config_dir, vibeusage, at
):
    configure(config_dir, "[fetch]\ntimeout_s = 1\n")
    assert vibeusage("refresh", "--if-due").returncode == 0
    before = cache.load_snapshots()
    say(world, Answer(hang=True))
    count = len(world.requests)
    assert at(7_000, "refresh", "--if-due").returncode == 3
    assert (cache.load_snapshots(), in_cache()) == (before, USED)
    for name, known in gate.load().items():
        assert known.error is not None
        assert (name, known.error.category, len(known.failed_at)) == (name, "network", 1)
    first_look = len(world.requests)
    assert first_look > count
    assert at(7_020, "refresh", "--if-due").returncode == 0
    assert len(world.requests) == first_look
    line = at(7_020, "line", "plain").stdout.decode()
    assert all(text in line for text in ("claude 5h 37%", "codex 5h 14%", "copilot 30d 26%"))
    assert line.count("(1h 57m ago)") == 5
    shown = json.loads(at(7_020, "usage", "--json").stdout)
    assert (sorted(shown["providers"]), sorted(shown["errors"])) == (sorted(USED), sorted(USED))


@pytest.mark.slow
def test_c4_nobody_waits_for_a_stuck_holder(world, vibeusage):
    assert vibeusage("refresh").returncode == 0
    world.hold()
    holder = held_refresher(world, len(world.requests) + 5)
    sent = len(world.requests)
    (Path(os.environ["VIBEUSAGE_CACHE_DIR"]) / "gates.json").unlink()
    for args in (["refresh", "--if-due"], ["usage"], ["line", "plain"]):
        assert vibeusage(*args).returncode == 0
    assert holder.poll() is None
    assert len(world.requests) == sent
    world.release()
    assert holder.wait(30) == 0


@pytest.mark.slow
@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "what",
    [
        pytest.param("errno = ENOLCK; return -1;", id="none"),
        slow("errno = ENOSYS; return -1;", id="unknown"),
        pytest.param("return 0;", id="granted to all"),
    ],
)
def test_c5_without_a_lock_that_excludes_the_worst_is_a_second_request(what, count, world, shim, cache_dir):
    environ = {**os.environ, **shim(what)}
    command = [*faults.PROGRAM, "refresh", "--if-due"]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe) for _ in range(count)]
    said = [child.communicate(timeout=60)[1] for child in running]
    assert {child.returncode for child in running} == {0}
    assert set(said) == {b""}
    assert in_cache() == USED
    assert set(gate.load()) == set(USED)
    assert faults.temporaries(cache_dir) == []
    rounds = {host: number / ROUND[host] for host, number in asked(world).items()}
    assert all(1 <= number <= 3 for number in rounds.values()), rounds


def http_date(ahead_s: int) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + ahead_s))


RETRY = {
    "seconds": ("1600", 1600),
    "date": (1600, 1600),
    "absent": (None, 300),
    "zero": ("0", 300),
    "negative": ("-5", 300),
    "words": ("soon", 300),
    "past date": (-3_600, 300),
    "absurd": ("1000000000", 21_600),
    "absurd date": (90 * 86_400, 21_600),
}
FORMS = [slow(*value, id=name) if name != "seconds" else pytest.param(*value, id=name) for name, value in RETRY.items()]


@pytest.mark.slow
@pytest.mark.parametrize(("header", "wait_s"), FORMS)
def test_c6_after_a_429_nobody_asks_before_the_cool_down_ends(header, wait_s, world, at, cache_dir):
    text = http_date(header) if isinstance(header, int) else header
    say(world, Answer(status=429, headers={} if text is None else {"Retry-After": text}))
    assert at(0, "refresh").returncode == 3
    assert asked(world) == FIRST
    for ahead_s in (1, wait_s - 120):  # the commands take their time, too
        for args in (["refresh"], ["refresh", "--if-due"], ["usage"], ["usage", "--refresh"], ["line", "plain"]):
            at(ahead_s, *args)
        assert at(ahead_s, "refresh", "--if-due", "claude", "cursor").returncode in (0, 3)
    assert faults.settled(cache_dir) == []
    assert asked(world) == FIRST
    homes.five_answers(world)
    assert at(wait_s + 10, "refresh", "--if-due").returncode == 0
    assert asked(world) == {host: 1 + count for host, count in ROUND.items()}
    assert in_cache() == USED


@pytest.mark.slow
def test_c6_the_seconds_count_from_the_answer_and_not_from_the_start(world, vibeusage):
    say(world, Answer(status=429, headers={"Retry-After": "1600"}, delay_s=1), ["claude"])
    vibeusage("refresh", "claude")
    answered_at = time.time() - time.monotonic() + world.requests[0].at + 1
    until = gate.load()["claude"].holds["oauth"].until
    assert until is not None
    assert answered_at + 1_600 <= until.timestamp() <= time.time() + 1_600


@pytest.mark.slow
@pytest.mark.parametrize(
    "place",
    [
        pytest.param(("GET", HOSTS["cursor"], "/api/auth/me"), id="cursor identity"),
        slow(("GET", HOSTS["claude"], "/api/oauth/profile"), id="claude identity"),
        slow(USAGE["gemini"], id="gemini second step"),
    ],
)
def test_c6_a_429_beside_the_numbers_counts_as_well(place, world, vibeusage, at):
    world.on(*place, Answer(status=429, headers={"Retry-After": "1600"}))
    name = next(name for name, host in HOSTS.items() if host == place[1])
    assert vibeusage("refresh", name).returncode == (3 if name == "gemini" else 0)
    before = asked(world)
    for ahead_s in (1, 400, 1_500):
        at(ahead_s, "refresh", name)
        at(ahead_s, "refresh", "--if-due")
    assert asked(world)[place[1]] == before[place[1]]
    homes.five_answers(world)
    assert at(1_610, "refresh", name).returncode == 0
    assert asked(world)[place[1]] > before[place[1]]


@pytest.mark.slow
def test_c6_a_403_without_requests_left_is_a_rate_limit(world, vibeusage, at):
    headers = {"X-RateLimit-Remaining": "0", "Retry-After": "900"}
    say(world, Answer(status=403, headers=headers), ["copilot"])
    assert vibeusage("refresh", "copilot").returncode == 3
    at(850, "refresh", "copilot")
    assert len(world.to(HOSTS["copilot"])) == 1
    homes.five_answers(world)
    assert at(910, "refresh", "--if-due", "copilot").returncode == 0
    assert len(world.to(HOSTS["copilot"])) == 2


@pytest.mark.slow
def test_c6_every_further_429_doubles_the_wait_up_to_six_hours(world, at):
    say(world, Answer(status=429, headers={"Retry-After": "0"}), ["copilot"])
    ahead_s = 0
    for count, wait_s in enumerate((300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 21_600, 21_600), 1):
        at(ahead_s, "refresh", "copilot")
        assert len(world.to(HOSTS["copilot"])) == count
        at(ahead_s + wait_s - 20, "refresh", "copilot")
        assert len(world.to(HOSTS["copilot"])) == count
        ahead_s += wait_s + 10


def log_in_again(home: Path) -> None:
    """The same accounts with new tokens, as their tools write them."""
    for name in (".claude/.credentials.json", ".config/github-copilot/apps.json", ".gemini/oauth_creds.json"):
        path = home / name
        path.write_text(path.read_text().replace("invented", "renewed"))
    path = home / ".codex/auth.json"
    document = json.loads(path.read_text())
    document["tokens"]["access_token"] = homes.jwt(sub="invented-codex", renewed=True)
    path.write_text(json.dumps(document))
    renewed = homes.jwt(sub=f"auth0|{homes.USER}", renewed=True)
    with closing(sqlite3.connect(home / ".config/Cursor/User/globalStorage/state.vscdb")) as database, database:
        database.execute("UPDATE ItemTable SET value = ? WHERE key = 'cursorAuth/accessToken'", (renewed,))


@pytest.mark.slow
@pytest.mark.parametrize("status", [slow(429, id="429"), 401, slow(403, id="403")])
def test_c7_a_new_login_is_asked_at_once_and_a_refused_one_never_again(status, world, home, vibeusage, at):
    say(world, Answer(status=status, headers={"Retry-After": "20000"}))
    assert vibeusage("refresh").returncode == (3 if status == 429 else 2)
    said_no = asked(world)
    for ahead_s in (0, 10, 400, 1_000, 10_000):
        assert at(ahead_s, "refresh").returncode == (3 if status == 429 else 2)
        at(ahead_s, "refresh", "--if-due")
    assert asked(world) == said_no
    homes.five_answers(world)
    log_in_again(home)
    assert vibeusage("refresh", "--if-due").returncode == 0 or status == 429
    assert vibeusage("refresh").returncode == 0
    assert in_cache() == USED


def test_c8_vendors_and_machines_that_began_together_are_not_asked_in_step(world, tmp_path, monkeypatch):
    due = []
    for number in range(2):
        monkeypatch.setenv("VIBEUSAGE_CACHE_DIR", str(tmp_path / f"machine{number}"))
        assert all(outcome.success for outcome in refresh(if_due=True) or [])
        due += [known.due_at for known in gate.load().values()]
    assert len(set(due)) == 10
    assert max(due) - min(due) > timedelta(seconds=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "jump_s",
    [
        pytest.param(-86_400, id="a day back"),
        slow(5 * 3_600, id="five hours forward"),
        slow(3_653 * 86_400, id="ten years forward"),
        slow(-int(time.time()) + 60, id="epoch 0"),
    ],
)
def test_c9_after_a_clock_that_was_wrong_the_numbers_are_soon_fresh_again(jump_s, world, at, cache_dir, monkeypatch):
    monkeypatch.setenv("VIBEUSAGE_ENABLED_PROVIDERS", "copilot")  # its login has no end
    at(0, "refresh")
    for args in (["refresh", "--if-due"], ["refresh"], ["line", "plain"], ["usage"]):
        done = at(jump_s, *args)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode in (0, 3, 5), said
        assert "Traceback" not in said
        assert not any(f"{sign}{digit}" in said for sign in ("-", "−") for digit in range(1, 10)), said
        assert "copilot" in said.lower() or "--if-due" in args
    assert faults.settled(cache_dir) == []
    count = len(world.requests)
    for path in cache_dir.glob("attempt-*"):
        path.unlink()
    assert b"copilot" in at(0, "line", "plain").stdout
    assert faults.settled(cache_dir) == []
    assert len(world.requests) == count + 1
    (known,) = gate.load().values()
    assert timedelta(0) < known.due_at - datetime.now(UTC) < timedelta(minutes=6)
    snapshot = cache.load_snapshot("copilot")
    assert snapshot is not None
    assert timedelta(0) <= datetime.now(UTC) - snapshot.observed_at < timedelta(minutes=1)


@pytest.mark.slow
@pytest.mark.parametrize("ahead_s", [3_600, 3_653 * 86_400], ids=["an hour", "ten years"])
def test_c10_numbers_from_the_future_are_of_unknown_age_and_give_way(ahead_s, world, vibeusage, cache_dir):
    assert vibeusage("refresh", "claude").returncode == 0
    (snapshot,) = cache.load_snapshots().values()
    later = datetime.now(UTC) + timedelta(seconds=ahead_s)
    used = tuple(structs.replace(period, utilization=99.0) for period in snapshot.periods)
    cache.save_snapshot(structs.replace(snapshot, fetched_at=later, observed_at=later, periods=used), "f")
    known = gate.load()
    gate.save({"claude": structs.replace(known["claude"], asked_at=later, due_at=later)})
    cache.compile_line()
    before = vibeusage("line", "plain").stdout.decode()
    assert "(age unknown)" in before
    assert faults.settled(cache_dir) == []
    assert len(world.to(HOSTS["claude"])) == 2 + 1  # with the identity, which the first one asked for
    assert in_cache()["claude"] == USED["claude"]
    assert vibeusage("line", "plain").stdout.startswith(b"claude 5h 37%")


@pytest.mark.slow
@pytest.mark.parametrize("network", ["refused", slow("none at all", id="none at all")])
def test_c11_a_network_that_is_not_up_yet_is_nobodys_failure_and_soon_tried_again(network, world, at, require):
    assert at(0, "refresh", "--if-due").returncode == 0
    before = len(world.requests)
    prefix = [*faults.namespace(require, "-Urn")] if network == "none at all" else []
    dead = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9") if not prefix else {}
    command = [*prefix, require("faketime"), "-f", "+30000s", *faults.PROGRAM, "refresh", "--if-due"]
    done = subprocess.run(command, env={**os.environ, **dead}, capture_output=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert (len(world.requests), in_cache()) == (before, USED)
    for known in gate.load().values():
        assert known.asked_at is not None
        assert (known.offline, known.failed_at) == (1, ())
        assert known.due_at - known.asked_at == gate.OFFLINE_LOOK
    at(30_015, "refresh", "--if-due")
    assert len(world.requests) == before
    assert at(30_060, "refresh", "--if-due").returncode == 0
    assert asked(world) == {host: 2 * count for host, count in ROUND.items()}
    assert {known.offline for known in gate.load().values()} == {0}


def claude_says(used: float) -> Answer:
    document = homes.documents()["claude"]
    return Answer(json={**document, "five_hour": {**document["five_hour"], "utilization": used}})


@pytest.mark.slow
def test_c13_of_two_refreshers_that_are_answered_out_of_order_the_later_question_wins(world, shim, vibeusage):
    second_is_done = threading.Event()

    def late(_: object) -> Answer:
        second_is_done.wait(30)
        return claude_says(40)

    world.on(*USAGE["claude"], [late, claude_says(50)])
    everybody = shim("return 0;")
    first = held_refresher(world, 1, "claude", env=everybody)
    (Path(os.environ["VIBEUSAGE_CACHE_DIR"]) / "refresh.lock").write_bytes(b"")  # another machine's number says nothing
    assert vibeusage("refresh", "claude", env=everybody).returncode == 0
    assert in_cache()["claude"]["Session (5h)"] == 50
    second_is_done.set()
    assert first.wait(30) == 0
    assert in_cache()["claude"]["Session (5h)"] == 50
    assert b"claude 5h 50%" in vibeusage("line", "plain").stdout


@pytest.mark.slow
def test_c13_a_document_that_came_while_a_vendor_was_asked_is_newer_than_its_answer(world, vibeusage):
    world.hold()
    refresher = held_refresher(world, 1, "claude")
    time.sleep(1.1)  # instants in the line's tables are whole seconds
    told = vibeusage("line", "claude-code", stdin=faults.document(five_hour=55, seven_day=20))
    assert told.returncode == 0
    world.release()
    assert refresher.wait(30) == 0
    assert in_cache()["claude"]["Session (5h)"] == 37
    assert b"claude 5h 55%" in vibeusage("line", "plain").stdout
    shown = json.loads(vibeusage("usage", "claude", "--json").stdout)
    assert [period["utilization"] for period in shown["periods"]] == [55, 20]


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "out of order"])
def test_c13_what_is_kept_does_not_depend_on_the_order_of_arrival(order, world, vibeusage):
    assert vibeusage("refresh", "claude").returncode == 0
    (made,) = cache.load_snapshots().values()
    now = made.observed_at + timedelta(seconds=60)
    seen = [
        structs.replace(
            made,
            observed_at=made.observed_at + timedelta(seconds=10 * (1 + number)),
            periods=tuple(structs.replace(period, utilization=10.0 * (1 + number)) for period in made.periods),
        )
        for number in range(2)
    ]
    for number in order:
        cache.keep(seen[number], "", is_partial=False, now=now)
    assert cache.load_snapshot("claude") == seen[1]


FAULTS = {
    "hang": Answer(hang=True),
    "garbage": Answer(body=b"\x00\xff{]"),
    "page": Answer(body=b"<html>"),
    "another shape": Answer(json=[[[]]]),
    "deep": Answer(body=b"[" * 200_000),
    "server error": Answer(status=500),
    "redirect": redirect("https://elsewhere.example/"),
    "200 MB": Answer(repeat_bytes=200 << 20),
    "200 MB in pieces": Answer(repeat_bytes=200 << 20, announced=False),
    "dropped": Answer(body=b"{", close=True),
    "one byte a second": Answer(body=b"{" * 60, drip_s=1),
}
QUICK = ("hang", "garbage", "200 MB")
CASES = [
    *(pytest.param("copilot", FAULTS[name], id=f"copilot, {name}") for name in QUICK),
    *(
        slow(who, answer, id=f"{who}, {name}")
        for name, answer in FAULTS.items()
        for who in HOSTS
        if who != "copilot" or name not in QUICK
    ),
]


@pytest.mark.parametrize(("who", "answer"), CASES)
def test_c14_one_that_fails_takes_none_of_the_others_along(who, answer, world, config_dir, vibeusage):
    configure(config_dir, f"[fetch]\ntimeout_s = {3 if answer.hang or answer.drip_s else 20}\n")
    say(world, answer, [who])
    done = vibeusage("refresh", "--json")
    outcomes = {one["provider_id"]: one for one in json.loads(done.stdout)["outcomes"]}
    assert done.returncode == 5, done.stderr
    assert in_cache() == {name: used for name, used in USED.items() if name != who}
    assert [name for name in HOSTS if outcomes[name].get("error")] == [who]
    assert world.hosts <= {*HOSTS.values(), CURSOR_CLI[1]}
    assert gate.load()[who].error is not None


@pytest.mark.slow
def test_c14_what_the_others_say_is_shown_while_one_is_still_silent(world, config_dir, vibeusage):
    configure(config_dir, "[fetch]\ntimeout_s = 100\n")
    assert vibeusage("refresh").returncode == 0
    say(world, Answer(hang=True), ["codex"])
    world.on(*USAGE["claude"], claude_says(50))
    refresher = held_refresher(world, len(world.requests) + 5)
    assert _eventually(lambda: b"claude 5h 50%" in vibeusage("line", "plain").stdout)
    assert refresher.poll() is None
    refresher.kill()
    refresher.wait()


@pytest.mark.parametrize("error", [KeyError("x"), MemoryError()])
def test_c14_a_mistake_of_ours_in_one_is_told_and_stays_there(error, world, monkeypatch, capsys):
    def crash(body: bytes):
        raise error

    monkeypatch.setattr(copilot, "parse_usage", crash)
    assert cli.main(["refresh"]) == 5
    assert in_cache() == {name: used for name, used in USED.items() if name != "copilot"}
    known = gate.load()["copilot"]
    assert known.error is not None
    assert type(error).__name__ in known.error.message
    assert "crash" in known.places[-1]
    assert "report" in capsys.readouterr().err


def touch(path: Path, ago_s: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = time.time() - ago_s
    for each in (path, path.parent):
        os.utime(each, (then, then))


@pytest.mark.slow
def test_an_idle_tool_is_asked_rarely_and_a_used_one_each_interval(world, home, at):
    histories = [home / ".claude/history.jsonl", home / ".codex/history.jsonl"]
    idle = {HOSTS["claude"], HOSTS["codex"]}
    for path in (*histories, home / ".claude/projects/p", home / ".codex/sessions/2026"):
        touch(path, 7_200)
    assert at(0, "refresh", "--if-due").returncode == 0
    for ahead_s, rounds in ((400, 2), (800, 3)):
        assert at(ahead_s, "refresh", "--if-due").returncode == 0
        assert asked(world) == {host: (1 if host in idle else rounds) * count for host, count in ROUND.items()}
    touch(histories[0], -1_000)
    assert at(1_200, "refresh", "--if-due").returncode == 0
    assert (len(world.to(HOSTS["claude"])), len(world.to(HOSTS["codex"]))) == (2, 1)
    assert at(3_700, "refresh", "--if-due").returncode == 0
    assert (len(world.to(HOSTS["claude"])), len(world.to(HOSTS["codex"]))) == (2, 2)
    assert at(3_800, "refresh", "codex").returncode == 0
    assert at(4_900, "refresh", "--if-due").returncode == 0
    assert (len(world.to(HOSTS["claude"])), len(world.to(HOSTS["codex"]))) == (3, 3)


@pytest.mark.slow
def test_a_window_that_has_passed_is_asked_for_although_the_tool_is_idle(world, home, at):
    touch(home / ".claude/history.jsonl", 7_200)
    document = homes.documents()["claude"]
    resets_at = homes.iso(int(time.time()) + 500)
    world.on(*USAGE["claude"], Answer(json={**document, "five_hour": {"utilization": 37.0, "resets_at": resets_at}}))
    for ahead_s, requests in ((0, 1), (350, 1), (480, 1), (530, 1), (700, 2)):
        assert at(ahead_s, "refresh", "--if-due").returncode == 0
        assert len(world.to(HOSTS["claude"])) == requests, ahead_s


@pytest.mark.slow
@pytest.mark.parametrize(
    "resets_at",
    [
        "9999-12-31T23:59:59+00:00",
        slow("9999-12-31T23:59:59-14:00", id="beyond the last"),
        slow("0001-01-01T00:00:00Z", id="first"),
    ],
)
def test_c14_a_reset_at_the_end_of_all_time_stays_a_matter_of_its_vendor(resets_at, world, vibeusage):
    document = homes.documents()["claude"]
    window = {"utilization": 37.0, "resets_at": resets_at}
    world.on(*USAGE["claude"], Answer(json={**document, "five_hour": window}))
    done = vibeusage("refresh")
    assert done.returncode in (0, 5), done.stderr
    assert set(in_cache()) >= set(USED) - {"claude"}
    assert set(gate.load()) == set(USED)
    for args in (["line", "plain"], ["line", "json"], ["usage"], ["usage", "--json"], ["refresh"]):
        done = vibeusage(*args)
        assert (done.returncode in (0, 5), b"mistake" in done.stderr + done.stdout) == (True, False), done.stderr
