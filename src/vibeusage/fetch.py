"""One account asked: its strategies in order under one deadline, each attempt recorded.

A strategy that fails hands over to the next; a rate limit ends the round, since the next request would
only make it longer. What failed keeps its last good numbers.
"""

import asyncio
import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from vibeusage import credentials, gate, pace, vault
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import (
    AuthError,
    ConfigError,
    NotConfigured,
    RateLimited,
    ShapeError,
    StorageError,
    StrategyError,
    Unavailable,
    VibeusageError,
)
from vibeusage.models import FetchAttempt, FetchError, Usage, UsageSnapshot, is_sound
from vibeusage.providers.spec import Command, Func, Http, Strategy

if TYPE_CHECKING:
    import ssl

    import httpx

SHARE = 2 / 3  # of the time that is left, for a strategy behind which there is another


class Candidate(NamedTuple):
    """A strategy and its login, or why it has none."""

    strategy: Strategy
    login: Login | None
    error: VibeusageError | None


class Round(NamedTuple):
    """What came of one account; `error` is None when a strategy answered, `owner` whose numbers they are.

    `is_partial`: the source knows only some of the periods. `places` are where a mistake of ours was.
    """

    snapshot: UsageSnapshot | None
    error: VibeusageError | None
    attempts: tuple[FetchAttempt, ...]
    gate: gate.Gate | None
    owner: str
    is_partial: bool = False
    places: tuple[str, ...] = ()


class Mistake(VibeusageError):
    """Of ours. `places` are file, line and function; what the exception says may hold a secret, so it is not kept."""

    def __init__(self, ctx: Context, exc: BaseException) -> None:
        frames = traceback.extract_tb(exc.__traceback__)
        self.places = tuple(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)[-8:]
        super().__init__(
            f"{ctx.display_name} could not be asked because of a mistake in vibeusage ({type(exc).__name__})",
            hint="please report it with what `vibeusage doctor` prints",
        )


class Asking:
    """One account while it is asked. `usable` are the strategies that may be, in order.

    `found` are all of them unless given. With `local_last` what lies on this machine is only the way out:
    somebody wants it asked now. `owners` are all whose numbers may come of it, by fingerprint; none where
    that is not to be told.
    """

    def __init__(
        self,
        ctx: Context,
        known: gate.Gate | None,
        *,
        found: list[Candidate] | None = None,
        local_last: bool = False,
    ) -> None:
        self.ctx = ctx
        self.gate = known
        self.began = time.monotonic()
        self.attempts: list[FetchAttempt] = []
        self.errors: list[VibeusageError] = []
        self.owner, self.owners = "", set[str]()
        try:
            self.found = _candidates(ctx) if found is None else found
            self.owner = _whose(ctx, next((one.login for one in self.found if one.login and one.login.token), None))
            if not _has_hidden(ctx):
                self.owners = {_whose(ctx, login) for login in (None, *(one.login for one in self.found))} - {""}
        except Exception as exc:  # a mistake in one provider may not take the others along
            self.found = [Candidate(ctx.provider.strategies[0], None, Mistake(ctx, exc))]
        if local_last:
            self.found.sort(key=lambda one: _is_local(one.strategy))
        self.usable = [one for one in self.found if self._may_ask(one)]

    async def answer(self, verify: "ssl.SSLContext | Callable[[], ssl.SSLContext]") -> Round:
        """Ask. Never raises: what goes wrong is in the round, with the time it took.

        `verify` is made, or what makes it: most rounds without a login end before a request goes out.
        """
        try:
            return await self._answer(verify)
        except ConfigError as exc:
            return self.failed(exc)
        except Exception as exc:  # as above
            return self.failed(Mistake(self.ctx, exc))

    def without_asking(self) -> Round:
        """The round when no strategy is usable."""
        return self.failed(self._telling())

    async def _answer(self, verify: "ssl.SSLContext | Callable[[], ssl.SSLContext]") -> Round:
        timeout_s = self.ctx.settings.fetch.timeout_s
        hosts, end = _hosts(self.ctx, self.usable), time.monotonic() + timeout_s
        async with contextlib.AsyncExitStack() as held:
            self.ctx.client, self.ctx.way_out = None, lambda: _opened(held, timeout_s, hosts, verify)
            for place, one in enumerate(self.usable):
                left = end - time.monotonic()
                usage = await self._attempt(one, left if place == len(self.usable) - 1 else left * SHARE)
                if usage is not None:
                    return self._answered(one, usage)
                if self.ctx.limited or isinstance(self.errors[-1], RateLimited | ConfigError):
                    break
        return self.failed(self._telling())

    def _may_ask(self, one: Candidate) -> bool:
        """Whether this strategy has a login and is not on hold; why not is recorded as an attempt."""
        if one.error and not isinstance(one.error, credentials.NoLogin):
            self._record(one.strategy, one.error, 0.0)
        if one.error or _is_local(one.strategy):
            return one.error is None
        held = self._cooling() or self._hold(one)
        if held:
            self._record(one.strategy, _held_error(self.ctx, held), 0.0)
        return held is None

    def _hold(self, one: Candidate) -> gate.Hold | None:
        fingerprint = one.login.fingerprint if one.login else ""
        return gate.held(self.gate, one.strategy.name, fingerprint, self.ctx.now)

    def _cooling(self) -> gate.Hold | None:
        """The cool-down of any strategy whose login is still the one that earned it: all of them wait for it."""
        return next((hold for one in self.found if (hold := self._hold(one)) and hold.until), None)

    async def _attempt(self, one: Candidate, seconds: float) -> Usage | None:
        started, strategy = time.monotonic(), one.strategy
        asked_at = datetime.now(UTC)
        login = one.login or Login("", strategy.name, is_ours=False)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                usage = await _asked(strategy, self.ctx, login)
        except TimeoutError:
            error: VibeusageError = Unavailable(
                f"{self.ctx.display_name} took longer than {round(seconds, 1):g} s", hint="try again later"
            )
        except VibeusageError as exc:
            error = _with_hint(exc, self.ctx, login)
        else:
            took_ms = int((time.monotonic() - started) * 1000)
            self.attempts.append(FetchAttempt(strategy=strategy.name, success=True, duration_ms=took_ms))
            if self.ctx.limited:  # of a request that the numbers can do without
                self._hold_back(one, self.ctx.limited)
            # an answer may be late: what it says is as old as the question
            return msgspec.structs.replace(usage, observed_at=usage.observed_at or asked_at)
        self._record(strategy, error, time.monotonic() - started)
        if not _is_local(strategy):
            holding = self.ctx.limited or error
            self._hold_back(one, holding)
            error.hint = error.hint or holding.hint
        return None

    def _hold_back(self, one: Candidate, error: VibeusageError) -> None:
        """What `error` forbids, from now on: a server counts its seconds from when it answers, `ctx.now` is before."""
        late = timedelta(seconds=time.monotonic() - self.began)
        if isinstance(error, RateLimited):
            error.retry_at += late
        fingerprint = one.login.fingerprint if one.login else ""
        self.gate = gate.hold(self.gate, one.strategy.name, fingerprint, error, self.ctx.now + late)
        if isinstance(error, RateLimited) and (until := gate.cooling_until(self.gate, self.ctx.now)):
            error.hint = error.hint or f"it is asked again after {_clock(until, self.ctx.now)}"

    def _in_order(self) -> tuple[FetchAttempt, ...]:
        places = [one.strategy.name for one in self.found]
        return tuple(sorted(self.attempts, key=lambda attempt: places.index(attempt.strategy)))

    def _record(self, strategy: Strategy, error: VibeusageError, took_s: float) -> None:
        self.errors.append(error)
        self.attempts.append(
            FetchAttempt(strategy=strategy.name, success=False, duration_ms=int(took_s * 1000), error=str(error))
        )

    def _answered(self, one: Candidate, usage: Usage) -> Round:
        now = datetime.now(UTC)
        snapshot = UsageSnapshot(
            provider=self.ctx.provider.id,
            account=self.ctx.name,
            fetched_at=now,
            observed_at=min(usage.observed_at or now, now),
            source=one.strategy.name,
            periods=usage.periods,
            overage=usage.overage,
            balance=usage.balance,
            identity=usage.identity,
        )
        mine = _whose(self.ctx, one.login) or self.owner
        lacks = isinstance(one.strategy, Command) and not one.strategy.is_whole  # what a program prints lacks money
        is_partial = _is_local(one.strategy) or lacks
        return Round(snapshot, None, self._in_order(), self.gate, mine, is_partial=is_partial)

    def failed(self, error: VibeusageError) -> Round:
        places = error.places if isinstance(error, Mistake) else ()
        return Round(None, error, self._in_order(), self.gate, self.owner, places=places)

    def _telling(self) -> VibeusageError:
        """Of all that went wrong, what tells a person most: the first that is more than "not there"."""
        telling = (error for error in self.errors if not isinstance(error, NotConfigured))
        said = (error for error in self.errors if error.hint)
        return next(telling, None) or next(said, no_login(self.ctx))


def _opened(
    held: contextlib.AsyncExitStack,
    timeout_s: float,
    hosts: set[str],
    verify: "ssl.SSLContext | Callable[[], ssl.SSLContext]",
) -> "httpx.AsyncClient":
    """A client until the end of the round. Raises ConfigError."""
    import ssl

    from vibeusage import http  # with httpx, which costs a tenth of a second

    client = http.open_client(timeout_s, hosts, verify if isinstance(verify, ssl.SSLContext) else verify())
    held.push_async_callback(client.aclose)
    return client


async def _asked(strategy: Strategy, ctx: Context, login: Login) -> Usage:
    from vibeusage import oauth

    if oauth.needs_renewal(login, ctx.now):
        login = await oauth.renewed(login, ctx)
    try:
        usage = await _told(strategy, ctx, login)
        if not is_sound(usage):
            raise ValueError("a number out of range")
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError) as exc:
        raise _not_understood(ctx, "it repeats the login" if login.is_in(str(exc)) else str(exc)[:100]) from exc
    if login.is_in(msgspec.json.encode(usage).decode(), token_only=True):
        raise _not_understood(ctx, "it repeats the login")
    return usage


async def _told(strategy: Strategy, ctx: Context, login: Login) -> Usage:
    from vibeusage import programs

    match strategy:
        case Http():
            url = ctx.base(f"https://{ctx.provider.hosts[0]}", login) + strategy.path
            headers = {**strategy.headers, "Authorization": f"{strategy.scheme} {login.token}"}
            return strategy.parse(await ctx.ask(strategy.method, url, headers))
        case Command():
            return strategy.parse(await programs.run(strategy.argv, ctx.environ), ctx)
        case Func():
            return await strategy.fetch(ctx, login)


def _not_understood(ctx: Context, why: str) -> ShapeError:
    return ShapeError(
        f"{ctx.display_name} sent an answer we do not understand: {why}",
        hint="the vendor may have changed it; a newer vibeusage may know it",
    )


def _strategies(ctx: Context) -> Iterator[Strategy]:
    known = {strategy.name: strategy for strategy in ctx.provider.strategies}
    for name in ctx.options.strategies or known:
        if name not in known:
            raise ConfigError(
                f"{name!r} is not a strategy of {ctx.provider.name}",
                hint=f"known are {', '.join(known)}: vibeusage config set providers.{ctx.id}.strategies …",
            )
        yield known[name]


def _whose(ctx: Context, login: Login | None) -> str:
    """The fingerprint of whose numbers a login gives, without one the tool's own; "" when nobody can tell."""
    if login and (login.is_ours or login.owner):
        return login.owner_fingerprint
    told = ctx.provider.owner(ctx) if ctx.provider.owner and ctx.sees_tool else ""
    if told:
        return Login("", "", is_ours=False, owner=told).owner_fingerprint
    return login.owner_fingerprint if login and login.token else ""


def _has_hidden(ctx: Context) -> bool:
    """Whether there may be a login of this account that is opened only where a person waits."""
    kept = (vault.entry(ctx.id, kind) for kind in vault.KINDS)
    return not ctx.foreground and (ctx.options.browser is not None or any(each and each.backend for each in kept))


def _candidates(ctx: Context) -> list[Candidate]:
    """Every strategy that this account may use, in order, with what was found to log in with."""
    try:
        return [_candidate(strategy, ctx) for strategy in _strategies(ctx)]
    except ConfigError as exc:
        return [Candidate(ctx.provider.strategies[0], None, exc)]


def no_login(ctx: Context) -> NotConfigured:
    return NotConfigured(f"{ctx.display_name} has no login on this machine", hint=ctx.provider.login_hint)


def places(ctx: Context) -> Iterator[str]:
    """Where this account's logins are looked for, in order, for people."""
    for strategy in _strategies(ctx):
        for place in () if isinstance(strategy, Command) else strategy.login:
            if not credentials.is_closed(place, ctx) and (where := credentials.where(place, ctx)):
                yield where


def _candidate(strategy: Strategy, ctx: Context) -> Candidate:
    places = () if isinstance(strategy, Command) else strategy.login
    if not places:
        may = ctx.sees_tool and (_is_local(strategy) or ctx.settings.credentials.reuse_provider_credentials)
        return Candidate(strategy, None, None if may else credentials.NoLogin("no login was found"))
    try:
        return Candidate(strategy, credentials.find(places, ctx), None)
    except (StrategyError, ConfigError, StorageError) as exc:
        return Candidate(strategy, None, _with_hint(exc, ctx, None))
    except OSError as exc:
        message = f"{exc.filename or 'a file'} cannot be read: {exc.strerror}"
        return Candidate(strategy, None, ConfigError(message, hint="check the rights of its folder"))


def _is_local(strategy: Strategy) -> bool:
    return isinstance(strategy, Func) and strategy.is_local


def _hosts(ctx: Context, usable: list[Candidate]) -> set[str]:
    """Every host this round may talk to: the provider's, those of its logins' own tools, and the override's."""
    bases = [base for one in usable if one.login for base in one.login.bases]
    hosts = [urlsplit(base).hostname for base in (*bases, ctx.options.base_url or "")]
    named = [one.login.data.get("host") for one in usable if one.login and one.login.is_ours]
    moved = [part for name in named if isinstance(name, str) for part in (name, f"api.{name}")]
    moved += ctx.provider.moved(ctx) if ctx.provider.moved else ()
    return {*ctx.provider.hosts, *filter(None, hosts), *moved}


def _held_error(ctx: Context, held: gate.Hold) -> VibeusageError:
    if held.until is None:
        return _Standing(held.error)
    until = _clock(held.until, ctx.now)
    return RateLimited(
        f"{ctx.display_name} asked to wait, until {until}", retry_at=held.until, hint="it is asked again after that"
    )


def _clock(instant: datetime, now: datetime) -> str:
    return pace.clock(int(instant.timestamp()), int(now.timestamp()))[0]


class _Standing(StrategyError):
    """An error of an earlier round that still stands."""

    def __init__(self, error: FetchError) -> None:
        super().__init__(error.message, hint=error.hint)
        self.category = error.category


def _with_hint(error: VibeusageError, ctx: Context, login: Login | None) -> VibeusageError:
    """An error about a login says what to do: the vendor's command for theirs, ours for ours."""
    if isinstance(error, AuthError) and not error.hint:
        error.hint = f"log in again: `vibeusage auth {ctx.id}`" if login and login.is_ours else ctx.provider.login_hint
    return error
