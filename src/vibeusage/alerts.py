"""ENGINE: after a round, the user's command for each window that has reached a threshold; see `episodes` and `hooks`.

What is told is on disk before the command runs: one that is killed meanwhile, or a machine that goes down, costs the
alert and never repeats it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from vibeusage import cache, episodes, files, hooks, pace, paths, shown
from vibeusage.config import Config
from vibeusage.episodes import Alert, Known, Sample
from vibeusage.escape import clean
from vibeusage.kinds import PLACEHOLDERS
from vibeusage.models import OverageUsage, UsageSnapshot

LOCK_WAIT_S = 5.0
RUNS_MOST = 10  # of one round: a night of waiting ones is not told in a hundred windows
OVERAGE = "Extra usage"
MONTH = timedelta(days=30)
PLAIN = " .,:%()+-/_@"
NO_COMMAND = "no command is set"
LEFT_OUT = f"left out, being more than {RUNS_MOST} at once"


def after_round(settings: Config, environ: Mapping[str, str]) -> None:
    """Tell what is new, once. Raises StorageError where it could not be remembered; nothing is run then."""
    thresholds, now = settings.alerts.thresholds, datetime.now(UTC)
    max_age = timedelta(seconds=settings.fetch.stale_after_s)
    new: list[Alert] = []

    def judged(known: Known) -> Known:
        after, found = episodes.judge(known, _samples(settings, now), thresholds=thresholds, now=now, max_age=max_age)
        new.extend(found)
        return after

    if not thresholds or not _changed(judged):
        return
    outcomes = [(alert, _outcome(alert, number, settings, environ)) for number, alert in enumerate(new)]
    if outcomes:
        _changed(lambda known: _noted(known, outcomes))


def _changed(change: Callable[[Known], Known]) -> bool:
    """Whether what is known was changed and stored, by one process at a time; another one at it sees the same."""
    with files.lock(paths.cache_dir() / "alerts.lock", wait_s=LOCK_WAIT_S) as got:
        if not got:
            return False
        known = episodes.load()
        after = change(known)
        if after != known:
            episodes.save(after)
    return True


def _samples(settings: Config, now: datetime) -> Iterator[Sample]:
    """Every window of the accounts that are shown."""
    known = cache.snapshots_with_observations(int(now.timestamp()))
    for account, snapshot in shown.in_order(known, settings).items():
        for period in snapshot.periods:
            seen = period.observed_at or snapshot.observed_at
            yield Sample(account, period.name, period.utilization, seen, period.resets_at, period.window)
        if snapshot.overage:
            yield from _of_overage(account, snapshot, snapshot.overage)


def _of_overage(account: str, snapshot: UsageSnapshot, overage: OverageUsage) -> Iterator[Sample]:
    used = overage.utilization() if overage.is_enabled else None
    if used is not None:
        yield Sample(account, OVERAGE, used, snapshot.observed_at, overage.resets_at, MONTH)


def _outcome(alert: Alert, number: int, settings: Config, environ: Mapping[str, str]) -> str:
    command = settings.alerts.command
    if not command:
        return NO_COMMAND
    if number >= RUNS_MOST:
        return LEFT_OUT
    return hooks.run(arguments(command, alert), environ).outcome


def _noted(known: Known, outcomes: Iterable[tuple[Alert, str]]) -> Known:
    said = {(alert.account, alert.period, alert.threshold, alert.at): outcome for alert, outcome in outcomes}
    alerts = [
        msgspec.structs.replace(
            alert, outcome=said.get((alert.account, alert.period, alert.threshold, alert.at), alert.outcome)
        )
        for alert in known.alerts
    ]
    return msgspec.structs.replace(known, alerts=tuple(alerts))


def arguments(command: Sequence[str], alert: Alert) -> list[str]:
    """The command with its placeholders filled in; each argument stays one."""
    values = {name: harmless(value) for name, value in _values(alert).items()}
    known = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
    return [known.sub(lambda found: values[found[1]], argument) for argument in command]


def _values(alert: Alert) -> dict[str, str]:
    percent, threshold = pace.percent(alert.utilization), pace.percent(float(alert.threshold))
    left_s = int((alert.until - alert.at).total_seconds())
    resets = "" if alert.is_guess else f", resets in {pace.span(left_s)[0].replace('<1m', 'under 1m')}"
    return {
        "title": f"{alert.account} {alert.period}: {percent} used",
        "text": f"reached {threshold}{resets}",
        "account": alert.account,
        "period": alert.period,
        "percent": percent,
        "threshold": threshold,
    }


def harmless(text: str) -> str:
    """Letters, digits and a few signs, a letter or digit first, so that it means nothing wherever it is put.

    To the program it is no option and no `@file`, to a notification no markup, to a shell or in JSON no quote.
    """
    kept = "".join(c if c.isalnum() or c in PLAIN else " " for c in clean(text))
    words = " ".join(kept.split())
    start = next((place for place, c in enumerate(words) if c.isalnum()), len(words))
    return words[start:]


def trial(command: Sequence[str], environ: Mapping[str, str]) -> tuple[list[str], hooks.Ended]:
    """Run the command once with sample values, which nobody keeps: its arguments, and what came of it."""
    now = datetime.now(UTC)
    sample = Alert(
        account="claude",
        period="Session (5h)",
        threshold=80,
        utilization=83.0,
        at=now,
        until=now + timedelta(hours=2, minutes=13),
    )
    argv = arguments(command, sample)
    return argv, hooks.run(argv, environ)
