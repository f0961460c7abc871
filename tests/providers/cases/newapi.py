from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer, redirect

from vibeusage.models import Balance, OverageUsage, PeriodType, Usage, UsagePeriod

KEY = "sk-invented-newapi"
HOST = "relay.example"
ENV = {"NEWAPI_API_KEY": KEY, "NEWAPI_BASE_URL": f"https://{HOST}"}
DOLLARS = {**ENV, "NEWAPI_UNITS_PER_USD": "500000"}
MISSING = Answer(status=404, json={"error": {"message": "Invalid URL"}})
PAGE = Answer(body=b"<!doctype html><title>Relay</title>", headers={"content-type": "text/html"})
DOWN = Answer(status=503, headers={"retry-after": "1"})


def ask(path, answer, query=""):
    return Ask("GET", HOST, path, answer, bearer(KEY), query=query)


def token(answer):
    return ask("/api/usage/token/", answer)


def bare(answer):
    return ask("/api/usage/token", answer)


def older(subscription="subscription.json", billing="billing.json"):
    dates = "start_date=2026-09-01&end_date=2026-10-01"
    return (
        ask("/dashboard/billing/subscription", subscription),
        ask("/dashboard/billing/usage", billing, dates),
    )


def quota(used):
    return (UsagePeriod(name="Quota", utilization=used, period_type=PeriodType.MONTHLY),)


def usage(amount, currency):
    return Usage(periods=quota(16.4), balance=Balance(Decimal(amount), currency))


IN_QUOTA = usage(2090000, "quota")
CASES = (
    Case("quota of a key, in units that nobody told", (token("token.json"),), IN_QUOTA, environ=ENV),
    Case("in dollars, as the person has told", (token("token.json"),), usage("4.18", "USD"), environ=DOLLARS),
    Case(
        "in dollars by the settings, the address pasted as clients have it",
        (token("token.json"),),
        usage("4.18", "USD"),
        environ={**ENV, "NEWAPI_BASE_URL": f"https://{HOST}/v1/"},
        settings='[providers.newapi.params]\nunits = "500000"\n',
    ),
    Case(
        "the address by the settings",
        (token("token.json"),),
        IN_QUOTA,
        environ={"NEWAPI_API_KEY": KEY},
        settings=f'[providers.newapi]\nbase_url = "https://{HOST}"\n',
    ),
    Case(
        "a build without the slash",
        (token(redirect(f"https://{HOST}/api/usage/token")), bare("token.json")),
        usage("4.18", "USD"),
        environ=DOLLARS,
    ),
    Case(
        "a key without a limit",
        (token("unlimited.json"),),
        Usage(overage=OverageUsage(used=Decimal(250000), currency="quota")),
        environ=ENV,
    ),
    Case(
        "a key without a limit, in dollars",
        (token("unlimited.json"),),
        Usage(overage=OverageUsage(used=Decimal("0.5"))),
        environ=DOLLARS,
    ),
    Case("the older form", (token(MISSING), bare(PAGE), *older()), Usage(periods=quota(31.25)), environ=ENV),
    Case(
        "the older form of a key without a limit",
        (token(MISSING), bare(MISSING), *older({"hard_limit_usd": 100000000})),
        Usage(),
        environ=ENV,
    ),
    Case(
        "half of the older form",
        (token(MISSING), bare(MISSING), *older(billing=MISSING)),
        error=("parse", "data.total_used"),
        environ=ENV,
    ),
    Case(
        "an error with status 200",
        (
            token({"success": False, "message": "no"}),
            bare({"success": False, "message": "no"}),
            *older(MISSING, MISSING),
        ),
        error=("parse", "success is False"),
        environ=ENV,
    ),
    Case(
        "a text in place of quota",
        (token({"data": {"object": "token_usage", "total_used": "few", "total_granted": 5}}),),
        error=("parse", "data.total_used"),
        environ=ENV,
    ),
    Case(
        "nobody at home",
        (token(DOWN), bare(DOWN), *older(DOWN, DOWN)),
        error=("network", "503"),
        environ=ENV,
    ),
    Case("key refused", (token(Answer(status=401)),), error=("authentication", "refused"), environ=ENV),
    Case("no address", (), error=("not_configured", "no address yet"), environ={"NEWAPI_API_KEY": KEY}),
    Case(
        "an address without TLS outside of a private network",
        (),
        error=("configuration", "$NEWAPI_BASE_URL is http"),
        environ={**ENV, "NEWAPI_BASE_URL": "http://relay.example"},
    ),
    Case(
        "units that are no number",
        (),
        error=("configuration", "how much quota is a dollar"),
        environ={**ENV, "NEWAPI_UNITS_PER_USD": "0"},
    ),
)
