"""What would be lost for good with usage.db: the calls that no log has any more, counted by reading all logs anew."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from vibeusage.records import database, pruning, store, sync
from vibeusage.records.provider_sync import OnProgress
from vibeusage.records.readers.spec import Places, Reader

_MARK = "usage.db.again-"


def lost(
    path: Path,
    readers: Iterable[Reader],
    places: Places,
    *,
    roots: Mapping[str, Sequence[Path]] | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, int]:
    """{provider: calls that would not come back}, as many as there are; takes as long as the first sync did."""
    for left in path.parent.glob(f"{_MARK}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with database.told(path):
        folder = Path(tempfile.mkdtemp(prefix=_MARK, dir=path.parent))
    try:
        again = folder / store.NAME
        with store.open(again) as opened:
            sync.sync(readers, places, opened, roots=roots, on_progress=on_progress)
        return _missing(path, again)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _missing(path: Path, again: Path) -> dict[str, int]:
    sql = """SELECT provider, COUNT(*) FROM usage_records AS old WHERE message_type <> ? AND NOT EXISTS (
        SELECT 1 FROM again.usage_records AS new
        WHERE new.provider = old.provider AND new.message_uuid = old.message_uuid) GROUP BY 1 ORDER BY 1"""
    with database.told(path), closing(database.readable(path)) as found:
        found.execute("ATTACH ? AS again", (f"file:{quote(os.fspath(again))}?mode=ro",))
        facts = pruning.kinds(found)[2]
        return dict(found.execute(sql, (facts,)).fetchall())
