"""Every vendor at once, by its real host name, over real TLS that never leaves this machine.

    with World() as world:
        world.on("GET", "api.acme.example", "/v2/usage", Answer(json={"used": 0.4}))
        vibeusage("refresh", env=world.environ)
        assert world.hosts == {"api.acme.example"}

A proxy on loopback ends each CONNECT itself: it presents a certificate of its own CA for the name that was asked
for, and plays that host. An error in a route's function, or in what it answers, is raised when the world ends.
"""

import contextlib
import gzip
import http.client
import json as jsonlib
import socket
import ssl
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import urlsplit

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MIB = 1 << 20
PIECE = b" " * (64 << 10)
CONNECTIONS = 512
Flaw = Literal["expired", "self-signed", "wrong-name"]


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `host` is what the proxy was asked for, `headers["host"]` what the request says."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case; a repeated one is joined with ", "
    body: bytes
    at: float  # time.monotonic()
    port: int = 443
    scheme: str = "https"
    sni: str | None = None  # None without TLS, and for an address in place of a name


@dataclass(frozen=True)
class Answer:
    status: int = 200
    json: object = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    set_cookie: tuple[str, ...] = ()
    repeat_bytes: int = 0  # so many blanks behind the body, never held in memory
    announced: bool = True  # by Content-Length; else chunked
    hang: bool = False  # no byte until the world ends
    delay_s: float = 0  # before the first byte
    slow_headers_s: float = 0  # before each byte of the head
    drip_s: float = 0  # before each byte of the body
    close: bool = False  # the connection drops before the promised end

    def head(self) -> bytes:
        fields = {"content-type": "application/json"} if self.json is not None else {}
        if self.status not in (204, 304):
            fields |= self._length()
        fields |= {name.lower(): value for name, value in self.headers.items()}
        lines = [f"HTTP/1.1 {self.status} {http.client.responses.get(self.status, 'Odd')}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        lines += [f"set-cookie: {cookie}" for cookie in self.set_cookie]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _length(self) -> dict[str, str]:
        if not self.announced:
            return {"transfer-encoding": "chunked"}
        return {"content-length": str(len(self._start()) + self.repeat_bytes + self.close)}

    def _start(self) -> bytes:
        return self.body if self.json is None else jsonlib.dumps(self.json).encode()

    def pieces(self) -> Iterator[bytes]:
        """The body as it goes over the wire."""
        for piece in self._content():
            yield piece if self.announced else b"%x\r\n%b\r\n" % (len(piece), piece)
        if not self.announced and not self.close:
            yield b"0\r\n\r\n"

    def _content(self) -> Iterator[bytes]:
        start, left = self._start(), self.repeat_bytes
        if self.drip_s:
            yield from (start[i : i + 1] for i in range(len(start)))
            yield from (b" " for _ in range(left))
            return
        if start:
            yield start
        for _ in range(left // len(PIECE)):
            yield PIECE
        if rest := left % len(PIECE):
            yield PIECE[:rest]


Route = Answer | Callable[[Request], Answer]


def redirect(to: str, status: int = 302) -> Answer:
    return Answer(status=status, headers={"location": to})


def gzip_bomb(mib: int, layers: int = 1) -> Answer:
    """`mib` MiB of zeros in about a thousandth of that; each further layer is gzip around the one before."""
    body = _gzip_of_zeros(mib)
    for _ in range(layers - 1):
        body = gzip.compress(body)
    return Answer(body=body, headers={"content-encoding": ", ".join(["gzip"] * layers)})


def _gzip_of_zeros(mib: int) -> bytes:
    # after a full flush a block stands alone: one MiB is packed once and repeated
    zeros, packer = bytes(MIB), zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mib):
        checksum = zlib.crc32(zeros, checksum)
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return head + block * mib + packer.flush() + struct.pack("<II", checksum, mib * MIB & 0xFFFFFFFF)


class World:
    """All hosts behind one proxy; `environ` leads a child, or this process, to it and to nothing else."""

    def __init__(self) -> None:
        self.broken: list[Exception] = []
        self._requests: list[Request] = []
        self._unknown: list[Request] = []
        self._connects: list[str] = []
        self._routes: dict[tuple[str, str, str], list[Route]] = {}
        self._refused: set[str] = set()
        self._stalled: set[str] = set()
        self._changed = threading.Condition()
        self._ended, self._free = threading.Event(), threading.Event()
        self._free.set()
        self._live: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._room = threading.BoundedSemaphore(CONNECTIONS)

    def __enter__(self) -> "World":
        self._certificates = _Certificates()
        self._folder = tempfile.TemporaryDirectory(prefix="vendors-")
        self._ca_file = Path(self._folder.name, "ca.pem")
        self._certificates.ca.cert_pem.write_to_path(str(self._ca_file))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
        self._door = threading.Thread(target=self._accept, name="vendors door", daemon=True)
        self._door.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._ended.set()
        self._free.set()
        with self._changed:
            for connection in self._live:
                _shut(connection)
        socket.create_connection(self._listener.getsockname()).close()  # wakes accept
        self._door.join()
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
        self._folder.cleanup()
        if self.broken and error is None:
            raise self.broken[0]

    @property
    def environ(self) -> dict[str, str]:
        proxy = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        names = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": ""}
        return {**names, **{name.lower(): value for name, value in names.items()}, "SSL_CERT_FILE": str(self._ca_file)}

    # what is played

    def on(self, method: str, host: str, path: str, answer: Route | Sequence[Route]) -> None:
        """Answers `path` (without query; `*` at its end matches any rest, the longest match wins).

        A sequence is used up in order of arrival and its last answer repeats; a second call replaces the first.
        """
        answers = list(answer) if isinstance(answer, Sequence) else [answer]
        with self._changed:
            self._routes[method, host.lower(), path] = answers

    def refuse(self, host: str) -> None:
        """The proxy answers 502."""
        self._refused.add(host.lower())

    def stall_tls(self, host: str) -> None:
        """The proxy connects, and the handshake never gets an answer."""
        self._stalled.add(host.lower())

    def certificate(self, host: str, flaw: Flaw) -> None:
        self._certificates.flaws[host.lower()] = flaw

    def hold(self) -> None:
        """Requests are still logged, but none is answered until `release`."""
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    # what was seen

    @property
    def requests(self) -> list[Request]:
        with self._changed:
            return list(self._requests)

    @property
    def unknown(self) -> list[Request]:
        """Those that no route answers; they got 404."""
        with self._changed:
            return list(self._unknown)

    @property
    def connects(self) -> list[str]:
        """Each `host:port` asked of the proxy, in order, also the refused."""
        with self._changed:
            return list(self._connects)

    @property
    def hosts(self) -> set[str]:
        return {connect.rpartition(":")[0] for connect in self.connects}

    def to(self, host: str) -> list[Request]:
        return [request for request in self.requests if request.host == host.lower()]

    def arrived(self, count: int, timeout_s: float = 30) -> bool:
        """Waits for `count` requests in all; False when they do not come in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._requests) >= count, timeout_s)

    # how it works

    def _accept(self) -> None:
        while True:
            self._room.acquire()
            connection, _ = self._listener.accept()
            if self._ended.is_set():
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), name="vendors", daemon=True)
            thread.start()
            self._threads = [known for known in self._threads if known.is_alive()] + [thread]

    @contextlib.contextmanager
    def _tracked(self, connection: socket.socket) -> Generator[None]:
        """Open until left; the end of the world shuts it from outside."""
        with connection:
            with self._changed:
                self._live.add(connection)
                if self._ended.is_set():
                    _shut(connection)
            try:
                yield
            finally:
                with self._changed:
                    self._live.discard(connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._tracked(connection):
                self._proxy(connection)
        except OSError:
            pass  # a client that leaves or distrusts us is what the tests are about
        except Exception as exc:
            self.broken.append(exc)
        finally:
            self._room.release()

    def _proxy(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            target = self._play_plain(connection, stream)
        if target:
            self._tunnel(connection, urlsplit(f"//{target}").hostname or "", target)

    def _play_plain(self, connection: socket.socket, stream: BinaryIO) -> str | None:
        """Answers plain http until a CONNECT comes; its target."""
        while head := _read_head(stream):
            method, target, headers = head
            url = urlsplit(f"//{target}" if method == "CONNECT" else target)
            self._note_connect(f"{url.hostname}:{url.port or 80}")
            if url.hostname in self._refused:
                connection.sendall(Answer(status=502).head())
                return None
            if method == "CONNECT":
                return target
            if not self._answer(connection, _request(head, _read_body(stream, headers))):
                return None
        return None

    def _tunnel(self, connection: socket.socket, host: str, target: str) -> None:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if host in self._stalled:
            self._ended.wait()
            return
        asked: list[str | None] = []
        secure = self._certificates.wrap(connection, host, asked)
        with self._tracked(secure):
            secure.do_handshake()
            self._play(secure, f"https://{target}", asked[0])

    def _play(self, connection: socket.socket, origin: str, sni: str | None) -> None:
        with connection.makefile("rb") as stream:
            while head := _read_head(stream):
                body = _read_body(stream, head[2])
                if not self._answer(connection, _request(head, body, origin, sni)):
                    return

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Whether the connection goes on."""
        route = self._note(request)
        self._free.wait()
        answer = self._resolve(route, request)
        if answer.hang:
            self._ended.wait()
            return False
        self._pause(answer.delay_s)
        head = answer.head()
        for part in [head[i : i + 1] for i in range(len(head))] if answer.slow_headers_s else [head]:
            self._pause(answer.slow_headers_s)
            connection.sendall(part)
        for piece in answer.pieces():
            self._pause(answer.drip_s)
            connection.sendall(piece)
        return not answer.close and request.headers.get("connection", "").lower() != "close"

    def _resolve(self, route: Route, request: Request) -> Answer:
        if isinstance(route, Answer):
            return route
        try:
            return route(request)
        except Exception as exc:  # also an OSError is the test's own mistake here
            self.broken.append(exc)
            return Answer(status=500)

    def _pause(self, seconds: float) -> None:
        if seconds and self._ended.wait(seconds):
            raise ConnectionAbortedError("the world has ended")

    def _note_connect(self, target: str) -> None:
        with self._changed:
            self._connects.append(target)

    def _note(self, request: Request) -> Route:
        """Logs the request and takes its answer in one step, so that both have one order."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
            if answers := self._find(request):
                return answers.pop(0) if len(answers) > 1 else answers[0]
            self._unknown.append(request)
        return Answer(status=404, json={"error": f"no route for {request.method} {request.host}{request.path}"})

    def _find(self, request: Request) -> list[Route] | None:
        exact = self._routes.get((request.method, request.host, request.path))
        if exact is not None:
            return exact
        place = (request.method, request.host)
        known = [path for *where, path in self._routes if tuple(where) == place and path.endswith("*")]
        match = max((path for path in known if request.path.startswith(path[:-1])), key=len, default=None)
        return None if match is None else self._routes[*place, match]


class _Certificates:
    """One CA, and a TLS context for each name that was asked for, with its flaw if it has one."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.flaws: dict[str, Flaw] = {}
        self._contexts: dict[tuple[str, Flaw | None], ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def wrap(self, connection: socket.socket, host: str, asked: list[str | None]) -> ssl.SSLSocket:
        """The handshake is left to the caller; it puts the name that the client asked for into `asked`."""

        def choose(secure: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            asked.append(name)
            secure.context = self._context((name or host).lower())

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = choose
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def _context(self, host: str) -> ssl.SSLContext:
        with self._lock:
            flaw = self.flaws.get(host)
            if (host, flaw) not in self._contexts:
                self._contexts[host, flaw] = self._issue(host, flaw)
            return self._contexts[host, flaw]

    def _issue(self, host: str, flaw: Flaw | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if flaw == "self-signed":
            with trustme.Blob(_self_signed(host)).tempfile() as path:
                context.load_cert_chain(path)
            return context
        name = "another.invalid" if flaw == "wrong-name" else host
        ends = datetime(2021, 1, 1, tzinfo=UTC) if flaw == "expired" else None
        self.ca.issue_cert(name, not_after=ends).configure_cert(context)
        return context


def _self_signed(host: str) -> bytes:
    """Key and certificate as PEM."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=vendors")
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    pem, pkcs8, bare = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(pem, pkcs8, bare) + made.sign(key, hashes.SHA256()).public_bytes(pem)


def _read_head(stream: BinaryIO) -> tuple[str, str, dict[str, str]] | None:
    """Method, target, headers; None when the client has left."""
    line = stream.readline(64 << 10)
    if not line:
        return None
    method, _, rest = line.decode("latin-1").strip().partition(" ")
    fields = http.client.parse_headers(stream)
    headers = {name.lower(): ", ".join(fields.get_all(name, [])) for name in fields}
    return method, rest.rpartition(" ")[0], headers


def _read_body(stream: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return stream.read(int(headers.get("content-length", 0)))
    body = b""
    while size := int(stream.readline() or b"0", 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body


def _request(head: tuple[str, str, dict[str, str]], body: bytes, origin: str = "", sni: str | None = None) -> Request:
    """`origin` is empty for a request to the proxy itself, whose target is a whole URL."""
    method, target, headers = head
    url = urlsplit(origin + target)
    port = url.port or (443 if url.scheme == "https" else 80)
    return Request(
        method, url.hostname or "", url.path, url.query, headers, body, time.monotonic(), port, url.scheme, sni
    )


def _shut(connection: socket.socket) -> None:
    # below TLS: another thread may be in the middle of a record
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
