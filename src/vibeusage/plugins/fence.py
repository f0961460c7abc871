"""Python's side of the fence around a plugin: what it does is heard before it happens (PEP 578), named, and ends it.

It stops mistakes and tells what a plugin tried. Native code can step over it; that is what Landlock, the limits and
the process that watches are for.
"""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
LOOKS = ("os.listdir", "os.scandir", "os.chdir")
PROCESS, NATIVE = "to start a process", "to run native code"
CHANGE, NET = "to change a file", "to use the network by itself"
REFUSED = {
    **dict.fromkeys(("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"), PROCESS),
    **dict.fromkeys(("pty.spawn", "subprocess.Popen"), PROCESS),
    **dict.fromkeys(("os.kill", "os.killpg", "signal.pthread_kill"), "to send a signal"),
    **dict.fromkeys(("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"), CHANGE),
    **dict.fromkeys(("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr"), CHANGE),
    **dict.fromkeys(("gc.get_objects", "gc.get_referrers", "gc.get_referents"), "to look into the process it runs in"),
    **dict.fromkeys(("resource.setrlimit", "resource.prlimit"), "to change its limits"),
    **dict.fromkeys(("sqlite3.enable_load_extension", "sqlite3.load_extension"), NATIVE),
}
REFUSED_KINDS = {"ctypes": NATIVE, "socket": NET, "shutil": CHANGE, "tempfile": CHANGE}


def put_up(readable: Iterable[str], closed: Iterable[str], refuse: Callable[[str], None]) -> None:
    """From now on `refuse` hears of the first thing that is not allowed, in words, and does not return.

    Only what lies below `readable` may be opened, and nothing below `closed`.
    """
    sys.addaudithook(_hook(_below(readable), _below(closed), refuse))


def _below(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(os.path.realpath(folder).rstrip("/") + "/" for folder in folders)


def _hook(
    readable: tuple[str, ...], closed: tuple[str, ...], refuse: Callable[[str], None]
) -> Callable[[str, tuple[Any, ...]], None]:
    realpath, decode = os.path.realpath, os.fsdecode

    def may_read(path: Any) -> bool:
        if isinstance(path, int):  # a descriptor: it was opened before
            return True
        text = decode(path) if path is not None else ""
        full = f"{realpath(text)}/"
        # a relative one may start anywhere (dir_fd)
        return text.startswith("/") and full.startswith(readable) and not full.startswith(closed)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, int) and flags & WRITING:
                refuse(f"to write to {decode(path)}")
            elif not may_read(path):
                refuse(f"to open {decode(path)}")
        elif event in LOOKS:
            if not may_read(arguments[0]):
                refuse(f"to look into {decode(arguments[0] or '.')}")
        elif event == "sqlite3.connect":
            if arguments[0] not in (":memory:", ""):
                refuse(f"to open {decode(arguments[0])}")
        elif what := REFUSED.get(event) or REFUSED_KINDS.get(event.partition(".")[0]):
            refuse(what)

    return hook
