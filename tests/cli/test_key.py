"""Our own secrets by hand: in by prompt or stdin, out of every place at once, and never on the screen."""

import base64
import contextlib
import getpass
import io
import json
import os
import pty
import subprocess
import sys
import urllib.parse
import warnings
from datetime import UTC, datetime

import pytest

from vibeusage import cache, cli, config, files, gate, keystore, paths, providers, vault
from vibeusage.errors import StorageError
from vibeusage.models import PeriodType, Usage, UsagePeriod, UsageSnapshot
from vibeusage.providers.spec import Cookie, Env, Func, Provider, Secret, Stored

CANARY = "sk-acme-canary-41d8"
RING = keystore.default_backend()


async def nobody(ctx, login) -> Usage:
    raise AssertionError("`key` asks nobody")


def provider(name, *, secrets=(), login=()):
    return Provider(
        id=name,
        name=name.capitalize(),
        hosts=("127.0.0.1",),
        dashboard_url="https://example.com",
        login_hint=f"log in with `{name} login`",
        strategies=(Func(name="web", fetch=nobody, login=login),),
        secrets=secrets,
    )


SESSION = Secret(
    kind="session", label="session cookie", how="in the browser", strategy="web", key="cookie", pattern=r"sk-acme-\S+"
)
PLACES = (
    Stored(kind="oauth"),
    Stored(kind="session", key="cookie"),
    Env("ACME_SESSION"),
    Cookie(domains=("x.example",), names=("acme", "__Secure-acme")),
)
KNOWN = {"acme": provider("acme", secrets=(SESSION,), login=PLACES), "vendor": provider("vendor")}


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(providers, "ids", lambda: tuple(KNOWN))
    monkeypatch.setattr(providers, "load", KNOWN.__getitem__)


@pytest.fixture
def ring(monkeypatch):
    """The keyring's content; None: there is none."""
    known: dict = {}

    def act(action, account, kind, data=b"", *, backend):
        if known.get("missing"):
            raise StorageError("the keyring extra is not installed", hint="pip install 'vibeusage[keyring]'")
        place = (backend, account, kind)
        if action == "write":
            known[place] = data
        return known.get(place) if action == "read" else known.pop(place, None) is not None if action == "delete" else 0

    for action in ("read", "write", "delete"):
        monkeypatch.setattr(keystore, action, lambda *args, action=action, **more: act(action, *args, **more))
    return known


@pytest.fixture
def key(monkeypatch, capfd):
    """Run `vibeusage key …` with this on stdin: exit code, stdout, stderr."""

    def run(*words, stdin: bytes = b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = cli.main(["key", *words])
        told = capfd.readouterr()
        assert CANARY not in told.out + told.err
        return code, told.out, told.err

    return run


@pytest.fixture
def terminal(monkeypatch):
    """A person at a terminal, who types this at a prompt that does not show it; the prompts that were shown."""
    shown = []

    def types(text):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        def typed(prompt):
            shown.append(prompt)
            if isinstance(text, BaseException):
                raise text
            return text

        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(getpass, "getpass", typed)
        return shown

    return types


def stored(account="acme", kind="session"):
    return vault.read(account, kind, foreground=True)


def set_by(key, account="acme", token=CANARY, *more):
    assert key(account, "set", *more, stdin=token.encode())[0] == 0


def test_a_secret_from_stdin_is_stored_with_an_owner_and_an_instant(key):
    code, out, err = key("acme", "set", stdin=CANARY.encode() + b"\n")
    place = paths.credential_file("acme", "session")
    assert (code, out) == (0, f"acme: the session cookie is stored in {place}\n")
    assert "nobody was asked whether it is right" in err
    document = stored()
    assert (len(document.pop("owner")), document.pop("obtained_at") > 1_700_000_000_000) == (16, True)
    assert document == {"cookie": CANARY}


def test_a_secret_is_typed_at_a_prompt_that_does_not_show_it(terminal, capfd):
    shown = terminal(f" {CANARY} ")
    assert cli.main(["key", "acme", "set"]) == 0
    assert shown == ["session cookie (not shown): "]
    assert CANARY not in "".join(capfd.readouterr())
    assert stored()["cookie"] == CANARY


def test_a_real_terminal_does_not_show_what_is_typed():
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "vibeusage", "key", "claude", "set"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(os.environ),
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while b"(not shown): " not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, b"sk-ant-canary-1\n")
    with contextlib.suppress(OSError):  # Linux: the other end is closed
        while more := os.read(ours, 4096):
            shown += more
    assert process.wait(timeout=30) == 0
    os.close(ours)
    assert (b"is stored in" in shown, b"canary" in shown) == (True, False)
    assert (stored("claude") or {})["session_key"] == "sk-ant-canary-1"


COPIED = [
    pytest.param(f"  {CANARY}\r\n", "", id="with blanks"),
    pytest.param(f"'{CANARY}'", "", id="with quotes"),
    pytest.param(f"acme={CANARY}", "acme", id="name and value"),
    pytest.param(f"Cookie: a=b; acme={CANARY}; c=d", "acme", id="header"),
    pytest.param(f"cookie:other=x;__Secure-acme={CANARY}", "__Secure-acme", id="header without blanks"),
    pytest.param(f'export ACME_SESSION="{CANARY}"', "ACME_SESSION", id="line of a shell"),
    pytest.param(f"Authorization: Bearer {CANARY}", "", id="bearer header"),
    pytest.param(f"Bearer {CANARY}", "", id="bearer"),
    pytest.param(f"acme={CANARY}=pad==", "acme", id="value with padding"),
]


@pytest.mark.parametrize(("text", "name"), COPIED)
def test_what_was_copied_along_is_taken_off(key, text, name):
    set_by(key, "acme", text)
    document = stored()
    assert document["cookie"].removesuffix("=pad==") == CANARY
    assert document.get("name", "") == name


WRONG = [
    pytest.param(b"", "no session cookie was given", id="nothing"),
    pytest.param(b" \n", "no session cookie was given", id="blank"),
    pytest.param(b"other-" + CANARY.encode(), "that is no session cookie", id="another pattern"),
    pytest.param(CANARY.encode() + b" two", "that is no session cookie", id="two words"),
    pytest.param(CANARY.encode() + b"\nInjected: header", "that is no session cookie", id="two lines"),
    pytest.param(CANARY.encode() + b"\x1b[31m", "that is no session cookie", id="control characters"),
    pytest.param(CANARY.encode() + b"\xff\xfe", "that is no session cookie", id="not UTF-8"),
    pytest.param(b"Cookie: a=b; c=" + CANARY.encode(), "that is no session cookie", id="header without it"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_what_cannot_be_right_is_refused_and_not_repeated(key, text, reason):
    assert key("acme", "set", stdin=text) == (4, "", f"vibeusage: {reason}\n  in the browser\n")
    assert list(vault.entries()) == []


@pytest.mark.parametrize(
    ("typed", "code", "reason"),
    [
        pytest.param(EOFError(), 4, "no session cookie was given", id="end of input"),
        pytest.param(KeyboardInterrupt(), 130, "", id="interrupt"),
        pytest.param(getpass.GetPassWarning("echo"), 4, "this terminal would show what is typed", id="echo"),
        pytest.param(CANARY * 300, 4, "a terminal cuts lines as long as this", id="cut by the terminal"),
    ],
)
def test_a_prompt_that_goes_wrong_stores_nothing(terminal, capfd, typed, code, reason):
    terminal(typed)
    assert cli.main(["key", "acme", "set"]) == code
    told = capfd.readouterr().err
    assert reason in told
    assert CANARY not in told
    assert list(vault.entries()) == []


def test_a_prompt_that_would_show_the_secret_is_not_asked(monkeypatch, capfd):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def getpass_without_terminal(prompt):
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        raise AssertionError("read with echo")

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", getpass_without_terminal)
    assert cli.main(["key", "acme", "set"]) == 4
    assert "pipe the secret to stdin" in capfd.readouterr().err


ON_THE_COMMAND_LINE = [
    pytest.param(["acme", "set", CANARY], id="behind set"),
    pytest.param(["acme", CANARY], id="in the place of set"),
    pytest.param([CANARY], id="in the place of the provider"),
    pytest.param([CANARY, "set"], id="in the place of the provider, with set"),
    pytest.param([f"acme@/{CANARY}", "set"], id="as a name"),
    pytest.param(["acme", "set", f"--secret={CANARY}"], id="by an option that is not there"),
    pytest.param(["acme", "set", "--kind", CANARY], id="as a kind"),
    pytest.param(["acme", "delete", "--kind", CANARY], id="as a kind to delete"),
    pytest.param(["acme", "move", CANARY], id="as a place"),
    pytest.param(["acme", "set", f"--json={CANARY}"], id="behind a switch"),
]


@pytest.mark.parametrize("words", ON_THE_COMMAND_LINE)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(words, capfd):
    try:
        code = cli.main(["key", *words])
    except SystemExit as exc:
        code = exc.code
    told = capfd.readouterr()
    assert (code, told.out, bool(told.err)) == (4, "", True)
    assert CANARY not in told.err
    assert list(vault.entries()) == []


def test_a_move_without_a_place_says_which_there_are(key):
    code, _, told = key("acme", "move")
    assert (code, told) == (4, "vibeusage: where to is not said\n  `move file` or `move keyring`\n")


@pytest.mark.parametrize("name", ["acme@../../x", "acme@", "acme@.", "acme@a/b", "acme@a+b", "acme@" + "x" * 90])
def test_an_account_that_would_be_another_folder_is_refused(key, name, tmp_path):
    assert key(name, "set", stdin=CANARY.encode())[:2] == (4, "")
    assert not list(tmp_path.rglob("*.json"))


def test_a_named_account_need_not_exist_before(key):
    set_by(key, "acme@work")
    assert stored("acme@work")["cookie"] == CANARY
    assert stored("acme") is None


def test_a_bare_token_may_be_stored_where_the_provider_has_a_place_for_it(key):
    set_by(key, "acme", "any-token", "--kind", "oauth")
    assert stored(kind="oauth")["access_token"] == "any-token"


def test_a_provider_without_a_secret_of_ours_says_how_to_log_in(key):
    said = "vibeusage: vibeusage keeps no secret for Vendor\n  log in with `vendor login`\n"
    assert key("vendor", "set", stdin=CANARY.encode()) == (4, "", said)


def test_all_secrets_are_shown_by_place_and_no_keyring_is_opened(key, ring):
    set_by(key, "acme@work")
    set_by(key, "acme", "any-token", "--kind", "oauth")
    vault.write("acme", "session", {"cookie": CANARY}, "kwallet")
    ring["missing"] = True
    files_of = {name: str(paths.credential_file(*name)) for name in (("acme", "oauth"), ("acme@work", "session"))}
    code, out, err = key()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"acme       oauth    {files_of['acme', 'oauth']}",
        "acme       session  keyring (kwallet)",
        f"acme@work  session  {files_of['acme@work', 'session']}",
    ]
    code, out, _ = key("acme@work", "--json")
    row = {"account": "acme@work", "kind": "session", "where": files_of["acme@work", "session"], "backend": ""}
    assert (code, json.loads(out)) == (0, {"schema": 1, "secrets": [row]})


def test_nothing_stored_is_said(key):
    assert key() == (0, "vibeusage keeps no secret of its own\n", "")
    assert key("acme") == (0, "vibeusage keeps no secret of its own for acme\n", "")


# --- where they go


def test_e11_without_a_keyring_nothing_is_asked_for_or_stored_elsewhere(key, ring, terminal, capfd):
    config.set_value("credentials.use_keyring", "true")
    ring["missing"] = True
    shown = terminal(CANARY)
    assert cli.main(["key", "acme", "set"]) == 1
    told = capfd.readouterr().err
    assert told == "vibeusage: the keyring extra is not installed\n  pip install 'vibeusage[keyring]'\n"
    assert (shown, list(vault.entries())) == ([], [])


def test_a_secret_goes_into_the_keyring_when_the_settings_say_so(key, ring):
    config.set_value("credentials.use_keyring", "true")
    code, out, _ = key("acme", "set", stdin=CANARY.encode())
    assert (code, out) == (0, f"acme: the session cookie is stored in keyring ({RING})\n")
    assert [*ring] == [(RING, "acme", "session")]
    assert CANARY not in paths.credential_file("acme", "session").read_text()


def test_e11_a_secret_in_a_keyring_is_replaced_there_whatever_the_settings_say_of_new_ones(key, ring):
    vault.write("acme", "session", {"cookie": "sk-acme-old"}, "kwallet")
    set_by(key)
    assert json.loads(ring["kwallet", "acme", "session"])["cookie"] == CANARY
    assert CANARY not in paths.credential_file("acme", "session").read_text()


def test_a_move_goes_both_ways_and_keeps_the_document(key, ring):
    set_by(key)
    before, path = stored(), paths.credential_file("acme", "session")
    said = f"acme: the session secret is now in keyring ({RING}), and no more in {path}\n"
    assert key("acme", "move", "keyring") == (0, said, "")
    assert CANARY not in path.read_text()
    assert stored() == before
    assert key("acme", "move", "keyring")[1] == f"acme: the session secret is in keyring ({RING}) already\n"
    assert key("acme", "move", "file")[1] == (
        f"acme: the session secret is now in {path}, and no more in keyring ({RING})\n"
    )
    assert (stored(), ring) == (before, {})


def test_a_move_that_fails_leaves_the_secret_where_it_was(key, ring):
    set_by(key)
    before = stored()
    ring["missing"] = True
    code, out, err = key("acme", "move", "keyring")
    assert (code, out) == (1, "")
    assert err.startswith("vibeusage: the keyring extra is not installed\n")
    assert stored() == before


def test_a_move_of_what_cannot_be_read_leaves_it(key, ring):
    vault.write("acme", "session", {}, RING)
    ring.clear()
    code, _, err = key("acme", "move", "file")
    assert (code, "cannot be read, so it stays there" in err) == (1, True)
    assert vault.entry("acme", "session") == vault.Entry("acme", "session", RING)


@pytest.mark.parametrize("words", [["delete"], ["move", "file"]])
def test_without_a_secret_there_is_nothing_to_delete_or_move(key, words):
    code, out, err = key("acme", *words)
    assert (code, out, "no secret of ours" in err) == (2, "", True)


# --- gone


def everywhere(tmp_path, text):
    """The files that hold a text, also in the forms in which it may travel."""
    forms = [text, urllib.parse.quote(text, safe=""), base64.b64encode(text.encode()).decode().rstrip("=")]
    looked = [path for path in tmp_path.rglob("*") if path.is_file()]
    return [path for path in looked if any(form.encode() in path.read_bytes() for form in forms)]


def fill_cache(account):
    now = datetime.now(UTC)
    period = UsagePeriod(name="Monthly", utilization=12.0, period_type=PeriodType.MONTHLY)
    name = account.partition("@")[2] or None
    snapshot = UsageSnapshot(
        provider="acme", account=name, fetched_at=now, observed_at=now, source="web", periods=(period,)
    )
    cache.save_snapshot(snapshot, "f")
    cache.remember(account, {"organization": "org-canary"})
    gate.save({**gate.load(), account: gate.Gate(due_at=now)})


@pytest.mark.parametrize("backend", ["", RING], ids=["file", "keyring"])
def test_e12_delete_leaves_nothing_of_the_account_and_all_of_the_others(key, ring, tmp_path, backend):
    for account in ("acme", "acme@work"):
        vault.write(account, "session", {"cookie": CANARY, "owner": "owner-canary"}, backend)
        fill_cache(account)
    torn = paths.credential_file("acme", "session").with_name(f"session.json{files.TEMP_MARK}9.9")
    torn.write_text(CANARY)
    code, out, err = key("acme", "delete")
    assert (code, err) == (0, "")
    place = vault.place(vault.Entry("acme", "session", backend))
    assert out == (
        f"acme: the session secret in {place} is gone\n"
        "acme: snapshots/acme.json of the cache is gone\n"
        "acme: org-ids/acme of the cache is gone\n"
    )
    assert [*gate.load()] == [*cache.load_snapshots()] == ["acme@work"]
    assert (cache.remembered("acme"), cache.remembered("acme@work")) == ({}, {"organization": "org-canary"})
    assert [*ring] == ([(RING, "acme@work", "session")] if backend else [])
    assert everywhere(tmp_path, CANARY) == ([] if backend else [paths.credential_file("acme@work", "session")])
    assert list(vault.entries()) == [vault.Entry("acme@work", "session", backend)]
    assert key("acme", "delete")[0] == 2


def test_e12_one_kind_may_be_deleted(key):
    set_by(key)
    set_by(key, "acme", "any-token", "--kind", "oauth")
    assert key("acme", "delete", "--kind", "session")[0] == 0
    assert list(vault.entries()) == [vault.Entry("acme", "oauth", "")]


def test_e12_a_login_is_not_deleted_in_the_middle_of_its_renewal(key, monkeypatch):
    """Else the renewed pair would be written back after the deletion."""
    set_by(key)
    with files.lock(vault.lock_file(), wait_s=0) as got:
        assert got
        monkeypatch.setattr(vault, "lock", lambda real=vault.lock: real(wait_s=0))
        code, _, err = key("acme", "delete")
    assert (code, "another program renews a login just now" in err) == (3, True)
    assert stored()["cookie"] == CANARY
