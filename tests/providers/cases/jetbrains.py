import json
from datetime import UTC, datetime
from html import escape
from typing import Any

from providers.case import Case, fixture

from vibeusage.models import PeriodType, Usage, UsagePeriod

FILE = ".config/JetBrains/PyCharm2026.2/options/AIAssistantQuotaManager2.xml"
NOTE = fixture("jetbrains", "quota.xml").decode()
REFILL = datetime(2099, 10, 1, tzinfo=UTC)


def note(quota: Any, refill: Any = None) -> str:
    said = {"quotaInfo": quota, **({"nextRefill": refill} if refill else {})}
    options = [f'<option name="{name}" value="{escape(json.dumps(value))}" />' for name, value in said.items()]
    return f"<application><component>{''.join(options)}</component></application>"


def credits(used, resets_at=None, kind=PeriodType.MONTHLY):
    return Usage(periods=(UsagePeriod(name="Credits", utilization=used, period_type=kind, resets_at=resets_at),))


def of(name, text, usage=None, path=FILE, **said):
    return Case(name, (), usage, files={path: text}, **said)


OVER = {"next": "2026-09-14T11:00:00Z", "tariff": {"duration": "PT720H"}}
WEEK = {"next": "2099-10-01T00:00:00Z", "tariff": {"duration": "P7D"}}
QUOTA = {"maximum": "100", "current": "40"}
CASES = (
    of("what is left of the month's credits", NOTE, credits(25.0, REFILL), source="cache"),
    of("Android Studio's", NOTE, credits(25.0, REFILL), ".config/Google/AndroidStudio1/options/" + FILE.split("/")[-1]),
    of("used, where nothing says what is left", note(QUOTA), credits(40.0)),
    of("a weekly tariff", note(QUOTA, WEEK), credits(40.0, REFILL, PeriodType.WEEKLY)),
    of("a window that is over", note(QUOTA, OVER), error=("not_configured", "window that is over")),
    of("no maximum", note({"current": "40"}), error=("parse", "how much is left")),
    of("no quota", "<application/>", error=("parse", "truncated")),
    of("no XML", "{}", error=("parse", "no XML")),
    of("an XML that declares", '<!DOCTYPE a [<!ENTITY b "c">]><a/>', error=("parse", "declarations")),
)
