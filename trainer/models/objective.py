"""What the training minimizes: the loss of the reconstruction, and the penalties that the settings name."""

import copy
import math

import torch
from torch import Tensor, nn

from trainer.models.autoencoder import Network
from trainer.settings.training import DenoisingSettings, SparseSettings, TrainingSettings
from trainer.training.losses import loss_function
from trainer.training.penalties import (
    contraction,
    disturbed,
    divergence_from_normal,
    kl_sparsity,
    l1_sparsity,
    latent_inconsistency,
)


class Reconstruction(nn.Module):
    """The loss alone: features, disturbed or not, must come out of `module` as they were. For pre-training.

    Features are flat here and, from the second layer on, no longer in order: none is blurred.
    """

    def __init__(self, module: nn.Module, training: TrainingSettings) -> None:
        super().__init__()
        self.module = module
        self.loss = loss_function(training)
        self.denoising = training.denoising and training.denoising.model_copy(update={"blur_samples": None})

    def forward(self, features: Tensor) -> Tensor:
        """Cost of a batch: []. features: float32 [B, D]."""
        return self.loss(self.module(_seen(features, self.denoising, axes=1)), features)


class Objective(nn.Module):
    """The loss and all penalties, of features [B, *shape].

    Random numbers are torch's global ones. Sums over a code are divided by the number of features, as the loss is, so
    that weights do not depend on the size of the window.

    log_variance: of a variational code, from what the encoder's last module sees. Only the training needs it: in use,
    the code is its mean (Kingma & Welling 2014; `beta`: Higgins et al., "beta-VAE", 2017).
    """

    def __init__(self, model: Network, training: TrainingSettings) -> None:
        super().__init__()
        self.model = model
        self.loss = loss_function(training)
        self.settings = training
        self.log_variance: nn.Module | None = None
        if training.variational is not None:
            self.log_variance = copy.deepcopy(model.encoder[-1])
            for parameter in self.log_variance.parameters():
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Cost of a batch: []. features: float32 [B, *shape]."""
        settings = self.settings
        seen = _seen(features, settings.denoising, self.model.smooth_axes)
        share = 1 / math.prod(features.shape[1:])
        penalty: Tensor | float = 0.0
        if settings.variational is None or self.log_variance is None:
            code = self.model.encode(seen)
        else:
            mean, log_variance = self._distribution(seen, self.log_variance)
            code = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            penalty += share * settings.variational.beta * divergence_from_normal(mean, log_variance)
        if settings.sparse is not None:
            penalty += share * settings.sparse.number * _sparsity(code, settings.sparse)
        if settings.contractive is not None:
            penalty += share * settings.contractive.weight * contraction(self.model.encode, seen)
        reconstruction = self.model.decode(code)
        if settings.latent_consistency is not None:
            again = self.model.encode(reconstruction)
            penalty += settings.latent_consistency.weight * latent_inconsistency(code, again)
        return self.loss(reconstruction, features) + penalty

    def _distribution(self, seen: Tensor, to_log_variance: nn.Module) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the code, [B, K] each."""
        hidden = seen
        *body, to_mean = self.model.encoder.children()
        for layer in body:
            hidden = layer(hidden)
        return to_mean(hidden), to_log_variance(hidden)


def _seen(features: Tensor, denoising: DenoisingSettings | None, axes: int) -> Tensor:
    return features if denoising is None else disturbed(features, denoising, axes)


def _sparsity(code: Tensor, sparse: SparseSettings) -> Tensor:
    return l1_sparsity(code) if sparse.kind == "l1" else kl_sparsity(code, sparse.target_activation)
