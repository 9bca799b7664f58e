"""The error: one number per window, and one per channel, from features and their reconstruction.

It is fitted on windows that did not train the model (its residuals there are what they will be in use) and becomes a
part of the exported module. Every definition keeps one contract: channel errors are not negative, and `error` is their
mean, so that the largest names the channel to look at.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.error.residual import Scaled, Smoothed, Unchanged, Whitened
from trainer.errors import SettingsError
from trainer.models.autoencoder import Autoencoder
from trainer.representations.representation import Representation
from trainer.settings import Residual, ScoreSettings
from trainer.training.covariance import moments_of, whitening_of

# Residuals [C * F] beyond this are not whitened by their covariance: the matrix would weigh more than the model.
MOST_WHITENED = 2048

# The normal range of a level, from both ends of the training windows.
LEVEL_QUANTILE = 0.995

BATCH_WINDOWS = 1024


class NoLatent(nn.Module):
    """The residual alone counts."""

    def forward(self, code: Tensor, reconstruction: Tensor, channel_error: Tensor) -> Tensor:  # noqa: ARG002
        """Give the channel error unchanged.

        code: float32 [B, K]. reconstruction: float32 [B, C, F]. channel_error: float32 [B, C].
        """
        return channel_error


class LatentDistance(nn.Module):
    """How far the code lies from the normal codes (Hotelling's T², 1947), added to the residual's part.

    mean: float32 [K]. matrix: float32 [K, K], which whitens codes. reconstruction: float32 [C, F], the mean normal one.

    An autoencoder may reconstruct what it has never seen, by a code that it has never seen either. The sum of both
    parts is a combined index (Yue & Qin, "Reconstruction-based fault identification using a combined index", 2001):
    with weight 1 each number of the code counts as much as each feature's residual does on normal windows, so that of
    a linear model with a whitened residual the Mahalanobis distance of the whole window comes out. The code's part is
    laid to the channels in proportion to how far each one's reconstruction went from the mean normal one.
    """

    mean: Tensor  # [K]
    matrix: Tensor  # [K, K], whitens codes
    reconstruction: Tensor  # [C, F], the mean normal one
    factor: Tensor  # what a T² of 1 per number of the code adds to the error

    def __init__(self, mean: Tensor, matrix: Tensor, reconstruction: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("matrix", matrix)
        self.register_buffer("reconstruction", reconstruction)
        self.register_buffer("factor", torch.ones(()))

    def distance(self, code: Tensor) -> Tensor:
        """T² / K: [B], 1 on average over normal codes. code: float32 [B, K]."""
        return ((code - self.mean) @ self.matrix.T).square().mean(dim=1)

    def forward(self, code: Tensor, reconstruction: Tensor, channel_error: Tensor) -> Tensor:
        """Give the channel error with the code's part added.

        code: float32 [B, K]. reconstruction: float32 [B, C, F]. channel_error: float32 [B, C].
        """
        moved = (reconstruction - self.reconstruction).square().mean(dim=2)
        share = moved / moved.mean(dim=1, keepdim=True).clamp(min=1e-30)
        return channel_error + (self.factor * self.distance(code)).unsqueeze(1) * share


class NoLevels(nn.Module):
    """The features hold no levels."""

    def forward(self, features: Tensor, channel_error: Tensor) -> Tensor:  # noqa: ARG002 - the other one needs them
        """Give the channel error unchanged.

        features: float32 [B, C, F] or [B, C, H, W]. channel_error: float32 [B, C].
        """
        return channel_error


class LevelRange(nn.Module):
    """How far levels lie outside of what training windows showed, added to the residual's part.

    low, high: float32 [C, levels] or [C, levels, 1].

    A level is two or three of hundreds of features, and the first thing that a model learns to reconstruct, whatever
    it is: a temperature that creeps up would drown in the noise of all the others. Within its range a level adds
    nothing at all, so nothing is lost.
    """

    first: Final[int]  # of the features [B, C, F] or [B, C, H, W], along axis 2
    low: Tensor  # [C, F - first] or [C, H - first, 1]
    high: Tensor

    def __init__(self, first: int, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.first = first
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, features: Tensor, channel_error: Tensor) -> Tensor:
        """Give the channel error with the mean square distance of each channel's levels from their range added.

        features: float32 [B, C, F] or [B, C, H, W]. channel_error: float32 [B, C].
        """
        levels = features[:, :, self.first :]
        outside = (levels - self.high).clamp(min=0) + (self.low - levels).clamp(min=0)
        return channel_error + outside.square().flatten(2).mean(dim=2)


class ErrorDefinition(nn.Module):
    """Features, their reconstruction and their code to error [B] and channel error [B, C]."""

    def __init__(self, smoothing: nn.Module, whitening: nn.Module, levels: nn.Module, latent: nn.Module) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.whitening = whitening
        self.levels = levels
        self.latent = latent

    @classmethod
    def mean_square(cls) -> "ErrorDefinition":
        """The mean square of the residual and nothing else: all that can be said before anything was learnt."""
        return cls(Unchanged(), Unchanged(), NoLevels(), NoLatent())

    def residual_error(self, features: Tensor, reconstruction: Tensor) -> Tensor:
        """Mean square of the smoothed and whitened residual, per channel: [B, C].

        features, reconstruction: float32 [B, C, F] or [B, C, H, W].
        """
        squares: Tensor = self.whitening(self.smoothing(features - reconstruction).flatten(2)).square()
        return squares.mean(dim=2)

    def forward(self, features: Tensor, reconstruction: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Give error [B] and channel error [B, C].

        features, reconstruction: float32 [B, C, F] or [B, C, H, W]. code: float32 [B, K].
        """
        channel_error = self.residual_error(features, reconstruction)
        channel_error = self.levels(features, channel_error)
        channel_error = self.latent(code, reconstruction.flatten(2), channel_error)
        return channel_error.mean(dim=1), channel_error


def fit_error_definition(
    model: Autoencoder, representation: Representation, settings: ScoreSettings, train: Tensor, validation: Tensor
) -> ErrorDefinition:
    """Learn what is normal for a fitted model: of residuals from `validation`, of codes from `train`.

    train: float32 [N, *shape]. validation: float32 [M, *shape].

    Codes hardly suffer from overfitting, and the training part has seen more ways of operation.

    Raises:
        SettingsError: the covariance of too many features was asked for.

    """
    size = int(np.prod(representation.shape))
    if settings.residual == "covariance" and size > MOST_WHITENED:
        raise SettingsError(
            "score",
            [f'residual: at most {MOST_WHITENED} features can be whitened by their covariance, not {size}: "variance"'],
        )
    found, reconstruction, _ = _passed_through(model, validation)
    definition = ErrorDefinition.mean_square()
    if settings.smoothing_samples > 0:
        definition.smoothing = Smoothed(settings.smoothing_samples, settings.smoothing_axes, representation.levels)
    with torch.inference_mode():
        residuals = definition.smoothing(found - reconstruction).flatten(2)
    definition.whitening = _whitening(settings.residual, residuals)
    definition.levels = _levels(representation, train)
    if settings.latent_weight > 0:
        definition.latent = _latent(model, definition, settings.latent_weight, train, validation)
    return definition


def _whitening(residual: Residual, residuals: Tensor) -> nn.Module:
    """Learn from normal residuals [N, C, F]."""
    if residual == "mean_square":
        return Unchanged()
    observations = residuals.flatten(1).double().numpy()
    if residual == "covariance":
        mean, matrix = whitening_of(observations)
        return Whitened(_float32(mean), _float32(matrix))
    moments = moments_of(observations)
    shape = residuals.shape[1:]
    return Scaled(_float32(moments.mean).view(shape), _float32(np.sqrt(moments.variance)).view(shape))


def _levels(representation: Representation, train: Tensor) -> nn.Module:
    if representation.levels == representation.shape[1]:
        return NoLevels()
    levels = train[:, :, representation.levels :].numpy()
    over = (0, *range(3, levels.ndim))
    low, high = (
        torch.from_numpy(np.quantile(levels, level, axis=over, keepdims=True)[0]).float()
        for level in (1 - LEVEL_QUANTILE, LEVEL_QUANTILE)
    )
    return LevelRange(representation.levels, low, high)


def _latent(
    model: Autoencoder, definition: ErrorDefinition, weight: float, train: Tensor, validation: Tensor
) -> LatentDistance:
    _, reconstruction, codes = _passed_through(model, train)
    mean, matrix = whitening_of(codes.double().numpy())
    latent = LatentDistance(_float32(mean), _float32(matrix), reconstruction.flatten(2).mean(dim=0))
    features, reconstruction, codes = _passed_through(model, validation)
    residual_error = definition.residual_error(features, reconstruction)
    latent.factor = weight * residual_error.mean() * codes.shape[1] / features[0].numel()
    return latent


@torch.inference_mode()
def _passed_through(model: Autoencoder, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features, their reconstruction and their code."""
    codes = [model.encode(batch) for batch in torch.split(features, BATCH_WINDOWS)]
    reconstruction = torch.cat([model.decode(code) for code in codes])
    return features, reconstruction, torch.cat(codes)


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values).float()
