"""Principal component analysis as an autoencoder: the best linear one (Bourlard & Kamp 1988), and the baseline.

It is exported through the same contract as the others, so the daemon cannot tell. Of its two classical statistics Q,
the squared residual, is the reconstruction error (Jackson & Mudholkar, "Control procedures for residuals associated
with principal component analysis", 1979), and T^2, the squared distance of the code from the centre, is the score's
latent part, which all families have (`trainer.error.error_definition`).
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.models.autoencoder import Autoencoder, Shape
from trainer.settings import PcaSettings, TrainingSettings
from trainer.training.loop import History, OnEpoch


class Pca(Autoencoder):
    """Features of any shape to their projection on the principal subspace. D numbers per window, K components."""

    mean: Tensor  # [D]
    components: Tensor  # [K, D], orthonormal rows

    def __init__(self, settings: PcaSettings, shape: Shape) -> None:
        super().__init__(settings.model_dump(exclude={"family"}), shape)
        inputs = math.prod(shape)
        self.unflatten = nn.Unflatten(1, shape)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("components", torch.zeros(1, inputs))

    def encode(self, features: Tensor) -> Tensor:
        """As `Autoencoder` says."""
        return (features.flatten(1) - self.mean) @ self.components.T

    def decode(self, code: Tensor) -> Tensor:
        """As `Autoencoder` says."""
        features: Tensor = self.unflatten(code @ self.components + self.mean)
        return features

    def set_components(self, mean: NDArray[np.float64], components: NDArray[np.float64]) -> None:
        """Take what was fitted. mean: float64 [D]. components: float64 [K, D], orthonormal rows."""
        self.mean = torch.from_numpy(mean).float()
        self.components = torch.from_numpy(components.copy()).float()
        self._settings["components"] = len(components)


def fit_pca(
    model: Pca, train: Tensor, validation: Tensor, training: TrainingSettings, seed: int, on_epoch: OnEpoch
) -> History:
    """Solve for the principal components of `train`. There is nothing to iterate: one "epoch".

    train: float32 [N, *shape]. validation: float32 [M, *shape].
    """
    windows = train.flatten(1).double().numpy()  # [N, D]
    mean = windows.mean(axis=0)
    # R of the QR decomposition has the same right singular vectors and is never larger than [D, D]
    _, singular, directions = np.linalg.svd(np.linalg.qr(windows - mean, mode="r"), full_matrices=False)
    count = _component_count(singular, model.describe()["components"])
    model.set_components(mean, directions[:count])
    with torch.inference_mode():
        losses = [float((model(part) - part).square().mean()) for part in (train, validation)]
    history = History(train_loss=[losses[0]], validation_loss=[losses[1]], best_epoch=0)
    on_epoch(1, *losses)
    return history


def _component_count(singular: NDArray[np.float64], wanted: float) -> int:
    """How many components to keep: at least one, and at least one direction is left for the residual."""
    if isinstance(wanted, int):
        count = wanted
    else:
        explained = np.cumsum(singular**2) / max(float(np.sum(singular**2)), np.finfo(np.float64).tiny)
        count = int(np.searchsorted(explained, wanted)) + 1
    return max(1, min(count, len(singular) - 1))
