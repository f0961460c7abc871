"""Rows H3-H5 of the reliability list: an alert comes once, and its command can do no more than it was told."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from e2e import faults
from e2e.waiting import wait_until
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage import alerts, cache, cli, config, episodes, files, gate, hooks
from vibeusage.episodes import Alert, Known, Sample
from vibeusage.models import PeriodType, UsagePeriod, UsageSnapshot

# a command that notes its arguments and its environment, one line a run
NOTING = """#!{python} -SI
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
"""


@pytest.fixture(autouse=True)
def claude_alone(monkeypatch):
    monkeypatch.setenv("VIBEUSAGE_ENABLED_PROVIDERS", "claude")


@pytest.fixture
def noting(tmp_path) -> Path:
    path = tmp_path / "a command"
    path.write_text(NOTING.format(python=sys.executable, log=str(tmp_path / "runs")))
    path.chmod(0o755)
    return path


@pytest.fixture
def runs(tmp_path):
    """The (arguments, environment) of each run of `noting` so far."""

    def read() -> list[tuple[list[str], dict[str, str]]]:
        log = tmp_path / "runs"
        return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []

    return read


@pytest.fixture
def setting(config_dir):
    """Add `[alerts]` to config.toml."""

    def write(*command: object, thresholds: Sequence[int] = (80, 95)) -> None:
        config_dir.mkdir(mode=0o700, exist_ok=True)
        path = config_dir / "config.toml"
        said = path.read_text() if path.exists() else ""
        words = json.dumps(list(map(str, command)))
        path.write_text(f"{said}\n[alerts]\nthresholds = {list(thresholds)}\ncommand = {words}\n")

    return write


@pytest.fixture
def vendor(config_dir) -> Iterator[faults.Server]:
    with faults.vendor() as server:
        faults.log_in(config_dir, server.url)
        yield server


def asked(server: faults.Server, *session: float) -> None:
    """A refresh by hand for each percentage that the vendor says of its session."""
    for used in session:
        server.body = faults.answer(session=used)
        assert cli.main(["refresh", "--quiet"]) == 0


# --- H4: the command


WORDS = [
    *("it's \"so\"", "a\nb\r\tc", "--urgency=low", "-", "", "$HOME `id` $(id) *"),
    *("\\", "ä\u202e", "{} {{X}} { }", "%s"),
]
ECHOES = {"bare": "echo {period}", "single": "echo '{period}'", "double": 'echo "{period}"'}


def test_h4_each_argument_arrives_as_it_was_written_and_no_shell_reads_it(setting, noting, runs, vibeusage):
    setting(noting, *WORDS)
    done = vibeusage("alerts", "test")
    assert (done.returncode, done.stderr, [argv for argv, _ in runs()]) == (0, b"", [WORDS])


def test_h4_placeholders_are_filled_in_place_and_open_no_new_argument(setting, noting, runs, vibeusage):
    setting(noting, "{title}", "-{account}-{period}", '{"text": "{text}"}', "{percent}{threshold}")
    assert vibeusage("alerts", "test").returncode == 0
    text = "reached 80%, resets in 2h 13m"
    filled = ["claude Session (5h): 83% used", "-claude-Session (5h)", f'{{"text": "{text}"}}', "83%80%"]
    assert [argv for argv, _ in runs()] == [filled]


HOSTILE = [
    pytest.param("'; touch canary; '", id="quote"),
    pytest.param('"; touch canary; "', id="double quote"),
    pytest.param("$(touch canary)", id="substitution"),
    pytest.param("`touch canary`", id="backticks"),
    pytest.param("x\ntouch canary\n", id="line"),
    pytest.param("x & touch canary & <(touch canary) | touch canary > canary", id="signs"),
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("around", ECHOES.values(), ids=ECHOES)
def test_h4_a_name_from_outside_runs_nothing_even_in_a_shells_text(name, around, tmp_path):
    """Nobody should write a placeholder into a script; whoever does is not betrayed by a vendor's answer."""
    command = ["/bin/sh", "-c", f"cd '{tmp_path}'; {around}; true"]
    argv = alerts.arguments(command, an_alert(period=name))
    assert len(argv) == len(command)
    hooks.run(argv, os.environ)
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
@given(st.text())
def test_h4_a_value_is_no_option_no_file_no_markup_and_one_line(text):
    value = alerts.harmless(text)
    assert not value or value[0].isalnum()
    assert not set(value) & set("<>&'\"`$\\;|{}\n\r\0*?~#=!^[]")
    assert value == alerts.harmless(value)


def an_alert(**said: object) -> Alert:
    now = datetime.now(UTC)
    usual = {"account": "claude", "period": "Weekly", "threshold": 80, "utilization": 81.0, "at": now, "until": now}
    return Alert(**(usual | said))  # ty: ignore[invalid-argument-type]


def alive(pid: int) -> bool:
    """Whether it runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


STUBBORN = "trap '' TERM HUP; while :; do sleep 1; done"


def test_h4_a_hanging_command_is_ended_at_the_deadline_whatever_it_ignores(tmp_path, monkeypatch):
    monkeypatch.setattr(hooks, "DEADLINE_S", 0.4)
    started = time.monotonic()
    ended = hooks.run(["/bin/sh", "-c", f"echo $$ >'{tmp_path}/pid'; echo here; {STUBBORN}"], os.environ)
    assert time.monotonic() - started < 0.4 + hooks.GRACE_S + 1
    assert ended == hooks.Ended("was ended after 0 s", b"here\n")
    assert not alive(int((tmp_path / "pid").read_text()))


def test_h4_the_deadline_is_five_seconds():
    assert (hooks.DEADLINE_S, hooks.GRACE_S) == (5, 0.5)


def test_h4_a_flood_is_ended_and_only_its_beginning_kept():
    started = time.monotonic()
    ended = hooks.run(["/bin/sh", "-c", "while :; do echo flood; done"], os.environ)
    assert (ended.outcome, len(ended.output)) == ("was ended, having printed more than 64 KiB", hooks.OUTPUT_LIMIT)
    assert time.monotonic() - started < hooks.DEADLINE_S


@pytest.mark.parametrize("code", [0, 3])
def test_h4_what_a_command_leaves_behind_is_ended_and_not_waited_for(code, tmp_path):
    """The child holds our pipe, ignores the first signal, and outlives its parent."""
    left = f"({STUBBORN}) & echo $! >'{tmp_path}/pid'; exit {code}"
    started = time.monotonic()
    ended = hooks.run(["/bin/sh", "-c", left], os.environ)
    assert time.monotonic() - started < hooks.DEADLINE_S
    assert ended.outcome == (f"ended with code {code}" if code else "ok")
    wait_until(lambda: not alive(int((tmp_path / "pid").read_text())), seconds=2)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        pytest.param("missing", "cannot be started: No such file or directory", id="missing"),
        pytest.param("closed", "cannot be started: Permission denied", id="not executable"),
        pytest.param("text", "cannot be started: Exec format error", id="no program: no shell is asked to read it"),
    ],
)
def test_h4_what_cannot_be_started_is_an_outcome(kind, outcome, tmp_path):
    path = tmp_path / "command"
    if kind != "missing":
        path.write_text("echo hello\n")
        path.chmod(0o700 if kind == "text" else 0o600)
    assert hooks.run([str(path)], os.environ) == hooks.Ended(outcome)


@pytest.mark.slow
def test_h4_a_thousand_observations_of_one_episode_are_one_run(setting, noting, runs, monkeypatch):
    setting(noting, "{threshold}", thresholds=[80])
    now, wanted = datetime.now(UTC).replace(microsecond=0), config.load()
    monkeypatch.setattr(cache, "snapshots_with_observations", lambda _: {"claude": shot})
    for number in range(1000):
        at = now - timedelta(milliseconds=1000 - number)
        shot = a_shot(at, window(0, at, [79.9, 81, 99, 80][number % 4], now + timedelta(hours=2)))
        alerts.after_round(wanted, os.environ)
    assert [argv for argv, _ in runs()] == [["80%"]]
    assert [alert.outcome for alert in episodes.load().alerts] == ["ok"]


def test_h4_a_thousand_windows_at_once_are_few_runs_and_each_is_known(setting, noting, runs, monkeypatch):
    setting(noting, "{period}")
    now, wanted = datetime.now(UTC).replace(microsecond=0), config.load()
    monkeypatch.setattr(cache, "snapshots_with_observations", lambda _: {"claude": shot})
    for number in range(4):
        at = now - timedelta(seconds=10 - number)
        shot = a_shot(at, *(window(each, at, 99, now + timedelta(hours=2)) for each in range(1000)))
        alerts.after_round(wanted, os.environ)
    told = episodes.load().alerts
    assert [argv for argv, _ in runs()] == [[f"Window {number}"] for number in range(alerts.RUNS_MOST)]
    assert [alert.outcome for alert in told] == ["ok"] * 10 + ["left out, being more than 10 at once"] * 990


def window(number: int, at: datetime, used: float, resets_at: datetime) -> UsagePeriod:
    kind = PeriodType.SESSION
    return UsagePeriod(
        name=f"Window {number}", utilization=used, period_type=kind, resets_at=resets_at, observed_at=at
    )


def a_shot(at: datetime, *periods: UsagePeriod) -> UsageSnapshot:
    return UsageSnapshot(provider="claude", fetched_at=at, observed_at=at, source="oauth", periods=periods)


@pytest.mark.slow
def test_h4_one_killed_while_the_command_runs_does_not_repeat_it(vendor, setting, tmp_path, vibeusage, cache_dir):
    setting("/bin/sh", "-c", f"echo run >>'{tmp_path}/log'; exec sleep 30")
    asked(vendor, 85)
    child = subprocess.Popen([*faults.PROGRAM, "refresh", "--quiet"])
    wait_until((tmp_path / "log").exists)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    for left in faults.processes_of(cache_dir):
        os.kill(left, signal.SIGKILL)  # our command, whose end nobody sees to any more
    asked(vendor, 86, 87)
    assert (tmp_path / "log").read_text() == "run\n"
    assert "not known what came of it" in vibeusage("alerts").stdout.decode()


@pytest.mark.slow
def test_h4_many_refreshers_at_once_run_it_once(vendor, setting, noting, runs):
    setting(noting, "{period} {threshold}")
    asked(vendor, 85)
    done = faults.at_once(6, lambda number: ["refresh", "--quiet"])
    assert [code for code, _, _ in done] == [0] * 6
    assert [argv for argv, _ in runs()] == [["Session (5h) 80%"]]


@pytest.mark.slow
def test_h4_what_another_refresher_is_at_is_left_to_it(vendor, setting, noting, runs, cache_dir, monkeypatch):
    setting(noting)
    monkeypatch.setattr(alerts, "LOCK_WAIT_S", 0)
    asked(vendor, 85)
    kept = episodes.load()
    with files.lock(cache_dir / "alerts.lock", wait_s=0) as got:
        assert got
        asked(vendor, 86, 87)
    assert (runs(), episodes.load()) == ([], kept)
    asked(vendor, 88)
    assert len(runs()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("state", ["a folder", "newer"])
def test_h4_what_cannot_be_remembered_is_not_run(state, vendor, setting, noting, runs, cache_dir):
    setting(noting)
    path = cache_dir / "alerts.json"
    cache_dir.mkdir(mode=0o700)
    if state == "newer":
        path.write_text('{"schema": 2, "seen": "in another way"}')
    else:
        (path / "in the way").mkdir(parents=True)
    kept = faults.snapshot_of(cache_dir)
    asked(vendor, 85, 86, 87)
    assert runs() == []
    assert kept.items() <= faults.snapshot_of(cache_dir).items()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"{", b'{"schema": 1, "alerts": 3}', b"\xff" * 40])
def test_h4_a_damaged_memory_counts_as_none_and_is_replaced(damage, vendor, setting, noting, runs, cache_dir):
    setting(noting)
    asked(vendor, 85, 86)
    (cache_dir / "alerts.json").write_bytes(damage)
    asked(vendor, 87, 88, 89)
    assert len(runs()) == 2
    assert (cache_dir / "alerts.json").stat().st_mode & 0o777 == 0o600


def test_h3_the_command_gets_seven_variables_and_no_secret(vendor, setting, noting, runs, monkeypatch, config_dir):
    canary = "canary-7f3a"
    for name in ("ANTHROPIC_API_KEY", "HTTPS_PROXY", "VIBEUSAGE_TOKEN", "LD_PRELOAD_X", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, f"http://me:{canary}@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    monkeypatch.setenv("DISPLAY", ":9")
    faults.log_in(config_dir, vendor.url, canary)
    setting(noting, "{title}", "{text}")
    asked(vendor, 85, 86)
    ((argv, environ),) = runs()
    for name in ("LC_CTYPE", "__CF_USER_TEXT_ENCODING"):  # what an interpreter adds to its own
        environ.pop(name, None)
    wanted = {name: os.environ[name] for name in hooks.PASSED_ON if os.environ.get(name)}
    assert environ == wanted
    assert {"HOME", "PATH", "DISPLAY", "DBUS_SESSION_BUS_ADDRESS"} <= environ.keys()
    assert canary not in json.dumps([argv, environ])


# --- H5: once, and never for one sample alone


@pytest.mark.slow
def test_h5_the_vendors_numbers_end_in_one_run_an_episode(vendor, setting, noting, runs, vibeusage, monkeypatch):
    """By the whole way: config.toml, refreshes, the vendor's answers, the command."""
    setting(noting, "{account} {period} {percent} {threshold}")
    asked(vendor, 50, 85)
    assert runs() == []  # seen once
    told = json.loads(vibeusage("alerts", "--json").stdout)
    assert [(one["period"], one["utilization"]) for one in told["waiting"]] == [("Session (5h)", 85)]
    asked(vendor, 86, 87, 70, 88, 89)
    assert [argv for argv, _ in runs()] == [["claude Session (5h) 86% 80%"]]
    asked(vendor, 96, 97, 98)
    assert [argv for argv, _ in runs()][1:] == [["claude Session (5h) 97% 95%"]]
    shown = vibeusage("alerts").stdout.decode().splitlines()
    assert shown[0] == "thresholds  80%, 95%"
    assert shown[2:] == [
        "  claude Session (5h)  86% (threshold 80%)  <1m ago: ok",
        "  claude Session (5h)  97% (threshold 95%)  <1m ago: ok",
    ]


def test_h5_a_failed_round_repeats_an_observation_and_confirms_none(vendor, setting, noting, runs):
    setting(noting)
    asked(vendor, 85)
    vendor.status = 401
    for _ in range(2):
        assert cli.main(["refresh", "--quiet"]) == 2
    assert runs() == []


@pytest.mark.slow
def test_h5_another_account_under_the_same_name_begins_anew(vendor, setting, noting, runs, config_dir):
    """Its first observation is alone, whatever the account before it has left; what that was told of is not its own."""
    setting(noting)
    asked(vendor, 85, 86)
    faults.log_in(config_dir, vendor.url, "another-t0ken")
    setting(noting)
    asked(vendor, 87)
    assert len(runs()) == 1
    asked(vendor, 88)
    assert len(runs()) == 2


def test_h5_without_thresholds_nothing_is_kept(vendor, setting, noting, runs, cache_dir):
    setting(noting, thresholds=[])
    asked(vendor, 85, 86, 99)
    assert (runs(), (cache_dir / "alerts.json").exists()) == ([], False)


def test_h5_an_account_that_awaits_its_second_observation_is_not_left_to_rest(vendor, setting, noting, runs, home):
    """Its tool is not in use, so that without alerts nobody would be asked for an hour."""
    (home / ".claude/projects").mkdir(parents=True)
    long_ago = time.time() - 86_400
    for folder in (home / ".claude", home / ".claude/projects"):
        os.utime(folder, (long_ago, long_ago))
    setting(noting)
    asked(vendor, 50)
    assert asked_when_due(vendor) == 0
    asked(vendor, 85)
    assert (asked_when_due(vendor), len(runs())) == (1, 1)
    assert (asked_when_due(vendor), len(runs())) == (0, 1)


def asked_when_due(server: faults.Server) -> int:
    """How often the vendor is asked for its numbers by a refresher that comes when that is due."""
    server.requests.clear()
    now = datetime.now(UTC)
    gate.save({name: msgspec.structs.replace(known, due_at=now) for name, known in gate.load().items()})
    assert cli.main(["refresh", "--if-due", "--quiet"]) == 0
    return server.requests.count("/api/oauth/usage")


START = datetime(2026, 3, 1, tzinfo=UTC)
LENGTH = timedelta(hours=5)
MAX_AGE = timedelta(hours=1)
THRESHOLDS = (80, 95)
FRESH, AGAIN, OLD, FUTURE = "fresh", "again", "old", "future"
STEPS = st.tuples(
    st.integers(1, 3 * 3600),  # seconds since the step before
    st.sampled_from([0.0, 40.0, 79.9, 80.0, 85.0, 94.9, 95.0, 100.0, 140.0]),
    st.sampled_from([FRESH] * 6 + [AGAIN, OLD, FUTURE]),
    st.integers(-60, 60),  # seconds by which the vendor's reset is off
)


def reset_of(at: datetime) -> datetime:
    """Windows of five hours, one behind the other."""
    return START + LENGTH * ((at - START) // LENGTH + 1)


def story(steps) -> Iterator[tuple[datetime, Sample, bool]]:
    """(when a round is, what is the newest observation by then, whether it counts)."""
    now, last = START, None
    for passed_s, used, kind, off_s in steps:
        now += timedelta(seconds=passed_s)
        if kind == AGAIN and last:
            yield now, last, False
            continue
        at = {OLD: now - 2 * MAX_AGE, FUTURE: now + timedelta(hours=1)}.get(kind, now)
        resets_at = reset_of(at) + timedelta(seconds=off_s)
        sample = Sample("claude", "Session (5h)", used, at, resets_at, LENGTH)
        last = sample if at == now else last
        yield now, sample, at == now < resets_at


def judged(known: Known, samples: Sequence[Sample], now: datetime) -> tuple[Known, list[Alert]]:
    """One round, and what is known after it as it is read from the disk again."""
    known, new = episodes.judge(known, samples, thresholds=THRESHOLDS, now=now, max_age=MAX_AGE)
    return msgspec.json.decode(msgspec.json.encode(known), type=Known), new


def told_in(steps) -> tuple[list[tuple[Alert, Sample]], list[Sample]]:
    """The alerts with the observation that brought each, and the observations that count."""
    known, told, good = Known(), [], []
    for now, sample, counts in story(steps):
        if counts:
            good.append(sample)
        known, new = judged(known, [sample], now)
        told += [(alert, sample) for alert in new]
    return told, good


def in_order(good: Sequence[Sample]) -> Iterator[tuple[Sample, Sample]]:
    """Two that follow one another before the first one's reset, as the vendor has said it."""
    for one, other in itertools.pairwise(good):
        if one.resets_at and one.resets_at > other.at:
            yield one, other


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_h5_at_most_one_alert_an_episode_and_threshold_each_with_two_observations_behind_it(steps):
    told, good = told_in(steps)
    keys = [(reset_of(sample.at), alert.threshold) for alert, sample in told]
    assert len(keys) == len({*keys})
    # a higher one covers the lower: within an episode they only rise
    assert all(one[1] < other[1] for one, other in itertools.pairwise(keys) if one[0] == other[0])
    pairs = {other.at: min(one.utilization, other.utilization) for one, other in in_order(good)}
    assert [alert for alert, sample in told if pairs.get(sample.at, 0) < alert.threshold] == []


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_h5_two_observations_in_a_row_are_always_told(steps):
    told, good = told_in(steps)
    highest: dict[datetime, int] = {}
    for alert, sample in told:
        highest[reset_of(sample.at)] = alert.threshold
    for one, other in in_order(good):
        reached = max((each for each in THRESHOLDS if each <= min(one.utilization, other.utilization)), default=0)
        assert highest.get(reset_of(other.at), 0) >= reached


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 1800), st.sampled_from([0.0, 50.0, 79.9]), st.sampled_from([80.0, 100.0, 500.0])),
        max_size=40,
    )
)
def test_h5_a_flapping_sample_alone_is_never_told(steps):
    known, now = Known(), START
    for passed_s, low, high in steps:
        for used in (low, high, low):
            now += timedelta(seconds=passed_s)
            known, new = judged(known, [Sample("claude", "Weekly", used, now, None, LENGTH)], now)
            assert new == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(STEPS, st.sampled_from([0.0, 80.0, 95.0])), max_size=20))
def test_h5_accounts_and_windows_know_nothing_of_one_another(steps):
    """Four windows of three accounts in one round are told as each of them alone."""
    names = [("claude", "Weekly"), ("claude", "Session (5h)"), ("claude@work", "Weekly"), ("codex", "Weekly")]
    rounds = [
        (now, [sample._replace(account=account, period=period) for account, period in names])
        for now, sample, _ in story([step for step, _ in steps])
    ]
    for (_, samples), (_, used) in zip(rounds, steps, strict=True):
        samples[1] = samples[1]._replace(utilization=used)
        samples[3] = samples[3]._replace(utilization=140 - used)
    alone = [told_of([(now, [samples[which]]) for now, samples in rounds]) for which in range(len(names))]
    assert sorted(told_of(rounds), key=repr) == sorted(itertools.chain(*alone), key=repr)


def told_of(rounds: Sequence[tuple[datetime, list[Sample]]]) -> list[Alert]:
    known, told = Known(), []
    for now, samples in rounds:
        known, new = judged(known, samples, now)
        told += new
    return told
