"""Follow the logs as they grow: one sync of a provider soon after its files changed, and a look every so often.

`watchfiles` (extra `watch`) hears from the system which files changed, and tells once they have been still for a
moment. What it cannot follow is looked at each minute instead; every provider is read each `interval_s` as well, for
disks that report nothing. A sync is followed by a pause of ten times its own time, so that logs that never rest
cost little.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from vibeusage import config, files, paths
from vibeusage.config import Config
from vibeusage.errors import ConfigError, StorageError, VibeusageError
from vibeusage.records import background, place, readers, sync
from vibeusage.records.sync import SyncResult

LOCK = "watch.lock"
SETTLE_MS = 500
BURST_MS = 2_000
TICK_MS = 1_000
LOOK_S = 60.0
PAUSE_S, PAUSE_MOST_S = 1.0, 10.0
PAUSE_SHARE = 10
RETRY_S = 5.0
DELETED = 3  # of watchfiles.Change

Changes = Iterable[tuple[int, str]]  # what happened, to which path
Watch = Callable[..., Iterator[Changes]]


class Chosen(NamedTuple):
    """Providers: whose folders are followed, and those that are only looked at every so often."""

    followed: tuple[str, ...]
    polled: tuple[str, ...]


def run(wanted: Sequence[str], on_sync: Callable[[SyncResult], None], on_trouble: Callable[[str], None]) -> bool:
    """Read the logs of `wanted` (as the settings say) as they grow, until an interrupt; False where another one does.

    `on_trouble` hears of what passes or is worked around. Raises ConfigError without the library, or with nothing
    to follow.
    """
    watch, watching = _library(), Watching(wanted, on_sync, on_trouble)
    with files.lock(paths.data_dir() / LOCK, wait_s=0) as got:
        while got:
            watching.follow(watch)
        return got


def chosen(settings: Config, known: Iterable[str], wanted: Sequence[str]) -> Chosen:
    """By the modes; where none is real-time, all that are read by themselves are followed.

    Raises ConfigError when that is nobody.
    """
    if wanted:
        return Chosen(tuple(wanted), ())
    modes = {name: background.options(settings, name).mode for name in known}
    live, polled = (tuple(name for name in modes if modes[name] == mode) for mode in ("real-time", "polling"))
    if not live and not polled:
        raise ConfigError(
            "the logs of every provider are read on command only",
            hint="name some with --provider, or set records.<provider>.mode to real-time",
        )
    return Chosen(live, polled) if live else Chosen(polled, ())


class Folder(NamedTuple):
    """A root that is there, by what tells it from another one made in its place."""

    path: str
    dev: int
    inode: int


class Watching:
    """When each provider is to be read next, in seconds of the monotonic clock; methods take that clock's `now`."""

    def __init__(
        self, wanted: Sequence[str], on_sync: Callable[[SyncResult], None], on_trouble: Callable[[str], None]
    ) -> None:
        self.wanted = wanted
        self.on_sync = on_sync
        self.on_trouble = on_trouble
        self.readers = readers.every()
        self.settings = config.load()
        self.chosen = self._chosen()
        self.folders: dict[Folder, set[str]] = {}
        self.due: dict[str, float] = {}
        self.rests_until = 0.0
        self.is_shown = False  # whether the line has what was read
        self.told: dict[str, str] = {}
        self.ours = tuple(os.path.realpath(folder()) + os.sep for folder in (paths.data_dir, paths.cache_dir))
        self.ours += tuple(os.path.realpath(place.named().with_name(name)) for name in (place.NAME, "records."))

    def follow(self, watch: Watch) -> None:
        """Until the folders or the settings are others than they were, or something went wrong with following."""
        self.look()
        look_at = time.monotonic() + LOOK_S
        for changes in self._changes(watch, look_at):
            now = time.monotonic()
            is_rooted = self.note(changes, now)
            self.read_due(now)
            if is_rooted or (now >= look_at and self.is_other()):
                return
            look_at = look_at if now < look_at else now + LOOK_S

    def _changes(self, watch: Watch, until: float) -> Iterator[Changes]:
        """What the library tells, at least each second something; without it nothing does until then."""
        try:
            yield from watch(
                *_topmost(self.folders),
                watch_filter=None,
                debounce=BURST_MS,
                step=SETTLE_MS,
                rust_timeout=TICK_MS,
                yield_on_timeout=True,
                ignore_permission_denied=True,
            )
        except FileNotFoundError:  # a root went just now
            time.sleep(PAUSE_S)
        except (OSError, RuntimeError) as exc:
            self._tell("folders", f"the folders cannot be followed ({exc}) and are looked at each minute instead")
            while time.monotonic() < until:
                yield ()
                time.sleep(PAUSE_S)

    def look(self) -> None:
        """Which folders there are by now; whoever is in them may have written before they were followed."""
        self.settings = self._newest()
        self.chosen = self._chosen()
        self.folders = self._found()
        self.due = dict.fromkeys([*self.chosen.followed, *self.chosen.polled], 0.0)

    def is_other(self) -> bool:
        return self._newest() != self.settings or self._found() != self.folders

    def note(self, changes: Changes, now: float) -> bool:
        """Make due whose files changed; whether a root itself went, and nothing is told of it any more."""
        changed = {path: kind for kind, path in changes if not f"{path}{os.sep}".startswith(self.ours)}
        for folder, names in self.folders.items():
            below = folder.path.rstrip(os.sep) + os.sep
            if any(path == folder.path or path.startswith(below) for path in changed):
                self.due |= {name: min(now, self.due[name]) for name in names}
        return any(changed.get(folder.path) == DELETED for folder in self.folders)

    def read_due(self, now: float) -> None:
        names = [name for name, at in self.due.items() if at <= now]
        if not names or now < self.rests_until:
            return
        started = time.monotonic()
        is_done = self._read(names)
        took = time.monotonic() - started
        pause = min(max(PAUSE_S, PAUSE_SHARE * took), PAUSE_MOST_S) if is_done else PAUSE_S
        self.rests_until = now + took + pause
        for name in names:
            self.due[name] = now + (background.options(self.settings, name).interval_s if is_done else RETRY_S)

    def _read(self, names: list[str]) -> bool:
        """One sync of these, and the line's rows where it found something; False when it is to be tried again."""
        roots = background.roots(self.settings)
        try:
            machine = self.settings.machines.name or ""
            result = sync.run(
                self.readers, background.here(), providers=names, roots=roots, wait_s=0, machine=machine
            )
            if result is None:
                return False
            self.is_shown = self.is_shown and not any(each.added or each.changed for each in result.providers)
            if not self.is_shown:
                background.store_costs(self.settings, int(time.time()), names)
                self.is_shown = True
        except (StorageError, OSError) as exc:
            self._tell("store", f"{exc}\n{exc.hint}" if isinstance(exc, VibeusageError) else str(exc))
            return False
        self.told.pop("store", None)
        self.on_sync(result)
        return True

    def _tell(self, kind: str, trouble: str) -> None:
        """Once, not at every try."""
        if self.told.get(kind) != trouble:
            self.told[kind] = trouble
            self.on_trouble(trouble)

    def _newest(self) -> Config:
        """The settings as they are by now; the last good ones while the file has a mistake."""
        with contextlib.suppress(ConfigError):
            settings = config.load()
            chosen(settings, self._ids(), self.wanted)
            return settings
        return self.settings

    def _chosen(self) -> Chosen:
        return chosen(self.settings, self._ids(), self.wanted)

    def _ids(self) -> list[str]:
        return list(dict.fromkeys(reader.id for reader in self.readers))

    def _found(self) -> dict[Folder, set[str]]:
        """The roots of those that are followed, and whose they are."""
        found: dict[Folder, set[str]] = {}
        places, named = background.here(), background.roots(self.settings)
        for reader in self.readers:
            for root in (named.get(reader.id) or reader.roots(places)) if reader.id in self.chosen.followed else ():
                with contextlib.suppress(OSError):
                    info = os.stat(root)
                    folder = Folder(os.path.realpath(root), info.st_dev, info.st_ino)
                    found.setdefault(folder, set()).add(reader.id)
        return found


def _topmost(folders: Iterable[Folder]) -> list[str]:
    """Without those that lie in another one, which is followed as a whole."""
    kept: list[str] = []
    for path in sorted({folder.path for folder in folders}, key=lambda path: path.rstrip(os.sep) + os.sep):
        if not kept or not path.startswith(kept[-1].rstrip(os.sep) + os.sep):
            kept.append(path)
    return kept


def _library() -> Watch:
    try:
        from watchfiles import watch  # extra `watch`
    except ImportError as exc:
        raise ConfigError(
            "following the logs takes the package `watchfiles`, which is missing", hint="pip install 'vibeusage[watch]'"
        ) from exc
    return watch
