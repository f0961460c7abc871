"""Rounds of Factory. Known from the public sources of working trackers; every value is invented."""

import base64
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from providers.case import AT, Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

API, SITE, AUTH = "api.factory.ai", "app.factory.ai", "auth.factory.ai"
LIMITS, ME, OLD = "/api/billing/limits", "/api/app/auth/me", "/api/organization/subscription/usage"
CLIENT = {
    "content-type": "application/json",
    "x-factory-client": "web-app",
    "origin": "https://app.factory.ai",
    "referer": "https://app.factory.ai/",
}
KEY = "fk-invented-key-0001"
ENV = {"FACTORY_API_KEY": KEY}
STORED = {"../config/credentials/factory/apikey.json": {"access_token": KEY, "owner": "invented"}}
JUNK = Answer(body=b"<html>blocked</html>", status=403, headers={"content-type": "text/html"})
NO_ME = Answer(status=500, json={}, headers={"retry-after": "5"})


def jwt(**claims: object) -> str:
    parts = ({"alg": "none"}, {"exp": int(AT.timestamp()) + 50 * 365 * 86_400, **claims})
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "c2lnbmF0dXJl"])


TOKEN = jwt(sub="user_01INVENTED", org_id="org_01INVENTED", email="me@example.org")
RUN_OUT = jwt(sub="user_01INVENTED", exp=int(AT.timestamp()) - 60)


def sealed(document: object, key: bytes = b"k" * 32, iv: bytes = b"i" * 16) -> dict[str, str]:
    """droid's store and its key file, as droid writes them."""
    data = AESGCM(b"k" * 32).encrypt(iv, json.dumps(document).encode(), None)
    parts = (iv, data[-16:], data[:-16])
    return {
        ".factory/auth.v2.file": ":".join(base64.b64encode(part).decode() for part in parts),
        ".factory/auth.v2.key": base64.b64encode(key).decode() + "\n",
    }


DROID = {"access_token": TOKEN, "refresh_token": "invented-refresh", "active_organization_id": "org_01INVENTED"}


def asks(token: str, limits, me="me.json") -> tuple[Ask, ...]:
    headers = {**CLIENT, **bearer(token)}
    return Ask("GET", API, LIMITS, limits, headers), Ask("GET", API, ME, me, headers)


def old(token: str, answer, host: str = API, user: str = "&userId=user_01INVENTED") -> Ask:
    return Ask("GET", host, OLD, answer, {**CLIENT, **bearer(token)}, query=f"useCache=true{user}")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def window(name: str, kind: PeriodType, used: float, resets_at=None, model=None) -> UsagePeriod:
    return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=resets_at, model=model)


def tokens(name: str, used: float) -> UsagePeriod:
    return UsagePeriod(
        name=name,
        utilization=used,
        period_type=PeriodType.MONTHLY,
        resets_at=at("2026-10-01T00:00:00Z"),
        window_seconds=30 * 86_400,
    )


WHO = ProviderIdentity(email="dev@example.org", organization="Example Works", plan="Pro Monthly")
WINDOWS = (
    window("Session (5h)", PeriodType.SESSION, 34.0, at("2026-09-14T14:20:00Z")),
    window("Weekly", PeriodType.WEEKLY, 11.5, at("2026-09-20T00:00:00Z")),
    window("Monthly", PeriodType.MONTHLY, 6.0, at("2026-10-01T00:00:00Z")),
)
GOOD = Usage(periods=WINDOWS, balance=Balance(Decimal("12.50")), identity=WHO)
ENDED = Usage(
    periods=(
        window("Session (5h)", PeriodType.SESSION, 0.0),
        window("Weekly", PeriodType.WEEKLY, 112.5, at("2026-09-20T00:00:00Z")),
        window("Monthly", PeriodType.MONTHLY, 3.0, AT + timedelta(hours=1)),
        window("Core Session (5h)", PeriodType.SESSION, 5.0, at("2026-09-14T15:00:00Z"), "Core"),
        window("Core Weekly", PeriodType.WEEKLY, 0.0, at("2026-09-20T00:00:00Z"), "Core"),
    ),
    identity=WHO,
)
BEYOND = OverageUsage(
    used=Decimal(5_000_000), limit=Decimal(10_000_000), currency="tokens", resets_at=at("2026-10-01T00:00:00Z")
)
BILLED_OLD = "limits-old-billing.json"


def round_of(name: str, *more: Ask, limits, me="me.json", usage=None, error=None, **rest) -> Case:
    """With the key of the environment; `me` None where nobody is asked for it."""
    first = asks(KEY, limits, me or "me.json")[: 2 if me else 1]
    return Case(name, (*first, *more), usage=usage, error=error, environ=ENV, **rest)


CASES = (
    Case("droid's encrypted login", asks(TOKEN, "limits.json"), usage=GOOD, source="oauth", files=sealed(DROID)),
    Case("a key in the environment", asks(KEY, "limits.json"), usage=GOOD, source="key", environ=ENV),
    Case(
        "a key comes before droid's login",
        asks(KEY, "limits.json"),
        usage=GOOD,
        source="key",
        environ=ENV,
        files=sealed(DROID),
    ),
    Case("a key of our own", asks(KEY, "limits.json"), usage=GOOD, source="key", files=STORED),
    Case(
        "a key in droid's .env",
        asks(KEY, "limits.json"),
        usage=GOOD,
        source="key",
        files={".factory/.env": f'# keys\nOTHER=1\nexport FACTORY_API_KEY = "{KEY}" # mine\n'},
    ),
    Case(
        "a folder of its own",
        asks(KEY, "limits.json"),
        usage=GOOD,
        environ={"FACTORY_DIR": "~/elsewhere"},
        files={"elsewhere/.env": f"FACTORY_API_KEY={KEY}"},
    ),
    Case(
        "the plain login of an old droid",
        asks(TOKEN, "limits.json", NO_ME),
        usage=Usage(periods=WINDOWS, balance=GOOD.balance, identity=ProviderIdentity(email="me@example.org")),
        source="oauth",
        files={".factory/auth.json": DROID},
    ),
    Case(
        "the encrypted name of an old droid with plain JSON in it",
        asks(TOKEN, "limits.json"),
        usage=GOOD,
        files={".factory/auth.encrypted": DROID},
    ),
    round_of(
        "windows that are over, dates of every kind, numbers as text, and Core", limits="limits-ended.json", usage=ENDED
    ),
    round_of(
        "an answer to whose it is that is none",
        limits="limits.json",
        me=Answer(body=b"[]"),
        usage=Usage(periods=WINDOWS, balance=GOOD.balance),
    ),
    round_of(
        "billed the old way",
        old(KEY, "subscription.json"),
        limits=BILLED_OLD,
        usage=Usage(periods=(tokens("Standard", 17.0),), identity=WHO),
    ),
    round_of(
        "billed the old way, beyond the allowance, and a ratio alone",
        old(KEY, "subscription-overage.json"),
        limits={},
        usage=Usage(periods=(tokens("Standard", 125.0), tokens("Premium", 25.0)), overage=BEYOND, identity=WHO),
    ),
    round_of(
        "no allowance that could run out",
        old(KEY, "subscription-unlimited.json"),
        limits=BILLED_OLD,
        usage=Usage(identity=WHO),
    ),
    round_of(
        "the old call at its older host",
        old(KEY, Answer(status=404)),
        old(KEY, Answer(status=404), SITE),
        old(KEY, "subscription.json", AUTH),
        limits=BILLED_OLD,
        usage=Usage(periods=(tokens("Standard", 17.0),), identity=WHO),
    ),
    round_of(
        "the old call without a known person",
        old(KEY, "subscription.json", user=""),
        limits=BILLED_OLD,
        me=Answer(json={"userProfile": {"id": "a&b=c"}}),
        usage=Usage(periods=(tokens("Standard", 17.0),)),
    ),
    round_of(
        "the old call is gone altogether",
        old(KEY, Answer(status=404)),
        old(KEY, Answer(status=404), SITE),
        old(KEY, Answer(status=404), AUTH),
        limits=BILLED_OLD,
        error=("parse", "answered 404"),
    ),
    round_of(
        "a ratio that may be a percentage",
        old(KEY, {"usage": {"standard": {"usedRatio": 17}}}),
        limits=BILLED_OLD,
        error=("parse", "a ratio above 1"),
    ),
    round_of("an old answer without tokens", old(KEY, {"usage": {}}), limits=BILLED_OLD, error=("parse", "allowance")),
    round_of("401", limits=Answer(status=401, json={}), me=None, error=("authentication", "refused the login")),
    round_of("403 of no organization", limits=Answer(status=403, json={}), me=None, error=("authorization", "allow")),
    round_of("403 of the firewall", limits=JUNK, me=None, error=("authorization", "bot")),
    round_of(
        "429",
        limits=Answer(status=429, headers={"retry-after": "600"}),
        me=None,
        error=("rate_limited", "asks to wait"),
    ),
    round_of("a page", limits=Answer(body=b"<html>"), me=None, error=("parse", "do not understand")),
    round_of(
        "limits without a number",
        limits={"limits": {"standard": {"weekly": {"windowEnd": None}}}},
        me=None,
        error=("parse", "without a window"),
    ),
    round_of(
        "a number of no kind",
        limits={"limits": {"standard": {"weekly": {"usedPercent": "most"}}}},
        me=None,
        error=("parse", "text where a number belongs"),
    ),
    Case(
        "a login that has run out",
        (),
        error=("authentication", "has expired"),
        files=sealed({**DROID, "access_token": RUN_OUT}),
    ),
    Case("a wrong key", (), error=("authentication", "cannot be opened"), files=sealed(DROID, key=b"w" * 32)),
    Case("a key too short", (), error=("authentication", "cannot be opened"), files=sealed(DROID, key=b"k" * 16)),
    Case("a nonce too short", (), error=("authentication", "cannot be opened"), files=sealed(DROID, iv=b"i" * 12)),
    Case(
        "no key file",
        (),
        error=("authentication", "cannot be opened"),
        files={".factory/auth.v2.file": sealed(DROID)[".factory/auth.v2.file"]},
    ),
    Case("half a store", (), error=("authentication", "be opened"), files={".factory/auth.v2.file": "aaaa:bbbb"}),
    Case(
        "a store without a token",
        (),
        error=("authentication", "cannot be opened"),
        files=sealed({"refresh_token": "invented-refresh"}),
    ),
    Case(
        "an old store that is encrypted",
        (),
        error=("authentication", "cannot be opened"),
        files={".factory/auth.encrypted": "9f3b:invented"},
    ),
    Case(
        "a store in the keyring is not passed over for an older account",
        (),
        error=("not_configured", "keyring"),
        files={".factory/auth.v2.keyring": "invented", **sealed(DROID), ".factory/auth.json": DROID},
    ),
    Case(
        "a store that does not open is not passed over either",
        (),
        error=("authentication", "auth.v2.file"),
        files={**sealed(DROID, key=b"w" * 32), ".factory/auth.json": DROID},
    ),
    Case("nothing", (), error=("not_configured", "no login")),
)
