from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case
from vendors import Answer

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "invented-nanogpt-key"
ENV = {"NANOGPT_API_KEY": KEY}
HEADERS = {"x-api-key": KEY}
NONE = Answer(status=404)


def asked(usage, balance="balance.json"):
    asks = [Ask("GET", "nano-gpt.com", "/api/subscription/v1/usage", usage, HEADERS)]
    if balance is not None:
        asks.append(Ask("POST", "nano-gpt.com", "/api/check-balance", balance, HEADERS))
    return tuple(asks)


PERIODS = (
    UsagePeriod(
        name="Daily", utilization=3.0, period_type=PeriodType.DAILY, resets_at=datetime(2026, 9, 15, tzinfo=UTC)
    ),
    UsagePeriod(
        name="Monthly", utilization=50.0, period_type=PeriodType.MONTHLY, resets_at=datetime(2026, 10, 13, tzinfo=UTC)
    ),
)
LEFT = Balance(Decimal("12.40"))
BOTH = Usage(periods=PERIODS, balance=LEFT)
CASES = (
    Case("both windows and money", asked("usage.json"), BOTH, environ=ENV),
    Case("the other variable", asked("usage.json"), BOTH, environ={"NANO_GPT_API_KEY": KEY}),
    Case(
        "no subscription is no window",
        asked("inactive.json"),
        Usage(balance=LEFT, identity=ProviderIdentity(plan="inactive")),
        environ=ENV,
    ),
    Case("only the first fails", asked(NONE), Usage(balance=LEFT), environ=ENV),
    Case("only the second fails", asked("usage.json", NONE), Usage(periods=PERIODS), environ=ENV),
    Case("neither", asked("inactive.json", NONE), error=("parse", "daily.used"), environ=ENV),
    Case("both fail", asked(Answer(status=403), NONE), error=("authorization", "usage"), environ=ENV),
    Case("a text for money", asked(NONE, {"usd_balance": "much"}), error=("parse", "usd_balance"), environ=ENV),
    Case("key refused", asked(Answer(status=401), None), error=("authentication", "refused"), environ=ENV),
)
