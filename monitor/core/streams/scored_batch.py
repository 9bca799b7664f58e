"""What a batch of windows came to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.alerting.alerts import AlertStep
from monitor.core.values.scorer import Floats32
from monitor.core.windows.stream_windows import WindowBatch


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """What a scored batch of B windows came to.

    error, score: float32 [B], channel_error: float32 [B, C], all NaN where withheld, and channel_error where masked;
    verdict, quality: int8 [B]; steps: the steps of alerts, each with the index of its window; names: of the streams, by
    number, when they were scored.
    """

    windows: WindowBatch
    error: Floats32
    score: Floats32
    channel_error: Floats32
    verdict: NDArray[np.int8]
    quality: NDArray[np.int8]
    steps: tuple[tuple[int, AlertStep], ...]
    names: list[str | None]
