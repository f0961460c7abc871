"""kiro-cli as a program: what it prints in all known forms, to a pipe or a terminal only, and what it does wrong.

Texts and answers are invented, in the shapes that public trackers show.
"""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import datetime
from decimal import Decimal

import pytest
from e2e.waiting import is_gone, wait_until
from providers.case import AT, ROOT, fixture
from vendors import Answer, World

from vibeusage import accounts, config, fetch, http
from vibeusage.errors import AuthError, Forbidden, Unavailable
from vibeusage.models import OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers import kiro
from vibeusage.providers.kiro_text import parse_text

MONTHLY = PeriodType.MONTHLY
ARN = "arn:aws:codewhisperer:eu-central-1:000000000000:profile/INVENTED"
TOKEN = "aoa-invented-token-of-kiro"


def window(name, used, resets_at=None):
    resets = datetime.fromisoformat(resets_at) if resets_at else None
    return UsagePeriod(name=name, utilization=used, period_type=MONTHLY, resets_at=resets)


CARD = Usage(
    periods=(window("Credits", 27.05, "2026-10-01T00:00Z"), window("Bonus", 12.0, "2026-10-25T00:00Z")),
    identity=ProviderIdentity(plan="KIRO PRO"),
)


# what it prints


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("card", CARD),
        (
            "header",
            Usage(
                periods=(window("Credits", 107.5, "2026-10-01T00:00Z"),),
                overage=OverageUsage(used=Decimal("6.00")),
                identity=ProviderIdentity(plan="KIRO PRO+"),
            ),
        ),
        (
            "2",
            Usage(
                periods=(window("Credits", 79.358, "2026-09-14T00:00Z"),),
                overage=OverageUsage(used=Decimal("0.00"), is_enabled=False),
                identity=ProviderIdentity(plan="Kiro Pro"),
            ),
        ),
        (
            "percent",
            Usage(
                periods=(window("Credits", 0.5, "2027-01-01T00:00Z"),),
                identity=ProviderIdentity(plan="Q Developer Pro"),
            ),
        ),
    ],
)
def test_every_known_text_is_read(name, usage):
    assert parse_text(fixture("kiro", f"text-{name}.txt"), AT) == usage


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        pytest.param("You are not logged in", AuthError, "kiro-cli is not logged in", id="logged out"),
        pytest.param("error: please run kiro-cli login", AuthError, "kiro-cli is not logged in", id="told to log in"),
        pytest.param("Failed to initialize auth portal", AuthError, "kiro-cli is not logged in", id="no portal"),
        pytest.param("OAuth error: x", AuthError, "kiro-cli is not logged in", id="an error of a login"),
        pytest.param("Could not retrieve usage information", Unavailable, "could not retrieve the usage", id="passing"),
        pytest.param(fixture("kiro", "text-managed.txt").decode(), Forbidden, "organization manages", id="managed"),
        pytest.param("managed by organization", Forbidden, "organization manages", id="managed, too"),
        pytest.param("", ValueError, "no credits in what", id="empty"),
        pytest.param("Welcome to Kiro! 100% yours", ValueError, "no credits in what", id="other words"),
        pytest.param("(5 of 0 covered in plan)", ValueError, "no credits in what", id="no limit"),
        pytest.param("(1,5 of 50 covered in plan)", ValueError, "a count in no form we know", id="a decimal comma"),
        pytest.param("(1.2.3 of 50 covered in plan)", ValueError, "a count in no form we know", id="no count"),
        pytest.param("█ 5% (resets on 13/45)", ValueError, "a reset on no day", id="no day"),
        pytest.param("█ 999999999%", ValueError, "no credits in what", id="absurd"),
    ],
)
def test_a_text_without_credits_is_the_error_that_it_stands_for(text, error, words):
    with pytest.raises(error, match=words):
        parse_text(text.encode(), AT)


@pytest.mark.parametrize(
    ("said", "now", "resets_at"),
    [
        ("12/31", "2026-12-31T23:00Z", "2026-12-31T00:00Z"),
        ("01/01", "2026-12-31T23:00Z", "2027-01-01T00:00Z"),
        ("02/29", "2026-03-01T00:00Z", "2028-02-29T00:00Z"),
        ("2026-10-01", "2026-12-31T23:00Z", "2026-10-01T00:00Z"),
    ],
)
def test_a_reset_without_a_year_is_the_next_such_day(said, now, resets_at):
    text = f"█ 5% (resets on {said})".encode()
    assert parse_text(text, datetime.fromisoformat(now)).periods == (window("Credits", 5.0, resets_at),)


@pytest.mark.parametrize("piece", ["1", "█", "1,", "| KIRO ", "1/1 ", " "])
def test_a_flood_of_what_it_might_have_said_takes_no_time(piece):
    with pytest.raises(ValueError, match=r"no credits|no form we know"):
        parse_text((piece * 4_000_000).encode()[: 4 << 20], AT)


# the program


@pytest.fixture
def program(tmp_path):
    """`program(text)`: a kiro-cli on PATH that runs `text`; CARD is what it may print."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(text):
        path = folder / "kiro-cli"
        card = ROOT / "fixtures/kiro/text-card.txt"
        path.write_text(f'#!/bin/sh\nCARD={card}\nprintf "%s|" "$@" >>"$HOME/asked"\n{text}\n')
        path.chmod(0o755)
        return {"PATH": f"{folder}:/usr/bin:/bin"}

    return write


def ask(home, environ, verify=None):
    """The whole round, as the engine has it."""
    around = accounts.Surroundings({"HOME": str(home), **environ}, AT, foreground=True)
    asking = fetch.Asking(accounts.one("kiro", config.load(), around), None)
    return asyncio.run(asking.answer(verify or http.tls())) if asking.usable else asking.without_asking()


def told(said):
    found = said.snapshot
    usage = found and Usage(periods=found.periods, overage=found.overage, identity=found.identity)
    return found and (found.source, usage)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        pytest.param('cat "$CARD"', 1, id="at once"),
        pytest.param('cat "$CARD"; exit 1', 1, id="and fails"),
        pytest.param(r'printf "\033[38;5;141m\033[1m"; cat "$CARD"; printf "\033[0m\r\n"', 1, id="in colours"),
        pytest.param('cat "$CARD"; exec sleep 300', 1, id="and stays"),
        pytest.param('[ -t 1 ] && cat "$CARD"', 2, id="on a terminal only"),
        pytest.param('[ -t 1 ] && cat "$CARD" || exit 1', 2, id="on a terminal, and fails without"),
        pytest.param('[ -t 1 ] || exec sleep 300; cat "$CARD"; exec sleep 300', 2, id="on a terminal, or stalls"),
    ],
)
def test_what_kiro_cli_says_is_heard_on_a_pipe_or_else_on_a_terminal(text, times, program, home, monkeypatch):
    monkeypatch.setattr(kiro, "QUIET_S", 0.4)
    if "|| exec sleep" in text:
        monkeypatch.setattr(kiro, "FIRST", 0.4 / 15)
    assert told(ask(home, program(text))) == ("cli", CARD)
    assert (home / "asked").read_text() == "chat|--no-interactive|/usage|" * times


@pytest.mark.parametrize(
    ("text", "category", "sentence"),
    [
        pytest.param("exit 3", "network", "ended with code 3 and said nothing", id="says nothing"),
        pytest.param("echo you are not logged in >&2; exit 1", "authentication", "is not logged in", id="logged out"),
        pytest.param("echo Could not retrieve usage information", "network", "could not retrieve", id="passing"),
        pytest.param("echo managed by admin", "authorization", "tells no numbers", id="managed"),
        pytest.param("echo hello", "parse", "no credits in what kiro-cli prints", id="other words"),
        pytest.param("yes", "parse", "printed more than 4 MiB", id="floods"),
        pytest.param("[ -t 1 ] && exec yes", "parse", "printed more than 4 MiB", id="floods a terminal"),
    ],
)
def test_a_kiro_cli_that_tells_no_credits_is_named(text, category, sentence, program, home):
    said = ask(home, program(text))
    assert said.error.category == category
    assert sentence in str(said.error)
    assert said.error.hint
    assert said.gate is None or said.gate.holds == {}


@pytest.mark.slow
def test_a_kiro_cli_that_hangs_is_ended_with_all_it_started_on_pipe_and_terminal(program, home, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text("[fetch]\ntimeout_s = 2\n")
    said = ask(home, program('trap "" HUP; sleep 300 & echo $! $$ >>"$HOME/pids"; wait'))
    assert (said.error.category, str(said.error)) == ("network", "Kiro took longer than 2 s")
    pids = [int(pid) for pid in (home / "pids").read_text().split()]
    assert len(pids) == 4
    wait_until(lambda: all(is_gone(pid) for pid in pids))


def test_without_kiro_cli_and_login_there_is_nothing_to_ask(home):
    said = ask(home, {"PATH": "/nowhere"})
    assert (said.error.category, said.error.hint, said.attempts) == (
        "not_configured",
        "log in with `kiro-cli login`",
        (),
    )


# its login, and what the service says more exactly


def write_login(path, token=TOKEN, *, arn=ARN, expires="2026-09-14T13:00:00Z", key="kirocli:odic:token"):
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"access_token": token, "expires_at": expires, "refresh_token": "invented", "region": "eu-west-1"}
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE auth_kv (key TEXT PRIMARY KEY, value TEXT)")
        database.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB)")
        database.execute("INSERT INTO auth_kv VALUES (?, ?)", [key, json.dumps(document)])
        if arn:
            database.execute("INSERT INTO state VALUES ('api.codewhisperer.profile', ?)", [json.dumps({"arn": arn})])


@pytest.fixture
def world(monkeypatch):
    with World() as made:
        for name, value in made.environ.items():
            monkeypatch.setenv(name, value)
        yield made


LINUX, MAC = ".local/share/kiro-cli/data.sqlite3", "Library/Application Support/kiro-cli/data.sqlite3"
EXACT = Usage(
    periods=(
        window("Credits", 27.05, "2026-10-01T00:00Z"),
        window("Free trial", 10.0, "2026-09-20T10:26:40Z"),
        window("Bonus", 12.5, "2026-10-14T17:46:40.500Z"),
    ),
    overage=OverageUsage(used=Decimal("1.25"), limit=Decimal("400")),
    identity=ProviderIdentity(email="dev@example.org", plan="KIRO PRO"),
)
EU = "management.eu-central-1.kiro.dev"
USAGE = Answer(body=fixture("kiro", "usage.json"), headers={"content-type": "application/x-amz-json-1.0"})


def test_the_service_is_asked_with_the_login_that_kiro_cli_has_renewed(program, home, world):
    write_login(home / LINUX, "old", expires="2026-09-14T11:00:00Z")
    world.on("POST", EU, "/", USAGE)
    renew = f"""sed s/x/x/ "$CARD"; cp "$HOME/renewed" "$HOME/{LINUX}" """
    write_login(home / "renewed")
    assert told(ask(home, program(renew))) == ("cli", EXACT)
    assert [request.headers["authorization"] for request in world.requests] == [f"Bearer {TOKEN}"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(status=403, json={}), id="refused"),
        pytest.param(Answer(status=429, json={}), id="too often"),
        pytest.param(Answer(json={}), id="empty"),
        pytest.param(Answer(body=b"<html>"), id="a page"),
        pytest.param(Answer(hang=True), id="hangs"),
    ],
)
def test_what_kiro_cli_says_stands_where_the_service_says_nothing(answer, program, home, world, monkeypatch):
    monkeypatch.setattr(kiro, "EXACT_S", 0.5)
    write_login(home / LINUX)
    world.on("POST", EU, "/", answer)
    assert told(ask(home, program('cat "$CARD"'))) == ("cli", CARD)


@pytest.mark.parametrize(
    ("place", "environ", "key"),
    [
        pytest.param(LINUX, {}, "kirocli:odic:token", id="Linux"),
        pytest.param(MAC, {}, "kirocli:social:token", id="macOS, a social login"),
        pytest.param("data/kiro-cli/data.sqlite3", {"XDG_DATA_HOME": "{home}/data"}, "kirocli:odic:token", id="moved"),
        pytest.param("mine/data.sqlite3", {"KIRO_DATA_DIR": "{home}/mine"}, "kirocli:odic:token", id="named"),
    ],
)
def test_without_the_program_its_login_is_used(place, environ, key, home, world):
    write_login(home / place, key=key)
    world.on("POST", EU, "/", USAGE)
    environ = {name: value.format(home=home) for name, value in environ.items()}
    assert told(ask(home, {"PATH": "/nowhere", **environ})) == ("api", EXACT)
    [request] = world.requests
    assert request.query == (
        "origin=AI_EDITOR&isEmailRequired=true"
        "&profileArn=arn%3Aaws%3Acodewhisperer%3Aeu-central-1%3A000000000000%3Aprofile%2FINVENTED"
    )
    assert json.loads(request.body) == {"profileArn": ARN, "origin": "AI_EDITOR", "isEmailRequired": True}
    assert {request.headers[name] for name in ("x-amz-target", "content-type", "authorization")} == {
        "AmazonCodeWhispererService.GetUsageLimits",
        "application/x-amz-json-1.0",
        f"Bearer {TOKEN}",
    }


def test_a_login_without_a_profile_is_asked_about_in_its_own_region(home, world):
    write_login(home / LINUX, arn="")
    world.on("GET", "q.eu-west-1.amazonaws.com", "/getUsageLimits", USAGE)
    assert told(ask(home, {"PATH": "/nowhere"})) == ("api", EXACT)
    [request] = world.requests
    assert (request.query, request.body) == ("origin=AI_EDITOR&resourceType=AGENTIC_REQUEST", b"")


@pytest.mark.parametrize(
    ("options", "category", "sentence"),
    [
        pytest.param({"expires": "2026-09-14T11:59:59Z"}, "authentication", "has expired", id="run out"),
        pytest.param({"arn": "arn:aws:x:evil.example/:0:p"}, "configuration", "names no region", id="no region"),
        pytest.param({"key": "another"}, "not_configured", "no login", id="another key"),
        pytest.param({"token": ""}, "not_configured", "no login", id="no token"),
    ],
)
def test_a_login_of_no_use_is_not_sent(options, category, sentence, home, world):
    write_login(home / LINUX, **options)
    said = ask(home, {"PATH": "/nowhere"})
    assert said.error.category == category
    assert sentence in str(said.error)
    assert (said.error.hint != "", world.connects) == (True, [])


def test_a_database_that_is_none_is_named(home):
    (home / LINUX).parent.mkdir(parents=True)
    (home / LINUX).write_bytes(b"no database" * 100)
    said = ask(home, {"PATH": "/nowhere"})
    assert (said.error.category, str(said.error)) == ("network", f"{home / LINUX} cannot be read: DatabaseError")
