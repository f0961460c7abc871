from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

TOKEN = "invented-grok-token"
FILE = ".grok/auth.json"
ENTRY = {"key": TOKEN, "refresh_token": "invented-refresh", "user_id": "u-1", "expires_at": "2099-09-20T00:00:00.000Z"}
LOGIN = {FILE: {"xai::api_key": {"key": "xai-invented"}, "https://auth.x.ai::client": ENTRY}}
ENV = {"GROK_OAUTH_TOKEN": TOKEN}
WEEK = {"start": "2026-09-08T00:00:00Z", "end": "2026-09-15T00:00:00Z"}


def asked(answer):
    headers = {**bearer(TOKEN), "x-xai-token-auth": "xai-grok-cli"}
    return (Ask("GET", "cli-chat-proxy.grok.com", "/v1/billing", answer, headers, query="format=credits"),)


def said(**config):
    return asked({"config": config})


def weekly(used, resets_at=datetime(2026, 9, 15, tzinfo=UTC)):
    return (UsagePeriod(name="Weekly", utilization=used, period_type=PeriodType.WEEKLY, resets_at=resets_at),)


def monthly(used, resets_at=None, name="Monthly"):
    return (UsagePeriod(name=name, utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at),)


def plan(name):
    return ProviderIdentity(plan=name)


OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
SUPER = plan("SuperGrok")
GOOD = Usage(periods=weekly(27.5), identity=SUPER)
CASES = (
    Case("the login of grok", asked("credits.json"), GOOD, source="oauth", files=LOGIN),
    Case("a token in the variable", asked("credits.json"), GOOD, environ=ENV),
    Case(
        "a login of an older version, in another folder",
        asked("credits.json"),
        GOOD,
        files={"x/auth.json": {"https://accounts.x.ai/sign-in": {"key": TOKEN}}},
        environ={"GROK_HOME": "~/x"},
    ),
    Case(
        "what is spent on demand where there is no percentage",
        asked("on-demand.json"),
        Usage(
            periods=monthly(25.0, OCTOBER),
            overage=OverageUsage(used=Decimal("12.50"), limit=Decimal(50)),
            identity=plan("SuperGrok Heavy"),
        ),
        environ=ENV,
    ),
    Case("nothing but a percentage", asked("minimal.json"), Usage(periods=monthly(3.0, name="Credits")), environ=ENV),
    Case(
        "without a period the end of the billing",
        said(creditUsagePercent="4", billingPeriodEnd="2026-10-01T00:00:00Z"),
        Usage(periods=monthly(4.0, OCTOBER)),
        environ=ENV,
    ),
    Case(
        "over the limit, in a period that has ended",
        said(creditUsagePercent=104, currentPeriod={**WEEK, "end": "2026-09-14T00:00:00Z"}),
        Usage(periods=weekly(104.0, None)),
        environ=ENV,
    ),
    Case(
        "a percentage that is left out is 0 while its window runs",
        said(currentPeriod=WEEK, subscriptionTier="SuperGrok"),
        Usage(periods=weekly(0.0), identity=SUPER),
        environ=ENV,
    ),
    Case(
        "and is unknown where something was spent",
        said(currentPeriod=WEEK, subscriptionTier="SuperGrok", onDemandUsed={"val": 1}),
        Usage(identity=SUPER),
        environ=ENV,
    ),
    Case(
        "and for SuperGrok Heavy",
        said(currentPeriod=WEEK, subscriptionTier="SuperGrok Heavy"),
        Usage(identity=plan("SuperGrok Heavy")),
        environ=ENV,
    ),
    Case("and where no plan is told", said(currentPeriod=WEEK), error=("parse", "neither"), environ=ENV),
    Case("no config", asked({}), error=("parse", "config"), environ=ENV),
    Case("a boolean in place of percent", said(creditUsagePercent=True), error=("parse", "bool"), environ=ENV),
    Case("an API key is never sent", (), error=("authentication", "API key"), environ={"GROK_OAUTH_TOKEN": "xai-abc"}),
    Case("nor a cookie", (), error=("authentication", "cookie"), environ={"GROK_OAUTH_TOKEN": "sso=abcdef"}),
    Case(
        "the login has run out",
        (),
        error=("authentication", "has expired"),
        files={FILE: {"https://auth.x.ai::c": {**ENTRY, "expires_at": "2026-09-14T11:59:59Z"}}},
    ),
    Case(
        "only an API key in grok's file",
        (),
        error=("not_configured", "no login"),
        files={FILE: {"xai::api_key": {"key": "xai-invented"}}},
    ),
    Case("refused", asked(Answer(status=401)), error=("authentication", "refused"), files=LOGIN),
    Case("a team", asked(Answer(status=403, json={})), error=("authorization", "not allow"), files=LOGIN),
)
