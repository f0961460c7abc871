"""Copy the database, also while it is written to: as it is at one instant, read through once, and all or nothing."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from vibeusage.records import copies, place
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = "or a folder; an older copy is replaced (default: a new one in backups/ beside it)"
    parser.add_argument("file", nargs="?", metavar="FILE", help=where)


def run(args: argparse.Namespace) -> int:
    path = place.usage_db()
    target = _target(args.file, path)
    copies.back_up(path, target)
    print(f"{plain(os.fspath(target), 500)} ({target.stat().st_size:,} bytes)")
    return 0


def _target(named: str | None, path: Path) -> Path:
    now = datetime.now(UTC)
    if not named:
        return copies.default(path, now)
    target = Path(named).expanduser().absolute()
    return target / f"{path.stem}-{now:%Y%m%d-%H%M%S}.db" if target.is_dir() else target
