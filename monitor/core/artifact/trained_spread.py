"""The trained spread: where centre and scale of streams lay in the training data, where each stream learns its own.

A stream that lies elsewhere is not taken at its word: a machine that is faulty from its first window on would teach its
fault as normal. It is judged by the typical numbers of the training data instead. `trainer/data/trained_spread.py` says
how the bounds are found.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from monitor.core.artifact.part import Finite, ManifestPart, Positive


class TrainedSpread(ManifestPart):
    """Typical numbers of streams in training, and the bounds of those that count as alike; one entry per channel.

    streams: how many there were. centre: one number or, of a template, one for each sample of a window. centre_low,
    centre_high: bounds of the centre's mean over a window. scale_low, scale_high: of the scale.
    """

    streams: Annotated[int, Field(ge=1)]
    centre: tuple[tuple[Finite, ...], ...]
    scale: tuple[Positive, ...]
    centre_low: tuple[Finite, ...]
    centre_high: tuple[Finite, ...]
    scale_low: tuple[Positive, ...]
    scale_high: tuple[Positive, ...]

    @model_validator(mode="after")
    def _bounds_hold_what_is_typical(self) -> "TrainedSpread":
        columns = (self.centre, self.centre_low, self.centre_high, self.scale_low, self.scale_high)
        if any(len(column) != len(self.scale) for column in columns):
            raise ValueError("each column of the trained spread has one entry per channel")
        if len({len(samples) for samples in self.centre}) != 1 or not self.centre[0]:
            raise ValueError("the trained centre has as many numbers in each channel, at least one")
        if not self.holds(np.array(self.centre), np.array(self.scale)):
            raise ValueError("the trained centre and scale lie within their bounds")
        return self

    def holds(self, centre: NDArray[np.floating], scale: NDArray[np.floating]) -> bool:
        """Whether a stream's own numbers are like those of the training data.

        centre: float [C, 1] or, of a template, [C, L]. scale: float [C].
        """
        level = centre.mean(axis=1)
        within = (level >= self.centre_low) & (level <= self.centre_high)
        return bool((within & (scale >= self.scale_low) & (scale <= self.scale_high)).all())
