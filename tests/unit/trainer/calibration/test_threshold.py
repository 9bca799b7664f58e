"""The threshold keeps the budget on streams nobody has seen, by whatever law they err, and says how sure it is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.budget.error_laws import LAWS
from monitor.core.alerting.decision_rule import DecisionSettings
from trainer.calibration.alerts_at_threshold import ErrorSeries, alert_counts
from trainer.calibration.threshold import BudgetThreshold, keep_budget
from trainer.settings.budget import Budget

JUDGE = DecisionSettings()


def series(error: NDArray[np.float64], name: str = "s") -> ErrorSeries:
    return ErrorSeries(name, np.arange(len(error), dtype=np.float64), error, 1.0)


def keep(error: NDArray[np.float64], seconds_per_alarm: float, judge: DecisionSettings = JUDGE) -> BudgetThreshold:
    return keep_budget([series(error)], Budget(1, seconds_per_alarm), "as a test has it", judge)


def seen_over_asked(law: str, windows: int, seconds_per_alarm: float, streams: int, judge: DecisionSettings) -> float:
    """Mean over streams: alarms on new data of the same law, over those that the budget allows."""
    past = LAWS[law](np.random.default_rng(1), windows, streams)
    thresholds = np.array([keep(past[:, one], seconds_per_alarm, judge).threshold for one in range(streams)])
    future = LAWS[law](np.random.default_rng(2), 1500, 60).T
    alarms = alert_counts([series(one) for one in future], thresholds, judge)
    return float(alarms.mean() / (future.size / seconds_per_alarm))


@pytest.mark.parametrize("law", LAWS)
def test_the_budget_is_kept_within_a_factor_of_two_on_average(law: str) -> None:
    # one alarm in as much time as there is data for each stream
    assert 0.5 < seen_over_asked(law, 800, 800.0, 16, JUDGE) < 2.0


@pytest.mark.parametrize("judge", [DecisionSettings(k=1, n=1), DecisionSettings(k=3, n=4, release_windows=10)])
def test_the_budget_counts_alerts_of_this_very_judge(judge: DecisionSettings) -> None:
    assert 0.5 < seen_over_asked("autocorrelated", 800, 800.0, 16, judge) < 2.0


@pytest.mark.parametrize("law", ["independent", "autocorrelated", "regime-switching"])
def test_beyond_the_data_the_budget_is_not_broken(law: str) -> None:
    assert seen_over_asked(law, 800, 8000.0, 16, JUDGE) < 2.0


def test_a_rate_that_the_data_show_is_counted() -> None:
    error = LAWS["autocorrelated"](np.random.default_rng(3), 5000, 1)[:, 0]
    kept = keep(error, 100.0)
    assert (kept.false_alarms.method, kept.false_alarms.tail) == ("rank", None)
    assert alert_counts([series(error)], np.array([kept.threshold]), JUDGE)[0] == pytest.approx(50, abs=2)
    assert kept.false_alarms.low_per_day < 86400 / 100 < kept.false_alarms.high_per_day


def test_too_few_windows_for_a_tail_give_the_largest_error_and_a_bound_of_its_rate() -> None:
    error = np.random.default_rng(4).chisquare(8, 30)
    kept = keep(error, 30 * 86400.0)
    assert kept.false_alarms.method == "rank"
    assert kept.false_alarms.expected_per_day == pytest.approx(86400 / 30)
    assert alert_counts([series(error)], np.array([kept.threshold]), JUDGE)[0] == 0
    assert kept.threshold == error.max()


def test_recordings_shorter_than_the_judge_wants_still_give_a_threshold() -> None:
    kept = keep_budget([series(np.array([2.0])), series(np.array([3.0]))], Budget(1, 60.0), "x", JUDGE)
    assert kept.threshold == 3.0


def test_errors_that_are_all_the_same_give_that_threshold() -> None:
    assert keep(np.full(100, 2.0), 1e6).threshold == 2.0
    assert keep(np.zeros(100), 1e6).threshold < 1e-30


def test_a_stricter_budget_never_lowers_the_threshold() -> None:
    error = LAWS["independent"](np.random.default_rng(5), 2000, 1)[:, 0]
    thresholds = [keep(error, seconds).threshold for seconds in (20, 200, 2000, 20_000, 200_000, 1e9)]
    assert thresholds == sorted(thresholds)


def test_nobody_extrapolates_without_limit() -> None:
    error = LAWS["independent"](np.random.default_rng(6), 2000, 1)[:, 0]
    limit, beyond = keep(error, 2000 * 10.0), keep(error, 2000 * 500.0)
    assert beyond.threshold == limit.threshold
    assert beyond.false_alarms.extrapolation == pytest.approx(10)
    assert beyond.false_alarms.expected_per_day > beyond.false_alarms.asked_per_day * 40
    assert beyond.false_alarms.needed_seconds == pytest.approx(2000 * 50)


def test_mislabelled_windows_are_set_aside_and_named() -> None:
    error = LAWS["independent"](np.random.default_rng(7), 2000, 1)[:, 0]
    clean = keep(error, 20_000.0)
    error[1200:1230] *= 8
    kept = keep(error, 20_000.0)
    (aside,) = kept.false_alarms.set_aside
    assert (aside.recording, aside.error) == ("s", kept.curve.levels[-1])
    assert aside.start_seconds < 1205 < 1230 < aside.end_seconds
    assert aside.windows == aside.end_seconds - aside.start_seconds + 1 < 60
    assert kept.threshold == pytest.approx(clean.threshold, rel=0.15)


@pytest.mark.parametrize("seed", range(4))
def test_three_bursts_and_scattered_mislabelled_windows_do_not_undo_the_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    error = LAWS["autocorrelated"](rng, 3000, 1)[:, 0]
    clean = keep(error, 30_000.0).threshold
    error[rng.random(3000) < 0.015] *= 6  # 1.5 %, as in ECG5000
    for start in (500, 1500, 2500):
        error[start : start + 25] *= 10
    kept = keep(error, 30_000.0)
    assert kept.threshold < 1.5 * clean
    assert kept.threshold < np.sort(error)[-40]
    assert len(kept.false_alarms.set_aside) >= 3


def test_heavy_tails_are_not_taken_for_mislabelled() -> None:
    aside = [
        len(keep(error, 20_000.0).false_alarms.set_aside)
        for error in LAWS["heavy-tailed"](np.random.default_rng(8), 1000, 12).T
    ]
    assert np.mean(aside) < 0.2
