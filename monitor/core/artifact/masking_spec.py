"""How windows are judged without channels that cannot be trusted: part of the manifest.

`residuald-trainer fit` calibrates it (`trainer/fitting/masking.py`), `monitor/core/scoring/masking.py` applies it.
"""

from math import comb
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from monitor.core.artifact.array import Array
from monitor.core.artifact.part import Finite, ManifestPart, Positive


class MaskingSpec(ManifestPart):
    """What stands in for each measured channel while it is masked, and the thresholds that hold meanwhile.

    version: of this layout. threshold: of the mean error of the other channels, by the channel that is masked alone;
    None: windows are not judged without this channel. pair_threshold: likewise for each two, in the order of
    `itertools.combinations`; empty: not calibrated. stand_in: float32 [C', L], normalized samples. centre, scale: by
    channel, what the samples are normalized by where each window has numbers of its own (normalization `window`).
    """

    version: Literal[1] = 1
    threshold: Annotated[tuple[Positive | None, ...], Field(min_length=2)]
    pair_threshold: tuple[Positive | None, ...] = ()
    stand_in: Array
    centre: tuple[Finite, ...] | None = None
    scale: tuple[Positive, ...] | None = None

    def require_fit(self, measured: int, length: int, *, own: bool) -> None:
        """Check that this belongs to a model of so many measured channels and samples per window.

        own: whether each window is normalized by its own numbers.

        Raises:
            ValueError: it does not.

        """
        if len(self.threshold) != measured or len(self.pair_threshold) not in {0, comb(measured, 2)}:
            raise ValueError(f"masking is of {len(self.threshold)} channels, the model has {measured} measured ones")
        if self.stand_in.shape != (measured, length):
            raise ValueError(f"masking.stand_in has shape {self.stand_in.shape}, expected {(measured, length)}")
        if not np.isfinite(self.stand_in.numpy()).all():
            raise ValueError("masking.stand_in holds what is no number")
        for name in ("centre", "scale"):
            numbers = getattr(self, name)
            if (numbers is not None) != own or (numbers is not None and len(numbers) != measured):
                raise ValueError(f"masking.{name} belongs to normalization `window`, one number for each channel")
