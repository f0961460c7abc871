"""Read every page of the database, and see whether sums are those of their calls."""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from vibeusage import redact
from vibeusage.records import database, place, schema, soundness
from vibeusage.records.database import Damaged
from vibeusage.terminal import plain


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The document; `database_schema` is None where it cannot be read."""

    schema: int = 1
    path: str
    exists: bool
    database_schema: int | None = None
    problems: list[str] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", "-j", action="store_true", help="print as JSON")
    parser.add_argument("--redact", action="store_true", help="labels for paths and names")


def run(args: argparse.Namespace) -> int:
    found = redact.if_asked(os.environ, is_asked=args.redact).struct(_checked(place.usage_db()))
    if args.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    elif not found.exists:
        print(f"there is no database in {plain(found.path, 500)}", file=sys.stderr)
    elif not found.problems:
        print(f"{plain(found.path, 500)} is sound")
    else:
        _complain(found)
    return 1 if found.problems else 0


def _checked(path: Path) -> Checked:
    name = os.fspath(path)
    if not os.path.lexists(path):
        return Checked(path=name, exists=False)
    try:
        with database.told(path), closing(database.readable(path)) as found:
            if not schema.check(found):
                found.close()
                database.writable(path).close()
                return _checked(path)
            version = schema.version(found)
            return Checked(path=name, exists=True, database_schema=version, problems=soundness.problems(found))
    except Damaged as exc:
        return Checked(path=name, exists=True, problems=[str(exc)])


def _complain(found: Checked) -> None:
    print(f"{plain(found.path, 500)} is not sound", file=sys.stderr)
    for problem in found.problems:
        print(f"  {plain(problem, 500)}", file=sys.stderr)
    hint = "moves it aside, builds it anew from the logs, and takes over what only it has"
    print(f"  `vibeusage records sync --full` {hint}", file=sys.stderr)
