from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, Usage, UsagePeriod

KEY = "invented-clawrouter-key"
ENV = {"CLAWROUTER_API_KEY": KEY}
RESET = datetime(2026, 10, 1, tzinfo=UTC)


def asked(answer, host="clawrouter.openclaw.ai"):
    return (Ask("GET", host, "/v1/usage", answer, bearer(KEY)),)


def said(cost, **budget):
    return asked({"budget": budget, "usage": {"summary": {"actualCostMicros": cost}}})


def spent(dollars, limit=None, resets_at=None):
    return OverageUsage(used=Decimal(dollars), limit=limit and Decimal(limit), resets_at=resets_at)


def month(used):
    return (UsagePeriod(name="Monthly", utilization=used, period_type=PeriodType.MONTHLY, resets_at=RESET),)


USUAL = Usage(periods=month(23.125), overage=spent("9.25", 40, RESET))
CASES = (
    Case("the budget of the month", asked("usage.json"), USUAL, environ=ENV),
    Case("a budget that does not count", asked("unmetered.json"), Usage(overage=spent("1.25")), environ=ENV),
    Case(
        "a budget without a limit",
        said(2500000, configured=True, limitMicros=None, spentMicros=0),
        Usage(overage=spent("2.5")),
        environ=ENV,
    ),
    Case("nothing spent", said(0, configured=False), Usage(overage=spent(0)), environ=ENV),
    Case("no cost told", asked({"budget": {}}), error=("parse", "budget[configured=true].spentMicros"), environ=ENV),
    Case("a text in place of the cost", said("much"), error=("parse", "actualCostMicros: text"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case("key of another policy", asked(Answer(status=403, json={})), error=("authentication", "refused"), environ=ENV),
    *(
        Case(
            f"another address, {ending or 'bare'}",
            asked("usage.json", "claw.example"),
            USUAL,
            environ={**ENV, "CLAWROUTER_BASE_URL": f"https://claw.example{ending}"},
        )
        for ending in ("", "/v1", "/v1/")
    ),
)
