"""What state this installation is in: read from files and the environment, changing nothing, asking nobody.

No keyring is opened, no lock waited for, no program started. The report holds private names: whoever shows it
passes it through `mask`.
"""

import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple

import msgspec

from vibeusage import (
    accounts,
    cache,
    config,
    credentials,
    edits,
    faults,
    fetch,
    gate,
    mask,
    paths,
    programs,
    providers,
    vault,
)
from vibeusage.config import Config
from vibeusage.context import Context
from vibeusage.errors import AuthError, ConfigError, NotConfigured, VibeusageError
from vibeusage.faults import Cache, Fault, entries, quoted
from vibeusage.models import FetchAttempt, FetchError, Instant
from vibeusage.providers.spec import Command, Stored

DISTRIBUTIONS = {"httpx": "", "msgspec": "", "platformdirs": "", "keyring": "keyring", "cryptography": "browser"}
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
FOLDERS = {"config": paths.config_dir, "cache": paths.cache_dir, "data": paths.data_dir}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence and a next step. A serious one keeps vibeusage from doing its work."""

    is_serious: bool
    message: str
    hint: str


class Version(msgspec.Struct, frozen=True):
    name: str
    version: str


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    path: str = ""
    exists: bool = False
    is_writable: bool = False  # of a missing one: whether it can be made
    mode: str = ""
    is_mine: bool = True
    free_bytes: int | None = None
    problem: str = ""
    hint: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    path: str = ""
    exists: bool = False
    problem: str = ""
    hint: str = ""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: found, not needed, none, keyring, expired, refused, cooling or wrong."""

    strategy: str
    state: str
    where: str = ""
    is_ours: bool | None = None
    message: str = ""
    hint: str = ""
    until: Instant | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account, its logins, and what its last round said; `failed_at` are the failures that count."""

    id: str
    logins: tuple[Login, ...] = ()
    observed_at: Instant | None = None
    asked_at: Instant | None = None
    due_at: Instant | None = None
    failed_at: tuple[Instant, ...] = ()
    error: FetchError | None = None
    attempts: tuple[FetchAttempt, ...] = ()
    places: tuple[str, ...] = ()


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    value: str
    problem: str = ""
    hint: str = ""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """`overrides` are the names of the VIBEUSAGE_ variables that are set."""

    has_home: bool = True
    proxies: tuple[Variable, ...] = ()
    certificates: tuple[Variable, ...] = ()
    netrc: str = ""
    overrides: tuple[str, ...] = ()


class Integration(msgspec.Struct, frozen=True):
    target: str
    files: tuple[str, ...]


class Program(msgspec.Struct, frozen=True):
    name: str
    path: str | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = 1
    checked_at: Instant
    versions: tuple[Version, ...] = ()
    folders: tuple[Folder, ...] = ()
    settings: Settings
    cache: Cache
    faults: tuple[Fault, ...] = ()
    accounts: tuple[Account, ...] = ()
    switched_off: tuple[str, ...] = ()
    programs: tuple[Program, ...] = ()
    surroundings: Surroundings
    integrations: tuple[Integration, ...] = ()
    findings: tuple[Finding, ...] = ()


def diagnose(environ: Mapping[str, str], now: datetime, program: Path | None) -> tuple[Report, mask.Private]:
    """The report with what went wrong while looking, and what is private in it; `program` is what is installed."""
    own, settings = _settings()
    chosen, problems = _chosen(settings, environ, now)
    gates = _or(dict, gate.load)
    looks = [_look(ctx, gates.get(ctx.id)) for ctx in chosen]
    there = {ctx.provider.id for ctx in chosen}
    report = Report(
        checked_at=now,
        versions=tuple(_versions(program)),
        folders=tuple(_folder(name, find) for name, find in FOLDERS.items()),
        settings=own,
        cache=_or(Cache, lambda: faults.state_of_cache(now)),
        faults=(*_or(tuple, lambda: tuple(faults.of_credentials())), *_or(tuple, lambda: tuple(faults.of_cache(now)))),
        accounts=tuple(look.account for look in looks),
        switched_off=tuple(name for name in providers.ids() if name not in there and chosen),
        programs=tuple(_programs(environ)),
        surroundings=_surroundings(environ),
        integrations=_or(tuple, lambda: tuple(_integrations())),
        findings=(*problems, *_of_machines(settings)),
    )
    logins = [one.login for look in looks for one in look.found if one.login]
    return report, mask.find_private(environ, settings, [ctx.id for ctx in chosen], logins)


def _of_machines(settings: Config) -> Iterator[Finding]:
    folder = settings.machines.folder
    if folder and not os.access(os.path.expanduser(folder), os.R_OK | os.W_OK | os.X_OK):
        message = f"the folder of several machines, {folder}, is not there or cannot be written to"
        hint = "make it, or name another one: `vibeusage config set machines.folder PATH`"
        yield Finding(is_serious=False, message=message, hint=hint)


def _or(empty: Callable, read: Callable):
    """What `read` gives; `empty()` where a folder has no place or no rights, which is told with the folders."""
    try:
        return read()
    except (ConfigError, OSError):
        return empty()


# --- versions, programs, folders, settings


def _versions(program: Path | None) -> Iterator[Version]:
    yield Version("vibeusage", metadata.version("vibeusage"))
    yield Version("python", f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")
    yield Version("system", platform.platform())
    for name, extra in DISTRIBUTIONS.items():
        try:
            yield Version(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Version(name, f"not installed (extra `{extra}`)" if extra else "not installed")
    started = sys.argv[0]
    yield Version("started as", "python -m vibeusage" if started.endswith("__main__.py") else started)
    yield Version("program", str(program) if program else "not found")
    launcher = program.with_name("vibeusage-line") if program else None
    yield Version("launcher", str(launcher) if launcher and launcher.is_file() else "not found")


def _programs(environ: Mapping[str, str]) -> Iterator[Program]:
    strategies = [strategy for name in providers.ids() for strategy in providers.load(name).strategies]
    named = [strategy.argv[0] for strategy in strategies if isinstance(strategy, Command)]
    for name in dict.fromkeys(["claude", "codex", *named]):
        yield Program(name, _or(lambda: None, lambda name=name: programs.find(name, environ)))


def _folder(name: str, find: Callable[[], Path]) -> Folder:
    try:
        path = find()
    except ConfigError as exc:
        return Folder(name=name, problem=str(exc), hint=exc.hint)
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    usable = os.access(there, os.W_OK | os.X_OK) and there.is_dir()
    known = Folder(name=name, path=str(path), exists=there == path, is_writable=usable, free_bytes=_free(there))
    info = there.lstat()
    if not known.exists:
        problem = "" if usable else f"the {name} folder {path} cannot be made"
        hint = f"check the rights of {there} and its disk" if problem else ""
        return msgspec.structs.replace(known, problem=problem, hint=hint)
    problem, hint = _folder_problem(name, path, info, usable=usable)
    mode, is_mine = f"{stat.S_IMODE(info.st_mode):04o}", info.st_uid == os.geteuid()
    return msgspec.structs.replace(known, mode=mode, is_mine=is_mine, problem=problem, hint=hint)


def _folder_problem(name: str, path: Path, info: os.stat_result, *, usable: bool) -> tuple[str, str]:
    """What keeps a folder that is there from being written to."""
    if stat.S_ISLNK(info.st_mode):
        return f"the {name} folder {path} is a symbolic link", "replace it by a real folder, or name another one"
    if not stat.S_ISDIR(info.st_mode):
        return f"{path}, the {name} folder, is not a folder", f"move it away: mv {quoted(path)} {quoted(path)}-old"
    if not usable:
        return f"the {name} folder {path} cannot be written to", f"check its rights and its disk: ls -ld {quoted(path)}"
    return "", ""


def _free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def _settings() -> tuple[Settings, Config]:
    """What is to be said of config.toml, and the settings in force: with a mistake in it, the defaults."""
    try:
        path = paths.config_file()
    except ConfigError:
        return Settings(), Config()
    known = Settings(path=str(path), exists=os.path.lexists(path))
    try:
        return known, config.load()
    except ConfigError as exc:
        return msgspec.structs.replace(known, problem=str(exc), hint=exc.hint), Config()


def _integrations() -> Iterator[Integration]:
    for folder in entries(paths.data_dir() / "installs", os.DirEntry.is_dir):
        if recorded := edits.recorded(folder.name):
            crontab = folder.name == "cron"
            yield Integration(folder.name, ("your crontab",) if crontab else tuple(recorded))


# --- accounts


class _Look(NamedTuple):
    """An account, and what its strategies have found."""

    account: Account
    found: tuple[fetch.Candidate, ...]


def _chosen(settings: Config, environ: Mapping[str, str], now: datetime) -> tuple[list[Context], list[Finding]]:
    """All accounts that are on; a mistake in which are on is told, and counts as none said."""
    try:
        return accounts.chosen((), settings, accounts.Surroundings(environ, now, foreground=False)), []
    except ConfigError as exc:
        problem = [Finding(is_serious=True, message=str(exc), hint=exc.hint)]
    plain = {name: value for name, value in environ.items() if name != accounts.VARIABLE}
    settings = msgspec.structs.replace(settings, enabled_providers=None)
    try:
        return accounts.chosen((), settings, accounts.Surroundings(plain, now, foreground=False)), problem
    except ConfigError:  # a folder without a place, which is told with the folders
        return [], []


def _look(ctx: Context, known: gate.Gate | None) -> _Look:
    found = tuple(fetch.Asking(ctx, known).found)
    logins = tuple(_login(one, ctx, known) for one in found)
    return _Look(msgspec.structs.replace(_account(ctx, known), logins=logins), found)


def _account(ctx: Context, known: gate.Gate | None) -> Account:
    snapshot = cache.load_snapshot(ctx.id)
    observed_at = snapshot.observed_at if snapshot else None
    if known is None:
        return Account(id=ctx.id, observed_at=observed_at)
    return Account(
        id=ctx.id,
        observed_at=observed_at,
        asked_at=known.asked_at,
        due_at=known.due_at,
        failed_at=known.failed_at,
        error=known.error,
        attempts=known.attempts,
        places=known.places,
    )


def _login(one: fetch.Candidate, ctx: Context, known: gate.Gate | None) -> Login:
    name, login, error = one.strategy.name, one.login, one.error
    if error:
        state = _state_without(error)
        where = _keyring(one, ctx) if state == "keyring" else ""
        if isinstance(error, credentials.NoLogin) and error.hint:
            return Login(strategy=name, state=state, message=f"{error}, {error.hint}")
        hint = error.hint
        if isinstance(error, fetch.Mistake):
            hint = f"please report it with this place: {error.places[-1]}"
        return Login(strategy=name, state=state, where=where, message=str(error), hint=hint)
    held = gate.held(known, name, login.fingerprint if login else "", ctx.now)
    found = Login(
        strategy=name,
        state="found" if login and login.token else "not needed",
        where=login.where if login else "",
        is_ours=login.is_ours if login else None,
    )
    if held is None:
        return found
    state = "cooling" if held.until else "refused"
    return msgspec.structs.replace(found, state=state, message=held.error.message, until=held.until)


def _state_without(error: VibeusageError) -> str:
    match error:
        case credentials.NoLogin():
            return "none"
        case AuthError():
            return "expired"
        case NotConfigured() if "keyring" in str(error):
            return "keyring"
        case NotConfigured():
            return "none"
        case _:
            return "wrong"


def _keyring(one: fetch.Candidate, ctx: Context) -> str:
    places = () if isinstance(one.strategy, Command) else one.strategy.login
    stored = [vault.entry(ctx.id, place.kind) for place in places if isinstance(place, Stored)]
    return next((vault.place(entry) for entry in stored if entry and entry.backend), "the keyring")


# --- the environment


def _surroundings(environ: Mapping[str, str]) -> Surroundings:
    home = environ.get("HOME", "")
    netrc = environ.get("NETRC") or (os.path.join(home, ".netrc") if home else "")
    cased = [form for name in PROXIES for form in (name, name.lower())]
    return Surroundings(
        has_home=bool(home),
        proxies=tuple(_proxy(name, environ[name]) for name in cased if environ.get(name)),
        certificates=tuple(_certificates(name, environ[name]) for name in CERTIFICATES if environ.get(name)),
        netrc=netrc if netrc and os.path.exists(netrc) else "",
        overrides=tuple(sorted(name for name in environ if name.startswith("VIBEUSAGE_"))),
    )


def _proxy(name: str, text: str) -> Variable:
    """Scheme, masked host and port: what stands before the last `@` is a login and is left out."""
    if name.upper() == "NO_PROXY":
        hosts = [each.strip().rpartition("@")[2] for each in text.split(",")]
        return Variable(name=name, value=", ".join(mask.host(each.lstrip(".")) for each in hosts))
    scheme, _, rest = text.partition("://") if "://" in text else ("http", "", text)
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@]+)(:\d{1,5})?(/.*)?", rest.rpartition("@")[2])
    if not found or scheme.lower() not in ("http", "https", "socks5", "socks5h"):
        hint = f"set {name} to an address such as http://host:3128, or unset it"
        return Variable(name=name, value="", problem=f"{name} is no address of a proxy", hint=hint)
    login = "(login)@" if "@" in rest else ""
    value = f"{scheme.lower()}://{login}{mask.host(found[1])}{found[2] or ''}"
    if scheme.lower().startswith("socks") and util.find_spec("socksio") is None:
        hint = f"pip install 'vibeusage[socks]', or unset {name}"
        problem = f"{name} names a SOCKS proxy, which httpx cannot use here"
        return Variable(name=name, value=value, problem=problem, hint=hint)
    return Variable(name=name, value=value)


def _certificates(name: str, path: str) -> Variable:
    is_there = os.path.isfile if name == "SSL_CERT_FILE" else os.path.isdir
    if any(is_there(each) and os.access(each, os.R_OK) for each in path.split(os.pathsep)):
        return Variable(name=name, value=path)
    hint = f"correct {name}, or unset it"
    return Variable(name=name, value=path, problem=f"{name} names {path}, which cannot be read", hint=hint)
