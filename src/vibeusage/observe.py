"""Passive observations: what an assistant's document says about quotas, kept in a table of its own.

The line writes no snapshot; it leaves the observation here and sets a new generation. A document is
one sample of one process: an idle session repeats old numbers, so only a changed signature is new.
"""

import os
import time

from vibeusage import cachefiles, document, table
from vibeusage.escape import clean

TRIES = 3
NOTE_MARK = "+"
NOTE_S = 60


def claude_account(environ):
    """`claude` for the default folder of Claude Code, `claude@NAME-HASH` for another one."""
    override = environ.get("CLAUDE_CONFIG_DIR")
    if not override:
        return "claude"
    real = os.path.realpath(os.path.expanduser(override))
    if real == os.path.realpath(os.path.expanduser("~/.claude")):
        return "claude"
    from binascii import crc32

    name = "".join([c for c in os.path.basename(real) if (c.isascii() and c.isalnum()) or c in "-_"])[:24]
    return f"claude@{name}{'-' * bool(name)}{crc32(os.fsencode(real)):08x}"


def observation(found, environ, now):
    """`(account, rows, session, signature)` of a document, or None when it names no quota."""
    provider, rows = document.limits(found, now)
    if not rows:
        return None
    account = claude_account(environ) if provider == "claude" else provider
    rows = {name: table.checked(row, now) for name, row in rows.items()}
    session = clean(str(document.at(found, "session_id") or document.at(found, "conversation_id") or "-"), 64)
    return account, rows, session, document.signature(found)


def known_since(folder, seen, now):
    """`seen` with the instant at which its session first said so, when it only repeats itself.

    A session without a reply of its own repeats the one before `/clear`: whoever said the same limits last.
    """
    account, rows, session, signature = seen
    known = _read(folder, account, now)
    said = [known.sessions[session]] if session in known.sessions else []
    if not said and max([row[4] for row in rows.values()]) < now:
        limits = signature.partition(",")[2]
        said = [(signature, at) for other, at in known.sessions.values() if other.partition(",")[2] == limits]
    if first := max([at for other, at in said if other == signature], default=0):
        rows = {name: (*row[:4], min(row[4], first), *row[5:]) for name, row in rows.items()}
    return account, rows, session, signature


def record(folder, seen, now):
    """Lay the observation over what is known of its account; nothing is written when nothing is new.

    Sessions do so at the same time and without a lock. Each leaves a note of its own first, which every reader
    lays over too, so a table that was replaced from older knowledge loses nothing.
    """
    account, rows, session, signature = seen
    if not folder:
        return
    known = _read(folder, account, now)
    if known.version != table.VERSION or known.sessions.get(session, ("", 0))[0] == signature:
        return
    mine = {session: (signature, max((row[4] for row in rows.values()), default=now))}
    path = f"{folder}/observations/{account}"
    note = f"{path}{NOTE_MARK}{os.getpid():x}-{time.monotonic_ns():x}"
    stored = cachefiles.write_file(note, _encoded({account: rows}, mine))
    for _ in range(TRIES):
        past = _past(folder, account, now)
        known = _read(folder, account, now)
        periods = table.merge(known.periods, {account: rows}, now)
        data = _encoded({account: periods[account]}, {**known.sessions, **mine})
        if not cachefiles.write_file(path, data, sync=True):
            break
        stored = True
        if cachefiles.read_file(path) == data:
            _remove(past)
            break
    if stored:
        cachefiles.new_generation(folder)


def _read(folder, account, now):
    """What table and notes of an account say together; of a table by a newer version only that version."""
    known = table.Table()
    known.version = table.VERSION
    for name in cachefiles.observations(folder):
        if name.partition(NOTE_MARK)[0] != account:
            continue
        text = cachefiles.read_file(f"{folder}/observations/{name}").decode("utf-8", "replace")
        seen = table.parse(text, table.OBSERVATION_MAGIC, now)
        if seen and seen.version != table.VERSION:
            return seen
        if seen:
            table.merge(known.periods, seen.periods, now)
            for session, said in seen.sessions.items():
                if said[1] >= known.sessions.get(session, ("", 0))[1]:
                    known.sessions[session] = said
    return known


def sessions(folder, account, now):
    """{session: (signature, instant)}: which session said what last, and since when."""
    return _read(str(folder), account, now).sessions


def _past(folder, account, now):
    """The notes of an account that are older than any line that may not know them yet."""
    old = []
    for name in cachefiles.observations(folder):
        path = f"{folder}/observations/{name}"
        try:
            if name.startswith(account + NOTE_MARK) and os.lstat(path).st_mtime < now - NOTE_S:
                old.append(path)
        except OSError:
            continue
    return old


def _remove(paths):
    for path in paths:
        try:
            os.unlink(path)
        except OSError:
            continue


def _encoded(periods, sessions):
    return table.observation_text("statusline", periods, sessions).encode("utf-8", "replace")
