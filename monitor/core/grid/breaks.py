"""Breaks: slots that some channel group of a stream will never have, until windows are cut up to there.

While one channel group is ahead of the others, a gap in what it brings lies ahead of the windows that are still to be
cut. A break is such a gap, `[start, end)`: no window may reach across it, and the next run begins at its end.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Ints
from monitor.core.values.snapshots import Slot

Break = tuple[Slot, Slot]


class Breaks:
    """Breaks by stream. Most streams have none."""

    def __init__(self) -> None:
        self._breaks: dict[int, list[Break]] = {}

    def add(self, stream: int, start: int, end: int) -> None:
        """Note that nothing will be in the slots of `[start, end)`; an empty break parts two runs all the same."""
        self._breaks.setdefault(stream, []).append((start, end))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._breaks)

    def any(self, streams: Ints) -> NDArray[np.bool_]:
        """Whether there is any in each of these streams: bool [T]. streams: int64 [T]."""
        if not self._breaks:
            return np.zeros(len(streams), np.bool_)
        return np.fromiter((stream in self._breaks for stream in streams.tolist()), np.bool_, len(streams))

    def take(self, stream: int, complete: int) -> Iterator[Break]:
        """Take out the breaks of a stream that begin at slot `complete` or before, in order."""
        waiting = sorted(self._breaks.pop(stream, ()))
        later = [each for each in waiting if each[0] > complete]
        if later:
            self._breaks[stream] = later
        yield from waiting[: len(waiting) - len(later)]

    def last_end(self, stream: int, complete: int) -> int:
        """Where the run begins behind the breaks that `take` would take out; 0: there are none."""
        return max((end for start, end in self._breaks.get(stream, ()) if start <= complete), default=0)

    def clear(self, stream: int) -> None:
        """Let go of all breaks of a stream."""
        self._breaks.pop(stream, None)

    def snapshot(self, streams: Ints) -> list[list[Break]]:
        """The breaks of these streams, in their order. streams: int64 [T]."""
        return [list(self._breaks.get(stream, ())) for stream in streams.tolist()]

    def restore(self, streams: Ints, breaks: list[list[Break]]) -> None:
        """Give these streams the breaks of a snapshot. streams: int64 [T]."""
        for stream, mine in zip(streams.tolist(), breaks, strict=True):
            if mine:
                self._breaks[stream] = mine
