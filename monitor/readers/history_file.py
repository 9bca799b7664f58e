"""`history.sqlite`: where it lies, and how reader and writer recognise it."""

import sqlite3
from pathlib import Path

HISTORY_FILE = "history.sqlite"  # in the journal's folder
APPLICATION_ID = 0x52534448  # `RSDH`
VERSION = 1

# Where the unit of systemd keeps it; a command that a person runs is not told of the unit's state directory.
UNIT_HISTORY = Path("/var/lib/residuald/journal") / HISTORY_FILE


class ForeignFileError(ValueError):
    """The database is no history that this program can use; the text says why."""


def require_history(database: sqlite3.Connection) -> None:
    """Hold a database to be a history of the version that is read here.

    Raises:
        ForeignFileError: it is something else, or a newer residuald wrote it.
        sqlite3.Error: it cannot be read.

    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise ForeignFileError("it is no history of residuald")
    if version > VERSION:
        raise ForeignFileError(
            f"it is of version {version}, which a newer residuald wrote; this one reads version {VERSION}"
        )


def history_beside(journal_folder: Path) -> Path:
    """Where the history of a daemon lies whose journal lies in this folder."""
    return journal_folder / HISTORY_FILE
