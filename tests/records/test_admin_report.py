"""The organisation's report becomes sums by the hour, asked for politely, and its numbers may fall."""

import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import msgspec
import pytest
from documents import valid
from vendors import Answer, World

from vibeusage import cli, config, vault
from vibeusage.errors import AuthError, ConfigError, Forbidden, NotConfigured, RateLimited, ShapeError, Unavailable
from vibeusage.records import admin_report, store
from vibeusage.records.admin_report import Update
from vibeusage.records.readers.spec import Call

HOST, KEY = "api.anthropic.com", "sk-ant-admin01-made-up-for-tests"
NOW = datetime(2026, 11, 24, 13, 20, tzinfo=UTC)
TEN, ELEVEN = 1_795_514_400_000, 1_795_518_000_000  # 2026-11-24 10:00 and 11:00 UTC
MONTH_AGO = datetime(2026, 10, 24, 13, tzinfo=UTC)


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", KEY)
        yield made


@pytest.fixture
def report(fixture_bytes) -> dict:
    return json.loads(fixture_bytes("records/import/usage_report.json"))


def answer(world: World, *pages: dict | Answer) -> None:
    played = [page if isinstance(page, Answer) else Answer(json=page) for page in pages]
    world.on("GET", HOST, admin_report.PATH, played)


def update(after: timedelta = timedelta(), *, foreground: bool = False, full: bool = False) -> Update:
    return admin_report.update(config.load(), os.environ, NOW + after, foreground=foreground, full=full)


def stored() -> list[Call]:
    """In the order of time and model, without what is only their identity."""
    with store.open(readonly=True) as opened:
        calls = [record.call for record in opened.calls(provider="claude-api")]
    return sorted(
        (msgspec.structs.replace(call, uuid="", order=0) for call in calls), key=lambda call: (call.ts, call.speed)
    )


def hour(ts: int, model: str, **counts) -> Call:
    return Call(uuid="", ts=ts, model=model, served_by="anthropic", kind="aggregate", **counts)


OPUS = hour(
    TEN, "claude-opus-4-6", input=12_000, output=4_100, write=1_000, write_1h=800, read=90_000, searches=2
)
FAST = hour(TEN, "claude-opus-4-6", input=5, output=7, speed="fast batch")
LONG = hour(ELEVEN, "claude-sonnet-4-5", input=250_000, output=30, notes=("long",))


def test_each_group_of_each_hour_is_a_sum_and_nothing_is_made_of_zeros(world, report):
    answer(world, report)
    assert update() == Update(asked=True, since=MONTH_AGO, added=3)
    assert stored() == [OPUS, FAST, LONG]


def test_the_key_goes_to_its_host_and_the_groups_are_those_that_a_price_needs(world, report):
    answer(world, report)
    update()
    (request,) = world.requests
    assert world.hosts == {HOST}
    assert (request.headers["x-api-key"], request.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert parse_qsl(request.query) == [
        ("starting_at", "2026-10-24T13:00:00Z"),
        ("bucket_width", "1h"),
        ("limit", "168"),
        ("group_by[]", "model"),
        ("group_by[]", "service_tier"),
        ("group_by[]", "context_window"),
        ("group_by[]", "speed"),
    ]


def test_every_page_is_asked_for(world, report):
    first, second = report["data"][:1], report["data"][1:]
    answer(world, {"data": first, "has_more": True, "next_page": "page_2 /+"}, {"data": second, "has_more": False})
    assert update().added == 3
    assert [dict(parse_qsl(request.query)).get("page") for request in world.requests] == [None, "page_2 /+"]


def test_pages_without_end_and_half_a_report_store_nothing(world, report):
    answer(world, {**report, "has_more": True, "next_page": "again"})
    with pytest.raises(ShapeError):
        update()
    assert len(world.requests) == admin_report.PAGES_MOST
    answer(world, {**report, "has_more": True, "next_page": "second"}, Answer(status=500))
    with pytest.raises(Unavailable):
        update(timedelta(minutes=6))
    assert stored() == []


def test_an_hour_grows_is_corrected_downwards_and_a_group_that_vanishes_counts_nothing(world, report):
    answer(world, report)
    update()
    report["data"][0]["results"][0]["output_tokens"] = 4_000
    report["data"][0]["results"].pop()
    report["data"][1]["results"][0]["output_tokens"] = 31
    answer(world, report)
    since = datetime(2026, 11, 22, 13, tzinfo=UTC)
    assert update(timedelta(minutes=6)) == Update(asked=True, since=since, changed=3)
    lower = msgspec.structs.replace(OPUS, output=4_000)
    grown = msgspec.structs.replace(LONG, output=31)
    assert stored() == [lower, msgspec.structs.replace(FAST, input=0, output=0), grown]


def test_the_same_report_again_changes_nothing(world, report):
    answer(world, report)
    update()
    assert update(timedelta(minutes=6)).changed == 0


def test_what_is_older_than_the_answer_stays(world, report):
    answer(world, report)
    update()
    answer(world, {"data": []})
    assert update(timedelta(days=4)) == Update(asked=True, since=datetime(2026, 11, 22, 13, tzinfo=UTC), changed=3)
    answer(world, report)
    update(timedelta(days=4, minutes=6), full=True)
    answer(world, {"data": []})
    assert update(timedelta(days=8)) == Update(asked=True, since=datetime(2026, 11, 26, 13, tzinfo=UTC))
    assert stored() == [OPUS, FAST, LONG]


@pytest.mark.parametrize(
    ("answered", "error"),
    [
        pytest.param(Answer(status=401), AuthError, id="refused"),
        pytest.param(Answer(status=403, json={}), Forbidden, id="not an admin key"),
        pytest.param(Answer(json={"has_more": False}), ShapeError, id="no data is no zero"),
        pytest.param(Answer(body=b"<html>"), ShapeError, id="not JSON"),
        pytest.param(Answer(status=302, headers={"location": "https://elsewhere.example/"}), ShapeError, id="redirect"),
    ],
)
def test_a_failure_says_nothing_of_the_key_and_is_not_repeated_within_five_minutes(world, answered, error):
    answer(world, answered)
    with pytest.raises(error) as caught:
        update(foreground=True)
    assert KEY not in f"{caught.value!r} {caught.value} {caught.value.hint}"
    assert update(timedelta(minutes=4, seconds=59), foreground=True) == Update(asked=False)
    assert (len(world.requests), stored()) == (1, [])


def test_a_wait_that_the_vendor_asks_for_is_kept(world, report):
    answer(world, Answer(status=429, headers={"retry-after": "1800"}), report)
    with pytest.raises(RateLimited):
        update()
    assert not update(timedelta(minutes=29)).asked
    assert update(timedelta(minutes=31)).added == 3


def test_a_refused_key_is_not_used_again_by_itself_but_another_is(world, report, monkeypatch):
    answer(world, Answer(status=401), report)
    with pytest.raises(AuthError):
        update()
    assert not update(timedelta(days=1)).asked
    monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", f"{KEY}-2")
    assert update(timedelta(days=1)).added == 3


def test_the_other_variable_and_our_own_store_hold_a_key_too(world, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_ADMIN_API_KEY")
    with pytest.raises(NotConfigured):
        update()
    for kind in ("apikey", "admin"):
        vault.write("claude-api", kind, {"access_token": f"{KEY}-{kind}"}, "")
        assert admin_report.find_key(os.environ, foreground=False).token == f"{KEY}-{kind}"
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", f"{KEY}-other")
    assert admin_report.find_key(os.environ, foreground=False).token == f"{KEY}-other"
    assert world.requests == []


def test_one_login_serves_the_report_and_the_provider(world, report, monkeypatch, capsys):
    monkeypatch.delenv("ANTHROPIC_ADMIN_API_KEY")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{KEY}-pasted\n".encode())))
    costs = {"data": [{"results": [{"amount": "250", "currency": "USD"}]}]}
    world.on("GET", HOST, "/v1/organizations/cost_report", Answer(json=costs))
    assert cli.main(["auth", "claude-api"]) == 0, capsys.readouterr().err
    world.on("GET", HOST, admin_report.PATH, Answer(json=report))
    assert update().added == 3
    assert {request.headers["x-api-key"] for request in world.requests} == {f"{KEY}-pasted"}


def test_the_settings_can_name_another_address_but_no_plain_one_elsewhere(world, report):
    config.set_value("providers.claude-api.base_url", "https://proxy.example/anthropic/")
    world.on("GET", "proxy.example", f"/anthropic{admin_report.PATH}", Answer(json=report))
    assert (update().added, world.hosts) == (3, {"proxy.example"})
    with pytest.raises(ConfigError):
        config.set_value("providers.claude-api.base_url", "http://proxy.example")


def test_the_command_tells_what_came_and_that_it_was_asked_a_moment_ago(world, capsys):
    answer(world, {"data": []})
    assert cli.main(["records", "fetch", "claude-api", "--json"]) == 0
    said = valid(capsys.readouterr().out, "records-fetch-claude-api")
    assert (said["schema"], said["asked"], said["added"], said["changed"]) == (1, True, 0, 0)
    assert cli.main(["records", "fetch", "claude-api"]) == 0
    out, err = capsys.readouterr()
    assert (out, "every five minutes" in err, len(world.requests)) == ("", True, 1)
