"""A provider that is a plugin: asked in its own process; its requests are sent from here, to the declared hosts."""

import asyncio
import contextlib
import functools
import math
import os
import re
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import (
    AuthError,
    Forbidden,
    RateLimited,
    ShapeError,
    StrategyError,
    Unavailable,
    VibeusageError,
)
from vibeusage.kinds import url_problem
from vibeusage.models import Usage
from vibeusage.plugins import process, sources, wire
from vibeusage.plugins.approvals import Approval
from vibeusage.plugins.process import OUTPUT_MOST
from vibeusage.providers.fields import MOST_MONEY, MOST_PERCENT
from vibeusage.providers.spec import Env, Func, Place, Provider, Secret, Stored

STRATEGY = "plugin"
GRACE_S = 2.0
PERIODS_MOST = 64
REQUESTS_MOST = 32
FORBIDDEN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}
OWN_ERRORS = {kind.category: kind for kind in (AuthError, Forbidden, ShapeError, Unavailable)}


def provider(known: Approval) -> Provider:
    said = known.manifest
    hint = said.hint or " or ".join([*(f"export {name}=…" for name in said.env[:1]), f"`vibeusage auth {said.id}`"])
    login: tuple[Place, ...] = (*(Env(name) for name in said.env), Stored(kind="apikey")) if said.login else ()
    how = said.hint or said.dashboard or said.name
    secret = Secret(kind="apikey", label=f"{said.name} key", how=how, strategy=STRATEGY)
    return Provider(
        id=said.id,
        name=said.name,
        icon="◇",
        hosts=tuple(said.hosts),
        dashboard_url=said.dashboard,
        login_hint=hint,
        strategies=(Func(name=STRATEGY, fetch=functools.partial(fetch, known), login=login),),
        secrets=(secret,) if said.login else (),
    )


async def fetch(known: Approval, ctx: Context, login: Login) -> Usage:
    """Raises ConfigError when it is not what was approved, StrategyError for all that it does wrong."""
    found, plugin_id = sources.approved(known), known.id
    variables = {name: ctx.environ[name] for name in known.manifest.variables if name in ctx.environ}
    work = wire.Fetch(login=login.token, variables=variables, now=ctx.now)
    talk = _Talk(known, ctx, login)
    seconds = ctx.settings.fetch.timeout_s
    async with _started(ctx, seconds) as running:
        usage = None
        try:
            talk.send(running, process.start(found), work)
            usage = await talk.usage(running)
        except (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError):
            pass  # its code tells why
        code = await running.wait() if usage is None else 0
    if usage is None:
        raise process.ended(plugin_id, process.End(code, seconds))
    return _checked(usage, plugin_id)


class _Talk:
    """One round: requests are sent for the plugin until it gives its usage."""

    def __init__(self, known: Approval, ctx: Context, login: Login) -> None:
        self.id = known.id
        self.hosts = known.manifest.hosts
        self.ctx = ctx
        self.login = login
        self.errors: list[VibeusageError] = []
        self.left = OUTPUT_MOST

    def send(self, running: asyncio.subprocess.Process, *messages: wire.ToPlugin) -> None:
        if running.stdin is None:
            raise AssertionError("it is a pipe")
        running.stdin.writelines(wire.frame(message) for message in messages)

    async def usage(self, running: asyncio.subprocess.Process) -> Usage:
        if running.stdout is None:
            raise AssertionError("it is a pipe")
        for _ in range(REQUESTS_MOST + 1):
            match await self._heard(running.stdout):
                case wire.Ask() as ask:
                    self.send(running, await self._asked(ask))
                case wire.Answered(usage):
                    return usage
                case wire.Caught(what):
                    raise process.caught(self.id, what)
                case wire.Crashed() as crash:
                    raise process.crashed(self.id, crash)
                case wire.Raised() as raised:
                    raise self._error(raised)
                case _:
                    raise ShapeError(f"the plugin {self.id} gave calls where usage belongs")
        raise StrategyError(f"the plugin {self.id} asked more than {REQUESTS_MOST} times", hint="ask its author")

    async def _heard(self, stream: asyncio.StreamReader) -> wire.FromPlugin:
        (size,) = wire.LENGTH.unpack(await stream.readexactly(wire.LENGTH.size))
        self.left -= size
        if self.left < 0:
            raise process.flooded(self.id)
        return process.decoded(await stream.readexactly(size), self.id)

    async def _asked(self, ask: wire.Ask) -> wire.Reply | wire.Failure:
        """What came of one request; an error goes to the plugin, which may know what to do."""
        url = self._address(ask.url)
        for name, value in ask.headers.items():
            if not re.fullmatch(r"[A-Za-z0-9-]+", name) or name.lower() in FORBIDDEN_HEADERS or not _is_header(value):
                raise StrategyError(f"the plugin {self.id} asked with a header that may not be sent")
        if ask.method not in ("GET", "POST"):
            raise StrategyError(f"the plugin {self.id} asked with another method than GET and POST")
        try:
            return wire.Reply(await self.ctx.ask(ask.method, url, ask.headers, ask.content))
        except StrategyError as exc:
            self.errors.append(exc)
            return wire.Failure(exc.category, str(exc), len(self.errors) - 1)

    def _address(self, url: str) -> str:
        """Raises StrategyError unless it is at a host that was declared, and approved."""
        matched = re.fullmatch(r"([a-z]+://[^/?#]*)(/[\x21-\x7e]*)?", url)
        origin, path = matched.groups("") if matched else ("", "")
        host = "" if url_problem(origin) else urlsplit(origin).hostname or ""
        if host not in self.hosts:
            raise process.caught(self.id, f"to reach {host}" if host else "to reach what is no address")
        usual = f"https://{self.hosts[0]}"
        return (self.ctx.base(usual, self.login) if origin == usual else origin) + path

    def _error(self, raised: wire.Raised) -> VibeusageError:
        """The error of the request that it did not catch, or one of its own making, which may not repeat a login."""
        if 0 <= raised.number < len(self.errors):
            return self.errors[raised.number]
        said = "" if self.login.is_in(raised.message) else f": {raised.message}"
        if raised.category == RateLimited.category:
            return Unavailable(f"the plugin {self.id} waits{said}")
        return OWN_ERRORS.get(raised.category, StrategyError)(f"the plugin {self.id} says{said or ' what it may not'}")


def _is_header(value: str) -> bool:
    return bool(re.fullmatch(r"[\x20-\x7e]*", value))


@contextlib.asynccontextmanager
async def _started(ctx: Context, seconds: float) -> AsyncGenerator[asyncio.subprocess.Process]:
    theirs, ours = os.pipe()
    try:
        running = await asyncio.create_subprocess_exec(
            *process.command(theirs, seconds),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=OUTPUT_MOST,
            env=process.environment(ctx.environ),
            cwd="/",
            pass_fds=(theirs,),
            start_new_session=True,
        )
    except OSError as exc:
        os.close(ours)
        raise Unavailable(f"a process for a plugin cannot be started: {exc.strerror}") from exc
    finally:
        os.close(theirs)
    try:
        yield running
    finally:
        os.close(ours)  # which ends all that the plugin has started
        await asyncio.shield(_gone(running))


async def _gone(running: asyncio.subprocess.Process) -> None:
    """Read to the end, too, whatever is still in the pipe: a transport that is left open outlives the loop."""
    if running.stdin is not None:
        running.stdin.close()
    with contextlib.suppress(TimeoutError, ProcessLookupError):
        async with asyncio.timeout(GRACE_S):
            while running.stdout is not None and await running.stdout.read(OUTPUT_MOST):
                pass
            await running.wait()
        return
    with contextlib.suppress(ProcessLookupError):
        running.kill()


def _checked(usage: Usage, plugin_id: str) -> Usage:
    """Raises ShapeError for what no account can have."""
    problems = [
        *(["more windows than can be shown"] if len(usage.periods) > PERIODS_MOST else []),
        *(["a percentage out of range"] if not all(map(_is_percent, usage.periods)) else []),
        *(["an amount out of range"] if not all(map(_is_amount, _amounts(usage))) else []),
        *(["a length of a window out of range"] if not all(map(_is_length, usage.periods)) else []),
    ]
    if problems:
        raise ShapeError(f"the plugin {plugin_id} gave {problems[0]}")
    # where and when a number was seen is for us to say
    own = [msgspec.structs.replace(period, source=None, observed_at=None) for period in usage.periods]
    return msgspec.structs.replace(usage, periods=tuple(own))


def _is_percent(period: Any) -> bool:
    return math.isfinite(period.utilization) and 0 <= period.utilization <= MOST_PERCENT


def _is_length(period: Any) -> bool:
    return period.window_seconds is None or 60 <= period.window_seconds <= 366 * 86_400


def _is_amount(amount: Any) -> bool:
    return amount is None or (amount.is_finite() and abs(amount) <= MOST_MONEY)


def _amounts(usage: Usage) -> list[Any]:
    overage = [usage.overage.used, usage.overage.limit] if usage.overage else []
    return [*overage, usage.balance.amount] if usage.balance else overage
