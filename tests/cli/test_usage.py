import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from vibeusage import cache, cli, gate, providers
from vibeusage.cli.refresh import reason
from vibeusage.errors import AuthError
from vibeusage.models import FetchError, OverageUsage, PeriodType, ProviderIdentity, UsagePeriod, UsageSnapshot


def save(provider="claude", *, age=timedelta(0), used=42.0, resets_in=timedelta(hours=2, minutes=1), **fields):
    now = datetime.now(UTC)
    period = UsagePeriod(
        name="Session (5h)", utilization=used, period_type=PeriodType.SESSION, resets_at=now + resets_in
    )
    found = UsageSnapshot(
        provider=provider, fetched_at=now, observed_at=now - age, source="oauth", periods=(period,), **fields
    )
    cache.save_snapshot(found, "f")
    return found


def test_a_plan_is_shown_with_bar_percentage_and_reset(capsys):
    identity = ProviderIdentity(plan="Max 20x", organization="Example Org")
    save(identity=identity, overage=OverageUsage(used=Decimal("6.55"), limit=Decimal(40)))
    assert cli.main([]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.rstrip() == "Claude · Max 20x · Example Org"
    assert re.match(r"  Session \(5h\)  █+░+ +42% used +resets in 2h", second)
    assert third == "  extra usage   $6.55 of $40.00 (16%)"


def test_a_reset_that_has_passed_is_not_shown_as_the_old_percentage(capsys):
    save(resets_in=timedelta(seconds=-1))
    cli.main(["usage"])
    out = capsys.readouterr().out
    assert "reset" in out
    assert "42%" not in out


def test_an_account_that_is_shown_can_be_asked_for_by_its_name(capsys):
    save(account="work-0ef711ee")  # of a folder of Claude Code that is not in force here
    assert cli.main(["usage", "claude@work-0ef711ee", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["account"] == "work-0ef711ee"
    assert cli.main(["usage", "claude@home-0ef711ee"]) == 4


def test_old_numbers_say_their_age(capsys):
    save(age=timedelta(hours=2))
    cli.main(["usage"])
    assert "(2h ago)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("age", "code", "note"),
    [
        pytest.param(timedelta(minutes=4), 2, "! acme.example refused the login; numbers are 4m old", id="before"),
        pytest.param(timedelta(minutes=1), 0, "", id="told by a status line since"),
    ],
)
def test_why_numbers_are_no_newer_is_said_until_they_are(age, code, note, capsys):
    save(age=age)
    failed_at = datetime.now(UTC) - timedelta(minutes=2)
    refused = gate.after_failure(None, AuthError("acme.example refused the login"), interval_s=300, now=failed_at)
    gate.save({"claude": refused})
    assert cli.main([]) == code
    assert [line.strip() for line in capsys.readouterr().out.splitlines() if "!" in line] == ([note] if note else [])


def test_remaining_is_a_setting_and_visible(capsys, config_dir):
    save()
    config_dir.mkdir()
    (config_dir / "config.toml").write_text('[line]\nshow = "remaining"\n')
    cli.main([])
    assert "58% left" in capsys.readouterr().out


def test_one_provider_as_json_is_its_snapshot(capsys):
    save()
    cli.main(["claude", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["provider"], document["periods"][0]["utilization"]) == (1, "claude", 42.0)


def test_several_providers_as_json_stand_under_their_ids(capsys):
    save()
    save("codex", used=7.0)
    cli.main(["--json"])
    document = json.loads(capsys.readouterr().out)
    assert sorted(document) == ["errors", "fetched_at", "providers", "schema"]
    assert sorted(document["providers"]) == ["claude", "codex"]


def test_without_any_data_it_says_what_to_do_and_exits_2(capsys):
    assert cli.main([]) == 2
    said = capsys.readouterr().err
    assert "vibeusage install claude-code" in said
    assert "vibeusage demo" in said


def test_without_any_data_the_json_says_what_to_do_for_each(capsys):
    assert cli.main(["--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["providers"], list(document["errors"])) == ({}, list(providers.ids()))
    assert document["errors"]["codex"] == {
        "category": "not_configured",
        "message": "Codex has no login on this machine",
        "hint": "log in with `codex login`",
    }


def test_an_unknown_word_is_neither_provider_nor_command(capsys):
    assert cli.main(["claud"]) == 4
    assert "'claud' is not a provider or command" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "options", "colored"),
    [
        pytest.param({}, [], True, id="terminal"),
        pytest.param({"NO_COLOR": "1"}, [], False, id="NO_COLOR"),
        pytest.param({"NO_COLOR": ""}, [], True, id="NO_COLOR empty"),
        pytest.param({"TERM": "dumb"}, [], False, id="dumb terminal"),
        pytest.param({"CLICOLOR": "0"}, [], False, id="CLICOLOR=0"),
        pytest.param({}, ["--no-color"], False, id="option"),
    ],
)
def test_colour_follows_terminal_and_conventions(environ, options, colored):
    save()
    master, slave = pty.openpty()
    command = [sys.executable, "-P", "-m", "vibeusage", "usage", *options]
    subprocess.run(command, stdout=slave, env={**os.environ, **environ}, check=True, timeout=30)
    os.close(slave)
    assert (b"\x1b[" in os.read(master, 65536)) is colored
    os.close(master)


def test_colour_can_be_forced_into_a_pipe(vibeusage):
    save()
    assert b"\x1b[" not in vibeusage("usage").stdout
    assert b"\x1b[32m" in vibeusage("usage", env={"CLICOLOR_FORCE": "1"}).stdout


def test_a_c_locale_gets_ascii_bars(vibeusage):
    save()
    done = vibeusage("usage", env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"})
    assert (done.returncode, b"########------------" in done.stdout) == (0, True)


def test_a_reader_that_leaves_early_causes_no_traceback(vibeusage):
    save()
    command = f"{sys.executable} -P -m vibeusage usage"
    early = subprocess.run(["sh", "-c", f"{command} | true"], capture_output=True, timeout=30)
    assert (early.returncode, early.stderr) == (0, b"")
    full = subprocess.run(["sh", "-c", f"{command} >/dev/full"], capture_output=True, timeout=30)
    said = "vibeusage: the output cannot be written: No space left on device\n  check where it goes, and the space\n"
    assert (full.returncode, full.stderr.decode()) == (1, said)


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_mistake(closed):
    save()
    line = f"{sys.executable} -P -m vibeusage usage {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=30)
    assert (done.returncode, b"mistake" in done.stderr) == (0, False)


def test_cache_show_names_account_source_and_age(capsys):
    save(age=timedelta(minutes=5, seconds=30))
    cli.main(["cache", "show"])
    assert capsys.readouterr().out.splitlines()[1] == "  claude  1 window from oauth, 5m ago"
    cli.main(["cache", "clear", "claude"])
    assert capsys.readouterr().out.startswith("1 file removed from ")
    assert [cli.main(["cache", "clear", name]) for name in ("claude", "antigravity", "claud")] == [0, 0, 4]
    capsys.readouterr()
    cli.main(["cache"])
    assert capsys.readouterr().out.splitlines()[1] == "  nothing is stored yet"


def test_an_account_without_numbers_has_its_place_in_the_order(capsys):
    for name in ("claude", "gemini"):
        save(name)
    gate.save({"codex": gate.after_failure(None, AuthError("refused"), interval_s=300, now=datetime.now(UTC))})
    assert cli.main([]) == 5
    titles = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("╭")]
    assert titles == ["Claude", "Codex", "Gemini"]


def test_a_reason_is_told_to_its_end():
    told = reason("codex", FetchError("configuration", "no " * 50 + "way", "try " * 50 + "`vibeusage auth codex`"))
    assert told == "codex: " + "no " * 50 + "way\n  " + "try " * 50 + "`vibeusage auth codex`"


def shown(capsys, *words):
    assert cli.main(["--json", *words]) == 0
    return list(json.loads(capsys.readouterr().out)["providers"])


def test_the_providers_that_the_environment_names_are_those_shown(capsys, config_dir, monkeypatch):
    for name in ("claude", "codex", "gemini"):
        save(name)
    config_dir.mkdir()
    (config_dir / "config.toml").write_text('enabled_providers = ["claude"]\n')
    monkeypatch.setenv("VIBEUSAGE_ENABLED_PROVIDERS", "gemini, codex")
    assert shown(capsys) == ["gemini", "codex"]
    assert shown(capsys, "claude", "gemini") == ["claude", "gemini"]


@pytest.mark.parametrize("words", [[], ["--refresh"]], ids=["due", "all"])
def test_what_has_neither_numbers_nor_login_is_not_shown(words, capsys):
    save(identity=ProviderIdentity(plan="Pro"))
    assert cli.main(words) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if not line.startswith("  ")] == ["Claude · Pro"]


def test_a_provider_means_its_accounts_that_are_on(capsys, config_dir):
    for account in (None, "old", "work"):
        save(account=account)
    config_dir.mkdir()
    (config_dir / "config.toml").write_text('[providers."claude@old"]\nenabled = false\n')
    assert shown(capsys, "claude") == ["claude", "claude@work"]
    assert shown(capsys, "claude@old", "claude") == ["claude@old", "claude", "claude@work"]


@pytest.mark.parametrize("words", ["--json cache show", "-j cache show", "cache show -j"])
def test_an_option_may_stand_before_its_command_and_json_has_a_letter(words, capsys):
    assert cli.main(words.split()) == 0
    assert json.loads(capsys.readouterr().out)["accounts"] == []


def test_the_version_is_that_of_the_package(capsys):
    from importlib.metadata import version

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"vibeusage {version('vibeusage')}\n"


@pytest.mark.parametrize("words", [["--help"], *[[name, "--help"] for name in cli.COMMANDS]], ids=" ".join)
def test_every_command_has_help_that_names_all_it_takes(words, capsys):
    try:
        code = cli.main(words)
    except SystemExit as stop:
        code = stop.code
    assert (code or 0) == 0
    assert capsys.readouterr().out.startswith("usage: vibeusage")


def test_bad_usage_exits_4_with_a_next_step(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["usage", "--jsn"])
    assert stop.value.code == 4
    assert capsys.readouterr().err == ("vibeusage: unrecognized arguments: --jsn; see `vibeusage usage --help`\n")
