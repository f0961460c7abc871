"""Providers that are pure data: a TOML document says where to ask and where in the answer each number lies.

Those that come with vibeusage lie beside the modules in `providers/`, those of the person in `providers.d/`.
"""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from vibeusage import files, health
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.declared import asking, check
from vibeusage.declared.form import Declaration
from vibeusage.errors import ConfigError
from vibeusage.providers.spec import Env, Func, JsonFile, Place, Provider, Read, Secret, StatusPage, Stored

SIZE_LIMIT = 256 << 10
STRATEGY = "api_key"


def read(path: Path) -> Declaration:
    """Raises ConfigError that names the file, the key and what to write."""
    data = files.read_linked(path, limit=SIZE_LIMIT)
    if data is None:
        raise ConfigError(f"{path} cannot be read", hint=f"check its rights: ls -lL {path}")
    try:
        return check.read(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not UTF-8", hint="save it as UTF-8") from exc


def shipped(provider_id: str, path: Path) -> Provider:
    """One that comes with vibeusage: a test looks for mistakes in it, which takes four times as long as reading it."""
    return provider(provider_id, check.converted(tomllib.loads(path.read_text("utf-8"))))


def load(provider_id: str, path: Path) -> Provider:
    """The provider of a declaration; one with a mistake in it says so when it is asked, and harms no other."""
    try:
        return provider(provider_id, read(path))
    except ConfigError as exc:
        return _broken(provider_id, exc)


def provider(provider_id: str, declared: Declaration) -> Provider:
    login = tuple(_places(declared))
    secret = Secret(
        kind=declared.stored[0],
        label=f"{declared.name} key",
        how=f"made at {declared.keys or declared.dashboard or declared.name}",
        strategy=STRATEGY,
    )
    return Provider(
        id=provider_id,
        name=declared.name,
        icon=declared.icon,
        params={name: rule.about for name, rule in declared.params.items()},
        hosts=tuple(_hosts(declared)),
        dashboard_url=declared.dashboard or "",
        login_hint=_hint(provider_id, declared),
        strategies=(Func(name=STRATEGY, fetch=functools.partial(asking.fetch, declared), login=login),),
        status=status_page(declared.status) if declared.status else None,
        secrets=() if declared.auth == "none" else (secret,),
        moved=functools.partial(asking.hosts, declared),
    )


def _places(declared: Declaration) -> list[Place]:
    if declared.auth == "none":
        return []
    named: list[Place] = [Env(name) for name in declared.env]
    stored = [Stored(kind=kind) for kind in declared.stored]
    return [*named, *stored, *(JsonFile(path=each.file, key=each.key) for each in declared.login)]


def _hint(provider_id: str, declared: Declaration) -> str:
    said = declared.hints.get("401")
    ways = [f"export {declared.env[0]}=…"] if declared.env else []
    ways += [f"start {each.tool} and log in" for each in declared.login]
    made = f" (keys are made at {declared.keys})" if declared.keys else ""
    return said or " or ".join([*ways, f"`vibeusage auth {provider_id}`"]) + made


def _hosts(declared: Declaration) -> list[str]:
    regions: Mapping[str, str] = declared.base.regions if declared.base else {}
    urls = [*regions.values(), *(request.url for request in declared.requests if request.url.startswith("http"))]
    return list(dict.fromkeys(host for url in urls if (host := urlsplit(url).hostname)))


def status_page(url: str) -> StatusPage:
    """A feed of incidents by its ending, else Statuspage's document below the address."""
    if url.endswith(".rss"):
        return StatusPage(url=url, parse=health.parse_rss)
    return StatusPage(url=url.rstrip("/") + "/api/v2/status.json", parse=health.parse_statuspage)


def _broken(provider_id: str, error: ConfigError) -> Provider:
    def find(ctx: Context) -> Login | None:
        raise error

    async def fetch(ctx: Context, login: Login) -> None:
        raise error

    return Provider(
        id=provider_id,
        name=provider_id,
        hosts=(),
        dashboard_url="",
        login_hint=error.hint,
        strategies=(Func(name=STRATEGY, fetch=fetch, login=(Read(where="", find=find),)),),  # ty: ignore[invalid-argument-type]
    )
