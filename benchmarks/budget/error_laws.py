"""Reconstruction errors of streams that never fail, by laws with different tails and different memories.

One column per stream, one row per window: float64 [N, S], all positive.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import gamma, norm, t

Errors = NDArray[np.float64]


def independent(rng: np.random.Generator, windows: int, streams: int) -> Errors:
    """Mean squares of 8 normal residuals."""
    return rng.chisquare(8, (windows, streams)) / 8


def autocorrelated(rng: np.random.Generator, windows: int, streams: int) -> Errors:
    """The same kind of errors, each resembling the one before it, as those of overlapping windows do."""
    return np.asarray(gamma.isf(norm.sf(_ar1(rng, windows, streams, 0.7)), 4) / 4)


def lognormal(rng: np.random.Generator, windows: int, streams: int) -> Errors:
    """A scale that wanders slowly: the logarithm is an autoregression of order 1."""
    return np.asarray(np.exp(0.4 * _ar1(rng, windows, streams, 0.8)))


def heavy_tailed(rng: np.random.Generator, windows: int, streams: int) -> Errors:
    """Student's t with 5 degrees of freedom, autocorrelated: far errors are a thousand times likelier than normal."""
    return np.asarray(np.abs(t.isf(norm.sf(_ar1(rng, windows, streams, 0.6)), 5)))


def regime_switching(rng: np.random.Generator, windows: int, streams: int) -> Errors:
    """Two ways of operation, one with errors 1.6 times the other's; 60 windows in each on average."""
    switches = rng.random((windows, streams)) < 1 / 60
    loud = (switches.cumsum(axis=0) + rng.integers(0, 2, streams)) % 2 == 1
    return rng.chisquare(16, (windows, streams)) / 16 * np.where(loud, 1.6, 1.0)


LAWS: dict[str, Callable[[np.random.Generator, int, int], Errors]] = {
    "independent": independent,
    "autocorrelated": autocorrelated,
    "lognormal": lognormal,
    "heavy-tailed": heavy_tailed,
    "regime-switching": regime_switching,
}


def _ar1(rng: np.random.Generator, windows: int, streams: int, memory: float) -> Errors:
    """Standard normal margins, correlated by `memory` from one window to the next."""
    steps = rng.normal(size=(windows, streams)) * np.sqrt(1 - memory**2)
    steps[0] /= np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], steps, axis=0))
