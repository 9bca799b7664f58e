"""The store on a disk: journal and outbox in one SQLite database, and the checkpoint in a file beside it.

This file owns what a crash may cost. Every step is one row and one commit, made before its messages are acknowledged
and before its alerts are delivered. No commit waits for the disk: what makes the database durable, `settle`, has a
connection of its own and may run in another thread.

A step of an alert is kept under its sink, alert and number until the alert is over and delivered, so that none is
delivered twice because windows are judged again, and none is forgotten because the process died in between.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import structlog

from monitor.adapters.storage.checkpoint import read_checkpoint, write_checkpoint
from monitor.adapters.storage.database import connect, explained, move_aside, open_database
from monitor.core.ports import DamagedError, Delivery, OutboxRow, Progress, StepKey, StoreError
from monitor.core.values.snapshots import State

log = structlog.get_logger()


class DiskStore:
    """The store of one daemon in one folder; see `monitor.core.ports.Store`.

    Used by one thread, but for `settle` and `write_checkpoint`.
    """

    def __init__(self, folder: Path) -> None:
        self.id = ""
        self.last = 0
        self.nbytes = 0
        self.moved_aside = 0
        self._file = folder / "journal.sqlite"
        self._checkpoint = folder / "checkpoint"
        self._turn = 0  # of the last delivery: they are delivered in the order in which they were committed
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """As `Store` says."""
        try:
            self._open()
        except DamagedError as error:
            self.replace(str(error))

    def replace(self, why: str) -> None:
        """As `Store` says."""
        self.close()
        aside = move_aside(self._file)
        self.moved_aside += 1
        log.error("the journal is damaged; a fresh one was started", reason=why, moved_to=str(aside))
        self._open()

    def _open(self) -> None:
        self._database = open_database(self._file)
        try:
            self.id, forgotten = self._database.execute("SELECT id, last FROM journal").fetchone()
            (self.nbytes,) = self._database.execute("SELECT ifnull(sum(length(record)), 0) FROM step").fetchone()
            (self._turn,) = self._database.execute("SELECT ifnull(max(turn), 0) FROM delivery").fetchone()
            (last,) = self._database.execute("SELECT ifnull(max(number), 0) FROM step").fetchone()
            self.last = max(forgotten, last)
        except sqlite3.Error as error:
            self.close()
            raise explained(error) from error

    def close(self) -> None:
        """As `Store` says."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def append(
        self, record: bytes | None, rows: Sequence[OutboxRow], progress: Sequence[tuple[str, Progress]], now: float
    ) -> None:
        """As `Store` says."""
        insert = "INSERT INTO step VALUES (?, ?)"
        last = self.last if record is None else self.last + 1
        try:
            database = self._open_database()
            if not rows and not progress:
                if record is not None:
                    database.execute(insert, (last, record))
            else:
                database.execute("BEGIN IMMEDIATE")
                if record is not None:
                    database.execute(insert, (last, record))
                database.executemany(
                    "INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)",
                    [
                        (sink, *given.key, given.topic, given.payload, given.progress, ends, last, turn, now)
                        for turn, (sink, given, ends) in enumerate(rows, self._turn + 1)
                    ],
                )
                database.executemany(
                    "UPDATE delivery SET progress = ?, done = ? WHERE sink = ? AND alert = ? AND step = ?",
                    [(each.progress, each.done, sink, *each.key) for sink, each in progress],
                )
                database.execute("COMMIT")
                self._turn += len(rows)
        except sqlite3.Error as error:
            self._roll_back()
            raise explained(error) from error
        self.last = last
        self.nbytes += len(record or b"")

    def known(self, sink: str, keys: Iterable[StepKey]) -> set[StepKey]:
        """As `Store` says."""
        question = "SELECT 1 FROM delivery WHERE sink = ? AND alert = ? AND step = ?"
        try:
            database = self._open_database()
            return {key for key in keys if database.execute(question, (sink, *key)).fetchone() is not None}
        except sqlite3.Error as error:
            raise explained(error) from error

    def steps(self, after: int) -> Iterator[bytes]:
        """As `Store` says."""
        try:
            for (record,) in self._open_database().execute("SELECT record FROM step WHERE number > ?", (after,)):
                yield record
        except sqlite3.Error as error:
            raise explained(error) from error

    def undelivered(self, sink: str) -> list[Delivery]:
        """As `Store` says."""
        return self._deliveries("WHERE sink = ? AND NOT done", (sink,))

    def unended(self, but: set[str]) -> list[Delivery]:
        """As `Store` says."""
        over = "alert IN (SELECT alert FROM delivery WHERE ends)"
        # by the number of the step: a sink may be given an earlier step after another has the later one
        steps = sorted(self._deliveries(f"WHERE NOT {over}", ()), key=lambda each: each.key.step)
        last = {each.key.alert: each for each in steps}
        return [each for alert, each in last.items() if alert not in but]

    def ended(self, alerts: set[str]) -> set[str]:
        """As `Store` says."""
        question = "SELECT 1 FROM delivery WHERE alert = ? AND ends"
        try:
            database = self._open_database()
            return {alert for alert in alerts if database.execute(question, (alert,)).fetchone() is not None}
        except sqlite3.Error as error:
            raise explained(error) from error

    def forget(self, through: int, open_alerts: set[str]) -> None:
        """As `Store` says.

        Alerts that are neither open nor known to be over are forgotten, too: their end was said while the journal could
        not be written.
        """
        closed = {each.key.alert for each in self.unended(open_alerts)}
        waiting = "SELECT alert FROM delivery WHERE NOT done"
        over = f"SELECT DISTINCT alert FROM delivery WHERE ends AND at <= ? AND alert NOT IN ({waiting})"  # noqa: S608
        try:
            database = self._open_database()
            database.execute("BEGIN IMMEDIATE")
            database.execute("UPDATE journal SET last = ?", (self.last,))  # or the numbers would start over
            database.execute("DELETE FROM step WHERE number <= ?", (through,))
            closed |= {alert for (alert,) in database.execute(over, (through,))} - open_alerts
            database.executemany("DELETE FROM delivery WHERE alert = ?", [(alert,) for alert in closed])
            database.execute("COMMIT")
            (self.nbytes,) = database.execute("SELECT ifnull(sum(length(record)), 0) FROM step").fetchone()
        except sqlite3.Error as error:
            self._roll_back()
            raise explained(error) from error

    def retained(self) -> list[tuple[str, str]]:
        """As `Store` says."""
        try:
            return list(self._open_database().execute("SELECT sink, place FROM retained"))
        except sqlite3.Error as error:
            raise explained(error) from error

    def note_retained(self, added: Iterable[tuple[str, str]], removed: Iterable[tuple[str, str]]) -> None:
        """As `Store` says."""
        try:
            database = self._open_database()
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR IGNORE INTO retained VALUES (?, ?)", added)
            database.executemany("DELETE FROM retained WHERE sink = ? AND place = ?", removed)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise explained(error) from error

    def trim(self, sinks: Sequence[str], max_rows: int, before: float) -> dict[str, int]:
        """As `Store` says."""
        given_up: dict[str, int] = {}
        newest = "SELECT alert, step FROM delivery WHERE sink = ? AND NOT done ORDER BY turn DESC LIMIT ?"
        older = f"(alert, step) NOT IN ({newest})"
        try:
            database = self._open_database()
            for (sink,) in database.execute("SELECT DISTINCT sink FROM delivery WHERE NOT done").fetchall():
                done = database.execute(
                    f"UPDATE delivery SET done = 1 WHERE sink = ? AND NOT done AND (seconds < ? OR {older})",  # noqa: S608
                    (sink, before, sink, max_rows if sink in sinks else 0),
                )
                if done.rowcount:
                    given_up[sink] = done.rowcount
        except sqlite3.Error as error:
            raise explained(error) from error
        return given_up

    def settle(self) -> None:
        """As `Store` says: carry what was committed from the WAL into the database, and wait for the disk."""
        try:
            with closing(connect(self._file)) as database:
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            raise explained(error) from error

    def write_checkpoint(self, content: bytes) -> None:
        """As `Store` says."""
        try:
            write_checkpoint(self._checkpoint, content)
        except OSError as error:
            raise explained(error) from error

    def read_checkpoint(self) -> State | None:
        """As `Store` says."""
        try:
            return read_checkpoint(self._checkpoint)
        except OSError as error:
            raise StoreError(error.strerror or str(error)) from error

    def remove_checkpoint(self) -> None:
        """As `Store` says."""
        try:
            self._checkpoint.unlink(missing_ok=True)
        except OSError as error:
            raise explained(error) from error

    def _deliveries(self, where: str, values: tuple[str, ...]) -> list[Delivery]:
        try:
            rows = self._open_database().execute(
                f"SELECT alert, step, topic, payload, progress FROM delivery {where} ORDER BY turn",  # noqa: S608
                values,
            )
            return [
                Delivery(StepKey(alert, step), topic, payload, progress)
                for alert, step, topic, payload, progress in rows
            ]
        except sqlite3.Error as error:
            raise explained(error) from error

    def _open_database(self) -> sqlite3.Connection:
        if self._database is None:
            raise StoreError("it is not open")
        return self._database

    def _roll_back(self) -> None:
        if self._database is not None and self._database.in_transaction:
            self._database.rollback()
