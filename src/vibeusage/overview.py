"""Every account's numbers, and why some are missing or not newer: what is in the cache, as a surface shows it."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from vibeusage import accounts, cache, config, gate, health, mask, providers, shown
from vibeusage.errors import NotConfigured
from vibeusage.models import FetchError, FetchOutcome, UsageSnapshot
from vibeusage.render import Entry

if TYPE_CHECKING:
    from vibeusage.redact import Redaction


class Known(NamedTuple):
    """By account, in the order they are shown; None for one that was asked and has no numbers."""

    snapshots: dict[str, UsageSnapshot | None]
    errors: dict[str, FetchError]
    gates: Mapping[str, gate.Gate]


def known(
    wanted: Sequence[str],
    settings: config.Config,
    now: datetime,
    *,
    outcomes: Mapping[str, FetchOutcome] = {},
    mails: bool = False,
) -> Known:
    """What is stored of those wanted, else of all that are shown; `outcomes` are of a round just now.

    Mail addresses only with `mails`. Raises ConfigError for a name that nobody knows.
    """
    gates = gate.load()
    chosen = _chosen(wanted, outcomes, settings, now)
    if not wanted:
        chosen = shown.in_order({**dict.fromkeys(_failing(gates, settings, now)), **chosen}, settings)
    errors = _errors(chosen, outcomes, gates, settings, now, named=bool(wanted))
    found = Known({name: snapshot and _with_status(snapshot) for name, snapshot in chosen.items()}, errors, gates)
    return found if mails else _changed(found, str, _without_mail, mask.without_mails)


def redacted(known: Known, shown_as: "Redaction") -> Known:
    return _changed(known, shown_as.account, shown_as.snapshot, shown_as.struct)


def _changed(
    known: Known,
    account: Callable[[str], str],
    snapshot: Callable[[UsageSnapshot], UsageSnapshot],
    struct: Callable[[Any], Any],
) -> Known:
    gates = {
        account(name): msgspec.structs.replace(one, attempts=tuple(map(struct, one.attempts)))
        for name, one in known.gates.items()
    }
    return Known(
        {account(name): one and snapshot(one) for name, one in known.snapshots.items()},
        {account(name): struct(error) for name, error in known.errors.items()},
        gates,
    )


def _without_mail(snapshot: UsageSnapshot) -> UsageSnapshot:
    """Neither as the account's own nor in a sentence of its status page."""
    status = snapshot.status and mask.without_mails(snapshot.status)
    return msgspec.structs.replace(snapshot.without_mail(), status=status)


def entries(known: Known, *, quiet: bool = False) -> list[Entry]:
    """As `render` takes them; `quiet` leaves the errors out."""
    return [
        Entry(
            id=name,
            name=_name(name),
            snapshot=snapshot,
            error=None if quiet else known.errors.get(name),
            attempts=known.gates[name].attempts if name in known.gates else (),
        )
        for name, snapshot in known.snapshots.items()
    ]


def _chosen(
    wanted: Sequence[str], outcomes: Mapping[str, FetchOutcome], settings: config.Config, now: datetime
) -> dict[str, UsageSnapshot | None]:
    """The accounts to show, those wanted in their order; None for one that was asked and has no numbers.

    Raises ConfigError for a name that nobody knows.
    """
    known = cache.snapshots_with_observations(int(now.timestamp()))
    for name, outcome in outcomes.items():
        if outcome.snapshot and outcome.is_fresh and outcome.error:  # a disk that took nothing
            known[name] = outcome.snapshot
    if not wanted:
        asked = [name for name, outcome in outcomes.items() if outcome.error and not _has_no_login(outcome.error)]
        return {**dict.fromkeys(asked), **known}
    chosen: dict[str, UsageSnapshot | None] = {}
    for name in wanted:
        mine = {account: known[account] for account in known if _is_meant(account, name, settings)}
        if not mine:
            accounts.provider_of(name)
        chosen.update(mine or {name: None})
    return chosen


def _is_meant(account: str, name: str, settings: config.Config) -> bool:
    """A provider means all its accounts but those that are off; an account means itself."""
    is_on = settings.providers.get(account, config.ProviderOptions()).enabled
    return account == name or (is_on and account.partition("@")[0] == name)


def _failing(gates: Mapping[str, gate.Gate], settings: config.Config, now: datetime) -> list[str]:
    """The accounts without numbers whose last round failed, which it is not time to try again."""
    failed = {name for name, known in gates.items() if known.error and not _has_no_login(known.error)}
    without = {name for name in failed if cache.load_snapshot(name) is None}
    if not without:  # else every provider is loaded, a tenth of a second
        return []
    around = accounts.Surroundings(os.environ, now, foreground=False)
    return [ctx.id for ctx in accounts.chosen((), settings, around) if ctx.id in without]


def _errors(
    chosen: Mapping[str, UsageSnapshot | None],
    outcomes: Mapping[str, FetchOutcome],
    gates: Mapping[str, gate.Gate],
    settings: config.Config,
    now: datetime,
    *,
    named: bool,
) -> dict[str, FetchError]:
    """Why numbers are missing or not newer, until they are; "no login" is nobody's error unless it was named."""
    stale_after = timedelta(seconds=settings.fetch.stale_after_s)
    errors = {}
    for name, snapshot in chosen.items():
        outcome, known = outcomes.get(name), gates.get(name)
        error = outcome.error if outcome else known.error if known else None
        if error is None or (_has_no_login(error) and (snapshot or not named)):
            continue
        failed_at = known.asked_at if known else None
        if outcome or snapshot is None or snapshot.is_stale(now, stale_after) or _is_before(snapshot, failed_at):
            errors[name] = error
    return errors


def _has_no_login(error: FetchError) -> bool:
    return error.category == NotConfigured.category


def _is_before(snapshot: UsageSnapshot, failed_at: datetime | None) -> bool:
    """Whether the numbers are from before the round that failed; what a status line told since needs no excuse."""
    return failed_at is not None and snapshot.observed_at < failed_at


def _with_status(snapshot: UsageSnapshot) -> UsageSnapshot:
    """With what the status page said last, if it was asked."""
    return msgspec.structs.replace(snapshot, status=snapshot.status or health.read(snapshot.provider))


def _name(account: str) -> str:
    provider_id = account.partition("@")[0]
    return providers.load(provider_id).name if provider_id in providers.ids() else provider_id
