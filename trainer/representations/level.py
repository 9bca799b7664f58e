"""Level and spread of each channel: what the shape of a window does not show.

A spectrum knows nothing of a temperature that creeps up, and a window normalized by its own numbers has lost both its
level and its strength. Two features per channel bring them back.
"""

from typing import Final

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

LEVEL_FEATURES = 2

# Of a variance, in units of the normalization: the logarithm of a channel at rest must be finite.
SMALLEST_VARIANCE = 1e-6


class Level(nn.Module):
    """Mean, and logarithm of the standard deviation, of normalized stretches: [B, C, S, n] -> [B, C, S, 2].

    units: float [C], if windows are normalized by their own numbers, which then say nothing: level and deviation are
    taken back to the units of the input and divided by these. None: the normalization's numbers are common to many
    windows, and level and deviation in their units are what is wanted, per device where the normalization is.
    """

    own: Final[bool]
    smallest_variance: Final[float]
    units: Tensor

    def __init__(self, units: ArrayLike | None) -> None:
        super().__init__()
        self.smallest_variance = SMALLEST_VARIANCE
        self.own = units is not None
        self.register_buffer("units", torch.as_tensor(units if units is not None else 1.0, dtype=torch.float32))

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """Give level and logarithm of the spread: [B, C, S, 2].

        x: float32 [B, C, S, n], stretches of windows. centre: float32 [B, C] or [B, C, L] and scale: float32 [B, C],
        what normalized these.
        """
        level = x.mean(dim=3)
        variance = x.var(dim=3, correction=0)
        if self.own:
            by = (scale / self.units).unsqueeze(2)
            level = (centre / self.units).unsqueeze(2) + level * by
            variance = variance * by.square()
        return torch.stack([level, (variance + self.smallest_variance).log() / 2], dim=3)
