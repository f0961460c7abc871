"""Which machine this is: a number by which files in a shared folder are told apart, whatever it is called."""

import re
import secrets

from vibeusage import files, paths

FILE = "machine-id"


def id() -> str:
    """32 hexadecimal digits, made up once and kept in the data folder. Raises StorageError."""
    path = paths.data_dir() / FILE
    with files.lock(path.with_name(f"{FILE}.lock"), wait_s=5):
        known = (files.read_private(path, limit=100) or b"").decode("ascii", "replace").strip()
        if re.fullmatch("[0-9a-f]{32}", known):
            return known
        made = secrets.token_hex(16)
        files.write_private(path, f"{made}\n".encode())
    return made
