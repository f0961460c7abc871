"""Bring the database up to this program's schema, with a copy of it first. What reads or writes it does so without."""

import argparse
import os
from datetime import UTC, datetime

from vibeusage.records import place, upkeep
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    path = place.usage_db()
    done = upkeep.migrate(path, datetime.now(UTC))
    if done.copy:
        print(f"{plain(os.fspath(path), 500)}: schema {done.before} became {done.after}")
        print(f"what it was is in {plain(done.copy, 500)}")
    else:
        print(f"{plain(os.fspath(path), 500)} has schema {done.after}, which is this program's")
    return 0
