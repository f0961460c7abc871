"""The child that asks the keyring: what goes in, what comes out, and what never does.

The keyring library of these tests is a stand-in on PYTHONPATH; tests/e2e/test_keyring.py has the real one.
"""

import json
import signal
import socket
import subprocess
import sys
import textwrap
import traceback
from types import SimpleNamespace

import pytest

from vibeusage import files, keystore
from vibeusage.errors import ConfigError, StorageError

SECRET = "not-a-real-token-6e1f"
OFF = "vibeusage config set credentials.use_keyring false"
DEAD = ("nothing answers at DBUS_SESSION_BUS_ADDRESS", "log in to the desktop session again")
SET_BY_THE_SYSTEM = {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"}

RING = """
import json, os, pathlib, sys
STORE = pathlib.Path(os.environ["HOME"], "ring.json")
class Keyring:
    priority = 5
    def _all(self):
        return json.loads(STORE.read_text()) if STORE.exists() else {}
    def get_password(self, service, name):
        return self._all().get(f"{service}:{name}")
    def set_password(self, service, name, value):
        STORE.write_text(json.dumps(self._all() | {f"{service}:{name}": value}))
    def delete_password(self, service, name):
        STORE.write_text(json.dumps({k: v for k, v in self._all().items() if k != f"{service}:{name}"}))
"""


@pytest.fixture
def ring(tmp_path, monkeypatch):
    """Put a keyring library of our own in the place of the real one; `more` goes below its macOS backend."""
    folder = tmp_path / "library"
    backends = folder / "keyring" / "backends"
    backends.mkdir(parents=True)
    (folder / "keyring" / "__init__.py").touch()
    (backends / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def write(more: str = "") -> None:
        (backends / "macOS.py").write_text(RING + textwrap.indent(textwrap.dedent(more), "    "))

    write()
    return write


@pytest.mark.parametrize(
    ("platform", "environ", "script", "found"),
    [
        pytest.param("linux", {}, 'echo "$0 $*"', b"secret-tool lookup service acme username work", id="Linux"),
        pytest.param("linux", {"SSH_CONNECTION": "1"}, "echo it", b"it", id="Linux over SSH"),
        pytest.param("darwin", {}, "echo it", None, id="macOS without its tool"),
        pytest.param("linux", {}, "echo it; exit 1", None, id="not found"),
        pytest.param("linux", {}, "", None, id="empty"),
        pytest.param("linux", {}, "exec sleep 60", None, id="a question that nobody answers"),
        pytest.param("linux", {}, 'echo "$GH_TOKEN"', None, id="no secret of ours reaches it"),
    ],
)
def test_what_another_program_keeps_is_asked_of_the_systems_tool(
    platform, environ, script, found, tmp_path, monkeypatch
):
    tool = tmp_path / "secret-tool"
    tool.write_text(f"#!/bin/sh\n{script}\n".replace("$0", "secret-tool"))
    tool.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GH_TOKEN": SECRET, **environ}
    monkeypatch.setattr(keystore, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(keystore, "LIMIT_S", 0.5 if "sleep" in script else 10)
    assert keystore.of_another("acme", "work", environ) == found


@pytest.mark.parametrize("name", ["SSH_CONNECTION", "SSH_TTY", "CI"])
def test_macos_is_not_asked_where_nobody_sees_its_question(name, monkeypatch):
    monkeypatch.setattr(keystore, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: pytest.fail("it was asked"))
    assert keystore.of_another("acme", "work", {name: "1"}) is None


def test_a_document_is_stored_read_and_deleted(ring, home):
    data = json.dumps({"access_token": SECRET, "name": "Zoë\n"}, ensure_ascii=False).encode()
    assert keystore.read("claude@work", "oauth", backend="macos") is None
    keystore.write("claude@work", "oauth", data, backend="macos")
    assert json.loads((home / "ring.json").read_text()) == {"vibeusage:claude@work/oauth": data.decode()}
    assert keystore.read("claude@work", "oauth", backend="macos") == data
    assert keystore.read("claude", "oauth", backend="macos") is None
    assert keystore.delete("claude@work", "oauth", backend="macos") is True
    assert keystore.delete("claude@work", "oauth", backend="macos") is False
    assert keystore.read("claude@work", "oauth", backend="macos") is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(
            f"def set_password(self, *a): raise ValueError('{SECRET}')", "the keyring refused: ValueError", id="raises"
        ),
        pytest.param(
            "def set_password(self, *a): raise type('KeyringLocked', (Exception,), {})(a)",
            "the keyring is locked",
            id="locked",
        ),
        pytest.param(
            "def set_password(self, *a): pass",
            "the keyring refused: it does not give back what was stored",
            id="keeps nothing",
        ),
        pytest.param(
            "def set_password(self, *a): os.abort()",
            "the program that asks the keyring ended without an answer",
            id="crashes",
        ),
        pytest.param(
            "def set_password(self, *a): print(a[-1], flush=True)",
            "the program that asks the keyring ended without an answer",
            id="speaks out of turn",
        ),
    ],
)
def test_e1_what_goes_wrong_is_one_sentence_without_the_secret(more, message, ring, capfd):
    ring(more)
    with pytest.raises(StorageError) as caught:
        keystore.write("claude", "oauth", SECRET.encode(), backend="macos")
    assert (str(caught.value), caught.value.hint.endswith(f", or {OFF}")) == (message, True)
    assert SECRET not in "".join((*capfd.readouterr(), repr(caught.value), caught.value.hint))
    assert SECRET not in "".join(map(str, traceback.format_exception(caught.value)))


def test_e2_the_secret_is_in_no_argument_and_no_environment(ring, home, monkeypatch):
    ring("""
        def __init__(self):
            seen = {"argv": sys.orig_argv, "environ": dict(os.environ)}
            pathlib.Path(os.environ["HOME"], "seen.json").write_text(json.dumps(seen))
    """)
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("KEYRING_PROPERTY_SCHEME", SECRET)
    keystore.write("claude", "oauth", SECRET.encode(), backend="macos")
    seen = json.loads((home / "seen.json").read_text())
    assert seen["argv"] == [sys.executable, "-P", "-m", "vibeusage.keystore"]
    assert set(seen["environ"]) - SET_BY_THE_SYSTEM <= set(keystore.ENVIRONMENT)
    assert SECRET not in json.dumps(seen)


@pytest.mark.slow
def test_e9_a_keyring_that_hangs_is_ended_with_all_it_started(ring, home):
    ring("""
        def get_password(self, *a):
            import fcntl, signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            held = open(STORE, "w")
            fcntl.flock(held, fcntl.LOCK_EX)
            os.fork()
            time.sleep(60)
    """)
    with pytest.raises(StorageError) as caught:
        keystore.read("claude", "oauth", backend="macos")
    assert (str(caught.value), caught.value.hint) == (
        "the keyring gave no answer within 3 seconds",
        f"unlock it, or answer the question it shows, or {OFF}",
    )
    with files.lock(home / "ring.json", wait_s=10) as is_free:
        assert is_free


@pytest.mark.slow
def test_e9_the_child_ends_itself_when_nobody_waits_for_it(ring):
    ring("""
        def get_password(self, *a):
            import time
            time.sleep(60)
    """)
    command = [sys.executable, "-P", "-m", "vibeusage.keystore"]
    done = subprocess.run(command, input=b'["read", "macos", "claude/oauth", ""]', timeout=30, check=False)
    assert done.returncode == -signal.SIGALRM


def test_e9_without_the_extra_the_next_step_is_named(ring, tmp_path):
    (tmp_path / "library" / "keyring" / "__init__.py").write_text("raise ModuleNotFoundError('keyring')")
    with pytest.raises(StorageError) as caught:
        keystore.read("claude", "oauth", backend="macos")
    assert (str(caught.value), caught.value.hint) == (
        "the keyring extra is not installed, or only in part",
        f"pip install 'vibeusage[keyring]', or {OFF}",
    )


def test_e9_a_backend_of_another_system_says_so():
    with pytest.raises(StorageError) as caught:
        keystore.read("claude", "oauth", backend="windows")
    assert (str(caught.value), caught.value.hint) == (
        "this keyring cannot be used here: Requires Windows and pywin32",
        f"name another backend, or {OFF}",
    )


def test_e9_an_absent_kwallet_says_so(monkeypatch):
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    with pytest.raises(StorageError, match=r"^this keyring cannot be used here: "):
        keystore.read("claude", "oauth", backend="kwallet")


@pytest.mark.skipif(sys.platform != "linux", reason="the Secret Service is of Linux")
@pytest.mark.parametrize(
    ("address", "message", "step"),
    [
        pytest.param(
            None, "there is no D-Bus session to reach the keyring by", "log in to a desktop session", id="no D-Bus"
        ),
        pytest.param("unix:path=/nowhere/bus", *DEAD, id="no such socket"),
        pytest.param("unix:path={refuses}", *DEAD, id="nobody listens"),
        pytest.param("tcp:host=127.0.0.1,port=9", *DEAD, id="not a local socket"),
        pytest.param("nonsense", *DEAD, id="not an address"),
    ],
)
def test_e9_without_a_session_bus_the_next_step_is_named(address, message, step, tmp_path, monkeypatch):
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    with socket.socket(socket.AF_UNIX) as bound:
        monkeypatch.chdir(tmp_path)  # the path of a socket is short
        bound.bind("refuses")
        if address:
            monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address.format(refuses=tmp_path / "refuses"))
        with pytest.raises(StorageError) as caught:
            keystore.read("claude", "oauth", backend="secret-service")
    assert (str(caught.value), caught.value.hint) == (message, f"{step}, or {OFF}")


def test_e10_only_backends_of_the_table_have_a_name():
    with pytest.raises(ConfigError, match=r"'keyrings\.alt\.file' is not a keyring backend"):
        keystore.read("claude", "oauth", backend="keyrings.alt.file")


def test_e9_the_library_is_never_loaded_in_our_own_process(ring):
    program = "import sys; from vibeusage import keystore; keystore.read('claude', 'oauth', backend='macos');"
    program += "sys.exit('keyring' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", program], timeout=30, check=False).returncode == 0


@pytest.mark.parametrize(
    ("platform", "backend"), [("linux", "secret-service"), ("darwin", "macos"), ("win32", "windows")]
)
def test_each_platform_has_its_backend(platform, backend, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    assert keystore.default_backend() == backend
