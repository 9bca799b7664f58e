"""A histogram that takes whole arrays at once, where one call per observation would be the slowest part of the walk."""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.snapshots import State, StateError, array_in, part_of, typed


class Histogram:
    """Counts of values per bucket, as Prometheus has them: a value belongs to the first bound that is not below it."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._edges = np.asarray(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self.sum = 0.0

    def observe(self, values: NDArray[np.float64]) -> None:
        """Add values. values: float64 [n]."""
        self._counts += np.bincount(np.searchsorted(self._edges, values), minlength=len(self._counts))
        self.sum += float(values.sum())

    def observe_one(self, value: float) -> None:
        """Add one value, without the price of an array."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[int]:
        """How many values are at most each bound, and last how many there are at all."""
        return [int(count) for count in np.cumsum(self._counts)]

    def snapshot(self) -> State:
        """The counts, to be kept."""
        return {"counts": self._counts.copy(), "sum": self.sum}

    def restore(self, state: object) -> None:
        """Count on from a snapshot; where it is none, or one of other bounds, counting begins anew."""
        try:
            counts = array_in(state, "counts", np.int64, self._counts.shape)
            total = typed(part_of(state, "sum"), float)
        except StateError:
            return
        self._counts, self.sum = counts.copy(), total
