"""How far each stream's clock is from ours, as far as can be told from one side.

A sample's time less the time of its arrival is the offset of the sender's clock less the delay on the way. Delays only
ever lower it, so the greatest of the last minutes comes closest: the rule by which NTP picks the sample with the least
delay (RFC 5905, section 10, clock filter). What is left in it is the least delay, which is
long while a backlog comes in.
"""

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.columns import Columns, column

SPAN_SECONDS = 60.0  # an estimate is the greatest of this span and the one before

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class ClockOffsets(Columns):
    """Estimates by stream number, in seconds; positive where the stream's clock is ahead of ours."""

    _began: Floats = column(None, np.float64, np.nan)  # arrival that opened the current span
    _current: Floats = column(None, np.float64, np.nan)
    _previous: Floats = column(None, np.float64, np.nan)

    def observe(self, streams: Ints, ahead_seconds: Floats, arrival_seconds: Floats) -> None:
        """Take in M blocks.

        streams: int64 [M]. ahead_seconds: float64 [M], by how much the last sample of each is ahead of its arrival.
        arrival_seconds: float64 [M], wall clock.
        """
        if not len(streams):
            return
        self.ensure_capacity(int(streams.max()) + 1)
        now = float(arrival_seconds.max())
        with np.errstate(invalid="ignore"):
            over = ~(np.abs(now - self._began[streams]) <= SPAN_SECONDS)  # NaN: never begun
        if over.any():
            ended = streams[over]
            self._previous[ended] = self._current[ended]
            self._current[ended], self._began[ended] = np.nan, now
        np.fmax.at(self._current, streams, ahead_seconds)

    def seconds(self, streams: Ints) -> Floats:
        """The estimates: float64 [T], NaN where nothing is known. streams: int64 [T]."""
        found = np.full(len(streams), np.nan)
        known = streams < self.capacity
        found[known] = np.fmax(self._current[streams[known]], self._previous[streams[known]])
        return found

    def forget(self, stream: int) -> None:
        """Know nothing of a stream number any more."""
        if stream < self.capacity:
            self.reset(stream)
