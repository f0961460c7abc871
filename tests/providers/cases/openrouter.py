from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY, MANAGES = "sk-or-v1-invented", "sk-or-v1-invented-management"
ENV, MANAGER = {"OPENROUTER_API_KEY": KEY}, {"OPENROUTER_MANAGEMENT_API_KEY": MANAGES}
HOST = "openrouter.ai"
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
FORBIDDEN = Answer(status=403)


def asked(key, credits="credits.json", *, host=HOST, start="/api/v1", token=KEY):
    asks = [Ask("GET", host, f"{start}/key", key, bearer(token))]
    if credits is not None:
        asks.append(Ask("GET", host, f"{start}/credits", credits, bearer(token)))
    return tuple(asks)


def managed(activity, today, token=MANAGES, key="key-management.json"):
    asks = [Ask("GET", HOST, "/api/v1/activity", activity, bearer(token))]
    if today is not None:
        asks.append(Ask("GET", HOST, "/api/v1/activity", today, bearer(token), "date=2026-09-14"))
    return (*asked(key, token=token), *asks)


def limited(name, kind, percent, resets_at=None):
    return UsagePeriod(name=name, utilization=percent, period_type=kind, resets_at=resets_at)


def spent(amount):
    return OverageUsage(used=Decimal(amount), resets_at=OCTOBER)


def limit(**more):
    return {"data": {"limit": 10, "usage": 9, "usage_daily": 1, "usage_weekly": 2.5, "usage_monthly": 5, **more}}


def only(period):
    return Usage(periods=(period,), overage=spent(5), balance=LEFT)


def fallen(**more):
    return asked({"data": {"limit": 10, **more}}, FORBIDDEN)


LEFT = Balance(Decimal("38.7"))
MONTH = limited("Monthly", PeriodType.MONTHLY, 25.0, OCTOBER)
FULL = Usage(periods=(MONTH,), overage=spent("12.5"), balance=LEFT)
ACCOUNT = Usage(overage=spent(2), balance=LEFT)
DAY, MONDAY = datetime(2026, 9, 15, tzinfo=UTC), datetime(2026, 9, 21, tzinfo=UTC)
TENTH = limited("Daily", PeriodType.DAILY, 10.0, DAY)
QUARTER = limited("Weekly", PeriodType.WEEKLY, 25.0, MONDAY)
CASES = (
    Case("the limit, the month and the credits", asked("key.json"), FULL, environ=ENV, source="api_key"),
    Case(
        "a free key without a limit",
        asked("key-minimal.json"),
        Usage(balance=LEFT, identity=ProviderIdentity(plan="free tier")),
        environ=ENV,
    ),
    Case(
        "more left than there is, by day",
        asked(limit(limit_remaining=12, limit_reset="daily")),
        only(limited("Daily", PeriodType.DAILY, 0.0, DAY)),
        environ=ENV,
    ),
    Case("what was used of the day", asked(limit(limit_reset="daily")), only(TENTH), environ=ENV),
    Case("what was used of the week", asked(limit(limit_reset="weekly")), only(QUARTER), environ=ENV),
    Case(
        "a limit for good",
        asked(limit(limit_reset=None)),
        only(limited("Key limit", PeriodType.MONTHLY, 90.0)),
        environ=ENV,
    ),
    Case("a limit without anything used is none", fallen(), error=("parse", "neither a limit"), environ=ENV),
    Case("a reset nobody knows", asked(limit(limit_reset="hourly")), error=("parse", "is none of"), environ=ENV),
    Case(
        "credits are for other keys",
        asked("key.json", FORBIDDEN),
        Usage(periods=(MONTH,), overage=spent("12.5")),
        environ=ENV,
    ),
    Case(
        "credits refuse a key that is good",
        asked("key.json", Answer(status=401)),
        Usage(periods=(MONTH,), overage=spent("12.5")),
        environ=ENV,
    ),
    Case("only the key fails", asked(FORBIDDEN), Usage(balance=LEFT), environ=ENV),
    Case(
        "no credits is nothing left",
        asked(Answer(status=402), Answer(status=402)),
        Usage(balance=Balance(Decimal(0))),
        environ=ENV,
    ),
    Case("both fail", asked(FORBIDDEN, {"data": None}), error=("authorization", "usage"), environ=ENV),
    Case(
        "another address, with and without its end",
        asked("key.json", host="relay.example", start="/or/api/v1"),
        FULL,
        environ={**ENV, "OPENROUTER_API_URL": "https://relay.example/or/"},
    ),
    Case(
        "another address in the settings",
        asked("key.json", host="relay.example"),
        FULL,
        environ=ENV,
        settings='[providers.openrouter]\nbase_url = "https://relay.example/api/v1"\n',
    ),
    Case(
        "an address without encryption",
        (),
        error=("configuration", "is http"),
        environ={**ENV, "OPENROUTER_API_URL": "http://relay.example"},
    ),
    Case(
        "a management key tells of the account, each row once",
        managed("activity.json", "today.json"),
        ACCOUNT,
        environ=MANAGER,
        source="management",
    ),
    Case(
        "a management key of our own",
        managed("activity.json", "today.json"),
        ACCOUNT,
        files={"../config/credentials/openrouter/admin.json": {"access_token": MANAGES, "owner": "invented"}},
    ),
    Case(
        "a management key in the place of the other",
        managed("activity.json", "today.json", KEY),
        ACCOUNT,
        environ=ENV,
        source="api_key",
    ),
    Case("a part of the month is none", managed("activity.json", FORBIDDEN), Usage(balance=LEFT), environ=MANAGER),
    Case("no management key after all", managed(FORBIDDEN, FORBIDDEN), Usage(balance=LEFT), environ=MANAGER),
    Case("asked too often beside", managed(Answer(status=429), None), Usage(balance=LEFT), environ=MANAGER),
    Case(
        "a management key goes to no other address",
        (),
        error=("configuration", "no other address"),
        environ={**MANAGER, "OPENROUTER_API_URL": "https://relay.example"},
    ),
    Case("a text for a number", asked(limit(limit="much")), error=("parse", "text where"), environ=ENV),
    Case("key refused", asked(Answer(status=401), None), error=("authentication", "refused"), environ=ENV),
)
