"""Logins: our own 0600 files first, then the vendor tool's file, which is only ever read."""

import os
import stat
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import files, paths
from vibeusage.errors import AuthError, ConfigError, NotConfigured
from vibeusage.providers.spec import JsonFile, Place, Stored


class Login:
    """A token and where it was found; hides the token wherever it is printed."""

    __slots__ = ("is_ours", "owner", "token", "where")

    def __init__(self, token: str, where: str, *, is_ours: bool, owner: str = "") -> None:
        self.token = token
        self.where = where
        self.is_ours = is_ours
        self.owner = owner

    def __repr__(self) -> str:
        return f"Login(where={self.where!r})"

    @property
    def fingerprint(self) -> str:
        """Tells one login from another; too short to be anything else."""
        return _digest(self.token)

    @property
    def owner_fingerprint(self) -> str:
        """Tells one account from another: the vendor's account id where known, else the login."""
        return _digest(self.owner or self.token)


def find(places: tuple[Place, ...], account: str, now: datetime, owner: JsonFile | None = None) -> Login:
    """The first login among `places`, in their order; an empty value counts as absent.

    Raises NotConfigured if there is none, AuthError if it is known to have expired, ConfigError if a
    file of ours is readable by others.
    """
    for place in places:
        path = _path(place, account)
        document = _document(path, private=isinstance(place, Stored))
        token = _at(document, place.key)
        if not isinstance(token, str) or not token:
            continue
        if isinstance(place, JsonFile) and place.expires_key:
            _check_expiry(_at(document, place.expires_key), path, now)
        owned_by = _at(_document(_path(owner, account)), owner.key) if owner and isinstance(place, JsonFile) else None
        return Login(
            token,
            str(path),
            is_ours=isinstance(place, Stored),
            owner=owned_by if isinstance(owned_by, str) else "",
        )
    raise NotConfigured(
        "no login was found", hint="looked in " + ", ".join(str(_path(place, account)) for place in places)
    )


def _path(place: Place, account: str) -> Path:
    if isinstance(place, Stored):
        return paths.credential_file(account, place.kind)
    claude = paths.claude_config_dir()
    # Claude Code keeps its state beside the folder by default, inside it when the folder was moved
    state = claude if os.environ.get("CLAUDE_CONFIG_DIR") else Path.home()
    text = place.path.replace("$CLAUDE_CONFIG_DIR", str(claude)).replace("$CLAUDE_STATE", str(state))
    return Path(text).expanduser()


def _document(path: Path, *, private: bool = False) -> Any:
    """The JSON in a file, None when there is none; another tool may be writing it right now."""
    if private and path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(f"{path} can be read by others", hint=f"chmod 600 {path}")
    data = files.read_private(path) if private else files.read_regular(path.resolve())
    try:
        return msgspec.json.decode(data) if data else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _at(document: Any, key: str) -> Any:
    for part in key.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _check_expiry(milliseconds: object, path: Path, now: datetime) -> None:
    if isinstance(milliseconds, int | float) and 0 < milliseconds < now.astimezone(UTC).timestamp() * 1000:
        raise AuthError(
            f"the login in {path} has expired",
            hint="start the tool it belongs to once; it renews its login itself",
        )


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=8, person=b"vibeusage-login").hexdigest()
