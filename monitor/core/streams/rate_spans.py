"""What a span of intervals between blocks comes to: one estimate of the sample period, over that of the model.

Between two blocks that follow one another passes `ratio` times what their samples should take.

* Lost messages make an interval 2 or 3 times as long; such an interval counts as 2 or 3. A longer gap is left out.
* Where hardly any interval is near 1, another rate is all there is to see: time over samples, of the span as a whole.
* Where stamps are so irregular that single intervals tell nothing, of both estimates the one closer to 1 counts.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SUMS = 8  # what is summed over intervals, by row:
COUNT, PERIODS, SAMPLES, _ONES, _ONES_RATIO, _ONES_SQUARE, _NEAR_PERIODS, _NEAR_SAMPLES = range(SUMS)
FIRST_INTERVALS = 8  # the fewest that are estimated from
_NEAR = 0.25  # from 2 or 3, where messages were lost
_REGULAR = 0.22  # the standard deviation of ratios near 1 up to which single intervals tell something
_LONGEST_RATIO = 1e4


def interval_terms(passed_seconds: Floats, covered_seconds: Floats, samples: NDArray[Any]) -> Floats:
    """What M intervals add to the sums: float64 [SUMS, M].

    passed_seconds: float64 [M], from block to block; NaN: there is no interval. covered_seconds: float64 [M], what the
    samples should have taken. samples: int [M], how many they are.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = passed_seconds / covered_seconds
    terms = np.empty((SUMS, len(ratio)))
    one = (ratio > 0.5) & (ratio < 1.5)
    if one.all():  # as nearly always
        terms[COUNT] = terms[_ONES] = 1.0
        terms[SAMPLES] = terms[_NEAR_SAMPLES] = samples
        terms[PERIODS] = terms[_NEAR_PERIODS] = ratio * samples
        terms[_ONES_RATIO], terms[_ONES_SQUARE] = ratio, ratio * ratio
        return terms
    there = np.isfinite(ratio)
    ratio, samples = np.where(there, np.clip(ratio, 0, _LONGEST_RATIO), 0.0), np.where(there, samples, 0.0)
    times = np.rint(ratio)
    near = one | ((times >= 2) & (times <= 3) & (np.abs(ratio - times) <= _NEAR))
    terms[COUNT], terms[PERIODS], terms[SAMPLES] = there, ratio * samples, samples
    terms[_ONES], terms[_ONES_RATIO], terms[_ONES_SQUARE] = one, one * ratio, one * ratio * ratio
    terms[_NEAR_PERIODS], terms[_NEAR_SAMPLES] = near * ratio * samples, near * np.maximum(times, 1) * samples
    return terms


def estimate(sums: Floats) -> tuple[Floats, Floats]:
    """What spans come to: the ratio, and from how many intervals: float64 [K] each. sums: float64 [SUMS, K]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        whole, near = sums[PERIODS] / sums[SAMPLES], sums[_NEAR_PERIODS] / sums[_NEAR_SAMPLES]
        mean = sums[_ONES_RATIO] / sums[_ONES]
        regular = sums[_ONES_SQUARE] / sums[_ONES] - mean * mean <= _REGULAR * _REGULAR
    few = sums[_ONES] <= (sums[COUNT] - FIRST_INTERVALS) / 4
    closer = np.where((whole - 1) * (near - 1) < 0, 1.0, np.where(np.abs(whole - 1) < np.abs(near - 1), whole, near))
    ratio = np.where(few, whole, np.where(regular, near, closer))
    return ratio, np.where(few, sums[COUNT], np.maximum(sums[_ONES], 1))
