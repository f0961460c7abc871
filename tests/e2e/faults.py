"""Faults on purpose: system calls that fail, disks that hang or are full, processes released at one instant."""

import contextlib
import dataclasses
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from real import unavailable

FIXTURES = Path(__file__).parents[1] / "fixtures"
PROGRAM = (sys.executable, "-P", "-m", "vibeusage")

# what pip and uv write for an entry point
SCRIPT = """#!{python}
import sys
from vibeusage.__main__ import main
if __name__ == '__main__':
    sys.exit(main())
"""

# waits until the other end of the pipe is closed, then becomes `vibeusage ARGS`
AT_BARRIER = """
import os, sys
os.read(int(sys.argv[1]), 1)
sys.argv[1:] = sys.argv[2:]
from vibeusage.__main__ import main
sys.exit(main())
"""

# mounts a file system that answers the kernel's greeting and nothing after it, runs ARGS, prints seconds and code
HUNG_DISK = """
import ctypes, os, struct, subprocess, sys, time
folder, *command = sys.argv[1:]
device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"hung", folder.encode(), b"fuse", ctypes.c_ulong(0), options):
    sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
_, _, unique, *_ = struct.unpack_from("<IIQQIIII", os.read(device, 1 << 17))
answer = struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 8, 8, 4096, 1, 1, 0, 0, *[0] * 7)
os.write(device, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)
started = time.monotonic()
child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
try:
    child.wait(20)
except subprocess.TimeoutExpired:
    os.close(device)
    child.wait()
print(f"\\n{time.monotonic() - started:.3f} {child.returncode}")
"""


def namespace(require: Callable[[str], str], *flags: str) -> list[str]:
    """The command prefix of a private namespace, by default with mounts of its own, as its root."""
    prefix = [require("unshare"), *(flags or ("-Urm",))]
    probe = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        unavailable(f"no namespaces here: {probe.stderr.strip()}")
    return prefix


def mounted(require: Callable[[str], str], mount: str, command: Sequence[str]) -> list[str]:
    """`command` in a namespace where the sh line `mount` was run first."""
    return [*namespace(require), require("sh"), "-ec", f'{mount}\nexec "$@"', "sh", *command]


def read_only(folder: Path) -> str:
    return f"mount --bind '{folder}' '{folder}'; mount -o remount,bind,ro '{folder}'"


def tmpfs(folder: Path, options: str) -> str:
    """A small file system over `folder` that starts with what is in it."""
    copy = f"mkdir '{folder}.was'; cp -a '{folder}/.' '{folder}.was'"
    return f"{copy}; mount -t tmpfs -o mode=700,{options} none '{folder}'; cp -a '{folder}.was/.' '{folder}'"


@dataclasses.dataclass(frozen=True)
class Traced:
    code: int
    stdout: bytes
    stderr: bytes
    calls: str

    def lines(self, *words: str) -> list[str]:
        return [line for line in self.calls.splitlines() if all(word in line for word in words)]


def strace(require: Callable[[str], str]) -> str:
    """The path of a strace that may trace."""
    found = require("strace")
    probe = subprocess.run([found, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        unavailable(f"strace may not trace here: {probe.stderr.strip()}")
    return found


def traced(
    require: Callable[[str], str],
    options: Sequence[str],
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    env: dict[str, str] | None = None,
    timeout_s: float = 60,
    **more,
) -> Traced:
    """Run `command` under strace with `options`; `calls` is its log."""
    with tempfile.NamedTemporaryFile("r", errors="replace") as log:
        done = subprocess.run(
            [strace(require), "-o", log.name, *options, *command],
            input=stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
            timeout=timeout_s,
            check=False,
            **more,
        )
        return Traced(done.returncode, done.stdout, done.stderr, log.read())


def at_once(count: int, commands: Callable[[int], Sequence[str]], stdin: Callable[[int], bytes] = lambda _: b""):
    """`count` interpreters started, then all let go by one barrier; [(code, stdout, stderr)] in order."""
    waiting, barrier = os.pipe()
    running = []
    for number in range(count):
        with tempfile.TemporaryFile() as document:
            document.write(stdin(number))
            document.seek(0)
            command = [sys.executable, "-P", "-c", AT_BARRIER, str(waiting), *commands(number)]
            out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  (read below)
            child = subprocess.Popen(command, stdin=document, stdout=out, stderr=err, pass_fds=[waiting])
            running.append((child, out, err))
    os.close(waiting)
    os.close(barrier)
    results = []
    for child, out, err in running:
        code = child.wait(60)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read())
            stream.close()
        results.append((code, *texts))
    return results


def script(folder: Path) -> Path:
    """A console script as an installer writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vibeusage"
    path.write_text(SCRIPT.format(python=sys.executable))
    path.chmod(0o755)
    return path


def period(
    name="Session (5h)", short="5h", window_s=18_000, used=42.0, resets_in=7_300, age=0, *, account="claude"
) -> tuple:
    """A period row of `line.tsv`, relative to now."""
    now = int(time.time())
    return ("period", account, name, short, window_s, used, now + resets_in, now - age, "oauth", "window")


def document(
    name: str = "after-reply-rate-limits",
    *,
    session: str = "",
    api_ms: int | None = None,
    at: int | None = None,
    **used: float,
):
    """A recorded document with its resets in the days after `at` (now); `five_hour=12` changes a percentage."""
    value = json.loads((FIXTURES / "claude-code-stdin" / f"{name}.json").read_bytes())
    now = at or int(time.time())
    for key, window in value.get("rate_limits", {}).items():
        window["resets_at"] = now + (7_300 if key == "five_hour" else 400_100)
        window["used_percentage"] = used.get(key, window["used_percentage"])
    if session:
        value["session_id"] = session
    if api_ms is not None:
        value["cost"]["total_api_duration_ms"] = api_ms
    return json.dumps(value).encode()


@dataclasses.dataclass
class Server:
    """A vendor on this machine: counts what it is asked, answers what it is told."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    requests: list[str] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def vendor() -> Generator[Server]:
    server = Server(body=answer())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.requests.append(self.path)
            time.sleep(server.delay_s)
            with contextlib.suppress(OSError):
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                self.wfile.write(server.body)

        def log_message(self, format, *args):
            pass

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def answer(session: float = 12.0, weekly: float = 34.0) -> bytes:
    def at(seconds: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + seconds))

    return json.dumps(
        {
            "five_hour": {"utilization": session, "resets_at": at(7_300)},
            "seven_day": {"utilization": weekly, "resets_at": at(400_100)},
        }
    ).encode()


def log_in(config_dir: Path, url: str, token: str = "t0ken") -> None:
    """A login of our own for the vendor at `url`."""
    folder = config_dir / "credentials" / "claude"
    for each in (config_dir, folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
    (folder / "oauth.json").write_text(json.dumps({"access_token": token}))
    (folder / "oauth.json").chmod(0o600)
    (config_dir / "config.toml").write_text(f'[providers.claude]\nbase_url = "{url}"\n')


def processes_of(cache_dir: Path) -> list[int]:
    """Processes whose environment names this cache folder, but this one."""
    mine = f"VIBEUSAGE_CACHE_DIR={cache_dir}".encode()
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if int(name) != os.getpid() and mine in environment(Path("/proc", name)).split(b"\0"):
                found.append(int(name))
    return found


def environment(process: Path, *, seconds: float = 1) -> bytes:
    """What `environ` of a folder of /proc says; a process within its exec, which shows none yet, is waited for.

    `posix_spawn` returns before that: on a busy machine its caller may have ended by then.
    """
    end = time.monotonic() + seconds
    while not (found := (process / "environ").read_bytes()) and (process / "exe").exists() and time.monotonic() < end:
        time.sleep(0.005)
    return found


def settled(cache_dir: Path, *, seconds: float = 40) -> list[str]:
    """What still runs on this cache folder after everything had time to end: the number, command and wait of each."""
    end = time.monotonic() + seconds
    while (left := processes_of(cache_dir)) and time.monotonic() < end:
        time.sleep(0.05)
    return [f"{pid} {told(Path(f'/proc/{pid}/cmdline'))} {told(Path(f'/proc/{pid}/wchan'))}" for pid in left]


def told(path: Path) -> str:
    try:
        return path.read_text().replace("\0", " ").strip()
    except OSError:
        return "(gone)"


def temporaries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.vibeusage-tmp.*"))


def snapshot_of(folder: Path) -> dict[str, bytes]:
    """{relative name: content or kind} of everything below a folder, links not followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else b"?"
        for path in sorted(folder.rglob("*"))
    }


def empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
