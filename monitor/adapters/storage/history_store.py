"""The history store: stretches, score lines and alerts into `history.sqlite`, within one bound.

Everything that is put stands in one transaction until `flush`; the next `put` begins another.
"""

import math
from pathlib import Path

import msgspec
import numpy as np

from monitor.adapters.storage.history_bound import (
    IS_EXEMPT,
    delete_stretch,
    exempt_labelled,
    keep_within,
    used_bytes,
)
from monitor.adapters.storage.history_file import HistoryFile
from monitor.adapters.storage.history_forget import take_marks
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.content import encode_content
from monitor.core.history.layout import Layout
from monitor.core.history.score_line import ScoreLine
from monitor.core.history.shares import StreamKey
from monitor.core.history.stretch import EXEMPT, Stretch

_BESIDES_BYTES = 160  # of a row, beside its content: names, numbers and what stands of them in the indexes
_VACUUM_PAGES = 256  # that go back to the file system at a time


class HistoryStore(HistoryFile):
    """The history of one daemon, for writing. written_bytes: of what was put so far, with what was lost of it."""

    def __init__(self, file: Path, max_bytes: int) -> None:
        super().__init__(file, max_bytes)
        self.written_bytes = 0

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
            # `execute` would take its first page alone
            database.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")

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

    def exempt_labelled(self) -> None:
        """Exempt from ageing what lies within labels that count and have an end, and nothing else for labels' sake.

        Raises:
            StoreError: it cannot be written.

        """
        with self._writing() as database:
            exempt_labelled(database)
            self._count(database)

    def take_marks(self) -> set[bytes]:
        """Take the marks of streams that another process had forgotten, as `mark_of` makes them.

        Raises:
            StoreError: they cannot be taken.

        """
        with self._explaining() as database:
            return take_marks(database)
