from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "sk-invented-siliconflow"


def asked(answer, host="api.siliconflow.com"):
    return (Ask("GET", host, "/v1/user/info", answer, bearer(KEY)),)


def left(amount, currency="USD"):
    return Usage(balance=Balance(Decimal(amount), currency))


ENV = {"SILICONFLOW_API_KEY": KEY}
CHINA = asked("info.json", "api.siliconflow.cn")
CASES = (
    Case("paid and given together", asked("info.json"), left("31.20"), environ=ENV),
    Case("nothing left is a balance", asked("nothing-left.json"), left("0"), environ=ENV),
    Case("China by the variable", CHINA, left("31.20", "CNY"), environ={**ENV, "SILICONFLOW_REGION": "China"}),
    Case(
        "China by the settings",
        CHINA,
        left("31.20", "CNY"),
        environ=ENV,
        settings='[providers.siliconflow]\nregion = "china"\n',
    ),
    Case("an error with status 200", asked({"code": 20012}), error=("parse", "code is 20012"), environ=ENV),
    Case("no amount", asked({"code": 20000, "data": {"balance": "1"}}), error=("parse", "totalBalance"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
