"""The engine against a real loopback HTTP server: gates, cool-downs, last good numbers, one request for many."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vibeusage import cache, cli, gate, paths
from vibeusage.refresh import refresh

GOOD = {"five_hour": {"utilization": 42.0, "resets_at": None}}


class Server:
    """Answers with `status`, `body`, `headers`; `requests` keeps the headers of each."""

    def __init__(self):
        self.status, self.body, self.headers, self.requests = 200, json.dumps(GOOD).encode(), {}, []
        self.release = threading.Event()
        self.release.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append((self.path, dict(self.headers)))
                outer.release.wait(20)
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, format, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture(autouse=True)
def claude_alone(monkeypatch):
    monkeypatch.setenv("VIBEUSAGE_ENABLED_PROVIDERS", "claude")


@pytest.fixture
def server():
    made = Server()
    yield made
    made.release.set()
    made.http.shutdown()
    made.http.server_close()
    made.thread.join()


@pytest.fixture
def login(config_dir):
    """Write our own credential file."""

    def write(token="t0ken-canary"):
        folder = config_dir / "credentials" / "claude"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "oauth.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"access_token": token}))
        return path

    return write


@pytest.fixture
def account(config_dir, server, login):
    login()
    (config_dir / "config.toml").write_text(f'[providers.claude]\nbase_url = "{server.url}"\n')


def test_an_answer_becomes_a_snapshot_and_a_line(account, server, vibeusage):
    (outcome,) = refresh() or []
    assert (outcome.success, outcome.source, outcome.attempts[-1].strategy) == (True, "oauth", "oauth")
    path, headers = server.requests[0]
    assert path == "/api/oauth/usage"
    assert headers["Authorization"] == "Bearer t0ken-canary"
    assert headers["anthropic-beta"] == "oauth-2025-04-20"
    assert headers["User-Agent"].startswith("claude-code/")
    assert vibeusage("line", "plain").stdout == b"claude 5h 42%\n"


FAILURES = [
    pytest.param(401, b"{}", {}, "authentication", 2, id="login refused"),
    pytest.param(403, b'{"error":"scope"}', {}, "authorization", 2, id="scope missing"),
    pytest.param(403, b"<html>challenge</html>", {}, "authorization", 2, id="bot block"),
    pytest.param(429, b"{}", {"Retry-After": "1600"}, "rate_limited", 3, id="too often"),
    pytest.param(503, b"", {}, "network", 3, id="server down"),
    pytest.param(302, b"", {"Location": "http://127.0.0.1:1/"}, "parse", 1, id="redirect is not followed"),
    pytest.param(200, b"<html>", {}, "parse", 1, id="page for JSON"),
    pytest.param(200, b"", {}, "parse", 1, id="empty"),
    pytest.param(200, b"x" * (5 << 20), {}, "parse", 1, id="flood"),
    pytest.param(200, b"zipped", {"Content-Encoding": "gzip"}, "parse", 1, id="compressed unasked"),
]


@pytest.mark.parametrize(("status", "body", "headers", "category", "code"), FAILURES)
def test_a_failure_is_named_and_keeps_the_last_good_numbers(
    account, server, status, body, headers, category, code, capsys
):
    refresh()
    server.status, server.body, server.headers = status, body, headers
    assert cli.main(["refresh", "claude"]) == code
    said = capsys.readouterr().err
    assert said.startswith("claude: ")
    assert "Traceback" not in said
    assert "canary" not in said
    state = gate.load()["claude"]
    assert state.error is not None
    assert state.error.category == category
    kept = cache.load_snapshot("claude")
    assert kept is not None
    assert [period.utilization for period in kept.periods] == [42.0]


def test_a_refused_login_is_not_asked_again_until_it_changes(account, server, login):
    server.status = 401
    for _ in range(5):
        refresh()
    assert len(server.requests) == 1
    server.status = 200
    login("another-token")
    (outcome,) = refresh() or []
    assert outcome.success
    assert len(server.requests) == 2


def test_a_rate_limit_holds_for_every_refresh_and_outlives_the_process(account, server, vibeusage):
    server.status, server.headers = 429, {"Retry-After": "1600"}
    before = datetime.now(UTC)
    refresh()
    assert vibeusage("refresh").returncode == 3
    assert len(server.requests) == 1
    assert timedelta(seconds=1599) < gate.load()["claude"].due_at - before < timedelta(seconds=1610)


def test_a_foreign_login_is_never_sent_to_another_host(server, config_dir, home):
    config_dir.mkdir(exist_ok=True)
    (config_dir / "config.toml").write_text(f'[providers.claude]\nbase_url = "{server.url}"\n')
    vendor = home / ".claude" / ".credentials.json"
    vendor.parent.mkdir()
    vendor.write_text(json.dumps({"claudeAiOauth": {"accessToken": "foreign-canary", "refreshToken": "never"}}))
    (outcome,) = refresh() or []
    assert outcome.error is not None
    assert outcome.error.category == "configuration"
    assert server.requests == []


def test_a_variable_that_names_no_certificates_costs_the_round_and_no_numbers(account, server, monkeypatch, tmp_path):
    (good,) = refresh() or []
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    (outcome,) = refresh() or []
    assert outcome.error is not None
    assert (outcome.error.category, outcome.error.message) == ("configuration", "$SSL_CERT_FILE names no certificates")
    assert outcome.snapshot == good.snapshot
    assert len(server.requests) == 1


def test_where_nobody_is_logged_in_no_client_is_loaded(home, monkeypatch):
    monkeypatch.delenv("VIBEUSAGE_ENABLED_PROVIDERS", raising=False)
    (home / ".codex" / "sessions").mkdir(parents=True)  # strategies without a login are tried all the same
    code = "import sys; from vibeusage.refresh import refresh; print(len(refresh(if_due=True)), *sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert {"httpx", "vibeusage.http"} & set(done.stdout.split()) == set()


FILES = (
    *(".claude/.credentials.json", ".claude.json", ".codex/auth.json", ".codex/config.toml", ".gemini/settings.json"),
    *(".config/github-copilot/apps.json", ".config/gh/hosts.yml", ".config/cursor/auth.json"),
    *(".gemini/oauth_creds.json", ".config/Cursor/User/globalStorage/state.vscdb"),
)


def test_links_that_go_in_a_circle_are_no_logins(home, monkeypatch, vibeusage):
    monkeypatch.delenv("VIBEUSAGE_ENABLED_PROVIDERS")
    for name in FILES:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(path)
    outcomes = refresh() or []
    assert {outcome.error.category for outcome in outcomes if outcome.error} == {"not_configured"}
    assert b"mistake" not in vibeusage("auth", "--status").stderr


@pytest.mark.parametrize("command", [("refresh",), ("auth", "--status")], ids=["refresh", "auth"])
def test_a_home_that_cannot_be_looked_into_has_no_logins(home, monkeypatch, vibeusage, command):
    monkeypatch.delenv("VIBEUSAGE_ENABLED_PROVIDERS")
    said = vibeusage(*command, env={"HOME": f"{home}/{'x' * 300}"})
    assert said.returncode == (2 if command == ("refresh",) else 0)
    assert not any(words in said.stderr for words in (b"mistake", b"cannot be"))


def test_an_expired_foreign_login_costs_no_request_and_says_what_to_do(home, server):
    vendor = home / ".claude" / ".credentials.json"
    vendor.parent.mkdir()
    vendor.write_text(json.dumps({"claudeAiOauth": {"accessToken": "x", "expiresAt": 1_000_000_000_000}}))
    (outcome,) = refresh() or []
    assert outcome.error is not None
    assert (outcome.error.category, outcome.attempts[0].success) == ("authentication", False)
    assert str(vendor) in outcome.error.message


@pytest.mark.slow
def test_only_one_of_many_refreshers_asks(account, server):
    server.release.clear()
    command = [sys.executable, "-P", "-m", "vibeusage", "refresh", "--if-due", "--quiet"]
    started = [subprocess.Popen(command, env=os.environ) for _ in range(12)]
    threading.Timer(3.0, server.release.set).start()
    assert [process.wait(timeout=60) for process in started] == [0] * 12
    assert len(server.requests) == 1


def test_if_due_leaves_a_fresh_account_alone(account, server):
    refresh()
    assert refresh(if_due=True) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(("foreground", "count"), [(True, 2), (False, 1)], ids=["a person waits", "nobody waits"])
def test_numbers_that_got_lost_are_asked_for_again_where_a_person_waits(account, server, foreground, count):
    refresh()
    cache.snapshot_file("claude").unlink()
    refresh(if_due=True, foreground=foreground)
    assert len(server.requests) == count


def test_a_killed_holder_of_the_lock_does_not_stop_the_next(account, server):
    server.release.clear()
    holder = subprocess.Popen([sys.executable, "-P", "-m", "vibeusage", "refresh"], env=os.environ)
    while not server.requests:
        assert holder.poll() is None
    holder.kill()
    holder.wait()
    server.release.set()
    (outcome,) = refresh() or []
    assert outcome.success


def test_a_silent_server_costs_no_more_than_the_deadline(account, server, config_dir):
    text = (config_dir / "config.toml").read_text()
    (config_dir / "config.toml").write_text(text + "[fetch]\ntimeout_s = 1\n")
    server.release.clear()
    (outcome,) = refresh() or []
    assert outcome.error is not None
    assert outcome.error.category == "network"
    assert outcome.attempts[0].duration_ms < 5000


@pytest.mark.slow
def test_the_token_is_nowhere_but_in_its_file(account, server, cache_dir, vibeusage):
    for status in (200, 401, 429, 500):
        server.status = status
        paths.cache_dir().joinpath("gates.json").unlink(missing_ok=True)
        done = vibeusage("refresh", "--json")
        assert b"canary" not in done.stdout + done.stderr
    for path in cache_dir.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes()


def test_many_threads_may_compile_the_line_at_once(account, server):
    refresh()
    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(lambda _: cache.compile_line(), range(40)))
    assert len(texts) == 1
