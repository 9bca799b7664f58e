"""Data levels: where the normal data of one stream lie, channel by channel, in the units of its sensors.

Each artifact tells it of what it was fitted to, so that two of them can be compared long after the data are gone:
"vib_x lay around 0.0 g with 0.08 g of swing, and 0.11 g a year later" is the difference of two manifests.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from monitor.core.artifact.part import Finite, ManifestPart, NotNegative

# Of the windows, so many are left aside at either end: odd ones, and what robust fitting leaves out later.
_TRIMMED_SHARE = 0.1


class DataLevels(ManifestPart):
    """Centre and scale per channel of `windows` normal windows, in the units of the sensors.

    centre: the mean of the windows' means. scale: how far samples lie from it, within windows and from one to the next.
    Both without the tenth of the windows that is smallest, and the tenth that is largest.
    """

    windows: Annotated[int, Field(ge=1)]
    centre: tuple[Finite, ...]
    scale: tuple[NotNegative, ...]

    @model_validator(mode="after")
    def _columns_agree(self) -> "DataLevels":
        if len(self.centre) != len(self.scale):
            raise ValueError("the levels of data have a centre and a scale for each channel")
        return self

    @classmethod
    def of(cls, windows: NDArray[np.float32]) -> "DataLevels":
        """Measure windows: float32 [N, C, L], N > 0, all finite."""
        values = windows.astype(np.float64)
        means = values.mean(axis=2)  # [N, C]
        centre = _trimmed_mean(means)
        within, between = _trimmed_mean(values.var(axis=2)), _trimmed_mean((means - centre) ** 2)
        scale = np.sqrt(within + between)
        return cls(windows=len(windows), centre=tuple(centre.tolist()), scale=tuple(scale.tolist()))


def _trimmed_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each column [C] of values [N, C], N > 0, without what is smallest and largest."""
    aside = int(_TRIMMED_SHARE * len(values))
    mean: NDArray[np.float64] = np.sort(values, axis=0)[aside : len(values) - aside].mean(axis=0)
    return mean
