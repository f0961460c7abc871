from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod

KEY = "invented-deepinfra-key"
ENV = {"DEEPINFRA_API_KEY": KEY}
REFUSED = Answer(status=401)


def asked(checklist, usage="usage.json"):
    """One that fails ends the round before the second request, which is then None."""
    asks = [Ask("GET", "api.deepinfra.com", "/payment/checklist", checklist, bearer(KEY), "compute_owed=true")]
    if usage is not None:
        asks.append(Ask("GET", "api.deepinfra.com", "/payment/usage", usage, bearer(KEY), "from=current"))
    return tuple(asks)


FULL = Usage(
    periods=(UsagePeriod(name="Monthly", utilization=7.625, period_type=PeriodType.MONTHLY),),
    overage=OverageUsage(used=Decimal("6.1"), limit=Decimal("80.0")),
    balance=Balance(Decimal("36.4")),
)
MINIMAL = Usage(overage=OverageUsage(used=Decimal("6.10")), balance=Balance(Decimal("-6.1")))
OWED = Usage(
    overage=OverageUsage(used=Decimal("6.1")),
    balance=Balance(Decimal("-15.25")),
    identity=ProviderIdentity(plan="payment failed"),
)
CASES = (
    Case("money that is left, less what is not settled", asked("checklist.json"), FULL, environ=ENV),
    Case("the other variable", asked("checklist.json"), FULL, environ={"DEEPINFRA_TOKEN": KEY}),
    Case("without a limit the month counts, in cents", asked("checklist-minimal.json"), MINIMAL, environ=ENV),
    Case("a debt, and why the account rests", asked("checklist-debt.json"), OWED, environ=ENV),
    Case("only the second fails", asked("checklist.json", Answer(status=403)), FULL, environ=ENV),
    Case(
        "no month yet, no limit",
        asked("checklist-minimal.json", {"months": []}),
        Usage(balance=Balance(Decimal("-6.1"))),
        environ=ENV,
    ),
    Case(
        "half of the money is no number",
        asked({"recent": 6.1}, Answer(status=404)),
        error=("parse", "stripe_balance"),
        environ=ENV,
    ),
    Case("a text for money", asked({"stripe_balance": "much", "recent": 1}), error=("parse", "stripe_b"), environ=ENV),
    Case("a key that may not see it", asked(Answer(status=403), None), error=("authorization", "usage"), environ=ENV),
    Case("key refused", asked(REFUSED, None), error=("authentication", "refused"), environ=ENV),
)
