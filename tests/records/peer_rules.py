"""How ccusage and tokscale read Claude Code's lines, as named faults of one plain reader.

`counted(lines, faults)` without a fault is the truth once more, by nothing but the standard library; with a peer's
faults it gives that peer's totals to the token. Found by running ccusage 20.0.24 and tokscale 4.17.0.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

COUNTS = ("input", "output", "write", "read")
NULLABLE = re.compile(
    rb'"(?:id|cwd|model|speed|costUSD|version|sessionId|requestId|isApiErrorMessage'
    rb'|cache_read_input_tokens|cache_creation_input_tokens)":null'
)
SHARED = frozenset({"advisors not counted"})
CCUSAGE = SHARED | {"nulls dropped", "split over whole", "spaced missed", "integers only"}
CCUSAGE |= {"journals read", "largest line"}
DAILY = CCUSAGE | {"no request: never merged"}
MONTHLY = CCUSAGE | {"no request: merged per file", "replays twice", "progress not counted", "constant ids merged"}
TOKSCALE = SHARED | {"replays twice", "progress not counted", "floats are nothing", "digits never merged"}
TOKSCALE |= {"constant ids merged"}


@dataclass(slots=True)
class Line:
    """What one line says. `write` is the whole, `split` the sum of its two parts, None where they are not told."""

    file: str
    number: int
    id: str
    request: str
    uuid: str
    side: bool
    counts: tuple[int, ...]
    split: int | None
    form: type = int
    is_spaced: bool = False
    has_nulls: bool = False
    is_progress: bool = False
    is_advisor: bool = False


def lines(tree: Path) -> list[Line]:
    """All lines of a generated tree that state a call, in the order of the files' names."""
    found = []
    for path in sorted((tree / "projects").rglob("*.jsonl")):
        if path.is_file():
            name = path.relative_to(tree).as_posix()
            rows = enumerate(path.read_bytes().split(b"\n"))
            found += [line for number, row in rows if b'"usage"' in row for line in _lines(name, number, row)]
    return found


def _lines(file: str, number: int, row: bytes) -> Iterator[Line]:
    try:
        told = json.loads(row.decode("utf-8-sig"))
    except ValueError:  # of which UnicodeDecodeError is one
        return
    is_progress = told.get("type") == "progress"
    inner = told["data"]["message"] if is_progress else told
    message = inner.get("message")
    if not isinstance(message, dict) or "usage" not in message or message.get("model") == "<synthetic>":
        return
    usage = message["usage"]
    split = usage.get("cache_creation")
    line = Line(
        file=file,
        number=number,
        id=message.get("id") or "",
        request=inner.get("requestId") or "",
        uuid=inner.get("uuid") or "",
        side=bool(inner.get("isSidechain")),
        counts=_counts(usage),
        split=sum(split.values()) if split else None,
        form=type(usage["input_tokens"]),
        is_spaced=b'"usage":{' not in row,
        has_nulls=bool(NULLABLE.search(row)),
        is_progress=is_progress,
    )
    yield line
    for index, part in enumerate(usage.get("iterations") or ()):
        if part["type"] == "advisor_message":
            name = f"{line.id}:advisor:{index}"
            yield replace(line, id=name, counts=_counts(part), split=None, is_advisor=True)


def _counts(usage: dict[str, Any]) -> tuple[int, ...]:
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return tuple(int(float(usage.get(name) or 0)) for name in names)


def counted(every: Iterable[Line], faults: Iterable[str] = ()) -> dict[str, int]:
    """The totals of a reader that has `faults` and no other."""
    bad = frozenset(faults)
    read = [_as_read(line, bad) for line in every if _is_read(line, bad)]
    main = {line.id for line in read if not line.side}
    kept: dict[Any, tuple[int, ...]] = {}
    for line in read:
        if line.side and line.id in main and "replays twice" not in bad:
            continue
        key = _key(line, bad)
        other = kept.get(key, line.counts)
        kept[key] = max(other, line.counts, key=sum) if "largest line" in bad else tuple(map(max, other, line.counts))
    sums = [sum(column) for column in zip(*kept.values(), strict=True)]
    return {**dict(zip(COUNTS, sums, strict=True)), "total": sum(sums)}


def _is_read(line: Line, bad: frozenset[str]) -> bool:
    if line.file.endswith("/journal.jsonl") and "journals read" not in bad:
        return False
    missed = {
        "nulls dropped": line.has_nulls,
        "spaced missed": line.is_spaced,
        "integers only": line.form is not int,
        "progress not counted": line.is_progress,
        "advisors not counted": line.is_advisor,
    }
    return not any(missed[fault] for fault in bad & missed.keys())


def _as_read(line: Line, bad: frozenset[str]) -> Line:
    fresh, output, write, read = line.counts
    if "split over whole" in bad and line.split is not None:
        write = line.split
    if "floats are nothing" in bad and line.form is float:
        fresh = output = write = read = 0
    return replace(line, counts=(fresh, output, write, read))


def _key(line: Line, bad: frozenset[str]) -> Any:
    """What tells one call from another."""
    alone = (line.file, line.number)
    if "digits never merged" in bad and line.form is str:
        return alone
    if not line.id:
        return line.uuid
    is_constant = not any(letter.isdigit() for letter in line.id) or len(line.id) < 12
    if is_constant and not line.request and "constant ids merged" not in bad:
        return line.id, line.uuid
    if not line.request and "no request: never merged" in bad:
        return alone
    if not line.request and "no request: merged per file" in bad:
        return line.id, line.file
    return (line.id, line.request) if is_constant or "replays twice" in bad else line.id
