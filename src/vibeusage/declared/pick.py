"""Where in an answer something lies: `a.b[0].c`, `rows[*].cost`, `list[unit=USD].left`, `new | old`.

A path is looked up in one element of the answer; `$.` at its front starts at the whole of it, `$other.` at the
answer of another request. `[*]` stands for every element of a list or map, `[a=b]` for the first of a list in
which `a` is `b`, or for a map if it is so there, with `[a={name}]` what is known by that name, `{key}` for the name
of the map's element that the path belongs to, `"a.b"` for a name with dots in it. Of several paths with `|` between
them the first that leads somewhere counts.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

MOST_ELEMENTS = 1000
NOTHING: Mapping[str, Any] = MappingProxyType({})
_START = re.compile(r"\$(?P<other>[a-z][a-z0-9_]*)?(?=[.\[])")
_STEP = re.compile(
    r"""\. (?: (?P<key>[\w-]+) | "(?P<quoted>[^"]+)" | (?P<its_key>\{key\}) )
      | \[ (?: (?P<every>\*) | (?P<index>-?\d+) | (?P<name>[\w.]+)=(?P<value>[^\[\]|]*) ) \]""",
    re.VERBOSE,
)


class Step(NamedTuple):
    """One of: the `key` of a map, an `index`, what has `value` at `name`, every element, its own key."""

    kind: str
    name: str = ""
    value: str | int = ""


class Way(NamedTuple):
    """`other` is the request in whose answer it starts."""

    from_top: bool
    other: str | None
    steps: tuple[Step, ...]


class Place(NamedTuple):
    """A value and the keys of the maps that were gone through with `[*]` on the way to it."""

    value: Any
    keys: tuple[str, ...] = ()


def ways(path: str) -> tuple[Way, ...]:
    """The alternatives of a path; raises ValueError where it is none."""
    return tuple(_way(text.strip()) for text in path.split("|"))


def _way(text: str) -> Way:
    start = _START.match(text)
    rest = text[start.end() :] if start else text if text.startswith("[") else f".{text}"
    steps = []
    while rest:
        found = _STEP.match(rest)
        if not found:
            raise ValueError(f"is not a path at {rest.removeprefix('.')[:20]!r}")
        steps.append(_step(found))
        rest = rest[found.end() :]
    return Way(start is not None, start["other"] if start else None, tuple(steps))


def _step(found: re.Match[str]) -> Step:
    if found["every"]:
        return Step("every")
    if found["its_key"]:
        return Step("its_key")
    if found["index"]:
        return Step("index", value=int(found["index"]))
    if found["name"]:
        return Step("match", found["name"], found["value"])
    return Step("key", found["key"] or found["quoted"])


def places(
    path: str,
    here: Any,
    *,
    top: Any = None,
    keys: tuple[str, ...] = (),
    others: Mapping[str, Any] = NOTHING,
    known: Mapping[str, str] = NOTHING,
) -> list[Place] | None:
    """What the path leads to, without nulls; None where it leads nowhere, [] for every element of an empty list."""
    for way in ways(path):
        start = others.get(way.other) if way.other else top if way.from_top else here
        found = _walked(way, start, keys, known)
        if found is not None:
            return found
    return None


def first(path: str, here: Any, *, top: Any = None, keys: tuple[str, ...] = ()) -> Any:
    """The value the path leads to; None where it leads nowhere."""
    found = places(path, here, top=top, keys=keys)
    return found[0].value if found else None


def _walked(way: Way, start: Any, keys: tuple[str, ...], known: Mapping[str, str]) -> list[Place] | None:
    found, is_empty = [Place(start, keys)], False
    for step in way.steps:
        if step.kind == "every":
            is_empty = any(isinstance(each.value, list | dict) and not each.value for each in found)
        found = [after for each in found for after in _taken(step, each, known)]
        if len(found) > MOST_ELEMENTS:
            raise ValueError(f"more than {MOST_ELEMENTS} elements")
        if not found:
            return [] if is_empty else None
    there = [each for each in found if each.value is not None]
    return there or None


def _taken(step: Step, place: Place, known: Mapping[str, str]) -> Iterator[Place]:
    value, keys = place
    match step.kind:
        case "every" if isinstance(value, dict):
            yield from (Place(each, (*keys, str(name))) for name, each in value.items())
        case "every" if isinstance(value, list):
            yield from (Place(each, (*keys, str(number))) for number, each in enumerate(value, 1))
        case "index" if isinstance(value, list) and -len(value) <= int(step.value) < len(value):
            yield Place(value[int(step.value)], keys)
        case "match" if isinstance(value, dict | list):
            among = value if isinstance(value, list) else [value]
            wanted = filled(step.value, known)
            fitting = [each for each in among if wanted is not None and _text(_at(each, step.name)) == wanted]
            yield from [Place(each, keys) for each in fitting[:1]]
        case "key" | "its_key" if isinstance(value, dict):
            name = step.name or (keys[-1] if keys else "")
            if name in value:
                yield Place(value[name], keys)


def filled(said: Any, known: Mapping[str, str]) -> Any:
    """`{name}` as what is known by that name, None where nothing is; anything else as it is."""
    name = re.fullmatch(r"\{(\w+)\}", said) if isinstance(said, str) else None
    return known.get(name[1]) if name else said


def _at(value: Any, name: str) -> Any:
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    """A value as it is written in a path."""
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)
