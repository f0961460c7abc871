"""Secrets in the desktop's keyring (extra `keyring`), asked in a child that has three seconds.

A keyring may wait for a password, for a dead program or for ever; so the library is only loaded in the child
(`python -m vibeusage.keystore`), which gets one request on stdin and gives one answer on stdout. The backend is
named here: keyring's own choosing (keyringrc.cfg, PYTHON_KEYRING_BACKEND, entry points, the chainer) is never run.
What goes wrong is told, never made up for by a file.
"""

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from vibeusage.errors import ConfigError, StorageError

if TYPE_CHECKING:
    import subprocess

SERVICE = "vibeusage"
LIMIT_S = 3
BACKENDS = {
    "secret-service": "keyring.backends.SecretService",
    "kwallet": "keyring.backends.kwallet",
    "macos": "keyring.backends.macOS",
    "windows": "keyring.backends.Windows",
}
CLASSES = {"kwallet": "DBusKeyring", "windows": "WinVaultKeyring"}

# What reaching a keyring needs, then what starting this interpreter needs; the second line of each is for Windows.
ENVIRONMENT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY"),
    *("APPDATA", "LOCALAPPDATA", "USERPROFILE", "USERNAME"),
    *("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH"),
    *("SYSTEMROOT", "TEMP"),
)

OFF = "vibeusage config set credentials.use_keyring false"
FAILURES = {
    "missing": ("the keyring extra is not installed, or only in part", "pip install 'vibeusage[keyring]'"),
    "no-bus": ("there is no D-Bus session to reach the keyring by", "log in to a desktop session"),
    "dead-bus": ("nothing answers at DBUS_SESSION_BUS_ADDRESS", "log in to the desktop session again"),
    "no-service": ("no program on the D-Bus session keeps secrets", "start gnome-keyring, KWallet or KeePassXC"),
    "no-collection": ("the keyring has no open default collection", "open or make one in its own program"),
    "locked": ("the keyring is locked", "unlock it in its own program"),
    "unusable": ("this keyring cannot be used here", "name another backend"),
    "refused": ("the keyring refused", "look into it with its own program"),
    "silent": (f"the keyring gave no answer within {LIMIT_S} seconds", "unlock it, or answer the question it shows"),
    "ended": ("the program that asks the keyring ended without an answer", "try again"),
}
REASONS = {"LockedException": "locked", "KeyringLocked": "locked", "PromptDismissedException": "locked"}


def default_backend() -> str:
    return {"darwin": "macos", "win32": "windows"}.get(sys.platform, "secret-service")


def read(account: str, kind: str, *, backend: str) -> bytes | None:
    """The stored document, None where there is none. StorageError with a next step for all else that may happen."""
    value = _ask("read", account, kind, backend=backend)
    return None if value is None else value.encode()


def write(account: str, kind: str, data: bytes, *, backend: str) -> None:
    """Store a document of UTF-8 text and see that it reads the same; StorageError as in `read`."""
    _ask("write", account, kind, backend=backend, value=data.decode())


def delete(account: str, kind: str, *, backend: str) -> bool:
    """Whether there was anything to delete; afterwards there is nothing. StorageError as in `read`."""
    return _ask("delete", account, kind, backend=backend) is not None


def of_another(service: str, account: str, environ: Mapping[str, str]) -> bytes | None:
    """What another program keeps under these names in the system's keyring; only where a person waits.

    Asked by the system's own tool, to which macOS grants it for good. None without the tool or an answer in time,
    and over SSH or in CI, where nobody sees macOS ask.
    """
    import subprocess  # most runs open no keyring

    command = ["secret-tool", "lookup", "service", service, "username", account]
    if sys.platform == "darwin":
        if {"SSH_CONNECTION", "SSH_TTY", "CI"} & environ.keys():
            return None
        command = ["/usr/bin/security", "find-generic-password", "-s", service, "-a", account, "-w"]
    environment = {name: environ[name] for name in ENVIRONMENT if name in environ}
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _ask(action: str, account: str, kind: str, *, backend: str, value: str = "") -> str | None:
    if backend not in BACKENDS:
        raise ConfigError(f"{backend!r} is not a keyring backend", hint="one of " + ", ".join(BACKENDS))
    # plain tuples: a struct would show the secret in its repr
    answer = _run(msgspec.json.encode((action, backend, f"{account}/{kind}", value)))
    try:
        failure, detail, result = msgspec.json.decode(answer, type=tuple[str, str, str | None])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _error("ended") from None
    if failure:
        raise _error(failure, detail)
    return result


def _run(request: bytes) -> bytes:
    """What the child answers to `request`; after the limit its whole process group is killed."""
    import subprocess

    command = [sys.executable, "-P", "-m", "vibeusage.keystore"]
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    try:
        child = subprocess.Popen(  # noqa: S603  (our own module, by a list)
            command, stdin=pipe, stdout=pipe, stderr=nowhere, env=environment, start_new_session=True
        )
    except OSError as exc:
        raise _error("ended", exc.strerror or "") from exc
    with child:
        try:
            return child.communicate(request, timeout=LIMIT_S)[0]
        except subprocess.TimeoutExpired:  # it holds what came so far, so it is not passed on
            raise _error("silent") from None
        finally:
            if child.returncode is None:  # not waited for, so its number is still its own
                _kill(child)


def _kill(child: "subprocess.Popen") -> None:
    if sys.platform == "win32":
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
        os.killpg(child.pid, signal.SIGKILL)


def _error(failure: str, detail: str = "") -> StorageError:
    sentence, step = FAILURES.get(failure, FAILURES["ended"])
    return StorageError(f"{sentence}: {detail}" if detail else sentence, hint=f"{step}, or {OFF}")


class _Failure(Exception):
    """In the child: a key of FAILURES, and a detail that was made before any secret was handed over."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)


def main() -> None:
    """The child. Of an error only the name of its class goes out: its text may hold the secret."""
    if sys.platform != "win32":
        signal.alarm(LIMIT_S + 1)  # should the parent be killed, nobody else ends this
    sys.argv[:] = [SERVICE]  # the name under which KWallet asks for, and remembers, permission
    action, backend, entry, value = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[str, str, str, str])
    answer: tuple[str, str, str | None]
    try:
        answer = ("", "", _perform(_open(backend), action, entry, value))
    except _Failure as exc:
        answer = (*exc.args, None)
    except Exception as exc:  # whatever a backend may raise
        name = type(exc).__name__
        answer = (REASONS[name], "", None) if name in REASONS else ("refused", name, None)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _open(backend: str) -> Any:
    """The backend's class, by name, after a look at whether it would work without a question."""
    try:
        kind = getattr(importlib.import_module(BACKENDS[backend]), CLASSES.get(backend, "Keyring"))
        if backend == "secret-service":
            _check_secret_service()
        else:
            kind.priority  # noqa: B018  (a property that raises RuntimeError with the reason)
    except ImportError as exc:
        raise _Failure("missing") from exc
    except RuntimeError as exc:
        raise _Failure("unusable", str(exc)) from exc
    return kind()


def _check_secret_service() -> None:
    """Raise where it would put up a password prompt: no one types a password in three seconds."""
    import secretstorage  # only in the child, and only on Linux

    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        raise _Failure("no-bus")
    try:
        bus = secretstorage.dbus_init()
    except (OSError, RuntimeError, secretstorage.SecretServiceNotAvailableException) as exc:
        raise _Failure("dead-bus") from exc
    with contextlib.closing(bus):
        if not secretstorage.check_service_availability(bus):
            raise _Failure("no-service")
        try:
            collection = secretstorage.get_collection_by_alias(bus, "default")
        except secretstorage.ItemNotFoundException as exc:
            raise _Failure("no-collection") from exc
        except secretstorage.SecretServiceNotAvailableException as exc:  # named, but it does not start
            raise _Failure("no-service") from exc
        collection.ensure_not_locked()


def _perform(ring: Any, action: str, entry: str, value: str) -> str | None:
    if action == "read":
        return ring.get_password(SERVICE, entry)
    if action == "write":
        ring.set_password(SERVICE, entry, value)
        if ring.get_password(SERVICE, entry) != value:  # KWallet's backend drops the error code
            raise _Failure("refused", "it does not give back what was stored")
        return None
    deleted = None
    while ring.get_password(SERVICE, entry) is not None:  # a backend deletes one of several
        ring.delete_password(SERVICE, entry)
        deleted = "deleted"
    return deleted


if __name__ == "__main__":
    main()
