"""ENGINE: sends the server of `storage.url` what is new in usage.db, from where both know that it has come to.

The server notes in the transaction of some calls how far they go, usage.db afterwards; the next sending begins at the
lower of the two. So a kill, a lost line or a restored backup on either side costs time, never a call, and none counts
twice, since the server merges what it has already.
"""

import time
from collections.abc import Callable

import msgspec

from vibeusage import files
from vibeusage.config import Config
from vibeusage.records import server, store
from vibeusage.records.place import usage_db
from vibeusage.records.server import Server
from vibeusage.records.store import Store

LOCK = "push.lock"
BATCH = 10_000
MANY = 50_000
BUDGET_S = 20.0

OnProgress = Callable[[int, int], None]  # calls sent, calls to send, about


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """`sent` calls, of which the server did not have `added`; `is_whole` when nothing is left to be sent."""

    server: str
    sent: int = 0
    added: int = 0
    is_whole: bool = True


def run_if_new(settings: Config) -> Pushed | None:
    """In the background and for a while only: what is left comes next time. None when there is nothing to do."""
    if not settings.storage.url:
        return None
    with store.open(readonly=True) as local:
        if local.sent_to(settings.storage.url) == local.last_number():
            return None
    return run(settings.storage.url, wait_s=0, foreground=False, budget_s=BUDGET_S)


def run(
    url: str,
    *,
    wait_s: float = 10.0,
    foreground: bool = True,
    budget_s: float | None = None,
    on_progress: OnProgress = lambda sent, total: None,
) -> Pushed | None:
    """Send all that is new; None when another one is at it. Raises Unavailable, StorageError or ConfigError."""
    with files.lock(usage_db().parent / LOCK, wait_s=wait_s) as got:
        if not got:
            return None
        with store.open() as local, server.writer(url, foreground=foreground) as remote:
            until = time.monotonic() + budget_s if budget_s else float("inf")
            return _sent(local, remote, url, until, on_progress)


def _sent(local: Store, remote: Server, url: str, until: float, on_progress: OnProgress) -> Pushed:
    client, mark = local.sent(remote.id)
    mark = first = min(mark, remote.mark(client))
    total, sent, added = local.last_number() - first, 0, 0
    is_whole = False
    while not is_whole and time.monotonic() < until:
        found = local.changed(mark, BATCH)
        mark = found[-1][0] if found else mark
        added += remote.take(client, [record for _, record in found], mark)
        local.note_sent(remote.id, client, mark, url)
        sent += len(found)
        is_whole = len(found) < BATCH
        on_progress(sent, max(total, sent))
    if sent >= MANY:
        remote.analyse()
    return Pushed(server=remote.source, sent=sent, added=added, is_whole=is_whole)
