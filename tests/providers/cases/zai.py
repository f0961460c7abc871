"""Rounds of Z.ai: keys of both regions, teams, all kinds of rows, and errors that come with status 200.

Known from: the public sources of Z.ai's plugin and of trackers; every value is invented.
"""

from datetime import UTC, datetime

from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import PeriodType, ProviderIdentity, Usage, UsagePeriod

ZAI, CHINA = "api.z.ai", "open.bigmodel.cn"
KEY = "invented.zai-key-0001"
HOURS = datetime(2026, 9, 14, 17, tzinfo=UTC)
WEEK, MONTH = datetime(2026, 9, 19, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)


def session(used, resets_at=HOURS):
    return UsagePeriod(
        name="Session (5h)",
        utilization=used,
        period_type=PeriodType.SESSION,
        resets_at=resets_at,
        window_seconds=18_000,
    )


def weekly(used, resets_at=WEEK):
    return UsagePeriod(
        name="Weekly", utilization=used, period_type=PeriodType.WEEKLY, resets_at=resets_at, window_seconds=604_800
    )


def tools(used, resets_at=MONTH):
    return UsagePeriod(
        name="MCP tools",
        utilization=used,
        period_type=PeriodType.MONTHLY,
        resets_at=resets_at,
        model="MCP tools",
    )


PRO = Usage(periods=(session(22.0), weekly(48.0), tools(7.0)), identity=ProviderIdentity(plan="GLM Coding Pro"))
LITE = Usage(periods=(session(0.0, None), tools(25.0, None)), identity=ProviderIdentity(plan="GLM Coding Lite"))


def ask(answer, host=ZAI, query="", key=KEY, path="/api/monitor/usage/quota/limit", **more):
    return Ask("GET", host, path, answer, bearer(key) | {"accept-language": "en-US,en"} | more, query)


def plan(answer, host=ZAI, **more):
    return ask(answer, host, path="/api/biz/subscription/list", **more)


def keyed(name, *asks, variable="Z_AI_API_KEY", **said):
    return Case(name, asks, environ={variable: KEY}, **said)


def stored(name, *asks, document=(), **said):
    kept = {"access_token": KEY, "owner": "invented", **dict(document)}
    return Case(name, asks, PRO, files={"../config/credentials/zai/apikey.json": kept}, **said)


def rows(*limits, **data):
    return {"code": 200, "success": True, "data": {"planName": "Max", "limits": limits, **data}}


def refusal(code, text="no", **more):
    return {"code": code, "msg": text, "success": False, **more}


def only(*periods):
    return Usage(periods=periods, identity=ProviderIdentity(plan="Max"))


TEAM = {"Z_AI_BIGMODEL_ORGANIZATION": "org-acme", "Z_AI_BIGMODEL_PROJECT": "proj-acme"}
TEAM_HEADERS = {"bigmodel-organization": "org-acme", "bigmodel-project": "proj-acme"}
CASES = (
    keyed("a plan of tokens", ask("quota.json"), usage=PRO, source="key"),
    *(keyed(f"${name}", ask("quota.json"), variable=name, usage=PRO) for name in ("ZAI_API_KEY", "GLM_API_KEY")),
    *(
        keyed(f"${name}, a key of China", ask("quota.json", CHINA), variable=name, usage=PRO)
        for name in ("BIGMODEL_API_KEY", "ZHIPU_API_KEY", "ZHIPUAI_API_KEY")
    ),
    keyed(
        "China, where less is said",
        ask("quota-china.json", CHINA),
        plan("subscriptions.json", CHINA),
        variable="BIGMODEL_API_KEY",
        usage=LITE,
    ),
    keyed(
        "a plan that is called nothing",
        ask("quota-china.json"),
        plan(Answer(status=404)),
        usage=Usage(periods=LITE.periods, identity=ProviderIdentity(plan="lite")),
    ),
    keyed(
        "credits and tokens in one window",
        ask("quota-credits.json"),
        usage=Usage(
            periods=(
                session(3.0),
                weekly(40.0),
                UsagePeriod(
                    name="Monthly",
                    utilization=5.0,
                    period_type=PeriodType.MONTHLY,
                    resets_at=MONTH,
                    window_seconds=30 * 86_400,
                ),
            ),
            identity=ProviderIdentity(plan="GLM Coding Max"),
        ),
    ),
    stored("a key of our own", ask("quota.json")),
    stored(
        "a key of our own, pasted with the name of China's variable",
        ask("quota.json", CHINA),
        document={"name": "BIGMODEL_API_KEY"},
    ),
    stored(
        "a key of our own, of China",
        ask("quota.json", CHINA),
        settings='[providers.zai]\nregion = "china"\n',
    ),
    Case("both regions' keys", (ask("quota.json"),), PRO, environ={"Z_AI_API_KEY": KEY, "BIGMODEL_API_KEY": "cn.key"}),
    keyed(
        "a key that the settings say is of another region is not sent there",
        settings='[providers.zai]\nregion = "china"\n',
        error=("not_configured", "a key of the region global"),
    ),
    keyed(
        "a variable of one's own, of China",
        ask("quota.json", CHINA),
        variable="WORK_KEY",
        settings='[providers.zai]\nregion = "china"\nenv = "WORK_KEY"\n',
        usage=PRO,
    ),
    keyed(
        "a region that is none",
        settings='[providers.zai]\nregion = "mars"\n',
        error=("configuration", "no such region"),
    ),
    Case("a team", (ask("quota.json", query="type=2", **TEAM_HEADERS),), PRO, environ={"Z_AI_API_KEY": KEY, **TEAM}),
    keyed(
        "a team of the settings",
        ask("quota.json", CHINA, "type=2", **TEAM_HEADERS),
        variable="BIGMODEL_API_KEY",
        settings='[providers.zai.params]\norganization = "org-acme"\nproject = "proj-acme"\n',
        usage=PRO,
    ),
    keyed(
        "half a team",
        settings='[providers.zai.params]\norganization = "org-acme"\n',
        error=("not_configured", "its project is not told"),
    ),
    keyed(
        "a unit nobody knows is no shorter than what is left of it",
        ask(rows({"type": "TOKENS_LIMIT", "unit": 9, "number": 1, "percentage": 5, "nextResetTime": 1789776000000})),
        usage=only(UsagePeriod(name="Weekly", utilization=5.0, period_type=PeriodType.WEEKLY, resets_at=WEEK)),
    ),
    keyed(
        "rows of other kinds",
        ask(rows({"type": "TOKENS_LIMIT", "unit": 3, "number": 5, "percentage": 22}, {"type": "NEW", "percentage": 9})),
        usage=only(session(22.0, None)),
    ),
    keyed("no row", ask(rows()), error=("parse", "no limit that says")),
    keyed(
        "a row without a number",
        ask(rows({"type": "TOKENS_LIMIT", "unit": 3, "number": 5})),
        error=("parse", "no limit that says"),
    ),
    keyed("limits that are none", ask(rows(limits={})), error=("parse", "limits")),
    keyed("a bad key", ask(refusal(1001)), error=("authentication", "api.z.ai refused the key")),
    keyed("a token that ran out", ask(refusal(401)), error=("authentication", "refused the key")),
    keyed("a refusal by status", ask(Answer(status=401, json={})), error=("authentication", "refused the login")),
    keyed("no plan", ask(refusal(500, "User has no Coding Plan")), error=("authorization", "no Coding Plan")),
    keyed("too often", ask(refusal(1302)), error=("rate_limited", "asks to wait")),
    keyed("too often, by status", ask(Answer(status=429)), error=("rate_limited", "asks to wait")),
    keyed("an error nobody knows", ask(refusal(500, "boom")), error=("parse", "error 500")),
    keyed("a page in between", ask(Answer(status=403, body=b"<html>")), error=("authorization", "from a bot")),
    keyed("not JSON", ask(Answer(body=b"<html>")), error=("parse", "JSON")),
    Case("no key", (), error=("not_configured", "has no login")),
)
