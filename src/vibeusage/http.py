"""The one way out: no redirects, no other encoding, a size cap, and errors with a name."""

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx

from vibeusage.errors import AuthError, Forbidden, RateLimited, ShapeError, Unavailable

BODY_LIMIT = 4 << 20
AGENT = "vibeusage"


def open_client(timeout_s: float) -> httpx.AsyncClient:
    """A client without cookies kept, without redirects; proxies and a private CA come from the environment."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": AGENT}
    return httpx.AsyncClient(timeout=httpx.Timeout(timeout_s, connect=5.0), headers=headers, follow_redirects=False)


async def get(client: httpx.AsyncClient, url: str, headers: Mapping[str, str], now: datetime) -> bytes:
    """The body of a 2xx answer.

    Raises AuthError, Forbidden, RateLimited, Unavailable or ShapeError; none names more than the host.
    """
    host = httpx.URL(url).host
    try:
        async with client.stream("GET", url, headers=headers) as response:
            body = await _body(response, host)
    except httpx.TimeoutException as exc:
        raise Unavailable(f"{host} did not answer in time", hint="try again later") from exc
    except httpx.HTTPError as exc:
        raise Unavailable(f"{host} cannot be reached: {type(exc).__name__}", hint="check the network") from exc
    _check(response, body, host, now)
    return body


async def _body(response: httpx.Response, host: str) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ShapeError(f"{host} sent a compressed answer that nobody asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise ShapeError(f"{host} sent more than {BODY_LIMIT >> 20} MiB")
    return bytes(body)


def _check(response: httpx.Response, body: bytes, host: str, now: datetime) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    is_page = body.lstrip()[:1] == b"<" or "cf-mitigated" in response.headers
    if status == 401:
        raise AuthError(f"{host} refused the login", hint="log in again with the tool it belongs to")
    if status == 403:
        reason = "blocked the request as coming from a bot" if is_page else "does not allow this login to see usage"
        raise Forbidden(f"{host} {reason}", hint="a new login does not help; see `vibeusage usage -v`")
    if status == 429:
        raise RateLimited(f"{host} asks to wait", retry_at=retry_at(response.headers.get("retry-after"), now))
    if status == 408 or status >= 500:
        raise Unavailable(f"{host} answered {status}", hint="try again later")
    raise ShapeError(f"{host} answered {status}")


def retry_at(value: str | None, now: datetime) -> datetime:
    """The instant a Retry-After header names, in seconds or as a date; `now` when it says nothing of use."""
    text = (value or "").strip()
    if text.isdecimal():
        return now + timedelta(seconds=min(int(text[:12]), 86_400 * 365))
    try:
        found = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return now
    return max(now, found if found.tzinfo else found.replace(tzinfo=UTC))
