"""Raw: the normalized samples themselves, with level and spread beside them where that is asked for."""

from typing import Final

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainer.data.windows import denormalize
from trainer.representations.level import LEVEL_FEATURES, Level
from trainer.representations.representation import Representation
from trainer.settings.representation import RawSettings


class Raw(Representation):
    """The normalized window as it is: features [B, C, L].

    For shapes that come at a known place: heartbeats, machine cycles, and everything slow.
    """

    def __init__(self, channels: int, length: int) -> None:
        super().__init__((channels, length), levels=length, scaled=length)

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:  # noqa: ARG002 - others need them
        """As `Representation` says."""
        return x

    def restore(self, features: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says: samples [B, C, L] in the units of the input."""
        return denormalize(features, centre, scale)


class RawWithLevel(Representation):
    """The normalized window, then its level and log spread: features [B, C, L + 2].

    units: float [C] or None, as `Level` takes them.
    """

    length: Final[int]

    def __init__(self, channels: int, length: int, units: ArrayLike | None) -> None:
        super().__init__((channels, length + LEVEL_FEATURES), levels=length, scaled=length)
        self.length = length
        self.level = Level(units)

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says."""
        return torch.cat([x, self.level(x.unsqueeze(2), centre, scale).squeeze(2)], dim=2)

    def restore(self, features: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says: samples [B, C, L] in the units of the input."""
        return denormalize(features[:, :, : self.length], centre, scale)


def build_raw(
    settings: RawSettings, shape: tuple[int, int], sample_period_seconds: float, units: ArrayLike | None
) -> tuple[Representation, RawSettings]:
    """As `RepresentationKind` says."""
    return RawWithLevel(*shape, units) if settings.level else Raw(*shape), settings
