"""Windows: `length` consecutive samples of all channels of one stream, cut every `stride` samples.

Windows of many streams travel together as one `WindowBatch`. The daemon cuts them from live rings; the trainer cuts
them from recordings through the very same rings, so that both see the same windows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.manifest import WindowSpec
from monitor.core.recording import Recording


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """B windows, oldest first within each stream.

    stream: int64 [B], the stream's number in its fleet. end_seconds: float64 [B], event time of the last sample.
    arrival_seconds: float64 [B], arrival of the message that completed it. coverage: float32 [B], the fraction of
    samples that were really received. values: float32 [B, C, L], not normalized.
    """

    stream: NDArray[np.int64]
    end_seconds: NDArray[np.float64]
    arrival_seconds: NDArray[np.float64]
    coverage: NDArray[np.float32]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        """How many windows."""
        return len(self.stream)


def windows_of(recording: Recording, spec: WindowSpec, sample_period_seconds: float) -> WindowBatch:
    """Cut a whole recording as the daemon would cut the same samples arriving live. `stream` is 0 everywhere."""
    raise NotImplementedError


def window_labels(recording: Recording, batch: WindowBatch, length: int) -> NDArray[np.int8]:
    """Label windows of `recording`: int8 [B], 1 where any of the window's samples is labelled an anomaly."""
    raise NotImplementedError
