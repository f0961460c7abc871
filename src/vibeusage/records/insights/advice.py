"""Which provider and model to use now: by what is left of the windows, by their pace, and by what a call costs.

From the cached snapshots alone. An account is as free as its tightest window, or as the freest of its models where each
has its own: what is left of it over the time that is left of it (`spare`; 1 is an even pace). What is not known is said
and never recommended.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from vibeusage import pace
from vibeusage.models import Instant, ProviderStatus, StatusLevel, UsagePeriod, UsageSnapshot
from vibeusage.records.tally import dollars

VERDICTS = ("use", "with care", "pays by use", "used up", "not known")
TIGHT = 10.0  # percent left
MOST_SPARE = 99.9
OUTAGES = (StatusLevel.PARTIAL_OUTAGE, StatusLevel.MAJOR_OUTAGE)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """`pace_ratio` is the share used over the share of time passed; `projected` is what it leads to: an estimate.

    `spare` is the share left over the share of time left; None where the reset is not known.
    """

    name: str
    model: str | None
    remaining: float
    resets_at: Instant | None
    pace_ratio: float | None
    projected: float | None
    level: str
    spare: float | None
    observed_at: Instant


class ModelChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`usd` is what this provider's calls of the span would cost at this model: an estimate. `remaining` of its own
    window, None where it has none."""

    model: str
    usd: str
    remaining: float | None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One account. `spare` and `remaining` are of its tightest window, `verdict` one of VERDICTS.

    `usd_per_message` is the average of its tool's calls in the span, at list price. `reasons` say why, in words.
    """

    account: str
    provider: str
    verdict: str
    remaining: float | None
    spare: float | None
    is_stale: bool
    usd_per_message: str | None
    source: str
    observed_at: Instant
    windows: tuple[Window, ...]
    models: tuple[ModelChoice, ...]
    reasons: tuple[str, ...]


class Used(NamedTuple):
    """What a tool's calls of the span cost in picodollars, and the same calls at each model that it used."""

    calls: int
    pico: int | None
    models: Mapping[str, int] = {}


class _Account(NamedTuple):
    id: str
    snapshot: UsageSnapshot
    used: Used | None
    status: ProviderStatus | None
    is_stale: bool
    now: datetime

    @property
    def average(self) -> int | None:
        """Picodollars of a call."""
        return self.used.pico // self.used.calls if self.used and self.used.calls and self.used.pico else None

    @property
    def has_outage(self) -> bool:
        return self.status is not None and self.status.level in OUTAGES


def choices(
    snapshots: Mapping[str, UsageSnapshot],
    used: Mapping[str, Used],
    statuses: Mapping[str, ProviderStatus],
    *,
    now: datetime,
    stale_after: timedelta,
) -> tuple[Choice, ...]:
    """The one to use first, then what else there is; those with the same verdict by what they have to spare.

    `used` and `statuses` by provider.
    """
    known = [
        _Account(id, one, used.get(one.provider), statuses.get(one.provider), one.is_stale(now, stale_after), now)
        for id, one in snapshots.items()
    ]
    return tuple(sorted(map(_choice, known), key=_place))


def _place(one: Choice) -> tuple:
    spare = one.spare if one.spare is not None else (one.remaining or 0.0) / 100
    return VERDICTS.index(one.verdict), one.is_stale, -spare, one.account


def _choice(of: _Account) -> Choice:
    said, now = of.snapshot, of.now
    windows = tuple(_window(period, said, now) for period in said.periods if not _has_passed(period, said, now))
    binding = [window for window in windows if window.model is None]
    if not binding and windows:  # each model has its own: the freest may be used
        binding = [max(windows, key=_tightness)]
    tightest = min(binding, key=_tightness, default=None)
    verdict, models = _verdict(of, binding), tuple(_models(of.used, windows))
    return Choice(
        account=of.id,
        provider=said.provider,
        verdict=verdict,
        remaining=tightest.remaining if tightest else None,
        spare=tightest.spare if tightest else None,
        is_stale=of.is_stale,
        usd_per_message=None if of.average is None else dollars(of.average),
        source=said.source,
        observed_at=said.observed_at,
        windows=windows,
        models=models,
        reasons=(*_of_windows(of, tightest, windows), *_of_money(of, verdict), *_of_models(models)),
    )


def _has_passed(period: UsagePeriod, snapshot: UsageSnapshot, now: datetime) -> bool:
    """Nothing is known of what was used since."""
    return now >= (period.resets_at or (period.observed_at or snapshot.observed_at) + period.window)


def _window(period: UsagePeriod, snapshot: UsageSnapshot, now: datetime) -> Window:
    seconds, resets_at = int(period.window.total_seconds()), period.resets_at
    elapsed, ratio = period.elapsed_ratio(now), period.pace_ratio(now)
    level, _ = pace.level(
        period.utilization, seconds, int(resets_at.timestamp()) if resets_at else 0, int(now.timestamp())
    )
    spare = None if elapsed is None else min(MOST_SPARE, period.remaining() / 100 / max(1e-6, 1 - elapsed))
    return Window(
        name=period.name,
        model=period.model,
        remaining=period.remaining(),
        resets_at=resets_at,
        pace_ratio=None if ratio is None else round(ratio, 3),
        projected=None if ratio is None else round(ratio * 100, 1),
        level=level,
        spare=None if spare is None else round(spare, 3),
        observed_at=period.observed_at or snapshot.observed_at,
    )


def _tightness(window: Window) -> tuple[bool, float]:
    return window.remaining > 0, window.spare if window.spare is not None else window.remaining / 100


def _verdict(of: _Account, binding: Sequence[Window]) -> str:
    if not binding or any(window.remaining <= 0 for window in binding):
        return "pays by use" if _has_extra(of.snapshot) else "used up" if binding else "not known"
    is_tight = any(window.remaining < TIGHT or window.level in (pace.YELLOW, pace.RED) for window in binding)
    return "with care" if is_tight or of.has_outage else "use"


def _has_extra(snapshot: UsageSnapshot) -> bool:
    """Whether there is credit, or paid use beyond the plan that is on and not at its limit."""
    if snapshot.balance and snapshot.balance.amount > 0:
        return True
    extra = snapshot.overage
    return bool(extra and extra.is_enabled and (left := extra.remaining()) != 0 and (left is None or left > 0))


def _models(used: Used | None, windows: Sequence[Window]) -> Iterable[ModelChoice]:
    """The cheapest first, those without anything left last."""
    found = [
        (ModelChoice(model=model, usd=dollars(pico), remaining=_left(model, windows)), pico)
        for model, pico in (used.models if used else {}).items()
    ]
    return (one for one, _ in sorted(found, key=lambda pair: (pair[0].remaining == 0, pair[1], pair[0].model)))


def _left(model: str, windows: Sequence[Window]) -> float | None:
    own = [window.remaining for window in windows if window.model and window.model.lower() in model.lower()]
    return min(own, default=None)


def _of_windows(of: _Account, tightest: Window | None, windows: Sequence[Window]) -> Iterable[str]:
    if of.is_stale:
        passed = int((of.now - of.snapshot.observed_at).total_seconds())
        yield f"the numbers are {pace.span(passed)[0]} old" if passed >= 0 else "the numbers are of unknown age"
    if len(windows) < len(of.snapshot.periods):
        gone = [period.name for period in of.snapshot.periods if _has_passed(period, of.snapshot, of.now)]
        yield f"{', '.join(gone)}: reset since, what was used after it is not known"
    if tightest:
        yield _headroom(tightest, of.now)
    elif not of.snapshot.periods:
        yield "it tells of no window"
    if tightest and tightest.projected is not None and tightest.remaining > 0:
        yield f"at this pace ~{pace.percent(tightest.projected)} of it is used by its reset"
    for window in windows:
        if window.model and window.remaining < TIGHT:
            yield f"of {window.model} only {pace.percent(window.remaining)} is left"
    if of.status and of.has_outage:
        yield f"its status page tells of a {of.status.level.value.replace('_', ' ')}"


def _headroom(window: Window, now: datetime) -> str:
    until = f" for {pace.span(int((window.resets_at - now).total_seconds()))[0]}" if window.resets_at else ""
    return f"{pace.percent(window.remaining)} of {window.name} is left{until}"


def _of_money(of: _Account, verdict: str) -> Iterable[str]:
    average = of.average
    a_call = f"~${Decimal(dollars(average)):,.3f} a call at list price, the average of this span" if average else ""
    if verdict in ("use", "with care"):
        yield f"within the plan a call costs nothing more{f' ({a_call})' if a_call else ''}"
    elif verdict == "pays by use":
        yield f"each call is paid for{f': {a_call}' if a_call else ''}"
        if balance := of.snapshot.balance:
            yield f"{balance.amount:f} {balance.currency} of credit left"


def _of_models(models: Sequence[ModelChoice]) -> Iterable[str]:
    if len(models) > 1:
        first, last = models[0], models[-1]
        yield (
            f"{first.model} is the cheapest of the models used there: ~${Decimal(first.usd):,.2f} for all its calls of "
            f"this span, {last.model} ~${Decimal(last.usd):,.2f}"
        )
