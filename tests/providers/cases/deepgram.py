from decimal import Decimal

from providers.case import Ask, Case
from vendors import Answer

from vibeusage.models import Balance, Usage

KEY = "invented-deepgram-key"
ENV = {"DEEPGRAM_API_KEY": KEY}
HOST = "api.deepgram.com"
HEADERS = {"authorization": f"Token {KEY}"}


def asked(projects, balances=None, project="p-1", host=HOST):
    """The projects are not asked for where one is named."""
    asks = [] if projects is None else [Ask("GET", host, "/v1/projects", projects, HEADERS)]
    if balances is not None:
        asks.append(Ask("GET", host, f"/v1/projects/{project}/balances", balances, HEADERS))
    return tuple(asks)


def left(amount, unit="USD"):
    return Usage(balance=Balance(Decimal(amount), unit))


CASES = (
    Case("the one project's dollars", asked("projects.json", "balances.json"), left("149.75"), environ=ENV),
    Case("hours where there are no dollars", asked("projects.json", "minimal.json"), left("13.5", "HOUR"), environ=ENV),
    Case("no balance is nothing left", asked("projects.json", {"balances": []}), left("0"), environ=ENV),
    Case(
        "a project by the variable",
        asked(None, "balances.json", "p-2"),
        left("149.75"),
        environ={**ENV, "DEEPGRAM_PROJECT_ID": "p-2"},
    ),
    Case(
        "a project by the settings",
        asked(None, "balances.json", "p-2"),
        left("149.75"),
        environ=ENV,
        settings='[providers.deepgram.params]\nproject = "p-2"\n',
    ),
    Case("several: which one?", asked("projects-two.json"), error=("not_configured", "2 to choose"), environ=ENV),
    Case("no project", asked({"projects": []}), error=("parse", "no answer tells project"), environ=ENV),
    Case(
        "another host",
        asked("projects.json", "balances.json", host="eu.deepgram.example"),
        left("149.75"),
        environ={**ENV, "DEEPGRAM_API_URL": "https://eu.deepgram.example/v1"},
    ),
    Case("no balances", asked("projects.json", {"error": "x"}), error=("parse", "balances["), environ=ENV),
    Case(
        "a key for speech alone",
        asked("projects.json", Answer(status=403)),
        error=("authorization", "usage"),
        environ=ENV,
    ),
    Case("key refused", asked(Answer(status=401)), error=("authentication", "refused"), environ=ENV),
)
