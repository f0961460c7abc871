"""What a provider is: data that says where to ask and what the answer looks like, no behaviour.

Paths may start with `~` or name a variable of the account's environment (`$CODEX_HOME/auth.json`);
what a variable means when it is not set stands in `Provider.folders`.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from vibeusage.models import ProviderStatus, Usage

if TYPE_CHECKING:
    from vibeusage.context import Context
    from vibeusage.credentials import Login


class Env(msgspec.Struct, frozen=True):
    """A variable of the environment; a named account has its own (`providers."claude@work".env`)."""

    name: str


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Our own credential file (or keyring entry) of this kind; `grant` renews one from our own login."""

    kind: str
    key: str = "access_token"
    grant: "Grant | None" = None


class JsonFile(msgspec.Struct, frozen=True, kw_only=True):
    """A value in another tool's JSON file, read only."""

    path: str
    key: str
    expires_key: str = ""  # epoch milliseconds; absent or 0 = unknown


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A login of another tool that takes code to find; None when it is not there.

    `where` is for people; "" for what this system does not have.
    """

    where: str
    find: "Callable[[Context], Login | None]"


class Cookie(msgspec.Struct, frozen=True, kw_only=True):
    """Cookies of a browser; read only where the user named one (`providers.ID.browser`)."""

    domains: tuple[str, ...]
    names: tuple[str, ...]


Place = Env | Stored | JsonFile | Read | Cookie


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """How a token of our own login is renewed: a refresh grant (RFC 6749, section 6) posted as a form.

    `headers` go with it, made for the id that the login was given as a device.
    """

    url: str
    client_id: str
    headers: "Callable[[str], dict[str, str]] | None" = None


class DeviceFlow(msgspec.Struct, frozen=True, kw_only=True):
    """A login by code on another screen (RFC 8628); `headers` as in `Grant`."""

    code_url: str
    token_url: str
    client_id: str
    scope: str = ""
    kind: str = "oauth"
    headers: "Callable[[str], dict[str, str]] | None" = None


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that a person may paste: `kind` names the stored file, `strategy` the one that checks it, if any.

    Of a header all the strategy's cookies are kept, as `a=1;b=2`; else one value.
    """

    kind: str
    label: str
    how: str  # where a person finds it
    strategy: str
    key: str = "access_token"
    pattern: str = ""  # what a right one looks like, for catching a wrong paste
    is_header: bool = False


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """One request with a login; `path` is joined to the base URL, `parse` takes the body of a 2xx answer.

    `owner` is where the account's stable id lies, so that a renewed token is not taken for another account.
    """

    name: str
    path: str
    login: tuple[Place, ...]
    parse: Callable[[bytes], Usage]
    method: str = "GET"
    headers: dict[str, str] = {}
    scheme: str = "Bearer"
    owner: JsonFile | None = None


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A program of the vendor that prints its usage; its own login is its own business.

    `parse` takes stdout and the time of asking (aware UTC). `is_whole`: it leaves nothing out that others tell,
    so that a window which is not there any more is gone.
    """

    name: str
    argv: tuple[str, ...]
    parse: "Callable[[bytes, Context], Usage]"
    is_whole: bool = False


class Func(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy of several steps.

    `is_local` says that it asks nobody: it reads what another tool has left on this machine.
    Without `login` places, `fetch` gets a login without a token.
    """

    name: str
    fetch: "Callable[[Context, Login], Awaitable[Usage]]"
    login: tuple[Place, ...] = ()
    owner: JsonFile | None = None
    is_local: bool = False


Strategy = Http | Command | Func


class StatusPage(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    parse: Callable[[bytes], ProviderStatus]


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """`hosts` are all the hosts its requests may go to; the first is the one of `Http` strategies.

    `folders` maps a variable to what it means when not set; the first names the folder of an account.
    `owner` tells the stable id of the account that the tool is logged in to, "" when it is not known: so a
    renewed token is not taken for another account, nor another account for this one.
    `activity` are files and folders whose times tell that the tool was in use on this machine.
    `keys` are secrets that only `records fetch` uses.
    `is_common` ones are named where nobody is logged in to any. `icon` is one cell wide.
    `params` are parts of its address that the person tells: name and what it is.
    `moved` tells the hosts that the environment names in the place of the usual ones.
    `is_opt_in`: its logins are on a machine for other reasons, too, so that the settings have to name it.
    """

    id: str
    name: str
    hosts: tuple[str, ...]
    dashboard_url: str
    login_hint: str
    strategies: tuple[Strategy, ...]
    status: StatusPage | None = None
    folders: dict[str, str] = {}
    activity: tuple[str, ...] = ()
    owner: "Callable[[Context], str] | None" = None
    secrets: tuple[Secret, ...] = ()
    keys: tuple[Secret, ...] = ()
    device: DeviceFlow | None = None
    icon: str = "◆"
    is_common: bool = False
    params: dict[str, str] = {}
    moved: "Callable[[Context], Iterable[str]] | None" = None
    is_opt_in: bool = False
