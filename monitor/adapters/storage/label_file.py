"""`history.sqlite` as a command opens it to add a label, beside the daemon that writes it or without one."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.adapters.storage.database import explained
from monitor.core.ports import StoreError
from monitor.readers.history_file import ForeignFileError, require_history
from monitor.settings.regular_file import require_regular, resolved_inside

_BUSY_SECONDS = 10.0  # the daemon holds the file for moments at a time


class NoHistoryError(StoreError):
    """There is no history where one was looked for."""


@contextmanager
def open_for_labels(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a history for labels; it is closed behind the block. What SQLite keeps beside it stays its owner's.

    Raises:
        NoHistoryError: there is none.
        StoreError: it is something else, or it cannot be read or written by this user. Also within the
            block, for errors of SQLite.

    """
    try:
        require_regular(resolved_inside(file.parent, file))
        if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
            raise StoreError(f"{file} can be written by its owner alone; run this as {_owner(file)}, or with sudo")
        database = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
        )
    except FileNotFoundError:
        raise NoHistoryError(f"{file}: there is no history; the daemon writes one where [history] is on") from None
    except (OSError, sqlite3.Error) as error:
        raise explained(error) from error
    try:
        require_history(database)
        yield database
    except (sqlite3.Error, ForeignFileError) as error:
        raise StoreError(f"{file}: {error}") from error
    finally:
        database.close()


def _owner(file: Path) -> str:
    try:
        return file.owner()
    except KeyError:  # a number without a name
        return f"user {file.stat().st_uid}"
