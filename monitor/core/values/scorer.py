"""What every scorer does, and the record it makes. The scorers themselves are adapters."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ScoreBatch:
    """Reconstruction errors of B windows: error float32 [B], channel_error float32 [B, C]."""

    error: Floats32
    channel_error: Floats32

    @staticmethod
    def join(batches: list["ScoreBatch"]) -> "ScoreBatch":
        """One batch of several (at least one), in order."""
        if len(batches) == 1:
            return batches[0]
        return ScoreBatch(
            np.concatenate([batch.error for batch in batches]),
            np.concatenate([batch.channel_error for batch in batches]),
        )


class Scorer(Protocol):
    """A model that is ready to score."""

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        """Score windows: their errors, in the order of the windows.

        windows: float32 [B, C, L]. centre: float32 [B, C] or, of normalization `template`, [B, C, L].
        scale: float32 [B, C].
        """
        ...
