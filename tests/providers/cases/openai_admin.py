from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, Usage, UsagePeriod

KEY = "sk-admin-invented"
ENV = {"OPENAI_ADMIN_KEY": KEY}
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
MONTH = "start_time=1788220800&bucket_width=1d&limit=31"
START = "/v1/organization"


def asked(costs, limit="limit.json", more=""):
    asks = [Ask("GET", "api.openai.com", f"{START}/costs", costs, bearer(KEY), MONTH + more)]
    if limit is not None:
        asks.append(Ask("GET", "api.openai.com", f"{START}/spend_limit", limit, bearer(KEY)))
    return tuple(asks)


def spent(amount, limit=None):
    found = OverageUsage(used=Decimal(amount), limit=limit and Decimal(limit), currency="USD", resets_at=OCTOBER)
    if not limit:
        return Usage(overage=found)
    used = float(found.used / Decimal(limit) * 100)
    period = UsagePeriod(name="Monthly", utilization=used, period_type=PeriodType.MONTHLY, resets_at=OCTOBER)
    return Usage(periods=(period,), overage=found)


ALONE = asked("costs.json", None, "&project_ids=proj_1")
NONE = {"interval": "month", "threshold_amount": 0}
DAILY = {"interval": "day", "threshold_amount": 25000}
TWO = {"data": [{"results": [{"amount": {"value": 1, "currency": one}} for one in ("usd", "eur")]}]}
CASES = (
    Case("days added up, against the limit", asked("costs.json"), spent("50", "250"), environ=ENV),
    Case("an ordinary key is not looked at", (), error=("not_configured", "no login"), environ={"OPENAI_API_KEY": KEY}),
    Case("no days are nothing", asked("costs-minimal.json", Answer(status=404)), spent("0"), environ=ENV),
    Case("nothing, with a limit", asked("costs-minimal.json"), spent("0", "250"), environ=ENV),
    Case("the limit is not in force", asked("costs.json", "limit-inactive.json"), spent("50"), environ=ENV),
    Case("a limit of 0 is none", asked("costs.json", NONE), spent("50"), environ=ENV),
    Case("a limit of another time", asked("costs.json", DAILY), spent("50"), environ=ENV),
    Case("the limit is forbidden", asked("costs.json", Answer(status=403)), spent("50"), environ=ENV),
    Case("one project: the limit is not its", ALONE, spent("50"), environ={**ENV, "OPENAI_PROJECT_ID": "proj_1"}),
    Case(
        "one project by the settings",
        ALONE,
        spent("50"),
        environ=ENV,
        settings='[providers.openai_admin.params]\nproject = "proj_1"\n',
    ),
    Case("more than one page", asked({"data": [], "has_more": True}, None), error=("parse", "has_more"), environ=ENV),
    Case("no days at all", asked({"object": "page"}, Answer(status=404)), error=("parse", "amount.value"), environ=ENV),
    Case("two currencies", asked(TWO), error=("parse", "EUR and USD"), environ=ENV),
    Case("not an admin's key", asked(Answer(status=403), None), error=("authentication", "refused"), environ=ENV),
    Case("key refused", asked(Answer(status=401), None), error=("authentication", "refused"), environ=ENV),
)
