"""Covariances from few observations, and the whitening they define."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A variance estimated from a handful of windows may come out far too small by chance, and a later window would then
# look like an outlier: each feature's is averaged (its logarithm is: features differ by orders of magnitude) with the
# common one as if that had been seen in this many windows.
PRIOR_WINDOWS = 10

# Of the mean variance. What hardly moves in a few normal windows will move in others: unbounded, the quietest feature
# would rule the error, and with it the threshold.
SMALLEST_VARIANCE = 0.1

# Of the mean eigenvalue: directions in which normal residuals do not move at all are not to be infinitely sensitive.
SMALLEST_EIGENVALUE = 1e-2


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean [D] and shrunk variance [D] of observations."""

    mean: Floats
    variance: Floats


def moments_of(observations: Floats) -> Moments:
    """Mean and variance of each of D features. observations: float64 [N, D], at least one."""
    count, mean = len(observations), observations.mean(axis=0)
    variance = observations.var(axis=0)
    logarithm = np.log(np.maximum(variance, max(SMALLEST_VARIANCE * variance.mean(), np.finfo(np.float32).tiny)))
    shrunk = (count * logarithm + PRIOR_WINDOWS * logarithm.mean()) / (count + PRIOR_WINDOWS)
    return Moments(mean, np.exp(shrunk))


def shrunk_covariance(observations: Floats) -> tuple[Floats, float]:
    """Covariance [D, D], shrunk towards a multiple of the identity, and how far (0..1).

    observations: float64 [N, D], centred.

    The shrinkage minimizes the expected squared error (Ledoit & Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", 2004).
    """
    count, dimensions = observations.shape
    sample = observations.T @ observations / count
    scale = float(np.trace(sample)) / dimensions
    distance = float(np.square(sample).sum()) - dimensions * scale**2
    fourth = float(np.square(np.square(observations).sum(axis=1)).sum()) / count
    noise = (fourth - float(np.square(sample).sum())) / count
    shrinkage = min(1.0, max(0.0, noise / distance)) if distance > 0 else 1.0
    return (1 - shrinkage) * sample + shrinkage * scale * np.eye(dimensions), shrinkage


def whitening_of(observations: Floats) -> tuple[Floats, Floats]:
    """Mean [D] and matrix W [D, D], such that (x - mean) @ W.T has about the identity as covariance.

    observations: float64 [N, D], at least one.

    Of all whitenings the one whose results stay closest to the original features (ZCA-cor: Kessy, Lewin & Strimmer,
    "Optimal whitening and decorrelation", 2018), so that each result can still be put down to a channel.
    """
    moments = moments_of(observations)
    deviation = np.sqrt(moments.variance)
    correlation, _ = shrunk_covariance((observations - moments.mean) / deviation)
    values, vectors = np.linalg.eigh(correlation)
    values = np.maximum(values, max(SMALLEST_EIGENVALUE * values.mean(), np.finfo(np.float32).tiny))
    return moments.mean, (vectors / np.sqrt(values)) @ vectors.T / deviation
