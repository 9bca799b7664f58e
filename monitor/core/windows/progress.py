"""Progress: what streams have received since their last window, so that one which never completes any is found."""

import numpy as np
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Floats, Ints
from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.columns import Columns, column

_WINDOWS = 10  # so many windows' worth of samples, and of time, without one
_LEAST_SECONDS = 30.0  # a stored backlog that comes topic by topic takes a while before the last one comes


class Progress(Columns):
    """Samples since the last window, by channel group: received, and refused of these.

    window_samples: what the next window takes at most. period_seconds: of a sample.
    """

    received: Ints = column(None, np.int64, by_channel_group=True)
    _refused: Ints = column(None, np.int64, by_channel_group=True)
    _since: Floats = column(None, np.float64, np.nan)  # when the stream was first looked at after its last window

    def __init__(self, groups: ChannelGroups, window_samples: int, period_seconds: float) -> None:
        super().__init__(groups)
        self._groups = groups
        self._most_samples = _WINDOWS * window_samples
        self._most_seconds = max(self._most_samples * period_seconds, _LEAST_SECONDS)

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`, and forget who had the number."""
        self.ensure_capacity(stream + 1)
        self.reset(stream)

    def take_in(self, channel_group: Ints, received: Ints, stored: Ints | None = None) -> None:
        """Count the samples of blocks that were placed.

        channel_group, received, stored: int64 [M]; stored: None where all were.
        """
        np.add.at(self.received, channel_group, received)
        if stored is not None:
            np.add.at(self._refused, channel_group, received - stored)

    def stored(self, channel_groups: Ints) -> Ints:
        """How many samples of channel groups were stored: int64 [G]. channel_groups: int64 [G]."""
        return self.received[channel_groups] - self._refused[channel_groups]

    def complete(self, streams: Ints) -> None:
        """Begin anew for streams that have completed windows. streams: int64 [B]."""
        rows = self._groups.of_streams(streams)
        self.received[rows] = self._refused[rows] = 0
        self._since[streams] = np.nan

    def adjust_for_clock_step(self, seconds: float) -> None:
        """Shift stored times by the step of our wall clock."""
        self._since += seconds

    def stalled(self, streams: Ints, now_seconds: float) -> NDArray[np.bool_]:
        """Streams that receive samples and complete no window: bool [T]. streams: int64 [T]; now_seconds: wall clock.

        It is to be asked for regularly: time counts from the first call after a window.
        """
        since = self._since[streams]
        self._since[streams] = np.where(np.isnan(since), now_seconds, since)
        received = self.received[self._groups.of_streams(streams)].reshape(len(streams), self._groups.channels)
        most = received.max(axis=1, initial=0)
        with np.errstate(invalid="ignore"):
            found: NDArray[np.bool_] = (most >= self._most_samples) & (now_seconds - since >= self._most_seconds)
        return found
