from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "rc-invented-featherless"


def asked(answer):
    return (Ask("GET", "api.featherless.ai", "/credits/balance", answer, bearer(KEY)),)


def left(amount):
    return Usage(balance=Balance(Decimal(amount), "USD"))


ENV = {"FEATHERLESS_API_KEY": KEY}
DENIED = Answer(status=403, json={"error": {"code": "organization_permission_denied"}})
CASES = (
    Case("what is not reserved", asked("balance.json"), left("19.990000000"), environ=ENV),
    Case("nothing left is a balance", asked("nothing-left.json"), left("0"), environ=ENV),
    Case("no amount", asked({"currency": "usd"}), error=("parse", "available_usd"), environ=ENV),
    Case("a map in place of it", asked({"available_usd": {}}), error=("parse", "available_usd: "), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case("the key of a member", asked(DENIED), error=("authorization", "not allow"), environ=ENV),
)
