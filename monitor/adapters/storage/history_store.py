"""The history store: stretches, score lines and alerts into `history.sqlite`, within one bound.

Everything that is put stands in one transaction until `flush`. What an error leaves undone is rolled back; the next
`put` begins anew. The tallies of `shares` follow what is committed, by whichever process.
"""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import structlog

from monitor.adapters.storage.database import OURS, explained, move_aside
from monitor.adapters.storage.history_bound import IS_EXEMPT, delete_stretch, is_full, keep_within, used_bytes
from monitor.adapters.storage.history_database import open_history
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.content import encode_content
from monitor.core.history.layout import Layout
from monitor.core.history.score_line import ScoreLine
from monitor.core.history.shares import Shares, StreamKey
from monitor.core.history.stretch import EXEMPT, Stretch
from monitor.core.ports import DamagedError, StoreError

log = structlog.get_logger()

_BESIDES_BYTES = 160  # of a row, beside its content: names, numbers and what stands of them in the indexes
_VACUUM_PAGES = 256  # that go back to the file system at a time
_ASIDE_KEPT = 1  # a damaged history may be as large as a whole one


class HistoryStore:
    """The history of one daemon, for writing. Used by one thread.

    max_bytes: the bound of the file. shares: who takes up how much. moved_aside: damaged files that were replaced.
    """

    def __init__(self, file: Path, max_bytes: int) -> None:
        self.file = file
        self.max_bytes = max_bytes
        self.shares = Shares()
        self.moved_aside = 0
        self.written_bytes = 0
        self._layouts: set[tuple[str, str]] = set()
        self._others = 0  # SQLite's count of what other connections have changed, when the tallies were made
        self._database: sqlite3.Connection | None = None

    # --- open and close

    def open(self) -> None:
        """Open the file, or make it. A damaged one is put aside.

        Raises:
            StoreError: it cannot be opened, is something else, or a newer version wrote it.

        """
        try:
            self._open()
        except DamagedError as error:
            self.replace(str(error))

    def replace(self, why: str) -> None:
        """Put a damaged file aside and begin a fresh one.

        Raises:
            StoreError: that cannot be done.

        """
        self.close()
        aside = move_aside(self.file, _ASIDE_KEPT)
        self.moved_aside += 1
        log.error("the history is damaged; a fresh one was started", reason=why, moved_to=str(aside))
        self._open()

    def _open(self) -> None:
        self._database = open_history(self.file, OURS)
        with self._explaining() as database:
            self._layouts = set(database.execute("SELECT model, version FROM layout"))
            self._count(database)

    def close(self) -> None:
        """Let the file go; what was put since the last `flush` is lost."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    @property
    def is_open(self) -> bool:
        """Whether it can be written."""
        return self._database is not None

    # --- what is put

    def put_layout(self, layout: Layout) -> None:
        """Note what the samples of an artifact's streams are; before any of its stretches.

        Raises:
            StoreError: it cannot be written.

        """
        if (layout.model, layout.version) in self._layouts:
            return
        with self._writing() as database:
            row = *layout[:2], msgspec.json.encode(layout.channels).decode(), *layout[3:]
            database.execute("INSERT OR REPLACE INTO layout VALUES (?, ?, ?, ?, ?, ?)", row)
        self._layouts.add((layout.model, layout.version))

    def put_stretch(self, stretch: Stretch, stratum: str = "", priority: float = 1.0) -> int:
        """Put a stretch; one that begins at the same moment makes way. Returns the bytes that it takes.

        stratum: what it is a sample of; priority: 0 to 1, the lowest goes first.

        Raises:
            StoreError: it cannot be written.
            ValueError: nothing was put yet of what its artifact's samples are.

        """
        if (stretch.model, stretch.version) not in self._layouts:
            raise ValueError(f"no layout of {stretch.model} {stretch.version}: put it first")
        line = ScoreLine(stretch.ends_seconds, stretch.score, stretch.verdict, stretch.quality)
        content = encode_content(stretch.values, line)
        nbytes = len(content) + _BESIDES_BYTES
        key = StreamKey(stretch.model, stretch.stream)
        with self._writing() as database:
            same = "model = ? AND stream = ? AND start_seconds = ?"
            before = database.execute(
                f"SELECT id, stratum, kept, nbytes FROM stretch WHERE {same}",  # noqa: S608 - no part comes from outside
                (*key, stretch.start_seconds),
            ).fetchall()
            for row in before:
                delete_stretch(database, self.shares, key, *row)
            database.execute(
                "INSERT INTO stretch (model, stream, version, start_seconds, end_seconds, samples, stratum, priority, "
                "kept, nbytes, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *key,
                    stretch.version,
                    stretch.start_seconds,
                    stretch.end_seconds,
                    stretch.samples,
                    stratum,
                    priority,
                    stretch.kept,
                    nbytes,
                    content,
                ),
            )
            self.shares.add(key, stratum, nbytes, exempt=stretch.kept in EXEMPT)
            self.written_bytes += nbytes
        return nbytes

    def put_line(self, model: str, stream: str, line: ScoreLine) -> int:
        """Put a block of a stream's score line (at least one window). Returns the bytes that it takes.

        Raises:
            StoreError: it cannot be written.

        """
        content = encode_content(np.zeros((0, 0), np.float32), line)
        nbytes, key = len(content) + _BESIDES_BYTES, StreamKey(model, stream)
        ends = line.ends_seconds
        with self._writing() as database:
            row = *key, float(ends.min()), float(ends.max()), len(line), nbytes, content
            database.execute("INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self.shares.add_line(key, nbytes)
            self.written_bytes += nbytes
        return nbytes

    def put_alert(self, alert: AlertRecord) -> None:
        """Put an alert, or what it has become.

        Raises:
            StoreError: it cannot be written.

        """
        until = None if math.isinf(alert.to_seconds) else alert.to_seconds
        row = *alert[:4], until, *alert[5:8], msgspec.json.encode(alert.channels).decode()
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def end_alerts_but(self, open_alerts: set[str], at_seconds: float, reason: str) -> None:
        """End the alerts that are open in the file and nowhere else: no process went on with them.

        Raises:
            StoreError: it cannot be written.

        """
        with self._writing() as database:
            found = [number for (number,) in database.execute("SELECT id FROM alert WHERE to_seconds IS NULL")]
            over = [(at_seconds, reason, number) for number in found if number not in open_alerts]
            database.executemany("UPDATE alert SET to_seconds = ?, end_reason = ? WHERE id = ?", over)

    def exempt(self, key: StreamKey, from_seconds: float, to_seconds: float) -> None:
        """Exempt from ageing what there is of a stream between two times, because of an alert.

        Raises:
            StoreError: it cannot be written.

        """
        with self._writing() as database:
            rows = database.execute(
                "SELECT id, stratum, nbytes FROM stretch WHERE model = ? AND stream = ? AND start_seconds <= ? "  # noqa: S608 - no part comes from outside
                f"AND end_seconds >= ? AND NOT {IS_EXEMPT}",
                (*key, to_seconds, from_seconds),
            ).fetchall()
            for number, stratum, nbytes in rows:
                database.execute("UPDATE stretch SET kept = 'alert' WHERE id = ?", (number,))
                self.shares.add(key, stratum, -nbytes, stretches=0)
                self.shares.add(key, stratum, nbytes, exempt=True, stretches=0)

    # --- the bound

    def flush(self) -> None:
        """Commit what was put, and keep within the bound.

        Raises:
            StoreError: that cannot be done; what was put is lost.

        """
        with self._writing() as database:
            keep_within(database, self.shares, self.max_bytes)
            database.execute("COMMIT")
        with self._explaining() as database:
            database.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()

    @property
    def used_bytes(self) -> int:
        """Bytes of the file that hold something.

        Raises:
            StoreError: it cannot be read.

        """
        with self._explaining() as database:
            return used_bytes(database)

    @property
    def oldest_seconds(self) -> float | None:
        """When the oldest stretch begins (event time); None where there is none.

        Raises:
            StoreError: it cannot be read.

        """
        with self._explaining() as database:
            question = "SELECT min(start_seconds) FROM stretch WHERE model = ? AND stream = ?"
            keys = {*self.shares.ordinary, *self.shares.exempt}
            found = [database.execute(question, key).fetchone()[0] for key in keys]
            return min((each for each in found if each is not None), default=None)

    def forget_before(self, models: set[str], seconds: float) -> None:
        """Delete all of these models that is older: stretches of any kind, score lines and alerts.

        Raises:
            StoreError: it cannot be written.

        """
        stretches = "SELECT id, stratum, kept, nbytes, stream FROM stretch WHERE model = ? AND end_seconds < ?"
        lines = "DELETE FROM line WHERE model = ? AND end_seconds < ? RETURNING stream, nbytes"
        with self._writing() as database:
            for model in sorted(models):
                for *row, stream in database.execute(stretches, (model, seconds)).fetchall():
                    delete_stretch(database, self.shares, StreamKey(model, stream), *row)
                for stream, nbytes in database.execute(lines, (model, seconds)).fetchall():
                    self.shares.add_line(StreamKey(model, stream), -nbytes)
                database.execute("DELETE FROM alert WHERE model = ? AND to_seconds < ?", (model, seconds))

    def look_again(self) -> bool:
        """Count anew where another process has changed the file (a label, `forget`); whether one has.

        Raises:
            StoreError: it cannot be read.

        """
        with self._explaining() as database:
            (others,) = database.execute("PRAGMA data_version").fetchone()
            changed = others != self._others
            if changed:
                self._count(database)
            return bool(changed)

    def _count(self, database: sqlite3.Connection) -> None:
        """Make the tallies from what the file holds."""
        shares = Shares()
        question = (
            "SELECT model, stream, stratum, "  # noqa: S608 - no part comes from outside
            f"{IS_EXEMPT}, sum(nbytes), count(*), min(priority) FROM stretch GROUP BY 1, 2, 3, 4"
        )
        full = is_full(database, self.max_bytes)
        for model, stream, stratum, exempt, nbytes, count, priority in database.execute(question):
            key = StreamKey(model, stream)
            shares.add(key, stratum, nbytes, exempt=bool(exempt), stretches=count)
            if full and not exempt:  # what is left of a stratum that was cut down
                shares.raise_bar(key, stratum, priority)
        for model, stream, nbytes in database.execute("SELECT model, stream, sum(nbytes) FROM line GROUP BY 1, 2"):
            shares.add_line(StreamKey(model, stream), nbytes)
        (self._others,) = database.execute("PRAGMA data_version").fetchone()
        self.shares = shares

    # --- SQLite

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._explaining() as database:
            if not database.in_transaction:
                database.execute("BEGIN IMMEDIATE")
            yield database

    @contextmanager
    def _explaining(self) -> Iterator[sqlite3.Connection]:
        if self._database is None:
            raise StoreError("it is not open")
        try:
            yield self._database
        except sqlite3.Error as error:
            self._roll_back(self._database)
            raise explained(error) from error

    def _roll_back(self, database: sqlite3.Connection) -> None:
        try:
            if database.in_transaction:
                database.execute("ROLLBACK")
            self._layouts = set(database.execute("SELECT model, version FROM layout"))
            self._count(database)
        except sqlite3.Error:  # the disk is gone: the tallies are made anew when it is opened again
            log.debug("the tallies of the history cannot be made")
