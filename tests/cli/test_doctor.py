import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vibeusage import cache, cli, config, files, gate, keystore, paths, providers
from vibeusage.errors import RateLimited
from vibeusage.models import FetchAttempt, FetchError, PeriodType, ProviderIdentity, UsagePeriod, UsageSnapshot
from vibeusage.providers.spec import Func, Provider, Read
from vibeusage.terminal import width

NOW = datetime.now(UTC)
CLAUDE = {"claudeAiOauth": {"accessToken": "canary-access-0001", "refreshToken": "canary-refresh-0002", "scopes": []}}
PRIVATE = (
    *("canary-", "quentin", "Umbrella", "umbrella.example", "somebody", "sidejob", "pr0xy", "wonderland"),
    *("0f8fad5b-d9cb-469f-a165-70867728950e",),
)


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """The hour of this test: the suite may have begun minutes ago."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(UTC))


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """Neither this machine's proxies and certificates nor its tools, and an installed vibeusage."""
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(providers, "ids", lambda: ("claude", "codex"))
    monkeypatch.setattr(sys, "argv", [str(Path(sys.executable).with_name("vibeusage"))])


@pytest.fixture
def doctor(capsys):
    """Run it: (exit code, what it printed)."""

    def run(*args):
        code = cli.main(["doctor", *args])
        out, err = capsys.readouterr()
        assert err == ""
        return code, out

    return run


@pytest.fixture
def report(doctor):
    return lambda: json.loads(doctor("--json")[1])


@pytest.fixture
def found(doctor):
    """The findings but the one on a machine without any login: (exit code, [(serious, message, hint)])."""

    def run():
        code, out = doctor("--json")
        told = [(each["is_serious"], each["message"], each["hint"]) for each in json.loads(out)["findings"]]
        return code, [each for each in told if each[1] != "no login of any provider was found"]

    return run


def put(path, content, mode=0o600):
    files.ensure_folder(path.parent)
    path.touch(mode=0o600)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def snapshot(provider="claude", account=None, *, age=timedelta(minutes=5), **identity):
    period = UsagePeriod(name="Weekly", utilization=4.0, period_type=PeriodType.WEEKLY)
    return UsageSnapshot(
        provider=provider,
        account=account,
        fetched_at=NOW - age,
        observed_at=NOW - age,
        source="oauth",
        periods=(period,),
        identity=ProviderIdentity(**identity) if identity else None,
    )


def login(home, document=CLAUDE):
    return put(home / ".claude" / ".credentials.json", json.dumps(document))


def section(out, title):
    """The lines of one section, without their indentation."""
    lines = out.splitlines()
    at = lines.index(title) + 1
    end = next((place for place in range(at, len(lines)) if not lines[place]), len(lines))
    return [line.strip() for line in lines[at:end]]


# --- a machine on which all is well


def test_nothing_is_wrong_where_all_is_well(doctor, home):
    login(home)
    cache.save_snapshot(snapshot(), "f")
    gate.save({"claude": gate.after_success(None, interval_s=600, took_s=0, resets=[], now=NOW)})
    cache.compile_line()
    code, out = doctor()
    assert code == 0
    assert section(out, "findings") == ["✓ nothing is wrong"]
    assert section(out, "cache")[0].startswith("✓ line.tsv   written <1m ago, next refresh in ")
    told = " ".join(section(out, "logins"))
    assert "✓ claude oauth ~/.claude/.credentials.json (of another tool, only read)" in " ".join(told.split())
    assert section(out, "requests") == ["✓ claude  asked <1m ago, next in 10m, numbers of 5m ago"]


def test_a_machine_without_anything_is_told_what_to_do(doctor):
    code, out = doctor()
    assert code == 0
    assert section(out, "findings")[0] == "! no login of any provider was found"
    assert "· no login  claude, codex" in section(out, "logins")


def test_the_json_has_every_part_of_the_report(report):
    known = report()
    assert (known["schema"], list(known)) == (
        1,
        [
            *("schema", "checked_at", "versions", "folders", "settings", "cache", "faults", "accounts", "switched_off"),
            *("programs", "surroundings", "integrations", "findings"),
        ],
    )
    names = [each["name"] for each in known["versions"]]
    assert names == [
        *("vibeusage", "python", "system", "httpx", "msgspec", "platformdirs", "keyring", "cryptography"),
        *("started as", "program", "launcher"),
    ]


def test_what_a_missing_package_is_needed_for_is_said(report, monkeypatch):
    from importlib import metadata

    def version(name):
        if name == "keyring":
            raise metadata.PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    assert {"name": "keyring", "version": "not installed (extra `keyring`)"} in report()["versions"]


def test_programs_are_found_on_the_path_and_where_they_usually_are(report, home):
    put(home / ".local" / "bin" / "codex", "", mode=0o700)
    assert report()["programs"] == [
        {"name": "claude", "path": None},
        {"name": "codex", "path": "~/.local/bin/codex"},
    ]


def test_files_that_install_has_changed_are_listed(doctor, home):
    put(home / ".zshrc", "")
    assert cli.main(["install", "zsh"]) == 0
    assert section(doctor()[1].partition("versions")[2], "installed in") == ["✓ zsh  ~/.zshrc"]


# --- folders and files


def test_a_config_with_a_mistake_is_told_and_the_rest_goes_on_with_the_defaults(doctor, home, config_dir):
    put(config_dir / "config.toml", "[line]\nbar = 'long'\n")
    login(home)
    code, out = doctor()
    assert code == 4
    assert "✗ config.toml  is wrong, so the defaults are in force" in section(out, "folders")
    told = " ".join(section(out, "findings"))
    assert 'line.bar is "long", not a whole number from 0 to 40 next: for example `vibeusage config set' in told
    assert "claude oauth" in out


FOLDERS = {
    "open to all": (0o777, True, "others can write to the cache folder {} (0777)", "chmod 700 {}"),
    "to be looked into": (0o755, False, "others can look into the cache folder {} (0755)", "chmod 700 {}"),
}


@pytest.mark.parametrize("case", FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_is_not_private_is_told_with_its_command(case, found, cache_dir):
    mode, serious, message, hint = case
    cache_dir.mkdir()
    cache_dir.chmod(mode)
    assert found() == (int(serious), [(serious, message.format(cache_dir), hint.format(cache_dir))])


def test_a_file_in_the_place_of_a_folder_is_told(found, cache_dir):
    cache_dir.write_text("")
    code, told = found()
    assert code == 1
    hint = f"move it away: mv {cache_dir} {cache_dir}-old"
    assert told == [(True, f"{cache_dir}, the cache folder, is not a folder", hint)]


def test_a_link_in_the_place_of_a_folder_is_told(found, cache_dir, tmp_path):
    cache_dir.symlink_to(tmp_path)
    message = f"the cache folder {cache_dir} is a symbolic link"
    assert found() == (1, [(True, message, "replace it by a real folder, or name another one")])


def test_a_folder_that_cannot_be_made_is_told(found, monkeypatch, tmp_path):
    put(tmp_path / "file", "")
    monkeypatch.setenv("VIBEUSAGE_DATA_DIR", str(tmp_path / "file" / "data"))
    message = f"the data folder {tmp_path}/file/data cannot be made"
    assert found() == (1, [(True, message, f"check the rights of {tmp_path}/file and its disk")])


def test_a_full_disk_is_told(found, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    code, told = found()
    assert (code, len(told)) == (1, 3)
    message = f"the disk of the cache folder {paths.cache_dir()} is full"
    assert told[1] == (True, message, "make room, or set another folder")


def test_a_relative_folder_is_told_and_the_rest_of_the_report_comes(doctor, monkeypatch):
    monkeypatch.setenv("VIBEUSAGE_CONFIG_DIR", "here")
    code, out = doctor()
    assert code == 1
    assert "✗ VIBEUSAGE_CONFIG_DIR is 'here', a relative path" in section(out, "findings")
    assert any(line.startswith("✓ cache") for line in section(out, "folders"))


NEW, NEWER = "was written by a newer vibeusage", "upgrade, or run `vibeusage cache clear`"
REPLACED = "nothing: it counts as missing, and the next answer replaces it"
ABSURD = (
    b'{"schema":1,"fingerprint":"f","snapshot":{"provider":"claude","fetched_at":"2026-01-01T00:00:00Z",'
    b'"observed_at":"2026-01-01T00:00:00Z","source":"oauth",'
    b'"periods":[{"name":"Weekly","utilization":1e308,"period_type":"weekly"}]}}'
)
SEEN = b'{"schema":1,"seen":{"claude":{"Weekly":{"utilization":1e308,"at":"2026-01-01T00:00:00Z"}}}}'
BAD_CACHE = {
    "torn snapshot": ("snapshots/claude.json", b'{"schema":1,', "is damaged", REPLACED),
    "snapshot of a foreign shape": ("snapshots/claude.json", b'{"schema":1,"snapshot":[]}', "is damaged", REPLACED),
    "snapshot with an absurd percentage": ("snapshots/claude.json", ABSURD, "is damaged", REPLACED),
    "alerts with an absurd percentage": ("alerts.json", SEEN, "is damaged", REPLACED),
    "snapshot of a newer version": ("snapshots/claude.json", b'{"schema":9}', NEW, NEWER),
    "empty gates": ("gates.json", b"", "is damaged", REPLACED),
    "gates of a newer version": ("gates.json", b'{"schema":9}', NEW, NEWER),
    "line of another magic": ("line.tsv", b"other\t1\t-\t0\n", "is damaged", REPLACED),
    "line of a newer version": ("line.tsv", b"vibeusage-line\t2\n", NEW, NEWER),
    "bytes in an observation": ("observations/claude", b"\xff\x00", "is damaged", REPLACED),
    "ids that are none": ("org-ids/claude", b"[1]", "is damaged", REPLACED),
    "deep status": ("status/claude.json", b"[" * 5000, "is damaged", REPLACED),
    "foreign segment": ("segments/tmux", b"hello", "is damaged", REPLACED),
    "empty generation": ("generation", b"", "is damaged", REPLACED),
}


@pytest.mark.parametrize("case", BAD_CACHE.values(), ids=BAD_CACHE)
def test_a_damaged_cache_file_is_named_and_keeps_nobody_from_work(case, found, cache_dir):
    name, content, problem, hint = case
    path = put(cache_dir / name, content)
    assert found() == (0, [(False, f"{path} {problem}", hint)])


def test_a_cache_file_that_others_may_write_to_is_named(found, cache_dir):
    cache.save_snapshot(snapshot(), "f")
    path = cache_dir / "snapshots" / "claude.json"
    path.chmod(0o666)
    assert found() == (0, [(False, f"{path} can be written to by others, so it is not used", f"chmod 600 {path}")])


def test_a_folder_of_several_machines_that_is_not_there_is_named(found, tmp_path):
    folder = tmp_path / "drive"
    config.set_value("machines.folder", str(folder))
    code, told = found()
    assert (code, told[0][:2]) == (
        0, (False, f"the folder of several machines, {folder}, is not there or cannot be written to")
    )
    folder.mkdir()
    assert found() == (0, [])


def test_a_link_in_the_cache_is_named(found, cache_dir, tmp_path):
    path = cache_dir / "snapshots" / "claude.json"
    put(path, "").unlink()
    path.symlink_to(tmp_path)
    assert found() == (0, [(False, f"{path} is a symbolic link, which is not followed", f"rm {path}")])


BAD_LOGINS = {
    "open to others": ('{"access_token": "t0ken"}', 0o644, "can be read by others, so it is not used", "chmod 600 {}"),
    "damaged": ("{", 0o600, "is damaged", "log in again: vibeusage auth claude"),
}


@pytest.mark.parametrize("case", BAD_LOGINS.values(), ids=BAD_LOGINS)
def test_a_login_of_ours_that_cannot_be_used_is_named_once(case, found, config_dir):
    content, mode, problem, hint = case
    path = put(config_dir / "credentials" / "claude" / "oauth.json", content, mode)
    assert found() == (1, [(True, f"{path} {problem}", hint.format(path))])


# --- logins and requests


def test_a_login_in_the_keyring_is_named_and_the_keyring_left_alone(doctor, config_dir, monkeypatch):
    def opened(request):
        raise AssertionError("the keyring was opened")

    monkeypatch.setattr(keystore, "_run", opened)
    put(config_dir / "credentials" / "claude" / "oauth.json", '{"keyring": "kwallet"}')
    code, out = doctor()
    assert code == 0
    assert "✓ claude oauth  keyring (kwallet), opened only when you wait for it" in section(out, "logins")


def test_a_token_in_the_environment_is_called_by_its_variable(report, monkeypatch):
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "canary-access-0001")
    logins = [each for each in report()["accounts"][0]["logins"] if each["state"] == "found"]
    assert [(each["where"], each["is_ours"]) for each in logins] == [("$CLAUDE_CODE_OAUTH_TOKEN", True)]


def test_an_expired_login_of_a_tool_is_told_with_its_command(found, home):
    login(home, {"claudeAiOauth": {"accessToken": "canary-access-0001", "expiresAt": 1000}})
    code, told = found()
    assert code == 0
    assert [(serious, hint) for serious, _, hint in told] == [(False, providers.load("claude").login_hint)]
    assert "~/.claude/.credentials.json has expired" in told[0][1]


def fingerprint(token):
    from vibeusage.credentials import Login

    return Login(token, "", is_ours=False).fingerprint


def test_a_cool_down_and_a_refused_login_show_where_the_login_is(report, home):
    login(home)
    wait = RateLimited("api.anthropic.com asks to wait", retry_at=NOW + timedelta(hours=1))
    gate.save({"claude": gate.hold(None, "oauth", fingerprint("canary-access-0001"), wait, NOW)})
    told = next(each for each in report()["accounts"][0]["logins"] if each["strategy"] == "oauth")
    assert (told["state"], told["message"]) == ("cooling", "api.anthropic.com asks to wait")
    until = datetime.fromisoformat(told["until"])
    assert abs(until - NOW - timedelta(hours=1)) < timedelta(seconds=2)
    held = gate.Hold(fingerprint=fingerprint("canary-access-0001"), error=FetchError("authentication", "refused it"))
    gate.save({"claude": gate.Gate(due_at=NOW, holds={"oauth": held})})
    told = next(each for each in report()["accounts"][0]["logins"] if each["strategy"] == "oauth")
    assert (told["state"], told["message"], told["until"]) == ("refused", "refused it", None)


def test_the_last_attempts_and_the_place_of_a_crash_are_shown(doctor, home):
    login(home)
    attempts = (
        FetchAttempt(strategy="cache", success=False, duration_ms=1, error="nothing there"),
        FetchAttempt(strategy="oauth", success=True, duration_ms=320),
    )
    state = gate.Gate(
        due_at=NOW + timedelta(minutes=30, seconds=30),
        asked_at=NOW - timedelta(minutes=2),
        failed_at=(NOW,),
        error=FetchError("error", "Claude could not be asked because of a mistake in vibeusage (KeyError)"),
        attempts=attempts,
        places=("/x/vibeusage/providers/claude.py:12 parse",),
    )
    gate.save({"claude": state})
    code, out = doctor()
    assert code == 1
    assert section(out, "requests") == [
        "! claude   asked 2m ago, next in 30m, 1 failure of late, no numbers",
        "cache  failed in 1 ms: nothing there",
        "oauth  answered in 320 ms",
        "✗          /x/vibeusage/providers/claude.py:12 parse",
    ]
    told = " ".join(section(out, "findings"))
    assert told.startswith("✗ claude: Claude could not be asked because of a mistake in vibeusage (KeyError)")


ERRORS = {"authentication": True, "authorization": True, "network": False, "rate_limited": False, "parse": False}


@pytest.mark.parametrize(("category", "serious"), ERRORS.items())
def test_a_failed_round_is_serious_where_waiting_does_not_help(category, serious, found, home):
    login(home)
    gate.save({"claude": gate.Gate(due_at=NOW, error=FetchError(category, "no", "do this"))})
    assert found() == (int(serious), [(serious, "claude: no", "do this")])


def test_a_refresh_that_nobody_runs_is_told(found, home):
    login(home)
    gate.save({"claude": gate.Gate(due_at=NOW - timedelta(hours=3, minutes=5))})
    cache.compile_line()
    code, told = found()
    assert code == 0
    assert [message for _, message, _ in told] == ["a refresh has been due for 3 h, and nothing has run it"]


def test_numbers_from_the_future_are_told(found, home):
    login(home)
    cache.save_snapshot(snapshot(age=timedelta(days=-1)), "f")
    message = "claude: its numbers are from the future, so their age is unknown"
    assert found() == (0, [(False, message, "check the clock of this machine")])


@pytest.mark.parametrize("where", ["VIBEUSAGE_ENABLED_PROVIDERS", "enabled_providers"])
def test_a_provider_that_nobody_knows_is_told_and_all_are_looked_at(where, doctor, config_dir, monkeypatch):
    if where == "VIBEUSAGE_ENABLED_PROVIDERS":
        monkeypatch.setenv(where, "claud")
    else:
        put(config_dir / "config.toml", 'enabled_providers = ["claud"]\n')
    code, out = doctor()
    assert code == 1
    assert f"✗ 'claud' in {where} is not a provider" in section(out, "findings")
    assert "· no login  claude, codex" in section(out, "logins")


def test_a_provider_that_is_off_is_listed(report, config_dir):
    put(config_dir / "config.toml", "[providers.codex]\nenabled = false\n")
    known = report()
    assert (known["switched_off"], [each["id"] for each in known["accounts"]]) == (["codex"], ["claude"])


def test_a_strategy_that_nobody_knows_is_told(found, config_dir):
    put(config_dir / "config.toml", '[providers.codex]\nstrategies = ["oath"]\n')
    code, told = found()
    assert (code, told[0][:2]) == (1, (True, "codex: 'oath' is not a strategy of Codex"))


TROUBLES = {
    "mistake": (ValueError("canary-access-0001"), "acme: Acme could not be asked because of a mistake"),
    "unreadable": (PermissionError(13, "Permission denied", "/etc/acme"), "acme: /etc/acme cannot be read: Permission"),
}


@pytest.mark.parametrize(("error", "message"), TROUBLES.values(), ids=TROUBLES)
def test_a_provider_that_cannot_be_looked_at_leaves_the_others(error, message, found, monkeypatch):
    def find(ctx):
        raise error

    async def fetch(ctx, login):
        raise AssertionError("nobody is asked")

    strategy = Func(name="oauth", fetch=fetch, login=(Read(where="acme", find=find),))
    acme = Provider(id="acme", name="Acme", hosts=(), dashboard_url="", login_hint="", strategies=(strategy,))
    load = providers.load
    monkeypatch.setattr(providers, "ids", lambda: ("acme", "claude"))
    monkeypatch.setattr(providers, "load", lambda name: acme if name == "acme" else load(name))
    code, told = found()
    assert (code, len(told)) == (1, 1)
    assert told[0][1].startswith(message)


# --- surroundings

PROXY_CASES = {
    "with a login": ("HTTPS_PROXY", "http://quentin:pr0xy@proxy.umbrella.example:3128", "http://(login)@p…:3128"),
    "a password with signs": ("https_proxy", "http://u:pr0xy@x/pr0xy@proxy.umbrella.example:1/", "http://(login)@p…:1"),
    "no scheme": ("ALL_PROXY", "proxy.umbrella.example:3128", "http://p…:3128"),
    "this machine": ("HTTP_PROXY", "http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
    "version 6": ("HTTP_PROXY", "http://[::1]:8080", "http://[::1]:8080"),
    "none for": ("NO_PROXY", "localhost, .umbrella.example,127.0.0.1,*", "localhost, u…, 127.0.0.1, *"),
}


@pytest.mark.parametrize(("name", "value", "shown"), PROXY_CASES.values(), ids=PROXY_CASES)
def test_a_proxy_is_shown_without_its_login_and_its_name(name, value, shown, report, monkeypatch):
    monkeypatch.setenv(name, value)
    assert report()["surroundings"]["proxies"] == [{"name": name, "value": shown, "problem": "", "hint": ""}]


@pytest.mark.parametrize("value", ["ftp://u:pr0xy@host:1", "http://u:pr0xy@", "http://u pr0xy", "u:pr0xy@h:x"])
def test_a_proxy_that_is_none_is_told_without_its_value(value, found, doctor, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", value)
    hint = "set HTTPS_PROXY to an address such as http://host:3128, or unset it"
    assert found() == (1, [(True, "HTTPS_PROXY is no address of a proxy", hint)])
    assert "pr0xy" not in doctor()[1]


def test_a_socks_proxy_needs_a_package(found, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    hint = "pip install 'vibeusage[socks]', or unset ALL_PROXY"
    assert found() == (1, [(True, "ALL_PROXY names a SOCKS proxy, which httpx cannot use here", hint)])


def test_certificates_that_are_not_there_are_told(found, monkeypatch, tmp_path):
    put(tmp_path / "ca.pem", "")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}/none:{tmp_path}")
    assert found() == (0, [])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    message = f"SSL_CERT_FILE names {tmp_path}/none.pem, which cannot be read"
    assert found() == (1, [(True, message, "correct SSL_CERT_FILE, or unset it")])


def test_a_netrc_is_said_not_to_be_used(report, home):
    assert report()["surroundings"]["netrc"] == ""
    put(home / ".netrc", "machine x login quentin password canary-netrc")
    assert report()["surroundings"]["netrc"] == "~/.netrc"


def test_a_missing_home_is_told(found, monkeypatch):
    monkeypatch.delenv("HOME")
    message = "HOME is not set, so the logins of other tools are not found"
    assert found() == (0, [(False, message, "set HOME where vibeusage is started")])


# --- safe to paste, and changing nothing


@pytest.fixture
def private_machine(tmp_path, monkeypatch, config_dir, cache_dir):
    """Canaries in every file, variable and name that the report may come near."""
    home = tmp_path / "home" / "quentin"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "quentin")
    monkeypatch.setenv("CODEX_HOME", str(home / "codex-of-quentin"))
    for name, folder in {"CONFIG": ".config", "CACHE": ".cache", "DATA": ".share"}.items():
        monkeypatch.setenv(f"VIBEUSAGE_{name}_DIR", str(home / folder))
    monkeypatch.setenv("HTTPS_PROXY", "http://quentin:pr0xy@proxy.umbrella.example:3128")
    monkeypatch.setenv("NO_PROXY", "git.umbrella.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "umbrella.pem"))
    monkeypatch.setenv("SIDE_TOKEN", "canary-env-token-0003")
    login(home)
    put(home / ".netrc", "machine umbrella.example login quentin password canary-netrc")
    state = {"oauthAccount": {"emailAddress": "somebody@umbrella.example", "accountUuid": PRIVATE[-1]}}
    put(home / ".claude.json", json.dumps(state))
    claims = base64.urlsafe_b64encode(json.dumps({"email": "somebody@umbrella.example"}).encode()).decode().rstrip("=")
    tokens = {"access_token": f"canary-a.{claims}.b", "id_token": f"canary-c.{claims}.d", "account_id": PRIVATE[-1]}
    put(home / "codex-of-quentin" / "auth.json", json.dumps({"tokens": tokens}))
    put(
        home / ".config" / "config.toml",
        '[providers."claude@sidejob"]\nenv = "SIDE_TOKEN"\nbase_url = "https://gate.umbrella.example/x"\n'
        '[providers.codex]\nbase_url = "https://wonderland/x"\n',
    )
    credentials = home / ".config" / "credentials"
    put(credentials / "claude@sidejob" / "session.json", '{"access_token": "canary-session-0004"}')
    put(credentials / "claude@Umbrella Org" / "oauth.json", '{"access_token": "canary-open-0005"}', 0o644)
    put(credentials / "codex" / "apikey.json", '{"access_token": "canary-key-0006"')
    who = {"email": "somebody@umbrella.example", "organization": "Umbrella Org"}
    cache.save_snapshot(snapshot(**who), "f")
    cache.save_snapshot(snapshot(account="sidejob", **who), "f")
    cache.remember("claude", {"organization": PRIVATE[-1]})
    put(home / ".cache" / "snapshots" / "claude@Umbrella Org.json", "canary-snapshot")
    put(home / ".cache" / "observations" / "claude@sidejob", "canary-observation")
    told = f"somebody@umbrella.example of Umbrella Org at old.umbrella.example sent canary-access-0001 {PRIVATE[-1]}"
    gate.save(
        {
            name: gate.Gate(
                due_at=NOW,
                asked_at=NOW,
                error=FetchError("authentication", told, f"ask {home} claude@sidejob"),
                attempts=(FetchAttempt(strategy="oauth", success=False, duration_ms=1, error=told),),
                places=(f"{home}/venv/vibeusage/x.py:1 parse",),
            )
            for name in ("claude", "claude@sidejob", "codex")
        }
    )
    cache.compile_line()
    return home


def leaks(out, home):
    spelled = {form for word in PRIVATE for form in (word, base64.b64encode(word.encode()).decode().rstrip("="))}
    return [word for word in (*spelled, str(home)) if word.lower() in out.lower()]


@pytest.mark.parametrize("args", [(), ("-v",), ("--json",)], ids=["text", "verbose", "json"])
def test_the_output_is_safe_to_paste(args, doctor, private_machine, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    code, out = doctor(*args)
    assert code == 1
    assert leaks(out, private_machine) == []
    for there in ("~/.config", "claude@s…", "of U… at o… sent …", "http://(login)@p…:3128", "$SIDE_TOKEN"):
        assert there in out


def test_the_output_is_safe_to_paste_with_a_broken_config(doctor, private_machine):
    with (private_machine / ".config" / "config.toml").open("a") as file:
        file.write("enabled = 3\n")
    code, out = doctor("--json")
    assert (code, leaks(out, private_machine)) == (4, [])


def contents(folder):
    return {
        path: (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_nothing_is_changed_and_no_lock_is_taken(doctor, private_machine, monkeypatch):
    def taken(path, *, wait_s):
        raise AssertionError(f"{path} was locked")

    monkeypatch.setattr(files, "lock", taken)
    before = contents(private_machine)
    doctor()
    assert contents(private_machine) == before


def test_a_refresh_at_work_keeps_nobody_waiting(vibeusage, cache_dir):
    cache_dir.mkdir(mode=0o700)
    with open(cache_dir / "refresh.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = vibeusage("doctor")
    assert (done.returncode, done.stderr) == (0, b"")


def test_folders_that_cannot_be_read_are_told_without_a_traceback(require, config_dir, cache_dir, home, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)
    put(config_dir / "credentials" / "claude" / "oauth.json", "{}")
    cache.save_snapshot(snapshot(), "f")
    for folder in (config_dir, cache_dir, home):
        folder.chmod(0)
    command = [sys.executable, "-P", "-m", "vibeusage", "doctor", "--json"]
    if os.geteuid() == 0:  # to whom nothing is forbidden, unless its capabilities are gone
        command = [require("setpriv"), "--inh-caps=-all", "--bounding-set=-all", *command]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    finally:
        for folder in (config_dir, cache_dir, home):
            folder.chmod(0o700)
    assert (done.returncode, done.stderr) in [(1, b""), (4, b"")]
    serious = [each["message"] for each in json.loads(done.stdout)["findings"] if each["is_serious"]]
    assert [message for message in serious if str(config_dir) in message]
    assert [message for message in serious if str(cache_dir) in message]


# --- how it looks


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(columns, doctor, private_machine, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    out = doctor("-v")[1]
    assert max(map(width, out.splitlines())) <= columns


def test_a_stream_that_is_not_utf8_gets_ascii(vibeusage, private_machine):
    done = vibeusage("doctor", env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert done.stdout.isascii()
    assert b"  x claude: ... of U... at o... sent ... ...\n" in done.stdout


def test_marks_are_coloured_only_where_colour_is_wanted(doctor, monkeypatch):
    assert "\x1b" not in doctor()[1]
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert "\x1b[33m!\x1b[0m no login of any provider was found" in doctor()[1]
    assert "\x1b" not in doctor("--no-color")[1]


def test_control_characters_from_outside_are_not_printed(doctor, home, monkeypatch):
    gate.save({"claude": gate.Gate(due_at=NOW, error=FetchError("parse", "a\x1b]0;x\x07b\u202ec", "d\ne"))})
    out = doctor()[1]
    assert "! claude: a]0;xbc" in section(out, "findings")
    assert "next: d e" in section(out, "findings")


def test_the_help_tells_the_exit_codes(capsys):
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "exit codes: 0 nothing serious, 1 something keeps vibeusage from its work, 4 config.toml is wrong" in out
