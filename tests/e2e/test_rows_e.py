"""Rows E1-E5, E7 and E11-E13 of the reliability list by the real program: secrets stay where they are."""

import base64
import dataclasses
import hashlib
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import homes
import pytest
from e2e import faults
from homes import HOSTS, USER, write_json
from vendors import Answer, Request, World

from vibeusage import paths
from vibeusage.credentials import Login

DATABASE = ".config/Cursor/User/globalStorage/state.vscdb"
TOKEN_ENDPOINTS = {
    "platform.claude.com",
    "console.anthropic.com",
    "auth.openai.com",
    "oauth2.googleapis.com",
    "api2.cursor.sh",
    "github.com",
}

# every Python of ours leaves its words and variables in a file, and logs all that any library would log
CUSTOMIZE = """
import json, logging, os, sys
with open(f"{folder}/python.{{os.getpid()}}", "w") as dump:
    json.dump([sys.orig_argv, dict(os.environ)], dump)
logging.basicConfig(filename="{folder}/log", level=0)
"""

# a vendor's program that does the same, then says what it is told
FAKE = """#!/bin/sh
{{ tr '\\0' '\\n' </proc/$$/cmdline; tr '\\0' '\\n' </proc/$$/environ; }} >"{folder}/{name}.$$"
echo '{answer}'
"""

# runs `vibeusage ARGS` with one function replaced by one whose error holds all that it was given
FORCED = """
import importlib, sys
module, name, error = sys.argv[1:4]
sys.argv[1:] = sys.argv[4:]
def fail(*args, **named):
    sent = named.get("headers", {})
    first = [sent.get("Authorization"), sent.get("Cookie"), *(getattr(one, "token", "") for one in args)]
    words = [*filter(None, first), *args, *named.values()]
    raise __builtins__.__dict__[error](" ".join(map(str, words)))
setattr(importlib.import_module(module), name, fail)
from vibeusage.__main__ import main
sys.exit(main())
"""

# becomes `vibeusage ARGS` with a cache of its own when the pipe closes, everything loaded before
CROWD = """
import os, sys
from vibeusage import http
from vibeusage.__main__ import main
from vibeusage.cli import refresh
os.environ["VIBEUSAGE_CACHE_DIR"] += "." + sys.argv[2]
os.read(int(sys.argv[1]), 1)
sys.argv[1:] = sys.argv[3:]
sys.exit(main())
"""


# the app: a new token in its journal, until it is killed
APP = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
with database:
    database.execute("UPDATE ItemTable SET value = ? WHERE key = 'cursorAuth/accessToken'", sys.argv[2:])
print("open", flush=True)
sys.stdin.read()
"""


class Secrets:
    """Secrets that are nowhere else in the world, by the place they were put in; `find` knows them in any form."""

    def __init__(self) -> None:
        self.needles: dict[bytes, str] = {}

    def __call__(self, place: str, prefix: str = "") -> str:
        halves = secrets.token_hex(6), secrets.token_hex(6)
        core = "+/".join(halves)  # halves: what is cut short or percent-coded is found as well
        forms = [*(half.encode() for half in halves), core.encode().hex().encode()]
        for shift in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                forms.append(encode(bytes(shift) + core.encode())[4:-4])
        self.needles |= dict.fromkeys(forms, place)
        return prefix + core

    def jwt(self, place: str, **claims: object) -> str:
        return homes.jwt(**claims).rpartition(".")[0] + "." + self(place)

    def find(self, data: bytes) -> set[str]:
        return {place for needle, place in self.needles.items() if needle in data}


@pytest.fixture
def secret() -> Secrets:
    return Secrets()


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def test_the_search_finds_a_secret_in_every_form(secret):
    found = [f"x{secret('a')}".encode(), b"?" + base64.b64encode(f"u:{secret('b')}".encode())]
    found.append(base64.urlsafe_b64encode(secret("c").encode()))
    found.append(secret("d").replace("+", "%2B").replace("/", "%2F").encode()[:14])
    assert [secret.find(text) for text in found] == [{"a"}, {"b"}, {"c"}, {"d"}]


# --- a home full of secrets


def plant_vendors(home: Path, secret: Secrets) -> None:
    """The credential files of all tools, with a secret in each field that may hold one."""
    later = int(time.time() + 86_400) * 1000
    scopes = ["user:profile", "user:inference"]
    oauth = {"accessToken": secret("claude", "sk-ant-oat01-"), "refreshToken": secret("claude refresh")}
    server = {"accessToken": secret("mcp"), "refreshToken": secret("mcp refresh"), "clientSecret": secret("mcp client")}
    document = {"claudeAiOauth": {**oauth, "expiresAt": later, "scopes": scopes}, "mcpOAuth": {"a server": server}}
    write_json(home / ".claude/.credentials.json", document)
    write_json(home / ".claude.json", {"primaryApiKey": secret("claude key"), "oauthAccount": {"accountUuid": "uu-id"}})
    tokens = {name: secret.jwt(f"codex {name}", sub="invented") for name in ("access_token", "id_token")}
    tokens |= {"refresh_token": secret("codex refresh"), "account_id": "acct-invented"}
    write_json(home / ".codex/auth.json", {"tokens": tokens, "OPENAI_API_KEY": secret("openai key")})
    for name in ("apps", "hosts"):
        write_json(
            home / f".config/github-copilot/{name}.json",
            {"github.com": {"user": "octo", "oauth_token": secret(f"copilot {name}", "gho_")}},
        )
    hosts = home / ".config/gh/hosts.yml"
    hosts.parent.mkdir()
    hosts.write_text(f"github.com:\n    user: octo\n    oauth_token: gho_{secret('gh')}\n")
    opencode = {"type": "oauth", "refresh": secret("opencode", "gho_"), "access": secret("opencode access")}
    write_json(home / ".local/share/opencode/auth.json", {"github-copilot": opencode})
    plant_cursor(home, secret.jwt("cursor", sub=f"auth0|{USER}"), secret("cursor refresh")).close()
    cli = {"accessToken": secret.jwt("agent", sub=f"auth0|{USER}"), "refreshToken": secret("agent refresh")}
    write_json(home / ".config/cursor/auth.json", cli)
    google = {"access_token": secret("gemini", "ya29."), "refresh_token": secret("gemini refresh")}
    google |= {"id_token": secret.jwt("gemini id", sub="1")}
    write_json(home / ".gemini/oauth_creds.json", {**google, "expiry_date": later})
    (home / ".netrc").write_text(f"default login me password {secret('netrc')}\n")


def plant_cursor(home: Path, token: str, refresh: str = "", *, journal: str = "delete") -> sqlite3.Connection:
    path = home / DATABASE
    path.parent.mkdir(parents=True)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA journal_mode={journal}")
    database.execute("CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
    items = {"cursorAuth/accessToken": token, "cursorAuth/refreshToken": refresh}
    database.executemany("INSERT INTO ItemTable VALUES (?, ?)", items.items())
    database.commit()
    return database


def plant_ours(secret: Secrets) -> None:
    """A secret of ours of each kind, for accounts beside those of the tools."""
    later = int(time.time() + 86_400) * 1000
    for account in ("claude@own", "codex@own", "copilot@own", "gemini@own"):
        tokens = {"access_token": secret(account), "refresh_token": secret(f"{account} refresh"), "expires_at": later}
        store(account, "oauth", {**tokens, "unknown": secret(f"{account} unknown")})
    store("claude@own", "session", {"session_key": secret("session", "sk-ant-sid01-")})
    store("cursor@own", "session", {"session_token": secret.jwt("cursor session", sub=f"auth0|{USER}")})
    for kind in ("apikey", "admin"):
        store("claude@own", kind, {"access_token": secret(kind)})


def store(account: str, kind: str, document: dict) -> Path:
    return write_json(paths.credential_file(account, kind), document)


@dataclasses.dataclass
class Machine:
    """A user's machine: a home, our folders, variables, and what every program that ran has left of itself."""

    folder: Path
    environ: dict[str, str]
    secret: Secrets
    outputs: list[bytes] = dataclasses.field(default_factory=list)

    @property
    def dumps(self) -> Path:
        return self.folder / "dumps"

    def run(self, *args: str, forced: tuple[str, ...] = (), stdin: bytes = b"") -> subprocess.CompletedProcess:
        start = ["-c", FORCED, *forced] if forced else ["-m", "vibeusage"]
        command = [sys.executable, "-P", *start, *args]
        done = subprocess.run(command, input=stdin, capture_output=True, env=self.environ, timeout=120, check=False)
        self.outputs += [done.stdout, done.stderr]
        return done

    def seen(self) -> dict[str, set[str]]:
        """Which secrets show, by where: the outputs, and every file but those that are meant to hold them."""
        found = {f"output {place}": self.secret.find(text) for place, text in enumerate(self.outputs)}
        kept = (self.folder / "home", self.folder / "config/credentials", self.dumps)
        for path in self.folder.rglob("*"):
            if path.is_file() and not any(path.is_relative_to(folder) for folder in kept):
                found[str(path.relative_to(self.folder))] = self.secret.find(path.read_bytes() + os.fsencode(path.name))
        if (self.dumps / "log").exists():
            found["log"] = self.secret.find((self.dumps / "log").read_bytes())
        return {place: names for place, names in found.items() if names}

    def children(self) -> dict[str, set[str]]:
        """By program: the secrets in its words and variables, of ours only those in its words."""
        found: dict[str, set[str]] = {}
        for path in self.dumps.glob("*.*"):
            name, data = path.name.partition(".")[0], path.read_bytes()
            if name == "python":
                argv, environ = json.loads(data)
                is_keyring = "vibeusage.keystore" in argv
                name = "keyring" if is_keyring else "vibeusage"
                data = json.dumps([argv, environ if is_keyring else {}]).encode()
            found.setdefault(name, set()).update(self.secret.find(data))
        return found


@pytest.fixture
def machine(tmp_path, home, config_dir, secret, world) -> Machine:
    plant_vendors(home, secret)
    config_dir.mkdir(mode=0o700)
    plant_ours(secret)
    dumps, programs = tmp_path / "dumps", tmp_path / "programs"
    for folder in (dumps, programs, tmp_path / "tmp"):
        folder.mkdir()
    (programs / "sitecustomize.py").write_text(CUSTOMIZE.format(folder=dumps))
    for name, answer in (("claude", '{"is_error": true, "result": "no"}'), ("codex", '{"id": 2, "error": {}}')):
        (programs / name).write_text(FAKE.format(folder=dumps, name=name, answer=answer))
        (programs / name).chmod(0o755)
    proxy = world.environ["HTTPS_PROXY"].replace("//", f"//me:{secret('proxy').replace('/', '%2F')}@")
    environ = {**os.environ, **world.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(programs)}
    environ |= dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), proxy)
    names = ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")
    for name in (*names, "COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"):
        environ[name] = secret(name)
    environ.pop("DBUS_SESSION_BUS_ADDRESS", None)
    return Machine(tmp_path, {**environ, "PATH": f"{programs}:{os.environ['PATH']}"}, secret)


# --- what the vendors say


def sent(request: Request) -> str:
    """The secret that a request carries."""
    words = request.headers.get("authorization") or request.headers.get("cookie", "")
    return words.rpartition(" ")[2].rpartition("=")[2].rpartition("%3A")[2]


def replaced(value: object, kinds: type | tuple[type, ...], by: str) -> object:
    if isinstance(value, dict):
        return {key: replaced(each, kinds, by) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, kinds, by) for each in value]
    return by if isinstance(value, kinds) and not isinstance(value, bool) else value


def document_for(request: Request) -> object:
    known = homes.documents()
    name = next((name for name, host in HOSTS.items() if host == request.host), "claude")
    return known[name]


def keyed(request: Request) -> dict:
    quota = {"entitlement": 300, "remaining": 222, "percent_remaining": 74.0}
    bucket = {"modelId": sent(request), "remainingFraction": 0.5}
    return {"quota_snapshots": {sent(request): quota}, "buckets": [bucket], sent(request): 1}


def stained(request: Request) -> dict[str, str]:
    named = ("x-request-id", "retry-after", "cf-mitigated", "location")
    return {name: sent(request) for name in named}


ECHOES: dict[str, Callable[[Request], Answer]] = {
    "as numbers": lambda asked: Answer(json=replaced(document_for(asked), (int, float), sent(asked))),
    "as words": lambda asked: Answer(json=replaced(document_for(asked), str, sent(asked))),
    "as names": lambda asked: Answer(json=keyed(asked)),
    "on a page": lambda asked: Answer(body=f"<html>{asked.headers}".encode()),
    "as text": lambda asked: Answer(body=f"{sent(asked)}".encode()),
    "refused": lambda asked: Answer(status=401, json={"error": {"message": sent(asked)}}),
    "forbidden": lambda asked: Answer(status=403, json={"error": sent(asked)}, headers=stained(asked)),
    "too often": lambda asked: Answer(status=429, json={"error": sent(asked)}, headers=stained(asked)),
    "broken": lambda asked: Answer(status=500, json={"error": sent(asked)}, headers=stained(asked)),
    "sent on": lambda asked: Answer(status=302, headers=stained(asked)),
    "cookie": lambda asked: Answer(json=document_for(asked), set_cookie=(f"sessionKey={sent(asked)}; Path=/",)),
}
EVERYWHERE = (*HOSTS.values(), "api2.cursor.sh", "claude.ai", "github.com")


def echo(world: World, how: str) -> None:
    for host in EVERYWHERE:
        for method in ("GET", "POST"):
            world.on(method, host, "*", ECHOES[how])


COMMANDS = (
    ("refresh", "--json"),
    ("usage", "-vv", "--refresh"),
    ("auth", "--status"),
    ("doctor",),
    ("key", "claude@own", "move", "keyring"),
    ("refresh",),
    ("refresh", "--if-due"),
    ("usage", "-v"),
    ("usage", "--json"),
    ("auth", "--status", "--json"),
    ("doctor", "--json"),
    ("key",),
    ("key", "--json"),
    ("status",),
    ("status", "--json"),
    ("cache", "show"),
    ("config", "show"),
    *(("line", target) for target in ("tmux", "zsh", "claude-code", "waybar", "plain", "json")),
)
QUICK = 5
LOOKED_AT = (("refresh",), ("usage", "--refresh", "-v"), ("auth", "--status"), ("doctor",), ("line", "tmux"))


def run_all(machine: Machine, commands=COMMANDS, **more) -> None:
    """Every command, none of which ends in a traceback, and each of which is there."""
    for args in commands:
        done = machine.run(*args, **more)
        assert b"Traceback" not in done.stderr, (args, done.stderr)
        assert b"not understood" not in done.stderr, args
    assert faults.settled(machine.folder / "cache") == []  # what the line has started


slow = pytest.mark.slow


# --- E1 and E2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "commands"),
    [("as numbers", COMMANDS[:QUICK]), *(pytest.param(how, COMMANDS, marks=slow) for how in ECHOES)],
)
def test_e1_an_answer_that_repeats_the_login_shows_it_nowhere(how, commands, machine, world, home):
    before = faults.snapshot_of(home)
    echo(world, how)
    run_all(machine, commands)
    assert len({sent(request) for request in world.requests}) >= 9  # both accounts of almost all have asked
    assert machine.seen() == {}
    assert faults.snapshot_of(home) == before
    assert [one for one in world.requests if one.path.endswith(("/token", "/access_token"))] == []


@pytest.mark.slow
def test_e1_with_good_answers_no_secret_shows(machine, world):
    homes.five_answers(world)
    run_all(machine)
    assert b"Premium" in b"".join(machine.outputs)
    assert machine.seen() == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "forced",
    [
        ("vibeusage.http", "send", "ValueError"),
        pytest.param(("vibeusage.http", "send", "RuntimeError"), marks=slow),
        pytest.param(("vibeusage.answers", "check", "KeyError"), marks=slow),
        pytest.param(("vibeusage.providers.claude", "_local_identity", "ValueError"), marks=slow),
        pytest.param(("vibeusage.providers.cursor_login", "app_cookie", "ValueError"), marks=slow),
        pytest.param(("vibeusage.credentials", "at", "RuntimeError"), marks=slow),
        pytest.param(("vibeusage.credentials", "check_expiry", "TypeError"), marks=slow),
        pytest.param(("vibeusage.vault", "_decoded", "RuntimeError"), marks=slow),
        ("vibeusage.accounts", "chosen", "ZeroDivisionError"),
    ],
    ids=lambda forced: ".".join(forced[0].split(".")[1:] + list(forced[1:])),
)
def test_e1_an_unexpected_error_shows_no_secret(forced, machine, world):
    homes.five_answers(world)
    commands = COMMANDS[:QUICK] if forced[2] in ("ValueError", "ZeroDivisionError") else COMMANDS
    run_all(machine, commands, forced=forced)
    told = "it repeats the login" if forced[2] == "ValueError" else f"a mistake in vibeusage ({forced[2]})"
    assert told.encode() in b"".join(machine.outputs)
    assert machine.seen() == {}


@pytest.mark.slow
def test_e1_a_mistaken_address_in_the_settings_is_told_without_its_password(machine, config_dir, secret):
    address = f"https://me:{secret('address')}@proxy.example/"
    (config_dir / "config.toml").write_text(f'[providers.claude]\nbase_url = "{address}"\n')
    kept = (config_dir / "config.toml").read_bytes()
    for args in (*LOOKED_AT, ("config", "show")):
        done = machine.run(*args)
        assert b"Traceback" not in done.stderr, (args, done.stderr)
    (config_dir / "config.toml").write_text("")
    assert (secret.find(kept), machine.seen()) == ({"address"}, {})


def test_e2_programs_and_the_keyrings_child_get_none_but_the_way_out(machine, world):
    """A proxy's password is handed to those who have to pass it; to the keyring's child not even that."""
    echo(world, "refused")
    machine.run("refresh", "claude", "codex")
    moved = machine.run("key", "claude@own", "move", "keyring")
    assert moved.returncode == 1, moved.stderr
    assert machine.children() == {"claude": {"proxy"}, "codex": {"proxy"}, "keyring": set(), "vibeusage": set()}


def test_e2_a_secret_is_taken_from_stdin_and_refused_as_an_argument(machine, secret, config_dir):
    key = secret("pasted", "sk-ant-sid02-")
    refused = machine.run("key", "claude@new", "set", key)
    assert refused.returncode == 4
    assert b"stdin" in refused.stderr
    assert not paths.credential_file("claude@new", "session").exists()
    assert machine.run("key", "claude@new", "set", stdin=key.encode()).returncode == 0
    assert json.loads(paths.credential_file("claude@new", "session").read_bytes())["session_key"] == key
    assert machine.seen() == {}


def test_e3_the_log_of_the_libraries_holds_no_secret_and_no_address_does(machine, world, secret):
    homes.five_answers(world)
    world.on("GET", HOSTS["claude"], "/api/oauth/usage", Answer(status=401))
    world.on("GET", "claude.ai", "*", ECHOES["cookie"])
    machine.run("refresh")
    assert len(world.to("claude.ai")) == 1
    assert len(world.requests) > 6
    assert secret.find((machine.dumps / "log").read_bytes()) == set()
    assert secret.find(" ".join(f"{one.path}?{one.query}" for one in world.requests).encode()) == set()


# --- E4 and E5


LOOKS = ("stat", "lstat", "statx", "newfstatat", "access", "faccessat", "faccessat2", "readlink", "readlinkat")
CALLS = "trace=%file,write,pwrite64,writev,ftruncate,fchmod,fchown,flock,fallocate,copy_file_range"


@pytest.fixture(params=["closed", "running", "crashed"])
def cursor(request, home) -> Iterator[str]:
    """Cursor's database as it is after a regular end, beside a running app, and after a crash."""
    token = homes.jwt(sub=f"auth0|{USER}")
    if request.param == "closed":
        plant_cursor(home, token).close()
        yield request.param
        return
    plant_cursor(home, "of old", journal="wal").close()
    command = [sys.executable, "-P", "-c", APP, str(home / DATABASE), token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as app:
        try:
            assert app.stdout and app.stdout.readline() == b"open\n"
            if request.param == "crashed":
                app.kill()
                app.wait()
            assert sorted(path.name for path in (home / DATABASE).parent.iterdir()) == [
                "state.vscdb",
                "state.vscdb-shm",
                "state.vscdb-wal",
            ]
            yield request.param
        finally:
            app.kill()


def marks_of(folder: Path) -> dict[str, tuple]:
    """Content, size, rights, inode and the two times that a change moves, of everything in a folder."""
    found = {}
    for path in sorted((folder, *folder.rglob("*"))):
        info = path.lstat()
        data = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        marks = (info.st_size, info.st_mode, info.st_ino, info.st_mtime_ns, info.st_ctime_ns)
        found[str(path.relative_to(folder))] = (data, *marks)
    return found


def may(call: str) -> bool:
    """Whether a traced call only reads or looks."""
    name = call.partition("(")[0].rpartition(" ")[2]
    if name in ("open", "openat"):
        return "O_RDONLY" in call and not any(flag in call for flag in ("O_CREAT", "O_TRUNC", "O_RDWR", "O_WRONLY"))
    return name in LOOKS or "resumed>" in call


def test_e4_files_of_other_tools_are_opened_for_reading_and_nothing_else(cursor, home, world, require, tmp_path):
    homes.five_answers(world)
    (tmp_path / "other").mkdir()
    homes.five_logins(tmp_path / "other")
    for name in (".claude", ".codex", ".gemini", ".config/github-copilot"):
        (tmp_path / "other" / name).rename(home / name)
    before = marks_of(home)
    commands = LOOKED_AT[:1] if cursor == "closed" else LOOKED_AT[:3]
    text = " && ".join(f"{' '.join(faults.PROGRAM)} {' '.join(args)}" for args in commands)
    command = [faults.strace(require), "-f", "-y", "-qq", "-e", CALLS, "-o", str(tmp_path / "calls"), "sh", "-c", text]
    done = subprocess.run(
        faults.mounted(require, faults.read_only(home), command),
        env={**os.environ, **world.environ},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    calls = [line for line in (tmp_path / "calls").read_text().splitlines() if str(home) in line]
    assert [call for call in calls if not may(call)] == []
    opened = "\n".join(call for call in calls if "open" in call)
    assert [name for name in (".credentials.json", "auth.json", "apps.json", "state.vscdb") if name not in opened] == []
    assert set(HOSTS.values()) <= world.hosts  # each login was of use
    assert marks_of(home) == before


@pytest.mark.slow
def test_e4_nor_is_anything_written_where_it_could_be(cursor, home, modest, world):
    homes.five_answers(world)
    before = marks_of(home)
    for args in LOOKED_AT:
        done = modest.run(*args)
        assert b"Traceback" not in done.stderr, (args, done.stderr)
    assert HOSTS["cursor"] in world.hosts
    assert marks_of(home) == before
    assert list((modest.folder / "tmp").iterdir()) == []
    assert modest.seen() == {}


@pytest.fixture
def modest(tmp_path, home, world, secret) -> Machine:
    (tmp_path / "tmp").mkdir()
    oauth = {"accessToken": secret("claude", "sk-ant-oat01-")}
    write_json(home / ".claude/.credentials.json", {"claudeAiOauth": oauth})
    return Machine(tmp_path, {**os.environ, **world.environ, "TMPDIR": str(tmp_path / "tmp")}, secret)


LOGIN_COMMANDS = {
    "claude": "`claude`",
    "codex": "`codex login`",
    "copilot": "`vibeusage auth copilot`",
    "cursor": "open Cursor",
    "gemini": "`gemini`",
}


def plant_expired(home: Path) -> None:
    """Five logins that have run out, each with a refresh token beside it."""
    past, then = int(time.time() - 60) * 1000, int(time.time() - 60)
    oauth = {"accessToken": homes.CLAUDE, "refreshToken": "invented", "expiresAt": past, "scopes": ["user:profile"]}
    write_json(home / ".claude/.credentials.json", {"claudeAiOauth": oauth})
    tokens = {"access_token": homes.jwt(sub="x", exp=then), "refresh_token": "invented", "account_id": "acct"}
    write_json(home / ".codex/auth.json", {"tokens": tokens, "last_refresh": "2020-01-01T00:00:00Z"})
    write_json(home / ".config/github-copilot/apps.json", {"github.com:Iv1.x": {"oauth_token": homes.COPILOT}})
    expired = homes.jwt(sub=f"auth0|{USER}", exp=then)
    plant_cursor(home, expired, "invented").close()
    write_json(home / ".config/cursor/auth.json", {"accessToken": expired, "refreshToken": "invented"})
    google = {"access_token": homes.GEMINI, "refresh_token": "invented", "expiry_date": past}
    write_json(home / ".gemini/oauth_creds.json", google)


def test_e5_a_refresh_token_of_another_tool_is_never_redeemed(home, world, vibeusage):
    """GitHub's token does not say when it ends, so it is asked with, and refused."""
    plant_expired(home)
    before = marks_of(home)
    world.on("GET", HOSTS["copilot"], "*", Answer(status=401))
    done = vibeusage("refresh", "--json", env=world.environ)
    errors = {one["provider_id"]: one["error"] for one in json.loads(done.stdout)["outcomes"]}
    assert {name: error["category"] for name, error in errors.items()} == dict.fromkeys(HOSTS, "authentication")
    told = {name: f"{error['message']} {error['hint']}" for name, error in errors.items()}
    assert [name for name, command in LOGIN_COMMANDS.items() if command not in told[name]] == [], told
    for args in (("refresh",), ("refresh", "--if-due"), ("usage", "--refresh"), ("auth", "--status"), ("doctor",)):
        assert b"Traceback" not in vibeusage(*args, env=world.environ).stderr
    assert world.hosts & TOKEN_ENDPOINTS == set()
    assert [(one.host, one.path) for one in world.requests] == [(HOSTS["copilot"], "/copilot_internal/user")]
    assert marks_of(home) == before


# --- our own tokens


class Github:
    """github.com as it renews: each refresh token is good once, what it gives is good for `expires_in` seconds."""

    def __init__(self, world: World, *, expires_in: int = 28_800) -> None:
        self.valid, self.used, self.expires_in = "ghr_0", [], expires_in
        self.before_answer: Callable[[], None] = lambda: None
        world.on("POST", "github.com", "/login/oauth/access_token", self.renew)
        world.on("GET", HOSTS["copilot"], "/copilot_internal/user", self.usage)

    def renew(self, request: Request) -> Answer:
        token = parse_qs(request.body.decode())["refresh_token"][0]
        self.used.append(token)
        if token != self.valid:
            return Answer(json={"error": "bad_refresh_token"})  # with status 200, as GitHub does
        number = len(self.used)
        self.valid = f"ghr_{number}"
        self.before_answer()
        return Answer(
            json={"access_token": f"ghu_{number}", "refresh_token": self.valid, "expires_in": self.expires_in}
        )

    def usage(self, request: Request) -> Answer:
        is_new = request.headers["authorization"] == f"token ghu_{len(self.used)}" or self.expires_in < 300
        return Answer(json=homes.documents()["copilot"]) if is_new else Answer(status=401)


def own_copilot() -> Path:
    expired = int(time.time() - 60) * 1000
    document = {"access_token": "ghu_0", "refresh_token": "ghr_0", "expires_at": expired, "owner": "me", "kept": [1]}
    return store("copilot", "oauth", document)


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, pytest.param(20, marks=slow)])
@pytest.mark.parametrize("expires_in", [28_800, 1], ids=["renewed once", "renewed by each"])
def test_e6_of_many_refreshers_each_redeems_a_token_of_its_own(count, expires_in, world, config_dir):
    """With caches of their own, so that nothing but the lock of the logins is between them."""
    github, stored = Github(world, expires_in=expires_in), own_copilot()
    waiting, barrier = os.pipe()
    command = [sys.executable, "-P", "-c", CROWD, str(waiting)]
    running = [
        subprocess.Popen(
            [*command, str(number), "refresh", "copilot"],
            env={**os.environ, **world.environ},
            pass_fds=[waiting],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for number in range(count)
    ]
    os.close(waiting)
    os.close(barrier)
    outputs = [child.communicate(timeout=120)[0] for child in running]
    assert ({child.returncode for child in running}, set(outputs)) == ({0}, {b"copilot: Premium 26%\n"})
    assert github.used == [f"ghr_{number}" for number in range(count if expires_in == 1 else 1)]
    kept = json.loads(stored.read_bytes())
    assert (kept["refresh_token"], kept["owner"], kept["kept"]) == (github.valid, "me", [1])
    assert "redeeming" not in kept


@pytest.mark.slow
def test_e7_a_kill_between_redeeming_and_storing_is_explained_and_not_repeated(world, vibeusage, config_dir):
    github, stored = Github(world), own_copilot()
    command = [*faults.PROGRAM, "refresh", "copilot"]
    running = subprocess.Popen(command, env={**os.environ, **world.environ}, stderr=subprocess.DEVNULL)

    def kill() -> None:
        running.kill()
        running.wait()

    github.before_answer = kill
    assert running.wait(60) == -signal.SIGKILL
    assert json.loads(stored.read_bytes())["refresh_token"] == "ghr_0"
    for _ in range(4):
        done = vibeusage("refresh", "copilot", env=world.environ)
        assert done.returncode == 2
        assert b"its last renewal was interrupted, and a refresh token is good once" in done.stderr
        assert b"vibeusage auth copilot" in done.stderr
    assert vibeusage("refresh", "--if-due", env=world.environ).returncode in (0, 2)
    assert github.used == ["ghr_0", "ghr_0"]  # once more to see whether it was taken, and never again


# --- where a secret lies, and that it goes


@pytest.mark.slow
def test_e11_without_a_keyring_nothing_is_stored_and_the_way_out_is_told(machine, config_dir, secret):
    (config_dir / "config.toml").write_text("[credentials]\nuse_keyring = true\n")
    key = secret("new", "sk-ant-sid02-").encode()
    done = machine.run("key", "claude@new", "set", stdin=key)
    assert done.returncode == 1
    assert b"there is no D-Bus session" in done.stderr
    assert b"vibeusage config set credentials.use_keyring false" in done.stderr
    assert not (config_dir / "credentials/claude@new").exists()
    assert machine.run("config", "set", "credentials.use_keyring", "false").returncode == 0
    done = machine.run("key", "claude@new", "set", stdin=key)
    place = str(paths.credential_file("claude@new", "session"))
    assert (done.returncode, place in done.stdout.decode()) == (0, True)
    shown = [machine.run("key").stdout.decode(), machine.run("auth", "--status", "--json").stdout.decode()]
    assert [place in text for text in shown] == [True, True]
    listed = json.loads(machine.run("key", "--json").stdout)["secrets"]
    stored = {str(path) for path in (config_dir / "credentials").glob("*/*.json")}
    assert {row["where"] for row in listed} == stored
    assert machine.seen() == {}


def test_e12_what_is_deleted_is_gone_with_all_that_came_of_it(config_dir, tmp_path, world, vibeusage, secret):
    key = secret("session", "sk-ant-sid02-")
    world.on("GET", "claude.ai", "/api/organizations", Answer(json=[{"uuid": "org-invented"}]))
    usage = [Answer(json=homes.documents()["claude"]), Answer(status=429, headers={"retry-after": "900"})]
    world.on("GET", "claude.ai", "/api/organizations/org-invented/usage", usage)
    assert vibeusage("key", "claude@old", "set", stdin=key.encode()).returncode == 0
    assert vibeusage("refresh", "claude@old", env=world.environ).returncode == 0
    assert vibeusage("refresh", "claude@old", env=world.environ).returncode == 3
    owner = json.loads(paths.credential_file("claude@old", "session").read_bytes())["owner"]
    print_of = [Login(text, "", is_ours=True).fingerprint.encode() for text in (key, owner)]

    def left() -> dict[str, list[bytes]]:
        words = (b"claude@old", b"org-invented", owner.encode(), *print_of)
        files = {str(path): path.read_bytes() + os.fsencode(path) for path in tmp_path.rglob("*") if path.is_file()}
        found = {name: [word for word in words if word in data] for name, data in files.items()}
        return {name: words for name, words in found.items() if words or secret.find(files[name])}

    assert len(left()) >= 4  # the secret, the numbers, the organization, the cool-down
    done = vibeusage("key", "claude@old", "delete")
    assert (done.returncode, left()) == (0, {})


@pytest.mark.slow
def test_e13_no_file_of_the_cache_holds_a_plain_hash_of_a_secret(home, cache_dir, world, vibeusage):
    tokens = homes.five_logins(home)
    homes.five_answers(world)
    assert vibeusage("refresh", env=world.environ).returncode == 0
    world.on("GET", HOSTS["claude"], "/api/oauth/usage", Answer(status=401))
    vibeusage("refresh", env=world.environ)
    files = b"\n".join(path.read_bytes() for path in cache_dir.rglob("*") if path.is_file())
    ours = Login(tokens["claude"], "", is_ours=False).fingerprint
    assert ours.encode() in files  # the hold of the refused login
    assert len(ours) == 16  # cut short
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s"):
        for token in tokens.values():
            assert hashlib.new(name, token.encode()).hexdigest()[:12].encode() not in files
    assert hashlib.blake2b(tokens["claude"].encode(), digest_size=8).hexdigest() != ours
