"""Standardized features: in units of their own spread over training windows, so that each has its say."""

import torch
from torch import Tensor

from trainer.data.windows import Windows, batches_of, normalize
from trainer.representations.representation import Representation

# In natural logarithms for powers, in units of the normalization for levels: a change below five percent is noise,
# however quiet the training data were.
SMALLEST_SPREAD = 0.05


class Standardized(Representation):
    """Another representation's features less their mean, divided by their spread, both buffers of the module."""

    mean: Tensor  # of the features' shape, or [C, H, 1]
    spread: Tensor

    def __init__(self, features: Representation) -> None:
        super().__init__(features.shape, features.levels, features.scaled)
        self.plain = features
        # in a spectrogram the time within the window is as good as any other
        shape = (*features.shape[:2], *(1 for _ in features.shape[2:]))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("spread", torch.ones(shape))

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says."""
        standardized: Tensor = (self.plain(x, centre, scale) - self.mean) / self.spread
        return standardized

    def restore(self, features: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """As `Representation` says; what is standardized stays so."""
        restored: Tensor = self.plain.restore(features, centre, scale)
        return restored

    @torch.inference_mode()
    def fit(self, train: Windows) -> None:
        """Learn mean and spread from training windows."""
        count, total, squares = 0, torch.zeros(self.mean.shape).double(), torch.zeros(self.mean.shape).double()
        over = [0, *range(3, len(self.plain.shape) + 1)]
        for values, centre, scale in batches_of(train):
            features = self.plain(normalize(values, centre, scale), centre, scale).double()
            count += features[:, 0, 0].numel()
            total += features.sum(dim=over).view_as(total)
            squares += features.square().sum(dim=over).view_as(total)
        mean = total / count
        spread = (squares / count - mean.square()).clamp(min=0).sqrt().clamp(min=SMALLEST_SPREAD)
        kept = slice(self.scaled, None)
        self.mean[:, kept], self.spread[:, kept] = mean[:, kept].float(), spread[:, kept].float()
