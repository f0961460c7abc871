"""Our own secrets on disk and in a stand-in for the keyring: moved whole, deleted whole, never in two minds."""

import json
import os
import stat

import pytest

from vibeusage import files, keystore, paths, vault
from vibeusage.errors import ConfigError, NotConfigured, StorageError, Unavailable
from vibeusage.settings import Credentials

SECRET = "canary-5b1d-not-real"
DOCUMENT = {"access_token": SECRET, "unknown": {"kept": [1]}}
RING = "secret-service"


@pytest.fixture
def ring(monkeypatch):
    """The keyring's content; `broken` names the actions that fail."""

    class Ring(dict):
        broken = frozenset()

        def may(self, action):
            if action in self.broken:
                raise StorageError("the keyring is locked", hint="unlock it")

    known = Ring()

    def write(account, kind, data, *, backend):
        known.may("write")
        known[backend, account, kind] = data

    def read(account, kind, *, backend):
        known.may("read")
        return known.get((backend, account, kind))

    def delete(account, kind, *, backend):
        known.may("delete")
        return known.pop((backend, account, kind), None) is not None

    for function in (write, read, delete):
        monkeypatch.setattr(keystore, function.__name__, function)
    return known


def stored(account="acme", kind="session"):
    return paths.credential_file(account, kind)


def test_a_document_in_a_file_is_private_and_reads_back_whole():
    assert vault.write("acme", "session", DOCUMENT, "") == vault.Entry("acme", "session", "")
    assert vault.read("acme", "session", foreground=False) == DOCUMENT
    assert [stat.S_IMODE(path.stat().st_mode) for path in (stored(), stored().parent)] == [0o600, 0o700]


def test_the_secret_of_a_killed_writer_goes_with_the_next_one():
    vault.write("acme", "session", DOCUMENT, "")
    torn = stored().with_name(f"session.json{files.TEMP_MARK}1.2")
    torn.write_text(SECRET)
    vault.rewrite("acme", "session", DOCUMENT)
    assert [path.name for path in stored().parent.iterdir()] == ["session.json"]


def test_a_document_in_a_keyring_leaves_only_the_keyrings_name_in_the_file(ring):
    vault.write("acme", "session", DOCUMENT, RING)
    assert stored().read_bytes() == b'{"keyring":"secret-service"}'
    assert vault.read("acme", "session", foreground=True) == DOCUMENT
    assert vault.place(vault.Entry("acme", "session", RING)) == "keyring (secret-service)"


def test_e9_nothing_in_the_background_opens_a_keyring(ring):
    vault.write("acme", "session", DOCUMENT, RING)
    ring.broken = {"read"}
    with pytest.raises(NotConfigured, match="nothing in the background opens"):
        vault.read("acme", "session", foreground=False)


@pytest.mark.parametrize(("old", "new"), [("", RING), (RING, ""), (RING, "kwallet")])
def test_a_move_leaves_one_copy(ring, old, new):
    vault.write("acme", "session", DOCUMENT, old)
    vault.write("acme", "session", DOCUMENT, new)
    assert list(ring) == ([(new, "acme", "session")] if new else [])
    assert (SECRET.encode() in stored().read_bytes()) == (not new)
    assert vault.read("acme", "session", foreground=True) == DOCUMENT


def test_e11_a_keyring_that_fails_leaves_the_file_as_it_was_and_writes_no_other(ring):
    vault.write("acme", "session", DOCUMENT, "")
    ring.broken = {"write"}
    with pytest.raises(StorageError, match="locked"):
        vault.write("acme", "session", {"access_token": "newer"}, RING)
    with pytest.raises(StorageError, match="locked"):
        vault.write("acme", "oauth", DOCUMENT, RING)
    assert vault.read("acme", "session", foreground=False) == DOCUMENT
    assert not stored(kind="oauth").exists()


def test_a_mark_that_cannot_be_written_leaves_no_copy_in_the_keyring(ring, monkeypatch):
    vault.write("acme", "session", DOCUMENT, "")

    def full(path, data):
        raise StorageError("disk full")

    monkeypatch.setattr(files, "write_private", full)
    with pytest.raises(StorageError, match="disk full"):
        vault.write("acme", "session", DOCUMENT, RING)
    assert (ring, vault.read("acme", "session", foreground=False)) == ({}, DOCUMENT)


def test_a_file_that_does_not_read_back_keeps_the_keyrings_copy(ring, monkeypatch):
    vault.write("acme", "session", DOCUMENT, RING)
    monkeypatch.setattr(files, "read_private", lambda path, **_: b"")
    with pytest.raises(StorageError, match="does not read as it was written"):
        vault.write("acme", "session", DOCUMENT, "")
    assert json.loads(ring[RING, "acme", "session"]) == DOCUMENT


def test_a_copy_that_the_keyring_keeps_is_told(ring):
    vault.write("acme", "session", DOCUMENT, RING)
    ring.broken = {"delete"}
    with pytest.raises(StorageError, match=r"in .*session.json, but keyring \(secret-service\) still has") as told:
        vault.write("acme", "session", DOCUMENT, "")
    assert "acme/session" in told.value.hint
    assert SECRET not in repr(told.value) + told.value.hint


def test_e12_delete_takes_the_file_the_keyring_entry_and_what_a_killed_writer_left(ring):
    vault.write("acme", "session", DOCUMENT, RING)
    torn = stored().with_name(f"session.json{files.TEMP_MARK}1.2")
    torn.write_text(SECRET)
    assert vault.delete("acme", "session") is True
    assert (ring, stored().parent.exists()) == ({}, False)
    assert vault.delete("acme", "session") is False


def test_e12_a_keyring_that_does_not_delete_keeps_the_mark_by_which_it_is_found(ring):
    vault.write("acme", "session", DOCUMENT, RING)
    ring.broken = {"delete"}
    with pytest.raises(StorageError, match="locked"):
        vault.delete("acme", "session")
    assert vault.entry("acme", "session") == vault.Entry("acme", "session", RING)


def test_a_file_that_others_can_read_is_refused_but_listed_and_deleted():
    vault.write("acme", "session", DOCUMENT, "")
    stored().chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        vault.read("acme", "session", foreground=True)
    assert list(vault.entries()) == [vault.Entry("acme", "session", "")]
    assert vault.delete("acme", "session") is True


def test_a_rewrite_does_not_bring_a_deleted_secret_back():
    vault.write("acme", "session", DOCUMENT, "")
    vault.delete("acme", "session")
    vault.rewrite("acme", "session", DOCUMENT)
    assert vault.entry("acme", "session") is None


def test_all_secrets_are_listed_by_account_and_strange_files_are_not(ring):
    vault.write("claude@work", "oauth", DOCUMENT, RING)
    vault.write("acme", "session", DOCUMENT, "")
    for name in ("note.txt", "unknown.json", f"oauth.json{files.TEMP_MARK}3.4"):
        (stored().parent / name).touch()
    assert list(vault.entries()) == [vault.Entry("acme", "session", ""), vault.Entry("claude@work", "oauth", RING)]
    assert (vault.accounts("claude"), vault.accounts("acme")) == (["claude@work"], ["acme"])


def test_a_secret_that_is_a_link_is_not_read_and_its_end_is_not_deleted(tmp_path):
    end = tmp_path / "end.json"
    end.write_text(json.dumps(DOCUMENT))
    end.chmod(0o600)
    stored().parent.mkdir(parents=True)
    stored().symlink_to(end)
    assert vault.read("acme", "session", foreground=True) is None
    assert vault.delete("acme", "session") is True
    assert end.exists()
    assert not os.path.lexists(stored())


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000], ids=lambda content: repr(content[:5]))
def test_a_damaged_file_is_no_secret(content):
    vault.write("acme", "session", DOCUMENT, "")
    stored().write_bytes(content)
    assert vault.read("acme", "session", foreground=True) is None


def test_only_one_at_a_time_changes_secrets():
    with vault.lock(), pytest.raises(Unavailable, match="another program"), vault.lock(wait_s=0):
        pass


@pytest.mark.parametrize(
    ("settings", "backend"),
    [
        pytest.param(Credentials(), "", id="a file unless told otherwise"),
        pytest.param(Credentials(use_keyring=True), keystore.default_backend(), id="the platform's keyring"),
        pytest.param(Credentials(use_keyring=True, keyring_backend="kwallet"), "kwallet", id="a keyring by name"),
        pytest.param(Credentials(keyring_backend="kwallet"), "", id="a keyring that is named but off"),
    ],
)
def test_the_settings_say_where_secrets_go(settings, backend):
    assert vault.backend_of(settings) == backend
