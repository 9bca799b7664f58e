"""A database of SQLite that a process of another user may be writing, read without the right to write anything.

While the writer runs, its shared memory (`-shm`) tells a reader what its log (`-wal`) holds, and reading it is enough
(SQLite 3.22 on). A writer that ended properly leaves neither, and SQLite would have to make them. Then nobody writes,
and the database is read as a file that does not change, until there is a log again.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

_BUSY_SECONDS = 5.0


class ReadOnlyDatabase:
    """A connection that follows what the writer does. check: raises if the database is not what is looked for.

    Raises:
        sqlite3.Error: it cannot be read.

    """

    def __init__(self, path: Path, check: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._check = check
        self._at_rest = False
        self._database = self._connect()

    def connection(self) -> sqlite3.Connection:
        """The connection for the next question.

        Raises:
            sqlite3.Error: it cannot be read any more.

        """
        if self._at_rest and self._has_log():
            self._database.close()
            self._database = self._connect()
        return self._database

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _connect(self) -> sqlite3.Connection:
        try:
            self._at_rest = False
            return self._open("mode=ro")
        except sqlite3.OperationalError:
            if self._has_log():
                raise
            self._at_rest = True
            return self._open("mode=ro&immutable=1")

    def _open(self, how: str) -> sqlite3.Connection:
        where = f"{self._path.absolute().as_uri()}?{how}"
        database = sqlite3.connect(where, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            self._check(database)
        except BaseException:
            database.close()
            raise
        return database

    def _has_log(self) -> bool:
        return self._path.with_name(f"{self._path.name}-wal").exists()
