from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "invented-kilo-key"
ENV = {"KILO_API_KEY": KEY}
STATE = "/api/trpc/kiloPass.getState"
QUERY = "batch=1&input=%7B%220%22%3Anull%7D"
ORGANIZATION = {"x-kilocode-organizationid": "org-1"}


def asked(state, balance="balance.json", more=None):
    headers = {**bearer(KEY), **(more or {})}
    asks = [Ask("GET", "app.kilo.ai", STATE, state, headers, QUERY)]
    if balance is not None:
        asks.append(Ask("GET", "api.kilo.ai", "/api/profile/balance", balance, headers))
    return tuple(asks)


def used(percent, **more):
    return UsagePeriod(name="Kilo Pass", utilization=percent, period_type=PeriodType.MONTHLY, **more)


def refused(code):
    return [{"error": {"json": {"message": "no", "data": {"code": code, "httpStatus": 401}}}}]


HALF = {"currentPeriodUsageUsd": 5, "currentPeriodBonusCreditsUsd": 12}
PASS = used(25.0, resets_at=datetime(2026, 10, 2, tzinfo=UTC))
PRO = ProviderIdentity(plan="Pro")
LEFT = Balance(Decimal("14.25"))
FULL = Usage(periods=(PASS,), balance=LEFT, identity=PRO)
CASES = (
    Case("a pass and money beside it", asked("pass.json"), FULL, environ=ENV),
    Case(
        "the token of the command line",
        asked("pass.json"),
        FULL,
        files={".local/share/kilo/auth.json": {"kilo": {"type": "oauth", "access": KEY}}},
    ),
    Case(
        "an organisation by the variable",
        asked("pass.json", more=ORGANIZATION),
        FULL,
        environ={**ENV, "KILO_ORGANIZATION_ID": "org-1"},
    ),
    Case(
        "an organisation by the settings",
        asked("pass.json", more=ORGANIZATION),
        FULL,
        environ=ENV,
        settings='[providers.kilo.params]\norganization = "org-1"\n',
    ),
    Case(
        "more than the pass holds, in the older form, without a bonus",
        asked("pass-minimal.json"),
        Usage(periods=(used(125.0),), overage=OverageUsage(used=Decimal(5)), balance=LEFT),
        environ=ENV,
    ),
    Case("no pass", asked("no-pass.json"), Usage(balance=LEFT), environ=ENV),
    Case(
        "only the second fails",
        asked("pass.json", Answer(status=403)),
        Usage(periods=(PASS,), identity=PRO),
        environ=ENV,
    ),
    Case(
        "a pass without its credits is no window",
        asked([{"result": {"data": {"json": {"subscription": HALF}}}}]),
        Usage(balance=LEFT),
        environ=ENV,
    ),
    Case("neither", asked("no-pass.json", {"balance": None}), error=("parse", "currentPeriodUsageUsd"), environ=ENV),
    Case("an error within", asked(refused("NOT_FOUND"), None), error=("parse", "NOT_FOUND"), environ=ENV),
    Case("refused within", asked(refused("UNAUTHORIZED"), None), error=("authentication", "UNAUTH"), environ=ENV),
    Case("key refused", asked(Answer(status=401), None), error=("authentication", "refused"), environ=ENV),
)
