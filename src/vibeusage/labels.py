"""Names as labels, for what is shown to others: the same on this machine each time, and not to be guessed.

`project-1a2b3c4d` stands for one project in every report; without this machine's key nobody can try out names.
"""

import hashlib
import secrets
import sys
from collections.abc import Callable

from vibeusage import files, paths
from vibeusage.errors import StorageError

KEY_FILE = "redact.key"
DIGITS = 8

Label = Callable[[str, str], str]  # (kind of name, name) -> what is shown of it; nothing of nothing


def stable() -> Label:
    key = _key()

    def label(kind: str, name: str) -> str:
        told = hashlib.blake2b(f"{kind}\0{name}".encode("utf-8", "replace"), key=key).hexdigest()
        return f"{kind}-{told[:DIGITS]}" if name else ""

    return label


def _key() -> bytes:
    path = paths.data_dir() / KEY_FILE
    known = files.read_private(path)
    if known and len(known) >= 32:
        return known[:64]
    key = secrets.token_bytes(32)
    try:
        files.write_private(path, key)
    except StorageError:
        print("vibeusage: these labels are for this once only: the data folder takes no file", file=sys.stderr)
    return key
