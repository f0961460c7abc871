"""What a host answered, and what its status means; without the client that asks (`http`), which is slow to load."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from vibeusage.errors import AuthError, Forbidden, RateLimited, ShapeError, Unavailable

if TYPE_CHECKING:
    import httpx

BODY_LIMIT = 4 << 20


class Answer(NamedTuple):
    """`body` is whole and at most BODY_LIMIT bytes."""

    status: int
    headers: "httpx.Headers"
    body: bytes
    host: str


def check(answer: Answer, now: datetime) -> bytes:
    """The body of a 2xx answer; the status of any other as the error it stands for."""
    status, headers, body, host = answer
    if 200 <= status < 300:
        return body
    is_page = body.lstrip()[:1] == b"<" or "cf-mitigated" in headers
    if status == 401:
        raise AuthError(f"{host} refused the login")
    if status == 429 or (status == 403 and headers.get("x-ratelimit-remaining") == "0"):
        raise RateLimited(f"{host} asks to wait", retry_at=retry_at(headers.get("retry-after"), now))
    if status == 403:
        reason = "blocked the request as coming from a bot" if is_page else "does not allow this login to see usage"
        raise Forbidden(f"{host} {reason}", hint="a new login does not help; see `vibeusage usage -v`")
    if status == 408 or status >= 500:
        raise Unavailable(f"{host} answered {status}", hint="try again later")
    raise ShapeError(f"{host} answered {status}", hint="the vendor may have changed it; a newer vibeusage may know it")


def retry_at(value: str | None, now: datetime) -> datetime:
    """The instant a Retry-After header names, in seconds or as a date; `now` when it says nothing of use."""
    text, latest = (value or "").strip(), now + timedelta(days=365)
    if text.isdecimal():
        return now + timedelta(seconds=min(int(text[:12]), 86_400 * 365))
    import email.utils  # with what makes mails, and few answers ask to wait

    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return now
    return min(latest, max(now, found if found.tzinfo else found.replace(tzinfo=UTC)))
