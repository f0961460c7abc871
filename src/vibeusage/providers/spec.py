"""What a provider is: data that says where to ask and what the answer looks like, no behaviour."""

from collections.abc import Callable

import msgspec

from vibeusage.models import Usage


class JsonFile(msgspec.Struct, frozen=True, kw_only=True):
    """A value in another tool's JSON file, read only. `path` may start with `~` or `$CLAUDE_CONFIG_DIR`."""

    path: str
    key: str
    expires_key: str = ""  # epoch milliseconds; absent or 0 = unknown


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Our own credential file of this kind."""

    kind: str
    key: str = "access_token"


Place = JsonFile | Stored


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """One GET request. `path` is joined to the provider's base URL; `parse` takes the body.

    `owner` is where the account's stable id lies, so that a renewed token is not taken for another account.
    """

    name: str
    path: str
    login: tuple[Place, ...]
    parse: Callable[[bytes], Usage]
    headers: dict[str, str] = {}
    owner: JsonFile | None = None


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    base_url: str
    dashboard_url: str
    login_hint: str
    strategies: tuple[Http, ...]
