"""The one way out against real TLS on loopback: what is refused before it is sent, cut off, tried again, and named."""

import asyncio
import contextlib
import socket
import ssl
import sys
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from vendors import MIB, Answer, World, gzip_bomb, redirect

from vibeusage import answers, http
from vibeusage.answers import check, retry_at
from vibeusage.errors import (
    AuthError,
    ConfigError,
    Forbidden,
    Offline,
    RateLimited,
    ShapeError,
    Unavailable,
    VibeusageError,
)

HOST = "api.acme.example"
URL = f"https://{HOST}/v2/usage"
NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
OURS = {"host", "accept", "accept-encoding", "connection", "user-agent"}
ROTTEN = "\0not a certificate"


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(http, "FIRST_PAUSE_S", 0.001)


def ask(*urls: str, hosts=(HOST,), headers=None, timeout_s: float = 5.0) -> list[answers.Answer]:
    """The answers to a GET of each, from one client."""

    async def all_of_them():
        async with http.open_client(timeout_s, hosts, http.tls()) as client:
            return [await http.send(client, "GET", url, headers=headers or {}) for url in urls]

    return asyncio.run(all_of_them())


def failure(*urls: str, **options) -> VibeusageError:
    with pytest.raises(VibeusageError) as caught:
        ask(*(urls or (URL,)), **options)
    return caught.value


# what an answer means

STATUSES = [
    pytest.param(401, {}, b"", AuthError(f"{HOST} refused the login"), id="401"),
    pytest.param(403, {}, b"{}", Forbidden(f"{HOST} does not allow this login to see usage"), id="403"),
    pytest.param(
        403, {}, b" <html>", Forbidden(f"{HOST} blocked the request as coming from a bot"), id="403 with a page"
    ),
    pytest.param(
        403,
        {"cf-mitigated": "challenge"},
        b"",
        Forbidden(f"{HOST} blocked the request as coming from a bot"),
        id="403 of a guard",
    ),
    pytest.param(
        403,
        {"x-ratelimit-remaining": "0"},
        b"",
        RateLimited(f"{HOST} asks to wait", retry_at=NOW),
        id="403 that means 429",
    ),
    pytest.param(429, {}, b"", RateLimited(f"{HOST} asks to wait", retry_at=NOW), id="429"),
    pytest.param(408, {}, b"", Unavailable(f"{HOST} answered 408"), id="408"),
    pytest.param(503, {}, b"", Unavailable(f"{HOST} answered 503"), id="503"),
    pytest.param(599, {}, b"", Unavailable(f"{HOST} answered 599"), id="599"),
    pytest.param(302, {"location": "https://elsewhere.example"}, b"", ShapeError(f"{HOST} answered 302"), id="302"),
    pytest.param(404, {}, b"", ShapeError(f"{HOST} answered 404"), id="404"),
]


@pytest.mark.parametrize(("status", "headers", "body", "error"), STATUSES)
def test_each_status_is_the_error_it_stands_for(status, headers, body, error):
    with pytest.raises(VibeusageError) as caught:
        check(answers.Answer(status, httpx.Headers(headers), body, HOST), NOW)
    assert (type(caught.value), str(caught.value)) == (type(error), str(error))
    assert getattr(caught.value, "retry_at", None) == getattr(error, "retry_at", None)


def test_the_body_of_any_2xx_is_the_answer():
    found = [answers.Answer(status, httpx.Headers(), b"body", HOST) for status in (200, 203, 299)]
    assert [check(answer, NOW) for answer in found] == [b"body"] * 3


RETRY_AFTER = [
    pytest.param("120", NOW + timedelta(seconds=120), id="seconds"),
    pytest.param(" 7 ", NOW + timedelta(seconds=7), id="blanks around"),
    pytest.param("Sat, 02 May 2026 12:05:00 GMT", NOW + timedelta(minutes=5), id="date"),
    pytest.param("Sat, 02 May 2026 14:05:00 +0200", NOW + timedelta(minutes=5), id="date with an offset"),
    pytest.param("Sat, 02 May 2026 12:05:00 -0000", NOW + timedelta(minutes=5), id="date without a zone"),
    pytest.param("Sat, 02 May 2020 12:05:00 GMT", NOW, id="date in the past"),
    pytest.param("9" * 400, NOW + timedelta(days=365), id="absurd number"),
    pytest.param("-5", NOW, id="negative"),
    pytest.param("1.5", NOW, id="fraction"),
    pytest.param("soon", NOW, id="word"),
    pytest.param("", NOW, id="empty"),
    pytest.param(None, NOW, id="absent"),
]


@pytest.mark.parametrize(("value", "at"), RETRY_AFTER)
def test_retry_after_is_read_in_both_forms(value, at):
    assert retry_at(value, NOW) == at


@given(st.text() | st.dates(min_value=datetime(1, 1, 1).date()).map(lambda day: f"{day:%a, %d %b %Y} 23:59:60 GMT"))
def test_no_retry_after_is_too_odd(value):
    assert retry_at(value, NOW) >= NOW


# tried again

PLAYED = [
    pytest.param([Answer(status=503), Answer(status=502), Answer(json=1)], 200, 3, id="passes"),
    pytest.param([Answer(status=500)], 500, 3, id="stays"),
    pytest.param([Answer(body=b"{}", close=True), Answer(json=1)], 200, 2, id="connection broken in the body"),
    pytest.param([Answer(status=503, headers={"retry-after": "9"})], 503, 1, id="says when"),
    pytest.param([Answer(status=501)], 501, 1, id="will not pass"),
    pytest.param([Answer(status=429)], 429, 1, id="too often"),
    pytest.param([Answer(status=401)], 401, 1, id="refused"),
]


@pytest.mark.parametrize(("answers", "status", "count"), PLAYED)
def test_a_passing_fault_is_tried_again_twice_and_no_other(world, no_pause, answers, status, count):
    world.on("GET", HOST, "/v2/usage", answers)
    assert [answer.status for answer in ask(URL)] == [status]
    assert len(world.requests) == count


def test_a_connection_that_always_breaks_is_unavailable(world, no_pause):
    world.on("GET", HOST, "/v2/usage", Answer(body=b"{}", close=True))
    error = failure()
    assert (type(error), str(error)) == (Unavailable, f"{HOST} cannot be reached: RemoteProtocolError")
    assert len(world.requests) == 3


# D1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(hang=True), id="no answer"),
        pytest.param(Answer(json=1, slow_headers_s=30), id="slow head"),
        pytest.param(Answer(repeat_bytes=9, drip_s=30), id="slow body"),
    ],
)
def test_d1_silence_ends_with_the_time_allowed(world, answer):
    world.on("GET", HOST, "/v2/usage", answer)
    error = failure(timeout_s=0.3)
    assert (type(error), str(error)) == (Unavailable, f"{HOST} did not answer in time")
    assert len(world.requests) == 1


def test_d1_a_silent_name_server_is_not_waited_for(monkeypatch):
    silent, ended = threading.Event(), threading.Event()

    def look_up(*args, **kwargs):
        silent.wait(60)
        ended.set()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    async def asked_in_vain():
        async with http.open_client(60, {HOST}, http.tls()) as client:
            async with asyncio.timeout(0.2):
                await http.send(client, "GET", URL, headers={})

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(TimeoutError):
        asyncio.run(asked_in_vain())
    assert not ended.is_set()
    silent.set()
    assert ended.wait(10)


# D2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(gzip_bomb(64), id="gzip"),
        pytest.param(gzip_bomb(64, layers=3), id="gzip in gzip in gzip"),
        pytest.param(Answer(body=b"\x1b", headers={"content-encoding": "br"}), id="br"),
        pytest.param(Answer(body=b"\x28\xb5\x2f\xfd", headers={"content-encoding": "zstd"}), id="zstd"),
        pytest.param(Answer(body=b"x", headers={"content-encoding": "deflate"}), id="deflate"),
        pytest.param(Answer(body=b"x", headers={"content-encoding": "identity, gzip"}), id="list"),
        pytest.param(
            Answer(repeat_bytes=1 << 40, announced=False, headers={"content-encoding": "gzip"}), id="endless gzip"
        ),
    ],
)
def test_d2_what_is_compressed_is_refused_unread(world, answer):
    world.on("GET", HOST, "/v2/usage", answer)
    error = failure()
    assert (type(error), str(error)) == (ShapeError, f"{HOST} sent a compressed answer that nobody asked for")
    assert [request.headers["accept-encoding"] for request in world.requests] == ["identity"]


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "endless chunks"])
def test_d2_a_body_beyond_the_limit_is_cut_off(world, announced):
    world.on("GET", HOST, "/v2/usage", Answer(repeat_bytes=1 << 40, announced=announced))
    error = failure()
    assert (type(error), str(error)) == (ShapeError, f"{HOST} sent more than 4 MiB")


def test_d2_a_body_of_just_the_limit_is_whole(world):
    world.on("GET", HOST, "/v2/usage", Answer(repeat_bytes=http.BODY_LIMIT, announced=False))
    assert [len(answer.body) for answer in ask(URL)] == [4 * MIB]


def test_d2_a_head_without_end_is_unavailable(world, no_pause):
    world.on("GET", HOST, "/v2/usage", Answer(json=1, headers={"x-flood": "a" * MIB}))
    error = failure()
    assert (type(error), str(error)) == (Unavailable, f"{HOST} cannot be reached: RemoteProtocolError")


# D3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_d3_a_redirect_is_an_answer_and_is_not_followed(world, status):
    world.on("GET", HOST, "/v2/usage", redirect(f"https://{HOST}/v3", status))
    assert [answer.status for answer in ask(URL)] == [status]
    assert [request.path for request in world.requests] == ["/v2/usage"]


# D4


@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        ("expired", "certificate has expired"),
        ("self-signed", "self-signed certificate"),
        ("wrong-name", f"Hostname mismatch, certificate is not valid for '{HOST}'."),
    ],
)
def test_d4_a_certificate_with_a_flaw_is_refused_and_the_flaw_named(world, flaw, said):
    world.certificate(HOST, flaw)
    error = failure()
    assert (type(error), str(error)) == (Unavailable, f"{HOST} does not prove to be that host: {said}")
    assert world.requests == []


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="unknown CA"),
        pytest.param({"SSL_CERT_FILE": ""}, id="empty name"),
        pytest.param({"PYTHONHTTPSVERIFY": "0"}, id="Python's switch"),
        pytest.param({"NODE_TLS_REJECT_UNAUTHORIZED": "0", "GIT_SSL_NO_VERIFY": "1"}, id="switches of others"),
        pytest.param({"CURL_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": ""}, id="bundles of others"),
        pytest.param({"HTTPX_VERIFY": "0", "VIBEUSAGE_VERIFY": "0", "VIBEUSAGE_INSECURE": "1"}, id="invented switches"),
    ],
)
def test_d4_no_variable_makes_an_unknown_ca_trusted(world, monkeypatch, environ):
    monkeypatch.delenv("SSL_CERT_FILE")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    error = failure()
    assert str(error) == f"{HOST} does not prove to be that host: unable to get local issuer certificate"
    assert "SSL_CERT_FILE" in error.hint
    assert world.requests == []


@pytest.mark.parametrize("bad", ["absent", "text", "folder"])
def test_d4_a_variable_that_names_no_certificates_is_said_to_be_wrong(world, monkeypatch, tmp_path, bad):
    path = tmp_path / bad
    if bad == "text":
        path.write_text(ROTTEN)
    elif bad == "folder":
        path.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    error = failure()
    assert (type(error), str(error)) == (ConfigError, "$SSL_CERT_FILE names no certificates")
    assert world.connects == []


def test_d4_the_old_versions_of_tls_are_not_spoken():
    context = http.tls()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


# D5


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/v2/usage",
        f"https://{HOST}.elsewhere.example/",
        f"https://elsewhere.example/{HOST}",
        f"https://elsewhere.example#@{HOST}/",
        f"https://{HOST}@elsewhere.example/",
        f"https://{HOST}:443@elsewhere.example/",
        f"https://x{HOST}/",
        "https://acme.example/",
        f"https://{HOST}./",
        "https://192.0.2.7/",
        "https://[2001:db8::7]/",
        "http://localhost:1/",
    ],
)
def test_d5_a_request_to_another_host_is_refused_before_it_is_sent(world, url):
    error = failure(url, headers={"Authorization": "Bearer canary"})
    assert isinstance(error, ConfigError)
    assert str(error).endswith(" is not a host of this provider")
    assert "canary" not in str(error) + error.hint
    assert world.connects == []


def test_d5_a_path_cannot_name_another_host(world):
    world.on("GET", HOST, "*", Answer(json=1))
    ask(f"https://{HOST}//elsewhere.example/", f"https://{HOST}/\\elsewhere.example", f"https://{HOST.upper()}/x")
    assert world.hosts == {HOST}


# D6


def test_d6_netrc_is_not_consulted(world, monkeypatch, home):
    text = f"machine {HOST} login canary password canary\ndefault login canary password canary\n"
    for path in (home / ".netrc", home / "_netrc", home / "named"):
        path.write_text(text)
        path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(home / "named"))
    world.on("GET", HOST, "/v2/usage", Answer(status=401, headers={"www-authenticate": "Basic"}))
    assert [answer.status for answer in ask(URL)] == [401]
    assert ["authorization" in request.headers for request in world.requests] == [False]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_d6_a_proxy_of_any_name_is_the_way(world, monkeypatch, name):
    for other in world.environ:
        if other.upper().endswith("_PROXY"):
            monkeypatch.delenv(other)
    monkeypatch.setenv(name, world.environ[name])
    world.on("GET", HOST, "/v2/usage", Answer(json=1))
    assert [answer.status for answer in ask(URL)] == [200]
    assert world.connects == [f"{HOST}:443"]


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        pytest.param("socks5://u:canary@127.0.0.1:1", "a SOCKS proxy, which takes the extra `socks`", id="SOCKS"),
        pytest.param("ftp://u:canary@127.0.0.1:1", "a proxy that cannot be used", id="ftp"),
        pytest.param("http://u:canary@[::1", "a proxy that cannot be used", id="malformed"),
    ],
)
def test_d6_a_proxy_that_cannot_be_used_is_said_to_be_without_its_password(monkeypatch, proxy, said):
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    error = failure()
    assert (type(error), str(error)) == (ConfigError, f"the environment names {said}")
    assert "canary" not in error.hint


def test_d6_the_password_of_a_proxy_goes_to_the_proxy_alone(world, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", world.environ["HTTPS_PROXY"].replace("//", "//user:canary@"))
    monkeypatch.delenv("https_proxy")
    world.on("GET", HOST, "/v2/usage", [Answer(json=1), Answer(status=501)])
    ask(URL, URL)
    assert [set(request.headers) for request in world.requests] == [OURS, OURS]
    assert "canary" not in str(world.requests)


# D7


def test_d7_a_cookie_stays_in_its_client(world):
    world.on("GET", HOST, "/v2/usage", Answer(json=1, set_cookie=("seen=canary; Path=/; Domain=acme.example",)))
    ask(URL, URL)
    ask(URL)
    assert ["cookie" in request.headers for request in world.requests] == [False, True, False]


# D11


def test_d11_a_closed_door_is_offline_and_tried_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    error = failure()
    assert (type(error), str(error)) == (Offline, f"{HOST} cannot be reached")


def test_d11_a_proxy_that_does_not_find_the_host_is_unavailable(world):
    world.refuse(HOST)
    error = failure()
    assert (type(error), str(error)) == (Unavailable, f"{HOST} cannot be reached: ProxyError")
    assert world.connects == [f"{HOST}:443"]


# D12


def test_d12_the_agent_is_our_name_and_nothing_of_the_library_or_machine(world):
    world.on("GET", HOST, "/v2/usage", Answer(json=1))
    ask(URL)
    assert [dict(request.headers) for request in world.requests] == [
        {
            "host": HOST,
            "accept": "application/json",
            "accept-encoding": "identity",
            "connection": "keep-alive",
            "user-agent": "vibeusage",
        }
    ]


# programs on this machine


@pytest.fixture
def signs_its_own():
    """The port of a program at loopback behind a certificate of its own."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n" + head.split()[0][:4].ljust(4))
        await writer.drain()
        writer.close()

    loop, port = asyncio.new_event_loop(), []

    async def serve():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()
        async with server:
            await asyncio.get_running_loop().create_future()

    ready, thread = threading.Event(), threading.Thread(target=lambda: _until_cancelled(loop, serve))
    thread.start()
    assert ready.wait(10)
    yield port[0]
    loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
    thread.join(10)
    loop.close()


def _until_cancelled(loop, serve):
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(serve())


def ask_here(url: str) -> answers.Answer:
    async def one():
        async with http.open_local_client(5.0) as client:
            return await http.send(client, "POST", url, headers={})

    return asyncio.run(one())


def test_a_program_of_this_machine_may_sign_its_own_certificate_and_no_proxy_hears_of_it(signs_its_own, world):
    url = f"https://127.0.0.1:{signs_its_own}/x"
    assert ask_here(url).body == b"POST"
    assert world.connects == []


def test_a_vendor_may_not(signs_its_own):
    error = failure(f"https://127.0.0.1:{signs_its_own}/x", hosts=("127.0.0.1",))
    assert "does not prove to be that host" in str(error)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "[::1]", HOST, "127.0.0.1.acme.example", "127.1"])
def test_who_looks_at_no_certificate_speaks_with_this_machine_only(host, signs_its_own):
    with pytest.raises(ConfigError, match="is not a host of this provider"):
        ask_here(f"https://{host}:{signs_its_own}/x")


def test_what_fails_while_a_request_is_taken_apart_is_not_logged(caplog):
    async def fail() -> None:
        found = {"message": "Fatal error: protocol.data_received() call failed.", "exception": ValueError("s3cret")}
        asyncio.get_running_loop().call_exception_handler(found)

    asyncio.run(fail())
    assert caplog.records == []
