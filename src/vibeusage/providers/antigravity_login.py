"""Logins that Antigravity has left on this machine, read only: of `agy` in the keyring or a file, of the editor.

Source: the keyring entry `gemini`/`antigravity` in the form of go-keyring, files below ~/.gemini, and the editor's
state.vscdb (SQLite), as working trackers and public issue threads tell of them, 2026. A token lives an hour; only
Antigravity itself renews it.
"""

import base64
import binascii
import os
import re
from typing import Any

import msgspec

from vibeusage import credentials, databases, keystore
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import AuthError
from vibeusage.providers import fields

HINT = "start Antigravity, or run `agy`, and log in"
RENEW = "start Antigravity, or run `agy`: it renews its login by itself"
AGY = "~/.gemini/antigravity-cli"
FILES = (f"{AGY}/antigravity-oauth-token", "~/.gemini/jetski-standalone-oauth-token")
SHARED = "~/.gemini/oauth_creds.json"  # of gemini-cli, which agy uses too where there is no keyring
DATABASES = tuple(
    f"{folder}/Antigravity/User/globalStorage/state.vscdb"
    for folder in ("$XDG_CONFIG_HOME", "~/Library/Application Support")
)
STATE = "antigravityAuthStatus"


def was_used(ctx: Context) -> bool:
    """Whether agy has ever run here."""
    return os.path.isdir(ctx.path(AGY))


def in_keyring(ctx: Context) -> Login | None:
    """The login of agy; not in the background, where nobody could answer a keyring's question, nor where none is."""
    if ctx.name or not ctx.foreground or not was_used(ctx):
        return None
    value = keystore.of_another("gemini", "antigravity", ctx.environ)
    return _login(_decoded(value or b""), "the keyring entry of Antigravity", ctx)


def _decoded(value: bytes) -> Any:
    """JSON; go-keyring wraps it on macOS, and `security` prints what has control bytes as hex digits."""
    if re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", value):
        value = bytes.fromhex(value.decode())
    try:
        if value.startswith(b"go-keyring-base64:"):
            value = base64.b64decode(value.partition(b":")[2], validate=True)
        return msgspec.json.decode(value)
    except (binascii.Error, ValueError, RecursionError):
        return None


def in_file(ctx: Context) -> Login | None:
    if ctx.name:
        return None
    places = [*FILES, *([SHARED] if was_used(ctx) else [])]
    expired: AuthError | None = None
    for path in map(ctx.path, places):
        try:
            if login := _login(credentials.read_document(path), str(path), ctx):
                return login
        except AuthError as exc:  # an old version may have left it
            expired = expired or exc
    if expired:
        raise expired
    return None


def in_editor(ctx: Context) -> Login | None:
    """The editor's token, of which nothing says how long it is good."""
    for path in map(ctx.path, DATABASES):
        value = databases.pairs(path, "ItemTable", (STATE,), hint=HINT).get(STATE)
        try:
            document = msgspec.json.decode(value) if isinstance(value, str | bytes) else None
        except (ValueError, RecursionError):
            continue
        token, email = at(document, "apiKey"), at(document, "email")
        if isinstance(token, str) and token:
            return Login(token, str(path), is_ours=False, data={"email": email})
    return None


def _login(document: Any, where: str, ctx: Context) -> Login | None:
    """From the form of agy (`token.expiry` in ISO 8601) or of gemini-cli (`expiry_date` in epoch milliseconds)."""
    holder = at(document, "token") if isinstance(at(document, "token"), dict) else document
    token = at(holder, "access_token")
    if not isinstance(token, str) or not token:
        return None
    try:
        until = fields.instant(at(holder, "expiry") or at(holder, "expiry_date"))
    except ValueError:
        until = None
    if until and until < ctx.now:
        raise AuthError(f"the login in {where} has expired", hint=RENEW)
    claims = fields.claims(at(holder, "id_token"))
    return Login(token, where, is_ours=False, data={"email": claims.get("email")})

