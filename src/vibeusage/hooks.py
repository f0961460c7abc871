"""A command of the user's own, run for an alert: its arguments and no shell, seven variables, five seconds.

It runs in a session of its own; what is left of that when it ends, or has to be ended, is ended with it. Nothing
that vibeusage knows reaches it but the arguments: no secret, no descriptor, not the folder we stand in.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

import msgspec

DEADLINE_S = 5.0
GRACE_S = 0.5
LOOK_S = 0.02
OUTPUT_LIMIT = 64 << 10
PASSED_ON = (
    *("HOME", "PATH", "LANG"),
    *("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"),
)
OK = "ok"


class Ended(msgspec.Struct, frozen=True):
    """`outcome` is "ok", or what was wrong; `output` what it printed, errors too."""

    outcome: str
    output: bytes = b""


def run(argv: Sequence[str], environ: Mapping[str, str]) -> Ended:
    """Run it and wait for its end. Raises nothing for what it does."""
    try:
        process = subprocess.Popen(  # noqa: S603  (the user's own command, named in the settings)
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={name: environ[name] for name in PASSED_ON if environ.get(name)},
            cwd="/",
            start_new_session=True,
        )
    except OSError as exc:
        return Ended(f"cannot be started: {exc.strerror}")
    with process:
        try:
            problem, output = _heard(process)
        finally:
            _end(process)
    code = process.returncode
    return Ended(problem or (f"ended with code {code}" if code else OK), output)


def _heard(process: subprocess.Popen[bytes]) -> tuple[str, bytes]:
    """Why it has to be ended, "" when it has ended by itself, and what it printed."""
    if process.stdout is None:
        raise AssertionError("it is a pipe")
    pipe, output, end = process.stdout.fileno(), bytearray(), time.monotonic() + DEADLINE_S
    os.set_blocking(pipe, False)
    while True:
        has_ended = process.poll() is not None  # asked first, so that its last words are read below
        chunk = b""
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(pipe, OUTPUT_LIMIT)
        output += chunk
        if len(output) > OUTPUT_LIMIT:
            return f"was ended, having printed more than {OUTPUT_LIMIT >> 10} KiB", bytes(output[:OUTPUT_LIMIT])
        if has_ended and not chunk:
            return "", bytes(output)
        if time.monotonic() >= end:
            return f"was ended after {DEADLINE_S:.0f} s", bytes(output)
        if not chunk:
            time.sleep(LOOK_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole group, also where its leader has gone: what that left behind would run for ever."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
