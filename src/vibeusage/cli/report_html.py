"""The report as a page: written whole into a file of its own user, or to stdout."""

import argparse
import os
import stat
import sys
from datetime import datetime
from pathlib import Path

from vibeusage import files
from vibeusage.cli import report_table
from vibeusage.errors import ConfigError
from vibeusage.html import content, page, quotas
from vibeusage.html.content import Content
from vibeusage.html.wording import STYLE
from vibeusage.records import store, tally
from vibeusage.records.reports import Query
from vibeusage.records.stored import Stored
from vibeusage.terminal import plain

UNFIT = ("json", "csv", "breakdown", "no_color")  # options that mean nothing here


def check(args: argparse.Namespace) -> None:
    """Raises ConfigError for options that do not go together."""
    if not args.output:
        raise ConfigError("`report html` takes --output", hint="the name of a file, or `-` for stdout")
    for name in UNFIT:
        if getattr(args, name):
            raise ConfigError(f"--{name.replace('_', '-')} is not for a page", hint="leave it out")
    folder = Path(args.output).expanduser().parent
    if not folder.is_dir():
        raise ConfigError(f"the folder {plain(str(folder), 500)} is not there", hint="make it, or name another place")


def read(
    args: argparse.Namespace, opened: Stored, pricer: tally.Pricer, query: Query, now: datetime
) -> Content:
    """Of the records that are asked for, and of the quotas that this machine has kept, whosever records those are."""
    found = content.read(opened, pricer, query, now, measure=args.by, limit=args.limit)
    with store.open(readonly=True) as local:
        return found._replace(quotas=quotas.read(local, query, now))


def write(args: argparse.Namespace, found: Content) -> None:
    notes = report_table.notes(found.by_time, STYLE, found.query.zone, int(found.made_at.timestamp()))
    home = "" if args.redact else os.path.expanduser("~")
    _put(args.output, page.page(found, notes, lambda folder: _from_home(folder, home)).encode())


def _from_home(folder: str, home: str) -> str:
    return "~" + folder[len(home) :] if home and (folder + "/").startswith(home + "/") else folder


def _put(name: str, data: bytes) -> None:
    """A file of ours until somebody gives it other rights; a pipe or a device takes it as it is."""
    if name == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return
    path = Path(name).expanduser()
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        path.write_bytes(data)
    else:
        files.write_through(path, data)
    print(f"vibeusage: {path} has the page, {len(data) / 1000:,.0f} KB", file=sys.stderr)
