"""Stream factors: streams whose normal errors vary more than most are held to a multiple of the threshold."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.columns import Columns, column


class StreamFactors(Columns):
    """The factor of each stream of a model group, 1 where the artifact says nothing of it."""

    _factor: NDArray[np.float32] = column(None, np.float32, 1.0)

    def __init__(self, factors: Mapping[str, float]) -> None:
        super().__init__()
        self._of = factors

    def open_stream(self, name: str, stream: int) -> None:
        """Hold a stream of this name and number to what the artifact says of it."""
        self.ensure_capacity(stream + 1)
        self._factor[stream] = self._of.get(name, 1.0)

    def adopt(self, factors: Mapping[str, float], number: Mapping[str, int]) -> None:
        """Go on with what another artifact says. number: of each stream that is open."""
        self._of = factors
        for name, stream in number.items():
            self.open_stream(name, stream)

    def apply(self, threshold: NDArray[np.float32], stream: NDArray[np.int64]) -> None:
        """Multiply thresholds, in place. threshold: float32 [B], of windows. stream: int64 [B], whose they are."""
        if self._of:
            threshold *= self._factor[stream]
