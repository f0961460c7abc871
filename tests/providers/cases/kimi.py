"""Rounds of Kimi Code: a key, Kimi's own login, a login of ours, the web session, and what Kimi refuses.

Known from: the public source of kimi-cli and of trackers; every value is invented.
"""

from datetime import UTC, datetime

from providers.case import AT, Ask, Case, bearer
from vendors import Answer

from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod

API, WEB = "api.kimi.com", "www.kimi.com"
KEY, ACCESS, SESSION = "sk-kimi-invented-0001", "invented-access-token-0001", "invented-session-token-0001"
BILLING = "/apiv2/kimi.gateway.billing.v1.BillingService/GetUsages"
STATS = "/apiv2/kimi.gateway.membership.v2.MembershipService/GetSubscriptionStats"
NOW_S = AT.timestamp()


def session(used, resets_at=None):
    return UsagePeriod(
        name="Session (5h)",
        utilization=used,
        period_type=PeriodType.SESSION,
        resets_at=resets_at,
        window_seconds=18_000,
    )


def weekly(used, resets_at=None):
    return UsagePeriod(
        name="Weekly", utilization=used, period_type=PeriodType.WEEKLY, resets_at=resets_at, window_seconds=604_800
    )


BOTH = (
    session(8.0, datetime(2026, 9, 14, 15, 11, 12, 987654, UTC)),
    weekly(37.0, datetime(2026, 9, 18, 10, 11, 12, 123456, UTC)),
)
MONTH = UsagePeriod(
    name="Monthly", utilization=20.0, period_type=PeriodType.MONTHLY, resets_at=datetime(2026, 10, 1, tzinfo=UTC)
)
STANDARD = Usage(periods=BOTH, identity=ProviderIdentity(plan="Standard"))


def ask(answer, token=KEY):
    return Ask("GET", API, "/coding/v1/usages", answer, bearer(token))


def web(path, answer, body):
    return Ask("POST", WEB, path, answer, bearer(SESSION), body=body)


def billing(answer):
    return web(BILLING, answer, {"scope": ["FEATURE_CODING"]})


def stats(answer):
    return web(STATS, answer, {})


def keyed(name, *asks, **said):
    return Case(name, asks, environ={"KIMI_CODE_API_KEY": KEY}, **said)


def cli(name, *asks, path=".kimi-code/credentials/kimi-code.json", ends_in=50 * 365 * 86_400, **said):
    document = {"access_token": ACCESS, "refresh_token": "invented-refresh", "expires_at": NOW_S + ends_in}
    return Case(name, asks, files={path: document}, **said)


def ours(name, *asks, kind, document, **said):
    kept = {"owner": "invented", **document}
    return Case(name, asks, files={f"../config/credentials/kimi/{kind}.json": kept}, **said)


def pasted(name, *asks, **said):
    return ours(name, *asks, kind="session", document={"session_token": SESSION}, **said)


CASES = (
    cli("Kimi's own login", ask("usages.json", ACCESS), usage=STANDARD, source="cli"),
    cli(
        "kimi-cli's login",
        ask("usages.json", ACCESS),
        path=".kimi/credentials/kimi-code.json",
        usage=STANDARD,
        source="cli",
    ),
    Case(
        "a folder of another place",
        (),
        environ={"KIMI_CODE_HOME": "/nowhere"},
        files={".kimi-code/credentials/kimi-code.json": {"access_token": ACCESS}},
        error=("not_configured", "has no login"),
    ),
    cli("Kimi's own login has run out", ends_in=-1, error=("authentication", "has expired")),
    keyed("a key", ask("usages.json"), usage=STANDARD, source="key"),
    ours("a key of our own", ask("usages.json"), kind="apikey", document={"access_token": KEY}, usage=STANDARD),
    ours(
        "a login of our own",
        ask("usages.json", ACCESS),
        kind="oauth",
        document={"access_token": ACCESS, "refresh_token": "r", "expires_at": (NOW_S + 3600) * 1000},
        usage=STANDARD,
        source="oauth",
    ),
    Case(
        "a key that is refused leaves it to Kimi's own login",
        (ask(Answer(status=401, json={})), ask("usages.json", ACCESS)),
        STANDARD,
        environ={"KIMI_CODE_API_KEY": KEY},
        files={".kimi-code/credentials/kimi-code.json": {"access_token": ACCESS}},
        source="cli",
    ),
    keyed(
        "numbers, and what is left only",
        ask("usages-numbers.json"),
        usage=Usage(periods=(session(5.0), weekly(75.0))),
    ),
    pasted(
        "a web session",
        billing("web-usages.json"),
        stats("web-stats.json"),
        usage=Usage(periods=(*BOTH, MONTH)),
        source="web",
    ),
    pasted(
        "a web session without a month",
        billing("web-usages.json"),
        stats({"subscriptionBalance": None}),
        usage=Usage(periods=BOTH),
    ),
    pasted(
        "a ratio that is none is no month",
        billing("web-usages.json"),
        stats({"subscriptionBalance": {"amountUsedRatio": 20}}),
        usage=Usage(periods=BOTH),
    ),
    pasted("the month is refused", billing("web-usages.json"), stats(Answer(status=403)), usage=Usage(periods=BOTH)),
    pasted("a web session that has ended", billing(Answer(status=401, json={})), error=("authentication", "refused")),
    pasted(
        "a web session that has ended, with status 200",
        billing({"code": "unauthenticated", "message": "no"}),
        error=("authentication", "Kimi refused the login"),
    ),
    pasted("no scope of coding", billing({"usages": []}), error=("parse", "no window that says")),
    keyed(
        "a key of the Moonshot platform",
        ask({"error": {"type": "invalid_authentication_error", "message": "no"}}),
        error=("authentication", "Kimi refused the login"),
    ),
    keyed("another error", ask({"code": "internal", "message": "boom"}), error=("parse", "in the place of an answer")),
    keyed("a refusal by status", ask(Answer(status=401, json={})), error=("authentication", "refused the login")),
    keyed("no plan", ask(Answer(status=403, json={})), error=("authorization", "does not allow")),
    keyed("a page in between", ask(Answer(status=403, body=b"<html>")), error=("authorization", "from a bot")),
    keyed("too often", ask(Answer(status=429, headers={"retry-after": "60"})), error=("rate_limited", "asks to wait")),
    keyed("nothing", ask({}), error=("parse", "no window that says")),
    keyed("no limit", ask({"usage": {"limit": "0", "used": "0"}}), error=("parse", "no window that says")),
    keyed(
        "a unit nobody knows",
        ask({"limits": [{"window": {"duration": 5, "timeUnit": "TIME_UNIT_MOON"}, "detail": {"limit": 1, "used": 1}}]}),
        error=("parse", "a length that is not understood"),
    ),
    keyed("a wrong shape", ask({"limits": {}}), error=("parse", "limits")),
    keyed("not JSON", ask(Answer(body=b"<html>")), error=("parse", "JSON")),
    Case("no login", (), error=("not_configured", "has no login")),
)
