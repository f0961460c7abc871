"""Change one key of a TOML text and leave every other byte, comment and order as the user wrote it.

No TOML writer of its own: `tomllib` says where a statement ends (the shortest run of lines that parses) and
whether an edit did what it should. An edit that cannot be proved right this way is None, never a guess.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

Key = tuple[str, ...]

_PIECE = re.compile(  # a string of each of the four kinds, a comment, blanks, or one character
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'" r"|#[^\n]*|\s+|.",
    re.DOTALL,
)
_KEY_PART = re.compile(r'("(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|[^."\'\s]+)(?:\.|\Z)')
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STATEMENT_LINES = 500  # of one value; finding its end costs the square of this


class _Statement(NamedTuple):
    first: int
    end: int  # the line after its last
    table: Key  # the header in force
    key: Key  # the whole path; of a header: the same as `table`
    is_header: bool


def split_key(text: str) -> Key:
    """`providers."me@home.example".enabled` in its parts; ValueError when it is not a dotted key."""
    parts = _KEY_PART.findall(text)
    if not parts or ".".join(parts) != text:
        raise ValueError(f"{text!r} is not a dotted key")
    return tuple(tomllib.loads(f"part = {part}")["part"] if part[0] in "\"'" else part for part in parts)


def dotted(key: Key) -> str:
    return ".".join(part if _BARE.fullmatch(part) else literal(part) for part in key)


def literal(value: Any) -> str:
    """One value on one line; JSON's escapes are TOML's, but for DEL."""
    match value:
        case str():
            import json  # for a mistake or a change only, and every command loads this module

            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return "[" + ", ".join(map(literal, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{dotted((name,))} = {literal(inner)}" for name, inner in value.items()) + "}"
        case _:
            return str(value)


def with_value(document: dict, key: Key, value: Any) -> dict:
    """A copy of `document` with `key` set; TypeError when a part of the way is no table."""
    if len(key) == 1:
        return {**document, key[0]: value}
    inner = document.get(key[0], {})
    if not isinstance(inner, dict):
        raise TypeError(f"{key[0]} is not a table")
    return {**document, key[0]: with_value(inner, key[1:], value)}


def without(document: dict, key: Key) -> dict:
    """A copy of `document` without `key` and without the tables that this leaves empty."""
    kept = dict(document)
    if len(key) == 1:
        kept.pop(key[0], None)
    elif isinstance(inner := kept.get(key[0]), dict):
        kept[key[0]] = without(inner, key[1:])
        if not kept[key[0]]:
            del kept[key[0]]
    return kept


def set_key(text: str, key: Key, value: Any) -> str | None:
    """`text` with `key` = `value`: replaced where it stands, else added at the end of its table."""
    expected = with_value(tomllib.loads(text), key, value)
    return next((new for new in _candidates(text, key, value) if _parses_to(new, expected)), None)


def remove_key(text: str, key: Key) -> str | None:
    """`text` without the lines of `key`, a value or a whole table; comments on their own lines stay."""
    expected = without(tomllib.loads(text), key)
    lines = text.split("\n")
    for statement in reversed(list(_statements(lines))):
        if statement.key[: len(key)] == key:
            del lines[statement.first : statement.end]
    new = "\n".join(lines)
    return new if _parses_to(new, expected) else None


def _candidates(text: str, key: Key, value: Any) -> Iterator[str]:
    lines = text.split("\n")
    statements = list(_statements(lines))
    for one in statements:
        if one.key == key and not one.is_header:
            replaced = _replaced("\n".join(lines[one.first : one.end]), value)
            yield "\n".join([*lines[: one.first], replaced, *lines[one.end :]])
    table = key[:-1]
    in_table = [one for one in statements if one.table == table]
    beside = [one for one in statements if one.key[:-1] == table and not one.is_header]
    for one in [*in_table[-1:], *beside[-1:]]:
        yield _inserted(lines, one, key[len(one.table) :], value)
    if table:
        yield _appended(text, [f"[{dotted(table)}]", f"{dotted(key[-1:])} = {literal(value)}"])
    else:
        yield f"{dotted(key)} = {literal(value)}{_newline(text)}{text}"


def _statements(lines: list[str]) -> Iterator[_Statement]:
    table: Key = ()
    at = 0
    while at < len(lines):
        start = lines[at].lstrip()
        if not start or start.startswith("#"):
            at += 1
            continue
        end = _end_of_statement(lines, at)
        if start.startswith("["):
            table = _path(tomllib.loads(lines[at] + "\n"))
            yield _Statement(at, end, table, table, True)
        else:
            yield _Statement(at, end, table, table + _path(tomllib.loads(_key_text(start) + "= {}")), False)
        at = end


def _end_of_statement(lines: list[str], first: int) -> int:
    for end in range(first + 1, min(len(lines), first + _STATEMENT_LINES) + 1):
        try:
            tomllib.loads("\n".join(lines[first:end]) + "\n")
        except ValueError:
            continue
        return end
    return len(lines)


def _path(document: Any) -> Key:
    """The keys of a document that holds one table; an array of tables ends in a part no key equals."""
    path: list[str] = []
    while document:
        if isinstance(document, list):
            return (*path, "[]\n")
        [(name, document)] = document.items()
        path.append(name)
    return tuple(path)


def _key_text(statement: str) -> str:
    read = 0
    for piece in _PIECE.finditer(statement):
        if piece.group() == "=":
            break
        read = piece.end()
    return statement[:read]


def _replaced(statement: str, value: Any) -> str:
    """The same statement with another value; comments inside the old value move above it."""
    indent = statement[: len(statement) - len(statement.lstrip())]
    start = len(indent) + len(_key_text(statement.lstrip())) + 1
    start += len(statement[start:]) - len(statement[start:].lstrip(" \t"))
    pieces = list(_PIECE.finditer(statement, start))
    end = max(piece.end() for piece in pieces if piece.group().strip() and piece.group()[0] != "#")
    inside = [piece.group().rstrip("\r") for piece in pieces if piece.group()[0] == "#" and piece.end() < end]
    above = "".join(f"{indent}{comment}{_newline(statement)}" for comment in inside)
    return f"{above}{statement[:start]}{literal(value)}{statement[end:]}"


def _inserted(lines: list[str], after: _Statement, key: Key, value: Any) -> str:
    line = lines[after.first]
    indent = "" if after.is_header else line[: len(line) - len(line.lstrip())]
    carriage = "\r" if lines[0].endswith("\r") else ""
    before, behind = lines[: after.end], lines[after.end :]
    if not behind:  # the last line of the file, unended
        before, behind = [*before[:-1], before[-1] + carriage], [""]
    return "\n".join([*before, f"{indent}{dotted(key)} = {literal(value)}{carriage}", *behind])


def _appended(text: str, lines: list[str]) -> str:
    newline = _newline(text)
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    return text + gap + "".join(line + newline for line in lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _parses_to(text: str, expected: dict) -> bool:
    try:
        return _pruned(tomllib.loads(text)) == _pruned(expected)
    except ValueError:
        return False


def _pruned(value: Any) -> Any:
    """Without tables that hold nothing: whether `[line]` is written there makes no difference."""
    if not isinstance(value, dict):
        return value
    return {name: kept for name, inner in value.items() if (kept := _pruned(inner)) != {}}
