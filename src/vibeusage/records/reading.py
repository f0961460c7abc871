"""Which records a report reads: those of the server of `storage.url`, else this machine's own.

A server that cannot be reached is no reason to show nothing: the report is of this machine's records then, and says so.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from vibeusage.config import Config
from vibeusage.errors import Unavailable
from vibeusage.records import store
from vibeusage.records.stored import LOCAL, Stored

if TYPE_CHECKING:
    from vibeusage.records.server import Server

Found = TypeVar("Found")
OnFallback = Callable[[Unavailable], None]
INSTEAD = f"{LOCAL}, as the server cannot be reached"


def read(
    settings: Config, ask: Callable[[Stored], Found], *, local: bool = False, on_fallback: OnFallback | None = None
) -> Found:
    """What `ask` makes of the records; `on_fallback` hears why they are this machine's own and not the server's."""
    if not settings.storage.url or local:
        return _own(ask, LOCAL)
    try:
        with remote(settings.storage.url) as opened:
            return ask(opened)
    except Unavailable as exc:
        if on_fallback:
            on_fallback(exc)
    return instead(ask)


def instead(ask: Callable[[Stored], Found]) -> Found:
    """Of this machine, by who knows that the server cannot be reached."""
    return _own(ask, INSTEAD)


def _own(ask: Callable[[Stored], Found], source: str) -> Found:
    with store.open(readonly=True) as opened:
        opened.source = source
        return ask(opened)


def remote(url: str) -> "Server":
    """The server, which is told when this machine was read last if it has all of that."""
    from vibeusage.records import server  # psycopg

    opened = server.reader(url)
    with store.open(readonly=True) as local:
        opened.client, mark = local.sent(opened.id)
        opened.as_of = local.synced_at() if mark == local.last_number() else None
    return opened
