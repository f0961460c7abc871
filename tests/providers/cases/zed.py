from datetime import UTC, datetime

from providers.case import Ask, Case
from vendors import Answer

from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod

LOGIN = "7 invented-token"
ENV = {"ZED_LOGIN": LOGIN}


def asked(answer):
    return (Ask("GET", "cloud.zed.dev", "/client/users/me", answer, {"authorization": LOGIN}),)


def told(limit, used=500, plan="zed_pro"):
    return {"plan": {"plan_v3": plan, "usage": {"edit_predictions": {"used": used, "limit": limit}}}}


def predictions(used, resets_at=None):
    return UsagePeriod(
        name="Edit predictions", utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at
    )


FREE, PRO = ProviderIdentity(plan="zed free"), ProviderIdentity(plan="zed pro")
CASES = (
    Case(
        "the predictions of the period",
        asked("me.json"),
        Usage(periods=(predictions(25.0, datetime(2026, 10, 1, tzinfo=UTC)),), identity=FREE),
        environ=ENV,
    ),
    Case("a plan without a limit has no window", asked(told("unlimited")), Usage(identity=PRO), environ=ENV),
    Case("more than the limit", asked(told(100, 150)), Usage(periods=(predictions(150.0),), identity=PRO), environ=ENV),
    Case("a limit in other words", asked(told("many")), error=("parse", "edit_predictions.limit"), environ=ENV),
    Case("no usage", asked({"plan": {"plan_v3": "x"}}), error=("parse", "edit_predictions.used"), environ=ENV),
    Case("login refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
