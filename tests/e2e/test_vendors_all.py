"""All five vendors at once, by their real names over real TLS: what each is sent, and that none can harm the others."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import homes
import msgspec
import pytest
from e2e import faults
from e2e.measured import measured
from vendors import MIB, Answer, Request, World, redirect

from vibeusage import cache

DEADLINE_S = 15  # the usual one: five answers at once, one of them a flood, on a machine that is busy otherwise, too
MEMORY_MIB = 150
FAULTS = {
    "good": None,
    "hangs": Answer(hang=True),
    "crashes": None,
    "floods": Answer(repeat_bytes=200 * MIB),
    "redirects": redirect("https://elsewhere.example/usage"),
}
SAID = {"good": None, "hangs": "network", "crashes": "error", "floods": "parse", "redirects": "parse"}
PARSERS = {
    "claude": "vibeusage.providers.claude.parse_usage",
    "codex": "vibeusage.providers.codex.parse_usage",
    "copilot": "vibeusage.providers.copilot.parse_usage",
    "cursor": "vibeusage.providers.cursor.parse_summary",
    "gemini": "vibeusage.providers.gemini.parse_quota",
}
# the program, with a mistake of ours put into the function named first
CRASHING = """
import importlib, sys
module, _, name = sys.argv.pop(1).rpartition(".")
def crash(*args):
    raise KeyError("a mistake of ours")
setattr(importlib.import_module(module), name, crash)
from vibeusage.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def world():
    with World() as made:
        homes.five_answers(made)
        yield made


@pytest.fixture
def environ(home, world) -> dict[str, str]:
    """Of a fresh home: nothing but where it is, which programs there are, and the way to the world."""
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **world.environ}


def requests(tokens: dict[str, str]) -> set[tuple]:
    """Every request of a round: host, method, path, query, headers beside those of all, body."""
    claude = {"authorization": f"Bearer {tokens['claude']}", "anthropic-beta": "oauth-2025-04-20"}
    codex = {"authorization": f"Bearer {tokens['codex']}", "chatgpt-account-id": "acct-invented"}
    copilot = {
        "authorization": f"token {tokens['copilot']}",
        "editor-version": "vscode/1.96.2",
        "editor-plugin-version": "copilot-chat/0.26.7",
        "x-github-api-version": "2025-04-01",
    }
    cursor = {"cookie": f"WorkosCursorSessionToken={homes.USER}%3A%3A{tokens['cursor']}"}
    typed = {"content-type": "application/json"}
    gemini = {"authorization": f"Bearer {tokens['gemini']}", **typed}
    client = b'{"metadata":{"ideType":"GEMINI_CLI","platform":"PLATFORM_UNSPECIFIED","pluginType":"GEMINI"}}'
    bot = {**cursor, **typed, "origin": "https://cursor.com"}
    quota = b'{"project":"proj-invented"}'
    return {
        asked("GET", "api.anthropic.com", "/api/oauth/usage", "", claude, b""),
        asked("GET", "api.anthropic.com", "/api/oauth/profile", "", claude, b""),
        asked("GET", "chatgpt.com", "/backend-api/wham/usage", "", codex, b""),
        asked("GET", "api.github.com", "/copilot_internal/user", "", copilot, b""),
        asked("GET", "cursor.com", "/api/usage-summary", "", cursor, b""),
        asked("GET", "cursor.com", "/api/auth/me", "", cursor, b""),
        asked("GET", "cursor.com", "/api/usage", f"user={homes.USER}", cursor, b""),
        asked("POST", "cursor.com", "/api/dashboard/get-sand-usage-status", "", bot, b"{}"),
        asked("POST", "cloudcode-pa.googleapis.com", "/v1internal:loadCodeAssist", "", gemini, client),
        asked("POST", "cloudcode-pa.googleapis.com", "/v1internal:retrieveUserQuota", "", gemini, quota),
    }


def asked(method: str, host: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple:
    return method, host, path, query, tuple(sorted(headers.items())), body


def seen(request: Request) -> tuple:
    """The same of a request that arrived; what it must have beside that is checked here."""
    headers = dict(request.headers)
    usual = {name: headers.pop(name) for name in ("host", "accept", "accept-encoding", "connection")}
    assert usual == {
        "host": request.host,
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
    }
    assert (request.scheme, request.port, request.sni) == ("https", 443, request.host)
    assert int(headers.pop("content-length", 0)) == len(request.body)
    headers.pop("user-agent")  # row D12
    return asked(request.method, request.host, request.path, request.query, headers, request.body)


def snapshots(home: Path) -> dict[str, dict[str, float]]:
    folder = home / ".cache/vibeusage/snapshots"
    stored = {path.stem: msgspec.json.decode(path.read_bytes(), type=cache.Stored) for path in folder.iterdir()}
    return {name: {one.name: one.utilization for one in kept.snapshot.periods} for name, kept in stored.items()}


def times(home: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of each login file."""
    paths = [path for path in home.rglob("*") if path.is_file() and "vibeusage" not in str(path.relative_to(home))]
    return {str(path): (path.read_bytes(), path.stat().st_ctime_ns) for path in paths}


def test_login_files_alone_fill_the_cache_of_all_five(home, world, environ):
    tokens = homes.five_logins(home)
    before = times(home)
    done = subprocess.run([*faults.PROGRAM, "refresh"], env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert snapshots(home) == homes.USED
    shown = subprocess.run([*faults.PROGRAM, "line", "plain"], env=environ, capture_output=True, check=True)
    assert all(name in shown.stdout.decode() for name in homes.HOSTS)

    assert {seen(request) for request in world.requests} == requests(tokens)
    assert (len(world.requests), world.unknown) == (len(requests(tokens)), [])
    assert world.hosts == set(homes.HOSTS.values())
    assert times(home) == before
    stored = b"".join(path.read_bytes() for path in (home / ".cache").rglob("*") if path.is_file())
    assert [name for name, token in tokens.items() if token.encode() in stored + done.stdout + shown.stdout] == []


def test_no_socket_leads_anywhere_but_to_the_proxy(home, world, environ, require):
    homes.five_logins(home)
    command = [*faults.PROGRAM, "refresh"]
    run = faults.traced(require, ["-f", "-e", "trace=connect,sendto,sendmsg"], command, env=_only(environ))
    assert run.code == 0
    port = re.search(r":(\d+)$", environ["HTTPS_PROXY"])
    assert port is not None
    ways = re.findall(r"sa_family=(\w+)(?:, sin6?_port=htons\((\d+)\))?", run.calls)
    assert {*ways} - {("AF_UNIX", "")} == {("AF_INET", port[1])}


def _only(environ: dict[str, str]) -> dict[str, str]:
    """For a caller that adds to our own environment: its folders emptied, so that the home's are in force."""
    return {**{name: "" for name in os.environ if name.startswith("VIBEUSAGE_")}, **environ}


def test_all_five_are_asked_at_the_same_time(home, world, environ):
    homes.five_logins(home)
    world.hold()
    child = subprocess.Popen([*faults.PROGRAM, "refresh", "--quiet"], env=environ)
    assert world.arrived(len(homes.HOSTS))
    assert {request.host for request in world.requests} == set(homes.HOSTS.values())
    world.release()
    assert child.wait(60) == 0
    assert snapshots(home) == homes.USED


def turned(by: int) -> dict[str, str]:
    """What each provider does: the same five things, begun with another provider each time."""
    names = list(homes.HOSTS)
    return dict(zip(names[by:] + names[:by], FAULTS, strict=True))


CASES = [
    pytest.param(turned(by), id=f"{list(homes.HOSTS)[by]} is well", marks=[pytest.mark.slow] if by else [])
    for by in range(len(homes.HOSTS))
]


@pytest.mark.slow
@pytest.mark.parametrize("does", CASES)
def test_one_that_hangs_crashes_floods_or_leads_away_harms_no_other(home, world, environ, does):
    homes.five_logins(home)
    _settings(home, f"[fetch]\ntimeout_s = {DEADLINE_S}\n")
    for name, what in does.items():
        if answer := FAULTS[what]:
            world.on(*homes.USAGE[name], answer)
    crashing = next(PARSERS[name] for name, what in does.items() if what == "crashes")
    run = measured([sys.executable, "-P", "-c", CRASHING, crashing, "refresh", "--json"], environ)

    outcomes = {outcome["provider_id"]: outcome for outcome in json.loads(run.stdout)["outcomes"]}
    assert {name: outcome.get("error", {}).get("category") for name, outcome in outcomes.items()} == {
        name: SAID[what] for name, what in does.items()
    }
    assert (run.code, run.stderr) == (5, b"")
    well = next(name for name, what in does.items() if what == "good")
    assert snapshots(home) == {well: homes.USED[well]}
    assert "elsewhere.example" not in world.hosts
    assert run.took_s < DEADLINE_S + 10  # nobody waits for a hanging one; the figure is for reading
    print(f"\n{run.took_s:.2f} s, of which our own {run.cpu_s:.2f} s; {run.peak_mib:.0f} MiB at most")
    assert run.peak_mib < MEMORY_MIB


@pytest.mark.slow
def test_a_round_takes_as_long_as_its_slowest_answer(home, world, environ):
    homes.five_logins(home)
    slowest_s = 1.0
    for name, document in homes.documents().items():
        world.on(*homes.USAGE[name], Answer(json=document, delay_s=slowest_s))
    run = measured([*faults.PROGRAM, "refresh", "--quiet"], environ)
    assert run.code == 0
    print(f"\n{run.took_s:.2f} s for answers of {slowest_s} s, of which our own {run.cpu_s:.2f} s")
    assert run.took_s < slowest_s * len(homes.HOSTS)  # one after the other they would take this long at least
    assert run.peak_mib < MEMORY_MIB


def _settings(home: Path, text: str) -> None:
    folder = home / ".config/vibeusage"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)
