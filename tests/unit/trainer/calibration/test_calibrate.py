"""The threshold keeps its promise about normal windows that nobody has seen."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.calibration.calibrate import SMALLEST_THRESHOLD, Calibrated, calibrate, quantile_threshold, windows_needed
from trainer.settings import CalibrationSettings


def calibrated_on(errors: NDArray[np.float64], interval_seconds: float = 1.0, **settings: Any) -> Calibrated:
    ends = np.arange(len(errors), dtype=np.float64) * interval_seconds
    return calibrate([ErrorSeries("a.npz", ends, errors, interval_seconds)], CalibrationSettings(**settings))


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
    calibrated = calibrated_on(np.arange(1.0, 51.0), rule="quantile", setting=0.995)
    assert calibrated.threshold == 50.0
    assert calibrated.calibration.setting == pytest.approx(50 / 51)
    assert "50 calibration windows cannot carry the level 0.995 (that takes 199)" in calibrated.notes[0]


def test_enough_data_gives_the_level_asked_for_without_a_note() -> None:
    calibrated = calibrated_on(np.arange(1.0, 1001.0), rule="quantile", setting=0.99)
    assert calibrated.threshold == 991.0  # the ceil(1001 * 0.99)-th smallest
    assert (calibrated.calibration.setting, calibrated.notes) == (0.99, ())
    assert calibrated.calibration.error_quantiles["0.5"] == 500.5


def test_mean_std_and_mad_follow_their_formulas() -> None:
    errors = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    by_deviation = calibrated_on(errors, rule="mean_std", setting=2.0)
    assert by_deviation.threshold == pytest.approx(errors.mean() + 2 * errors.std())
    by_mad = calibrated_on(errors, rule="mad", setting=3.0)
    assert by_mad.threshold == pytest.approx(3 + 3 * 1.4826, rel=1e-4)


@pytest.mark.parametrize("rule", ["budget", "quantile", "mean_std", "mad"])
def test_a_model_without_any_error_still_gets_a_positive_threshold(rule: str) -> None:
    assert calibrated_on(np.zeros(300), rule=rule).threshold == SMALLEST_THRESHOLD
    assert math.isclose(SMALLEST_THRESHOLD, 1e-8)


def gaussian_errors(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).chisquare(8, count) / 8


def test_a_budget_within_the_data_needs_no_note() -> None:
    calibrated = calibrated_on(gaussian_errors(4000), interval_seconds=60.0, false_alarms="20 per 1d")
    assert calibrated.notes == ()
    promised = calibrated.calibration.false_alarms
    assert promised is not None
    assert promised.low_per_day < 20 < promised.high_per_day


def test_an_extrapolated_budget_says_by_how_much_and_from_what() -> None:
    calibrated = calibrated_on(gaussian_errors(4000), interval_seconds=60.0, false_alarms="1 per 20d")
    (note,) = calibrated.notes
    assert "the budget 1 per 20d is extrapolated 7.2 times beyond 2.8 d of normal calibration data" in note
    assert calibrated.calibration.setting == pytest.approx(1 / 20)


def test_a_budget_beyond_all_reach_says_what_to_expect_instead_and_how_much_data_it_takes() -> None:
    calibrated = calibrated_on(gaussian_errors(600), interval_seconds=1.0, false_alarms="1 per 30d")
    (note,) = calibrated.notes
    assert "the budget 1 per 30d is not kept: expect a false alarm every 1.7 h. It rests on 10 min" in note
    assert "1 per 30d takes at least 3 d of them, that is 12 d of recordings" in note


def test_too_few_alarms_for_a_tail_are_admitted() -> None:
    (note,) = calibrated_on(gaussian_errors(30)).notes
    assert "they show too few alarms, at any threshold" in note


def test_what_was_set_aside_is_listed_with_file_and_time() -> None:
    errors = gaussian_errors(4000)
    errors[1000:1030] *= 10
    note = calibrated_on(errors, interval_seconds=60.0).notes[-1]
    assert "set aside from the calibration" in note
    assert "windows of a.npz from 600" in note
