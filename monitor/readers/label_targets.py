"""What labels are about: the streams and alerts that a history knows, looked up by whoever has it open."""

import sqlite3

from monitor.core.history.label import OPEN, LabelError
from monitor.core.history.labelled_alert import LEAST_OF_ID, LabelledAlert


class UnknownAlertError(LabelError):
    """No alert, or more than one, has this id; the text says so."""


def find_alert(database: sqlite3.Connection, id_or_beginning: str) -> LabelledAlert:
    """Find an alert by its id, or by the first characters of it.

    Raises:
        UnknownAlertError: there is none, or several.
        sqlite3.Error: it cannot be read.

    """
    if len(id_or_beginning) < LEAST_OF_ID or not id_or_beginning.replace("-", "").isalnum():
        raise UnknownAlertError(f"no id of an alert: give {LEAST_OF_ID} characters of it at least")
    rows = database.execute(
        "SELECT id, stream, from_seconds, to_seconds FROM alert WHERE id >= ? AND id < ? ORDER BY id LIMIT 2",
        (id_or_beginning, id_or_beginning + "~"),
    ).fetchall()
    if not rows:
        raise UnknownAlertError(
            f"the history has no alert {id_or_beginning} (a new one is in it within half a minute);"
            " name the stream and the interval instead"
        )
    if len(rows) > 1 and rows[0][0] != id_or_beginning:
        raise UnknownAlertError(f"several alerts begin with {id_or_beginning}: give more of the id")
    number, stream, from_seconds, to_seconds = rows[0]
    return LabelledAlert(number, stream, from_seconds, OPEN if to_seconds is None else to_seconds)


def models_of_stream(database: sqlite3.Connection, stream: str) -> list[str]:
    """The models that have judged a stream, as far as the history goes back; none: it is not known.

    Raises:
        sqlite3.Error: it cannot be read.

    """
    question = " UNION ".join(f"SELECT DISTINCT model FROM {table} WHERE stream = ?1" for table in _TABLES)  # noqa: S608
    return sorted(model for (model,) in database.execute(question, (stream,)))


def stream_names(database: sqlite3.Connection) -> list[str]:
    """The names of all streams that the history has anything of.

    Raises:
        sqlite3.Error: it cannot be read.

    """
    question = " UNION ".join(f"SELECT DISTINCT stream FROM {table}" for table in _TABLES)  # noqa: S608
    return sorted(stream for (stream,) in database.execute(question))


_TABLES = ("line", "stretch", "alert")
