"""The files in which browsers keep cookies, in the three forms they have: Firefox, Chromium, Safari.

Nothing of a browser is written to or locked: its database is copied, with the logs beside it, into a
private folder that is gone afterwards, and the copy is opened. The forms were read in the sources of
Chromium, Firefox and yt-dlp, and seen in what Firefox 153 and Chromium 156 write.
"""

import contextlib
import math
import os
import shutil
import sqlite3
import struct
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vibeusage import browsers, files
from vibeusage.errors import Forbidden, ShapeError, Unavailable, VibeusageError

MAX_BYTES = 64 << 20
UNIX_AT_1601_S, UNIX_AT_2001_S = -11_644_473_600, 978_307_200
PASTE = "paste the cookie instead, or log in with Firefox"
# a step of these once gave the same columns another meaning: what is newer is not guessed at
NEWEST_FIREFOX, NEWEST_CHROMIUM = 17, 24
COPY = "vibeusage-cookies-"


@dataclass(frozen=True)
class Cookie:
    """`value` is bytes while encrypted; `expires` is epoch seconds; the higher `rank` is preferred."""

    host: str
    name: str
    value: str | bytes = field(repr=False)
    expires: float
    rank: tuple[float, ...]
    schema: int = 0


def read(browser: str, path: Path, names: tuple[str, ...]) -> list[Cookie]:
    """The cookies `names` of every host, expired ones too; raises ShapeError for a damaged or a newer file."""
    try:
        if browser == "safari":
            return list(_safari_cookies(_parts(path)[""], names))
        rows = _chromium_cookies if browser in browsers.CHROMIUM else _firefox_cookies
        with _opened(path) as database:
            return list(rows(database, names))
    except _Newer as exc:
        raise ShapeError(
            f"{browser} keeps its cookies in form {exc.found}, and we know those up to {exc.known} only: {path}",
            hint="a newer vibeusage may know it; until then paste the cookie",
        ) from exc
    except (sqlite3.Error, struct.error, ValueError) as exc:
        raise ShapeError(
            f"the cookies of {browser} in {path} are damaged, or of a form we do not know", hint=PASTE
        ) from exc
    except OSError as exc:
        raise _unreadable(path) from exc


class _Newer(Exception):
    """A form of which nobody knows what it means."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(found, known)
        self.found, self.known = found, known


@contextlib.contextmanager
def _opened(path: Path) -> Generator[sqlite3.Connection]:
    """A copy of the database; SQLite makes the copy's -shm anew out of its -wal."""
    parts = _parts(path)
    _sweep()
    with tempfile.TemporaryDirectory(prefix=COPY) as folder:
        for suffix, data in parts.items():
            files.write_private(Path(folder, f"copy{suffix}"), data)
        with contextlib.closing(sqlite3.connect(Path(folder, "copy"))) as database:
            # SQLite's own decoding error would quote the value
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            yield database


def _sweep() -> None:
    """Remove the copies of readers that were killed."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(tempfile.gettempdir()):
            if entry.name.startswith(COPY):
                info = entry.stat(follow_symlinks=False)
                if info.st_uid == os.geteuid() and time.time() - info.st_mtime > files.LEFTOVER_AGE_S:
                    shutil.rmtree(entry.path, ignore_errors=True)


def _parts(path: Path) -> dict[str, bytes]:
    """The bytes of a file and of the logs beside it, by suffix, all of one moment."""
    path = Path(os.path.realpath(path))
    for _ in range(3):
        before = browsers.state(path)
        parts = {suffix: files.read_regular(Path(f"{path}{suffix}"), limit=MAX_BYTES) for suffix in before}
        if browsers.state(path) != before or "" not in parts:
            continue
        whole = {suffix: data for suffix, data in parts.items() if data is not None}
        if whole.keys() != parts.keys():
            raise _unreadable(path)
        return whole
    raise Unavailable(f"{path} was changed while it was read", hint="try again when the browser is idle")


def _unreadable(path: Path) -> VibeusageError:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except PermissionError:
        hint = f"check the rights of {path}"
        if "Library" in path.parts:
            hint = "System Settings > Privacy & Security > Full Disk Access: switch on your terminal, then restart it"
        return Forbidden(f"the system does not let us read {path}", hint=hint)
    except OSError as exc:
        return Unavailable(f"{path} cannot be read: {exc.strerror}", hint=PASTE)
    return Unavailable(f"{path} cannot be copied: too large, no plain file, or no temporary folder", hint=PASTE)


def _firefox_cookies(database: sqlite3.Connection, names: tuple[str, ...]) -> Iterator[Cookie]:
    """`expiry` is in milliseconds since version 16 (Firefox 142); other containers have originAttributes."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > NEWEST_FIREFOX:
        raise _Newer(version, NEWEST_FIREFOX)
    sql = """SELECT CAST(host AS TEXT), CAST(name AS TEXT), CAST(value AS TEXT), ifnull(CAST(expiry AS INTEGER), 0),
        ifnull(originAttributes, '') = '', ifnull(CAST(lastAccessed AS INTEGER), 0)
        FROM moz_cookies WHERE host IS NOT NULL AND value != '' AND name IN """
    for host, name, value, expiry, is_plain, used in _select(database, sql, names):
        yield Cookie(host, name, value, expiry / (1000 if version >= 16 else 1), (is_plain, used))


def _chromium_cookies(database: sqlite3.Connection, names: tuple[str, ...]) -> Iterator[Cookie]:
    """`expires_utc` is in microseconds since 1601, 0 for a session; partitioned cookies come second."""
    found = database.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'version'").fetchone()
    schema = found[0] or 0 if found else 0
    if schema > NEWEST_CHROMIUM:
        raise _Newer(schema, NEWEST_CHROMIUM)
    columns = {name for _, name, *_ in database.execute("PRAGMA table_info(cookies)")}
    partition = "top_frame_site_key" if "top_frame_site_key" in columns else "''"
    sql = f"""SELECT CAST(host_key AS TEXT), CAST(name AS TEXT), ifnull(CAST(value AS TEXT), ''),
        ifnull(CAST(encrypted_value AS BLOB), x''), ifnull(CAST(expires_utc AS INTEGER), 0),
        ifnull({partition}, '') = '', ifnull(CAST(last_access_utc AS INTEGER), 0)
        FROM cookies WHERE host_key IS NOT NULL AND name IN """  # noqa: S608
    for host, name, value, encrypted, expiry, is_plain, used in _select(database, sql, names):
        expires = expiry / 1e6 + UNIX_AT_1601_S if expiry else math.inf
        if value or encrypted:
            yield Cookie(host, name, value or encrypted, expires, (is_plain, used), schema)


def _select(database: sqlite3.Connection, sql: str, names: tuple[str, ...]) -> Iterable[tuple]:
    return database.execute(f"{sql} ({','.join('?' * len(names))})", names)


def _safari_cookies(data: bytes, names: tuple[str, ...]) -> Iterator[Cookie]:
    """`cook`, the sizes of the pages (big-endian), the pages; what follows them is a checksum."""
    if data[:4] != b"cook":
        raise ValueError("no cookie file")
    (count,) = struct.unpack_from(">I", data, 4)
    start = 8 + 4 * count
    for size in struct.unpack_from(f">{count}I", data, 8):
        page = data[start : start + size]
        if len(page) != size:
            raise ValueError("a page is cut off")
        start += size
        yield from (cookie for cookie in map(_safari_cookie, _safari_records(page)) if cookie.name in names)


def _safari_records(page: bytes) -> Iterator[bytes]:
    """A page is little-endian: count, offsets, records; together they never take more room than it has."""
    if page[:4] != b"\0\0\1\0":
        raise ValueError("no page")
    (count,) = struct.unpack_from("<I", page, 4)
    left = len(page)
    for start in struct.unpack_from(f"<{count}I", page, 8):
        (size,) = struct.unpack_from("<I", page, start)
        left -= size
        if left < 0 or start + size > len(page):
            raise ValueError("a record leaves its page")
        yield page[start : start + size]


def _safari_cookie(record: bytes) -> Cookie:
    host, name, _, value = (_c_string(record, start) for start in struct.unpack_from("<4I", record, 16))
    expires, created = struct.unpack_from("<2d", record, 40)
    return Cookie(host, name, value, expires + UNIX_AT_2001_S, (created,))


def _c_string(record: bytes, start: int) -> str:
    end = record.find(b"\0", start)
    if start < 56 or end < 0:
        raise ValueError("a text leaves its record")
    return record[start:end].decode("utf-8", "replace")
