"""The journal: what came since the last checkpoint, and what was said of alerts, in one SQLite database.

This file owns what a crash may cost. Every step is one row and one commit, made before its messages are acknowledged;
SQLite in WAL mode with synchronous=NORMAL keeps a commit whatever happens to the process, and may lose the last ones
only when the power fails. No commit waits for the disk: what makes the database durable, `settle`, has a connection of
its own and may run in another thread.

A step of an alert is kept under its id and phase until the alert is over and the broker has confirmed it, so that none
is said twice because windows are judged again, and none is forgotten because the process died in between.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from monitor.core.reports import Report

AlertKey = tuple[str, str]  # id and phase

# How long a commit waits where somebody else, e.g. a backup, holds the database. The pipeline stands still meanwhile.
_BUSY_SECONDS = 0.25
_PAGE_BYTES = 16384  # records are long: fewer pages to walk when they are deleted
_KEPT_ASIDE = 2  # damaged databases that are kept, for whoever wants to look into them
_TABLES = """
CREATE TABLE IF NOT EXISTS journal (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS step (number INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alert (
  id TEXT, phase TEXT, topic TEXT NOT NULL, payload BLOB NOT NULL, step INTEGER NOT NULL, nth INTEGER NOT NULL,
  confirmed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, phase)
) WITHOUT ROWID;
"""


class JournalError(Exception):
    """The journal cannot be used now; the text says why."""


class DamagedError(JournalError):
    """The database is damaged: it has to be moved aside."""


class Journal:
    """One open database. Used by one thread, but for `settle`.

    id: names this database, so that a checkpoint knows which steps it is followed by. last: number of the last step.
    nbytes: what the records take.

    Raises (all methods):
        JournalError: the database cannot be read or written; nothing was changed.

    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.id = ""
        self.last = 0
        self.nbytes = 0
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the database; make it if there is none."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._database = _connect(self.file)
            self._database.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("PRAGMA wal_autocheckpoint=0")
            self._database.executescript(_TABLES)
            if self._database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise DamagedError("it fails its integrity check")
            self._database.execute(
                "INSERT INTO journal SELECT ? WHERE NOT EXISTS (SELECT 1 FROM journal)", (uuid.uuid4().hex,)
            )
            (self.id,) = self._database.execute("SELECT id FROM journal").fetchone()
            (self.nbytes,) = self._database.execute("SELECT ifnull(sum(length(record)), 0) FROM step").fetchone()
            (self.last,) = self._database.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence").fetchone()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise _explained(error) from error
        except JournalError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def append(
        self, record: bytes | None, said: Iterable[Report] = (), confirmed: Iterable[AlertKey] = ()
    ) -> set[AlertKey]:
        """Commit a step, what it says of alerts and what the broker confirmed. Returns what had been said before."""
        said, confirmed, known = list(said), list(confirmed), set()
        try:
            database = self._open_database()
            if not said and not confirmed:
                if record is not None:
                    self.last = database.execute("INSERT INTO step (record) VALUES (?)", (record,)).lastrowid or 0
            else:
                database.execute("BEGIN IMMEDIATE")
                last = self.last
                if record is not None:
                    last = database.execute("INSERT INTO step (record) VALUES (?)", (record,)).lastrowid or 0
                for nth, report in enumerate(said):
                    if report.alert is not None:
                        row = (*report.alert, report.topic, report.payload, last, nth)
                        new = database.execute("INSERT OR IGNORE INTO alert VALUES (?, ?, ?, ?, ?, ?, 0)", row).rowcount
                        known |= set() if new else {report.alert}
                database.executemany("UPDATE alert SET confirmed = 1 WHERE id = ? AND phase = ?", confirmed)
                database.execute("COMMIT")
                self.last = last
        except sqlite3.Error as error:
            self._roll_back()
            raise _explained(error) from error
        self.nbytes += len(record or b"")
        return known

    def steps(self, after: int) -> Iterator[bytes]:
        """The records of the steps after that number, in order."""
        try:
            for (record,) in self._open_database().execute("SELECT record FROM step WHERE number > ?", (after,)):
                yield record
        except sqlite3.Error as error:
            raise _explained(error) from error

    def unconfirmed(self) -> list[Report]:
        """What was said of alerts and the broker has not confirmed, in the order in which it was said."""
        return self._reports("WHERE NOT confirmed")

    def unresolved(self, but: set[str]) -> list[Report]:
        """The last that was said of each alert that is not over, except those of these ids."""
        over = "id IN (SELECT id FROM alert WHERE phase = 'resolved')"
        last = {report.alert[0]: report for report in self._reports(f"WHERE NOT {over}") if report.alert}
        return [report for alert, report in last.items() if alert not in but]

    def forget(self, through: int, open_alerts: set[str]) -> None:
        """A checkpoint holds all up to that step: forget it, and the alerts that were over by then and confirmed.

        Alerts that are neither open nor known to be over are forgotten, too: their end was said while the journal could
        not be written.
        """
        closed = {report.alert[0] for report in self.unresolved(open_alerts) if report.alert}
        over = "SELECT id FROM alert WHERE phase = 'resolved' AND confirmed AND step <= ?"
        try:
            database = self._open_database()
            database.execute("BEGIN IMMEDIATE")
            database.execute("DELETE FROM step WHERE number <= ?", (through,))
            database.execute(f"DELETE FROM alert WHERE id IN ({over})", (through,))  # noqa: S608 - our own text
            database.executemany("DELETE FROM alert WHERE id = ?", [(alert,) for alert in closed])
            database.execute("COMMIT")
            (self.nbytes,) = database.execute("SELECT ifnull(sum(length(record)), 0) FROM step").fetchone()
        except sqlite3.Error as error:
            self._roll_back()
            raise _explained(error) from error

    def settle(self) -> None:
        """Carry what was committed from the WAL into the database, and wait for the disk; for any thread."""
        try:
            with closing(_connect(self.file)) as database:
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            raise _explained(error) from error

    def move_aside(self) -> Path:
        """Give the database another name, so that a fresh one can be started; what it is called now."""
        self.close()
        aside = self.file.with_name(f"{self.file.name}.damaged-{time.time_ns() // 1_000_000}")
        try:
            for suffix in ("-wal", "-shm"):
                self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)
            self.file.replace(aside)
            older = sorted(self.file.parent.glob(f"{self.file.name}.damaged-*"))[:-_KEPT_ASIDE]
            for file in older:
                file.unlink()
        except OSError as error:
            raise _explained(error) from error
        return aside

    def _reports(self, where: str) -> list[Report]:
        try:
            rows = self._open_database().execute(
                f"SELECT id, phase, topic, payload FROM alert {where} ORDER BY step, nth"  # noqa: S608 - our own text
            )
            return [Report(topic, payload, retain=False, alert=(id_, phase)) for id_, phase, topic, payload in rows]
        except sqlite3.Error as error:
            raise _explained(error) from error

    def _open_database(self) -> sqlite3.Connection:
        if self._database is None:
            raise JournalError("it is not open")
        return self._database

    def _roll_back(self) -> None:
        if self._database is not None and self._database.in_transaction:
            self._database.rollback()


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _explained(error: OSError | sqlite3.Error) -> JournalError:
    if isinstance(error, OSError):
        return JournalError(f"{error.filename}: {error.strerror}")
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return DamagedError(str(error)) if damaged else JournalError(str(error))
