"""Read the assistants' own logs into the store, or tell what is stored."""

import argparse
import importlib
from types import ModuleType

from vibeusage.cli import Parser

# a module each, and only that of the chosen one is imported
ACTIONS = {
    "sync": "read what is new in the logs",
    "watch": "read the logs as they grow, until Ctrl-C",
    "show": "what is stored, of which time, from how many files",
    "prices": "where the prices are from, or newer ones",
    "import": "take over what another tracker kept",
    "fetch": "ask for an organisation's usage report",
}


class _Action(Parser):
    """Knows its arguments once it is chosen."""

    def parse_known_args(self, args=None, namespace=None):
        _module(self.prog.rpartition(" ")[2]).add_arguments(self)
        return super().parse_known_args(args, namespace)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="|".join(ACTIONS), required=True, parser_class=_Action)
    for name, text in ACTIONS.items():
        actions.add_parser(name, help=text)


def run(args: argparse.Namespace) -> int:
    return _module(args.action).run(args)


def _module(action: str) -> ModuleType:
    return importlib.import_module(f"vibeusage.cli.records_{action}")
