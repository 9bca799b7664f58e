"""Alerts at a threshold are those that the daemon's decision rule would raise, one window after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.alerting.decision_rule import DecisionRule, DecisionSettings, Phase
from trainer.calibration.alerts_at_threshold import ErrorSeries, FiredAlert, agreed, alert_counts, fired_alerts


def series(error: list[float], name: str = "s") -> ErrorSeries:
    return ErrorSeries(name, np.arange(len(error), dtype=np.float64), np.array(error, np.float32), 1.0)


def judged_one_by_one(error: list[float], threshold: float, settings: DecisionSettings) -> list[tuple[int, int]]:
    """First and last window of each alert, as the daemon finds them."""
    rule = DecisionRule(settings)
    rule.open_stream(0)
    found, first = [], -1
    for number, one in enumerate(error):
        score = np.array([np.float32(one) / np.float32(threshold)])
        for _, before, after in rule.decide(np.zeros(1, np.int64), score, np.ones(1, np.bool_)).transitions:
            if after is Phase.FIRING:
                first = number
            elif before is Phase.FIRING:
                found.append((first, number))
                first = -1
    return found + ([(first, len(error) - 1)] if first >= 0 else [])


errors = st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, float("nan")]), min_size=1, max_size=600)


@given(errors, st.sampled_from([(1, 1), (2, 3), (3, 5)]), st.integers(1, 4))
def test_alerts_are_those_of_the_decision_rule(error: list[float], k_of_n: tuple[int, int], release: int) -> None:
    settings = DecisionSettings(k=k_of_n[0], n=k_of_n[1], release_windows=release)
    thresholds = np.array([0.9, 1.2, 2.5, 9.0])
    found = fired_alerts([series(error)], thresholds, settings)
    for number, threshold in enumerate(thresholds):
        expected = judged_one_by_one(error, threshold, settings)
        assert sorted((a.first, a.last) for a in found if a.threshold == number) == expected


def test_each_series_is_judged_on_its_own() -> None:
    quiet, loud = series([1.0] * 10, "quiet"), series([1.0] * 4 + [5.0] * 3 + [1.0] * 10, "loud")
    assert fired_alerts([quiet, loud], np.array([2.0]), DecisionSettings()) == [FiredAlert(0, 1, 5, 9)]
    assert alert_counts([quiet, loud], np.array([0.5, 2.0, 9.0]), DecisionSettings()).tolist() == [2, 1, 0]


@given(errors.map(lambda some: [one for one in some if one == one]), st.sampled_from([(1, 1), (2, 3), (4, 4)]))
def test_an_alert_first_fires_where_the_agreed_error_exceeds_the_threshold(
    error: list[float], k_of_n: tuple[int, int]
) -> None:
    settings = DecisionSettings(k=k_of_n[0], n=k_of_n[1])
    above = np.flatnonzero(agreed(np.array(error), settings) > 1.2)
    expected = judged_one_by_one(error, 1.2, settings)
    assert (above[0] if len(above) else None) == (expected[0][0] if expected else None)


def test_only_windows_that_were_judged_count_as_time_watched() -> None:
    assert series([1.0, float("nan"), 1.0]).seconds == pytest.approx(2.0)
