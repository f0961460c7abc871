"""What people paste or photograph: with `--redact` no name of theirs is in it, and each has one label everywhere."""

import json
import os
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibeusage import cache, cli, config, episodes, gate, health, mask, redact
from vibeusage.episodes import Alert, Known, Seen
from vibeusage.errors import Unavailable
from vibeusage.models import (
    FetchError,
    PeriodType,
    ProviderIdentity,
    ProviderStatus,
    StatusLevel,
    UsagePeriod,
    UsageSnapshot,
)
from vibeusage.records import store
from vibeusage.records.quotas import Sample

MAIL, ORGANISATION, ACCOUNT, HOST = "canary@umbrella.example", "Canary Umbrella", "canaryjob", "proxy.canary.example"
FOLDER = "/srv/canary-client/.claude"
CANARIES = ("canary", "Canary", "umbrella", "Umbrella")
SETTINGS = f"""
[providers."claude@{ACCOUNT}"]
config_dir = "{FOLDER}"
[providers.deepseek]
base_url = "https://{HOST}/v1"
[providers."copilot@{ACCOUNT}"]
config_dir = "~/canary/copilot"
[machines]
name = "canary-desk"
[alerts]
thresholds = [80]
command = ["/srv/canary-client/notify", "{{title}}"]
"""
SAID = f"claude@{ACCOUNT} of {MAIL} ({ORGANISATION}): {HOST} and 10.1.2.3 refused {FOLDER}/a.json and ~/canary/b"


@pytest.fixture
def known(home, config_dir, monkeypatch):
    """An account with numbers whose last round failed, another one that only has an error, and a status."""
    config_dir.mkdir(mode=0o700)
    (config_dir / "config.toml").write_text(SETTINGS)
    monkeypatch.setenv("COLUMNS", "400")
    now = datetime.now(UTC)
    period = UsagePeriod(name="Weekly", utilization=42.0, period_type=PeriodType.WEEKLY)
    who = ProviderIdentity(plan="Max 20x", email=MAIL, organization=ORGANISATION)
    found = UsageSnapshot(
        provider="claude", account=ACCOUNT, periods=(period,), identity=who, fetched_at=now, observed_at=now, source="x"
    )
    cache.save_snapshot(found, "f")
    failed = gate.after_failure(None, Unavailable(SAID, hint=SAID), interval_s=300, now=now)
    gate.save({f"claude@{ACCOUNT}": failed, "deepseek": failed})
    with store.open() as opened:
        at = int(now.timestamp())
        sample = Sample(f"claude@{ACCOUNT}", f"Weekly of {ORGANISATION}", "", 604_800, at - 60, 42.0, 0)
        opened.note_quotas([sample], now=at, keep_from=0)
    alert = Alert(
        account=f"claude@{ACCOUNT}", period="Weekly", threshold=80, utilization=81.0, at=now, until=now + timedelta(1)
    )
    episodes.save(Known(seen={f"claude@{ACCOUNT}": {"Weekly": Seen(utilization=81.0, at=now)}}, alerts=(alert,)))
    health.write("claude", ProviderStatus(level=StatusLevel.DEGRADED, description=SAID, updated_at=now))
    return f"claude@{ACCOUNT}"


def printed(capsys, *argv: str) -> str:
    cli.main([*argv])
    told = capsys.readouterr()
    return told.out + told.err


COMMANDS = [
    pytest.param(["usage"], id="usage"),
    pytest.param(["usage", "-v"], id="usage -v"),
    pytest.param(["usage", "--mail"], id="usage --mail"),
    pytest.param(["usage", "--json", "--mail"], id="usage --json"),
    pytest.param(["usage", "--json", "--mail", f"claude@{ACCOUNT}"], id="usage of one"),
    pytest.param(["usage", f"claude@{ACCOUNT}x"], id="usage of one that is not there"),
    pytest.param(["providers", "list", "--all"], id="providers"),
    pytest.param(["providers", "list", "--json"], id="providers --json"),
    pytest.param(["providers", "show", f"claude@{ACCOUNT}"], id="providers show"),
    pytest.param(["providers", "show", "deepseek", "--json"], id="providers show --json"),
    pytest.param(["auth", "--status"], id="auth"),
    pytest.param(["auth", f"claude@{ACCOUNT}"], id="auth of one"),
    pytest.param(["auth", "--json"], id="auth --json"),
    pytest.param(["status", "claude"], id="status"),
    pytest.param(["status", "claude", "--json"], id="status --json"),
    pytest.param(["history"], id="history"),
    pytest.param(["history", f"claude@{ACCOUNT}", "--json"], id="history --json"),
    pytest.param(["history", "--csv"], id="history --csv"),
    pytest.param(["report", "insights", "--json"], id="insights --json"),
    pytest.param(["report", "insights"], id="insights"),
    pytest.param(["cache", "show"], id="cache"),
    pytest.param(["cache", "--json"], id="cache --json"),
    pytest.param(["config", "show"], id="config"),
    pytest.param(["config", "--json"], id="config --json"),
    pytest.param(["alerts"], id="alerts"),
    pytest.param(["alerts", "show", "--json"], id="alerts --json"),
]
NAMED = ("usage --mail", "providers list", "auth --json", "status claude", "report insights", "history", "cache")
NAMED += ("config", "config --json", "alerts", "alerts --json")
PLACES = ("cache", "config", "config path", "config path --json", "records show", "records show --json")
PLACES += ("db path", "db path --json", "db check", "db check --json")


@pytest.mark.parametrize("argv", COMMANDS)
def test_redacted_output_holds_no_name_of_the_person(argv, known, capsys):
    text = printed(capsys, *argv, "--redact")
    assert text
    assert [line for line in text.splitlines() if any(name in line for name in CANARIES) or "10.1.2.3" in line] == []


@pytest.mark.parametrize("line", NAMED)
def test_without_it_the_names_are_there(line, known, capsys):
    assert any(name in printed(capsys, *line.split()) for name in CANARIES)


@pytest.mark.parametrize("line", PLACES)
def test_our_own_folders_are_told_without_their_names(line, capsys, tmp_path, monkeypatch):
    for name in ("CACHE", "DATA", "CONFIG"):
        own = tmp_path / "canary" / name
        own.mkdir(parents=True, mode=0o700)
        monkeypatch.setenv(f"VIBEUSAGE_{name}_DIR", str(own))
    cli.main(["db", "init"])
    capsys.readouterr()
    assert "canary" in printed(capsys, *line.split())
    assert "canary" not in printed(capsys, *line.split(), "--redact")


def test_one_account_has_one_label_everywhere(known, capsys):
    texts = [printed(capsys, *argv, "--redact") for argv in (["usage", "--json"], ["providers", "list"], ["auth"])]
    texts += [printed(capsys, *argv, "--redact") for argv in (["report", "insights"], ["history"])]
    texts += [printed(capsys, *argv, "--redact") for argv in (["cache"], ["config"], ["config", "--json"], ["alerts"])]
    labels = [set(re.findall(r"claude@(account-[0-9a-f]{8})\b", text)) for text in texts]
    assert len(labels[0]) == 1
    assert labels == [labels[0]] * len(texts)
    snapshot = json.loads(printed(capsys, "usage", "--json", "--redact", known))
    assert {f"claude@{snapshot['account']}"} == {f"claude@{one}" for one in labels[0]}


def test_a_name_has_the_same_label_in_a_sentence_as_alone(known):
    shown_as = redact.of_this_machine(os.environ, config.load())
    told = shown_as.text(SAID)
    mail, organisation = shown_as.label("mail", MAIL), shown_as.label("organisation", ORGANISATION)
    begin = f"{shown_as.account(known)} of {mail} ({organisation}): "
    assert told.startswith(begin)
    assert told.replace(begin, "") == (
        f"{shown_as.label('host', HOST)} and {shown_as.label('host', '10.1.2.3')} refused "
        f"{shown_as.label('path', FOLDER)}/a.json and {shown_as.label('path', '~/canary/b')}"
    )
    assert shown_as.text(told) == told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("{home}/.codex/auth.json", "~/.codex/auth.json", id="a tool's usual folder"),
        pytest.param("~/Library/Caches/x", "~/Library/Caches/x", id="a Mac's"),
        pytest.param("`claude -p /usage` said", "`claude -p /usage` said", id="what an assistant is asked by"),
        pytest.param("/usr/bin/kiro-cli, run", "/usr/bin/kiro-cli, run", id="a program"),
        pytest.param("{home}/work/secret and on", "path and on", id="a folder of one's own"),
        pytest.param("~/work/secret", "path", id="the same by its short name"),
        pytest.param("/mnt/team/x: no", "path: no", id="a folder elsewhere"),
        pytest.param("see https://api.anthropic.com/v1/usage", "see https://api.anthropic.com/v1/usage", id="a vendor"),
        pytest.param("`vibeusage auth claude` and/or 5/10", "`vibeusage auth claude` and/or 5/10", id="no path"),
        pytest.param("/home/other/x", "path", id="another's home"),
        pytest.param("a@b.example asks", "mail asks", id="a mail that nobody told of"),
        pytest.param("codex@stranger: no", "codex@account: no", id="an account that is not known"),
        pytest.param("set machines.folder, storage.url", "set machines.folder, storage.url", id="settings"),
        pytest.param("[::1] 127.0.0.1 localhost", "[::1] 127.0.0.1 localhost", id="this machine"),
    ],
)
def test_what_stays_and_what_becomes_a_label(text, shown, home):
    told = redact.of_this_machine(os.environ, config.Config()).text(text.format(home=home))
    assert re.sub(r"\b(path|mail|account|host|name)-[0-9a-f]{8}\b", r"\1", told) == shown


SENTENCES = ("claude@{}: no", "Claude ({}) did", "a/claude@{}.json is old", "`vibeusage auth claude@{}`", "(claude@{})")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("qwxXYZ._-+@ /é"), min_size=3, max_size=12), st.sampled_from(SENTENCES))
def test_no_name_of_an_account_is_left_in_a_sentence(home, name, sentence):
    asked = config.Config(providers={f"claude@{name.strip()}": config.ProviderOptions()})
    told = redact.of_this_machine(os.environ, asked).text(sentence.format(name.strip()))
    assert len(name.strip()) < 3 or name.strip() not in told


def test_a_mail_is_shown_only_to_those_who_ask(known, capsys):
    for argv in (["usage"], ["usage", "-v"], ["usage", "--json"], ["usage", known, "--json"]):
        kept = printed(capsys, *argv, "-q")
        assert MAIL not in kept and "Max 20x" in kept and ORGANISATION in kept
        assert MAIL in printed(capsys, *argv, "--mail", "-q")


def test_the_host_of_a_declaration_of_one_s_own_is_private(config_dir, capsys):
    (config_dir / "providers.d").mkdir(parents=True, mode=0o700)
    text = 'env = "X_KEY"\n[[request]]\nurl = "https://llm.canary.example/usage"\n[[balance]]\namount = "a"\n'
    (config_dir / "providers.d" / "gateway.toml").write_text(f'name = "Gateway"\n{text}')
    told = redact.of_this_machine(os.environ, config.Config()).text("llm.canary.example refused, api.anthropic.com too")
    assert re.fullmatch(r"host-[0-9a-f]{8} refused, api\.anthropic\.com too", told)


def test_an_error_s_sentence_holds_no_mail_but_an_account_keeps_its_name():
    said = mask.without_mails(FetchError("error", f"claude@work.example: {MAIL} has no plan", "ask x.y+z@a.example"))
    assert said == FetchError("error", "claude@work.example: c…@… has no plan", "ask x…@…")
