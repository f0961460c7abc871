"""Look at all of it: quotas, costs, heatmap, machines, providers and settings, kept up to date; q or ESC leaves."""

import argparse
import os
import sys

from vibeusage import config
from vibeusage.dashboard.board import MODES
from vibeusage.errors import ConfigError

INSTALL = "pip install 'vibeusage[dashboard]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pages = tuple(MODES.values())
    help = f"the first page: {', '.join(pages)}"
    parser.add_argument("page", nargs="?", choices=pages, default="usage", metavar="PAGE", help=help)
    about = "labels for accounts, organisations, machines and paths; nothing can be changed then"
    parser.add_argument("--redact", action="store_true", help=about)


def run(args: argparse.Namespace) -> int:
    settings = config.load()
    if not all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr)) or os.environ.get("TERM", "dumb") == "dumb":
        raise ConfigError("the dashboard needs a terminal", hint="`vibeusage usage` and `vibeusage report` print")
    try:
        from vibeusage.dashboard import app  # Textual is an extra, and a third of a second
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in ("textual", "rich"):
            raise
        raise ConfigError(
            f"the dashboard needs Textual, which is not there: {INSTALL}",
            hint="`vibeusage watch` shows the quotas without it",
        ) from exc
    return app.run(settings, args.page, redacted=args.redact)
