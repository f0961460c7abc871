"""What tools count, to ours: which of their counts hold which, and from when on a record is believed."""

from datetime import datetime

from vibeusage.records.readers.spec import Source
from vibeusage.records.readers.values import FIRST_MS, millis

DISJOINT, APPROXIMATE = "disjoint", "approximate"


def moment(at: datetime | float | str | list[int] | None, source: Source) -> int | None:
    """Epoch milliseconds; None, and counted as skipped, where there is no time or one before all tools."""
    ts = millis(at)
    if ts is None:
        source.skip("no time")
    elif ts < FIRST_MS:
        source.skip("too old")
    else:
        return ts
    return None


def fresh(prompt: int, read: int, write: int = 0) -> tuple[int, tuple[str, ...]]:
    """What of a prompt was outside the cache; a cache larger than the prompt was counted apart, and a note says so."""
    rest = prompt - read - write
    return (rest, ()) if rest >= 0 else (prompt, (DISJOINT,))


def google(
    prompt: int, cached: int, answer: int, thoughts: int, tool: int, total: int
) -> tuple[int, int, tuple[str, ...]]:
    """Our input and output, and the notes, from Google's counts; `total` tells which of them hold which.

    Usually `prompt` holds `cached`, and `thoughts` stand beside `answer`. Old versions count `cached` apart;
    servers that speak OpenAI's protocol count `thoughts` within `answer`.
    """
    parts = prompt + answer + thoughts + tool
    is_apart = cached > 0 and (cached > prompt or total == parts + cached)
    is_within = thoughts > 0 and total == parts - thoughts
    fed = prompt + tool - (0 if is_apart else cached)
    given = answer if is_within else answer + thoughts
    rest = total - (fed + cached + given)
    notes = ((DISJOINT,) if is_apart else ()) + ((APPROXIMATE,) if rest > 0 else ())
    return fed, given or max(rest, 0), notes
