"""The world of vendors: who was asked for is who answers, everything is logged, each fault does what it says."""

import asyncio
import dataclasses
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import httpx
import pytest
from vendors import MIB, PIECE, Answer, Request, World, gzip_bomb, redirect

HOST = "api.acme.example"
URL = f"https://{HOST}/v2/usage"


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def client(world):
    with httpx.Client(timeout=20) as made:
        yield made


def play(world: World, *answers: Answer) -> None:
    world.on("GET", HOST, "/v2/usage", answers)


def plain(request: Request) -> Request:
    """Without the instant, and with only the headers that differ between requests."""
    named = {name: value for name, value in request.headers.items() if name in ("host", "authorization", "x-two")}
    return dataclasses.replace(request, at=0.0, headers=named)


def test_a_request_is_logged_as_it_was_sent(world, client):
    world.on("POST", HOST, "/v2/usage", Answer(json={"used": 0.4}))
    headers = [("Authorization", "Bearer made-up"), ("X-Two", "a"), ("X-Two", "b")]
    before = time.monotonic()
    answer = client.post(URL, params={"days": "7 8"}, headers=headers, content=b"\x00body")
    assert (answer.status_code, answer.json()) == (200, {"used": 0.4})
    assert [plain(request) for request in world.requests] == [
        Request(
            method="POST",
            host=HOST,
            path="/v2/usage",
            query="days=7+8",
            headers={"host": HOST, "authorization": "Bearer made-up", "x-two": "a, b"},
            body=b"\x00body",
            at=0.0,
            sni=HOST,
        )
    ]
    assert before <= world.requests[0].at <= time.monotonic()


def test_every_host_is_met_under_its_own_name_and_logged_apart(world, client):
    for host in (HOST, "console.other.example"):
        world.on("GET", host, "/", Answer(json=host))
    assert client.get(f"https://{HOST}/").json() == HOST
    assert client.get("https://Console.Other.example:8443/").json() == "console.other.example"
    assert world.connects == [f"{HOST}:443", "console.other.example:8443"]
    assert world.hosts == {HOST, "console.other.example"}
    assert [(r.host, r.sni, r.port) for r in world.to("Console.other.example")] == [
        ("console.other.example", "console.other.example", 8443)
    ]


def test_an_address_in_place_of_a_name_has_a_certificate_too(world, client):
    world.on("GET", "192.0.2.7", "/", Answer(status=204))
    assert client.get("https://192.0.2.7/").status_code == 204
    assert [(r.host, r.sni) for r in world.requests] == [("192.0.2.7", None)]


def test_plain_http_is_seen_as_such(world, client):
    world.on("GET", HOST, "/a", Answer(json=1))
    assert client.get(f"http://{HOST}/a?b=c").json() == 1
    assert [(r.scheme, r.port, r.host, r.path, r.query) for r in world.requests] == [("http", 80, HOST, "/a", "b=c")]
    assert world.connects == [f"{HOST}:80"]


def test_one_connection_serves_many_requests(world, client):
    play(world, Answer(body=b"one"), Answer(body=b"two", announced=False))
    assert [client.get(URL).content for _ in range(3)] == [b"one", b"two", b"two"]
    assert world.connects == [f"{HOST}:443"]


def test_a_body_sent_in_chunks_is_logged_whole(world, client):
    client.post(URL, content=iter([b"first ", b"second"]))
    assert [request.body for request in world.unknown] == [b"first second"]


def test_a_child_process_is_led_here_by_its_environment(world):
    play(world, Answer(json="met"))
    program = f"import httpx; print(httpx.get({URL!r}).json())"
    bare = {name: value for name, value in os.environ.items() if name.lower() not in {n.lower() for n in world.environ}}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env={**bare, **world.environ}, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"met\n"


def test_an_unknown_ca_is_refused(world, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(URL)
    assert (world.connects, world.requests) == ([f"{HOST}:443"], [])


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        pytest.param("expired", "certificate has expired", id="expired"),
        pytest.param("self-signed", "self.signed certificate", id="self-signed"),
        pytest.param("wrong-name", "Hostname mismatch", id="wrong name"),
    ],
)
def test_a_flawed_certificate_is_refused_for_its_flaw_alone(flaw, reason, world, client):
    play(world, Answer())
    world.certificate(HOST, flaw)
    with pytest.raises(httpx.ConnectError, match=reason):
        client.get(URL)
    assert (world.requests, client.get("https://sound.example/").status_code) == ([], 404)


def test_a_self_signed_certificate_is_sound_to_one_who_trusts_it(world):
    play(world, Answer(json="met"))
    world.certificate(HOST, "self-signed")
    port = int(world.environ["HTTPS_PROXY"].rpartition(":")[2])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\n\r\n".encode())
        raw.recv(1000)
        with context.wrap_socket(raw, server_hostname=HOST) as secure:
            shown = ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"")
    trusting = ssl.create_default_context(cadata=shown)
    assert httpx.get(URL, verify=trusting).json() == "met"


def test_a_refused_host_is_no_connection(world, client):
    world.refuse(HOST)
    with pytest.raises(httpx.ProxyError, match="502"):
        client.get(URL)
    assert (world.connects, world.requests) == ([f"{HOST}:443"], [])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(lambda world: world.stall_tls(HOST), httpx.ConnectTimeout, id="handshake"),
        pytest.param(lambda world: play(world, Answer(hang=True)), httpx.ReadTimeout, id="answer"),
        pytest.param(lambda world: play(world, Answer(delay_s=60)), httpx.ReadTimeout, id="long delay"),
        pytest.param(lambda world: play(world, Answer(slow_headers_s=60)), httpx.ReadTimeout, id="head"),
        pytest.param(lambda world: play(world, Answer(body=b"late", drip_s=60)), httpx.ReadTimeout, id="body"),
    ],
)
def test_what_never_comes_ends_by_the_patience_of_the_client(fault, error, world):
    fault(world)
    with pytest.raises(error):
        httpx.get(URL, timeout=0.5)


@pytest.mark.parametrize(
    ("answer", "least_s"),
    [
        pytest.param(Answer(body=b"slow", delay_s=0.3), 0.3, id="delay"),
        pytest.param(Answer(body=b"slow", slow_headers_s=0.01), 0.3, id="head byte by byte"),
        pytest.param(Answer(body=b"slow", drip_s=0.1), 0.4, id="body byte by byte"),
        pytest.param(Answer(body=b"slow", drip_s=0.1, announced=False), 0.4, id="chunk by chunk"),
    ],
)
def test_a_slow_answer_comes_whole_and_not_before_its_time(answer, least_s, world, client):
    play(world, answer)
    before = time.monotonic()
    assert client.get(URL).content == b"slow"
    assert time.monotonic() - before >= least_s


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [0, 1, len(PIECE), 8 * MIB + 5])
def test_a_long_body_has_exactly_its_size(size, announced, world, client):
    play(world, Answer(body=b"{}", repeat_bytes=size, announced=announced))
    with client.stream("GET", URL) as answer:
        assert ("content-length" in answer.headers) == announced
        assert sum(map(len, answer.iter_raw())) == 2 + size


def test_a_long_body_is_never_held_whole():
    pieces = [len(piece) for piece in Answer(repeat_bytes=200 * MIB).pieces()]
    assert (sum(pieces), max(pieces)) == (200 * MIB, len(PIECE))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_is_small_on_the_wire_and_large_when_decoded(layers, world, client):
    play(world, gzip_bomb(20, layers))
    with client.stream("GET", URL) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == ", ".join(["gzip"] * layers)
    assert len(body) < 20 * MIB / 500
    for _ in range(layers):
        body = zlib.decompress(body, wbits=31)
    assert body == bytes(20 * MIB)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(close=True), id="empty"),
        pytest.param(Answer(json=[1, 2], close=True), id="announced"),
        pytest.param(Answer(json=[1, 2], close=True, announced=False), id="chunked"),
    ],
)
def test_a_dropped_connection_is_no_whole_answer(answer, world, client):
    play(world, answer)
    with pytest.raises(httpx.RemoteProtocolError, match=re.compile("incomplete|without sending complete")):
        client.get(URL)


def test_a_redirect_names_its_goal(world, client):
    play(world, redirect("http://[::1]/x", status=307))
    answer = client.get(URL)
    assert (answer.status_code, answer.headers["location"]) == (307, "http://[::1]/x")


def test_cookies_and_headers_reach_the_client(world, client):
    play(world, Answer(status=429, headers={"Retry-After": "60"}, set_cookie=("a=1; Path=/", "b=2")))
    answer = client.get(URL)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2"]


def test_a_function_answers_by_what_was_asked(world, client):
    world.on("PUT", HOST, "/double", lambda request: Answer(json=2 * json.loads(request.body)))
    assert client.put(f"https://{HOST}/double", json=21).json() == 42


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param("/orgs", "exact", id="exact"),
        pytest.param("/orgs?page=2", "exact", id="query does not count"),
        pytest.param("/orgs/7", "org", id="prefix"),
        pytest.param("/orgs/7/usage", "usage", id="longest prefix"),
        pytest.param("/org", None, id="shorter"),
        pytest.param("/ORGS", None, id="other case"),
    ],
)
def test_the_closest_route_answers(path, name, world, client):
    for route, label in (("/orgs", "exact"), ("/orgs/*", "org"), ("/orgs/7/*", "usage")):
        world.on("GET", HOST, route, Answer(json=label))
    answer = client.get(f"https://{HOST}{path}")
    assert (answer.status_code, answer.json() if name else None) == (200 if name else 404, name)


def test_what_no_route_knows_is_404_and_noted(world, client):
    play(world, Answer())
    answer = client.post(URL)
    assert (answer.status_code, answer.json()) == (404, {"error": f"no route for POST {HOST}/v2/usage"})
    assert (world.unknown, client.get(URL).status_code) == (world.requests[:1], 200)
    assert len(world.unknown) == 1


@pytest.mark.slow
def test_two_hundred_held_at_once_are_all_answered(world):
    play(world, *[Answer(json=number) for number in range(200)])
    world.hold()

    async def ask_all() -> list[int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:
            asked = [asyncio.create_task(client.get(URL)) for _ in range(200)]
            assert await asyncio.to_thread(world.arrived, 200, 60)
            assert not any(task.done() for task in asked)
            world.release()
            return [answer.json() for answer in await asyncio.gather(*asked)]

    assert sorted(asyncio.run(ask_all())) == list(range(200))
    assert len(world.connects) == 200


def test_waiting_for_what_does_not_come_is_false(world):
    assert not world.arrived(1, timeout_s=0.01)


@pytest.mark.parametrize(
    ("route", "error"),
    [
        pytest.param(lambda request: 1 / 0, ZeroDivisionError, id="mistake"),
        pytest.param(lambda request: Answer(body=Path("/missing").read_bytes()), FileNotFoundError, id="missing file"),
        pytest.param(Answer(json=object()), TypeError, id="no JSON"),
    ],
)
def test_a_mistake_in_a_route_is_raised_at_the_end(route, error, monkeypatch):
    world = World()
    with pytest.raises(error), world:
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        world.on("GET", HOST, "/v2/usage", route)
        try:
            assert httpx.get(URL).status_code == 500
        except httpx.RemoteProtocolError:
            assert isinstance(route, Answer)


def test_the_end_of_the_world_ends_every_connection_and_thread(monkeypatch):
    faults = {"hang": Answer(hang=True), "drip": Answer(body=b"xx", drip_s=600), "late": Answer(delay_s=600)}
    errors = []

    def ask(name: str) -> None:
        try:
            httpx.get(f"https://{name}.example/", timeout=60)
        except httpx.TransportError as exc:
            errors.append(type(exc))

    with World() as world:
        for name, value in world.environ.items():
            monkeypatch.setenv(name, value)
        for name, answer in {**faults, "flood": Answer(repeat_bytes=1 << 40), "idle": Answer()}.items():
            world.on("GET", f"{name}.example", "/", answer)
        world.stall_tls("stalled.example")
        ends = [threading.Thread(target=ask, args=(name,)) for name in (*faults, "stalled")]
        for thread in ends:
            thread.start()
        client = httpx.Client(timeout=60)
        flood = client.send(client.build_request("GET", "https://flood.example/"), stream=True)
        client.get("https://idle.example/")
        assert world.arrived(len(faults) + 2)
        while "stalled.example:443" not in world.connects:
            time.sleep(0.01)
    for thread in ends:
        thread.join(30)
    flood.close()
    client.close()
    assert [thread.name for thread in threading.enumerate() if thread in ends or "vendors" in thread.name] == []
    assert len(errors) == len(ends) and httpx.ReadTimeout not in errors
