"""Rounds of Windsurf and Devin. Known from the public sources of working trackers; every value is invented.

The apps' files are written now, which is not AT: a cache is never young here.
"""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer, fixture
from vendors import Answer

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod

API, SITE = "server.codeium.com", "app.devin.ai"
STATUS = "/exa.seat_management_pb.SeatManagementService/GetUserStatus"
KEY, TOKEN = "sk-ws-invented-0001", "auth1_invented_0001"
DAY, WEEK = datetime(2026, 9, 15, tzinfo=UTC), datetime(2026, 9, 19, tzinfo=UTC)
CYCLE_END = datetime(2026, 10, 3, 10, 11, 12, tzinfo=UTC)
PROGRAM = ".local/share/devin/credentials.toml"
WINDSURF, DEVIN = (f".config/{app}/User/globalStorage/state.vscdb" for app in ("Windsurf", "Devin"))
MAC = "Library/Application Support/Devin/User/globalStorage/state.vscdb"
WEB = {"DEVIN_BEARER_TOKEN": TOKEN, "DEVIN_ORGANIZATION": "org-invented1"}


def state(plan: object = None, key: str | None = None) -> bytes:
    """The app's database with these values, None for none."""
    auth = None if key is None else json.dumps({"apiKey": key})
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
        for name, value in (("windsurf.settings.cachedPlanInfo", plan), ("windsurfAuthStatus", auth), ("other", "1")):
            if value is not None:
                database.execute("INSERT INTO ItemTable VALUES (?, ?)", (name, value))
        database.commit()
        return database.serialize()


def ask(answer, key: str = KEY, host: str = API) -> Ask:
    names = {"ideName": "devin", "ideVersion": "1.108.2", "extensionName": "devin", "extensionVersion": "1.108.2"}
    body = {"metadata": {"apiKey": key, **names, "locale": "en"}}
    return Ask("POST", host, STATUS, answer, {"connect-protocol-version": "1"}, body=body)


def web(answer, path: str = "org-invented1", id: str = "org-invented1") -> Ask:
    headers = {**bearer(TOKEN), **({"x-cog-org-id": id} if id else {})}
    return Ask("GET", SITE, f"/api/{path}/billing/quota/usage", answer, headers)


def quota(name: str, used: float, resets_at: datetime | None) -> UsagePeriod:
    kind = PeriodType.DAILY if name == "Daily" else PeriodType.WEEKLY
    return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=resets_at)


def pool(used: float, name: str = "Credits") -> UsagePeriod:
    return UsagePeriod(
        name=name,
        utilization=used,
        period_type=PeriodType.MONTHLY,
        resets_at=CYCLE_END,
        window_seconds=30 * 86_400,
    )


QUOTAS = (quota("Daily", 17.0, DAY), quota("Weekly", 36.0, WEEK))
WHO = ProviderIdentity(email="dev@example.org", plan="Pro")
GOOD = Usage(periods=(*QUOTAS, pool(2.4)), balance=Balance(Decimal("2.50")), identity=WHO)
SPENT = Usage(periods=(quota("Weekly", 100.0, WEEK),), identity=WHO)
BILLED_CREDITS = Usage(periods=(pool(9.4),), identity=ProviderIdentity(email="dev@example.org", plan="Teams"))
ON_SITE = Usage(periods=QUOTAS, balance=Balance(Decimal("2.50")), identity=ProviderIdentity(plan="pro"))
CACHED = Usage(periods=(*QUOTAS, pool(2.4), pool(0.5, "Flow actions")), identity=ProviderIdentity(plan="Pro"))
CACHED_CREDITS = Usage(periods=(pool(25.0),), balance=Balance(Decimal(0)), identity=ProviderIdentity(plan="Teams"))
PLAN, PLAN_CREDITS = (fixture("windsurf", f"{name}.json").decode() for name in ("plan", "plan-credits"))


def toml(key: str = KEY, server: str = "") -> dict[str, str]:
    return {PROGRAM: f'windsurf_api_key = "{key}"\n' + (f'api_server_url = "{server}"\n' if server else "")}


def keyed(name: str, answer, usage=None, error=None) -> Case:
    return Case(name, (ask(answer),), usage, error, files=toml())


def session(name: str, answer, usage=None, error=None) -> Case:
    return Case(name, (web(answer),), usage, error, environ=WEB)


CASES = (
    Case(
        "the app's key, and a cache that is not young",
        (ask("status.json"),),
        GOOD,
        source="key",
        files={WINDSURF: state(PLAN, KEY)},
    ),
    Case("a cache and nobody to ask", (), CACHED, source="cache", files={WINDSURF: state(PLAN)}),
    Case("a cache in UTF-16", (), CACHED, source="cache", files={DEVIN: state(PLAN.encode("utf-16-le"))}),
    Case("a cache in UTF-16 with a mark", (), CACHED, files={MAC: state(PLAN.encode("utf-16"))}),
    Case("a cache in bytes", (), CACHED_CREDITS, files={WINDSURF: state(PLAN_CREDITS.encode())}),
    Case("a cache of no shape", (), error=("parse", "do not understand"), files={WINDSURF: state("[]")}),
    Case("a cache that is cut", (), error=("parse", "do not understand"), files={WINDSURF: state(PLAN[:40])}),
    Case("a cache that is a number", (), error=("parse", "do not understand"), files={WINDSURF: state(7)}),
    Case(
        "a cache whose windows are over",
        (),
        error=("not_configured", "no open window"),
        files={WINDSURF: state('{"quotaUsage":{"dailyRemainingPercent":5,"dailyResetAtUnix":1789300000}}')},
    ),
    Case("a database that is none", (), error=("network", "cannot be read"), files={WINDSURF: "not SQLite at all"}),
    Case(
        "a cache that does not open leaves the program's key to be asked with",
        (ask("status.json"),),
        GOOD,
        source="key",
        files={WINDSURF: "not SQLite at all", **toml()},
    ),
    keyed("the program's key", "status.json", GOOD),
    Case(
        "the program's key comes before the app's",
        (ask("status.json"),),
        GOOD,
        files={WINDSURF: state(key="sk-ws-another"), **toml()},
    ),
    Case(
        "a server of its own",
        (ask("status.json", host="windsurf.example.org"),),
        GOOD,
        files=toml(server="https://windsurf.example.org/"),
    ),
    Case(
        "a server to which no key may go",
        (),
        error=("configuration", "api_server_url"),
        files=toml(server="http://windsurf.example.org"),
    ),
    Case("a file that is no TOML", (), error=("authentication", "as TOML"), files={PROGRAM: "windsurf_api_key"}),
    keyed("nothing left, and a hidden day", "status-spent.json", SPENT),
    keyed("billed by credits", "status-credits.json", BILLED_CREDITS),
    keyed("no plan", {"userStatus": {"email": "dev@example.org"}}, error=("parse", "without any limit")),
    keyed("no status", {}, error=("parse", "do not understand")),
    keyed("a page", Answer(body=b"<html>"), error=("parse", "do not understand")),
    keyed("401", Answer(status=401, json={}), error=("authentication", "refused the login")),
    keyed("403", Answer(status=403, json={}), error=("authorization", "does not allow")),
    keyed("429", Answer(status=429, headers={"retry-after": "600"}), error=("rate_limited", "asks to wait")),
    Case(
        "a refused key, and a session that is good",
        (ask(Answer(status=401, json={})), web("devin.json")),
        ON_SITE,
        source="web",
        files=toml(),
        environ=WEB,
    ),
    session("a session in the environment", "devin.json", ON_SITE),
    Case(
        "a session and an organization's name",
        (web("devin.json", "org/example-works", ""),),
        ON_SITE,
        environ={"DEVIN_BEARER_TOKEN": f"Bearer {TOKEN}", "DEVIN_ORG": "https://app.devin.ai/org/example-works/settings"},
    ),
    Case(
        "a pasted session",
        (web("devin.json"),),
        ON_SITE,
        source="web",
        files={
            "../config/credentials/windsurf/session.json": {
                "session_token": f"org-invented1:{TOKEN}",
                "owner": "invented",
            }
        },
    ),
    Case(
        "a session, and an organization in the settings",
        (web("devin.json"),),
        ON_SITE,
        environ={"DEVIN_BEARER_TOKEN": TOKEN, "DEVIN_ORG": "another"},
        settings='[providers.windsurf.params]\norganization = "org-invented1"\n',
    ),
    Case(
        "a session without an organization",
        (),
        error=("not_configured", "without an organization"),
        environ={"DEVIN_BEARER_TOKEN": TOKEN},
    ),
    Case(
        "an organization that is none",
        (),
        error=("not_configured", "without an organization"),
        environ={**WEB, "DEVIN_ORGANIZATION": "../account"},
    ),
    session(
        "one percent, a half, and a hidden day",
        {"daily_percentage": 50, "hide_daily_quota": True, "weekly_percentage": 1},
        Usage(periods=(quota("Weekly", 1.0, None),)),
    ),
    session(
        "less than one percent used is a fraction",
        {"daily_percentage": 0, "weekly_percentage": "0.5"},
        Usage(periods=(quota("Daily", 0.0, None), quota("Weekly", 50.0, None))),
    ),
    session("of a session nothing", {}, error=("parse", "without any limit")),
    session("a session that has ended", Answer(status=401, json={}), error=("authentication", "refused the login")),
    session("a session that is kept out", Answer(status=403, body=b"<html>"), error=("authorization", "bot")),
    Case("nothing", (), error=("not_configured", "no login")),
)
