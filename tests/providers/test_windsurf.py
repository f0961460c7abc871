"""Windsurf's cache by its age, whose it is, pools that nobody touches, names of organizations.

Known from the public sources of working trackers; every value is invented.
"""

import json
import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from providers import case as cases
from providers.case import AT
from providers.cases.windsurf import (
    CACHED,
    DEVIN,
    KEY,
    PLAN,
    PLAN_CREDITS,
    PROGRAM,
    QUOTAS,
    WINDSURF,
    pool,
    state,
    toml,
)

from vibeusage import accounts, config, http
from vibeusage.providers import windsurf_login
from vibeusage.providers.windsurf_usage import parse_cached, parse_status


def put(home: Path, files: dict, age_s: float) -> None:
    cases.settle("windsurf", cases.Case("", (), files=files), home)
    written = AT.timestamp() - age_s
    for name in files:
        os.utime(home / name, (written, written))


def context(home: Path):
    around = accounts.Surroundings({"HOME": str(home)}, AT, foreground=True)
    return accounts.one("windsurf", config.load(), around)


def ask(home: Path):
    return cases.run("windsurf", {"HOME": str(home), "PATH": "/nowhere"}, http.tls())


def test_a_young_cache_is_an_answer_that_asks_nobody(home):
    put(home, {WINDSURF: state(PLAN, KEY)}, age_s=540)
    said = ask(home)
    assert said.snapshot and not said.error
    assert (said.snapshot.source, said.snapshot.periods) == ("cache", CACHED.periods)
    assert said.snapshot.observed_at == AT - timedelta(seconds=540)


@pytest.mark.parametrize("age_s", [660, -60], ids=["older than ten minutes", "from the future"])
def test_a_cache_that_is_not_young_is_for_whom_nobody_can_ask(age_s, home):
    put(home, {WINDSURF: state(PLAN)}, age_s)
    said = ask(home)
    assert said.snapshot and said.snapshot.observed_at == AT - timedelta(seconds=max(0, age_s))


def test_of_two_apps_the_one_at_work_is_believed(home):
    put(home, {WINDSURF: state(PLAN_CREDITS)}, age_s=3600)
    put(home, {DEVIN: state(PLAN)}, age_s=60)
    said = ask(home)
    assert said.snapshot and said.snapshot.periods == CACHED.periods


def test_what_stands_in_the_journal_counts_and_nothing_of_the_apps_is_touched(home):
    put(home, {WINDSURF: state(PLAN_CREDITS)}, age_s=3600)
    path = home / WINDSURF
    with closing(sqlite3.connect(path, isolation_level=None)) as app:
        app.execute("PRAGMA journal_mode = WAL")
        app.execute("PRAGMA wal_autocheckpoint = 0")
        app.execute("UPDATE ItemTable SET value = ? WHERE key = ?", (PLAN, windsurf_login.PLAN))
        before = {name.name: (name.read_bytes(), name.stat().st_mtime_ns) for name in path.parent.iterdir()}
        login = windsurf_login.plan_of_app(context(home))
        after = {name.name: (name.read_bytes(), name.stat().st_mtime_ns) for name in path.parent.iterdir()}
        assert after == before
        written_at = os.stat(f"{path}-wal").st_mtime
    assert login and (login.data["plan"], login.data["written_at"]) == (PLAN, written_at)


def test_the_cache_and_the_key_of_one_app_are_one_account_and_the_programs_key_is_another(home):
    put(home, {WINDSURF: state(PLAN, KEY), **toml("sk-ws-another")}, age_s=60)
    ctx = context(home)
    cache, app, program = (
        find(ctx) for find in (windsurf_login.plan_of_app, windsurf_login.of_app, windsurf_login.of_program)
    )
    assert cache and app and program
    assert cache.owner_fingerprint == app.owner_fingerprint != program.owner_fingerprint
    assert KEY not in f"{cache.owner} {app!r} {cache!r} {program!r}"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(WINDSURF, state(PLAN), id="no key in the app"),
        pytest.param(WINDSURF, state(PLAN, ""), id="an empty one"),
        pytest.param(PROGRAM, "api_server_url = 'https://x.example'", id="none of the program"),
        pytest.param(PROGRAM, "windsurf_api_key = 7", id="a number"),
    ],
)
def test_a_file_without_a_key_is_no_login(name, content, home):
    put(home, {name: content}, age_s=60)
    ctx = context(home)
    assert (windsurf_login.of_app(ctx), windsurf_login.of_program(ctx)) == (None, None)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("org-a1", ("org-a1", "org-a1")),
        ("org_a1", ("org_a1", "org_a1")),
        ("works", ("org/works", "")),
        ("org/works", ("org/works", "")),
        ("organizations/org-a1", ("org-a1", "org-a1")),
        ("https://app.devin.ai/org/works/settings/usage", ("org/works", "")),
        ("https://elsewhere.example/org/works", ("", "")),
        ("../account", ("", "")),
        ("a b", ("", "")),
        ("", ("", "")),
    ],
)
def test_an_organization_is_an_id_a_name_or_an_address(text, place):
    assert windsurf_login.organization(text) == place


def test_credits_that_nobody_touches_are_told_only_where_they_are_what_is_billed():
    document = json.loads(PLAN)
    document["usage"] = {"messages": 50000, "usedMessages": 0, "flowActions": 100, "usedFlowActions": 0}
    assert parse_cached(json.dumps(document)).periods == QUOTAS
    del document["quotaUsage"]
    assert parse_cached(json.dumps(document)).periods == (pool(0.0), pool(0.0, "Flow actions"))


@pytest.mark.parametrize("status", [{"usedPromptCredits": 7}, {"availablePromptCredits": -1, "usedPromptCredits": 7}])
def test_credits_without_a_limit_are_no_window(status):
    body = json.dumps({"userStatus": {"planStatus": status}}).encode()
    with pytest.raises(ValueError, match="without any limit"):
        parse_status(body)
