"""What stands above the settings: this machine, its files, and what is stored."""

import os
import socket
from datetime import UTC, datetime

import msgspec

from vibeusage import paths
from vibeusage.config import Config
from vibeusage.dashboard import upkeep
from vibeusage.records import days, place, store
from vibeusage.terminal import Line, Style, cut

LABEL = 10
OPERATIONS = (("I", "nitialise"), ("B", "ackup"), ("R", "estore"), ("D", "elete"))  # of the database


class Facts(msgspec.Struct, frozen=True):
    """`size` of the database in bytes; `calls` of each tool."""

    machine: str
    folder: str
    database: str
    size: int
    calls: dict[str, int]
    since: datetime | None
    synced_at: datetime | None
    newest_copy: str = ""


def gathered(settings: Config) -> Facts:
    """Raises StorageError."""
    path = place.named(settings)
    with store.open(readonly=True) as opened:
        span, counts, synced_at = opened.span(), opened.counts(), opened.synced_at()
    return Facts(
        machine=settings.machines.name or socket.gethostname(),
        folder=_short(paths.config_file()),
        database=_short(path),
        size=path.stat().st_size if path.is_file() else 0,
        calls={name: one.calls for name, one in counts.items() if one.calls},
        since=datetime.fromtimestamp(span[0] / 1000, UTC) if span else None,
        synced_at=synced_at,
        newest_copy=upkeep.newest_copy(),
    )


def lines(facts: Facts, style: Style) -> list[Line]:
    zone = days.zone()
    calls = ", ".join(f"{name} {count:,}" for name, count in sorted(facts.calls.items(), key=lambda one: -one[1]))
    since = f", since {facts.since.astimezone(zone):%Y-%m-%d}" if facts.since else ""
    synced = f", logs read {facts.synced_at.astimezone(zone):%Y-%m-%d %H:%M}" if facts.synced_at else ""
    told = (
        ("Machine", f"{facts.machine}, days of {days.name_of(zone)}"),
        ("Settings", facts.folder),
        ("Database", f"{facts.database}, {facts.size / 1e6:,.1f} MB"),
        ("Records", f"{calls}{since}{synced}" if calls else "none yet: `vibeusage records sync` reads the logs"),
    )
    keys: Line = [("dim", " " * LABEL)]
    for key, name in OPERATIONS:
        keys += [("strong", f"[{key}]"), ("", f"{name}  ")]
    rows: list[Line] = [[("dim", label.ljust(LABEL)), ("", style.text(text, 400))] for label, text in told]
    return [cut(row, style.columns, style) for row in (*rows, keys)]


def _short(path: os.PathLike) -> str:
    text, home = os.fspath(path), os.path.expanduser("~")
    return f"~{text[len(home) :]}" if text.startswith(home + os.sep) else text
