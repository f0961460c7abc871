from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "sk_invented_elevenlabs"
ENV = {"ELEVENLABS_API_KEY": KEY}
MISSING = {"detail": {"status": "missing_permissions", "message": "The API key is missing the permission user_read"}}


def asked(answer, host="api.elevenlabs.io"):
    return (Ask("GET", host, "/v1/user/subscription", answer, {"xi-api-key": KEY}),)


def credit(used, resets_at=None):
    return (UsagePeriod(name="Credits", utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at),)


USUAL = Usage(
    periods=credit(62.5, datetime(2026, 10, 1, tzinfo=UTC)),
    identity=ProviderIdentity(plan="starter 2"),
)
CASES = (
    Case("credits of the month, no overage", asked("subscription.json"), USUAL, environ=ENV),
    Case(
        "over the limit, and what that costs",
        asked("over-limit.json"),
        Usage(
            periods=credit(104.0),
            overage=OverageUsage(used=Decimal("1.20"), currency="EUR"),
            identity=ProviderIdentity(plan="creator, past_due"),
        ),
        environ=ENV,
    ),
    Case("nothing but the credits", asked("minimal.json"), Usage(periods=credit(0.0)), environ=ENV),
    Case("no limit told", asked({"character_count": 5}), error=("parse", "character_count"), environ=ENV),
    Case(
        "a text in place of the count",
        asked({"character_count": "few", "character_limit": 10}),
        error=("parse", "character_count: text"),
        environ=ENV,
    ),
    Case(
        "a key that may not read the user",
        asked(Answer(status=401, json=MISSING)),
        error=("authentication", "refused"),
        environ=ENV,
    ),
    Case("the other variable", asked("subscription.json"), USUAL, environ={"XI_API_KEY": KEY}),
    Case(
        "another address",
        asked("subscription.json", "elevenlabs.example"),
        USUAL,
        environ={**ENV, "ELEVENLABS_API_URL": "https://elevenlabs.example/"},
    ),
    Case(
        "another address without TLS",
        (),
        error=("configuration", "$ELEVENLABS_API_URL is http"),
        environ={**ENV, "ELEVENLABS_API_URL": "http://elevenlabs.example"},
    ),
)
