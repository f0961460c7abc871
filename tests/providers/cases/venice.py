from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, PeriodType, Usage, UsagePeriod

KEY = "invented-venice-key"
ENV = {"VENICE_API_KEY": KEY}


def asked(answer):
    return (Ask("GET", "api.venice.ai", "/api/v1/billing/balance", answer, bearer(KEY)),)


def diem(used):
    return (UsagePeriod(name="DIEM", utilization=used, period_type=PeriodType.DAILY),)


def balances(diem, usd, allocation):
    return {"canConsume": False, "balances": {"diem": diem, "usd": usd}, "diemEpochAllocation": allocation}


BOTH = Usage(periods=diem(31.333333), balance=Balance(Decimal("7.50"), "USD"))
CASES = (
    Case("DIEM of the day, and dollars", asked("balance.json"), BOTH, environ=ENV),
    Case(
        "DIEM without an allocation is a balance",
        asked("no-allocation.json"),
        Usage(balance=Balance(Decimal("12.5"), "DIEM")),
        environ=ENV,
    ),
    Case("DIEM of the day alone", asked(balances("0", None, "60")), Usage(periods=diem(100.0)), environ=ENV),
    Case("dollars alone", asked(balances(None, 0, 0)), Usage(balance=Balance(Decimal(0), "USD")), environ=ENV),
    Case(
        "dollars before DIEM without an allocation",
        asked(balances("3", "1.5", 0)),
        Usage(balance=Balance(Decimal("1.5"), "USD")),
        environ=ENV,
    ),
    Case("nothing at all", asked(balances(None, None, None)), error=("parse", "balances.diem"), environ=ENV),
    Case("a word in place of DIEM", asked(balances("all", 1, 60)), error=("parse", "balances.diem: text"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case("the other variable", asked("balance.json"), BOTH, environ={"VENICE_KEY": KEY}),
)
