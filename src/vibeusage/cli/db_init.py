"""Make the database, or bring one that is there up to date. A sync does so by itself."""

import argparse
import os
import sys

from vibeusage import paths
from vibeusage.records import place, upkeep
from vibeusage.terminal import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    path = place.usage_db()
    is_new = upkeep.init(path)
    print(f"{plain(os.fspath(path), 500)} {'is made' if is_new else 'is there already'}")
    usual = paths.data_dir() / place.NAME
    if is_new and usual != path and usual.exists():
        before = plain(os.fspath(usual), 500)
        print(f"the one of before is in {before}; `vibeusage db restore {before}` takes it over", file=sys.stderr)
    return 0
