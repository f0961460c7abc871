"""Which alerts are new: at most one per account, window, reset and threshold, and none for one sample alone.

A percentage is believed when two observations in a row say at least that much, each with an instant of its own and
both before the same reset. What is old, from the future, or of a window that is over is not looked at. A higher
threshold that was told covers the lower ones.

An alert lasts until the reset that was known when it came. Vendors' resets wander: within a tenth of the window (a
day at most) it is the same one, and so is any while the percentage has stayed where it was. Where no reset is known,
the alert lasts for one length of the window.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from vibeusage import files, paths
from vibeusage.errors import StorageError
from vibeusage.models import Instant
from vibeusage.table import MOST_PERCENT

SCHEMA = 1
SAME_RESET = 0.1
SAME_RESET_MOST = timedelta(days=1)
CLOCK_ERROR = timedelta(minutes=5)
PAST_KEPT = 50

Percent = Annotated[float, msgspec.Meta(ge=0, le=MOST_PERCENT)]

_Kind = TypeVar("_Kind")


class Sample(NamedTuple):
    """One window as its newest observation says it is."""

    account: str
    period: str
    utilization: float
    at: datetime
    resets_at: datetime | None
    window: timedelta


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last observation of a window; `is_waiting`: another one like it makes an alert."""

    utilization: Percent
    at: Instant
    resets_at: Instant | None = None
    is_waiting: bool = False


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One that was told. `until` is the reset, or where that `is_guess` the end of one length of the window.

    `is_held`: nothing has been seen below the threshold since. `outcome` is that of the command, "" when nobody knows.
    """

    account: str
    period: str
    threshold: int
    utilization: Percent
    at: Instant
    until: Instant
    is_guess: bool = False
    is_held: bool = True
    outcome: str = ""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """{account: {window: what was seen of it last}}, and the alerts in their order."""

    schema: int = SCHEMA
    seen: dict[str, dict[str, Seen]] = {}
    alerts: tuple[Alert, ...] = ()


class _Version(msgspec.Struct):
    schema: int = 0


def load() -> Known:
    known = _stored(Known)
    return known if known and known.schema == SCHEMA else Known()


def save(known: Known) -> None:
    """Raises StorageError; keeps a file of a newer version as it is."""
    path, old = paths.cache_dir() / "alerts.json", _stored(_Version)
    if old and old.schema > SCHEMA:
        raise StorageError(f"{path} was written by a newer vibeusage", hint="upgrade, or run `vibeusage cache clear`")
    files.write_private(path, msgspec.json.encode(known))


def _stored(kind: type[_Kind]) -> _Kind | None:
    data = files.read_private(paths.cache_dir() / "alerts.json")
    try:
        return msgspec.json.decode(data or b"", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def forget(account: str, *, exact: bool = False) -> None:
    """Drop what is known of an account, or, unless `exact`, of all accounts of a provider. Raises StorageError."""

    def stays(name: str) -> bool:
        return name != account and (exact or name.partition("@")[0] != account)

    known = load()
    kept = msgspec.structs.replace(
        known,
        seen={name: windows for name, windows in known.seen.items() if stays(name)},
        alerts=tuple(alert for alert in known.alerts if stays(alert.account)),
    )
    if kept != known:
        save(kept)


def waiting(known: Known) -> set[str]:
    """The accounts of which one more observation may make an alert."""
    return {account for account, windows in known.seen.items() if any(each.is_waiting for each in windows.values())}


def judge(
    known: Known, samples: Iterable[Sample], *, thresholds: Sequence[int], now: datetime, max_age: timedelta
) -> tuple[Known, list[Alert]]:
    """What is known after these samples, and the alerts that are new."""
    told: dict[tuple[str, str], list[Alert]] = {}
    for alert in known.alerts:
        if alert.at <= now + CLOCK_ERROR:  # else a clock that has jumped would keep all later ones back
            told.setdefault((alert.account, alert.period), []).append(alert)
    seen: dict[str, dict[str, Seen]] = {}
    new: list[Alert] = []
    for sample in samples:
        last = known.seen.get(sample.account, {}).get(sample.period)
        last = last if last and last.at <= now else None
        if now - max_age <= sample.at <= now and not _is_over(sample, now) and (last is None or sample.at > last.at):
            mine = told.setdefault((sample.account, sample.period), [])
            last, fresh = _weighed(sample, last, mine, thresholds, now)
            new += fresh
            mine[:] = [_after(alert, sample) for alert in mine] + fresh
        if last:
            seen.setdefault(sample.account, {})[sample.period] = last
    alerts = sorted((alert for mine in told.values() for alert in mine), key=lambda alert: alert.at)
    return Known(seen=seen, alerts=_kept(alerts, now)), new


def _is_over(sample: Sample, now: datetime) -> bool:
    return sample.resets_at is not None and sample.resets_at <= now


def _weighed(
    sample: Sample, last: Seen | None, mine: list[Alert], thresholds: Sequence[int], now: datetime
) -> tuple[Seen, list[Alert]]:
    told = max((alert.threshold for alert in mine if _is_of(alert, sample)), default=0)

    def reached(utilization: float) -> int:
        return max((each for each in thresholds if told < each <= utilization), default=0)

    sure = min(last.utilization, sample.utilization) if last and _continues(last, sample) else 0.0
    threshold = reached(sure)
    is_waiting = reached(sample.utilization) > threshold
    seen = Seen(
        utilization=sample.utilization, at=sample.at, resets_at=sample.resets_at, is_waiting=is_waiting
    )
    if not threshold:
        return seen, []
    alert = Alert(
        account=sample.account,
        period=sample.period,
        threshold=threshold,
        utilization=sample.utilization,
        at=now,
        until=sample.resets_at or sample.at + sample.window,
        is_guess=sample.resets_at is None,
    )
    return seen, [alert]


def _continues(last: Seen, sample: Sample) -> bool:
    """Whether no reset lies between the two; one that is moved further before it has come does not."""
    if last.resets_at:
        return last.resets_at > sample.at
    if sample.resets_at:
        return last.at > sample.resets_at - sample.window
    return sample.at - last.at < sample.window


def _is_same(reset: datetime, sample: Sample) -> bool:
    nearly = min(sample.window * SAME_RESET, SAME_RESET_MOST)
    return sample.resets_at is not None and abs(sample.resets_at - reset) <= nearly


def _is_of(alert: Alert, sample: Sample) -> bool:
    """Whether the alert was told before the reset that the sample is before."""
    if not alert.is_guess and _is_same(alert.until, sample):
        return True
    if sample.at >= alert.until:
        return False
    return sample.resets_at is None or alert.is_guess or (alert.is_held and sample.utilization >= alert.threshold)


def _after(alert: Alert, sample: Sample) -> Alert:
    """The alert as this observation leaves it: the reset it lasts until moves along with the vendor's."""
    is_held = alert.is_held and sample.utilization >= alert.threshold
    if not _is_of(alert, sample) or sample.resets_at is None:
        return msgspec.structs.replace(alert, is_held=is_held)
    return msgspec.structs.replace(alert, is_held=is_held, until=sample.resets_at, is_guess=False)


def _kept(alerts: Sequence[Alert], now: datetime) -> tuple[Alert, ...]:
    """All that may still keep another one back, and the newest of the others for people to read."""
    past = [alert for alert in alerts if alert.until < now - SAME_RESET_MOST]
    gone = {id(alert) for alert in past[:-PAST_KEPT]}
    return tuple(alert for alert in alerts if id(alert) not in gone)
