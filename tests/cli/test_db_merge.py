"""`db merge` and `db export`: the folder, a file, and another machine through ssh."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from documents import valid

from vibeusage import cli, config
from vibeusage.records import place, remote, store
from vibeusage.records.readers.spec import Call

T = 1_750_000_500_000


@pytest.fixture
def be(tmp_path, monkeypatch):
    """Become a machine by its name."""

    def named(name: str) -> Path:
        for kind in ("config", "cache", "data"):
            monkeypatch.setenv(f"VIBEUSAGE_{kind.upper()}_DIR", str(tmp_path / name / kind))
        return tmp_path / name

    return named


@pytest.fixture
def server(be, tmp_path) -> Path:
    """A machine with two calls, which are `exported`; the test is at another one."""
    base = be("server")
    with store.open() as db:
        db.put("claude", [Call(uuid="a", ts=T, input=1), Call(uuid="b", ts=T, input=2)], machine="server")
    assert cli.main(["db", "export", str(tmp_path / "exported")]) == 0
    be("desk")
    return base


@pytest.fixture
def ssh(server, tmp_path, monkeypatch):
    """A program of that name that notes its arguments and does what a script says."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def does(script: str) -> Path:
        asked = tmp_path / "asked"
        text = f"#!/bin/sh\nprintf '%s\\n' \"$@\" >>{asked}\necho . >>{asked}\nenv >{tmp_path / 'environ'}\n"
        (folder / "ssh").write_text(text + script.replace("EXPORT", f"cat {tmp_path / 'exported'}"))
        (folder / "ssh").chmod(0o755)
        return asked

    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return does


def count() -> int:
    with store.open(readonly=True) as db:
        return sum(1 for _ in db.calls())


def test_a_file_carries_everything_from_one_machine_to_the_other(server, be, tmp_path, capsys):
    be("server")
    file = tmp_path / "server.calls"
    assert cli.main(["db", "export", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    be("desk")
    assert cli.main(["db", "merge", str(file)]) == 0
    assert cli.main(["db", "merge", str(file)]) == 0
    assert capsys.readouterr() == ("2 new calls, 0 completed\n0 new calls, 0 completed\n", "")
    with store.open(readonly=True) as db:
        assert {(record.machine, record.call.uuid) for record in db.calls()} == {("server", "a"), ("server", "b")}
    assert sorted(path.name for path in tmp_path.iterdir() if ".calls" in path.name) == ["server.calls"]


def test_a_file_that_is_cut_off_gives_what_it_has_and_says_so(server, be, tmp_path, capsys):
    be("server")
    file = tmp_path / "server.calls"
    cli.main(["db", "export", str(file)])
    file.write_bytes(file.read_bytes()[:-1])
    be("desk")
    assert cli.main(["db", "merge", str(file)]) == 5
    assert capsys.readouterr() == ("2 new calls, 0 completed\n", "left out: 1 (incomplete)\n")
    assert cli.main(["db", "merge", str(file), "--json"]) == 5
    told = {"schema": 1, "files": 1, "added": 0, "changed": 0, "skipped": {"incomplete": 1}}
    assert valid(capsys.readouterr().out, "db-merge") == told


def test_without_a_source_it_is_the_folder_of_the_settings(server, be, tmp_path, capsys):
    folder = tmp_path / "drive"
    folder.mkdir()
    for name in ("server", "desk"):
        be(name)
        config.set_value("machines.folder", str(folder))
        assert cli.main(["db", "merge"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder} with 0 other machines: 0 new calls, 0 completed, 1 file of this one written",
        f"{folder} with 1 other machine: 2 new calls, 0 completed, 0 files of this one written",
    ]
    assert cli.main(["db", "merge", f"{folder}/", "--json"]) == 0
    assert valid(capsys.readouterr().out, "db-merge") == {
        "schema": 1,
        "files": 1,
        "added": 0,
        "changed": 0,
        "skipped": {},
        "folder": str(folder),
        "machines": 1,
        "written": 0,
        "is_done": True,
    }


def test_another_folder_is_only_read(server, be, tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    be("server")
    cli.main(["db", "export", str(stick / "server.calls")])
    be("desk")
    with store.open() as db:
        db.put("claude", [Call(uuid="mine", ts=T)], machine="desk")
    assert cli.main(["db", "merge", str(stick)]) == 0
    assert count() == 3
    assert [path.name for path in stick.iterdir()] == ["server.calls"]


def test_a_file_that_cannot_be_read_costs_none_of_the_others(server, tmp_path, capsys):
    folder = tmp_path / "carried"
    folder.mkdir()
    (tmp_path / "exported").rename(folder / "b.calls")
    (folder / "a.calls").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "c.calls")
    assert cli.main(["db", "merge", str(folder)]) == 5
    assert capsys.readouterr() == ("2 new calls, 0 completed\n", "left out: 2 (cannot be read)\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param(["merge"], "no folder of several machines is set", id="no folder"),
        pytest.param(["merge", "/nowhere"], "/nowhere is not there", id="nothing there"),
        pytest.param(["export", "/"], "/ is a folder", id="a folder"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(args, said, capsys):
    assert cli.main(["db", *args]) == 4
    assert said in capsys.readouterr().err


def test_an_export_that_fails_leaves_what_was_there(server, be, tmp_path, monkeypatch, capsys):
    be("server")
    file = tmp_path / "x.calls"
    file.write_bytes(b"vibeusage-end 1 before")
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert cli.main(["db", "export", str(file)]) == 1
    assert "No space left" in capsys.readouterr().err
    assert file.read_bytes() == b"vibeusage-end 1 before"
    assert [path.name for path in tmp_path.glob("x*")] == ["x.calls"]


def test_an_export_replaces_an_older_one_and_nothing_else(server, be, tmp_path, capsys):
    be("server")
    fifo, letter = tmp_path / "fifo", tmp_path / "letter"
    letter.write_text("dear")
    kept = {path: path.read_bytes() for path in (letter, place.usage_db())}
    for path in kept:
        assert cli.main(["db", "export", str(path)]) == 4
        assert f"{path} is there, and is no export\n  name another file\n" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in kept} == kept
    (tmp_path / "empty").touch()
    for name in ("empty", "exported"):
        assert cli.main(["db", "export", str(tmp_path / name)]) == 0
    os.mkfifo(fifo)
    reading = subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE)
    assert cli.main(["db", "export", str(fifo)]) == 0
    assert reading.communicate(timeout=10)[0] == (tmp_path / "exported").read_bytes()
    assert fifo.is_fifo()


@pytest.mark.parametrize(
    ("address", "argv"),
    [
        ("ssh://desk", ["-T", "--", "desk"]),
        ("ssh://desk/", ["-T", "--", "desk"]),
        ("ssh://me@desk.example:2222/", ["-T", "-p", "2222", "--", "me@desk.example"]),
        ("ssh://my_alias", ["-T", "--", "my_alias"]),
        ("ssh://me@[fe80::1]:22", ["-T", "-p", "22", "--", "me@fe80::1"]),
    ],
)
def test_the_other_machine_is_asked_for_its_export(address, argv, ssh, capsys):
    asked = ssh("EXPORT")
    assert cli.main(["db", "merge", address]) == 0
    assert capsys.readouterr() == ("2 new calls, 0 completed\n", "")
    assert asked.read_text().split("\n") == [*argv, "vibeusage", "db", "export", "-", ".", ""]
    assert count() == 2


@pytest.mark.parametrize(
    "address",
    [
        "ssh://-oProxyCommand=touch /tmp/x",
        "ssh://-oProxyCommand=x/",
        "ssh://-l@desk",
        "ssh://me@-desk",
        "ssh://desk;ls",
        "ssh://$(ls)",
        "ssh://desk ls",
        "ssh://desk\n-oX",
        "ssh://desk:0",
        "ssh://desk:65536",
        "ssh://desk:22:23",
        "ssh://desk/etc/passwd",
        "ssh://a@b@c",
        "ssh://",
        "ssh://[::1",
    ],
)
def test_nothing_of_an_address_becomes_an_option_or_a_command(address, ssh, capsys):
    asked = ssh("EXPORT")
    assert cli.main(["db", "merge", address]) == 4
    assert "is not the address of a machine" in capsys.readouterr().err
    assert not asked.exists()


def test_what_a_login_script_says_before_is_passed_over(ssh, capsys):
    ssh("echo 'Welcome to server!'; echo; EXPORT")
    assert cli.main(["db", "merge", "ssh://server"]) == 0
    assert count() == 2


def test_a_shell_that_does_not_find_the_program_is_told_where_it_usually_is(ssh):
    asked = ssh('case "$*" in *" vibeusage "*) echo "sh: vibeusage: not found" >&2; exit 127;; esac; EXPORT')
    assert cli.main(["db", "merge", "ssh://server"]) == 0
    assert "~/.local/bin/vibeusage" in asked.read_text().split("\n")
    assert count() == 2


@pytest.mark.parametrize(
    ("script", "code", "said", "calls"),
    [
        pytest.param("echo 'no \033[31mroute' >&2; exit 255", 3, "ssh server ended with 255: no", 0, id="no way"),
        pytest.param("EXPORT | head -c 300; exit 1", 3, "ssh server ended with 1", 0, id="cut off"),
        pytest.param("EXPORT; kill -9 $$", 3, "ssh server ended with", 2, id="killed at its end"),
        pytest.param("EXPORT | head -n 2 | head -c -1", 5, "left out: 1 (incomplete)", 0, id="half and well ended"),
        pytest.param("echo hello", 1, "printed no records", 0, id="something else"),
        pytest.param("exit 127", 3, "ssh server ended with 127", 0, id="nowhere found"),
        pytest.param("yes 2>/dev/null", 1, "something else than records", 0, id="a flood"),
        pytest.param("exec sleep 60", 3, "said nothing for too long", 0, id="silence"),
        pytest.param("EXPORT; exec 2>&-; exec sleep 60", 3, "said nothing for too long", 2, id="no end"),
    ],
)
def test_what_goes_wrong_over_there_is_one_sentence_and_costs_no_call(
    script, code, said, calls, ssh, monkeypatch, capsys
):
    monkeypatch.setattr(remote, "SILENCE_S", 0.4 if "sleep" in script else 20.0)
    monkeypatch.setattr(remote, "GRACE_S", 0.5)
    ssh(script)
    assert cli.main(["db", "merge", "ssh://server"]) == code
    told = capsys.readouterr().err
    assert said in told
    assert code == 5 or "\n  try `ssh server vibeusage db export - | wc -c`\n" in told
    assert "\033" not in told
    assert count() == calls


@pytest.mark.parametrize("script", ["EXPORT", "exec yes >&2"])
def test_what_is_read_of_another_machine_has_an_end(script, ssh, monkeypatch, capsys):
    monkeypatch.setattr(remote, "BYTES_MOST", 200)
    ssh(script)
    assert cli.main(["db", "merge", "ssh://server"]) == 1
    assert "prints more than 200 bytes" in capsys.readouterr().err


def test_ssh_gets_what_it_needs_and_no_secret(ssh, tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    ssh("EXPORT")
    assert cli.main(["db", "merge", "ssh://server"]) == 0
    environ = (tmp_path / "environ").read_text()
    assert "SSH_AUTH_SOCK=/run/agent" in environ
    assert "canary" not in environ


def test_without_ssh_the_way_by_file_is_told(server, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["db", "merge", "ssh://server"]) == 3
    assert "`vibeusage db export FILE` there" in capsys.readouterr().err
