"""Real programs on a real terminal, asking the real `vibeusage`; what each cell of the screen looks like."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from e2e.pty_shell import SHELL, Terminal

LAUNCHER = SHELL / "vibeusage-line"


def environment(folder: Path, **extra: str) -> dict[str, str]:
    """This test's environment with `vibeusage` on PATH, as an installed script would be."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    script = programs / "vibeusage"
    script.write_text(f"#!/bin/sh\nexec '{sys.executable}' -P -m vibeusage \"$@\"\n")
    script.chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {**os.environ, "PATH": path, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **extra}


def start(argv: list[str], folder: Path, env: dict[str, str], *, columns: int = 100, lines: int = 10) -> Terminal:
    return Terminal(argv, env=environment(folder, **env), cwd=folder, columns=columns, lines=lines)


def look(terminal: Terminal, word: str) -> set[tuple[str, str, bool]]:
    """(foreground, background, bold) of every cell of the last place where `word` stands."""
    for y, line in reversed(list(enumerate(cells(terminal)))):
        at = line.rfind(word)
        if at >= 0:
            drawn = [terminal.screen.buffer[y][x] for x in range(at, at + len(word))]
            return {(cell.fg, cell.bg, cell.bold) for cell in drawn}
    raise AssertionError(f"{word!r} is not on:\n{terminal.text()}")


def cells(terminal: Terminal) -> Iterable[str]:
    """The screen's rows with one character a cell: the second half of a wide one is a blank."""
    screen = terminal.screen
    for y in range(screen.lines):
        yield "".join((screen.buffer[y][x].data or " ")[:1] for x in range(screen.columns))


def canaries(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*CANARY*")]
