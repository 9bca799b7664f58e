"""The SQLite database of the history: its tables, and how it is opened, recognised and put aside when it is damaged.

SQLite in WAL mode, so that readers and the writer do not wait for one another. What is deleted is overwritten
(`secure_delete`), and pages that are free go back to the file system a few at a time (`auto_vacuum`).
"""

import os
import sqlite3
from pathlib import Path

from monitor.adapters.storage.database import connect, explained
from monitor.adapters.storage.history_forget import FORGOTTEN_TABLE
from monitor.adapters.storage.label_table import TABLE as LABEL_TABLE
from monitor.adapters.storage.private_files import make_private_folder, open_private, tighten
from monitor.core.ports import StoreError
from monitor.readers.history_file import APPLICATION_ID, VERSION, ForeignFileError, require_history
from monitor.settings.regular_file import require_regular, resolved_inside

# A person's command may hold the database for a moment, and nothing waits for the history.
_BUSY_MILLISECONDS = 5000
_WAL_BYTES = 4 * 2**20  # that the log may keep once it was carried over
_BESIDE = ("-wal", "-shm")
_TABLES = f"""
CREATE TABLE IF NOT EXISTS layout (
  model TEXT NOT NULL, version TEXT NOT NULL, channels TEXT NOT NULL, sample_period_seconds REAL NOT NULL,
  window_length INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (model, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stretch (
  id INTEGER PRIMARY KEY, model TEXT NOT NULL, stream TEXT NOT NULL, version TEXT NOT NULL,
  start_seconds REAL NOT NULL, end_seconds REAL NOT NULL, samples INTEGER NOT NULL, stratum TEXT NOT NULL,
  priority REAL NOT NULL, kept TEXT NOT NULL, nbytes INTEGER NOT NULL, content BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS stretch_by_time ON stretch (model, stream, start_seconds);
CREATE INDEX IF NOT EXISTS stretch_by_stratum ON stretch (model, stream, stratum, priority, kept, nbytes);
CREATE TABLE IF NOT EXISTS line (
  model TEXT NOT NULL, stream TEXT NOT NULL, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL,
  windows INTEGER NOT NULL, nbytes INTEGER NOT NULL, content BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS line_by_time ON line (model, stream, start_seconds, end_seconds, nbytes);
CREATE TABLE IF NOT EXISTS alert (
  id TEXT PRIMARY KEY, model TEXT NOT NULL, stream TEXT NOT NULL, from_seconds REAL NOT NULL, to_seconds REAL,
  fired INTEGER NOT NULL, peak REAL NOT NULL, end_reason TEXT, channels TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alert_by_time ON alert (model, stream, from_seconds);
{FORGOTTEN_TABLE};
{LABEL_TABLE}
PRAGMA application_id={APPLICATION_ID};
PRAGMA user_version={VERSION};
"""


def open_history(file: Path, ours: tuple[str, ...]) -> sqlite3.Connection:
    """Open the history for writing; make it, for our user alone, if there is none. ours: as for `make_private_folder`.

    Raises:
        StoreError: it cannot be opened, is something else, or a newer version wrote it.
        DamagedError: it is damaged.

    """
    try:
        make_private_folder(file.parent, ours)
        fresh = not os.path.lexists(file)
        if fresh:
            os.close(open_private(str(file), os.O_RDWR | os.O_CREAT | os.O_EXCL))
        else:
            require_regular(resolved_inside(file.parent, file))
            for each in (file, *(file.with_name(file.name + suffix) for suffix in _BESIDE)):
                tighten(each)
        database = connect(file)
    except (OSError, sqlite3.Error) as error:
        raise explained(error) from error
    try:
        _prepare(database)
    except sqlite3.Error as error:
        database.close()
        raise explained(error) from error
    except StoreError:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    database.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
    database.execute("PRAGMA secure_delete=ON")
    if database.execute("PRAGMA page_count").fetchone()[0] == 0:
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")  # before there is any table
    else:
        try:
            require_history(database)
        except ForeignFileError as error:
            raise StoreError(str(error)) from error
    # one transaction, and before the WAL: a process that dies in between leaves an empty file or a history
    database.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
