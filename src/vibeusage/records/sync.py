"""ENGINE: runs the readers over what is new in the logs, as the only one that writes to the store.

When nothing changed, nothing is written.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from vibeusage import files
from vibeusage.records import damage, logfiles, place, store
from vibeusage.records.database import Damaged
from vibeusage.records.place import LOCK as LOCK
from vibeusage.records.provider_sync import Job, OnProgress, ProviderSync
from vibeusage.records.readers.spec import Places, Reader
from vibeusage.records.store import Store


class SyncResult(msgspec.Struct, frozen=True):
    """`moved` is where a damaged store went, of which `carried` calls were no longer in any log."""

    providers: tuple[ProviderSync, ...]
    moved: str = ""
    carried: int = 0


def run(
    readers: Iterable[Reader],
    places: Places,
    *,
    path: Path | None = None,
    wait_s: float = 10.0,
    providers: Iterable[str] = (),
    roots: Mapping[str, Sequence[Path]] | None = None,
    full: bool = False,
    machine: str = "",
    on_progress: OnProgress | None = None,
) -> SyncResult | None:
    """Bring usage.db up to date as the only writer; None when another one still runs after `wait_s`.

    The options are those of `sync`. A damaged store is moved aside and built anew; `full` looks for damage.
    """
    options: dict[str, Any] = {"roots": roots, "machine": machine, "on_progress": on_progress}
    path = path or place.usage_db()
    with files.lock(path.parent / LOCK, wait_s=wait_s) as got:
        if not got:
            return None
        logfiles.sweep(path.parent)
        try:
            with store.open(path) as opened:
                if full:
                    opened.check()
                result = sync(readers, places, opened, providers=providers, full=full, **options)
                return _ended(opened, _carried(path, opened, result))
        except Damaged:
            damage.move_aside(path, datetime.now(UTC))
        with store.open(path) as opened:
            result = sync(readers, places, opened, **options)
            return _ended(opened, _carried(path, opened, result))


def _carried(path: Path, opened: Store, result: SyncResult) -> SyncResult:
    for aside in damage.pending(path):
        kept, carried = damage.carry_over(aside, opened)
        result = msgspec.structs.replace(result, moved=str(kept), carried=result.carried + carried)
    return result


def _ended(opened: Store, result: SyncResult) -> SyncResult:
    if result.carried or any(each.added for each in result.providers):
        from vibeusage.records import price_history  # most syncs find nothing new

        price_history.note(opened)
    opened.mark_synced()
    return result


def sync(
    readers: Iterable[Reader],
    places: Places,
    into: Store,
    *,
    providers: Iterable[str] = (),
    roots: Mapping[str, Sequence[Path]] | None = None,
    full: bool = False,
    machine: str = "",
    on_progress: OnProgress | None = None,
) -> SyncResult:
    """Read what is new of `providers` (all) into the store. `roots` replace a reader's own; `full` reads everything."""
    wanted, of_provider = set(providers), defaultdict(list)
    for reader in readers:
        if not wanted or reader.id in wanted:
            of_provider[reader.id].append(reader)
    results = []
    for provider, its_readers in of_provider.items():
        job = Job(provider, into, machine, on_progress)
        job.run(its_readers, places, (roots or {}).get(provider, ()), full=full)
        results.append(job.result)
    return SyncResult(tuple(results))
