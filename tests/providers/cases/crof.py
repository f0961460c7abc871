from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, PeriodType, Usage, UsagePeriod

KEY = "invented-crof-key"
ENV = {"CROF_API_KEY": KEY}
MIDNIGHT = datetime(2026, 9, 15, 5, tzinfo=UTC)  # summer time in Chicago


def asked(answer):
    return (Ask("GET", "crof.ai", "/usage_api/", answer, bearer(KEY)),)


def requests(used):
    return (UsagePeriod(name="Requests", utilization=used, period_type=PeriodType.DAILY, resets_at=MIDNIGHT),)


def plan(usable):
    return asked({"credits": None, "requests_plan": 1000, "usable_requests": usable})


BOTH = Usage(periods=requests(58.8), balance=Balance(Decimal("8.4371"), "USD"))
CASES = (
    Case("requests of the day, and credit", asked("usage.json"), BOTH, environ=ENV),
    Case("no plan", asked("pay-as-you-go.json"), Usage(balance=Balance(Decimal(0), "USD")), environ=ENV),
    Case("a part of a request", plan(999.5), Usage(periods=requests(0.05)), environ=ENV),
    Case("more than the plan holds", plan(1200), Usage(periods=requests(0.0)), environ=ENV),
    Case("nothing told", asked({}), error=("parse", "usable_requests"), environ=ENV),
    Case("a text in place of requests", plan("some"), error=("parse", "usable_requests: text"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case("the other variable", asked("usage.json"), BOTH, environ={"CROFAI_API_KEY": KEY}),
)
