from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, PeriodType, Usage, UsagePeriod

KEY = "key_invented_runway"
ENV = {"RUNWAYML_API_SECRET": KEY}


def asked(answer):
    headers = {"x-runway-version": "2024-11-06", **bearer(KEY)}
    return (Ask("GET", "api.dev.runwayml.com", "/v1/organization", answer, headers),)


def of_model(name, used):
    return UsagePeriod(name=name, model=name, utilization=used, period_type=PeriodType.DAILY)


FULL = Usage(
    periods=(of_model("model-a", 7.0), of_model("model-b.5", 100.0)), balance=Balance(Decimal(2400), "credits")
)
NOTHING = Usage(balance=Balance(Decimal(0), "credits"))
CASES = (
    Case("credits, and each model that was used", asked("organization.json"), FULL, environ=ENV),
    Case("nothing left is a balance", asked("minimal.json"), NOTHING, environ=ENV),
    Case("nothing that is known", asked({"tier": {}}), error=("parse", "dailyGenerations"), environ=ENV),
    Case("a text for credits", asked({"creditBalance": "many"}), error=("parse", "creditBalance: text"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
