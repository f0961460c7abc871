"""Logins of our own: by code on another screen (RFC 8628), and renewed with their refresh token (RFC 6749).

A rotating refresh token is good once. So it is redeemed under a lock, after a look whether somebody else
already has, with a mark that survives a crash, and the new pair is stored before it is used.
"""

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from vibeusage import vault
from vibeusage.answers import check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, ConfigError, RateLimited, ShapeError, Unavailable, VibeusageError
from vibeusage.providers.spec import DeviceFlow, Grant

EARLY = timedelta(minutes=5)
LONGEST_S = 10 * 366 * 86_400
MOST_PAUSE_S = 60
REFUSED = ("invalid_grant", "bad_refresh_token", "refresh_token_expired", "refresh_token_reused", "expired_token")
_REDEEMING = "redeeming"  # "once" or "twice" sent without an answer that we lived to see, or "refused"
_OURS = ("host", "owner", "device_id", "expires_at", vault.MARK, _REDEEMING)
_DURATIONS = ("expires_in", "refresh_token_expires_in")
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Code(NamedTuple):
    """What a person types at `verification_uri`; `device_code` stays between us and the vendor.

    `device_id` is random, and stays with the login where the vendor wants one.
    """

    user_code: str
    verification_uri: str
    device_code: str
    expires_at: datetime
    interval_s: float
    device_id: str = ""

    def __repr__(self) -> str:
        return f"Code(user_code={self.user_code!r}, verification_uri={self.verification_uri!r})"


def needs_renewal(login: Login, now: datetime) -> bool:
    expires_at = login.data.get("expires_at")
    known = isinstance(expires_at, int | float) and expires_at > 0
    return bool(known and login.grant and login.data.get("refresh_token")) and _instant_ms(now + EARLY) >= expires_at


async def renewed(login: Login, ctx: Context) -> Login:
    """`login` with a token that is good for a while; the stored document is renewed first.

    Raises AuthError when the vendor takes the refresh token no more, Unavailable when it cannot be asked.
    """
    async with _lock():
        document = vault.read(ctx.id, login.kind, foreground=ctx.foreground) or {}
        current = _login(login, document)
        if not needs_renewal(current, ctx.now):
            return current  # somebody else was faster
        mark = document.get(_REDEEMING)
        if mark in ("twice", "refused"):
            raise _refused(ctx, interrupted=mark == "twice")
        vault.rewrite(ctx.id, login.kind, {**document, _REDEEMING: "twice" if mark else "once"})
        try:
            answer = await _redeem(login, ctx, document)
        except _Spent as exc:
            return _replaced(login, ctx, document, exc)
        except (VibeusageError, asyncio.CancelledError):  # as far as we know it was not taken
            vault.rewrite(ctx.id, login.kind, document)
            raise
        kept = {key: value for key, value in document.items() if key not in ("expires_at", _REDEEMING)}
        fresh = {**kept, **stamped(answer, ctx.now)}
        vault.rewrite(ctx.id, login.kind, fresh)
        return _login(login, fresh)


def _replaced(login: Login, ctx: Context, document: Mapping[str, Any], refusal: AuthError) -> Login:
    """After a refusal: a login that came meanwhile from where our lock does not reach, else AuthError for good."""
    latest = vault.read(ctx.id, login.kind, foreground=ctx.foreground) or {}
    if latest.get("refresh_token") != document["refresh_token"]:
        return _login(login, latest)
    interrupted = bool(document.get(_REDEEMING))
    vault.rewrite(ctx.id, login.kind, {**document, _REDEEMING: "twice" if interrupted else "refused"})
    raise _refused(ctx, interrupted=interrupted) from refusal


async def _redeem(login: Login, ctx: Context, document: Mapping[str, Any]) -> dict[str, Any]:
    grant = login.grant
    if grant is None:
        raise ConfigError("a login without a grant cannot be renewed")
    form = {"grant_type": "refresh_token", "refresh_token": document["refresh_token"], "client_id": grant.client_id}
    headers = _headers(grant, str(document.get("device_id", "")))
    answer = await _posted(ctx, _moved(grant.url, ctx, login.data), form, headers)
    if not _has_token(answer):
        raise ShapeError(f"{ctx.provider.name} renewed the login in a way we do not understand")
    return answer


async def request_code(flow: DeviceFlow, ctx: Context, host: str = "") -> Code:
    """Begin a login by code; `host` is another host of the vendor's, such as `acme.ghe.com`."""
    form = {"client_id": flow.client_id, **({"scope": flow.scope} if flow.scope else {})}
    device_id = secrets.token_hex(16) if flow.headers else ""
    answer = await _posted(ctx, _moved(flow.code_url, ctx, {"host": host}), form, _headers(flow, device_id))
    try:
        return Code(
            user_code=str(answer["user_code"]),
            verification_uri=str(answer.get("verification_uri") or answer["verification_uri_complete"]),
            device_code=str(answer["device_code"]),
            expires_at=ctx.now + timedelta(seconds=min(_seconds(answer.get("expires_in"), 900), 3600)),
            interval_s=min(max(_seconds(answer.get("interval"), 5), 1), MOST_PAUSE_S),
            device_id=device_id,
        )
    except KeyError as exc:
        raise ShapeError(f"{ctx.provider.name} began a login in a way we do not understand") from exc


async def await_token(
    flow: DeviceFlow, code: Code, ctx: Context, host: str = "", *, waiting: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Ask until the person has typed the code; the document to store.

    Raises AuthError when it was refused or ran out.
    """
    form = {
        "client_id": flow.client_id,
        "device_code": code.device_code,
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
    }
    headers = _headers(flow, code.device_id)
    ours = {name: value for name, value in (("host", host), ("device_id", code.device_id)) if value}
    interval, end = code.interval_s, time.monotonic() + (code.expires_at - ctx.now).total_seconds()
    while time.monotonic() < end:
        await asyncio.sleep(min(interval, MOST_PAUSE_S))
        waiting()
        try:
            answer = await _posted(ctx, _moved(flow.token_url, ctx, {"host": host}), form, headers, pending=True)
        except (Unavailable, RateLimited):  # a passing fault must not cost the code that is being typed
            interval += 5
            continue
        if _has_token(answer):
            return {**stamped(answer, ctx.now), "owner": secrets.token_hex(8), **ours}
        interval = max(_seconds(answer.get("interval"), 0), interval + 5 * (answer.get("error") == "slow_down"))
    raise AuthError("the code ran out before it was typed", hint=f"begin again: vibeusage auth {ctx.id}")


def stamped(answer: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A token answer as we store it: with instants (epoch milliseconds) in the place of durations."""
    kept = {key: value for key, value in answer.items() if key not in (*_OURS, *_DURATIONS)}
    if not kept.get("refresh_token"):
        kept.pop("refresh_token", None)  # the old one stays
    if seconds := _seconds(answer.get("expires_in"), 0):
        kept["expires_at"] = _instant_ms(now + timedelta(seconds=min(seconds, LONGEST_S)))
    return {**kept, "obtained_at": _instant_ms(now)}


def _seconds(value: object, default: float) -> float:
    """A positive duration, which some send as text; `default` for anything else."""
    try:
        found = float(value) if isinstance(value, int | float | str) else default
    except (ValueError, OverflowError):
        return default
    return found if found > 0 else default


def _has_token(answer: Mapping[str, Any]) -> bool:
    token = answer.get("access_token")
    return isinstance(token, str) and token != ""


class _Spent(AuthError):
    """The vendor does not take this token or code, now or later."""


def _headers(how: DeviceFlow | Grant, device_id: str) -> dict[str, str]:
    return {**FORM, **how.headers(device_id)} if how.headers else FORM


async def _posted(
    ctx: Context, url: str, form: Mapping[str, str], headers: Mapping[str, str], *, pending: bool = False
) -> dict[str, Any]:
    """The JSON answer to a form; an OAuth error, in whatever status, as AuthError unless it says to wait."""
    answer = await ctx.send("POST", url, headers, urlencode(form).encode())
    try:
        document = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        document = None
    said: dict[str, Any] = document if isinstance(document, dict) else {}
    error = said.get("error")
    if pending and error in ("authorization_pending", "slow_down"):
        return said
    if error in REFUSED or (error and pending) or answer.status in (400, 401):
        # an answer may hold what was sent
        why = error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else f"status {answer.status}"
        kind = _Spent if error in REFUSED else AuthError
        raise kind(f"{answer.host} refused the login: {why}", hint=f"log in again: vibeusage auth {ctx.id}")
    if answer.status == 429:
        check(answer, ctx.now)
    if not 200 <= answer.status < 300:
        raise Unavailable(f"{answer.host} answered {answer.status}", hint="try again later")
    if error or not said:
        raise ShapeError(f"{answer.host} answered in a way we do not understand")
    return said


def _moved(url: str, ctx: Context, data: Mapping[str, Any]) -> str:
    """`url` at the host of an own login, or below the address that the settings give instead."""
    parts, host = urlsplit(url), data.get("host")
    if isinstance(host, str) and host:
        return parts._replace(netloc=host).geturl()
    override = ctx.options.base_url
    return override.rstrip("/") + parts.path if override else url


def _login(old: Login, document: Mapping[str, Any]) -> Login:
    return Login(
        str(document.get("access_token") or old.token),
        old.where,
        is_ours=True,
        owner=old.owner,
        data=document,
        kind=old.kind,
        grant=old.grant,
    )


def _refused(ctx: Context, *, interrupted: bool) -> AuthError:
    why = "its last renewal was interrupted, and a refresh token is good once" if interrupted else "it has run out"
    again = f"log in again: vibeusage auth {ctx.id}"
    return AuthError(f"{ctx.display_name} does not renew the login: {why}", hint=again)


def _instant_ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


@contextlib.asynccontextmanager
async def _lock() -> AsyncGenerator[None]:
    """`vault.lock` without stopping the other tasks of this loop."""
    end = time.monotonic() + vault.LOCK_WAIT_S
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(vault.lock(wait_s=0))
                break
            except Unavailable:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(0.05)
        yield
