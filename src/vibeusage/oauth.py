"""Logins of our own: by code on another screen (RFC 8628), and renewed with their refresh token (RFC 6749).

A rotating refresh token is good once. So it is redeemed under a lock, after a look whether somebody else
already has, with a mark that survives a crash, and the new pair is stored before it is used.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from vibeusage import files, paths, vault
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import AuthError, ConfigError, ShapeError, StrategyError, Unavailable
from vibeusage.providers.spec import DeviceFlow

EARLY = timedelta(minutes=5)
LOCK_WAIT_S = 10.0
REFUSED = ("invalid_grant", "bad_refresh_token", "refresh_token_expired", "refresh_token_reused", "expired_token")
_REDEEMING = "redeeming"
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class Code(NamedTuple):
    """What a person types at `verification_uri`; `device_code` stays between us and the vendor."""

    user_code: str
    verification_uri: str
    device_code: str
    expires_at: datetime
    interval_s: float

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
    async with _lock(paths.config_dir() / "credentials" / ".lock"):
        document = vault.read(ctx.id, login.kind, foreground=ctx.foreground) or {}
        current = _login(login, document)
        if not needs_renewal(current, ctx.now):
            return current  # somebody else was faster
        token = document["refresh_token"]
        was_interrupted = document.get(_REDEEMING)
        if was_interrupted == 2:
            raise _refused(ctx, interrupted=True)
        vault.rewrite(ctx.id, login.kind, {**document, _REDEEMING: 2 if was_interrupted else 1})
        try:
            answer = await _redeem(login, ctx, token)
        except AuthError as exc:
            raise _refused(ctx, interrupted=bool(was_interrupted)) from exc
        except StrategyError:  # the vendor did not take the token
            vault.rewrite(ctx.id, login.kind, document)
            raise
        fresh = {**document, **stamped(answer, ctx.now)}
        fresh.pop(_REDEEMING, None)
        vault.rewrite(ctx.id, login.kind, fresh)
        return _login(login, fresh)


async def _redeem(login: Login, ctx: Context, token: str) -> dict[str, Any]:
    if login.grant is None:
        raise ConfigError("a login without a grant cannot be renewed")
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": login.grant.client_id}
    return await _posted(ctx, _moved(login.grant.url, ctx, login.data), form)


async def request_code(flow: DeviceFlow, ctx: Context, host: str = "") -> Code:
    """Begin a login by code; `host` is another host of the vendor's, such as `acme.ghe.com`."""
    form = {"client_id": flow.client_id, "scope": flow.scope}
    answer = await _posted(ctx, _moved(flow.code_url, ctx, {"host": host}), form)
    try:
        return Code(
            user_code=str(answer["user_code"]),
            verification_uri=str(answer["verification_uri"]),
            device_code=str(answer["device_code"]),
            expires_at=ctx.now + timedelta(seconds=min(float(answer.get("expires_in", 900)), 3600)),
            interval_s=min(max(float(answer.get("interval", 5)), 1), 60),
        )
    except (KeyError, TypeError, ValueError) as exc:
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
    interval, end = code.interval_s, time.monotonic() + (code.expires_at - ctx.now).total_seconds()
    while time.monotonic() < end:
        await asyncio.sleep(interval)
        waiting()
        with contextlib.suppress(Unavailable):  # a passing fault must not cost the code that is being typed
            answer = await _posted(ctx, _moved(flow.token_url, ctx, {"host": host}), form, pending=True)
            if "access_token" in answer:
                return {**stamped(answer, ctx.now), "owner": secrets.token_hex(8), **({"host": host} if host else {})}
            interval = max(float(answer.get("interval", 0)), interval + 5 * (answer.get("error") == "slow_down"))
    raise AuthError("the code ran out before it was typed", hint=f"begin again: vibeusage auth {ctx.id}")


def stamped(answer: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A token answer as we store it: with instants (epoch milliseconds) in the place of durations."""
    kept = {key: value for key, value in answer.items() if key not in ("expires_in", "refresh_token_expires_in")}
    seconds = answer.get("expires_in")
    if isinstance(seconds, int | float) and seconds > 0:
        kept["expires_at"] = _instant_ms(now + timedelta(seconds=seconds))
    return {**kept, "obtained_at": _instant_ms(now)}


async def _posted(ctx: Context, url: str, form: Mapping[str, str], *, pending: bool = False) -> dict[str, Any]:
    """The JSON answer to a form; an OAuth error, in whatever status, as AuthError unless it says to wait."""
    answer = await ctx.send("POST", url, FORM, urlencode(form).encode())
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        document = None
    said: dict[str, Any] = document if isinstance(document, dict) else {}
    error = said.get("error")
    if pending and error in ("authorization_pending", "slow_down"):
        return said
    if error in REFUSED or (error and pending) or answer.status in (400, 401):
        again = f"log in again: vibeusage auth {ctx.id}"
        raise AuthError(f"{answer.host} refused the login: {str(error)[:60]}", hint=again)
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
async def _lock(path: Path) -> AsyncGenerator[None]:
    end = time.monotonic() + LOCK_WAIT_S
    while True:
        with files.lock(path, wait_s=0) as got:
            if got:
                yield
                return
        if time.monotonic() > end:
            raise Unavailable("another program renews this login", hint="try again in a moment")
        await asyncio.sleep(0.05)
