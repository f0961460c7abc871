from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "tvly-invented"
ENV = {"TAVILY_API_KEY": KEY}
MOST = 2147483647
REFUSED = Answer(status=401, json={"detail": {"error": "Unauthorized: missing or invalid API key."}})


def asked(answer):
    return (Ask("GET", "api.tavily.com", "/usage", answer, bearer(KEY)),)


def month(name, used):
    return UsagePeriod(name=name, utilization=used, period_type=PeriodType.MONTHLY)


def paid(used, limit=None):
    return OverageUsage(used=Decimal(used), limit=limit and Decimal(limit), currency="credits")


PLAN = ProviderIdentity(plan="Researcher")
CASES = (
    Case(
        "the plan, the key and what is paid as it goes",
        asked("usage.json"),
        Usage(periods=(month("Credits", 41.0), month("Key", 10.0)), overage=paid(25, 100), identity=PLAN),
        environ=ENV,
    ),
    Case(
        "limits that are null",
        asked("no-limits.json"),
        Usage(periods=(month("Credits", 41.0),), overage=paid(0), identity=PLAN),
        environ=ENV,
    ),
    Case(
        "limits that are none by their number",
        asked(
            {
                "key": {"usage": 9, "limit": MOST},
                "account": {"plan_usage": 9, "plan_limit": MOST, "paygo_usage": 3, "paygo_limit": MOST},
            }
        ),
        Usage(overage=paid(3)),
        environ=ENV,
    ),
    Case("an error with status 200", asked({"detail": {"error": "x"}}), error=("parse", "account.plan_"), environ=ENV),
    Case(
        "a text in place of a count",
        asked({"account": {"plan_usage": "few", "plan_limit": 5}}),
        error=("parse", "account.plan_usage: text"),
        environ=ENV,
    ),
    Case("key refused", asked(REFUSED), error=("authentication", "refused"), environ=ENV),
)
