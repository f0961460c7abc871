"""Rounds of Cline: a key and Cline's own login, with and without a plan, of a person and of an organization.

Known from: the public source of Cline and of trackers; every value is invented.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal

from providers.case import AT, Ask, Case, bearer
from vendors import Answer

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod

HOST, API = "api.cline.bot", "/api/v1"
KEY, TOKEN = "sk-cline-invented-0001", "workos:eyJ.invented.token"
FILE, OLD_FILE = "data/settings/providers.json", "data/secrets.json"
NOW_S = AT.timestamp()
PERIODS = (
    UsagePeriod(
        name="Session (5h)",
        utilization=12.0,
        period_type=PeriodType.SESSION,
        resets_at=datetime(2026, 9, 14, 18, tzinfo=UTC),
    ),
    UsagePeriod(
        name="Weekly",
        utilization=40.5,
        period_type=PeriodType.WEEKLY,
        resets_at=datetime(2026, 9, 20, tzinfo=UTC),
    ),
    UsagePeriod(name="Monthly", utilization=118.0, period_type=PeriodType.MONTHLY),
)
CREDITS = Balance(Decimal("123.4567"), "credits")
ANA = ProviderIdentity(email="ana@acme.example")
PASS = Usage(periods=PERIODS, balance=CREDITS, identity=ProviderIdentity(email="ana@acme.example", plan="ClinePass"))
BARE = Usage(periods=PERIODS, identity=ProviderIdentity(plan="ClinePass"))


def ask(path, answer, token=KEY):
    return Ask("GET", HOST, API + path, answer, bearer(token))


def limits(answer, token=KEY):
    return ask("/users/me/plan/usage-limits", answer, token)


def me(answer, token=KEY):
    return ask("/users/me", answer, token)


def balance(answer, token=KEY, of="users/usr-invented"):
    return ask(f"/{of}/balance", answer, token)


def whole(token=KEY):
    return limits("limits.json", token), me("me.json", token), balance("balance.json", token)


def said(*limits):
    return {"success": True, "data": {"limits": limits}}


def keyed(name, *asks, **expected):
    return Case(name, asks, environ={"CLINE_API_KEY": KEY}, **expected)


def kept(token=TOKEN, ends_in=10**9, **settings):
    auth = {
        "accessToken": token,
        "refreshToken": "invented-refresh",
        "expiresAt": int((NOW_S + ends_in) * 1000),
        "accountId": "usr-invented",
    }
    return {"version": 1, "providers": {"cline": {"settings": {"provider": "cline", "auth": auth, **settings}}}}


def before(ends_in=10**9):
    auth = {"idToken": "eyJ.invented.token", "expiresAt": NOW_S + ends_in, "userInfo": {"id": "usr-invented"}}
    return {"cline:clineAccountId": json.dumps(auth)}


NO_PLAN = Answer(status=404, json={"data": None, "error": "no plan history found for user"})
DOWN = Answer(status=404, json={})
CASES = (
    Case("Cline's own login", whole(TOKEN), PASS, files={f".cline/{FILE}": kept()}, source="cli"),
    Case("its token without the prefix", whole(TOKEN), PASS, files={f".cline/{FILE}": kept("eyJ.invented.token")}),
    Case(
        "its entry without settings",
        whole(TOKEN),
        PASS,
        files={f".cline/{FILE}": {"providers": {"cline": {"auth": {"accessToken": TOKEN}}}}},
    ),
    Case("the login of before", whole(TOKEN), PASS, files={f".cline/{OLD_FILE}": before()}, source="cli"),
    Case(
        "its own login has run out",
        (),
        files={f".cline/{FILE}": kept(ends_in=-1)},
        error=("authentication", "has expired"),
    ),
    Case(
        "the login of before has run out",
        (),
        files={f".cline/{OLD_FILE}": before(-1)},
        error=("authentication", "has expired"),
    ),
    Case(
        "no login in any file",
        (),
        files={f".cline/{FILE}": {"providers": {}}, f".cline/{OLD_FILE}": {"cline:clineAccountId": "{"}},
        error=("not_configured", "has no login"),
    ),
    Case(
        "Cline's folder elsewhere",
        (),
        environ={"CLINE_DIR": "/nowhere"},
        files={f".cline/{FILE}": kept()},
        error=("not_configured", "has no login"),
    ),
    Case(
        "Cline's data elsewhere",
        (),
        environ={"CLINE_DATA_DIR": "/nowhere"},
        files={f".cline/{FILE}": kept()},
        error=("not_configured", "has no login"),
    ),
    keyed("a key", *whole(), usage=PASS, source="key"),
    Case("the other variable", whole(), PASS, environ={"CLINEPASS_API_KEY": KEY}),
    Case(
        "a key of our own",
        whole(),
        PASS,
        files={"../config/credentials/cline/apikey.json": {"access_token": KEY, "owner": "invented"}},
    ),
    Case(
        "a key that is refused leaves it to Cline's own login",
        (limits(Answer(status=401, json={})), *whole(TOKEN)),
        PASS,
        environ={"CLINE_API_KEY": KEY},
        files={f".cline/{FILE}": kept()},
        source="cli",
    ),
    keyed(
        "an organization's credits",
        limits("limits.json"),
        me("me-organization.json"),
        balance("balance.json", of="organizations/org-acme"),
        usage=Usage(
            periods=PERIODS,
            balance=CREDITS,
            identity=ProviderIdentity(email="ana@acme.example", organization="Acme", plan="ClinePass"),
        ),
    ),
    keyed("a plan, and no account", limits("limits.json"), me(DOWN), usage=BARE),
    keyed("a plan, and no balance", limits("limits.json"), me("me.json"), balance(DOWN), usage=BARE),
    keyed(
        "credits without a plan",
        limits(NO_PLAN),
        me("me.json"),
        balance("balance.json"),
        usage=Usage(balance=CREDITS, identity=ANA),
    ),
    keyed(
        "a plan without limits",
        limits(said()),
        me("me.json"),
        balance({"success": True, "data": {"balance": 0}}),
        usage=Usage(balance=Balance(Decimal("0.0000"), "credits"), identity=ANA),
    ),
    keyed(
        "neither plan nor credits",
        limits(NO_PLAN),
        me("me.json"),
        balance({"success": True, "data": {"balance": None}}),
        error=("authorization", "tells of no credits"),
    ),
    keyed(
        "an id that would lead elsewhere",
        limits(NO_PLAN),
        me({"success": True, "data": {"id": "../../x"}}),
        error=("parse", "without an id"),
    ),
    keyed(
        "a limit nobody knows beside one",
        limits(said({"type": "new", "percentUsed": 9}, {"type": "daily", "percentUsed": 5})),
        me(DOWN),
        usage=Usage(
            periods=(UsagePeriod(name="Daily", utilization=5.0, period_type=PeriodType.DAILY),),
            identity=ProviderIdentity(plan="ClinePass"),
        ),
    ),
    keyed(
        "limits that nobody knows",
        limits(said({"type": "new", "percentUsed": 9}, {"type": "weekly"})),
        error=("parse", "no limit that says"),
    ),
    keyed(
        "less than nothing",
        limits(said({"type": "weekly", "percentUsed": -5})),
        error=("parse", "-5 percent"),
    ),
    keyed(
        "a refusal with status 200",
        limits({"success": False, "error": "Unauthorized: please sign in"}),
        error=("authentication", "refused the login"),
    ),
    keyed(
        "an error with status 200",
        limits({"success": False, "error": "boom"}),
        error=("parse", "in the place of an answer"),
    ),
    keyed("a refusal", limits(Answer(status=401, json={})), error=("authentication", "refused the login")),
    keyed("a key without rights", limits(Answer(status=403, json={})), error=("authorization", "does not allow")),
    keyed("a page in between", limits(Answer(status=403, body=b"<html>")), error=("authorization", "from a bot")),
    keyed("too often", limits(Answer(status=429)), error=("rate_limited", "asks to wait")),
    keyed("a wrong shape", limits({"success": True, "data": {"limits": {}}}), error=("parse", "limits")),
    keyed("not JSON", limits(Answer(body=b"<html>")), error=("parse", "JSON")),
    Case("no login", (), error=("not_configured", "has no login")),
)
