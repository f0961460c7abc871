"""Where Cline and its forks keep tasks and sessions, and the small files beside them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from vibeusage.records.readers.jsonl import decoded
from vibeusage.records.readers.spec import Places, Source

T = TypeVar("T")
_MARKS = b"\xef\xbb\xbf\0 \t\r\n"


def beside(path: Path, decoder: msgspec.json.Decoder[T], source: Source) -> T | None:
    """A file that helps to understand the one that is read; what is wrong with it is no matter of that one."""
    body = file_bytes(path)
    return decoded(body, decoder, Source(path, source.root)) if body else None


def file_bytes(path: Path) -> bytes:
    """b"" where there is nothing to read."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""


def listed(body: bytes, decoder: msgspec.json.Decoder[list[T]], source: Source) -> list[T]:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        try:
            return decoder.decode(body.lstrip(_MARKS).decode(errors="replace"))
        except msgspec.MsgspecError:
            source.skip("not JSON")
            return []


def extension(name: str, setting: str = "") -> Callable[[Places], list[Path]]:
    """The tasks of an extension in every editor, or where the editor's settings have moved them."""

    def roots(places: Places) -> list[Path]:
        return [_storage(user, name, setting) / "tasks" for user in places.code_users()]

    return roots


def _storage(user: Path, name: str, setting: str) -> Path:
    pattern = rf'"{re.escape(setting)}"\s*:\s*("(?:[^"\\]|\\.)+")'
    found = re.search(pattern.encode(), file_bytes(user / "settings.json")) if setting else None
    try:
        return Path(msgspec.json.decode(found[1], type=str)) if found else user / "globalStorage" / name
    except msgspec.MsgspecError:
        return user / "globalStorage" / name


def _cline_data(places: Places) -> list[Path]:
    home = [path / "data" for path in places.variable("CLINE_DIR") or [places.home / ".cline"]]
    return places.variable("CLINE_DATA_DIR") or home


def cline(places: Places) -> list[Path]:
    data = _cline_data(places)
    sessions = places.variable("CLINE_SESSION_DATA_DIR") or [path / "sessions" for path in data]
    return [*extension("saoudrizwan.claude-dev")(places), *(path / "tasks" for path in data), *sessions]


def bob(places: Places) -> list[Path]:
    apps = [places.support() / app / "User" for app in ("IBM Bob", "Bob-IDE")]
    return [user / "globalStorage" / "ibm.bob-code" / "tasks" for user in apps]


def tasks(root: Path) -> Iterator[Path]:
    return (path for path in root.glob("*/ui_messages.json") if path.is_file())


def tasks_and_sessions(root: Path) -> Iterator[Path]:
    yield from tasks(root)
    for folder in root.glob("*/"):
        told = [path for path in folder.glob("*.messages.json") if path.is_file()]
        alone = folder / f"{folder.name}.json"
        yield from told or ([alone] if alone.is_file() else [])
