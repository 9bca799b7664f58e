"""Stream normals: centre and scale of single streams, as a refit found them in what was normal of each.

A stream of which an artifact has these numbers is judged by them: they rest on far more than a warm-up.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from monitor.core.artifact.array import Array
from monitor.core.artifact.part import Finite, ManifestPart
from monitor.core.values.names import Name


class StreamNormals(ManifestPart):
    """The numbers of S streams. centre [S, C, 1] or, of a template, [S, C, L]; scale [S, C].

    until_seconds: event time up to which the data reach that each stream's numbers were found in.
    """

    names: tuple[Name, ...]
    until_seconds: tuple[Finite, ...]
    centre: Array
    scale: Array

    def __len__(self) -> int:
        """How many streams."""
        return len(self.names)

    def each(self) -> Iterator[tuple[str, float, NDArray[np.float32], NDArray[np.float32]]]:
        """Name, end of the data, centre float32 [C, K] and scale float32 [C] of each stream."""
        return zip(self.names, self.until_seconds, self.centre.numpy(), self.scale.numpy(), strict=True)

    @model_validator(mode="after")
    def _columns_agree(self) -> "StreamNormals":
        count = len(self.names)
        if len(set(self.names)) != count:
            raise ValueError("a stream has its numbers twice")
        shape = self.centre.shape
        if len(shape) != 3 or shape[0] != count or self.scale.shape != shape[:2] or len(self.until_seconds) != count:
            raise ValueError("each stream has a centre [C, K], a scale [C] and an end of its data")
        if not math.prod(shape):
            raise ValueError("there is no stream")
        scale = self.scale.numpy()
        if not (np.isfinite(self.centre.numpy()).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("centre and scale are finite, and a scale is above 0")
        return self
