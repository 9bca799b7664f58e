"""Normalization: centre and scale, one of each per window and channel.

The numbers are computed here, and only here, for training and for scoring alike; they are *applied* inside the
artifact's module as `(x - centre) / scale`.
"""

import numpy as np
from numpy.typing import NDArray

from monitor.core.manifest import NormalizationSpec
from monitor.core.windows import WindowBatch


class Normalizer:
    """Centre and scale for the streams of one fleet.

    `fixed` and `window` keep no state. `stream` learns from each stream's first `warmup_windows` windows: the centre
    is the median of the windows' medians; the scale combines the median of the windows' MADs with the MAD of their
    medians (both times 1.4826, so that a Gaussian's standard deviation comes out). Fewer than half of the warm-up
    windows being odd cannot carry either away.
    """

    def __init__(self, spec: NormalizationSpec, channels: int) -> None:
        raise NotImplementedError

    def parameters(
        self, batch: WindowBatch
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Centre [B, C], scale [B, C] and ready [B] for a batch, learning from it where a stream still warms up.

        A window that a stream learnt from is not ready: it is never judged by numbers it helped to make.
        """
        raise NotImplementedError

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Start over for these streams (they are gone, or their number was given to another)."""
        raise NotImplementedError
