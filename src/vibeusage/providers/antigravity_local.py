"""Antigravity while it runs: its language servers, asked at loopback.

Source: LanguageServerService, which the editor itself asks (Connect RPC, JSON). A server knows one method or another:
that of an editor has no summary. A token goes only to a port that its own process listens on, or that it names and
our own user listens on.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from vibeusage.answers import Answer, check
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import NotConfigured, StrategyError, Unavailable
from vibeusage.models import Usage
from vibeusage.providers.antigravity_processes import Server, listening
from vibeusage.providers.antigravity_quota import NOBODY, Person, parse_models, parse_status, parse_summary

if TYPE_CHECKING:
    import httpx


SERVICE = "/exa.language_server_pb.LanguageServerService/"
PROBE, SUMMARY, STATUS, MODELS = (
    "GetUnleashData",
    "RetrieveUserQuotaSummary",
    "GetUserStatus",
    "GetCommandModelConfigs",
)
METADATA = {"ideName": "antigravity", "extensionName": "antigravity", "ideVersion": "unknown", "locale": "en"}
BODY = msgspec.json.encode({"metadata": METADATA})
PROBE_S, METHOD_S, BESIDE_S = 2.5, 3.0, 2.0
ODD = (ValueError, ArithmeticError, RecursionError)  # of an answer that is not understood
DOORS = 24  # at most, of all processes
HINT = "if it has just been started, try again in a moment; else start Antigravity anew"


class Door(NamedTuple):
    """Where a server may answer."""

    scheme: str
    port: int
    token: str

    def __repr__(self) -> str:
        return f"Door({self.scheme!r}, {self.port})"


async def fetch(ctx: Context, login: Login) -> Usage:
    """Of the first server that tells limits; a summary of any is better than what another says of its models."""
    from vibeusage import http  # httpx costs a tenth of a second, and most runs ask nobody

    doors = await _doors(login.data["servers"], ctx)
    async with http.open_local_client(METHOD_S) as client:
        doors = await _open(doors, client)
        failures: list[Exception] = []
        for method in (SUMMARY, STATUS, MODELS):
            for door in doors:
                try:
                    return await _limits(method, door, client, ctx)
                except (StrategyError, TimeoutError, *ODD) as exc:
                    failures.append(exc)
    raise next((exc for exc in failures if isinstance(exc, ODD)), None) or Unavailable(
        f"Antigravity runs and tells no limits: {str(failures[0]) or 'it is too slow'}", hint=HINT
    )


async def _doors(servers: Sequence[Server], ctx: Context) -> list[Door]:
    by_process, ours = await listening(servers, ctx)
    found = []
    for one in servers:
        found += [Door("https", port, one.token) for port in sorted(by_process.get(one.pid, ()))]
        if one.extension_port in ours:
            found.append(Door("http", one.extension_port, one.extension_token))
    if not found:
        raise Unavailable("Antigravity runs and listens on no port", hint=HINT)
    return found[:DOORS]


async def _open(doors: Sequence[Door], client: "httpx.AsyncClient") -> list[Door]:
    """Those at which a language server is: it knows the probe, or at least takes the token."""
    statuses = await asyncio.gather(*(_probed(door, client) for door in doors))
    known = [door for door, status in zip(doors, statuses, strict=True) if status == 200]
    others = [door for door, status in zip(doors, statuses, strict=True) if status not in (0, 401, 403)]
    if not known and not others:
        if {401, 403} & {*statuses} and not any(door.token for door in doors):
            raise NotConfigured("agy runs and keeps its token to itself", hint="agy itself is asked instead")
        if {401, 403} & {*statuses}:
            raise Unavailable("Antigravity runs and refuses the token of its own command line", hint=HINT)
        raise Unavailable("Antigravity runs and answers at none of its ports", hint=HINT)
    return known or others


async def _probed(door: Door, client: "httpx.AsyncClient") -> int:
    """The status of its answer, 0 when there is none."""
    try:
        async with asyncio.timeout(PROBE_S):
            return (await _post(PROBE, door, client)).status
    except (StrategyError, TimeoutError):
        return 0


async def _post(method: str, door: Door, client: "httpx.AsyncClient") -> Answer:
    from vibeusage import http

    headers = {"Content-Type": "application/json", "Connect-Protocol-Version": "1"}
    if door.token:
        headers["X-Codeium-Csrf-Token"] = door.token
    url = f"{door.scheme}://{http.LOOPBACK}:{door.port}{SERVICE}{method}"
    return await http.send(client, "POST", url, headers=headers, content=BODY)


async def _body(method: str, door: Door, client: "httpx.AsyncClient", ctx: Context, seconds: float) -> bytes:
    async with asyncio.timeout(seconds):
        return check(await _post(method, door, client), ctx.now)


async def _limits(method: str, door: Door, client: "httpx.AsyncClient", ctx: Context) -> Usage:
    body = await _body(method, door, client, ctx, METHOD_S)
    if method == SUMMARY:
        parse_summary(body, NOBODY)  # before anything else is asked
        who = await _who(door, client, ctx)
        return Usage(periods=parse_summary(body, who), identity=who.identity)
    who = parse_status(body) if method == STATUS else NOBODY
    return Usage(periods=parse_models(body, who, ctx.now), identity=who.identity)


async def _who(door: Door, client: "httpx.AsyncClient", ctx: Context) -> Person:
    """Good to have: its failing takes nothing from the limits."""
    try:
        return parse_status(await _body(STATUS, door, client, ctx, BESIDE_S))
    except (StrategyError, TimeoutError, *ODD):
        return NOBODY
