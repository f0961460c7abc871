"""Logging in against a loopback vendor: what is found, what is asked for, what is stored, and what never shows."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from vibeusage import cache, cli, config, credentials, gate, keystore, paths, providers, vault
from vibeusage.cli import secrets_in
from vibeusage.errors import AuthError, ConfigError, RateLimited, StorageError
from vibeusage.models import PeriodType, Usage, UsagePeriod
from vibeusage.providers.spec import Command, Cookie, DeviceFlow, Env, Func, Http, JsonFile, Provider, Secret, Stored

CANARY = "sk-acme-canary-9c02"
EXPIRED = 1_000_000_000_000


def parse(body: bytes) -> Usage:
    said = msgspec.json.decode(body, type=dict[str, float])
    periods = [UsagePeriod(name=name, utilization=used, period_type=PeriodType.DAILY) for name, used in said.items()]
    return Usage(periods=tuple(periods))


async def look(ctx, login) -> Usage:
    return parse(await ctx.get(ctx.base("https://usual.example", login) + "/web", {"Cookie": f"acme={login.token}"}))


VENDORS = JsonFile(path="$ACME_HOME/auth.json", key="token", expires_key="expires")
ACME = Provider(
    id="acme",
    name="Acme Code",
    hosts=("usual.example",),
    dashboard_url="https://acme.example",
    login_hint="log in with `acme login`",
    strategies=(
        Http(name="oauth", path="/usage", login=(Env("ACME_TOKEN"), Stored(kind="oauth"), VENDORS), parse=parse),
        Command(name="cli", argv=("acme-cli-for-tests", "usage"), parse=lambda out, ctx: parse(out)),
        Func(name="web", fetch=look, login=(Stored(kind="session", key="cookie"),)),
        Func(name="cache", fetch=look, is_local=True),
    ),
    folders={"ACME_HOME": "~/.acme"},
    secrets=(
        Secret(
            kind="session",
            label="session cookie",
            how="in the browser",
            strategy="web",
            key="cookie",
            pattern=r"sk-acme-\S+",
        ),
    ),
)
CODED = msgspec.structs.replace(
    ACME,
    id="coded",
    name="Coded",
    secrets=(),
    login_hint="log in with `vibeusage auth coded`",
    strategies=(Http(name="oauth", path="/usage", login=(Stored(kind="oauth"),), parse=parse),),
    folders={},
    device=DeviceFlow(
        code_url="https://usual.example/code", token_url="https://usual.example/token", client_id="id", scope="s"
    ),
)
VENDOR = msgspec.structs.replace(
    ACME,
    id="vendor",
    name="Vendor",
    secrets=(),
    strategies=(Http(name="oauth", path="/usage", login=(VENDORS,), parse=parse),),
)
KNOWN = {provider.id: provider for provider in (ACME, CODED, VENDOR)}
CODE = {
    "device_code": f"{CANARY}-device",
    "user_code": "ABCD-\x1b[31m1234",
    "verification_uri": "https://acme.example/device",
    "expires_in": 60,
    "interval": 1,
}
TOKEN = {"access_token": f"{CANARY}-token", "token_type": "bearer"}


class Handler(BaseHTTPRequestHandler):
    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        assert isinstance(self.server, Server)
        self.server.asked.append((self.command, self.path, self.headers["Authorization"] or self.headers["Cookie"]))
        known = self.server.answers.get(self.path, (404, {}))
        status, document = known.pop(0) if isinstance(known, list) else known
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, format, *args):
        pass


class Server(ThreadingHTTPServer):
    """`answers`: path -> (status, document), or a list of them to give in turn."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked, self.answers = [], {}


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def known(monkeypatch, server):
    monkeypatch.setattr(providers, "ids", lambda: tuple(KNOWN))
    monkeypatch.setattr(providers, "load", KNOWN.__getitem__)
    for name in ("acme", '"acme@work"', "coded"):
        config.set_value(f"providers.{name}.base_url", server.url)
    server.answers |= {"/web": (200, {"Daily": 12.5, "Wee\x1bkly": 40}), "/usage": (200, {"Daily": 7})}


@pytest.fixture
def auth(monkeypatch, capfd):
    """Run `vibeusage auth …` with this on stdin: exit code, stdout, stderr."""

    def run(*words, stdin: bytes = b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = cli.main(["auth", *words])
        except SystemExit as exc:
            code = exc.code
        told = capfd.readouterr()
        assert "canary" not in told.out + told.err
        assert "\x1b" not in told.out + told.err
        return code, told.out, told.err

    return run


def vendors_file(home, **more):
    path = home / ".acme" / "auth.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"token": CANARY, **more}))
    return str(path)


def file_of(account, kind):
    return str(paths.credential_file(account, kind))


def stored(account="acme", kind="session"):
    return vault.read(account, kind, foreground=True)


def outside_credentials(tmp_path):
    """Every file that holds a canary, but those it belongs into."""
    looked = [path for path in tmp_path.rglob("*") if path.is_file() and "credentials" not in path.parts]
    return [path for path in looked if b"canary" in path.read_bytes()]


# --- what was found


def status_of(auth, *words):
    code, out, _ = auth("--json", *words)
    document = json.loads(out)
    assert document["schema"] == 1
    return code, {one["id"]: one for one in document["accounts"]}


def row(strategy, where, state, *, is_ours, note=None):
    found = {"strategy": strategy, "where": where, "is_ours": is_ours, "state": state}
    return {**found, "note": note} if note else found


def test_without_a_login_the_status_says_how_to_get_one(known, auth):
    code, out, err = auth()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "acme",
        "  no login was found",
        "  log in with `acme login`, or `vibeusage auth acme`",
        "acme@work",
        "  no login was found",
        "  log in with `vibeusage auth acme@work`",
        "coded",
        "  no login was found",
        "  log in with `vibeusage auth coded`",
        "vendor",
        "  no login was found",
        "  log in with `acme login`",
    ]


def test_every_place_of_a_login_is_named_in_the_order_in_which_they_are_used(known, auth, home, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", CANARY)
    vault.write("acme", "oauth", {"access_token": CANARY}, "")
    path = vendors_file(home)
    code, found = status_of(auth)
    assert (code, found["acme"]) == (
        0,
        {
            "id": "acme",
            "provider": "acme",
            "logins": [
                row("oauth", "$ACME_TOKEN", "ready", is_ours=True),
                row("oauth", file_of("acme", "oauth"), "ready", is_ours=True),
                row("oauth", path, "ready", is_ours=False),
            ],
            "hint": "",
        },
    )
    assert found["vendor"]["logins"] == [row("oauth", path, "ready", is_ours=False)]


def test_a_variable_that_stands_for_several_is_one_login(auth, monkeypatch):
    config.set_value('providers."copilot@work".env', "WORK_TOKEN")
    monkeypatch.setenv("WORK_TOKEN", CANARY)
    found = status_of(auth, "copilot@work")[1]["copilot@work"]
    assert found["logins"] == [row("oauth", "$WORK_TOKEN", "ready", is_ours=True)]


def test_an_expired_login_is_told_with_the_next_step(known, auth, home):
    path = vendors_file(home, expires=EXPIRED)
    vault.write("acme", "session", {"cookie": CANARY, "expires_at": EXPIRED}, "")
    code, found = status_of(auth, "acme")
    ours = file_of("acme", "session")
    assert (code, found["acme"]["logins"]) == (
        2,
        [
            row("oauth", path, "expired", is_ours=False, note=f"the login in {path} has expired"),
            row("web", ours, "expired", is_ours=True, note=f"the login in {ours} has expired"),
        ],
    )
    assert found["acme"]["hint"] == "log in with `acme login`, or `vibeusage auth acme`"


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        pytest.param(AuthError("usual.example refused the login"), "refused", 2, id="refused"),
        pytest.param(RateLimited("wait", retry_at=datetime.now(UTC) + timedelta(hours=1)), "waiting", 0, id="waiting"),
    ],
)
def test_what_the_gate_holds_is_told(known, auth, error, state, code):
    vault.write("acme", "oauth", {"access_token": CANARY}, "")
    fingerprint = credentials.Login(CANARY, "", is_ours=True).fingerprint
    gate.save({"acme": gate.hold(None, "oauth", fingerprint, error, datetime.now(UTC))})
    said, found = status_of(auth, "acme")
    where = file_of("acme", "oauth")
    assert (said, found["acme"]["logins"]) == (code, [row("oauth", where, state, is_ours=True, note=str(error))])
    vault.write("acme", "oauth", {"access_token": f"{CANARY}-newer"}, "")
    assert status_of(auth, "acme")[1]["acme"]["logins"] == [row("oauth", where, "ready", is_ours=True)]


def test_a_login_that_cannot_be_read_is_told_with_the_reason(known, auth):
    vault.write("acme", "oauth", {"access_token": CANARY}, "")
    path = file_of("acme", "oauth")
    os.chmod(path, 0o644)
    note = f"{path} can be read by others: chmod 600 {path}"
    code, found = status_of(auth, "acme")
    assert (code, found["acme"]["logins"]) == (2, [row("oauth", path, "unusable", is_ours=True, note=note)])


def test_e11_a_login_in_a_keyring_is_told_by_the_keyrings_name(known, auth, monkeypatch):
    place = [CANARY]
    monkeypatch.setattr(keystore, "write", lambda *args, **more: None)
    monkeypatch.setattr(keystore, "read", lambda *args, **more: json.dumps({"access_token": place[0]}).encode())
    vault.write("acme", "oauth", {"access_token": CANARY}, "kwallet")
    assert status_of(auth, "acme")[1]["acme"]["logins"] == [row("oauth", "keyring (kwallet)", "ready", is_ours=True)]

    def locked(*args, **more):
        raise StorageError("the keyring is locked", hint="unlock it")

    monkeypatch.setattr(keystore, "read", locked)
    (login,) = status_of(auth, "acme")[1]["acme"]["logins"]
    assert login == row(
        "oauth", "keyring (kwallet)", "unusable", is_ours=True, note="the keyring is locked: unlock it"
    )


def test_a_program_with_its_own_login_is_listed_but_counts_for_nothing(known, auth, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "acme-cli-for-tests"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    code, found = status_of(auth, "acme", "--status")
    note = "the program has its own login"
    assert (code, found["acme"]["logins"]) == (2, [row("cli", str(program), "unknown", is_ours=False, note=note)])
    assert found["acme@work"]["logins"] == []


def test_the_status_of_one_account_ends_with_0_when_a_login_works(known, auth):
    vault.write("acme@work", "session", {"cookie": CANARY}, "")
    assert auth("acme@work", "--status") == (0, f"acme@work\n  web  {file_of('acme@work', 'session')}  ready\n", "")


# --- a secret that is pasted


def test_a_pasted_secret_is_tried_stored_and_its_percentages_are_shown(known, auth, server, tmp_path):
    refused = gate.hold(None, "web", "old", AuthError("refused"), datetime.now(UTC))
    gate.save({"acme": refused, "acme@work": refused})
    code, out, err = auth("acme", stdin=f"Cookie: {CANARY}-x".encode())
    assert (code, "stored" in out, server.asked) == (0, True, [("GET", "/web", f"acme={CANARY}-x")])
    assert out.splitlines()[-2:] == [
        f"acme: the session cookie is stored in {file_of('acme', 'session')}",
        "acme: Daily 12.5%, Weekly 40%",
    ]
    assert err == "wanted: session cookie\n  in the browser\n"
    document = stored()
    assert (document["cookie"], len(document["owner"])) == (f"{CANARY}-x", 16)
    assert stat.S_IMODE(os.stat(file_of("acme", "session")).st_mode) == 0o600
    assert [*gate.load()] == ["acme@work"]
    assert outside_credentials(tmp_path) == []


def pasted_header(text: str) -> str:
    place = Cookie(domains=("acme.example",), names=("a", "b"))
    web = Func(name="web", fetch=look, login=(Stored(kind="session", key="cookie"), place))
    secret = msgspec.structs.replace(ACME.secrets[0], is_header=True, pattern="")
    provider = msgspec.structs.replace(ACME, strategies=(web,), secrets=(secret,))
    return secrets_in.document(text, secret, provider, datetime.now(UTC))["cookie"]


@pytest.mark.parametrize("text", ["Cookie: b=2; c=3; a=1\n", "a=; b=2;a=1", "b=2; a=1; broken"])
def test_of_a_pasted_header_all_the_cookies_are_kept_that_are_known(text):
    assert pasted_header(text) == "b=2;a=1"


@pytest.mark.parametrize("text", ["c=3", "a=", "1", "Cookie: ", "a=1 2"])
def test_a_pasted_text_without_a_known_cookie_is_no_header(text):
    with pytest.raises(ConfigError, match="that is no session cookie"):
        pasted_header(text)


def test_a_pasted_login_is_the_same_account_at_the_next_refresh(known, auth):
    config.reset('providers."acme@work"')
    assert auth("acme", stdin=CANARY.encode())[0] == 0
    assert cli.main(["refresh", "acme"]) == 0
    owner = cache.owner_of("acme")
    assert owner == credentials.Login("", "", is_ours=True, owner=stored()["owner"]).owner_fingerprint


REFUSALS = [
    pytest.param((401, {}), 2, "127.0.0.1 refused the login\n  in the browser\n", id="refused"),
    pytest.param((403, {"error": CANARY}), 2, "does not allow this login to see usage", id="forbidden"),
    pytest.param((429, {}), 3, "127.0.0.1 asks to wait", id="too often"),
    pytest.param((503, {}), 3, "127.0.0.1 answered 503", id="server down"),
    pytest.param((200, {"Daily": CANARY}), 1, "sent an answer we do not understand", id="not understood"),
]


@pytest.mark.parametrize(("answer", "code", "reason"), REFUSALS)
def test_a_secret_that_does_not_work_is_not_stored_and_the_reason_is_told(
    known, auth, server, tmp_path, answer, code, reason
):
    vault.write("acme", "session", {"cookie": "sk-acme-old"}, "")
    server.answers["/web"] = answer
    said, out, err = auth("acme", stdin=CANARY.encode())
    assert (said, "stored" in out) == (code, False)
    assert reason in err
    assert err.endswith("nothing was stored; --no-check stores it without asking\n")
    assert stored() == {"cookie": "sk-acme-old"}
    assert outside_credentials(tmp_path) == []


@pytest.mark.slow
def test_the_reason_is_that_of_the_pasted_secret_and_not_of_an_older_login(known, auth, server, home):
    vendors_file(home, expires=EXPIRED)
    server.answers["/web"] = (503, {})
    assert "127.0.0.1 answered 503" in auth("acme", stdin=CANARY.encode())[2]


def test_no_check_stores_without_asking_anybody(known, auth, server):
    assert auth("acme", "--no-check", stdin=CANARY.encode())[0] == 0
    assert (stored()["cookie"], server.asked) == (CANARY, [])


def test_a_new_account_gets_a_login_of_its_own(known, auth):
    assert auth("acme@new", "--no-check", stdin=CANARY.encode())[0] == 0
    assert (stored("acme@new")["cookie"], stored("acme")) == (CANARY, None)
    assert "acme@new" in status_of(auth)[1]


def test_another_kind_may_be_pasted(known, auth, server):
    assert auth("acme", "--kind", "oauth", stdin=b"any-token")[0] == 0
    assert server.asked == [("GET", "/usage", "Bearer any-token")]
    assert stored(kind="oauth")["access_token"] == "any-token"


def test_a_working_login_is_told_before_anything_is_asked_for(known, auth, home):
    vendors_file(home)
    assert "a login works already; Ctrl-C leaves all as it is" in auth("acme", stdin=CANARY.encode())[2]


def test_e11_a_keyring_that_is_missing_is_told_before_the_secret_is_asked_for(known, auth, server, monkeypatch):
    def missing(*args, **more):
        raise StorageError("the keyring extra is not installed", hint="pip install it")

    config.set_value("credentials.use_keyring", "true")
    monkeypatch.setattr(keystore, "read", missing)
    for name in ("acme", "coded"):
        code, _, err = auth(name, stdin=CANARY.encode())
        assert (code, err) == (1, "vibeusage: the keyring extra is not installed\n  pip install it\n")
    assert (server.asked, list(vault.entries())) == ([], [])


ON_THE_COMMAND_LINE = [
    pytest.param(["acme", CANARY], id="behind the provider"),
    pytest.param([CANARY], id="in the place of the provider"),
    pytest.param([CANARY, "--status"], id="in the place of the provider, with --status"),
    pytest.param(["acme", f"--secret={CANARY}"], id="by an option that is not there"),
    pytest.param(["acme", "--kind", CANARY], id="as a kind"),
    pytest.param(["coded", "--host", CANARY], id="as a host"),
]


@pytest.mark.parametrize("words", ON_THE_COMMAND_LINE)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(known, auth, server, words):
    code, _, err = auth(*words)
    assert (code, bool(err), server.asked) == (4, True, [])


# --- the vendor's own login alone


def test_a_provider_with_its_own_login_only_says_whether_it_works(known, auth, home):
    said = "vibeusage: Vendor has no working login on this machine\n  log in with `acme login`\n"
    assert auth("vendor") == (2, "vendor\n  no login was found\n  log in with `acme login`\n", said)
    path = vendors_file(home)
    code, out, _ = auth("vendor")
    assert (code, out.splitlines()) == (
        0,
        ["vendor", f"  oauth  {path}  ready", "nothing is left to do: this login works, and its own program renews it"],
    )


def test_a_host_is_for_a_login_by_code(known, auth):
    assert auth("acme", "--host", "acme.ghe.com")[0] == 4


# --- a login by code


@pytest.mark.slow
def test_a_code_is_shown_and_the_login_that_comes_of_it_is_stored_and_tried(known, auth, server, tmp_path):
    server.answers |= {"/code": (200, CODE), "/token": [(200, {"error": "authorization_pending"}), (200, TOKEN)]}
    code, out, err = auth("coded")
    assert code == 0
    assert err.splitlines() == [
        "open https://acme.example/device and type the code ABCD-[31m1234",
        "waiting until that is done; Ctrl-C ends it and leaves nothing",
    ]
    assert out.splitlines()[-2:] == [
        f"coded: the login is stored in {file_of('coded', 'oauth')}",
        "coded: Daily 7%",
    ]
    assert stored("coded", "oauth")["access_token"] == TOKEN["access_token"]
    assert [path for _, path, _ in server.asked] == ["/code", "/token", "/token", "/usage"]
    assert server.asked[-1][2] == f"Bearer {TOKEN['access_token']}"
    assert outside_credentials(tmp_path) == []


@pytest.mark.slow
def test_a_login_by_code_that_sees_no_usage_is_stored_and_the_reason_is_told(known, auth, server):
    server.answers |= {"/code": (200, CODE), "/token": (200, TOKEN), "/usage": (403, {})}
    code, out, err = auth("coded")
    assert (code, "the login is stored in" in out) == (2, True)
    assert "does not allow this login to see usage\n  the login is stored all the same; " in err
    assert stored("coded", "oauth")["access_token"] == TOKEN["access_token"]


@pytest.mark.parametrize("error", ["access_denied", "expired_token"])
def test_a_code_that_is_refused_stores_nothing(known, auth, server, error):
    server.answers |= {"/code": (200, CODE), "/token": (200, {"error": error})}
    code, _, err = auth("coded")
    assert (code, error in err, list(vault.entries())) == (2, True, [])


HOSTS = ["https://acme.ghe.com", "acme", "acme.ghe.com/x", "acme.ghe.com:443", "a@b.com", "a-.com", "1.2.3.4", ""]


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_no_name_of_a_host_is_refused(known, auth, server, host):
    code, _, err = auth("coded", "--host", host)
    assert (code, "--host is not the name of a host" in err, server.asked) == (4, True, [])


# --- real providers


def test_copilot_logs_in_by_code_at_github(auth, server, tmp_path):
    config.set_value("providers.copilot.base_url", server.url)
    user = {"copilot_plan": "individual", "quota_snapshots": {"chat": {"entitlement": 100, "percent_remaining": 75}}}
    server.answers |= {
        "/login/device/code": (200, CODE),
        "/login/oauth/access_token": [(200, {"error": "authorization_pending"}), (200, TOKEN)],
        "/copilot_internal/user": (200, user),
    }
    code, _, err = auth("copilot", "--no-check")
    assert (code, "type the code" in err) == (0, True)
    assert cli.main(["refresh", "copilot"]) == 0
    assert cache.load_snapshots()["copilot"].periods[0].utilization == 25.0
    assert server.asked[-1] == ("GET", "/copilot_internal/user", f"token {TOKEN['access_token']}")
    assert outside_credentials(tmp_path) == []


def enterprise(respx_mock, token=(200, TOKEN)):
    site, api = "https://acme.ghe.com/login", "https://api.acme.ghe.com"
    respx_mock.post(f"{site}/device/code").respond(json=CODE)
    respx_mock.post(f"{site}/oauth/access_token").respond(token[0], json=token[1])
    user = {"quota_snapshots": {"chat": {"entitlement": 100, "percent_remaining": 75}}}
    return respx_mock.get(f"{api}/copilot_internal/user").respond(json=user)


@pytest.mark.slow
def test_copilot_logs_in_at_an_enterprise_and_is_asked_there_from_then_on(auth, respx_mock):
    usage = enterprise(respx_mock)
    code, out, _ = auth("copilot", "--host", "acme.GHE.com")
    assert (code, out.splitlines()[-1]) == (0, "copilot: Chat 25%")
    assert stored("copilot", "oauth")["host"] == "acme.ghe.com"
    assert config.get("providers.copilot.base_url") == "https://api.acme.ghe.com"
    assert usage.calls.last.request.headers["Authorization"] == f"token {TOKEN['access_token']}"
    assert auth("copilot", "--no-check")[0] == 0  # once more, at the same host
    assert stored("copilot", "oauth")["host"] == "acme.ghe.com"


def test_copilot_goes_back_to_github_when_told_so(auth, respx_mock):
    config.set_value("providers.copilot.base_url", "https://api.acme.ghe.com")
    respx_mock.post("https://github.com/login/device/code").respond(json=CODE)
    respx_mock.post("https://github.com/login/oauth/access_token").respond(json=TOKEN)
    assert auth("copilot", "--host", "github.com", "--no-check")[0] == 0
    assert "host" not in stored("copilot", "oauth")
    assert config.get("providers.copilot.base_url") is None


@pytest.mark.parametrize("before", [None, "https://api.other.ghe.com"])
def test_an_enterprise_login_that_cannot_be_stored_leaves_the_address_as_it_was(auth, respx_mock, monkeypatch, before):
    def full(*args):
        raise StorageError("disk full")

    if before:
        config.set_value("providers.copilot.base_url", before)
    respx_mock.post("https://acme.ghe.com/login/device/code").respond(json=CODE)
    respx_mock.post("https://acme.ghe.com/login/oauth/access_token").respond(json=TOKEN)
    monkeypatch.setattr(vault, "write", full)
    assert auth("copilot", "--host", "acme.ghe.com")[0] == 1
    assert config.get("providers.copilot.base_url") == before


@pytest.mark.slow
def test_an_interrupt_while_waiting_leaves_nothing(server, config_dir, tmp_path):
    config.set_value("providers.copilot.base_url", server.url)
    server.answers |= {
        "/login/device/code": (200, CODE),
        "/login/oauth/access_token": (200, {"error": "authorization_pending"}),
    }
    before = sorted(path.name for path in config_dir.rglob("*"))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "vibeusage", "auth", "copilot"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    end = time.monotonic() + 30
    while not any(path.endswith("access_token") for _, path, _ in server.asked):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.count("\n"), "Traceback" in err) == (130, 2, False)
    assert sorted(path.name for path in config_dir.rglob("*")) == before
    assert outside_credentials(tmp_path) == []


def test_claude_takes_a_session_key_out_of_a_cookie_header(auth, server, tmp_path):
    config.set_value("providers.claude.base_url", server.url)
    server.answers |= {
        "/api/organizations": (200, [{"uuid": "org-1", "capabilities": ["chat"]}]),
        "/api/organizations/org-1/usage": (200, {"five_hour": {"utilization": 42.0, "resets_at": None}}),
    }
    code, out, err = auth("claude", stdin=b"Cookie: lang=en; sessionKey=sk-ant-sid01-canary; other=1\n")
    assert (code, err.startswith("wanted: sessionKey cookie of claude.ai\n")) == (0, True)
    assert out.splitlines()[-2:] == [
        f"claude: the sessionKey cookie of claude.ai is stored in {file_of('claude', 'session')}",
        "claude: Session (5h) 42%",
    ]
    assert stored("claude")["session_key"] == "sk-ant-sid01-canary"
    assert {cookie for _, _, cookie in server.asked} == {"sessionKey=sk-ant-sid01-canary"}
    assert outside_credentials(tmp_path) == []
