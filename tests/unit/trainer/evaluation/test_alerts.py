"""Alerts are counted as people would get them: false ones per day, anomalies hit, and how late."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.core.artifact.calibration import Calibration
from monitor.core.windows.stream_windows import WindowBatch
from tests.sines import data_file, sine_recording
from trainer.data.cutting import FileWindows
from trainer.evaluation.alerts import alert_figures
from trainer.evaluation.evaluation import Scored

PLAIN = Calibration(rule="quantile", setting=0.99, windows=100, error_quantiles={})
LENGTH, STRIDE, RATE_HZ = 50, 25, 50.0


def scored(score: list[float], labels: list[int] | None = None, name: str = "a.npz") -> Scored:
    """Windows of one second every half second; of labelled ones, the second half of the samples is anomalous."""
    count = len(score)
    recording = sine_recording(LENGTH + STRIDE * (count - 1))
    sample_labels = None
    if labels is not None:
        sample_labels = np.zeros(len(recording.samples), np.int8)
        for number in np.flatnonzero(labels):
            sample_labels[number * STRIDE + STRIDE : number * STRIDE + LENGTH] = 1
    ends = (LENGTH - 1 + STRIDE * np.arange(count)) / RATE_HZ
    values = np.zeros((count, 2, LENGTH), np.float32)
    batch = WindowBatch(np.zeros(count, np.int64), ends, ends, np.ones(count, np.float32), values)
    cut = FileWindows(
        data_file(replace(recording, labels=sample_labels), name),
        batch,
        ends - (LENGTH - 1) / RATE_HZ,
        None if labels is None else np.array(labels, np.int8),
    )
    error = np.array(score, np.float32)
    withheld = np.where(np.isnan(error), "stuck", "")
    return Scored(cut, error, error, np.stack([error, error], axis=1), withheld)


def test_alerts_without_an_anomaly_are_false_and_counted_per_day_of_normal_windows() -> None:
    score = [0.5] * 20 + [2.0] * 3 + [0.5] * 77
    figures = alert_figures([scored(score)], PLAIN)
    assert (figures.alerts, figures.false_alarms, figures.events, figures.hit) == (1, 1, 0, 0)
    assert figures.normal_seconds == pytest.approx(50.0)
    assert figures.false_alarms_per_day == pytest.approx(86400 / 50)
    assert figures.low_per_day is not None
    assert figures.high_per_day is not None
    assert figures.low_per_day < 86400 / 50 < figures.high_per_day
    assert figures.asked_per_day is None


def test_single_windows_above_the_threshold_are_no_alert() -> None:
    figures = alert_figures([scored([0.5, 0.5, 2.0, 0.5, 0.5, 0.5, 2.0, 0.5])], PLAIN)
    assert (figures.alerts, figures.false_alarms_per_day) == (0, 0.0)
    assert figures.high_per_day == pytest.approx(3.689 * 86400 / 4, rel=1e-3)


def test_an_anomaly_is_hit_by_an_alert_that_fires_during_it_with_its_delay_from_the_first_sample() -> None:
    labels = [0] * 10 + [1] * 6 + [0] * 14
    score = [0.5] * 11 + [3.0] * 5 + [0.5] * 14
    figures = alert_figures([scored(score, labels)], PLAIN)
    assert (figures.alerts, figures.false_alarms, figures.events, figures.hit) == (1, 0, 1, 1)
    # window 10 holds the first anomalous sample in its middle; windows 11 and 12 make the alert
    assert figures.delay_seconds == pytest.approx((LENGTH - 1 + STRIDE * 12 - (STRIDE * 10 + STRIDE)) / RATE_HZ)


def test_an_anomaly_without_an_alert_is_missed_and_an_alert_elsewhere_is_false() -> None:
    labels = [0] * 10 + [1] * 4 + [0] * 26
    score = [0.5] * 30 + [3.0] * 4 + [0.5] * 6
    figures = alert_figures([scored(score, labels)], PLAIN)
    assert (figures.alerts, figures.false_alarms, figures.events, figures.hit) == (1, 1, 1, 0)
    assert figures.delay_seconds is None


def test_an_alert_that_was_firing_already_hits_but_has_no_delay() -> None:
    labels = [0] * 10 + [1] * 4 + [0] * 6
    figures = alert_figures([scored([3.0] * 14 + [0.5] * 6, labels)], PLAIN)
    assert (figures.hit, figures.delay_seconds, figures.false_alarms) == (1, None, 1)


def test_withheld_windows_are_no_time_and_recordings_are_put_together() -> None:
    quiet, noisy = scored([0.5, float("nan"), 0.5, 0.5]), scored([0.5, 3.0, 3.0, 0.5], name="b.npz")
    figures = alert_figures([quiet, noisy], PLAIN)
    assert figures.alerts == 1
    assert figures.normal_seconds == pytest.approx(3.5)
