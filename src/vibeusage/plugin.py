"""What a plugin imports from vibeusage: this module, and nothing else of it.

A plugin is one Python file, or a module of a distribution, with a literal `PLUGIN` and one function:

    def fetch(request: plugin.Request) -> plugin.Usage          # kind "provider"
    def read(log: plugin.Log) -> Iterable[plugin.Call]          # kind "reader"

It runs in a process of its own, without files, network, children or variables. `vibeusage plugin new NAME` writes one
to begin with; the section "Plugins" of the README has the whole of it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from vibeusage.errors import AuthError, Forbidden, RateLimited, ShapeError, Unavailable
from vibeusage.models import Balance, OverageUsage, PeriodType, ProviderIdentity, Usage, UsagePeriod
from vibeusage.providers.fields import instant
from vibeusage.records.readers.spec import Call
from vibeusage.records.readers.values import millis, pico

__all__ = [
    "AuthError",
    "Balance",
    "Call",
    "Forbidden",
    "Log",
    "OverageUsage",
    "PeriodType",
    "ProviderIdentity",
    "RateLimited",
    "Request",
    "ShapeError",
    "Unavailable",
    "Usage",
    "UsagePeriod",
    "instant",
    "millis",
    "pico",
]

Ask = Callable[[str, str, Mapping[str, str], bytes | None], bytes]


class Request:
    """One question to a provider: what `PLUGIN` declared of the login and the variables, and the way to its hosts.

    `login` is "" where the plugin declares that it needs none, `now` aware UTC. For a test of your own, `ask` is any
    function (method, url, headers, content) -> body.
    """

    def __init__(self, *, login: str, variables: Mapping[str, str], now: datetime, ask: Ask) -> None:
        self.login = login
        self.variables = variables
        self.now = now
        self._ask = ask

    def __repr__(self) -> str:
        return f"Request(now={self.now!r})"

    def get_json(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of a 2xx answer, from one of the declared hosts.

        Raises AuthError (401), Forbidden (403), RateLimited (429), Unavailable (no answer, 5xx) or ShapeError. What is
        not caught reaches the person as it is.
        """
        return self._json(url, self._ask("GET", url, headers or {}, None))

    def post_json(self, url: str, document: Any, headers: Mapping[str, str] | None = None) -> Any:
        """The same for a JSON document that is posted."""
        typed = {"Content-Type": "application/json", **(headers or {})}
        return self._json(url, self._ask("POST", url, typed, msgspec.json.encode(document)))

    def _json(self, url: str, body: bytes) -> Any:
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise ShapeError("the answer is not JSON") from exc


class Log(msgspec.Struct, frozen=True):
    """A file below the declared roots: all of it, or, with `"form": "lines"`, the whole lines that are new.

    `path` tells which; it cannot be opened.
    """

    path: Path
    body: bytes
