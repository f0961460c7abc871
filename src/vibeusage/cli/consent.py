"""Questions before something is gone, and what a change of the database has to be followed by."""

import argparse
import contextlib
import sys
import time

from vibeusage import config
from vibeusage.errors import ConfigError, StorageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", "-y", action="store_true", help="do it without asking")
    parser.add_argument("--no-copy", action="store_true", help="keep no copy of what was there")


def ask(question: str, *, is_answered: bool) -> None:
    """Raises ConfigError unless a person, or --yes, wants it."""
    look_for_somebody(is_answered=is_answered)
    if is_answered:
        return
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigError("nothing was changed", hint="answer y, or say --yes, when it is meant")


def look_for_somebody(*, is_answered: bool) -> None:
    """Raises ConfigError where a question would get no answer."""
    if not is_answered and (sys.stdin is None or not sys.stdin.isatty()):
        raise ConfigError("nobody is there to be asked", hint="say --yes when it is meant")


def show_costs_anew() -> None:
    """In the line; what cannot be stored there now is there after the next sync."""
    from vibeusage.records import background

    with contextlib.suppress(StorageError):
        background.store_costs(config.load(), int(time.time()))
