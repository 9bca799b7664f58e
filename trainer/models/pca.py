"""Principal component analysis as an autoencoder: the best linear one (Bourlard & Kamp 1988), and the baseline.

It is exported through the same contract as the others, so the daemon cannot tell.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.loop import History, OnEpoch
from trainer.models.autoencoder import Autoencoder
from trainer.settings import PcaSettings, TrainingSettings


class Pca(Autoencoder):
    """Normalized windows [B, C, L] to their projection on the principal subspace [B, C, L]."""

    mean: Tensor  # [C * L]
    components: Tensor  # [K, C * L], orthonormal rows

    def __init__(self, settings: PcaSettings, channels: int, length: int) -> None:
        super().__init__(settings.model_dump(exclude={"family"}))
        self.register_buffer("mean", torch.zeros(channels * length))
        self.register_buffer("components", torch.zeros(1, channels * length))

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct a batch."""
        code = (x.flatten(1) - self.mean) @ self.components.T  # [B, C, L] -> [B, C * L] -> [B, K]
        return (code @ self.components + self.mean).view_as(x)

    def set_components(self, mean: NDArray[np.float64], components: NDArray[np.float64]) -> None:
        """Take the mean [C * L] and the components [K, C * L], orthonormal rows."""
        self.mean = torch.from_numpy(mean).float()
        self.components = torch.from_numpy(components.copy()).float()
        self._settings["components"] = len(components)


def fit_pca(
    model: Pca, train: Tensor, validation: Tensor, training: TrainingSettings, seed: int, on_epoch: OnEpoch
) -> History:
    """Solve for the principal components of `train` [N, C, L]. There is nothing to iterate: one "epoch"."""
    windows = train.flatten(1).double().numpy()  # [N, C * L]
    mean = windows.mean(axis=0)
    # R of the QR decomposition has the same right singular vectors and is never larger than [C * L, C * L]
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
