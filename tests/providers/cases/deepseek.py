from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "sk-invented-deepseek"


def asked(answer):
    return (Ask("GET", "api.deepseek.com", "/user/balance", answer, bearer(KEY)),)


def rows(*amounts):
    infos = [{"currency": unit, "total_balance": text} for unit, text in amounts]
    return {"is_available": True, "balance_infos": infos}


def left(amount, currency):
    return Usage(balance=Balance(Decimal(amount), currency))


ENV = {"DEEPSEEK_API_KEY": KEY}
CASES = (
    Case("an empty row does not hide a filled one", asked("balance.json"), left("36.20", "CNY"), environ=ENV),
    Case("dollars come first", asked(rows(("CNY", "3"), ("USD", "12.5"))), left("12.5", "USD"), environ=ENV),
    Case("nothing left is a balance", asked(rows(("CNY", "0.00"))), left("0.00", "CNY"), environ=ENV),
    Case("no row is nothing left", asked(rows()), left("0", "USD"), environ=ENV),
    Case("a text in place of the amount", asked(rows(("USD", "many"))), error=("parse", "total_balance"), environ=ENV),
    Case("no rows at all", asked({"is_available": True}), error=("parse", "balance_infos"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case(
        "the other variable, pasted with quotes",
        asked("balance.json"),
        left("36.20", "CNY"),
        environ={"DEEPSEEK_KEY": f' "Bearer {KEY}" '},
    ),
)
