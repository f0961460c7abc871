from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import OverageUsage, Usage

KEY = "fw_invented"
ENV = {"FIREWORKS_API_KEY": KEY}
NAMED = {**ENV, "FIREWORKS_ACCOUNT_SLUG": "my-team"}
HOST = "api.fireworks.ai"
DAYS = "startTime=2026-08-15T00%3A00%3A00Z&endTime=2026-09-14T12%3A00%3A00Z"


def asked(accounts, summary=None):
    asks = [Ask("GET", HOST, "/v1/accounts", accounts, bearer(KEY))]
    if summary is not None:
        asks.append(Ask("GET", HOST, "/v1/accounts/my-team/billing/summary", summary, bearer(KEY), DAYS))
    return tuple(asks)


def spent(amount):
    return Usage(overage=OverageUsage(used=Decimal(amount), currency="USD"))


FREE = {"lineItems": [{"category": "Storage"}]}
CASES = (
    Case("rows with a cost, in the first currency", asked("accounts.json", "summary.json"), spent("2.5"), environ=ENV),
    Case("the other variable", asked("accounts.json", "summary.json"), spent("2.5"), environ={"FIREWORKS_KEY": KEY}),
    Case("one of several accounts", asked("accounts-two.json", "summary.json"), spent("2.5"), environ=NAMED),
    Case(
        "one of several accounts by the settings",
        asked("accounts-two.json", "summary.json"),
        spent("2.5"),
        environ=ENV,
        settings='[providers.fireworks.params]\naccount = "my-team"\n',
    ),
    Case("nothing was used", asked("accounts.json", "minimal.json"), spent("0"), environ=ENV),
    Case("several: which one?", asked("accounts-two.json"), error=("not_configured", "2 to choose"), environ=ENV),
    Case(
        "a mistyped account is not one that costs nothing",
        asked("accounts.json"),
        error=("not_configured", "none of the 1"),
        environ={**ENV, "FIREWORKS_ACCOUNT_SLUG": "my-taem"},
    ),
    Case(
        "a name that is none",
        (),
        error=("configuration", "look like one"),
        environ={**ENV, "FIREWORKS_ACCOUNT_SLUG": "accounts/my-team"},
    ),
    Case("no account", asked({"accounts": []}), error=("parse", "no answer tells account"), environ=ENV),
    Case("rows without a cost", asked("accounts.json", FREE), error=("parse", "totalCost.units"), environ=ENV),
    Case("no rows", asked("accounts.json", {}), error=("parse", "totalCost.units"), environ=ENV),
    Case("it is gone", asked("accounts.json", Answer(status=404)), error=("authorization", "404"), environ=NAMED),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
