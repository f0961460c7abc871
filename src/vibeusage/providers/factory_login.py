"""Factory's logins on this machine, read only: droid's encrypted store, its older files, a key in its .env.

Source: `~/.factory` as droid writes it (undocumented): `auth.v2.file` is `iv:tag:ciphertext`, each in base64,
AES-256-GCM with a nonce of 16 bytes and the key in `auth.v2.key`; inside is JSON. An access token is a JWT.
Known from: public issue threads and the public sources of working readers, 2026; not seen live.
droid reads the stores of the system's keyring first, then the file, then those of its first versions. A store
that is there and cannot be opened ends the search: what lies behind it may be another account's.
"""

import base64
import binascii
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import files
from vibeusage.context import Context
from vibeusage.credentials import Login, at, check_expiry
from vibeusage.errors import AuthError, NotConfigured, Unavailable
from vibeusage.providers import fields

HINT = "run `droid` and sign in, or set FACTORY_API_KEY"
FOLDER = "$FACTORY_DIR"
KEY_BYTES, IV_BYTES, TAG_BYTES = 32, 16, 16
IN_KEYRING = ("auth.v2.loginkeychain", "auth.v2.keyring")
OF_OLD = ("auth.encrypted", "auth.json")
LIMIT = 1 << 20


def of_droid(ctx: Context) -> Login | None:
    """Raises AuthError for a store that does not open or has run out, NotConfigured for one in a keyring."""
    for name in IN_KEYRING:
        path = ctx.path(f"{FOLDER}/{name}")
        if os.path.exists(path):
            raise NotConfigured(f"droid keeps the key to {path} in the system's keyring", hint="set FACTORY_API_KEY")
    store = ctx.path(f"{FOLDER}/auth.v2.file")
    if os.path.exists(store):
        return _login(_opened(store, ctx.path(f"{FOLDER}/auth.v2.key")), store, ctx)
    for path in (ctx.path(f"{FOLDER}/{name}") for name in OF_OLD):
        if os.path.exists(path):
            return _login(_plain(path), path, ctx)
    return None


def of_env_file(ctx: Context) -> Login | None:
    """A key as droid takes it from its `.env`."""
    path = ctx.path(f"{FOLDER}/.env")
    text = (files.read_linked(path, limit=LIMIT) or b"").decode("utf-8", "replace")
    found = re.search(r"^[ \t]*(?:export[ \t]+)?FACTORY_API_KEY[ \t]*=[ \t]*[\"']?([^\"'\s#]+)", text, re.MULTILINE)
    return Login(found[1], str(path), is_ours=False) if found else None


def account(claims: dict[str, Any]) -> str:
    """The person in the organization that is in use, whose limits they are."""
    return " ".join(value for value in (claims.get("org_id"), claims.get("sub")) if isinstance(value, str) and value)


def _login(document: Any, path: Path, ctx: Context) -> Login:
    token = at(document, "access_token")
    if not isinstance(token, str) or not token:
        raise _closed(path)
    claims = fields.claims(token)
    expires = claims.get("exp")
    check_expiry(expires * 1000 if isinstance(expires, int | float) else None, str(path), ctx.now, "droid")
    return Login(token, str(path), is_ours=False, owner=account(claims), data=document)


def _plain(path: Path) -> Any:
    """The first versions wrote JSON, or bytes whose key lies in the keyring."""
    try:
        return msgspec.json.decode(files.read_linked(path, limit=LIMIT) or b"")
    except (ValueError, RecursionError) as exc:
        raise _closed(path) from exc


def _opened(store: Path, key_file: Path) -> Any:
    try:
        from cryptography.exceptions import InvalidTag  # extra `browser`
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as exc:
        raise Unavailable(
            f"droid's login in {store} is encrypted, and the package `cryptography` is missing",
            hint="pip install 'vibeusage[browser]', or set FACTORY_API_KEY",
        ) from exc
    try:
        key = _decoded(files.read_linked(key_file, limit=LIMIT) or b"", KEY_BYTES)
        iv, tag, ciphertext = (files.read_linked(store, limit=LIMIT) or b"").strip().split(b":")
        text = AESGCM(key).decrypt(_decoded(iv, IV_BYTES), _decoded(ciphertext) + _decoded(tag, TAG_BYTES), None)
        return msgspec.json.decode(text)
    except (ValueError, InvalidTag, RecursionError) as exc:
        raise _closed(store) from exc


def _decoded(text: bytes, length: int | None = None) -> bytes:
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc
    if length is not None and len(data) != length:
        raise ValueError("not of the length it should have")
    return data


def _closed(path: Path) -> AuthError:
    return AuthError(f"{path} cannot be opened as a login of droid", hint=HINT)
