"""Figures of merit, on streams whose figures can be told by hand: windows of 4 samples every 2, one sample a second."""

import numpy as np
import pytest

from benchmarks.datasets.figures import Event, Firing, Judged, delay_of, events_of, figures_of, is_false
from monitor.core.artifact.manifest import WindowSpec

NAN = float("nan")


def judged(
    labels: str, score: list[float] | None = None, firings: tuple[Firing, ...] = (), peaks: tuple[float, ...] = ()
) -> Judged:
    """Windows end at 3, 5, 7, … seconds; `labels` has a digit per window."""
    marks = np.array([int(mark) for mark in labels], np.int8)
    return Judged(
        stream="s",
        window=WindowSpec(length=4, stride=2),
        sample_period_seconds=1.0,
        end_seconds=np.arange(3, 3 + 2 * len(marks), 2, dtype=np.float64),
        score=np.array(score if score is not None else np.zeros(len(marks)), np.float32),
        labels=marks,
        anomalous_seconds=np.array(peaks),
        look_back=3,
        firings=firings,
    )


def test_an_event_begins_with_its_first_anomalous_sample_and_ends_with_its_last_window() -> None:
    # samples 5 and 6 lie in the windows that end at 5, 7 and 9; sample 14 in those that end at 15 and 17
    stream = judged("01110110", peaks=(5.0, 6.0, 14.0))
    assert events_of(stream) == [Event(5.0, 9.0), Event(14.0, 15.0)]


def test_a_stream_that_is_anomalous_from_end_to_end_has_one_event() -> None:
    assert events_of(judged("111", peaks=(0.0, 2.0, 4.0, 6.0))) == [Event(0.0, 7.0)]


def test_a_normal_stream_has_none() -> None:
    assert events_of(judged("0000")) == []


@pytest.mark.parametrize(("from_seconds", "false"), [(7.0, True), (9.0, False), (15.0, False), (17.0, True)])
def test_an_alert_is_false_when_no_window_that_it_rests_on_is_anomalous(from_seconds: float, false: bool) -> None:
    stream = judged("00011000", peaks=(9.0, 10.0))
    assert is_false(stream, Firing(from_seconds, 99.0)) is false


def test_withheld_windows_are_not_among_those_that_an_alert_rests_on() -> None:
    # the three scored windows up to 13 s are those that end at 5, 11 and 13 s
    stream = judged("010000", score=[0, 0, NAN, NAN, 0, 0], peaks=(5.0,))
    assert not is_false(stream, Firing(13.0, 99.0))


def test_the_delay_counts_from_the_onset_to_the_first_alert_that_fires_during_the_event() -> None:
    event = Event(10.0, 20.0)
    assert delay_of(event, []) is None
    assert delay_of(event, [Firing(21.0, 30.0), Firing(1.0, 10.0)]) is None
    assert delay_of(event, [Firing(12.0, 13.0), Firing(18.0, 30.0)]) == 2.0
    assert delay_of(event, [Firing(4.0, 11.0), Firing(18.0, 30.0)]) == -6.0


def test_an_alert_that_fired_before_the_event_is_a_hit_but_tells_no_delay() -> None:
    stream = judged("00111", firings=(Firing(5.0, float("inf")),), peaks=(7.0, 9.0, 11.0))
    found = figures_of([stream])
    assert (found.events, found.hit, found.delay_seconds) == (1, 1, None)
    assert found.false_alarms == 1


def test_figures_by_window_leave_withheld_windows_out() -> None:
    stream = judged("0011", score=[0.5, NAN, 2.0, 0.9], peaks=(7.0, 9.0))
    found = figures_of([stream])
    assert (found.windows, found.withheld) == (3, 1)
    assert found.anomalous == pytest.approx(2 / 3)
    assert found.auc_roc == found.auc_pr == 1.0
    assert (found.precision, found.recall) == (1.0, 0.5)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.f1_always == pytest.approx(0.8)


def test_the_false_alarm_rate_refers_to_normal_data_whose_windows_overlap() -> None:
    # 1,800 normal windows every 2 s are an hour
    stream = judged("0" * 1800, firings=(Firing(101.0, 120.0), Firing(201.0, 220.0)))
    found = figures_of([stream])
    assert found.normal_hours == pytest.approx(1.0)
    assert found.false_alarms_per_hour == pytest.approx(2.0)


def test_streams_of_several_models_are_put_together_by_score() -> None:
    found = figures_of([judged("01", [0.5, 2.0], peaks=(5.0,)), judged("01", [0.6, 0.7], peaks=(5.0,))])
    assert found.windows == 4
    assert found.auc_roc == 1.0
    assert found.recall == 0.5


def test_what_is_not_defined_is_none_and_not_zero() -> None:
    found = figures_of([judged("000")])
    assert (found.auc_roc, found.auc_pr, found.f1, found.delay_seconds) == (None, None, None, None)
    assert figures_of([judged("111", peaks=(0.0,))]).false_alarms_per_hour is None
