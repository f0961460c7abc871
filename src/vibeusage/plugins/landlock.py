"""Landlock, the kernel's own fence around a process and all it starts: files that may be read, and nothing else.

Source: landlock(7) and include/uapi/linux/landlock.h of Linux 6.10; the numbers of the calls are the same everywhere.
What a kernel does not know yet (TCP before 6.7, signals before 6.12) is left out, and the rest holds.
"""

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable

CREATE, ADD_RULE, RESTRICT = 444, 445, 446
VERSION_FLAG = 1
PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FILES_BY_VERSION = (13, 14, 15, 15, 16)  # how many rights for files there are; the last goes on
TCP, SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals


def version() -> int:
    """What the kernel offers; 0 for nothing."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(CREATE, None, 0, VERSION_FLAG))


def restrict(readable: Iterable[str]) -> bool:
    """From now on this process can open files below `readable` only, to read; False where that cannot be done."""
    offered = version()
    if not offered:
        return False
    rights = (1 << FILES_BY_VERSION[min(offered, len(FILES_BY_VERSION)) - 1]) - 1
    fields = [rights, *([TCP] if offered >= 4 else []), *([SCOPES] if offered >= 6 else [])]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = _call(CREATE, attributes, len(attributes), 0)
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow(rules, path)
        _libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return _call(RESTRICT, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(rules: int, path: str) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this system
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        rule = struct.pack("=Qi", READ_FILE | READ_DIR if is_folder else READ_FILE, fd)
        _call(ADD_RULE, rules, PATH_BENEATH, rule, 0)
    finally:
        os.close(fd)


def _call(number: int, *arguments: "int | bytes | None") -> int:
    typed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _libc().syscall(ctypes.c_long(number), *typed)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
