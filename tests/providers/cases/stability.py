from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "sk-invented-stability"


def asked(answer):
    return (Ask("GET", "api.stability.ai", "/v1/user/balance", answer, bearer(KEY)),)


def left(amount):
    return Usage(balance=Balance(Decimal(amount), "credits"))


ENV = {"STABILITY_API_KEY": KEY}
CASES = (
    Case("credits with their fractions", asked("balance.json"), left("212.5"), environ=ENV),
    Case("nothing left is a balance", asked("nothing-left.json"), left("0"), environ=ENV),
    Case("no credits", asked({"id": "x"}), error=("parse", "credits"), environ=ENV),
    Case("a boolean in their place", asked({"credits": True}), error=("parse", "credits: bool"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
