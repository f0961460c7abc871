from datetime import UTC, datetime, timedelta
from decimal import Decimal

from providers.case import AT, Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "sk-invented-neuralwatt"
ENV = {"NEURALWATT_API_KEY": KEY}
END = datetime(2026, 10, 2, tzinfo=UTC)


def asked(answer, host="api.neuralwatt.com"):
    return (Ask("GET", host, "/v1/quota", answer, bearer(KEY)),)


def allowance(**said):
    return asked({"key": {"allowance": {"limit_usd": 20, "spent_usd": 3.1, "period": "daily", **said}}})


def energy(used, resets_at=None):
    return UsagePeriod(name="Energy", utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at)


def of_key(used, kind=PeriodType.DAILY):
    return UsagePeriod(name="Key", utilization=used, period_type=kind)


USUAL = Usage(
    periods=(energy(28.0, END), of_key(15.5, PeriodType.WEEKLY)),
    overage=OverageUsage(used=Decimal("9.7")),
    balance=Balance(Decimal("11.4"), "USD"),
    identity=ProviderIdentity(plan="standard"),
)
PAST = (AT - timedelta(days=1)).isoformat()
CASES = (
    Case("energy, key, cost, credit and plan", asked("quota.json"), USUAL, environ=ENV),
    Case(
        "no subscription, no allowance, no credit",
        asked("no-subscription.json"),
        Usage(balance=Balance(Decimal(0), "USD")),
        environ=ENV,
    ),
    Case(
        "what is included by what is used and left, of a subscription that has ended",
        asked({"subscription": {"kwh_used": 5, "kwh_remaining": 15, "current_period_end": PAST, "status": "canceled"}}),
        Usage(periods=(energy(25.0),), identity=ProviderIdentity(plan="canceled")),
        environ=ENV,
    ),
    Case("a key that is blocked", allowance(blocked=True), Usage(periods=(of_key(100.0),)), environ=ENV),
    Case(
        "an allowance by what is left",
        allowance(spent_usd=None, remaining_usd=5),
        Usage(periods=(of_key(75.0),)),
        environ=ENV,
    ),
    Case(
        "an allowance of a time that nobody told",
        allowance(period="fortnight"),
        error=("parse", "key.allowance.period: 'fortnight'"),
        environ=ENV,
    ),
    Case("nothing told", asked({"usage": {}}), error=("parse", "subscription.kwh_used"), environ=ENV),
    Case(
        "a boolean in place of energy",
        asked({"subscription": {"kwh_used": True}}),
        error=("parse", "subscription.kwh_used: bool"),
        environ=ENV,
    ),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case(
        "asked too often",
        asked(Answer(status=429, headers={"retry-after": "1"})),
        error=("rate_limited", "asks to wait"),
        environ=ENV,
    ),
    Case(
        "another address",
        asked("quota.json", "neuralwatt.example"),
        USUAL,
        environ={**ENV, "NEURALWATT_API_URL": "https://neuralwatt.example"},
    ),
)
