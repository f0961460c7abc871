"""Rows D of the reliability list, for all five vendors at once: what a hostile or broken network cannot do."""

import json
import os
import re
import socket
import subprocess
import threading
from pathlib import Path

import homes
import pytest
from e2e import faults
from e2e.measured import measured
from vendors import MIB, Answer, World, gzip_bomb, redirect

from vibeusage import cli, gate, programs

MEMORY_MIB = 150
STRAY = re.compile(r"(GH|GITHUB|GEMINI|GOOGLE|CODEX|CURSOR|OPENAI)_\w+|NETRC|\w+_PROXY|\w+_proxy|SSL_CERT_\w+")
BESIDE = ("POST", "api2.cursor.sh", "/aiserver.v1.DashboardService/GetCurrentPeriodUsage")


@pytest.fixture
def world(home, monkeypatch):
    """All five logged in and all vendors well; no program of a vendor is installed."""
    for name in filter(STRAY.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setattr(programs, "find", lambda name, environ: None)
    homes.five_logins(home)
    with World() as made:
        homes.five_answers(made)
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def configure(config_dir):
    def write(text: str) -> None:
        config_dir.mkdir(mode=0o700, exist_ok=True)
        (config_dir / "config.toml").write_text(text)

    return write


@pytest.fixture
def outcomes(capsys):
    """`vibeusage refresh --json`: its exit code and its outcomes by account; never a traceback or a secret."""

    def ask(*names: str) -> tuple[int, dict[str, dict]]:
        code = cli.main(["refresh", "--json", *names])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert not re.search(r"invented-(claude|copilot|gemini)|eyJ|canary", said.out + said.err)
        return code, {outcome["provider_id"]: outcome for outcome in json.loads(said.out)["outcomes"]}

    return ask


def categories(outcomes: dict[str, dict]) -> dict[str, str]:
    return {name: outcome.get("error", {}).get("category", "") for name, outcome in outcomes.items()}


def shown(outcomes: dict[str, dict]) -> dict[str, dict[str, float]]:
    """Percent used by period of the accounts that have numbers, fresh or kept."""
    numbers = {name: outcome["snapshot"]["periods"] for name, outcome in outcomes.items() if "snapshot" in outcome}
    return {name: {one["name"]: one["utilization"] for one in periods} for name, periods in numbers.items()}


def every(category: str) -> dict[str, str]:
    return dict.fromkeys(homes.HOSTS, category)


def play(world: World, answer: Answer) -> None:
    """Every vendor gives this one answer to every request for numbers."""
    for route in (*homes.USAGE.values(), BESIDE):
        world.on(*route, answer)


def stored(cache_dir: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (cache_dir / "snapshots").iterdir()}


# D1

ENDLESS = [
    pytest.param(Answer(repeat_bytes=10_000, drip_s=0.05), id="a byte now and then"),
    pytest.param(Answer(json=1, slow_headers_s=0.1), id="slow head", marks=pytest.mark.slow),
    pytest.param(None, id="no handshake", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("answer", ENDLESS)
def test_d1_the_deadline_is_for_all_of_a_providers_requests_together(world, cache_dir, configure, outcomes, answer):
    outcomes()
    before = stored(cache_dir)
    configure("[fetch]\ntimeout_s = 1\n")
    if answer:
        play(world, answer)
    else:
        for host in (*homes.HOSTS.values(), "api2.cursor.sh"):
            world.stall_tls(host)
    code, found = outcomes()
    assert (code, categories(found)) == (3, every("network"))
    spent_ms = {name: sum(one["duration_ms"] for one in outcome["attempts"]) for name, outcome in found.items()}
    assert [name for name, spent in spent_ms.items() if spent > 10_000] == []  # the answers would take minutes
    assert stored(cache_dir) == before


@pytest.mark.slow
def test_d1_a_silent_name_server_holds_nobody_beyond_the_deadline(world, monkeypatch, configure, outcomes):
    silent, ended = threading.Event(), threading.Event()

    def look_up(*args, **kwargs):
        silent.wait(60)
        ended.set()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    for name in filter(re.compile(r".*proxy", re.IGNORECASE).fullmatch, world.environ):
        monkeypatch.delenv(name)
    configure("[fetch]\ntimeout_s = 1\n")
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", look_up)
        code, found = outcomes()
    assert (code, categories(found), ended.is_set()) == (3, every("network"), False)
    silent.set()


# D2


@pytest.mark.slow
def test_d2_bombs_of_every_kind_cost_no_memory(world, config_dir, vibeusage):
    bombs = {
        "claude": gzip_bomb(1024),
        "codex": gzip_bomb(1024, layers=3),
        "copilot": Answer(repeat_bytes=1024 * MIB, headers={"content-encoding": "br"}),
        "cursor": Answer(repeat_bytes=1024 * MIB, headers={"content-encoding": "zstd"}),
        "gemini": Answer(repeat_bytes=1 << 40, announced=False),
    }
    for name, bomb in bombs.items():
        world.on(*homes.USAGE[name], bomb)
    run = measured([*faults.PROGRAM, "refresh", "--json"], _environ(world))
    found = {outcome["provider_id"]: outcome for outcome in json.loads(run.stdout)["outcomes"]}
    assert (run.code, run.stderr, categories(found)) == (1, b"", every("parse"))
    assert run.peak_mib < MEMORY_MIB


def _environ(world: World, **more: str) -> dict[str, str]:
    """For a child: this process's own home and folders."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("HOME", "VIBEUSAGE_", "LANG"))}
    return {**kept, "PATH": "/usr/bin:/bin", **world.environ, **more}


# D3

LOCATIONS = {
    "another host": "https://elsewhere.example/",
    "another host without a scheme": "//elsewhere.example/",
    "another port": "https://{host}:8443/",
    "plain http": "http://{host}/",
    "a file": "file:///etc/passwd",
    "an address": "https://[2001:db8::7]/",
    "this machine": "http://127.0.0.1:{sink}/",
    "this machine by its new address": "http://[::1]:{sink}/",
    "a user of another host": "https://{host}@elsewhere.example/",
    "a user of the same host": "https://canary:canary@{host}/",
    "itself": "https://{host}{path}",
    "no address": "https://[",
}


@pytest.mark.parametrize("location", LOCATIONS.values(), ids=list(LOCATIONS))
def test_d3_nothing_is_sent_where_a_redirect_leads(world, outcomes, location):
    with socket.create_server(("127.0.0.1", 0)) as sink:
        sink.setblocking(False)
        for method, host, path in (*homes.USAGE.values(), BESIDE):
            to = location.format(host=host, path=path, sink=sink.getsockname()[1])
            world.on(method, host, path, redirect(to, 307))
        code, found = outcomes()
        with pytest.raises(BlockingIOError):
            sink.accept()
    assert (code, categories(found)) == (1, every("parse"))
    assert {*world.connects} == {f"{host}:443" for host in (*homes.HOSTS.values(), BESIDE[1])}
    assert world.unknown == []
    asked = [(request.method, request.host, request.path) for request in world.requests]
    assert [route for route in (*homes.USAGE.values(), BESIDE) if asked.count(route) != 1] == []


# D4


def test_d4_flawed_certificates_get_no_request_at_all(world, cache_dir, outcomes):
    outcomes()
    before, count = stored(cache_dir), len(world.requests)
    flaws = ("expired", "self-signed", "wrong-name", "expired", "self-signed", "wrong-name")
    for host, flaw in zip((*homes.HOSTS.values(), BESIDE[1]), flaws, strict=True):
        world.certificate(host, flaw)
    code, found = outcomes()
    assert (code, categories(found)) == (3, every("network"))
    assert [name for name, outcome in found.items() if "does not prove" not in outcome["error"]["message"]] == []
    assert (len(world.requests), stored(cache_dir)) == (count, before)


def test_d4_without_its_ca_no_vendor_is_told_anything(world, monkeypatch, outcomes):
    monkeypatch.delenv("SSL_CERT_FILE")
    code, found = outcomes()
    assert (code, categories(found), world.requests) == (3, every("network"), [])
    assert {"SSL_CERT_FILE" in outcome["error"]["hint"] for outcome in found.values()} == {True}


@pytest.mark.parametrize(
    "text",
    [
        "verify = false",
        "[fetch]\nverify = false",
        "[fetch]\ninsecure = true",
        "[providers.claude]\nverify = false",
        "[providers.claude]\nssl_verify = false",
        "[credentials]\nverify = false",
    ],
)
def test_d4_no_setting_switches_verification_off(world, configure, capsys, text):
    configure(text)
    assert cli.main(["refresh"]) == 4
    assert "config.toml" in capsys.readouterr().err
    assert world.connects == []


# D5


def test_d5_logins_of_other_tools_never_go_to_another_address(world, configure, outcomes):
    configure("".join(f'[providers.{name}]\nbase_url = "https://proxy.example"\n' for name in homes.HOSTS))
    code, found = outcomes(*homes.HOSTS)
    # editors have a login per host, and none for that one
    assert (code, categories(found)) == (4, every("configuration") | {"copilot": "not_configured"})
    assert world.connects == []


def test_d5_a_login_of_our_own_goes_to_the_address_it_is_given_and_to_no_other(world, config_dir, outcomes):
    faults.log_in(config_dir, "https://proxy.example/v1/")
    world.on("GET", "proxy.example", "/v1/api/oauth/usage", Answer(json=homes.documents()["claude"]))
    code, found = outcomes("claude")
    assert (code, categories(found)) == (0, {"claude": ""})
    assert [(request.host, request.headers["authorization"]) for request in world.requests] == [
        ("proxy.example", "Bearer t0ken")
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example",
        "https://user:canary@proxy.example",
        "https://api.anthropic.com%2f@proxy.example",
        "https://proxy.example\\@api.anthropic.com",
        "https://proxy.example/?u=canary",
        "https://proxy.example/#api.anthropic.com",
        "file:///etc/passwd",
        "https://",
    ],
)
def test_d5_an_address_that_may_mean_another_is_refused(world, config_dir, configure, capsys, url):
    faults.log_in(config_dir, "https://proxy.example")
    configure(f"[providers.claude]\nbase_url = '{url}'\n")
    assert cli.main(["refresh"]) == 4
    said = capsys.readouterr().err
    assert ("base_url" in said, "canary" in said, world.connects) == (True, False, [])


# D6


def test_d6_netrc_gives_no_vendor_a_password(world, home, monkeypatch, outcomes):
    hosts = "".join(f"machine {host} login canary password canary\n" for host in homes.HOSTS.values())
    (home / ".netrc").write_text(hosts + "default login canary password canary\n")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
    code, found = outcomes()
    assert (code, categories(found)) == (0, every(""))
    assert "canary" not in str(world.requests)


def test_d6_the_password_of_a_proxy_is_nowhere_but_in_the_variable(world, cache_dir, config_dir, monkeypatch, outcomes):
    for name, value in world.environ.items():
        if name.upper().endswith("_PROXY"):
            monkeypatch.setenv(name, value.replace("//", "//user:canary@"))
    assert outcomes()[0] == 0
    for host in (*homes.HOSTS.values(), BESIDE[1]):
        world.refuse(host)
    code, found = outcomes()  # which looks for the canary in all that is printed
    assert (code, categories(found)) == (3, every("network"))
    assert "canary" not in str(world.requests)
    assert [name for name, data in faults.snapshot_of(cache_dir).items() if b"canary" in data] == []


def test_d6_doctor_shows_the_proxy_without_its_password(monkeypatch, capsys):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary@proxy.example:3128")
    cli.main(["doctor", "--no-color"])
    said = capsys.readouterr()
    assert re.search(r"HTTPS_PROXY\s+http://\S+:3128\n", said.out)
    assert ("canary" in said.out + said.err, "Traceback" in said.err) == (False, False)


# D7


def test_d7_accounts_share_neither_cookies_nor_connections(world, tmp_path, configure, outcomes):
    other = homes.write_json(
        tmp_path / "work/.credentials.json",
        {"claudeAiOauth": {"accessToken": "sk-ant-oat01-other", "scopes": ["user:profile"]}},
    )
    configure(f"[providers.'claude@work']\nconfig_dir = '{other.parent}'\n")

    def answer(request):
        named = request.headers["authorization"].removeprefix("Bearer sk-ant-oat01-")
        cookies = (f"whose={named}; Path=/", f"everywhere={named}; Path=/; Domain=anthropic.com; Secure")
        return Answer(json=homes.documents()["claude"], set_cookie=cookies)

    world.on(*homes.USAGE["claude"], answer)
    world.on("GET", homes.HOSTS["claude"], "/api/oauth/profile", answer)
    for _ in range(2):
        code, found = outcomes("claude")
        assert (code, sorted(found)) == (0, ["claude", "claude@work"])
    firsts = [request.headers for request in world.requests if request.path == "/api/oauth/usage"]
    assert sorted((headers["authorization"], headers.get("cookie")) for headers in firsts) == [
        ("Bearer sk-ant-oat01-invented-claude", None),
        ("Bearer sk-ant-oat01-invented-claude", None),
        ("Bearer sk-ant-oat01-other", None),
        ("Bearer sk-ant-oat01-other", None),
    ]
    strangers = {"other": "invented-claude", "invented-claude": "other"}
    for request in world.requests:
        mine = request.headers["authorization"].removeprefix("Bearer sk-ant-oat01-")
        assert strangers[mine] not in request.headers.get("cookie", "")
    assert len(world.connects) == 4


# D8

BODIES = {
    "login page": Answer(body=b"<!DOCTYPE html><title>Log in</title>", headers={"content-type": "text/html"}),
    "empty": Answer(),
    "no content": Answer(status=204),
    "blanks": Answer(repeat_bytes=100),
    "cut short": Answer(body=b'{"five_hour": {"utilization": 4'),
    "null": Answer(body=b"null"),
    "a list": Answer(body=b"[]"),
    "a number": Answer(body=b"0"),
    "a word": Answer(body=b'"ok"'),
    "nothing in it": Answer(body=b"{}"),
    "an error of theirs": Answer(body=b'{"error": {"type": "overloaded"}}'),
    "NaN": Answer(body=b'{"five_hour": {"utilization": NaN}}'),
    "nested deeply": Answer(body=b"[" * 100_000 + b"]" * 100_000),
    "objects nested deeply": Answer(body=b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "not UTF-8": Answer(body=b'{"a": "\xff\xfe\xc3"}'),
    "a mark before it": Answer(body=b"\xef\xbb\xbf{}"),
    "UTF-16": Answer(body='{"five_hour": null}'.encode("utf-16")),
    "zeros": Answer(body=bytes(1000)),
}


@pytest.mark.parametrize("answer", BODIES.values(), ids=list(BODIES))
def test_d8_garbage_is_a_named_error_and_the_last_numbers_stay(world, cache_dir, outcomes, answer):
    outcomes()
    before = stored(cache_dir)
    play(world, answer)
    code, found = outcomes()
    # to a page, Cursor's dashboard means that one has to log in
    pages = {"cursor": "authentication"} if answer.body.startswith(b"<") else {}
    assert (code, categories(found)) == (1, every("parse") | pages)
    assert stored(cache_dir) == before
    assert shown(found) == homes.USED


NUMBERS = ("-5", "1e308", "1e999", "1" + "0" * 400, "NaN", "true", '"many"', "null", "[]", "{}")
TIMES = (
    *('"9999-12-31T23:59:59Z"', '"0001-01-01T00:00:00Z"', '"2026-10-01T00:00:00"', '"99999-01-01T00:00:00Z"'),
    *('"tomorrow"', '"0000-00-00"', "1e308", "true", "[]"),
)
SPOILED = [
    *(pytest.param(r"(?<=: )\d+(\.\d+)?(?=[,}\]])", raw, id=f"numbers are {raw[:9]}") for raw in NUMBERS),
    *(pytest.param(r'(?<=: )"\d{4}-\d\d-\d\d[^"]*"|(?<=_at": )\d+', raw, id=f"times are {raw[:9]}") for raw in TIMES),
]


@pytest.mark.parametrize(("what", "raw"), SPOILED)
def test_d8_a_spoiled_value_is_never_shown_as_a_number(world, outcomes, what, raw):
    for name, document in homes.documents().items():
        spoiled, count = re.subn(what, raw, json.dumps(document))
        assert count
        world.on(*homes.USAGE[name], Answer(body=spoiled.encode()))
    code, found = outcomes()
    assert code in (0, 1, 5)
    assert {*categories(found).values()} <= {"", "parse"}
    for name, periods in shown(found).items():
        wrong = {label: used for label, used in periods.items() if used != homes.USED[name][label]}
        assert raw == "-5" or not wrong
        assert {*wrong.values()} <= {105.0, 600.0}  # so much is used when five less than nothing is left


# D11


def test_d11_without_any_network_the_old_numbers_stay(world, cache_dir, require, outcomes):
    outcomes()
    before = stored(cache_dir)
    names = [name for name in world.environ if name.upper().endswith("_PROXY")]
    alone = [*faults.namespace(require, "-Urn"), *faults.PROGRAM, "refresh", "--json"]
    environ = {name: value for name, value in _environ(world).items() if name not in names}
    done = subprocess.run(alone, env=environ, capture_output=True, timeout=60, check=False)
    found = {outcome["provider_id"]: outcome for outcome in json.loads(done.stdout)["outcomes"]}
    assert (done.returncode, done.stderr, categories(found)) == (3, b"", every("network"))
    _offline(found, before, cache_dir)


def test_d11_a_closed_door_is_no_failure_of_the_vendor(world, cache_dir, monkeypatch, outcomes):
    outcomes()
    before = stored(cache_dir)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for name in world.environ:
        if name.upper().endswith("_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    code, found = outcomes()
    assert (code, categories(found)) == (3, every("network"))
    _offline(found, before, cache_dir)


def _offline(found: dict[str, dict], before: dict[str, bytes], cache_dir: Path) -> None:
    assert [name for name, outcome in found.items() if "cannot be reached" not in outcome["error"]["message"]] == []
    assert [name for name, one in found.items() if any(each["duration_ms"] > 10_000 for each in one["attempts"])] == []
    assert stored(cache_dir) == before
    gates = {name: (one.offline, one.failed_at) for name, one in gate.load().items()}
    assert gates == dict.fromkeys(homes.HOSTS, (1, ()))


# D12

AGENTS = {
    "api.anthropic.com": "claude-code/2.1.330",
    "chatgpt.com": "codex-cli",
    "api.github.com": "GitHubCopilotChat/0.26.7",
    "cursor.com": "vibeusage",
    "api2.cursor.sh": "vibeusage",
    "cloudcode-pa.googleapis.com": "vibeusage",
}


def test_d12_an_agent_is_the_same_for_everybody_and_names_nobody(world, home, monkeypatch, outcomes):
    outcomes()
    for name in ("USER", "LOGNAME", "HOSTNAME", "EMAIL", "COMPUTERNAME"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setattr(socket, "gethostname", lambda: "canary")
    world.on(*homes.USAGE["cursor"], Answer(status=501))
    outcomes()
    assert {(request.host, request.headers["user-agent"]) for request in world.requests} == set(AGENTS.items())
    assert "canary" not in str(world.requests)
    assert {name for request in world.requests for name in request.headers if name.startswith("x-")} == {
        "x-github-api-version"
    }
