"""Unmeasured blocks: what came and is not measured yet. Most steps bring few blocks, and measuring pays by many."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.columns import Columns, column
from monitor.core.windows.stream_blocks import StreamBlocks

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Verdicts on rates are exact by the event time of windows, however messages are cut into steps, because a verdict holds
# so much later than its block, and no channel group has more than that waiting.
SETTLE_SECONDS = 1.0
_MOST_BLOCKS = 8192


class ArrivedBlocks(NamedTuple):
    """M blocks in the order in which they came, in columns as `StreamBlocks` has them. timed: of all of them.

    end_seconds: float64 [M], when the last sample of each was taken; of those without a time, when they arrived.
    """

    channel_group: Ints
    first_time_seconds: Floats
    length: Ints
    arrival_seconds: Floats
    end_seconds: Floats
    timed: bool

    @classmethod
    def of(cls, blocks: StreamBlocks, period_seconds: float) -> "ArrivedBlocks":
        """What is measured of blocks; their samples are let go."""
        ends = blocks.arrival_seconds
        if blocks.timed:
            ends = blocks.first_time_seconds + (blocks.length - 1) * period_seconds
        columns = blocks.channel_group, blocks.first_time_seconds, blocks.length, blocks.arrival_seconds
        return cls(*columns, ends, blocks.timed)


class UnmeasuredBlocks(Columns):
    """Blocks of one model group that wait to be measured. period_seconds: of a sample."""

    _first_end: Floats = column(None, np.float64, np.inf, by_channel_group=True)  # end of the first block that waits

    def __init__(self, groups: ChannelGroups, period_seconds: float) -> None:
        super().__init__(groups)
        self._period_seconds = period_seconds
        self._waiting: list[ArrivedBlocks] = []
        self._count = 0
        self._since_seconds = 0.0  # arrival of the first of them

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`."""
        self.ensure_capacity(stream + 1)

    def add(self, blocks: StreamBlocks) -> bool:
        """Let blocks wait; whether it is time to measure them all."""
        count = len(blocks.length)
        if not count:
            return False
        arrived = ArrivedBlocks.of(blocks, self._period_seconds)
        if not self._waiting:
            self._since_seconds = arrived.arrival_seconds.item(0)
        self._waiting.append(arrived)
        self._count += count
        waited_seconds = arrived.arrival_seconds.item(-1) - self._since_seconds
        if self._count >= _MOST_BLOCKS or waited_seconds >= SETTLE_SECONDS:
            return True
        return arrived.timed and self._span_seconds(arrived.channel_group, arrived.end_seconds) >= SETTLE_SECONDS

    def take(self) -> Iterator[ArrivedBlocks]:
        """All that waits: those that carry their time together, and the others."""
        waiting, self._waiting, self._count = self._waiting, [], 0
        for each in waiting:
            self._first_end[each.channel_group] = np.inf
        for timed in (True, False):
            blocks = [each for each in waiting if each.timed is timed]
            if len(blocks) == 1:
                yield blocks[0]
            elif blocks:
                group, first_time, length, arrival, end, _ = zip(*blocks, strict=True)
                columns = np.concatenate(group), np.concatenate(first_time), np.concatenate(length)
                yield ArrivedBlocks(*columns, np.concatenate(arrival), np.concatenate(end), timed)

    def _span_seconds(self, groups: Ints, end_seconds: Floats) -> float:
        """Over how much event time the blocks of a channel group wait at most, of those that these are of."""
        first = self._first_end[groups]
        if np.isinf(first.max()):
            fresh = np.flatnonzero(np.isinf(first))[::-1]
            self._first_end[groups[fresh]] = end_seconds[fresh]  # of several the last, which is the first that came
            first = self._first_end[groups]
        return float(np.abs(end_seconds - first).max())
