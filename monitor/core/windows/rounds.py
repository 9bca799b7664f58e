"""Rounds: the blocks of a call in as many turns as the room in the rings asks for."""

from collections.abc import Iterator

import numpy as np

from monitor.core.grid.sample_grid import Ints, SampleGrid
from monitor.core.windows.rooms import Rooms
from monitor.core.windows.stream_blocks import MergedBlocks

# What one stream brings in a call is placed in so many rounds; where it would take more, it gets a ring of its own.
_MOST_ROUNDS = 4


def in_rounds(blocks: MergedBlocks, grid: SampleGrid, rooms: Rooms) -> Iterator[MergedBlocks]:
    """Blocks in rounds in which no stream goes further than its ring has room."""
    group, length = blocks.arrivals.channel_group, blocks.arrivals.length
    if int(length.sum()) <= rooms.round_samples:
        yield blocks
        return
    order = np.argsort(group, kind="stable")
    before = np.cumsum(length[order]) - length[order]
    opens = np.ones(len(order), np.bool_)
    opens[1:] = group[order][1:] != group[order][:-1]
    before -= np.maximum.accumulate(np.where(opens, before, 0))
    rounds = np.empty(len(order), np.int64)
    rounds[order] = before // rooms.round_samples
    loud = rounds >= _MOST_ROUNDS
    if loud.any():
        stream = grid.groups.stream(group)
        for number in np.unique(stream[loud]).tolist():
            mine = stream == number
            if rooms.make_round(number, int(length[mine].sum())):
                rounds[mine] = 0
    if not rounds.any():
        yield blocks
        return
    if grid.any_apart:  # of no channel group a round before what came earlier of another
        rounds = _running_maximum(rounds, grid.groups.stream(group))
    by_round = np.argsort(rounds, kind="stable")
    ends = np.cumsum(np.bincount(rounds))
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        yield blocks.select(by_round[start:end])


def _running_maximum(numbers: Ints, stream: Ints) -> Ints:
    """The greatest number of each stream so far: int64 [M]. numbers: int64 [M], not negative; stream: int64 [M]."""
    order = np.argsort(stream, kind="stable")
    rank = np.cumsum(np.concatenate(([0], np.diff(stream[order]) != 0)))
    apart = int(numbers.max()) + 1
    found = np.empty_like(numbers)
    found[order] = np.maximum.accumulate(numbers[order] + rank * apart) - rank * apart
    return found
