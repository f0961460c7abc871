"""Each exit code by the real executable, with real vendors' names over TLS; each JSON document by its schema."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from documents import valid
from homes import HOSTS, USAGE, five_answers, five_logins
from vendors import Answer, World

PROGRAM = [str(Path(sys.executable).with_name("vibeusage"))]
if not Path(PROGRAM[0]).exists():
    PROGRAM = [sys.executable, "-P", "-m", "vibeusage"]


@pytest.fixture
def world():
    with World() as made:
        yield made


@pytest.fixture
def run(world):
    def start(*args, env=None, stdin=b""):
        environ = {**os.environ, **world.environ, **(env or {})}
        return subprocess.run([*PROGRAM, *args], input=stdin, capture_output=True, env=environ, timeout=60, check=False)

    return start


@pytest.fixture
def five(world, home):
    five_logins(home)
    five_answers(world)


def fail(world, *names, answer):
    for name in names:
        world.on(*USAGE[name], answer)


def test_0_all_answered(five, run):
    done = run("refresh")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == [
        "claude: Session (5h) 37%, Weekly 12.5%",
        "codex: Session (5h) 14%, Weekly 52.5%",
        "copilot: Premium 26%",
        "cursor: Total 41.5%, Auto 30%, API 53%",
        "gemini: Pro 18%, Flash 3.5%",
    ]
    assert run("usage").returncode == 0


def test_1_an_answer_nobody_understands(five, world, run):
    fail(world, "claude", answer=Answer(body=b"<html>"))
    done = run("refresh", "claude")
    assert done.returncode == 1
    assert done.stderr.startswith(b"claude: Claude sent an answer we do not understand")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param(["refresh"], "has no login on this machine", id="refresh"),
        pytest.param(["usage"], "looked in", id="usage"),
        pytest.param([], "vibeusage demo", id="no command"),
        pytest.param(["codex"], "codex login", id="one provider"),
        pytest.param(["auth", "codex"], "codex login", id="auth"),
    ],
)
def test_2_without_any_login(run, args, said):
    done = run(*args)
    assert done.returncode == 2
    assert said in (done.stderr + done.stdout).decode()


@pytest.mark.parametrize("status", [401, 403])
def test_2_a_refused_login(five, world, run, status):
    fail(world, "gemini", answer=Answer(status=status, json={"error": "no"}))
    assert run("refresh", "gemini").returncode == 2


@pytest.mark.parametrize(
    "answer", [pytest.param(Answer(status=503), id="down"), pytest.param(Answer(status=429), id="too often")]
)
def test_3_the_network_or_the_vendor(five, world, run, answer):
    fail(world, "codex", answer=answer)
    done = run("refresh", "codex", env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 3
    assert done.stderr.startswith(b"codex: ")


def test_3_no_way_out(five, run):
    dead = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:9")
    assert run("refresh", "claude", env=dead).returncode == 3


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["--nonsense"], id="option"),
        pytest.param(["nobody"], id="provider"),
        pytest.param(["refresh", "claude@nobody"], id="account"),
        pytest.param(["config", "set", "fetch.timeout_s", "0"], id="value"),
        pytest.param(["install", "nowhere"], id="target"),
        pytest.param(["key", "claude", "set", "sk-ant-secret-canary"], id="a secret as an argument"),
    ],
)
def test_4_bad_usage_is_one_sentence(run, args):
    done = run(*args)
    assert done.returncode == 4
    assert done.stderr.startswith(b"vibeusage: ")
    assert b"canary" not in done.stdout + done.stderr


def test_4_a_mistake_in_the_settings(run, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text("[fetch]\ntimeout_s = 0\n")
    assert [run(*args).returncode for args in (["usage"], ["refresh"], ["config", "show"])] == [4, 4, 4]
    assert run("line", "plain").returncode == 0


def test_5_some_answered(five, world, run):
    fail(world, "claude", answer=Answer(status=503))
    done = run("refresh")
    assert done.returncode == 5
    assert b"codex: " in done.stdout
    assert done.stderr.startswith(b"claude: ")
    shown = run("usage", env={"COLUMNS": "100"})
    assert shown.returncode == 5
    assert "api.anthropic.com answered 503" in shown.stdout.decode()


@pytest.mark.parametrize("args", [pytest.param(["refresh"], id="refresh"), pytest.param(["usage"], id="usage")])
def test_130_ctrl_c_while_asking(five, world, args, cache_dir):
    world.hold()
    running = subprocess.Popen(
        [*PROGRAM, *args],
        env={**os.environ, **world.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert world.arrived(1)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=20)
    world.release()
    assert (running.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    assert not (cache_dir / "snapshots").exists()


DOCUMENTS = [
    pytest.param(["--json"], "usage-many", id="usage"),
    pytest.param(["claude", "--json"], "usage-one", id="usage of one"),
    pytest.param(["refresh", "--json"], "refresh", id="refresh"),
    pytest.param(["cache", "show", "--json"], "cache", id="cache"),
    pytest.param(["auth", "--status", "--json"], "auth", id="auth"),
    pytest.param(["key", "--json"], "key", id="key"),
    pytest.param(["alerts", "--json"], "alerts", id="alerts"),
    pytest.param(["doctor", "--json"], "doctor", id="doctor"),
    pytest.param(["status", "--json"], "status", id="status"),
    pytest.param(["config", "show", "--json"], "config", id="config"),
    pytest.param(["config", "path", "--json"], "paths", id="config path"),
    pytest.param(["line", "json"], "line", id="line"),
    pytest.param(["report", "--json"], "report", id="report"),
    pytest.param(["report", "blocks", "--json"], "report", id="report of blocks"),
    pytest.param(["report", "activity", "--json"], "report-activity", id="report of activity"),
    pytest.param(["report", "insights", "--json"], "report-insights", id="report of insights"),
    pytest.param(["records", "sync", "--json"], "records-sync", id="records sync"),
    pytest.param(["records", "show", "--json"], "records-show", id="records show"),
    pytest.param(["records", "prices", "--json"], "records-prices", id="records prices"),
    pytest.param(["history", "--json"], "history", id="history"),
    pytest.param(["providers", "--all", "--json"], "providers", id="providers"),
    pytest.param(["plugin", "--json"], "plugin", id="plugin"),
    pytest.param(["db", "path", "--json"], "db-path", id="db path"),
    pytest.param(["db", "check", "--json"], "db-check", id="db check"),
]


@pytest.mark.parametrize(
    "state", ["good", pytest.param("fresh", marks=pytest.mark.slow), pytest.param("failing", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("args", "name"), DOCUMENTS)
def test_every_json_document_is_of_its_schema(state, args, name, world, home, run):
    if state != "fresh":
        five_logins(home)
        five_answers(world)
        world.on("GET", "status.claude.com", "/api/v2/status.json", Answer(json={"status": {"indicator": "minor"}}))
        assert run("refresh", "--quiet").returncode == 0
    if state == "failing":
        fail(world, *HOSTS, answer=Answer(status=500, headers={"retry-after": "9"}))
        assert run("refresh", "--quiet", env={"PATH": "/usr/bin:/bin"}).returncode == 3
    done = run(*args, env={"PATH": "/usr/bin:/bin"})
    assert b"Traceback" not in done.stderr
    if name == "usage-one" and state == "fresh":
        name = "usage-many"  # nothing is known of it: the error says so
    valid(done.stdout, name)
    assert done.stdout.count(b"\n") == 1 or args[0] in ("config", "doctor", "auth", "key", "status")


@pytest.mark.parametrize(
    "args",
    [["claude@nobody", "--json"], ["-j", "refresh", "nobody"], ["status", "nobody", "--json"], ["auth", "x", "-j"]],
    ids=" ".join,
)
def test_an_error_in_place_of_a_json_document_is_one_too(args, run):
    done = run(*args)
    told = valid(done.stdout, "error")
    assert (done.returncode, told["error"]["category"]) == (4, "configuration")
    assert told["error"]["message"] in done.stderr.decode()
