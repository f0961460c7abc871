"""`vibeusage plugin`: nothing runs before a person has seen what it is and gets."""

import io
import sys

import plugging
import pytest
from documents import valid

from vibeusage import cache, cli, providers, vault
from vibeusage.plugins import approvals, sources


@pytest.fixture
def acme(tmp_path):
    path = tmp_path / "acme.py"
    path.write_text(plugging.provider(variables=["ACME_TEAM"]))
    return path


@pytest.fixture
def typed(monkeypatch):
    """Somebody at a terminal who types this."""

    def say(text):
        stream = io.StringIO(text)
        monkeypatch.setattr(stream, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", stream)

    return say


def run(*words):
    return cli.main(["plugin", *map(str, words)])


def listed(capsys):
    capsys.readouterr()
    assert run("list", "--json") == 0
    document = valid(capsys.readouterr().out, "plugin")
    return {row["id"]: row for row in document["plugins"]}


def test_before_it_is_approved_a_person_sees_all_that_it_gets(acme, typed, capsys):
    typed("y\n")
    assert run("install", acme) == 0
    said = capsys.readouterr()
    sha256 = sources.in_file(acme, acme.read_bytes()).approval.sha256
    for text in ("Acme 1.0", "a provider plugin (acme)", sha256, "$ACME_KEY", "`vibeusage auth acme`", "ACME_TEAM"):
        assert text in said.err
    assert "requests to api.acme.example" in said.err
    assert "vibeusage auth acme" in said.out
    assert "acme" in providers.ids()
    assert sources.file_of("acme").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yes please\n"])
def test_anything_but_yes_leaves_all_as_it_is(acme, typed, answer, config_dir):
    typed(answer)
    assert run("install", acme) == 4
    assert not (config_dir / "plugins.json").exists()
    assert not sources.file_of("acme").exists()


def test_without_a_person_it_takes_a_word_for_it(acme, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run("install", acme) == 4
    assert "say --yes" in capsys.readouterr().err
    assert run("install", acme, "--yes") == 0
    assert "acme" in providers.ids()


@pytest.mark.parametrize("plugin_id", ["claude", "deepseek", "continue", "line", "own"])
def test_a_name_that_is_taken_is_refused(tmp_path, config_dir, plugin_id, capsys):
    (config_dir / "providers.d").mkdir(mode=0o700, parents=True)
    (config_dir / "providers.d/own.toml").write_text("")
    path = tmp_path / "x.py"
    path.write_text(plugging.provider(id=plugin_id))
    assert run("install", path, "--yes") == 4
    assert f"{plugin_id} is the name of something" in capsys.readouterr().err


def test_a_changed_one_is_off_until_it_is_approved_again(acme, typed, capsys):
    assert run("install", acme, "--yes") == 0
    assert listed(capsys)["acme"]["state"] == "on"
    sources.file_of("acme").write_text(plugging.provider(version="1.1"))
    row = listed(capsys)["acme"]
    assert (row["state"], row["problem"]) == ("changed", "version 1.1 in the place of 1.0")
    typed("n\n")
    assert run("enable", "acme") == 4
    assert "before: version 1.1 in the place of 1.0" in capsys.readouterr().err
    typed("y\n")
    assert run("enable", "acme") == 0
    assert (listed(capsys)["acme"]["state"], approvals.load()["acme"].version) == ("on", "1.1")


def test_one_is_switched_off_and_on_without_another_question(acme, capsys):
    run("install", acme, "--yes")
    assert run("disable", "acme") == 0
    assert "acme" not in providers.ids()
    assert listed(capsys)["acme"]["state"] == "off"
    assert run("enable", "acme") == 0
    assert "acme" in providers.ids()


def test_a_newer_file_takes_the_place_of_the_one_before(acme, capsys):
    run("install", acme, "--yes")
    acme.write_text(plugging.provider(version="1.1"))
    assert run("install", acme, "--yes") == 0
    assert "version 1.1 in the place of 1.0" in capsys.readouterr().err
    assert listed(capsys)["acme"]["version"] == "1.1"


def test_one_that_is_removed_leaves_no_key_and_no_numbers(acme, cache_dir, monkeypatch):
    run("install", acme, "--yes")
    with vault.lock():
        vault.write("acme@work", "apikey", {"access_token": plugging.KEY}, "")
    monkeypatch.setenv("ACME_KEY", plugging.KEY)
    assert cli.main(["refresh", "acme"]) == 0
    assert cache.load_snapshot("acme")
    assert run("remove", "acme") == 0
    assert (approvals.load(), list(vault.entries()), cache.load_snapshots()) == ({}, [], {})
    assert not sources.file_of("acme").exists()
    assert run("remove", "acme") == 4


def test_what_a_distribution_offers_is_listed_and_approved_by_name(tmp_path, monkeypatch, capsys):
    plugging.distribution(tmp_path / "site", plugging.provider())
    monkeypatch.syspath_prepend(tmp_path / "site")
    row = listed(capsys)["acme"]
    assert (row["state"], row["name"], row["version"], row["distribution"]) == (
        "offered", "acme-vibeusage", "2.0", "acme-vibeusage"
    )
    assert run("enable", "acme", "--yes") == 0
    assert listed(capsys)["acme"]["state"] == "on"
    assert run("remove", "acme") == 0
    assert "pip uninstall acme-vibeusage" in capsys.readouterr().out


def test_a_broken_one_is_listed_with_what_is_wrong(tmp_path, monkeypatch, acme, capsys):
    plugging.distribution(tmp_path / "site", "import os\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    run("install", acme, "--yes")
    sources.file_of("acme").unlink()
    rows = listed(capsys)
    assert "one PLUGIN" in rows[""]["problem"]
    assert "cannot be read" in rows["acme"]["problem"]
    assert run("list") == 0
    assert "vibeusage plugin install PATH" in capsys.readouterr().out


def test_info_tells_what_it_gets_and_what_keeps_it_in(acme, capsys):
    run("install", acme, "--yes")
    capsys.readouterr()
    assert run("info", "acme") == 0
    told = capsys.readouterr().out
    assert "requests to api.acme.example" in told
    assert "kept in by" in told
    assert run("info", "acme", "--json") == 0
    valid(capsys.readouterr().out, "plugin")
    assert run("info", "nobody") == 4


@pytest.mark.parametrize("words", [["beta"], ["beta", "--reader"]])
def test_a_new_one_is_written_that_can_be_installed(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert run("new", *words) == 0
    assert run("new", *words) == 4  # it is there already
    assert run("install", "beta.py", "--yes") == 0
    assert ("beta" in providers.ids()) is (len(words) == 1)


@pytest.mark.parametrize("name", ["Acme", "../acme", "claude", "line", ""])
def test_a_name_that_is_none_is_not_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert run("new", name) == 4
    assert list(tmp_path.glob("*.py")) == []


def test_the_key_of_a_plugin_is_stored_and_checked_like_any(acme, monkeypatch, capsys):
    run("install", acme, "--yes")
    stream = io.TextIOWrapper(io.BytesIO(plugging.KEY.encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert cli.main(["auth", "acme"]) == 0
    said = capsys.readouterr()
    assert "it works" in said.out
    assert plugging.KEY not in said.out + said.err
    assert [(one.account, one.kind) for one in vault.entries()] == [("acme", "apikey")]
