"""What the anchor calls anomalous within its budget is chance, and stays; what goes beyond is left out, all of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.alerting.decision_rule import DecisionSettings
from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.refit.beyond_anchor import BeyondAnchor, beyond_anchor, chance_events

HOUR = 3600.0
STEP = 600.0  # from window to window
JUDGE = DecisionSettings()
A_MONTH = 30 * 24 * 6  # windows


def series(anomalous: list[tuple[int, int]], count: int = A_MONTH) -> ErrorSeries:
    score = np.full(count, 0.4, np.float32)
    for begin, end in anomalous:
        score[begin:end] = 1.5
    return ErrorSeries("motor-1", STEP * np.arange(count, dtype=np.float64), score, STEP)


def judged(scores: ErrorSeries, per_day: float = 1 / 30, margin: float = 0.0) -> BeyondAnchor:
    return beyond_anchor(scores, per_day, JUDGE, margin, margin)


def test_as_many_short_alerts_as_chance_may_bring_stay_in() -> None:
    found = judged(series([(500 * number, 500 * number + 3) for number in range(1, 6)]))
    assert (found.events, found.allowed, found.stretches) == (5, 5, ())


def test_one_more_and_all_of_them_are_left_out() -> None:
    found = judged(series([(500 * number, 500 * number + 3) for number in range(1, 7)]))
    assert found.events == 6
    assert len(found.stretches) == 6
    assert found.stretches[0][0] == 500 * STEP


def test_isolated_anomalous_windows_raise_no_alert_and_stay_in() -> None:
    assert judged(series([(100 * number, 100 * number + 1) for number in range(1, 40)])).events == 0


def test_an_alert_that_never_ends_counts_for_each_six_hours_begun() -> None:
    broken = judged(series([(A_MONTH - 36 * 6, A_MONTH)]))
    assert broken.events == 6
    assert broken.holds(np.array([A_MONTH - 1]) * STEP).all()


def test_margins_reach_before_and_after_and_what_they_join_is_one_stretch() -> None:
    scores = series([(1000 + 20 * number, 1000 + 20 * number + 4) for number in range(8)])
    (stretch,) = judged(scores, margin=6 * HOUR).stretches
    assert stretch[0] == 1000 * STEP - 6 * HOUR
    assert stretch[1] >= 1143 * STEP + 6 * HOUR
    found = judged(scores, margin=6 * HOUR).holds(scores.end_seconds)
    assert found.sum() == pytest.approx(36 + 36 + 146, abs=4)


def test_what_a_person_accepted_or_something_else_leaves_out_is_not_judged() -> None:
    scores = series([(500 * number, 500 * number + 3) for number in range(1, 7)])
    scores.error[400:600] = np.nan
    found = judged(scores)
    assert (found.events, found.stretches) == (5, ())
    assert found.seconds == pytest.approx((A_MONTH - 200) * STEP)


def test_a_model_that_promised_more_false_alarms_may_raise_more() -> None:
    scores = series([(100 * number, 100 * number + 3) for number in range(1, 40)])
    assert judged(scores).stretches
    assert not judged(scores, per_day=1.0).stretches


def test_a_stream_without_a_judged_window_has_nothing_beyond() -> None:
    nothing = np.full(10, np.nan, np.float32)
    assert judged(ErrorSeries("a", STEP * np.arange(10, dtype=np.float64), nothing, STEP)) == BeyondAnchor(
        0, 0, 0.0, ()
    )
    assert judged(ErrorSeries("a", np.zeros(0), np.zeros(0, np.float32), STEP)).events == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 5.0))
def test_healthy_streams_are_hardly_ever_beyond(seed: int, per_day: float) -> None:
    rng = np.random.default_rng(seed)
    days, streams = 30.0, 2000
    counts = rng.poisson(per_day * days, streams)
    assert (counts > chance_events(per_day, days * 86400)).mean() < 0.006
