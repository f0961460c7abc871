"""Passive observations: what an assistant's document says about quotas, kept in a table of its own.

The line writes no snapshot; it leaves the observation here and sets a new generation. A document is
one sample of one process: an idle session repeats old numbers, so only a changed signature is new.
"""

import os

from vibeusage import cachefiles, document, table
from vibeusage.escape import clean

TRIES = 3


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
    """`seen` with the instant at which its session first said so, when it only repeats itself."""
    account, rows, session, signature = seen
    known = _read(folder, account, now)
    if known and known.sessions.get(session, ("", 0))[0] == signature:
        first = known.sessions[session][1]
        rows = {name: (*row[:4], min(row[4], first), *row[5:]) for name, row in rows.items()}
    return account, rows, session, signature


def record(folder, seen, now):
    """Lay the observation over what is known of its account; nothing is written when nothing is new."""
    account, rows, session, signature = seen
    if not folder:
        return
    for _ in range(TRIES):
        known = _read(folder, account, now) or table.Table()
        if known.version not in ("", table.VERSION):
            return
        if known.sessions.get(session, ("", 0))[0] == signature:
            return
        periods = table.merge({account: dict(known.periods.get(account, {}))}, {account: rows}, now)
        sessions = {
            **known.sessions,
            session: (signature, max((row[4] for row in rows.values()), default=now)),
        }
        text = table.observation_text("statusline", periods, sessions)
        path = f"{folder}/observations/{account}"
        if not cachefiles.write_file(path, text.encode("utf-8", "replace"), sync=True):
            return
        # another session may have replaced the file between our read and our rename: look, lay over again
        if _read_text(folder, account) == text:
            break
    cachefiles.new_generation(folder)


def _read_text(folder, account):
    return cachefiles.read_file(f"{folder}/observations/{account}").decode("utf-8", "replace")


def _read(folder, account, now):
    return table.parse(_read_text(folder, account), table.OBSERVATION_MAGIC, now)
