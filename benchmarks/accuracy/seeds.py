"""Figures of several seeds together."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import chi2

from benchmarks.accuracy.run import Outcome

Outcomes = Mapping[tuple[str, str], Sequence[Outcome]]  # by row and detector, one per seed


def values_of(outcomes: Sequence[Outcome], figure: str) -> list[float]:
    """A figure of those seeds for which it is defined."""
    return [value for outcome in outcomes if (value := outcome.figures.get(figure)) is not None]


def mean_of(outcomes: Sequence[Outcome], figure: str) -> float | None:
    """A figure's mean over seeds; None where it is not defined for one of them."""
    values = values_of(outcomes, figure)
    return float(np.mean(values)) if values and len(values) == len(outcomes) else None


def seen_interval(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """The 95 % interval of the rate of false alarms per day, exact for a Poisson count (Garwood, Biometrika 28, 1936).

    Seeds see the same recordings: their mean count over the time of one of them.
    """
    count, days = mean_of(outcomes, "false_alarms") or 0.0, mean_of(outcomes, "normal_days") or math.inf
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low / days), float(chi2.ppf(0.975, 2 * count + 2) / 2 / days)
