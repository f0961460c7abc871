"""Two states of one call become one; the order in which they are met changes no count, no time and no price.

What two machines say of a call is joined so that no order changes anything at all: whichever hears of it first, and
however often, all of them end with the same.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from vibeusage.records.call_rows import Record
from vibeusage.records.readers.spec import Call

_TEXTS = ("session", "model", "folder", "branch", "version", "served_by", "speed", "kind")
_ENCODER = msgspec.json.Encoder(order="deterministic")


def fold(known: dict[str, Call], call: Call) -> None:
    """Put `call` into `known`, which maps each uuid to what is known of that call."""
    old = known.get(call.uuid)
    known[call.uuid] = call if old is None else merged(old, call)


def merged(old: Call, new: Call) -> Call:
    """What both say together; `old` may be changed.

    The lower rank, then the higher order, wins whole. Between equals the larger count, the earlier time, and the
    first text that is not empty.
    """
    if new.rank != old.rank:
        return new if new.rank < old.rank else old
    if new.order != old.order:
        return new if new.order > old.order else old
    old.ts = min(old.ts, new.ts)
    old.complete = old.complete or new.complete
    _raise_counts(old, new)
    _fill_texts(old, new)
    if old.notes != new.notes:
        old.notes = tuple(sorted({*old.notes, *new.notes}))
    if old.data != new.data:
        old.data = {**(new.data or {}), **(old.data or {})}
    return old


def compared(
    found: Mapping[str, Call], stored: Mapping[str, Call], *, only_new: bool = False
) -> tuple[list[Call], list[Call], set[int]]:
    """By uuid what is new, what is stored and becomes more, and the times of both, also those of before.

    `only_new` leaves stored ones as they are; else they may be changed.
    """
    added = [call for uuid, call in found.items() if uuid not in stored]
    better, times = [], {call.ts for call in added}
    for uuid, old in {} if only_new else stored.items():
        before, new = msgspec.structs.astuple(old), merged(old, found[uuid])
        if msgspec.structs.astuple(new) != before:
            times |= {before[1], new.ts}
            better.append(new)
    return added, better, times


def joined(old: Record, new: Record) -> Record:
    """What two machines say together; the calls of both may be changed.

    As `merged`, and of two texts that differ the lesser one, also of the machines' names.
    """
    if (old.call.rank, old.call.order) == (new.call.rank, new.call.order):
        for name in _TEXTS:
            lesser = _lesser(getattr(old.call, name), getattr(new.call, name))
            setattr(old.call, name, lesser)
        old.call.data = _joined_data(old.call.data or {}, new.call.data or {})
    return Record(old.provider, _lesser(old.machine, new.machine), merged(old.call, new.call))


def compared_records(
    found: Mapping[str, Record], stored: Mapping[str, Record]
) -> tuple[list[Record], list[Record], set[int]]:
    """As `compared`, of what another machine says."""
    added = [record for uuid, record in found.items() if uuid not in stored]
    better, times = [], {record.call.ts for record in added}
    for uuid, old in stored.items():
        machine, before = old.machine, msgspec.structs.astuple(old.call)
        new = joined(old, found[uuid])
        if (new.machine, msgspec.structs.astuple(new.call)) != (machine, before):
            times |= {before[1], new.call.ts}
            better.append(new)
    return added, better, times


def _lesser(one: str, other: str) -> str:
    return min(one, other) if one and other else one or other


def _joined_data(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """A new one: what was there before is compared with it."""
    both = {key: min(one[key], other[key], key=_ENCODER.encode) for key in one.keys() & other.keys()}
    return {**other, **one, **both} or None


def _raise_counts(old: Call, new: Call) -> None:
    if new.input > old.input:
        old.input = new.input
    if new.output > old.output:
        old.output = new.output
    if new.write > old.write:
        old.write = new.write
    if new.write_1h > old.write_1h:
        old.write_1h = new.write_1h
    if new.read > old.read:
        old.read = new.read
    if new.searches > old.searches:
        old.searches = new.searches
    if new.cost is not None and (old.cost is None or new.cost > old.cost):
        old.cost = new.cost


def _fill_texts(old: Call, new: Call) -> None:
    old.session = old.session or new.session
    old.model = old.model or new.model
    old.folder = old.folder or new.folder
    old.branch = old.branch or new.branch
    old.version = old.version or new.version
    old.served_by = old.served_by or new.served_by
    old.speed = old.speed or new.speed
