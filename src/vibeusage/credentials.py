"""Logins: the environment, our own store, then the vendor tool's files, which are only ever read."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from vibeusage import files, paths, vault
from vibeusage.context import Context
from vibeusage.errors import AuthError, NotConfigured
from vibeusage.providers.spec import Cookie, Env, Grant, JsonFile, Place, Read, Stored

NOTHING: Mapping[str, Any] = MappingProxyType({})
WRITING_S = 0.02  # in which a tool has written its file
LEAST_SECRET = 16  # a shorter text may stand anywhere


class NoLogin(NotConfigured):
    """None of the places has a login, which is how it should be with all but one of them."""


class Login:
    """A token and where it was found; hides the token and everything beside it wherever it is printed.

    `data` is the document it stood in, `bases` are other addresses that its own tool sends it to,
    `owner` the account's stable id where known. `kind` and `grant` are set for a login of ours.
    """

    __slots__ = ("bases", "data", "grant", "is_ours", "kind", "owner", "token", "where")

    def __init__(
        self,
        token: str,
        where: str,
        *,
        is_ours: bool,
        owner: str = "",
        data: Mapping[str, Any] = NOTHING,
        bases: tuple[str, ...] = (),
        kind: str = "",
        grant: Grant | None = None,
    ) -> None:
        self.token = token
        self.where = where
        self.is_ours = is_ours
        self.owner = owner
        self.data = data
        self.bases = bases
        self.kind = kind
        self.grant = grant

    def __repr__(self) -> str:
        return f"Login(where={self.where!r})"

    @property
    def fingerprint(self) -> str:
        """Tells one login from another; too short to be anything else. "" where a program keeps its token to itself."""
        return _digest(self.token) if self.token else ""

    @property
    def owner_fingerprint(self) -> str:
        """Tells one account from another: the vendor's account id where known, else the login."""
        return _digest(self.owner or self.token)

    def is_in(self, text: str, *, token_only: bool = False) -> bool:
        """Whether `text` repeats the token, or any long text that stood beside it, in whatever spelling."""
        beside = () if token_only else _texts(self.data)
        known = {_bare(each) for each in (self.token, *beside) if len(each) >= LEAST_SECRET}
        said = _bare(text)
        return any(each in said for each in known if each)


def find(places: tuple[Place, ...], ctx: Context) -> Login:
    """The first usable login among `places`, in their order; an empty value counts as absent.

    Raises NoLogin if there is none, what is wrong with the first if none is usable (AuthError when it has
    expired, NotConfigured when only a person may open its keyring), ConfigError if a file of ours is
    readable by others.
    """
    unusable: AuthError | NotConfigured | None = None
    looked = []
    for place in places:
        if is_closed(place, ctx):
            continue
        looked.append(where(place, ctx))
        try:
            login = _look(place, ctx)
        except (AuthError, NotConfigured) as exc:
            unusable = unusable or exc
            continue
        if login:
            return login
    if unusable:
        raise unusable
    raise NoLogin("no login was found", hint="looked in " + ", ".join(filter(None, looked)))


def where(place: Place, ctx: Context) -> str:
    """Where a place is, for people; "" for one that this account does not look at."""
    match place:
        case Env():
            return f"${ctx.options.env or place.name}" if ctx.options.env or not ctx.name else ""
        case Stored():
            return str(paths.credential_file(ctx.id, place.kind))
        case JsonFile():
            return str(ctx.path(place.path))
        case Read():
            return place.where
        case Cookie():
            return f"cookies of {ctx.options.browser}"


def is_closed(place: Place, ctx: Context) -> bool:
    """Whether this account may not, or need not, look there."""
    match place:
        case Env():
            return not where(place, ctx)
        case JsonFile() | Read():
            return not (ctx.sees_tool and ctx.settings.credentials.reuse_provider_credentials)
        case Cookie():
            return ctx.options.browser is None
        case _:
            return False


def _look(place: Place, ctx: Context) -> Login | None:
    match place:
        case Env():
            name = ctx.options.env or place.name
            token = ctx.environ.get(name, "").strip()
            return Login(token, f"${name}", is_ours=True) if token else None
        case Stored():
            return _stored(place, ctx)
        case JsonFile():
            return _in_file(place, ctx)
        case Read():
            return place.find(ctx)
        case Cookie():
            return from_browser(place, ctx)


def _stored(place: Stored, ctx: Context) -> Login | None:
    document = vault.read(ctx.id, place.kind, foreground=ctx.foreground) or {}
    token = _text(document.get(place.key))
    if not token:
        return None
    path = paths.credential_file(ctx.id, place.kind)
    login = Login(
        token,
        str(path),
        is_ours=True,
        owner=_text(document.get("owner")),
        data=document,
        kind=place.kind,
        grant=place.grant,
    )
    if not (place.grant and document.get("refresh_token")):
        check_expiry(document.get("expires_at"), str(path), ctx.now, f"vibeusage auth {ctx.id}")
    return login


def _in_file(place: JsonFile, ctx: Context) -> Login | None:
    path = ctx.path(place.path)
    document = read_document(path)
    token = _text(at(document, place.key))
    if not token:
        return None
    if place.expires_key:
        check_expiry(at(document, place.expires_key), str(path), ctx.now)
    return Login(token, str(path), is_ours=False, data=document)


def from_browser(place: Cookie, ctx: Context, secret: Callable[[str], bytes | None] | None = None) -> Login | None:
    """The live cookie in the browser of the account; `secret` asks for the key of one that is encrypted.

    Raises NotConfigured when only a person may open the keyring that has the key, else as `cookies.find`.
    """
    from vibeusage import cookies  # sqlite3, and only where the user asked for it

    def closed(application: str) -> bytes | None:
        raise NotConfigured(
            f"the key to the cookies of {browser} lies in the keyring, which nothing in the background opens",
            hint=f"run `vibeusage refresh {ctx.id}`, or paste the cookie: `vibeusage auth {ctx.id} --kind session`",
        )

    browser = ctx.options.browser or ""
    home = Path(ctx.environ.get("HOME", "~")).expanduser()
    secret = secret or (cookies.platform_secret if ctx.foreground else closed)
    found = cookies.find(
        browser, place.domains, place.names, now=ctx.now, home=home, environ=ctx.environ, secret=secret
    )
    name = next((name for name in place.names if name in found), None)
    data = {"name": name, "cookies": found}
    return Login(found[name], f"cookies of {browser}", is_ours=False, data=data) if name else None


def read_document(path: Path) -> Any:
    """The JSON of another tool's file, None when there is none; one being written is looked at once more."""
    for pause_s in (WRITING_S, 0.0):
        data = files.read_linked(path, limit=64 << 20)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            time.sleep(pause_s)
    return None


def at(document: Any, key: str) -> Any:
    """The value at `a.b.c`; None where there is none."""
    for part in key.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def check_expiry(milliseconds: object, place: str, now: datetime, command: str = "") -> None:
    """AuthError when the instant (epoch milliseconds; 0 and other types = unknown) has passed."""
    if isinstance(milliseconds, int | float) and 0 < milliseconds < now.timestamp() * 1000:
        hint = f"log in again: `{command}`" if command else ""
        raise AuthError(f"the login in {place} has expired", hint=hint)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> Iterator[str]:
    """Every text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _bare(text: str) -> str:
    """Letters and digits alone: what a parser makes of a word changes the rest."""
    return re.sub(r"[\W_]|%[0-9A-Fa-f]{2}", "", text).casefold()


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=8, person=b"vibeusage-login").hexdigest()
