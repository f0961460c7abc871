"""Entry point: the prompt's commands go to `line` alone, everything else to the full command line.

`line` and `harvest` run at every prompt, so they may not pay for the import of anything else.
"""

import sys


def main() -> int:
    argv = sys.argv[1:]
    if argv and argv[0] in ("line", "harvest"):
        from vibeusage import line

        return line.main(argv)
    from vibeusage import cli

    return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main())
