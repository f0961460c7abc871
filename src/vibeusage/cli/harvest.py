"""Record the limits in a Claude Code document and pass it on: `vibeusage harvest | another-status-line`."""

import argparse

from vibeusage import line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options: stdin goes to stdout unchanged."""


def run(args: argparse.Namespace) -> int:
    return line.harvest()
