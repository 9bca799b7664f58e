"""The threshold, from errors of normal windows that neither fitted nor stopped the model."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from monitor.core.manifest import Calibration
from trainer.settings import CalibrationSettings

QUANTILE_LEVELS = (0.5, 0.9, 0.95, 0.99, 0.995, 0.999)

# A mean squared error below this (a residual of 0.01 % of the scale) is float32 rounding, not signal: a threshold
# there would alarm on the weather of the arithmetic.
SMALLEST_THRESHOLD = 1e-8


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A threshold and how it came about. `shortfall` says so where the data could not carry the level asked for."""

    threshold: float
    calibration: Calibration
    shortfall: str | None = None


def windows_needed(level: float) -> int:
    """Count the calibration windows that a quantile level needs: the smallest n with ceil((n + 1) * level) <= n."""
    # the 1e-9 keeps 1 / (1 - 0.995) at 200 where floating point says 199.99999999999983
    return math.ceil(level / (1 - level) - 1e-9)


def quantile_threshold(errors: NDArray[np.floating], level: float) -> float:
    """Find the smallest error that a new exchangeable one exceeds with probability of at most `1 - level`.

    That is the ceil((n + 1) * level)-th smallest of n (split conformal prediction; Vovk et al. 2005, Lei et al. 2018).
    The plain empirical quantile is exceeded more often. Too few errors for the level: the largest one.
    """
    rank = min(len(errors), math.ceil((len(errors) + 1) * level - 1e-9))
    return float(np.partition(errors, rank - 1)[rank - 1])


def calibrate(errors: NDArray[np.floating], settings: CalibrationSettings) -> Calibrated:
    """Set the threshold by the rule asked for. `errors` [N], all finite, N > 0.

    Where a quantile level needs more windows than there are, the largest error becomes the threshold and the
    calibration states the level that this really gives, N / (N + 1).
    """
    count, number, shortfall = len(errors), settings.number, None
    if settings.rule == "quantile":
        threshold = quantile_threshold(errors, number)
        if count < windows_needed(number):
            shortfall = (
                f"{count} calibration windows cannot carry the level {number:g} (that takes {windows_needed(number)}): "
                f"the threshold is their largest error, level {count / (count + 1):.4g}"
            )
            number = count / (count + 1)
    elif settings.rule == "mean_std":
        threshold = float(np.mean(errors) + number * np.std(errors))
    else:
        threshold = float(np.median(errors) + number * median_abs_deviation(errors, scale="normal"))
    quantiles = np.quantile(errors, QUANTILE_LEVELS)
    calibration = Calibration(
        rule=settings.rule,
        setting=number,
        windows=count,
        error_quantiles={f"{level:g}": float(value) for level, value in zip(QUANTILE_LEVELS, quantiles, strict=True)},
    )
    return Calibrated(max(threshold, SMALLEST_THRESHOLD), calibration, shortfall)
