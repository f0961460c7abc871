from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "sk-invented-moonshot"


def asked(answer, host="api.moonshot.ai"):
    return (Ask("GET", host, "/v1/users/me/balance", answer, bearer(KEY)),)


def left(amount, currency="USD"):
    return Usage(balance=Balance(Decimal(amount), currency))


ENV = {"MOONSHOT_API_KEY": KEY}
CHINA = asked("balance.json", "api.moonshot.cn")
DEBT = {"code": 0, "status": True, "data": {"available_balance": -1.5, "voucher_balance": 0, "cash_balance": -1.5}}
CASES = (
    Case("what is left in dollars", asked("balance.json"), left("18.73"), environ=ENV),
    Case("nothing left is a balance", asked("nothing-left.json"), left("0"), environ=ENV),
    Case("debt is less than nothing", asked(DEBT), left("-1.5"), environ=ENV),
    Case("China by the variable", CHINA, left("18.73", "CNY"), environ={**ENV, "MOONSHOT_REGION": "china"}),
    Case(
        "China by the settings",
        CHINA,
        left("18.73", "CNY"),
        environ=ENV,
        settings='[providers.moonshot]\nregion = "china"\n',
    ),
    Case(
        "a region that is none",
        (),
        error=("configuration", "no region 'europe'"),
        environ={**ENV, "MOONSHOT_REGION": "europe"},
    ),
    Case("an error with status 200", asked("failed.json"), error=("parse", "code is 5"), environ=ENV),
    Case("no success", asked({"code": 0, "status": False}), error=("parse", "status is False"), environ=ENV),
    Case(
        "no amount",
        asked({"code": 0, "status": True, "data": {}}),
        error=("parse", "data.available_balance"),
        environ=ENV,
    ),
    Case(
        "key refused, and not tried in the other region",
        asked(Answer(status=401)),
        error=("authentication", "refused"),
        environ=ENV,
    ),
    Case("the other variable", asked("balance.json"), left("18.73"), environ={"MOONSHOT_KEY": KEY}),
)
