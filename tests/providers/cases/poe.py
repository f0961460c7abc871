from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "invented-poe-key"
ENV = {"POE_API_KEY": KEY}
PAGE = Answer(status=403, body=b"<html>one moment</html>", headers={"content-type": "text/html"})


def asked(answer):
    return (Ask("GET", "api.poe.com", "/usage/current_balance", answer, bearer(KEY)),)


def left(points):
    return Usage(balance=Balance(Decimal(points), "points"))


CASES = (
    Case("points that are left", asked("balance.json"), left("184500"), environ=ENV),
    Case("nothing left, as a text", asked("nothing-left.json"), left("0"), environ=ENV),
    Case("no points", asked({"data": []}), error=("parse", "current_point_balance"), environ=ENV),
    Case(
        "a list in their place",
        asked({"current_point_balance": [1]}),
        error=("parse", "current_point_balance: list"),
        environ=ENV,
    ),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case("key refused by a 403", asked(Answer(status=403, json={})), error=("authentication", "refused"), environ=ENV),
    Case("a page before the API", asked(PAGE), error=("authorization", "bot"), environ=ENV),
    Case("out of credit", asked(Answer(status=402, json={})), error=("authorization", "no credit"), environ=ENV),
)
