"""The language servers of Antigravity among our own processes, and the ports that they listen on.

The token that a server wants stands in its command line; `agy` alone may have none. Only processes of our own user
are looked at, on Linux only those that run in our home.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vibeusage import programs
from vibeusage.context import Context
from vibeusage.credentials import Login
from vibeusage.errors import StrategyError

PROC, PS, LSOF = Path("/proc"), "/bin/ps", "/usr/sbin/lsof"
PS_S = 2.0
PROGRAM = re.compile(r"language[_-]server[\w.-]*")
OF_ANTIGRAVITY = re.compile(r"antigravity|com\.google\.GeminiMacOS|/Gemini\.app/", re.IGNORECASE)
LISTENS = "0A"
# 127.0.0.1, any address, and both as IPv6 has them, in the spelling of /proc/net/tcp
HERE = {"0100007F", "00000000", "0" * 32, "0000000000000000FFFF00000100007F"}


class Server(NamedTuple):
    """One process; `extension_port` is 0 when it names none."""

    pid: int
    program: str
    token: str
    extension_port: int
    extension_token: str

    def __repr__(self) -> str:
        return f"Server({self.pid}, {self.program!r})"


def find(ctx: Context) -> Login | None:
    """Those that run, the editor's first; None for a named account, which no process tells from others."""
    if ctx.name:
        return None
    processes = _of_ps(ctx) if sys.platform == "darwin" else _of_proc(ctx)
    found = (server for pid, argv in processes if (server := _server(pid, argv)))
    servers = tuple(sorted(found, key=lambda one: (not one.token, one.pid)))
    if not servers:
        return None
    tokens = [token for one in servers for token in (one.token, one.extension_token)]
    where = f"{servers[0].program} of Antigravity, process {servers[0].pid}"
    return Login(servers[0].token, where, is_ours=False, data={"servers": servers, "tokens": tokens})


def _server(pid: int, argv: Sequence[str]) -> Server | None:
    """None for any other program, and for a language server without a token."""
    name = os.path.basename(argv[0])
    if name != "agy" and not PROGRAM.fullmatch(name):
        return None
    flags = _flags(argv[1:])
    token = flags.get("csrf_token", "")
    is_editors = OF_ANTIGRAVITY.search(f"{argv[0]} {flags.get('app_data_dir', '')}")
    if name != "agy" and not (is_editors and token):
        return None
    port = flags.get("extension_server_port", "")
    extension_port = int(port) if re.fullmatch(r"[1-9]\d{0,4}", port, re.ASCII) else 0
    return Server(pid, name, token, extension_port, flags.get("extension_server_csrf_token", "") or token)


def _flags(words: Sequence[str]) -> dict[str, str]:
    """Name to value of `--name value` and `--name=value`."""
    found = {}
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if re.fullmatch(r"--?[a-z_]+", name):
            found[name.lstrip("-")] = value if equals else following
    return found


def _of_proc(ctx: Context) -> Iterator[tuple[int, list[str]]]:
    """(pid, command line) of the processes of our user that run in our home, or in a folder of it as snaps do."""
    home = os.path.realpath(ctx.path("~/."))
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        try:
            if not entry.name.isdecimal() or entry.stat().st_uid != os.geteuid():
                continue
            argv = os.fsdecode((entry / "cmdline").read_bytes()).rstrip("\0").split("\0")
            if _server(0, argv) is None:
                continue
            theirs = re.search(rb"(?:^|\0)HOME=([^\0]+)", (entry / "environ").read_bytes())
        except OSError:  # gone, or not for us
            continue
        if theirs and f"{os.path.realpath(os.fsdecode(theirs[1]))}/".startswith(f"{home}/"):
            yield int(entry.name), argv


def _of_ps(ctx: Context) -> Iterator[tuple[int, list[str]]]:
    """The same where there is no /proc; whose home a process has is not to be learned there."""
    import subprocess  # not worth its start for those who have a /proc

    argv = [PS, "-axww", "-o", "pid=,uid=,args="]
    environ = {"HOME": ctx.environ.get("HOME", ""), "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603
            argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=PS_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        pid, uid, command = [*line.split(None, 2), "", "", ""][:3]
        if pid.isdecimal() and uid == str(os.geteuid()):
            program, dashes, rest = command.partition(" --")  # the path of a program may hold blanks
            yield int(pid), [program, *f"{dashes}{rest}".split()]


async def listening(servers: Sequence[Server], ctx: Context) -> tuple[dict[int, set[int]], set[int]]:
    """The ports at loopback of each process, by its number, and those of all processes of our user."""
    if sys.platform == "darwin":
        return await _of_lsof(ctx)
    ours = dict(_sockets())
    by_process = {one.pid: {ours[inode] for inode in _held(one.pid) if inode in ours} for one in servers}
    return by_process, {*ours.values()}


def _sockets() -> Iterator[tuple[str, int]]:
    """(inode, port) of what our user listens on at loopback."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (PROC / "self/net" / name).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            address, _, port = fields[1].partition(":")
            if fields[3] == LISTENS and address in HERE and fields[7] == str(os.geteuid()):
                yield fields[9], int(port, 16)


def _held(pid: int) -> Iterator[str]:
    """The inodes of a process' sockets."""
    try:
        for entry in os.scandir(PROC / str(pid) / "fd"):
            kind, _, inode = os.readlink(entry.path).partition(":[")
            if kind == "socket":
                yield inode.rstrip("]")
    except OSError:  # gone meanwhile
        return


async def _of_lsof(ctx: Context) -> tuple[dict[int, set[int]], set[int]]:
    argv = (LSOF, "-nP", "-a", "-u", str(os.geteuid()), "-iTCP", "-sTCP:LISTEN", "-Fpn")
    try:
        said = (await programs.run(argv, ctx.environ)).decode("utf-8", "replace")
    except StrategyError:
        said = ""
    found: dict[int, set[int]] = {}
    pid = 0
    for line in said.splitlines():
        if line[:1] == "p" and line[1:].isdecimal():
            pid = int(line[1:])
        elif address := re.fullmatch(r"n(?:127\.0\.0\.1|\*|\[::\]):(\d+)", line):
            found.setdefault(pid, set()).add(int(address[1]))
    return found, {port for ports in found.values() for port in ports}
