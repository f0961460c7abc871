"""ENGINE: which accounts are due, their strategies in order, one task and one deadline each.

A failure keeps the last good snapshot; every outcome leaves the next due time on disk before the lock
is given back. httpx is imported only when there is somebody to ask.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from vibeusage import cache, config, credentials, files, gate, observe, paths, providers
from vibeusage.errors import (
    ConfigError,
    NotConfigured,
    ShapeError,
    StorageError,
    StrategyError,
    Unavailable,
    VibeusageError,
)
from vibeusage.models import FetchAttempt, FetchError, FetchOutcome, UsageSnapshot
from vibeusage.providers.spec import Http, Provider

LOCK_WAIT_S = 60.0


def refresh(wanted: Sequence[str] = (), *, if_due: bool = False) -> list[FetchOutcome] | None:
    """Ask the wanted (default: all enabled) providers and store what they say.

    With `if_due` only those that are due, and None at once when another refresher is at work.
    """
    settings = config.load()
    chosen = list(wanted) or [name for name in providers.IDS if _enabled(settings, name)]
    for name in chosen:
        if name not in providers.IDS:
            raise ConfigError(f"{name!r} is not a provider", hint=f"known are: {', '.join(providers.IDS)}")
    problem = None
    with contextlib.ExitStack() as held:
        try:
            got = held.enter_context(
                files.lock(paths.cache_dir() / "refresh.lock", wait_s=0 if if_due else LOCK_WAIT_S)
            )
        except StorageError as exc:  # whoever asks by hand gets the numbers all the same, and the reason
            if if_due:
                raise
            got, problem = True, exc
        if not got:
            if if_due:
                return None
            raise Unavailable("another refresh has been at work for a minute", hint="try again in a moment")
        cache.tidy(time.time())
        gates = gate.load()
        now = datetime.now(UTC)
        due = [
            name
            for name in chosen
            if not if_due or gate.is_due(gates.get(_account(name)), settings.fetch.interval_s, now)
        ]
        postponed = {} if wanted else _postponed(gates, set(map(_account, chosen)), settings, now)
        gates.update(postponed)
        if due and if_due:
            gate.save(gates)  # a refresher that could not remember a cool-down must not ask
        outcomes = _ask_all(due, gates, settings)
        try:
            if due or postponed:
                gate.save(gates)
        except StorageError as exc:
            problem = problem or exc
        cache.compile_line(nobody_to_ask=not chosen)
    return [_unstored(outcome, problem) for outcome in outcomes] if problem else outcomes


def _unstored(outcome: FetchOutcome, problem: StorageError) -> FetchOutcome:
    """The outcome with the reason why nothing was stored, unless it has another error already."""
    return msgspec.structs.replace(outcome, error=outcome.error or _fetch_error(problem))


def _fetch_error(error: VibeusageError) -> FetchError:
    return FetchError(category=error.category, message=str(error), hint=error.hint)


def _account(name: str) -> str:
    """The account that is in force for a provider: Claude Code keeps one login per config folder."""
    return observe.claude_account(os.environ) if name == "claude" else name


def _postponed(
    gates: dict[str, gate.Gate], asked: set[str], settings: config.Config, now: datetime
) -> dict[str, gate.Gate]:
    """Later looks at accounts that are due and out of reach from here, lest the line starts us every minute."""
    late = {
        name: known
        for name, known in gates.items()
        if name not in asked and gate.is_due(known, settings.fetch.interval_s, now)
    }
    return {name: gate.looked(known, settings.fetch.interval_s, now) for name, known in late.items()}


def _enabled(settings: config.Config, name: str) -> bool:
    return settings.providers.get(name, config.ProviderOptions()).enabled


def _ask_all(names: list[str], gates: dict[str, gate.Gate], settings: config.Config) -> list[FetchOutcome]:
    """The outcomes in order; `gates` gets the next due time of each."""

    async def all_of_them() -> list[FetchOutcome]:
        return await asyncio.gather(*(_ask(providers.load(name), gates, settings) for name in names))

    ready = [name for name in names if _has_login(providers.load(name))]
    if not ready:  # nobody to ask: no event loop, no client
        return [_not_configured(providers.load(name), gates, settings) for name in names]
    return asyncio.run(all_of_them())


def _has_login(provider: Provider) -> bool:
    try:
        credentials.find(provider.strategies[0].login, _account(provider.id), datetime.now(UTC))
    except NotConfigured:
        return False
    except (StrategyError, ConfigError):
        return True
    return True


def _not_configured(provider: Provider, gates: dict[str, gate.Gate], settings: config.Config) -> FetchOutcome:
    error = NotConfigured(f"{provider.name} has no login on this machine", hint=provider.login_hint)
    return _failed(provider, gates, error, "", settings)


async def _ask(provider: Provider, gates: dict[str, gate.Gate], settings: config.Config) -> FetchOutcome:
    now, started = datetime.now(UTC), time.monotonic()
    strategy, fingerprint, account = provider.strategies[0], "", _account(provider.id)
    try:
        login = credentials.find(strategy.login, account, now, strategy.owner)
        fingerprint = login.fingerprint
        if until := gate.held_until(gates.get(account), fingerprint, now):
            return _held(provider, gates, until, settings.fetch.interval_s, now)
        async with asyncio.timeout(settings.fetch.timeout_s):
            snapshot = await _fetch(provider, strategy, login, settings)
    except TimeoutError:
        error: VibeusageError = Unavailable(f"{provider.name} took longer than {settings.fetch.timeout_s:g} s")
    except VibeusageError as exc:
        error = exc
    else:
        gates[account] = gate.after_success(fingerprint, settings.fetch.interval_s, now)
        attempt = FetchAttempt(strategy=strategy.name, success=True, duration_ms=_ms_since(started))
        outcome = FetchOutcome(
            provider_id=provider.id,
            success=True,
            snapshot=snapshot,
            source=strategy.name,
            attempts=(attempt,),
            is_fresh=True,
        )
        try:
            _keep(snapshot, login)
        except StorageError as exc:
            return _unstored(outcome, exc)
        return outcome
    attempt = FetchAttempt(strategy=strategy.name, success=False, duration_ms=_ms_since(started), error=str(error))
    return _failed(provider, gates, error, fingerprint, settings, attempts=(attempt,))


def _failed(
    provider: Provider,
    gates: dict[str, gate.Gate],
    error: VibeusageError,
    fingerprint: str,
    settings: config.Config,
    *,
    attempts: tuple[FetchAttempt, ...] = (),
) -> FetchOutcome:
    """The last good snapshot stays; the gate remembers the error."""
    account = _account(provider.id)
    known = gate.after_failure(gates.get(account), fingerprint, error, settings.fetch.interval_s, datetime.now(UTC))
    gates[account] = known
    return FetchOutcome(
        provider_id=provider.id,
        success=False,
        snapshot=cache.load_snapshot(account),
        attempts=attempts,
        error=known.error,
    )


def _held(
    provider: Provider, gates: dict[str, gate.Gate], until: datetime, interval_s: int, now: datetime
) -> FetchOutcome:
    """No request: this login is cooling down, or was refused and has not changed."""
    account = _account(provider.id)
    known = gates[account]
    error = known.error
    if known.refused:
        gates[account] = gate.looked(known, interval_s, now)
    else:
        error = FetchError("rate_limited", f"{provider.name} asked to wait, until {until.astimezone():%H:%M}")
    return FetchOutcome(provider_id=provider.id, success=False, snapshot=cache.load_snapshot(account), error=error)


async def _fetch(
    provider: Provider, strategy: Http, login: credentials.Login, settings: config.Config
) -> UsageSnapshot:
    from vibeusage import http  # httpx costs a tenth of a second, and most runs ask nobody

    url = _url(provider, strategy, login, settings)
    headers = {**strategy.headers, "Authorization": f"Bearer {login.token}"}
    async with http.open_client(settings.fetch.timeout_s) as client:
        body = await http.get(client, url, headers, datetime.now(UTC))
    try:
        usage = strategy.parse(body)
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError) as exc:
        raise ShapeError(f"{provider.name} sent an answer we do not understand: {exc}") from exc
    now = datetime.now(UTC)
    return UsageSnapshot(
        provider=provider.id,
        account=_account(provider.id).partition("@")[2] or None,
        fetched_at=now,
        observed_at=now,
        source=strategy.name,
        periods=usage.periods,
        overage=usage.overage,
        balance=usage.balance,
        identity=usage.identity,
    )


def _url(provider: Provider, strategy: Http, login: credentials.Login, settings: config.Config) -> str:
    """Another tool's login goes to that tool's own host and nowhere else."""
    base = settings.providers.get(provider.id, config.ProviderOptions()).base_url
    if base and not login.is_ours:
        raise ConfigError(
            f"providers.{provider.id}.base_url would send the login of another tool to another host",
            hint=f"remove it with `vibeusage config reset providers.{provider.id}.base_url`",
        )
    return (base or provider.base_url).rstrip("/") + strategy.path


def _keep(snapshot: UsageSnapshot, login: credentials.Login) -> None:
    """Store the snapshot, or first forget what another account of the same place has left."""
    owner = login.owner_fingerprint
    if cache.load_snapshot(snapshot.id) and not cache.load_snapshot(snapshot.id, owner):
        cache.clear(snapshot.id, exact=True)
    cache.save_snapshot(snapshot, owner)


def _ms_since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
