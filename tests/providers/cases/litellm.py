from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "sk-invented-litellm"
HOST = "litellm.example"
ENV = {"LITELLM_API_KEY": KEY, "LITELLM_BASE_URL": f"https://{HOST}"}
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)


def asked(key, user=None, team=None):
    asks = [Ask("GET", HOST, "/key/info", key, bearer(KEY))]
    if user is not None:
        asks.append(Ask("GET", HOST, "/user/info", user, bearer(KEY), "user_id=u-7"))
    if team is not None:
        asks.append(Ask("GET", HOST, "/team/info", team, bearer(KEY), "team_id=t-3"))
    return tuple(asks)


def budget(name, kind=PeriodType.MONTHLY, **more):
    return UsagePeriod(name=name, utilization=25.0, period_type=kind, **more)


def spent(amount, limit=None, resets_at=None):
    return OverageUsage(used=Decimal(amount), limit=limit and Decimal(limit), resets_at=resets_at)


FULL = Usage(
    periods=(
        budget("Budget", resets_at=OCTOBER),
        budget("Team budget", PeriodType.DAILY, resets_at=datetime(2026, 9, 15, tzinfo=UTC)),
    ),
    overage=spent("12.5", "50", OCTOBER),
    identity=ProviderIdentity(email="dev@example.org", organization="core"),
)
TEAM = Usage(
    periods=(budget("Team budget"),), overage=spent("100", "400"), identity=ProviderIdentity(organization="core")
)
OWN = datetime(2026, 9, 21, tzinfo=UTC)
OTHER_USER = {"user_id": "u-8", "user_info": {"user_id": "u-8", "spend": 99, "max_budget": 100}}
CASES = (
    Case("a user's budget and that of the key's team", asked("key.json", "user.json"), FULL, environ=ENV),
    Case("a key of a team", asked("key-of-team.json", team="team.json"), TEAM, environ=ENV),
    Case(
        "a budget of the key",
        asked("key-budget.json"),
        Usage(periods=(budget("Key budget", PeriodType.WEEKLY, resets_at=OWN),), overage=spent("5", "20", OWN)),
        environ=ENV,
    ),
    Case("neither user nor team", asked("key-minimal.json"), Usage(overage=spent("0.5")), environ=ENV),
    Case("the user is not told", asked("key.json", Answer(status=403)), Usage(overage=spent("4.2")), environ=ENV),
    Case("another user's numbers", asked("key.json", OTHER_USER), Usage(overage=spent("4.2")), environ=ENV),
    Case(
        "the team is not told",
        asked("key-of-team.json", team=Answer(status=404)),
        Usage(overage=spent("4.2")),
        environ=ENV,
    ),
    Case(
        "a user without a budget",
        asked("key.json", {"user_id": "u-7", "user_info": {"spend": 3, "max_budget": 0}}),
        Usage(overage=spent("3")),
        environ=ENV,
    ),
    Case(
        "an id of an odd form costs the user's numbers only",
        asked({"info": {"spend": 1, "user_id": "a b"}}),
        Usage(overage=spent("1")),
        environ=ENV,
    ),
    Case(
        "an address that ends in /v1",
        asked("key-minimal.json"),
        Usage(overage=spent("0.5")),
        environ={**ENV, "LITELLM_BASE_URL": f"https://{HOST}/v1"},
    ),
    Case("no address", (), error=("not_configured", "no address"), environ={"LITELLM_API_KEY": KEY}),
    Case("nothing that is known", asked({"info": {}}), error=("parse", "spend"), environ=ENV),
    Case("a text for money", asked({"info": {"spend": "much"}}), error=("parse", "info.spend: text"), environ=ENV),
    Case("not the program", asked(Answer(status=404)), error=("parse", "answered 404"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
