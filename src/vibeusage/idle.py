"""Whether a provider's tool has been in use on this machine: polling one that rests tells nothing new."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from vibeusage import cache, gate
from vibeusage.context import Context

LOOKS = 20_000  # files looked at, at most
DEPTH = 50  # folders in one another


def is_idle(ctx: Context, known: gate.Gate) -> bool:
    """Nothing has happened since the last good answer: the tool not used here, no window reset, not long ago."""
    snapshot = cache.load_snapshot(ctx.id)
    if snapshot is None or known.error or known.asked_at is None:
        return False
    since, rarely = snapshot.observed_at, timedelta(seconds=ctx.settings.fetch.idle_interval_s)
    if not known.asked_at <= ctx.now < known.asked_at + rarely:
        return False
    if any(since < period.resets_at <= ctx.now for period in snapshot.periods if period.resets_at):
        return False
    places = [path for path in map(ctx.path, ctx.provider.activity) if os.path.exists(path)]
    return bool(places) and not _was_used(places, since.timestamp())


def _was_used(places: list[Path], since: float) -> bool:
    """Whether a file in one of the places was written later; also when there are too many to tell."""
    for number, written_at in enumerate(time for place in places for time in _times(place)):
        if written_at > since or number >= LOOKS:
            return True
    return False


def _times(place: Path, depth: int = 0) -> Iterator[float]:
    """When the file, or each file and folder in the folder, was written; newest names first."""
    try:
        yield place.stat().st_mtime
        entries = sorted(os.scandir(place), key=lambda entry: entry.name, reverse=True) if place.is_dir() else []
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False) and depth < DEPTH:
                yield from _times(Path(entry.path), depth + 1)
            elif not entry.is_symlink():
                yield entry.stat(follow_symlinks=False).st_mtime
        except OSError:
            continue
