"""Smoothing is that of a Gaussian, window by window, along as many axes as are asked for."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from trainer.error.residual import Smoothed
from trainer.training.smoothing import REACH_DEVIATIONS, gaussian_kernels, smoothed


def windows(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def expected(window: Tensor, width: float, axes: int) -> np.ndarray:
    """What scipy makes of one window."""
    along = [0.0] * (window.ndim - axes) + [width] * axes
    return np.asarray(gaussian_filter(window.numpy(), along, mode="nearest", truncate=REACH_DEVIATIONS))


@pytest.mark.parametrize(("shape", "axes"), [((3, 40), 1), ((9, 12), 2), ((2, 9, 12), 2), ((2, 9, 12), 1)])
def test_each_window_is_smoothed_by_its_own_width(shape: tuple[int, ...], axes: int) -> None:
    features = windows(4, *shape)
    widths = torch.tensor([1.0, 1.0, 2.0, 2.0])
    alike = [smoothed(features[part], gaussian_kernels(widths[part]), axes) for part in (slice(2), slice(2, 4))]
    for window, width, found in zip(features, widths.tolist(), torch.cat(alike), strict=True):
        np.testing.assert_allclose(found.numpy(), expected(window, width, axes), atol=1e-5)
    together = smoothed(features, gaussian_kernels(widths), axes)
    np.testing.assert_allclose(together.numpy(), torch.cat(alike).numpy(), atol=5e-3)  # kernels as long as the widest


def test_a_width_of_nothing_changes_nothing() -> None:
    features = windows(3, 2, 16)
    torch.testing.assert_close(smoothed(features, gaussian_kernels(torch.zeros(3)), 1), features)


@pytest.mark.parametrize(("shape", "axes"), [((3, 40), 1), ((9, 12), 2), ((2, 9, 12), 2)])
def test_a_residual_is_smoothed_the_same_way(shape: tuple[int, ...], axes: int) -> None:
    residual = windows(4, *shape)
    found = Smoothed(1.5, axes, levels=shape[1])(residual)
    for window, each in zip(residual, found, strict=True):
        np.testing.assert_allclose(each.numpy(), expected(window, 1.5, axes), atol=1e-5)


def test_levels_are_not_mixed_with_the_samples_beside_them() -> None:
    residual = windows(4, 2, 18)
    found = Smoothed(2.0, 1, levels=16)(residual)
    torch.testing.assert_close(found[:, :, 16:], residual[:, :, 16:])
    torch.testing.assert_close(found[:, :, :16], Smoothed(2.0, 1, levels=16)(residual[:, :, :16]))
