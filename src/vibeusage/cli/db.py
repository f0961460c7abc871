"""The database of records and the quotas' history as a whole: copies of it, its place, whether it is sound."""

import argparse

from vibeusage.cli import actions

ACTIONS = {
    "path": "where it is",
    "init": "make it, or bring it up to date",
    "backup": "copy it, also while it is written to",
    "restore": "put a copy in its place",
    "delete": "delete it, after a question",
    "migrate": "bring it up to this program's schema, with a copy first",
    "check": "whether it is sound",
    "prune": "forget what is old",
    "merge": "bring the records of your machines together: by a folder, by ssh, or from a file",
    "export": "write all records to a file or to stdout, for another machine",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions.add(parser, ACTIONS)


def run(args: argparse.Namespace) -> int:
    return actions.module("db", args.action).run(args)
