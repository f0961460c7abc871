"""An organisation's metrics: asked of GitHub alone, kept by day, shown with where they are from."""

import io
import json
import os
import sys
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from documents import valid
from vendors import Answer, World, redirect

from vibeusage import cli, paths, vault
from vibeusage.errors import (
    AuthError,
    ConfigError,
    Forbidden,
    NotConfigured,
    RateLimited,
    ShapeError,
    StorageError,
    Unavailable,
)
from vibeusage.records import activity, copilot_metrics, pricing, store
from vibeusage.records.copilot_metrics import HOST, Span, Update
from vibeusage.records.readers.spec import FACTS, Call
from vibeusage.records.reports import Query
from vibeusage.records.tally import Pricer
from vibeusage.settings import Pricing

TOKEN, SIGNED = "ghp_canaryMadeUpForTests0123", "signed-canary"
FILES = "copilot-reports.github.com"
REPORTS = "/orgs/acme/copilot/metrics/reports"
LATEST, ONE_DAY = f"{REPORTS}/organization-28-day/latest", f"{REPORTS}/organization-1-day"
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def part(suggested: int, accepted: int, **names: str) -> dict[str, Any]:
    counts = {"code_generation_activity_count": suggested, "code_acceptance_activity_count": accepted}
    return {**counts, **names, "loc_added_sum": 9}


def completion(language: str, suggested: int, accepted: int) -> dict[str, Any]:
    return part(suggested, accepted, language=language, feature="code_completion")


def a_day(day: date, languages: list, ides: list) -> dict[str, Any]:
    return {"day": str(day), "organization_id": "7", "totals_by_language_feature": languages, "totals_by_ide": ides}


CHAT = part(7, 2, language="python", feature="chat_panel_ask_mode")
FIRST = a_day(
    MONDAY,
    [completion("python", 40, 10), completion("go", 20, 8), CHAT],
    [part(100, 30, ide="vscode"), part(10, 0, ide="intellij")],
)
SECOND = a_day(TUESDAY, [completion("Python", 60, 15)], [part(50, 20, ide="vscode")])
WINDOW = {"report_start_day": "2026-10-28", "report_end_day": "2026-11-24", "day_totals": [FIRST, SECOND]}
SOURCE = "GitHub's metrics of the organisation acme"
TOTALS = [
    ("completions_accepted", "suggested", 120, None),
    ("completions_accepted", "accepted", 33, 0.275),
    ("accepted_by_language", "python", 25, 0.25),
    ("accepted_by_language", "go", 8, 0.4),
    ("accepted_by_editor", "vscode", 50, 0.3333),
    ("accepted_by_editor", "intellij", 0, 0.0),
]


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GH_TOKEN", TOKEN)
        monkeypatch.delenv("GITHUB_TOKEN", raising=False)
        yield made


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def linked(world: World, *bodies: bytes, path: str = LATEST, org: str = "acme", host: str = FILES) -> None:
    """The report is in these files."""
    links = []
    for at, body in enumerate(bodies):
        world.on("GET", host, f"/{org}-{at}.json", Answer(body=body))
        links.append(f"https://{host}/{org}-{at}.json?sig={SIGNED}")
    world.on("GET", HOST, path.replace("acme", org), Answer(json={"download_links": links}))


def update(wanted: Span | None = None, *, after: timedelta = timedelta(), org: str = "acme") -> Update:
    return copilot_metrics.update(org, wanted, os.environ, NOW + after)


def rows(**asked: Any) -> list[tuple]:
    with store.open(readonly=True) as opened:
        pricer = Pricer(pricing.load(Pricing()), {})
        found = activity.report(opened, pricer, Query(zone=UTC, **asked)).rows
    return [(row.fact, row.name, row.count, row.share) for row in found if row.source]


def kept() -> list[tuple[str, dict[str, Any] | None]]:
    with store.open(readonly=True) as opened:
        return [(record.call.uuid, record.call.data) for record in opened.calls(provider="copilot")]


FORMS = {
    "a document": [json.dumps(WINDOW, indent=2).encode()],
    "a line": [lines(WINDOW)],
    "a list": [json.dumps([WINDOW]).encode()],
    "a line for each day": [lines(FIRST, SECOND)],
    "a file for each day": [lines(FIRST), lines(SECOND)],
    "an empty part": [lines(WINDOW), b""],
}


@pytest.mark.parametrize("bodies", FORMS.values(), ids=FORMS)
def test_the_latest_days_are_stored_and_shown_by_language_and_by_editor(world, bodies):
    linked(world, *bodies)
    assert update() == Update("acme", 2, MONDAY, TUESDAY)
    assert rows() == TOTALS


def test_the_token_goes_to_github_s_api_and_nowhere_else(world):
    linked(world, lines(WINDOW))
    update()
    asked, fetched = world.requests
    assert (asked.headers["authorization"], asked.headers["x-github-api-version"]) == (f"Bearer {TOKEN}", "2026-03-10")
    assert (fetched.host, fetched.query, fetched.scheme) == (FILES, f"sig={SIGNED}", "https")
    assert TOKEN not in repr(fetched)
    assert "authorization" not in fetched.headers
    assert world.hosts == {HOST, FILES}


def test_other_days_are_asked_for_one_by_one_and_a_day_without_a_report_is_left_out(world):
    def answered(request) -> Answer:
        if request.query == "day=2026-11-22":
            return Answer(status=204)
        return Answer(json={"download_links": [f"https://{FILES}/{request.query[-2:]}"], "report_day": "?"})

    world.on("GET", HOST, ONE_DAY, answered)
    world.on("GET", FILES, "/23", Answer(body=lines(FIRST)))
    world.on("GET", FILES, "/24", Answer(body=lines(SECOND)))
    assert update(Span(date(2026, 11, 22), TUESDAY)) == Update("acme", 2, MONDAY, TUESDAY)
    asked = [request.query for request in world.to(HOST)]
    assert asked == ["day=2026-11-22", "day=2026-11-23", "day=2026-11-24"]
    assert rows() == TOTALS


def test_asking_again_takes_the_place_of_a_day_also_with_smaller_numbers(world):
    linked(world, lines(WINDOW))
    update()
    before = kept()
    update(after=timedelta(minutes=1))
    assert kept() == before
    less = a_day(TUESDAY, [completion("rust", 4, 1)], [part(4, 1, ide="vim")])
    linked(world, lines(less))
    assert update(after=timedelta(minutes=2), org="ACME") == Update("acme", 1, TUESDAY, TUESDAY)
    assert rows(since=TUESDAY) == [
        ("completions_accepted", "suggested", 4, None),
        ("completions_accepted", "accepted", 1, 0.25),
        ("accepted_by_language", "rust", 1, 0.25),
        ("accepted_by_editor", "vim", 1, 0.25),
    ]
    assert len(kept()) == 2


@pytest.mark.parametrize("zone", [-12, 0, 11])
def test_a_day_is_the_same_day_in_other_zones(world, zone):
    linked(world, lines(WINDOW))
    update()
    with store.open(readonly=True) as opened:
        query = Query(zone=timezone(timedelta(hours=zone)), since=MONDAY, until=MONDAY)
        found = activity.report(opened, Pricer(pricing.load(Pricing()), {}), query).rows
    assert [(row.name, row.count) for row in found[:2]] == [("suggested", 60), ("accepted", 18)]


def test_two_organisations_stand_apart_and_can_be_redacted(world):
    linked(world, lines(FIRST))
    linked(world, lines(SECOND), org="beta")
    update()
    update(org="beta")
    with store.open(readonly=True) as opened:
        pricer = Pricer(pricing.load(Pricing()), {})
        plain = activity.report(opened, pricer, Query(zone=UTC), limit=1)
        hidden = activity.report(opened, pricer, Query(zone=UTC, names=lambda kind, name: f"{kind}-1"))
    told = [(row.source[-4:], row.name, row.count) for row in plain.rows]
    assert told == [
        *[("acme", "suggested", 60), ("acme", "accepted", 18), ("acme", "python", 10), ("acme", "vscode", 30)],
        *[("beta", "suggested", 60), ("beta", "accepted", 15), ("beta", "python", 15), ("beta", "vscode", 20)],
    ]
    assert plain.hidden == 2
    assert {row.source for row in hidden.rows} == {"GitHub's metrics of the organisation organisation-1"}


def test_what_this_machine_knows_stays_apart_from_the_organisation(world, capsys):
    linked(world, lines(WINDOW))
    update()
    data = {"languages": {"rust": 2}, "edits": {"kept": 1}, "editor": "VS Code"}
    with store.open(paths.data_dir() / store.NAME) as opened:
        opened.put("copilot", [Call(uuid="facts:r", ts=1_795_514_400_000, kind=FACTS, data=data)], machine="box")
    assert rows() == TOTALS
    assert cli.main(["report", "activity", "--json"]) == 0
    valid(capsys.readouterr().out, "report-activity")
    assert cli.main(["report", "activity", "--zone", "UTC", "--no-color"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines()[2:] if "records since" not in line] == [
        "copilot",
        "  Edited files          kept         1   100%",
        "                        undone       0     0%",
        "  Languages of code     rust         2   100%",
        "  Editors               VS Code      1   100%",
        "  GitHub's metrics of the organisation acme",
        "  Completions accepted  suggested  120",
        "                        accepted    33  27.5%",
        "  Accepted by language  python      25    25%",
        "                        go           8    40%",
        "  Accepted by editor    vscode      50  33.3%",
        "                        intellij     0     0%",
        "",
        "GitHub tells editors of all code together, of completions, chat and agents",
    ]


def test_a_day_on_which_nothing_was_suggested_has_no_rate(world):
    linked(world, lines(a_day(MONDAY, [completion("", 0, 0)], [])))
    update()
    assert rows() == [
        ("completions_accepted", "suggested", 0, None),
        ("completions_accepted", "accepted", 0, None),
        ("accepted_by_language", "unknown", 0, None),
    ]


REFUSALS = [
    pytest.param(Answer(status=401), AuthError, "", id="token refused"),
    pytest.param(Answer(status=403, json={"message": "policy"}), Forbidden, "read:org", id="no right to see them"),
    pytest.param(Answer(status=404, json={}), Forbidden, "policy `Copilot usage metrics`", id="no such organisation"),
    pytest.param(Answer(status=422, json={}), Forbidden, "policy `Copilot usage metrics`", id="switched off"),
    pytest.param(Answer(status=403, headers={"x-ratelimit-remaining": "0"}), RateLimited, "", id="asked too often"),
    pytest.param(Answer(status=403, headers={"retry-after": "60"}), RateLimited, "", id="asked too fast"),
    pytest.param(Answer(status=500, headers={"retry-after": "9"}), Unavailable, "", id="down"),
    pytest.param(redirect(f"https://elsewhere.example/?{SIGNED}"), ShapeError, "", id="sent elsewhere"),
    pytest.param(Answer(json={"links": []}), ShapeError, "", id="no links are no empty report"),
    pytest.param(Answer(body=b"<html>"), ShapeError, "", id="no JSON"),
]


@pytest.mark.parametrize(("answer", "error", "hint"), REFUSALS)
def test_a_refusal_stores_nothing_names_what_it_takes_and_no_token(world, answer, error, hint):
    world.on("GET", HOST, LATEST, answer)
    with pytest.raises(error) as caught:
        update()
    told = f"{caught.value!r} {caught.value} {caught.value.hint}"
    assert hint in caught.value.hint
    assert TOKEN not in told and SIGNED not in told
    assert (world.hosts, kept()) == ({HOST}, [])


ELSEWHERE = {
    "not encrypted": f"http://{FILES}/x",
    "another host": "https://copilot-reports.github.com.evil.example/x",
    "a host before it": f"https://evil.{FILES}/x",
    "a name in front": f"https://{FILES}@evil.example/x",
    "a name for it": f"https://me:secret@{FILES}/x",
    "another port": f"https://{FILES}:8443/x",
    "another account of Azure": "https://evil.blob.core.windows.net/x",
    "the API itself": f"https://{HOST}/x",
    "a line in it": f"https://{FILES}\n/x",
    "no address": "https://[/x",
    "a file": "file:///etc/passwd",
    "a path": "/x",
}


@pytest.mark.parametrize("link", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_link_that_leads_elsewhere_is_not_followed(world, link):
    good = f"https://{FILES}/y?{SIGNED}"
    world.on("GET", HOST, LATEST, Answer(json={"download_links": [good, f"{link}?{SIGNED}"]}))
    with pytest.raises(ShapeError) as caught:
        update()
    assert SIGNED not in f"{caught.value!r} {caught.value.hint}"
    assert (world.hosts, kept()) == ({HOST}, [])


FALLBACKS = ["copilot-reports-production-ab1.b01.azurefd.net", "usagereportsprod01.blob.core.windows.net"]


@pytest.mark.parametrize("host", FALLBACKS)
def test_the_hosts_that_github_falls_back_to_are_known(world, host):
    linked(world, lines(WINDOW), host=host)
    assert (update().days, world.hosts) == (2, {HOST, host})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in FIRST.items() if key != name}


BROKEN = {
    "HTML": b"<html>",
    "half a document": lines(WINDOW)[:80],
    "half a line at the end": lines(FIRST) + lines(SECOND)[:40],
    "no day": lines(without("day")),
    "no languages": lines(without("totals_by_language_feature")),
    "no editors": lines(without("totals_by_ide")),
    "no count is no zero": lines(a_day(MONDAY, [], [{"ide": "vim", "code_generation_activity_count": 4}])),
    "a negative count": lines(a_day(MONDAY, [completion("go", 4, -1)], [])),
    "a count without end": lines(a_day(MONDAY, [completion("go", 1 << 62, 1)], [])),
    "a day twice": lines(FIRST, FIRST),
    "a text": b'"none"',
    "deep": b"[" * 100_000,
    "no UTF-8": b'{"day": "\xff"}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_understood_stores_nothing_of_any(world, body):
    linked(world, lines(SECOND), body)
    with pytest.raises(ShapeError):
        update()
    assert kept() == []


@pytest.mark.parametrize("status", [403, 404])
def test_a_link_that_has_run_out_says_to_ask_again(world, status):
    linked(world, lines(WINDOW))
    world.on("GET", FILES, "/acme-0.json", Answer(status=status))
    with pytest.raises(Unavailable, match="does not take GitHub's link") as caught:
        update()
    assert (caught.value.hint, kept()) == ("a link lives an hour; ask again", [])


def test_a_name_of_the_report_s_is_cut_and_its_control_characters_do_not_reach_the_terminal(world, capsys):
    linked(world, lines(a_day(MONDAY, [completion("\x1b[31m" + "x" * 200, 4, 1)], [part(4, 1, ide="=vim")])))
    update()
    (_, data), = kept()
    assert data is not None and [len(name) for name in data["completions"]] == [64]
    assert cli.main(["report", "activity", "--no-color"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert cli.main(["report", "activity", "--csv"]) == 0
    assert f"copilot,accepted_by_editor,'=vim,1,0.25,,1,{SOURCE}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("name", ["", "../user", "acme/x", "acme?x", "acme x", "-acme", "acmé", "x" * 101])
def test_what_is_no_name_of_an_organisation_asks_nobody(world, name):
    with pytest.raises(ConfigError):
        update(org=name)
    assert world.requests == []


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        pytest.param(None, None, None, id="the latest 28"),
        pytest.param(MONDAY, None, Span(MONDAY, date(2026, 11, 25)), id="up to the last that is over"),
        pytest.param(MONDAY, date(2026, 12, 24), Span(MONDAY, date(2026, 11, 25)), id="no day to come"),
        pytest.param(None, TUESDAY, Span(date(2026, 10, 28), TUESDAY), id="28 days before"),
        pytest.param(TUESDAY, TUESDAY, Span(TUESDAY, TUESDAY), id="one"),
        pytest.param(date(2026, 8, 18), None, Span(date(2026, 8, 18), date(2026, 11, 25)), id="a hundred"),
    ],
)
def test_the_days_that_are_meant(since, until, days):
    assert copilot_metrics.span(since, until, NOW) == days


@pytest.mark.parametrize(
    ("since", "until"),
    [
        pytest.param(date(2026, 11, 26), None, id="not over"),
        pytest.param(TUESDAY, MONDAY, id="turned round"),
        pytest.param(date(2026, 8, 17), None, id="101"),
        pytest.param(date(2025, 11, 25), date(2025, 11, 27), id="before a year"),
    ],
)
def test_days_that_nobody_can_ask_for(since, until):
    with pytest.raises(ConfigError):
        copilot_metrics.span(since, until, NOW)


def test_a_key_of_our_own_comes_before_the_variables_of_everybody(world, monkeypatch, capsys):
    linked(world, lines(WINDOW))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{TOKEN}-own\n".encode())))
    assert cli.main(["key", "copilot", "set", "--kind", "admin"]) == 0
    out, err = capsys.readouterr()
    assert TOKEN not in out + err
    assert "`vibeusage records fetch copilot` asks" in err
    update()
    assert world.requests[0].headers["authorization"] == f"Bearer {TOKEN}-own"
    vault.delete("copilot", "admin")
    monkeypatch.delenv("GH_TOKEN")
    monkeypatch.setenv("GITHUB_TOKEN", f"{TOKEN}-2")
    assert copilot_metrics.find_token(os.environ).token == f"{TOKEN}-2"


def test_the_login_by_code_is_not_taken_for_a_key_and_a_named_account_has_none(world, monkeypatch, capsys):
    monkeypatch.delenv("GH_TOKEN")
    vault.write("copilot", "oauth", {"access_token": f"{TOKEN}-oauth"}, "")
    with pytest.raises(NotConfigured) as caught:
        update()
    assert "vibeusage key copilot set --kind admin" in caught.value.hint
    assert world.requests == []
    assert cli.main(["key", "copilot@work", "set", "--kind", "admin"]) == 4
    assert cli.main(["auth", "copilot", "--kind", "admin"]) == 4


def test_a_store_that_another_program_writes_is_left_alone(world, monkeypatch):
    linked(world, lines(WINDOW))
    monkeypatch.setattr(copilot_metrics.files, "lock", lambda path, *, wait_s: nullcontext(False))
    with pytest.raises(StorageError):
        update()


def test_the_command_tells_what_came_and_keeps_no_secret(world, capsys):
    linked(world, lines(WINDOW))
    assert cli.main(["records", "fetch", "copilot", "--org", "acme", "--json"]) == 0
    assert valid(capsys.readouterr().out, "records-fetch-copilot") == {
        "schema": 1,
        "organisation": "acme",
        "days": 2,
        "since": "2026-11-23",
        "until": "2026-11-24",
    }
    assert cli.main(["records", "fetch", "copilot", "--org", "acme"]) == 0
    told = "copilot: 2 days of acme, 2026-11-23 to 2026-11-24; `vibeusage report activity` shows them\n"
    assert capsys.readouterr() == (told, "")
    world.on("GET", HOST, LATEST, Answer(status=204))
    assert cli.main(["records", "fetch", "copilot", "--org", "acme"]) == 0
    assert capsys.readouterr() == ("", "GitHub has no report of acme for these days\n")
    for path in paths.data_dir().parent.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert TOKEN.encode() not in content and SIGNED.encode() not in content


@pytest.mark.parametrize(
    "words",
    [
        ["copilot"],
        ["copilot", "--org", "acme", "--full"],
        ["claude-api", "--org", "acme"],
        ["claude-api", "--since", "7d"],
    ],
    ids=" ".join,
)
def test_options_of_the_other_report_are_refused(words, world):
    assert cli.main(["records", "fetch", *words]) == 4
    assert world.requests == []
