"""Window batches: windows of many streams, on their way from the rings to the scorer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Ints


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """B windows, oldest first within each stream.

    stream: int64 [B], the stream's number in its model group. end_seconds: float64 [B], event time of the last sample.
    arrival_seconds: float64 [B], arrival of the message that completed it. coverage: float32 [B, C], the fraction of
    samples that were really received, by channel. values: float32 [B, C, L], not normalized; where the cut derives
    channels, they are the last of the C.
    """

    stream: NDArray[np.int64]
    end_seconds: NDArray[np.float64]
    arrival_seconds: NDArray[np.float64]
    coverage: NDArray[np.float32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        """How many windows."""
        return len(self.stream)

    def select(self, index: NDArray[np.bool_] | Ints | slice) -> "WindowBatch":
        """The windows at `index`. index: bool [B], int64 [n], or a slice."""
        return WindowBatch(
            self.stream[index],
            self.end_seconds[index],
            self.arrival_seconds[index],
            self.coverage[index],
            self.values[index],
        )

    @staticmethod
    def join(batches: list["WindowBatch"]) -> "WindowBatch":
        """One batch of several (at least one), in order."""
        if len(batches) == 1:
            return batches[0]
        return WindowBatch(
            np.concatenate([batch.stream for batch in batches]),
            np.concatenate([batch.end_seconds for batch in batches]),
            np.concatenate([batch.arrival_seconds for batch in batches]),
            np.concatenate([batch.coverage for batch in batches]),
            np.concatenate([batch.values for batch in batches]),
        )
