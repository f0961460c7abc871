"""Renewing a login of our own against a loopback vendor that takes each refresh token once, like the real ones."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, md5, sha1, sha256, sha512
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest

from vibeusage import accounts, cli, config, credentials, fetch, gate, http, oauth, providers, vault
from vibeusage.errors import AuthError, RateLimited, ShapeError, StrategyError, Unavailable
from vibeusage.models import PeriodType, Usage, UsagePeriod
from vibeusage.providers.spec import DeviceFlow, Grant, Http, Provider, Stored

CANARY = "canary-77c0"
GRANT = Grant(url="https://login.acme.example/token", client_id="acme-id")
PLACES = (Stored(kind="oauth", grant=GRANT),)
FLOW = DeviceFlow(
    code_url="https://login.acme.example/code",
    token_url="https://login.acme.example/token",
    client_id="acme-id",
    scope="read",
)


def parse(body: bytes) -> Usage:
    used = msgspec.json.decode(body, type=dict[str, float])["used"]
    return Usage(periods=(UsagePeriod(name="Monthly", utilization=used, period_type=PeriodType.MONTHLY),))


ACME = Provider(
    id="acme",
    name="Acme Code",
    hosts=("api.acme.example", "login.acme.example"),
    dashboard_url="https://acme.example",
    login_hint="log in with `acme login`",
    strategies=(Http(name="oauth", path="/usage", login=PLACES, parse=parse),),
    device=FLOW,
)


class Vendor(ThreadingHTTPServer):
    """Takes each refresh token once. `script` holds answers (status, document) to give first; `hook` runs after
    a token was taken and before the answer goes out."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.good, self.forms, self.used, self.bearers, self.script = f"{CANARY}-r0", [], [], [], []
        self.hook, self.lock = (lambda form: None), threading.Lock()

    def answer(self, form):
        with self.lock:
            self.forms.append(form)
            if self.script:
                return self.script.pop(0)
            if form.get("refresh_token") != self.good:
                return 400, {"error": "invalid_grant", "error_description": form.get("refresh_token")}
            self.used.append(self.good)
            number = len(self.used)
            self.good = f"{CANARY}-r{number}"
        self.hook(form)
        return 200, {"access_token": f"{CANARY}-a{number}", "refresh_token": self.good, "expires_in": 28_800}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        assert isinstance(self.server, Vendor)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, document = self.server.answer({key: values[0] for key, values in parse_qs(body).items()})
        self._send(status, document)

    def do_GET(self):
        assert isinstance(self.server, Vendor)
        self.server.bearers.append(self.headers["Authorization"])
        self._send(200, {"used": 12.5})

    def _send(self, status, document):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


def use_acme(monkeypatch):
    monkeypatch.setattr(providers, "ids", lambda: ("acme",))
    monkeypatch.setattr(providers, "load", lambda _: ACME)


@pytest.fixture
def vendor(monkeypatch, config_dir):
    use_acme(monkeypatch)
    with Vendor() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        config.set_value("providers.acme.base_url", server.url)
        yield server
        server.shutdown()
        thread.join()


def store(**more):
    """A login of ours that ran out a minute ago; the document."""
    document = {
        "access_token": f"{CANARY}-a0",
        "refresh_token": f"{CANARY}-r0",
        "expires_at": int(time.time() * 1000) - 60_000,
        "owner": "0123456789abcdef",
        "from a newer version": {"kept": True},
        **more,
    }
    vault.write("acme", "oauth", document, "")
    return document


def stored():
    return vault.read("acme", "oauth", foreground=False) or {}


def context():
    around = accounts.Surroundings(os.environ, datetime.now(UTC), foreground=True)
    return accounts.one("acme", config.load(), around)


async def with_client(ctx, act):
    async with http.open_client(5, {"127.0.0.1"}, http.tls()) as ctx.client:
        return await act(ctx)


def renew(login=None):
    """What a strategy would ask with."""
    ctx = context()
    found = login or credentials.find(PLACES, ctx)
    return asyncio.run(with_client(ctx, lambda ctx: oauth.renewed(found, ctx))).token


# run in a child: what the real command does, for this provider
CHILD = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_oauth
from vibeusage import cli, providers
providers.ids, providers.load = lambda: ("acme",), lambda _: test_oauth.ACME
"""


def child(text):
    return subprocess.Popen(
        [sys.executable, "-P", "-c", CHILD + text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )


def test_e6_a_renewed_pair_is_stored_before_it_is_used_and_unknown_fields_stay(vendor, monkeypatch):
    before, seen, get = store(), [], Handler.do_GET
    monkeypatch.setattr(Handler, "do_GET", lambda self: (seen.append(stored()["access_token"]), get(self)))
    assert cli.main(["refresh", "acme"]) == 0
    after = stored()
    assert (seen, vendor.bearers) == ([f"{CANARY}-a1"], [f"Bearer {CANARY}-a1"])
    assert vendor.forms == [
        {"grant_type": "refresh_token", "refresh_token": f"{CANARY}-r0", "client_id": GRANT.client_id}
    ]
    assert after["expires_at"] - before["expires_at"] > 28_000_000
    assert after == {
        **before,
        "access_token": f"{CANARY}-a1",
        "refresh_token": f"{CANARY}-r1",
        "expires_at": after["expires_at"],
        "obtained_at": after["obtained_at"],
    }


def test_e6_of_twenty_refreshers_one_redeems_and_all_have_its_token(vendor):
    store()
    login = credentials.find(PLACES, context())
    with ThreadPoolExecutor(20) as pool:
        tokens = list(pool.map(renew, [login] * 20))
    assert tokens == [f"{CANARY}-a1"] * 20
    assert (vendor.used, len(vendor.forms)) == ([f"{CANARY}-r0"], 1)
    assert stored()["refresh_token"] == vendor.good


@pytest.mark.slow
def test_e6_processes_that_renew_again_and_again_use_each_token_once(vendor):
    """Every renewed pair is made to look old at once, so that all of them redeem, one after the other."""
    store()
    vendor.hook = lambda form: None
    text = """
import asyncio
from test_oauth import *
def old():
    with vault.lock():
        vault.rewrite("acme", "oauth", {**stored(), "expires_at": 1})
for _ in range(5):
    print(renew())
    old()
"""
    started = [child(text) for _ in range(4)]
    done = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 4, done
    assert vendor.used == [f"{CANARY}-r{number}" for number in range(len(vendor.used))]
    assert len(vendor.forms) == len(vendor.used) >= 4
    assert stored()["refresh_token"] == vendor.good


def test_e7_a_crash_before_the_write_back_is_explained_after_one_request_and_costs_no_more(vendor, capsys):
    store()
    process = child("sys.exit(cli.main(['refresh', 'acme']))")
    vendor.hook = lambda form: os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert (process.returncode, len(vendor.used)) == (-signal.SIGKILL, 1)
    vendor.hook = lambda form: None
    for _ in range(4):
        gate_file_gone()
        assert cli.main(["refresh", "acme"]) == 2
        told = capsys.readouterr().err
        assert "its last renewal was interrupted, and a refresh token is good once" in told
        assert "vibeusage auth acme" in told
        assert CANARY not in told
    assert len(vendor.forms) == 2
    assert vendor.bearers == []


def test_e7_a_crash_before_the_vendor_took_the_token_costs_nothing(vendor, monkeypatch):
    store()
    process = child("sys.exit(cli.main(['refresh', 'acme']))")
    vendor.script = [(503, {})]
    with monkeypatch.context() as patched:
        patched.setattr(Handler, "_send", lambda self, *_: os.kill(process.pid, signal.SIGKILL))
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert renew() == f"{CANARY}-a1"
    assert "redeeming" not in stored()


def test_e7_a_crash_at_each_of_two_renewals_ends_the_asking(vendor):
    store(redeeming="twice")
    with pytest.raises(AuthError, match="interrupted"):
        renew()
    assert vendor.forms == []


def gate_file_gone():
    """So that it is not the gate that keeps from asking."""
    gate.forget("acme", exact=True)


REFUSALS = [
    pytest.param(400, {"error": "invalid_grant"}, id="RFC 6749"),
    pytest.param(401, {"error": "invalid_grant", "error_description": CANARY}, id="with another status"),
    pytest.param(200, {"error": "bad_refresh_token"}, id="GitHub, in a 200"),
    pytest.param(403, {"error": "refresh_token_reused"}, id="reused"),
]


@pytest.mark.parametrize(("status", "document"), REFUSALS)
def test_e8_a_refused_refresh_token_is_told_with_the_next_step_and_never_sent_again(vendor, status, document):
    store()
    vendor.script = [(status, document)]
    for _ in range(3):
        with pytest.raises(AuthError, match="Acme Code does not renew the login: it has run out") as told:
            renew()
        assert told.value.hint == "log in again: vibeusage auth acme"
        assert CANARY not in repr(told.value) + repr(told.value.__cause__)
    assert len(vendor.forms) == 1


def test_e8_after_a_refusal_the_file_is_read_once_more(vendor):
    """Another machine with the same home, where the lock does not reach, was faster."""
    store()
    newer = {"access_token": f"{CANARY}-other", "refresh_token": f"{CANARY}-new", "expires_at": 9_999_999_999_999}

    def answer(form):
        vendor.forms.append(form)
        vault.write("acme", "oauth", newer, "")
        return 400, {"error": "invalid_grant"}

    vendor.answer = answer
    assert renew() == f"{CANARY}-other"
    assert (stored(), len(vendor.forms)) == (newer, 1)


PASSING = [
    pytest.param([(503, b"")] * 3, Unavailable, id="server down"),
    pytest.param([(429, b"{}")], RateLimited, id="too often"),
    pytest.param([(500, b"<html>")] * 3, Unavailable, id="page"),
    pytest.param([(403, b"<html>")], Unavailable, id="bot block"),
    pytest.param([(200, b"<html>")], ShapeError, id="page for JSON"),
    pytest.param([(200, {"token_type": "bearer"})], ShapeError, id="no token"),
    pytest.param([(200, {"access_token": ""})], ShapeError, id="empty token"),
    pytest.param([(400, {"error": "invalid_client"})], AuthError, id="our own mistake"),
    pytest.param([(401, {"error": {"message": CANARY}})], AuthError, id="an error of another kind"),
]


@pytest.mark.parametrize(("script", "error"), PASSING)
def test_a_passing_fault_keeps_the_refresh_token_of_use(vendor, script, error):
    before = store()
    vendor.script = list(script)
    with pytest.raises(StrategyError) as told:
        renew()
    assert type(told.value) is error
    assert CANARY not in f"{told.value} {told.value.hint} {told.value!r}"
    assert stored() == before
    assert renew() == f"{CANARY}-a1"


def test_a_deadline_that_passes_meanwhile_keeps_the_refresh_token_of_use(vendor):
    before, release = store(), threading.Event()
    vendor.script = [(503, b"")]
    answer, vendor.answer = vendor.answer, lambda form: (release.wait(20), (503, b""))[1]

    async def slow(ctx):
        async with asyncio.timeout(0.3):
            await oauth.renewed(credentials.find(PLACES, ctx), ctx)

    with pytest.raises(TimeoutError):
        asyncio.run(with_client(context(), slow))
    release.set()
    vendor.answer, vendor.script = answer, []
    assert stored() == before
    assert renew() == f"{CANARY}-a1"


EXPIRIES = [
    pytest.param({"expires_in": 3600}, 3600, id="a number"),
    pytest.param({"expires_in": "3600"}, 3600, id="text"),
    pytest.param({"expires_in": 1e300}, oauth.LONGEST_S, id="absurd"),
    pytest.param({}, None, id="absent"),
    pytest.param({"expires_in": 0}, None, id="zero"),
    pytest.param({"expires_in": -5}, None, id="negative"),
    pytest.param({"expires_in": "soon"}, None, id="words"),
    pytest.param({"expires_in": [1]}, None, id="a list"),
    pytest.param({"expires_at": 1_795_315_000}, None, id="an instant, in whatever unit"),
    pytest.param({"keyring": "secret-service"}, None, id="absent, beside the name of a keyring"),
]


@pytest.mark.parametrize(("said", "seconds"), EXPIRIES)
def test_an_answer_is_renewed_once_whatever_it_says_of_its_expiry(vendor, said, seconds):
    store()
    vendor.script = [(200, {"access_token": f"{CANARY}-new", **said})]
    assert [renew(), renew()] == [f"{CANARY}-new"] * 2
    assert len(vendor.forms) == 1
    kept = stored()
    assert kept["refresh_token"] == f"{CANARY}-r0"
    found = (kept["expires_at"] - kept["obtained_at"]) // 1000 if "expires_at" in kept else None
    assert found == seconds


def test_an_answer_cannot_name_another_host_owner_or_place():
    ours = {"host": "evil.example", "owner": "other", "redeeming": "once", "keyring": "secret-service", "expires_at": 1}
    answer = {"access_token": "x", "refresh_token": "", **ours}
    now = datetime(2026, 11, 26, tzinfo=UTC)
    assert oauth.stamped(answer, now) == {"access_token": "x", "obtained_at": int(now.timestamp() * 1000)}


@pytest.mark.parametrize(
    ("ahead", "refresh_token", "wanted"),
    [
        pytest.param(timedelta(minutes=4), "r", True, id="about to run out"),
        pytest.param(timedelta(minutes=6), "r", False, id="good for a while"),
        pytest.param(timedelta(minutes=-4), "", False, id="nothing to renew it with"),
    ],
)
def test_a_login_is_renewed_five_minutes_early(ahead, refresh_token, wanted):
    now = datetime(2026, 11, 26, tzinfo=UTC)
    data = {"expires_at": int((now + ahead).timestamp() * 1000), "refresh_token": refresh_token}
    login = credentials.Login("t", "here", is_ours=True, data=data, kind="oauth", grant=GRANT)
    assert oauth.needs_renewal(login, now) is wanted


# --- by code

CODE = {
    "device_code": f"{CANARY}-device",
    "user_code": "ABCD-1234",
    "verification_uri": "https://acme.example/device",
    "expires_in": 60,
    "interval": 1,
}
TOKEN = {"access_token": f"{CANARY}-token", "token_type": "bearer", "scope": ""}


def log_in(ctx=None):
    async def act(ctx):
        code = await oauth.request_code(FLOW, ctx)
        return code, await oauth.await_token(FLOW, code, ctx)

    return asyncio.run(with_client(ctx or context(), act))


@pytest.fixture
def no_pause(monkeypatch):
    """The seconds between two questions, of which none passes."""
    slept, real = [], asyncio.sleep

    async def sleep(seconds):
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr(oauth.asyncio, "sleep", sleep)
    return slept


def test_a_code_that_is_typed_gives_the_document_to_store(vendor, no_pause):
    pending = [(200, {"error": "authorization_pending"}), (400, {"error": "authorization_pending"})]
    vendor.script = [(200, CODE), *pending, (200, {"error": "slow_down"}), (200, TOKEN)]
    code, document = log_in()
    assert CANARY not in repr(code)
    assert (len(document.pop("owner")), abs(document.pop("obtained_at") / 1000 - time.time()) < 60) == (16, True)
    assert document == TOKEN
    assert no_pause == [1, 1, 1, 6]
    assert vendor.forms[0] == {"client_id": "acme-id", "scope": "read"}
    assert vendor.forms[-1] == {
        "client_id": "acme-id",
        "device_code": f"{CANARY}-device",
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    }


def test_a_passing_fault_does_not_cost_the_code_that_is_being_typed(vendor, no_pause):
    vendor.script = [(200, CODE), (429, {}), (403, b"<html>"), (200, {"interval": "x"}), (200, TOKEN)]
    assert log_in()[1]["access_token"] == TOKEN["access_token"]
    assert no_pause == [1, 6, 11, 11]


def test_no_answer_makes_the_pause_longer_than_a_minute(vendor, no_pause):
    vendor.script = [(200, {**CODE, "interval": 1e300}), (200, {"error": "slow_down", "interval": 1e300}), (200, TOKEN)]
    log_in()
    assert no_pause == [60, 60]


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "unsupported_grant_type"])
def test_a_code_that_is_refused_ends_the_waiting(vendor, no_pause, error):
    vendor.script = [(200, CODE), (200, {"error": error})]
    with pytest.raises(AuthError, match=f"refused the login: {error}"):
        log_in()


def test_a_code_that_runs_out_is_told(vendor):
    vendor.script = [(200, {**CODE, "expires_in": 0.5}), *[(200, {"error": "authorization_pending"})] * 3]
    with pytest.raises(AuthError, match="ran out before it was typed"):
        log_in()


@pytest.mark.parametrize("answer", [{"user_code": "x"}, [1], b"<html>", {}], ids=repr)
def test_a_beginning_that_is_not_understood_is_told(vendor, answer):
    vendor.script = [(200, answer)]
    with pytest.raises(ShapeError):
        log_in()


# --- what is left of a token elsewhere


def test_e13_a_fingerprint_is_short_keyed_and_no_plain_hash_of_the_token():
    token = f"{CANARY}-token"
    login = credentials.Login(token, "here", is_ours=True)
    assert (len(login.fingerprint), login.fingerprint) == (16, login.owner_fingerprint)
    for plain in (md5, sha1, sha256, sha512, blake2b, lambda data: blake2b(data, digest_size=8)):
        assert login.fingerprint not in plain(token.encode()).hexdigest()


def test_e13_a_token_and_its_plain_hashes_are_in_no_file_but_its_own(vendor, tmp_path):
    document = store()
    assert cli.main(["refresh", "acme"]) == 0
    tokens = [document["access_token"], document["refresh_token"], f"{CANARY}-a1", f"{CANARY}-r1"]
    hashes = [plain(token.encode()).hexdigest()[:16] for plain in (md5, sha1, sha256, blake2b) for token in tokens]
    looked = [path for path in tmp_path.rglob("*") if path.is_file() and "credentials" not in path.parts]
    assert {path.name for path in looked} >= {"acme.json", "gates.json", "line.tsv", "config.toml"}
    for path in looked:
        assert not [text for text in (CANARY, *hashes) if text.encode() in path.read_bytes()], path


def test_a_login_and_what_is_asked_with_it_hide_the_token():
    login = credentials.Login(CANARY, "here", is_ours=True, data={"refresh_token": CANARY})
    assert CANARY not in repr(login) + repr(fetch.Candidate(ACME.strategies[0], login, None))
