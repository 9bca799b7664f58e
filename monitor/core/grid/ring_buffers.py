"""Rings: the last samples of every stream of a model group, in one array.

The first slots of a ring are written a second time behind its end, so that any window lies in one piece and a batch of
windows is one gather. Time and gaps are the grid's business; here a sample has a slot and nothing else. A stream that
needs more room than the others has a ring of its own (`wide_rings.py`).
"""

from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Ints
from monitor.core.grid.wide_rings import WideRings
from monitor.core.values.columns import Columns, column

# Of so few blocks, or from this many rows per block on, copying slices beats one scatter over all samples.
_FEW_BLOCKS = 6
_SLICE_ROWS = 32
_NO_LIMIT = 2**63 - 1


class Samples:
    """Samples of blocks, one after another. values: float32 [N, C']; length: int64 [M], of each block.

    first_row: int64 [M], where each block begins.
    """

    def __init__(self, values: NDArray[np.float32], length: Ints) -> None:
        self.values = values
        self.first_row = np.cumsum(length) - length

    @cached_property
    def series(self) -> NDArray[np.float32]:
        """The samples by column: float32 [C', N]. Turned once for all blocks: then slices are copied as they lie."""
        return np.ascontiguousarray(self.values.T)


class Rings(Columns):
    """Samples float32 [S, C, slots + L - 1]; slot k lies at k % slots. Streams are added by number.

    max_backlog_bytes: of rings that hold a backlog.
    """

    _values: NDArray[np.float32] = column(None, np.float32, shape=("channels", "places"))

    def __init__(self, channels: int, window_length: int, slots: int, max_backlog_bytes: int = _NO_LIMIT) -> None:
        self.channels = channels
        self.window_length = window_length
        self.slots = slots
        self.wide = WideRings(max_backlog_bytes)
        self._twice = window_length - 1  # how many slots are there twice
        super().__init__(channels=channels, places=slots + self._twice)
        self._look_at_windows()

    def _look_at_windows(self) -> None:
        self._windows = sliding_window_view(self._values, self.window_length, axis=-1)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._values.nbytes + self.wide.nbytes

    def slots_of(self, stream: int) -> int:
        """How many slots the ring of a stream has."""
        ring = self.wide.get(stream)
        return self.slots if ring is None else ring.slots

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`."""
        self.close_stream(stream)
        if self.ensure_capacity(stream + 1):
            self._look_at_windows()

    def close_stream(self, stream: int) -> None:
        """Let go of what a stream holds beside its place in the common array."""
        self.wide.close(stream)

    def widen(self, slots: int, end: Ints) -> None:
        """Go on with rings of more slots, keeping all that lies before slot `end`. end: int64 [S], of every stream."""
        streams = np.arange(len(end))
        kept = self._in_common(streams, end, self.slots)
        self.slots = slots
        self.resize(places=slots + self._twice)
        self._look_at_windows()
        self._put_in_common(streams, end, kept)

    def widen_one(self, stream: int, slots: int, heads: Ints, *, backlog: bool) -> bool:
        """Give one stream a ring of at least so many slots; False where that is too much.

        heads: int64 [C], the slot behind the newest sample of each channel. backlog: whether the ring is to count
        against the limit.
        """
        held = [self._tail_of(stream, channel, head) for channel, head in enumerate(heads.tolist())]
        ring = self.wide.open(stream, self.channels, slots, self._twice, backlog=backlog)
        if ring is None:
            return False
        for channel, (head, tail) in enumerate(zip(heads.tolist(), held, strict=True)):
            self._write(ring.values, ring.slots, slice(channel, channel + 1), head - tail.shape[1], tail)
        return True

    def narrow_one(self, stream: int, heads: Ints) -> None:
        """Take the ring of its own from a stream, which keeps the latest samples. heads: int64 [C], as above."""
        held = [self._tail_of(stream, channel, head) for channel, head in enumerate(heads.tolist())]
        self.wide.close(stream)
        for channel, (head, tail) in enumerate(zip(heads.tolist(), held, strict=True)):
            kept = tail[:, -self.slots :]
            self._write(self._values[stream], self.slots, slice(channel, channel + 1), head - kept.shape[1], kept)

    def _tail_of(self, stream: int, channel: int, head: int) -> NDArray[np.float32]:
        """All that the ring of a stream holds of one channel: float32 [1, slots], oldest first."""
        slots = self.slots_of(stream)
        return self._ring_of(stream)[channel : channel + 1, np.arange(head - slots, head) % slots]

    def _ring_of(self, stream: int) -> NDArray[np.float32]:
        ring = self.wide.get(stream)
        return self._values[stream] if ring is None else ring.values

    def store(
        self, stream: Ints, columns: Ints, slot: Ints, skip: Ints, take: Ints, first_row: Ints, samples: Samples
    ) -> None:
        """Write placed blocks, but for the gaps that are to be filled.

        stream, slot, skip, take: int64 [M], of each block, as in `Placement`; columns: int64 [M, C'], the channel of
        each of its columns; first_row: int64 [M], where it begins in `samples`.
        """
        first_row = first_row + skip
        if len(stream) <= _FEW_BLOCKS or int(take.sum()) >= _SLICE_ROWS * len(stream):
            self._copy(stream, columns, slot, take, first_row, samples.series)
            return
        apart = self.wide.among(stream) if self.wide else None
        if apart is None or not apart.any():
            self._scatter(self._values, self.slots, stream, columns, slot, take, first_row, samples.values)
            return
        for number in [None, *np.unique(stream[apart]).tolist()]:
            blocks = np.flatnonzero(~apart if number is None else stream == number)
            ring = None if number is None else self.wide.get(number)
            values, slots = (self._values, self.slots) if ring is None else (ring.values[None], ring.slots)
            of_values = stream[blocks] if ring is None else np.zeros(len(blocks), np.int64)
            placed = slot[blocks], take[blocks], first_row[blocks]
            self._scatter(values, slots, of_values, columns[blocks], *placed, samples.values)

    def _copy(
        self, stream: Ints, columns: Ints, slot: Ints, take: Ints, first_row: Ints, series: NDArray[np.float32]
    ) -> None:
        in_order = columns.shape[1] == self.channels and bool((columns[:, 1:] > columns[:, :-1]).all())
        numbers = (stream.tolist(), slot.tolist(), first_row.tolist(), take.tolist())
        for at, (number, begin, row, count) in enumerate(zip(*numbers, strict=True)):
            if count:
                across = slice(None) if in_order else columns[at]
                self._write(self._ring_of(number), self.slots_of(number), across, begin, series[:, row : row + count])

    def _scatter(
        self,
        into: NDArray[np.float32],
        slots: int,
        ring: Ints,
        columns: Ints,
        slot: Ints,
        take: Ints,
        first_row: Ints,
        values: NDArray[np.float32],
    ) -> None:
        """Write blocks into rings of so many slots, float32 [R, C, slots + L - 1]. ring: int64 [M], which."""
        total = int(take.sum())
        base = (ring[:, None] * self.channels + columns) * (slots + self._twice)  # [M, C']
        if total == len(take) == len(values) and take.all():  # as sensors mostly send: one sample a message
            position = slot % slots
        else:
            before, nth = np.cumsum(take) - take, np.arange(total)
            if total != len(values):
                values = values[np.repeat(first_row - before, take) + nth]
            position = np.repeat(slot % slots - before, take) + nth
            position[position >= slots] -= slots  # a division for each sample takes longer
            base = np.repeat(base, take, axis=0)
        index = base + position[:, None]  # [N, C']
        flat = into.reshape(-1)
        flat[index] = values
        twice = position < self._twice
        if twice.any():
            flat[index[twice] + slots] = values[twice]

    def fill(self, stream: int, columns: Ints, slot: int, count: int) -> None:
        """Repeat the last value before a gap of `count` slots that ends before `slot`. columns: int64 [C']."""
        ring, slots = self._ring_of(stream), self.slots_of(stream)
        last = ring[columns, (slot - count - 1) % slots]
        self._write(ring, slots, columns, slot - count, np.repeat(last[:, None], count, axis=1))

    def gather(self, stream: Ints, end: Ints) -> NDArray[np.float32]:
        """Windows that end before slot `end`: float32 [B, C, L], a copy. stream, end: int64 [B]."""
        found: NDArray[np.float32] = self._windows[stream, :, (end - self.window_length) % self.slots]
        if not self.wide:
            return found
        wide = self.wide.among(stream)
        for number in np.unique(stream[wide]).tolist():
            mine, ring = np.flatnonzero(stream == number), self.wide.get(number)
            if ring is not None:
                starts = (end[mine] - self.window_length) % ring.slots
                found[mine] = ring.windows(self.window_length)[:, starts].transpose(1, 0, 2)
        return found

    def stretches(self, streams: Ints, channel: int, end: Ints, count: int) -> NDArray[np.float32]:
        """The last `count` samples before slot `end` of one channel of streams: float32 [T, count], a copy.

        streams, end: int64 [T].
        """
        slots = end[:, None] - count + np.arange(count)
        found: NDArray[np.float32] = self._values[streams[:, None], channel, slots % self.slots]
        for at in np.flatnonzero(self.wide.among(streams)).tolist():
            stream = int(streams[at])
            found[at] = self._ring_of(stream)[channel, slots[at] % self.slots_of(stream)]
        return found

    def tails(self, streams: Ints, end: Ints, count: int) -> NDArray[np.float32]:
        """What lies in the last `count` slots before `end` of these streams: float32 [T, C, count], a copy.

        streams, end: int64 [T].
        """
        found = self._in_common(streams, end, count)
        for at in np.flatnonzero(self.wide.among(streams)).tolist():
            stream, slots = int(streams[at]), np.arange(int(end[at]) - count, int(end[at]))
            found[at] = self._ring_of(stream)[:, slots % self.slots_of(stream)]
        return found

    def put_tails(self, streams: Ints, end: Ints, values: NDArray[np.float32]) -> None:
        """The opposite of `tails`; the streams are open. streams, end: int64 [T]. values: float32 [T, C, count]."""
        apart = self.wide.among(streams)
        self._put_in_common(streams[~apart], end[~apart], values[~apart])
        for at in np.flatnonzero(apart).tolist():
            stream = int(streams[at])
            first = int(end[at]) - values.shape[2]
            self._write(self._ring_of(stream), self.slots_of(stream), slice(None), first, values[at])

    def _in_common(self, streams: Ints, end: Ints, count: int) -> NDArray[np.float32]:
        return self._values[self._places(streams, end, count)]

    def _put_in_common(self, streams: Ints, end: Ints, values: NDArray[np.float32]) -> None:
        self._values[self._places(streams, end, values.shape[2])] = values
        self._values[streams, :, self.slots :] = self._values[streams, :, : self._twice]

    def _places(self, streams: Ints, end: Ints, count: int) -> tuple[Ints, Ints, Ints]:
        slots = (end[:, None] - count + np.arange(count)) % self.slots
        return streams[:, None, None], np.arange(self.channels)[None, :, None], slots[:, None, :]

    def _write(
        self, ring: NDArray[np.float32], slots: int, across: slice | Ints, slot: int, series: NDArray[np.float32]
    ) -> None:
        """Write series [C', n] into one stream's ring of so many slots, from `slot` on."""
        position, samples = slot % slots, series.shape[1]
        if self._twice <= position <= slots - samples:  # as mostly: neither does it wrap, nor is it there twice
            ring[across, position : position + samples] = series
            return
        before_wrap = min(samples, slots - position)
        for start, part in ((position, series[:, :before_wrap]), (0, series[:, before_wrap:])):
            count = part.shape[1]
            ring[across, start : start + count] = part
            twice = min(count, self._twice - start)
            if twice > 0:
                ring[across, slots + start : slots + start + twice] = part[:, :twice]
