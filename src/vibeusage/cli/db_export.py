"""Write all records into one file, or to stdout, for `vibeusage db merge` on another machine."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

from vibeusage import files
from vibeusage.errors import ConfigError, StorageError
from vibeusage.records import exports, store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="where to; - is stdout")


def run(args: argparse.Namespace) -> int:
    if args.file != "-":
        _into(Path(args.file))
        return 0
    if sys.stdout.isatty():
        raise ConfigError("an export is nothing to read", hint="name a file, or pipe it: `vibeusage db export - >FILE`")
    _write(sys.stdout.buffer)
    return 0


def _write(stream: BinaryIO) -> None:
    with store.open(readonly=True) as known:
        for data in exports.whole(known.calls()):
            stream.write(data)


def _into(path: Path) -> None:
    """The whole of it, or what was there before; a pipe or a device takes it as it is."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder", hint=f"name a file in it, such as {path / 'desk.calls'}")
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            _write(stream)
        return
    if not _may_be_replaced(path):
        raise ConfigError(f"{path} is there, and is no export", hint="name another file")
    temporary = path.with_name(f"{path.name}{files.TEMP_MARK}{os.getpid()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as stream:
            _write(stream)
            stream.flush()
            os.fsync(fd)
        os.replace(temporary, path)
    except OSError as exc:
        hint = "check the free space and the rights of its folder"
        raise StorageError(f"{path} cannot be written: {exc.strerror}", hint=hint) from exc
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _may_be_replaced(path: Path) -> bool:
    """Nothing, an empty file, or an older export: never the database or somebody's letter."""
    try:
        with path.open("rb") as stream:
            head = stream.read(exports.HEAD_MOST)
    except FileNotFoundError:
        return True
    return not head or head.startswith((exports.CALLS, exports.END))
