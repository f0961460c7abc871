"""Bring the records of your machines together: with the folder that they share, from another one, or from a file."""

import argparse
import os
import sys
import time
from pathlib import Path

import msgspec

from vibeusage import config
from vibeusage.cli.records_sync import reasons
from vibeusage.config import Config
from vibeusage.errors import ConfigError, StorageError
from vibeusage.figures import counted
from vibeusage.records import background, joining, remote, shared
from vibeusage.records.joining import Joined
from vibeusage.records.shared import Exchanged
from vibeusage.records.store import Store
from vibeusage.terminal import plain

EXIT_PARTIAL = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        nargs="?",
        default="",
        metavar="FOLDER|FILE|ssh://HOST",
        help="what is read; default: machines.folder, which this machine's records are written to as well",
    )
    parser.add_argument("--json", "-j", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    settings = config.load()
    joined = _joined(args.source, settings)
    background.store_costs(settings, int(time.time()), {background.FOLDER} if isinstance(joined, Exchanged) else ())
    if args.json:
        sys.stdout.write(msgspec.json.encode({"schema": 1, **msgspec.to_builtins(joined)}).decode() + "\n")
    else:
        _tell(joined)
    return EXIT_PARTIAL if joined.skipped else 0


def _joined(source: str, settings: Config) -> Joined:
    path, joined = Path(source).expanduser(), Joined()
    if source.startswith(remote.PREFIX):
        with remote.export(remote.address(source), os.environ) as stream:
            joining.run(lambda into: joining.stream(into, stream, joined), joined)
        return joined
    if not source or (settings.machines.folder and os.path.realpath(path) == os.path.realpath(shared.folder(settings))):
        return shared.exchange(shared.folder(settings))
    if not path.exists():
        hint = "name a folder, a file of `vibeusage db export FILE`, or ssh://HOST"
        raise ConfigError(f"{plain(source, 500)} is not there", hint=hint)
    joining.run(lambda into: _from_files(path, into, joined), joined)
    return joined


def _from_files(path: Path, into: Store, joined: Joined) -> None:
    try:
        if not path.is_dir():
            _from_file(os.path.realpath(path), into, joined)
            return
        found = list(joining.listed(path, joined.skip))
    except OSError as exc:
        hint = "name a file that `vibeusage db export FILE` has written, and that you may read"
        raise StorageError(f"{path} cannot be read: {exc.strerror}", hint=hint) from exc
    for each in found:
        try:
            _from_file(each.path, into, joined)
        except OSError:
            joined.skip("cannot be read")


def _from_file(name: str, into: Store, joined: Joined) -> None:
    with joining.opened(name) as stream:
        joining.stream(into, stream, joined)
    joined.files += 1


def _tell(joined: Joined) -> None:
    parts = [f"{counted(joined.added, 'new call')}", f"{joined.changed:,} completed"]
    if isinstance(joined, Exchanged):
        where = f"{plain(joined.folder, 500)} with {counted(joined.machines, 'other machine')}"
        parts.append(f"{counted(joined.written, 'file')} of this one written")
        print(f"{where}: {', '.join(parts)}")
    else:
        print(", ".join(parts))
    if joined.skipped:
        print(f"left out: {reasons(joined.skipped)}", file=sys.stderr)
