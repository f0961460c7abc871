from datetime import UTC, datetime

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "cpk_invented"
ENV = {"CHUTES_API_KEY": KEY}
NONE = Answer(status=404)
REFUSED = Answer(status=401)


def asked(quota, subscription=NONE, host="api.chutes.ai"):
    asks = [Ask("GET", host, "/users/me/quota_usage/me", quota, bearer(KEY))]
    if subscription is not None:
        asks.append(Ask("GET", host, "/users/me/subscription_usage", subscription, bearer(KEY)))
    return tuple(asks)


SESSION = UsagePeriod(
    name="Session",
    utilization=25.0,
    period_type=PeriodType.SESSION,
    resets_at=datetime(2026, 9, 14, 14, tzinfo=UTC),
    window_seconds=14_400,
)
DAILY = UsagePeriod(
    name="Daily", utilization=16.0, period_type=PeriodType.DAILY, resets_at=datetime(2026, 9, 15, tzinfo=UTC)
)
MONTHLY = UsagePeriod(
    name="Monthly", utilization=25.0, period_type=PeriodType.MONTHLY, resets_at=datetime(2026, 10, 1, tzinfo=UTC)
)
PLUS = ProviderIdentity(plan="Plus")
CASES = (
    Case(
        "the day and a subscription",
        asked("quota.json", "subscription.json"),
        Usage(periods=(SESSION, DAILY, MONTHLY), identity=PLUS),
        environ=ENV,
    ),
    Case("no subscription", asked("quota.json"), Usage(periods=(DAILY,)), environ=ENV),
    Case(
        "a subscription alone",
        asked(NONE, "subscription.json"),
        Usage(periods=(SESSION, MONTHLY), identity=PLUS),
        environ=ENV,
    ),
    Case(
        "other names of what is used",
        asked(NONE, {"monthly": {"consumed": "31", "limit": 124}, "rolling_window": {"usage": 1, "limit": 0}}),
        Usage(periods=(UsagePeriod(name="Monthly", utilization=25.0, period_type=PeriodType.MONTHLY),)),
        environ=ENV,
    ),
    Case(
        "another host",
        asked("quota.json", host="chutes.example"),
        Usage(periods=(DAILY,)),
        environ={**ENV, "CHUTES_API_URL": "https://chutes.example"},
    ),
    Case(
        "a host without encryption",
        (),
        error=("configuration", "is http"),
        environ={**ENV, "CHUTES_API_URL": "http://chutes.example"},
    ),
    Case("names nobody knows are no 0 %", asked({"rest": 5}, {"limit": 9}), error=("parse", "rolling_"), environ=ENV),
    Case("a text for a number", asked({"quota": 300, "used": "some"}), error=("parse", "used: text"), environ=ENV),
    Case("both fail: the first says why", asked(Answer(status=403)), error=("authorization", "usage"), environ=ENV),
    Case("key refused", asked(REFUSED, None), error=("authentication", "refused"), environ=ENV),
)
