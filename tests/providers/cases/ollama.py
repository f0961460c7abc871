from providers.case import Ask, Case, bearer
from vendors import Answer

from vibeusage.models import PeriodType, Usage, UsagePeriod

KEY = "invented-ollama-key"
RAW = {"authorization": KEY}


def asked(answer, headers=RAW):
    return (Ask("GET", "ollama.com", "/api/usage", answer, headers),)


def session(used):
    return UsagePeriod(name="Session", utilization=used, period_type=PeriodType.SESSION)


def weekly(used):
    return UsagePeriod(name="Weekly", utilization=used, period_type=PeriodType.WEEKLY)


ENV = {"OLLAMA_API_KEY": KEY}
BOTH = Usage(periods=(session(18.0), weekly(42.0)))
REFUSED = Answer(status=401)
CASES = (
    Case("fractions of both windows, the key as it is", asked("usage.json"), BOTH, environ=ENV),
    Case("one window alone, over its limit", asked("weekly-only.json"), Usage(periods=(weekly(104.0),)), environ=ENV),
    Case(
        "as a bearer where the bare key is refused",
        (*asked(REFUSED), *asked("usage.json", bearer(KEY))),
        BOTH,
        environ=ENV,
    ),
    Case(
        "key refused in both forms",
        (*asked(REFUSED), *asked(REFUSED, bearer(KEY))),
        error=("authentication", "refused"),
        environ=ENV,
    ),
    Case("no limits", asked({"models": []}), error=("parse", "limits.session.usage"), environ=ENV),
    Case(
        "a text in place of a fraction",
        asked({"limits": {"session": {"usage": "low"}}}),
        error=("parse", "limits.session.usage: text"),
        environ=ENV,
    ),
    Case("the other variable", asked("usage.json"), BOTH, environ={"OLLAMA_KEY": KEY}),
)
