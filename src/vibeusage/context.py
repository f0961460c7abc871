"""One account's surroundings while it is asked: settings, environment, folders, the clock, and the way out.

What a named account (`claude@work`) sees of the environment is its own: its folder in the place of the
tool's usual one, its variable in the place of the usual token.
"""

import contextlib
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vibeusage import cache
from vibeusage.answers import Answer, check
from vibeusage.config import Config, ProviderOptions
from vibeusage.errors import ConfigError, RateLimited, StorageError, StrategyError
from vibeusage.providers.spec import Provider

if TYPE_CHECKING:
    import httpx

    from vibeusage.credentials import Login


class Context:
    """`id` is `claude` or `claude@work`.

    `sees_tool`: whether the tool's own files are this account's, which they are not for a named one
    without a folder. `foreground`: a person waits, so a keyring may be opened.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        id: str,
        settings: Config,
        options: ProviderOptions,
        environ: Mapping[str, str],
        now: datetime,
        foreground: bool,
        sees_tool: bool,
    ) -> None:
        self.provider = provider
        self.id = id
        self.settings = settings
        self.options = options
        self.now = now
        self.foreground = foreground
        self.sees_tool = sees_tool
        self.environ = _own(environ, provider, options)
        self.client: httpx.AsyncClient | None = None
        self.way_out: Callable[[], httpx.AsyncClient] | None = None  # opens the client for the first request
        self.limited: RateLimited | None = None  # also when whoever asked could do without the answer

    def __repr__(self) -> str:
        return f"Context({self.id!r})"

    @property
    def name(self) -> str | None:
        """What stands behind the `@`."""
        return self.id.partition("@")[2] or None

    @property
    def display_name(self) -> str:
        return f"{self.provider.name} ({self.name})" if self.name else self.provider.name

    def path(self, text: str) -> Path:
        """`~/x`, or `$VARIABLE/x` with what the variable means here."""
        variable, slash, rest = text.partition("/")
        if variable.startswith("$"):
            value = self.environ.get(variable[1:]) or self.provider.folders[variable[1:]]
            text = value + slash + rest
        return Path(self.environ.get("HOME", "~")) / text[2:] if text.startswith("~/") else Path(text)

    def base(self, usual: str, login: "Login") -> str:
        """The address to ask instead of `usual`, which may be another one only for a login of our own.

        Raises ConfigError when another tool's login would go to a host that is not that tool's.
        """
        override = self.options.base_url
        if not override:
            return usual
        if not login.is_ours and override not in login.bases:
            has_flow = self.provider.device or self.provider.secrets
            own = f"vibeusage auth {self.id}" if has_flow else f"vibeusage key {self.id} set"
            raise ConfigError(
                f"providers.{self.id}.base_url would send the login of another tool to another host",
                hint=f"remove it with `vibeusage config reset providers.{self.id}.base_url`, "
                f"or give vibeusage a login of its own: `{own}`",
            )
        return override.rstrip("/")

    def remember(self, name: str, value: str) -> None:
        """Keep an id of the vendor's that it takes a request to learn; a disk that takes none costs the request."""
        with contextlib.suppress(StorageError):
            cache.remember(self.id, {**cache.remembered(self.id), name: value})

    def remembered(self, name: str) -> str:
        return cache.remembered(self.id).get(name, "")

    async def get(self, url: str, headers: Mapping[str, str]) -> bytes:
        """The body of a 2xx answer; else one of the errors of `check`."""
        return await self.ask("GET", url, headers)

    async def post(self, url: str, headers: Mapping[str, str], document: Any) -> bytes:
        """The same for a JSON document that is posted."""
        typed = {"Content-Type": "application/json", **headers}
        return await self.ask("POST", url, typed, msgspec.json.encode(document))

    async def ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> bytes:
        return check(await self.send(method, url, headers, content), self.now)

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> Answer:
        """The answer whatever its status, for those to whom a 302 or 404 says something."""
        from vibeusage import http  # httpx costs a tenth of a second, and most runs ask nobody

        if self.client is None and self.way_out:
            self.client = self.way_out()
        if self.client is None:
            raise RuntimeError("asked before the engine opened a client")
        answer = await http.send(self.client, method, url, headers=headers, content=content)
        try:
            check(answer, self.now)
        except RateLimited as exc:
            self.limited = exc
        except StrategyError:
            pass  # for whoever asked to judge
        return answer


def _own(environ: Mapping[str, str], provider: Provider, options: ProviderOptions) -> dict[str, str]:
    own = dict(environ)
    if options.config_dir and provider.folders:
        folder = os.path.expanduser(options.config_dir)
        own[next(iter(provider.folders))] = folder
    return own
