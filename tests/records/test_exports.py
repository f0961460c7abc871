"""Calls travel whole: what is cut off, damaged or made up by somebody is left out and counted, and nothing else is."""

import hashlib
import io
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibeusage.records import exports, merge
from vibeusage.records.call_rows import Record
from vibeusage.records.readers.spec import Call

T = 1_750_000_500_000


def record(uuid="a", machine="desk", **fields) -> Record:
    return Record("claude", machine, Call(uuid=uuid, ts=T, **fields))


def read(data: bytes, wanted=lambda digest: True) -> tuple[list[Record], list[str], bool]:
    """The records of an export, what was left out, and whether it is whole."""
    found, skipped, is_whole = [], [], False
    for head, lines in exports.read(io.BytesIO(data), skipped.append, wanted):
        is_whole = not head.size
        found += exports.records(lines, skipped.append) if lines else []
    return found, skipped, is_whole


def part(lines: bytes) -> bytes:
    packed, digest = zlib.compress(lines), hashlib.sha256(lines)
    head = b"vibeusage-calls 1 %d %d %s\n" % (len(lines), len(packed), digest.hexdigest().encode())
    return head + packed + exports.end([digest.digest()])


MANY = [record(f"{number}", input=number, data={"n": number}, notes=("a", "b")) for number in range(12)]


@pytest.fixture
def three(monkeypatch) -> bytes:
    """An export of three parts."""
    monkeypatch.setattr(exports, "AT_ONCE", 4)
    return b"".join(exports.whole(MANY))


def test_what_was_written_is_read(three):
    assert read(three) == (MANY, [], True)
    assert read(b"".join(exports.whole([]))) == ([], [], True)


def test_equal_calls_are_equal_bytes_in_whatever_order_their_facts_are():
    other = record(data={"b": 2, "a": 1})
    assert [*exports.whole([record(data={"a": 1, "b": 2})])] == [*exports.whole([other])]


def test_what_is_cut_off_anywhere_gives_the_parts_before_and_says_so(three):
    ends = [0, *(at for at in range(len(three)) if three.startswith(b"vibeusage-", at))]
    for cut in range(1, len(three)):
        found, skipped, is_whole = read(three[:cut])
        whole_parts = sum(cut >= end for end in ends[2:])
        assert (found, skipped, is_whole) == (MANY[: 4 * whole_parts], ["incomplete"], False), cut


def test_a_byte_that_went_wrong_never_gives_a_wrong_call(three):
    for at in range(len(three)):
        found, skipped, is_whole = read(three[:at] + bytes([three[at] ^ 1]) + three[at + 1 :])
        assert all(each in MANY for each in found), at
        assert (len(found) == len(MANY) and is_whole) or skipped, at


def test_a_damaged_part_costs_no_other_one(three):
    at = three.index(b"vibeusage-calls", 1) + 120
    found, skipped, is_whole = read(three[:at] + bytes([three[at] ^ 1]) + three[at + 1 :])
    assert (found, skipped, is_whole) == (MANY[:4] + MANY[8:], ["damaged"], False)


def test_parts_that_are_known_are_passed_over(three):
    heads = [head for head, _ in exports.read(io.BytesIO(three), print, lambda digest: False)]
    assert read(three, lambda digest: digest != heads[1].digest) == (MANY[:4] + MANY[8:], [], True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"hello\n", "no export", id="a text"),
        pytest.param(b"", "incomplete", id="nothing"),
        pytest.param(b"\0" * 5000, "no export", id="NUL bytes"),
        pytest.param(b"vibeusage-calls 2 x\n", "of a newer vibeusage", id="a later form"),
        pytest.param(b"vibeusage-calls 1 999999999 999999999 %s\n" % (b"0" * 64), "incomplete", id="enormous"),
        pytest.param(b"vibeusage-calls 1 -1 5 %s\n" % (b"0" * 64), "incomplete", id="negative"),
        pytest.param(b"vibeusage-calls 1 5 999 %s\nx" % (b"0" * 64), "incomplete", id="shorter than it says"),
    ],
)
def test_what_is_no_export_says_why(data, reason):
    assert read(data) == ([], [reason], False)


def test_a_bomb_is_not_unpacked():
    packed = zlib.compress(b"\0" * (20 << 20))
    head = b"vibeusage-calls 1 100 %d %s\n" % (len(packed), hashlib.sha256(b"\0" * 100).hexdigest().encode())
    assert read(head + packed + exports.end([hashlib.sha256(b"\0" * 100).digest()])) == ([], ["damaged"], False)


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": ""},
        {"ts": 5},
        {"ts": 1 << 60},
        {"input": -1},
        {"output": 1 << 44},
        {"cost": 1 << 57},
        {"cost": -1},
        {"order": -1},
        {"rank": 1 << 60},
        {"model": "m" * 5000},
        {"kind": ""},
        {"notes": ["two words"]},
        {"input": "3"},
        {"data": {"text": "x" * 70_000}},
        {"data": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}},
        {"kind": "facts", "data": {"completions": {"python": 5}}},
        {"kind": "facts", "data": {"organisation": ["acme"], "editor": {}}},
        {"kind": "facts", "data": {"edits": 3}},
        {"kind": "facts", "data": {"providers": {"ollama": "many"}}},
    ],
    ids=str,
)
def test_a_call_that_no_reader_makes_is_left_out(changes):
    good = msgspec.to_builtins(record())
    bad = {**good, "call": {**good["call"], **changes}}
    lines = msgspec.json.encode(bad) + b"\n" + msgspec.json.encode(good) + b"\n"
    assert read(part(lines)) == ([record()], ["no call"], True)


def test_what_is_nested_too_deeply_to_be_read_costs_no_other_call():
    good, depth = msgspec.json.encode(record()), 100_000
    for value in (b'{"a":' * depth + b"1" + b"}" * depth, b"[" * depth + b"]" * depth):
        lines = b"".join([good.replace(b'"data":null', b'"data":{"a":%b}' % value), b"\n", good, b"\n"])
        assert read(part(lines)) == ([record()], ["no call"], True)


def test_what_a_later_version_adds_is_passed_over():
    later = {**msgspec.to_builtins(record()), "mood": "good"}
    assert read(part(msgspec.json.encode(later) + b"\n")) == ([record()], [], True)


texts = st.sampled_from(["", "a", "b", "c"])
values = st.integers(0, 2) | st.lists(st.integers(0, 1))
states = st.builds(
    Call,
    uuid=st.just("x"),
    ts=st.integers(1, 3),
    session=texts,
    model=texts,
    folder=texts,
    kind=st.sampled_from(["assistant", "estimate"]),
    input=st.integers(0, 3),
    output=st.integers(0, 3),
    rank=st.integers(0, 1),
    order=st.integers(0, 1),
    complete=st.booleans(),
    cost=st.none() | st.integers(0, 2),
    notes=st.sampled_from([(), ("a",), ("a", "b"), ("b",)]),
    data=st.none() | st.dictionaries(st.sampled_from("kl"), values, min_size=1),
)
told = st.builds(Record, st.just("claude"), texts, states)


def joined(*records: Record) -> Record:
    first, *rest = [msgspec.convert(msgspec.to_builtins(each), Record) for each in records]
    for other in rest:
        first = merge.joined(first, other)
    return first


@settings(max_examples=60)
@given(told, told, told)
def test_what_machines_say_is_the_same_in_any_order_and_however_often(one, two, three):
    together = joined(one, two, three)
    assert joined(three, one, two) == together
    assert joined(two, joined(one, three)) == together
    assert joined(together, one) == together
    assert joined(one, one) == one
