"""Asked against seen on simulated fleets: many streams by one law, each with a threshold from its own past."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.budget.error_laws import LAWS
from monitor.core.alerting.decision_rule import DecisionSettings
from trainer.calibration.alerts_at_threshold import ErrorSeries, alert_counts
from trainer.calibration.threshold import keep_budget
from trainer.settings.budget import Budget

JUDGE = DecisionSettings()
PAST_WINDOWS = 2000
# How many times longer than the past an alarm may take: within the data, at their end, beyond.
EXTRAPOLATIONS = (0.1, 1.0, 10.0)
_MISLABELLED_SHARE = 0.01
_BURSTS, _BURST_WINDOWS = 2, 20


@dataclass(frozen=True, slots=True)
class Fleet:
    """What came out for one law. ratio: false alarms seen over those the budget allows, per seed, mean over streams.

    spread: the 10th, 50th and 90th percentile over streams (of all seeds). inside: which share of the streams had their
    true rate inside the 95 % interval they were told.
    """

    law: str
    extrapolation: float
    mislabelled: bool
    ratio: tuple[float, ...]
    spread: tuple[float, float, float]
    inside: float


def simulate(law: str, extrapolation: float, mislabelled: bool, streams: int, seeds: int) -> Fleet:
    """Calibrate `streams` streams per seed on `PAST_WINDOWS` windows each, and count alarms on new windows."""
    means, ratios, inside = [], [], []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, list(LAWS).index(law)])
        past = LAWS[law](rng, PAST_WINDOWS, streams)
        if mislabelled:
            _spoil(past, rng)
        budget = Budget(1, PAST_WINDOWS * extrapolation)
        kept = [keep_budget([_series(one)], budget, "simulated", JUDGE) for one in past.T]
        # enough of the future to see some tens of alarms at the rate asked for
        future = LAWS[law](rng, PAST_WINDOWS, round(40 * max(extrapolation, 1)))
        thresholds = np.array([one.threshold for one in kept])
        counts = alert_counts([_series(one) for one in future.T], thresholds, JUDGE)
        per_day = counts / future.size * 86400
        ratio = per_day / budget.per_day
        means.append(float(ratio.mean()))
        ratios.append(ratio)
        inside += [
            one.false_alarms.low_per_day <= seen <= one.false_alarms.high_per_day
            for one, seen in zip(kept, per_day.tolist(), strict=True)
        ]
    low, middle, high = np.quantile(np.concatenate(ratios), (0.1, 0.5, 0.9)).tolist()
    return Fleet(law, extrapolation, mislabelled, tuple(means), (low, middle, high), float(np.mean(inside)))


def _series(error: NDArray[np.float64]) -> ErrorSeries:
    return ErrorSeries("simulated", np.arange(len(error), dtype=np.float64), error, 1.0)


def _spoil(past: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Hide what is not normal among what is labelled so: single windows, and bursts."""
    single = rng.random(past.shape) < _MISLABELLED_SHARE
    past[single] *= rng.uniform(3, 10, int(single.sum()))
    for column in range(past.shape[1]):
        for start in rng.integers(0, len(past) - _BURST_WINDOWS, _BURSTS).tolist():
            past[start : start + _BURST_WINDOWS, column] *= 8
