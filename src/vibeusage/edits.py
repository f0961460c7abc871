"""Changes to files that belong to someone else: one marked block, or one key of a JSON document.

The functions on bytes touch nothing but ours. `apply` keeps the first bytes, with a note of what it wrote,
and `revert` brings them back exactly; in a file that was edited in between, it takes out only what is ours.
"""

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from vibeusage import files, paths
from vibeusage.errors import ConfigError, StorageError

START, END = "# >>> vibeusage >>>", "# <<< vibeusage <<<"
_MARK = re.compile(rb"^# (>>>|<<<) vibeusage \1[ \t]*\r?$", re.M)
_BLOCK = re.compile(rb"^# >>> vibeusage >>>[ \t]*\r?\n(?:.*\n)*?# <<< vibeusage <<<[ \t]*(?:\r?\n|\Z)", re.M)
_NOTHING = (b"", b"{}")
_BLANK = re.compile(r"[\ufeff \t\r\n]*")

Put = Callable[[bytes], bytes]
Take = Callable[[bytes, bytes | None], bytes]


# --- a marked block in a text file


def put_block(data: bytes, lines: tuple[str, ...]) -> bytes:
    """`data` with our block at its end, or renewed where it stands.

    Always `\\n`: a shell takes the carriage return of a DOS line for a part of the command.
    """
    block = "".join(f"{line}\n" for line in (START, *lines, END)).encode()
    if take_block(data) != data:
        return _BLOCK.sub(lambda _: block, data)
    return data + (b"\n" if data and not data.endswith(b"\n") else b"") + block


def take_block(data: bytes) -> bytes:
    """`data` without our block; ConfigError if the two marks do not stand there once each, in order."""
    marks = [match[1] for match in _MARK.finditer(data)]
    if marks not in ([], [b">>>", b"<<<"]):
        raise ConfigError("its vibeusage block has damaged marks", hint="delete the block by hand first")
    return _BLOCK.sub(b"", data)


# --- one key of a JSON document; blank bytes count as an empty object


class _Member(NamedTuple):
    key: str
    start: int  # of the key
    value: int
    end: int  # of the value


class _Object(NamedTuple):
    open: int
    members: list[_Member]
    close: int


def find_member(data: bytes, path: tuple[str, ...]) -> str | None:
    """The text of the value at `path`, as it stands in the document."""
    text = _text(data)
    _, member, _ = _locate(text, path)
    return text[member.value : member.end] if member else None


def put_member(data: bytes, path: tuple[str, ...], value: object) -> bytes:
    """The document with `value` at `path`, last in its object if new, laid out as its surroundings are."""
    text = _text(data)
    place, member, depth = _locate(text, path)
    if member is not None:
        return put_text(data, path, _lay_out(text, value, _indent(text, member.start)))
    for key in reversed(path[depth + 1 :]):
        value = {key: value}
    return _insert(text, place, path[depth], value).encode()


def put_text(data: bytes, path: tuple[str, ...], raw: str) -> bytes:
    """The document with the value at `path`, which is there, replaced by the JSON text `raw`."""
    text = _text(data)
    _, member, _ = _locate(text, path)
    return (text[: member.value] + raw + text[member.end :]).encode() if member else data


def drop_member(data: bytes, path: tuple[str, ...]) -> bytes:
    """The document without the key at `path` and without its comma."""
    text = _text(data)
    place, member, _ = _locate(text, path)
    if member is None:
        return data
    at = place.members.index(member)
    if at:
        cut = slice(place.members[at - 1].end, member.end)
    elif len(place.members) > 1:
        cut = slice(member.start, place.members[1].start)
    else:
        cut = slice(place.open + 1, place.close)
    return (text[: cut.start] + text[cut.stop :]).encode()


def _text(data: bytes) -> str:
    """The document, byte-order mark and all; ConfigError unless it is one JSON object."""
    try:
        text = data.decode()
        if _BLANK.fullmatch(text):
            return "{}\n"
        value = _DECODER.decode(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as exc:
        fault = f"not valid JSON at line {exc.lineno}, column {exc.colno}: {exc.msg}"
        raise ConfigError(fault, hint="correct it there; JSON has no comments, no final commas") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"not valid JSON: {exc}", hint="correct the file and try again") from exc
    if not isinstance(value, dict):
        raise ConfigError("the document is not a JSON object", hint="it has to begin with { and end with }")
    return text


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _scan(text: str, at: int) -> _Object:
    """The members of the object whose brace is at `at`; the text has passed `_text`."""
    members, here = [], _skip(text, at + 1)
    while text[here] != "}":
        key, after = _DECODER.raw_decode(text, here)
        value = _skip(text, _skip(text, after) + 1)
        _, end = _DECODER.raw_decode(text, value)
        members.append(_Member(key, here, value, end))
        here = _skip(text, end)
        if text[here] == ",":
            here = _skip(text, here + 1)
    return _Object(at, members, here)


def _locate(text: str, path: tuple[str, ...]) -> tuple[_Object, _Member | None, int]:
    """The deepest object on `path`, the member at the path's end or None, and how many keys led there."""
    place = _scan(text, _skip(text, 0))
    for depth, key in enumerate(path):
        found = [member for member in place.members if member.key == key]
        if len(found) > 1:
            raise ConfigError(f'the key "{key}" is there {len(found)} times', hint="keep only one of them")
        if not found or depth == len(path) - 1:
            return place, found[0] if found else None, depth
        if text[found[0].value] != "{":
            raise ConfigError(f'the value of "{key}" is not an object', hint="correct it and try again")
        place = _scan(text, found[0].value)
    raise AssertionError("a path names at least one key")


def _insert(text: str, place: _Object, key: str, value: object) -> str:
    name = json.dumps(key, ensure_ascii=False) + _separators(text)[1]
    if not place.members:
        outer, unit = _line_indent(text, place.open), _unit(text)
        if unit is None:
            return text[: place.open + 1] + name + _lay_out(text, value, None) + text[place.close :]
        newline, inner = _newline(text), outer + unit
        member = newline + inner + name + _lay_out(text, value, inner) + newline + outer
        return text[: place.open + 1] + member + text[place.close :]
    last = place.members[-1]
    indent = _indent(text, last.start)
    gap = _separators(text)[0].removeprefix(",") if indent is None else _newline(text) + indent
    return text[: last.end] + "," + gap + name + _lay_out(text, value, indent) + text[last.end :]


def _lay_out(text: str, value: object, indent: str | None) -> str:
    """`value` as JSON: on one line if `indent` is None, else with the later lines at `indent`."""
    if indent is None:
        return json.dumps(value, ensure_ascii=False, separators=_separators(text))
    laid_out = json.dumps(value, ensure_ascii=False, indent=_unit(text) or "")
    return laid_out.replace("\n", _newline(text) + indent)


def _indent(text: str, at: int) -> str | None:
    """The blanks before `at` if it begins its line, else None."""
    before = text[:at]
    blanks = before[len(before.rstrip(" \t\r\n")) :]
    return blanks.rpartition("\n")[2] if "\n" in blanks else None


def _line_indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str | None:
    """One step of indentation: that of the first key, two blanks in an empty document, None on one line."""
    top = _scan(text, _skip(text, 0))
    return _indent(text, top.members[0].start) if top.members else "  "


def _separators(text: str) -> tuple[str, str]:
    top = _scan(text, _skip(text, 0))
    spaced = not top.members or text[top.members[0].value - 1] in " \t\n"
    return (", ", ": ") if spaced else (",", ":")


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


# --- the files themselves, and the way back


class Record(msgspec.Struct, frozen=True):
    """What we know about one file we changed; lies beside the bytes it had before."""

    file: str
    existed: bool
    original: str  # sha256 of the bytes before
    written: tuple[str, ...]  # sha256 of each version we wrote over that original
    folders: tuple[str, ...]  # made by us, deepest first
    installed_at: datetime
    schema: int = 1


def apply(target: str, path: Path, *, put: Put, take: Take, now: datetime) -> Record | None:
    """Put ours into the file; what is known of it now, or None if it was all there already."""
    file = _resolve(path)
    with _naming(file):
        current = _read(file)
        wanted = put(current or b"")
        if wanted == current:
            return None
        record, kept = _load(target, file)
        if record is None or kept is None or current is None or _sha(current) not in record.written:
            original = take(current or b"", kept)
            record = _first(record, file, current, original, now)
            files.write_private(backup(target, file), original)
        noted = msgspec.structs.replace(record, written=(*record.written, _sha(wanted)))
        files.write_private(_note(target, file), msgspec.json.encode(noted))
        try:
            _write(file, wanted)
        except (OSError, StorageError):
            if not record.written:
                _forget(target, file, record)
            raise
    return noted


def revert(target: str, path: Path, *, take: Take) -> str:
    """Take ours out of the file: `restored`, `removed` (it was not there before), `edited` or `absent`."""
    file = _resolve(path)
    record, original = _load(target, file)
    with _naming(file):
        current = _read(file)
        outcome, result = _undone(current, record, original, take)
        if outcome == "removed":
            file.unlink()
        elif outcome != "absent":
            _write(file, result)
        _forget(target, file, record)
    return outcome


def recorded(target: str) -> list[str]:
    """The files that hold something of ours for `target`."""
    notes = sorted((paths.data_dir() / "installs" / target).glob("*.json"))
    return [record.file for record in map(_decode, notes) if record]


def _first(old: Record | None, file: Path, current: bytes | None, original: bytes, now: datetime) -> Record:
    """The note for a new original; a file that held only ours stays one that was not there before."""
    ours_alone = old and not old.existed and current != original and original.strip() in _NOTHING
    missing = tuple(str(folder) for folder in file.parents if not folder.exists())
    return Record(
        file=str(file),
        existed=current is not None and not ours_alone,
        original=_sha(original),
        written=(),
        folders=old.folders if old and ours_alone else missing,
        installed_at=now,
    )


def _undone(current: bytes | None, record: Record | None, original: bytes | None, take: Take) -> tuple[str, bytes]:
    if current is None:
        return "absent", b""
    result = original if record and _sha(current) in record.written else None
    outcome = "restored"
    if result is None:
        result, outcome = take(current, original), "edited"
    if record and not record.existed and result != current and result.strip() in _NOTHING:
        return "removed", b""
    return ("absent" if result == current else outcome), result


def _resolve(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as exc:
        raise ConfigError(f"{path} cannot be followed: {exc}", hint="check the symbolic link") from exc


def _read(file: Path) -> bytes | None:
    if not file.exists():
        return None
    if not file.is_file():
        raise ConfigError("not a regular file", hint="name another one with --file")
    return file.read_bytes()


def _write(file: Path, data: bytes) -> None:
    """Replace the content; a file without any write bit is meant to stay as it is."""
    if file.exists() and not file.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise StorageError(f"{file} is read-only", hint=f"change what generates it, or run: chmod u+w {file}")
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write_through(file, data)


def _note(target: str, file: Path) -> Path:
    name = hashlib.sha256(os.fsencode(file)).hexdigest()[:16]
    return paths.data_dir() / "installs" / target / f"{name}.json"


def backup(target: str, file: Path) -> Path:
    """Where the bytes lie that the (resolved) file had before us."""
    return _note(target, file).with_suffix(".original")


def _load(target: str, file: Path) -> tuple[Record | None, bytes | None]:
    """The note and the original; None for one that is missing or damaged."""
    record = _decode(_note(target, file))
    original = files.read_regular(backup(target, file))
    whole = record is not None and original is not None and _sha(original) == record.original
    return record, original if whole else None


def _decode(note: Path) -> Record | None:
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(files.read_regular(note) or b"", type=Record)
    return None


def _forget(target: str, file: Path, record: Record | None) -> None:
    for path in (_note(target, file), backup(target, file)):
        path.unlink(missing_ok=True)
    for folder in (*(record.folders if record else ()), _note(target, file).parent):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


@contextlib.contextmanager
def _naming(file: Path) -> Generator[None]:
    """Name the file in what is wrong with it; errors of the system become ours."""
    try:
        yield
    except ConfigError as exc:
        raise ConfigError(f"{file}: {exc}", hint=exc.hint) from exc
    except OSError as exc:
        fault = f"{exc.filename or file} cannot be read or changed: {exc.strerror}"
        raise StorageError(fault, hint="check the rights of the file and of its folder") from exc


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
