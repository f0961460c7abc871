"""Print the segment for one target, from the cache alone; always exits 0.

Options win over [line.TARGET] in config.toml, and that over [line].
"""

import argparse
import time

from vibeusage import line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "target",
        nargs="?",
        choices=sorted(line.TARGETS),
        metavar="TARGET",
        help=", ".join(sorted(line.TARGETS)),
    )
    add(
        "--provider",
        action="append",
        metavar="P",
        help="only this provider or account; repeat for more, in order",
    )
    add("--periods", metavar="WHICH", help="all, primary, or names such as 5h,7d")
    add(
        "--format",
        metavar="TEMPLATE",
        help="the text of one window, such as '{provider} {period} {percent} {reset}'",
    )
    add("--separator", metavar="TEXT", help="between two windows")
    add("--max-width", type=cells, metavar="CELLS", help="shorten by priority to this width; 0 = no limit")
    add("--icons", choices=("ascii", "unicode", "nerd"), help="the glyphs")
    add("--bar", type=cells, metavar="CELLS", help="a bar of this width; 0 = none")
    add("--reset", choices=("countdown", "clock", "none"), help="how the reset is told")
    add("--costs", metavar="WHICH", help="what was spent: today, block, month, burn; empty for none")
    add("--show", choices=("used", "remaining"), help="what a percentage counts")


def run(args: argparse.Namespace) -> int:
    words = [args.target] if args.target else []
    for name, value in vars(args).items():
        if name != "target" and value is not None:
            words += [f"--{name.replace('_', '-')}={item}" for item in (value if isinstance(value, list) else [value])]
    return line.line(words, time.time())


def cells(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 9999:
        raise argparse.ArgumentTypeError("must be from 0 to 9999")
    return number
