"""Measured: another representation, of the channels that sensors deliver; derived ones have no shape to be learnt."""

from typing import Final

import torch
from torch import Tensor

from trainer.data.windows import per_sample
from trainer.representations.representation import Representation


class Measured(Representation):
    """Features of the first `channels` channels; the model never sees the others."""

    channels: Final[int]

    def __init__(self, features: Representation, channels: int) -> None:
        super().__init__(features.shape, features.levels, features.scaled)
        self.features = features
        self.channels = channels

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says."""
        kept = self.channels
        features: Tensor = self.features(x[:, :kept], centre[:, :kept], scale[:, :kept])
        return features

    def restore(self, features: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says, then what is usual for each derived channel."""
        kept = self.channels
        restored = self.features.restore(features, centre[:, :kept], scale[:, :kept])
        usual = per_sample(centre[:, kept:]).expand(-1, -1, restored.shape[2])
        return torch.cat([restored, usual], dim=1)
