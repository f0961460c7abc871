from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "sk-invented-sub2api"
HOST = "relay.example"
ENV = {"SUB2API_API_KEY": KEY, "SUB2API_BASE_URL": f"https://{HOST}"}


def asked(answer, start=""):
    return (Ask("GET", HOST, f"{start}/v1/usage", answer, bearer(KEY), "days=30&timezone=UTC"),)


def based(end):
    return {**ENV, "SUB2API_BASE_URL": f"https://{HOST}{end}"}


def used(name, percent, kind, **more):
    return UsagePeriod(name=name, utilization=percent, period_type=kind, **more)


QUOTA = Usage(
    periods=(
        used("Quota", 25.0, PeriodType.MONTHLY),
        used("Session (5h)", 25.0, PeriodType.SESSION, resets_at=datetime(2026, 9, 14, 15, 30, tzinfo=UTC)),
        used("Weekly", 25.0, PeriodType.WEEKLY),
    ),
    identity=ProviderIdentity(plan="Group A"),
)
SUBSCRIPTION = Usage(
    periods=(used("Daily", 25.0, PeriodType.DAILY), used("Monthly", 25.0, PeriodType.MONTHLY)),
    overage=OverageUsage(used=Decimal("12.5"), limit=Decimal(50)),
    identity=ProviderIdentity(plan="Group B"),
)
WALLET = Usage(balance=Balance(Decimal("17.5"), "CNY"), identity=ProviderIdentity(plan="Wallet"))
NO_LIMIT = {"isValid": True, "status": "expiring", "subscription": {"monthly_usage_usd": 3, "monthly_limit_usd": None}}
CASES = (
    Case("a quota and windows; one of a length nobody knows is none", asked("quota.json"), QUOTA, environ=ENV),
    Case("a subscription, a null limit is none", asked("subscription.json"), SUBSCRIPTION, environ=ENV),
    Case("a wallet", asked("wallet.json"), WALLET, environ=ENV),
    Case("a balance alone", asked("minimal.json"), Usage(balance=Balance(Decimal("3.25"))), environ=ENV),
    Case(
        "a subscription without limits",
        asked(NO_LIMIT),
        Usage(overage=OverageUsage(used=Decimal(3)), identity=ProviderIdentity(plan="expiring")),
        environ=ENV,
    ),
    Case("an address that ends in /v1", asked("wallet.json"), WALLET, environ=based("/v1")),
    Case("an address that ends in /v1/usage", asked("wallet.json"), WALLET, environ=based("/v1/usage")),
    Case("an address in a folder", asked("wallet.json", "/relay"), WALLET, environ=based("/relay/")),
    Case("no address", (), error=("not_configured", "no address"), environ={"SUB2API_API_KEY": KEY}),
    Case("not valid", asked({"isValid": False, "balance": 3}), error=("authentication", "isValid"), environ=ENV),
    Case("nothing that is known", asked({"isValid": True}), error=("parse", "quota.used"), environ=ENV),
    Case("a text for a number", asked({"balance": "much"}), error=("parse", "balance: text"), environ=ENV),
    Case("a key without a group", asked(Answer(status=403)), error=("authorization", "usage"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
