"""A filter of system calls: no processes, no sockets, no look into other processes, whatever code asks for it.

Source: seccomp(2), include/uapi/linux/{filter,seccomp,audit}.h; the numbers of asm/unistd_64.h and asm-generic/unistd.h
of Linux 6.1. For other machines there is no filter.
"""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # where they lie in seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # EPERM
UNKNOWN = 0x00050000 | 38  # ENOSYS, on which the C library does it the older way
CLONE_THREAD = 0x10000
X32 = 0x40000000
NEWER = (424, 425, 438)  # pidfd_send_signal, io_uring_setup, pidfd_getfd
CLONE3 = 435
# by machine: its name in audit.h, clone, and: socket, socketpair, fork, vfork, execve, execveat, kill, ptrace,
# add_key, request_key, keyctl, unshare, setns, open_by_handle_at, process_vm_readv, process_vm_writev, bpf
MACHINES = {
    "x86_64": (0xC000003E, 56, (41, 53, 57, 58, 59, 322, 62, 101, 248, 249, 250, 272, 308, 304, 310, 311, 321)),
    "aarch64": (0xC00000B7, 220, (198, 199, 221, 281, 129, 117, 217, 218, 219, 97, 268, 265, 270, 271, 280)),
}


def restrict() -> bool:
    """From now on this process makes no other one and talks to none; False where there is no filter for it."""
    steps = program()
    if not steps:
        return False
    code = ctypes.create_string_buffer(steps, len(steps))
    head = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return libc.prctl(PR_SET_SECCOMP, MODE_FILTER, head, 0, 0) == 0


def program() -> bytes:
    """The filter of this machine, b"" where there is none."""
    machine = os.uname().machine if sys.platform == "linux" and sys.maxsize > 1 << 32 else ""
    return _compiled(*MACHINES[machine]) if machine in MACHINES else b""


def _compiled(architecture: int, clone: int, refused: tuple[int, ...]) -> bytes:
    """Jumps count instructions to skip, if so and if not."""
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, REFUSE),
        (LOAD, 0, 0, NUMBER),
        *_if(AT_LEAST, X32, REFUSE),
        *(step for number in (*refused, *NEWER) for step in _if(EQUAL, number, REFUSE)),
        *_if(EQUAL, CLONE3, UNKNOWN),
        (EQUAL, 1, 0, clone),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        *_if(ANY_BIT, CLONE_THREAD, ALLOW),
        (RETURN, 0, 0, REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _if(test: int, value: int, result: int) -> tuple[tuple[int, int, int, int], ...]:
    return (test, 0, 1, value), (RETURN, 0, 0, result)
