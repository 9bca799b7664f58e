"""Arrivals: blocks as the sample grid sees them, everything about them but their values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_FEW = 32  # numbers that are sorted at less cost one by one


@dataclass(frozen=True, slots=True)
class Arrivals:
    """M blocks in the order in which their messages came.

    channel_group, length: int64 [M]; first_time_seconds, arrival_seconds: float64 [M] (the first is of no account where
    the block is not timed); timed: bool [M], whether the payload carried its time; turns: int64 [M], quarters of the
    lateness that the stream's channels had waited for one another when the block came (see `waits.py`).
    """

    channel_group: Ints
    first_time_seconds: Floats
    length: Ints
    arrival_seconds: Floats
    timed: NDArray[np.bool_]
    turns: Ints

    def __len__(self) -> int:
        """How many blocks."""
        return len(self.channel_group)

    def select(self, index: Ints) -> "Arrivals":
        """The blocks at `index`. index: int64 [m]."""
        return Arrivals(
            self.channel_group[index],
            self.first_time_seconds[index],
            self.length[index],
            self.arrival_seconds[index],
            self.timed[index],
            self.turns[index],
        )


def distinct(numbers: Ints) -> Ints:
    """Each of some numbers once, ascending: int64 [K]. numbers: int64 [M]."""
    if len(numbers) > _FEW:
        return np.unique(numbers)
    return np.array(sorted(set(numbers.tolist())), np.int64)
