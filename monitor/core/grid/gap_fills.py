"""Filled slots: where short gaps of a stream were bridged, as far back as a window can still reach."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.snapshots import Slot

Stretch = tuple[Slot, Slot, Slot]  # slots [start, end), and the first channel of the channel group


class GapFills:
    """Filled stretches of slots, `[start, end)`, by stream. Most streams have none."""

    def __init__(self) -> None:
        self._stretches: dict[int, list[Stretch]] = {}

    def add(self, stream: int, start: int, end: int, first_channel: int) -> None:
        """Note that the slots of `[start, end)` hold a filled value in the channel group of this first channel."""
        self._stretches.setdefault(stream, []).append((start, end, first_channel))

    def within(self, stream: int, start: int, end: int) -> Iterator[Stretch]:
        """What of the slots of `[start, end)` holds a filled value."""
        for left, right, first_channel in self._stretches.get(stream, ()):
            if left < end and right > start:
                yield max(left, start), min(right, end), first_channel

    def count_by_group(self, stream: int, start: int, end: int) -> dict[int, int]:
        """How many slots of `[start, end)` hold a filled value, by the first channel of the channel group."""
        counts: dict[int, int] = {}
        for left, right, first_channel in self.within(stream, start, end):
            counts[first_channel] = counts.get(first_channel, 0) + right - left
        return counts

    def any(self, streams: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether anything is filled in each of these streams: bool [T]."""
        if not self._stretches:
            return np.zeros(len(streams), np.bool_)
        return np.fromiter((stream in self._stretches for stream in streams.tolist()), np.bool_, len(streams))

    def forget(self, stream: int, before: int) -> None:
        """Let go of a stream's stretches that end at `before` or earlier."""
        if stream in self._stretches:
            left = [stretch for stretch in self._stretches[stream] if stretch[1] > before]
            if left:
                self._stretches[stream] = left
            else:
                del self._stretches[stream]

    def clear(self, stream: int) -> None:
        """Let go of all stretches of a stream."""
        self._stretches.pop(stream, None)

    def snapshot(self, streams: NDArray[np.int64]) -> list[list[Stretch]]:
        """The stretches of these streams, in their order. streams: int64 [T]."""
        return [list(self._stretches.get(stream, ())) for stream in streams.tolist()]

    def restore(self, streams: NDArray[np.int64], stretches: list[list[Stretch]]) -> None:
        """Give these streams the stretches of a snapshot. streams: int64 [T]."""
        for stream, mine in zip(streams.tolist(), stretches, strict=True):
            if mine:
                self._stretches[stream] = mine
