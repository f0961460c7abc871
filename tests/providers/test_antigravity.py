"""Antigravity on this machine: language servers as processes of their own, agy as a program, what their answers say.

Fixtures and answers are invented, in the shapes that public trackers and issue threads show.
"""

import asyncio
import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trustme
from e2e.waiting import wait_until
from providers.case import AT, fixture

from vibeusage import accounts, config, credentials, fetch, found, http, keystore
from vibeusage.document import limits
from vibeusage.models import PeriodType, ProviderIdentity, UsagePeriod
from vibeusage.providers import antigravity, antigravity_local, antigravity_login, antigravity_processes
from vibeusage.providers.antigravity_quota import NOBODY, Person, parse_models, parse_status, parse_summary

SERVER = Path(__file__).with_name("language_server.py")
TOKEN = "6f0c1c1e-0000-4000-8000-000000000001"
PLACE = "antigravity/bin/language_server_linux_x64"
PROBE = antigravity_local.PROBE
SUMMARY, STATUS, MODELS = antigravity_local.SUMMARY, antigravity_local.STATUS, antigravity_local.MODELS
SLOW = pytest.mark.slow  # each starts a process
LOCAL = cast(Any, antigravity.PROVIDER.strategies[0])
SESSION, WEEKLY, MONTHLY = PeriodType.SESSION, PeriodType.WEEKLY, PeriodType.MONTHLY
PRO = ProviderIdentity(email="dev@example.org", plan="Google AI Pro")


def window(name, used, kind, resets_at=None, model=None):
    resets = datetime.fromisoformat(resets_at) if resets_at else None
    return UsagePeriod(name=name, utilization=used, period_type=kind, resets_at=resets, model=model)


FOUR = (
    window("Gemini Session (5h)", 9.0, SESSION, "2026-09-14T17:05:00Z"),
    window("Gemini Weekly", 56.0, WEEKLY, "2026-09-19T06:00:00Z"),
    window("Other models Session (5h)", 1.5, SESSION, "2026-09-14T16:00:00Z", "Other models"),
    window("Other models Weekly", 30.0, WEEKLY, "2026-09-20T06:00:00Z", "Other models"),
)
OF_STATUS = (
    window("Gemini", 56.0, WEEKLY, "2026-09-19T06:00:00Z", "Gemini"),
    window("Other models", 30.0, SESSION, "2026-09-14T16:00:00Z", "Other models"),
)


def document(name):
    return json.loads(fixture("antigravity", f"{name}.json"))


# what the answers say


@pytest.mark.parametrize("wrapper", ["", "response", "summary", "quotaSummary", "root"])
def test_each_pool_has_two_windows_in_all_spellings_of_what_is_left(wrapper):
    groups = document("summary")["response"]
    assert parse_summary(json.dumps({wrapper: groups} if wrapper else groups).encode(), NOBODY) == FOUR


def test_agy_spells_it_its_own_way():
    assert sorted(antigravity.parse_report(fixture("antigravity", "report.json")), key=FOUR.index) == list(FOUR)


def test_what_is_not_said_is_unknown_and_an_unknown_pool_has_its_own_name():
    assert parse_summary(fixture("antigravity", "summary-odd.json"), NOBODY) == (
        window("Gemini Session (5h)", 100.0, SESSION, "2026-09-14T17:05:00.123456Z"),
        window("Gemini Monthly", 75.0, MONTHLY),
        window("Image Daily", 25.0, PeriodType.DAILY, model="Image"),
    )


def test_a_free_plan_has_no_5_hour_window():
    assert parse_summary(fixture("antigravity", "summary.json"), Person(is_free=True)) == (FOUR[1], FOUR[3])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", "truncated", id="empty"),
        pytest.param(b"<html>", "malformed", id="a page"),
        pytest.param(b"[]", "no groups", id="another type"),
        pytest.param(b'{"groups":7}', "no groups", id="groups of another type"),
        pytest.param(b'{"groups":[]}', "how much is left", id="none"),
        pytest.param(b'{"groups":[7,{"buckets":{}},{"buckets":[7]}]}', "how much is left", id="odd ones"),
        pytest.param(
            b'{"groups":[{"buckets":[{"bucketId":"gemini-5h","remainingFraction":91}]}]}',
            "91 where a fraction belongs",
            id="percent where a fraction belongs",
        ),
        pytest.param(
            b'{"groups":[{"buckets":[{"bucketId":"gemini-5h","remainingFraction":"most"}]}]}',
            "text where a number belongs",
            id="a word",
        ),
    ],
)
def test_a_summary_that_is_not_understood_gives_no_number(body, why):
    with pytest.raises(ValueError, match=why):
        parse_summary(body, NOBODY)


@pytest.mark.parametrize(
    ("name", "who", "periods"),
    [
        ("status", NOBODY, OF_STATUS),
        ("status-free", Person(is_free=True), (window("Gemini", 40.0, WEEKLY, "2026-09-14T16:00:00Z", "Gemini"),)),
        (
            "models-local",
            NOBODY,
            (
                window("Gemini", 75.0, SESSION, "2026-09-14T16:59:00Z", "Gemini"),
                window("Other models", 30.0, WEEKLY, "2026-09-14T17:02:00Z", "Other models"),
            ),
        ),
        ("models-cloud", NOBODY, OF_STATUS),
        ("models-buckets", NOBODY, (window("Gemini", 18.0, WEEKLY, "2026-09-15T07:00:00Z", "Gemini"),)),
    ],
)
def test_what_is_left_of_models_is_shown_as_their_pools_with_the_length_that_its_reset_allows(name, who, periods):
    assert parse_models(fixture("antigravity", f"{name}.json"), who, AT) == periods


@pytest.mark.parametrize(
    ("said", "why"),
    [
        pytest.param(document("models-placeholder"), "every model is full, without a reset", id="a placeholder"),
        pytest.param({}, "no model that says", id="nothing"),
        pytest.param({"buckets": [{"modelId": "x", "resetTime": "2026-09-14T16:00:00Z"}]}, "no model", id="resets"),
        pytest.param({"models": {"x": {"quotaInfo": {"remainingFraction": -1}}}}, "-1 where a fraction", id="negative"),
    ],
)
def test_models_that_say_nothing_give_no_number(said, why):
    with pytest.raises(ValueError, match=why):
        parse_models(json.dumps(said).encode(), NOBODY, AT)


@pytest.mark.parametrize(
    ("said", "who"),
    [
        (document("status"), Person(PRO)),
        (document("status-free"), Person(ProviderIdentity(email="free@example.org", plan="Antigravity Starter"), True)),
        (
            {"userStatus": {"planStatus": {"planInfo": {"planName": "Free"}}}},
            Person(ProviderIdentity(plan="Free"), True),
        ),
        ({"userStatus": {"email": 7, "userTier": [], "planStatus": None}}, NOBODY),
    ],
)
def test_whose_account_it_is(said, who):
    assert parse_status(json.dumps(said).encode()) == who


# a language server as a process


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    made = tmp_path_factory.mktemp("certificate") / "own.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(made))
    return made


@pytest.fixture
def started(tmp_path, home, certificate):
    """`started(answers)`: a process of Antigravity that answers so; gives its log, once it listens."""
    running = []

    def start(answers, *flags, token=TOKEN, wants=None, place=PLACE, tls=True, of=home):
        number = len(running)
        folder = tmp_path / f"server-{number}"
        program = folder / place
        program.parent.mkdir(parents=True)
        program.symlink_to(os.path.realpath(sys.executable))
        log, script = folder / "log", folder / "script.json"
        said = {"answers": answers, "token": token if wants is None else wants, "log": str(log)}
        script.write_text(json.dumps({**said, "certificate": str(certificate) if tls else ""}))
        words = [*(("--csrf_token", token) if token else ()), *flags]
        argv = [program, SERVER, "--script", script, *words]
        running.append(subprocess.Popen(argv, env={"HOME": str(of), "PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL))
        wait_until(lambda: log.exists() and "\n" in log.read_text())
        return log

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def agy(home, tmp_path):
    """`agy(text)`: a program of that name on PATH that runs `text`, after an answer to --version."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (home / ".gemini/antigravity-cli").mkdir(parents=True)

    def write(text, version="1.2.7"):
        program = folder / "agy"
        program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "agy {version}" && exit\n{text}\n')
        program.chmod(0o755)
        return {"PATH": f"{folder}:/usr/bin:/bin"}

    return write


def asked(log):
    """(method, token, protocol) of each request."""
    lines = [json.loads(line) for line in log.read_text().splitlines()[1:]]
    assert {(path.rpartition("/")[0], json.dumps(body)) for path, _, body in lines} <= {
        ("/exa.language_server_pb.LanguageServerService", json.dumps({"metadata": antigravity_local.METADATA}))
    }
    said = [(path.rpartition("/")[2], {name.lower(): value for name, value in sent.items()}) for path, sent, _ in lines]
    return [(method, sent.get("x-codeium-csrf-token"), sent["connect-protocol-version"]) for method, sent in said]


def surroundings(home, **environ):
    return accounts.Surroundings({"HOME": str(home), "PATH": "/nowhere", **environ}, AT, foreground=True)


def ask(home, name="antigravity", **environ):
    """The whole round, as the engine has it."""
    asking = fetch.Asking(accounts.one(name, config.load(), surroundings(home, **environ)), None)
    said = asyncio.run(asking.answer(http.tls())) if asking.usable else asking.without_asking()
    assert TOKEN not in f"{said} {said.error and said.error.hint}"
    return said


def told(said):
    return (said.snapshot.source, said.snapshot.identity, said.snapshot.periods) if said.snapshot else str(said.error)


GOOD = {PROBE: {}, SUMMARY: document("summary"), STATUS: document("status")}


def test_a_running_antigravity_is_asked_with_the_token_of_its_command_line(started, home):
    log = started(GOOD, "--app_data_dir", "antigravity")
    assert told(ask(home)) == ("local", PRO, FOUR)
    assert asked(log) == [(method, TOKEN, "1") for method in (PROBE, SUMMARY, STATUS)]


@pytest.mark.slow
def test_all_that_is_kept_and_shown_of_it_is_the_numbers(started, home, tmp_path, vibeusage):
    started(GOOD)
    done = vibeusage("refresh", "antigravity", env={"PATH": "/nowhere"})
    shown = vibeusage("usage", "antigravity", "--json", env={"PATH": "/nowhere"})
    assert (done.returncode, shown.returncode) == (0, 0)
    periods = json.loads(shown.stdout)["periods"]
    assert {one["name"]: one["utilization"] for one in periods} == {one.name: one.utilization for one in FOUR}
    ours = [path for folder in ("cache", "config", "data") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert [path for path in ours if TOKEN.encode() in path.read_bytes()] == []
    assert ours
    assert TOKEN.encode() not in done.stdout + done.stderr + shown.stdout + shown.stderr


def test_the_windows_are_called_as_in_the_document_of_agy():
    quota = {f"{pool}-{length}": {"remaining_fraction": 1} for pool in ("gemini", "3p") for length in ("5h", "weekly")}
    assert list(limits({"quota": quota}, int(AT.timestamp()))[1]) == [period.name for period in FOUR]


@pytest.mark.parametrize(
    ("place", "flags"),
    [
        pytest.param("Antigravity.app/Contents/Resources/bin/language_server_macos_arm", (), id="by its path"),
        pytest.param("bin/language-server", ("--app_data_dir", "antigravity-ide"), id="by its folder", marks=SLOW),
        pytest.param("Applications/Gemini.app/language_server", (), id="as Google calls it now", marks=SLOW),
    ],
)
def test_it_is_told_from_other_language_servers_by_its_path_or_folder(place, flags, started, home):
    started(GOOD, *flags, place=place)
    assert told(ask(home))[0] == "local"


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        pytest.param({"place": "windsurf/bin/language_server"}, ("--app_data_dir", "windsurf"), id="another's"),
        pytest.param({"place": "antigravity/bin/node"}, (), id="another program", marks=SLOW),
        pytest.param({"token": ""}, (), id="without a token"),
        pytest.param({"of": "/nowhere"}, (), id="in another home"),
    ],
)
def test_other_processes_are_not_asked(options, flags, started, home):
    log = started(GOOD, *flags, **options)
    said = ask(home)
    assert (said.error.category, told(said)) == ("not_configured", "Antigravity has no login on this machine")
    assert "start Antigravity" in said.error.hint
    assert asked(log) == []


@pytest.mark.slow
def test_a_process_in_a_folder_of_this_home_is_ours_as_that_of_a_snap(started, home):
    folder = home / "snap/antigravity/7"
    folder.mkdir(parents=True)
    started(GOOD, of=folder)
    assert told(ask(home))[0] == "local"


def test_agy_alone_needs_no_token(started, home):
    log = started(GOOD, token="", place="bin/agy")
    assert told(ask(home)) == ("local", PRO, FOUR)
    assert asked(log)[0] == (PROBE, None, "1")


def test_an_agy_that_wants_a_token_it_tells_nobody_is_asked_as_a_program(started, agy, home, tmp_path):
    started(GOOD, token="", wants="its own", place="bin/agy")
    assert told(ask(home)) == "agy runs and keeps its token to itself"
    report = tmp_path / "report.json"
    report.write_bytes(fixture("antigravity", "report.json"))
    said = ask(home, **agy(f"cat {report}"))
    assert told(said)[0] == "cli"
    assert [(one.strategy, one.success) for one in said.attempts] == [("local", False), ("cli", True)]


def test_what_is_another_users_is_not_seen(started, home, monkeypatch, require):
    port = int(started(GOOD).read_text().split()[1])
    ctx = accounts.one("antigravity", config.load(), surroundings(home))
    assert port in {found for _, found in antigravity_processes._sockets()}
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert antigravity_processes.find(ctx) is None
        assert port not in {found for _, found in antigravity_processes._sockets()}
        patch.setattr(antigravity_processes, "sys", SimpleNamespace(platform="darwin"))
        patch.setattr(antigravity_processes, "PS", require("ps"))
        assert antigravity_processes.find(ctx) is None


def test_a_refused_token_is_said_and_holds_nothing_up(started, home):
    log = started(GOOD, wants="another")
    said = ask(home)
    assert (said.error.category, told(said)) == (
        "network",
        "Antigravity runs and refuses the token of its own command line",
    )
    assert said.gate is None or said.gate.holds == {}
    assert asked(log) == [(PROBE, TOKEN, "1")]


def test_of_two_processes_the_one_that_tells_limits_is_heard(started, home):
    nothing = started({PROBE: {}})
    log = started(GOOD)
    assert told(ask(home)) == ("local", PRO, FOUR)
    assert [method for method, *_ in asked(nothing)] == [PROBE, SUMMARY]
    assert [method for method, *_ in asked(log)] == [PROBE, SUMMARY, STATUS]


@pytest.mark.slow
def test_a_summary_of_one_is_better_than_what_another_says_of_its_models(started, home):
    started({PROBE: {}, STATUS: document("status")})
    started(GOOD, token=TOKEN[::-1])
    assert told(ask(home)) == ("local", PRO, FOUR)


@pytest.mark.parametrize(
    ("answers", "heard"),
    [
        pytest.param({**GOOD, STATUS: [501, {}]}, (None, FOUR), id="no identity", marks=SLOW),
        pytest.param(
            {**GOOD, STATUS: document("status-free")},
            (ProviderIdentity(email="free@example.org", plan="Antigravity Starter"), (FOUR[1], FOUR[3])),
            id="a free plan",
        ),
        pytest.param({PROBE: {}, STATUS: document("status")}, (PRO, OF_STATUS), id="an editor's server"),
        pytest.param({STATUS: document("status")}, (PRO, OF_STATUS), id="no probe", marks=SLOW),
        pytest.param({**GOOD, SUMMARY: {"groups": []}}, (PRO, OF_STATUS), id="an empty summary", marks=SLOW),
        pytest.param({PROBE: {}, MODELS: document("models-cloud")}, (None, OF_STATUS), id="models alone", marks=SLOW),
    ],
)
def test_a_server_is_asked_for_less_where_it_knows_no_summary(answers, heard, started, home):
    started(answers)
    assert told(ask(home)) == ("local", *heard)


@pytest.mark.parametrize(
    ("answers", "category", "sentence"),
    [
        pytest.param({PROBE: {}}, "network", "tells no limits: 127.0.0.1 answered 404", id="knows nothing", marks=SLOW),
        pytest.param({PROBE: "hang"}, "network", "answers at none of its ports", id="hangs at once"),
        pytest.param({PROBE: {}, SUMMARY: "hang"}, "network", "it is too slow", id="hangs later", marks=SLOW),
        pytest.param({PROBE: {}, SUMMARY: "flood"}, "network", "sent more than 4 MiB", id="floods"),
        pytest.param({PROBE: {}, SUMMARY: {}}, "parse", "no groups of limits", id="not understood"),
        pytest.param({PROBE: {}, STATUS: {"userStatus": {}}}, "parse", "no model that says", id="empty", marks=SLOW),
    ],
)
def test_a_server_that_tells_nothing_is_named(answers, category, sentence, started, home, monkeypatch):
    if "hang" in answers.values():
        monkeypatch.setattr(antigravity_local, "PROBE_S" if answers[PROBE] == "hang" else "METHOD_S", 0.5)
    started(answers)
    said = ask(home)
    assert said.error.category == category
    assert sentence in str(said.error)
    assert said.error.hint


@pytest.mark.slow
def test_a_server_that_hangs_does_not_keep_another_from_being_heard(started, home):
    started({PROBE: "hang"})
    started(GOOD)
    assert told(ask(home)) == ("local", PRO, FOUR)


def test_the_extensions_port_is_asked_without_tls_and_with_its_own_token(started, home):
    other = TOKEN[::-1]
    plain = started(GOOD, token="", wants=other, tls=False, place="bin/extension-host")
    port = plain.read_text().split()[1]
    started({}, "--extension_server_port", port, "--extension_server_csrf_token", other, wants="never")
    assert told(ask(home)) == ("local", PRO, FOUR)
    assert {token for _, token, _ in asked(plain)} == {other}


def test_a_port_that_nobody_of_ours_listens_on_gets_no_token(started, home, monkeypatch):
    monkeypatch.setattr(antigravity_processes, "_sockets", lambda: iter(()))
    log = started(GOOD, "--extension_server_port", "1")
    assert told(ask(home)) == "Antigravity runs and listens on no port"
    assert asked(log) == []


def test_without_proc_the_systems_own_tools_find_process_and_port(started, home, monkeypatch, require):
    monkeypatch.setattr(antigravity_processes, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(antigravity_processes, "PS", require("ps"))
    monkeypatch.setattr(antigravity_processes, "PS_S", 30)
    monkeypatch.setattr(antigravity_processes, "LSOF", require("lsof"))
    token = f"{os.getpid()}-of-this-test-alone"  # processes of other tests are seen, too
    log = started(GOOD, token=token, place="Application Support/antigravity/language_server_macos_arm")
    ctx = accounts.one("antigravity", config.load(), surroundings(home, PATH=os.environ["PATH"]))
    login = credentials.find(LOCAL.login, ctx)
    [mine] = [one for one in login.data["servers"] if one.token == token]
    by_process, ours = asyncio.run(antigravity_processes.listening([mine], ctx))
    port = int(log.read_text().split()[1])
    assert by_process[mine.pid] == {port}
    assert port in ours


def test_a_named_account_is_not_taken_for_the_one_that_runs(started, home):
    log = started(GOOD)
    said = ask(home, "antigravity@work")
    assert said.error.category == "not_configured"
    assert asked(log) == []


def test_no_repr_shows_a_token(started, home):
    started(GOOD)
    ctx = accounts.one("antigravity", config.load(), surroundings(home))
    login = credentials.find(LOCAL.login, ctx)
    assert TOKEN not in f"{login!r} {login.data['servers']!r} {antigravity_local.Door('https', 1, TOKEN)!r}"
    assert login.is_in(f"it said {TOKEN}")


# agy, the program


def test_agy_is_asked_for_its_report(agy, home, tmp_path):
    report = tmp_path / "report.json"
    report.write_bytes(fixture("antigravity", "report.json"))
    said = ask(home, **agy(f'[ "$*" = "-p /usage --output-format json" ] && cat {report}'))
    source, identity, periods = told(said)
    assert (source, identity, sorted(periods, key=FOUR.index)) == ("cli", None, list(FOUR))


def printed(**report):
    return f"echo '{json.dumps(report)}'"


OLD, NOTHING, LOGGED_OUT = "too old to tell its limits", "could not tell its limits", "not logged in"


@pytest.mark.parametrize(
    ("text", "version", "category", "sentence"),
    [
        pytest.param("touch $HOME/asked", "1.1.10", "network", OLD, id="too old"),
        pytest.param("touch $HOME/asked", "nothing", "network", OLD, id="no version"),
        pytest.param("echo 'Error: not signed in'; exit 1", "1.2.7", "authentication", LOGGED_OUT, id="logged out"),
        pytest.param(printed(status="ERROR", response="log in"), "1.2.7", "authentication", LOGGED_OUT, id="as JSON"),
        pytest.param(printed(status="ERROR", response="busy"), "1.2.7", "network", NOTHING, id="an error"),
        pytest.param("echo busy; exit 1", "1.2.7", "network", NOTHING, id="words"),
        pytest.param("exit 3", "1.2.7", "network", "ended with code 3", id="nothing"),
        pytest.param(printed(status="SUCCESS", response="x"), "1.2.7", "parse", "not the report", id="of a model"),
        pytest.param("yes", "1.2.7", "parse", "printed more than 4 MiB", id="floods"),
    ],
)
def test_an_agy_that_tells_nothing_is_named(text, version, category, sentence, agy, home):
    said = ask(home, **agy(text, version))
    assert said.error.category == category
    assert sentence in str(said.error)
    assert said.error.hint
    assert not (home / "asked").exists()
    assert said.gate is None or said.gate.holds == {}


@pytest.mark.slow
def test_an_agy_that_hangs_is_ended(agy, home, config_dir):
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text("[fetch]\ntimeout_s = 2\n")
    said = ask(home, **agy("echo $$ >$HOME/pid; sleep 300"))
    assert "took longer than" in str(said.error)
    pid = int((home / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_an_agy_that_was_never_used_is_not_started(agy, home):
    environ = agy("touch $HOME/asked")
    (home / ".gemini/antigravity-cli").rmdir()
    assert ask(home, **environ).error.category == "not_configured"
    assert not (home / "asked").exists()


def test_what_auth_shows_of_a_program_is_that_it_has_its_own_login(agy, home):
    environ = agy("exit 1")
    known = found.account(accounts.one("antigravity", config.load(), surroundings(home, **environ)))
    assert [(one.strategy, one.state, one.note) for one in known.logins] == [
        ("cli", "unknown", "the program has its own login")
    ]
    assert known.hint


# logins that no file in JSON holds

LOGIN = {"token": {"access_token": "ya29.invented-antigravity", "expiry": "2026-09-14T12:30:00Z"}}
VALUE = json.dumps(LOGIN).encode()
KEYRING = "the keyring entry of Antigravity"


@pytest.mark.parametrize(
    ("value", "foreground", "name", "where"),
    [
        pytest.param(VALUE, True, "antigravity", KEYRING, id="as it is"),
        pytest.param(b"go-keyring-base64:" + base64.b64encode(VALUE), True, "antigravity", KEYRING, id="wrapped"),
        pytest.param(VALUE.hex().encode(), True, "antigravity", KEYRING, id="as hex digits"),
        pytest.param(b"go-keyring-base64:!", True, "antigravity", None, id="wrapped badly"),
        pytest.param(b"words", True, "antigravity", None, id="words"),
        pytest.param(None, True, "antigravity", None, id="nothing"),
        pytest.param(VALUE, False, "antigravity", None, id="in the background"),
        pytest.param(VALUE, True, "antigravity@work", None, id="of another account"),
    ],
)
def test_the_keyring_is_asked_where_a_person_waits(value, foreground, name, where, home, monkeypatch):
    seen = []
    (home / ".gemini/antigravity-cli").mkdir(parents=True)
    monkeypatch.setattr(keystore, "of_another", lambda *asked: seen.append(asked[:2]) or value)
    around = surroundings(home)._replace(foreground=foreground)
    login = antigravity_login.in_keyring(accounts.one(name, config.load(), around))
    assert (login and (login.where, login.token)) == (where and (where, "ya29.invented-antigravity"))
    assert seen == ([("gemini", "antigravity")] if foreground and "@" not in name else [])


def test_a_keyring_is_not_opened_for_those_who_never_had_agy(home, monkeypatch):
    monkeypatch.setattr(keystore, "of_another", lambda *asked: pytest.fail("it was opened"))
    assert antigravity_login.in_keyring(accounts.one("antigravity", config.load(), surroundings(home))) is None


@pytest.mark.parametrize("place", [".config", "Library/Application Support"])
@pytest.mark.parametrize("store", [str, str.encode])
def test_the_editors_login_is_read_from_its_database(place, store, home):
    path = home / place / "Antigravity/User/globalStorage/state.vscdb"
    path.parent.mkdir(parents=True)
    value = store(json.dumps({"name": "Dev", "email": "dev@example.org", "apiKey": "ya29.invented"}))
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE ItemTable (key TEXT UNIQUE, value BLOB)")
        database.execute("INSERT INTO ItemTable VALUES ('antigravityAuthStatus', ?)", [value])
    login = antigravity_login.in_editor(accounts.one("antigravity", config.load(), surroundings(home)))
    assert login is not None
    assert (login.token, login.where, login.data) == ("ya29.invented", str(path), {"email": "dev@example.org"})


def test_a_database_of_the_editor_that_is_none_is_named(home):
    path = home / ".config/Antigravity/User/globalStorage/state.vscdb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 100)
    said = ask(home)
    assert (said.error.category, told(said)) == ("network", f"{path} cannot be read: DatabaseError")
