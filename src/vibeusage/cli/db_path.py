"""Tell where the database is."""

import argparse
import os
import sys

import msgspec

from vibeusage.records import copies, disk, place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", "-j", action="store_true", help="print also its size and its copies, as JSON")


def run(args: argparse.Namespace) -> int:
    path = place.named()
    service = disk.synced_by(path.parent)
    if args.json:
        backups = sorted(os.fspath(copy) for copy in (path.parent / copies.FOLDER).glob("*.db"))
        size = path.stat().st_size if path.exists() else None
        told = {"schema": 1, "path": os.fspath(path), "size": size, "copied_by": service, "backups": backups}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        return 0
    print(path)
    if service:
        print(f"vibeusage: the folder is copied by {service}: no database is made or read there", file=sys.stderr)
    return 0
