"""Gaussian smoothing of features along their last axes."""

import math

import torch
from torch import Tensor
from torch.nn import functional

REACH_DEVIATIONS = 3.0  # beyond these a Gaussian is 0
NARROWEST = 1e-3  # of a kernel, in samples: it leaves all as it is


def gaussian_kernels(width_samples: Tensor) -> Tensor:
    """Kernels of sum 1 and of the given standard deviations, all as long as the widest: [B, 1, odd].

    width_samples: float32 [B].
    """
    reach = max(1, math.ceil(REACH_DEVIATIONS * float(width_samples.max())))
    at = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (at / width_samples.clamp(min=NARROWEST).unsqueeze(1)).square())
    return (kernel / kernel.sum(dim=1, keepdim=True)).unsqueeze(1)


def smoothed(features: Tensor, kernels: Tensor, axes: int) -> Tensor:
    """Features, each window smoothed along its last `axes` axes by its kernel: [B, *shape].

    features: float32 [B, *shape]. kernels: float32 [B, 1, odd].

    Beyond the ends the last value stands still.
    """
    reach = kernels.shape[2] // 2
    for axis in range(features.dim() - axes, features.dim()):
        last = features.transpose(axis, -1)
        lines = last.flatten(1, -2).transpose(0, 1)  # [lines, B, samples]: a group of the convolution per window
        lines = functional.pad(lines, [reach, reach], mode="replicate")
        smooth = functional.conv1d(lines, kernels, groups=kernels.shape[0])
        features = smooth.transpose(0, 1).reshape(last.shape).transpose(axis, -1)
    return features
