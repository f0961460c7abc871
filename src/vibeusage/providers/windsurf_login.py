"""What Windsurf, and Devin after it, keep on this machine: the app's database, the key of the `devin` program.

Source: `state.vscdb` of the apps (SQLite, `windsurf.settings.cachedPlanInfo` and `windsurfAuthStatus`, in UTF-8 or
UTF-16LE), `credentials.toml` of the program (undocumented). Read only.
Known from: the public sources of several working trackers, 2026; not seen live.
"""

import os
import re
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import databases, files
from vibeusage.context import Context
from vibeusage.credentials import Login, at
from vibeusage.errors import AuthError, ConfigError
from vibeusage.kinds import url_problem

HINT = "open Windsurf and log in, or run `devin auth login`"
DATABASES = tuple(
    f"{folder}/{app}/User/globalStorage/state.vscdb"
    for app in ("Windsurf", "Devin")
    for folder in ("$XDG_CONFIG_HOME", "~/Library/Application Support")
)
PLAN, AUTH = "windsurf.settings.cachedPlanInfo", "windsurfAuthStatus"
PROGRAM = "$XDG_DATA_HOME/devin/credentials.toml"


def plan_of_app(ctx: Context) -> Login | None:
    """What the app was last told of its plan, with the instant (epoch seconds) at which its database was written."""
    for path in _databases(ctx):
        rows = _rows(path)
        if plan := rows.get(PLAN):
            key = _key(rows)
            data = {"plan": _text(plan), "written_at": _written_at(path)}
            return Login("", str(path), is_ours=False, owner=_owner(key) if key else "", data=data)
    return None


def of_program(ctx: Context) -> Login | None:
    """Raises ConfigError when the file names a server that no key may go to."""
    path = ctx.path(PROGRAM)
    try:
        document = tomllib.loads((files.read_linked(path, limit=1 << 20) or b"").decode())
    except (ValueError, RecursionError) as exc:
        raise AuthError(f"{path} cannot be read as TOML", hint="run `devin auth login`") from exc
    key, server = document.get("windsurf_api_key"), document.get("api_server_url")
    if not isinstance(key, str) or not key:
        return None
    if isinstance(server, str) and server and (problem := url_problem(server)):
        raise ConfigError(f"api_server_url in {path} {problem}", hint="correct it, or run `devin auth login`")
    bases = (server.rstrip("/"),) if isinstance(server, str) and server else ()
    return Login(key, str(path), is_ours=False, owner=_owner(key), bases=bases)


def of_app(ctx: Context) -> Login | None:
    for path in _databases(ctx):
        if key := _key(_rows(path)):
            return Login(key, str(path), is_ours=False, owner=_owner(key))
    return None


def organization(text: str) -> tuple[str, str]:
    """Path and id in Devin's addresses, of an id, a name or an address; ("", "") for anything else.

    Only an id of Devin's own (`org-…`) also goes into a header.
    """
    found = re.fullmatch(r"(?:(?:https://app\.devin\.ai/)?(?:org|organizations)/)?([\w-]+)(?:/\S*)?", text, re.ASCII)
    if found is None:
        return "", ""
    return (found[1], found[1]) if re.match(r"org[-_]", found[1]) else (f"org/{found[1]}", "")


def _databases(ctx: Context) -> list[Path]:
    """Those that are there, the last written first."""
    return sorted(filter(os.path.isfile, map(ctx.path, DATABASES)), key=_written_at, reverse=True)


def _written_at(path: Path) -> float:
    """With what stands in its journals, 0.0 for none."""
    times = []
    for suffix in ("", "-wal", "-journal"):
        try:
            times.append(os.stat(f"{path}{suffix}").st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)


def _rows(path: Path) -> Any:
    return databases.pairs(path, "ItemTable", (PLAN, AUTH), hint=HINT)


def _key(rows: Any) -> str:
    try:
        key = at(msgspec.json.decode(_text(rows.get(AUTH))), "apiKey")
    except (ValueError, RecursionError):
        return ""
    return key if isinstance(key, str) else ""


def _text(value: object) -> str:
    """Of UTF-8 or UTF-16LE, as text or bytes; "" for anything else."""
    data = value.encode() if isinstance(value, str) else value
    if not isinstance(data, bytes):
        return ""
    is_wide = data.startswith(b"\xff\xfe") or data[1:2] == b"\0"
    return data.decode("utf-16-le" if is_wide else "utf-8", "replace").lstrip("\ufeff")


def _owner(key: str) -> str:
    """Nothing else tells whose numbers these are."""
    return sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
