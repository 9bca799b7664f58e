"""The history as its readers see it: stretches, score lines, alerts and labels out of `history.sqlite`.

Read-only, and in short transactions: the daemon writes the same file at the same time, and a long one would let its
write-ahead log grow.
"""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from monitor.core.dataset.recording import RecordingError
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.content import ContentError, decode_content
from monitor.core.history.label import Label, LabelError
from monitor.core.history.layout import Layout
from monitor.core.history.score_line import ScoreLine
from monitor.core.history.stretch import Stretch, joined
from monitor.readers.history_file import ForeignFileError, require_history
from monitor.readers.label_rows import read_labels
from monitor.readers.read_only_database import ReadOnlyDatabase

_ROWS = 64  # that one transaction reads
_EVER = -math.inf, math.inf


class StreamSummary(NamedTuple):
    """What there is of one stream. seconds: that stretches cover; first_seconds, last_seconds: of stretch or line."""

    name: str
    stretches: int
    seconds: float
    first_seconds: float
    last_seconds: float
    nbytes: int


class History:
    """An open history. Use it as a context manager."""

    def __init__(self, path: Path, database: ReadOnlyDatabase) -> None:
        self.path = path
        self._database = database
        self._layouts: dict[tuple[str, str], Layout] = {}

    @staticmethod
    def open(path: Path) -> "History":
        """Open a history for reading.

        Raises:
            RecordingError: there is none, or it cannot be read here.

        """
        if not path.is_file():
            raise RecordingError(f"{path}: there is no history; the daemon writes one where [history] is on")
        try:
            database = ReadOnlyDatabase(path, require_history)
        except (sqlite3.Error, ForeignFileError) as error:
            raise RecordingError(f"{path}: {error}") from None
        return History(path, database)

    def __enter__(self) -> Self:
        """Use it, and close it behind the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def models(self) -> list[str]:
        """The models whose streams are kept, by name."""
        return [name for (name,) in self._rows("SELECT DISTINCT model FROM layout ORDER BY model")]

    def layouts(self, model: str) -> list[Layout]:
        """The layouts of a model's versions, by version."""
        rows = self._rows("SELECT * FROM layout WHERE model = ? ORDER BY version", model)
        return [_layout_of(row) for row in rows]

    def streams(self, model: str, since: float = _EVER[0], until: float = _EVER[1]) -> list[StreamSummary]:
        """What there is of the streams of a model between `since` and `until`, by name.

        Bytes count whole what lies within in part.

        Raises:
            RecordingError: the file cannot be read.

        """
        question = """
            SELECT stream, sum(stretches), sum(seconds), min(first), max(last), sum(bytes) FROM (
              SELECT stream, count(*) AS stretches,
                     sum(min(s.end_seconds, ?3) - max(s.start_seconds, ?2) + l.sample_period_seconds) AS seconds,
                     min(s.start_seconds) AS first, max(s.end_seconds) AS last, sum(s.nbytes) AS bytes
                FROM stretch s JOIN layout l USING (model, version)
               WHERE s.model = ?1 AND s.end_seconds >= ?2 AND s.start_seconds <= ?3 GROUP BY stream
              UNION ALL
              SELECT stream, 0, 0.0, min(start_seconds), max(end_seconds), sum(nbytes)
                FROM line WHERE model = ?1 AND end_seconds >= ?2 AND start_seconds <= ?3 GROUP BY stream
            ) GROUP BY stream ORDER BY stream"""
        found = [StreamSummary(*row) for row in self._rows(question, model, since, until)]
        return [
            each._replace(first_seconds=max(each.first_seconds, since), last_seconds=min(each.last_seconds, until))
            for each in found
        ]

    def stretches(self, model: str, stream: str, since: float = _EVER[0], until: float = _EVER[1]) -> Iterator[Stretch]:
        """The stretches of a stream that hold any of the time between `since` and `until`, in order of time.

        Neighbours are joined where they touch; nothing is cut off at the two times.

        Raises:
            RecordingError: the file cannot be read.

        """
        return joined(self._stretches(model, stream, since, until))

    def _stretches(self, model: str, stream: str, since: float, until: float) -> Iterator[Stretch]:
        where = "model = ? AND stream = ? AND start_seconds <= ? AND end_seconds >= ?"
        ids = self._rows(
            f"SELECT id FROM stretch WHERE {where} ORDER BY start_seconds",  # noqa: S608 - no part of it comes from outside
            *(model, stream, until, since),
        )
        for at in range(0, len(ids), _ROWS):
            chosen = [number for (number,) in ids[at : at + _ROWS]]
            marks = ",".join("?" * len(chosen))
            question = (
                "SELECT version, start_seconds, kept, content FROM stretch "  # noqa: S608 - likewise
                f"WHERE id IN ({marks}) ORDER BY start_seconds"
            )
            for version, start_seconds, kept, content in self._rows(question, *chosen):
                layout = self._layout(model, version)
                values, line = self._decode(content)
                yield Stretch(
                    model,
                    stream,
                    version,
                    layout.channels,
                    layout.sample_period_seconds,
                    start_seconds,
                    values,
                    line.ends_seconds,
                    line.score,
                    line.verdict,
                    line.quality,
                    kept,
                )

    def scores(self, model: str, stream: str, since: float = _EVER[0], until: float = _EVER[1]) -> ScoreLine:
        """What every window of a stream came to that ended between `since` and `until`, as far as it is kept.

        Raises:
            RecordingError: the file cannot be read.

        """
        question = (
            "SELECT content FROM line WHERE model = ? AND stream = ? AND start_seconds <= ? AND end_seconds >= ? "
            "ORDER BY start_seconds"
        )
        lines = [self._decode(content)[1] for (content,) in self._rows(question, model, stream, until, since)]
        return ScoreLine.join(lines).between(since, until)

    def alerts(
        self, model: str, stream: str | None = None, since: float = _EVER[0], until: float = _EVER[1]
    ) -> list[AlertRecord]:
        """The alerts of a model that were open between `since` and `until`, in order of time. stream: None: all.

        Raises:
            RecordingError: the file cannot be read.

        """
        question = (
            "SELECT id, model, stream, from_seconds, ifnull(to_seconds, 9e999), fired, peak, end_reason, channels "
            "FROM alert WHERE model = ?1 AND (?2 IS NULL OR stream = ?2) "
            "AND from_seconds <= ?4 AND ifnull(to_seconds, 9e999) >= ?3 ORDER BY from_seconds"
        )
        return [
            AlertRecord(number, of, name, began, ended, bool(fired), peak, reason, _names(channels))
            for number, of, name, began, ended, fired, peak, reason, channels in self._rows(
                question, model, stream, since, until
            )
        ]

    def labels(
        self,
        stream: str | None = None,
        since: float = _EVER[0],
        until: float = _EVER[1],
        *,
        withdrawn: bool = False,
    ) -> list[Label]:
        """What people say about the time between `since` and `until`; arguments as for `read_labels`.

        Raises:
            RecordingError: the file cannot be read.

        """
        try:
            with self._readable():
                return read_labels(self._database.connection(), stream, since, until, withdrawn=withdrawn)
        except LabelError as error:
            raise RecordingError(f"{self.path}: {error}") from None

    def _layout(self, model: str, version: str) -> Layout:
        if (model, version) not in self._layouts:
            self._layouts = {(each.model, each.version): each for each in self.layouts(model)}
        return self._layouts[model, version]

    def _decode(self, content: bytes) -> Any:
        try:
            return decode_content(content)
        except ContentError as error:
            raise RecordingError(f"{self.path}: a stretch or line cannot be used: {error}") from None

    def _rows(self, question: str, *values: object) -> list[Any]:
        """All rows at once: the transaction is over when this returns."""
        with self._readable():
            return self._database.connection().execute(question, values).fetchall()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RecordingError(f"{self.path}: {error}") from None


def _layout_of(row: tuple[str, str, str, float, int, str]) -> Layout:
    model, version, channels, sample_period_seconds, window_length, sha256 = row
    return Layout(model, version, _names(channels), sample_period_seconds, window_length, sha256)


def _names(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
