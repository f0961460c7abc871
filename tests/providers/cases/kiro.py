"""Rounds of Kiro's service with the editor's login; kiro-cli is in test_kiro.py. Every value is invented."""

from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

HOST, OLD, PLAIN = "management.us-east-1.kiro.dev", "codewhisperer.us-east-1.amazonaws.com", "q.us-east-1.amazonaws.com"
EU = "management.eu-central-1.kiro.dev"
TOKEN = "aoa-invented-token-of-kiro"
FILE = ".aws/sso/cache/kiro-auth-token.json"
PROFILE = "arn:aws:codewhisperer:{}:000000000000:profile/INVENTED"
US, ELSEWHERE = PROFILE.format("us-east-1"), PROFILE.format("eu-central-1")
LOGIN = {
    "accessToken": TOKEN,
    "refreshToken": "invented",
    "expiresAt": "2099-09-14T13:00:00.000Z",
    "authMethod": "social",
    "provider": "Google",
    "region": "us-east-1",
    "profileArn": US,
}
FILES = {FILE: LOGIN}
HEADERS = {
    **bearer(TOKEN),
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "AmazonCodeWhispererService.GetUsageLimits",
}


def ask(answer: str | dict | list | Answer, host: str = HOST, arn: str = US) -> Ask:
    said = {"profileArn": arn, "origin": "AI_EDITOR", "isEmailRequired": True}
    escaped = arn.replace(":", "%3A").replace("/", "%2F")
    query = "" if host == OLD else f"origin=AI_EDITOR&isEmailRequired=true&profileArn={escaped}"
    return Ask("POST", host, "/", answer, HEADERS, query=query, body=said)


def plain(answer: str | Answer, host: str = PLAIN) -> Ask:
    query = "origin=AI_EDITOR&resourceType=AGENTIC_REQUEST"
    return Ask("GET", host, "/getUsageLimits", answer, bearer(TOKEN), query=query)


def window(name: str, used: float, resets_at: str | None = None) -> UsagePeriod:
    resets = datetime.fromisoformat(resets_at).replace(tzinfo=UTC) if resets_at else None
    return UsagePeriod(name=name, utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets)


PRO = Usage(
    periods=(
        window("Credits", 27.05, "2026-10-01T00:00:00"),
        window("Free trial", 10.0, "2026-09-20T10:26:40"),
        window("Bonus", 12.5, "2026-10-14T17:46:40.5"),
    ),
    overage=OverageUsage(used=Decimal("1.25"), limit=Decimal("400")),
    identity=ProviderIdentity(email="dev@example.org", plan="KIRO PRO"),
)
POWER = Usage(periods=(window("Credits", 120.0, "2026-10-01T00:00:00"),), identity=ProviderIdentity(plan="KIRO POWER"))
DOWN = Answer(status=503, json={}, headers={"retry-after": "9"})
GONE = Answer(status=404, json={"message": "no such operation"})
PAGE = Answer(status=403, body=b"<html>blocked</html>", headers={"content-type": "text/html"})


def failing(name: str, *answers: str | dict | list | Answer, error: tuple[str, str]) -> Case:
    """What the two hosts answer, the old one only where it is asked."""
    return Case(
        name,
        tuple(ask(answer, host) for answer, host in zip(answers, (HOST, OLD), strict=False)),
        error=error,
        files=FILES,
    )


def with_login(**changes: object) -> dict:
    return {FILE: {**LOGIN, **changes}}


CASES = (
    Case("the editor's login", (ask("usage.json"),), PRO, source="api", files=FILES),
    Case("an organization's plan past its limit", (ask("usage-organization.json"),), POWER, files=FILES),
    Case(
        "overage that is off, without a cap",
        (ask("usage-no-cap.json"),),
        Usage(periods=(window("Credits", 20.5),), overage=OverageUsage(used=Decimal("0.0"), is_enabled=False)),
        files=FILES,
    ),
    Case(
        "the region of the profile",
        (ask("usage.json", EU, ELSEWHERE),),
        PRO,
        files=with_login(profileArn=ELSEWHERE),
    ),
    Case("an account without a profile", (plain("usage.json"),), PRO, files=with_login(profileArn=None)),
    Case(
        "such an account elsewhere",
        (plain("usage.json", "q.eu-west-1.amazonaws.com"),),
        PRO,
        files=with_login(profileArn=None, region="eu-west-1"),
    ),
    Case("where the new address is gone", (ask(GONE), ask("usage.json", OLD)), PRO, files=FILES),
    Case("where the new address is down", (ask(DOWN), ask("usage.json", OLD)), PRO, files=FILES),
    Case(
        "elsewhere there is no old address",
        (ask(GONE, EU, ELSEWHERE),),
        error=("parse", "answered 404"),
        files=with_login(profileArn=ELSEWHERE),
    ),
    Case("an expiry in words is unknown", (ask("usage.json"),), PRO, files=with_login(expiresAt="soon")),
    Case(
        "a login that has run out is not sent",
        (),
        error=("authentication", "has expired"),
        files=with_login(expiresAt="2026-09-14T11:00:00.000Z"),
    ),
    Case(
        "a region that is no name of one",
        (),
        error=("configuration", "names no region"),
        files=with_login(profileArn=None, region="evil.example/"),
    ),
    Case("a file without a token", (), error=("not_configured", "no login"), files={FILE: {"region": "us-east-1"}}),
    failing("refused", Answer(status=401, json={}), error=("authentication", "refused the login")),
    failing("denied", Answer(status=403, json={"__type": "x"}), error=("authentication", "wants a new login")),
    failing(
        "a profile of another login",
        Answer(status=400, json={"message": "Invalid profileArn"}),
        error=("authentication", "wants a new login"),
    ),
    failing("a page that blocks", PAGE, error=("authorization", "bot")),
    failing("asked too often", Answer(status=429, json={}), error=("rate_limited", "asks to wait")),
    failing("down at both", DOWN, DOWN, error=("network", "answered 503")),
    failing("an error inside", "error.json", error=("parse", "no usage of credits")),
    failing("empty", {}, error=("parse", "no usage of credits")),
    failing("another type", [], error=("parse", "Expected `object`, got `array`")),
    failing("a page", Answer(body=b"<html>"), error=("parse", "malformed")),
    failing(
        "a count in words",
        {"usageBreakdownList": [{"resourceType": "CREDIT", "currentUsage": "many", "usageLimit": 5}]},
        error=("parse", "text where a number belongs"),
    ),
    failing(
        "no limit",
        {"usageBreakdownList": [{"resourceType": "CREDIT", "currentUsage": 5, "usageLimit": 0}]},
        error=("parse", "no credits with a limit"),
    ),
    failing(
        "another resource",
        {"usageBreakdownList": [{"resourceType": "VIBE", "currentUsage": 5, "usageLimit": 50}]},
        error=("parse", "no usage of credits"),
    ),
    Case(
        "another address is not for this login",
        (),
        error=("configuration", "base_url"),
        files=FILES,
        settings='[providers.kiro]\nbase_url = "https://proxy.example"\n',
    ),
)
