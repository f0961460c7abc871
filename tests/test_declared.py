"""Declarations: what is wrong with each key is told, and numbers are found where they are said to lie."""

import asyncio
import json
import re
import textwrap
import threading
import tomllib
import zoneinfo
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers.case import AT

from vibeusage import declared, providers
from vibeusage.answers import Answer
from vibeusage.config import Config, ProviderOptions
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.declared import answer, asking, check, form, pick
from vibeusage.errors import AuthError, ConfigError, Forbidden, NotConfigured, ShapeError
from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers.spec import Stored

README = (Path(__file__).parents[1] / "README.md").read_text()
START = 'name = "Acme"\nenv = ["ACME_API_KEY"]\nurl = "https://api.acme.example/usage"\n'
BALANCE = '[[balance]]\namount = "left"\n'
WEEK = '[[period]]\nname = "Week"\ntype = "weekly"\n'
PERIOD = '[[period]]\nname = "Week"\ntype = "weekly"\npercent = "week.used"\n'
REQUESTS = START.replace("url =", "#") + '[[request]]\nurl = "https://api.acme.example/a"\n'

# a text with a mistake, the key that is named, what is said of it, and of what to write
MISTAKES = [
    ("name = 5", "name", "is 5, not one line", 'name = "Acme Code"'),
    ('env = ["x"]\nurl = "https://a.example/b"', "name", "is missing", 'name = "Acme Code"'),
    ('name = "A\\u0000"', "name", "not one line", "Acme Code"),
    ('nam = "Acme"', "nam", "is not a key", "did you mean name?"),
    ("name = ", "not TOML", "Invalid value", "correct acme.toml"),
    (START.replace('["ACME_API_KEY"]', '"ACME_API_KEY"'), "env", "not a list of names", "ACME_API_KEY"),
    (START.replace("ACME_API_KEY", "ACME-KEY"), "env", "not a list of names", "ACME_API_KEY"),
    (START.replace('env = ["ACME_API_KEY"]\n', "") + BALANCE, "env", "is missing", 'env = ["ACME_API_KEY"]'),
    (START.replace("https", "http") + BALANCE, "url", "is http", "https://api.acme.example"),
    (START.replace("https://", "") + BALANCE, "url", "is not an address", "https://api.acme.example"),
    (START.replace("api.acme", "user:word@api.acme") + BALANCE, "url", "must not hold a user name", "https://"),
    (START.replace("/usage", "/{team}") + BALANCE, "url", "{team}, which nothing tells", "known are"),
    (START.replace("/usage", "/{now}") + BALANCE, "url", "{now}, which nothing tells", "now:epoch"),
    (START.replace("https://api.acme.example", "{base}") + BALANCE, "url", "there is no [base]", "write the host"),
    (START.replace("url =", "# url =") + BALANCE, "url", "has to be there", "https://host/path"),
    (START + '[[request]]\nurl = "https://a.example/b"\n' + BALANCE, "url", "not both", "https://host/path"),
    (START, "period", "nothing is read", "[[balance]]"),
    (START + 'auth = "basic"', "auth", "a way that is not", "header:x-api-key"),
    (START + "auth = []", "auth", "is empty", "header:x-api-key"),
    (START + 'dashboard = "acme.example"', "dashboard", "is not an address", "https://acme.example"),
    (START + 'keys = "http://acme.example"', "keys", "is http", "https://acme.example"),
    (START + 'status = "ftp://acme.example"', "status", "is not an address", "https://acme.example"),
    (START + 'hints = ["a"]', "hints", "not a table of texts", "a = "),
    (START + "refused = 403", "refused", "not a list of whole numbers", "refused = [403]"),
    (START + "[params.team]\nenv = 5", "params.team.env", "is 5", "ACME_API_KEY"),
    (START + '[params.team]\nenv = "TEAM"', "params.team.about", "is missing", "Acme Code"),
    (START + 'icon = "ab"', "icon", "not one character", "◇"),
    (START + "params = 5", "params", "is written as 5", "[params]"),
    (START + '[[login]]\nfile = "~/.acme"\nkey = "a"', "login[1].tool", "is missing", "Acme Code"),
    (START + "[base]\n" + BALANCE, "base", "says no address", "ACME_BASE_URL"),
    (START + '[base]\nenv = "a b"', "base.env", "not the name of an environment variable", "ACME_API_KEY"),
    (START + '[base]\nsuffix = "v1"', "base.suffix", "not a path such as /v1", "/v1"),
    (REQUESTS + "metod = 5", "request[1].metod", "is not a key", "did you mean method?"),
    (REQUESTS + 'method = "PUT"', "request[1].method", 'not "GET" or "POST"', "POST"),
    (REQUESTS + 'root = "a."', "request[1].root", "is not a path", "a.b"),
    (REQUESTS + "optional = 1", "request[1].optional", "not true or false", "true"),
    (REQUESTS + 'name = "A b"', "request[1].name", "not a name in small letters", "plan"),
    (REQUESTS + 'headers = { Host = "x" }\n' + BALANCE, "request[1].headers", "may not set Host", "take it out"),
    (REQUESTS + 'headers = { X = "{key}" }\n' + BALANCE, "request[1].headers.X", "more than plain text", "constant"),
    (REQUESTS + 'take = { id = "a[" }', "request[1].take", "is not a path", "id"),
    (REQUESTS + 'ok = { path = "a" }', "request[1].ok", "is written as", "[[request[1].ok]]"),
    (REQUESTS + '[[request]]\nurl = "https://a.example/b"\n' + BALANCE, "request[2].name", "is there twice", "its own"),
    (START + "[[period]]\nname = 'a'\ntype = 'daily'", "period[1]", "does not say once", "percent"),
    (START + PERIOD + "fraction = 'a'", "period[1]", "does not say once", "percent"),
    (START + PERIOD + "used = 'a'\nlimit = 'b'", "period[1]", "does not say once", "percent"),
    (START + PERIOD.replace("percent", "used"), "period[1]", "does not say once", "two of used"),
    (START + PERIOD.replace('type = "weekly"\n', ""), "period[1].type", "is missing", 'type = "weekly"'),
    (START + PERIOD.replace('name = "Week"\n', ""), "period[1].name", "is missing", 'name = "Weekly"'),
    (START + PERIOD + "type_from = 'w'", "period[1].types", "is missing", "types = "),
    (START + PERIOD.replace("weekly", "yearly"), "period[1].type", 'is "yearly"', "weekly"),
    (START + PERIOD.replace("week.used", "week..used"), "period[1].percent", "is not a path", "a.b"),
    (START + PERIOD + 'reset = "a b"', "period[1].reset", "is not a path", "a.b"),
    (START + PERIOD + 'reset_at = "noon"', "period[1].reset_at", 'is not "utc-day"', "utc-day"),
    (START + PERIOD + 'reset_at = "day:Mars/Base"', "period[1].reset_at", 'is not "utc-day"', "utc-day"),
    (START + PERIOD + 'request = "other"', "period[1].request", "no request", "one of usage"),
    (START + PERIOD + 'reset = "a | $other.at"', "period[1].reset", "starts at $other, no request", "one of usage"),
    (START + '[[balance]]\namount = ["a", "$other.b"]', "balance[1].amount", "starts at $other", "one of usage"),
    (START + '[[balance]]\namount = { path = "a", per = "rate" }', "balance[1].amount", "is no param", "[params.rate]"),
    (START + PERIOD + "window_s = 0.5", "period[1].window_s", "not a whole number of seconds", "window_s = 3600"),
    (START + PERIOD + "no_limit = [1.5]", "period[1].no_limit", "not a list of whole numbers", "2147483647"),
    (START + "[period]\nname = 'a'", "period", "is written as a table", "[[period]]"),
    (START + "[[balance]]", "balance[1].amount", "is missing", "amount = "),
    (START + '[[balance]]\namount = { path = "a", faktor = 2 }', "balance[1].amount", "is a table", "a.b"),
    (START + '[[balance]]\namount = ["a", "b."]', "balance[1].amount", "is not a path", "a.b"),
    (START + '[[balance]]\namount = []', "balance[1].amount", "is empty", "a.b"),
    (START + '[overage]\nused = "a"\ncurrency = "<b>"', "overage.currency", "not a code", "USD"),
    (START + "overage = 5", "overage", "is written as 5", "[overage]"),
    (START + '[[overage]]\nused = "a"\n[[overage]]\nlimit = "a"', "overage[2].used", "is missing", "used = "),
    (START + 'stored = ["oauth"]', "stored", "not a list of", "admin"),
    (REQUESTS + 'unless = "team"\n' + BALANCE, "request[1].unless", "which nothing tells", "name what was taken"),
    (REQUESTS + 'take = { x = "a" }\nheaders = { X = "{x}" }\n' + BALANCE, "request[1].headers.X", "plain", "constant"),
    (START + BALANCE + "[identity]\nplan = 5", "identity.plan", "is 5, not a path", "a.b"),
]


@pytest.mark.parametrize(("text", "key", "said", "fix"), MISTAKES, ids=[f"{one[1]}: {one[2]}" for one in MISTAKES])
def test_a_mistake_is_told_with_file_key_and_what_to_write(text, key, said, fix):
    with pytest.raises(ConfigError) as caught:
        check.read(text, "acme.toml")
    told = str(caught.value)
    assert told.startswith((f"acme.toml: {key} ", f"acme.toml is {key}"))
    assert said in told
    assert fix in caught.value.hint


def test_every_key_has_a_mistake_in_the_table():
    said = {re.sub(r"\[\d\]", "", key).split(".")[0] for _, key, *_ in MISTAKES}
    assert {field.encode_name for field in msgspec.structs.fields(form.Declaration)} <= said


def test_every_key_stands_in_the_readme():
    table = README.partition("### Your own provider")[2].partition("\n## ")[0]
    structs = (
        *(form.Declaration, form.Request, form.Guard, form.Period, form.Balance, form.Overage, form.Identity),
        *(form.Base, form.Param, form.LoginFile, form.Term),
    )
    names = {field.encode_name for struct in structs for field in msgspec.structs.fields(struct)}
    assert {name for name in names if not re.search(rf"\b{name}\b", table)} == set()


def read(text, document, now=AT, **more):
    found = check.read(text, "acme.toml")
    return answer.usage(answer.Answers(found, {"usage": document, **more}, now))


def week(used, **more):
    return UsagePeriod(name="Week", utilization=used, period_type=PeriodType.WEEKLY, **more)


@pytest.mark.parametrize(
    ("rule", "document", "used"),
    [
        ('percent = "a"', {"a": 12.5}, 12.5),
        ('percent = "a"', {"a": "104"}, 104.0),
        ('percent = "a"', {"a": -3}, 0.0),
        ('percent_left = "a"', {"a": 30}, 70.0),
        ('fraction = "a"', {"a": 0.131}, 13.1),
        ('fraction_left = "a"', {"a": 0.9}, 10.0),
        ('used = "a"\nlimit = "b"', {"a": 5, "b": "20"}, 25.0),
        ('left = "a"\nlimit = "b"', {"a": 5, "b": 20}, 75.0),
        ('left = "a"\nlimit = "b"', {"a": 25, "b": 20}, 0.0),
        ('used = "a"\nleft = "b"', {"a": 5, "b": 15}, 25.0),
        ('used = "a"\nlimit = ["b", "c"]', {"a": 5, "b": 15, "c": 5}, 25.0),
        ('used = { path = "a", factor = 0.01 }\nlimit = "b"', {"a": 500, "b": 20}, 25.0),
        ('used = "a[*].n"\nlimit = "b"', {"a": [{"n": 2}, {"n": 3}, {}], "b": 20}, 25.0),
        ('used = "$1 | a"\nlimit = "b"'.replace("$1", "x"), {"a": "$1,000.00", "b": "$4,000"}, 25.0),
    ],
)
def test_a_percentage_is_found_in_each_form(rule, document, used):
    assert read(START + f"{WEEK}{rule}\n", document) == Usage(periods=(week(used),))


@pytest.mark.parametrize(
    ("rule", "document"),
    [
        ('percent = "a"', {}),
        ('percent = "a"', {"a": None}),
        ('percent = "a"', {"a": ""}),
        ('used = "a"\nlimit = "b"', {"a": 5}),
        ('used = "a"\nlimit = "b"', {"a": 5, "b": 0}),
        ('used = "a[*].n"\nlimit = "b"', {"a": [{}], "b": 20}),
    ],
)
def test_what_is_not_there_is_no_window_and_an_answer_without_any_is_refused(rule, document):
    text = START + f"{WEEK}{rule}\n"
    with pytest.raises(ValueError, match="nothing of what is read is there: a"):
        read(text, document)
    assert read(text + '[[balance]]\namount = "left"', {**document, "left": 3}) == Usage(balance=Balance(Decimal(3)))


@pytest.mark.parametrize("value", [True, {"a": 1}, [1], "many", "NaN", 1e400])
def test_a_value_of_another_kind_is_an_error_that_names_its_place(value):
    with pytest.raises(ValueError, match=r"week\.used: "):
        read(START + PERIOD, {"week": {"used": value}})


def test_a_window_without_a_limit_is_no_window_and_no_error():
    text = START + WEEK + 'used = "u"\nlimit = "l"\nunlimited = "free"\nno_limit = [99]\n'
    assert read(text, {"u": 5, "l": 10, "free": True}) == Usage()
    assert read(text.replace('"free"', '"l"'), {"u": 5, "l": "unlimited"}) == Usage()
    assert read(text, {"u": 5, "l": 99}) == Usage()
    assert read(text, {"u": 5, "l": 10, "free": False}) == Usage(periods=(week(50.0),))


def test_of_several_windows_with_one_name_the_first_that_is_found_counts():
    text = START + f'{WEEK}used = "new.used"\nlimit = "new.limit"\n{WEEK}percent = "old"\n'
    assert read(text, {"new": {"used": 1, "limit": 4}, "old": 50}) == Usage(periods=(week(25.0),))
    assert read(text, {"new": None, "old": 50}) == Usage(periods=(week(50.0),))


@pytest.mark.parametrize(
    ("document", "used"),
    [({"a": 10, "stop": True}, 100.0), ({"a": 130, "stop": True}, 130.0), ({"stop": True}, 100.0), ({"a": 10}, 10.0)],
)
def test_what_says_that_it_is_used_up_is_full(document, used):
    assert read(START + f'{WEEK}percent = "a"\nused_up = "stop"\n', document) == Usage(periods=(week(used),))


def test_a_window_lasts_as_long_as_the_answer_says_or_else_the_declaration():
    text = START + f'{WEEK}percent = "a"\nwindow = "s"\nwindow_s = 7200\n'
    assert read(text, {"a": 5, "s": 5400}) == Usage(periods=(week(5.0, window_seconds=5400),))
    assert read(text, {"a": 5}) == Usage(periods=(week(5.0, window_seconds=7200),))


def test_a_number_may_be_told_in_units_that_the_person_knows():
    text = START + '[params.rate]\nenv = "RATE"\nabout = "what is one dollar"\noptional = true\n'
    text += '[[balance]]\namount = { path = "left", per = "rate" }\n[[balance]]\namount = "left"\ncurrency = "quota"\n'
    found = check.read(text, "acme.toml")

    def told(**known):
        return answer.usage(answer.Answers(found, {"usage": {"left": 5000}}, AT, known=known))

    assert told(rate="2000") == Usage(balance=Balance(Decimal("2.5")))
    assert told() == Usage(balance=Balance(Decimal(5000), "quota"))
    for rate in ("0", "-1", "many"):
        with pytest.raises(ValueError, match=r"nothing can be divided by|text where a number belongs"):
            told(rate=rate)


def test_a_system_without_zones_knows_no_midnight_of_another_place(monkeypatch):
    class NoZones:
        def __init__(self, name):
            raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", NoZones)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    found = read(START + PERIOD + 'reset_at = "day:America/Chicago"', {"week": {"used": 5}})
    assert found.periods == (week(5.0),)


def test_each_element_of_a_list_or_map_is_a_window():
    text = START + (
        '[[period]]\neach = "all[*].groups[*]"\nname = "{key}"\ntype_from = "w"\ntypes = { "5h" = "session" }\n'
        'type = "monthly"\nused = "$.spent.{key}"\nlimit = "max"\nreset = "at"\n'
    )
    document = {
        "all": {"x": {"groups": {"a": {"max": 10, "w": "5h", "at": "2026-09-14T13:00:00Z"}, "b": {"max": 20}}}},
        "spent": {"a": 1, "b": 5},
    }
    first = UsagePeriod(
        name="x/a",
        utilization=10.0,
        period_type=PeriodType.SESSION,
        resets_at=datetime(2026, 9, 14, 13, tzinfo=UTC),
    )
    assert read(text, document).periods == (
        first,
        UsagePeriod(name="x/b", utilization=25.0, period_type=PeriodType.MONTHLY),
    )


def test_an_element_of_a_kind_that_nobody_named_is_an_error():
    text = START + '[[period]]\neach = "a[*]"\nname = "x"\npercent = "p"\ntype_from = "w"\ntypes = { "5h" = "session" }'
    with pytest.raises(ValueError, match="w: '3h' is none of 5h"):
        read(text, {"a": [{"w": "3h", "p": 1}]})


def test_more_elements_than_a_person_has_are_refused():
    text = START + '[[period]]\neach = "a[*]"\nname = "x"\ntype = "daily"\npercent = "p"\n'
    with pytest.raises(ValueError, match="more than 1000"):
        read(text, {"a": [{"p": 1}] * 1001})


@pytest.mark.parametrize(
    ("rule", "document", "resets_at"),
    [
        ('reset = "at"', {"at": "2026-09-18T10:11:12.123456789Z"}, datetime(2026, 9, 18, 10, 11, 12, 123456, UTC)),
        ('reset = "at"', {"at": 1789430400}, datetime(2026, 9, 15, tzinfo=UTC)),
        ('reset = "at"', {"at": "1789430400000"}, datetime(2026, 9, 15, tzinfo=UTC)),
        ('reset = "at"', {"at": "2026-09-14T11:59:59Z"}, None),
        ('reset = "at"', {"at": 0}, None),
        ('reset = "at"', {}, None),
        ('reset_at = "utc-day"', {}, datetime(2026, 9, 15, tzinfo=UTC)),
        ('reset_at = "utc-month"', {}, datetime(2026, 10, 1, tzinfo=UTC)),
        ('reset_at = "day:America/Chicago"', {}, datetime(2026, 9, 15, 5, tzinfo=UTC)),
    ],
)
def test_a_reset_is_read_or_reckoned(rule, document, resets_at):
    found = read(START + PERIOD + rule, {"week": {"used": 5}, **document})
    assert found.periods == (week(5.0, resets_at=resets_at),)


def test_the_midnight_of_a_zone_follows_its_summer_time():
    assert answer.next_start("day:America/Chicago", datetime(2026, 11, 1, 12, tzinfo=UTC)) == datetime(
        2026, 11, 2, 6, tzinfo=UTC
    )
    last = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert answer.next_start("utc-month", last) == datetime(2027, 1, 1, tzinfo=UTC)


def test_money_is_exact_and_several_currencies_are_not_added_up():
    text = START + '[overage]\nused = [{ path = "r[*].units" }, { path = "r[*].nanos", factor = 1e-9 }]\n'
    text += 'limit = "l"\ncurrency_from = "r[*].unit"\n'
    rows = [{"units": "2", "nanos": 415000000, "unit": "usd"}, {"units": "0", "nanos": 5, "unit": "USD"}]
    assert read(text, {"r": rows, "l": 0}) == Usage(overage=OverageUsage(used=Decimal("2.415000005"), currency="USD"))
    assert read(text, {"r": []}) == Usage(overage=OverageUsage(used=Decimal(0)))
    with pytest.raises(ValueError, match="EUR and USD cannot be added up"):
        read(text, {"r": [*rows, {"units": 1, "unit": "EUR"}]})


def test_a_sum_lacks_no_term_but_an_optional_one():
    text = START + '[[balance]]\namount = [{ path = "a", factor = -1 }, { path = "b", optional = true }]\n'
    assert read(text, {"a": "3", "b": 5}) == Usage(balance=Balance(Decimal(2)))
    assert read(text, {"a": 3}) == Usage(balance=Balance(Decimal(-3)))
    with pytest.raises(ValueError, match="nothing of what is read is there"):
        read(text, {"b": 5})


def test_of_several_amounts_that_were_spent_the_first_that_is_there_counts():
    text = START + '[[overage]]\nused = "a"\nlimit = "l"\nneeds_limit = true\n'
    text += '[[overage]]\nused = "b"\nskip_zero = true\n' + BALANCE
    left = Balance(Decimal(1))
    assert read(text, {"left": 1, "a": 5, "l": 9, "b": 2}) == Usage(
        overage=OverageUsage(used=Decimal(5), limit=Decimal(9)), balance=left
    )
    assert read(text, {"left": 1, "a": 5, "l": 0, "b": 2}) == Usage(overage=OverageUsage(used=Decimal(2)), balance=left)
    assert read(text, {"left": 1, "a": 5, "b": -2}) == Usage(balance=left)


def test_rows_are_added_up_in_the_currency_of_the_first():
    text = START + '[overage]\neach = "r[*]"\nused = "n"\ncurrency_from = "u"\n'
    text += '[[balance]]\neach = "r[*]"\namount = "n"\nsum = true\ncurrency_from = "u"\n'
    rows = [{"u": "EUR"}, {"n": 1, "u": "usd"}, {"n": 5, "u": "EUR"}, {"n": "0.5", "u": "USD"}]
    sums = Decimal("1.5")
    assert read(text, {"r": rows}) == Usage(overage=OverageUsage(used=sums), balance=Balance(sums))
    assert read(text, {"r": []}) == Usage(overage=OverageUsage(used=Decimal(0)), balance=Balance(Decimal(0)))
    for document in ({}, {"r": [{"u": "USD"}]}):
        with pytest.raises(ValueError, match="nothing of what is read is there"):
            read(text, document)


def test_a_balance_may_stand_in_for_a_window():
    text = START + PERIOD + BALANCE + "without_period = true\n"
    assert read(text, {"week": {"used": 5}, "left": 3}) == Usage(periods=(week(5.0),))
    assert read(text, {"left": 3}) == Usage(balance=Balance(Decimal(3)))


def test_a_window_may_tell_its_length_and_be_of_a_model():
    text = START + '[[period]]\neach = "m"\nname = "W"\nmodel = "x"\ntype = "session"\npercent = "p"\n'
    text += 'window = { path = "minutes", factor = 60 }\n'
    period = UsagePeriod(name="W", model="x", utilization=5.0, period_type=PeriodType.SESSION, window_seconds=14_400)
    assert read(text, {"m": {"p": 5, "minutes": 240}}).periods == (period,)
    assert read(text, {"m": {"p": 5}}).periods == (msgspec.structs.replace(period, window_seconds=None),)
    of_each = text.replace('each = "m"', 'each = "m[*]"').replace('"x"', '"{key}"')
    assert [one.model for one in read(of_each, {"m": {"big": {"p": 1}, "small": {"p": 2}}}).periods] == ["big", "small"]


def test_a_status_that_is_not_the_usual_one_is_told_with_the_plan():
    text = START + BALANCE + '[identity]\nplan = "tier"\nstatus = "state"\nusual = ["healthy"]\n'
    assert read(text, {"left": 1, "tier": "pro", "state": "healthy"}).identity == ProviderIdentity(plan="pro")
    assert read(text, {"left": 1, "tier": "pro", "state": "frozen"}).identity == ProviderIdentity(plan="pro, frozen")
    assert read(text, {"left": 1, "state": "healthy"}).identity is None


def test_a_row_is_found_by_what_is_known():
    found = check.read(START + '[[balance]]\namount = "rows[id={team}].left"\n', "acme.toml")
    rows = {"rows": [{"id": None, "left": 1}, {"id": "t-2", "left": 2}]}
    assert answer.usage(answer.Answers(found, {"usage": rows}, AT, "", {"team": "t-2"})) == Usage(
        balance=Balance(Decimal(2))
    )
    with pytest.raises(ValueError, match="nothing of what is read is there"):
        answer.usage(answer.Answers(found, {"usage": rows}, AT))


def test_a_plan_has_its_own_name():
    text = START + BALANCE + '[identity]\nplan = "tier"\nplans = { tier_49 = "Pro" }\nemail = "mail"\n'
    assert read(text, {"left": 1, "tier": "tier_49", "mail": "a@b.example"}).identity == ProviderIdentity(
        plan="Pro", email="a@b.example"
    )
    assert read(text, {"left": 1, "tier": "big_one"}).identity == ProviderIdentity(plan="big one")
    assert read(text, {"left": 1}).identity is None


def test_paths_begin_at_the_root_of_their_request():
    text = REQUESTS + 'root = "[0].new | [0].old"\n' + BALANCE + 'currency_from = "$[0].unit"'
    assert read(text, [{"old": {"left": 4}, "unit": "eur"}]) == Usage(balance=Balance(Decimal(4), "EUR"))


@pytest.mark.parametrize(
    ("name", "form", "text"),
    [
        ("now", "iso", "2026-09-14T12:00:00Z"),
        ("month_start", "epoch", "1788220800"),
        ("month_end", "date", "2026-10-01"),
        ("day_start", "ms", "1789344000000"),
        ("days_ago_30", "text", "2026-08-15 00:00:00"),
    ],
)
def test_instants_are_written_as_asked(name, form, text):
    assert asking.time_text(name, form, AT) == text


@pytest.mark.parametrize("text", ['"Bearer k"', " k ", "'k'", "Authorization: Bearer k", "bearer  k"])
def test_what_is_pasted_along_with_a_key_is_taken_off(text):
    assert asking.clean_key(text) == "k"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcx"), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_whatever_is_answered_is_read_or_refused_by_name(document):
    text = START + (
        '[[period]]\neach = "a[*] | b"\nname = "{key}"\nname_from = "c"\ntype = "daily"\nused = "b"\n'
        'limit = ["c", "x[0]"]\nreset = "a"\n[[balance]]\namount = "a[*].b"\ncurrency_from = "x"\n'
        '[identity]\nplan = "c"\n'
    )
    try:
        found = read(text, document)
    except ValueError:
        return
    assert all(period.utilization >= 0 for period in found.periods)


@pytest.mark.parametrize("path", sorted(providers.HERE.glob("*.toml")), ids=lambda path: path.stem)
def test_each_declaration_of_ours_is_right(path):
    assert check.converted(tomllib.loads(path.read_text())) == declared.read(path)


def test_a_path_is_none_or_leads_to_what_it_says():
    document = {"a": {"b": [{"c": 1, "u": "EUR"}, {"c": 2, "u": True}]}, "x.y": 3}
    assert pick.first("a.b[u=true].c", document) == 2
    assert pick.first('"x.y"', document) == 3
    assert pick.first("a[b=1].b | [z=y].a", document) is None
    assert pick.first("a.b[-1].c", document) == 2
    assert pick.first("a.b[5].c | a.b[0].u", document) == "EUR"
    assert pick.places("a.b[*].c", document) == [pick.Place(1, ("1",)), pick.Place(2, ("2",))]
    assert pick.places("a.z[*]", document) is None


def test_a_map_counts_where_it_says_so():
    text = START + '[[balance]]\namount = "plan[active=true].left | [kind=free].bonus"\n'
    assert read(text, {"plan": {"active": True, "left": 3}, "bonus": 5}) == Usage(balance=Balance(Decimal(3)))
    assert read(text, {"plan": {"active": False, "left": 3}, "kind": "free", "bonus": 5}) == Usage(
        balance=Balance(Decimal(5))
    )
    with pytest.raises(ValueError, match="nothing of what is read is there"):
        read(text, {"plan": {"active": False, "left": 3}, "kind": "paid", "bonus": 5})


def test_a_number_may_lie_in_the_answer_of_another_request():
    text = REQUESTS + '[[request]]\nname = "limit"\nurl = "https://api.acme.example/b"\n'
    text += WEEK + 'used = "sum"\nlimit = "$limit.cap"\n'
    assert read(text, {"sum": 5}, limit={"cap": 20}) == Usage(periods=(week(25.0),))
    with pytest.raises(ValueError, match="nothing of what is read is there"):
        read(text, {"sum": 5})


class Played(Context):
    """An account that is asked without a network.

    `answers` maps the end of an address to a document, a status, or a status and a body.
    """

    def __init__(self, found, answers, environ):
        super().__init__(
            declared.provider("acme", found),
            id="acme",
            settings=Config(),
            options=ProviderOptions(),
            environ=environ,
            now=AT,
            foreground=True,
            sees_tool=True,
        )
        self.answers, self.sent = answers, []

    async def send(self, method, url, headers, content=None):
        end = url.removeprefix("https://api.acme.example")
        self.sent.append(end)
        self.headers = headers
        said = self.answers[end]
        status, body = said if isinstance(said, tuple) else (said, b"") if isinstance(said, int) else (200, said)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(status, httpx.Headers(), body, "api.acme.example")


KEY = "invented-key-of-nobody-that-is-longer-than-what-is-shown"


def ask(text, answers, environ=None, *, is_ours=True):
    """What is read, and the account afterwards."""
    found = check.read(text, "acme.toml")
    played = Played(found, answers, environ or {})
    login = Login(KEY, "$ACME_API_KEY", is_ours=is_ours)
    return asyncio.run(asking.fetch(found, played, login)), played


def requests(*rows):
    tables = (f'[[request]]\nname = "r{number}"\n{row}\n' for number, row in enumerate(rows, 1))
    return START.replace("url =", "#") + "".join(tables).replace('url = "', 'url = "https://api.acme.example')


TEAM = '[params.team]\nenv = "ACME_TEAM"\nabout = "the team"\noptional = true\n'


def test_where_every_request_fails_the_first_says_why():
    text = requests('url = "/a"\noptional = true', 'url = "/b"\noptional = true') + BALANCE + 'request = "r2"\n'
    assert ask(text, {"/a": 403, "/b": {"left": 3}})[0] == Usage(balance=Balance(Decimal(3)))
    with pytest.raises(Forbidden):
        ask(text, {"/a": 403, "/b": 404})
    with pytest.raises(AuthError):
        ask(text, {"/a": {"left": 3}, "/b": 401})


def test_another_status_may_say_that_the_key_is_wrong_but_a_page_says_nothing_of_it():
    said = START + 'refused = [403]\nhints = { 403 = "take another key" }\n' + BALANCE
    with pytest.raises(AuthError) as wrong:
        ask(said, {"/usage": (403, b'{"error": "no"}')})
    assert wrong.value.hint == "take another key"
    with pytest.raises(Forbidden, match="bot") as blocked:
        ask(said, {"/usage": (403, b"<html>")})
    assert "another key" not in blocked.value.hint


def test_a_request_that_may_fail_may_be_refused_in_another_way_than_401():
    text = requests('url = "/a"', 'url = "/b"\noptional = true') + BALANCE
    said = text.replace("[[request]]", "refused = [403]\n[[request]]", 1)
    assert ask(said, {"/a": {"left": 3}, "/b": 403})[0] == Usage(balance=Balance(Decimal(3)))
    with pytest.raises(AuthError):
        ask(said, {"/a": 403, "/b": {}})


@pytest.mark.parametrize("body", [b"", b"<html>", b"[", b'{"left": 1}' + b" " * (1 << 20)])
def test_a_body_that_is_no_document_is_refused_and_costs_nothing_where_it_may_fail(body):
    with pytest.raises((ValueError, ShapeError)):
        ask(START + BALANCE, {"/usage": (200, body)})
    text = requests('url = "/a"', 'url = "/b"\noptional = true') + BALANCE
    assert ask(text, {"/a": {"left": 3}, "/b": (200, body)})[0] == Usage(balance=Balance(Decimal(3)))


def test_a_name_of_a_resource_is_taken_and_a_known_one_has_to_be_among_them():
    listing = 'url = "/all"\ntake = { team = "teams[*].name" }\nalways = true'
    text = requests(listing, 'url = "/{team}/left"') + TEAM + BALANCE + 'request = "r2"\n'
    one, two = {"teams": [{"name": "teams/t-1"}]}, {"teams": [{"name": "t-1"}, {"name": "t-2"}]}
    left = Usage(balance=Balance(Decimal(3)))
    assert ask(text, {"/all": one, "/t-1/left": {"left": 3}})[0] == left
    assert ask(text, {"/all": two, "/t-2/left": {"left": 3}}, {"ACME_TEAM": "t-2"})[0] == left
    with pytest.raises(NotConfigured, match="the team is none of the 1"):
        ask(text, {"/all": one}, {"ACME_TEAM": "t-2"})
    with pytest.raises(NotConfigured, match="there are 2 to choose from"):
        ask(text, {"/all": two})
    with pytest.raises(ValueError, match="no answer tells team"):
        ask(text, {"/all": {"teams": []}})


def test_a_request_is_left_out_where_it_is_needless():
    user = 'url = "/user?id={user}"\noptional = true'
    team = 'url = "/team"\noptional = true\nunless = "user"'
    seats = 'url = "/seats"\noptional = true\ntool = true'
    text = requests('url = "/key"\ntake = { user = "user" }', user, team, seats) + BALANCE
    rest = {"/user?id=u-1": {}, "/team": {}, "/seats": {}}
    assert ask(text, {"/key": {"left": 1, "user": "u-1"}, **rest})[1].sent == ["/key", "/user?id=u-1"]
    assert ask(text, {"/key": {"left": 1, "user": None}, **rest})[1].sent == ["/key", "/team"]
    assert ask(text, {"/key": {"left": 1}, **rest}, is_ours=False)[1].sent == ["/key", "/team", "/seats"]


def test_what_a_person_does_not_tell_is_left_out_of_query_and_headers():
    text = requests('url = "/a?x=1&team={team}"\nheaders = { X-Team = "{team}" }') + TEAM + BALANCE
    _, told = ask(text, {"/a?x=1&team=t-1": {"left": 1}}, {"ACME_TEAM": "t-1"})
    assert told.headers["X-Team"] == "t-1"
    _, untold = ask(text, {"/a?x=1": {"left": 1}})
    assert "X-Team" not in untold.headers


def test_an_answer_may_have_to_hold_something_or_not_to():
    guards = '[[request.ok]]\npath = "error"\nthere = false\n[[request.ok]]\npath = "left"\nthere = true\n'
    text = requests('url = "/a"\n' + guards) + '[[balance]]\namount = "left"\n'
    assert ask(text, {"/a": {"left": 0}})[0] == Usage(balance=Balance(Decimal(0)))
    with pytest.raises(ValueError, match="error is not today, which is no success"):
        ask(text, {"/a": {"left": 0, "error": "not today"}})
    with pytest.raises(ValueError, match="left is not there"):
        ask(text, {"/a": {}})


@pytest.mark.parametrize("otherwise", ["shape", "auth", "forbidden"])
@pytest.mark.parametrize("before", ["", "Of this key nobody knows anything: "])
def test_an_error_never_repeats_the_key_that_an_answer_repeats(otherwise, before):
    guard = f'[[request.ok]]\npath = "error"\nthere = false\notherwise = "{otherwise}"\n'
    with pytest.raises((ValueError, AuthError, Forbidden), match="error is a text with the key in it") as caught:
        ask(requests('url = "/a"\n' + guard) + BALANCE, {"/a": {"error": f"{before}{KEY} is wrong"}})
    assert KEY[:12] not in f"{caught.value}"
    kinds = START + PERIOD + 'type_from = "kind"\ntypes = { "7d" = "weekly" }\n'
    with pytest.raises(ValueError, match="is none of 7d") as caught:
        ask(kinds.replace('type = "weekly"\n', ""), {"/usage": {"week": {"used": 5}, "kind": KEY}})
    assert KEY[:16] not in f"{caught.value}"


def test_the_ids_of_an_answer_may_have_to_be_those_that_are_known():
    guard = '[[request.ok]]\npath = "id"\nequals = "{user}"\n'
    text = requests('url = "/key"\ntake = { user = "user" }', 'url = "/user"\n' + guard) + BALANCE
    assert ask(text, {"/key": {"left": 1, "user": "u-1"}, "/user": {"id": "u-1"}})[1].sent == ["/key", "/user"]
    with pytest.raises(ValueError, match="id is u-2, which is no success"):
        ask(text, {"/key": {"left": 1, "user": "u-1"}, "/user": {"id": "u-2"}})


def test_a_key_may_be_kept_under_several_names():
    found = declared.provider("acme", check.read(START + 'stored = ["admin", "apikey"]\n' + BALANCE, "acme.toml"))
    places = [place for strategy in found.strategies for place in getattr(strategy, "login", ())]
    kinds = [place.kind for place in places if isinstance(place, Stored)]
    assert (found.secrets[0].kind, kinds) == ("admin", ["admin", "apikey"])


TEN_LINES = re.search(r"((?: {4}.*\n|\n)+)", README.partition("### Your own provider")[2].partition("is):\n")[2])


@pytest.fixture
def acme(config_dir):
    """The README's file, its address that of a server on this machine; what the server was asked."""
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["authorization"]))
            body = json.dumps({"five_hour": {"used": 41.5, "resets_at": "2099-01-01T00:00:00Z"}}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            """Nothing on stderr, which the tests read."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert TEN_LINES
        text = textwrap.dedent(TEN_LINES[1])
        (config_dir / "providers.d").mkdir(mode=0o700, parents=True)
        path = config_dir / "providers.d" / "acme.toml"
        path.write_text(text.replace("https://api.acme.example", f"http://127.0.0.1:{server.server_port}"))
        yield path, asked
        server.shutdown()


def test_the_ten_lines_of_the_readme_are_a_provider(acme, vibeusage):
    path, asked = acme
    assert len([line for line in path.read_text().splitlines() if line.strip()]) <= 10
    shown = vibeusage("acme", "--json", env={"ACME_API_KEY": "invented-key"})
    assert shown.returncode == 0, shown.stderr
    (period,) = json.loads(shown.stdout)["periods"]
    assert (period["name"], period["utilization"], period["period_type"]) == ("Session (5h)", 41.5, "session")
    assert asked == [("/v2/usage", "Bearer invented-key")]
    assert b"41.5%" in vibeusage("line", "plain").stdout


def test_a_mistake_in_a_file_is_told_and_keeps_no_other_provider_from_answering(acme, vibeusage):
    path, asked = acme
    (path.parent / "broken.toml").write_text('name = "Broken"\nurll = "https://a.example"\n')
    (path.parent / "claude.toml").write_text(path.read_text())  # none takes the place of one of ours
    both = vibeusage("refresh", "--json", env={"ACME_API_KEY": "invented-key"})
    outcomes = {one["provider_id"]: one for one in json.loads(both.stdout)["outcomes"]}
    assert outcomes["acme"]["success"]
    told = outcomes["broken"]["error"]
    assert told["category"] == "configuration"
    assert told["message"] == f"{path.parent}/broken.toml: urll is not a key"
    assert told["hint"] == "did you mean url?"
    assert len(asked) == 1
