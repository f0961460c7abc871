"""The form in which calls travel from machine to machine: parts of some thousand, each whole by itself, and an end.

    vibeusage-calls 1 SIZE PACKED SHA256
    PACKED bytes of zlib, which are SIZE bytes of lines of JSON with that digest
    vibeusage-end 1 SHA256

What is cut off has no end, and the parts before are good all the same. A digest is of content, whatever packed it:
equal calls have equal digests. The end's is that of the digests before it.
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import msgspec

from vibeusage.records.call_rows import Record
from vibeusage.records.provider_sync import MOST_OF_ONE
from vibeusage.records.readers.spec import FACTS, MOST_TOKENS, MOST_WORD, Call
from vibeusage.records.readers.values import FIRST_MS

VERSION = b"1"
CALLS, END = b"vibeusage-calls", b"vibeusage-end"
AT_ONCE = 5000
HEAD_MOST = 256
PART_MOST = 64 << 20
LAST_MS = 7_258_118_400_000  # 2200: another machine's clock may be wrong, and ours no better
MOST_COST = 1 << 56
TEXT_MOST = 4096
DATA_MOST = 64 << 10
DEPTH_MOST = 8
_HEAD = re.compile(rb"vibeusage-calls (\d+)(?: (\d{1,9}) (\d{1,9}) ([0-9a-f]{64}))?.*\n")
_END = re.compile(rb"vibeusage-end (\d+)(?: ([0-9a-f]{64}))?.*\n")
_CUT_OFF = b"cut off"
_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(Record)
_ODD = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # of lines that are none of ours

Skip = Callable[[str], None]  # hears why something is left out


class Head(NamedTuple):
    """Of a part; that of the end has the digest of the file, and no size."""

    size: int
    packed: int
    digest: bytes


class _Facts(msgspec.Struct):
    """Those that reports count with."""

    organisation: str = ""
    editor: str = ""
    completions: dict[str, tuple[int, int]] = {}
    code: dict[str, tuple[int, int]] = {}
    edits: dict[str, int] = {}
    languages: dict[str, int] = {}
    providers: dict[str, int] = {}
    contexts: dict[str, int] = {}
    commands: dict[str, int] = {}


class Part(NamedTuple):
    digest: bytes
    data: bytes


def parts(records: Iterable[Record]) -> Iterator[Part]:
    """In one order they always have the same digests."""
    left = iter(records)
    while some := list(islice(left, AT_ONCE)):
        lines = b"".join(_ENCODER.encode(record) + b"\n" for record in some)
        packed, digest = zlib.compress(lines, 6), hashlib.sha256(lines)
        head = b"%b %b %d %d %b\n" % (CALLS, VERSION, len(lines), len(packed), digest.hexdigest().encode())
        yield Part(digest.digest(), head + packed)


def end(digests: Iterable[bytes]) -> bytes:
    return b"%b %b %b\n" % (END, VERSION, digest_of(digests).hex().encode())


def digest_of(digests: Iterable[bytes]) -> bytes:
    """That of a file with these parts."""
    return hashlib.sha256(b"".join(digests)).digest()


def whole(records: Iterable[Record]) -> Iterator[bytes]:
    digests = []
    for part in parts(records):
        digests.append(part.digest)
        yield part.data
    yield end(digests)


def read(stream: BinaryIO, skip: Skip, wanted: Callable[[bytes], bool]) -> Iterator[tuple[Head, bytes | None]]:
    """Each part with its lines, or with None when its digest is not wanted; damaged ones are left out.

    A file that is whole ends with a head of no size.
    """
    digests: list[bytes] = []
    is_whole = True
    while line := stream.readline(HEAD_MOST):
        if found := _END.fullmatch(line):
            if (found[1], found[2]) != (VERSION, digest_of(digests).hex().encode()):
                break
            if is_whole:
                yield Head(0, 0, digest_of(digests)), None
            return
        head = _head(line, skip)
        if head is None:
            return
        data = _data(stream, head) if wanted(head.digest) else _passed(stream, head)
        if data is _CUT_OFF:
            break
        digests.append(head.digest)
        if data == b"":
            is_whole = False
            skip("damaged")
        else:
            yield head, data
    skip("incomplete")


def _head(line: bytes, skip: Skip) -> Head | None:
    found = _HEAD.fullmatch(line)
    if found and found[1] == VERSION and found[2]:
        size, packed, digest = int(found[2]), int(found[3]), bytes.fromhex(found[4].decode())
        if min(size, packed) > 0 and max(size, packed) <= PART_MOST:
            return Head(size, packed, digest)
    if found and found[1] != VERSION:
        skip("of a newer vibeusage")
    else:
        is_begun = line.startswith((CALLS, END)) or CALLS.startswith(line) or END.startswith(line)
        skip("incomplete" if is_begun else "no export")
    return None


def _data(stream: BinaryIO, head: Head) -> bytes:
    """Its lines; b"" when they are not what the head says."""
    packed = stream.read(head.packed)
    if len(packed) < head.packed:
        return _CUT_OFF
    unpacking = zlib.decompressobj()
    try:
        lines = unpacking.decompress(packed, head.size + 1)
    except zlib.error:
        return b""
    return lines if hashlib.sha256(lines).digest() == head.digest else b""


def _passed(stream: BinaryIO, head: Head) -> bytes | None:
    """None when the part is there; it is not looked at."""
    if stream.seekable():
        stream.seek(head.packed - 1, 1)
        return None if stream.read(1) else _CUT_OFF
    return None if len(stream.read(head.packed)) == head.packed else _CUT_OFF


def records(lines: bytes, skip: Skip) -> list[Record]:
    """Those that make sense; the rest is counted."""
    try:
        found = _DECODER.decode_lines(lines)
    except _ODD:
        found = list(_one_by_one(lines, skip))
    sound = [record for record in found if _is_sound(record)]
    for _ in range(len(found) - len(sound)):
        skip("no call")
    return sound


def _one_by_one(lines: bytes, skip: Skip) -> Iterator[Record]:
    for line in lines.splitlines():
        try:
            yield _DECODER.decode(line)
        except _ODD:
            skip("no call")


def _is_sound(record: Record) -> bool:
    """Whether a reader of ours could have made it: what others write is not trusted with sums and sizes."""
    call = record.call
    texts = (record.machine, call.session, call.model, call.folder, call.branch, call.version, call.served_by)
    return (
        0 < len(record.provider) <= MOST_WORD
        and 0 < len(call.uuid) <= TEXT_MOST
        and 0 < len(call.kind) <= MOST_WORD
        and max(map(len, (*texts, call.speed, *call.notes))) <= TEXT_MOST
        and all(note and " " not in note for note in call.notes)
        and FIRST_MS <= call.ts <= LAST_MS
        and _are_counts(call)
        and (call.data is None or _is_sound_data(call.kind, call.data))
    )


def _is_sound_data(kind: str, data: dict[str, Any]) -> bool:
    if not _is_flat(data, DEPTH_MOST) or len(_ENCODER.encode(data)) > DATA_MOST:
        return False
    if kind == FACTS:
        try:
            msgspec.convert(data, _Facts)
        except msgspec.ValidationError:
            return False
    return True


def _is_flat(value: object, depth: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and all(_is_flat(part, depth - 1) for part in parts)


def _are_counts(call: Call) -> bool:
    counts = (call.input, call.output, call.write, call.write_1h, call.read, call.searches)
    small = min(counts) >= 0 and max(counts) <= MOST_OF_ONE and 0 <= (call.cost or 0) <= MOST_COST
    return small and 0 <= call.rank <= MOST_TOKENS and 0 <= call.order <= MOST_TOKENS
