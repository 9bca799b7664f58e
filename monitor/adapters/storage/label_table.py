"""The table of labels in `history.sqlite`: plain functions on a connection, for the daemon and the commands alike.

Each function that writes is one short transaction of its own, unless the connection is in one. Rows are never deleted,
only withdrawn, so that what a refit was told can be looked up.
`monitor/readers/label_rows.py` reads them.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from monitor.core.history.label import MAX_LABELS, MAX_LABELS_PER_STREAM, MAX_OPEN_PER_STREAM, Label, LabelError
from monitor.readers.label_rows import LABEL_COLUMNS, label_of

# key: names the command that a label came by, so that the same command is kept once however often it is walked through
TABLE = """
CREATE TABLE IF NOT EXISTS label (
  id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, from_seconds REAL NOT NULL, to_seconds REAL,
  kind TEXT NOT NULL, who TEXT NOT NULL, at_seconds REAL NOT NULL, source TEXT NOT NULL, note TEXT NOT NULL,
  withdrawn_seconds REAL, key TEXT UNIQUE
);
CREATE INDEX IF NOT EXISTS label_of_stream ON label (stream, from_seconds);
"""
_SAME = "stream = ? AND kind = ? AND from_seconds = ? AND to_seconds IS ? AND withdrawn_seconds IS NULL"


class LabelLimitError(LabelError):
    """There are as many labels as there may be; the text says of what."""


def add_label(database: sqlite3.Connection, label: Label, key: str | None = None) -> Label:
    """Keep a label. Returns it with its id, or the one that says the same already.

    key: names the command that it came by; what came by it before, withdrawn or not, is returned in its place.

    Raises:
        LabelLimitError: there are as many as there may be.
        sqlite3.Error: it cannot be written.

    """
    to_seconds = None if label.is_open else label.to_seconds
    with _transaction(database):
        same = (label.stream, label.kind, label.from_seconds, to_seconds)
        before = _first(database, "key = ?", (key,)) or _first(database, _SAME, same)
        if before is not None:
            return before
        _refuse_beyond_limits(database, label)
        number = database.execute(
            "INSERT INTO label (stream, from_seconds, to_seconds, kind, who, at_seconds, source, note, key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(label.stream, label.from_seconds, to_seconds, label.kind),
                *(label.who, label.at_seconds, label.source, label.note, key),
            ),
        ).lastrowid
    return label.kept_as(int(number or 0))


def withdraw_label(database: sqlite3.Connection, number: int, at_seconds: float) -> Label | None:
    """Let a label count no more. Returns it as it is then; None where there is none of this id.

    at_seconds: epoch. One that was withdrawn before stays as it is.

    Raises:
        sqlite3.Error: it cannot be written.

    """
    with _transaction(database):
        database.execute(
            "UPDATE label SET withdrawn_seconds = ? WHERE id = ? AND withdrawn_seconds IS NULL", (at_seconds, number)
        )
        return _first(database, "id = ?", (number,))


def _refuse_beyond_limits(database: sqlite3.Connection, label: Label) -> None:
    counts = database.execute(
        "SELECT count(*), ifnull(sum(to_seconds IS NULL AND withdrawn_seconds IS NULL), 0) FROM label WHERE stream = ?",
        (label.stream,),
    ).fetchone()
    (everywhere,) = database.execute("SELECT count(*) FROM label").fetchone()
    if counts[0] >= MAX_LABELS_PER_STREAM:
        raise LabelLimitError(f"stream {label.stream} has {MAX_LABELS_PER_STREAM} labels, which is the most")
    if label.is_open and counts[1] >= MAX_OPEN_PER_STREAM:
        raise LabelLimitError(
            f"stream {label.stream} has {MAX_OPEN_PER_STREAM} labels without an end, which is the most:"
            " withdraw one, or give this one an end"
        )
    if everywhere >= MAX_LABELS:
        raise LabelLimitError(f"there are {MAX_LABELS} labels, which is the most")


def _first(database: sqlite3.Connection, where: str, given: tuple[Any, ...]) -> Label | None:
    row = database.execute(f"SELECT {LABEL_COLUMNS} FROM label WHERE {where}", given).fetchone()  # noqa: S608 - ours alone
    return None if row is None else label_of(row)


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction that holds the right to write from its beginning, so that limits cannot be passed by two."""
    if database.in_transaction:
        yield
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
