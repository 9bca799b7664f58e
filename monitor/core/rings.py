"""Rings: the last samples of every stream of a fleet, in one array.

The ring is written twice, `capacity` apart, so that any stretch of up to `capacity` slots lies in one piece and a batch
of windows is one gather. Time and gaps are the grid's business; here a sample has a slot and nothing else.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from monitor.core.grid import Ints, Placement
from monitor.core.growing import grown

# From this many rows per block on, copying slices block by block beats one scatter over all samples.
_SLICE_ROWS = 32


class Rings:
    """Samples float32 [S, C, 2 * capacity]. Capacity is fixed; streams are added by number."""

    def __init__(self, channels: int, window_length: int, capacity: int) -> None:
        self.channels = channels
        self.window_length = window_length
        self.capacity = capacity
        self._values: NDArray[np.float32] = np.zeros((0, channels, 2 * capacity), np.float32)
        self._windows: NDArray[np.float32] = np.zeros((0, channels, 0, window_length), np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._values.nbytes

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`."""
        if stream >= len(self._values):
            self._values = grown(self._values, stream + 1, 0.0)
            self._windows = sliding_window_view(self._values, self.window_length, axis=-1)

    def store(
        self, stream: Ints, columns: Ints, placement: Placement, length: Ints, values: NDArray[np.float32]
    ) -> None:
        """Write placed blocks.

        stream, length: int64 [M]; columns: int64 [M, C'], the channel of each of the block's columns; values: float32
        [N, C'], the rows of all blocks one after another (rows that the placement skips included).
        """
        first_row = np.cumsum(length) - length + placement.skip
        if len(values) >= _SLICE_ROWS * len(stream):
            for at in np.flatnonzero(placement.take).tolist():
                row, count = int(first_row[at]), int(placement.take[at])
                self._store_one(int(stream[at]), columns[at], int(placement.slot[at]), values[row : row + count])
        else:
            self._scatter(stream, columns, placement, first_row, values)
        for at in np.flatnonzero(placement.fill).tolist():
            self._fill(int(stream[at]), columns[at], int(placement.slot[at]), int(placement.fill[at]))

    def _scatter(
        self, stream: Ints, columns: Ints, placement: Placement, first_row: Ints, values: NDArray[np.float32]
    ) -> None:
        take = placement.take
        total = int(take.sum())
        within = np.arange(total) - np.repeat(np.cumsum(take) - take, take)
        if total != len(values):
            values = values[np.repeat(first_row, take) + within]
        position = (np.repeat(placement.slot, take) + within) % self.capacity
        base = (stream[:, None] * self.channels + columns) * (2 * self.capacity)  # [M, C']
        index = np.repeat(base, take, axis=0) + position[:, None]  # [N, C']
        flat = self._values.reshape(-1)
        flat[index] = values
        index += self.capacity
        flat[index] = values

    def gather(self, stream: Ints, end: Ints) -> NDArray[np.float32]:
        """Windows that end before slot `end`: float32 [B, C, L], a copy."""
        return self._windows[stream, :, (end - self.window_length) % self.capacity]

    def stretches(self, streams: Ints, channel: int, end: Ints, count: int) -> NDArray[np.float32]:
        """The last `count` samples before slot `end` [T] of one channel of streams: float32 [T, count], a copy."""
        every: NDArray[np.float32] = sliding_window_view(self._values[:, channel], count, axis=-1)
        return every[streams, (end - count) % self.capacity]

    def tails(self, streams: Ints, end: Ints, count: int) -> NDArray[np.float32]:
        """What lies in the last `count` slots before `end` [T] of these streams: float32 [T, C, count], a copy."""
        if not len(streams):
            return np.zeros((0, self.channels, count), np.float32)
        stretches: NDArray[np.float32] = sliding_window_view(self._values, count, axis=-1)
        return stretches[streams, :, (end - count) % self.capacity]

    def put_tails(self, streams: Ints, end: Ints, values: NDArray[np.float32]) -> None:
        """The opposite of `tails`; the streams are open."""
        count = values.shape[2]
        slots = (end[:, None] - count + np.arange(count)) % self.capacity
        for position in (slots, slots + self.capacity):
            channels = np.arange(self.channels)[None, :, None]
            self._values[streams[:, None, None], channels, position[:, None, :]] = values

    def _store_one(self, stream: int, columns: Ints, slot: int, rows: NDArray[np.float32]) -> None:
        ring = self._values[stream]
        across = slice(None) if len(columns) == self.channels and (columns[1:] > columns[:-1]).all() else columns
        position = slot % self.capacity
        before_wrap = min(len(rows), self.capacity - position)
        for start, part in ((position, rows[:before_wrap].T), (0, rows[before_wrap:].T)):
            for copy in (start, start + self.capacity):
                ring[across, copy : copy + part.shape[1]] = part

    def _fill(self, stream: int, columns: Ints, slot: int, count: int) -> None:
        last = self._values[stream, columns, (slot - count - 1) % self.capacity]
        self._store_one(stream, columns, slot - count, np.repeat(last[None, :], count, axis=0))
