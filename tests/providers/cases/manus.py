from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, PeriodType, Usage, UsagePeriod

KEY = "invented-session-id"
ENV = {"MANUS_SESSION_TOKEN": KEY}
PATH = "/user.v1.UserService/GetAvailableCredits"
TOMORROW = datetime(2026, 9, 15, tzinfo=UTC)


def asked(answer):
    headers = {**bearer(KEY), "connect-protocol-version": "1"}
    return (Ask("POST", "api.manus.im", PATH, answer, headers, body={}),)


DAILY = UsagePeriod(name="Daily", utilization=75.0, period_type=PeriodType.DAILY, resets_at=TOMORROW)
MONTHLY = UsagePeriod(name="Monthly", utilization=25.0, period_type=PeriodType.MONTHLY)
LEFT = Balance(Decimal(1520), "credits")
CASES = (
    Case(
        "credits of the day and the month",
        asked("credits.json"),
        Usage(periods=(DAILY, MONTHLY), balance=LEFT),
        environ=ENV,
    ),
    Case("only what is left", asked({"totalCredits": "1520"}), Usage(balance=LEFT), environ=ENV),
    Case(
        "a free account has no month",
        asked({"totalCredits": 1520, "proMonthlyCredits": 0, "periodicCredits": 0}),
        Usage(balance=LEFT),
        environ=ENV,
    ),
    Case("an answer without credits", asked({"code": "ok"}), error=("parse", "refreshCredits"), environ=ENV),
    Case("session refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
