"""Our own secrets: one document per account and kind, in a 0600 file or in the desktop's keyring.

`<config>/credentials/<account>/<kind>.json` holds the document, or says which keyring does. A keyring is
opened only where a person waits, never in the background. Whoever changes a document holds `lock`.
"""

import contextlib
import os
import stat
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from vibeusage import files, keystore, paths
from vibeusage.errors import ConfigError, NotConfigured, StorageError, Unavailable
from vibeusage.settings import Credentials

KINDS = ("oauth", "session", "apikey", "admin")
LOCK_WAIT_S = 10.0
MARK = "keyring"


class Entry(NamedTuple):
    """One secret of ours, without the secret; `backend` is "" for a file."""

    account: str
    kind: str
    backend: str


def read(account: str, kind: str, *, foreground: bool) -> dict[str, Any] | None:
    """The document; None when there is none or it is damaged.

    Raises ConfigError when others can read the file, NotConfigured when only a person may open its
    keyring, StorageError when the keyring fails.
    """
    document = _in_file(account, kind)
    backend = (document or {}).get(MARK)
    if not isinstance(backend, str):
        return document
    if not foreground:
        raise NotConfigured(
            f"the login of {account} lies in the keyring, which nothing in the background opens",
            hint=f"run `vibeusage refresh {account}`, or keep it in a file: vibeusage key {account} move file",
        )
    return _decoded(keystore.read(account, kind, backend=backend) or b"")


def lock_file() -> Path:
    return paths.config_dir() / "credentials" / ".lock"


@contextlib.contextmanager
def lock(wait_s: float = LOCK_WAIT_S) -> Generator[None]:
    """No login is renewed, stored or deleted by anybody else meanwhile. Raises Unavailable when it is not to be had."""
    with files.lock(lock_file(), wait_s=wait_s) as got:
        if not got:
            raise Unavailable("another program renews a login just now", hint="try again in a moment")
        yield


def write(account: str, kind: str, document: Mapping[str, Any], backend: str) -> Entry:
    """Store the document in a file (backend "") or keyring; another place is emptied only afterwards.

    Raises StorageError, with the secret where it was before; never falls back to a file.
    """
    data, path = msgspec.json.encode(document), paths.credential_file(account, kind)
    before = entry(account, kind)
    if backend:
        keystore.write(account, kind, data, backend=backend)
        data = msgspec.json.encode({MARK: backend})
    try:
        files.write_private(path, data)
        if files.read_private(path) != data:
            raise StorageError(f"{path} does not read as it was written", hint="check the disk")
    except StorageError:
        if backend and (before is None or before.backend != backend):  # nobody would find it there
            with contextlib.suppress(StorageError):
                keystore.delete(account, kind, backend=backend)
        raise
    for torn in _torn(path):
        _unlink(torn)
    if before and before.backend not in ("", backend):
        _empty(before, Entry(account, kind, backend))
    return Entry(account, kind, backend)


def _empty(old: Entry, new: Entry) -> None:
    try:
        keystore.delete(old.account, old.kind, backend=old.backend)
    except StorageError as exc:
        raise StorageError(
            f"the secret is now in {place(new)}, but {place(old)} still has its copy: {exc}",
            hint=f"remove the entry {keystore.SERVICE}, {old.account}/{old.kind}, in the keyring's own program",
        ) from exc


def place(known: Entry) -> str:
    """Where a secret lies, for people."""
    return f"keyring ({known.backend})" if known.backend else str(paths.credential_file(known.account, known.kind))


def backend_of(settings: Credentials) -> str:
    """Where the settings want secrets: "" for files, else the keyring, by name."""
    return (settings.keyring_backend or keystore.default_backend()) if settings.use_keyring else ""


def rewrite(account: str, kind: str, document: Mapping[str, Any]) -> None:
    """Replace a document where it lies; one that was deleted meanwhile stays so."""
    if known := entry(account, kind):
        write(account, kind, document, known.backend)


def delete(account: str, kind: str) -> bool:
    """Remove the secret from file and keyring, and what a killed writer left of it; whether there was one."""
    known, path = entry(account, kind), paths.credential_file(account, kind)
    if known and known.backend:
        keystore.delete(account, kind, backend=known.backend)
    torn = _torn(path)
    for each in (path, *torn):
        _unlink(each)
    with contextlib.suppress(OSError):  # the folder goes with its last secret
        path.parent.rmdir()
    return known is not None or bool(torn)


def _torn(path: Path) -> list[Path]:
    """What killed writers have left; whoever looks holds the lock, so nobody is at work on one of them."""
    return [path.parent / name for name in _all_names(path.parent) if name.startswith(path.name + files.TEMP_MARK)]


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise StorageError(f"{path} cannot be removed: {exc.strerror}", hint="check the rights of its folder") from exc


def entry(account: str, kind: str) -> Entry | None:
    """Where a secret lies, without opening a keyring, whatever the rights of its file."""
    path = paths.credential_file(account, kind)
    if not os.path.lexists(path):
        return None
    backend = (_decoded(files.read_regular(path) or b"") or {}).get(MARK)
    return Entry(account, kind, backend if isinstance(backend, str) else "")


def entries() -> Iterator[Entry]:
    """All secrets of ours, by account."""
    folder = paths.config_dir() / "credentials"
    for account in sorted(_names(folder)):
        for name in sorted(_names(folder / account)):
            kind = name.removesuffix(".json")
            if kind != name and kind in KINDS and (found := entry(account, kind)):
                yield found


def accounts(provider_id: str) -> list[str]:
    """The accounts of a provider that have a secret of ours."""
    names = _names(paths.config_dir() / "credentials")
    return sorted(name for name in names if name.partition("@")[0] == provider_id)


def _names(folder: Path) -> list[str]:
    return [name for name in _all_names(folder) if files.TEMP_MARK not in name]


def _all_names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _in_file(account: str, kind: str) -> dict[str, Any] | None:
    path = paths.credential_file(account, kind)
    try:
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink():
            raise ConfigError(f"{path} can be read by others", hint=f"chmod 600 {path}")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        look = f"check its rights: ls -ld {path.parent}"
        raise ConfigError(f"{path} cannot be read: {exc.strerror}", hint=look) from exc
    return _decoded(files.read_private(path) or b"")


def _decoded(data: bytes) -> dict[str, Any] | None:
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
