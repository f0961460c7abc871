"""What usage.db knows of the folder of several machines: which parts of it are in the store, which files are ours.

Nothing here is a time: what is new is told by digests, and what is to be written by the numbers of calls that changed.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

DAY_MS = 86_400_000
_MARK = "INSERT OR REPLACE INTO sent (server, client, mark, url) VALUES (?, '', ?, '')"


class SharedFiles:
    def __init__(self, database: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._db = database
        self._transaction = transaction

    def parts(self) -> set[bytes]:
        """The digests of those that the store has."""
        with self._transaction():
            return {digest for (digest,) in self._db.execute("SELECT digest FROM shared_parts")}

    def add_parts(self, digests: Iterable[bytes]) -> None:
        with self._transaction():
            rows = [(digest,) for digest in digests]
            self._db.executemany("INSERT OR IGNORE INTO shared_parts VALUES (?)", rows)

    def drop_parts(self, digests: Iterable[bytes]) -> None:
        with self._transaction():
            self._db.executemany("DELETE FROM shared_parts WHERE digest = ?", [(digest,) for digest in digests])

    def files(self) -> dict[str, bytes]:
        """{name: digest} of our own, as they were written."""
        with self._transaction():
            return dict(self._db.execute("SELECT name, digest FROM shared_files"))

    def days(self, folder: str) -> list[int]:
        """Days since 1970 with own calls that changed after they were written to `folder`; at first all of them."""
        sql = "SELECT mark FROM sent WHERE server = ?"
        with self._transaction():
            mark = (self._db.execute(sql, (folder,)).fetchone() or (0,))[0]
            last = self._db.execute("SELECT COALESCE(MAX(id), 0) FROM usage_records").fetchone()[0]
            if last != mark:
                sql = f"""INSERT OR IGNORE INTO unshared_days SELECT DISTINCT timestamp / {DAY_MS} FROM usage_records
                    WHERE id > ? AND is_shared = 0"""  # noqa: S608
                self._db.execute(sql, (mark,))
                self._db.execute(_MARK, (folder, last))
            return [day for (day,) in self._db.execute("SELECT day FROM unshared_days ORDER BY day")]

    def wrote(self, name: str, digest: bytes | None, days: range, instead: Iterable[str]) -> None:
        """A file of ours tells of `days` as they stand (None: there is none), in the place of those `instead`."""
        gone = [(other,) for other in (*instead, name)]
        with self._transaction():
            self._db.executemany("DELETE FROM shared_files WHERE name = ?", gone)
            if digest:
                self._db.execute("INSERT INTO shared_files VALUES (?, ?)", (name, digest))
            self._db.execute("DELETE FROM unshared_days WHERE day >= ? AND day < ?", (days.start, days.stop))
