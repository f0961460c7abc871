"""A thread that reads what pages need, one thing at a time, so that no screen waits for a disk."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from vibeusage.dashboard.loading import Ask, Source
from vibeusage.dashboard.wishes import Failure
from vibeusage.errors import VibeusageError


class Done(NamedTuple):
    """`ask` is None after a job. `found` is a Failure for what is told, and an exception for what is a mistake."""

    ask: Ask | None
    found: object


class Loader(threading.Thread):
    """A daemon: whoever quits does not wait for it, and it only reads, or writes files as a whole."""

    def __init__(self, tell: Callable[[Done], None], clock: Callable[[], datetime], source: Source) -> None:
        super().__init__(daemon=True, name="dashboard-loader")
        self._clock, self._source = clock, source
        self._tell = tell
        self._jobs: deque[Callable[[], object]] = deque()
        self._asks: deque[Ask] = deque()
        self._changed = threading.Condition()

    def want(self, asks: Iterable[Ask]) -> None:
        """These now, in their order, instead of what was still wanted."""
        with self._changed:
            self._asks = deque(dict.fromkeys(asks))
            self._changed.notify()

    def do(self, job: Callable[[], object]) -> None:
        """Before all that is wanted; its result is told with no ask."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def run(self) -> None:
        while True:
            with self._changed:
                while not (self._jobs or self._asks):
                    self._changed.wait()
                ask, work = self._next()
            self._tell(Done(ask, _outcome(work)))

    def _next(self) -> tuple[Ask | None, Callable[[], object]]:
        if self._jobs:
            return None, self._jobs.popleft()
        ask = self._asks.popleft()
        return ask, lambda: self._source.load(ask, self._clock())


def _outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except VibeusageError as exc:
        return Failure(str(exc), exc.hint)
    except Exception as exc:  # a mistake of ours: the app ends with it, as a command does
        return exc
