"""Run the whole way on this machine, without account or network, and leave nothing behind."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

from vibeusage import demo, escape, samples, terminal
from vibeusage.errors import VibeusageError

NEXT = """What to do next
  vibeusage install claude-code    its status line, which also feeds all the others
  vibeusage install tmux           or: zsh, bash, fish, starship, copilot, qwen, cursor, agy
  vibeusage                        your own plans"""

COLOR_MARKS = (  # a colour being switched on, in the notations that a terminal does not understand
    r"#\[fg=(?P<zjstatus>#\w+)[a-z,]*\]",
    r"#\[fg=(?P<tmux>[a-z0-9,]+)\]",
    r"(?P<zsh_alarm>%B)?%F\{(?P<zsh>\w+)\}",
    r"%\{F(?P<polybar>#\w+)\}",
    r"<span color='(?P<waybar>#\w+)'[^>]*>",
    r"\x05\{(?P<screen>=\w* \w)\}",
)
END_MARKS = r"#\[(?:fg=default|default)[a-z,]*\]|%f(?:%b)?|%\{F-\}|</span>|\x05\{-\}"
TABLES = {
    "tmux": escape.NAMES,
    "zsh": escape.ZSH,
    "screen": escape.SCREEN,
    **dict.fromkeys(("polybar", "waybar", "zjstatus"), escape.HEX),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-color", action="store_true", help="print without colours")


def run(args: argparse.Namespace) -> int:
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: ended.append(number))
    color = terminal.use_color(sys.stdout, os.environ, forbidden=args.no_color)
    try:
        with demo.server() as base_url, demo.home(base_url) as environ:
            if args.no_color:
                environ["NO_COLOR"] = "1"
            for text in _told({**environ, "CLICOLOR_FORCE": str(int(color))}, base_url, color=color):
                print(text)
                if ended:  # seen only between two commands: none is left behind to write into the thrown away home
                    raise KeyboardInterrupt
    except BrokenPipeError:
        raise
    except (subprocess.SubprocessError, OSError) as exc:
        said = getattr(exc, "stderr", "") or str(exc)
        raise VibeusageError(f"the demo stopped: {said.strip()}", hint="please report it with the lines above") from exc
    return 0


def _told(environ: dict[str, str], base_url: str, *, color: bool) -> Iterator[str]:
    """What the demo says, piece by piece; each piece is one command that has ended."""
    yield f"{_accounts(base_url)}\n"
    yield "$ vibeusage refresh\n" + demo.run(environ, "refresh")
    yield "$ vibeusage\n" + demo.run(environ, "usage")
    document = json.dumps(demo.filled(samples.load("claude").stdin))
    yield "$ vibeusage line TARGET    as each target gets it, with Claude Code's document on stdin where one is read"
    for target, text in demo.segments(environ, document):
        sent = text.rstrip("\n").replace("\n", "\n" + " " * 15)
        looks = preview(sent)
        if color and looks != sent:
            yield f"  {target:12} {looks}"
            target, sent = "", f"\x1b[{escape.SGR['dim']}m{visible(sent)}\x1b[0m"
        yield f"  {target:12} {visible(sent)}"
    yield "\n" + NEXT


def _accounts(base_url: str) -> str:
    """How many there are, and where each is asked."""
    elsewhere = [name for name in samples.ids() if not samples.load(name).answers]
    return (
        f"Sample accounts of {len(samples.ids())} providers, asked at {base_url} (this machine, sample answers);\n"
        f"{', '.join(elsewhere)} by sample files and stand-in programs in a throw-away home"
    )


def preview(text: str) -> str:
    """A segment in a target's own notation, as the target would draw it on a terminal."""
    text = re.sub(END_MARKS, "\x1b[0m", text)
    for mark in COLOR_MARKS:
        text = re.sub(mark, _sgr, text)
    return text.replace("%%", "%").replace("##", "#")


def _sgr(mark: re.Match) -> str:
    found = mark.groupdict()
    alarm = found.pop("zsh_alarm", None)
    ((target, name),) = found.items()
    style = next((style for style, value in TABLES[target].items() if value == name), "dim")
    return f"\x1b[{escape.SGR['alarm' if alarm else style]}m"


def visible(text: str) -> str:
    """Without the marks of no width for readline, and with screen's control character spelled out."""
    return text.replace("\x01", "").replace("\x02", "").replace("\x05", "^E")
