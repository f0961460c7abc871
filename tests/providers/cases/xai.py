from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, OverageUsage, Usage

KEY = "xai-token-invented-management"
ENV = {"XAI_MANAGEMENT_API_KEY": KEY, "XAI_TEAM_ID": "t-1"}
HOST = "management-api.x.ai"
BODY = {
    "analyticsRequest": {
        "timeRange": {"startTime": "2026-09-01 00:00:00", "endTime": "2026-09-14 12:00:00", "timezone": "Etc/GMT"},
        "timeUnit": "TIME_UNIT_DAY",
        "values": [{"name": "usd", "aggregation": "AGGREGATION_SUM"}],
        "groupBy": [],
        "filters": [],
    }
}


def asked(balance, usage="usage.json", team="t-1"):
    start = f"/v1/billing/teams/{team}"
    asks = [Ask("GET", HOST, f"{start}/prepaid/balance", balance, bearer(KEY))]
    if usage is not None:
        asks.append(Ask("POST", HOST, f"{start}/usage", usage, bearer(KEY), body=BODY))
    return tuple(asks)


def left(amount, spent="3.57"):
    october = datetime(2026, 10, 1, tzinfo=UTC)
    found = OverageUsage(used=Decimal(spent), resets_at=october) if spent else None
    return Usage(balance=Balance(Decimal(amount)), overage=found)


def total(value):
    return {"changes": [], "total": {"val": value}}


CASES = (
    Case("credit and the month", asked("balance.json"), left("31.50"), environ=ENV),
    Case("above 0 it is owed", asked("balance-owed.json"), left("-10.25"), environ=ENV),
    Case("nothing left", asked(total("0")), left("0"), environ=ENV),
    Case(
        "a team by the settings, as one part of the address",
        asked("balance.json", team="our%20team"),
        left("31.50"),
        environ={"XAI_MANAGEMENT_API_KEY": KEY},
        settings='[providers.xai.params]\nteam = "our team"\n',
    ),
    Case("only the second fails", asked("balance.json", Answer(status=403)), left("31.50", None), environ=ENV),
    Case("a part of the month", asked("balance.json", {"limitReached": True}), left("31.50", None), environ=ENV),
    Case("nothing used yet", asked("balance.json", {"timeSeries": []}), left("31.50", "0"), environ=ENV),
    Case("a text that is no amount", asked(total("much")), error=("parse", "total.val"), environ=ENV),
    Case("no amount", asked({"changes": []}, None), error=("parse", "total.val is not there"), environ=ENV),
    Case("no team", (), error=("not_configured", "id of the team"), environ={"XAI_MANAGEMENT_API_KEY": KEY}),
    Case("no id of a team", (), error=("configuration", "look like one"), environ={**ENV, "XAI_TEAM_ID": "a/b"}),
    Case("another's team", asked(Answer(status=404), None), error=("authorization", "answered 404"), environ=ENV),
    Case("a key for models", asked(Answer(status=403), None), error=("authentication", "refused"), environ=ENV),
    Case("key refused", asked(Answer(status=401), None), error=("authentication", "refused"), environ=ENV),
)
