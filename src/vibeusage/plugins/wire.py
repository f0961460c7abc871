"""What goes over the pipes between us and a plugin's process: frames of MessagePack behind their length.

A plugin owns its end of the pipe, so that every frame from there is only data, and may be anything.
"""

import os
import struct
from datetime import datetime
from typing import Any

import msgspec

from vibeusage.models import Usage
from vibeusage.records.readers.spec import Call

LENGTH = struct.Struct(">I")


class Start(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """What to run: `source` of a single file, or the `module` of a distribution in `folders`; and what it may read."""

    kind: str
    file: str
    source: bytes = b""
    module: str = ""
    folders: list[str] = []
    readable: list[str]
    closed: list[str]


class Fetch(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    login: str
    variables: dict[str, str]
    now: datetime


class Log(msgspec.Struct, tag=True, frozen=True):
    path: str
    body: bytes


class Reply(msgspec.Struct, tag=True, frozen=True):
    """The body of a 2xx answer to an `Ask`."""

    body: bytes


class Failure(msgspec.Struct, tag=True, frozen=True):
    """An error of the n-th `Ask`."""

    category: str
    message: str
    number: int


class Ask(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None = None


class Answered(msgspec.Struct, tag=True, frozen=True):
    usage: Usage


class Calls(msgspec.Struct, tag=True, frozen=True):
    """Some of a log's calls; the last frame of a log says so."""

    calls: list[Call]
    is_last: bool


class Crashed(msgspec.Struct, tag=True, frozen=True):
    """An exception by its type and place: its text may hold anything."""

    kind: str
    place: str


class Raised(msgspec.Struct, tag=True, frozen=True):
    """One of the errors of the API; `number` of the `Ask` it came from, -1 for one that the plugin made."""

    category: str
    message: str
    number: int


class Caught(msgspec.Struct, tag=True, frozen=True):
    """What the fence caught the plugin at, which has ended it."""

    what: str


ToPlugin = Start | Fetch | Log | Reply | Failure
FromPlugin = Ask | Answered | Calls | Crashed | Raised | Caught


def frame(message: Any) -> bytes:
    body = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(body)) + body


def read(fd: int, size: int) -> bytes:
    """Exactly `size` bytes; raises EOFError."""
    parts, left = [], size
    while left:
        part = os.read(fd, min(left, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
