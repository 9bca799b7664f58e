"""Forgetting: all that a history holds of a stream is deleted, so that its bytes are in no file any more.

A daemon that has the file open holds more of the stream in memory. So the one who forgets leaves a mark, which is made
of the stream's name and does not tell it; the daemon drops what it holds and takes the mark away.
"""

import hashlib
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from monitor.adapters.storage.database import explained
from monitor.adapters.storage.label_file import open_for_labels
from monitor.core.ports import StoreError

# of whom a daemon that runs has still to forget; a history of before may lack it
FORGOTTEN_TABLE = "CREATE TABLE IF NOT EXISTS forgotten (stream BLOB PRIMARY KEY) WITHOUT ROWID"

_PATIENCE_SECONDS = 10.0  # while others read, their view of the file keeps the log from being emptied
_PAUSE_SECONDS = 0.2


class Forgotten(NamedTuple):
    """What was deleted: rows of each kind, and files that were put aside as damaged."""

    stretches: int
    lines: int
    alerts: int
    labels: int
    damaged_files: int


def forget_stream(file: Path, stream: str) -> Forgotten:
    """Delete all that a history holds of a stream, in every model, its labels among it.

    Files that were put aside as damaged are deleted whole: what they hold cannot be told.

    Raises:
        NoHistoryError: there is none.
        StoreError: it cannot be done, or not be finished because somebody keeps reading.

    """
    with open_for_labels(file) as database:
        try:
            database.execute("PRAGMA secure_delete=ON")
            database.execute("BEGIN IMMEDIATE")
            database.execute(FORGOTTEN_TABLE)
            stretches, lines, alerts, labels = (
                database.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,)).rowcount  # noqa: S608 - names of our own
                for table in ("stretch", "line", "alert", "label")
            )
            database.execute("INSERT OR IGNORE INTO forgotten VALUES (?)", (mark_of(stream),))
            database.execute("COMMIT")
            database.executescript("PRAGMA incremental_vacuum")  # `execute` would take its first page alone
            aside = sorted(file.parent.glob(f"{file.name}.damaged-*"))
            for each in aside:
                each.unlink()
            _empty_log(database)
        except (OSError, sqlite3.Error) as error:
            raise explained(error) from error
    return Forgotten(stretches, lines, alerts, labels, len(aside))


def mark_of(stream: str) -> bytes:
    """What stands for a stream among those to be forgotten."""
    return hashlib.sha256(stream.encode()).digest()


def take_marks(database: sqlite3.Connection) -> set[bytes]:
    """Take the marks of all streams that are to be forgotten.

    Raises:
        sqlite3.Error: they cannot be read or taken away.

    """
    marks = {mark for (mark,) in database.execute("SELECT stream FROM forgotten")}
    if marks:
        database.executemany("DELETE FROM forgotten WHERE stream = ?", [(mark,) for mark in marks])
    return marks


def _empty_log(database: sqlite3.Connection) -> None:
    """Carry the log over and cut it off: until then it holds what the pages held before."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > give_up:
            raise StoreError(
                "it is deleted, but somebody keeps reading the history, so that its log still holds it; end that, "
                "and run the command again"
            )
        time.sleep(_PAUSE_SECONDS)
