"""Cursor's logins on this machine, read only: of the app, of cursor-agent, and a session cookie of cursor.com.

Source: the app's state.vscdb (SQLite), cursor-agent's auth.json or Keychain entry, in the shapes that working
trackers know, 2026. A token is a JWT, good for about 60 days; only Cursor itself renews it.
"""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import databases
from vibeusage.context import Context
from vibeusage.credentials import Login, at, read_document
from vibeusage.errors import AuthError
from vibeusage.providers import fields

HINT = "open Cursor, or run `cursor-agent login`"
SECURITY, SECURITY_WAIT_S = "/usr/bin/security", 2.0
SPARE_S = 60  # a token must be good for so long
COOKIES = (
    "WorkosCursorSessionToken",
    "__Secure-next-auth.session-token",
    "next-auth.session-token",
    "wos-session",
    "__Secure-wos-session",
    "authjs.session-token",
    "__Secure-authjs.session-token",
)
KEYS = {
    "cursorAuth/accessToken": "token",
    "cursorAuth/cachedEmail": "email",
    "cursorAuth/stripeMembershipType": "plan",
}
DATABASE = "Cursor/User/globalStorage/state.vscdb"
_BETWEEN = "%3A%3A"  # user id and token in a session cookie


def of_app(ctx: Context) -> Login | None:
    """The app's login for its site; raises AuthError when it has run out or names no user."""
    login = app_token(ctx)
    if login and not login.owner:
        raise AuthError(f"the login in {login.where} names no user", hint="open Cursor and log in")
    return login


def app_token(ctx: Context) -> Login | None:
    """The app's token, which is enough for its API; raises AuthError when it has run out."""
    named = ctx.environ.get("CURSOR_STATE_DB")
    usual = (f"$XDG_CONFIG_HOME/{DATABASE}", f"~/Library/Application Support/{DATABASE}")
    path = next((path for path in map(ctx.path, [named] if named else usual) if os.path.isfile(path)), None)
    state = _state(path) if path else {}
    token = state.get("token")
    if not token:
        return None
    _check(token, str(path), ctx, "open Cursor: it renews its login by itself")
    return Login(token, str(path), is_ours=False, owner=_user(token), data=state)


def of_cli(ctx: Context) -> Login | None:
    path = ctx.path("$XDG_CONFIG_HOME/cursor/auth.json")
    token, where = at(read_document(path), "accessToken"), str(path)
    if not token:
        token, where = _in_keychain(ctx), "the Keychain"
    if not isinstance(token, str) or not token:
        return None
    _check(token, where, ctx, "run `cursor-agent login`")
    profile = at(read_document(ctx.path("~/.cursor/cli-config.json")), "authInfo")
    is_same = at(profile, "authId") == fields.claims(token).get("sub")
    email = at(profile, "email") if is_same else None
    return Login(token, where, is_ours=False, owner=_user(token), data={"email": email})


def _user(token: str) -> str:
    """What stands behind the identity provider in `auth0|user_01ABC`; "" where there is none."""
    subject = fields.claims(token).get("sub")
    user = subject.rpartition("|")[2] if isinstance(subject, str) else ""
    return user if re.fullmatch(r"[\w.-]+", user, re.ASCII) else ""


def _check(token: str, where: str, ctx: Context, hint: str) -> None:
    expires = fields.claims(token).get("exp")
    if isinstance(expires, int | float) and expires - SPARE_S <= ctx.now.timestamp():
        raise AuthError(f"the login in {where} has expired", hint=hint)


def _state(path: Path) -> dict[str, Any]:
    rows = databases.pairs(path, "ItemTable", tuple(KEYS), hint=HINT)
    return {KEYS[key]: _plain(value) for key, value in rows.items()}


def _plain(value: object) -> str:
    """A value as it is or in JSON's quotes, as text or bytes."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return ""
    with contextlib.suppress(ValueError):
        decoded = msgspec.json.decode(text)
        return decoded if isinstance(decoded, str) else ""
    return text.strip()


def _in_keychain(ctx: Context) -> str:
    """Only where a person sits who can answer the question that macOS may ask."""
    if sys.platform != "darwin" or not ctx.foreground or ctx.environ.get("SSH_CONNECTION"):
        return ""
    argv = [SECURITY, "find-generic-password", "-s", "cursor-access-token", "-w"]
    try:
        done = subprocess.run(  # noqa: S603  (fixed words, no shell; the secret comes by a pipe)
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"HOME": ctx.environ.get("HOME", "")},
            timeout=SECURITY_WAIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def app_cookie(login: Login) -> str:
    """The cookie that the app's token makes."""
    return f"{COOKIES[0]}={login.owner}{_BETWEEN}{login.token}"


def session_cookie(login: Login, ctx: Context) -> tuple[str, str]:
    """The one cookie to send, and the user's id where it tells; from a bare value or a whole `Cookie:` header.

    Raises AuthError when there is none in it, or it has run out.
    """
    text = re.sub(r"\Acookie:", "", login.token.strip(), flags=re.IGNORECASE).strip()
    pairs = {name.strip(): value for name, _, value in (part.partition("=") for part in text.split(";"))}
    name = next((name for name in COOKIES if pairs.get(name)), None)
    if name is None:
        known = login.data.get("name")
        name, value = known if known in COOKIES else COOKIES[0], text
    else:
        value = pairs[name].strip()
    value = value.replace("::", _BETWEEN)
    if not re.fullmatch(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+", value):
        raise AuthError(f"{login.where} holds no session cookie of cursor.com", hint=_new_session(login, ctx))
    user, between, token = value.partition(_BETWEEN)
    _check(token, login.where, ctx, _new_session(login, ctx))
    return f"{name}={value}", user if between and re.fullmatch(r"[\w.-]+", user, re.ASCII) else ""


def _new_session(login: Login, ctx: Context) -> str:
    return f"vibeusage auth {ctx.id}" if login.is_ours else "log in at https://cursor.com in that browser"
