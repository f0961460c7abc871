from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "sk-invented-novita"


def asked(answer):
    return (Ask("GET", "api.novita.ai", "/openapi/v1/billing/balance/detail", answer, bearer(KEY)),)


def left(amount):
    return Usage(balance=Balance(Decimal(amount), "USD"))


ENV = {"NOVITA_API_KEY": KEY}
CASES = (
    Case("what is lent is not left", asked("balance.json"), left("18"), environ=ENV),
    Case("without a credit limit all that is available", asked("no-limit.json"), left("18.0001"), environ=ENV),
    Case("nothing left is a balance", asked({"cashBalance": "0"}), left("0"), environ=ENV),
    Case("more owed than paid", asked({"cashBalance": "-25000", "creditLimit": "50000"}), left("-2.5"), environ=ENV),
    Case(
        "only what may be lent",
        asked({"availableBalance": "5", "creditLimit": "5"}),
        error=("parse", "cashBalance"),
        environ=ENV,
    ),
    Case("a list in place of the amount", asked({"cashBalance": []}), error=("parse", "cashBalance: "), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
