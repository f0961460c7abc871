"""The refresher beside a page that is looked at: started when it is due, or by a key; nobody waits for it."""

import os
import sys

from vibeusage import paths, view

EVERY_S = 60
NAMES = {0: "asked", 2: "a login is missing or refused", 3: "no answer", 5: "some providers could not be asked"}
FAILED = "asking has failed: `vibeusage doctor` tells why"


class Refresher:
    """At most one that was due and one that was asked for; the engine's own lock keeps them apart."""

    def __init__(self) -> None:
        self._due = self._asked = 0  # process ids
        self._tried_at = 0.0

    def start_if_due(self, now: float) -> None:
        """As the line does it: at most once a minute, and whoever is at work already is left to it."""
        if self._due and _status(self._due) is None:
            return
        self._due = 0
        if now - self._tried_at < EVERY_S:
            return
        _, known = view.read(str(paths.cache_dir()), int(now))
        if known is None or now >= known.refresh_due_at:
            self._tried_at = now
            self._due = _started("--if-due")

    def start(self) -> bool:
        """Ask all of them now; False while that is going on."""
        if self._asked:
            return False
        self._asked = _started()
        return True

    def ended(self) -> str:
        """What came of the one that a key has started; "" while it runs, and once it was told."""
        code = _status(self._asked) if self._asked else None
        if code is None:
            return ""
        self._asked = 0
        return NAMES.get(code, FAILED)


def _started(*options: str) -> int:
    """Detached from the terminal, so that Ctrl-C here does not end it."""
    argv = [sys.executable, "-P", "-m", "vibeusage", "refresh", "--quiet", *options]
    actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    return os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions, setsid=True)


def _status(pid: int) -> int | None:
    """The exit code, None while it runs."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if done else None
