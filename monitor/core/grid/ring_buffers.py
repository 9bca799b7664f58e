"""Rings: the last samples of every stream of a model group, in one array.

The first slots of a ring are written a second time behind its end, so that any window lies in one piece and a batch of
windows is one gather. Time and gaps are the grid's business; here a sample has a slot and nothing else.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from monitor.core.grid.sample_grid import Ints, Placement
from monitor.core.values.columns import Columns, column

# From this many rows per block on, copying slices block by block beats one scatter over all samples.
_SLICE_ROWS = 32


class Rings(Columns):
    """Samples float32 [S, C, slots + L - 1]; slot k lies at k % slots. Streams are added by number."""

    _values: NDArray[np.float32] = column(None, np.float32, shape=("channels", "places"))

    def __init__(self, channels: int, window_length: int, slots: int) -> None:
        self.channels = channels
        self.window_length = window_length
        self.slots = slots
        self._twice = window_length - 1  # how many slots are there twice
        super().__init__(channels=channels, places=slots + self._twice)
        self._look_at_windows()

    def _look_at_windows(self) -> None:
        self._windows = sliding_window_view(self._values, self.window_length, axis=-1)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._values.nbytes

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`."""
        if self.ensure_capacity(stream + 1):
            self._look_at_windows()

    def widen(self, slots: int, end: Ints) -> None:
        """Go on with rings of more slots, keeping all that lies before slot `end`. end: int64 [S], of every stream."""
        streams = np.arange(len(end))
        kept = self.tails(streams, end, self.slots)
        self.slots = slots
        self.resize(places=slots + self._twice)
        self._look_at_windows()
        self.put_tails(streams, end, kept)

    def store(
        self, stream: Ints, columns: Ints, placement: Placement, length: Ints, values: NDArray[np.float32]
    ) -> None:
        """Write placed blocks.

        stream, length: int64 [M]; columns: int64 [M, C'], the channel of each of the block's columns; values: float32
        [N, C'], the rows of all blocks one after another (rows that the placement skips included).
        """
        first_row = np.cumsum(length) - length + placement.skip
        if len(values) >= _SLICE_ROWS * len(stream):
            self._copy(stream, columns, placement, first_row, values)
        else:
            self._scatter(stream, columns, placement, first_row, values)
        for at in np.flatnonzero(placement.fill).tolist():
            self._fill(int(stream[at]), columns[at], int(placement.slot[at]), int(placement.fill[at]))

    def _copy(
        self, stream: Ints, columns: Ints, placement: Placement, first_row: Ints, values: NDArray[np.float32]
    ) -> None:
        series = np.ascontiguousarray(values.T)  # turned once for all blocks: then slices are copied as they lie
        in_order = columns.shape[1] == self.channels and bool((columns[:, 1:] > columns[:, :-1]).all())
        numbers = (stream, placement.slot, first_row, placement.take)
        for at, (number, slot, row, take) in enumerate(zip(*(each.tolist() for each in numbers), strict=True)):
            if take:
                across = slice(None) if in_order else columns[at]
                self._write(self._values[number], across, slot, series[:, row : row + take])

    def _scatter(
        self, stream: Ints, columns: Ints, placement: Placement, first_row: Ints, values: NDArray[np.float32]
    ) -> None:
        take = placement.take
        total = int(take.sum())
        within = np.arange(total) - np.repeat(np.cumsum(take) - take, take)
        if total != len(values):
            values = values[np.repeat(first_row, take) + within]
        position = (np.repeat(placement.slot, take) + within) % self.slots
        base = (stream[:, None] * self.channels + columns) * (self.slots + self._twice)  # [M, C']
        index = np.repeat(base, take, axis=0) + position[:, None]  # [N, C']
        flat = self._values.reshape(-1)
        flat[index] = values
        twice = position < self._twice
        flat[index[twice] + self.slots] = values[twice]

    def gather(self, stream: Ints, end: Ints) -> NDArray[np.float32]:
        """Windows that end before slot `end`: float32 [B, C, L], a copy. stream, end: int64 [B]."""
        return self._windows[stream, :, (end - self.window_length) % self.slots]

    def stretches(self, streams: Ints, channel: int, end: Ints, count: int) -> NDArray[np.float32]:
        """The last `count` samples before slot `end` of one channel of streams: float32 [T, count], a copy.

        streams, end: int64 [T].
        """
        slots = (end[:, None] - count + np.arange(count)) % self.slots
        found: NDArray[np.float32] = self._values[streams[:, None], channel, slots]
        return found

    def tails(self, streams: Ints, end: Ints, count: int) -> NDArray[np.float32]:
        """What lies in the last `count` slots before `end` of these streams: float32 [T, C, count], a copy.

        streams, end: int64 [T].
        """
        return self._values[self._places(streams, end, count)]

    def put_tails(self, streams: Ints, end: Ints, values: NDArray[np.float32]) -> None:
        """The opposite of `tails`; the streams are open. streams, end: int64 [T]. values: float32 [T, C, count]."""
        self._values[self._places(streams, end, values.shape[2])] = values
        self._values[streams, :, self.slots :] = self._values[streams, :, : self._twice]

    def _places(self, streams: Ints, end: Ints, count: int) -> tuple[Ints, Ints, Ints]:
        slots = (end[:, None] - count + np.arange(count)) % self.slots
        return streams[:, None, None], np.arange(self.channels)[None, :, None], slots[:, None, :]

    def _write(self, ring: NDArray[np.float32], across: slice | Ints, slot: int, series: NDArray[np.float32]) -> None:
        """Write series [C', n] into one stream's ring, from `slot` on."""
        position = slot % self.slots
        before_wrap = min(series.shape[1], self.slots - position)
        for start, part in ((position, series[:, :before_wrap]), (0, series[:, before_wrap:])):
            count = part.shape[1]
            ring[across, start : start + count] = part
            twice = min(count, self._twice - start)
            if twice > 0:
                ring[across, self.slots + start : self.slots + start + twice] = part[:, :twice]

    def _fill(self, stream: int, columns: Ints, slot: int, count: int) -> None:
        last = self._values[stream, columns, (slot - count - 1) % self.slots]
        self._write(self._values[stream], columns, slot - count, np.repeat(last[:, None], count, axis=1))
