"""What can be added to the loss, one function each: from tensors to a number per window, averaged over the batch.

Codes are [B, K], features [B, *shape]. The sums are those of the papers; `trainer.models.objective` weighs them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.settings.training import DenoisingSettings
from trainer.training.smoothing import gaussian_kernels, smoothed

# activities are kept this far from 0 and 1, where the logarithm ends
SMALLEST_ACTIVITY = 1e-6

BLURRED_SHARE = 0.5  # of the windows, where some are blurred: a blur and noise at once are more than one asks for


def disturbed(features: Tensor, denoising: DenoisingSettings, axes: int) -> Tensor:
    """Features with noise added, or some of them set to zero, which is the centre of what is normal, or blurred.

    features: float32 [B, *shape]. axes: how many of the last ones a blur goes along.

    Vincent et al., "Stacked denoising autoencoders: learning useful representations in a deep network with a local
    denoising criterion" (2010).
    """
    if denoising.kind == "gaussian":
        spoilt = features + denoising.number * torch.randn_like(features)
    else:
        spoilt = features * (torch.rand_like(features) >= denoising.number)
    if denoising.blur_samples is None:
        return spoilt
    widths = denoising.blur_samples * torch.rand(len(features))
    in_turn = (torch.rand(len(features)) < BLURRED_SHARE).view(-1, *[1] * (features.ndim - 1))
    return torch.where(in_turn, smoothed(features, gaussian_kernels(widths), axes), spoilt)


def l1_sparsity(code: Tensor) -> Tensor:
    """Sum of magnitudes (Olshausen & Field 1996; Tibshirani 1996). code: float32 [B, K]."""
    return code.abs().sum(dim=1).mean()


def kl_sparsity(code: Tensor, target_activation: float) -> Tensor:
    """Divergence of each number's mean activity from the target, summed; activities lie between 0 and 1.

    code: float32 [B, K].

    Kullback-Leibler divergence of two Bernoulli variables (Ng, "Sparse autoencoder", CS294A lecture notes, 2011).
    """
    activity = code.mean(dim=0).clamp(SMALLEST_ACTIVITY, 1 - SMALLEST_ACTIVITY)
    active = target_activation * (target_activation / activity).log()
    idle = (1 - target_activation) * ((1 - target_activation) / (1 - activity)).log()
    return (active + idle).sum()


def contraction(encode: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    """Squared Frobenius norm of the encoder's Jacobian, estimated without bias by one random projection.

    features: float32 [B, *shape].

    Rifai et al., "Contractive auto-encoders: explicit invariance during feature extraction" (2011). The estimate is
    Hutchinson's (1989): for signs v drawn at random, the mean of |v J|^2 is |J|^2, and v J is one backward pass.
    """
    differentiable = torch.is_grad_enabled()  # not while the validation part is measured
    with torch.enable_grad():
        moved = features.detach().requires_grad_()
        code = encode(moved)
        signs = torch.randint_like(code, 2) * 2 - 1
        (projected,) = torch.autograd.grad(code, moved, signs, create_graph=differentiable)
    return projected.square().flatten(1).sum(dim=1).mean()


def divergence_from_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of independent normal distributions from the standard one, summed over the code.

    mean, log_variance: float32 [B, K].

    Kingma & Welling, "Auto-encoding variational Bayes" (2014).
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()


def latent_inconsistency(code: Tensor, code_again: Tensor) -> Tensor:
    """How far the reconstruction's code is from the window's, in units of the codes' own spread.

    code, code_again: float32 [B, K].

    The encoder loss of Akcay, Atapour-Abarghouei & Breckon, "GANomaly" (2018), made independent of the code's scale, so
    that a smaller code is no way out. A batch of one window has no spread; there it is 0.
    """
    if len(code) < 2:
        return code.new_zeros(())
    spread = code.var(dim=0, unbiased=False).mean()
    return (code_again - code).square().mean() / spread.clamp(min=SMALLEST_ACTIVITY)
