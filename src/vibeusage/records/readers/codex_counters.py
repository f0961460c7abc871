"""Codex's running totals to single calls.

Source: local-logs.md section 5.3. Each response adds its usage to the total, so `total - last` is the total before;
repeats, restarts, stale lines, lost lines and two counters in one file are told apart by that.
"""

import msgspec

Vector = tuple[int, int, int, int, int]  # input (cached ones included), cached, cache writes, output, reasoning


class Counters(msgspec.Struct):
    """What a file's totals were. `heads` are those that a next call may go on from."""

    seen: set[str] = set()
    heads: list[Vector] = []
    first: bool = True


def key(total: Vector) -> str:
    return ".".join(map(str, total))


def inherit(counters: Counters, total: Vector, last: Vector | None) -> None:
    """A total of another session, whose end is where this one goes on."""
    _note(counters, total, _minus(total, last) if last else _greatest(counters, total))


def advance(counters: Counters, total: Vector | None, last: Vector | None) -> tuple[Vector | None, str]:
    """What a call used, and a word on it: "", "approximate", or "stale" for none. `total` is not seen yet."""
    if total is None:
        return last, ""
    if last is None:
        before = _greatest(counters, total)
        _note(counters, total, before)
        return (_minus(total, before) if before else total), ""
    before = _minus(total, last)
    if before in counters.heads or total == last or counters.first:
        _note(counters, total, before)
        return last, ""
    below = [head for head in counters.heads if _fits(head, total)]
    if len(below) == 1:
        _note(counters, total, below[0])
        return _minus(total, below[0]), "approximate"
    if not below and min(map(_size, counters.heads), default=0) - _size(total) <= 2 * _size(last):
        return None, "stale"
    _note(counters, total, None)
    return last, "approximate"


def _greatest(counters: Counters, total: Vector) -> Vector | None:
    return max((head for head in counters.heads if _fits(head, total)), key=sum, default=None)


def _note(counters: Counters, total: Vector, before: Vector | None) -> None:
    """`total` stands in the place of the head before it."""
    if before in counters.heads:
        counters.heads.remove(before)
    counters.heads.append(total)
    counters.seen.add(key(total))
    counters.first = False


def _minus(total: Vector, part: Vector) -> Vector:
    a, b, c, d, e = (left - right for left, right in zip(total, part, strict=True))
    return a, b, c, d, e


def _fits(head: Vector, total: Vector) -> bool:
    return all(left <= right for left, right in zip(head, total, strict=True))


def _size(vector: Vector) -> int:
    return vector[0] + vector[3]
