"""What every representation is to the rest of the trainer."""

import torch
from torch import Tensor, nn


class Representation(nn.Module):
    """Normalized windows to features, inside the exported module: [B, C, L] -> [B, C, F] or [B, C, H, W].

    shape: of one window's features, (C, F) or (C, H, W). scaled: from which feature (along axis 2) on the features are
    standardized by their mean and spread over training windows; those before it are in units of the normalization.
    weights: how much each feature counts in the error, [F] or [H, 1], 1 on average.
    """

    weights: Tensor

    def __init__(self, shape: tuple[int, ...], scaled: int, weights: Tensor) -> None:
        super().__init__()
        self.shape = shape
        self.scaled = scaled
        self.register_buffer("weights", weights)

    def forward(self, x: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """Features of normalized windows `x` [B, C, L]; `centre` and `scale` [B, C] are what normalized them."""
        raise NotImplementedError

    def restore(self, features: Tensor, centre: Tensor, scale: Tensor) -> Tensor:  # noqa: ARG002 - raw needs them
        """Give features a form that people know: raw samples in the units of the input. Others stay as they are."""
        return features


def balanced_weights(shape_features: int, level_features: int) -> Tensor:
    """Weights [F] that let few level features be heard beside many others.

    The error is a weighted mean of squares. With equal weights a level that leaves its place by five standard
    deviations drowns in the noise of a hundred spectral lines; weighted so that both groups add the same variance to
    the error, it does not, and the lines lose little.
    """
    level = (shape_features / level_features) ** 0.5
    weights = torch.cat([torch.ones(shape_features), torch.full((level_features,), level)])
    return weights / weights.mean()
