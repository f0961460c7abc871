"""What a reader is: where a tool keeps its logs, and how their content becomes calls.

A reader never writes, never keeps text of a conversation, and is given whole content only: lines that
end, documents, or one read transaction of a database.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

MOST_TOKENS = 1 << 53
FACTS = "facts"
MOST_WORD = 64
LONG = "long"  # a note of an aggregate: each of its prompts was longer than LONG_PROMPT
LONG_PROMPT = 200_000


class Misread(Exception):
    """A log that its reader does not understand, in words that quote nothing of it."""


class ReadLater(Exception):
    """A log that cannot be read now, for a reason that has nothing to do with it: told once, and tried again."""


class Call(msgspec.Struct, gc=False, kw_only=True):
    """One model call, or what a tool tells of several.

    `uuid` is its identity inside the provider, `ts` epoch milliseconds of its earliest line. Token counts are
    disjoint: `input` was neither read from nor written to a cache, `output` includes reasoning, `write_1h` is
    the part of `write` that lives an hour. `rank` 1 is a copy on a side chain: a lower rank replaces a higher
    one whole. `order` above 0 marks a running total: of two states the higher order replaces the other whole.
    `cost` is what the log states, in picodollars (1e-12 USD), None when it states none.
    `kind`: assistant, subagent, aggregate (a total of several calls), estimate, or `FACTS`: what a tool tells beside
    tokens, which is in no sum.
    `complete`: its end was seen; merged by "any", and a call that stays False has an output that is a lower bound.
    `notes`: approximate, disjoint, long; `data` is small and whitelisted, numbers and short words only.
    """

    uuid: str
    ts: int
    session: str = ""
    model: str = ""
    folder: str = ""
    branch: str = ""
    version: str = ""
    input: int = 0
    output: int = 0
    write: int = 0
    write_1h: int = 0
    read: int = 0
    rank: int = 0
    order: int = 0
    kind: str = "assistant"
    complete: bool = True
    served_by: str = ""
    speed: str = ""
    searches: int = 0
    cost: int | None = None
    notes: tuple[str, ...] = ()
    data: dict[str, Any] | None = None

    @property
    def prompt(self) -> int:
        """The tokens by which a price is chosen; of an aggregate's single prompts only that they are long is known."""
        if self.kind == "aggregate":
            return LONG_PROMPT + 1 if LONG in self.notes else 0
        return self.input + self.write + self.read


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where tools keep things on this machine; `roots` of the settings replace all of it."""

    environ: Mapping[str, str]
    home: Path
    platform: str  # of `sys.platform`

    def variable(self, name: str) -> list[Path]:
        """The folders that a variable names, comma separated; [] when it is not set or empty."""
        texts = [text.strip() for text in self.environ.get(name, "").split(",")]
        return [self._path(text) for text in texts if text]

    def data(self) -> Path:
        return self._xdg("XDG_DATA_HOME", ".local/share")

    def config(self) -> Path:
        return self._xdg("XDG_CONFIG_HOME", ".config")

    def support(self) -> Path:
        """Where an application of the desktop keeps its data."""
        return self.home / "Library" / "Application Support" if self.platform == "darwin" else self.config()

    def code_users(self) -> list[Path]:
        """The user folders of VS Code and its forks, also those of remote hosts."""
        apps = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf", "Trae", "Kiro", "Antigravity")
        servers = (".vscode-server", ".vscode-server-insiders", ".cursor-server", ".windsurf-server")
        here = [self.support() / app / "User" for app in apps]
        return here + [self.home / server / "data" / "User" for server in servers]

    def _xdg(self, name: str, usual: str) -> Path:
        path = Path(self.environ.get(name, ""))
        return path if path.is_absolute() else self.home / usual

    def _path(self, text: str) -> Path:
        return self.home / text[2:] if text == "~" or text.startswith("~/") else Path(text)


class Source:
    """One file while it is read. `skipped` counts what could not be used, by reason.

    `others` are the paths of all files of the provider. `awaits` is a part of the path of a file that is missing: this
    one is read anew when such a file comes.
    """

    __slots__ = ("awaits", "others", "path", "root", "skipped")

    def __init__(self, path: Path, root: Path, others: Collection[str] = ()) -> None:
        self.path = path
        self.root = root
        self.others = others
        self.skipped: dict[str, int] = {}
        self.awaits = ""

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


class Lines(msgspec.Struct, frozen=True):
    """A file that grows by lines. `read(block, source, state)`: `block` holds whole lines, each with its newline.

    `state` is what the reader left there when it read the lines before; it is stored with the file's offset
    (msgpack), and {} at the file's start.
    """

    read: Callable[[bytes, Source, dict[str, Any]], Iterable[Call]]


class Document(msgspec.Struct, frozen=True):
    """A file that is rewritten as a whole; read anew whenever it changes."""

    read: Callable[[bytes, Source], Iterable[Call]]


class Database(msgspec.Struct, frozen=True):
    """Another program's SQLite file. `read(connection, source, mark)` gives the calls since `mark` and the new mark.

    The connection is read only and inside one transaction; `mark` is {} at first.
    """

    read: Callable[[sqlite3.Connection, Source, dict[str, Any]], tuple[Iterable[Call], dict[str, Any]]]


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the provider of its records. `find` lists the files below one root; `parser` is raised whenever
    what `read` gives changes, so that everything that is still there is read again. `also` has the form of files
    with another suffix (".zst").
    """

    id: str
    name: str
    parser: int
    roots: Callable[[Places], list[Path]]
    find: Callable[[Path], Iterator[Path]]
    form: Lines | Document | Database
    also: dict[str, Lines | Document | Database] = {}
    prices: str = "calculate"  # or "auto": the log's own cost where it states one

    def form_of(self, path: str) -> Lines | Document | Database:
        return self.also.get(os.path.splitext(path)[1], self.form)
