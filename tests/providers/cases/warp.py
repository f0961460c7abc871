import tomllib
from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage import providers
from vibeusage.models import Balance, PeriodType, Usage, UsagePeriod

KEY = "wk-invented"
ENV = {"WARP_API_KEY": KEY}
QUERY = tomllib.loads((providers.HERE / "warp.toml").read_text())["request"][0]["body"]["query"]
HEADERS = {"x-warp-client-id": "warp-app", "x-warp-os-category": "Linux", "x-warp-os-name": "Linux"}
BODY = {
    "operationName": "GetRequestLimitInfo",
    "query": QUERY,
    "variables": {
        "requestContext": {"clientContext": {}, "osContext": {"category": "Linux", "name": "Linux", "version": "1"}}
    },
}


def asked(answer):
    return (
        Ask(
            "POST",
            "app.warp.dev",
            "/graphql/v2",
            answer,
            {**HEADERS, **bearer(KEY)},
            "op=GetRequestLimitInfo",
            BODY,
            agent="Warp/1.0",
        ),
    )


def credits_used(percent, **more):
    return UsagePeriod(name="Credits", utilization=percent, period_type=PeriodType.MONTHLY, **more)


FULL = Usage(
    periods=(credits_used(25.6, resets_at=datetime(2026, 10, 3, 8, 0, 0, 120_000, UTC)),),
    balance=Balance(Decimal(50), "credits"),
)
SIGNED_OUT = {"data": {"user": {"__typename": "UserFacingError"}}}
NO_LIMITS = {"data": {"user": {"__typename": "UserOutput", "user": {}}}}
CASES = (
    Case("plan credits and both kinds of bonus", asked("limits.json"), FULL, environ=ENV),
    Case("the other variable", asked("limits.json"), FULL, environ={"WARP_TOKEN": KEY}),
    Case("texts, and no bonus", asked("minimal.json"), Usage(periods=(credits_used(0.0),)), environ=ENV),
    Case("no limit is no percentage", asked("unlimited.json"), Usage(), environ=ENV),
    Case("an error with status 200", asked("errors.json"), error=("parse", "Internal error"), environ=ENV),
    Case("not signed in", asked(SIGNED_OUT), error=("authentication", "UserFacingError"), environ=ENV),
    Case("no limits in the answer", asked(NO_LIMITS), error=("parse", "requestsUsedSinceLastRefresh"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
    Case("an agent it does not like", asked(Answer(status=429)), error=("rate_limited", "wait"), environ=ENV),
)
