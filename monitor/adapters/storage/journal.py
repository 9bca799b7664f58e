"""The journal: what came since the last checkpoint, and what was said of alerts, in one SQLite database.

This file owns what a crash may cost. Every step is one row and one commit, made before its messages are acknowledged;
SQLite in WAL mode with synchronous=NORMAL keeps a commit whatever happens to the process, and may lose the last ones
only when the power fails. No commit waits for the disk: what makes the database durable, `settle`, has a connection of
its own and may run in another thread.

A step of an alert is kept under its id and phase until the alert is over and delivered, so that none is said twice
because windows are judged again, and none is forgotten because the process died in between. With it is kept how far its
delivery is: under which packet identifier it goes, and whether the broker has received it.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import structlog

from monitor.core.outputs.reports import AlertKey, Report

log = structlog.get_logger()

# How long a commit waits where somebody else, e.g. a backup, holds the database. The pipeline stands still meanwhile.
_BUSY_SECONDS = 0.25
_PAGE_BYTES = 16384  # records are long: fewer pages to walk when they are deleted
_KEPT_ASIDE = 2  # damaged databases that are kept, for whoever wants to look into them
_TABLES = """
CREATE TABLE IF NOT EXISTS journal (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS step (number INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alert (
  id TEXT, phase TEXT, topic TEXT NOT NULL, payload BLOB NOT NULL, step INTEGER NOT NULL, nth INTEGER NOT NULL,
  packet_id INTEGER NOT NULL, received INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (id, phase)
) WITHOUT ROWID;
"""


class JournalError(Exception):
    """The journal cannot be used now; the text says why."""


class DamagedError(JournalError):
    """The database is damaged: it has to be moved aside."""


class PendingDelivery(NamedTuple):
    """A step of an alert that has to be delivered, and how far that is."""

    report: Report
    packet_id: int
    received: bool = False


class Journal:
    """One open database. Used by one thread, but for `settle`.

    id: names this database, so that a checkpoint knows which steps it is followed by. last: number of the last step.
    nbytes: what the records take. moved_aside: databases that were found damaged.

    Raises (all methods):
        JournalError: the database cannot be read or written; nothing was changed.

    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.id = ""
        self.last = 0
        self.nbytes = 0
        self.moved_aside = 0
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the database; make it if there is none, and replace it if it is damaged."""
        try:
            self._open()
        except DamagedError as error:
            self.replace(str(error))

    def replace(self, why: str) -> None:
        """Give the database another name, because it is damaged, and start a fresh one."""
        aside = self._move_aside()
        self.moved_aside += 1
        log.error("the journal is damaged; a fresh one was started", reason=why, moved_to=str(aside))
        self._open()

    def _open(self) -> None:
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
        self,
        record: bytes | None,
        said: Iterable[PendingDelivery] = (),
        received: Iterable[AlertKey] = (),
        delivered: Iterable[AlertKey] = (),
    ) -> set[AlertKey]:
        """Commit a step, what it says of alerts, and how far the delivery of others came.

        Returns those of `said` that had been said before: nothing is changed about them.
        """
        said, received, delivered, known = list(said), list(received), list(delivered), set()
        try:
            database = self._open_database()
            if not said and not received and not delivered:
                if record is not None:
                    self.last = database.execute("INSERT INTO step (record) VALUES (?)", (record,)).lastrowid or 0
            else:
                database.execute("BEGIN IMMEDIATE")
                last = self.last
                if record is not None:
                    last = database.execute("INSERT INTO step (record) VALUES (?)", (record,)).lastrowid or 0
                for nth, (report, packet_id, _) in enumerate(said):
                    if report.alert is not None:
                        row = (*report.alert, report.topic, report.payload, last, nth, packet_id)
                        new = database.execute("INSERT OR IGNORE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)", row)
                        known |= set() if new.rowcount else {report.alert}
                database.executemany("UPDATE alert SET received = 1 WHERE id = ? AND phase = ?", received)
                database.executemany("UPDATE alert SET delivered = 1 WHERE id = ? AND phase = ?", delivered)
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

    def undelivered(self) -> list[PendingDelivery]:
        """What was said of alerts and is not delivered, in the order in which it was said."""
        return self._pending("WHERE NOT delivered")

    def unresolved(self, but: set[str]) -> list[Report]:
        """The last that was said of each alert that is not over, except those of these ids."""
        over = "id IN (SELECT id FROM alert WHERE phase = 'resolved')"
        said = [pending.report for pending in self._pending(f"WHERE NOT {over}")]
        last = {report.alert[0]: report for report in said if report.alert}
        return [report for alert, report in last.items() if alert not in but]

    def forget(self, through: int, open_alerts: set[str]) -> None:
        """A checkpoint holds all up to that step: forget it, and the alerts that were over by then and delivered.

        Alerts that are neither open nor known to be over are forgotten, too: their end was said while the journal could
        not be written.
        """
        closed = {report.alert[0] for report in self.unresolved(open_alerts) if report.alert}
        over = "SELECT id FROM alert WHERE phase = 'resolved' AND delivered AND step <= ?"
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

    def _move_aside(self) -> Path:
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

    def _pending(self, where: str) -> list[PendingDelivery]:
        columns = "id, phase, topic, payload, packet_id, received"
        try:
            rows = self._open_database().execute(
                f"SELECT {columns} FROM alert {where} ORDER BY step, nth"  # noqa: S608 - our own text
            )
            return [
                PendingDelivery(Report(topic, payload, retain=False, alert=(id_, phase)), packet_id, bool(received))
                for id_, phase, topic, payload, packet_id, received in rows
            ]
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
