"""The one way out: named hosts, no redirects, no other encoding, a size cap, and errors with a name.

Certificates are always verified, but of programs on this machine, which sign their own; a private CA (`SSL_CERT_FILE`)
and proxies come from the environment.
No error names more than the host: URLs, headers and bodies may hold what is nobody's business.
"""

import asyncio
import contextlib
import logging
import os
import random
import ssl
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx

from vibeusage.answers import BODY_LIMIT, Answer
from vibeusage.errors import ConfigError, Offline, ShapeError, Unavailable

AGENT = "vibeusage"
TRIES = 3
FIRST_PAUSE_S = 0.4
PASSING = (408, 500, 502, 503, 504)
LOOPBACK = "127.0.0.1"


# the first two log addresses with their queries, and cookies; asyncio what fails while an interrupt ends a request
for library in ("httpx", "httpcore", "asyncio"):
    logging.getLogger(library).setLevel(logging.CRITICAL)


class _Threads(ThreadPoolExecutor):
    """A thread for each look-up of a name, and nobody waits for its end: a silent name server takes half a minute."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as exc:
                    future.set_exception(exc)

        threading.Thread(target=work, daemon=True).start()
        return future


def tls() -> ssl.SSLContext:
    """To be made once a run: loading the certificates takes longer than all else here.

    In a running loop, look-ups of names will not be waited for at its end.
    Raises ConfigError when the file of certificates that the environment names is none.
    """
    with contextlib.suppress(RuntimeError):  # no loop is running
        asyncio.get_running_loop().set_default_executor(_Threads())
    try:
        return httpx.create_ssl_context()
    except OSError as exc:  # an SSLError is one
        name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        raise ConfigError(f"${name} names no certificates", hint=f"correct or unset {name}") from exc


def open_client(timeout_s: float, hosts: Collection[str], verify: ssl.SSLContext) -> httpx.AsyncClient:
    """A client of one account, so that no cookie or connection is shared; other hosts than `hosts` are refused.

    Raises ConfigError when the environment names a proxy of a kind that cannot be used.
    """
    try:
        return _client(timeout_s, hosts, verify)
    except ImportError as exc:
        raise ConfigError(
            "the environment names a SOCKS proxy, which takes the extra `socks`",
            hint="pip install 'vibeusage[socks]', or unset ALL_PROXY where HTTPS_PROXY is set too",
        ) from exc
    except (ValueError, httpx.InvalidURL) as exc:
        raise ConfigError(
            "the environment names a proxy that cannot be used",
            hint="HTTPS_PROXY, HTTP_PROXY and ALL_PROXY take addresses such as http://proxy.example:3128",
        ) from exc


def open_local_client(timeout_s: float) -> httpx.AsyncClient:
    """A client for programs of this machine, at LOOPBACK only: no certificate is looked at, no proxy used."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    return _client(timeout_s, {LOOPBACK}, unverified, uses_environment=False)


def _client(
    timeout_s: float, hosts: Collection[str], verify: ssl.SSLContext, *, uses_environment: bool = True
) -> httpx.AsyncClient:
    async def allow(request: httpx.Request) -> None:
        if request.url.host not in hosts:
            raise ConfigError(f"{request.url.host} is not a host of this provider")

    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout_s, connect=5.0),
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": AGENT},
        follow_redirects=False,
        event_hooks={"request": [allow]},
        verify=verify,
        trust_env=uses_environment,
    )


async def send(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    content: bytes | None = None,
    limit: int = BODY_LIMIT,
) -> Answer:
    """The answer, whatever its status; a passing fault (5xx, a broken connection) is tried again twice.

    Raises Unavailable, Offline when there is no way to the host at all, or ShapeError.
    """
    host = httpx.URL(url).host
    for tried in range(1, TRIES + 1):
        try:
            answer = await _once(client, method, url, headers, content, limit)
        except httpx.ConnectError as exc:
            if distrust := _distrust(exc):
                raise Unavailable(
                    f"{host} does not prove to be that host: {distrust}",
                    hint="behind a proxy that looks into what is encrypted, SSL_CERT_FILE names its certificate",
                ) from exc
            raise Offline(f"{host} cannot be reached", hint="check the network") from exc
        except httpx.TimeoutException as exc:
            raise Unavailable(f"{host} did not answer in time", hint="try again later") from exc
        except httpx.TransportError as exc:
            if tried == TRIES or isinstance(exc, httpx.ProxyError | httpx.UnsupportedProtocol):
                raise Unavailable(f"{host} cannot be reached: {type(exc).__name__}", hint="check the network") from exc
        else:
            if tried == TRIES or answer.status not in PASSING or "retry-after" in answer.headers:
                return answer
        await asyncio.sleep(FIRST_PAUSE_S * 2 ** (tried - 1) * random.uniform(0.75, 1.25))  # noqa: S311
    raise AssertionError("the last try returns or raises")


def _distrust(error: BaseException | None) -> str:
    """What is wrong with the certificate, "" when it is something else."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error.verify_message if error else ""


async def _once(
    client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], content: bytes | None, limit: int
) -> Answer:
    async with client.stream(method, url, headers=headers, content=content) as response:
        host = response.request.url.host
        return Answer(response.status_code, response.headers, await _body(response, host, limit), host)


async def _body(response: httpx.Response, host: str, limit: int) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ShapeError(f"{host} sent a compressed answer that nobody asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise ShapeError(f"{host} sent more than {limit >> 20} MiB")
    return bytes(body)
