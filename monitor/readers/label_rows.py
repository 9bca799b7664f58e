"""Labels out of the table `label` of `history.sqlite`, for whoever has it open."""

import math
import sqlite3
from typing import Any

from monitor.core.history.label import OPEN, Label

LABEL_COLUMNS = "id, stream, from_seconds, to_seconds, kind, who, at_seconds, source, note, withdrawn_seconds"


def read_labels(
    database: sqlite3.Connection,
    stream: str | None = None,
    since: float = -math.inf,
    until: float = math.inf,
    *,
    withdrawn: bool = False,
) -> list[Label]:
    """The labels that say something about an interval (epoch seconds), in the order of their beginnings.

    stream: None: of all. withdrawn: whether those that count no more are among them.

    Raises:
        LabelError: a row is no label.
        sqlite3.Error: it cannot be read.

    """
    where = "from_seconds < ? AND (to_seconds IS NULL OR to_seconds > ?)"
    given: tuple[Any, ...] = (until, since)
    if stream is not None:
        where, given = f"{where} AND stream = ?", (*given, stream)
    if not withdrawn:
        where += " AND withdrawn_seconds IS NULL"
    rows = database.execute(f"SELECT {LABEL_COLUMNS} FROM label WHERE {where} ORDER BY from_seconds, id", given)  # noqa: S608
    return [label_of(row) for row in rows]


def label_of(row: tuple[Any, ...]) -> Label:
    """The label of a row of `LABEL_COLUMNS`.

    Raises:
        LabelError: it is no label.

    """
    number, stream, from_seconds, to_seconds, kind, who, at_seconds, source, note, withdrawn_seconds = row
    end = OPEN if to_seconds is None else to_seconds
    return Label(stream, from_seconds, end, kind, who, at_seconds, source, note, number, withdrawn_seconds)
