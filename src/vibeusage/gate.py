"""Due times, failure gates and cool-downs per account, kept on disk and bound to the login they were earned with.

Three failures within ten minutes close the gate for five; a rate limit cools down for what the server
says, at least 300 s, doubling up to six hours; a refused login is not asked again until it changes. Being
offline is nobody's failure: it is tried again soon, then ever less often.
"""

import math
import random
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from vibeusage import files, paths
from vibeusage.errors import AuthError, Forbidden, NotConfigured, Offline, RateLimited, StorageError, VibeusageError
from vibeusage.models import FetchAttempt, FetchError, Instant

SCHEMA = 1
FAILURES_ALLOWED = 3
FAILURE_WINDOW = timedelta(minutes=10)
CLOSED_FOR = timedelta(minutes=5)
COOL_DOWN = timedelta(seconds=300)
COOL_DOWN_MOST = timedelta(hours=6)
LOGIN_LOOK = timedelta(hours=1)
OFFLINE_LOOK = timedelta(seconds=30)
AFTER_RESET = timedelta(seconds=60)
JITTER = 0.1
CLOCK_ERROR = timedelta(minutes=5)


_Kind = TypeVar("_Kind")


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Why a strategy may not ask with the login of this fingerprint; `until` None: until the login changes."""

    fingerprint: str
    error: FetchError
    until: Instant | None = None


class Gate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one account's requests; `due_at` is the earliest next one.

    `attempts` and `places` (of a crash: file and line, no values) are those of the last round, for `doctor`.
    """

    due_at: Instant
    asked_at: Instant | None = None
    failed_at: tuple[Instant, ...] = ()
    rate_limits: int = 0
    offline: int = 0
    holds: dict[str, Hold] = {}
    error: FetchError | None = None
    attempts: tuple[FetchAttempt, ...] = ()
    places: tuple[str, ...] = ()


class Gates(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = SCHEMA
    accounts: dict[str, Gate] = {}


class _Version(msgspec.Struct, frozen=True):
    schema: int = 0


def load() -> dict[str, Gate]:
    gates = _stored(Gates)
    return gates.accounts if gates and gates.schema == SCHEMA else {}


def save(gates: dict[str, Gate]) -> None:
    """Raises StorageError; keeps a file of a newer version as it is."""
    path, old = paths.cache_dir() / "gates.json", _stored(_Version)
    if old and old.schema > SCHEMA:
        raise StorageError(f"{path} was written by a newer vibeusage", hint="upgrade, or run `vibeusage cache clear`")
    files.write_private(path, msgspec.json.encode(Gates(accounts=gates)))


def _stored(kind: type[_Kind]) -> _Kind | None:
    data = files.read_private(paths.cache_dir() / "gates.json")
    try:
        return msgspec.json.decode(data or b"", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def forget(account: str, *, exact: bool = False) -> None:
    """Drop the gates of an account, or, unless `exact`, of all accounts of a provider; it is due at once.

    A cool-down stays: the vendor asked to wait for it, whatever else is known of the account by now.
    """
    gates, now = load(), datetime.now(UTC)
    kept = dict(gates)
    for name, known in gates.items():
        if account == name or (not exact and account == name.partition("@")[0]):
            del kept[name]
            if holds := {strategy: hold for strategy, hold in known.holds.items() if hold.until and _stands(hold, now)}:
                kept[name] = Gate(due_at=now, holds=holds, rate_limits=known.rate_limits)
    if kept != gates:
        save(kept)


def drop(account: str) -> None:
    """Forget all of one account whose login is deleted, its cool-downs too."""
    gates = load()
    if gates.pop(account, None):
        save(gates)


def next_due_at(disabled: Collection[str]) -> int:
    """Epoch seconds of the earliest due time but for the accounts named; 0 when nothing was ever asked."""
    return min((int(gate.due_at.timestamp()) for name, gate in load().items() if name not in disabled), default=0)


def first_asked_at(disabled: Collection[str]) -> int:
    """Epoch seconds of the oldest last round of the same accounts; 0 when nothing was ever asked."""
    asked = (gate.asked_at for name, gate in load().items() if name not in disabled)
    return min((int(at.timestamp()) for at in asked if at), default=0)


def settled(gates: dict[str, Gate]) -> dict[str, Gate]:
    """Without the accounts that have no login, which are looked at in every round anyway, if there are others."""
    there = {
        name: gate
        for name, gate in gates.items()
        if not gate.error or gate.error.category != NotConfigured.category
    }
    return there or gates


def is_due(gate: Gate | None, interval_s: int, now: datetime) -> bool:
    """Whether `--if-due` should look at this account; a due time beyond all intervals is a clock that jumped."""
    if gate is None or now >= gate.due_at or (gate.asked_at and gate.asked_at > now + CLOCK_ERROR):
        return True
    farthest = COOL_DOWN_MOST if cooling_until(gate, now) else max(LOGIN_LOOK, timedelta(seconds=interval_s))
    return gate.due_at - now > 2 * farthest


def held(gate: Gate | None, strategy: str, fingerprint: str, now: datetime) -> Hold | None:
    """What keeps this strategy from asking with this login now."""
    hold = gate.holds.get(strategy) if gate else None
    return hold if hold and hold.fingerprint == fingerprint and _stands(hold, now) else None


def _stands(hold: Hold, now: datetime) -> bool:
    """Until the login changes, or for a time that nobody's clock has made absurd."""
    return hold.until is None or now < hold.until < now + 2 * COOL_DOWN_MOST


def cooling_until(gate: Gate, now: datetime) -> datetime | None:
    """The end of the last cool-down that is under way, whichever login it was earned with."""
    return max((hold.until for hold in gate.holds.values() if hold.until and hold.until > now), default=None)


def looked(gate: Gate, wait_s: float, now: datetime) -> Gate:
    """The gate after a look that asked nobody; a cool-down is not made shorter by it."""
    return msgspec.structs.replace(gate, due_at=max(now + timedelta(seconds=wait_s), _standing(gate, now)))


def after_success(
    gate: Gate | None, *, interval_s: int, took_s: float, resets: Iterable[datetime], now: datetime
) -> Gate:
    """Due again after the interval, not all at once, and soon after the next reset.

    The interval is stretched a little at random, so that machines and providers do not align, and shortened
    by what the answer takes (Vattani et al., VLDB 2015), so that it is there before the old one is old.
    """
    stretched = interval_s * (1 + random.uniform(0, JITTER))  # noqa: S311  (to spread, not to hide)
    early = min(-took_s * math.log(1 - random.random()), interval_s * JITTER)  # noqa: S311
    due_at = now + timedelta(seconds=max(stretched - early, interval_s))
    soon = [at + timedelta(seconds=random.uniform(1, 15)) for at in resets if at > now]  # noqa: S311
    due_at = min([due_at, *(max(at, now + AFTER_RESET) for at in soon)])
    holds = {name: hold for name, hold in gate.holds.items() if _stands(hold, now)} if gate else {}
    # what was read on this machine ends no cool-down, nor lets the next one start small
    rate_limits = gate.rate_limits if gate and any(hold.until for hold in holds.values()) else 0
    return Gate(due_at=due_at, asked_at=now, holds=holds, rate_limits=rate_limits)


def after_failure(gate: Gate | None, error: VibeusageError, *, interval_s: int, now: datetime) -> Gate:
    """The gate after a round in which no strategy answered; `error` is the one that tells most."""
    old = gate or Gate(due_at=now)
    recent = tuple(at for at in (*old.failed_at, now) if now - FAILURE_WINDOW < at <= now)
    wait, offline = timedelta(seconds=interval_s), 0
    match error:
        case NotConfigured():
            wait, recent = LOGIN_LOOK, ()
        case Offline():
            wait, recent, offline = min(OFFLINE_LOOK * 2 ** min(old.offline, 10), wait), old.failed_at, old.offline + 1
        case _ if len(recent) >= FAILURES_ALLOWED:
            wait = max(wait, CLOSED_FOR)
    standing = _standing(old, now)
    is_cooling = isinstance(error, RateLimited) and standing > now  # due at its end, however often somebody looks
    due_at = standing if is_cooling else max(now + wait, standing)
    return msgspec.structs.replace(
        old, due_at=due_at, asked_at=now, failed_at=recent, offline=offline, error=as_data(error)
    )


def hold(gate: Gate | None, strategy: str, fingerprint: str, error: VibeusageError, now: datetime) -> Gate:
    """The gate with what `error` forbids this strategy: nothing, to ask for a while, or to ask with this login."""
    old = gate or Gate(due_at=now)
    if isinstance(error, RateLimited):
        before = old.holds.get(strategy)
        times = old.rate_limits if before and before.fingerprint == fingerprint else 0
        wait = min(max(error.retry_at - now, COOL_DOWN * 2 ** min(times, 10), COOL_DOWN), COOL_DOWN_MOST)
        held = Hold(fingerprint=fingerprint, error=as_data(error), until=now + wait)
        return msgspec.structs.replace(
            old, holds={**old.holds, strategy: held}, rate_limits=times + 1, due_at=max(old.due_at, now + wait)
        )
    if isinstance(error, AuthError | Forbidden) and fingerprint:
        held = Hold(fingerprint=fingerprint, error=as_data(error))
        return msgspec.structs.replace(old, holds={**old.holds, strategy: held})
    return old


def as_data(error: VibeusageError) -> FetchError:
    return FetchError(category=error.category, message=str(error), hint=error.hint)


def _standing(gate: Gate, now: datetime) -> datetime:
    """The end of a cool-down that is not absurd, else `now`."""
    until = cooling_until(gate, now)
    return until if until and until < now + 2 * COOL_DOWN_MOST else now
