"""Unmeasured blocks: what came and is not measured yet. Most steps bring few blocks, and measuring pays by many."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.windows.stream_blocks import StreamBlocks

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Verdicts on rates are exact by the event time of windows, however messages are cut into steps, because blocks are
# measured at the latest when they are so old, or so many, and a verdict holds so much later than its block.
SETTLE_SECONDS = 1.0
_SETTLE_BLOCKS = 64


class ArrivedBlocks(NamedTuple):
    """M blocks in the order in which they came, in columns as `StreamBlocks` has them. timed: of all of them."""

    channel_group: Ints
    first_time_seconds: Floats
    length: Ints
    arrival_seconds: Floats
    timed: bool


class UnmeasuredBlocks:
    """Blocks of one model group that wait to be measured."""

    def __init__(self) -> None:
        self._waiting: list[StreamBlocks] = []
        self._count = 0
        self._since_seconds = 0.0  # arrival of the first of them

    def add(self, blocks: StreamBlocks) -> bool:
        """Let blocks wait; whether it is time to measure them all."""
        count = len(blocks.length)
        if not count:
            return False
        if not self._waiting:
            self._since_seconds = blocks.arrival_seconds.item(0)
        self._waiting.append(blocks)
        self._count += count
        waited_seconds = blocks.arrival_seconds.item(-1) - self._since_seconds
        return self._count >= _SETTLE_BLOCKS or waited_seconds >= SETTLE_SECONDS

    def take(self) -> Iterator[ArrivedBlocks]:
        """All that waits: those that carry their time together, and the others."""
        waiting, self._waiting, self._count = self._waiting, [], 0
        for timed in (True, False):
            blocks = [each for each in waiting if each.timed is timed]
            if blocks:
                yield ArrivedBlocks(
                    np.concatenate([each.channel_group for each in blocks]),
                    np.concatenate([each.first_time_seconds for each in blocks]),
                    np.concatenate([each.length for each in blocks]),
                    np.concatenate([each.arrival_seconds for each in blocks]),
                    timed,
                )
