"""Rounds of MiniMax: both regions, both addresses, and errors that come with status 200.

Known from: the public FAQ and the sources of trackers; every value is invented.
"""

from datetime import UTC, datetime

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod

WORLD, CHINA = "api.minimax.io", "api.minimaxi.com"
PATH, OLD = "/v1/token_plan/remains", "/v1/api/openplatform/coding_plan/remains"
KEY = "sk-cp-invented-key-0001"
FIVE, MIDNIGHT = datetime(2026, 9, 14, 20, tzinfo=UTC), datetime(2026, 9, 21, tzinfo=UTC)
PLUS = Usage(
    periods=(
        UsagePeriod(
            name="Session (5h)", utilization=27.0, period_type=PeriodType.SESSION, resets_at=FIVE, window_seconds=18_000
        ),
        UsagePeriod(
            name="Weekly", utilization=9.0, period_type=PeriodType.WEEKLY, resets_at=MIDNIGHT, window_seconds=604_800
        ),
        UsagePeriod(
            name="video: Daily",
            utilization=33.0,
            period_type=PeriodType.DAILY,
            resets_at=datetime(2026, 9, 15, tzinfo=UTC),
            model="video",
            window_seconds=86_400,
        ),
        UsagePeriod(
            name="speech: Session (4h)",
            utilization=100.0,
            period_type=PeriodType.SESSION,
            resets_at=datetime(2026, 9, 14, 19, tzinfo=UTC),
            model="speech",
            window_seconds=14_400,
        ),
    ),
    identity=ProviderIdentity(plan="Token Plan Plus"),
)


def ask(answer, host=WORLD, path=PATH, key=KEY):
    return Ask("GET", host, path, answer, bearer(key))


def error(code, **flat):
    return {"base_resp": {"status_code": code, "status_msg": "no"}, **flat}


def keyed(name, *asks, **said):
    return Case(name, asks, environ={"MINIMAX_CODING_API_KEY": KEY}, **said)


def counted(percent):
    session = UsagePeriod(
        name="Session (5h)",
        utilization=percent,
        period_type=PeriodType.SESSION,
        resets_at=FIVE,
        window_seconds=18_000,
    )
    return Usage(periods=(session,), identity=ProviderIdentity(plan="Max"))


def row(**values):
    return {"base_resp": {"status_code": 0}, "model_remains": [{"model_name": "general", **values}]}


NOWHERE = Answer(status=404, json={})
CASES = (
    keyed("a plan", ask("remains.json"), usage=PLUS, source="key"),
    Case("the general variable", (ask("remains.json"),), PLUS, environ={"MINIMAX_API_KEY": KEY}),
    Case(
        "the plan's variable comes first",
        (ask("remains.json"),),
        PLUS,
        environ={"MINIMAX_API_KEY": "sk-cp-invented-other", "MINIMAX_CODING_API_KEY": KEY},
    ),
    Case(
        "a key of our own",
        (ask("remains.json"),),
        PLUS,
        files={"../config/credentials/minimax/apikey.json": {"access_token": KEY, "owner": "invented"}},
    ),
    keyed("a key of China", ask(error(1004)), ask("remains.json", CHINA), usage=PLUS),
    keyed("a key of China, by status", ask(Answer(status=401, json={})), ask("remains.json", CHINA), usage=PLUS),
    keyed(
        "an address in the settings is the only one",
        ask(error(1004), CHINA),
        settings=f'[providers.minimax]\nbase_url = "https://{CHINA}"\n',
        error=("authentication", "refused the key"),
    ),
    keyed(
        "the region in the settings is the only one",
        ask(error(1004), CHINA),
        settings='[providers.minimax]\nregion = "china"\n',
        error=("authentication", "refused the key"),
    ),
    keyed(
        "a region that is none",
        settings='[providers.minimax]\nregion = "mars"\n',
        error=("configuration", "no such region"),
    ),
    keyed("counts of what is used", ask("remains-counts.json"), usage=counted(20.0)),
    keyed(
        "counts of what is left, at the older address",
        ask(NOWHERE),
        ask("remains-counts.json", path=OLD),
        usage=counted(1349 / 1500 * 100),
    ),
    keyed(
        "no limit of a week",
        ask("remains-unlimited.json"),
        usage=Usage(
            periods=(
                UsagePeriod(
                    name="Session (5h)",
                    utilization=60.0,
                    period_type=PeriodType.SESSION,
                    resets_at=FIVE,
                    window_seconds=18_000,
                ),
            ),
            identity=ProviderIdentity(plan="Token Plan Max"),
        ),
    ),
    keyed(
        "no limit at all",
        ask(row(current_interval_status=3, current_weekly_status=3, current_weekly_total_count=9)),
        usage=Usage(),
    ),
    keyed(
        "a key that nobody knows",
        ask(error(1004)),
        ask(error(2049), CHINA),
        error=("authentication", f"{WORLD} refused the key"),
    ),
    keyed(
        "a key that is refused, in JSON",
        ask(Answer(status=403, json={})),
        ask({"status_code": 1004, "status_msg": "login fail"}, CHINA),
        error=("authentication", "refused the key"),
    ),
    keyed("a page in between", ask(Answer(status=403, body=b"<html>")), error=("authorization", "from a bot")),
    Case(
        "a key that is paid as you go",
        (),
        environ={"MINIMAX_API_KEY": "sk-api-invented"},
        error=("not_configured", "has no plan"),
    ),
    Case("no key", (), error=("not_configured", "has no login")),
    keyed("too often", ask(error(1002)), error=("rate_limited", "asks to wait")),
    keyed("too often, by status", ask(Answer(status=429)), error=("rate_limited", "asks to wait")),
    keyed("nothing to pay with", ask(error(1008)), error=("authorization", "nothing left")),
    keyed("a passing fault", ask(error(1000)), error=("network", "error 1000")),
    keyed("an error nobody knows", ask(error(4711)), error=("parse", "error 4711")),
    keyed("no plan", ask(error(0, model_remains=[])), error=("authorization", "no Token Plan")),
    keyed(
        "only rows of what the plan has not",
        ask(row(current_interval_status=3, current_weekly_status=3, current_interval_remaining_percent=100)),
        error=("authorization", "no Token Plan"),
    ),
    keyed("a row without a number", ask(row(current_interval_status=1)), error=("parse", "no row says")),
    keyed("no rows", ask(error(0)), error=("parse", "model_remains")),
    keyed("not JSON", ask(Answer(body=b"<html>")), error=("parse", "JSON")),
)
