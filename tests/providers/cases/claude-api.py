from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case
from vendors import Answer

from vibeusage.models import OverageUsage, Usage

KEY = "sk-ant-admin01-invented"
ENV = {"ANTHROPIC_ADMIN_API_KEY": KEY}
MONTH = "starting_at=2026-09-01T00%3A00%3A00Z&ending_at=2026-10-01T00%3A00%3A00Z&bucket_width=1d&limit=31"


def asked(answer, host="api.anthropic.com", start=""):
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    return (Ask("GET", host, f"{start}/v1/organizations/cost_report", answer, headers, MONTH),)


def spent(amount):
    october = datetime(2026, 10, 1, tzinfo=UTC)
    return Usage(overage=OverageUsage(used=Decimal(amount), currency="USD", resets_at=october))


STORED = {"access_token": KEY}
CASES = (
    Case("the days of the month, in cents", asked("costs.json"), spent("20.00"), environ=ENV),
    Case("the other variable", asked("costs.json"), spent("20.00"), environ={"ANTHROPIC_ADMIN_KEY": KEY}),
    Case("no days are nothing", asked("minimal.json"), spent("0"), environ=ENV),
    Case(
        "another address",
        asked("costs.json", "proxy.example", "/anthropic"),
        spent("20.00"),
        environ=ENV,
        settings='[providers.claude-api]\nbase_url = "https://proxy.example/anthropic"\n',
    ),
    Case(
        "a key that was stored for the usage report",
        asked("costs.json"),
        spent("20.00"),
        files={"../config/credentials/claude-api/admin.json": STORED},
    ),
    Case(
        "a key that was stored as any other",
        asked("costs.json"),
        spent("20.00"),
        files={"../config/credentials/claude-api/apikey.json": STORED},
    ),
    Case("their absence is an error", asked({"has_more": False}), error=("parse", "amount"), environ=ENV),
    Case("more than one page", asked({"data": [], "has_more": True}), error=("parse", "has_more"), environ=ENV),
    Case("a text for money", asked({"data": [{"results": [{"amount": "x"}]}]}), error=("parse", "amount"), environ=ENV),
    Case("not an admin's key", asked(Answer(status=403)), error=("authentication", "refused"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
