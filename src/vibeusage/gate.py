"""Due times, failure gates and cool-downs per account, kept on disk and bound to the login they were earned with.

Three failures within ten minutes close the gate for five; a rate limit cools down for what the server
says, at least 300 s, doubling up to six hours; a refused login is not asked again until it changes.
"""

import random
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from vibeusage import files, paths
from vibeusage.errors import AuthError, Forbidden, NotConfigured, RateLimited, StorageError, VibeusageError
from vibeusage.models import FetchError, Instant

SCHEMA = 1
FAILURES_ALLOWED = 3
FAILURE_WINDOW = timedelta(minutes=10)
CLOSED_FOR = timedelta(minutes=5)
COOL_DOWN = timedelta(seconds=300)
COOL_DOWN_MOST = timedelta(hours=6)
LOGIN_LOOK = timedelta(hours=1)
JITTER = 0.1


_Kind = TypeVar("_Kind")


class Gate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one account's requests; `due_at` is the earliest next one."""

    due_at: Instant
    fingerprint: str = ""
    failed_at: tuple[Instant, ...] = ()
    rate_limits: int = 0
    cooling: bool = False  # rate limited: nobody asks before `due_at`
    refused: bool = False  # this login was refused: nobody asks until it changes, `due_at` is the next look
    error: FetchError | None = None


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
    """Drop the gates of an account, or, unless `exact`, of all accounts of a provider."""
    gates = load()
    kept = {
        name: gate for name, gate in gates.items() if account != name and (exact or account != name.partition("@")[0])
    }
    if kept != gates:
        save(kept)


def next_due_at(disabled: Collection[str]) -> int:
    """Epoch seconds of the earliest due time; 0 when nothing was ever asked."""
    gates = load().items()
    return min(
        (int(gate.due_at.timestamp()) for name, gate in gates if not {name, name.partition("@")[0]} & {*disabled}),
        default=0,
    )


def is_due(gate: Gate | None, interval_s: int, now: datetime) -> bool:
    """Whether `--if-due` should look at this account; a due time beyond all intervals is a clock that jumped."""
    farthest = max(LOGIN_LOOK, timedelta(seconds=interval_s)) * 2
    return gate is None or now >= gate.due_at or (not gate.cooling and gate.due_at - now > farthest)


def held_until(gate: Gate | None, fingerprint: str, now: datetime) -> datetime | None:
    """Until when no request may be made with this login; None when one may."""
    if gate is None or gate.fingerprint != fingerprint:
        return None
    if gate.refused:
        return datetime.max.replace(tzinfo=UTC)
    return gate.due_at if gate.cooling and now < gate.due_at < now + 2 * COOL_DOWN_MOST else None


def looked(gate: Gate, interval_s: int, now: datetime) -> Gate:
    """The gate of a refused login after it was found unchanged."""
    return msgspec.structs.replace(gate, due_at=now + timedelta(seconds=interval_s))


def after_success(fingerprint: str, interval_s: int, now: datetime) -> Gate:
    spread = random.uniform(0, JITTER)  # noqa: S311  (so that machines do not align, not a secret)
    return Gate(due_at=now + timedelta(seconds=interval_s * (1 + spread)), fingerprint=fingerprint)


def after_failure(old: Gate | None, fingerprint: str, error: VibeusageError, interval_s: int, now: datetime) -> Gate:
    """The gate after `error`; what was earned with another login does not count."""
    if old is None or old.fingerprint != fingerprint:
        old = Gate(due_at=now, fingerprint=fingerprint)
    recent = tuple(at for at in (*old.failed_at, now) if now - FAILURE_WINDOW < at <= now)
    rate_limits, wait = 0, timedelta(seconds=interval_s)
    match error:
        case NotConfigured():
            wait, recent = LOGIN_LOOK, ()
        case RateLimited():
            rate_limits = old.rate_limits + 1
            grown = COOL_DOWN * 2 ** min(old.rate_limits, 10)
            wait = min(max(error.retry_at - now, grown, COOL_DOWN), COOL_DOWN_MOST)
        case _ if len(recent) >= FAILURES_ALLOWED:
            wait = max(wait, CLOSED_FOR)
    return Gate(
        due_at=now + wait,
        fingerprint=fingerprint,
        failed_at=recent,
        rate_limits=rate_limits,
        cooling=isinstance(error, RateLimited),
        refused=isinstance(error, AuthError | Forbidden),
        error=FetchError(category=error.category, message=str(error), hint=error.hint),
    )
