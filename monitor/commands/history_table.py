"""The table that `residuald history` prints."""

import math
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from monitor.commands.label_arguments import shown
from monitor.readers.history import History, StreamSummary

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


class HistoryTable:
    """A row for each stream, and a sum below."""

    def __init__(self) -> None:
        self._table = Table(
            "stream", "model", "kept", "of its time", "size", "from", "to", "alerts", "labels", box=None
        )
        self._nbytes = 0

    def add(self, model: str, summary: StreamSummary, alerts: int, labels: int) -> None:
        """Add a stream."""
        self._nbytes += summary.nbytes
        self._table.add_row(
            summary.name,
            model,
            length(summary.seconds),
            f"{share_covered(summary):.1%}",
            _size(summary.nbytes),
            shown(summary.first_seconds),
            shown(summary.last_seconds),
            str(alerts),
            str(labels),
        )

    @property
    def streams(self) -> int:
        """How many streams are in it."""
        return self._table.row_count

    def print(self) -> None:
        """Print it."""
        # a table that is cut off at 80 columns would hide what a pipe is read for
        console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200)
        console.print(self._table)
        console.print(f"{_size(self._nbytes)} in {self.streams} streams")


def history_table(history: History, model: str | None, stream: str | None, since: float, until: float) -> HistoryTable:
    """The table of a history. model, stream: of these alone; None: of all.

    Raises:
        RecordingError: the history cannot be read.

    """
    table = HistoryTable()
    for name in history.models():
        if model not in {None, name}:
            continue
        alerts = _counts(alert.stream for alert in history.alerts(name, stream, since, until) if alert.fired)
        labels = _counts(label.stream for label in history.labels(stream, since, until))
        for summary in history.streams(name, since, until):
            if stream in {None, summary.name}:
                table.add(name, summary, alerts.get(summary.name, 0), labels.get(summary.name, 0))
    return table


def share_covered(summary: StreamSummary) -> float:
    """Which share of a stream's time is covered by samples: 0 to 1."""
    span = summary.last_seconds - summary.first_seconds
    return min(summary.seconds / span, 1.0) if span > 0 else float(summary.seconds > 0)


def length(seconds: float) -> str:
    """A length of time in the largest unit that it has at least one of."""
    if not math.isfinite(seconds):
        return "-"
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds / size:.1f} {unit}"


def _size(nbytes: int) -> str:
    size, unit = next((each for each in _BYTES if nbytes >= each[0]), _BYTES[-1])
    return f"{nbytes / size:.1f} {unit}"


def _counts(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found
