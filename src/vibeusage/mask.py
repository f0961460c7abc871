"""What a report may not hold when it is pasted in public: names, mails, ids, foreign hosts, the home folder, secrets.

A masked word keeps its first letter, so that two of them can still be told apart; the home folder is `~`,
a secret is gone altogether.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from vibeusage import cache, config, gate, paths, providers
from vibeusage.config import Config
from vibeusage.credentials import Login
from vibeusage.errors import ConfigError
from vibeusage.faults import entries
from vibeusage.labels import Label

GONE = "…"
USER_NAMES = ("USER", "LOGNAME", "USERNAME")
LEAST_SECRET = 6
LEAST_LABEL = 5
LONG = 16  # a text of this length in the document of a login is an id or a token
LEAST = 3  # a shorter word would take half the report along
# words of our own that may well be the name of a user, too
OURS = frozenset({"cache", "claude", "codex", "config", "data", "file", "home", "root", "vibeusage"})
_Struct = TypeVar("_Struct", bound=msgspec.Struct)
OUR_KEYS = ("providers.", "credentials.", "fetch.", "line.", "vibeusage.")  # a setting is no host
SETTINGS = frozenset(f"{table}.{name}" for table, struct in config.TABLES.items() for name in struct.__struct_fields__)
LOOPBACK = re.compile(r"localhost|\[?::1\]?|127\.\d+\.\d+\.\d+", re.I)
_FILE = re.compile(
    r"[\w-]+\.(binarycookies|cfg|conf|crt|json|jsonl|lock|md|original|pem|plist|py|service|sh|sqlite|timer|toml|tsv|vscdb|ya?ml)",
    re.I,
)
_HOST = re.compile(r"(?<![\w.-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}(?![\w-])(?!\.\w)", re.I)
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_MAIL = re.compile(r"[\w+-][\w.+-]*@[\w-]+(?:\.[\w-]+)+")
_USERS = re.compile(r"(/home/|/Users/|\\Users\\)([^/\\\s]+)")


class Private(NamedTuple):
    """What is known to be private. `hosts` are public: those of the vendors."""

    homes: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()  # parts of words, which stand in other words too
    providers: tuple[str, ...] = ()
    accounts: frozenset[str] = frozenset()  # what stands behind the `@`
    hosts: frozenset[str] = frozenset()


def masker(private: Private, label: Label | None = None) -> Callable[[str], str]:
    """A function from text to what may be pasted of it; `label` stands for a word, else its first letter does."""
    shown = label or _initial
    rules = [*_known(private, shown), *_general(private, shown), *_names(private.labels, shown)]

    def mask(text: str) -> str:
        text = text.encode("utf-8", "replace").decode()  # a file name may hold bytes that are no text
        for pattern, into in rules:
            text = pattern.sub(into, text)
        return text

    return mask


def masked(value: Any, mask: Callable[[str], str]) -> Any:
    """A struct, or plain values, with every text in it masked; instants stay what they are."""
    match value:
        case str():
            return mask(value)
        case dict():
            return {key: masked(each, mask) for key, each in value.items()}
        case list() | tuple():
            return [masked(each, mask) for each in value]
        case msgspec.Struct():
            return masked(msgspec.to_builtins(value, builtin_types=(datetime,)), mask)
        case _:
            return value


def changed(value: _Struct, into: Callable[[str], str]) -> _Struct:
    """The same struct with every text in it passed through `into`."""
    return msgspec.convert(masked(value, into), type(value))


def without_mails(value: _Struct) -> _Struct:
    """`c…@…` in place of each mail address; an account such as `claude@work.org` is none."""
    return changed(value, _without_mails)


def _without_mails(text: str) -> str:
    if "@" not in text:
        return text
    known = providers.ids()

    def shown(found: re.Match[str]) -> str:
        return found[0] if found[0].partition("@")[0] in known else _initial("mail", found[0])

    return _MAIL.sub(shown, text)


def leaves(value: Any) -> Iterable[str]:
    """Every text in a document."""
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from leaves(each)
        case list():
            for each in value:
                yield from leaves(each)


def short(word: str) -> str:
    return word[:1] + GONE


def host(name: str) -> str:
    """A host as it may be pasted: only this machine keeps its name."""
    return name if LOOPBACK.fullmatch(name) or name in ("", "*") else short(name)


def _initial(kind: str, word: str) -> str:
    """Also of a mail, whose host is not told."""
    return f"{short(word)}@{GONE}" if kind == "mail" else short(word)


_Rule = tuple[re.Pattern[str], "str | Callable[[re.Match[str]], str]"]


def _known(private: Private, label: Label) -> Iterable[_Rule]:
    for secret in _longest(private.secrets):
        yield re.compile(re.escape(secret)), GONE
    for home in _longest(private.homes):
        yield re.compile(re.escape(home) + r"(?![\w-]|\.\w)"), "~"
    for name in _longest(private.accounts):
        told = label("account", name)
        yield re.compile(rf"(?<=[@(]){re.escape(name)}(?![\w-])"), lambda _, told=told: told
    yield from _names(private.words, label)


def _names(words: Iterable[str], label: Label) -> Iterable[_Rule]:
    for word in _longest(words):
        if len(word) >= LEAST and word.lower() not in OURS and not (word.isdecimal() and len(word) < 6):
            yield re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", re.I), lambda found: label("name", found[0])


def _general(private: Private, label: Label) -> Iterable[_Rule]:
    if private.providers:
        ids = "|".join(map(re.escape, private.providers))
        part, end = r"""[^\s/"'`+,:;…)]""", r"""(?=\.json\b|[\s/"'`+,:;)]|$)"""
        yield re.compile(rf"\b({ids})@({part}+?){end}"), lambda found: f"{found[1]}@{label('account', found[2])}"
    yield _MAIL, lambda found: label("mail", found[0])
    yield _USERS, lambda found: found[1] + label("user", found[2])
    public = frozenset(_site(each) for each in private.hosts)
    yield _HOST, lambda found: found[0] if _is_public(found[0], public) else label("host", found[0])
    yield _ADDRESS, lambda found: host(found[0]) if LOOPBACK.fullmatch(found[0]) else label("host", found[0])


def _longest(texts: Iterable[str]) -> list[str]:
    """The longest first, lest a part of it be taken out of its middle."""
    return sorted(filter(None, texts), key=lambda text: (-len(text), text))


def _site(name: str) -> str:
    return ".".join(name.lower().split(".")[-2:])


def _is_public(name: str, public: frozenset[str]) -> bool:
    is_setting = name in SETTINGS or name.lower().startswith(OUR_KEYS)
    return is_setting or _site(name) in public or bool(_FILE.fullmatch(name))


# --- what is private here


def find_private(
    environ: Mapping[str, str], settings: Config, accounts: Iterable[str], logins: Sequence[Login]
) -> Private:
    """What is private on this machine, as far as files, settings and the logins that were found tell."""
    said = [text for login in logins for text in leaves(login.data) if len(text) >= LONG]
    secrets = {login.token for login in logins} | {text for text in said if not re.match(r"[~/]|https?:", text)}
    everyone = {*accounts, *settings.providers, *_told(_names_on_disk())}
    homes, users = _homes(environ)
    owners = {login.owner for login in logins}
    hosts, known = _told(_hosts()), _told(_said(everyone))
    return Private(
        homes=homes,
        secrets=frozenset(secret for secret in secrets if len(secret) >= LEAST_SECRET),
        words=frozenset({*users, *owners, *hosts, *known}),
        labels=frozenset(_labels([*hosts, *known])),
        providers=providers.ids(),
        accounts=frozenset(name.partition("@")[2] for name in everyone),
        hosts=frozenset(_public_hosts()),
    )


def _told(texts: Iterable[str]) -> list[str]:
    """What comes of an iterator over files: nothing where our folders have no place, or config.toml a mistake."""
    try:
        return list(texts)
    except (ConfigError, OSError):
        return []


def _homes(environ: Mapping[str, str]) -> tuple[frozenset[str], set[str]]:
    """The home folder by all its names, and the names of its user."""
    homes, users = {environ.get("HOME", "")}, {environ.get(name, "") for name in USER_NAMES}
    with contextlib.suppress(KeyError, ImportError):  # a user whom nobody knows; Windows
        import pwd

        entry = pwd.getpwuid(os.getuid())
        homes.add(entry.pw_dir)
        users.add(entry.pw_name)
    homes |= {os.path.realpath(home) for home in homes if home}
    homes = {home.rstrip("/") for home in homes}
    users |= {os.path.basename(home) for home in homes}
    return frozenset(home for home in homes if home.count("/") > 1 or home == "/root"), users


def _names_on_disk() -> Iterator[str]:
    """Every account that a file of ours is called after."""
    folder = paths.cache_dir()
    for kind in ("observations", "org-ids", "snapshots"):
        for path in entries(folder / kind):
            yield path.name.removesuffix(".json").partition("+")[0]
    yield from gate.load()
    yield from (path.name for path in entries(paths.config_dir() / "credentials"))


def _said(everyone: Iterable[str]) -> Iterator[str]:
    """Mails, organisations and ids that vendors told about these accounts."""
    for account in everyone:
        snapshot = cache.load_snapshot(account)
        if snapshot and snapshot.identity:
            yield from filter(None, (snapshot.identity.email, snapshot.identity.organization))
        yield from cache.remembered(account).values()


def _labels(texts: Iterable[str]) -> Iterator[str]:
    """What a host or the host of a mail is called, without its last label: files are often called so, too."""
    for text in texts:
        name = text.rpartition("@")[2]
        if not re.search(r"\s", name):
            yield from (label for label in name.split(".")[:-1] if len(label) >= LEAST_LABEL)


def _hosts() -> Iterator[str]:
    """The hosts of `base_url`, in a config.toml with a mistake too."""
    tables = config.read().get("providers")
    for options in tables.values() if isinstance(tables, dict) else ():
        address = options.get("base_url") if isinstance(options, dict) else None
        with contextlib.suppress(ValueError):
            name = urlsplit(address).hostname if isinstance(address, str) else None
            if name and not LOOPBACK.fullmatch(name):
                yield name


def _public_hosts() -> Iterator[str]:
    """Of the providers that come with vibeusage: a declaration of one's own may name a private one."""
    for provider in map(providers.load, providers.shipped()):
        yield from provider.hosts
        for address in (provider.dashboard_url, provider.status.url if provider.status else ""):
            yield urlsplit(address).hostname or ""
