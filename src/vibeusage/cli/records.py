"""Read the assistants' own logs into the store, or tell what is stored."""

import argparse

from vibeusage.cli import actions

ACTIONS = {
    "sync": "read what is new in the logs",
    "watch": "read the logs as they grow, until Ctrl-C",
    "show": "what is stored, of which time, from how many files",
    "prices": "where the prices are from, or newer ones",
    "import": "take over what another tracker kept",
    "push": "send what is new to the server of storage.url",
    "fetch": "ask for an organisation's usage report",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions.add(parser, ACTIONS)


def run(args: argparse.Namespace) -> int:
    return actions.module("records", args.action).run(args)
