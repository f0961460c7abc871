from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "vck-invented-vercel"


def asked(answer):
    return (Ask("GET", "ai-gateway.vercel.sh", "/v1/credits", answer, bearer(KEY)),)


def left(amount):
    return Usage(balance=Balance(Decimal(amount), "USD"))


ENV = {"AI_GATEWAY_API_KEY": KEY}
CASES = (
    Case("what is left, and not what was ever used", asked("credits.json"), left("38.10"), environ=ENV),
    Case("nothing left is a balance", asked("nothing-left.json"), left("0"), environ=ENV),
    Case("no amount", asked({"total_used": "11.90"}), error=("parse", "balance"), environ=ENV),
    Case("a text in place of the amount", asked({"balance": "many"}), error=("parse", "balance: text"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case("not allowed", asked(Answer(status=403, json={})), error=("authorization", "not allow"), environ=ENV),
    Case("the token of a deployment", asked("credits.json"), left("38.10"), environ={"VERCEL_OIDC_TOKEN": KEY}),
)
