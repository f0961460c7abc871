"""Rounds of Amp's site. Known from the public sources of working trackers; every value is invented."""

from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer, fixture
from vendors import Answer

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod

HOST, PATH, METHOD = "ampcode.com", "/api/internal", "userDisplayBalanceInfo"
KEY = "sgamp_user_invented_0001"
ENV = {"AMP_API_KEY": KEY}


def told(name: str) -> dict:
    return {"ok": True, "result": {"displayText": fixture("amp", f"{name}.txt").decode()}}


def ask(answer, token: str = KEY) -> tuple[Ask, ...]:
    body = {"method": METHOD, "params": {}}
    return (Ask("POST", HOST, PATH, answer, bearer(token), query=METHOD, body=body),)


def daily(used: float, resets_at: datetime | None = None) -> UsagePeriod:
    return UsagePeriod(name="Daily", utilization=used, period_type=PeriodType.DAILY, resets_at=resets_at)


def monthly(used: float, resets_at: datetime, *, orb: float, seconds: int | None = None) -> tuple[UsagePeriod, ...]:
    return tuple(
        UsagePeriod(
            name=name,
            utilization=share,
            period_type=PeriodType.MONTHLY,
            resets_at=resets_at,
            model=model,
            window_seconds=seconds,
        )
        for name, share, model in (("Monthly", used, None), ("Orb", orb, "Orb"))
    )


WORKS = "Example Works"
TEXTS = {
    "free-dollars": Usage(
        periods=(daily(39.0),),
        balance=Balance(Decimal("1013.20")),
        identity=ProviderIdentity(email="dev@example.org", organization=WORKS, plan="Amp Free"),
    ),
    "free-percent": Usage(
        periods=(daily(39.0, datetime(2026, 9, 15, 0, tzinfo=UTC)),),
        balance=Balance(Decimal(0)),
        identity=ProviderIdentity(email="dev@example.org", plan="Amp Free"),
    ),
    "subscription": Usage(
        periods=monthly(20.0, datetime(2026, 9, 27, tzinfo=UTC), orb=5.0),
        balance=Balance(Decimal("4.20")),
        identity=ProviderIdentity(email="dev@example.org", plan="Builder"),
    ),
    "tier": Usage(
        periods=monthly(24.75, datetime(2026, 10, 1, tzinfo=UTC), orb=25.0, seconds=30 * 86_400),
        identity=ProviderIdentity(email="dev@example.org", organization=WORKS, plan="Large"),
    ),
}


def keyed(name: str, answer, usage=None, error=None) -> Case:
    return Case(name, ask(answer), usage, error, environ=ENV)


CASES = (
    Case(
        "the key of Amp's own login",
        ask(told("subscription")),
        TEXTS["subscription"],
        source="key",
        files={".local/share/amp/secrets.json": {"apiKey@https://ampcode.com/": KEY}},
    ),
    Case(
        "a folder of its own",
        ask(told("subscription")),
        TEXTS["subscription"],
        environ={"XDG_DATA_HOME": "~/data"},
        files={"data/amp/secrets.json": {"apiKey@https://ampcode.com/": KEY}},
    ),
    Case(
        "a key for another server is none for this one",
        (),
        error=("not_configured", "no login"),
        files={".local/share/amp/secrets.json": {"apiKey@https://amp.example.org/": KEY}},
    ),
    Case(
        "a key of our own",
        ask(told("tier")),
        TEXTS["tier"],
        files={"../config/credentials/amp/apikey.json": {"access_token": KEY, "owner": "invented"}},
    ),
    keyed("a key in the environment, dollars that come back by the hour", told("free-dollars"), TEXTS["free-dollars"]),
    keyed("percent of a day", told("free-percent"), TEXTS["free-percent"]),
    keyed(
        "200 with an error inside",
        {"ok": False, "error": {"code": "auth-required", "message": KEY}},
        error=("authentication", "refused the login"),
    ),
    keyed("200 with another error", {"error": {"code": "internal-error"}}, error=("network", "internal-error")),
    keyed("200 with an error of no shape", {"ok": False, "error": {"code": {KEY: 1}}}, error=("network", "no reason")),
    keyed("no text", {"ok": True, "result": {}}, error=("parse", "tells of no limits")),
    keyed(
        "a text about other things",
        {"ok": True, "result": {"displayText": "Signed in as dev@example.org"}},
        error=("parse", "tells of no limits"),
    ),
    keyed(
        "limits in new words",
        {"ok": True, "result": {"displayText": "Amp Free: 61% gone\nIndividual credits: $4.20 remaining"}},
        error=("parse", "words that we do not know"),
    ),
    keyed("of no shape", [], error=("parse", "do not understand")),
    keyed("a page", Answer(body=b"<html>"), error=("parse", "do not understand")),
    keyed("401", Answer(status=401, json={}), error=("authentication", "refused the login")),
    keyed("403", Answer(status=403, json={}), error=("authorization", "does not allow")),
    keyed("429", Answer(status=429, headers={"retry-after": "600"}), error=("rate_limited", "asks to wait")),
    Case("nothing", (), error=("not_configured", "no login")),
)
