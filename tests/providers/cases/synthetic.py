from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer, fixture
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "syn_invented"
ENV = {"SYNTHETIC_API_KEY": KEY}


def asked(answer):
    return (Ask("GET", "api.synthetic.new", "/v2/quotas", answer, bearer(KEY)),)


def session(used, resets_at=None):
    return UsagePeriod(name="Session (5h)", utilization=used, period_type=PeriodType.SESSION, resets_at=resets_at)


def weekly(used):
    return UsagePeriod(name="Weekly", utilization=used, period_type=PeriodType.WEEKLY)


SEARCH = UsagePeriod(
    name="Search",
    utilization=6.0,
    period_type=PeriodType.SESSION,
    resets_at=datetime(2026, 9, 14, 12, 45, 10, 250000, UTC),
    model="Search",
    window_seconds=3600,
)
ALL = Usage(
    periods=(session(25.0), weekly(28.5), SEARCH),
    overage=OverageUsage(used=Decimal("6.84"), limit=Decimal("24.00")),
)
BELOW = Answer(body=b'{"data":' + fixture("synthetic", "quotas.json") + b"}")
FIVE = {"max": 135, "remaining": 5}
CASES = (
    Case("the windows, none with the time of a tick", asked("quotas.json"), ALL, environ=ENV),
    Case("all of it below data", asked(BELOW), ALL, environ=ENV),
    Case(
        "an older account",
        asked("subscription-only.json"),
        Usage(periods=(session(20.0, datetime(2026, 9, 14, 16, tzinfo=UTC)),)),
        environ=ENV,
    ),
    Case(
        "no window of five hours, and one percent that is one",
        asked("no-session.json"),
        Usage(periods=(weekly(99.0),), identity=ProviderIdentity(plan="standard")),
        environ=ENV,
    ),
    Case(
        "stopped before all is used",
        asked({"rollingFiveHourLimit": {**FIVE, "limited": True}}),
        Usage(periods=(session(100.0),)),
        environ=ENV,
    ),
    Case(
        "half of the week's dollars are no number",
        asked({"rollingFiveHourLimit": {**FIVE, "max": 10}, "weeklyTokenLimit": {"maxCredits": "$24.00"}}),
        Usage(periods=(session(50.0),)),
        environ=ENV,
    ),
    Case(
        "a list of a form that nobody told",
        asked({"quotas": [{"limit": 5, "used": 1}]}),
        error=("parse", "rollingFiveHourLimit.remaining"),
        environ=ENV,
    ),
    Case(
        "a text in place of percent",
        asked({"weeklyTokenLimit": {"percentRemaining": "most"}}),
        error=("parse", "percentRemaining"),
        environ=ENV,
    ),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
