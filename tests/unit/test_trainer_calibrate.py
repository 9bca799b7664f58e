"""The threshold keeps its promise about normal windows that nobody has seen."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.calibrate import SMALLEST_THRESHOLD, calibrate, quantile_threshold, windows_needed
from trainer.settings import CalibrationSettings


@given(st.integers(1, 300), st.floats(0.5, 0.999))
def test_a_new_exchangeable_error_exceeds_the_threshold_at_most_as_often_as_the_level_allows(
    count: int, level: float
) -> None:
    # Leave each of count + 1 distinct errors out in turn: it is "the new one", and all turns are equally likely.
    errors = np.random.default_rng(count).permutation(count + 1).astype(np.float64)
    exceeded = sum(errors[i] > quantile_threshold(np.delete(errors, i), level) for i in range(count + 1))
    allowed = 1 - level if count >= windows_needed(level) else 1 / (count + 1)
    assert exceeded / (count + 1) <= allowed + 1e-9


@given(st.integers(200, 400))
def test_the_threshold_is_not_needlessly_high(count: int) -> None:
    errors = np.random.default_rng(count).permutation(count + 1).astype(np.float64)
    exceeded = sum(errors[i] > quantile_threshold(np.delete(errors, i), 0.9) for i in range(count + 1))
    assert exceeded / (count + 1) > 0.1 - 1 / (count + 1) - 1e-9


@pytest.mark.parametrize(("level", "needed"), [(0.5, 1), (0.9, 9), (0.99, 99), (0.995, 199), (0.999, 999)])
def test_windows_needed_is_the_smallest_count_that_carries_the_level(level: float, needed: int) -> None:
    assert windows_needed(level) == needed


def test_a_level_beyond_the_data_falls_back_to_the_largest_error_and_says_so() -> None:
    calibrated = calibrate(np.arange(1.0, 51.0), CalibrationSettings(setting=0.995))
    assert calibrated.threshold == 50.0
    assert calibrated.calibration.setting == pytest.approx(50 / 51)
    assert "50 calibration windows cannot carry the level 0.995 (that takes 199)" in (calibrated.shortfall or "")


def test_enough_data_gives_the_level_asked_for_without_a_note() -> None:
    calibrated = calibrate(np.arange(1.0, 1001.0), CalibrationSettings(setting=0.99))
    assert calibrated.threshold == 991.0  # the ceil(1001 * 0.99)-th smallest
    assert (calibrated.calibration.setting, calibrated.shortfall) == (0.99, None)
    assert calibrated.calibration.error_quantiles["0.5"] == 500.5


def test_mean_std_and_mad_follow_their_formulas() -> None:
    errors = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    by_deviation = calibrate(errors, CalibrationSettings(rule="mean_std", setting=2.0))
    assert by_deviation.threshold == pytest.approx(errors.mean() + 2 * errors.std())
    by_mad = calibrate(errors, CalibrationSettings(rule="mad", setting=3.0))
    assert by_mad.threshold == pytest.approx(3 + 3 * 1.4826, rel=1e-4)


def test_a_model_without_any_error_still_gets_a_positive_threshold() -> None:
    assert calibrate(np.zeros(300), CalibrationSettings()).threshold == SMALLEST_THRESHOLD
    assert math.isclose(SMALLEST_THRESHOLD, 1e-8)
