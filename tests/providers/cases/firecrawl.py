from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, PeriodType, Usage, UsagePeriod

KEY = "fc-invented-firecrawl"
ENV = {"FIRECRAWL_API_KEY": KEY}
END = datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC)


def asked(answer):
    return (Ask("GET", "api.firecrawl.dev", "/v2/team/credit-usage", answer, bearer(KEY)),)


def said(**data):
    return asked({"success": True, "data": data})


def used(percent, resets_at=None):
    kind = PeriodType.MONTHLY
    return Usage(periods=(UsagePeriod(name="Credits", utilization=percent, period_type=kind, resets_at=resets_at),))


CASES = (
    Case("credits of the month", asked("usage.json"), used(30.0, END), environ=ENV),
    Case("names with underscores, no dates", asked("free.json"), used(0.0), environ=ENV),
    Case("packs above the plan", said(remainingCredits=9000, planCredits=3000), used(0.0), environ=ENV),
    Case(
        "packs without a plan",
        said(remainingCredits=700, planCredits=0),
        Usage(balance=Balance(Decimal(700), "credits")),
        environ=ENV,
    ),
    Case("no success", asked({"success": False, "error": "x"}), error=("parse", "success is False"), environ=ENV),
    Case("no credits", said(planCredits=3000), error=("parse", "data.remainingCredits"), environ=ENV),
    Case("a map in their place", said(remainingCredits={}), error=("parse", "remainingCredits"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
