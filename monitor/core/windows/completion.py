"""Completion: which block brought the last sample of a window."""

import numpy as np

from monitor.core.grid.arrivals import Ints
from monitor.core.grid.grid_columns import Placement


def completed_by(channel_groups: Ints, end: Ints, of_blocks: Ints, placed: Placement) -> Ints:
    """The block that completed each window: int64 [B], -1 where none of these did.

    channel_groups: int64 [B, C], those of each window's stream; end: int64 [B], the slot behind each window.
    of_blocks: int64 [M], the channel group of each block, in the order in which they came.
    """
    taken = np.flatnonzero(placed.take)
    if not len(taken):
        return np.full(len(end), -1, np.int64)
    taken = taken[np.argsort(of_blocks[taken], kind="stable")]
    of_taken = of_blocks[taken]
    opens = np.ones(len(taken), np.bool_)
    opens[1:] = of_taken[1:] != of_taken[:-1]
    groups, rank = of_taken[opens], np.cumsum(opens) - 1
    head = placed.slot[taken] + placed.take[taken]
    base = min(int(head.min()), int(end.min()))
    span = max(int(head.max()), int(end.max())) - base + 2
    # within a channel group heads ascend; an offset keeps those of the next one apart
    at = np.searchsorted(groups, channel_groups)
    known = groups[np.minimum(at, len(groups) - 1)] == channel_groups
    first = np.searchsorted(rank * span + (head - base), at * span + (end - base)[:, None])
    first = np.minimum(first, len(taken) - 1)
    block = taken[first]
    known &= of_blocks[block] == channel_groups
    known &= (placed.slot - placed.fill)[block] < end[:, None]
    found: Ints = np.where(known, block, -1).max(axis=1)
    return found
