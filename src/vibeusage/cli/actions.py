"""Commands that have actions: a module each, `COMMAND_ACTION`, and only that of the chosen one is imported."""

import argparse
import importlib
from collections.abc import Mapping
from types import ModuleType

from vibeusage.cli import Parser


class _Action(Parser):
    """Knows its arguments once it is chosen."""

    def parse_known_args(self, args=None, namespace=None):
        command, action = self.prog.split()[-2:]
        module(command, action).add_arguments(self)
        return super().parse_known_args(args, namespace)


def add(parser: argparse.ArgumentParser, actions: Mapping[str, str]) -> None:
    """`actions` are {name: one line of help}."""
    chosen = parser.add_subparsers(dest="action", metavar="|".join(actions), required=True, parser_class=_Action)
    for name, text in actions.items():
        chosen.add_parser(name, help=text)


def module(command: str, action: str) -> ModuleType:
    return importlib.import_module(f"vibeusage.cli.{command}_{action}")
