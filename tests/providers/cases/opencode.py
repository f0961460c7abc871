"""Rounds of OpenCode: the plan Go by key, the credit of Zen by the console's pages, and what opencode.ai refuses.

Known from: the public source of OpenCode's console and of trackers; every value is invented.
"""

from datetime import UTC, datetime
from decimal import Decimal

from providers.case import Ask, Case, bearer
from vendors import Answer, redirect

from vibeusage.credentials import Login
from vibeusage.models import Balance, OverageUsage, PeriodType, Usage, UsagePeriod
from vibeusage.providers.opencode import BROWSER

HOST, WORKSPACE = "opencode.ai", "/workspace/wrk_01INVENTED"
KEY, COOKIE = "sk-invented-go-key-0001", "Fe26.2**invented-session"
SESSION = {"x-opencode-session": f"vibeusage-{Login(KEY, '', is_ours=True).fingerprint}"}
AUTH = ".local/share/opencode/auth.json"
KEPT = {"opencode-go": {"type": "api", "key": KEY}, "opencode": {"type": "api", "key": "sk-invented-zen"}}


def session(used, hour=16):
    at = datetime(2026, 9, 14, hour, tzinfo=UTC)
    return UsagePeriod(name="Session (5h)", utilization=used, period_type=PeriodType.SESSION, resets_at=at)


def weekly(used, at):
    return UsagePeriod(name="Weekly", utilization=used, period_type=PeriodType.WEEKLY, resets_at=at)


def monthly(at):
    return UsagePeriod(name="Monthly", utilization=100.0, period_type=PeriodType.MONTHLY, resets_at=at)


GO = Usage(
    periods=(
        session(14.0),
        weekly(61.0, datetime(2026, 9, 21, tzinfo=UTC)),
        monthly(datetime(2026, 10, 3, 9, 30, tzinfo=UTC)),
    )
)
CREDIT = Balance(Decimal("12.35"))
MONTH = datetime(2026, 10, 1, tzinfo=UTC)
ZEN = Usage(balance=CREDIT, overage=OverageUsage(used=Decimal("3.50"), limit=Decimal(20), resets_at=MONTH))
BOTH = Usage(
    periods=(
        session(18.0, hour=13),
        weekly(85.0, datetime(2026, 9, 15, 12, tzinfo=UTC)),
        monthly(datetime(2026, 9, 24, 12, tzinfo=UTC)),
    ),
    balance=ZEN.balance,
    overage=ZEN.overage,
)


def ask(answer):
    return Ask("GET", HOST, "/zen/go/v1/usage", answer, bearer(KEY) | SESSION)


def page(path, answer):
    return Ask("GET", HOST, path, answer, {"cookie": f"auth={COOKIE}"}, agent=BROWSER)


def html(text):
    return Answer(body=text.encode(), headers={"content-type": "text/html"})


def billing(answer):
    return page(f"{WORKSPACE}/billing", answer)


def go(answer):
    return page(f"{WORKSPACE}/go", answer)


SEEN = page("/auth", redirect(WORKSPACE))
LOGIN = redirect("/auth/authorize")


def keyed(name, *asks, **said):
    return Case(name, asks, environ={"OPENCODE_API_KEY": KEY}, **said)


def ours(name, *asks, kind="session", secret=COOKIE, key="session_token", **said):
    kept = {key: secret, "owner": "invented"}
    return Case(name, asks, files={f"../config/credentials/opencode/{kind}.json": kept}, **said)


def spent(name, month, overage):
    """A billing page with this text of the month, and no page of a plan."""
    answer = html(f"$R[25]={{balance:1234567890,{month},reloadError:null}}")
    return ours(name, SEEN, billing(answer), go(LOGIN), usage=Usage(balance=CREDIT, overage=overage))


def error(status, kind):
    return Answer(status=status, json={"type": "error", "error": {"type": kind, "message": "no"}})


CASES = (
    Case("the key that OpenCode keeps", (ask("go.json"),), GO, files={AUTH: KEPT}, source="go"),
    keyed("a key", ask("go.json"), usage=GO),
    ours("a key of our own", ask("go.json"), kind="apikey", secret=KEY, key="access_token", usage=GO),
    Case(
        "OpenCode's data in another place",
        (),
        environ={"OPENCODE_DATA_DIR": "/nowhere"},
        files={AUTH: KEPT},
        error=("not_configured", "has no login"),
    ),
    Case(
        "a key for Zen only is not asked for a plan",
        (),
        files={AUTH: {"opencode": KEPT["opencode"], "opencode-go": {"type": "oauth", "key": 1}}},
        error=("not_configured", "has no login"),
    ),
    keyed(
        "a window that is not told",
        ask({"usage": {"weekly": {"status": "ok", "percent": 5}, "rolling": {"status": "ok"}, "new": {}}}),
        usage=Usage(periods=(weekly(5.0, None),)),
    ),
    keyed("no plan", ask(error(403, "EntitlementError")), error=("authorization", "has no OpenCode Go")),
    keyed("another refusal", ask(error(403, "Odd")), error=("authorization", "does not allow")),
    keyed("a page in between", ask(Answer(status=403, body=b"<html>")), error=("authorization", "from a bot")),
    keyed("a key that is refused", ask(error(401, "AuthError")), error=("authentication", "refused the login")),
    keyed("too often", ask(Answer(status=429)), error=("rate_limited", "asks to wait")),
    keyed("no windows", ask({"usage": {}}), error=("parse", "no window that says")),
    keyed("no usage", ask({}), error=("parse", "usage")),
    keyed("not JSON", ask(html("<html>")), error=("parse", "JSON")),
    ours("a session, and no plan", SEEN, billing("billing.html"), go(html("<html></html>")), usage=ZEN, source="zen"),
    ours("a session, and a plan", SEEN, billing("billing.html"), go("go.html"), usage=BOTH),
    Case(
        "a refused key leaves it to the session",
        (ask(error(403, "EntitlementError")), SEEN, billing("billing.html"), go(html("<html></html>"))),
        ZEN,
        environ={"OPENCODE_API_KEY": KEY},
        files={"../config/credentials/opencode/session.json": {"session_token": COOKIE, "owner": "invented"}},
        source="zen",
    ),
    ours(
        "the workspace of the settings",
        billing("billing.html"),
        go(Answer(status=404)),
        settings='[providers.opencode.params]\nworkspace = "wrk_01INVENTED"\n',
        usage=ZEN,
    ),
    ours(
        "a workspace that is none",
        settings='[providers.opencode.params]\nworkspace = "../x"\n',
        error=("not_configured", "is none"),
    ),
    spent(
        "spent without a limit",
        'monthlyLimit:null,monthlyUsage:150000000,timeMonthlyUsageUpdated:$R[26]=new Date("2026-09-01T00:00:00.000Z")',
        OverageUsage(used=Decimal("1.50"), resets_at=MONTH),
    ),
    spent(
        "spent in an earlier month",
        'monthlyLimit:5,monthlyUsage:350000000,timeMonthlyUsageUpdated:$R[26]=new Date("2026-08-31T23:59:59.000Z")',
        OverageUsage(used=Decimal("0.00"), limit=Decimal(5), resets_at=MONTH),
    ),
    spent("no limit, nothing spent", "monthlyLimit:null,monthlyUsage:null,timeMonthlyUsageUpdated:null", None),
    spent("a month in another form", "monthlyLimit:5,monthly:{}", None),
    ours(
        "debt",
        SEEN,
        billing(html("balance:-250000000")),
        go(LOGIN),
        usage=Usage(balance=Balance(Decimal("-2.50"))),
    ),
    ours("no balance", SEEN, billing(html("useBalance:1,credit:5")), error=("parse", "0 balances")),
    ours("two balances", SEEN, billing(html("balance:5,balance:6")), error=("parse", "2 balances")),
    ours("a session that has ended", page("/auth", LOGIN), error=("authentication", "this session any more")),
    ours("a session that ends meanwhile", SEEN, billing(LOGIN), error=("authentication", "this session any more")),
    ours(
        "a page that sends elsewhere",
        SEEN,
        billing(html('<script>window.location="/auth/authorize"</script>')),
        error=("authentication", "this session any more"),
    ),
    ours("no workspace", page("/auth", redirect("/workspace/undefined")), error=("parse", "no workspace")),
    ours("the page is refused", SEEN, billing(Answer(status=403, body=b"<html>")), error=("authorization", "a bot")),
)
