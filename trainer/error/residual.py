"""The residual before it is squared: as it is, smoothed, scaled by what is normal for each feature, or whitened."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.training.smoothing import gaussian_kernels


class Unchanged(nn.Module):
    """The residual as it is: the error is its mean square."""

    def forward(self, residual: Tensor) -> Tensor:
        """Give the residual as it is. residual: float32 [B, C, F] or [B, C, H, W]."""
        return residual


class Smoothed(nn.Module):
    """The residual smoothed by a Gaussian along its last axis, or the last two. Levels stay as they are.

    A shape that is a little early, or a stroke a little aside, leaves residuals of both signs side by side, and so does
    noise: these cancel. What belongs to no normal window leaves residuals of one sign, and these stay.
    """

    levels: Final[int]  # from there on along axis 2
    axes: Final[int]
    reach: Final[int]
    kernel: Tensor  # [1, 1, 2 * reach + 1]

    def __init__(self, width_samples: float, axes: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.axes = axes
        self.register_buffer("kernel", gaussian_kernels(torch.tensor([width_samples])))
        self.reach = self.kernel.shape[2] // 2

    def along_last(self, residual: Tensor) -> Tensor:
        """Smooth along the last axis; beyond the ends the last value stands still.

        residual: float32 [B, C, F] or [B, C, H, W].
        """
        lines = residual.flatten(0, -2).unsqueeze(1)
        lines = functional.pad(lines, [self.reach, self.reach], mode="replicate")
        return functional.conv1d(lines, self.kernel).view_as(residual)

    def forward(self, residual: Tensor) -> Tensor:
        """Give the residual smoothed, in its shape. residual: float32 [B, C, F] or [B, C, H, W]."""
        smooth = self.along_last(residual[:, :, : self.levels])
        if self.axes == 2:
            smooth = self.along_last(smooth.transpose(-1, -2)).transpose(-1, -2)
        return torch.cat([smooth, residual[:, :, self.levels :]], dim=2)


class Scaled(nn.Module):
    """Each feature's residual less its normal mean, in units of its normal deviation.

    mean, deviation: float32 [C, F].
    """

    mean: Tensor  # [C, F]
    deviation: Tensor  # [C, F]

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, residual: Tensor) -> Tensor:
        """Give the residual scaled, in its shape. residual: float32 [B, C, F]."""
        return (residual - self.mean) / self.deviation


class Whitened(nn.Module):
    """The residual of all channels together, decorrelated: squared and summed, its Mahalanobis distance.

    mean: float32 [C * F]. matrix: float32 [C * F, C * F].
    """

    mean: Tensor  # [C * F]
    matrix: Tensor  # [C * F, C * F]

    def __init__(self, mean: Tensor, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("matrix", matrix)

    def forward(self, residual: Tensor) -> Tensor:
        """Give the residual whitened, in its shape. residual: float32 [B, C, F]."""
        return ((residual.flatten(1) - self.mean) @ self.matrix.T).view_as(residual)
