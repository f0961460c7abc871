"""Kiro's logins on this machine, read only: of kiro-cli in its database, of the editor in the cache of AWS.

Source: `data.sqlite3` of kiro-cli and `kiro-auth-token.json`, in the shapes that working trackers know, 2026; the name
of the key of social logins is a guess. A token lives an hour; only Kiro itself renews it.
"""

import os
import re
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import credentials, databases, programs
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import AuthError, ConfigError, Unavailable
from vibeusage.providers import fields
from vibeusage.providers.kiro_text import LOGIN

PROGRAM = "kiro-cli"
USUAL = ("$XDG_DATA_HOME/kiro-cli/data.sqlite3", "~/Library/Application Support/kiro-cli/data.sqlite3")
TOKENS = ("kirocli:odic:token", "kirocli:social:token")
PROFILE = "api.codewhisperer.profile"
EDITOR = "~/.aws/sso/cache/kiro-auth-token.json"
HOME_REGION = "us-east-1"


def of_program(ctx: Context) -> Login | None:
    """kiro-cli itself, which keeps its token to itself; with the addresses that it may be asked at beside."""
    path = programs.find(PROGRAM, ctx.environ)
    if not path:
        return None
    try:
        bases = addresses(_region(_profile(_database(ctx)), ""))
    except (Unavailable, ConfigError):  # of no use for what the program prints
        bases = ()
    return Login("", path, is_ours=False, bases=bases)


def of_cli(ctx: Context) -> Login | None:
    """The token of kiro-cli; raises AuthError when it has run out."""
    path = _database(ctx)
    rows = databases.pairs(path, "auth_kv", TOKENS, hint=LOGIN)
    document = next((found for key in TOKENS if (found := _decoded(rows.get(key)))), None)
    token = at(document, "access_token")
    if not isinstance(token, str) or not token:
        return None
    _check(at(document, "expires_at"), path, ctx, "run `kiro-cli`: it renews its login by itself")
    return _login(token, path, _profile(path), at(document, "region"))


def of_editor(ctx: Context) -> Login | None:
    path = ctx.path(EDITOR)
    document = None if ctx.name else credentials.read_document(path)
    token = at(document, "accessToken")
    if not isinstance(token, str) or not token:
        return None
    _check(at(document, "expiresAt"), path, ctx, "open Kiro: it renews its login by itself")
    return _login(token, path, at(document, "profileArn"), at(document, "region"))


def _database(ctx: Context) -> Path:
    places = ("$KIRO_DATA_DIR/data.sqlite3",) if ctx.environ.get("KIRO_DATA_DIR") else USUAL
    paths = [ctx.path(place) for place in places]
    return next((path for path in paths if os.path.isdir(path.parent)), paths[0])


def _profile(path: Path) -> Any:
    try:
        rows = databases.pairs(path, "state", (PROFILE,), hint=LOGIN)
    except Unavailable:  # a login is good without
        return None
    return at(_decoded(rows.get(PROFILE)), "arn")


def _decoded(value: object) -> Any:
    try:
        return msgspec.json.decode(value) if isinstance(value, str | bytes) else None
    except (ValueError, RecursionError):
        return None


def _check(expires: object, path: Path, ctx: Context, hint: str) -> None:
    try:
        until = fields.instant(expires)
    except ValueError:
        return  # unknown
    if until and until < ctx.now:
        raise AuthError(f"the login in {path} has expired", hint=hint)


def _login(token: str, path: Path, arn: object, region: object) -> Login:
    arn = arn if isinstance(arn, str) else ""
    place = _region(arn, region)
    return Login(token, str(path), is_ours=False, data={"arn": arn, "region": place}, bases=addresses(place))


def _region(arn: object, told: object) -> str:
    """Of the profile, else of the login. Raises ConfigError for what is no name of one: it becomes that of a host."""
    parts = arn.split(":") if isinstance(arn, str) else []
    region = (parts[3] if len(parts) > 3 else "") or told or HOME_REGION
    if not isinstance(region, str) or not re.fullmatch(r"[a-z0-9-]{1,40}", region):
        raise ConfigError("the login of Kiro names no region of AWS", hint=LOGIN)
    return region


def addresses(region: str) -> tuple[str, ...]:
    """Where the service is: of a profile, and of an account without one."""
    return f"https://management.{region}.kiro.dev", f"https://q.{region}.amazonaws.com"
