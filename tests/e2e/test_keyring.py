"""The real keyring library on a private D-Bus: a real gnome-keyring-daemon, and services that never answer."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e.waiting import wait_until

from vibeusage import keystore
from vibeusage.errors import StorageError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the Secret Service is of Linux")

SECRET = "not-a-real-token-93b7"
DOCUMENT = json.dumps({"access_token": SECRET, "note": "ünï\n" + "x" * 5000}, ensure_ascii=False).encode()
OFF = "vibeusage config set credentials.use_keyring false"
LOOKUP = ("secret-tool", "lookup", "service", "vibeusage", "username", "claude@work/oauth")

# owns a name, writes down what it is asked, and never answers
# (a file, not a pipe: a test that waits for a line that never comes has to end)
SILENT = """
import sys
from jeepney import HeaderFields, MessageType, message_bus
from jeepney.io.blocking import Proxy, open_dbus_connection
bus = open_dbus_connection()
Proxy(message_bus, bus).RequestName(sys.argv[1])
with open(sys.argv[2], "a", buffering=1) as log:
    print("ready", file=log)
    while True:
        message = bus.receive()
        if message.header.message_type == MessageType.method_call:
            print(message.header.fields[HeaderFields.member], file=log)
"""


@pytest.fixture
def silent(bus, start) -> Callable[[str], Path]:
    """Own a name on the bus without ever answering; the file has the calls, one a line, after `ready`."""

    def own(name: str) -> Path:
        log = bus / name
        start(sys.executable, "-P", "-c", SILENT, name, str(log))
        wait_until(lambda: log.exists() and log.read_text())
        return log

    return own


@pytest.fixture
def keyring(gnome_keyring) -> None:
    gnome_keyring("made-up password")


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout


def test_e9_a_real_keyring_stores_reads_and_deletes(keyring):
    place = {"account": "claude@work", "kind": "oauth", "backend": "secret-service"}
    assert (keystore.read(**place), keystore.delete(**place)) == (None, False)
    keystore.write(data=b'{"access_token": "older"}', **place)
    keystore.write(data=DOCUMENT, **place)
    assert keystore.read(**place) == DOCUMENT
    assert ask(*LOOKUP) == DOCUMENT.decode()
    assert keystore.read("claude", "oauth", backend="secret-service") is None
    assert keystore.delete(**place) is True
    assert (keystore.read(**place), ask(*LOOKUP)) == (None, "")


def test_e9_delete_leaves_nothing_where_another_tool_stored_the_same_entry(keyring):
    store = ["secret-tool", "store", "--label=x", "service", "vibeusage", "username", "claude/oauth", "other", "tool"]
    subprocess.run(store, input=b"{}", timeout=20, check=True)
    keystore.write("claude", "oauth", b"{}", backend="secret-service")
    assert keystore.delete("claude", "oauth", backend="secret-service") is True
    assert ask("secret-tool", "lookup", "service", "vibeusage") == ""


def test_what_another_program_keeps_is_read_by_the_systems_tool(keyring):
    store = ["secret-tool", "store", "--label=x", "service", "gemini", "username", "antigravity"]
    subprocess.run(store, input=DOCUMENT, timeout=20, check=True)
    assert keystore.of_another("gemini", "antigravity", os.environ) == DOCUMENT
    assert keystore.of_another("gemini", "somebody", os.environ) is None


@pytest.mark.slow
@pytest.mark.parametrize("action", ["read", "write", "delete"])
def test_e9_a_locked_collection_is_told_without_a_prompt(action, keyring, lock_keyring, silent):
    keystore.write("claude", "oauth", DOCUMENT, backend="secret-service")
    lock_keyring()
    prompter = silent("org.gnome.keyring.SystemPrompter")
    data = {"data": DOCUMENT} if action == "write" else {}
    with pytest.raises(StorageError) as caught:
        getattr(keystore, action)("claude", "oauth", **data, backend="secret-service")
    assert (str(caught.value), caught.value.hint) == (
        "the keyring is locked",
        f"unlock it in its own program, or {OFF}",
    )
    assert prompter.read_text() == "ready\n"


def test_e9_a_keyring_without_a_collection_is_told_without_a_prompt(gnome_keyring, silent):
    gnome_keyring()
    prompter = silent("org.gnome.keyring.SystemPrompter")
    with pytest.raises(StorageError) as caught:
        keystore.read("claude", "oauth", backend="secret-service")
    assert (str(caught.value), caught.value.hint) == (
        "the keyring has no open default collection",
        f"open or make one in its own program, or {OFF}",
    )
    assert prompter.read_text() == "ready\n"


def test_e9_a_bus_without_a_keyring_says_so(bus):
    with pytest.raises(StorageError) as caught:
        keystore.read("claude", "oauth", backend="secret-service")
    assert (str(caught.value), caught.value.hint) == (
        "no program on the D-Bus session keeps secrets",
        f"start gnome-keyring, KWallet or KeePassXC, or {OFF}",
    )


@pytest.mark.slow
def test_e9_a_secret_service_that_never_answers_costs_three_seconds(silent):
    service = silent("org.freedesktop.secrets")
    began = time.monotonic()
    with pytest.raises(StorageError) as caught:
        keystore.read("claude", "oauth", backend="secret-service")
    assert time.monotonic() - began < 6  # twice the limit: a wait without one would not end
    assert (str(caught.value), caught.value.hint) == (
        "the keyring gave no answer within 3 seconds",
        f"unlock it, or answer the question it shows, or {OFF}",
    )
    assert service.read_text() == "ready\nReadAlias\n"
    assert asking() == []


@pytest.mark.slow
def test_e2_while_a_keyring_is_waited_for_the_secret_shows_in_no_process(silent, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    service = silent("org.freedesktop.secrets")

    def write() -> None:
        with contextlib.suppress(StorageError):
            keystore.write("claude", "oauth", DOCUMENT, backend="secret-service")

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: "ReadAlias" in service.read_text())
    seen = [(folder / name).read_bytes() for folder in asking() for name in ("cmdline", "environ")]
    writer.join()
    assert len(seen) == 2
    assert SECRET.encode() not in b"".join(seen)


@pytest.mark.slow
def test_e10_nothing_but_the_named_backend_is_loaded(keyring, home, tmp_path, monkeypatch):
    library, canary = tmp_path / "library", tmp_path / "canary was imported"
    (library / "canary-1.dist-info").mkdir(parents=True)
    (library / "canary.py").write_text(f"open({str(canary)!r}, 'w')\n")
    (library / "canary-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: canary\nVersion: 1\n")
    (library / "canary-1.dist-info" / "entry_points.txt").write_text("[keyring.backends]\ncanary = canary\n")
    rc = home / ".config" / "python_keyring" / "keyringrc.cfg"
    rc.parent.mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(library))
    for trap in ("entry point", "keyringrc", "environment"):
        if trap == "keyringrc":
            rc.write_text("[backend]\ndefault-keyring = canary.Keyring\n")
        if trap == "environment":
            monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "canary.Keyring")
        keystore.write("claude", "oauth", DOCUMENT, backend="secret-service")
        assert keystore.read("claude", "oauth", backend="secret-service") == DOCUMENT
        assert not canary.exists()
        ask(sys.executable, "-P", "-c", "import keyring; keyring.get_password('a', 'b')")
        canary.unlink()  # the library's own way does load it: the trap works


def asking() -> list[Path]:
    """The /proc folder of each child that asks this test's keyring."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            ours = os.environ["DBUS_SESSION_BUS_ADDRESS"].encode() in (folder / "environ").read_bytes()
            if ours and b"vibeusage.keystore" in (folder / "cmdline").read_bytes():
                found.append(folder)
    return found
