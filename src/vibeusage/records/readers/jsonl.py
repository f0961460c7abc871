"""Lines of JSON: jump from one that matters to the next, decode it narrowly, mend it where a field is odd.

    for line in hits(block, b'"usage"'):
        found = decoded(line, _LINE, source)

`_LINE` is a decoder of a Struct (gc=False) whose every field has a default; its counts are `Tokens`, its times
`Instant`. What is not JSON is counted as skipped and gives None; a field of the wrong type never loses its line.
"""

import json
import os
import re
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from vibeusage.records.readers.spec import MOST_TOKENS, Source
from vibeusage.records.readers.values import count, millis

Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
T = TypeVar("T")
_MARKS = b"\0\xef\xbb\xbf \t\r"  # a byte order mark, and the run of NUL that a loss of power leaves


def below(root: Path, ending: str) -> Iterator[Path]:
    """The files below `root` whose name ends so; a link to a file counts, a link to a folder is not followed."""
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names if name.endswith(ending))


def hits(block: bytes, needle: bytes | re.Pattern[bytes]) -> Iterator[bytes]:
    """The lines of `block` that hold `needle`, in their order, each once and without its newline."""
    at, find = 0, partial(block.find, needle) if isinstance(needle, bytes) else partial(_searched, block, needle)
    while (hit := find(at)) >= 0:
        start = block.rfind(b"\n", at, hit) + 1 or at
        end = block.find(b"\n", hit)
        at = end if end >= 0 else len(block)
        yield block[start:at]


def _searched(block: bytes, needle: re.Pattern[bytes], at: int) -> int:
    match = needle.search(block, at)
    return match.start() if match else -1


def decoded(line: bytes, decoder: msgspec.json.Decoder[T], source: Source) -> T | None:
    """What `decoder` makes of a line; None, and counted as skipped, where that is not one JSON object."""
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _tolerant(line.lstrip(_MARKS), decoder, source)


def _tolerant(line: bytes, decoder: msgspec.json.Decoder[T], source: Source) -> T | None:
    try:
        value = _whole(json.loads(line.decode(errors="replace"), strict=False))
    except (ValueError, RecursionError):
        source.skip("not JSON")
        return None
    found = mended(value, decoder.type)
    if found is None:
        source.skip("not an object")
    return found


def _whole(value: Any) -> Any:
    """Without the half of a cut emoji, which no text of ours may have."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_whole(name): _whole(part) for name, part in value.items()}
    return [_whole(part) for part in value] if isinstance(value, list) else value


def mended(value: Any, wanted: Any) -> Any:
    """`value` as the type `wanted`, without those fields that cannot be; None when nothing is left of it."""
    wanted = _bare(wanted)
    if isinstance(value, dict) and isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        fields = {field.name: (value.get(field.encode_name), field.type) for field in msgspec.structs.fields(wanted)}
        found = {name: mended(*pair) for name, pair in fields.items()}
        return wanted(**{name: part for name, part in found.items() if part is not None})
    if isinstance(value, list) and typing.get_origin(wanted) is list:
        items = (mended(item, typing.get_args(wanted)[0]) for item in value)
        return [item for item in items if item is not None]
    return _scalar(value, wanted)


def _scalar(value: Any, wanted: Any) -> Any:
    if wanted is int:
        return count(value)
    if wanted is datetime:
        at = millis(value)
        return datetime.fromtimestamp(at / 1000, UTC) if at is not None and 0 < at < 1 << 47 else None
    if wanted is str and type(value) is int:
        return str(value)
    try:
        return msgspec.convert(value, wanted, strict=wanted is not float)
    except msgspec.ValidationError:
        return None


def _bare(wanted: Any) -> Any:
    """The type below `Annotated[…]` and `… | None`."""
    if typing.get_origin(wanted) is Annotated:
        return _bare(typing.get_args(wanted)[0])
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        return _bare(next(part for part in typing.get_args(wanted) if part is not type(None)))
    return wanted
