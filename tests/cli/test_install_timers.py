"""The three timers, with stand-ins for crontab, systemctl and launchctl; systemd itself reads the units."""

import os
import plistlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vibeusage import cli, timers
from vibeusage.job import PLACES, TIMER_TEXT, Job, carried, cron_lines, plist_text, service_text

ODD = "50% of it's \\%a \"b\" $HOME `c` ü"
FAKE_CRONTAB = """#!/bin/sh
cd "$(dirname "$0")" || exit
env >crontab-environment
case "$1" in
  -l) cat tab 2>/dev/null || { echo "no crontab for $LOGNAME" >&2; exit 1; } ;;
  -r) rm tab ;;
  -) cat >tab ;;
esac
"""
# logs its words; fails with the text in `refuses`, or where the first words are in `unknown`
FAKE_MANAGER = """#!/bin/sh
cd "$(dirname "$0")" || exit
echo "$*" >>calls
[ -s refuses ] && { cat refuses >&2; exit 1; }
[ -e unknown ] && [ "$(cat unknown)" = "$1" ] && exit 113
exit 0
"""


@pytest.fixture(autouse=True)
def programs(tmp_path, monkeypatch) -> Path:
    """The folder of the stand-ins and of an installed vibeusage; the only one on PATH besides the system's tools."""
    folder, tools = tmp_path / "bin", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    for name in ("sh", "cat", "rm", "env", "dirname", "sleep"):
        (tools / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", f"{folder}:{tools}")
    monkeypatch.setenv("LOGNAME", "you")
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", *PLACES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    stand_in(folder, "vibeusage", "#!/bin/sh\n")
    stand_in(folder, "crontab", FAKE_CRONTAB)
    for name in ("systemctl", "launchctl"):
        stand_in(folder, name, FAKE_MANAGER)
    monkeypatch.setattr(sys, "argv", [str(folder / "vibeusage")])
    return folder


@pytest.fixture
def mac(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")


def stand_in(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder / name


def calls(programs: Path) -> list[str]:
    log = programs / "calls"
    said = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return said


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- what the job carries


def test_what_leads_to_the_same_places_is_carried_and_nothing_secret():
    environ = {
        "HOME": "/elsewhere",
        "VIBEUSAGE_CACHE_DIR": "/c",
        "XDG_CONFIG_HOME": "/x",
        "XDG_RUNTIME_DIR": "/run/user/1",
        "CLAUDE_CONFIG_DIR": "rel",
        "CODEX_HOME": "/codex/",
        "SSL_CERT_FILE": "",
        "https_proxy": "http://proxy:3128",
        "HTTPS_PROXY": "http://you:canary@proxy:3128",
        "NO_PROXY": "localhost",
        "ANTHROPIC_API_KEY": "canary",
        "CLAUDE_CODE_OAUTH_TOKEN": "canary",
    }
    assert carried(environ, "/home/you") == (
        {
            "HOME": "/elsewhere",
            "VIBEUSAGE_CACHE_DIR": "/c",
            "XDG_CONFIG_HOME": "/x",
            "CLAUDE_CONFIG_DIR": f"{os.getcwd()}/rel",
            "CODEX_HOME": "/codex/",
            "https_proxy": "http://proxy:3128",
            "NO_PROXY": "localhost",
        },
        ["HTTPS_PROXY holds a login and is not carried into the job"],
    )


def test_the_home_that_cron_sets_by_itself_is_not_carried():
    assert carried({"HOME": "/home/you"}, "/home/you") == ({}, [])


@pytest.mark.parametrize("target", ["cron", "systemd"])
def test_a_variable_with_a_line_break_is_refused_before_anything_changes(home, programs, monkeypatch, capsys, target):
    monkeypatch.setenv("CODEX_HOME", "/a\n* * * * * rm x")
    assert cli.main(["install", target]) == 4
    assert capsys.readouterr().err == (
        "vibeusage: CODEX_HOME holds a character that no timer can carry\n  unset or change CODEX_HOME\n"
    )
    assert (list(home.iterdir()), (programs / "tab").exists(), calls(programs)) == ([], False, [])


def test_a_proxy_login_is_told_and_in_no_file_of_ours(home, programs, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HTTPS_PROXY", "http://you:canary@proxy:3128")
    assert cli.main(["install", "cron"]) == cli.main(["install", "systemd"]) == 0
    assert capsys.readouterr().err == "note: HTTPS_PROXY holds a login and is not carried into the job\n" * 2
    assert [name for name, data in files_of(tmp_path).items() if b"canary" in data] == []


# --- cron


def as_cron_reads(line: str) -> str:
    """The command of a crontab line, after five fields; a bare `%` would end it."""
    command = re.sub(r"\\(%)|%", lambda match: match[1] or "\n", line.split(None, 5)[5])
    assert "\n" not in command
    return command


@pytest.mark.parametrize("folder", ["bin", ODD, "\\\\%%", "'%'"])
def test_cron_runs_the_program_with_its_variables_whatever_their_text(tmp_path, folder):
    program = tmp_path / folder / "vibeusage"
    program.parent.mkdir(exist_ok=True)
    stand_in(program.parent, "vibeusage", f'#!/bin/sh\nprintf "%s|" "$CODEX_HOME" "$@" >{tmp_path}/said\n')
    (line,) = cron_lines(Job(program, {"CODEX_HOME": f"/{folder}"}))
    command = ["env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", as_cron_reads(line)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert (tmp_path / "said").read_text() == f"/{folder}|refresh|--if-due|--quiet|"


def test_a_plain_job_is_a_plain_line():
    assert cron_lines(Job(Path("/opt/bin/vibeusage"), {})) == (
        "*/5 * * * * /opt/bin/vibeusage refresh --if-due --quiet >/dev/null 2>&1",
    )


@pytest.mark.parametrize("before", [None, b"", b"# mine\nMAILTO=you\n0 3 * * * backup\n", b"1 2 3 4 5 no newline"])
def test_twice_is_once_and_uninstall_gives_the_crontab_back(programs, tmp_path, before):
    tab = programs / "tab"
    if before is not None:
        tab.write_bytes(before)
    assert cli.main(["install", "cron"]) == 0
    once = tab.read_bytes()
    assert once.startswith(before or b"")
    assert once.count(b"refresh --if-due") == 1
    assert cli.main(["install", "cron"]) == 0
    assert tab.read_bytes() == once
    assert cli.main(["uninstall", "cron"]) == 0
    assert (tab.read_bytes() if tab.exists() else None) == before
    assert files_of(tmp_path / "data") == {}


def test_cron_says_what_it_did(programs, tmp_path, capsys):
    (programs / "tab").write_bytes(b"0 3 * * * backup\n")
    cli.main(["install", "cron"])
    (backup,) = (tmp_path / "data").rglob("*.original")
    assert backup.read_bytes() == b"0 3 * * * backup\n"
    next_step = "  next: nothing; where a cron daemon runs, the first refresh comes within five minutes\n"
    assert capsys.readouterr() == (f"cron: vibeusage is now in your crontab\n  backup: {backup}\n{next_step}", "")
    cli.main(["install", "cron"])
    said = f"cron: vibeusage is already in your crontab; nothing was changed\n{next_step}"
    assert capsys.readouterr() == (said, "")
    cli.main(["uninstall", "cron"])
    assert capsys.readouterr() == ("cron: your crontab is again what it was, to the byte\n", "")
    cli.main(["uninstall", "cron"])
    assert capsys.readouterr() == ("cron: vibeusage is not in your crontab; nothing was changed\n", "")


def test_a_crontab_edited_since_then_loses_only_our_block(programs):
    tab = programs / "tab"
    cli.main(["install", "cron"])
    tab.write_bytes(b"0 3 * * * before\n" + tab.read_bytes() + b"0 4 * * * after\n")
    cli.main(["uninstall", "cron"])
    assert tab.read_bytes() == b"0 3 * * * before\n0 4 * * * after\n"


def test_a_moved_program_is_renewed_in_place(programs, tmp_path, monkeypatch):
    tab = programs / "tab"
    tab.write_bytes(b"0 3 * * * backup\n")
    cli.main(["install", "cron"])
    first = tab.read_text()
    (tmp_path / "new").mkdir()
    monkeypatch.setattr(sys, "argv", [str(stand_in(tmp_path / "new", "vibeusage", "#!/bin/sh\n"))])
    cli.main(["install", "cron"])
    assert tab.read_text() == first.replace(f"{programs}/vibeusage", f"{tmp_path}/new/vibeusage")
    cli.main(["uninstall", "cron"])
    assert tab.read_bytes() == b"0 3 * * * backup\n"


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_a_crontab_that_cannot_be_read_is_never_taken_for_none(programs, capsys, verb):
    (programs / "refusal").write_text("You (you) are not allowed\nto use this \x1b[31mprogram\n")
    refusing = FAKE_CRONTAB.replace('cat tab 2>/dev/null || { echo "no crontab for $LOGNAME"', "{ cat refusal")
    stand_in(programs, "crontab", refusing)
    (programs / "tab").write_bytes(b"0 3 * * * backup\n")
    assert cli.main([verb, "cron"]) == 1
    assert capsys.readouterr().err == (
        "vibeusage: `crontab -l` failed: You (you) are not allowed to use this [31mprogram\n"
        "  nothing was changed; see to that and try again\n"
    )
    assert (programs / "tab").read_bytes() == b"0 3 * * * backup\n"


def test_a_crontab_that_refuses_ours_is_told_and_the_next_try_is_a_first_one(programs, tmp_path, capsys):
    refusing = FAKE_CRONTAB.replace("-) cat >tab", '-) echo "\\"-\\":1: command too long" >&2; exit 1')
    (programs / "tab").write_bytes(b"0 3 * * * backup\n")
    stand_in(programs, "crontab", refusing)
    assert cli.main(["install", "cron"]) == 1
    assert '`crontab -` failed: "-":1: command too long' in capsys.readouterr().err
    stand_in(programs, "crontab", FAKE_CRONTAB)
    (programs / "tab").write_bytes(b"0 4 * * * backup\n")
    assert cli.main(["install", "cron"]) == cli.main(["uninstall", "cron"]) == 0
    assert ((programs / "tab").read_bytes(), files_of(tmp_path / "data")) == (b"0 4 * * * backup\n", {})


def test_damaged_marks_are_left_to_the_user(programs, capsys):
    (programs / "tab").write_bytes(b"# >>> vibeusage >>>\n* * * * * x\n")
    assert cli.main(["install", "cron"]) == 4
    assert capsys.readouterr().err == (
        "vibeusage: your crontab: its vibeusage block has damaged marks\n"
        "  delete the block by hand first: crontab -e\n"
    )
    assert (programs / "tab").read_bytes() == b"# >>> vibeusage >>>\n* * * * * x\n"


def test_a_program_that_hangs_is_ended_and_named(programs, monkeypatch, capsys):
    monkeypatch.setattr(timers, "LIMIT_S", 0.2)
    stand_in(programs, "crontab", "#!/bin/sh\nexec sleep 60\n")
    assert cli.main(["install", "cron"]) == 1
    assert capsys.readouterr().err == (
        "vibeusage: `crontab -l` did not end within 0.2 seconds\n  nothing was changed; see why it hangs\n"
    )


def test_the_other_program_gets_no_token_of_ours(programs, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    cli.main(["install", "cron"])
    environment = (programs / "crontab-environment").read_text()
    assert ("canary" in environment, "LC_ALL=C\n" in environment) == (False, True)


# --- which are there

NO_LAUNCHD = """\
launchd is a part of macOS, and this is another system
  vibeusage install systemd, or: vibeusage install cron"""


@pytest.mark.parametrize(
    ("target", "platform", "missing", "said"),
    [
        ("cron", "linux", "crontab", "crontab is not on this machine\n  try: vibeusage install systemd"),
        ("cron", "darwin", "crontab", "crontab is not on this machine\n  try: vibeusage install launchd"),
        ("systemd", "linux", "systemctl", "systemctl is not on this machine\n  try: vibeusage install cron"),
        ("systemd", "darwin", "systemctl", "systemctl is not on this machine\n  try: vibeusage install launchd"),
        ("launchd", "linux", "", NO_LAUNCHD),
    ],
)
def test_what_this_machine_lacks_is_named_with_another_way(
    home, programs, monkeypatch, capsys, target, platform, missing, said
):
    monkeypatch.setattr(sys, "platform", platform)
    if missing:
        (programs / missing).unlink()
    assert cli.main(["install", target]) == 4
    assert capsys.readouterr().err == f"vibeusage: {said}\n"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_a_timer_has_no_file_to_choose(capsys, verb):
    assert cli.main([verb, "cron", "--file", "x"]) == 4
    assert capsys.readouterr().err == "vibeusage: cron has one place only\n  leave --file out\n"


# --- systemd and launchd: files of our own and a manager

ENABLE = ["--user daemon-reload", "--user enable --now vibeusage.timer"]
DISABLE = ["--user disable --now vibeusage.timer", "--user daemon-reload"]
GUI = f"gui/{os.getuid()}"


def test_the_units_are_written_started_and_removed_without_a_trace(home, programs, tmp_path, capsys):
    assert cli.main(["install", "systemd"]) == 0
    folder = home / ".config" / "systemd" / "user"
    assert files_of(folder).keys() == {"vibeusage.service", "vibeusage.timer"}
    assert calls(programs) == ENABLE
    out, err = capsys.readouterr()
    assert (out.splitlines(), err) == (
        [
            f"systemd: vibeusage is now in {folder}/vibeusage.timer",
            "  backup: none, nothing was there before",
            "  next: nothing; to refresh while you are logged out too: loginctl enable-linger",
        ],
        "",
    )
    assert cli.main(["install", "systemd"]) == 0
    assert calls(programs) == ENABLE
    assert "nothing was changed" in capsys.readouterr().out
    assert cli.main(["uninstall", "systemd"]) == 0
    assert (calls(programs), list(home.iterdir()), files_of(tmp_path / "data")) == (DISABLE, [], {})


def test_the_units_go_where_the_user_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "x"))
    cli.main(["install", "systemd"])
    assert f'Environment="XDG_CONFIG_HOME={tmp_path}/x"' in (
        tmp_path / "x/systemd/user/vibeusage.service"
    ).read_text().splitlines()


def test_without_a_user_manager_the_units_stay_and_the_commands_are_told(home, programs, capsys):
    (programs / "refuses").write_text("Failed to connect to bus:\nNo medium found\n")
    assert cli.main(["install", "systemd"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == (
        "  next: where your user manager runs: systemctl --user daemon-reload"
        " && systemctl --user enable --now vibeusage.timer"
    )
    refused = "`systemctl --user daemon-reload` failed: Failed to connect to bus: No medium found"
    assert err == f"note: the timer does not run yet: {refused}\n"
    assert len(files_of(home)) == 2
    wants = home / ".config/systemd/user/timers.target.wants"
    wants.mkdir()
    (wants / "vibeusage.timer").symlink_to("../vibeusage.timer")
    assert cli.main(["uninstall", "systemd"]) == 0
    refused = refused.replace("daemon-reload", "disable --now vibeusage.timer")
    assert capsys.readouterr().err == f"note: a user manager that runs may still know it: {refused}\n"
    assert list(home.iterdir()) == []


def test_the_real_systemctl_without_a_manager_is_such_a_case(home, tmp_path, require, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    require("systemctl")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    assert cli.main(["install", "systemd"]) == 0
    assert capsys.readouterr().err.startswith(
        "note: the timer does not run yet: `systemctl --user daemon-reload` failed: Failed to connect to bus: "
    )
    assert cli.main(["uninstall", "systemd"]) == 0
    assert list(home.iterdir()) == []


def place(home: Path, target: str) -> Path:
    names = {
        "systemd": ".config/systemd/user/vibeusage.timer",
        "launchd": "Library/LaunchAgents/vibeusage.refresh.plist",
    }
    return home / names[target]


@pytest.mark.parametrize("target", ["systemd", "launchd"])
def test_a_file_of_another_is_kept_and_only_replaced_on_request(home, programs, mac, capsys, target):
    file = place(home, target)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"# my own\n")
    assert cli.main(["install", target]) == 4
    assert capsys.readouterr().err == (
        f"vibeusage: {file} is there already, and not ours\n"
        f"  to put ours in its place: vibeusage install {target} --replace\n"
    )
    assert cli.main(["uninstall", target]) == 0
    assert (files_of(home), calls(programs)) == ({str(file.relative_to(home)): b"# my own\n"}, [])
    assert cli.main(["install", target, "--replace"]) == 0
    assert file.read_bytes() != b"# my own\n"
    assert cli.main(["uninstall", target]) == 0
    assert files_of(home) == {str(file.relative_to(home)): b"# my own\n"}


@pytest.mark.parametrize("target", ["systemd", "launchd"])
def test_ours_goes_also_where_the_note_on_it_is_lost(home, tmp_path, mac, target):
    cli.main(["install", target])
    (tmp_path / "data").rename(tmp_path / "lost")
    place(home, target).write_bytes(place(home, target).read_bytes() + b"\n")
    assert cli.main(["uninstall", target]) == 0
    assert files_of(home) == {}


def test_the_units_please_systemd(tmp_path, require, monkeypatch):
    """It parses them as it would for running: the program has to be there, the values are read from its dump."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    analyze = require("systemd-analyze")
    for number, name in enumerate(["bin", "100% of ü it", ODD]):
        units, program = tmp_path / str(number), tmp_path / name / "vibeusage"
        units.mkdir()
        program.parent.mkdir(exist_ok=True)
        stand_in(program.parent, "vibeusage", "#!/bin/sh\n")
        (units / "vibeusage.service").write_bytes(service_text(Job(program, {"CODEX_HOME": f"/{name}", "HOME": "/h"})))
        (units / "vibeusage.timer").write_bytes(TIMER_TEXT)
        command = [analyze, "verify", "--user", units / "vibeusage.timer", units / "vibeusage.service"]
        quiet = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
        environ = {**os.environ, "SYSTEMD_LOG_LEVEL": "debug"}
        dump = subprocess.run(command, capture_output=True, text=True, env=environ, check=False).stdout
        lines = {line.strip() for line in dump.splitlines()}
        assert {f"Environment: CODEX_HOME=/{name}", "Environment: HOME=/h", "Persistent: yes", "Nice: 10"} <= lines
        assert "OnCalendar: *-*-* *:00/5:00" in lines


def test_a_program_with_a_quote_in_its_name_is_started_by_env():
    command = service_text(Job(Path("/it's $5/100%/vibeusage"), {})).decode().split("ExecStart=")[1].split("\n")[0]
    assert command == '/usr/bin/env "/it\'s $$5/100%%/vibeusage" refresh --if-due --quiet'


def test_the_plist_is_what_launchd_wants():
    environment = {"CODEX_HOME": f"/<&{ODD}"}
    assert plistlib.loads(plist_text(Job(Path("/opt/a b/vibeusage"), environment))) == {
        "Label": "vibeusage.refresh",
        "ProgramArguments": ["/opt/a b/vibeusage", "refresh", "--if-due", "--quiet"],
        "EnvironmentVariables": environment,
        "StartInterval": 300,
        "RunAtLoad": True,
        "ProcessType": "Background",
        "LowPriorityIO": True,
    }


def test_the_agent_is_loaded_once_renewed_when_it_changed_and_unloaded(home, programs, mac, monkeypatch, capsys):
    file = place(home, "launchd")
    (programs / "unknown").write_text("print")
    assert cli.main(["install", "launchd"]) == 0
    assert calls(programs) == [f"print {GUI}/vibeusage.refresh", f"bootstrap {GUI} {file}"]
    assert capsys.readouterr().out == (
        f"launchd: vibeusage is now in {file}\n"
        "  backup: none, nothing was there before\n"
        "  next: nothing; it runs now and every five minutes\n"
    )
    (programs / "unknown").unlink()
    cli.main(["install", "launchd"])
    assert calls(programs) == [f"print {GUI}/vibeusage.refresh"]
    monkeypatch.setenv("CODEX_HOME", "/new")
    cli.main(["install", "launchd"])
    assert calls(programs) == [
        f"print {GUI}/vibeusage.refresh",
        f"bootout {GUI}/vibeusage.refresh",
        f"bootstrap {GUI} {file}",
    ]
    assert cli.main(["uninstall", "launchd"]) == 0
    assert (calls(programs), list(home.iterdir())) == ([f"bootout {GUI}/vibeusage.refresh"], [])


def test_without_a_session_on_the_screen_the_agent_stays_and_the_command_is_told(home, programs, mac, capsys):
    (programs / "refuses").write_text("Bootstrap failed: 125: Domain does not support specified action\n")
    assert cli.main(["install", "launchd"]) == 0
    file = place(home, "launchd")
    out, err = capsys.readouterr()
    bootstrap = shlex.join(["launchctl", "bootstrap", GUI, str(file)])
    assert out.splitlines()[-1] == f"  next: in a session on the screen: {bootstrap}"
    assert err == (
        f"note: the job does not run yet: `{bootstrap}` failed:"
        " Bootstrap failed: 125: Domain does not support specified action\n"
    )
    assert file.is_file()
