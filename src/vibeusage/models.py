"""The data models; through `msgspec.json` they are our public JSON, so keys are only ever added.

Instants are aware UTC datetimes, money is Decimal, utilization is percent used (may pass 100).
No method reads the clock: `now` is a parameter.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from vibeusage.table import LONGEST_S, MOST_PERCENT

Instant = Annotated[datetime, Meta(tz=True)]
PACE_FROM = 0.10
YEARS, POWERS = range(1970, 5000), range(-400, 16)  # of instants, and of ten in amounts


class PeriodType(StrEnum):
    SESSION = "session"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    @property
    def hours(self) -> int:
        return {"session": 5, "daily": 24, "weekly": 7 * 24, "monthly": 30 * 24}[self.value]

    @classmethod
    def nearest(cls, seconds: float) -> "PeriodType":
        """The type nearest to a window's length."""
        return min(cls, key=lambda kind: abs(kind.hours * 3600 - seconds))


class UsagePeriod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One quota window. `observed_at` and `source` are set when they differ from the snapshot's."""

    name: str
    utilization: float
    period_type: PeriodType
    resets_at: Instant | None = None
    model: str | None = None
    window_seconds: int | None = None
    observed_at: Instant | None = None
    source: str | None = None

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=self.window_seconds or self.period_type.hours * 3600)

    def remaining(self) -> float:
        return max(0.0, 100.0 - self.utilization)

    def elapsed_ratio(self, now: datetime) -> float | None:
        """The share of the window that has passed, 0-1; None without a reset time."""
        if self.resets_at is None:
            return None
        return min(1.0, max(0.0, 1 - (self.resets_at - now) / self.window))

    def pace_ratio(self, now: datetime) -> float | None:
        """Utilization over the elapsed share; None before a tenth of the window has passed."""
        elapsed = self.elapsed_ratio(now)
        return None if elapsed is None or elapsed < PACE_FROM else self.utilization / (elapsed * 100)

    def time_until_reset(self, now: datetime) -> timedelta | None:
        return None if self.resets_at is None else max(timedelta(0), self.resets_at - now)


class OverageUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Use beyond the plan. `limit` None means uncapped; `currency` is a code or a unit such as `credits`."""

    used: Decimal
    limit: Decimal | None = None
    currency: str = "USD"
    is_enabled: bool = True
    resets_at: Instant | None = None

    def remaining(self) -> Decimal | None:
        return None if self.limit is None else max(Decimal(0), self.limit - self.used)

    def utilization(self) -> float | None:
        """Percent of the limit used, at most MOST_PERCENT; None when there is no limit."""
        if self.limit is None or self.limit <= 0:
            return None
        return min(float(max(Decimal(0), self.used) / self.limit * 100), MOST_PERCENT)


class Balance(msgspec.Struct, frozen=True):
    """Prepaid credit that is left; not a percentage of anything."""

    amount: Decimal
    currency: str = "USD"


class ProviderIdentity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    email: str | None = None
    organization: str | None = None
    plan: str | None = None


class StatusLevel(StrEnum):
    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"
    UNKNOWN = "unknown"


class ProviderStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    level: StatusLevel
    description: str | None = None
    updated_at: Instant | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer says, before the engine stamps it into a snapshot.

    `observed_at` is set by sources that were written earlier, such as another tool's cache.
    """

    periods: tuple[UsagePeriod, ...] = ()
    overage: OverageUsage | None = None
    balance: Balance | None = None
    identity: ProviderIdentity | None = None
    observed_at: Instant | None = None


class UsageSnapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider said at one instant."""

    provider: str
    fetched_at: Instant
    observed_at: Instant
    source: str
    periods: tuple[UsagePeriod, ...] = ()
    account: str | None = None
    overage: OverageUsage | None = None
    balance: Balance | None = None
    identity: ProviderIdentity | None = None
    status: ProviderStatus | None = None

    @property
    def id(self) -> str:
        return f"{self.provider}@{self.account}" if self.account else self.provider

    def primary_period(self) -> UsagePeriod | None:
        """The shortest window that is not for one model only; else the shortest of all."""
        return next(iter(self._by_length()), None)

    def secondary_period(self) -> UsagePeriod | None:
        general = [period for period in self._by_length() if period.model is None]
        return general[1] if len(general) > 1 else None

    def model_periods(self) -> tuple[UsagePeriod, ...]:
        return tuple(period for period in self.periods if period.model is not None)

    def without_mail(self) -> "UsageSnapshot":
        """As it is shown unless the mail is asked for."""
        if self.identity is None or self.identity.email is None:
            return self
        return msgspec.structs.replace(self, identity=msgspec.structs.replace(self.identity, email=None))

    def is_stale(self, now: datetime, max_age: timedelta) -> bool:
        """Older than `max_age`, or from the future, which proves nothing."""
        return not now - max_age < self.observed_at <= now

    def _by_length(self) -> list[UsagePeriod]:
        return sorted(self.periods, key=lambda period: (period.model is not None, period.window))


def is_sound(known: Usage | UsageSnapshot) -> bool:
    """Whether all numbers and instants are such as can be reckoned with; a file or a vendor may say any."""
    amounts, instants = [], [known.observed_at]
    if known.overage:
        amounts += [known.overage.used, known.overage.limit]
        instants.append(known.overage.resets_at)
    if known.balance:
        amounts.append(known.balance.amount)
    for period in known.periods:
        if not 0 <= period.utilization <= MOST_PERCENT or abs(period.window_seconds or 0) > LONGEST_S:
            return False
        instants += [period.resets_at, period.observed_at]
    is_money = all(each.is_finite() and each.adjusted() in POWERS for each in amounts if each is not None)
    return is_money and all(each.year in YEARS for each in instants if each)


class FetchError(msgspec.Struct, frozen=True):
    """An error as data; `category` is one of the categories of `errors`."""

    category: str
    message: str
    hint: str = ""


class FetchAttempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    strategy: str
    success: bool
    duration_ms: int
    error: str | None = None


class FetchOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of asking one account; `provider_id` is the account's id, `claude@work` for a named one."""

    provider_id: str
    success: bool
    snapshot: UsageSnapshot | None = None
    source: str | None = None
    attempts: tuple[FetchAttempt, ...] = ()
    error: FetchError | None = None
    is_fresh: bool = False


class AggregatedResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of several accounts at one instant, by account id; as JSON it is our public document."""

    schema: int = 1
    fetched_at: Instant
    providers: dict[str, UsageSnapshot] = {}
    errors: dict[str, FetchError] = {}

    @property
    def has_any_data(self) -> bool:
        return bool(self.providers)

    @property
    def all_failed(self) -> bool:
        return bool(self.errors) and not self.successful_providers()

    def successful_providers(self) -> list[str]:
        """Those whose numbers nothing is wrong with."""
        return [name for name in self.providers if name not in self.errors]

    def failed_providers(self) -> list[str]:
        """Those that could not be asked, whether or not they have older numbers."""
        return list(self.errors)
