"""A threshold on the safe side keeps each stream within what was asked for, where one for all lets some go beyond."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from trainer.calibration import cautious
from trainer.calibration.alerts_at_threshold import ErrorSeries, alert_counts
from trainer.calibration.calibrate import calibrate
from trainer.calibration.cautious import cautious_threshold
from trainer.settings import CalibrationSettings

QUANTILE = CalibrationSettings(rule="quantile", setting=0.99)
BUDGET = CalibrationSettings(rule="budget", false_alarms="30 per 1h")


def series(error: NDArray[np.float64]) -> ErrorSeries:
    return ErrorSeries("motor.npz", np.arange(len(error), dtype=np.float64), error, 1.0)


def errors(rng: np.random.Generator, windows: int, loudness: float) -> NDArray[np.float64]:
    """Errors that resemble those before them, as windows of one load do."""
    steps = rng.normal(size=windows) * np.sqrt(1 - 0.8**2)
    return np.asarray(np.exp(0.3 * lfilter([1.0], [1.0, -0.8], steps)) * loudness)


def fleets(loudness: tuple[float, ...], windows: int) -> Iterator[tuple[list[ErrorSeries], list[NDArray[np.float64]]]]:
    """Calibration windows of a few streams and, by stream, later ones; over and over again."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        yield (
            [series(errors(rng, windows, one)) for one in loudness],
            [errors(rng, 2000, one) for one in loudness],
        )


def test_the_restless_one_of_several_streams_stays_near_what_was_asked_for() -> None:
    loudness = (*(11 * [1.0]), 1.4)
    plain, safe = (
        np.mean([(later[-1] > rule(calibrating, QUANTILE)).mean() for calibrating, later in fleets(loudness, 300)])
        for rule in (lambda *given: calibrate(*given).threshold, cautious_threshold)
    )
    assert plain > 2 * 0.01
    assert safe <= 1.5 * 0.01


@pytest.mark.parametrize("count", [1, 4])
def test_a_threshold_from_few_windows_seldom_lets_a_stream_go_beyond_half_as_much_again(count: int) -> None:
    beyond = [
        [(one > rule(calibrating, QUANTILE)).mean() > 1.5 * 0.01 for one in later]
        for rule in (lambda *given: calibrate(*given).threshold, cautious_threshold)
        for calibrating, later in fleets((1.0,) * count, 1200 // count)
    ]
    plain, safe = np.split(np.array(beyond), 2)
    assert plain.mean() >= 0.1
    assert safe.mean() <= 0.05


def test_alerts_of_a_budget_are_fewer_than_by_a_threshold_for_all() -> None:
    plain, safe = (
        sum(
            int(alert_counts([series(one) for one in later], np.array([rule(calibrating, BUDGET)]), BUDGET.judge)[0])
            for calibrating, later in islice(fleets((1.0, 1.0), 600), 4)
        )
        for rule in (lambda *given: calibrate(*given).threshold, cautious_threshold)
    )
    assert 0 < safe < 0.8 * plain


def test_streams_too_short_to_show_a_false_alarm_count_together() -> None:
    short = [series(np.linspace(0, 1, 40) + number / 100) for number in range(60)]
    # each alone would make its largest error the threshold, and the largest of all would be that of everything
    assert cautious_threshold(short, QUANTILE) < max(one.error.max() for one in short)
    assert cautious_threshold(short[:2], QUANTILE) == max(one.error.max() for one in short[:2])


def test_very_many_streams_take_no_more_calibrations_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(several: list[ErrorSeries], settings: CalibrationSettings) -> object:
        calls.append(sum(len(one.error) for one in several))
        return calibrate(several, settings)

    monkeypatch.setattr(cautious, "calibrate", counted)
    cautious_threshold([series(np.arange(200.0)) for _ in range(100)], QUANTILE)
    assert len(calls) <= 1 + cautious.MOST_GROUPS
    assert sum(calls[1:]) == calls[0] == 20_000


@pytest.mark.parametrize("rule", ["mean_std", "mad"])
def test_rules_that_ask_for_no_rate_stay_as_they_are(rule: str) -> None:
    settings = CalibrationSettings.model_validate({"rule": rule})
    several = [series(np.arange(1.0, 400.0)), series(np.arange(2.0, 900.0))]
    assert cautious_threshold(several, settings) == calibrate(several, settings).threshold
