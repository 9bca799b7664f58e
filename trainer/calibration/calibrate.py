"""The threshold, from errors of normal windows that neither fitted nor stopped the model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from monitor.core.artifact.calibration import DAY_SECONDS, Calibration, FalseAlarms
from monitor.core.values.duration import in_words
from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.calibration.threshold import AlarmCurve, keep_budget
from trainer.settings import CalibrationSettings

QUANTILE_LEVELS = (0.5, 0.9, 0.95, 0.99, 0.995, 0.999)

# A mean squared error below this (a residual of 0.01 % of the scale) is float32 rounding, not signal: a threshold
# there would alarm on the weather of the arithmetic.
SMALLEST_THRESHOLD = 1e-8


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A threshold and how it came about.

    notes: what a person must know before trusting it, e.g. that the data could not carry what was asked for. curve:
    alarms against thresholds, for rule `budget`.
    """

    threshold: float
    calibration: Calibration
    notes: tuple[str, ...] = ()
    curve: AlarmCurve | None = None


def windows_needed(level: float) -> int:
    """Count the calibration windows that a quantile level needs: the smallest n with ceil((n + 1) * level) <= n."""
    # the 1e-9 keeps 1 / (1 - 0.995) at 200 where floating point says 199.99999999999983
    return math.ceil(level / (1 - level) - 1e-9)


def quantile_threshold(errors: NDArray[np.floating], level: float) -> float:
    """Find the smallest error that a new exchangeable one exceeds with probability of at most `1 - level`.

    errors: floating [n].

    That is the ceil((n + 1) * level)-th smallest of n (split conformal prediction; Vovk et al. 2005, Lei et al. 2018).
    The plain empirical quantile is exceeded more often. Too few errors for the level: the largest one.
    """
    rank = min(len(errors), math.ceil((len(errors) + 1) * level - 1e-9))
    return float(np.partition(errors, rank - 1)[rank - 1])


def calibrate(series: Sequence[ErrorSeries], settings: CalibrationSettings) -> Calibrated:
    """Set the threshold by the rule asked for. All errors are finite; there is at least one.

    Where the data cannot carry what is asked for, the calibration states what they do give, and a note says so.
    """
    errors = np.concatenate([one.error for one in series])
    number, notes = settings.number, []
    false_alarms = curve = None
    if settings.rule == "budget":
        kept = keep_budget(series, settings.budget, settings.false_alarms, settings.judge, settings.max_extrapolation)
        threshold, false_alarms, curve = kept.threshold, kept.false_alarms, kept.curve
        notes = _notes(false_alarms)
    elif settings.rule == "quantile":
        threshold = quantile_threshold(errors, number)
        count = len(errors)
        if count < windows_needed(number):
            notes.append(
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
        windows=len(errors),
        error_quantiles={f"{level:g}": float(value) for level, value in zip(QUANTILE_LEVELS, quantiles, strict=True)},
        false_alarms=false_alarms,
    )
    return Calibrated(max(threshold, SMALLEST_THRESHOLD), calibration, tuple(notes), curve)


def _notes(false_alarms: FalseAlarms) -> list[str]:
    """Where the budget is not kept, where it is extrapolated, and what was set aside."""
    data, needed = in_words(false_alarms.normal_seconds), in_words(false_alarms.needed_seconds)
    asked, expected = false_alarms.asked, in_words(DAY_SECONDS / false_alarms.expected_per_day)
    notes = []
    if false_alarms.expected_per_day > 1.01 * false_alarms.asked_per_day:
        why = (
            f"the tail of their errors is not trusted beyond {false_alarms.extrapolation:.3g} times the data"
            if false_alarms.tail
            else "they show too few alarms, at any threshold, to tell how the rate falls beyond them"
        )
        notes.append(
            f"the budget {asked} is not kept: expect a false alarm every {expected}. It rests on {data} of normal "
            f"calibration data; {why}. {asked} takes at least {needed} of them, that is "
            f"{in_words(4 * false_alarms.needed_seconds)} of recordings if a quarter calibrates"
        )
    elif false_alarms.extrapolation > 1:
        notes.append(
            f"the budget {asked} is extrapolated {false_alarms.extrapolation:.3g} times beyond {data} of normal "
            f"calibration data, by the tail of {false_alarms.tail.peaks if false_alarms.tail else 0} alarms' peaks"
        )
    if false_alarms.set_aside:
        stretches = "; ".join(
            f"{stretch.windows} windows of {stretch.recording} from {stretch.start_seconds:.10g} s to "
            f"{stretch.end_seconds:.10g} s, error up to {stretch.error:.4g}"
            for stretch in false_alarms.set_aside
        )
        notes.append(
            f"set aside from the calibration, as too far out for the tail of all the others: {stretches}. If they are "
            "normal, such alarms come on top of what is expected"
        )
    return notes
