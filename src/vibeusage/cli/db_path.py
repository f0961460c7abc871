"""Tell where the database is."""

import argparse
import os
import sys

import msgspec

from vibeusage import redact
from vibeusage.records import copies, disk, place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", "-j", action="store_true", help="print also its size and its copies, as JSON")
    parser.add_argument("--redact", action="store_true", help="labels for paths")


def run(args: argparse.Namespace) -> int:
    path = place.named()
    service = disk.synced_by(path.parent)
    shown_as = redact.if_asked(os.environ, is_asked=args.redact)
    if args.json:
        backups = sorted(os.fspath(copy) for copy in (path.parent / copies.FOLDER).glob("*.db"))
        size = path.stat().st_size if path.exists() else None
        told = {"schema": 1, "path": os.fspath(path), "size": size, "copied_by": service, "backups": backups}
        sys.stdout.write(msgspec.json.encode(shown_as.document(told)).decode() + "\n")
        return 0
    print(shown_as.text(os.fspath(path)))
    if service:
        print(f"vibeusage: the folder is copied by {service}: no database is made or read there", file=sys.stderr)
    return 0
