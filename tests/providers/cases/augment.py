"""Rounds of Augment's site. Known from the public source of one working tracker; every value is invented."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

from providers.case import AT, Ask, Case
from vendors import Answer, redirect

from vibeusage.models import Balance, PeriodType, ProviderIdentity, Usage, UsagePeriod

HOST = "app.augmentcode.com"
END = datetime(2026, 9, 19, tzinfo=UTC)
TOKEN = "session=invented-1;_session=invented-2"
SENT = {"cookie": "session=invented-1; _session=invented-2"}
OURS = "../config/credentials/augment/session.json"
STORED = {OURS: {"session_cookies": TOKEN, "owner": "invented"}}
WHO = ProviderIdentity(email="dev@example.org", plan="Max Plan")


def credits(used: float, resets_at: datetime | None = END) -> UsagePeriod:
    return UsagePeriod(name="Credits", utilization=used, period_type=PeriodType.MONTHLY, resets_at=resets_at)


def asks(answer, subscription="subscription.json", headers=SENT) -> tuple[Ask, ...]:
    return (
        Ask("GET", HOST, "/api/credits", answer, headers),
        Ask("GET", HOST, "/api/subscription", subscription, headers),
    )


def firefox(*cookies: tuple[str, str, str]) -> bytes:
    """The database of a profile with these (host, name, value), good for a day more."""
    with closing(sqlite3.connect(":memory:")) as database:
        columns = "host, name, value, expiry INTEGER, originAttributes TEXT NOT NULL, lastAccessed INTEGER"
        database.executescript(f"PRAGMA user_version = 16; CREATE TABLE moz_cookies ({columns});")
        end = int(AT.timestamp() + 86_400) * 1000
        rows = [(host, name, value, end, "", 0) for host, name, value in cookies]
        database.executemany("INSERT INTO moz_cookies VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.commit()
        return database.serialize()


PROFILE = firefox(
    (".augmentcode.com", "session", "of-the-domain"),
    (HOST, "session", "of-the-app"),
    ("auth.augmentcode.com", "auth0", "invented-3"),
    (HOST, "tracking", "nobody's business"),
    (".elsewhere.example", "_session", "of another site"),
)
IN_BROWSER = {"cookie": "session=of-the-app; auth0=invented-3"}
GOOD = Usage(periods=(credits(55.94),), identity=WHO)


def stored(name: str, answer, subscription="subscription.json", usage=None, error=None) -> Case:
    """With a session of our own; where the credits are refused nobody asks for more."""
    return Case(name, asks(answer, subscription)[: 1 if isinstance(answer, Answer) else 2], usage, error, files=STORED)


CASES = (
    stored("a pasted session", "credits.json", usage=GOOD),
    Case(
        "all the session's cookies of a browser, and no others",
        asks("credits.json", headers=IN_BROWSER),
        usage=GOOD,
        source="web",
        files={".mozilla/firefox/x.default/cookies.sqlite": PROFILE},
        settings='[providers.augment]\nbrowser = "firefox"\n',
    ),
    Case(
        "no browser is read that nobody named",
        (),
        error=("not_configured", "no login"),
        files={".mozilla/firefox/x.default/cookies.sqlite": PROFILE},
    ),
    stored("no limit is said", "credits-no-limit.json", usage=Usage(periods=(credits(25.0),), identity=WHO)),
    stored(
        "only what is left is said",
        "credits-balance.json",
        usage=Usage(balance=Balance(Decimal("420.5"), "credits"), identity=WHO),
    ),
    stored(
        "what was used is not said",
        {"usageUnitsRemaining": "150", "usageUnitsAvailable": "200"},
        usage=Usage(periods=(credits(25.0),), identity=WHO),
    ),
    stored(
        "a subscription with an organization and a strange date",
        "credits.json",
        {"planName": "", "billingPeriodEnd": "soon", "organization": "Example Works"},
        usage=Usage(periods=(credits(55.94, None),), identity=ProviderIdentity(organization="Example Works")),
    ),
    stored("no subscription", "credits.json", Answer(status=404), usage=Usage(periods=(credits(55.94, None),))),
    stored("a subscription of no shape", "credits.json", [], usage=Usage(periods=(credits(55.94, None),))),
    stored("401", Answer(status=401, json={}), error=("authentication", "session of app.augmentcode.com has ended")),
    stored("a redirect to the login", redirect("https://login.example/"), error=("authentication", "has ended")),
    stored("a page", Answer(body=b"<html>log in</html>"), error=("authentication", "has ended")),
    stored("403 of no plan", Answer(status=403, json={}), error=("authorization", "does not allow")),
    stored("403 of a firewall", Answer(status=403, body=b"<html>"), error=("authorization", "bot")),
    stored("nothing in it", {}, error=("parse", "without credits")),
    stored("of no shape", [], error=("parse", "do not understand")),
    stored("a number of no kind", {"usageUnitsRemaining": True}, error=("parse", "where a number belongs")),
    Case(
        "a session without its cookies",
        (),
        error=("authentication", "holds no session"),
        files={OURS: {"session_cookies": "tracking=1", "owner": "invented"}},
    ),
    Case(
        "a session that would break the header",
        (),
        error=("authentication", "holds no session"),
        files={OURS: {"session_cookies": "session=a\r\nX: y", "owner": "invented"}},
    ),
    Case("nothing", (), error=("not_configured", "no login")),
)
