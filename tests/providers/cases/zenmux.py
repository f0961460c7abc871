from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "invented-zenmux-management-key"
ENV = {"ZENMUX_MANAGEMENT_API_KEY": KEY}
START = "/api/v1/management"


def asked(detail, balance="balance.json"):
    asks = [Ask("GET", "zenmux.ai", f"{START}/subscription/detail", detail, bearer(KEY))]
    if balance is not None:
        asks.append(Ask("GET", "zenmux.ai", f"{START}/payg/balance", balance, bearer(KEY)))
    return tuple(asks)


def session(percent, **more):
    return UsagePeriod(name="Session (5h)", utilization=percent, period_type=PeriodType.SESSION, **more)


PERIODS = (
    session(13.1, resets_at=datetime(2026, 9, 14, 17, tzinfo=UTC)),
    UsagePeriod(
        name="Weekly",
        utilization=40.2,
        period_type=PeriodType.WEEKLY,
        resets_at=datetime(2026, 9, 19, 6, 40, tzinfo=UTC),
    ),
)
PRO = ProviderIdentity(plan="pro")
LEFT = Balance(Decimal("61.5"), "USD")
ALONE = Usage(periods=PERIODS, identity=PRO)
CASES = (
    Case(
        "fractions, and credits",
        asked("subscription.json"),
        Usage(periods=PERIODS, balance=LEFT, identity=PRO),
        environ=ENV,
    ),
    Case(
        "a window that has not begun, an account that rests",
        asked("minimal.json"),
        Usage(periods=(session(0.0),), balance=LEFT, identity=ProviderIdentity(plan="frozen")),
        environ=ENV,
    ),
    Case("the second is down", asked("subscription.json", Answer(status=501)), ALONE, environ=ENV),
    Case("the second is no success", asked("subscription.json", {"success": False}), ALONE, environ=ENV),
    Case("an error with status 200", asked({"success": False}, None), error=("parse", "success is False"), environ=ENV),
    Case(
        "no window at all",
        asked({"success": True, "data": {}}, Answer(status=404)),
        error=("parse", "usage_percentage"),
        environ=ENV,
    ),
    Case("a key for models", asked(Answer(status=403), None), error=("authentication", "refused"), environ=ENV),
    Case("key refused", asked(Answer(status=401), None), error=("authentication", "refused"), environ=ENV),
)
