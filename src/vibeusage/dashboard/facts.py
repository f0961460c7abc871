"""What stands above the settings: this machine, its files, and what is stored."""

import os
import socket
from datetime import UTC, datetime, tzinfo

import msgspec
from msgspec.structs import replace

from vibeusage import paths
from vibeusage.config import Config
from vibeusage.dashboard import upkeep
from vibeusage.dashboard.page import labelled
from vibeusage.errors import VibeusageError
from vibeusage.records import days, place, store
from vibeusage.terminal import Line, Style, cut

LABEL, TEXT_LIMIT = 10, 400
OPERATIONS = (("I", "nitialise"), ("B", "ackup"), ("R", "estore"), ("D", "elete"))  # of the database


class Facts(msgspec.Struct, frozen=True):
    """`size` of the database in bytes, `None` where there is none; `calls` of each tool, or why it cannot be read."""

    machine: str
    folder: str
    database: str
    size: int | None
    calls: dict[str, int]
    since: datetime | None
    synced_at: datetime | None
    newest_copy: str = ""
    trouble: str = ""


def gathered(settings: Config) -> Facts:
    """Also of a database that cannot be read: here it is put right."""
    path = place.named(settings)
    found = Facts(
        machine=settings.machines.name or socket.gethostname(),
        folder=_short(paths.config_file()),
        database=_short(path),
        size=path.stat().st_size if path.is_file() else None,
        calls={},
        since=None,
        synced_at=None,
        newest_copy=upkeep.newest_copy(path),
    )
    try:
        with store.open(readonly=True) as opened:
            span, counts, synced_at = opened.span(), opened.counts(), opened.synced_at()
        calls = {name: one.calls for name, one in counts.items() if one.calls}
        since = datetime.fromtimestamp(span[0] / 1000, UTC) if span else None
        return replace(found, calls=calls, since=since, synced_at=synced_at)
    except VibeusageError as exc:
        return replace(found, trouble="; ".join(filter(None, (str(exc), exc.hint))))


def lines(facts: Facts, style: Style) -> list[Line]:
    zone = days.zone()
    size = ", not made yet" if facts.size is None else f", {facts.size / 1e6:,.1f} MB"
    told = (
        ("Machine", "", f"{facts.machine}, days of {days.name_of(zone)}"),
        ("Settings", "", facts.folder),
        ("Database", "", f"{facts.database}{size}"),
        ("Records", "red" if facts.trouble else "", facts.trouble or _stored(facts, zone)),
    )
    safe = ((label, color, style.text(text, TEXT_LIMIT)) for label, color, text in told)
    rows = labelled(safe, LABEL, style, style.columns)
    keys: Line = [("dim", " " * LABEL)]
    for key, name in OPERATIONS:
        keys += [("strong", f"[{key}]"), ("", f"{name}  ")]
    return [cut(row, style.columns, style) for row in (*rows, keys)]


def _stored(facts: Facts, zone: tzinfo) -> str:
    if not facts.calls:
        return "none yet: `vibeusage records sync` reads the logs"
    calls = ", ".join(f"{name} {count:,}" for name, count in sorted(facts.calls.items(), key=lambda one: -one[1]))
    since = f", since {facts.since.astimezone(zone):%Y-%m-%d}" if facts.since else ""
    synced = f", logs read {facts.synced_at.astimezone(zone):%Y-%m-%d %H:%M}" if facts.synced_at else ""
    return f"{calls}{since}{synced}"


def _short(path: os.PathLike) -> str:
    text, home = os.fspath(path), os.path.expanduser("~")
    return f"~{text[len(home) :]}" if text.startswith(home + os.sep) else text
