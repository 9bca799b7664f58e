"""The SQLite database of the journal: how it is opened, recognised, migrated, and put aside when it is damaged.

SQLite in WAL mode with synchronous=NORMAL keeps a commit whatever happens to the process, and may lose the last ones
only when the power fails. `PRAGMA user_version` is the version of the layout. Version 0 is what commit ada64b2 wrote;
version 1 had no table of retained states.

Steps are numbered by the store, not by AUTOINCREMENT: that writes a second page with every commit.
"""

import json
import os
import sqlite3
import struct
import time
import uuid
from pathlib import Path

from monitor.adapters.storage.private_files import make_private_folder, open_private, tighten
from monitor.core.ports import DamagedError, StoreError
from monitor.settings.regular_file import require_regular, resolved_inside

VERSION = 2

# How long a commit waits where somebody else, e.g. a backup, holds the database. The pipeline stands still meanwhile.
_BUSY_SECONDS = 0.25
_PAGE_BYTES = 16384  # records are long: fewer pages to walk when they are deleted
_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside the database
# how the names begin of all that the folder holds; client id and history are ours, too, and not of the journal
OURS = ("journal.sqlite", "checkpoint", "client_id", "history.sqlite")
_KEPT_ASIDE = 2  # damaged databases that are kept, for whoever wants to look into them
_TABLES = """
CREATE TABLE IF NOT EXISTS journal (id TEXT NOT NULL, last INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS step (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
  sink TEXT, alert TEXT, step INTEGER, topic TEXT NOT NULL, payload BLOB NOT NULL, progress BLOB NOT NULL,
  ends INTEGER NOT NULL, done INTEGER NOT NULL, at INTEGER NOT NULL, turn INTEGER NOT NULL, seconds REAL NOT NULL,
  PRIMARY KEY (sink, alert, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS retained (sink TEXT, place TEXT, PRIMARY KEY (sink, place)) WITHOUT ROWID;
"""


def open_database(file: Path) -> sqlite3.Connection:
    """Open the database, make it if there is none, and migrate it if it is of an older version.

    Raises:
        StoreError: it cannot be opened, or a newer version wrote it.
        DamagedError: it is damaged.

    """
    try:
        _make_private(file)
        database = connect(file)
    except (OSError, sqlite3.Error) as error:
        raise explained(error) from error
    try:
        _prepare(database)
    except sqlite3.Error as error:
        database.close()
        raise explained(error) from error
    except (StoreError, ValueError, KeyError, TypeError) as error:
        database.close()
        raise error if isinstance(error, StoreError) else DamagedError(f"it cannot be migrated: {error}") from error
    return database


def _make_private(file: Path) -> None:
    """Make folder and database ours alone. SQLite gives its other files the rights of the database."""
    make_private_folder(file.parent, OURS)
    if os.path.lexists(file):
        # not opened: whoever closes a database gives up the locks of all who have it open in this process
        require_regular(resolved_inside(file.parent, file))
        for each in (file, *(file.with_name(file.name + suffix) for suffix in _BESIDE)):
            tighten(each)
    else:
        os.close(open_private(str(file), os.O_RDWR | os.O_CREAT | os.O_EXCL))


def _prepare(database: sqlite3.Connection) -> None:
    database.execute(f"PRAGMA page_size={_PAGE_BYTES}")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("PRAGMA wal_autocheckpoint=0")
    if database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise DamagedError("it fails its integrity check")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StoreError(f"it is of version {version}, which a newer residuald wrote; this one reads version {VERSION}")
    if version == VERSION:
        return  # nothing is written: what lies on a full disk must still be read
    database.executescript(_TABLES)
    database.execute("BEGIN IMMEDIATE")
    _migrate_numbers(database)
    database.execute("INSERT INTO journal (id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM journal)", (uuid.uuid4().hex,))
    if version == 0:
        _migrate_alerts(database)
    database.execute(f"PRAGMA user_version={VERSION}")
    database.execute("COMMIT")


def _migrate_numbers(database: sqlite3.Connection) -> None:
    """Take over the steps of versions 0 and 1, which SQLite numbered; the last number goes into `journal`."""
    if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone() is None:
        return
    database.execute("ALTER TABLE journal ADD COLUMN last INTEGER NOT NULL DEFAULT 0")
    database.execute("UPDATE journal SET last = ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'step'), 0)")
    database.execute("ALTER TABLE step RENAME TO numbered_step")
    database.execute("CREATE TABLE step (number INTEGER PRIMARY KEY, record BLOB NOT NULL)")
    database.execute("INSERT INTO step SELECT number, record FROM numbered_step")
    database.execute("DROP TABLE numbered_step")


def _migrate_alerts(database: sqlite3.Connection) -> None:
    """Take over the steps of alerts that commit ada64b2 kept: one row for each phase, all of them for the broker."""
    if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'alert'").fetchone() is None:
        return
    rows = database.execute("SELECT * FROM alert ORDER BY step, nth").fetchall()
    for turn, (alert, phase, topic, payload, at, _nth, exchange, received, delivered) in enumerate(rows, 1):
        number = {"pending": 0, "firing": 1, "resolved": 2 if json.loads(payload)["fired"] else 1}[phase]
        progress = struct.pack(">HB", exchange, received)
        row = ("mqtt", alert, number, topic, payload, progress, phase == "resolved", delivered, at, turn, time.time())
        database.execute("INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    database.execute("DROP TABLE alert")


def connect(file: Path) -> sqlite3.Connection:
    """Connect to the database, whatever lies there.

    Raises:
        sqlite3.Error: it cannot be opened.

    """
    return sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def move_aside(file: Path, kept: int = _KEPT_ASIDE) -> Path:
    """Give a damaged database another name, which is returned; `kept` of those put aside stay.

    Raises:
        StoreError: it cannot be moved.

    """
    aside = file.with_name(f"{file.name}.damaged-{time.time_ns() // 1_000_000}")
    try:
        for suffix in _BESIDE:
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        file.replace(aside)
        for older in sorted(file.parent.glob(f"{file.name}.damaged-*"))[:-kept]:
            older.unlink()
    except OSError as error:
        raise explained(error) from error
    return aside


def explained(error: OSError | sqlite3.Error) -> StoreError:
    """The StoreError for an error of the system or of SQLite; a DamagedError where the database is damaged."""
    if isinstance(error, OSError):
        return StoreError(f"{error.filename}: {error.strerror}")
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return DamagedError(str(error)) if damaged else StoreError(str(error))
