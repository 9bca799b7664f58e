"""The file of the history: open and closed, put aside when it is damaged, and who takes up how much of it.

What is written stands in one transaction until it is committed. What an error leaves undone is rolled back, and the
tallies follow what is committed, by whichever process.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import structlog

from monitor.adapters.storage.database import OURS, explained, move_aside
from monitor.adapters.storage.history_bound import IS_EXEMPT, is_full
from monitor.adapters.storage.history_database import open_history
from monitor.core.history.shares import Shares, StreamKey
from monitor.core.ports import DamagedError, StoreError

log = structlog.get_logger()

_Result = TypeVar("_Result")
_ASIDE_KEPT = 1  # a damaged history may be as large as a whole one


class HistoryFile:
    """`history.sqlite`, for one thread that writes it.

    max_bytes: the bound of the file. shares: who takes up how much. moved_aside: damaged files that were replaced.
    """

    def __init__(self, file: Path, max_bytes: int) -> None:
        self.file = file
        self.max_bytes = max_bytes
        self.shares = Shares()
        self.moved_aside = 0
        self._layouts: set[tuple[str, str]] = set()
        self._others = 0  # SQLite's count of what other connections have changed, when the tallies were made
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, or make it. A damaged one is put aside.

        Raises:
            StoreError: it cannot be opened, is something else, or a newer version wrote it.

        """
        try:
            self._open()
        except DamagedError as error:
            self.replace(str(error))

    def replace(self, why: str) -> None:
        """Put a damaged file aside and begin a fresh one.

        Raises:
            StoreError: that cannot be done.

        """
        self.close()
        aside = move_aside(self.file, _ASIDE_KEPT)
        self.moved_aside += 1
        log.error("the history is damaged; a fresh one was started", reason=why, moved_to=str(aside))
        self._open()

    def _open(self) -> None:
        self._database = open_history(self.file, OURS)
        with self._explaining() as database:
            self._layouts = set(database.execute("SELECT model, version FROM layout"))
            self._count(database)

    def close(self) -> None:
        """Let the file go; what was put since the last `flush` is lost."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    @property
    def is_open(self) -> bool:
        """Whether it can be written."""
        return self._database is not None

    def run(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Let somebody else read or write tables that are not ours, outside of a transaction.

        Raises:
            StoreError: that cannot be done.

        """
        with self._explaining() as database:
            return work(database)

    def look_again(self) -> bool:
        """Count anew where another process has changed the file (a label, `forget`); whether one has.

        Raises:
            StoreError: it cannot be read.

        """
        with self._explaining() as database:
            (others,) = database.execute("PRAGMA data_version").fetchone()
            changed = others != self._others
            if changed:
                self._count(database)
            return bool(changed)

    def _count(self, database: sqlite3.Connection) -> None:
        """Make the tallies from what the file holds."""
        shares = Shares()
        question = (
            "SELECT model, stream, stratum, "  # noqa: S608 - no part comes from outside
            f"{IS_EXEMPT}, sum(nbytes), count(*), min(priority) FROM stretch GROUP BY 1, 2, 3, 4"
        )
        full = is_full(database, self.max_bytes)
        for model, stream, stratum, exempt, nbytes, count, priority in database.execute(question):
            key = StreamKey(model, stream)
            shares.add(key, stratum, nbytes, exempt=bool(exempt), stretches=count)
            if full and not exempt:  # what is left of a stratum that was cut down
                shares.raise_bar(key, stratum, priority)
        for model, stream, nbytes in database.execute("SELECT model, stream, sum(nbytes) FROM line GROUP BY 1, 2"):
            shares.add_line(StreamKey(model, stream), nbytes)
        (self._others,) = database.execute("PRAGMA data_version").fetchone()
        self.shares = shares

    # --- SQLite

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._explaining() as database:
            if not database.in_transaction:
                database.execute("BEGIN IMMEDIATE")
            yield database

    @contextmanager
    def _explaining(self) -> Iterator[sqlite3.Connection]:
        if self._database is None:
            raise StoreError("it is not open")
        try:
            yield self._database
        except sqlite3.Error as error:
            self._roll_back(self._database)
            raise explained(error) from error

    def _roll_back(self, database: sqlite3.Connection) -> None:
        try:
            if database.in_transaction:
                database.execute("ROLLBACK")
            self._layouts = set(database.execute("SELECT model, version FROM layout"))
            self._count(database)
        except sqlite3.Error:  # the disk is gone: the tallies are made anew when it is opened again
            log.debug("the tallies of the history cannot be made")
