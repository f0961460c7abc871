"""Programs of the vendors, run for their answer: in an empty folder, in a session of their own, ended with their group.

They have no terminal, but for those that say nothing without one. They inherit what a program needs and the folders
they are told of, but no variable that may hold a secret.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

from vibeusage import files, paths
from vibeusage.errors import NotConfigured, ShapeError, StorageError, Unavailable

OUTPUT_LIMIT = 4 << 20
GRACE_S = 0.5
USUAL_PLACES = (
    *("~/.local/bin", "~/bin", "~/.npm-global/bin", "~/.bun/bin", "~/.volta/bin"),
    *("/opt/homebrew/bin", "/usr/local/bin"),
)
PASSED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|XDG_\w+|DBUS_SESSION_BUS_ADDRESS|NIX_SSL_CERT_FILE|NODE_EXTRA_CA_CERTS"
    r"|SSL_CERT_(FILE|DIR)|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy|\w+_HOME|\w+_(CONFIG|DATA)_DIR"
    r"|CLOUDSDK_CONFIG|GOOGLE_APPLICATION_CREDENTIALS"
)
_ANSI = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]|\r")
ROWS, COLUMNS = 50, 200  # of a terminal
# a terminal that is opened by the leader of a session becomes the one that governs it
ONTO = ("/bin/sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1')


def find(name: str, environ: Mapping[str, str]) -> str | None:
    """The program on PATH, or where it usually is: prompts, cron and launchd have a short PATH."""
    home = environ.get("HOME", "")
    places = [place.replace("~", home, 1) for place in USUAL_PLACES if home or not place.startswith("~")]
    return shutil.which(name, path=os.pathsep.join([environ.get("PATH", os.defpath), *places, *_node_places(home)]))


def _node_places(home: str) -> list[str]:
    """The programs of each Node.js that nvm has installed, newest first."""
    folder = os.path.join(home, ".nvm/versions/node")
    try:
        names = os.listdir(folder) if home else []
    except OSError:
        return []
    return [os.path.join(folder, name, "bin") for name in sorted(names, reverse=True)]


async def run(
    argv: Sequence[str], environ: Mapping[str, str], *, first_s: float | None = None, quiet_s: float | None = None
) -> bytes:
    """What the program prints, without colours: to its end, or until it says nothing more for `quiet_s`.

    b"" when it says nothing within `first_s`. Raises NotConfigured when it is not there, Unavailable when it
    fails and prints nothing, ShapeError when it floods.
    """
    async with _started(argv, environ) as process:
        if process.stdout is None:
            raise AssertionError("it is a pipe")
        return await _heard(process, process.stdout.read, argv, first_s, quiet_s)


async def run_on_terminal(argv: Sequence[str], environ: Mapping[str, str], *, quiet_s: float | None = None) -> bytes:
    """The same for a program that says nothing to a pipe: it gets a terminal, on which nobody types."""
    with contextlib.ExitStack() as both, contextlib.ExitStack() as theirs:
        ours, other = _terminal(argv[0])
        both.callback(os.close, ours)
        theirs.callback(os.close, other)
        async with _started(argv, environ, terminal=other) as process:
            theirs.close()  # else it would never end for us
            return await _heard(process, lambda size: _typed(ours, size), argv, None, quiet_s)


def _terminal(name: str) -> tuple[int, int]:
    """Both ends of one, wide enough that no line of an answer is broken. Raises Unavailable when there is none."""
    try:
        import fcntl  # these two are not on Windows
        import termios

        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    except (ImportError, AttributeError, OSError) as exc:
        raise Unavailable(f"there is no terminal to be had, without which {name} says nothing") from exc
    return ours, theirs


async def _typed(terminal: int, size: int) -> bytes:
    """What was typed on a terminal's other end, b"" when nobody holds that any more."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(terminal, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
        return os.read(terminal, size)
    except OSError:  # EIO on Linux
        return b""
    finally:
        loop.remove_reader(terminal)


async def converse(
    argv: Sequence[str], environ: Mapping[str, str], lines: Sequence[bytes], is_done: Callable[[bytes], bool]
) -> list[bytes]:
    """Write `lines` to the program and read its own up to the one that `is_done` takes; it is ended then.

    Raises NotConfigured when it is not there, Unavailable when it ends before, ShapeError when it floods.
    """
    heard: list[bytes] = []
    total = 0
    async with _started(argv, environ, talks=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        with contextlib.suppress(ConnectionError):
            process.stdin.write(b"".join(line + b"\n" for line in lines))
            await process.stdin.drain()
        try:
            while line := await process.stdout.readline():
                heard.append(line.rstrip(b"\n"))
                if is_done(heard[-1]):
                    return heard
                total += len(line)
                if total > OUTPUT_LIMIT:
                    raise _flood(argv[0])
        except ValueError as exc:  # a line longer than the limit
            raise _flood(argv[0]) from exc
    raise Unavailable(f"{argv[0]} ended without an answer", hint=f"run it yourself: {' '.join(argv)}")


@contextlib.asynccontextmanager
async def _started(
    argv: Sequence[str], environ: Mapping[str, str], *, talks: bool = False, terminal: int | None = None
) -> AsyncGenerator[asyncio.subprocess.Process]:
    program = find(argv[0], environ)
    if program is None:
        raise NotConfigured(f"{argv[0]} is not installed")
    command = [program, *argv[1:]]
    stdin = asyncio.subprocess.PIPE if talks else asyncio.subprocess.DEVNULL
    stdout = asyncio.subprocess.PIPE
    if terminal is not None:
        command, stdin, stdout = [*ONTO, os.ttyname(terminal), *command], terminal, terminal
    passed_on = {name: value for name, value in environ.items() if PASSED_ON.fullmatch(name)}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=stdin,
            stdout=stdout,
            stderr=asyncio.subprocess.DEVNULL,
            env={**passed_on, "TERM": "dumb", "NO_COLOR": "1"},
            cwd=_empty_folder(),
            start_new_session=True,
            limit=OUTPUT_LIMIT,
        )
    except OSError as exc:
        raise Unavailable(f"{argv[0]} cannot be started: {exc.strerror}") from exc
    try:
        yield process
    finally:
        await asyncio.shield(_end(process))


async def _heard(
    process: asyncio.subprocess.Process,
    read: Callable[[int], Awaitable[bytes]],
    argv: Sequence[str],
    first_s: float | None,
    quiet_s: float | None,
) -> bytes:
    output, has_begun, code = bytearray(), False, 0
    try:
        while True:
            async with asyncio.timeout(quiet_s if has_begun else first_s):
                chunk = await read(65536)
            if not chunk:
                code = await process.wait()
                break
            output += chunk
            has_begun = has_begun or bool(chunk.strip())
            if len(output) > OUTPUT_LIMIT:
                raise _flood(argv[0])
    except TimeoutError:  # it has said what it had to say
        pass
    text = _ANSI.sub(b"", output)
    if code and not text.strip():
        raise Unavailable(f"{argv[0]} ended with code {code} and said nothing", hint=f"run it: {' '.join(argv)}")
    return text


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the whole group, helpers too: they would hold the pipe open."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE_S)
            if number == signal.SIGKILL:
                return


def _empty_folder() -> str:
    """Always the same one: assistants remember the folders they ran in."""
    folder = paths.cache_dir() / "empty"
    try:
        files.ensure_folder(folder)
    except StorageError:
        return "/"
    return str(folder)


def _flood(name: str) -> ShapeError:
    return ShapeError(f"{name} printed more than {OUTPUT_LIMIT >> 20} MiB", hint="run it yourself to see what it says")
