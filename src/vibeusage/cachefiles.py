"""HOT PATH: our cache files as the line needs them: read, store, compare, claim; by `os` calls alone.

The engine writes the same files through `files` and `cache`; what both must agree on (folders, marks,
the generation) is held together by tests.
"""

import os
import sys
import time

PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789=,.:_-")
FILE_LIMIT = 1 << 20
KEY_LIMIT = 150
ATTEMPT_S = 60
TEMP_MARK = ".vibeusage-tmp."
NEVER = 9_999_999_999
SLOW_S = 20.0
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def cache_folder(environ):
    """As `paths.cache_dir`, from the environment alone; "" when there is no safe place."""
    return _folder(environ, "VIBEUSAGE_CACHE_DIR", "XDG_CACHE_HOME", "/Library/Caches", "/.cache")


def config_file(environ):
    """As `paths.config_file`."""
    folder = _folder(environ, "VIBEUSAGE_CONFIG_DIR", "XDG_CONFIG_HOME", "/Library/Application Support", "/.config")
    return folder + "/config.toml"


def _folder(environ, override, xdg, mac, unix):
    if chosen := environ.get(override):
        chosen = os.path.expanduser(chosen)
        return chosen if chosen.startswith("/") else ""
    base = environ.get(xdg, "")
    if not base.startswith("/"):
        home = os.path.expanduser("~")
        if not home.startswith("/"):
            return ""
        base = home.rstrip("/") + (mac if sys.platform == "darwin" else unix)
    return base.rstrip("/") + "/vibeusage"


def is_mono(environ):
    return bool(environ.get("NO_COLOR") or environ.get("VIBEUSAGE_NO_COLOR") or environ.get("TERM") == "dumb")


def key_of(args, mono):
    """The file name of the segment that `args` ask for; the launcher builds the same one in sh."""
    if not args or args[0].startswith("-"):
        args = ["ansi", *args]
    parts = ["".join([c if c in PLAIN else "%" + c.encode("utf-8", "replace").hex() for c in arg]) for arg in args]
    key = "+".join(parts) + ("+mono" if mono else "")
    if len(key) > KEY_LIMIT:
        from binascii import crc32

        key = f"{key[:100]}+{crc32(key.encode()):08x}{len(key):x}"
    return key


def read_file(path, limit=FILE_LIMIT):
    """The bytes of a regular file that is ours alone to write, or b""; a FIFO, link or device is not read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        info = os.fstat(fd)
        ours = info.st_mode & 0o170022 == 0o100000 and info.st_uid == os.geteuid()
        return os.read(fd, info.st_size) if ours and info.st_size <= limit else b""
    except OSError:
        return b""
    finally:
        os.close(fd)


def stored(folder, key, now):
    """`(text, refresh_due_at, valid_until)` of the stored segment while it is what a fresh render would say."""
    token = read_file(folder + "/generation", 100).strip()
    head, _, text = read_file(folder + "/segments/" + key).partition(b"\n")
    fields = head.split(b" ")
    if not token or len(fields) != 9 or fields[:2] != [b"vibeusage-segment", b"1"] or fields[3] != token:
        return None
    try:
        valid_until, refresh_due_at, rendered_at = int(fields[2]), int(fields[4]), int(fields[5])
    except ValueError:
        return None
    return (text, refresh_due_at, valid_until) if rendered_at <= now < valid_until else None


def observations(folder):
    """The files of all accounts, notes before their table: a note goes only once the table has it."""
    try:
        listed = os.listdir(folder + "/observations")
    except OSError:
        return []
    return sorted([name for name in listed if TEMP_MARK not in name], reverse=True)


def store(folder, key, shown, token, refresh_due_at, now):
    """Keep a rendered text with the token that was read before its data."""
    until = min(shown.until, NEVER)
    head = f"vibeusage-segment 1 {until} {token} {refresh_due_at} {int(now)} {_uptime(now, until, refresh_due_at)}\n"
    write_file(f"{folder}/segments/{key}", (head + shown.text).encode("utf-8", "replace"))


def _uptime(now, until, refresh_due_at):
    """The start of the boot id, and the two instants in seconds since that boot, for a shell without a clock.

    Short, because such a shell reads a byte per call.
    """
    up = read_file_of_kernel("/proc/uptime").partition(b".")
    boot = read_file_of_kernel("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()
    try:
        seconds = float(up[0] + b"." + up[2].split()[0])
    except (ValueError, IndexError):
        return "- - -"
    # floor is never late: a shell compares whole seconds of the same counter
    due_up = max(0, int(seconds + refresh_due_at - now))
    return f"{boot[:8] or '-'} {int(seconds + until - now)} {due_up}"


def read_file_of_kernel(path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 200)
    finally:
        os.close(fd)


def write_file(path, data, sync=False):
    """Replace a file of ours atomically, all bytes or none, through no symlinked folder; whether that worked."""
    folder, _, name = path.rpartition("/")
    try:
        at = _open_folder(folder)
    except OSError:
        return False
    temporary, whole = f"{name}{TEMP_MARK}{os.getpid()}.{time.monotonic_ns()}", False
    try:
        fd = os.open(temporary, NEW_FLAGS, 0o600, dir_fd=at)
        try:
            whole = os.write(fd, data) == len(data)
            if whole and sync:
                os.fsync(fd)
        finally:
            os.close(fd)
        if whole:
            os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
    except OSError:
        whole = False
    try:
        if not whole:
            os.unlink(temporary, dir_fd=at)
    except OSError:
        pass
    os.close(at)
    return whole


def _open_folder(folder):
    """A descriptor of a folder that is made if it is missing."""
    try:
        return os.open(folder, FOLDER_FLAGS)
    except FileNotFoundError:
        _make_folder(folder)
        return os.open(folder, FOLDER_FLAGS)


def _make_folder(folder):
    """Missing folders, each 0700 from the first instant; the umask can only narrow that."""
    missing = []
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for each in reversed(missing):
        try:
            os.mkdir(each, 0o700)
        except FileExistsError:
            continue
        os.chmod(each, 0o700)


def new_token():
    """A token that was never there before; short, because shells read a byte per call."""
    return os.urandom(6).hex().encode() + b"\n"


def new_generation(folder):
    """Make every stored segment outdated; to be called after the data is in place.

    Without a token none is valid either, should it not fit on the disk.
    """
    if not write_file(folder + "/generation", new_token()):
        try:
            os.unlink(folder + "/generation")
        except OSError:
            pass


def start_refresh(folder, due_at, now):
    """Start one detached `refresh --if-due` when due; whoever makes the minute's attempt file does it."""
    if now < due_at or not folder or not sys.executable:
        return
    try:
        attempt = f"{folder}/attempt-{int(now) // ATTEMPT_S}"
        os.close(os.open(attempt, NEW_FLAGS, 0o600))
        os.chdir("/")
        opened = [int(name) for name in os.listdir("/dev/fd") if int(name) > 2]
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
            *[(os.POSIX_SPAWN_DUP2, 0, fd) for fd in (1, 2)],
            *[(os.POSIX_SPAWN_CLOSE, fd) for fd in opened if _is_inherited(fd)],
        ]
        argv = [sys.executable, "-P", "-m", "vibeusage", "refresh", "--if-due", "--quiet"]
        os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions, setsid=True)
    except OSError:
        return


def _is_inherited(fd):
    try:
        return os.get_inheritable(fd)
    except OSError:  # the one that listed the others
        return False
