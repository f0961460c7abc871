"""The first process of a plugin: starts the one in which the plugin's code runs, and leaves nothing of it behind.

It ends everything when the plugin's process ends, when its time is over, and when we close the other end of a
pipe, which happens as well when we are killed. On Linux it adopts what a plugin's children leave behind, whatever
session they went to (PR_SET_CHILD_SUBREAPER); elsewhere the plugin's process group is ended.
Nothing but the standard library is imported here, and as little of that as can be.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

# isolated from variables and folders; the paths are those of whoever starts it
START = "import sys; sys.path[:] = sys.argv[3:]; from vibeusage.plugins import watch; watch.main()"
TOO_LATE = 124
SIGNALLED = 128
PAUSE_S = 0.005
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> None:
    """Arguments: the descriptor of the lifeline, the seconds for each piece of work, then `sys.path`."""
    from vibeusage.plugins import worker

    os._exit(watched(worker.main, int(sys.argv[1]), float(sys.argv[2])))


def watched(work: Callable[[], None], lifeline: int, seconds: float) -> int:
    """Run `work` in a process of its own to its end, or for `seconds`; every byte of the lifeline gives as many again.

    The code it ended with, SIGNALLED and more for a signal, TOO_LATE when its time was over.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    us = os.getpid()
    child = os.fork()
    if child == 0:
        _as_child(work, us, (lifeline, woken, wake))
    _let_go(0, 1)  # only the plugin holds its pipes, so that their ends are seen
    code = _awaited(child, lifeline, woken, seconds)
    _end_all(child)
    return code


def _as_child(work: Callable[[], None], parent: int, closed: tuple[int, ...]) -> None:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in closed:
            os.close(fd)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            os.setsid()
            work()
            code = 0
    finally:
        os._exit(code)


def _let_go(*descriptors: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in descriptors:
        os.dup2(nothing, fd)
    os.close(nothing)


def _awaited(child: int, lifeline: int, woken: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else SIGNALLED - code
        left = end - time.monotonic()
        if left <= 0:
            return TOO_LATE
        ready, _, _ = select.select([lifeline, woken], [], [], left)
        if woken in ready:
            os.read(woken, 64)
        if lifeline in ready:
            if not os.read(lifeline, 64):
                return 0
            end = time.monotonic() + seconds


def _end_all(child: int) -> None:
    """SIGKILL at once: there is nothing a plugin could have to put in order."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    while True:
        for pid in _children() if sys.platform == "linux" else [child]:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(PAUSE_S)
        except ChildProcessError:  # none is left, nor will there be: those of the dead come to us
            return


def _children() -> list[int]:
    us, found = os.getpid(), []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as stream:
                if int(stream.read().rpartition(b")")[2].split()[1]) == us:
                    found.append(int(name))
    return found


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
