from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import OverageUsage, PeriodType, Usage, UsagePeriod

KEY = "invented-proxy-key"
HOST = "llm.example"
ENV = {"LLM_PROXY_API_KEY": KEY, "LLM_PROXY_BASE_URL": f"https://{HOST}"}
SPENT = OverageUsage(used=Decimal("2.75"))


def asked(answer):
    return (Ask("GET", HOST, "/v1/quota-stats", answer, bearer(KEY)),)


def group(name, used, **more):
    return UsagePeriod(name=name, utilization=used, period_type=PeriodType.DAILY, **more)


FULL = Usage(
    periods=(
        group("vendor_a/default", 42.0, resets_at=datetime(2026, 9, 15, tzinfo=UTC)),
        group("vendor_a/large", 100.0),  # its reset has passed
    ),
    overage=SPENT,
)
LIST = Usage(periods=(group("vendor_a/1", 42.0), group("vendor_a/2", 10.0)), overage=SPENT)
MINIMAL = Usage(periods=(group("vendor_a/default", 0.0),))
CASES = (
    Case("groups as a map", asked("stats.json"), FULL, environ=ENV),
    Case("groups as a list, costs by provider", asked("stats-list.json"), LIST, environ=ENV),
    Case("no costs", asked("minimal.json"), MINIMAL, environ=ENV),
    Case(
        "an address that ends in /v1",
        asked("stats.json"),
        FULL,
        environ={**ENV, "LLM_PROXY_BASE_URL": f"https://{HOST}/v1/"},
    ),
    Case(
        "an address in the settings",
        asked("stats.json"),
        FULL,
        environ={"LLM_PROXY_API_KEY": KEY},
        settings=f'[providers.llm_proxy]\nbase_url = "https://{HOST}"\n',
    ),
    Case("no address", (), error=("not_configured", "no address"), environ={"LLM_PROXY_API_KEY": KEY}),
    Case("nothing that is known", asked({"status": "ok"}), error=("parse", "remaining_percent"), environ=ENV),
    Case(
        "a text for a number",
        asked({"providers": {"a": {"quota_groups": [{"remaining_percent": "all"}]}}}),
        error=("parse", "remaining_percent: text"),
        environ=ENV,
    ),
    Case("not the program", asked(Answer(status=404)), error=("parse", "answered 404"), environ=ENV),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
