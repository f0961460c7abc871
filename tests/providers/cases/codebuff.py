from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "cb-invented-key"
TOKEN = "invented-session-of-the-command-line"
ENV = {"CODEBUFF_API_KEY": KEY}
FILES = {".config/manicode/credentials.json": {"default": {"authToken": TOKEN, "email": "dev@example.org"}}}
HOST = "www.codebuff.com"
OCTOBER = datetime(2026, 10, 4, tzinfo=UTC)


def asked(answer, key=KEY, host=HOST):
    return (Ask("POST", host, "/api/v1/usage", answer, bearer(key), body={"fingerprintId": "vibeusage"}),)


def both(answer, usage="usage.json"):
    return (*asked(usage, TOKEN), Ask("GET", HOST, "/api/user/subscription", answer, bearer(TOKEN)))


CREDITS = UsagePeriod(name="Credits", utilization=25.0, period_type=PeriodType.MONTHLY, resets_at=OCTOBER)
WEEKLY = UsagePeriod(
    name="Weekly", utilization=25.0, period_type=PeriodType.WEEKLY, resets_at=datetime(2026, 9, 18, tzinfo=UTC)
)
ALONE = Usage(periods=(CREDITS,))
CASES = (
    Case("credits by key", asked("usage.json"), ALONE, environ=ENV),
    Case(
        "the login of the command line tells of the week and the plan",
        both("subscription.json"),
        Usage(periods=(WEEKLY, CREDITS), identity=ProviderIdentity(plan="200", email="dev@example.org")),
        files=FILES,
    ),
    Case(
        "a plan by its name, and how it stands",
        both({"subscription": {"status": "past_due", "displayName": "Strong", "tier": 200}}),
        Usage(periods=(CREDITS,), identity=ProviderIdentity(plan="Strong, past_due")),
        files=FILES,
    ),
    Case("the second request fails", both(Answer(status=404)), ALONE, files=FILES),
    Case("other names, texts and milliseconds", asked("minimal.json"), ALONE, environ=ENV),
    Case(
        "no quota: what is left",
        asked("left-only.json"),
        Usage(balance=Balance(Decimal("180.5"), "credits")),
        environ=ENV,
    ),
    Case(
        "another host",
        asked("usage.json", host="codebuff.example"),
        ALONE,
        environ={**ENV, "CODEBUFF_API_URL": "https://codebuff.example"},
    ),
    Case(
        "the login of the tool goes to no other host",
        (),
        error=("configuration", "login of another tool"),
        environ={"CODEBUFF_API_URL": "https://codebuff.example"},
        files=FILES,
    ),
    Case("nothing that is known", asked({"rate": 5}), error=("parse", "usage | used"), environ=ENV),
    Case("it has moved", asked(Answer(status=404)), error=("authorization", "answered 404"), environ=ENV),
    Case("a key that is none", asked(Answer(status=403)), error=("authentication", "refused"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
