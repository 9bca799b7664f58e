"""Held samples: what a sensor did not deliver (NaN among its samples) is filled as short gaps are."""

import numpy as np
from numpy.typing import NDArray


def hold_last(samples: NDArray[np.float32], before: int, most: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Fill up to `most` missing samples in a row with the last one before them.

    samples: float32 [B, C, before + L], windows, each with the samples before it; NaN is missing.

    Returns the windows, float32 [B, C, L], and how many samples of each were missing, int64 [B, C]. What is further
    from a sample that came stays NaN.
    """
    at = np.arange(samples.shape[2])
    missing = np.isnan(samples)
    last = np.maximum.accumulate(np.where(missing, -1, at), axis=2)
    held = np.take_along_axis(samples, np.maximum(last, 0), axis=2)
    filled = np.where((last >= 0) & (at - last <= most), held, samples)
    return filled[:, :, before:], missing[:, :, before:].sum(axis=2)
